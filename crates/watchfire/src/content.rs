//! Our own rules, workflows and connector types, embedded.
//!
//! Invariants: what is embedded is what stands under `content/`; names sort the same on every machine.

use rust_embed::RustEmbed;

/// `content/` of the repository.
#[derive(RustEmbed)]
#[folder = "../../content/"]
#[include = "rules/*.json"]
#[include = "workflows/*.yaml"]
struct Content;

/// Files below `folder` with their text, sorted by name.
pub fn files(folder: &str) -> Vec<(String, String)> {
    let prefix = format!("{folder}/");
    let mut names: Vec<_> = Content::iter().filter(|n| n.starts_with(&prefix) && !n[prefix.len()..].contains('/')).collect();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| {
            let file = Content::get(&name)?;
            Some((name[prefix.len()..].to_owned(), String::from_utf8_lossy(&file.data).into_owned()))
        })
        .collect()
}
