//! Connectors as data, and the pure functions between a step's parameters, a request, an answer and a step's output.
//!
//! Invariants: pure: no sockets, clock, randomness; a secret enters a request only when it signs in, and leaves every answer as inert text.
//! Not here: sending (`engine::transport`), storing and encrypting (`store`).
//! Source: the files of `content/connectors`; `design.md`, decision 10.

mod definition;
mod error;
mod http;
mod registry;
pub mod schema;
mod secrets;
mod template;
mod wire;

#[cfg(test)]
mod tests;

pub use definition::{Class, ConnectorType, Need, Operation, Probe, SecretField, Undo, Wire, load};
pub use error::{Error, Fault, Retry};
pub use http::{HttpRequest, HttpResponse, REDIRECTS_MAX, origin, reason};
pub use registry::{Answer, Instance, Invocation, Prepared, Registry, Request};
pub use secrets::{SECRET_BYTES_MIN, Scrubber, Secrets};
pub use wire::chat::compose;
pub use wire::ssh::{OUTPUT_BYTES_MAX, SshAnswer, SshAuth, SshRequest};
pub use wire::winrm;
