//! The one place that reads the clock and draws random bytes.
//!
//! Invariants: everything below the engine gets time and randomness as arguments.

use stdx::{Id, Time};

/// Now, in microseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Random bytes of the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing that needs a secret can go on then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the operating system gives no random bytes: {error}");
    }
    bytes
}

/// A new UUIDv7.
pub fn new_id() -> Id {
    stdx::id::uuid_v7(now(), random())
}
