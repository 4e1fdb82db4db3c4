//! Lengths of time and byte sizes as authors write them: `1w2d3h4m5s6ms`, `10mb`.
//!
//! Invariants: units descend, each at most once; nothing overflows.
//! Source: `reference/workflow-language.md` §1.5.

use stdx::Duration;

const UNITS: [(&str, i64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Shortest `undo-after`.
pub const UNDO_AFTER_MIN: Duration = Duration::from_secs(1);
/// Longest `undo-after`.
pub const UNDO_AFTER_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The length of an `undo-after`.
///
/// - errors: why it is none, in words.
pub fn undo_after(text: &str) -> Result<Duration, String> {
    let length = duration(text).ok_or_else(|| duration_error(text))?;
    if (UNDO_AFTER_MIN..=UNDO_AFTER_MAX).contains(&length) {
        return Ok(length);
    }
    Err(format!(
        "`undo-after` is between 1s and {} days, not `{text}`",
        UNDO_AFTER_MAX.0 / Duration::from_secs(86_400).0
    ))
}

/// The message for a text that is no duration.
pub fn duration_error(text: &str) -> String {
    format!("invalid duration format: `{text}`; use a format like \"1w2d3h4m5s6ms\" with units in descending order")
}

/// Parses a duration; zero, decimals, spaces and ascending units are refused.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let at = UNITS.iter().position(|(u, _)| *u == &rest[..letters]).filter(|at| *at >= next_unit)?;
        total = total.checked_add(number.checked_mul(UNITS[at].1)?)?;
        next_unit = at + 1;
        rest = &rest[letters..];
    }
    (total > 0 && total < i64::MAX / 1000).then(|| Duration::from_ms(total))
}

/// Parses a byte size such as `10mb`, 1024-based, case-insensitive; `0` and `0b` mean no limit and give `u64::MAX`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let factor = match text[split..].trim() {
        "b" | "" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let size = number * factor;
    if size == 0.0 { Some(u64::MAX) } else { (size.is_finite() && size < 1e15).then_some(size as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_descending_units() {
        for (text, ms) in [("30s", 30_000), ("1m30s", 90_000), ("1w2d3h4m5s6ms", 788_645_006), ("6ms", 6)] {
            assert_eq!(duration(text), Some(Duration::from_ms(ms)), "{text}");
        }
        for bad in ["", "0s", "1.5h", "5", "s", "1s1m", "1s 2ms", "99999999999999999999w", "1s1s", "-1s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn byte_sizes_are_1024_based() {
        assert_eq!(bytes("10mb"), Some(10 * 1024 * 1024));
        assert_eq!(bytes("1.5 KB"), Some(1536));
        assert_eq!(bytes("0b"), Some(u64::MAX));
        assert_eq!(bytes("10xb"), None);
    }
}
