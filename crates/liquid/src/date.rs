//! Dates as templates see them: their text, time zones, and the `strftime` of the `date` filters.
//!
//! Invariants: no clock and no process time zone; without a zone everything is UTC; a date lies within ±8.64e15 ms.
//! Not here: reading dates (`date_parse`), the filters (`filters::date`).
//! Source: LiquidJS 10.30 over `Intl` with locale en-US, measured.

use crate::limits::Limits;
use crate::number::Num;
use crate::value::V;
use crate::{DateText, Error, ErrorKind};
use stdx::Time;

/// Furthest date of JavaScript, in milliseconds either side of the epoch.
const MS_MAX: f64 = 8.64e15;
const DAY_MS: i64 = 86_400_000;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The text of a time where it is printed as it is.
pub(crate) fn text(time: Time, style: DateText) -> String {
    match style {
        DateText::Iso => time.iso(),
        DateText::Js => {
            let c = Civil::of(time.ms());
            format!(
                "{} {} {:02} {:04} {:02}:{:02}:{:02} GMT+0000 (Coordinated Universal Time)",
                &DAYS[c.weekday][..3],
                &MONTHS[c.month - 1][..3],
                c.day,
                c.year,
                c.hour,
                c.minute,
                c.second
            )
        }
    }
}

/// Milliseconds that JavaScript accepts as a date.
pub(crate) fn clip(ms: f64) -> Option<i64> {
    (ms.abs() <= MS_MAX).then_some(ms as i64)
}

/// Days from 1970-01-01 to the day of the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// A date and time of day in some zone.
#[derive(Clone, Copy, Debug)]
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
    ms: i64,
}

impl Civil {
    fn of(ms: i64) -> Self {
        let days = ms.div_euclid(DAY_MS);
        let rest = ms.rem_euclid(DAY_MS);
        let z = days + 719_468;
        let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Self {
            year: yoe + era * 400 + i64::from(month <= 2),
            month: month as usize,
            day: doy - (153 * mp + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7) as usize,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            ms: rest % 1000,
        }
    }
    fn day_of_year(&self) -> i64 {
        days_from_civil(self.year, self.month as i64, self.day) - days_from_civil(self.year, 1, 1) + 1
    }
    /// Week of the year; days before the first `start` weekday are week 0.
    fn week(&self, start: i64) -> i64 {
        let since = (self.weekday as i64 - start + 7) % 7;
        (self.day_of_year() - 1 - since + 7) / 7
    }
    fn hour12(&self) -> i64 {
        if self.hour % 12 == 0 { 12 } else { self.hour % 12 }
    }
    fn half(&self) -> &'static str {
        if self.hour < 12 { "AM" } else { "PM" }
    }
    fn date_text(&self) -> String {
        format!("{}/{}/{}", self.month, self.day, self.year)
    }
    fn time_text(&self) -> String {
        format!("{}:{:02}:{:02} {}", self.hour12(), self.minute, self.second, self.half())
    }
}

/// The zone a date is shown in.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// None was asked for: UTC.
    Default,
    /// Minutes west of UTC, JavaScript's sign.
    Offset(f64),
    /// A name of the IANA database.
    Named(String, jiff::tz::TimeZone),
}

impl Zone {
    /// From the argument of the `date` filter.
    ///
    /// - errors: a name that the database does not know.
    pub(crate) fn of(v: &V) -> Result<Self, Error> {
        Ok(match v {
            V::Undef => Self::Default,
            _ if v.is_nil() => Self::Default,
            _ => match v.as_str() {
                Some(name) => Self::named(name)?,
                None => Self::Offset(v.number().f64()),
            },
        })
    }
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        match jiff::tz::TimeZone::get(name) {
            Ok(zone) if name != "Etc/Unknown" => Ok(Self::Named(name.into(), zone)),
            _ => Err(Error::new(ErrorKind::Render, format!("Invalid time zone specified: {name}"))),
        }
    }
    fn minutes_west(&self, ms: i64) -> f64 {
        match self {
            Self::Default => 0.0,
            Self::Offset(minutes) => *minutes,
            Self::Named(_, zone) => {
                let ms = ms.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
                let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
                f64::from(-zone.to_offset(at).seconds()) / 60.0
            }
        }
    }
}

/// A date shown in a zone.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    ms: i64,
    civil: Civil,
    minutes_west: f64,
    zone_name: String,
}

impl Shown {
    /// `None` when the shifted date is out of range.
    pub(crate) fn new(ms: i64, zone: &Zone) -> Option<Self> {
        let minutes_west = zone.minutes_west(ms);
        let local = clip(ms as f64 - minutes_west * 60_000.0)?;
        let zone_name = match zone {
            Zone::Default => "UTC".into(),
            Zone::Offset(_) => String::new(),
            Zone::Named(name, _) => name.clone(),
        };
        Some(Self { ms, civil: Civil::of(local), minutes_west, zone_name })
    }
    pub(crate) fn day(&self) -> i64 {
        self.civil.day
    }
    fn offset_text(&self, colon: bool) -> String {
        let minutes = self.minutes_west.abs();
        let sign = if self.minutes_west > 0.0 { '-' } else { '+' };
        let two = |f: f64| {
            let text = Num::F(f).text();
            if text.len() < 2 { format!("0{text}") } else { text }
        };
        format!("{sign}{}{}{}", two((minutes / 60.0).floor()), if colon { ":" } else { "" }, two(minutes % 60.0))
    }

    /// Formats by `format`; what it does not know stays as typed.
    ///
    /// - errors: a width that the memory limit does not allow.
    pub(crate) fn strftime(&self, format: &str, limits: &mut Limits) -> Result<String, Error> {
        let mut out = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let tail = &rest[at + 1..];
            let flags_len = tail.bytes().take_while(|b| b"-_0^#:".contains(b)).count();
            let (flags, after) = tail.split_at(flags_len);
            let width_len = after.bytes().take_while(u8::is_ascii_digit).count();
            let (width, after) = after.split_at(width_len);
            let after = after.strip_prefix(['E', 'O']).filter(|rest| !rest.is_empty()).unwrap_or(after);
            let conversion = after.chars().next().unwrap_or('\n');
            let raw = self.convert(conversion, flags, width, limits)?;
            match raw {
                Some(text) => {
                    self.pad(&mut out, text, conversion, flags, width, limits)?;
                    rest = &after[conversion.len_utf8()..];
                }
                None => {
                    let known = tail.len() - after.len();
                    let take = known + if matches!(conversion, '\n' | '\r') { 0 } else { conversion.len_utf8() };
                    out.push('%');
                    out.push_str(tail.get(..take).unwrap_or(tail));
                    rest = tail.get(take..).unwrap_or("");
                }
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn convert(&self, c: char, flags: &str, width: &str, limits: &mut Limits) -> Result<Option<String>, Error> {
        let d = &self.civil;
        Ok(Some(match c {
            'a' => DAYS[d.weekday][..3].into(),
            'A' => DAYS[d.weekday].into(),
            'b' | 'h' => MONTHS[d.month - 1][..3].into(),
            'B' => MONTHS[d.month - 1].into(),
            'c' => format!("{}, {}", d.date_text(), d.time_text()),
            'C' => d.year.div_euclid(100).to_string(),
            'd' | 'e' => d.day.to_string(),
            'H' | 'k' => d.hour.to_string(),
            'I' | 'l' => d.hour12().to_string(),
            'j' => d.day_of_year().to_string(),
            'L' => d.ms.to_string(),
            'm' => d.month.to_string(),
            'M' => d.minute.to_string(),
            'N' => {
                let width = if width.is_empty() { 9 } else { width.parse().unwrap_or(usize::MAX).max(1) };
                limits.memory(width)?;
                let ms = format!("{:03}", d.ms);
                format!("{:0<width$}", &ms[..width.min(3)])
            }
            'p' => d.half().into(),
            'P' => d.half().to_lowercase(),
            'q' => match d.day {
                11..=13 => "th",
                day => match day % 10 {
                    1 => "st",
                    2 => "nd",
                    3 => "rd",
                    _ => "th",
                },
            }
            .into(),
            's' => self.ms.div_euclid(1000).to_string(),
            'S' => d.second.to_string(),
            'u' => (if d.weekday == 0 { 7 } else { d.weekday }).to_string(),
            'U' => d.week(0).to_string(),
            'w' => d.weekday.to_string(),
            'W' => d.week(1).to_string(),
            'x' => d.date_text(),
            'X' => d.time_text(),
            'y' => d.year.rem_euclid(100).to_string(),
            'Y' => d.year.to_string(),
            'z' => self.offset_text(flags.contains(':')),
            'Z' if !self.zone_name.is_empty() => self.zone_name.clone(),
            'Z' => self.offset_text(flags.contains(':')),
            't' => "\t".into(),
            'n' => "\n".into(),
            '%' => "%".into(),
            _ => return Ok(None),
        }))
    }

    fn pad(
        &self,
        out: &mut String,
        mut text: String,
        c: char,
        flags: &str,
        width: &str,
        limits: &mut Limits,
    ) -> Result<(), Error> {
        if flags.contains('^') {
            text = text.to_uppercase();
        } else if flags.contains('#') {
            let has_lower = text.bytes().any(|b| b.is_ascii_lowercase());
            text = if has_lower { text.to_uppercase() } else { text.to_lowercase() };
        }
        let default = match c {
            'C' | 'd' | 'e' | 'H' | 'I' | 'k' | 'l' | 'm' | 'M' | 'S' | 'U' | 'W' | 'y' => 2,
            'j' | 'L' => 3,
            'Y' => 4,
            _ => 0,
        };
        let mut width = match width.parse::<usize>() {
            Ok(0) => default,
            Ok(w) => w,
            Err(_) if width.is_empty() => default,
            Err(_) => usize::MAX,
        };
        if flags.contains('-') {
            width = 0;
        }
        let fill = if flags.contains('_') {
            ' '
        } else if flags.contains('0') || !"aAbBceklpP".contains(c) {
            '0'
        } else {
            ' '
        };
        let missing = width.saturating_sub(text.chars().count());
        limits.memory(missing)?;
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) if fill == '0' => ("-", digits),
            _ => ("", text.as_str()),
        };
        out.push_str(sign);
        out.extend(std::iter::repeat_n(fill, missing));
        out.push_str(digits);
        Ok(())
    }
}
