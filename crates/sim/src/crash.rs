//! One golden run: once without a crash, then once for each point with a crash there, then with doubled and with failing effects.
//!
//! Invariants: every point that the run without a crash passed is tried; a world whose planned crash did not take place is an error.
//! Source: `design/engine.md` §14.

use crate::golden::Golden;
use crate::invariant::Tally;
use crate::outcome::Outcome;
use crate::world::{Plan, Report, World};

/// Seeds for shuffled orders.
const SEEDS: [u64; 2] = [1, 7];

/// What came of one golden run.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Points tried, each with its own crash.
    pub points: u64,
    /// Of these before or after a commit.
    pub commits: u64,
    /// Of these before or after an effect.
    pub effects: u64,
    /// Worlds in all.
    pub worlds: u64,
    /// Crashes after which a person settled.
    pub settled: u64,
    /// Lines of the script that found nothing to act on in the run without a crash.
    pub idle_lines: u64,
    /// Status without a crash.
    pub status: String,
    /// What differed or broke, in words.
    pub wrong: Vec<String>,
    /// Checks of all worlds.
    pub tally: Tally,
}

impl Verdict {
    fn take(&mut self, what: &str, report: &Report) {
        self.worlds += 1;
        self.tally.merge(&report.tally);
        for (invariant, why) in &report.tally.broken {
            self.wrong.push(format!("{what}: {}: {why}", invariant.code()));
        }
    }

    fn compare(&mut self, what: &str, reference: &Outcome, report: &Report) {
        self.take(what, report);
        if !report.tally.broken.is_empty() {
            return;
        }
        let (wanted, found) = if report.settled {
            (reference.without_settled(), report.outcome.without_settled())
        } else {
            (reference.clone(), report.outcome.clone())
        };
        if wanted != found {
            self.wrong.push(format!("{what}: the outcome differs:\n  wanted {wanted:?}\n  found  {found:?}"));
        }
    }
}

/// Tries every crash of a golden run.
///
/// - errors: a world cannot be built or driven.
pub fn every_point(golden: &Golden) -> anyhow::Result<Verdict> {
    let calm = World::run(golden, Plan::default())?;
    let mut verdict =
        Verdict { idle_lines: calm.idle_lines, status: calm.outcome.status.clone(), ..Verdict::default() };
    verdict.take("without a crash", &calm);
    if !verdict.wrong.is_empty() {
        return Ok(verdict);
    }
    for (n, kind) in calm.points.iter().enumerate() {
        let plan = Plan { crash_at: Some(n as u64), ..Plan::default() };
        let report = World::run(golden, plan)?;
        let what = format!("crash {kind} (point {n})");
        if !report.crashed {
            verdict.wrong.push(format!("{what}: it did not take place"));
        }
        verdict.points += 1;
        verdict.effects += u64::from(kind.ends_with("effect"));
        verdict.commits += u64::from(kind.ends_with("commit"));
        verdict.settled += u64::from(report.settled);
        verdict.compare(&what, &calm.outcome, &report);
    }
    let twice = World::run(golden, Plan { duplicate: true, ..Plan::default() })?;
    verdict.compare("every answer twice", &calm.outcome, &twice);
    for seed in SEEDS {
        let shuffled = World::run(golden, Plan { seed: Some(seed), ..Plan::default() })?;
        verdict.compare(&format!("shuffled by seed {seed}"), &calm.outcome, &shuffled);
    }
    let refused = World::run(golden, Plan { refuse_all: true, ..Plan::default() })?;
    verdict.take("every effect fails", &refused);
    Ok(verdict)
}
