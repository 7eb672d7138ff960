//! `include/panseal.h` is what `src/capi` says: generated chapter by chapter, committed, never stale.
//!
//! `make header` (this test with `PANSEAL_WRITE_HEADER=1`) writes it anew.

use cbindgen::{
    Builder, Config, DocumentationLength, DocumentationStyle, ExportConfig, FunctionConfig, Language, SortKey,
};
use std::path::{Path, PathBuf};

const CHAPTERS: [(&str, &str); 14] = [
    ("library", "library"),
    ("card", "cards"),
    ("network", "networks"),
    ("reader", "readers"),
    ("scan", "scanning"),
    ("keys", "root keys"),
    ("tokenizer", "tokenizer"),
    ("vault", "vault"),
    ("instrument", "instruments"),
    ("customer", "customers"),
    ("vault_keys", "keys of a vault"),
    ("damage", "damaged rows of a vault"),
    ("audit", "audit and guard"),
    ("dialect", "dialects"),
];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn config() -> Config {
    Config {
        language: Language::C,
        // The opening has what C++ and old compilers need, in a form that C89 takes.
        cpp_compat: false,
        no_includes: true,
        usize_is_size_t: true,
        documentation: true,
        documentation_style: DocumentationStyle::C,
        documentation_length: DocumentationLength::Full,
        sort_by: SortKey::None,
        line_length: 110,
        tab_width: 4,
        // Types that no function of their own chapter takes.
        export: ExportConfig {
            include: [
                "panseal_violation",
                "panseal_error",
                "panseal_text",
                "panseal_span",
                "panseal_root_fn",
            ]
            .map(str::to_owned)
            .into(),
            ..ExportConfig::default()
        },
        function: FunctionConfig {
            prefix: Some("PANSEAL_API".into()),
            sort_by: Some(SortKey::None),
            ..FunctionConfig::default()
        },
        ..Config::default()
    }
}

fn chapter(file: &str, title: &str) -> String {
    let bindings = Builder::new()
        .with_src(project(&format!("src/capi/{file}.rs")))
        .with_config(config())
        .generate()
        .expect("cbindgen reads the chapter");
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).expect("a header is text");
    let rule = "-".repeat(100 - title.len());
    format!("\n/* ---- {title} {rule} */\n\n{}\n", in_house_style(text.trim()))
}

/// Comments of one line stand on one line, and a type that has a typedef goes without its tag.
fn in_house_style(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line.trim() == "/*" {
            let comment: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "*/").collect();
            let indent = &line[..line.len() - 2];
            let text = comment.join("\n").replace(&format!("\n{indent} "), &format!("\n{indent} * "));
            let text = text.replace("\n\n", &format!("\n{indent} *\n"));
            out += &format!("{indent}/* {} */\n", text.trim_start());
        } else if line.is_empty() && next.starts_with("/*") || !line.is_empty() {
            out += &line.replace("(struct panseal_", "(panseal_");
            out.push('\n');
        }
    }
    out.replace("const struct panseal_", "const panseal_")
        .replace("  struct panseal_", "  panseal_")
        .trim_end()
        .to_owned()
}

fn generated() -> String {
    let read =
        |path| std::fs::read_to_string(project(path)).expect("the header's opening and closing are there");
    let chapters = CHAPTERS.map(|(file, title)| chapter(file, title)).concat();
    read("tests/header/opening.h") + &chapters + &read("tests/header/closing.h")
}

#[test]
fn the_committed_header_is_what_the_code_says() {
    let path = project("include/panseal.h");
    if std::env::var_os("PANSEAL_WRITE_HEADER").is_some() {
        std::fs::write(&path, generated()).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated(), "include/panseal.h is stale: run `make header`");
}
