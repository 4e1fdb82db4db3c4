//! Our own rules, workflows and connector types, embedded.
//!
//! Invariants: what is embedded is what stands under `content/`; names sort the same on every machine.

use rust_embed::RustEmbed;

/// `content/rules` of the repository.
#[derive(RustEmbed)]
#[folder = "../../content/rules/"]
struct Rules;

/// `content/workflows` of the repository.
#[derive(RustEmbed)]
#[folder = "../../content/workflows/"]
struct Workflows;

/// Our rules: file name and JSON, sorted by name.
pub fn rules() -> Vec<(String, String)> {
    files::<Rules>(".json")
}

/// Our workflows: file name and YAML, sorted by name.
pub fn workflows() -> Vec<(String, String)> {
    files::<Workflows>(".yaml")
}

fn files<E: RustEmbed>(end: &str) -> Vec<(String, String)> {
    let mut names: Vec<_> =
        E::iter().filter(|n| n.ends_with(end) && !n.ends_with(".test.yaml") && !n.contains('/')).collect();
    names.sort();
    let text = |name: &str| E::get(name).map(|f| String::from_utf8_lossy(&f.data).into_owned());
    names.into_iter().filter_map(|name| Some((name.to_string(), text(&name)?))).collect()
}
