//! The campaigns that `xtask` runs: every golden run with every crash, and worlds with planted bugs.
//!
//! Invariants: nothing is skipped silently; a planted bug that no invariant catches fails the campaign.

use crate::crash::{Verdict, every_point};
use crate::golden::{Golden, folder, read_all};
use crate::invariant::{Invariant, Tally};
use crate::plant::Plant;
use crate::world::{Plan, World};
use anyhow::bail;

/// Golden runs that must at least be there.
const RUNS_MIN: usize = 25;

fn golden_runs() -> anyhow::Result<Vec<Golden>> {
    let runs = read_all(&folder())?;
    if runs.len() < RUNS_MIN {
        bail!("only {} golden runs in {}", runs.len(), folder().display());
    }
    Ok(runs)
}

/// Crashes every golden run before and after every commit and effect; true when every outcome is that of the run without a crash.
///
/// - errors: golden runs or stores cannot be used.
pub fn run() -> anyhow::Result<bool> {
    let mut total = Verdict::default();
    let mut wrong_runs = 0;
    let runs = golden_runs()?;
    for golden in &runs {
        let verdict = every_point(golden)?;
        print(golden, &verdict);
        wrong_runs += u64::from(!verdict.wrong.is_empty());
        total.points += verdict.points;
        total.commits += verdict.commits;
        total.effects += verdict.effects;
        total.worlds += verdict.worlds;
        total.settled += verdict.settled;
        total.wrong.extend(verdict.wrong);
        total.tally.merge(&verdict.tally);
    }
    counters(&total.tally);
    println!(
        "{} golden runs, {} crash points ({} at commits, {} at effects), {} worlds, {} settled by a person, {} differences in {wrong_runs} runs",
        runs.len(),
        total.points,
        total.commits,
        total.effects,
        total.worlds,
        total.settled,
        total.wrong.len(),
    );
    let unchecked: Vec<String> = Invariant::APPLY
        .iter()
        .filter(|i| total.tally.counts.get(i).is_none_or(|n| *n == 0))
        .map(|i| i.code())
        .collect();
    if !unchecked.is_empty() {
        println!("never checked: {}", unchecked.join(", "));
    }
    Ok(total.wrong.is_empty() && unchecked.is_empty())
}

fn print(golden: &Golden, verdict: &Verdict) {
    let word = if verdict.wrong.is_empty() { "ok" } else { "WRONG" };
    let settled = if verdict.settled > 0 { format!(", settled {}", verdict.settled) } else { String::new() };
    println!("{}: points {}, {word} ({}{settled})", golden.name, verdict.points, verdict.status);
    for wrong in &verdict.wrong {
        println!("  {wrong}");
    }
}

fn counters(tally: &Tally) {
    for invariant in Invariant::ALL {
        let n = tally.counts.get(&invariant).copied().unwrap_or_default();
        let broken = tally.broken.iter().filter(|(i, _)| *i == invariant).count();
        if Invariant::APPLY.contains(&invariant) {
            println!("{} checked {n}, broken {broken}: {}", invariant.code(), invariant.name());
        } else {
            println!("{} not in this world: {}", invariant.code(), invariant.name());
        }
    }
}

/// The first break that a planted bug gives, over all golden runs and crash points.
fn caught(plant: Plant, runs: &[Golden]) -> anyhow::Result<Option<(Invariant, String)>> {
    for golden in runs {
        let plan = Plan { plant: Some(plant), ..Plan::default() };
        let calm = World::run(golden, plan.clone())?;
        if let Some((invariant, why)) = calm.tally.broken.first() {
            return Ok(Some((*invariant, format!("{}: {why}", golden.name))));
        }
        if plant != Plant::DestructiveAgain {
            continue;
        }
        for n in 0..calm.points.len() as u64 {
            let report = World::run(golden, Plan { crash_at: Some(n), ..plan.clone() })?;
            if let Some((invariant, why)) = report.tally.broken.first() {
                return Ok(Some((*invariant, format!("{}, point {n}: {why}", golden.name))));
            }
        }
    }
    Ok(None)
}

/// Runs worlds with planted bugs; true when each is caught.
///
/// - errors: golden runs or stores cannot be used.
pub fn planted() -> anyhow::Result<bool> {
    let runs = golden_runs()?;
    let mut all = true;
    for plant in Plant::ALL {
        match caught(plant, &runs)? {
            Some((invariant, why)) => println!("planted {}: caught by {} ({why})", plant.name(), invariant.code()),
            None => {
                println!("planted {}: NOT caught", plant.name());
                all = false;
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crash_of_every_golden_run_gives_the_outcome_of_the_run_without_one() {
        assert!(run().unwrap());
    }

    #[test]
    fn planted_bugs_are_caught() {
        assert!(planted().unwrap());
    }
}
