//! Tampering with a database and finding it: each kind of change names the place it was made at.

#[path = "../../../triage/src/question/passkey/soft.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod soft;

use super::verify::{Report, verify_connection};
use crate::tests::{answered, asked, at, case_body, command, ended, raise, started, turn, turn_commit, writer};
use crate::{AuditFilter, Commit, Writer};
use stdx::Id;
use triage::Command as Triage;
use workflow::{Class, Status};

/// A database with cases, alerts and two runs, one of them unfinished.
fn filled() -> Writer {
    let mut w = writer();
    for i in 0..4 {
        let id = Id::from(format!("c{i}"));
        w.apply(vec![
            command(at(i), Triage::CaseCreate { id: id.clone(), body: case_body("a case") }),
            command(at(i), Triage::CaseTags { case: id, add: vec!["seen".into()] }),
            command(at(i), raise(&format!("a{i}"))),
        ]);
    }
    for id in ["e1", "e2"] {
        w.apply_one(turn_commit(id, turn(0, vec![started(id), asked(id, "x", Class::Write)], Status::Running)))
            .unwrap();
        w.apply_one(turn_commit(id, turn(2, vec![answered(id, "x")], Status::Running))).unwrap();
    }
    let mut last = turn_commit("e1", turn(3, vec![ended()], Status::Completed));
    last.now = at(120);
    w.apply_one(last).unwrap();
    w
}

fn report(w: &Writer) -> Report {
    verify_connection(&w.reader().conn).unwrap()
}

fn broken_after(sql: &str) -> String {
    let w = filled();
    assert_eq!(report(&w).broken, None);
    w.reader().conn.execute_batch(sql).unwrap();
    let b = report(&w).broken.unwrap_or_else(|| panic!("`{sql}` was not found"));
    format!("{}: {}", b.at, b.why)
}

#[test]
fn untouched_chain_holds() {
    let r = report(&filled());
    assert_eq!((r.broken, r.links, r.entries, r.journals, r.rows, r.checkpoints), (None, 7, 17, 2, 5, 2));
}

#[test]
fn flipped_bytes_are_found() {
    for (sql, place) in [
        ("UPDATE audit SET user = 'eve' WHERE seq = 5", "link 2"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", "link 2"),
        ("UPDATE audit SET action = 'case.delete' WHERE seq = 1", "link 1"),
        ("UPDATE audit SET id = 'c9' WHERE seq = 4", "link 2"),
        ("UPDATE audit SET space = 'other' WHERE seq = 4", "link 2"),
        ("UPDATE audit SET execution = 'e9' WHERE seq = 13", "link 5"),
        ("UPDATE audit SET body = replace(body, 'a case', 'b case') WHERE seq = 4", "entry 4"),
        ("UPDATE audit SET digest = zeroblob(32) WHERE seq = 4", "entry 4"),
        ("UPDATE audit SET salt = NULL WHERE seq = 4", "entry 4"),
        ("UPDATE audit_link SET root = zeroblob(32) WHERE n = 3", "link 3"),
        ("UPDATE audit_link SET hash = zeroblob(32) WHERE n = 3", "link 3"),
        ("UPDATE stream SET head = zeroblob(32)", "link 8"),
        (
            "UPDATE journal SET facts = replace(facts, 'triage', 'nothin') WHERE execution = 'e1' AND base = 0",
            "journal of e1 at 0",
        ),
        ("UPDATE journal SET digest = zeroblob(32) WHERE execution = 'e2' AND base = 2", "journal of e2 at 2"),
        ("UPDATE execution SET digest = zeroblob(32) WHERE id = 'e2'", "journal of e2 at 3"),
        ("UPDATE checkpoint SET heads = replace(heads, '0', '1') WHERE n = 1", "checkpoint 1"),
        ("UPDATE checkpoint SET signature = zeroblob(64) WHERE n = 2", "checkpoint 2"),
    ] {
        let found = broken_after(sql);
        assert!(found.starts_with(place), "`{sql}` was found at `{found}`, not at `{place}`");
    }
}

#[test]
fn every_flipped_byte_of_an_entry_is_found() {
    let columns = ["space", "user", "channel", "action", "noun", "id", "digest", "salt", "body"];
    for column in columns {
        let w = filled();
        let conn = &w.reader().conn;
        let length: i64 = conn
            .query_row(&format!("SELECT length(CAST({column} AS BLOB)) FROM audit WHERE seq = 4"), [], |r| r.get(0))
            .unwrap();
        for i in 0..length {
            let bytes: Vec<u8> = conn
                .query_row(&format!("SELECT CAST({column} AS BLOB) FROM audit WHERE seq = 4"), [], |r| r.get(0))
                .unwrap();
            let mut flipped = bytes.clone();
            flipped[i as usize] ^= 1;
            let set = |b: &[u8]| {
                let cast = if matches!(column, "digest" | "salt") { "?1" } else { "CAST(?1 AS TEXT)" };
                conn.execute(&format!("UPDATE audit SET {column} = {cast} WHERE seq = 4"), [b]).unwrap();
            };
            set(&flipped);
            assert!(report(&w).broken.is_some(), "byte {i} of {column}");
            set(&bytes);
            assert_eq!(report(&w).broken, None);
        }
    }
}

#[test]
fn removed_entries_are_found() {
    for (sql, place) in [
        ("DELETE FROM audit WHERE seq = 5", "link 2: entry 5 is missing"),
        ("DELETE FROM audit WHERE seq = 6", "link 2: entry 6 is missing"),
        ("DELETE FROM audit WHERE link = 3; DELETE FROM audit_link WHERE n = 3", "link 3: it is missing"),
        ("DELETE FROM audit WHERE link = 7; DELETE FROM audit_link WHERE n = 7", "link 7: the stream's head"),
        ("DELETE FROM audit_link WHERE n = 7", "entry 17: no link covers it"),
        (
            "DELETE FROM journal WHERE execution = 'e1' AND base = 0",
            "journal of e1 at 0: the row that entry 13 names is missing",
        ),
        ("DELETE FROM journal WHERE execution = 'e2' AND base = 2", "journal of e2 at 2: the run has 3 facts"),
        ("DELETE FROM execution WHERE id = 'e2'", "journal of e2: its run is missing"),
        ("DELETE FROM checkpoint WHERE n = 1", "checkpoint 1"),
    ] {
        let found = broken_after(sql);
        assert!(found.starts_with(place), "`{sql}` was found at `{found}`, not at `{place}`");
    }
}

#[test]
fn swapped_pairs_are_found() {
    for (sql, place) in [
        (
            "UPDATE audit SET seq = -1 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = -1",
            "link 2",
        ),
        (
            "UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = -1",
            "entry 3",
        ),
        (
            "UPDATE audit_link SET n = -1 WHERE n = 2; UPDATE audit_link SET n = 2 WHERE n = 3; UPDATE audit_link SET n = 3 WHERE n = -1",
            "link 2",
        ),
        (
            "UPDATE journal SET facts = (SELECT facts FROM journal o WHERE o.execution = 'e2' AND o.base = journal.base) WHERE execution = 'e1' AND base = 0",
            "journal of e1 at 0",
        ),
    ] {
        let found = broken_after(sql);
        assert!(found.starts_with(place), "`{sql}` was found at `{found}`, not at `{place}`");
    }
}

#[test]
fn erased_bodies_and_removed_runs_keep_the_chain() {
    let mut w = filled();
    assert!(w.audit_erase(4).unwrap());
    assert!(!w.audit_erase(400).unwrap());
    let r = report(&w);
    assert_eq!((r.broken, r.erased), (None, 1));
    let row =
        w.reader().audit_list(&AuditFilter { before: Some(5), limit: 1, ..Default::default() }).unwrap().remove(0);
    assert_eq!((row.seq, row.body), (4, None));
    w.reader()
        .conn
        .execute_batch("DELETE FROM journal WHERE execution = 'e1'; DELETE FROM execution WHERE id = 'e1'")
        .unwrap();
    let r = report(&w);
    assert_eq!((r.broken, r.journals), (None, 1), "retention removes whole runs");
}

#[test]
fn payloads_are_covered() {
    let mut w = writer();
    let mut t = turn(0, vec![started("e1")], Status::Running);
    t.payloads.push((workflow::PayloadRef(2), std::sync::Arc::new("two".into())));
    t.payloads.push((workflow::PayloadRef(1), std::sync::Arc::new("one".into())));
    w.apply_one(turn_commit("e1", t)).unwrap();
    assert_eq!(report(&w).broken, None);
    w.reader().conn.execute("UPDATE payload SET body = '\"eno\"' WHERE n = 1", []).unwrap();
    assert_eq!(report(&w).broken.unwrap().at, "journal of e1 at 0");
}

#[test]
fn a_minute_brings_a_checkpoint() {
    let mut w = writer();
    let note = |s: i64| {
        let details = stdx::Value::Null;
        command(at(s), Triage::Note { action: "auth.login".into(), of: ("user".into(), Id::from("ana")), details })
    };
    for s in [0, 30, 59, 61, 62, 200] {
        w.apply_one(note(s)).unwrap();
    }
    assert_eq!(report(&w).checkpoints, 3);
    w.apply_one(Commit { now: at(999), mailbox_done: vec![(Id::from("e1"), 1)], ..Commit::default() }).unwrap();
    assert_eq!(report(&w).checkpoints, 3, "nothing new to sign");
}

#[test]
fn the_script_of_the_documentation_agrees() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify-audit.py");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let run = || std::process::Command::new("python3").arg(script).arg(&path).output();
    let mut w = filled();
    let mut body = case_body("ü\u{1}\u{7f}\"\\\n");
    body.object_mut().unwrap().insert("description", "x".repeat(20_000));
    w.apply_one(command(at(200), Triage::CaseCreate { id: Id::from("cü"), body: body.clone() })).unwrap();
    let mut t = turn(3, vec![], Status::Running);
    let effect = workflow::Effect::Internal(Box::new(Triage::CaseCreate { id: Id::from("c9"), body }));
    t.effects.push((crate::tests::key("e2", "open"), effect));
    w.apply_one(turn_commit("e2", t)).unwrap();
    w.audit_erase(2).unwrap();
    w.reader().conn.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let Ok(out) = run() else {
        println!("skipped: python3 absent");
        return;
    };
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}");
    assert_eq!(text.trim(), "9 links, 19 entries: the chain holds");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("UPDATE payload SET body = 'null'", []).unwrap();
    let out = run().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).starts_with("broken at journal of e2 at 3"), "{out:?}");
    conn.execute("UPDATE audit SET user = 'eve' WHERE seq = 7", []).unwrap();
    let out = run().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).starts_with("broken at link 3"), "{out:?}");
}

/// A question answered with a passkey's signature.
fn signed() -> Writer {
    use triage::question::passkey::{challenge, register, registration_challenge, text};
    let mut w = writer();
    let mut question = crate::tests::question("q1", triage::QuestionKind::Question);
    question.policy.passkey = true;
    let hash = question.hash.to_string();
    let mut t = turn(0, vec![started("e1")], Status::WaitingForInput);
    let ask = workflow::Effect::Internal(Box::new(Triage::QuestionAsk(Box::new(question))));
    t.effects.push((crate::tests::key("e1", "ask"), ask));
    w.apply_one(turn_commit("e1", t)).unwrap();
    let mut key = soft::SoftKey::es256(3);
    let wanted = registration_challenge("n0", "ana");
    let (client, object) = key.register(&text(&wanted));
    let site = triage::question::passkey::Site { rp_id: &key.rp_id, origin: &key.origin };
    let credential = register(&client, &object, &wanted, site).unwrap();
    let note = Triage::Note {
        action: "passkey.register".into(),
        of: ("passkey".into(), Id::from(&*credential.id)),
        details: stdx::Value::object([("public_key", stdx::Value::from(credential.public_key.clone()))]),
    };
    w.apply_one(command(at(1), note)).unwrap();
    let verdict = triage::Verdict::Approve;
    let [authenticator_data, client_data, signature] =
        key.sign(&text(&challenge("n1", &Id::from("q1"), &hash, verdict, "ana"))).map(std::sync::Arc::from);
    let signature = triage::question::passkey::Signed {
        credential: credential.id,
        algorithm: credential.algorithm,
        public_key: credential.public_key,
        rp_id: key.rp_id.as_str().into(),
        origin: key.origin.as_str().into(),
        nonce: "n1".into(),
        authenticator_data,
        client_data,
        signature,
    };
    let hash = Some(hash.into());
    let decide = |signature| Triage::QuestionDecide {
        id: Id::from("q1"),
        verdict,
        hash: hash.clone(),
        comment: None,
        output: None,
        signature,
    };
    assert!(w.apply_one(command(at(2), decide(None))).is_err(), "the row itself takes nothing less");
    w.apply_one(command(at(2), decide(Some(Box::new(signature))))).unwrap();
    w
}

#[test]
fn signatures_are_verified_from_the_database_alone() {
    let good = report(&signed());
    assert_eq!((good.broken, good.signatures), (None, 1));
    for (sql, place) in [
        ("UPDATE question SET body = json_remove(body, '$.answers[0].signature')", "approval q1: the answer of `ana`"),
        (
            "UPDATE question SET body = json_set(body, '$.answers[0].by.user', 'eve')",
            "approval q1: the passkey signature",
        ),
        ("UPDATE question SET body = json_set(body, '$.answers[0].signature.nonce', 'x')", "approval q1: the passkey"),
        ("UPDATE question SET body = json_set(body, '$.question.hash', 'x')", "approval q1: its hash"),
    ] {
        let w = signed();
        w.reader().conn.execute_batch(sql).unwrap();
        let b = report(&w).broken.unwrap_or_else(|| panic!("`{sql}` was not found"));
        assert!(format!("{}: {}", b.at, b.why).starts_with(place), "{}: {}", b.at, b.why);
    }
}

#[test]
fn a_key_that_the_trail_never_saw_signs_nothing() {
    let w = signed();
    // As if the whole trail had been made anew without the registration: chain checked elsewhere, signatures here.
    w.reader().conn.execute_batch("UPDATE audit SET user = 'eve' WHERE action = 'passkey.register'").unwrap();
    let mut found = Report::default();
    let broken = super::signatures::verify(&w.reader().conn, &mut found).unwrap().expect("a break");
    assert!(broken.why.contains("never saw `ana` register"), "{}", broken.why);
}
