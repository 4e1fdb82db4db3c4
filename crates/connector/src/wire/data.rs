//! Requests and answers of connectors that are data only, and signing in for all of them.
//!
//! Invariants: a secret enters a request only here, as a header, a query parameter or the address itself.

use crate::registry::Bound;
use crate::{Fault, HttpRequest, HttpResponse};
use base64::Engine as _;
use stdx::Value;

/// The request that the operation's templates give.
pub(crate) fn request(bound: &Bound<'_>) -> Result<HttpRequest, Fault> {
    let operation = bound.operation;
    let url = operation.url.as_ref().map_or(Ok(String::new()), |url| bound.text(url))?;
    let mut request = HttpRequest::new(&bound.text(&operation.method)?, url);
    for (name, value) in pairs(&bound.render(&operation.headers)?) {
        request.set_header(&name, value);
    }
    for (name, value) in pairs(&bound.render(&operation.query)?) {
        request.add_query(&name, &value);
    }
    if let Some(body) = &operation.body {
        request.set_body(&bound.render(body)?);
    }
    Ok(request)
}

/// Members of an object as text; null ones are left out.
pub(crate) fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| match v {
        Value::Str(s) => s.to_string(),
        other => stdx::json::text(other),
    };
    value
        .as_object()
        .into_iter()
        .flat_map(|o| o.iter())
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| (k.to_string(), text(v)))
        .collect()
}

/// Adds the connector's credentials.
pub(crate) fn sign_in(bound: &Bound<'_>, request: &mut HttpRequest) -> Result<(), Fault> {
    let auth = &bound.kind.auth;
    if bound.instance.is_none() {
        return Ok(());
    }
    if let Some(when) = &auth.when
        && !matches!(bound.render(when)?, Value::Bool(true))
    {
        return Ok(());
    }
    let kind = bound.text(&auth.kind)?;
    if kind == "none" {
        return Ok(());
    }
    let name = bound.text(&auth.secret)?;
    let secret = match bound.secret(&name) {
        Some(secret) => secret,
        None if auth.optional => return Ok(()),
        None => return Err(Fault::connector(format!("secret `{name}` is missing"))),
    };
    match kind.as_str() {
        "basic" => {
            let user = auth.user.as_deref().and_then(|user| bound.secret(user)).unwrap_or_default();
            let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
            request.set_header("Authorization", format!("Basic {both}"));
        }
        "bearer" => request.set_header("Authorization", format!("Bearer {secret}")),
        "header" => request.set_header(&bound.text(&auth.header)?, secret),
        "apikey" => match bound.text(&auth.query)?.as_str() {
            "" => request.set_header(&bound.text(&auth.header)?, secret),
            query => request.add_query(query, secret),
        },
        "url" => {
            let query = request.url.split_once('?').map(|(_, q)| q.to_string());
            request.url = secret.trim().to_string();
            if let Some(query) = query {
                request.url.push(if request.url.contains('?') { '&' } else { '?' });
                request.url.push_str(&query);
            }
        }
        other => return Err(Fault::connector(format!("sign-in `{other}` does not exist"))),
    }
    Ok(())
}

/// What an answer's templates see.
struct AnswerScope<'a> {
    bound: &'a Bound<'a>,
    answer: Value,
}

impl liquid::Context for AnswerScope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "config" => Some(self.bound.config.clone()),
            "params" => Some(self.bound.params.clone()),
            "data" | "status" | "headers" => self.answer.path(&[name]).cloned(),
            _ => None,
        }
    }
}

/// The output that the operation's templates give.
pub(crate) fn response(bound: &Bound<'_>, answer: &HttpResponse) -> Result<Value, Fault> {
    let rules = &bound.operation.response;
    let scope = AnswerScope { bound, answer: answer.value() };
    let good = match &rules.success {
        Some(success) => answer.is_success() && matches!(success.render(&scope)?, Some(Value::Bool(true))),
        None => answer.is_success(),
    };
    if !good {
        let mut fault = answer.fault();
        if let Some(error) = &rules.error {
            let message = error.text(&scope)?;
            if !message.is_empty() {
                fault.message = message;
            }
        }
        return Err(fault);
    }
    match &rules.output {
        Some(output) => Ok(output.render(&scope)?.unwrap_or_default()),
        None => Ok(answer.data()),
    }
}
