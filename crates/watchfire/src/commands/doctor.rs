//! `watchfire doctor`: looks at a data folder and the machine and says what is wrong.
//!
//! Invariants: reads only, but for `--lift`; works while no server runs on the folder.

use crate::Exit;
use crate::output;
use std::path::PathBuf;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Data folder.
    #[arg(long)]
    data: PathBuf,
    /// Takes a unit out of quarantine (as the check names it); the server must not run.
    #[arg(long, value_name = "UNIT")]
    lift: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> anyhow::Result<Exit> {
    let mut rows = Vec::new();
    let mut wrong = 0;
    let mut check = |what: &str, result: Result<String, String>| {
        wrong += usize::from(result.is_err());
        let (state, text) = match result {
            Ok(text) => ("fine", text),
            Err(text) => ("wrong", text),
        };
        rows.push(vec![what.to_owned(), state.to_owned(), text]);
    };
    let state = crate::server::state_dir(&args.data);
    if let Some(unit) = &args.lift {
        anyhow::ensure!(engine::poison::lift(&state, unit)?, "`{unit}` is not in quarantine");
        println!("{unit} is worked on again from the next start on");
        return Ok(Exit::Fine);
    }
    check(
        "data folder",
        if args.data.is_dir() { Ok(args.data.display().to_string()) } else { Err("there is no such folder".into()) },
    );
    check(
        "audit trail",
        match store::verify(&state) {
            Ok(report) if report.broken.is_none() => Ok(report.to_string()),
            Ok(report) => Err(report.to_string()),
            Err(e) => Err(e.to_string()),
        },
    );
    check(
        "quarantine",
        match engine::poison::Found::read(&state) {
            Ok(found) => match found.quarantined().map(|u| format!("`{u}`")).collect::<Vec<_>>() {
                none if none.is_empty() => Ok("nothing".into()),
                units => Err(format!(
                    "{}: the process ended while working on it at each of its last starts",
                    units.join(", ")
                )),
            },
            Err(e) => Err(e.to_string()),
        },
    );
    check("room on the disk", free_bytes(&args.data).map(|b| format!("{} MB free", b / 1_000_000)));
    if json {
        let list: Vec<_> =
            rows.iter().map(|r| serde_json::json!({"check": r[0], "state": r[1], "text": r[2]})).collect();
        println!("{}", serde_json::Value::from(list));
    } else {
        output::table(&["check", "state", ""], rows);
    }
    Ok(if wrong == 0 { Exit::Fine } else { Exit::Findings })
}

fn free_bytes(path: &std::path::Path) -> Result<u64, String> {
    let out = std::process::Command::new("df").arg("-kP").arg(path).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&out.stdout);
    let kb = text.lines().nth(1).and_then(|l| l.split_whitespace().nth(3)).and_then(|n| n.parse::<u64>().ok());
    kb.map(|k| k * 1024).ok_or_else(|| "df gave no figure".into())
}
