//! The wall clock, read once per request.
//!
//! Not here: timers (`engine`).

use stdx::Time;

/// Now.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
