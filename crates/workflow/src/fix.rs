//! Applying the fixes of findings to a text.
//!
//! Invariants: a fix is kept only when the text still reads and has no error that it did not have before; everything outside the edits is
//! left as it is, comments and order included; the number of rounds is bounded.
//! Not here: finding what is wrong (`program::check`).

use crate::catalogue::Catalogue;
use crate::program::Program;
use std::collections::BTreeMap;
use stdx::Diagnostic;
use stdx::diagnostic::Edit;

/// Fixes of one text at most.
pub const FIXES_MAX: usize = 500;

/// A text with its fixes applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The new text.
    pub text: String,
    /// What was done: code, line of the text at that moment, title.
    pub applied: Vec<(&'static str, usize, String)>,
}

/// Applies every safe fix.
pub fn fix(text: &str, catalogue: &Catalogue) -> Fixed {
    let mut fixed = Fixed { text: text.to_owned(), applied: vec![] };
    let mut refused: Vec<(&'static str, String)> = vec![];
    let (_, mut found) = Program::load(&fixed.text, catalogue);
    while fixed.applied.len() + refused.len() < FIXES_MAX {
        let offered = found.iter().find_map(|d| {
            let fix = d.fix.as_ref()?;
            let token = (d.code, format!("{}{}", d.path.as_deref().unwrap_or(""), d.message));
            (!refused.contains(&token)).then_some((d, fix, token))
        });
        let Some((d, fix, token)) = offered else { break };
        let new = apply(&fixed.text, &fix.edits);
        let line = stdx::LineIndex::new(&fixed.text).position(&fixed.text, d.span.start).line;
        let (program, after) = new.as_ref().map_or_else(|| (None, vec![]), |t| Program::load(t, catalogue));
        match new {
            Some(new) if program.is_some() && new != fixed.text && better(&found, &after) => {
                fixed.applied.push((d.code, line, fix.title.clone()));
                fixed.text = new;
                found = after;
            }
            _ => refused.push(token),
        }
    }
    fixed
}

/// Fewer findings of the kind, and no kind of error that was not there.
fn better(before: &[Diagnostic], after: &[Diagnostic]) -> bool {
    let count = |found: &[Diagnostic]| {
        let mut n: BTreeMap<&str, usize> = BTreeMap::new();
        for d in found.iter().filter(|d| d.is_error()) {
            *n.entry(d.code).or_default() += 1;
        }
        n
    };
    let old = count(before);
    count(after).iter().all(|(code, n)| old.get(code).is_some_and(|m| n <= m)) && after.len() <= before.len()
}

/// The text with the edits made; `None` where they overlap or do not fit.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_by_key(|e| (e.span.start, e.span.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for e in order {
        if e.span.start < at {
            return None;
        }
        out.push_str(text.get(at..e.span.start)?);
        out.push_str(&e.text);
        at = e.span.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}
