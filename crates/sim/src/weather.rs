//! What may happen to a world beside its script: crashes at any point, slow and failing effects, answers twice or late, a clock that jumps.
//!
//! Invariants: the same seed gives the same weather; a world stops crashing after [`CRASHES_MAX`], so that every run can end.
//! Not here: what must hold all the same (`check`), how often it is tried (`campaign`).
//! Source: `design/engine.md` §13, §14.

use crate::world::Flight;
use std::collections::BTreeMap;
use stdx::Rng;
use workflow::{Body, Class, Fault, Outcome};

/// Crashes of one world at most.
const CRASHES_MAX: u64 = 4;
/// A slow answer takes at most this long, in microseconds: past most timeouts of the golden runs.
const SLOW_MAX: i64 = 2 * 3600 * 1_000_000;
/// The clock is set forward by at most this, in microseconds.
const FORWARD_MAX: u64 = 36 * 3600 * 1_000_000;
/// The clock is set back by at most this, in microseconds.
const BACK_MAX: u64 = 3600 * 1_000_000;

/// The weather of one world.
#[derive(Clone, Debug)]
pub struct Weather {
    rng: Rng,
    crashes: u64,
    crash: f64,
    slow: f64,
    fail: f64,
    twice: f64,
    jump: f64,
    /// What took place, by name.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Weather {
    /// The weather of a seed: some worlds are calm in one respect and stormy in another.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let crashes = rng.below(CRASHES_MAX + 1);
        let mut rate = |most: f64| if rng.chance(0.25) { 0.0 } else { rng.unit() * most };
        let (crash, slow, fail, twice, jump) = (rate(0.2), rate(0.5), rate(0.4), rate(0.5), rate(0.2));
        Self { rng, crashes, crash, slow, fail, twice, jump, seen: BTreeMap::new() }
    }

    fn happens(&mut self, p: f64, what: &'static str) -> bool {
        let happens = self.rng.chance(p);
        if happens {
            *self.seen.entry(what).or_default() += 1;
        }
        happens
    }

    /// True when the process dies at this point.
    pub fn crash(&mut self) -> bool {
        let dies = self.crashes > 0 && self.happens(self.crash, "crashes");
        self.crashes -= u64::from(dies);
        dies
    }

    /// True when an answer is delivered once more.
    pub fn twice(&mut self) -> bool {
        self.happens(self.twice, "answers twice")
    }

    /// How long an answer is under way beyond what the script says, in microseconds.
    pub fn slow(&mut self) -> Option<i64> {
        let most = SLOW_MAX.unsigned_abs();
        self.happens(self.slow, "slow answers").then(|| i64::try_from(self.rng.below(most)).unwrap_or(SLOW_MAX))
    }

    /// By how much the clock jumps before the next move, in microseconds.
    pub fn jump(&mut self) -> Option<i64> {
        if self.happens(self.jump / 2.0, "clock jumps forward") {
            return i64::try_from(self.rng.below(FORWARD_MAX)).ok();
        }
        if self.happens(self.jump / 2.0, "clock jumps back") {
            return i64::try_from(self.rng.below(BACK_MAX)).ok().map(|n| -n);
        }
        None
    }

    /// How an attempt fails instead of what the script says, as the transports may report it.
    pub fn fail(&mut self, flight: &Flight) -> Option<Outcome> {
        if !self.happens(self.fail, "failing effects") {
            return None;
        }
        let answered = |kind: &'static str, text| Outcome::Answered(Err(Fault::new(kind, text)));
        Some(match self.rng.below(4) {
            0 => Outcome::NotSent(Fault::new("ConnectionRefused", "bad weather: refused")),
            1 => answered("ConnectorExecutionError", "bad weather: [503] not now"),
            2 => Outcome::Answered(Ok(Body::from(stdx::Value::from("bad weather: no such form")))),
            // A read without an answer has failed (`engine::perform`).
            _ if flight.call.class == Class::Read => answered("ConnectionLost", "bad weather: no answer"),
            _ => Outcome::Unknown(Fault::new("ConnectionLost", "bad weather: no answer")),
        })
    }
}
