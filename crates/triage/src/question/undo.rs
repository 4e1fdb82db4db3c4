//! How a frozen action is undone: part of what a question shows and its hash covers.
//!
//! Invariants: bound means that request and target are the ones that will be sent; what is not bound is shown as template and approves nothing.
//! Not here: when it is rendered, when it runs (`workflow::decide::undo`).
//! Source: `design/engine.md` §8, §9.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::Value;

/// The inverse of an action as it was frozen with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenUndo {
    /// Name of the undo's step, for example `block_address.undo`.
    pub step: Arc<str>,
    /// Step type.
    pub operation: Arc<str>,
    /// Effect class as text.
    pub class: Arc<str>,
    /// Connector id; as written while it is not bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<Arc<str>>,
    /// Where it goes; null while it is not bound.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub target: Value,
    /// The rendered request; null while it is not bound.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub request: Value,
    /// True where request and target are frozen; else they are rendered when the action has happened.
    #[serde(default)]
    pub bound: bool,
    /// Parameters as written, while it is not bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Arc<str>>,
    /// After how long it runs by itself, as text (`4h`); absent: only when a person asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Arc<str>>,
    /// The same in milliseconds; absent where `after` is a template that is rendered when the action begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// SHA-256 of the request that it undoes: with changed parameters it no longer fits.
    pub of: Arc<str>,
    /// Declared retries of the undo.
    #[serde(default, skip_serializing_if = "is_none")]
    pub retries: u32,
    /// Names of secrets that the transport will add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Arc<str>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(n: &u32) -> bool {
    *n == 0
}

impl FrozenUndo {
    /// What `of` is for a request.
    pub fn mark(request: &Value) -> Arc<str> {
        stdx::id::sha256_hex(stdx::json::canonical(request).as_bytes()).into()
    }
    /// True where it undoes just this request.
    pub fn fits(&self, request: &Value) -> bool {
        self.of == Self::mark(request)
    }
}
