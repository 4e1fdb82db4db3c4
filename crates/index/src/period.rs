//! The period that a bucket covers.
//!
//! Invariants: chosen once, when a document is written, and kept in its frame; a plain index has one bucket, `ALL`; recent days have a
//! bucket each, older time one per month or year, so that a data set of ten years does not open thousands of buckets.
//! Not here: which indices are bucketed (`names`).

use stdx::Time;

/// A bucket's period. The number is its form in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub i32);

const DAY_US: i64 = 86_400_000_000;
const MONTH_BASE: i32 = 10_000_000;
const YEAR_BASE: i32 = 20_000_000;
/// Days before the arrival that still have a bucket each.
const DAYS_BACK: i64 = 7;
/// Days before the arrival that still have a bucket per month.
const MONTHS_BACK_DAYS: i64 = 366;
const OLDEST_YEAR: i32 = 2000;

impl Period {
    /// The one bucket of a plain index.
    pub const ALL: Self = Self(-1);
    /// Everything before the year 2000.
    pub const OLD: Self = Self(-2);
    /// Everything later than a day after its arrival.
    pub const FUTURE: Self = Self(-3);

    /// The bucket for an event of `time` that arrives at `arrival`.
    pub fn of(time: Time, arrival: Time) -> Self {
        let day = time.0.div_euclid(DAY_US);
        let today = arrival.0.div_euclid(DAY_US);
        if day > today + 1 {
            return Self::FUTURE;
        }
        if day >= today - DAYS_BACK {
            return Self(day as i32);
        }
        let (year, month, _) = civil(day);
        if year < OLDEST_YEAR {
            Self::OLD
        } else if day >= today - MONTHS_BACK_DAYS {
            Self(MONTH_BASE + year * 12 + month - 1)
        } else {
            Self(YEAR_BASE + year)
        }
    }

    /// The bucket of a UTC day, whatever the arrival: for what is filed by a time of ours.
    pub fn day(time: Time) -> Self {
        Self(time.0.div_euclid(DAY_US) as i32)
    }

    /// Folder name: `2026-01-02`, `2026-01`, `2026`, `all`, `old`, `future`.
    pub fn name(self) -> String {
        match self {
            Self::ALL => "all".into(),
            Self::OLD => "old".into(),
            Self::FUTURE => "future".into(),
            Self(n) if n >= YEAR_BASE => format!("{:04}", n - YEAR_BASE),
            Self(n) if n >= MONTH_BASE => format!("{:04}-{:02}", (n - MONTH_BASE) / 12, (n - MONTH_BASE) % 12 + 1),
            Self(n) => {
                let (y, m, d) = civil(n.into());
                format!("{y:04}-{m:02}-{d:02}")
            }
        }
    }

    /// Reads a folder name.
    pub fn parse(name: &str) -> Option<Self> {
        let found = match name {
            "all" => Self::ALL,
            "old" => Self::OLD,
            "future" => Self::FUTURE,
            _ => {
                let mut parts = name.splitn(3, '-').map(|p| p.parse::<i32>().ok());
                match (parts.next()??, parts.next(), parts.next()) {
                    (y, None, None) => Self(YEAR_BASE + y),
                    (y, Some(m), None) => Self(MONTH_BASE + y * 12 + m? - 1),
                    (y, Some(m), Some(d)) => Self(days(y, m?, d?) as i32),
                    (_, None, Some(_)) => return None,
                }
            }
        };
        (found.name() == name).then_some(found)
    }

    /// First and last microsecond that events of this bucket can have by `@timestamp`.
    pub fn span(self) -> (i64, i64) {
        let from_days = |a: i64, b: i64| (a * DAY_US, b * DAY_US - 1);
        match self {
            Self::OLD => (i64::MIN, days(OLDEST_YEAR, 1, 1) * DAY_US - 1),
            Self(n) if n < 0 => (i64::MIN, i64::MAX),
            Self(n) if n >= YEAR_BASE => from_days(days(n - YEAR_BASE, 1, 1), days(n - YEAR_BASE + 1, 1, 1)),
            Self(n) if n >= MONTH_BASE => {
                let (y, m) = ((n - MONTH_BASE) / 12, (n - MONTH_BASE) % 12 + 1);
                let next = if m == 12 { days(y + 1, 1, 1) } else { days(y, m + 1, 1) };
                from_days(days(y, m, 1), next)
            }
            Self(n) => from_days(n.into(), i64::from(n) + 1),
        }
    }
}

/// Months since year 0 of a time in milliseconds.
pub(crate) fn months_of(ms: i64) -> i64 {
    let (y, m, _) = civil(ms.div_euclid(DAY_US / 1000).clamp(-100_000_000, 100_000_000));
    i64::from(y) * 12 + i64::from(m) - 1
}

/// First millisecond of a month since year 0.
pub(crate) fn month_ms(months: i64) -> i64 {
    days(months.div_euclid(12) as i32, months.rem_euclid(12) as i32 + 1, 1) * (DAY_US / 1000)
}

/// Days since 1970-01-01 of a civil date (proleptic Gregorian).
fn days(y: i32, m: i32, d: i32) -> i64 {
    let y = i64::from(if m <= 2 { y - 1 } else { y });
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * i64::from(if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + i64::from(d) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Civil date of a day since 1970-01-01.
fn civil(day: i64) -> (i32, i32, i32) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + i64::from(m <= 2);
    (y as i32, m as i32, d as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_period_has_a_name_that_reads_back_and_a_span_that_holds_its_time() {
        let now = Time::parse("2026-11-24T12:00:00Z").unwrap();
        for (text, name) in [
            ("2026-11-24T00:00:00Z", "2026-11-24"),
            ("2026-11-25T23:59:59Z", "2026-11-25"),
            ("2026-11-17T00:00:00Z", "2026-11-17"),
            ("2026-11-16T23:59:59Z", "2026-11"),
            ("2026-02-28T23:59:59Z", "2026-02"),
            ("2020-02-29T12:00:00Z", "2020"),
            ("1999-12-31T23:59:59Z", "old"),
            ("2037-01-01T00:00:00Z", "future"),
        ] {
            let t = Time::parse(text).unwrap();
            let p = Period::of(t, now);
            assert_eq!(p.name(), name);
            assert_eq!(Period::parse(name), Some(p));
            let (a, b) = p.span();
            assert!(a <= t.0 && t.0 <= b, "{name}");
        }
        assert_eq!(Period::parse("all"), Some(Period::ALL));
        assert_eq!(Period::parse("2026-13-01"), None);
        assert_eq!(Period::parse("lost+found"), None);
        assert_eq!(Period::day(now).name(), "2026-11-24");
        for day in -800_000..800_000 {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }
}
