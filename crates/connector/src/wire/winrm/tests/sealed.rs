//! Frames as they go out, frames that are broken.

use super::super::ntlm::tests_support::pair;
use super::*;

#[test]
fn a_frame_is_two_parts_and_opens_again() {
    let (mut client, mut host) = pair();
    let frame = seal(&mut client, b"<s:Envelope/>");
    let text = String::from_utf8_lossy(&frame);
    assert!(text.starts_with(
        "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: \
         type=application/soap+xml;charset=UTF-8;Length=13\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
    ));
    assert!(text.ends_with("--Encrypted Boundary--\r\n"));
    assert!(!text.contains("Envelope"));
    assert_eq!(unseal(&mut host, CONTENT_TYPE, &frame).unwrap(), b"<s:Envelope/>");
}

#[test]
fn sealed_bytes_may_look_like_a_boundary() {
    // What is sealed is taken by its length, so nothing in it can end the frame early.
    for n in 0..600 {
        let (mut client, mut host) = pair();
        let message = vec![b'-'; n];
        let frame = seal(&mut client, &message);
        assert_eq!(unseal(&mut host, CONTENT_TYPE, &frame).unwrap(), message);
    }
}

#[test]
fn unsealed_and_broken_frames_are_refused() {
    let open = |kind: &str, body: &[u8]| unseal(&mut pair().1, kind, body);
    assert_eq!(open("application/soap+xml;charset=UTF-8", b"<x/>"), Err(SealError::NotSealed));
    assert!(is_sealed(
        "Multipart/Encrypted; protocol=\"application/http-spnego-session-encrypted\"; boundary=\"Encrypted Boundary\""
    ));
    let good = seal(&mut pair().0, b"exit 0");
    for n in 0..good.len() - 2 {
        assert!(open(CONTENT_TYPE, &good[..n]).is_err(), "cut at {n}");
    }
    let other = |from: &str, to: &str| {
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
    };
    for length in ["Length=5", "Length=7", "Length=99999999999999999999", "Length=4294967295", "Length=", "Len"] {
        assert!(open(CONTENT_TYPE, &other("Length=6", length)).is_err(), "{length}");
    }
    let mut seed: u32 = 1;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut bad = good.clone();
        let at = (seed >> 8) as usize % bad.len();
        bad[at] = (seed >> 24) as u8;
        let _ = open(CONTENT_TYPE, &bad);
    }
}
