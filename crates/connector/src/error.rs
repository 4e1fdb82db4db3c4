//! What goes wrong with connectors: faults of a call, errors of a stored connector.
//!
//! Invariants: neither ever holds a secret's value.
//! Not here: `workflow::Fault`, which `engine` makes of [`Fault`].

use stdx::Value;

/// Why a call has no output.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// `type` of the error object, for example `ConnectorExecutionError`.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
    /// Status, headers and data of an answer, or null.
    pub details: Value,
    /// Whether the same bytes may succeed later.
    pub retry: Retry,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Retry {
    /// Not.
    #[default]
    Never,
    /// With back-off.
    Backoff,
    /// After so many milliseconds.
    After(u64),
}

impl Fault {
    /// A fault that trying again does not mend.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Value::Null, retry: Retry::Never }
    }
    /// The connector or its answer is at fault.
    pub fn connector(message: impl Into<String>) -> Self {
        Self::new("ConnectorExecutionError", message)
    }
    /// With details.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
    /// With advice about trying again.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// A stored connector that cannot be used as it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// There is no such type.
    #[error("connector type `{0}` is not registered")]
    UnknownType(String),
    /// A secret is too short to be kept out of texts.
    #[error("secret `{name}` has fewer than {min} bytes; it could not be kept out of answers", min = crate::SECRET_BYTES_MIN)]
    SecretTooShort {
        /// Name of the secret.
        name: String,
    },
    /// The type has no such secret.
    #[error("connector type `{kind}` has no secret `{name}`")]
    UnknownSecret {
        /// Type of the connector.
        kind: String,
        /// Name of the secret.
        name: String,
    },
    /// A secret that the type needs is missing.
    #[error("secret `{name}` is missing")]
    MissingSecret {
        /// Name of the secret.
        name: String,
    },
    /// A field of the configuration is wrong.
    #[error("[{path}]: {message}")]
    Config {
        /// Path of the field.
        path: String,
        /// What is wrong.
        message: String,
    },
}
