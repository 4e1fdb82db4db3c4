//! Reads a date from text as JavaScript's `Date.parse` does in V8: ISO 8601, else a tolerant reading of months, numbers and zones.
//!
//! Invariants: text without a zone is UTC; the same text always gives the same date.
//! Source: ECMAScript date-time format; the tolerant part follows V8's behaviour, measured.

use crate::chars::is_space;
use crate::date::{clip, days_from_civil};

/// Significant digits of a number; further ones are ignored.
const DIGITS_MAX: usize = 9;

/// Milliseconds since the epoch, or `None` when the text is no date.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let mut reader = Reader::new(text);
    let mut date = Date::default();
    let mut token = reader.iso(&mut date)?;
    let mut read_number = !date.parts.is_empty();
    while token != Token::End {
        match token {
            Token::Number(n, _) => {
                read_number = true;
                date.number(n, &mut reader)?;
            }
            Token::Word(word, length) => match word.kind(length) {
                Kind::Half(hours) if !date.clock.is_empty() => date.half = Some(hours),
                Kind::Month(month) => {
                    date.month = Some(month);
                    reader.take(Token::Symbol('-'));
                }
                Kind::Zone(hours) if read_number => date.zone.set(hours),
                _ if read_number || matches!(reader.next, Token::Number(..)) => return None,
                _ => {}
            },
            Token::Symbol(sign @ ('+' | '-')) if date.zone.is_utc() || !date.clock.is_empty() => {
                date.zone.sign = Some(if sign == '-' { -1 } else { 1 });
                read_number = true;
                date.zone_digits(&mut reader)?;
            }
            Token::Symbol('+' | '-' | ')') if read_number => return None,
            _ => {}
        }
        token = reader.read();
    }
    date.milliseconds()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Number(i64, usize),
    Word(Word, usize),
    Symbol(char),
    Space,
    Other,
}

/// The first three letters of a word, lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word([char; 3]);

enum Kind {
    Month(i64),
    Half(i64),
    Zone(i64),
    /// `T`.
    Separator,
    Unknown,
}

impl Word {
    fn kind(self, length: usize) -> Kind {
        const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
        let text: String = self.0.iter().filter(|c| **c != '\0').collect();
        if let Some(at) = MONTHS.chunks(3).position(|m| m == text.as_bytes()) {
            return Kind::Month(at as i64 + 1);
        }
        if length > 3 {
            return Kind::Unknown;
        }
        match text.as_str() {
            "am" => Kind::Half(0),
            "pm" => Kind::Half(12),
            "ut" | "utc" | "z" | "gmt" => Kind::Zone(0),
            "edt" => Kind::Zone(-4),
            "est" | "cdt" => Kind::Zone(-5),
            "cst" | "mdt" => Kind::Zone(-6),
            "mst" | "pdt" => Kind::Zone(-7),
            "pst" => Kind::Zone(-8),
            "t" => Kind::Separator,
            _ => Kind::Unknown,
        }
    }
}

struct Reader<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    next: Token,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Self { chars: text.chars().peekable(), next: Token::End };
        reader.next = reader.scan();
        reader
    }
    fn read(&mut self) -> Token {
        let token = self.next;
        self.next = self.scan();
        token
    }
    fn take(&mut self, token: Token) -> bool {
        if self.next == token {
            self.read();
            return true;
        }
        false
    }
    /// The number that comes next, if it has exactly `length` digits.
    fn fixed(&self, length: usize) -> Option<i64> {
        match self.next {
            Token::Number(n, l) if l == length => Some(n),
            _ => None,
        }
    }
    fn scan(&mut self) -> Token {
        let Some(&c) = self.chars.peek() else { return Token::End };
        if c.is_ascii_digit() {
            return self.number();
        }
        if c >= 'A' && !is_space(c) {
            let mut word = ['\0'; 3];
            let mut length = 0;
            while let Some(c) = self.chars.next_if(|c| *c >= 'A' && !is_space(*c)) {
                if length < 3 {
                    word[length] = c.to_ascii_lowercase();
                }
                length += 1;
            }
            return Token::Word(Word(word), length);
        }
        self.chars.next();
        match c {
            ':' | '-' | '+' | '.' | ')' => Token::Symbol(c),
            '(' => {
                self.balance();
                Token::Other
            }
            _ if is_space(c) => Token::Space,
            _ => Token::Other,
        }
    }
    /// Reads up to the bracket that closes the one just read.
    fn balance(&mut self) {
        let mut open = 1;
        while open > 0 {
            match self.chars.next() {
                Some('(') => open += 1,
                Some(')') => open -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }
    fn number(&mut self) -> Token {
        let (mut n, mut significant, mut length) = (0, 0, 0);
        while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
            length += 1;
            if significant == 0 && c == '0' {
                continue;
            }
            if significant < DIGITS_MAX {
                n = n * 10 + i64::from(c as u8 - b'0');
            }
            significant += 1;
        }
        Token::Number(n, length)
    }

    /// Reads an ISO date and time.
    ///
    /// - returns: the token from which the tolerant reading goes on; `None` when the text cannot be a date.
    fn iso(&mut self, date: &mut Date) -> Option<Token> {
        if let Token::Symbol(sign @ ('+' | '-')) = self.next {
            let token = self.read();
            match self.fixed(6) {
                Some(year) if sign == '+' || year != 0 => {
                    self.read();
                    date.parts.push(if sign == '-' { -year } else { year });
                }
                _ => return Some(token),
            }
        } else if let Some(year) = self.fixed(4) {
            self.read();
            date.parts.push(year);
        } else {
            return Some(self.read());
        }
        for max in [12, 31] {
            if !self.take(Token::Symbol('-')) {
                break;
            }
            match self.fixed(2).filter(|n| (1..=max).contains(n)) {
                Some(n) => date.parts.push(n),
                None => return Some(self.read()),
            }
            self.read();
        }
        match self.next {
            Token::Word(word, length) if matches!(word.kind(length), Kind::Separator) => {
                self.read();
                self.iso_time(date)?;
            }
            Token::End => {}
            _ => return Some(self.read()),
        }
        if date.clock.is_empty() && date.zone.hour.is_none() {
            date.zone.set(0);
        }
        date.iso = true;
        Some(Token::End)
    }

    fn iso_time(&mut self, date: &mut Date) -> Option<()> {
        let hour = self.two(24)?;
        let midnight = hour == 24;
        date.clock.push(hour);
        if !self.take(Token::Symbol(':')) {
            return None;
        }
        let at_most = if midnight { 0 } else { 59 };
        date.clock.push(self.two(at_most)?);
        if self.take(Token::Symbol(':')) {
            date.clock.push(self.two(at_most)?);
            if self.take(Token::Symbol('.')) {
                match self.read() {
                    Token::Number(n, length) if !midnight || n == 0 => date.clock.push(thousandths(n, length)),
                    _ => return None,
                }
            }
        }
        match self.next {
            Token::Word(word, 1) if word.0[0] == 'z' => {
                self.read();
                date.zone.set(0);
            }
            Token::Symbol(sign @ ('+' | '-')) => {
                self.read();
                date.zone.sign = Some(if sign == '-' { -1 } else { 1 });
                if let Some(n) = self.fixed(4) {
                    self.read();
                    if n / 100 > 23 || n % 100 > 59 {
                        return None;
                    }
                    date.zone.hour = Some(n / 100);
                    date.zone.minute = Some(n % 100);
                } else {
                    date.zone.hour = Some(self.two(23)?);
                    if !self.take(Token::Symbol(':')) {
                        return None;
                    }
                    date.zone.minute = Some(self.two(59)?);
                }
            }
            _ => {}
        }
        (self.next == Token::End).then_some(())
    }
    fn two(&mut self, max: i64) -> Option<i64> {
        let n = self.fixed(2).filter(|n| *n <= max)?;
        self.read();
        Some(n)
    }
}

fn thousandths(n: i64, length: usize) -> i64 {
    match length {
        1 => n * 100,
        2 => n * 10,
        3 => n,
        _ => n / 10i64.pow(length.min(DIGITS_MAX) as u32 - 3),
    }
}

#[derive(Default)]
struct Zone {
    sign: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
}

impl Zone {
    fn set(&mut self, hours: i64) {
        *self = Self { sign: Some(if hours < 0 { -1 } else { 1 }), hour: Some(hours.abs()), minute: Some(0) };
    }
    fn is_utc(&self) -> bool {
        self.hour == Some(0) && self.minute == Some(0)
    }
}

#[derive(Default)]
struct Date {
    parts: Vec<i64>,
    month: Option<i64>,
    iso: bool,
    clock: Vec<i64>,
    half: Option<i64>,
    zone: Zone,
}

impl Date {
    fn clock_expects(&self, n: i64) -> bool {
        match self.clock.len() {
            1 | 2 => n < 60,
            3 => n < 1000,
            _ => false,
        }
    }
    fn clock_add(&mut self, n: i64) -> Option<()> {
        (self.clock.len() < 4).then(|| self.clock.push(n))
    }
    fn clock_finish(&mut self, n: i64) -> Option<()> {
        self.clock_add(n)?;
        self.clock.resize(4, 0);
        Some(())
    }

    fn number(&mut self, n: i64, reader: &mut Reader<'_>) -> Option<()> {
        if reader.take(Token::Symbol(':')) {
            if reader.take(Token::Symbol(':')) {
                if !self.clock.is_empty() {
                    return None;
                }
                self.clock = vec![n, 0];
            } else {
                self.clock_add(n)?;
                reader.take(Token::Symbol('.'));
            }
            return Some(());
        }
        if reader.take(Token::Symbol('.')) && self.clock_expects(n) {
            self.clock_add(n)?;
            return match reader.read() {
                Token::Number(n, length) => self.clock_finish(thousandths(n, length)),
                _ => None,
            };
        }
        if self.zone.hour.is_some() && self.zone.minute.is_none() && n < 60 {
            self.zone.minute = Some(n);
            return Some(());
        }
        if self.clock_expects(n) {
            self.clock_finish(n)?;
            return match reader.next {
                Token::End | Token::Space | Token::Symbol('+' | '-') => Some(()),
                Token::Word(word, 1) if word.0[0] == 'z' => Some(()),
                _ => None,
            };
        }
        if self.parts.len() == 3 {
            return None;
        }
        self.parts.push(n);
        reader.take(Token::Symbol('-'));
        Some(())
    }

    fn zone_digits(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let (mut n, mut length) = (0, 0);
        if let Token::Number(number, digits) = reader.next {
            reader.read();
            (n, length) = (number, digits);
        }
        if reader.next == Token::Symbol(':') {
            self.zone.hour = Some(n);
            self.zone.minute = None;
            return Some(());
        }
        (self.zone.hour, self.zone.minute) = match length {
            1 | 2 => (Some(n), Some(0)),
            3 | 4 => (Some(n / 100), Some(n % 100)),
            _ => return None,
        };
        Some(())
    }

    fn milliseconds(mut self) -> Option<i64> {
        if self.parts.is_empty() {
            return None;
        }
        self.parts.resize(3, 1);
        let is_day = |n: i64| (1..=31).contains(&n);
        let [a, b, c] = [self.parts[0], self.parts[1], self.parts[2]];
        let (mut year, month, day) = match self.month {
            None if self.iso || !is_day(a) => (a, b, c),
            None => (c, a, b),
            Some(month) if !is_day(a) => (a, month, b),
            Some(month) => (b, month, a),
        };
        if !self.iso {
            year += match year {
                0..=49 => 2000,
                50..=99 => 1900,
                _ => 0,
            };
        }
        if !(1..=12).contains(&month) || !is_day(day) {
            return None;
        }
        self.clock.resize(4, 0);
        let [mut hour, minute, second, ms] = [self.clock[0], self.clock[1], self.clock[2], self.clock[3]];
        if let Some(half) = self.half {
            if !(0..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + half;
        }
        let exact_midnight = hour == 24 && minute == 0 && second == 0 && ms == 0;
        if !((0..24).contains(&hour) && minute < 60 && second < 60 && ms < 1000 || exact_midnight) {
            return None;
        }
        let days = days_from_civil(year, month, 1) + day - 1;
        let offset = self
            .zone
            .sign
            .map_or(0, |sign| sign * (self.zone.hour.unwrap_or(0) * 3600 + self.zone.minute.unwrap_or(0) * 60));
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
        clip(seconds as f64 * 1000.0 + ms as f64)
    }
}
