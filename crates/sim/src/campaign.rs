//! The campaigns that `xtask` runs: every golden run with every crash, and worlds with planted bugs.
//!
//! Invariants: nothing is skipped silently; a planted bug that no invariant catches fails the campaign.

use crate::crash::{Verdict, every_point};
use crate::golden::{Golden, folder, read_all};
use crate::invariant::{Invariant, Tally};
use crate::plant::Plant;
use crate::world::{Plan, Report, World};
use anyhow::bail;
use std::collections::BTreeMap;
use stdx::Rng;

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

/// Broken worlds that are shown at most.
const SHOWN_MAX: usize = 20;

/// World `i` of a campaign: which golden run, under which weather.
fn stormy(runs: &[Golden], seed: u64, i: u64, plant: Option<Plant>) -> anyhow::Result<(&Golden, Report)> {
    let golden = &runs[usize::try_from(i % runs.len() as u64).unwrap_or_default()];
    let weather = Rng::new(seed ^ i.rotate_left(32)).next_u64();
    let plan = Plan { weather: Some(weather), seed: Some(weather), plant, ..Plan::default() };
    Ok((golden, World::run(golden, plan)?))
}

/// Runs `n` seeded worlds in bad weather, then each planted bug until a world shows it; true when no invariant broke and each bug was found.
///
/// - errors: golden runs or stores cannot be used.
pub fn worlds(n: u64, seed: u64) -> anyhow::Result<bool> {
    let runs = golden_runs()?;
    let (mut tally, mut weather, mut wrong) = (Tally::default(), BTreeMap::<&str, u64>::new(), 0usize);
    let (mut settled, mut effects) = (0u64, 0);
    for i in 0..n {
        let (golden, report) = stormy(&runs, seed, i, None)?;
        if let Some((invariant, why)) = report.tally.broken.first() {
            wrong += 1;
            if wrong <= SHOWN_MAX {
                println!("world {i} ({}, --seed {seed}): {} broken: {why}", golden.name, invariant.code());
            }
        }
        tally.merge(&report.tally);
        for (what, times) in &report.weather {
            *weather.entry(what).or_default() += times;
        }
        settled += u64::from(report.settled);
        effects += report.effects;
    }
    counters(&tally);
    let weather: Vec<String> = weather.iter().map(|(what, times)| format!("{times} {what}")).collect();
    println!(
        "worlds: {n} with seed {seed}, {effects} effects, {}, {settled} settled after a crash, {wrong} broken",
        weather.join(", ")
    );
    let mut found_all = true;
    for plant in Plant::ALL {
        let mut found = None;
        for i in 0..n {
            let (golden, report) = stormy(&runs, seed, i, Some(plant))?;
            if let Some((invariant, _)) = report.tally.broken.first() {
                found = Some((i, golden.name.clone(), invariant.code()));
                break;
            }
        }
        match found {
            Some((i, name, code)) => println!("planted {}: found by world {i} ({name}), {code}", plant.name()),
            None => {
                println!("planted {}: NOT found in {n} worlds", plant.name());
                found_all = false;
            }
        }
    }
    Ok(wrong == 0 && found_all)
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
    fn no_invariant_breaks_in_bad_weather() {
        assert!(worlds(400, 1).unwrap());
    }

    #[test]
    fn planted_bugs_are_caught() {
        assert!(planted().unwrap());
    }
}
