//! The published vectors of MS-NLMP 4.2.4, and what a wrong host gets.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}
fn user() -> Credentials {
    Credentials::new("Domain\\User", "Password")
}
const NONCE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const DRAWS: Draws = Draws { challenge: [0xaa; 8], session_key: [0x55; 16] };
const PAIRS: &str = "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000";

/// The challenge of 4.2.4.3.
fn challenge() -> Vec<u8> {
    hex("4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000 2400240044000000 060070170000000f
         530065007200760065007200 02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000")
}

#[test]
fn keys_and_responses_are_the_published_ones() {
    assert_eq!(response_key(&user()).to_vec(), hex("0c868a403bfd7a93a3001ef22ef02e3f"));
    let r = respond(&user(), &NONCE, &DRAWS.challenge, 0, &hex(PAIRS), true);
    assert_eq!(r.lm.to_vec(), hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"));
    assert_eq!(r.nt[..16].to_vec(), hex("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(r.nt.len(), 0x54);
    assert_eq!(r.session_base.to_vec(), hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    let mut exchanged = DRAWS.session_key;
    rc4(&r.session_base).apply_keystream(&mut exchanged);
    assert_eq!(exchanged.to_vec(), hex("c5dad2544fc9799094ce1ce90bc9d03e"));
}

#[test]
fn sealing_is_the_published_one() {
    let mut session = Session::new(&DRAWS.session_key);
    assert_eq!(session.out.signing.to_vec(), hex("4788dc861b4782f35d43fd98fe1a2d39"));
    let (signature, sealed) = session.seal(&utf16("Plaintext"));
    assert_eq!(sealed, hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(signature.to_vec(), hex("01000000 7fb38ec5c55d4976 00000000"));
}

/// The other side of a session.
fn host(key: &[u8; 16]) -> Session {
    let Session { out, back } = Session::new(key);
    Session { out: back, back: out }
}

#[test]
fn the_third_message_carries_the_answer_an_integrity_code_and_the_key() {
    let challenge = challenge();
    let (message, mut session) = authenticate(&user(), &challenge, &DRAWS, 7).unwrap();
    let field = |n: usize| {
        let at = u32_at(&message, 12 + 8 * n + 4).unwrap() as usize;
        &message[at..at + usize::from(u16_at(&message, 12 + 8 * n).unwrap())]
    };
    assert_eq!((field(2), field(3), field(4)), (&utf16("Domain")[..], &utf16("User")[..], &[][..]));
    // What a host does: the same proof over what was sent, the key out of the exchange, the code over all three.
    let (proof, temp) = field(1).split_at(16);
    let key = response_key(&user());
    assert_eq!(proof, hmac_md5(&key, &[&NONCE, temp]));
    assert_eq!(u64::from_le_bytes(temp[8..16].try_into().unwrap()), 7, "no time of the host, so ours");
    assert_ne!(field(0), [0; 24]);
    let mut exchanged: [u8; 16] = field(5).try_into().unwrap();
    rc4(&hmac_md5(&key, &[proof])).apply_keystream(&mut exchanged);
    assert_eq!(exchanged, DRAWS.session_key);
    let mut blank = message.clone();
    blank[MIC_AT..MIC_AT + 16].fill(0);
    assert_eq!(message[MIC_AT..MIC_AT + 16], hmac_md5(&exchanged, &[&negotiate(), &challenge, &blank]));
    let mut host = host(&exchanged);
    for text in ["one", "", "three"] {
        let (signature, sealed) = session.seal(text.as_bytes());
        assert_eq!(host.unseal(&signature, &sealed).unwrap(), text.as_bytes());
        let (signature, sealed) = host.seal(text.as_bytes());
        assert_eq!(session.unseal(&signature, &sealed).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_time_of_the_host_is_answered_with_and_no_lm_response_goes_out() {
    let mut with_time = challenge();
    with_time.truncate(with_time.len() - 4);
    with_time.extend(hex("07000800 1122334455667788 00000000"));
    with_time[40..44].copy_from_slice(&[0x30, 0, 0x30, 0]);
    let (message, _) = authenticate(&user(), &with_time, &DRAWS, 7).unwrap();
    let nt = u32_at(&message, 24).unwrap() as usize;
    assert_eq!(message[nt + 24..nt + 32].to_vec(), hex("1122334455667788"));
    assert_eq!(message[PAYLOAD_AT..PAYLOAD_AT + 24], [0; 24]);
}

#[test]
fn hosts_that_do_not_seal_are_refused() {
    for bit in [SEAL, SIGN, EXTENDED, BITS_128, KEY_EXCHANGE, UNICODE] {
        let mut weak = challenge();
        let flags = u32_at(&weak, 20).unwrap() & !bit;
        weak[20..24].copy_from_slice(&flags.to_le_bytes());
        assert_eq!(authenticate(&user(), &weak, &DRAWS, 0).unwrap_err(), NtlmError::Unsealed, "{bit:x}");
    }
}

#[test]
fn changed_replayed_and_reordered_messages_are_refused() {
    let both = || (Session::new(&DRAWS.session_key), host(&DRAWS.session_key));
    let (mut session, mut host_) = both();
    let (signature, mut sealed) = host_.seal(b"exit code 0");
    sealed[10] ^= 1;
    assert_eq!(session.unseal(&signature, &sealed), Err(NtlmError::Signature));
    let (mut session, mut host_) = both();
    let (signature, sealed) = host_.seal(b"one");
    assert!(session.unseal(&signature, &sealed).is_ok());
    assert_eq!(session.unseal(&signature, &sealed), Err(NtlmError::Signature));
    let (mut session, mut host_) = both();
    let _ = host_.seal(b"one");
    let (signature, sealed) = host_.seal(b"two");
    assert_eq!(session.unseal(&signature, &sealed), Err(NtlmError::Signature));
    assert_eq!(both().0.unseal(b"short", b""), Err(NtlmError::Signature));
}

#[test]
fn broken_challenges_are_errors_and_never_a_panic() {
    let good = challenge();
    for n in 0..good.len() {
        assert!(authenticate(&user(), &good[..n], &DRAWS, 0).is_err(), "cut at {n}");
    }
    let mut seed: u32 = 1;
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..3 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (seed >> 8) as usize % bad.len();
            bad[at] = (seed >> 24) as u8;
        }
        let _ = authenticate(&user(), &bad, &DRAWS, 0);
    }
    assert!(authenticate(&user(), &vec![0; MESSAGE_BYTES_MAX + 1], &DRAWS, 0).is_err());
}

#[test]
fn names_of_users_and_what_debug_shows() {
    let parts = |text| {
        let who = Credentials::new(text, "canary-password");
        assert!(!format!("{who:?} {DRAWS:?} {:?}", Session::new(&[1; 16])).contains("canary"));
        (who.domain, who.user)
    };
    assert_eq!(parts("CORP\\ir"), ("CORP".into(), "ir".into()));
    assert_eq!(parts("ir@corp.example"), (String::new(), "ir@corp.example".into()));
    assert_eq!(upper("jörg.großmann"), "JÖRG.GROßMANN");
    assert_eq!(parts("ir"), (String::new(), "ir".into()));
}
