//! Where the envelope of a space demands a passkey's signature for an answer.
//!
//! Invariants: what a question demanded when it was asked it demands for good; a demand that came afterwards holds for every answer from then
//! on; a setting that cannot be read demands one.
//! Not here: the envelope's other limits (`engine::envelope`), what a signature must be (`passkey`).
//! Source: `design/engine.md` §8, §9.

use super::{Question, QuestionKind};
use std::sync::Arc;
use stdx::Value;

/// Id of the `setting` record that holds the envelope of a space.
pub const ENVELOPE: &str = "envelope";
/// Class of everything that a question shows as template only.
const UNBOUND_CLASS: &str = "destructive";

/// True where the setting, as stored, demands a signature for what lets this question's actions go.
pub fn demands(setting: Option<&Value>, question: &Question) -> bool {
    let Some(setting) = setting else { return false };
    match setting.get("passkey") {
        None | Some(Value::Null) => setting.as_object().is_none() && lets_go(question),
        Some(Value::Array(list)) => {
            let names: Option<Vec<Arc<str>>> = list.iter().map(|v| v.as_str().map(Arc::from)).collect();
            names.map_or(lets_go(question), |names| named(&names, question))
        }
        Some(_) => lets_go(question),
    }
}

/// True where one of the classes or step types covers what an answer to this question lets go.
pub fn named(list: &[Arc<str>], question: &Question) -> bool {
    let covers = |what: &str, class: &str, operation: &str| match what {
        "*" => true,
        "write" => matches!(class, "write" | "destructive"),
        class_or_type => *class == *class_or_type || *operation == *class_or_type,
    };
    let unbound = question.policy.unbound && !question.unbound.is_empty();
    lets_go(question)
        && list.iter().any(|what| {
            question.actions.iter().any(|a| covers(what, &a.class, &a.operation))
                || unbound && covers(what, UNBOUND_CLASS, "")
        })
}

fn lets_go(question: &Question) -> bool {
    question.kind != QuestionKind::Input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::command::{Command, RefusalKind, Request};
    use crate::question::policy::Policy;
    use crate::question::{FrozenAction, Verdict, sample};
    use crate::rows::{Key, Rows};
    use crate::{apply, reads};
    use stdx::{Id, Time};

    fn action(class: &str) -> FrozenAction {
        FrozenAction {
            undo: None,
            path: "one".into(),
            step: "one".into(),
            operation: "ssh.run".into(),
            class: class.into(),
            connector: None,
            target: Value::Null,
            request: Value::Null,
            secrets: vec![],
            retries: 0,
        }
    }

    fn setting(text: &str) -> Value {
        stdx::json::parse(text).unwrap()
    }

    #[test]
    fn classes_types_and_everything_are_demanded_of_what_an_answer_lets_go() {
        let of = |class: &str| sample::question(Policy::default(), vec![action(class)], None);
        let demanded = |text: &str, q: &Question| demands(Some(&setting(text)), q);
        assert!(!demands(None, &of("destructive")) && !demanded("{}", &of("destructive")));
        assert!(demanded(r#"{"passkey":["destructive"]}"#, &of("destructive")));
        assert!(!demanded(r#"{"passkey":["destructive"]}"#, &of("write")));
        assert!(
            demanded(r#"{"passkey":["write"]}"#, &of("destructive")) && demanded(r#"{"passkey":["*"]}"#, &of("read"))
        );
        assert!(
            demanded(r#"{"passkey":["ssh.run"]}"#, &of("read")) && !demanded(r#"{"passkey":["http"]}"#, &of("read"))
        );
        let broken = [r#"{"passkey":true}"#, r#"{"passkey":[7]}"#, "7"];
        assert!(broken.iter().all(|text| demanded(text, &of("read"))), "what cannot be read demands");
        let input = Question { kind: QuestionKind::Input, ..of("destructive") };
        assert!(!demanded(r#"{"passkey":["*"]}"#, &input) && !demanded("7", &input), "an input lets nothing go");
    }

    #[test]
    fn what_is_shown_as_template_counts_where_the_answer_lets_it_go_too() {
        let mut q = sample::question(Policy::default(), vec![], None);
        q.unbound = vec![("later".into(), "{{ x }}".into())];
        let named = |q: &Question| named(&["destructive".into()], q);
        assert!(!named(&q), "it asks again on its own");
        q.policy.unbound = true;
        assert!(named(&q));
        q.unbound.clear();
        assert!(!named(&q));
    }

    struct Desk(Rows, Option<Value>);

    impl Desk {
        fn send(&mut self, user: &str, command: Command) -> Result<Value, RefusalKind> {
            let request = Request { space: "default".into(), by: Actor::person(user, "cli"), key: None, command };
            for round in 0..crate::ROUNDS {
                for key in reads(&request, &self.0, round) {
                    match key {
                        Key::Envelope(space) => drop(self.0.envelopes.insert(space, self.1.clone())),
                        Key::Question(id) if !self.0.questions.known(&id) => self.0.questions.load(id, None),
                        Key::Person(name) => drop(self.0.people.insert(name, None)),
                        _ => {}
                    }
                }
            }
            apply(&mut self.0, Time(1), &request).map_err(|r| r.kind)
        }
        fn ask(&mut self, q: &Question) -> Result<Value, RefusalKind> {
            self.send("system", Command::QuestionAsk(Box::new(q.clone())))
        }
        fn say(&mut self, q: &Question, verdict: Verdict) -> Result<Value, RefusalKind> {
            let (id, hash) = (q.id.clone(), Some(q.hash.clone()));
            self.send(
                "ann",
                Command::QuestionDecide { id, verdict, hash, comment: None, output: None, signature: None },
            )
        }
    }

    #[test]
    fn the_row_itself_carries_the_demand_of_when_it_was_asked() {
        let q = sample::question(Policy::default(), vec![action("destructive")], None);
        let mut desk = Desk(Rows::default(), Some(setting(r#"{"passkey":["destructive"]}"#)));
        let asked = desk.ask(&q).unwrap();
        assert_eq!(asked.get("policy").and_then(|p| p.get("passkey")), Some(&Value::Bool(true)));
        // Lifted afterwards: it was asked under the demand.
        desk.1 = None;
        assert_eq!(desk.say(&q, Verdict::Approve), Err(RefusalKind::Forbidden));
        assert_eq!(desk.ask(&q).unwrap(), asked, "asked again it is the same row");
        desk.say(&q, Verdict::Reject).unwrap();
    }

    #[test]
    fn a_demand_that_comes_later_holds_for_every_answer_from_then_on() {
        let q = sample::question(Policy::default(), vec![action("destructive")], None);
        let mut desk = Desk(Rows::default(), None);
        desk.ask(&q).unwrap();
        desk.1 = Some(setting(r#"{"passkey":["ssh.run"]}"#));
        assert_eq!(desk.say(&q, Verdict::Approve), Err(RefusalKind::Forbidden));
        desk.1 = Some(setting(r#"{"passkey":["http"]}"#));
        desk.say(&q, Verdict::Approve).unwrap();
    }

    #[test]
    fn sending_again_after_an_unknown_outcome_is_under_the_same_demand() {
        let q = sample::question(Policy::default(), vec![action("destructive")], None);
        let q = Question { id: Id::from("s"), kind: QuestionKind::Settlement, ..q };
        let mut desk = Desk(Rows::default(), Some(setting(r#"{"passkey":["destructive"]}"#)));
        desk.ask(&q).unwrap();
        assert_eq!(desk.say(&q, Verdict::Again), Err(RefusalKind::Forbidden));
        desk.say(&q, Verdict::Happened).unwrap();
    }
}
