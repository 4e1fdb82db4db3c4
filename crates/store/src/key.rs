//! Effect keys and paths as the text of columns.
//!
//! Invariants: `parse(text(key)) == key` for every key (tested); equal text means equal path.
//! Not here: the text form itself (`workflow::StepPath`).

use std::sync::Arc;
use workflow::{EffectKey, ExecutionId, Hop, Role, StepPath};

/// Reads the text of a path.
pub fn path_parse(text: &str) -> Option<StepPath> {
    let hops: Option<Vec<Hop>> = text.split('/').map(hop_parse).collect();
    Some(StepPath(hops?.into()))
}

fn hop_parse(text: &str) -> Option<Hop> {
    let (text, pass) = match text.rsplit_once('+') {
        Some((rest, n)) => (rest, n.parse().ok()?),
        None => (text, 0),
    };
    let (text, index) = match text.rsplit_once('#') {
        Some((rest, n)) => (rest, n.parse().ok()?),
        None => (text, 0),
    };
    let (name, role) = match text.rsplit_once('~') {
        Some((name, word)) => (
            name,
            match word {
                "if" => Role::Guard,
                "loop" => Role::Loop,
                "timeout" => Role::Timeout,
                "retry" => Role::Retry,
                "fallback" => Role::Fallback,
                "branch" => Role::Branch,
                _ => return None,
            },
        ),
        None => (text, Role::Step),
    };
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = u8::from_str_radix(after.get(..2)?, 16).ok()?;
        out.push(code as char);
        rest = &after[2..];
    }
    out.push_str(rest);
    Some(Hop { name: Arc::from(out), role, index, pass })
}

/// Reads the text of a key, `execution/path!call`.
pub fn key_parse(text: &str) -> Option<EffectKey> {
    let (execution, rest) = text.split_once('/')?;
    let (path, call) = rest.rsplit_once('!')?;
    Some(EffectKey { execution: ExecutionId::from(execution), path: path_parse(path)?, call: call.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let hop = |name: &str, role, index, pass| Hop { name: name.into(), role, index, pass };
        let roles = [Role::Step, Role::Guard, Role::Loop, Role::Timeout, Role::Retry, Role::Fallback, Role::Branch];
        for role in roles {
            for name in ["a", "a/b", "x~if#3+1", "50% ü!7", "", "a!b"] {
                for (index, pass) in [(0, 0), (3, 0), (0, 2), (7, 9)] {
                    let path = StepPath(vec![hop("outer", Role::Loop, 2, 0), hop(name, role, index, pass)].into());
                    let key = EffectKey { execution: ExecutionId::from("0193-a"), path, call: 4 };
                    assert_eq!(key_parse(&key.to_string()), Some(key.clone()), "{key}");
                }
            }
        }
        assert_eq!(key_parse("nothing"), None);
    }
}
