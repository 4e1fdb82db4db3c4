//! `mutants`: small mistakes in `decide` and `evolve`, and whether a test sees them.
//!
//! Invariants: all mutants are compiled once, each behind a switch that is read at run time, so that a mutant costs one run of the tests and
//! no build; the same seed gives the same mutants; the repository is not touched, the mutated copy lives under the target folder.
//! Not here: the tests themselves (`crates/workflow/tests`, `crates/sim/tests`).

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Files that are mutated: everything `decide` and `evolve` are made of.
const FILES: [&str; 3] = ["decide.rs", "state.rs", "slot.rs"];
const FOLDERS: [&str; 2] = ["decide", "state"];
/// How long the tests may take with one mutant before it counts as killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Variable that turns one mutant on.
const SWITCH: &str = "WATCHFIRE_MUTANT";

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// How many.
    #[arg(long, default_value_t = 150)]
    n: usize,
    /// Which.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share that must be killed, in per cent.
    #[arg(long, default_value_t = 85)]
    bar: usize,
    /// Only list them.
    #[arg(long)]
    list: bool,
}

/// What a mutant does to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A condition is the other way round.
    Negated,
    /// `<` for `<=`, `>` for `>=` and back.
    Boundary,
    /// `and` for `or` and back.
    Joint,
    /// One more.
    OneMore,
    /// A call is left out.
    LeftOut,
}

/// A place in a file.
#[derive(Clone, Debug)]
struct Site {
    file: usize,
    start: usize,
    end: usize,
    /// Bytes of the operator, for [`Kind::Boundary`] and [`Kind::Joint`].
    operator: (usize, usize),
    line: usize,
    kind: Kind,
}

#[derive(Default)]
struct Collector {
    file: usize,
    sites: Vec<Site>,
    /// Depth of places where nothing can be switched at run time.
    frozen: usize,
}

impl Collector {
    fn push(&mut self, span: proc_macro2::Span, operator: proc_macro2::Span, kind: Kind) {
        if self.frozen == 0 {
            let (range, operator) = (span.byte_range(), operator.byte_range());
            self.sites.push(Site {
                file: self.file,
                start: range.start,
                end: range.end,
                operator: (operator.start, operator.end),
                line: span.start().line,
                kind,
            });
        }
    }
}

/// True where an expression binds names: it cannot stand behind a switch.
fn binds(e: &syn::Expr) -> bool {
    struct Lets(bool);
    impl<'a> Visit<'a> for Lets {
        fn visit_expr_let(&mut self, _: &'a syn::ExprLet) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    }
    let mut lets = Lets(false);
    lets.visit_expr(e);
    lets.0
}

impl<'a> Visit<'a> for Collector {
    fn visit_expr_binary(&mut self, e: &'a syn::ExprBinary) {
        use syn::BinOp::{And, Eq, Ge, Gt, Le, Lt, Ne, Or};
        let (whole, operator) = (e.span(), e.op.span());
        if !binds(&e.left) && !binds(&e.right) {
            match e.op {
                Eq(_) | Ne(_) => self.push(whole, operator, Kind::Negated),
                Lt(_) | Le(_) | Gt(_) | Ge(_) => {
                    self.push(whole, operator, Kind::Negated);
                    self.push(whole, operator, Kind::Boundary);
                }
                And(_) | Or(_) => self.push(whole, operator, Kind::Joint),
                _ => {}
            }
        }
        syn::visit::visit_expr_binary(self, e);
    }
    fn visit_expr_unary(&mut self, e: &'a syn::ExprUnary) {
        if matches!(e.op, syn::UnOp::Not(_)) && !binds(&e.expr) {
            self.push(e.span(), e.op.span(), Kind::Negated);
        }
        syn::visit::visit_expr_unary(self, e);
    }
    fn visit_expr_if(&mut self, e: &'a syn::ExprIf) {
        if !binds(&e.cond) && !matches!(&*e.cond, syn::Expr::Binary(_) | syn::Expr::Unary(_)) {
            self.push(e.cond.span(), e.cond.span(), Kind::Negated);
        }
        syn::visit::visit_expr_if(self, e);
    }
    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if let Some((_, guard)) = &arm.guard
            && !binds(guard)
            && !matches!(&**guard, syn::Expr::Binary(_) | syn::Expr::Unary(_))
        {
            self.push(guard.span(), guard.span(), Kind::Negated);
        }
        syn::visit::visit_arm(self, arm);
    }
    fn visit_expr_lit(&mut self, e: &'a syn::ExprLit) {
        if let syn::Lit::Int(_) = &e.lit {
            self.push(e.span(), e.span(), Kind::OneMore);
        }
        if let syn::Lit::Bool(_) = &e.lit {
            self.push(e.span(), e.span(), Kind::Negated);
        }
    }
    fn visit_stmt(&mut self, s: &'a syn::Stmt) {
        if let syn::Stmt::Expr(e @ (syn::Expr::MethodCall(_) | syn::Expr::Try(_)), Some(_)) = s {
            self.push(e.span(), e.span(), Kind::LeftOut);
        }
        syn::visit::visit_stmt(self, s);
    }
    // Constants, patterns, types and attributes are fixed when they are compiled.
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_pat(&mut self, _: &'a syn::Pat) {}
    fn visit_type(&mut self, _: &'a syn::Type) {}
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}
    fn visit_expr_repeat(&mut self, _: &'a syn::ExprRepeat) {}
    fn visit_item_mod(&mut self, m: &'a syn::ItemMod) {
        if m.ident != "tests" {
            syn::visit::visit_item_mod(self, m);
        }
    }
    fn visit_item_fn(&mut self, f: &'a syn::ItemFn) {
        self.within(f.sig.constness.is_some(), |c| syn::visit::visit_item_fn(c, f));
    }
    fn visit_impl_item_fn(&mut self, f: &'a syn::ImplItemFn) {
        self.within(f.sig.constness.is_some(), |c| syn::visit::visit_impl_item_fn(c, f));
    }
}

impl Collector {
    fn within(&mut self, frozen: bool, visit: impl FnOnce(&mut Self)) {
        self.frozen += usize::from(frozen);
        visit(self);
        self.frozen -= usize::from(frozen);
    }
}

/// The text with the chosen sites behind their switches; `first` is the number of the first one.
fn rendered(text: &str, sites: &[(usize, &Site)]) -> String {
    // Outer sites are written around inner ones: by start, the longer first.
    let mut order: Vec<&(usize, &Site)> = sites.iter().collect();
    // A negation stands around another mutant of the same place.
    order.sort_by_key(|(n, s)| (s.start, std::cmp::Reverse(s.end), s.kind != Kind::Negated, *n));
    piece(text, 0, text.len(), &order)
}

/// Bytes `[start, end)` of the text with the sites inside.
fn piece(text: &str, start: usize, end: usize, sites: &[&(usize, &Site)]) -> String {
    let mut out = String::new();
    let mut at = start;
    let mut i = 0;
    while i < sites.len() {
        let (n, site) = sites[i];
        if site.start < at || site.end > end {
            i += 1;
            continue;
        }
        out.push_str(&text[at..site.start]);
        let inside: Vec<&(usize, &Site)> =
            sites[i + 1..].iter().filter(|(_, s)| s.start >= site.start && s.end <= site.end).copied().collect();
        out.push_str(&switched(text, *n, site, &inside));
        at = site.end;
        i += 1;
    }
    out.push_str(&text[at..end]);
    out
}

fn switched(text: &str, n: usize, site: &Site, inside: &[&(usize, &Site)]) -> String {
    let whole = piece(text, site.start, site.end, inside);
    let on = format!("crate::mutant::is({n})");
    match site.kind {
        Kind::Negated => format!("({on} ^ ({whole}))"),
        Kind::OneMore => format!("({whole} + if {on} {{ 1 }} else {{ 0 }})"),
        Kind::LeftOut => format!("if !{on} {{ {whole}; }}"),
        Kind::Boundary | Kind::Joint => {
            let (from, to) = site.operator;
            let halves = |part: (usize, usize)| {
                let of: Vec<&(usize, &Site)> =
                    inside.iter().filter(|(_, s)| s.start >= part.0 && s.end <= part.1).copied().collect();
                piece(text, part.0, part.1, &of)
            };
            let (left, right) = (halves((site.start, from)), halves((to, site.end)));
            let operator = &text[from..to];
            let other = match operator {
                "<" => "<=",
                "<=" => "<",
                ">" => ">=",
                ">=" => ">",
                "&&" => "||",
                _ => "&&",
            };
            format!("(if {on} {{ {left}{other}{right} }} else {{ {left}{operator}{right} }})")
        }
    }
}

/// Runs the command; true when enough mutants are killed.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let source = root.join("crates/workflow/src");
    let mut files: Vec<PathBuf> = FILES.iter().map(|f| source.join(f)).filter(|p| p.is_file()).collect();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(source.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "rs") && path.file_stem().is_none_or(|s| s != "tests") {
                files.push(path);
            }
        }
    }
    files.sort();
    let texts: Vec<String> = files.iter().map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    let mut collector = Collector::default();
    for (i, text) in texts.iter().enumerate() {
        collector.file = i;
        let tree = syn::parse_file(text).with_context(|| files[i].display().to_string())?;
        collector.visit_file(&tree);
    }
    let all = collector.sites.len();
    let mut chosen = sample(collector.sites, args.n, args.seed);
    println!("{all} places in {} files, {} chosen with seed {}", files.len(), chosen.len(), args.seed);
    let name = |s: &Site| {
        let file = files[s.file].strip_prefix(&source).unwrap_or(&files[s.file]).display().to_string();
        let text = texts[s.file][s.start..s.end].split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{file}:{} {:?} `{}`", s.line, s.kind, text.chars().take(80).collect::<String>())
    };
    if args.list {
        chosen.iter().for_each(|s| println!("{}", name(s)));
        return Ok(true);
    }
    let copy = copied(&root)?;
    // What does not compile behind a switch is thrown out and said.
    let mut refused = 0;
    let tests = loop {
        write(&copy, &root, &files, &texts, &chosen)?;
        match build(&copy)? {
            Ok(tests) => break tests,
            Err(broken) => {
                let before = chosen.len();
                chosen.retain(|s| {
                    let file = files[s.file].strip_prefix(&root).unwrap_or(&files[s.file]).display().to_string();
                    !broken.iter().any(|(f, text)| *f == file && text.contains(&format!("line {}", s.line)))
                });
                refused += before - chosen.len();
                if before == chosen.len() {
                    bail!(
                        "the mutated copy does not compile: {}",
                        broken.iter().map(|(f, t)| format!("{f}: {t}")).collect::<Vec<_>>().join("; ")
                    );
                }
            }
        }
    };
    let start = Instant::now();
    if let Some(why) = killed_by(&tests, 0)? {
        bail!("the tests fail without a mutant: {why}");
    }
    println!(
        "{} tests, {:.1} s without a mutant; {refused} places cannot be switched",
        tests.len(),
        start.elapsed().as_secs_f64()
    );
    let mut survivors = vec![];
    let mut kills: BTreeMap<String, usize> = BTreeMap::new();
    for (i, site) in chosen.iter().enumerate() {
        match killed_by(&tests, i + 1)? {
            Some(by) => *kills.entry(by).or_default() += 1,
            None => survivors.push(name(site)),
        }
    }
    let killed = chosen.len() - survivors.len();
    survivors.iter().for_each(|s| println!("survived: {s}"));
    for (by, n) in kills {
        println!("killed by {by}: {n}");
    }
    let share = if chosen.is_empty() { 0.0 } else { killed as f64 * 100.0 / chosen.len() as f64 };
    println!(
        "{killed} of {} mutants killed ({share:.1} %), bar {} %, {:.0} s",
        chosen.len(),
        args.bar,
        start.elapsed().as_secs_f64()
    );
    Ok(share >= args.bar as f64)
}

/// `n` sites, the same for the same seed.
fn sample(mut sites: Vec<Site>, n: usize, seed: u64) -> Vec<Site> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for i in (1..sites.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sites.swap(i, (state % (i as u64 + 1)) as usize);
    }
    sites.truncate(n);
    sites.sort_by_key(|s| (s.file, s.start, s.end));
    sites
}

/// A copy of the workspace without what tests do not need.
fn copied(root: &Path) -> anyhow::Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let copy = target.join("mutants");
    std::fs::create_dir_all(&copy)?;
    for name in ["Cargo.toml", "Cargo.lock", "rustfmt.toml", "clippy.toml"] {
        if root.join(name).is_file() {
            std::fs::copy(root.join(name), copy.join(name))?;
        }
    }
    // A mutant may leave something unused: that is no reason not to build it.
    let manifest = std::fs::read_to_string(copy.join("Cargo.toml"))?
        .replace("\"deny\"", "\"warn\"")
        .replace("\"forbid\"", "\"warn\"");
    std::fs::write(copy.join("Cargo.toml"), manifest)?;
    for name in ["crates", "xtask", "content", "docs"] {
        sync(&root.join(name), &copy.join(name))?;
    }
    Ok(copy)
}

fn sync(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let there = to.join(name);
        if path.is_dir() {
            if name != "target" && name != "node_modules" {
                sync(&path, &there)?;
            }
        } else if std::fs::read(&path)? != std::fs::read(&there).unwrap_or_default() {
            // Only what changed, so that cargo builds only that.
            std::fs::copy(&path, &there)?;
        }
    }
    Ok(())
}

fn write(copy: &Path, root: &Path, files: &[PathBuf], texts: &[String], chosen: &[Site]) -> anyhow::Result<()> {
    for (i, file) in files.iter().enumerate() {
        let sites: Vec<(usize, &Site)> =
            chosen.iter().enumerate().filter(|(_, s)| s.file == i).map(|(n, s)| (n + 1, s)).collect();
        std::fs::write(copy.join(file.strip_prefix(root)?), rendered(&texts[i], &sites))?;
    }
    let lib = std::fs::read_to_string(root.join("crates/workflow/src/lib.rs"))?;
    let mut lib = lib.replace("#![deny", "#![warn");
    let _ = write!(
        lib,
        "\n#[doc(hidden)]\npub mod mutant {{\n    //! The switch.\n    static ON: std::sync::OnceLock<usize> = std::sync::OnceLock::new();\n    /// True for the mutant that is on.\n    pub fn is(n: usize) -> bool {{\n        *ON.get_or_init(|| std::env::var(\"{SWITCH}\").ok().and_then(|v| v.parse().ok()).unwrap_or(0)) == n\n    }}\n}}\n"
    );
    std::fs::write(copy.join("crates/workflow/src/lib.rs"), lib)?;
    Ok(())
}

/// Errors of a build: file and text with the places it names.
type Broken = Vec<(String, String)>;

/// A test program and the folder it runs in.
type Test = (PathBuf, PathBuf);

/// Builds the tests of the copy; their programs, or what does not compile.
fn build(copy: &Path) -> anyhow::Result<Result<Vec<Test>, Broken>> {
    let mut tests = vec![];
    let mut wanted: Vec<&[&str]> = vec![&["-p", "workflow", "--tests"]];
    if copy.join("crates/sim/tests").is_dir() {
        wanted.push(&["-p", "sim", "--test", "*"]);
    }
    for what in wanted {
        match built(copy, what)? {
            Ok(more) => tests.extend(more),
            Err(broken) => return Ok(Err(broken)),
        }
    }
    // The golden runs see most; the cheapest way to a kill comes first.
    tests.sort_by_key(|(program, _)| (!program.to_string_lossy().contains("golden"), program.clone()));
    Ok(Ok(tests))
}

fn built(copy: &Path, what: &[&str]) -> anyhow::Result<Result<Vec<Test>, Broken>> {
    let target = copy.parent().unwrap_or(copy);
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .args(["test", "--no-run", "--offline", "--message-format=json"])
        .args(what)
        .stderr(Stdio::inherit())
        .output()?;
    let (mut tests, mut broken) = (vec![], vec![]);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if let (Some(program), Some(true)) = (message["executable"].as_str(), message["profile"]["test"].as_bool()) {
            let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
            tests.push((PathBuf::from(program), manifest.parent().unwrap_or(copy).to_owned()));
        }
        if message["message"]["level"] == "error" {
            for span in message["message"]["spans"].as_array().into_iter().flatten() {
                let file = span["file_name"].as_str().unwrap_or_default().to_owned();
                broken.push((file, format!("line {} {}", span["line_start"], message["message"]["message"])));
            }
        }
    }
    Ok(if output.status.success() { Ok(tests) } else { Err(broken) })
}

/// The test that fails with mutant `n` on, if one does.
fn killed_by(tests: &[Test], n: usize) -> anyhow::Result<Option<String>> {
    for (test, folder) in tests {
        let name = test.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        let name = name.rsplit_once('-').map_or(name, |(a, _)| a).to_owned();
        let mut child = Command::new(test)
            .arg("-q")
            .current_dir(folder)
            .env(SWITCH, n.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| test.display().to_string())?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if start.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        match status {
            None => return Ok(Some(format!("{name} (never ends)"))),
            Some(status) if !status.success() => return Ok(Some(name)),
            Some(_) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_switched_inside_each_other() {
        let text = "fn f(a: u8, b: u8) -> bool { if a < b && !g(1) { h.x(); } a == b }";
        let mut c = Collector::default();
        c.visit_file(&syn::parse_file(text).unwrap());
        assert_eq!(c.sites.len(), 7, "{:#?}", c.sites);
        let sites: Vec<(usize, &Site)> = c.sites.iter().enumerate().map(|(i, s)| (i + 1, s)).collect();
        let out = rendered(text, &sites);
        assert!(syn::parse_file(&out).is_ok(), "{out}");
        for n in 1..=sites.len() {
            assert!(out.contains(&format!("is({n})")), "{n}: {out}");
        }
    }
}
