//! The scenario against our own rules: the attacks are found, ordinary work is not.

use super::*;
use rule::{Compiled, Dispatcher};
use std::collections::BTreeMap;
use std::sync::Arc;

fn rules() -> Vec<Arc<Compiled>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/rules");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "json"))
        .map(|f| {
            let rule = rule::Rule::from_json(&std::fs::read_to_string(&f).unwrap()).0.unwrap();
            Arc::new(rule::compile(&Arc::new(rule)).0.unwrap())
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_night() {
    let now = Time::from_ms(1_772_417_647_000);
    let night = lines(7, now);
    assert_eq!(night, lines(7, now));
    assert_ne!(night, lines(8, now));
    assert!((2000..5000).contains(&night.len()), "{}", night.len());
    let times: Vec<String> = night
        .iter()
        .map(|(_, line)| stdx::json::parse(line).unwrap().field("@timestamp").unwrap().as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted());
    assert!(times.last().unwrap() < &now.iso() && times[0] >= (now - SPAN).iso());
}

#[test]
fn the_three_attacks_are_found_and_ordinary_work_is_not() {
    let dispatcher = Dispatcher::new(rules());
    for seed in 0..20 {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let mut hits = Vec::new();
        for (i, (stream, line)) in lines(seed, Time::from_ms(1_772_417_647_000)).into_iter().enumerate() {
            let meta =
                event::Meta { index: stream.into(), id: i.to_string().into(), version: 1, seq: 0, arrival: Time(0) };
            dispatcher.matches(&event::Event::new(meta, line.into()), &mut hits);
            for hit in &hits {
                *found.entry(dispatcher.rule(*hit).rule.name.to_string()).or_default() += 1;
            }
        }
        let knocks = found.remove("SSH guessing of common account names").unwrap_or(0);
        assert!(knocks < 25, "{knocks}");
        let found: Vec<_> = found.iter().map(|(name, n)| format!("{n} {name}")).collect();
        assert_eq!(
            found,
            [
                "1 Log-in succeeded after repeated failures from outside",
                "1 Very large download from a file service",
                "1 WMI event subscription bound to a consumer",
                "1 Web server started a command shell",
            ]
        );
    }
}
