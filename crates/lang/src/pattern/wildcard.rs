//! `Wildcard`: `*` and `?` over a whole value.
//!
//! Invariants: `*` is any run including the empty one, `?` exactly one character; literals are stored folded when case does not count.

use super::{Case, fold};
use memchr::memmem;

/// One element of a wildcard pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This text.
    Text(String),
    /// Exactly one character.
    One,
    /// Any run of characters, also none.
    Any,
}

/// What a pattern comes down to.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Only stars: any value.
    All,
    /// No wildcard at all.
    Exact(Box<str>),
    /// `text*`.
    Prefix(Box<str>),
    /// `*text`.
    Suffix(Box<str>),
    /// `*text*`.
    Contains(Box<str>),
    /// Anything else: segments between the stars.
    Segments(Segments),
}

/// The stretches between the stars of a pattern.
#[derive(Clone, Debug)]
pub struct Segments {
    /// True when the pattern starts with a star.
    open_start: bool,
    /// True when it ends with one.
    open_end: bool,
    items: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Plain(Box<str>),
    /// `None` is `?`.
    Mixed(Vec<Option<Box<str>>>),
}

/// A compiled wildcard pattern.
#[derive(Clone, Debug)]
pub struct Wildcard {
    /// Whether case counts.
    pub case: Case,
    /// What it comes down to.
    pub shape: Shape,
    finder: Option<Box<memmem::Finder<'static>>>,
}

impl Wildcard {
    /// Compiles parts.
    pub fn new(parts: &[Part], case: Case) -> Self {
        let shape = shape(parts, case);
        let finder = match (&shape, case) {
            (Shape::Contains(text), Case::Sensitive) => {
                Some(Box::new(memmem::Finder::new(text.as_bytes()).into_owned()))
            }
            _ => None,
        };
        Self { case, shape, finder }
    }

    /// EQL's `:` and `like`: `*` and `?` always are wildcards, there is no escape.
    pub fn unescaped(text: &str, case: Case) -> Self {
        Self::new(&parts(text, false), case)
    }

    /// Lucene's and the DSL's form: a backslash takes the next character literally.
    pub fn escaped(text: &str, case: Case) -> Self {
        Self::new(&parts(text, true), case)
    }

    /// True when the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        if self.case == Case::Insensitive && !value.is_ascii() {
            return self.matches_folded(&fold(value), Case::Sensitive);
        }
        self.matches_folded(value, self.case)
    }

    fn matches_folded(&self, value: &str, case: Case) -> bool {
        let v = value.as_bytes();
        match &self.shape {
            Shape::All => true,
            Shape::Exact(t) => same(v, t.as_bytes(), case),
            Shape::Prefix(t) => starts(v, t.as_bytes(), case),
            Shape::Suffix(t) => v.len() >= t.len() && same(&v[v.len() - t.len()..], t.as_bytes(), case),
            Shape::Contains(t) => match &self.finder {
                Some(finder) => finder.find(v).is_some(),
                None => find(v, t.as_bytes(), case).is_some(),
            },
            Shape::Segments(s) => s.matches(value, case),
        }
    }

    /// Literal stretches that every match holds, folded when case does not count; without those shorter than one byte.
    pub fn literals(&self) -> Vec<&str> {
        match &self.shape {
            Shape::All => Vec::new(),
            Shape::Exact(t) | Shape::Prefix(t) | Shape::Suffix(t) | Shape::Contains(t) => vec![t],
            Shape::Segments(s) => s
                .items
                .iter()
                .flat_map(|i| match i {
                    Segment::Plain(t) => vec![&**t],
                    Segment::Mixed(parts) => parts.iter().flatten().map(|t| &**t).collect(),
                })
                .collect(),
        }
    }
}

/// Reads `*` and `?`; with `escapes`, a backslash takes the next character literally.
pub(crate) fn parts(text: &str, escapes: bool) -> Vec<Part> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' if escapes => {
                plain.push(chars.next().unwrap_or('\\'));
                continue;
            }
            _ => {
                plain.push(c);
                continue;
            }
        };
        if !plain.is_empty() {
            out.push(Part::Text(std::mem::take(&mut plain)));
        }
        out.push(part);
    }
    if !plain.is_empty() {
        out.push(Part::Text(plain));
    }
    out
}

/// Appends a character to the text at the end of `parts`.
pub(crate) fn push_text(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(t)) => t.push(c),
        _ => parts.push(Part::Text(c.into())),
    }
}

/// The text that [`parts`] with escapes reads back.
pub(crate) fn escape_parts(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Any => out.push('*'),
            Part::One => out.push('?'),
            Part::Text(t) => {
                for c in t.chars() {
                    if matches!(c, '*' | '?' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
    }
    out
}

fn shape(parts: &[Part], case: Case) -> Shape {
    let mut segments: Vec<Vec<Option<String>>> = vec![Vec::new()];
    for part in parts {
        let last = segments.last_mut().expect("starts with one segment and only grows");
        match part {
            Part::Any => segments.push(Vec::new()),
            Part::One => last.push(None),
            Part::Text(t) => match last.last_mut() {
                Some(Some(before)) => before.push_str(&case.fold(t)),
                _ => last.push(Some(case.fold(t).into_owned())),
            },
        }
    }
    let stars = segments.len() > 1;
    let open_start = stars && segments.first().is_some_and(Vec::is_empty);
    let open_end = stars && segments.last().is_some_and(Vec::is_empty);
    let items: Vec<Segment> = segments.into_iter().filter(|s| !s.is_empty()).map(segment).collect();
    match (&items[..], stars, open_start, open_end) {
        ([], true, ..) => Shape::All,
        ([], false, ..) => Shape::Exact("".into()),
        ([Segment::Plain(t)], false, ..) => Shape::Exact(t.clone()),
        ([Segment::Plain(t)], _, true, true) => Shape::Contains(t.clone()),
        ([Segment::Plain(t)], _, true, false) => Shape::Suffix(t.clone()),
        ([Segment::Plain(t)], _, false, true) => Shape::Prefix(t.clone()),
        _ => Shape::Segments(Segments { open_start, open_end, items }),
    }
}

fn segment(parts: Vec<Option<String>>) -> Segment {
    match &parts[..] {
        [Some(text)] => Segment::Plain(text.as_str().into()),
        _ => Segment::Mixed(parts.into_iter().map(|p| p.map(Into::into)).collect()),
    }
}

impl Segments {
    fn matches(&self, value: &str, case: Case) -> bool {
        let (mut at, mut end) = (0, value.len());
        let mut items = &self.items[..];
        if !self.open_start
            && let Some((first, rest)) = items.split_first()
        {
            match first.at(value, 0, case) {
                Some(to) => at = to,
                None => return false,
            }
            if rest.is_empty() && !self.open_end && self.items.len() == 1 {
                // `a*b` leaves two segments; one segment closed on both sides has no star at all, or is `a*` + `` + nothing.
                return at == end;
            }
            items = rest;
        }
        if !self.open_end
            && let Some((last, rest)) = items.split_last()
        {
            match last.ending(value, at, case) {
                Some(from) => end = from,
                None => return false,
            }
            items = rest;
        }
        for item in items {
            match item.find(value, at, end, case) {
                Some(to) => at = to,
                None => return false,
            }
        }
        at <= end
    }
}

impl Segment {
    /// Where a match that starts at `at` ends.
    fn at(&self, value: &str, at: usize, case: Case) -> Option<usize> {
        match self {
            Self::Plain(t) => starts(&value.as_bytes()[at..], t.as_bytes(), case).then_some(at + t.len()),
            Self::Mixed(parts) => {
                let mut at = at;
                for part in parts {
                    at += match part {
                        Some(t) if starts(&value.as_bytes()[at..], t.as_bytes(), case) => t.len(),
                        Some(_) => return None,
                        None => value.get(at..)?.chars().next()?.len_utf8(),
                    };
                }
                Some(at)
            }
        }
    }

    /// Where the leftmost match inside `[from, to)` ends.
    fn find(&self, value: &str, from: usize, to: usize, case: Case) -> Option<usize> {
        if from > to {
            return None;
        }
        match self {
            Self::Plain(t) => find(&value.as_bytes()[from..to], t.as_bytes(), case).map(|i| from + i + t.len()),
            Self::Mixed(_) => (from..=to)
                .filter(|i| value.is_char_boundary(*i))
                .find_map(|i| self.at(value, i, case).filter(|end| *end <= to)),
        }
    }

    /// Where a match that ends with the value and starts at or after `from` starts.
    fn ending(&self, value: &str, from: usize, case: Case) -> Option<usize> {
        match self {
            Self::Plain(t) => {
                let start = value.len().checked_sub(t.len())?;
                (start >= from && same(&value.as_bytes()[start..], t.as_bytes(), case)).then_some(start)
            }
            Self::Mixed(_) => (from..=value.len())
                .filter(|i| value.is_char_boundary(*i))
                .find(|i| self.at(value, *i, case) == Some(value.len())),
        }
    }
}

fn same(value: &[u8], text: &[u8], case: Case) -> bool {
    match case {
        Case::Sensitive => value == text,
        Case::Insensitive => value.eq_ignore_ascii_case(text),
    }
}

fn starts(value: &[u8], text: &[u8], case: Case) -> bool {
    value.len() >= text.len() && same(&value[..text.len()], text, case)
}

/// Leftmost place of `text` in `value`.
fn find(value: &[u8], text: &[u8], case: Case) -> Option<usize> {
    let Some(first) = text.first() else { return Some(0) };
    if case == Case::Sensitive {
        return memmem::find(value, text);
    }
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, value).find(|i| starts(&value[*i..], text, case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn is(pattern: &str, value: &str) -> bool {
        Wildcard::unescaped(pattern, Case::Sensitive).matches(value)
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("**", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("ab*ba", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "aäc", true),
            ("a?", "a", false),
            ("?", "", false),
            ("?", "ab", false),
            ("*?", "", false),
            ("*?", "a", true),
            ("?*?", "a", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("*a?b*", "xxa1bxx", true),
            ("C:\\*\\cmd.exe", "C:\\Windows\\System32\\cmd.exe", true),
        ] {
            assert_eq!(is(pattern, value), expected, "{pattern} on {value}");
        }
    }

    #[test]
    fn case_folds_beyond_ascii() {
        let w = Wildcard::unescaped("*ÜBER*", Case::Insensitive);
        assert!(w.matches("xxüberxx"));
        assert!(Wildcard::unescaped("POWER*.EXE", Case::Insensitive).matches("PowerShell.exe"));
        assert!(!Wildcard::unescaped("POWER*.EXE", Case::Sensitive).matches("PowerShell.exe"));
        assert!(Wildcard::escaped("a\\*b", Case::Sensitive).matches("a*b"));
        assert!(!Wildcard::escaped("a\\*b", Case::Sensitive).matches("axb"));
    }

    /// The textbook definition, exponential and obviously right.
    fn naive(p: &[char], v: &[char]) -> bool {
        match p.split_first() {
            None => v.is_empty(),
            Some(('*', rest)) => (0..=v.len()).any(|i| naive(rest, &v[i..])),
            Some(('?', rest)) => !v.is_empty() && naive(rest, &v[1..]),
            Some((c, rest)) => v.first() == Some(c) && naive(rest, &v[1..]),
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = Rng::new(7);
        let mut pick = |from: &[char], max: u64| -> String {
            let n = rng.below(max);
            (0..n).map(|_| from[usize::try_from(rng.below(from.len() as u64)).unwrap()]).collect()
        };
        let mut hits = 0;
        for _ in 0..20_000 {
            let (pattern, value) = (pick(&['a', 'b', 'ä', '*', '?', '*'], 7), pick(&['a', 'b', 'ä'], 8));
            let expected = naive(&pattern.chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>());
            hits += usize::from(expected);
            assert_eq!(is(&pattern, &value), expected, "{pattern} on {value}");
            assert_eq!(
                Wildcard::unescaped(&pattern.to_uppercase(), Case::Insensitive).matches(&value),
                expected,
                "{pattern} on {value}, any case"
            );
        }
        assert!(hits > 1000, "{hits}");
    }
}
