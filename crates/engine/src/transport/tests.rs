//! The transports against real servers on loopback: what was sent, what was not, what nobody knows.

mod http;
mod ssh;
mod winrm;

use super::egress::Egress;
use super::{Bounds, Gate, Sent};
use futures::future::BoxFuture;
use std::time::Duration;
use workflow::Fault;

const MIB: u64 = 1 << 20;

fn closed<'a>() -> BoxFuture<'a, Result<(), Fault>> {
    Box::pin(std::future::ready(Err(Fault::new("Held", "halted"))))
}

fn bounds<'a>(gate: Gate<'a>) -> Bounds<'a> {
    Bounds::new(Duration::from_secs(20), MIB, gate)
}

fn egress(entries: &[String]) -> Egress {
    Egress::new(entries).unwrap()
}

fn not_sent<T: std::fmt::Debug>(sent: Sent<T>) -> Fault {
    match sent {
        Sent::NotSent(fault) => fault,
        other => panic!("expected not sent, found {other:?}"),
    }
}
fn unknown<T: std::fmt::Debug>(sent: Sent<T>) -> Fault {
    match sent {
        Sent::Unknown(fault) => fault,
        other => panic!("expected unknown, found {other:?}"),
    }
}
fn answered<T: std::fmt::Debug>(sent: Sent<T>) -> Result<T, Fault> {
    match sent {
        Sent::Answered(answer) => answer,
        other => panic!("expected an answer, found {other:?}"),
    }
}
