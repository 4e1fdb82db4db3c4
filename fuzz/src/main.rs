//! A driver on the stable toolchain: seeded mutation of seeds and of inputs that led to something new.
//!
//! Invariants: one seed, one run; a panic or an input that takes longer than `SLOW` is a finding, kept under `findings/` and printed.
//! Not here: coverage feedback: *new* is judged by a fingerprint of the input's shape, which finds less than libFuzzer would; the targets are
//! plain functions, so that `cargo fuzz` on nightly can drive them too.

mod targets;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};
use targets::TARGETS;

/// An input that takes longer is a finding.
const SLOW: Duration = Duration::from_secs(2);
/// Inputs that are kept to be changed again.
const KEPT_MAX: usize = 4_096;
/// Longest input.
const BYTES_MAX: usize = 16 * 1024;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Pieces that grammars are made of.
const WORDS: &[&str] = &[
    "{{", "}}", "{%", "%}", "${{", "- ", ": ", "\n", "  ", "\"", "'", "|", ">", "[", "]", "{", "}", "#", "&a ", "*a", "!!str ", "---\n", "\t",
    "and", "or", "not", "(", ")", "*", "\\", "..", "0", "-1", "9223372036854775807", "1e309", "null", "true", "name", "steps", "type", "with",
    "if", "foreach", "condition", "on-failure", "retry", "console", "é", "😀", "\u{0}", "\u{feff}", "\u{2028}", "endif", "for i in (1..9)",
    "assign x = ", "json", "date: ", "split: ''", "MO", "DAILY", "byhour: ", "tzid: ", "ms", "w", "d",
];

fn changed(base: &str, other: &str, r: &mut Random) -> String {
    let mut text: Vec<char> = base.chars().collect();
    for _ in 0..=r.below(6) {
        let at = r.below(text.len() + 1);
        match r.below(8) {
            0 if !text.is_empty() => drop(text.drain(at.min(text.len() - 1)..(at + 1 + r.below(8)).min(text.len()).max(at.min(text.len() - 1)))),
            1 => {
                let word = WORDS[r.below(WORDS.len())];
                text.splice(at..at, word.chars());
            }
            2 => {
                let from = r.below(text.len() + 1);
                let piece: Vec<char> = text[from..(from + r.below(24)).min(text.len())].to_vec();
                text.splice(at..at, piece);
            }
            3 => {
                let theirs: Vec<char> = other.chars().collect();
                let from = r.below(theirs.len() + 1);
                let piece = theirs[from..(from + r.below(64)).min(theirs.len())].to_vec();
                text.splice(at..at, piece);
            }
            4 if at < text.len() => text[at] = char::from(32 + (r.below(95) as u8)),
            5 if at < text.len() => text[at] = char::from_u32(r.below(0x11_0000) as u32).unwrap_or('?'),
            6 => text.truncate(at),
            _ => {
                let word = WORDS[r.below(WORDS.len())];
                let piece: String = word.repeat(1 + r.below(40));
                text.splice(at..at, piece.chars());
            }
        }
    }
    let mut text: String = text.into_iter().collect();
    while text.len() > BYTES_MAX {
        text.pop();
    }
    text
}

/// The kinds of characters in a row, cut: inputs of the same shape are one.
fn shape(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut last = 0u8;
    for c in text.chars().take(400) {
        let kind = match c {
            'a'..='z' | 'A'..='Z' | '_' => 1,
            '0'..='9' => 2,
            ' ' => 3,
            c if c.is_ascii() => c as u8,
            _ => 4,
        };
        if kind != last {
            hash = (hash ^ u64::from(kind)).wrapping_mul(0x100_0000_01b3);
        }
        last = kind;
    }
    hash
}

fn cpu() -> Duration {
    // Ticks of this process, user and system; the kernel counts a hundred a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, r)| r);
    let field = |n: usize| rest.split_whitespace().nth(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((field(11) + field(12)) * 10)
}

fn main() {
    let (mut seconds, mut seed, mut names) = (60u64, 1u64, vec![]);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().and_then(|v| v.parse().ok()).unwrap_or(seconds),
            "--seed" => seed = args.next().and_then(|v| v.parse().ok()).unwrap_or(seed),
            _ => names.push(arg),
        }
    }
    let unknown: Vec<_> = names.iter().filter(|n| !TARGETS.iter().any(|t| t.0 == **n)).collect();
    if !unknown.is_empty() {
        let known: Vec<_> = TARGETS.iter().map(|t| t.0).collect();
        eprintln!("no such target: {unknown:?}; there are {}", known.join(", "));
        std::process::exit(2);
    }
    // A finding prints its input; the panic's own text goes with it.
    std::panic::set_hook(Box::new(|info| eprintln!("panic: {info}")));
    let mut findings = 0;
    for (name, target, seeds) in TARGETS.iter().filter(|t| names.is_empty() || names.iter().any(|n| n == t.0)) {
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name.len() as u64 | 1);
        let mut kept: Vec<String> = seeds.iter().map(|s| (*s).to_owned()).collect();
        let mut seen: BTreeSet<u64> = kept.iter().map(|k| shape(k)).collect();
        let (start, before) = (Instant::now(), cpu());
        let (mut executions, mut own, mut slowest) = (0u64, 0, Duration::ZERO);
        while executions % 64 != 0 || cpu().saturating_sub(before) < Duration::from_secs(seconds) {
            let input = match executions as usize {
                n if n < seeds.len() => seeds[n].to_owned(),
                _ => {
                    let (a, b) = (r.below(kept.len()), r.below(kept.len()));
                    changed(&kept[a], &kept[b], &mut r)
                }
            };
            executions += 1;
            let at = Instant::now();
            let result = catch_unwind(|| target(&input));
            let took = at.elapsed();
            slowest = slowest.max(took);
            if result.is_err() || took > SLOW {
                own += 1;
                let why = if result.is_err() { "panic" } else { "slow" };
                let _ = std::fs::create_dir_all("findings");
                let file = format!("findings/{name}-{why}-{:016x}", shape(&input));
                let _ = std::fs::write(&file, &input);
                eprintln!("{name}: {why} after {took:?}: {file}\n{input:?}");
                if own >= 10 {
                    break;
                }
            }
            if seen.insert(shape(&input)) && result.is_ok() {
                if kept.len() < KEPT_MAX {
                    kept.push(input);
                } else {
                    let at = seeds.len() + r.below(KEPT_MAX - seeds.len());
                    kept[at] = input;
                }
            }
        }
        findings += own;
        let spent = cpu().saturating_sub(before).as_secs_f64().max(0.01);
        println!(
            "{name}: {executions} executions in {spent:.1} CPU s ({:.0} per s), {} shapes, slowest {:.1} ms, {own} findings, {:.1} s",
            executions as f64 / spent,
            seen.len(),
            slowest.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64(),
        );
    }
    if findings > 0 {
        std::process::exit(1);
    }
}
