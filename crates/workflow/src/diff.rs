//! What changed between two texts of a workflow: lines, and steps by name.
//!
//! Invariants: applying the lines gives the new text; work is bounded by `EDITS_MAX`, beyond it the middle is replaced as a whole.
//! Not here: which texts (`api`, `watchfire`).

use crate::program::Program;
use serde::Serialize;
use std::sync::Arc;

/// Edits that are told apart at most.
const EDITS_MAX: usize = 800;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// `=`, `-` or `+`.
    pub op: char,
    /// Its text.
    pub text: &'a str,
}

/// Steps that differ, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// Only in the new text.
    pub added: Vec<Arc<str>>,
    /// Only in the old text.
    pub removed: Vec<Arc<str>>,
    /// In both, with another text.
    pub changed: Vec<Arc<str>>,
}

/// The lines of both texts in order.
pub fn lines<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let mut out: Vec<Line<'a>> = a[..head].iter().map(|t| Line { op: '=', text: t }).collect();
    middle(&a[head..a.len() - tail], &b[head..b.len() - tail], &mut out);
    out.extend(a[a.len() - tail..].iter().map(|t| Line { op: '=', text: t }));
    out
}

/// The shortest edit script of what is between (Myers).
fn middle<'a>(a: &[&'a str], b: &[&'a str], out: &mut Vec<Line<'a>>) {
    let (n, m) = (a.len() as isize, b.len() as isize);
    let whole = |out: &mut Vec<Line<'a>>| {
        out.extend(a.iter().map(|t| Line { op: '-', text: t }));
        out.extend(b.iter().map(|t| Line { op: '+', text: t }));
    };
    let max = (n + m).min(EDITS_MAX as isize);
    let offset = max + 1;
    let mut v = vec![0isize; (2 * max + 3) as usize];
    let mut trace: Vec<Vec<isize>> = vec![];
    let mut found = None;
    'search: for d in 0..=max {
        trace.push(v.clone());
        let mut k = -d;
        while k <= d {
            let at = |k: isize| (k + offset) as usize;
            let mut x =
                if k == -d || (k != d && v[at(k - 1)] < v[at(k + 1)]) { v[at(k + 1)] } else { v[at(k - 1)] + 1 };
            let mut y = x - k;
            while x < n && y < m && a[x as usize] == b[y as usize] {
                (x, y) = (x + 1, y + 1);
            }
            v[at(k)] = x;
            if x >= n && y >= m {
                found = Some(d);
                break 'search;
            }
            k += 2;
        }
    }
    let Some(d) = found else { return whole(out) };
    let mut back = vec![];
    let (mut x, mut y) = (n, m);
    for d in (0..=d).rev() {
        let v = &trace[d as usize];
        let at = |k: isize| (k + offset) as usize;
        let k = x - y;
        let down = k == -d || (k != d && v[at(k - 1)] < v[at(k + 1)]);
        let before = if down { k + 1 } else { k - 1 };
        let (px, py) = if d == 0 { (0, 0) } else { (v[at(before)], v[at(before)] - before) };
        while x > px && y > py {
            back.push(Line { op: '=', text: a[(x - 1) as usize] });
            (x, y) = (x - 1, y - 1);
        }
        if d > 0 {
            if down {
                back.push(Line { op: '+', text: b[py as usize] });
            } else {
                back.push(Line { op: '-', text: a[px as usize] });
            }
            (x, y) = (px, py);
        }
    }
    out.extend(back.into_iter().rev());
}

/// Steps that differ, by name, in the order of the texts.
pub fn steps(old: &Program, new: &Program) -> Steps {
    fn text<'a>(p: &'a Program, s: &crate::program::Step) -> &'a str {
        p.source().get(s.span.start..s.span.end).unwrap_or("").trim()
    }
    let mut out = Steps::default();
    for s in &old.steps {
        if new.step(&s.name).is_none() {
            out.removed.push(s.name.clone());
        }
    }
    for s in &new.steps {
        match old.step(&s.name) {
            None => out.added.push(s.name.clone()),
            Some(before) if text(old, before) != text(new, s) => out.changed.push(s.name.clone()),
            Some(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_give_both_texts_back() {
        for (old, new, edits) in [
            ("a\nb\nc", "a\nb\nc", 0),
            ("a\nb\nc\nd", "a\nx\nc\ny\nd", 3),
            ("", "a\nb", 2),
            ("a\nb\nc", "c\nb\na", 4),
            ("x\ny", "", 2),
        ] {
            let found = lines(old, new);
            let side =
                |skip: char| found.iter().filter(|l| l.op != skip).map(|l| l.text).collect::<Vec<_>>().join("\n");
            assert_eq!((side('+'), side('-')), (old.to_owned(), new.to_owned()));
            assert_eq!(found.iter().filter(|l| l.op != '=').count(), edits, "{old:?} {new:?} {found:?}");
        }
    }

    #[test]
    fn texts_without_a_common_line_are_bounded() {
        let old: String = (0..4_000).map(|i| format!("a{i}\n")).collect();
        let new: String = (0..4_000).map(|i| format!("b{i}\n")).collect();
        assert_eq!(lines(&old, &new).len(), 8_000);
    }
}
