//! `data.regexExtract` and `data.regexReplace`, in JavaScript's dialect.
//!
//! Invariants: patterns and inputs are bounded, and so is backtracking: a pattern that runs wild is an error, never a hang.
//! Not here: filters of templates.
//! Source: `reference/workflow-steps.md` §9.9.

use super::{ITEMS_MAX, Next, StepCx, StepMeta, StepType};
use crate::core::{Class, Fault};
use fancy_regex::{Captures, Regex, RegexBuilder};
use std::fmt::Write as _;
use stdx::{Object, Value};

/// Longest pattern in characters.
const PATTERN_CHARS_MAX: usize = 10_000;
/// Longest input in bytes.
const INPUT_BYTES_MAX: usize = 100 * 1024;
/// Steps of one search back at most.
const BACKTRACKS_MAX: usize = 500_000;
/// Bytes of a compiled pattern at most.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
/// Matches replaced in one input at most.
const MATCHES_MAX: usize = 100_000;

/// The step types.
#[derive(Debug)]
pub(super) struct DataRegex {
    meta: &'static StepMeta,
}
pub(super) static EXTRACT: DataRegex = DataRegex { meta: &EXTRACT_META };
pub(super) static REPLACE: DataRegex = DataRegex { meta: &REPLACE_META };

static EXTRACT_META: StepMeta = StepMeta {
    name: "data.regexExtract",
    title: "Extract by pattern",
    description: "gives the groups of the first match under names",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["pattern","fields"],"additionalProperties":false,"properties":{"pattern":{"type":"string","description":"a JavaScript regular expression"},"fields":{"type":"object","description":"name to $1, $2 … or the name of a group; $0 is the whole match"},"flags":{"type":"string"}}}"#,
    output: r#"{"type":["object","array","null"]}"#,
    connectors: &[],
    config: &["source", "errorIfNoMatch"],
    example: "- name: parts\n  type: data.regexExtract\n  source: \"{{ inputs.line }}\"\n  with:\n    pattern: 'user=(?<user>\\w+) from (\\S+)'\n    fields: { user: user, from: $2 }\n",
};
static REPLACE_META: StepMeta = StepMeta {
    name: "data.regexReplace",
    title: "Replace by pattern",
    description: "replaces what matches; all of it with the flag g",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","required":["pattern","replacement"],"additionalProperties":false,"properties":{"pattern":{"type":"string","description":"a JavaScript regular expression"},"replacement":{"type":"string","description":"text with $1, $<name>, $&"},"flags":{"type":"string"}}}"#,
    output: r#"{"type":["string","array","object"]}"#,
    connectors: &[],
    config: &["source", "detailed"],
    example: "- name: masked\n  type: data.regexReplace\n  source: \"{{ inputs.line }}\"\n  with: { pattern: '\\d+', replacement: 'N', flags: g }\n",
};

/// A compiled pattern with the flags that are not the engine's.
struct Pattern {
    regex: Regex,
    global: bool,
    sticky: bool,
}

impl StepType for DataRegex {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let pattern = match compile(&params, self.meta.name) {
            Ok(p) => p,
            Err(fault) => return Next::Fail(fault),
        };
        let source = cx.config.get("source").cloned().unwrap_or_default();
        let flag =
            |key: &str| cx.config.get(key).is_some_and(|v| v.as_bool() == Some(true) || v.as_str() == Some("true"));
        let result = if self.meta.name == "data.regexExtract" {
            extract(&pattern, &source, &params, flag("errorIfNoMatch"))
        } else {
            replace(&pattern, &source, &params, flag("detailed"))
        };
        match result {
            Ok(v) => Next::Done(v),
            Err(fault) => Next::Fail(fault),
        }
    }
}

fn compile(params: &Value, kind: &str) -> Result<Pattern, Fault> {
    let Some(source) = super::text(params, "pattern") else {
        return Err(super::invalid(format!("`{kind}` needs `with.pattern`")));
    };
    if source.chars().count() > PATTERN_CHARS_MAX {
        return Err(super::error(format!("Regex pattern is longer than {PATTERN_CHARS_MAX} characters")));
    }
    let flags = super::text(params, "flags").unwrap_or_else(|| "".into());
    let mut seen = String::new();
    for c in flags.chars() {
        if !"gimsuy".contains(c) || seen.contains(c) {
            return Err(super::error(format!(
                "Invalid regex pattern: Invalid flags supplied to RegExp constructor '{flags}'"
            )));
        }
        seen.push(c);
    }
    let has = |c: char| flags.contains(c);
    let translated = translate(&source, has('m'));
    let regex = RegexBuilder::new(&translated)
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|e| super::error(format!("Invalid regex pattern: {e}")))?;
    Ok(Pattern { regex, global: has('g'), sticky: has('y') })
}

/// JavaScript's spelling in the engine's: ASCII classes, `[^]`, `\/`, `\uXXXX`, `\cX`, `$` at the very end only.
fn translate(source: &str, multi_line: bool) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len() + 16);
    let mut class = false;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        match c {
            '\\' => {
                i += escape(&chars[i..], class, &mut out);
                continue;
            }
            '[' if !class && chars[i..].starts_with(&['[', '^', ']']) => {
                out.push_str(r"[\s\S]");
                i += 3;
                continue;
            }
            '[' if !class && next == Some(']') => {
                // Matches nothing.
                out.push_str(r"[^\s\S]");
                i += 2;
                continue;
            }
            '[' if class => out.push_str(r"\["),
            '[' => {
                class = true;
                out.push('[');
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            // Set operators of the engine that JavaScript does not have.
            '&' | '~' if class && next == Some(c) => {
                out.push('\\');
                out.push(c);
            }
            '$' if !class && !multi_line => out.push_str(r"\z"),
            c => out.push(c),
        }
        i += 1;
    }
    out
}

/// Writes the escape at the start of `chars`; gives how many it took.
fn escape(chars: &[char], class: bool, out: &mut String) -> usize {
    let hex = |from: usize, n: usize| -> Option<char> {
        let digits: String = chars.get(from..from + n)?.iter().collect();
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    };
    let literal = |out: &mut String, c: char| {
        let _ = write!(out, "\\x{{{:x}}}", c as u32);
    };
    match chars.get(1) {
        None => {
            out.push('\\');
            1
        }
        Some('d') => {
            out.push_str(if class { "0-9" } else { "[0-9]" });
            2
        }
        Some('D') => {
            out.push_str("[^0-9]");
            2
        }
        Some('w') => {
            out.push_str(if class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" });
            2
        }
        Some('W') => {
            out.push_str("[^A-Za-z0-9_]");
            2
        }
        Some('b') if class => {
            out.push_str(r"\x08");
            2
        }
        Some('/') => {
            out.push('/');
            2
        }
        Some('-') => {
            out.push_str(r"\-");
            2
        }
        Some('0') if !chars.get(2).is_some_and(char::is_ascii_digit) => {
            out.push_str(r"\x00");
            2
        }
        Some('c') if chars.get(2).is_some_and(char::is_ascii_alphabetic) => {
            literal(out, char::from(chars[2] as u8 % 32));
            3
        }
        Some('u') if chars.get(2) == Some(&'{') => {
            let end = chars.iter().position(|c| *c == '}').unwrap_or(0);
            match (end > 3).then(|| hex(3, end - 3)).flatten() {
                Some(c) => {
                    literal(out, c);
                    end + 1
                }
                None => {
                    out.push('u');
                    2
                }
            }
        }
        Some('u') => match hex(2, 4) {
            Some(c) => {
                literal(out, c);
                6
            }
            None => {
                out.push('u');
                2
            }
        },
        Some('k' | 'p' | 'P' | 'x') => {
            out.push('\\');
            out.push(chars[1]);
            2
        }
        Some(c) if c.is_ascii_alphanumeric() && !"sSBbnrtfv123456789".contains(*c) => {
            // Without the flag u JavaScript reads an unknown escape as the letter itself.
            out.push(*c);
            2
        }
        Some(c) => {
            out.push('\\');
            out.push(*c);
            2
        }
    }
}

fn check(input: &str) -> Result<(), Fault> {
    if input.len() > INPUT_BYTES_MAX {
        return Err(super::error(format!(
            "Input of {} bytes is longer than the maximum of {INPUT_BYTES_MAX} bytes",
            input.len()
        )));
    }
    Ok(())
}

fn ran_wild(e: &fancy_regex::Error) -> Fault {
    super::error(format!("the regular expression takes too long on this input: {e}"))
}

/// The match at or after `from`; sticky patterns match at `from` only.
fn at<'t>(p: &Pattern, input: &'t str, from: usize) -> Result<Option<Captures<'t, str>>, Fault> {
    let found = p.regex.captures_from_pos(input, from).map_err(|e| ran_wild(&e))?;
    Ok(found.filter(|c| !p.sticky || c.get(0).is_some_and(|m| m.start() == from)))
}

fn extract(p: &Pattern, source: &Value, params: &Value, strict: bool) -> Result<Value, Fault> {
    let fields = params.get("fields").and_then(Value::as_object);
    let Some(fields) = fields.filter(|f| !f.is_empty()) else {
        return Err(super::invalid("`data.regexExtract` needs names in `with.fields`".into()));
    };
    // One expression serves all items, so `g` and `y` go on where the item before ended.
    let mut last = 0usize;
    let mut one = |input: &str| -> Result<Value, Fault> {
        check(input)?;
        let keeps = p.global || p.sticky;
        let from = if keeps { last } else { 0 };
        let found = if from <= input.len() && input.is_char_boundary(from) { at(p, input, from)? } else { None };
        last = found.as_ref().filter(|_| keeps).and_then(|c| c.get(0)).map_or(0, |m| m.end());
        let Some(found) = found else { return Ok(Value::Null) };
        let mut out = Object::new();
        for (name, wanted) in fields.iter() {
            let wanted = crate::json::scalar_text(wanted);
            let group = match wanted.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
                Some(n) => found.get(n),
                None => found.name(wanted.trim_start_matches('$').trim_matches(['<', '>'])),
            };
            out.insert(name.clone(), group.map(|m| m.as_str()));
        }
        Ok(Value::from(out))
    };
    let none = || super::error("No match found for the pattern");
    match source {
        Value::Str(s) => match one(s)? {
            Value::Null if strict => Err(none()),
            v => Ok(v),
        },
        Value::Array(items) => {
            if items.len() > ITEMS_MAX {
                return Err(super::too_many(items.len()));
            }
            let mut out = Vec::with_capacity(items.len());
            for item in items.iter() {
                out.push(match item {
                    Value::Str(s) => one(s)?,
                    _ => Value::Null,
                });
            }
            if strict && out.iter().all(Value::is_null) {
                return Err(none());
            }
            Ok(Value::from(out))
        }
        other => Err(not_text(other)),
    }
}

fn not_text(source: &Value) -> Fault {
    super::error(format!("Source must be a string or an array of strings, but received {}", super::js_type(source)))
}

fn replace(p: &Pattern, source: &Value, params: &Value, detailed: bool) -> Result<Value, Fault> {
    let Some(replacement) = super::text(params, "replacement") else {
        return Err(super::invalid("`data.regexReplace` needs `with.replacement`".into()));
    };
    let mut total = 0usize;
    let mut one = |input: &str| -> Result<String, Fault> {
        check(input)?;
        let mut out = String::with_capacity(input.len());
        let (mut from, mut copied, mut n) = (0, 0, 0);
        while let Some(found) = if from <= input.len() { at(p, input, from)? } else { None } {
            let Some(whole) = found.get(0) else { break };
            n += 1;
            if n > MATCHES_MAX {
                return Err(super::error(format!("more than {MATCHES_MAX} matches in one input")));
            }
            out.push_str(&input[copied..whole.start()]);
            fill(&replacement, &found, input, &mut out);
            copied = whole.end();
            // Without `g` the count is the whole match and its groups, as JavaScript's `match` lists them.
            total += if p.global { 1 } else { found.len() };
            if !p.global {
                break;
            }
            from = whole.end();
            if whole.start() == whole.end() {
                from += input[from..].chars().next().map_or(1, char::len_utf8);
            }
        }
        out.push_str(input.get(copied..).unwrap_or(""));
        Ok(out)
    };
    let replaced = match source {
        Value::Str(s) => Value::from(one(s)?),
        Value::Array(items) => {
            if items.len() > ITEMS_MAX {
                return Err(super::too_many(items.len()));
            }
            let mut out = Vec::with_capacity(items.len());
            for item in items.iter() {
                out.push(match item {
                    Value::Str(s) => Value::from(one(s)?),
                    other => other.clone(),
                });
            }
            Value::from(out)
        }
        other => return Err(not_text(other)),
    };
    if !detailed {
        return Ok(replaced);
    }
    Ok(Value::object([("original", source.clone()), ("replaced", replaced), ("matchCount", Value::from(total))]))
}

/// Writes a replacement with `$1`, `$<name>`, `$&`, `` $` ``, `$'` and `$$`.
fn fill(replacement: &str, found: &Captures<'_, str>, input: &str, out: &mut String) {
    let chars: Vec<char> = replacement.chars().collect();
    let mut i = 0;
    while i < chars.len() {
        if chars[i] != '$' {
            out.push(chars[i]);
            i += 1;
            continue;
        }
        let group = |n: usize| (n > 0 && n < found.len()).then(|| found.get(n).map_or("", |m| m.as_str()));
        let digit = |k: usize| chars.get(i + k).and_then(|c| c.to_digit(10)).map(|d| d as usize);
        let whole = found.get(0).map_or(0..0, |m| m.start()..m.end());
        match chars.get(i + 1) {
            Some('$') => {
                out.push('$');
                i += 2;
            }
            Some('&') => {
                out.push_str(&input[whole]);
                i += 2;
            }
            Some('`') => {
                out.push_str(&input[..whole.start]);
                i += 2;
            }
            Some('\'') => {
                out.push_str(&input[whole.end..]);
                i += 2;
            }
            Some('<') => match chars[i..].iter().position(|c| *c == '>') {
                Some(end) => {
                    let name: String = chars[i + 2..i + end].iter().collect();
                    out.push_str(found.name(&name).map_or("", |m| m.as_str()));
                    i += end + 1;
                }
                None => {
                    out.push('$');
                    i += 1;
                }
            },
            Some(c) if c.is_ascii_digit() => {
                let two = digit(1).zip(digit(2)).map(|(a, b)| a * 10 + b);
                match (two.and_then(group), digit(1).and_then(group)) {
                    (Some(text), _) => {
                        out.push_str(text);
                        i += 3;
                    }
                    (None, Some(text)) => {
                        out.push_str(text);
                        i += 2;
                    }
                    (None, None) => {
                        out.push('$');
                        i += 1;
                    }
                }
            }
            _ => {
                out.push('$');
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Value {
        stdx::json::parse(json).unwrap()
    }
    fn run_extract(source: Value, json: &str) -> Result<Value, String> {
        let p = params(json);
        let pattern = compile(&p, "data.regexExtract").map_err(|f| f.message.to_string())?;
        extract(&pattern, &source, &p, false).map_err(|f| f.message.to_string())
    }
    fn run_replace(source: Value, json: &str, detailed: bool) -> Value {
        let p = params(json);
        replace(&compile(&p, "data.regexReplace").unwrap(), &source, &p, detailed).unwrap()
    }

    #[test]
    fn extracts_by_number_and_by_name() {
        let v = run_extract(
            Value::from("user=root from 203.0.113.7"),
            r#"{"pattern":"user=(?<user>\\w+) from (\\S+)","fields":{"u":"user","ip":"$2","all":"$0","none":"$7"}}"#,
        );
        assert_eq!(
            stdx::json::text(&v.unwrap()),
            r#"{"u":"root","ip":"203.0.113.7","all":"user=root from 203.0.113.7","none":null}"#
        );
        assert_eq!(run_extract(Value::from("x"), r#"{"pattern":"y","fields":{"a":"$0"}}"#).unwrap(), Value::Null);
    }

    #[test]
    fn lookaround_and_lists_and_the_last_index_of_g() {
        let list = Value::array([Value::from("a1"), Value::from("b22"), Value::Int(3)]);
        let v = run_extract(list.clone(), r#"{"pattern":"(?<=[a-z])\\d+","fields":{"n":"$0"}}"#).unwrap();
        assert_eq!(stdx::json::text(&v), r#"[{"n":"1"},{"n":"22"},null]"#);
        let v = run_extract(list, r#"{"pattern":"\\d+","fields":{"n":"$0"},"flags":"g"}"#).unwrap();
        // The second item is searched from 2 on, where the first match ended.
        assert_eq!(stdx::json::text(&v), r#"[{"n":"1"},{"n":"2"},null]"#);
    }

    #[test]
    fn replaces_first_or_all() {
        let s = || Value::from("a1b22");
        assert_eq!(run_replace(s(), r#"{"pattern":"\\d+","replacement":"N"}"#, false), Value::from("aNb22"));
        assert_eq!(
            run_replace(s(), r#"{"pattern":"(\\d)","replacement":"<$1$&>","flags":"g"}"#, false),
            Value::from("a<11>b<22><22>")
        );
        assert_eq!(
            run_replace(s(), r#"{"pattern":"(?<n>\\d+)","replacement":"[$<n>]","flags":"g"}"#, false),
            Value::from("a[1]b[22]")
        );
        let v = run_replace(s(), r#"{"pattern":"([a-z])(\\d)","replacement":"$2$1"}"#, true);
        assert_eq!(stdx::json::text(&v), r#"{"original":"a1b22","replaced":"1ab22","matchCount":3}"#);
        assert_eq!(
            run_replace(Value::from("ab"), r#"{"pattern":"","replacement":"-","flags":"g"}"#, false),
            Value::from("-a-b-")
        );
    }

    #[test]
    fn mistakes_and_wild_patterns_are_errors() {
        assert!(
            run_extract(Value::from("x"), r#"{"pattern":"(","fields":{"a":"$0"}}"#)
                .unwrap_err()
                .starts_with("Invalid regex pattern: ")
        );
        assert!(
            run_extract(Value::from("x"), r#"{"pattern":"a","flags":"gg","fields":{"a":"$0"}}"#)
                .unwrap_err()
                .contains("Invalid flags")
        );
        let wild = Value::from("a".repeat(60));
        let e = run_extract(wild, r#"{"pattern":"^(a|aa)+\\1c","fields":{"a":"$0"}}"#);
        assert!(e.unwrap_err().contains("takes too long"));
        let long = Value::from("a".repeat(INPUT_BYTES_MAX + 1));
        assert!(run_extract(long, r#"{"pattern":"b","fields":{"a":"$0"}}"#).unwrap_err().contains("longer than"));
    }

    #[test]
    fn javascript_spelling() {
        for (pattern, input, hit) in [
            (r"^\d+$", "12\n", false),
            (r"\/x\/", "/x/", true),
            ("[^]+", "a\nb", true),
            (r"\u0041", "A", true),
            (r"\d", "٣", false),
            (r"[\w-]+@", "a-b@", true),
            (r"(\w)\1", "aa", true),
        ] {
            let p = Value::object([("pattern", Value::from(pattern))]);
            let p = compile(&p, "data.regexExtract").unwrap();
            assert_eq!(at(&p, input, 0).unwrap().is_some(), hit, "{pattern} on {input:?}");
        }
    }
}
