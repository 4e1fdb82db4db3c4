//! What an earlier run left, as data for a rerun from one of its steps.
//!
//! Invariants: outputs only: no question, no permit and no effect of the earlier run goes with it, so every destructive step asks again.
//! Not here: where the rerun enters the workflow (`decide::begin`), reading of the earlier journal (the caller).
//! Source: `design/engine.md` §2.6.

use crate::core::{Body, Fact};
use crate::program::Program;
use crate::state::{Memory, State, evolve};
use std::sync::Arc;
use stdx::{Object, Value};

/// What the steps of a run left: the value for `Start::earlier` of a `Mode::From` start. `load` reads bodies, payloads too.
pub fn earlier(facts: &[Fact], program: &Program, load: &dyn Fn(&Body) -> Value) -> Value {
    let mut state = State::default();
    facts.iter().for_each(|f| evolve(&mut state, f));
    let row = |name: &Arc<str>, memory: &Memory| {
        let mut out = Object::new();
        out.insert("step", name.clone());
        out.insert("kind", program.step(name).map(|s| s.kind.clone()));
        for (key, body) in [("input", &memory.input), ("output", &memory.output), ("about", &memory.about)] {
            let value = load(body);
            if !value.is_null() {
                out.insert(key, value);
            }
        }
        if let Some(fault) = &memory.error {
            out.insert("error", stdx::json::to_value(fault));
        }
        Value::from(out)
    };
    // Variables are merged in the order in which they were set, so those steps come last and in that order.
    let sets: Vec<&Arc<str>> = state.memory.sets.iter().map(|(name, _)| name).collect();
    let plain = state.memory.steps.iter().filter(|(name, m)| m.ran && !sets.contains(name));
    let ordered = sets.iter().filter_map(|name| Some((*name, state.memory.steps.get(*name)?)));
    Value::object([("steps", Value::array(plain.chain(ordered).map(|(name, m)| row(name, m))))])
}
