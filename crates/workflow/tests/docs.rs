//! The workflows that the documents show load without an error.

use workflow::{Catalogue, Program};

#[test]
fn workflows_of_the_tutorial_are_valid() {
    let text = include_str!("../../../docs/tutorial.md");
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(blocks.len(), 1);
    for yaml in blocks {
        let (program, diagnostics) = Program::load(yaml, &Catalogue::default());
        assert!(program.is_some() && diagnostics.iter().all(|d| !d.is_error()), "{diagnostics:?}");
    }
}
