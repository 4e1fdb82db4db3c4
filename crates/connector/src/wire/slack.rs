//! Slack's Web API: which channels, and answers that are errors although the status is 200.
//!
//! Invariants: only channels that the connector allows are written to.

use super::data;
use crate::registry::Bound;
use crate::{Fault, HttpRequest, HttpResponse, Retry};
use stdx::Value;

/// The request, if its channel is allowed.
pub(crate) fn request(bound: &Bound<'_>) -> Result<HttpRequest, Fault> {
    let posts = &*bound.operation.name == "slack_api.postMessage" || &*bound.operation.name == "slack_api.postBlockkit";
    if posts {
        let channel = ["channelIds", "channels", "channelNames"]
            .iter()
            .find_map(|name| bound.params.path(&[name, "0"]).and_then(Value::as_str))
            .filter(|c| !c.is_empty());
        let Some(channel) = channel else {
            return Err(Fault::connector("one of `channelIds`, `channels`, `channelNames` is required"));
        };
        let allowed = bound.config.path(&["allowedChannels"]).and_then(Value::as_array).unwrap_or_default();
        let same = |v: &Value| {
            let names =
                [v.as_str(), v.path(&["id"]).and_then(Value::as_str), v.path(&["name"]).and_then(Value::as_str)];
            names.into_iter().flatten().any(|n| n.trim_start_matches('#') == channel.trim_start_matches('#'))
        };
        if !allowed.is_empty() && !allowed.iter().any(same) {
            return Err(Fault::connector(format!("channel `{channel}` is not one of the allowed channels")));
        }
    }
    let request = data::request(bound)?;
    if &*bound.operation.name == "slack_api.postBlockkit" && !request.body.windows(8).any(|w| w == b"\"blocks\"") {
        return Err(Fault::connector("`text` must be JSON that has `blocks`"));
    }
    Ok(request)
}

/// The answer's body, or its `error`.
pub(crate) fn response(bound: &Bound<'_>, answer: &HttpResponse) -> Result<Value, Fault> {
    let data = answer.data();
    let action = bound.operation.name.rsplit('.').next().unwrap_or_default();
    match data.path(&["ok"]) {
        Some(Value::Bool(true)) if answer.is_success() => Ok(data),
        Some(Value::Bool(false)) => {
            let text = |name: &str| data.path(&[name]).and_then(Value::as_str);
            let code = text("error").unwrap_or("unknown_error");
            let mut message = format!("Slack {action} error: {code}");
            let scopes: Vec<_> =
                ["needed", "provided"].iter().filter_map(|n| Some(format!("{n}={}", text(n)?))).collect();
            if !scopes.is_empty() {
                message.push_str(&format!(" ({})", scopes.join(", ")));
            }
            let retry = match code {
                "ratelimited"
                | "rate_limited"
                | "service_unavailable"
                | "internal_error"
                | "fatal_error"
                | "request_timeout" => match answer.header("retry-after").and_then(|s| s.trim().parse::<u64>().ok()) {
                    Some(seconds) => Retry::After(seconds.saturating_mul(1000)),
                    None => Retry::Backoff,
                },
                _ => Retry::Never,
            };
            Err(Fault::connector(message).details(answer.value()).retry(retry))
        }
        _ if !answer.is_success() => Err(answer.fault()),
        _ => {
            let message = format!("Slack {action} error: the answer is not Slack's");
            Err(Fault::connector(message).details(answer.value()).retry(Retry::Backoff))
        }
    }
}
