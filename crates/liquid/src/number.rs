//! Numbers as JavaScript writes and reads them, with whole numbers kept at 64 bits.
//!
//! Invariants: text of a number is the shortest that reads back; whole results that fit 64 bits stay integers, which is the one
//! deliberate difference from JavaScript (it rounds beyond 2^53).
//! Source: ECMAScript `Number::toString`, `StringToNumber`.

use crate::chars::trim;
use std::cmp::Ordering;
use stdx::Value;

/// Beyond this a float does not name one whole number.
const SAFE_INTEGER: f64 = 9_007_199_254_740_992.0;

/// A number of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Num {
    I(i64),
    F(f64),
}

impl Num {
    pub(crate) const NAN: Self = Self::F(f64::NAN);

    pub(crate) fn f64(self) -> f64 {
        match self {
            Self::I(i) => i as f64,
            Self::F(f) => f,
        }
    }
    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Self::F(f) if f.is_nan())
    }
    /// `x || 0` of JavaScript.
    pub(crate) fn or_zero(self) -> Self {
        if self.is_nan() { Self::I(0) } else { self }
    }
    /// The value, whole floats as integers.
    pub(crate) fn value(self) -> Value {
        match self {
            Self::I(i) => Value::Int(i),
            Self::F(f) if f.fract() == 0.0 && f.abs() < SAFE_INTEGER => Value::Int(f as i64),
            Self::F(f) => Value::Float(f),
        }
    }
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::I(a), Self::I(b)) => Some(a.cmp(&b)),
            _ => self.f64().partial_cmp(&other.f64()),
        }
    }
    fn exact(self, other: Self, whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64) -> Self {
        if let (Self::I(a), Self::I(b)) = (self, other)
            && let Some(sum) = whole(a, b)
        {
            return Self::I(sum);
        }
        Self::F(real(self.f64(), other.f64()))
    }
    pub(crate) fn add(self, other: Self) -> Self {
        self.exact(other, i64::checked_add, |a, b| a + b)
    }
    pub(crate) fn sub(self, other: Self) -> Self {
        self.exact(other, i64::checked_sub, |a, b| a - b)
    }
    pub(crate) fn mul(self, other: Self) -> Self {
        self.exact(other, i64::checked_mul, |a, b| a * b)
    }
    pub(crate) fn div(self, other: Self) -> Self {
        self.exact(other, |a, b| (b != 0 && a.checked_rem(b) == Some(0)).then(|| a / b), |a, b| a / b)
    }
    /// Remainder with the sign of the divisor.
    pub(crate) fn modulo(self, other: Self) -> Self {
        self.exact(
            other,
            |a, b| a.checked_rem(b).and_then(|r| r.checked_add(b)).and_then(|r| r.checked_rem(b)),
            |a, b| ((a % b) + b) % b,
        )
    }
    /// JavaScript's `ToIntegerOrInfinity`, clamped to 64 bits.
    pub(crate) fn whole(self) -> i64 {
        match self {
            Self::I(i) => i,
            Self::F(f) => f as i64, // saturates; NaN is 0
        }
    }
    pub(crate) fn text(self) -> String {
        match self {
            Self::I(i) => i.to_string(),
            Self::F(f) => float_text(f),
        }
    }
}

/// The text of a float as JavaScript prints it: `1e+21`, `1e-7`, `0.1`, `NaN`, `Infinity`.
pub(crate) fn float_text(f: f64) -> String {
    if f.is_nan() {
        return "NaN".into();
    }
    if f == 0.0 {
        return "0".into();
    }
    let sign = if f < 0.0 { "-" } else { "" };
    if f.is_infinite() {
        return format!("{sign}Infinity");
    }
    let scientific = format!("{:e}", f.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let count = digits.len() as i32;
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    if count <= point && point <= 21 {
        format!("{sign}{digits}{}", "0".repeat((point - count) as usize))
    } else if 0 < point && point <= 21 {
        format!("{sign}{}.{}", &digits[..point as usize], &digits[point as usize..])
    } else if -6 < point && point <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(-point as usize))
    } else {
        let (head, tail) = digits.split_at(1);
        let dot = if tail.is_empty() { "" } else { "." };
        format!("{sign}{head}{dot}{tail}e{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs())
    }
}

/// JavaScript's `Number(text)`.
pub(crate) fn parse(text: &str) -> Num {
    let text = trim(text);
    if text.is_empty() {
        return Num::I(0);
    }
    if let Some((radix, digits)) = radix_of(text) {
        let mut n = 0f64;
        for c in digits.chars() {
            match c.to_digit(radix) {
                Some(d) => n = n * f64::from(radix) + f64::from(d),
                None => return Num::NAN,
            }
        }
        return if digits.is_empty() { Num::NAN } else { Num::F(n) };
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return Num::F(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return Num::NAN;
    }
    match text.parse::<i64>() {
        Ok(i) => Num::I(i),
        Err(_) => text.parse().map_or(Num::NAN, Num::F),
    }
}

fn radix_of(text: &str) -> Option<(u32, &str)> {
    let (head, tail) = text.split_at_checked(2)?;
    match head {
        "0x" | "0X" => Some((16, tail)),
        "0o" | "0O" => Some((8, tail)),
        "0b" | "0B" => Some((2, tail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_javascript_text() {
        let cases = [
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (0.000001, "0.000001"),
            (123456789.125, "123456789.125"),
            (-0.0, "0"),
            (1e20, "100000000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
        ];
        for (f, text) in cases {
            assert_eq!(float_text(f), text);
        }
    }

    #[test]
    fn text_becomes_a_number_as_in_javascript() {
        let cases = [
            (" 12 ", 12.0),
            ("", 0.0),
            ("0x1F", 31.0),
            ("5.", 5.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("-Infinity", f64::NEG_INFINITY),
        ];
        for (text, f) in cases {
            assert_eq!(parse(text).f64(), f, "{text}");
        }
        for text in ["12abc", "nan", "inf", "1_0", "--1", "0x", "."] {
            assert!(parse(text).is_nan(), "{text}");
        }
    }
}
