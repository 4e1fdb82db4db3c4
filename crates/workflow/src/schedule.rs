//! When a scheduled trigger is due: `every`, and the part of RRULE that the language knows, in a time zone.
//!
//! Invariants: pure; an occurrence depends on the schedule and its anchor alone, never on when it is asked for; every search is bounded.
//! Not here: reading the trigger (`program::trigger`), rows and timers of schedules (`engine`).
//! Source: `reference/workflow-language.md` §2.2, Appendix B; `design/engine.md` §7.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use std::sync::Arc;
use stdx::{Duration, Time};

/// Shortest interval.
pub const EVERY_MIN: Duration = Duration::from_secs(60);
/// Days a search looks ahead or back at most: 41 years, so that the 29th of February of every tenth year is found.
const DAYS_MAX: i32 = 15_000;
/// Missed occurrences counted at most.
pub const MISSED_MAX: u64 = 100_000;

/// When a workflow is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so often, counted from the anchor.
    Every(Duration),
    /// By the calendar.
    Rule(Box<Rule>),
}

/// How often a rule repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// Days.
    Daily,
    /// Weeks, from Monday.
    Weekly,
    /// Months.
    Monthly,
}

/// The calendar rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unit.
    pub frequency: Frequency,
    /// Every so many units.
    pub interval: u32,
    /// IANA zone.
    pub zone: Arc<str>,
    /// First moment.
    pub start: Option<Time>,
    /// Hours; empty = that of the start, else 0.
    pub hours: Vec<i8>,
    /// Minutes; empty = that of the start, else 0.
    pub minutes: Vec<i8>,
    /// Weekdays, 1 = Monday.
    pub weekdays: Vec<i8>,
    /// Days of the month; negative counts from the end.
    pub month_days: Vec<i8>,
}

/// True for a zone that schedules and dates can use.
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

impl Schedule {
    /// The first occurrence after `after`. `anchor` is when this schedule came into force (the version was saved or enabled): `every`
    /// counts from it, a rule without `dtstart` begins with it.
    pub fn next(&self, after: Time, anchor: Time) -> Option<Time> {
        match self {
            Self::Every(length) => {
                let length = (*length).max(EVERY_MIN).0;
                let passed = after.0.saturating_sub(anchor.0);
                let n = if passed < 0 { 0 } else { passed / length } + 1;
                anchor.0.checked_add(n.checked_mul(length)?).map(Time)
            }
            Self::Rule(rule) => rule.search(after, anchor, true),
        }
    }
    /// The last occurrence at or before `at`, if there was one since the anchor.
    pub fn latest(&self, at: Time, anchor: Time) -> Option<Time> {
        match self {
            Self::Every(length) => {
                let length = (*length).max(EVERY_MIN).0;
                let n = at.0.saturating_sub(anchor.0).checked_div(length).filter(|n| *n > 0)?;
                anchor.0.checked_add(n.checked_mul(length)?).map(Time)
            }
            Self::Rule(rule) => rule.search(at, anchor, false),
        }
    }
    /// Occurrences in `(from, to]`: the latest one, which runs, and how many before it were missed (counted up to [`MISSED_MAX`]).
    pub fn due(&self, from: Time, to: Time, anchor: Time) -> Option<(Time, u64)> {
        let latest = self.latest(to, anchor).filter(|t| *t > from)?;
        let mut missed = 0;
        if let Self::Every(length) = self {
            let length = (*length).max(EVERY_MIN).0;
            let first = self.next(from, anchor)?;
            return Some((latest, u64::try_from(latest.0.saturating_sub(first.0) / length).unwrap_or(0)));
        }
        let mut at = from;
        while missed < MISSED_MAX
            && let Some(next) = self.next(at, anchor)
            && next < latest
        {
            missed += 1;
            at = next;
        }
        Some((latest, missed))
    }
}

impl Rule {
    fn search(&self, at: Time, anchor: Time, forward: bool) -> Option<Time> {
        let zone = TimeZone::get(&self.zone).ok()?;
        let first = self.start.unwrap_or(anchor);
        let local = |t: Time| Some(jiff::Timestamp::from_microsecond(t.0).ok()?.to_zoned(zone.clone()).datetime());
        let begin = local(first)?;
        let from = if forward { at.max(Time(first.0.saturating_sub(1))) } else { at };
        let mut day = local(from)?.date();
        // An hour that a change of the clock moves may belong to the day before or after.
        day = if forward { day.yesterday().ok()? } else { day.tomorrow().ok()? };
        for _ in 0..DAYS_MAX {
            if !forward && day < begin.date().yesterday().ok()? {
                return None;
            }
            if self.on_day(day, begin.date()) {
                let mut times: Vec<Time> = self.times(day, begin, &zone).filter(|t| *t >= first).collect();
                times.sort_unstable();
                let hit = if forward {
                    times.into_iter().find(|t| *t > from)
                } else {
                    times.into_iter().rev().find(|t| *t <= from)
                };
                if hit.is_some() {
                    return hit;
                }
            }
            day = if forward { day.tomorrow().ok()? } else { day.yesterday().ok()? };
        }
        None
    }

    fn on_day(&self, day: Date, begin: Date) -> bool {
        let interval = i64::from(self.interval.max(1));
        let days = |a: Date, b: Date| (b - a).get_days();
        let monday = |d: Date| d.checked_sub(jiff::Span::new().days(i64::from(d.weekday().to_monday_zero_offset())));
        let in_step = match self.frequency {
            Frequency::Daily => i64::from(days(begin, day)).rem_euclid(interval) == 0,
            Frequency::Weekly => match (monday(begin), monday(day)) {
                (Ok(a), Ok(b)) => (i64::from(days(a, b)) / 7).rem_euclid(interval) == 0,
                _ => false,
            },
            Frequency::Monthly => {
                let month = |d: Date| i64::from(d.year()) * 12 + i64::from(d.month());
                (month(day) - month(begin)).rem_euclid(interval) == 0
            }
        };
        let by_weekday = |days: &[i8]| days.contains(&day.weekday().to_monday_one_offset());
        let by_month_day =
            |days: &[i8]| days.contains(&day.day()) || days.contains(&(day.day() - day.days_in_month() - 1));
        in_step
            && match self.frequency {
                Frequency::Weekly if self.weekdays.is_empty() => day.weekday() == begin.weekday(),
                Frequency::Monthly if self.weekdays.is_empty() && self.month_days.is_empty() => {
                    day.day() == begin.day()
                }
                _ => true,
            }
            && (self.weekdays.is_empty() || by_weekday(&self.weekdays))
            && (self.month_days.is_empty() || by_month_day(&self.month_days))
    }

    fn times<'a>(
        &'a self,
        day: Date,
        begin: jiff::civil::DateTime,
        zone: &'a TimeZone,
    ) -> impl Iterator<Item = Time> + 'a {
        let declared = self.start.is_some();
        // Without `dtstart` a rule without hours keeps the time of day at which it came into force.
        let hours = if !self.hours.is_empty() {
            self.hours.clone()
        } else if declared || self.minutes.is_empty() {
            vec![begin.hour()]
        } else {
            (0..24).collect()
        };
        let minutes = if !self.minutes.is_empty() {
            self.minutes.clone()
        } else if declared || self.hours.is_empty() {
            vec![begin.minute()]
        } else {
            vec![0]
        };
        let second = if declared { begin.second() } else { 0 };
        hours.into_iter().flat_map(move |h| minutes.clone().into_iter().map(move |m| (h, m))).filter_map(
            move |(h, m)| {
                let at = day.at(h.clamp(0, 23), m.clamp(0, 59), second, 0).to_zoned(zone.clone()).ok()?;
                Some(Time(at.timestamp().as_microsecond()))
            },
        )
    }
}

/// `MO` … `SU` as 1 … 7.
pub(crate) fn weekday(text: &str) -> Option<i8> {
    ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
        .iter()
        .position(|w| w.eq_ignore_ascii_case(text))
        .and_then(|i| i8::try_from(i + 1).ok())
        .filter(|i| Weekday::from_monday_one_offset(*i).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    fn rule(frequency: Frequency) -> Rule {
        Rule {
            frequency,
            interval: 1,
            zone: "Europe/Berlin".into(),
            start: None,
            hours: vec![],
            minutes: vec![],
            weekdays: vec![],
            month_days: vec![],
        }
    }

    fn series(schedule: &Schedule, from: &str, n: usize) -> Vec<String> {
        let anchor = at("2026-01-01T09:17:00Z");
        let mut out = vec![];
        let mut now = at(from);
        for _ in 0..n {
            now = schedule.next(now, anchor).unwrap();
            assert_eq!(schedule.latest(now, anchor), Some(now), "`latest` finds what `next` gave");
            assert!(schedule.latest(Time(now.0 - 1), anchor).is_none_or(|t| t < now));
            out.push(now.iso()[..16].to_owned());
        }
        out
    }

    #[test]
    fn every_counts_from_its_anchor() {
        let s = Schedule::Every(Duration::from_secs(900));
        assert_eq!(series(&s, "2026-01-01T09:20:00Z", 2), ["2026-01-01T09:32", "2026-01-01T09:47"]);
        let anchor = at("2026-01-01T09:17:00Z");
        assert_eq!(
            s.due(at("2026-01-01T09:17:00Z"), at("2026-01-01T10:20:00Z"), anchor),
            Some((at("2026-01-01T10:17:00Z"), 3))
        );
        assert_eq!(s.due(at("2026-01-01T10:17:00Z"), at("2026-01-01T10:20:00Z"), anchor), None);
        assert_eq!(s.latest(at("2026-01-01T09:20:00Z"), anchor), None);
    }

    #[test]
    fn the_wall_clock_of_the_zone_counts_over_a_change_of_the_clock() {
        let s = Schedule::Rule(Box::new(Rule { hours: vec![6], minutes: vec![30], ..rule(Frequency::Daily) }));
        assert_eq!(series(&s, "2026-03-27T12:00:00Z", 3), ["2026-03-28T05:30", "2026-03-29T04:30", "2026-03-30T04:30"]);
        // 02:30 does not exist on the day the clock goes forward: it is taken an hour later, once.
        let s = Schedule::Rule(Box::new(Rule { hours: vec![2], minutes: vec![30], ..rule(Frequency::Daily) }));
        assert_eq!(series(&s, "2026-03-28T12:00:00Z", 2), ["2026-03-29T01:30", "2026-03-30T00:30"]);
        // 02:30 exists twice on the day it goes back: the first one counts, once.
        assert_eq!(series(&s, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30", "2026-10-26T01:30"]);
    }

    #[test]
    fn weeks_months_and_days_from_the_end() {
        let weekly = Rule { weekdays: vec![1, 3], hours: vec![8], interval: 2, ..rule(Frequency::Weekly) };
        // The anchor's week (29 December to 4 January) is the first.
        assert_eq!(
            series(&Schedule::Rule(Box::new(weekly)), "2026-01-02T00:00:00Z", 3),
            ["2026-01-12T07:00", "2026-01-14T07:00", "2026-01-26T07:00"]
        );
        let monthly = Rule { month_days: vec![-1], hours: vec![0], zone: "UTC".into(), ..rule(Frequency::Monthly) };
        assert_eq!(
            series(&Schedule::Rule(Box::new(monthly)), "2026-01-31T00:00:00Z", 2),
            ["2026-02-28T00:00", "2026-03-31T00:00"]
        );
        let never = Rule {
            month_days: vec![31],
            interval: 12,
            start: Some(at("2026-02-01T00:00:00Z")),
            ..rule(Frequency::Monthly)
        };
        assert_eq!(Schedule::Rule(Box::new(never)).next(at("2026-02-01T00:00:00Z"), Time(0)), None);
    }

    #[test]
    fn of_missed_runs_the_latest_is_due_and_the_others_are_counted() {
        let s = Schedule::Rule(Box::new(Rule { minutes: vec![0, 30], zone: "UTC".into(), ..rule(Frequency::Daily) }));
        let due = s.due(at("2026-01-02T00:00:00Z"), at("2026-01-02T03:10:00Z"), at("2026-01-01T00:00:00Z"));
        assert_eq!(due, Some((at("2026-01-02T03:00:00Z"), 5)));
    }
}
