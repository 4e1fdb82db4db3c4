//! Date math: `now-1d/d`, `2025-01-01||+1M`, partial dates, epoch milliseconds.
//!
//! Invariants: *now* is an argument; a partial date or a rounding names a whole period and [`DateMath::resolve`] takes either end of it;
//! arithmetic saturates.
//! Not here: custom date patterns.
//! Source: date math and `strict_date_optional_time||epoch_millis` of Elasticsearch.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Unit, Zoned};
use stdx::Time;

/// Most operations after the anchor.
const OPS_MAX: usize = 16;

/// Which end of a period a bound means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Its first microsecond: `gte` and `lt`.
    Down,
    /// Its last microsecond: `gt` and `lte`.
    Up,
}

/// A parsed date expression.
#[derive(Clone, Debug, PartialEq)]
pub struct DateMath {
    anchor: Anchor,
    ops: Vec<Op>,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq)]
enum Anchor {
    Now,
    /// First microsecond of the period, and the period's length.
    Fixed(Time, Option<Unit>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Add(i64, Unit),
    Floor(Unit),
}

impl DateMath {
    /// Parses with UTC for what names no zone.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_in(text, &TimeZone::UTC)
    }

    /// Parses; `zone` applies to dates without one and to rounding.
    pub fn parse_in(text: &str, zone: &TimeZone) -> Option<Self> {
        let text = text.trim();
        let (anchor, ops) = match text.strip_prefix("now") {
            Some(ops) => (Anchor::Now, ops),
            None => {
                let (date, ops) = text.split_once("||").unwrap_or((text, ""));
                let (at, period) = fixed(date, zone)?;
                (Anchor::Fixed(at, period), ops)
            }
        };
        Some(Self { anchor, ops: operations(ops)?, zone: zone.clone() })
    }

    /// A fixed point in time.
    pub const fn at(time: Time) -> Self {
        Self { anchor: Anchor::Fixed(time, None), ops: Vec::new(), zone: TimeZone::UTC }
    }

    /// True when the value depends on *now*.
    pub const fn is_relative(&self) -> bool {
        matches!(self.anchor, Anchor::Now)
    }

    /// The point in time; `round` says which end of a rounded or partial period.
    pub fn resolve(&self, now: Time, round: Round) -> Time {
        let (start, mut period) = match self.anchor {
            Anchor::Now => (now, None),
            Anchor::Fixed(at, period) => (at, period),
        };
        if self.ops.is_empty() && (period.is_none() || round == Round::Down) {
            return start;
        }
        let Ok(timestamp) = Timestamp::from_microsecond(start.0) else { return start };
        let mut at = timestamp.to_zoned(self.zone.clone());
        for op in &self.ops {
            match *op {
                Op::Add(n, unit) => at = shift(&at, n, unit),
                Op::Floor(unit) => {
                    at = floor(&at, unit);
                    period = Some(unit);
                }
            }
        }
        match (round, period) {
            (Round::Up, Some(unit)) => Time(shift(&at, 1, unit).timestamp().as_microsecond() - 1),
            _ => Time(at.timestamp().as_microsecond()),
        }
    }
}

/// A time zone by offset (`+02:00`, `Z`) or by name; names come from the table inside the program.
pub fn time_zone(text: &str) -> Option<TimeZone> {
    if matches!(text, "Z" | "UTC" | "utc" | "GMT") {
        return Some(TimeZone::UTC);
    }
    match offset(text) {
        Some(offset) => Some(offset.to_time_zone()),
        None => TimeZoneDatabase::bundled().get(text).ok(),
    }
}

/// Parses a date as a document writes it: ISO text, or digits as epoch milliseconds.
pub fn parse_time(text: &str) -> Option<Time> {
    fixed(text, &TimeZone::UTC).map(|(at, _)| at)
}

/// `date`, possibly partial; the unit is the period it names when that is longer than a millisecond.
fn fixed(text: &str, zone: &TimeZone) -> Option<(Time, Option<Unit>)> {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && text.len() != 4 {
        return Some((Time::from_ms(text.parse().ok()?), None));
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|p| number(p, 2)).transpose_some()?;
    let day = parts.next().map(|p| number(p, 2)).transpose_some()?;
    if parts.next().is_some() {
        return None;
    }
    let (clock, zone_text) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let zone = match zone_text {
        "" => zone.clone(),
        "Z" | "z" => TimeZone::UTC,
        other => offset(other)?.to_time_zone(),
    };
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts = clock.split(':').filter(|p| !p.is_empty());
    let hour = parts.next().map(|p| number(p, 2)).transpose_some()?;
    let minute = parts.next().map(|p| number(p, 2)).transpose_some()?;
    let second = parts.next().map(|p| number(p, 2)).transpose_some()?;
    if parts.next().is_some() || (!time.is_empty() && (day.is_none() || hour.is_none())) {
        return None;
    }
    let nanos = fraction_nanos(fraction)?;
    let small = |v: Option<i32>| i8::try_from(v.unwrap_or(0)).ok();
    let date = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month.unwrap_or(1)).ok()?,
        i8::try_from(day.unwrap_or(1)).ok()?,
    )
    .ok()?;
    let clock = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
    let at = DateTime::from_parts(date, clock).to_zoned(zone).ok()?.timestamp().as_microsecond();
    let period = match (month, day, hour, minute, second) {
        (None, ..) => Some(Unit::Year),
        (_, None, ..) => Some(Unit::Month),
        (.., None, _, _) => Some(Unit::Day),
        (.., None, _) => Some(Unit::Hour),
        (.., None) => Some(Unit::Minute),
        _ if fraction.is_empty() => Some(Unit::Second),
        _ => None,
    };
    Some((Time(at), period))
}

trait TransposeSome<T> {
    fn transpose_some(self) -> Option<Option<T>>;
}
impl<T> TransposeSome<T> for Option<Option<T>> {
    /// `None` stays absent, `Some(None)` fails.
    fn transpose_some(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(found) => Some(found),
        }
    }
}

fn number(text: &str, width: usize) -> Option<i32> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn fraction_nanos(text: &str) -> Option<i32> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.is_empty() {
        return Some(0);
    }
    let scale = u32::try_from(9 - text.len()).ok()?;
    Some(text.parse::<i32>().ok()? * 10_i32.pow(scale))
}

fn offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits, 2)?, 0),
        4 => (number(&digits[..2], 2)?, number(&digits[2..], 2)?),
        _ => return None,
    };
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn operations(text: &str) -> Option<Vec<Op>> {
    let mut ops = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut digits = String::new();
        while let Some(d) = chars.next_if(char::is_ascii_digit) {
            digits.push(d);
        }
        let amount = if digits.is_empty() { 1 } else { digits.parse::<i64>().ok()? };
        let unit = match chars.next()? {
            'y' => Unit::Year,
            'M' => Unit::Month,
            'w' => Unit::Week,
            'd' => Unit::Day,
            'h' | 'H' => Unit::Hour,
            'm' => Unit::Minute,
            's' => Unit::Second,
            _ => return None,
        };
        ops.push(match c {
            '+' => Op::Add(amount, unit),
            '-' => Op::Add(-amount, unit),
            '/' if digits.is_empty() => Op::Floor(unit),
            _ => return None,
        });
        if ops.len() > OPS_MAX {
            return None;
        }
    }
    Some(ops)
}

fn shift(at: &Zoned, n: i64, unit: Unit) -> Zoned {
    let span = match unit {
        Unit::Year => Span::new().try_years(n),
        Unit::Month => Span::new().try_months(n),
        Unit::Week => Span::new().try_weeks(n),
        Unit::Day => Span::new().try_days(n),
        Unit::Hour => Span::new().try_hours(n),
        Unit::Minute => Span::new().try_minutes(n),
        _ => Span::new().try_seconds(n),
    };
    let Ok(span) = span else { return at.clone() };
    at.checked_add(span).unwrap_or_else(|_| at.clone())
}

fn floor(at: &Zoned, unit: Unit) -> Zoned {
    let date = at.date();
    let day = |d: Date| d.to_datetime(jiff::civil::Time::midnight()).to_zoned(at.time_zone().clone());
    let floored = match unit {
        Unit::Year => Date::new(date.year(), 1, 1).and_then(day),
        Unit::Month => day(date.first_of_month()),
        Unit::Week => {
            let back = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(Span::new().days(back)).and_then(day)
        }
        Unit::Day => day(date),
        Unit::Hour => at.with().minute(0).second(0).subsec_nanosecond(0).build(),
        Unit::Minute => at.with().second(0).subsec_nanosecond(0).build(),
        _ => at.with().subsec_nanosecond(0).build(),
    };
    floored.unwrap_or_else(|_| at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-01-15T12:34:56.789Z";

    fn at(text: &str, round: Round) -> String {
        let now = Time::parse(NOW).unwrap();
        DateMath::parse(text).unwrap_or_else(|| panic!("{text}")).resolve(now, round).iso()
    }

    #[test]
    fn math_and_rounding() {
        for (text, down, up) in [
            ("now", "2025-01-15T12:34:56.789Z", "2025-01-15T12:34:56.789Z"),
            ("now-1d/d", "2025-01-14T00:00:00.000Z", "2025-01-14T23:59:59.999Z"),
            ("now/w", "2025-01-13T00:00:00.000Z", "2025-01-19T23:59:59.999Z"),
            ("now+1M/M", "2025-02-01T00:00:00.000Z", "2025-02-28T23:59:59.999Z"),
            ("now-15m", "2025-01-15T12:19:56.789Z", "2025-01-15T12:19:56.789Z"),
            ("2025-01-01||+1d", "2025-01-02T00:00:00.000Z", "2025-01-02T23:59:59.999Z"),
            ("2025-01-31||+1M", "2025-02-28T00:00:00.000Z", "2025-02-28T23:59:59.999Z"),
            ("2026", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
            ("2026-02", "2026-02-01T00:00:00.000Z", "2026-02-28T23:59:59.999Z"),
            ("2026-02-03T04:05", "2026-02-03T04:05:00.000Z", "2026-02-03T04:05:59.999Z"),
            ("2026-02-03T04:05:06.5+02:00", "2026-02-03T02:05:06.500Z", "2026-02-03T02:05:06.500Z"),
            ("2026-02-03T04:05:06+0200", "2026-02-03T02:05:06.000Z", "2026-02-03T02:05:06.999Z"),
            ("1736942400123", "2025-01-15T12:00:00.123Z", "2025-01-15T12:00:00.123Z"),
        ] {
            assert_eq!((at(text, Round::Down), at(text, Round::Up)), (down.to_owned(), up.to_owned()), "{text}");
        }
    }

    #[test]
    fn zones_shift_rounding() {
        let zone = time_zone("+02:00").unwrap();
        let now = Time::parse("2025-01-15T23:00:00Z").unwrap();
        let day = DateMath::parse_in("now/d", &zone).unwrap();
        assert_eq!(day.resolve(now, Round::Down).iso(), "2025-01-15T22:00:00.000Z");
        assert!(time_zone("Europe/Berlin").is_some());
        assert!(time_zone("Nowhere/Else").is_none());
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "",
            "now-",
            "now-1x",
            "yesterday",
            "2025-13-01",
            "2025-1-1",
            "now/2d",
            "2025-01-01||d",
            "T12:00",
            "2025-01T12",
        ] {
            assert_eq!(DateMath::parse(text), None, "{text}");
        }
        assert!(DateMath::parse("now-9999999999999y").is_some_and(|d| d.resolve(Time(0), Round::Up).0 <= 0));
    }
}
