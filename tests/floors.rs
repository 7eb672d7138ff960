//! The house stands: each floor imports only floors below it, and `unsafe` lives on three of them.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. Floors of one height do not import each other.
const FLOORS: [(&str, u32); 11] = [
    ("error", 0),
    ("secret", 1),
    ("simd", 1),
    ("card", 2),
    ("scheme", 3),
    ("keys", 3),
    ("tokenizer", 4),
    ("vault", 5),
    ("dialect", 6),
    ("border", 7),
    ("capi", 8),
];

const MAY_BE_UNSAFE: [&str; 3] = ["secret", "simd", "capi"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = |path: PathBuf| if path.is_dir() { rust_files(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn floor_of(file: &Path) -> String {
    let inside = file.strip_prefix(source()).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn height(floor: &str) -> u32 {
    let known = FLOORS.iter().find(|(name, _)| *name == floor);
    known.unwrap_or_else(|| panic!("{floor} is no floor of the house")).1
}

/// The floors that a text names as `crate::FLOOR`, outside its comments; `crate::{a, b}` would hide some.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    after
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
        .collect()
}

#[test]
fn each_floor_imports_only_floors_below_it() {
    let mut seen = 0;
    for file in rust_files(&source()) {
        let floor = floor_of(&file);
        if floor == "lib" {
            continue;
        }
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            let fine = import == floor || height(&import) < height(&floor);
            assert!(fine, "{} imports {import}, which does not lie below {floor}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} imports were read");
}

#[test]
fn unsafe_code_lives_on_three_floors() {
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).unwrap();
        let uses = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe ") && !code.contains("unsafe_code")
        });
        let allowed = MAY_BE_UNSAFE.contains(&floor_of(&file).as_str());
        assert!(!uses || allowed, "{} has unsafe code", file.display());
    }
}

#[test]
fn an_import_is_seen_where_one_is() {
    assert_eq!(
        imports("use crate::vault::Vault;\n// crate::capi\nlet x = crate::card::luhn_ok(d);"),
        ["vault", "card"]
    );
}
