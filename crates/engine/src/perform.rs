//! Performs one call: finds its transport, sends the frozen request, says how it ended.
//!
//! Invariants: the bytes are those of the frozen call plus what the connector's secrets add; a destructive first byte leaves only before
//! `not_after`; answers are scrubbed of the connector's secrets before anybody sees them.
//! Not here: when to send (`core`), wire formats (`connector`), what the answer means to the step (`workflow`).
//! Source: `design/engine.md` §2.

use crate::clock;
use crate::core::Input;
use crate::handle::Shared;
use crate::own::{self, OwnRequest};
use crate::transport::{self, Bounds};
use connector::{Instance, Invocation, Secrets};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stdx::{Time, Value};
use store::Noun;
use workflow::{Body, Call, Class, EffectKey, Fault, Outcome, Retry};

/// Connector types that speak to models, in the order they are taken when a step names none.
const MODEL_TYPES: &[&str] = &[".gen-ai", ".inference"];
/// Answer bytes of a call outside any run.
const EXECUTE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest call outside any run.
const EXECUTE_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// A call with everything that its transport needs.
pub(crate) struct Sending {
    pub shared: Arc<Shared>,
    pub key: EffectKey,
    pub call: Arc<Call>,
    pub space: Arc<str>,
    pub principal: Arc<str>,
    pub not_after: Option<Time>,
    pub attempt: u32,
    /// Handle of a job that an earlier process began.
    pub attach: Option<Value>,
}

/// Performs a call.
pub(crate) async fn perform(sending: Sending) -> Outcome {
    sending.shared.figures.calls_sent.fetch_add(1, Ordering::Relaxed);
    let result = match &*sending.call.operation {
        op if op.starts_with("kibana.") || op.starts_with("elasticsearch.") || op.starts_with("cases.") => {
            own_api(&sending).await
        }
        _ => connector_call(&sending).await,
    };
    match result.unwrap_or_else(|outcome| outcome) {
        // An earlier process sent it: that this one sent nothing says nothing about it.
        Outcome::NotSent(fault) if sending.attach.is_some() => Outcome::Unknown(fault),
        outcome => outcome,
    }
}

/// Calls an operation of a stored connector once, outside any run.
pub(crate) async fn execute(
    shared: &Arc<Shared>,
    space: &Arc<str>,
    id: &str,
    operation: &str,
    params: &Value,
) -> Result<Value, Fault> {
    let instance = instance(shared, space, id)?;
    let key = clock::new_id();
    let call = Invocation { operation, params, instance: Some(&instance), idempotency_key: &key };
    let bounds = Bounds::new(EXECUTE_MAX, EXECUTE_BYTES_MAX, &transport::open);
    match shared.transport.call(&call, bounds).await {
        Outcome::Answered(Ok(Body::Inline(value))) => Ok((*value).clone()),
        Outcome::Answered(Ok(_)) | Outcome::Dry(_) => Ok(Value::Null),
        Outcome::NotSent(fault) | Outcome::Unknown(fault) | Outcome::Answered(Err(fault)) => Err(fault),
    }
}

/// A call through a connector, or of an operation that needs none.
async fn connector_call(sending: &Sending) -> Result<Outcome, Outcome> {
    let (shared, call) = (&sending.shared, &sending.call);
    let not_sent = |f: Fault| Outcome::NotSent(f);
    let params = params(call)?;
    let id = call.connector.clone().or_else(|| default_model(shared, &sending.space, &call.operation));
    let instance = id.map(|id| instance(shared, &sending.space, &id)).transpose().map_err(not_sent)?;
    if let Some(instance) = &instance
        && call.class == Class::Destructive
        && shared.programs.registry().target(&instance.kind, &instance.config).unwrap_or_default() != call.target
    {
        return Err(Outcome::NotSent(Fault::new(
            "TargetChanged",
            "the connector's target changed after the request was frozen",
        )));
    }
    let key = sending.key.idempotency_key();
    let invocation =
        Invocation { operation: &call.operation, params, instance: instance.as_ref(), idempotency_key: &key };
    let left = call.deadline.map_or(transport::TIMEOUT_DEFAULT, |d| d.since(clock::now()).std());
    let gate =
        || -> futures::future::BoxFuture<'_, Result<(), Fault>> { Box::pin(std::future::ready(first_byte(sending))) };
    let detach = |handle: Value| {
        let _ = shared.to_core.send(Input::Detached { key: sending.key.clone(), attempt: sending.attempt, handle });
    };
    let bounds =
        Bounds { detach: &detach, attach: sending.attach.as_ref(), ..Bounds::new(left, call.bytes_max, &gate) };
    let outcome = shared.transport.call(&invocation, bounds).await;
    Ok(match outcome {
        // 429 and 503 say that the other side did nothing (§2.5).
        Outcome::Answered(Err(f)) if refused(&f) => Outcome::NotSent(f),
        // A read may simply be asked again by the step's own policy.
        Outcome::Unknown(f) if call.class == Class::Read => Outcome::Answered(Err(f)),
        other => other,
    })
}

/// The last look before the first byte: what destroys must not be late, and nothing may have halted it meanwhile.
fn first_byte(sending: &Sending) -> Result<(), Fault> {
    if sending.not_after.is_some_and(|limit| clock::now() > limit) {
        return Err(Fault::new("TooLate", "the first byte was not sent in time").retry(Retry::Backoff));
    }
    if sending.call.class == Class::Destructive {
        crate::envelope::first_byte(&sending.shared.store, &sending.space, &sending.call)?;
    }
    Ok(())
}

/// True for answers that say *not now*: nothing was done.
fn refused(fault: &Fault) -> bool {
    matches!(fault.details.get("status").and_then(Value::as_i64), Some(429 | 503))
}

/// The first model connector of the space, for AI steps that name none.
fn default_model(shared: &Arc<Shared>, space: &Arc<str>, operation: &str) -> Option<Arc<str>> {
    if !operation.starts_with("ai.") {
        return None;
    }
    let catalogue = shared.programs.catalogue(&shared.store, space);
    MODEL_TYPES.iter().find_map(|kind| catalogue.connectors.values().find(|c| &*c.kind == *kind).map(|c| c.id.clone()))
}

/// Loads a stored connector and opens its secrets.
pub(crate) fn instance(shared: &Arc<Shared>, space: &Arc<str>, id: &str) -> Result<Instance, Fault> {
    let read = shared.store.read(|r| r.record_get(Noun::Connector, space, id));
    let record = read
        .map_err(|e| Fault::new("StoreUnavailable", e.to_string()).retry(Retry::Backoff))?
        .ok_or_else(|| Fault::new("ConnectorExecutionError", format!("connector `{id}` not found")))?;
    let text = |key: &str| record.body.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut secrets = BTreeMap::new();
    if let Some(sealed) = record.body.get("secrets").and_then(Value::as_str) {
        let broken =
            || Fault::new("ConnectorExecutionError", format!("the secrets of connector `{id}` cannot be opened"));
        let opened = shared.store.open_sealed(Noun::Connector.as_str(), id, sealed).map_err(|_| broken())?;
        let opened = stdx::json::parse_slice(&opened).map_err(|_| broken())?;
        for (name, value) in opened.as_object().into_iter().flat_map(stdx::Object::iter) {
            if let Some(value) = value.as_str() {
                secrets.insert(name.to_string(), value.to_owned());
            }
        }
    }
    Ok(Instance {
        id: id.into(),
        name: text("name").into(),
        kind: text("connector_type_id").into(),
        config: record.body.get("config").cloned().unwrap_or_default(),
        secrets: Secrets::new(secrets),
    })
}

fn params(call: &Call) -> Result<&Value, Outcome> {
    call.params.value().ok_or_else(|| {
        Outcome::NotSent(Fault::new(
            "Unsupported",
            "secrets in templates are not available; put the secret into a connector",
        ))
    })
}

/// A call of our own API in process, under the run's principal.
async fn own_api(sending: &Sending) -> Result<Outcome, Outcome> {
    let call = &sending.call;
    let own::Route { api, method, path, headers, body } =
        own::route(&call.operation, params(call)?).map_err(|message| Outcome::NotSent(Fault::new("Error", message)))?;
    let router = sending.shared.own.get().ok_or_else(|| {
        Outcome::NotSent(Fault::new("Unavailable", "our own API is not up yet").retry(Retry::Backoff))
    })?;
    first_byte(sending).map_err(Outcome::NotSent)?;
    let asked = router(OwnRequest {
        api,
        method: method.clone(),
        path: path.clone(),
        headers,
        body,
        principal: sending.principal.clone(),
        space: sending.space.clone(),
        execution: (sending.key.execution.0.clone(), sending.key.path.to_string().into()),
        key: sending.key.idempotency_key(),
    });
    let left = call.deadline.map_or(transport::TIMEOUT_DEFAULT, |d| d.since(clock::now()).std());
    let Ok(response) = tokio::time::timeout(left, asked).await else {
        let late = Fault::new("TimeoutError", "our own API did not answer in time");
        return Ok(if call.class == Class::Read { Outcome::Answered(Err(late)) } else { Outcome::Unknown(late) });
    };
    if response.body.len() as u64 > call.bytes_max {
        let details = Value::object([
            ("limitBytes", Value::from(call.bytes_max)),
            ("actualBytes", Value::from(response.body.len())),
        ]);
        let message = format!("the answer exceeds the limit of {} bytes", call.bytes_max);
        return Ok(Outcome::Answered(Err(Fault::new("StepSizeLimitExceeded", message).details(details))));
    }
    let json = if response.body.is_empty() { Ok(Value::Null) } else { stdx::json::parse(&response.body) };
    let value = json.unwrap_or_else(|_| Value::from(response.body.as_str()));
    if (200..300).contains(&response.status) {
        // An answer without content is an empty object, a text without words is null.
        let value = if response.status == 204 { Value::object::<&str>([]) } else { value };
        let value = if &*call.operation == "cases.getCase" { Value::object([("case", value)]) } else { value };
        return Ok(Outcome::Answered(Ok(Body::from(value))));
    }
    let text = stdx::bounded::truncate(&response.body, 1024 * 1024).into_owned();
    let kind = if api == own::OwnApi::Kibana { "Error" } else { "ResponseError" };
    let fault = Fault::new(kind, format!("HTTP {}: {text}", response.status)).details(Value::object([
        ("status", Value::Int(response.status.into())),
        ("path", Value::from(path)),
        ("method", Value::from(&*method)),
        ("data", value),
    ]));
    Ok(Outcome::Answered(Err(if matches!(response.status, 429 | 503) { fault.retry(Retry::Backoff) } else { fault })))
}
