//! Broken documents: each must give its finding at its place, and none may hang or panic.

use stdx::{Diagnostic, LineIndex};
use workflow::{Catalogue, Program};

/// The document with the head that it does not have.
fn with_head(steps: &str) -> String {
    if !steps.starts_with("  - ") {
        steps.to_owned()
    } else {
        format!("name: w\ntriggers: [{{ type: manual }}]\nsteps:\n{steps}")
    }
}

fn findings(text: &str) -> Vec<String> {
    let (_, found) = Program::load(text, &Catalogue::default());
    let lines = LineIndex::new(text);
    let show = |d: &Diagnostic| {
        let at = lines.position(text, d.span.start);
        format!("{}:{} {}{} {}", at.line, at.column, d.code, if d.is_error() { "" } else { "?" }, d.message)
    };
    // Hints say what is worth knowing, not what is wrong.
    found.iter().filter(|d| d.severity != stdx::diagnostic::Severity::Info).map(show).collect()
}

/// Each document and the start of one finding it must have: `line:column code` (`?` = a warning).
const BROKEN: &[(&str, &str)] = &[
    (
        "  - name: a\n    type: foreach\n    foreach: \"{{ inputs.x }}\"\n    iteration-timeout: 5s\n    steps:\n      - name: b\n        type: console\n        with: { message: x }\n",
        "7:5 notThereYet? `iteration-timeout` is read but not enforced yet",
    ),
    ("", "1:1 schemaViolation a workflow is a map"),
    ("- a", "1:1 schemaViolation a workflow is a map"),
    ("name: w\n\tx: 1", "1:7 yamlSyntaxError"),
    ("name: [a", "1:9 yamlSyntaxError"),
    (
        "name: w\nname: v\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "2:1 duplicateKey the key `name`",
    ),
    (
        "name: w\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]\n---\nname: x",
        "yamlSyntaxError a second document",
    ),
    (
        "triggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "1:1 schemaViolation a workflow needs a `name`",
    ),
    ("name: w\nsteps: [{ name: a, type: console }]", "schemaViolation a workflow needs `triggers`"),
    ("name: w\ntriggers: []\nsteps: [{ name: a, type: console }]", "2:11 schemaViolation a workflow needs a trigger"),
    (
        "name: w\ntriggers: [{ type: manul }]\nsteps: [{ name: a, type: console }]",
        "2:12 schemaViolation `manul` is not a trigger",
    ),
    (
        "name: w\ntriggers: [{ type: manual }]\nstep: []\nsteps: [{ name: a, type: console }]",
        "3:1 unknownKey? `step` is not a key",
    ),
    (
        "name: w\nenabled: maybe\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "2:10 schemaViolation `enabled`",
    ),
    (
        "name: w\nversion: 1\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "2:10 schemaViolation? `version`",
    ),
    ("name: w\ntriggers: [{ type: manual }]\nsteps: []", "3:8 schemaViolation at least one step"),
    ("  - { name: a }", "4:5 schemaViolation a step needs a `type`"),
    ("  - { type: console }", "4:5 schemaViolation a step needs a `name`"),
    ("  - { name: a, type: console }\n  - { name: a, type: console }", "5:13 duplicateStepName"),
    ("  - { name: a, type: consol }", "4:22 unsupportedStepType the step type `consol`"),
    ("  - { name: a, type: if, steps: [{ name: b, type: console }] }", "4:5 schemaViolation `condition` is missing"),
    ("  - { name: a, type: if, condition: 'x: 1' }", "4:5 schemaViolation `steps` is missing"),
    (
        "  - { name: a, type: if, condition: 'x == 1', steps: [{ name: b, type: console }] }",
        "4:37 invalidEqualityOperator?",
    ),
    (
        "  - { name: a, type: if, condition: 'x != 1', steps: [{ name: b, type: console }] }",
        "4:37 invalidInequalityOperator?",
    ),
    (
        "  - { name: a, type: if, condition: 'x = 1', steps: [{ name: b, type: console }] }",
        "4:37 invalidAssignmentOperator?",
    ),
    (
        "  - { name: a, type: if, condition: 'x: (a or', steps: [{ name: b, type: console }] }",
        "invalidIfConditionSyntax",
    ),
    ("  - { name: a, type: console, if: \"x: 'y'\" }", "kqlSingleQuotes?"),
    ("  - { name: a, type: console, if: 'x: null' }", "4:39 kqlNull?"),
    (
        "  - name: a\n    type: console\n    with: { message: \"{{ x | to_json }}\" }",
        "6:30 liquidSyntaxError undefined filter: to_json",
    ),
    (
        "  - name: a\n    type: console\n    with:\n      message: |\n        first\n        {% if x %}",
        "9:9 liquidSyntaxError",
    ),
    ("  - name: a\n    type: console\n    with: { message: \"${{ a }} and {{ b }}\" }", "liquidSyntaxError"),
    (
        "  - name: a\n    type: console\n    with:\n      message: |\n        ${{ inputs.x }}",
        "8:9 typedExpressionTrailingText?",
    ),
    ("  - { name: a, type: console, with: { message: \"n ${{ inputs.x }}\" } }", "typedExpressionInText?"),
    ("  - name: a\n    type: console\n    with: { message: {{ inputs.x }} }", "yamlSyntaxError"),
    ("  - { name: a, type: loop.break }", "4:5 graphBuildError loop.break"),
    (
        "  - { name: a, type: switch, expression: x, cases: [{ case: 1, steps: [{ name: b, type: console }] }] }",
        "switchCase?",
    ),
    ("  - { name: a, type: switch, expression: x }", "schemaViolation `cases`"),
    (
        "  - { name: a, type: foreach, steps: [{ name: b, type: console }] }",
        "invalidForeachParameter Foreach configuration",
    ),
    (
        "  - { name: a, type: foreach, foreach: '[1', steps: [{ name: b, type: console }] }",
        "4:40 invalidForeachParameter the list is not JSON",
    ),
    (
        "  - { name: a, type: foreach, foreach: { x: 1 }, steps: [{ name: b, type: console }] }",
        "invalidForeachParameter",
    ),
    ("  - { name: a, type: parallel }", "schemaViolation `parallel` needs"),
    (
        "  - { name: a, type: parallel, mode: fast, branches: [{ name: x, steps: [{ name: b, type: console }] }] }",
        "4:38 invalidParallelMode",
    ),
    ("  - { name: a, type: wait, with: {} }", "4:5 invalidStepProperty `wait` needs `with.duration`"),
    (
        "  - { name: a, type: wait, timeout: 5 minutes, with: { duration: 1s } }",
        "4:37 schemaViolation invalid duration format",
    ),
    (
        "  - { name: a, type: if, timeout: 5s, condition: 'x: 1', steps: [{ name: b, type: console }] }",
        "invalidStepProperty? `timeout` has no effect",
    ),
    (
        "  - { name: a, type: console, on_failure: { continue: true } }",
        "4:31 invalidStepProperty? `on_failure` is not a key",
    ),
    ("  - { name: a, type: console, on-failure: { retries: 3 } }", "invalidStepProperty? `retries`"),
    ("  - { name: a, type: console, on-failure: { retry: {} } }", "schemaViolation `retry` needs `max-attempts`"),
    ("  - { name: a, type: console, on-failure: { retry: { max-attempts: 0 } } }", "schemaViolation `max-attempts`"),
    (
        "  - { name: a, type: console, on-failure: { retry: { max-attempts: 1, delay: \"{{ x }}\" } } }",
        "templateNotRendered templates in `on-failure.retry.delay`",
    ),
    (
        "  - { name: a, type: console, on-failure: { retry: { max-attempts: 1, strategy: linear } } }",
        "schemaViolation `strategy`",
    ),
    (
        "  - { name: a, type: console, on-failure: { fallback: [{ name: b, type: console }] } }",
        "fallbackWithoutContinue?",
    ),
    ("  - { name: a, type: console, max-step-size: 10x }", "schemaViolation invalid byte size"),
    ("  - { name: a, type: console, foreach: [1], if: 'foreach.item: 1' }", "guardReadsItem?"),
    (
        "  - { name: a, type: console, with: { message: \"{{ steps.b.output }}\" } }",
        "invalidVariableReference? no step is called `b`",
    ),
    (
        "  - { name: a, type: console }\n  - { name: b, type: console, if: 'steps.a.status: failed' }",
        "invalidVariablePath? `steps.a.status`",
    ),
    (
        "  - { name: a, type: cases.createCase, with: { titel: x, title: y, description: z } }",
        "invalidStepProperty? `titel`",
    ),
    ("  - { name: a, type: kibana.createCase, with: { title: y, description: z } }", "deprecatedStepType?"),
    ("  - { name: a, type: http, connector-id: nowhere, with: { path: / } }", "connectorNotFound?"),
    ("  - { name: a, type: console, effect: mild }", "invalidStepProperty `effect`"),
    (
        "name: w\ntriggers:\n  - type: manual\n    inputs: [{ name: n, type: number, default: many }]\nsteps: [{ name: a, type: console }]",
        "4:48 invalidDefaultValue",
    ),
    (
        "name: w\ntriggers:\n  - type: manual\n    inputs: [{ name: n, type: text }]\nsteps: [{ name: a, type: console }]",
        "4:31 schemaViolation `text` is not an input type",
    ),
    (
        "name: w\nconsts: { a: \"{{ inputs.x }}\" }\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "2:14 templateInConst?",
    ),
    (
        "name: w\nsettings: { concurrency: { max: 2 } }\ntriggers: [{ type: manual }]\nsteps: [{ name: a, type: console }]",
        "concurrencyWithoutKey?",
    ),
    (
        "name: w\ninputs: []\ntriggers: [{ type: manual, inputs: [] }]\nsteps: [{ name: a, type: console }]",
        "2:9 inputsTwice?",
    ),
    (
        "name: w\ntriggers: [{ type: scheduled }]\nsteps: [{ name: a, type: console }]",
        "2:12 schemaViolation a scheduled trigger",
    ),
    (
        "name: w\ntriggers: [{ type: scheduled, with: { every: 10s } }]\nsteps: [{ name: a, type: console }]",
        "schemaViolation? a scheduled interval",
    ),
];

#[test]
fn broken_documents_are_explained_at_their_place() {
    let mut wrong = vec![];
    for (text, expected) in BROKEN {
        let text = with_head(text);
        let found = findings(&text);
        if !found
            .iter()
            .any(|f| f.starts_with(expected) || f.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(expected)))
        {
            wrong.push(format!("{text}\n   wanted {expected}\n   found  {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_sound_document_has_no_findings() {
    let text = include_str!("sound.yaml");
    assert_eq!(findings(text), Vec::<String>::new());
}

#[test]
fn yaml_bomb() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        text += &format!("a{i}: &a{i} [{list}]\n");
    }
    let found = findings(&text);
    assert!(found.iter().any(|f| f.contains("documentTooLarge the document expands")), "{found:?}");
}

#[test]
fn deep_nesting() {
    for text in [
        format!("a: {}", "[".repeat(100_000)),
        format!("a: {}", "{b: ".repeat(50_000)),
        (0..5_000).map(|i| format!("{}- a:\n", " ".repeat(i * 2))).take(300).collect(),
    ] {
        let found = findings(&text);
        assert!(found.iter().any(|f| f.contains("documentTooDeep") || f.contains("yamlSyntaxError")), "{found:?}");
    }
}

#[test]
fn a_document_over_the_size_limit() {
    let found = findings(&format!("name: {}", "x".repeat(workflow::yaml::CHARS_MAX)));
    assert!(found.iter().any(|f| f.contains("documentTooLarge")), "{found:?}");
}

#[test]
fn an_alias_to_itself_and_unknown_anchors() {
    for text in ["a: &a [*a]", "a: *b", "&a a: *a"] {
        let (_, found) = Program::load(text, &Catalogue::default());
        assert!(!found.is_empty(), "{text}");
    }
}

#[test]
fn a_looping_template_is_stopped_when_it_runs() {
    // The run itself is the golden run `template_error`; here the limit is that of the document.
    let text = "name: w\nsettings: { liquid: { parseLimit: 20 } }\ntriggers: [{ type: manual }]\nsteps:\n  - { name: a, type: console, with: { message: \"{{ inputs.a }} is longer than twenty\" } }\n";
    let found = findings(text);
    assert!(found.iter().any(|f| f.contains("liquidSyntaxError parse length limit exceeded")), "{found:?}");
}

#[test]
fn places_inside_scalars_of_every_style() {
    let head = "name: w\ntriggers: [{ type: manual }]\nsteps:\n  - name: ä\n    type: console\n    with:\n";
    for (scalar, at) in [
        ("      message: ä {{ x | nope }}", "7:25"),
        ("      message: \"ä {{ x | nope }}\"", "7:26"),
        ("      message: 'ä {{ x | nope }}'", "7:26"),
        ("      message: |\n        ä\n        b {{ x | nope }}", "9:18"),
    ] {
        let found = findings(&format!("{head}{scalar}\n"));
        assert!(found.iter().any(|f| f.contains("undefined filter: nope") && f.starts_with(at)), "{scalar}: {found:?}");
    }
}

#[test]
fn no_document_panics_however_it_is_cut() {
    let text = include_str!("sound.yaml");
    for end in (0..text.len()).filter(|i| text.is_char_boundary(*i)) {
        let _ = Program::load(&text[..end], &Catalogue::default());
    }
    for (i, line) in text.lines().enumerate() {
        let without: String =
            text.lines().enumerate().filter(|(j, _)| *j != i).map(|(_, l)| format!("{l}\n")).collect();
        let _ = Program::load(&without, &Catalogue::default());
        let _ = Program::load(&text.replace(line, &line.replace(':', "")), &Catalogue::default());
    }
}

#[test]
fn a_tag_that_closes_in_its_own_opening_is_no_tag() {
    for message in ["{%}", "{% if event.a %}x{%}", "${%}{ consts.a }}", "{{%}"] {
        let text = format!(
            "version: \"1\"\nname: w\nenabled: true\ntriggers: [{{ type: manual }}]\nsteps:\n  - {{ name: a, type: console, with: {{ message: \"{message}\" }} }}\n"
        );
        let (_, found) = workflow::Program::load(&text, &workflow::Catalogue::default());
        assert!(found.iter().all(|d| d.span.start <= d.span.end && d.span.end <= text.len()), "{message}: {found:?}");
    }
}
