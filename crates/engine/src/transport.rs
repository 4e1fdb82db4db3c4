//! The ways to the outside, behind one egress guard.
//!
//! Invariants: nothing leaves except through the guard; an outcome says whether a byte may have left.
//! Not here: what to send (`connector`), when (`core`).

pub mod egress;
pub mod http;

use std::sync::Arc;
use stdx::{Duration, Time};
use workflow::{Class, Fault};

/// Longest call whose step gives no deadline.
pub const CALL_MAX: Duration = Duration::from_secs(120);

/// How far one call may go.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Its class: what an answer that does not come means.
    pub class: Class,
    /// Give up at.
    pub deadline: Time,
    /// Answer bytes at most.
    pub bytes_max: u64,
}

/// How a call ended without an answer.
#[derive(Clone, Debug)]
pub enum Failure {
    /// No byte left.
    NotSent(Fault),
    /// Bytes may have left.
    Unknown(Fault),
    /// A definite failure after an answer began.
    Answered(Fault),
}

/// All transports of a node.
#[derive(Clone)]
pub struct Transport {
    /// Who may be reached.
    pub guard: Arc<egress::Guard>,
    /// HTTP.
    pub http: http::Client,
}

impl Transport {
    /// Transports that may reach public addresses and the given `host:port` pairs.
    pub fn new(allow: &[String]) -> Result<Self, String> {
        let guard = Arc::new(egress::Guard::new(allow)?);
        Ok(Self { http: http::Client::new(guard.clone())?, guard })
    }
}
