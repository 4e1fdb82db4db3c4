//! Two languages mixed up, operators of neither, and the fixes of what other files found.
//!
//! Invariants: a fix is offered only where the place in the document is exact.
//! Source: `reference/workflow-language.md` §5.5–5.7, §9.1.

use super::walk::{Role, StepAt, TextAt};
use super::{Check, edits, nearest};
use crate::template::{filter_names, is_template, is_typed};
use crate::yaml::{Node, Yaml};
use stdx::diagnostic::Edit;
use stdx::{Diagnostic, Span};

/// Filters of other engines and what they are called here.
const FILTERS: [(&str, &str); 18] = [
    ("to_json", "json"),
    ("tojson", "json"),
    ("jsonify", "json"),
    ("json_encode", "json"),
    ("from_json", "json_parse"),
    ("parse_json", "json_parse"),
    ("json_decode", "json_parse"),
    ("fromjson", "json_parse"),
    ("lower", "downcase"),
    ("lowercase", "downcase"),
    ("to_lower", "downcase"),
    ("upper", "upcase"),
    ("uppercase", "upcase"),
    ("to_upper", "upcase"),
    ("length", "size"),
    ("count", "size"),
    ("trim", "strip"),
    ("unique", "uniq"),
];

/// Looks at conditions and templates, then adds hints and fixes to what was found before.
pub(super) fn run(cx: &mut Check<'_>, root: &Node, steps: &[StepAt<'_>]) {
    for step in steps {
        for text in &step.texts {
            let Some(source) = text.node.str().cloned() else { continue };
            let path = format!("{}.{}", step.path, text.path);
            if text.role == Role::Condition {
                mixed(cx, text, &source, &path);
                operators(cx, text, &source);
            }
            if text.role != Role::Literal && is_template(&source) {
                groups(cx, text, &source, &path);
            }
        }
        if &*step.kind == "switch" {
            cases(cx, step.node);
        }
    }
    liquid(cx);
    kql(cx, steps);
    rest(cx, root, steps);
}

fn place(cx: &Check<'_>, node: &Node, source: &str, start: usize, end: usize) -> (Span, bool) {
    let at = node.inside(cx.source, start, end);
    (at, cx.source.get(at.start..at.end) == source.get(start..end))
}

/// Liquid in KQL and KQL in Liquid.
fn mixed(cx: &mut Check<'_>, text: &TextAt<'_>, source: &str, path: &str) {
    let hint = "put the whole condition into `${{ }}`, or write KQL: `field: value`, `field: *`, `not field: value`";
    if !is_template(source) {
        let bare = unquoted(source);
        let word = [" contains ", " | ", "&&", "||"].into_iter().find(|w| bare.contains(w));
        if let Some(word) = word {
            let at = bare.find(word).unwrap_or(0);
            let start = at + word.len() - word.trim_start().len();
            let (span, _) = place(cx, text.node, source, start, start + word.trim().len());
            let message = format!("`{}` is not KQL", word.trim());
            let hint = match word {
                "&&" => "KQL and Liquid say `and`",
                "||" => "KQL and Liquid say `or`",
                _ => hint,
            };
            // An error at the same text says the same without saying why.
            let same = |d: &Diagnostic| d.code == "invalidIfConditionSyntax" && inside(text.node.span, d.span);
            let error = cx.found.iter().any(same);
            cx.found.retain(|d| !same(d));
            let d = if error {
                Diagnostic::error("conditionMixesLanguages", span, message)
            } else {
                Diagnostic::warning("conditionMixesLanguages", span, message)
            };
            cx.found.push(d.hint(hint).at(path));
        }
        return;
    }
    if is_typed(source) {
        let inner = &source[3..source.len() - 2];
        let kql = inner.trim().split_once(':').is_some_and(|(field, value)| {
            !field.is_empty()
                && field.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']'))
                && value.starts_with([' ', '"', '\''])
        });
        for d in cx.found.iter_mut().filter(|d| d.code == "liquidSyntaxError" && inside(text.node.span, d.span)) {
            if kql {
                d.code = "conditionMixesLanguages";
                d.hint = Some("`field: value` is KQL: write it without `${{ }}`, or use `==` inside".into());
            } else if inner.contains("&&") || inner.contains("||") {
                d.hint = Some("Liquid says `and` and `or`".into());
            }
        }
        return;
    }
    // `{{ path }}: value`: what is rendered would be the name of the field.
    if let Some(open) = source.find("{{")
        && let Some(close) = source[open..].find("}}").map(|i| open + i + 2)
        && source[close..].trim_start().starts_with(':')
        && (open == 0 || source[..open].ends_with([' ', '(']))
    {
        let inner = source[open + 2..close - 2].trim();
        let (span, exact) = place(cx, text.node, source, open, close);
        let message = "the left side of `:` is the name of a field, not its value";
        let mut d =
            Diagnostic::warning("conditionMixesLanguages", span, message).hint(format!("write `{inner}: …`")).at(path);
        let plain = inner.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        let quoted = cx.source[text.node.span.start..].starts_with(['"', '\'']);
        if exact && plain && quoted {
            d = d.replace("name the field", span, inner);
        }
        cx.found.push(d);
    }
}

fn inside(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The text with what stands in double quotes blanked out, same length.
fn unquoted(text: &str) -> String {
    let mut quoted = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        if quoted { out.extend(std::iter::repeat_n(' ', c.len_utf8())) } else { out.push(c) }
    }
    out
}

/// `==`, `!=` and `=` between a path and a literal become KQL.
fn operators(cx: &mut Check<'_>, text: &TextAt<'_>, source: &str) {
    const CODES: [&str; 3] = ["invalidEqualityOperator", "invalidInequalityOperator", "invalidAssignmentOperator"];
    if is_template(source) || !cx.found.iter().any(|d| CODES.contains(&d.code) && d.span == text.node.span) {
        return;
    }
    // What KQL made of the clause says nothing new.
    cx.found.retain(|d| !(matches!(d.code, "kqlBareValue" | "kqlNoEquality") && inside(text.node.span, d.span)));
    let Some(fixed) = as_kql(source) else { return };
    let (span, exact) = place(cx, text.node, source, 0, source.len());
    let raw = &cx.source[text.node.span.start..text.node.span.end];
    let edit = if raw.starts_with('"') && exact {
        Edit { span, text: fixed.replace('"', "\\\"") }
    } else if raw.starts_with('\'') && exact && !fixed.contains('\'') {
        Edit { span, text: fixed }
    } else if exact && raw == source && !fixed.contains('\'') {
        // A plain scalar cannot hold `: `.
        Edit { span: text.node.span, text: format!("'{fixed}'") }
    } else {
        return;
    };
    for d in cx.found.iter_mut().filter(|d| CODES.contains(&d.code) && d.span == text.node.span) {
        d.fix = Some(stdx::diagnostic::Fix { title: "write it as KQL".into(), edits: vec![edit.clone()] });
    }
}

/// The condition in KQL, where every clause is `path operator literal`.
fn as_kql(source: &str) -> Option<String> {
    let mut out = vec![];
    let mut rest = source.trim();
    loop {
        let lower = rest.to_ascii_lowercase();
        let cut = [" and ", " or "].into_iter().filter_map(|w| lower.find(w).map(|i| (i, w))).min();
        let (clause, joint) = cut.map_or((rest, None), |(i, w)| (&rest[..i], Some((i + w.len(), w))));
        let clause = clause.trim();
        let operator = ["==", "!=", "="]
            .into_iter()
            .filter_map(|o| clause.find(o).map(|i| (i, o)))
            .min_by_key(|(i, o)| (*i, std::cmp::Reverse(o.len())));
        match operator {
            None => out.push(clause.to_owned()),
            Some((i, o)) => {
                let (field, value) = (clause[..i].trim(), clause[i + o.len()..].trim());
                let plain = !field.is_empty()
                    && field.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@'));
                let inner = value.trim_matches(['\'', '"']);
                let fits = !inner.is_empty()
                    && !inner.contains(['\'', '"', '\\', '(', ')', '{', '}', '<', '>', '=', '*', ':', '|', '&']);
                if !plain || !fits || inner == "null" || inner == "nil" {
                    return None;
                }
                let quoted = value.len() > inner.len();
                let value = if quoted || inner.contains(' ') { format!("\"{inner}\"") } else { inner.to_owned() };
                let not = if o == "!=" { "not " } else { "" };
                out.push(format!("{not}{field}: {value}"));
            }
        }
        match joint {
            None => break,
            Some((next, word)) => {
                out.push(word.trim().to_owned());
                rest = &rest[next..];
            }
        }
    }
    Some(out.join(" "))
}

/// `a and b or c` is `a and (b or c)` in Liquid.
fn groups(cx: &mut Check<'_>, text: &TextAt<'_>, source: &str, path: &str) {
    let mut spans: Vec<(usize, usize)> = vec![];
    if is_typed(source) {
        spans.push((3, source.len() - 2));
    } else {
        let mut at = 0;
        while let Some(open) = source[at..].find("{%").map(|i| at + i) {
            let end = source[open + 2..].find("%}").map_or(source.len(), |i| open + 2 + i);
            let words = source[open + 2..end].trim_start_matches('-').trim_start();
            if ["if ", "elsif ", "unless "].iter().any(|w| words.starts_with(w)) {
                spans.push((open, end));
            }
            at = end.max(open + 2);
        }
    }
    for (start, end) in spans {
        let bare = strings_blanked(&source[start..end]);
        let and = bare.find(" and ");
        let or = bare.rfind(" or ");
        if let (Some(and), Some(or)) = (and, or)
            && and < or
        {
            let (span, _) = place(cx, text.node, source, start, end);
            let message = "Liquid groups to the right: `a and b or c` means `a and (b or c)`";
            cx.found.push(
                Diagnostic::warning("liquidGroupsRight", span, message)
                    .hint("split it into nested `if`s, or write the `or` part first")
                    .at(path),
            );
        }
    }
}

fn strings_blanked(text: &str) -> String {
    let mut quote = None;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        if quote.is_some() { out.extend(std::iter::repeat_n(' ', c.len_utf8())) } else { out.push(c) }
    }
    out
}

fn cases(cx: &mut Check<'_>, switch: &Node) {
    for case in switch.get("cases").and_then(Node::seq).unwrap_or_default() {
        let Some(e) = case.entry("case").filter(|_| case.get("match").is_none()) else { continue };
        for d in cx.found.iter_mut().filter(|d| d.code == "switchCase" && d.span == e.value.span) {
            if let Some(edits) = edits::rename(e, "match") {
                d.fix = Some(stdx::diagnostic::Fix { title: "rename it to `match`".into(), edits });
            }
        }
    }
}

/// Names of filters, and typed expressions that end with a line break.
fn liquid(cx: &mut Check<'_>) {
    let source = cx.source;
    for d in cx.found.iter_mut() {
        if d.code == "typedExpressionTrailingText" {
            let line = source[..d.span.start].rfind('\n').unwrap_or(0);
            let bar = if source[d.span.start..].starts_with("|\n") {
                Some(d.span.start + 1)
            } else {
                source[..line].ends_with('|').then_some(line)
            };
            if let Some(at) = bar {
                d.fix = Some(stdx::diagnostic::Fix {
                    title: "use `|-`".into(),
                    edits: vec![Edit { span: Span::new(at, at), text: "-".into() }],
                });
            }
        }
        let Some(name) = d.message.strip_prefix("undefined filter: ").map(str::to_owned) else { continue };
        if d.code != "liquidSyntaxError" {
            continue;
        }
        let known = filter_names();
        if let Some((_, right)) = FILTERS.iter().find(|(n, r)| *n == name && known.contains(r)) {
            d.hint = Some(format!("the filter is called `{right}`"));
            let found = source.get(d.span.start..d.span.end).unwrap_or("");
            let mut places = found.match_indices(name.as_str());
            if let (Some((i, _)), None) = (places.next(), places.next()) {
                let at = Span::new(d.span.start + i, d.span.start + i + name.len());
                let edits = vec![Edit { span: at, text: (*right).to_owned() }];
                d.fix = Some(stdx::diagnostic::Fix { title: format!("use `{right}`"), edits });
            }
        } else if let Some(near) = nearest(&name, known) {
            d.hint = Some(format!("did you mean `{near}`?"));
        }
    }
}

/// `null` and single quotes in KQL.
fn kql(cx: &mut Check<'_>, steps: &[StepAt<'_>]) {
    let source = cx.source;
    let scalars: Vec<Span> = steps.iter().flat_map(|s| &s.texts).map(|t| t.node.span).collect();
    for d in cx.found.iter_mut() {
        match d.code {
            "kqlSingleQuotes" => {
                let Some(inner) =
                    source.get(d.span.start..d.span.end).and_then(|t| t.strip_prefix('\'')?.strip_suffix('\''))
                else {
                    continue;
                };
                let scalar = scalars.iter().find(|s| inside(**s, d.span));
                let quote = match scalar.map(|s| &source[s.start..=s.start]) {
                    Some("\"") => "\\\"",
                    Some("'") | None => continue,
                    Some(_) => "\"",
                };
                if inner.contains(['"', '\\']) {
                    continue;
                }
                let edits = vec![Edit { span: d.span, text: format!("{quote}{inner}{quote}") }];
                d.fix = Some(stdx::diagnostic::Fix { title: "use double quotes".into(), edits });
            }
            "kqlNull" if source.get(d.span.start..d.span.end) == Some("null") => {
                let before = source[..d.span.start].trim_end();
                let Some(left) = before.strip_suffix(':') else { continue };
                let left = left.trim_end();
                let field = left
                    .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')))
                    .map_or(0, |i| i + 1);
                let name = &left[field..];
                let negated = left[..field].trim_end().to_ascii_lowercase().ends_with("not");
                if name.is_empty() || negated || !left.is_char_boundary(field) {
                    continue;
                }
                let edits = vec![Edit { span: Span::new(field, d.span.end), text: format!("not {name}: *") }];
                d.fix = Some(stdx::diagnostic::Fix { title: "ask whether the field is missing".into(), edits });
            }
            _ => {}
        }
    }
}

/// Old and misspelt step types, and the version.
fn rest(cx: &mut Check<'_>, root: &Node, steps: &[StepAt<'_>]) {
    let fix = |title: String, span: Span, text: &str| {
        Some(stdx::diagnostic::Fix { title, edits: vec![Edit { span, text: text.to_owned() }] })
    };
    let version = root.get("version").filter(|n| matches!(n.value, Yaml::Int(1) | Yaml::Float(_)));
    let types: Vec<(&Node, &str)> = steps.iter().filter_map(|s| Some((s.node.get("type")?, &*s.kind))).collect();
    for d in cx.found.iter_mut().filter(|d| d.fix.is_none()) {
        match d.code {
            "schemaViolation" if version.is_some_and(|n| n.span == d.span) => {
                d.fix = fix("write \"1\"".into(), d.span, "\"1\"");
            }
            "deprecatedStepType" | "unsupportedStepType" | "unknownStepAction" => {
                let Some((node, kind)) = types.iter().find(|(n, _)| n.span == d.span) else { continue };
                let Some(right) = d.hint.as_ref().and_then(|h| h.split('`').nth(1)).map(str::to_owned) else {
                    continue;
                };
                // A misspelt type is corrected only where letters' case, `-` and `_` are all that differs.
                let plain = |s: &str| {
                    s.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect::<String>()
                };
                if d.code == "deprecatedStepType" || (plain(&right) == plain(kind) && right != **kind) {
                    d.fix = fix(format!("use `{right}`"), node.inside(cx.source, 0, kind.len()), &right);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_rewritten_clause_by_clause() {
        assert_eq!(as_kql("a.b == 'x' and c != 5").as_deref(), Some("a.b: \"x\" and not c: 5"));
        assert_eq!(as_kql("a = true or b: y").as_deref(), Some("a: true or b: y"));
        for hopeless in ["(a == 1)", "a == null", "f(x) == 1", "a == 'it''s'", "a == b | size"] {
            assert_eq!(as_kql(hopeless), None, "{hopeless}");
        }
    }
}
