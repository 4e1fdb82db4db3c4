//! Signatures of a software authenticator, and what attackers would make of them.

use super::*;

#[path = "soft.rs"]
mod soft;
use soft::SoftKey;

const HASH: &str = "8194afd60193572ec54354d698d8010c8891d752800ff86f59a1918297797cd9";
const SITE: Site<'static> = Site { rp_id: "localhost", origin: "http://localhost" };

fn id() -> Id {
    Id::from("q1")
}

fn registered(key: &SoftKey) -> Result<Credential, Flaw> {
    let wanted = registration_challenge("n0", "ann");
    let (client, object) = key.register(&B64.encode(wanted));
    register(&client, &object, &wanted, SITE)
}

fn signed(key: &mut SoftKey, nonce: &str) -> Signed {
    let credential = registered(key).unwrap();
    let wanted = challenge(nonce, &id(), HASH, Verdict::Approve, "ann");
    let [authenticator_data, client_data, signature] = key.sign(&B64.encode(wanted)).map(Arc::from);
    Signed {
        credential: credential.id,
        algorithm: credential.algorithm,
        public_key: credential.public_key,
        rp_id: "localhost".into(),
        origin: "http://localhost".into(),
        nonce: nonce.into(),
        authenticator_data,
        client_data,
        signature,
    }
}

fn verify(signed: &Signed) -> Result<u32, Flaw> {
    signed.verify(&id(), HASH, Verdict::Approve, "ann")
}

#[test]
fn both_kinds_of_key_register_and_sign() {
    for seed in 1..60 {
        let (mut es, mut ed) = (SoftKey::es256(seed), SoftKey::ed25519(seed));
        assert_eq!(registered(&es).unwrap().algorithm, Algorithm::Es256);
        assert_eq!(registered(&ed).unwrap().algorithm, Algorithm::EdDsa);
        for n in 1..4 {
            assert_eq!(verify(&signed(&mut es, "n")), Ok(n));
            assert_eq!(verify(&signed(&mut ed, "n")), Ok(n));
        }
    }
    assert_eq!(*registered(&SoftKey::es256(3)).unwrap().id, SoftKey::es256(3).id());
}

#[test]
fn a_signature_is_for_one_question_hash_answer_and_person() {
    let s = signed(&mut SoftKey::es256(1), "n");
    assert_eq!(s.verify(&Id::from("q2"), HASH, Verdict::Approve, "ann"), Err(Flaw::Challenge), "another question");
    assert_eq!(s.verify(&id(), &HASH.replace('8', "9"), Verdict::Approve, "ann"), Err(Flaw::Challenge), "other bytes");
    assert_eq!(s.verify(&id(), HASH, Verdict::Again, "ann"), Err(Flaw::Challenge), "another answer");
    assert_eq!(s.verify(&id(), HASH, Verdict::Approve, "bob"), Err(Flaw::Challenge), "another person");
    assert_eq!(verify(&Signed { nonce: "m".into(), ..s.clone() }), Err(Flaw::Challenge), "another challenge");
    assert_eq!(verify(&s), Ok(1));
}

#[test]
fn another_site_another_purpose_or_nobody_verified() {
    let with = |change: &dyn Fn(&mut SoftKey)| {
        let mut key = SoftKey::es256(1);
        let credential = registered(&key).unwrap();
        change(&mut key);
        let wanted = challenge("n", &id(), HASH, Verdict::Approve, "ann");
        let [authenticator_data, client_data, signature] = key.sign(&B64.encode(wanted)).map(Arc::from);
        let good = signed(&mut SoftKey::es256(1), "n");
        verify(&Signed { public_key: credential.public_key, authenticator_data, client_data, signature, ..good })
    };
    assert_eq!(with(&|_| {}), Ok(1));
    assert_eq!(with(&|k| k.origin = "http://localhost.evil.example".into()), Err(Flaw::Origin));
    assert_eq!(with(&|k| k.origin = "https://localhost".into()), Err(Flaw::Origin));
    assert_eq!(with(&|k| k.rp_id = "evil.example".into()), Err(Flaw::RelyingParty));
    assert_eq!(with(&|k| k.flags = 0x01), Err(Flaw::Unverified), "present, not verified");
    assert_eq!(with(&|k| k.flags = 0x04), Err(Flaw::Unverified));
    // A registration is no answer.
    let key = SoftKey::es256(1);
    let wanted = B64.encode(challenge("n", &id(), HASH, Verdict::Approve, "ann"));
    let (client, _) = key.register(&wanted);
    assert_eq!(
        verify(&Signed { client_data: client.into(), ..signed(&mut SoftKey::es256(1), "n") }),
        Err(Flaw::Purpose)
    );
    let mut framed = SoftKey::es256(1);
    framed.origin = r#"http://localhost","crossOrigin":true,"x":""#.into();
    let [_, client, _] = framed.sign(&wanted);
    let framed = Signed { client_data: client.into(), ..signed(&mut SoftKey::es256(1), "n") };
    assert!(verify(&framed).is_err(), "from within another page");
}

#[test]
fn any_changed_byte_is_found() {
    for mut key in [SoftKey::es256(7), SoftKey::ed25519(7)] {
        let good = signed(&mut key, "n");
        let parts: [(&str, fn(&mut Signed) -> &mut Arc<str>); 4] = [
            ("authenticator data", |s| &mut s.authenticator_data),
            ("client data", |s| &mut s.client_data),
            ("signature", |s| &mut s.signature),
            ("key", |s| &mut s.public_key),
        ];
        for (name, part) in parts {
            let length = B64.decode(&**part(&mut good.clone())).unwrap().len();
            for i in 0..length {
                let mut bad = good.clone();
                let field = part(&mut bad);
                let mut bytes = B64.decode(&**field).unwrap();
                bytes[i] ^= 1;
                *field = B64.encode(&bytes).into();
                assert!(verify(&bad).is_err(), "byte {i} of the {name}");
            }
            for cut in 0..length {
                let mut bad = good.clone();
                let field = part(&mut bad);
                let bytes = B64.decode(&**field).unwrap();
                *field = B64.encode(&bytes[..cut]).into();
                assert!(verify(&bad).is_err(), "the {name} cut at {cut}");
            }
        }
        let long = Signed { signature: "A".repeat(FIELD_BYTES_MAX + 1).into(), ..good.clone() };
        assert_eq!(verify(&long), Err(Flaw::Malformed));
        assert_eq!(verify(&Signed { signature: "***".into(), ..good }), Err(Flaw::Malformed));
    }
}

#[test]
fn one_key_does_not_stand_for_another() {
    let other = registered(&SoftKey::es256(2)).unwrap();
    let s = signed(&mut SoftKey::es256(1), "n");
    assert_eq!(verify(&Signed { public_key: other.public_key, ..s }), Err(Flaw::Signature));
}

#[test]
fn a_registration_is_for_its_challenge_site_and_kind_of_key() {
    let key = SoftKey::es256(1);
    let wanted = registration_challenge("n0", "ann");
    let (client, object) = key.register(&B64.encode(wanted));
    assert!(register(&client, &object, &wanted, SITE).is_ok());
    let other = registration_challenge("n0", "bob");
    assert_eq!(register(&client, &object, &other, SITE).unwrap_err(), Flaw::Challenge);
    let elsewhere = Site { origin: "https://x.example", ..SITE };
    assert_eq!(register(&client, &object, &wanted, elsewhere).unwrap_err(), Flaw::Origin);
    let elsewhere = Site { rp_id: "x.example", ..SITE };
    assert_eq!(register(&client, &object, &wanted, elsewhere).unwrap_err(), Flaw::RelyingParty);
    let mut unverified = SoftKey::es256(1);
    unverified.flags = 0x01;
    assert_eq!(registered(&unverified).unwrap_err(), Flaw::Unverified);
    let whole = B64.decode(&object).unwrap();
    for cut in 0..whole.len() {
        assert!(register(&client, &B64.encode(&whole[..cut]), &wanted, SITE).is_err(), "cut at {cut}");
    }
    // A point that is none of the curve.
    let mut off = whole;
    *off.last_mut().unwrap() ^= 1;
    assert_eq!(register(&client, &B64.encode(off), &wanted, SITE).unwrap_err(), Flaw::Key);
    assert_eq!(origin_of(&client).unwrap(), "http://localhost".into());
    assert_eq!(*challenge_of(&client).unwrap(), B64.encode(wanted));
}
