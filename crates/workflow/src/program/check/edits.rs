//! Text edits that move or rename a key and keep every other character.
//!
//! Invariants: only whole lines are moved; flow maps (`{ a: 1 }`) are renamed in, never moved in.

use crate::yaml::{Entry, Node};
use stdx::Span;
use stdx::diagnostic::Edit;

/// Renames a key.
pub(super) fn rename(e: &Entry, to: &str) -> Option<Vec<Edit>> {
    Some(vec![Edit { span: e.key_span, text: to.to_owned() }])
}

/// The lines of a block entry, from the key's indentation to the end of its last line; `None` in a flow map or after `- `.
fn lines(source: &str, e: &Entry) -> Option<(Span, usize)> {
    let start = line_start(source, e.key_span.start);
    let indent = &source[start..e.key_span.start];
    if !indent.chars().all(|c| c == ' ') {
        return None;
    }
    let end = e.value.span.end.max(e.key_span.end);
    // A block scalar's span may end after its line break.
    let end = if source[..end].ends_with('\n') {
        end
    } else {
        source[end..].find('\n').map_or(source.len(), |i| end + i + 1)
    };
    let tail = &source[e.value.span.end.max(e.key_span.end).min(end)..end];
    let tail = tail.trim();
    (tail.is_empty() || tail.starts_with('#')).then(|| (Span::new(start, end), indent.len()))
}

fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |i| i + 1)
}

fn ended(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Lines with their indentation changed by `by` spaces.
fn shifted(text: &str, by: isize) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            out.push_str(line);
        } else if by >= 0 {
            out.push_str(&" ".repeat(by.unsigned_abs()));
            out.push_str(line);
        } else {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            out.push_str(&line[spaces.min(by.unsigned_abs())..]);
        }
    }
    out
}

/// Puts `under:` above the entry and indents it.
pub(super) fn nest(source: &str, e: &Entry, under: &str) -> Option<Vec<Edit>> {
    let (span, indent) = lines(source, e)?;
    let text = ended(&source[span.start..span.end]);
    Some(vec![Edit { span, text: format!("{}{under}:\n{}", " ".repeat(indent), shifted(&text, 2)) }])
}

/// Moves an entry of `with` to the step, above `with`.
pub(super) fn out_of_with(source: &str, step: &Node, e: &Entry, name: &str) -> Option<Vec<Edit>> {
    let with = step.entry("with")?;
    let (span, indent) = lines(source, e)?;
    let with_start = line_start(source, with.key_span.start);
    let with_indent = with.key_span.start - with_start;
    if !source[with_start..with.key_span.start].chars().all(|c| c == ' ') || indent <= with_indent {
        return None;
    }
    let moved = ended(&source[span.start..span.end]);
    let moved = moved.replacen(&*e.key, name, 1);
    let moved = shifted(&moved, with_indent as isize - indent as isize);
    if with.value.map().is_some_and(|m| m.len() == 1) {
        let from = Span::new(with_start, span.end);
        // Comments between `with:` and its only member would be lost.
        return source[with.key_span.end..span.start].trim().eq(":").then(|| vec![Edit { span: from, text: moved }]);
    }
    Some(vec![Edit { span: Span::new(with_start, with_start), text: moved }, Edit { span, text: String::new() }])
}

/// Moves an entry of a step into its `with`, which is made where there is none.
pub(super) fn into_with(source: &str, step: &Node, e: &Entry) -> Option<Vec<Edit>> {
    let (span, indent) = lines(source, e)?;
    let text = ended(&source[span.start..span.end]);
    let Some(with) = step.entry("with") else {
        return Some(vec![Edit { span, text: format!("{}with:\n{}", " ".repeat(indent), shifted(&text, 2)) }]);
    };
    let first = with.value.map()?.first()?;
    if with.value.get(&e.key).is_some() {
        return None;
    }
    let at = line_start(source, first.key_span.start);
    let inner = first.key_span.start - at;
    if inner <= indent || !source[at..first.key_span.start].chars().all(|c| c == ' ') {
        return None;
    }
    Some(vec![
        Edit { span: Span::new(at, at), text: shifted(&text, inner as isize - indent as isize) },
        Edit { span, text: String::new() },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_comments_when_they_move() {
        assert_eq!(shifted("  a: 1 # x\n\n    b\n", -2), "a: 1 # x\n\n  b\n");
        assert_eq!(shifted("a:\n  - b\n", 2), "  a:\n    - b\n");
    }
}
