//! The shared library as the linker sees it: exactly the header's functions, under the promised name.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;

/// What a program that links panseal may have to load besides it.
const SYSTEM: [&str; 6] =
    ["libc.so.", "libgcc_s.so.", "libm.so.", "libpthread.so.", "libdl.so.", "ld-linux-"];

fn promised() -> BTreeSet<String> {
    let list =
        fs::read_to_string(support::root().join("tests/abi/symbols.txt")).expect("the list of symbols");
    list.lines().map(str::to_owned).collect()
}

fn dynamic_section() -> String {
    support::tool("readelf", &[OsStr::new("-dW"), support::library().file.as_os_str()])
}

/// The functions that a header declares: the last word before the parenthesis, in declarations that begin with
/// `PANSEAL_API`.
fn declared(header: &str) -> BTreeSet<String> {
    header
        .split("\nPANSEAL_API")
        .skip(1)
        .map(|declaration| {
            let head = declaration.split('(').next().expect("a parenthesis");
            head.rsplit([' ', '*', '\n']).find(|word| !word.is_empty()).expect("a name").to_owned()
        })
        .collect()
}

#[test]
fn declarations_are_read_off_a_header() {
    let header = "#  define PANSEAL_API\n\nPANSEAL_API const char *panseal_a(void);\n\
                  PANSEAL_API\npanseal_status panseal_b(\n    int x, int (*f)(void));\n";
    assert_eq!(declared(header), BTreeSet::from(["panseal_a".to_owned(), "panseal_b".to_owned()]));
}

#[test]
fn the_library_exports_the_committed_list_and_nothing_else() {
    let symbols = support::tool(
        "nm",
        &["-D", "--defined-only", "--format=posix"]
            .map(OsStr::new)
            .into_iter()
            .chain([support::library().file.as_os_str()])
            .collect::<Vec<_>>(),
    );
    let exported: BTreeSet<String> =
        symbols.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(exported, promised(), "tests/abi/symbols.txt");
    assert!(exported.iter().all(|name| name.starts_with("panseal_")));
}

#[test]
fn the_header_declares_the_committed_list_and_nothing_else() {
    let header = fs::read_to_string(support::library().include.join("panseal.h")).expect("the header");
    assert_eq!(declared(&header), promised(), "tests/abi/symbols.txt");
}

#[test]
fn the_library_has_its_name_and_is_never_unloaded() {
    let section = dynamic_section();
    assert!(section.contains(&format!("soname: [{}]", support::SONAME)), "{section}");
    let flags = section.lines().find(|line| line.contains("(FLAGS_1)")).unwrap_or_default();
    assert!(flags.contains("NODELETE"), "a thread may still be inside when the host unloads it:\n{section}");
    assert!(flags.contains("NOW"), "{section}");
    assert!(!section.contains("(TEXTREL)"), "{section}");
}

#[test]
fn the_library_needs_nothing_but_the_system() {
    for line in dynamic_section().lines().filter(|line| line.contains("(NEEDED)")) {
        assert!(SYSTEM.iter().any(|name| line.contains(&format!("[{name}"))), "{line}");
    }
}
