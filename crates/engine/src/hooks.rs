//! Webhooks: who delivered, whether it was delivered before, and the run that it starts.
//!
//! Invariants: nothing is said about a path that does not exist and a signature that is wrong but *no*; signatures and tokens are compared
//! in constant time; a signed delivery is taken once within its replay window; a delivery with a `dedupe` text starts one run.
//! Not here: the route (`api`), reading the trigger (`workflow::program::trigger`).
//! Source: `product.md` A2; `design/engine.md` §5.

use crate::handle::Handle;
use crate::perform;
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use store::{Commit, Guard, NewStart};
use triage::Actor;
use triage::command::{Command, Request};
use workflow::program::trigger::{HmacAlgorithm, Webhook, WebhookAuth};
use workflow::{Body, Cause, Start};

/// Bytes of a delivery at most.
pub const DELIVERY_BYTES_MAX: usize = 1024 * 1024;
/// Headers shown to the run at most.
pub const HEADERS_MAX: usize = 64;
/// How far a sender's clock may be ahead.
const AHEAD_MAX: stdx::Duration = stdx::Duration::from_secs(60);

/// A delivery as it came in.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// Space.
    pub space: Arc<str>,
    /// Path below the route.
    pub path: &'a str,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// Raw body.
    pub body: &'a [u8],
    /// When.
    pub now: Time,
}

/// Why a delivery was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// No enabled workflow has this path.
    #[error("no webhook `{0}`")]
    NoSuchPath(String),
    /// Not signed, or not with the right secret.
    #[error("the delivery is not signed by a sender that this webhook knows")]
    NotKnown,
    /// Outside of the replay window.
    #[error("the delivery's time is outside of the replay window")]
    Stale,
    /// The template of `dedupe` failed.
    #[error("`dedupe` of the webhook could not be rendered: {0}")]
    Dedupe(String),
    /// The state store.
    #[error("the delivery could not be stored: {0}")]
    Store(String),
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The run.
    pub execution: Id,
    /// It was started by an earlier delivery.
    pub duplicate: bool,
}

fn header<'a>(delivery: &'a Delivery<'_>, name: &str) -> Option<&'a str> {
    delivery.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
}

/// Equal in a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |d, (x, y)| d | (x ^ y)) == 0
}

/// The HMAC of `parts`, one after the other.
fn mac(algorithm: HmacAlgorithm, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    macro_rules! of {
        ($hash:ty) => {{
            // HMAC takes keys of any length.
            let Ok(mut mac) = Hmac::<$hash>::new_from_slice(secret) else { return Vec::new() };
            parts.iter().for_each(|p| mac.update(p));
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match algorithm {
        HmacAlgorithm::Sha256 => of!(sha2::Sha256),
        HmacAlgorithm::Sha512 => of!(sha2::Sha512),
        HmacAlgorithm::Sha1 => of!(sha1::Sha1),
    }
}

/// Seconds since 1970, milliseconds, or an ISO time.
fn time_of(text: &str) -> Option<Time> {
    match text.parse::<i64>() {
        Ok(n) if n > 100_000_000_000 => Some(Time(n.checked_mul(1_000)?)),
        Ok(n) => Some(Time(n.checked_mul(1_000_000)?)),
        Err(_) => Time::parse(text),
    }
}

/// Checks who delivered; what tells this delivery from others, where its sender's signature does.
fn admit(
    hook: &Webhook,
    delivery: &Delivery<'_>,
    secret: impl Fn(&str, &str) -> Option<String>,
) -> Result<Option<String>, HookError> {
    match &hook.auth {
        WebhookAuth::Token { connector, secret: name, header: field } => {
            let given = header(delivery, field).ok_or(HookError::NotKnown)?;
            let token = given.strip_prefix("Bearer ").unwrap_or(given).trim();
            let wanted = secret(connector, name).ok_or(HookError::NotKnown)?;
            if same(token.as_bytes(), wanted.as_bytes()) { Ok(None) } else { Err(HookError::NotKnown) }
        }
        WebhookAuth::Hmac { connector, secret: name, header: field, algorithm, prefix, base64, timestamp } => {
            let given = header(delivery, field).ok_or(HookError::NotKnown)?;
            let text = given.strip_prefix(&**prefix).ok_or(HookError::NotKnown)?.trim();
            let signature = if *base64 {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| HookError::NotKnown)?
            } else {
                hex::decode(text.to_ascii_lowercase()).map_err(|_| HookError::NotKnown)?
            };
            let wanted = secret(connector, name).ok_or(HookError::NotKnown)?;
            let stamp = match timestamp {
                Some(field) => Some(header(delivery, field).ok_or(HookError::NotKnown)?),
                None => None,
            };
            let expected = match stamp {
                Some(stamp) => mac(*algorithm, wanted.as_bytes(), &[stamp.as_bytes(), b".", delivery.body]),
                None => mac(*algorithm, wanted.as_bytes(), &[delivery.body]),
            };
            if !same(&expected, &signature) {
                return Err(HookError::NotKnown);
            }
            if let Some(stamp) = stamp {
                let at = time_of(stamp).ok_or(HookError::Stale)?;
                let (age, ahead) = (delivery.now.since(at), at.since(delivery.now));
                if age > hook.replay_window || ahead > AHEAD_MAX {
                    return Err(HookError::Stale);
                }
            }
            Ok(Some(hex::encode(signature)))
        }
    }
}

/// `event` of the run: what was delivered, without what proves who delivered it.
fn event(hook: &Webhook, delivery: &Delivery<'_>, id: &Id) -> Value {
    let secret_header = match &hook.auth {
        WebhookAuth::Token { header, .. } | WebhookAuth::Hmac { header, .. } => header,
    };
    let hidden = |name: &str| {
        name.eq_ignore_ascii_case(secret_header)
            || ["authorization", "cookie", "proxy-authorization"].iter().any(|h| name.eq_ignore_ascii_case(h))
    };
    let pairs = |list: &[(String, String)]| {
        Value::object(list.iter().take(HEADERS_MAX).map(|(k, v)| (k.as_str(), Value::from(v.as_str()))))
    };
    let shown: Vec<_> = delivery.headers.iter().filter(|(n, _)| !hidden(n)).cloned().collect();
    let text = String::from_utf8_lossy(delivery.body);
    let body = if delivery.body.is_empty() {
        Value::Null
    } else {
        stdx::json::parse(&text).unwrap_or_else(|_| Value::from(&*text))
    };
    Value::object([
        ("body", body),
        ("headers", pairs(&shown)),
        ("query", pairs(&delivery.query)),
        ("path", Value::from(&*hook.path)),
        ("deliveryId", Value::from(id.clone())),
        ("timestamp", Value::from(delivery.now.iso())),
        ("spaceId", Value::from(delivery.space.clone())),
    ])
}

impl Handle {
    /// Takes a delivery: starts the workflow that has its path, once.
    ///
    /// - errors: see [`HookError`]; nothing was started then.
    pub async fn deliver(&self, delivery: Delivery<'_>) -> Result<Accepted, HookError> {
        let shared = &self.0;
        let listeners = shared.listeners(&delivery.space).map_err(|e| HookError::Store(e.to_string()))?;
        let path = delivery.path.trim_matches('/');
        let found = listeners.of_path(path).cloned();
        let found =
            found.as_ref().and_then(|l| l.program.webhooks().find(|h| *h.path == *path).map(|h| (l.clone(), h)));
        let (listener, hook) = found.ok_or_else(|| HookError::NoSuchPath(path.to_owned()))?;
        let secret = |connector: &str, name: &str| {
            let instance = perform::instance(shared, &delivery.space, connector).ok()?;
            instance.secrets.get(name).map(str::to_owned)
        };
        let signature = admit(hook, &delivery, secret)?;
        let fresh = crate::clock::new_id();
        let event = event(hook, &delivery, &fresh);
        let dedupe = hook.dedupe_key(&event, delivery.now).map_err(HookError::Dedupe)?;
        let tells = match (&dedupe, &signature) {
            (Some(text), _) => Some(format!("dedupe:{text}")),
            (None, Some(signature)) => Some(format!("signature:{signature}")),
            (None, None) => None,
        };
        let key: Option<Arc<str>> = tells.map(|t| format!("hook:{path}:{}", stdx::id::sha256_hex(t.as_bytes())).into());
        let start = Start {
            execution: fresh.clone(),
            root: fresh.clone(),
            space: delivery.space.clone(),
            workflow: listener.workflow.clone(),
            version: listener.version,
            principal: listener.updated_by.clone(),
            cause: Cause::Webhook { path: path.into(), delivery: fresh.clone() },
            visited: vec![listener.workflow.clone()],
            event: Body::from(event),
            at: delivery.now,
            ..Start::default()
        };
        // The first answer for the key names its run: the same delivery again is answered with it and starts nothing.
        let note = Request {
            space: delivery.space.clone(),
            by: Actor::person(&listener.updated_by, "webhook"),
            key: None,
            command: Command::Note {
                action: "hook.deliver".into(),
                of: ("execution".into(), fresh.clone()),
                details: Value::object([
                    ("path", Value::from(path)),
                    ("execution", Value::from(fresh)),
                    ("workflow", Value::from(listener.workflow.clone())),
                ]),
            },
        };
        let guard = |key| Guard::Request { space: delivery.space.clone(), key, execution: None };
        let commit = Commit {
            now: delivery.now,
            guards: key.map(guard).into_iter().collect(),
            commands: vec![note],
            starts: vec![NewStart { start: Box::new(start), if_inserted: None }],
            ..Commit::default()
        };
        let committed = self.commit(commit).await.map_err(|e| HookError::Store(e.to_string()))?;
        let first = committed.results.first().and_then(|r| r.as_ref().ok());
        let execution = first.and_then(|v| v.get("execution")).and_then(Value::as_str).map(Id::from);
        let execution = execution.ok_or_else(|| HookError::Store("the delivery's note gave no run".into()))?;
        Ok(Accepted { execution, duplicate: committed.replayed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(auth: WebhookAuth) -> Webhook {
        Webhook { path: "edr".into(), auth, replay_window: stdx::Duration::from_secs(300), dedupe: None }
    }

    fn delivery<'a>(headers: &[(&str, &str)], body: &'a [u8], now: Time) -> Delivery<'a> {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Delivery { space: "default".into(), path: "edr", headers, query: vec![], body, now }
    }

    fn hmac_auth(timestamp: Option<&str>) -> WebhookAuth {
        WebhookAuth::Hmac {
            connector: "edr".into(),
            secret: "secret".into(),
            header: "X-Signature".into(),
            algorithm: HmacAlgorithm::Sha256,
            prefix: "sha256=".into(),
            base64: false,
            timestamp: timestamp.map(Into::into),
        }
    }

    fn secret(_: &str, _: &str) -> Option<String> {
        Some("It's a Secret to Everybody".into())
    }

    #[test]
    fn the_published_example_of_a_signed_webhook_is_taken() {
        // The test values of GitHub's documentation on validating webhook deliveries.
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let hook = hook(hmac_auth(None));
        let now = Time(1_700_000_000_000_000);
        let good = delivery(&[("x-signature", signature)], b"Hello, World!", now);
        assert!(admit(&hook, &good, secret).unwrap().is_some());
        let changed = delivery(&[("x-signature", signature)], b"Hello, World?", now);
        assert_eq!(admit(&hook, &changed, secret), Err(HookError::NotKnown));
        let missing = delivery(&[], b"Hello, World!", now);
        assert_eq!(admit(&hook, &missing, secret), Err(HookError::NotKnown));
        assert_eq!(
            admit(&hook, &good, |_, _| None),
            Err(HookError::NotKnown),
            "a connector without the secret knows nobody"
        );
    }

    #[test]
    fn a_signed_time_outside_of_the_window_is_refused() {
        let hook = hook(hmac_auth(Some("X-Time")));
        let now = Time(1_700_000_000_000_000);
        for (stamp, expected) in [
            ("1699999800", Ok(())),
            ("1699999600", Err(HookError::Stale)),
            ("1700000050", Ok(())),
            ("1700000100", Err(HookError::Stale)),
        ] {
            let key = b"It's a Secret to Everybody";
            let signed = hex::encode(mac(HmacAlgorithm::Sha256, key, &[stamp.as_bytes(), b".", b"{}"]));
            let header = format!("sha256={signed}");
            let d = delivery(&[("x-signature", &header), ("x-time", stamp)], b"{}", now);
            assert_eq!(admit(&hook, &d, secret).map(|_| ()), expected, "{stamp}");
        }
    }

    #[test]
    fn a_token_is_compared_whole_and_not_shown_to_the_run() {
        let auth = WebhookAuth::Token { connector: "c".into(), secret: "token".into(), header: "Authorization".into() };
        let hook = hook(auth);
        let now = Time(1_700_000_000_000_000);
        let good = delivery(&[("authorization", "Bearer It's a Secret to Everybody"), ("x-a", "1")], b"{\"a\":1}", now);
        assert_eq!(admit(&hook, &good, secret), Ok(None));
        let short = delivery(&[("authorization", "Bearer It's a Secret")], b"", now);
        assert_eq!(admit(&hook, &short, secret), Err(HookError::NotKnown));
        let event = event(&hook, &good, &Id::from("d1"));
        assert!(!stdx::json::text(&event).contains("Everybody"));
        assert_eq!(event.get("body").and_then(|b| b.get("a")), Some(&Value::Int(1)));
        assert!(event.get("headers").and_then(|h| h.get("x-a")).is_some());
    }
}
