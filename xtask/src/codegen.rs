//! `codegen`: files that are made from the code and stand in the repository, so that people and editors read them without a build.
//!
//! Invariants: `--check` writes nothing and fails where a file is not what would be written.
//! Not here: what they say (`api::openapi`, `workflow::schema`).

use std::path::Path;

/// Writes the files, or compares them; true when nothing differs.
pub fn run(check: bool) -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let mut catalogue = workflow::Catalogue::default();
    for operation in engine::operations(&connector::Registry::built_in()) {
        catalogue.operations.insert(operation.name.clone(), operation);
    }
    let files = [
        ("docs/reference/openapi.json", serde_json::to_string_pretty(&api::openapi())?),
        (
            "docs/reference/workflow.schema.json",
            serde_json::to_string_pretty(&workflow::schema::json_schema(&catalogue))?,
        ),
    ];
    let mut good = true;
    for (name, text) in files {
        let path = root.join(name);
        let text = text + "\n";
        let same = std::fs::read_to_string(&path).is_ok_and(|old| old == text);
        if check {
            println!("{} {name}", if same { "current" } else { "not current: run `cargo xtask codegen`:" });
            good &= same;
        } else if !same {
            std::fs::write(&path, text)?;
            println!("written {name}");
        }
    }
    Ok(good)
}
