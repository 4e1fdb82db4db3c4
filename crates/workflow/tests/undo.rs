//! Taking effects back, command by command: what a connector knows, what is scheduled and what is not.

use std::sync::Arc;
use stdx::{Time, Value};
use workflow::catalogue::Inverse;
use workflow::*;

fn json(text: &str) -> Value {
    stdx::json::parse(text).expect("JSON")
}

fn operation(name: &str, class: Class, inverse: Option<(&str, &str)>) -> OperationMeta {
    OperationMeta {
        name: name.into(),
        title: name.into(),
        group: "connectors".into(),
        class,
        schema: json(r#"{"type":"object"}"#),
        output: Value::Null,
        connector: Some(".fw".into()),
        deliver_within_s: None,
        inverse: inverse.map(|(operation, with)| Inverse { operation: operation.into(), with: json(with) }),
    }
}

/// A firewall whose two operations take each other back, a note whose inverse is not there, and a look.
fn catalogue() -> Catalogue {
    let mut c = Catalogue::default();
    for o in [
        operation(
            "fw.block",
            Class::Destructive,
            Some(("fw.unblock", r#"{"ip":"{{ params.ip }}","rule":"${{ output.rule }}"}"#)),
        ),
        operation("fw.unblock", Class::Destructive, Some(("fw.block", r#"{"ip":"{{ params.ip }}"}"#))),
        operation("fw.note", Class::Write, Some(("fw.gone", "{}"))),
        operation("fw.look", Class::Read, None),
    ] {
        c.operations.insert(o.name.clone(), o);
    }
    let connector = ConnectorView {
        id: "edge".into(),
        name: "edge".into(),
        kind: ".fw".into(),
        target: json(r#"{"base_url":"https://fw.example"}"#),
        secrets: vec!["token".into()],
    };
    c.connectors.insert(connector.id.clone(), connector);
    c
}

fn load(step: &str) -> (Program, Vec<stdx::Diagnostic>) {
    let yaml =
        format!("name: w\ntriggers: [{{ type: manual }}]\nsteps:\n  - name: act\n    connector-id: edge\n{step}");
    let (program, found) = Program::load(&yaml, &catalogue());
    (program.expect("a program"), found)
}

struct Run {
    program: Program,
    state: State,
    now: Time,
    last: Turn,
}

impl Run {
    fn start(step: &str) -> Self {
        let (program, found) = load(step);
        assert!(found.iter().all(|d| !d.is_error()), "{found:#?}");
        let mut run = Self { program, state: State::default(), now: Time(1_000_000), last: Turn::default() };
        let start = Start { execution: "e1".into(), root: "e1".into(), at: run.now, ..Start::default() };
        run.send(&Command::Start(Box::new(start)));
        run
    }

    fn send(&mut self, command: &Command) {
        let catalogue = catalogue();
        let env = Env::default();
        let cx = Cx { now: self.now, catalogue: &catalogue, env: &env, payloads: &|_| None, fuel: Fuel::default() };
        let Decided::Turn(turn) = decide(&self.program, &self.state, command, &cx) else { panic!("needs payloads") };
        let Decided::Turn(again) = decide(&self.program, &self.state, command, &cx) else { panic!("needs payloads") };
        assert_eq!(turn, again, "worked off twice it is the same, so that what is scheduled is scheduled once");
        turn.facts.iter().for_each(|f| evolve(&mut self.state, f));
        self.last = *turn;
    }

    fn answer(&mut self, body: &str) {
        let key = self.state.calls().first().expect("a call is out").key.clone();
        let begin = Command::Begin {
            key: key.clone(),
            not_after: self.now,
            target: json(r#"{"base_url":"https://fw.example"}"#),
            held: None,
        };
        self.send(&begin);
        let outcome = Outcome::Answered(Ok(Body::from(json(body))));
        self.send(&Command::Outcome { key, attempt: 1, outcome });
    }

    /// What the last turn says can be undone.
    fn undoable(&self) -> Option<(UndoStart, bool, Option<Fault>)> {
        self.last.facts.iter().find_map(|f| match &f.what {
            FactKind::Undoable { undo, child, error } => Some(((**undo).clone(), child.is_some(), error.clone())),
            _ => None,
        })
    }

    fn children(&self) -> Vec<Arc<Start>> {
        let child = |(_, e): &(EffectKey, Effect)| match e {
            Effect::Child(s) => Some(Arc::new((**s).clone())),
            _ => None,
        };
        self.last.effects.iter().filter_map(child).collect()
    }
}

fn params(undo: &UndoStart) -> Value {
    undo.call.as_ref().and_then(|c| c.params.value().cloned()).unwrap_or_default()
}

#[test]
fn a_connector_that_knows_the_inverse_needs_only_the_time() {
    let mut run = Run::start("    type: fw.block\n    with: { ip: 203.0.113.7 }\n    undo-after: 4h\n");
    run.answer(r#"{"rule":17}"#);
    let (undo, by_itself, error) = run.undoable().expect("undoable");
    assert_eq!((by_itself, error), (true, None));
    assert_eq!(params(&undo), json(r#"{"ip":"203.0.113.7","rule":17}"#), "over `params` and `output` of the call");
    let call = undo.call.as_ref().unwrap();
    assert_eq!((&*call.operation, call.class), ("fw.unblock", Class::Destructive));
    assert_eq!(call.connector.as_deref(), Some("edge"), "through the connector of the step");
    assert_eq!(undo.due, Some(run.now + stdx::Duration::from_secs(4 * 3600)));
    let children = run.children();
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].undo.as_deref(), Some(&undo));
    assert!(call.undo.is_none(), "an undo has no undo, though its operation has an inverse");
}

#[test]
fn without_a_time_a_person_may_ask_for_it_and_a_written_undo_wins() {
    let mut run = Run::start(
        "    type: fw.block\n    with: { ip: 203.0.113.7 }\n    undo: { type: fw.unblock, connector-id: edge, with: { ip: all } }\n",
    );
    run.answer("{}");
    let (undo, by_itself, error) = run.undoable().expect("undoable");
    assert_eq!((by_itself, error, undo.due), (false, None, None));
    assert_eq!(params(&undo), json(r#"{"ip":"all"}"#));
    assert!(run.children().is_empty());
}

#[test]
fn an_answer_that_is_too_large_fails_the_step_and_is_undone_all_the_same() {
    let mut run = Run::start(
        "    type: fw.block\n    max-step-size: 100b\n    with: { ip: 203.0.113.7 }\n    undo-after: 4h\n    undo: { type: fw.unblock, connector-id: edge, with: { ip: 203.0.113.7 } }\n",
    );
    run.answer(&format!(r#"{{"data":"{}"}}"#, "x".repeat(200)));
    assert_eq!(run.state.summary().status, Status::Failed);
    assert!(run.undoable().is_some_and(|(_, by_itself, _)| by_itself));
}

#[test]
fn what_the_inverse_reads_and_nobody_knows_is_not_guessed() {
    let mut run = Run::start("    type: fw.block\n    with: { ip: 203.0.113.7 }\n    undo-after: 4h\n");
    run.answer("null");
    let (undo, by_itself, error) = run.undoable().expect("undoable");
    assert!(!by_itself && undo.call.is_none());
    assert!(error.is_some_and(|f| &*f.kind == "UndoNotPossible"));
    assert!(run.children().is_empty());
}

#[test]
fn an_inverse_that_is_not_there_is_an_error_only_where_a_time_is_written() {
    let codes =
        |step: &str| load(step).1.into_iter().filter(stdx::Diagnostic::is_error).map(|d| d.code).collect::<Vec<_>>();
    assert_eq!(codes("    type: fw.note\n    undo-after: 4h\n"), ["undoMissing"]);
    assert!(codes("    type: fw.note\n").is_empty());
    assert_eq!(codes("    type: fw.look\n    undo-after: 4h\n"), ["undoWithoutEffect"]);
}

#[test]
fn an_undo_is_no_node_of_the_picture_and_no_step_of_the_count() {
    let (program, _) = load("    type: fw.block\n    with: { ip: 203.0.113.7 }\n    undo-after: 4h\n");
    assert_eq!((program.steps.len(), program.meta().steps), (2, 1));
    assert!(program.graph().nodes.iter().all(|n| &*n.id != "act.undo"));
    assert!(program.step("act.undo").is_some());
}
