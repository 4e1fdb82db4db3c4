//! Findings about an author's text on the wire: lines and columns from 1, columns in UTF-16 units as editors count.
//!
//! Source: `docs/reference/ui-api.md` §5.1.

use serde_json::{Value as Json, json};
use stdx::{Diagnostic, LineIndex, diagnostic::Severity};

/// Findings shown of one text; more would help nobody.
pub const SHOWN_MAX: usize = 500;

/// The findings of `text` as the page reads them.
pub fn wire(text: &str, found: &[Diagnostic]) -> Vec<Json> {
    let lines = LineIndex::new(text);
    found.iter().take(SHOWN_MAX).map(|d| one(text, &lines, d)).collect()
}

fn one(text: &str, lines: &LineIndex, d: &Diagnostic) -> Json {
    let (line, column) = place(text, lines, d.span.start);
    let (end_line, end_column) = place(text, lines, d.span.end.max(d.span.start));
    let severity = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "hint",
    };
    let edit = |e: &stdx::diagnostic::Edit| {
        let ((line, column), (end_line, end_column)) =
            (place(text, lines, e.span.start), place(text, lines, e.span.end));
        json!({"line": line, "column": column, "endLine": end_line, "endColumn": end_column, "text": e.text})
    };
    let fix = d.fix.as_ref().map(|f| json!({"title": f.title, "edits": f.edits.iter().map(edit).collect::<Vec<_>>()}));
    json!({
        "severity": severity, "code": d.code, "message": d.message, "line": line, "column": column, "endLine": end_line,
        "endColumn": end_column, "hint": d.hint, "path": d.path,
        "fix": fix, "docs": format!("docs/errors/{}.md", d.code),
    })
}

fn place(text: &str, lines: &LineIndex, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let at = lines.position(text, offset);
    let start = lines.line_start(at.line).unwrap_or(0);
    (at.line, text[start..offset].chars().map(char::len_utf16).sum::<usize>() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Span;

    #[test]
    fn columns_count_utf16_units() {
        let text = "a\n😀b: x";
        let found = wire(text, &[Diagnostic::error("x", Span::new(6, 7), "bad").hint("do")]);
        assert_eq!(
            (found[0]["line"].as_u64(), found[0]["column"].as_u64(), found[0]["endColumn"].as_u64()),
            (Some(2), Some(3), Some(4))
        );
    }
}
