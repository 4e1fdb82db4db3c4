//! `Pattern`: Lucene regular expressions, translated to a linear-time engine.
//!
//! Invariants: the pattern matches the whole value; what the engine cannot express (`~`, `&`) is an error, never a wrong answer.
//! Source: the Lucene regular expression syntax with all optional operators, as `regexp` queries and EQL's `regex` use it.

use super::Case;

/// Longest pattern in bytes.
pub const REGEX_BYTES_MAX: usize = 8 * 1024;
/// Largest compiled program in bytes.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting of groups.
const GROUPS_MAX: u32 = 100;
/// Most numbers that an interval `<a-b>` may hold.
const INTERVAL_MAX: u64 = 1000;

/// A compiled regular expression over whole values.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As the author wrote it.
    pub source: Box<str>,
    /// Whether case counts.
    pub case: Case,
    regex: regex::Regex,
}

impl Pattern {
    /// Compiles a Lucene expression.
    ///
    /// - errors: one sentence that says what is wrong, lower case.
    pub fn lucene(source: &str, case: Case) -> Result<Self, String> {
        if source.len() > REGEX_BYTES_MAX {
            return Err(format!("the regular expression is longer than {REGEX_BYTES_MAX} bytes"));
        }
        let body = translate(source)?;
        let regex = regex::RegexBuilder::new(&format!("\\A(?:{body})\\z"))
            .dot_matches_new_line(true)
            .case_insensitive(case == Case::Insensitive)
            .size_limit(PROGRAM_BYTES_MAX)
            .nest_limit(GROUPS_MAX + 20)
            .build()
            .map_err(|e| match e {
                regex::Error::CompiledTooBig(_) => "the regular expression is too large when compiled".to_owned(),
                other => {
                    let text = other.to_string();
                    format!(
                        "malformed regular expression: {}",
                        text.lines().last().unwrap_or_default().trim_start_matches("error: ")
                    )
                }
            })?;
        Ok(Self { source: source.into(), case, regex })
    }

    /// True when the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

fn translate(source: &str) -> Result<String, String> {
    let mut out = String::with_capacity(source.len() + 16);
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(chars.next().ok_or("the regular expression ends in a backslash")?, &mut out),
            '"' => loop {
                match chars.next() {
                    Some('"') => break,
                    Some(c) => literal(c, &mut out),
                    None => return Err("a quote in the regular expression is not closed".into()),
                }
            },
            '[' => class(&mut chars, &mut out)?,
            '@' => out.push_str("(?:.*)"),
            '#' => out.push_str("[^\\s\\S]"),
            '(' if chars.peek() == Some(&')') => {
                chars.next();
                out.push_str("(?:)");
            }
            '(' => out.push_str("(?:"),
            ')' | '|' | '*' | '+' | '?' | '.' => out.push(c),
            '{' => repeat(&mut chars, &mut out)?,
            '<' => interval(&mut chars, &mut out)?,
            '~' | '&' => {
                return Err(format!(
                    "the regular expression operator `{c}` is not supported; write `\\{c}` for the character"
                ));
            }
            other => literal(other, &mut out),
        }
    }
    Ok(out)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn escape(c: char, out: &mut String) {
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[A-Za-z0-9_]"),
        'W' => out.push_str("[^A-Za-z0-9_]"),
        's' => out.push_str("[ \\t\\n\\r]"),
        'S' => out.push_str("[^ \\t\\n\\r]"),
        other => literal(other, out),
    }
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

fn class(chars: &mut Chars, out: &mut String) -> Result<(), String> {
    out.push('[');
    if chars.peek() == Some(&'^') {
        chars.next();
        out.push('^');
    }
    let mut first = true;
    loop {
        match chars.next().ok_or("a `[` in the regular expression is not closed")? {
            ']' if !first => break,
            '-' if !first && chars.peek().is_some_and(|c| *c != ']') => out.push('-'),
            '\\' => {
                let c = chars.next().ok_or("the regular expression ends in a backslash")?;
                match c {
                    'd' => out.push_str("0-9"),
                    'w' => out.push_str("A-Za-z0-9_"),
                    's' => out.push_str(" \\t\\n\\r"),
                    'D' | 'W' | 'S' => escape(c, out),
                    other => literal(other, out),
                }
            }
            other => literal(other, out),
        }
        first = false;
    }
    out.push(']');
    Ok(())
}

fn repeat(chars: &mut Chars, out: &mut String) -> Result<(), String> {
    let mut body = String::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some(c) if c.is_ascii_digit() || c == ',' => body.push(c),
            _ => return Err("a `{` in the regular expression needs `{n}`, `{n,}` or `{n,m}`".into()),
        }
    }
    let body = if body.starts_with(',') { format!("0{body}") } else { body };
    out.push_str(&format!("{{{body}}}"));
    Ok(())
}

/// `<a-b>`: any decimal number of the interval; equal widths mean fixed width with leading zeros.
fn interval(chars: &mut Chars, out: &mut String) -> Result<(), String> {
    let body: String = chars.by_ref().take_while(|c| *c != '>').collect();
    let bounds = body
        .split_once('-')
        .and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?, a.len(), b.len())));
    let Some((a, b, wide_a, wide_b)) = bounds else {
        return Err(format!(
            "the regular expression holds `<{body}>`; write `<1-20>` for an interval or `\\<` for the character"
        ));
    };
    let (low, high) = (a.min(b), a.max(b));
    if high - low >= INTERVAL_MAX {
        return Err(format!("the interval `<{body}>` holds more than {INTERVAL_MAX} numbers"));
    }
    let width = if wide_a == wide_b { wide_a } else { 0 };
    let numbers: Vec<String> =
        (low..=high).rev().map(|n| if width > 0 { format!("{n:0width$}") } else { format!("0*{n}") }).collect();
    out.push_str(&format!("(?:{})", numbers.join("|")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(pattern: &str, value: &str) -> bool {
        Pattern::lucene(pattern, Case::Sensitive).unwrap().matches(value)
    }

    #[test]
    fn lucene_syntax_is_anchored_and_has_no_anchors_of_its_own() {
        for (pattern, value, expected) in [
            ("ab.*", "abc", true),
            ("b", "abc", false),
            ("^a$", "^a$", true),
            ("a\nb|a.b", "a\nb", true),
            ("[^a-c]+", "xyz", true),
            ("[^a-c]+", "xbz", false),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "b", false),
            ("[]a]+", "]a", true),
            ("[&&~~-]", "&", true),
            ("\"a.b\"c", "a.bc", true),
            ("\"a.b\"c", "axbc", false),
            ("a{2,3}", "aaa", true),
            ("a{2}", "aaa", false),
            ("<1-31>", "07", true),
            ("<01-31>", "7", false),
            ("<1-31>", "32", false),
            ("@", "anything", true),
            ("\\d+\\.\\w", "12.x", true),
            ("C:\\\\.+", "C:\\x", true),
            ("()", "", true),
        ] {
            assert_eq!(is(pattern, value), expected, "{pattern} on {value}");
        }
        assert!(Pattern::lucene("ABC", Case::Insensitive).unwrap().matches("abc"));
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        for pattern in ["~a", "a&b", "a{x}", "[a", "a\\", "(", "<a-b>", "<0-99999>", "((a{999}){999}){999}"] {
            assert!(Pattern::lucene(pattern, Case::Sensitive).is_err(), "{pattern}");
        }
        assert!(Pattern::lucene(&"(".repeat(5000), Case::Sensitive).is_err());
    }
}
