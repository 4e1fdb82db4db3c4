//! Journals of every shipped format: they load, and what is unknown is refused.
//!
//! Invariants: a fixture is never changed once it was released; new kinds of facts get new lines.

use super::{T0, call, json, key, path, question, start};
use crate::Error;
use crate::execution::facts_parse;
use stdx::Id;
use triage::QuestionKind;
use workflow::{
    Body, Class, Decision, DecisionVerdict, Fact, FactKind, Fault, JOURNAL_VERSION, Outcome, PayloadRef, Settlement,
    Status, TimerId, Wait,
};

const FIXTURE: &str = include_str!("../../testdata/compat/journal-v1.jsonl");

fn asked(step: &str, class: Class) -> FactKind {
    FactKind::Asked {
        key: key("e1", step),
        class,
        request: Box::new(call(class, "http:127.0.0.1:9100")),
        deadline: Some(T0),
        memo: Body::Null,
        closes: false,
        kind: "http".into(),
        input: Body::Null,
    }
}

fn left(step: &str, status: Status, error: Option<Fault>) -> FactKind {
    FactKind::Left {
        path: path(step),
        status,
        output: Body::from(json(r#"{"a":[1,2.5,null,"x"]}"#)),
        error,
        kind: "console".into(),
        input: Body::Null,
    }
}

fn answer(step: &str, outcome: Outcome) -> FactKind {
    FactKind::Answered { key: key("e1", step), attempt: 2, outcome }
}

fn settled(step: &str, verdict: Settlement) -> FactKind {
    FactKind::Settled { key: key("e1", step), verdict, by: "ana".into() }
}

/// One of each kind of fact as this version writes it, a line per turn.
fn written() -> Vec<Vec<FactKind>> {
    let fault =
        Fault::new("ConnectorError", "refused").details(json(r#"{"status":503}"#)).retry(workflow::Retry::After(1500));
    let decision = Decision {
        question: Id::from("q1"),
        verdict: DecisionVerdict::Approved,
        by: "ana".into(),
        at: T0,
        channel: "ui".into(),
        comment: Some("go".into()),
        input: None,
        actions: None,
    };
    let entered = FactKind::Entered {
        path: path("loop"),
        kind: "foreach".into(),
        input: Body::Null,
        about: Body::from(json(r#"{"list":[1,2],"index":0}"#)),
        deadline: None,
    };
    let wait = |wait: Wait| FactKind::Waiting {
        path: path("ask"),
        wait: Box::new(wait),
        timer: Some(TimerId("ask".into())),
        memo: Body::Payload(PayloadRef(3)),
    };
    let woke = FactKind::Woke { path: path("ask"), by: "decided".into(), decision: Some(Box::new(decision)) };
    vec![
        vec![
            FactKind::Started {
                start: Box::new(start("e1")),
                name: "triage".into(),
                inputs: Body::Null,
                deadline: Some(T0),
            },
            entered,
            FactKind::Logged { path: path("say"), message: "hello".into(), level: "info".into() },
            left("say", Status::Completed, None),
            asked("look", Class::Read),
        ],
        vec![answer("look", Outcome::NotSent(fault.clone())), left("look", Status::Failed, Some(fault.clone()))],
        vec![answer("look", Outcome::Answered(Ok(Body::Payload(PayloadRef(1))))), asked("tell", Class::Write)],
        vec![
            answer("tell", Outcome::Answered(Err(fault.clone()))),
            wait(Wait::Approval(Box::new(question("q1", QuestionKind::Question)))),
        ],
        vec![woke, asked("isolate", Class::Destructive)],
        vec![FactKind::Attempting { key: key("e1", "isolate"), attempt: 1, not_after: T0 }],
        vec![answer("isolate", Outcome::Unknown(fault)), wait(Wait::Settlement(key("e1", "isolate")))],
        vec![settled("isolate", Settlement::Again), FactKind::Held { key: key("e1", "isolate"), why: "halted".into() }],
        vec![settled("isolate", Settlement::Skip)],
        vec![settled("isolate", Settlement::Happened { output: Body::Null, note: Some("seen".into()) })],
        vec![
            FactKind::Detached { key: key("e1", "job"), handle: json(r#"{"pid":7}"#) },
            FactKind::Abandoned { key: key("e1", "slow") },
        ],
        vec![
            FactKind::Void { question: Id::from("q1") },
            wait(Wait::Until(T0)),
            answer("dry", Outcome::Dry(Body::Null)),
        ],
        vec![FactKind::Ended {
            status: Status::Cancelled,
            output: Body::Null,
            error: None,
            cancelled: Some(("ana".into(), Some("enough".into()))),
        }],
    ]
}

fn lines(text: &str) -> Vec<Vec<Fact>> {
    text.lines()
        .map(|line| {
            let mut bytes = vec![1];
            bytes.extend(line.as_bytes());
            facts_parse("e1", &bytes).unwrap_or_else(|e| panic!("{e}: {line}"))
        })
        .collect()
}

#[test]
fn journal_version_1_loads() {
    assert_eq!(JOURNAL_VERSION, 1, "a new version gets a fixture of its own, this one stays");
    let expected: Vec<Vec<Fact>> =
        written().into_iter().map(|t| t.into_iter().map(|what| Fact { at: T0, what }).collect()).collect();
    if std::env::var("UPDATE_EXPECT").is_ok() && FIXTURE.is_empty() {
        let text: String = expected.iter().map(|t| serde_json::to_string(t).unwrap() + "\n").collect();
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/compat/journal-v1.jsonl"), text).unwrap();
        return;
    }
    assert_eq!(lines(FIXTURE), expected);
    let mut state = workflow::State::default();
    for fact in lines(FIXTURE).iter().flatten() {
        workflow::evolve(&mut state, fact);
    }
    assert_eq!(state.summary().status, Status::Cancelled);
}

#[test]
fn unknown_journals_are_refused() {
    let refused = |bytes: &[u8]| assert!(matches!(facts_parse("e1", bytes), Err(Error::Damaged { .. })));
    refused(b"\x02[]");
    refused(b"\x01[{\"at\":0,\"what\":{\"fact\":\"teleported\"}}]");
    refused(b"\x01[{\"at\":0");
    assert_eq!(facts_parse("e1", b"\x01[]").unwrap(), []);
}

#[test]
fn schema_version_1_stays_as_it_was() {
    // What a released migration made is in people's files; a change of the schema is a new migration.
    let digest = stdx::id::sha256_hex(crate::schema::MIGRATIONS[0].as_bytes());
    expect_test::expect!["bba8fe51b4edaeb20eead0e18cf0a2ff45ce670777c51fa263ee5013a567abd0"].assert_eq(&digest);
}
