//! Points in time and lengths of time, both in microseconds.
//!
//! Invariants: a `Time` is i64 µs since the epoch everywhere inside; text is ISO 8601 in UTC with milliseconds.
//! Not here: reading a clock.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A point in time: microseconds since 1970-01-01T00:00:00Z. Serialises as the integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A length of time in microseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub i64);

impl Duration {
    /// From milliseconds, saturating.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }
    /// From seconds, saturating.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }
    /// Whole milliseconds, rounded towards zero.
    pub const fn ms(self) -> i64 {
        self.0 / 1000
    }
    /// As a std duration; negative becomes zero.
    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Time {
    /// From milliseconds since the epoch, saturating.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }
    /// Milliseconds since the epoch, rounded down.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// Parses ISO 8601 / RFC 3339 (`2025-01-15T12:00:00.123Z`, with offset, or a bare date, taken as UTC).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Some(Self(t.as_microsecond()));
        }
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(Self(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond()))
    }
    /// ISO 8601 in UTC with milliseconds, for example `2025-01-15T12:00:00.123Z`.
    pub fn iso(self) -> String {
        let ts = jiff::Timestamp::from_microsecond(self.0.clamp(-62_135_596_800_000_000, 253_402_207_200_000_000))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        ts.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }
    /// `self − earlier`.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_iso() {
        let t = Time::parse("2025-01-15T12:00:00.123Z").unwrap();
        assert_eq!(t.ms(), 1_736_942_400_123);
        assert_eq!(t.iso(), "2025-01-15T12:00:00.123Z");
        assert_eq!(Time::parse("2025-01-15T14:00:00+02:00").unwrap().iso(), "2025-01-15T12:00:00.000Z");
        assert_eq!(Time::parse("2025-01-15").unwrap().iso(), "2025-01-15T00:00:00.000Z");
        assert_eq!(Time::parse("garbage"), None);
        assert!(Time(i64::MAX).iso().starts_with("9999-"));
    }
}
