//! A root key in an environment variable. In a process of its own: the environment is all threads', and a test that
//! changes it would race with the others.

use panseal::card::{Pan, Separators};
use panseal::error::Code;
use panseal::keys::Root;
use panseal::tokenizer::{Expect, Tokenizer, TokenizerOptions};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "PANSEAL_TEST_FOLDER";
const VARIABLE: &str = "PANSEAL_TEST_ROOT";
const KEY: &str = "a3f1c05e9d2b4867105fe8c9d37ab246f09e5c1d8b73a264e5d0c91f3b68a7d2";
const IN_BASE64: &str = "o/HAXp0rSGcQX+jJ03qyRvCeXB2Lc6Jk5dDJHztop9I=";

/// Opens a tokenizer by the variable, in this process.
fn open(folder: &Path, create: bool) -> Result<Tokenizer, Code> {
    let keyring = folder.join("keyring");
    let root = Root::parse(&format!("env:{VARIABLE}")).map_err(|error| error.code())?;
    let options = TokenizerOptions::new("siv".parse().unwrap(), &keyring, root);
    Tokenizer::open(&TokenizerOptions { create, ..options }).map_err(|error| error.code())
}

/// What the child says, which has the variable in its environment: a token of the same number.
fn in_child(folder: &Path, value: Option<&str>) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]);
    child.env(FOLDER, folder).env_remove(VARIABLE);
    if let Some(value) = value {
        child.env(VARIABLE, value);
    }
    let out = child.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let said = text.lines().find_map(|line| line.split_once("said: ")).map(|(_, said)| said.to_owned());
    said.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)))
}

/// Does nothing unless the test below has started this process.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let said = open(Path::new(&folder), true).map(|tokenizer| {
        let pan = Pan::parse(b"4242424242424242", Separators::Refused).ok().unwrap();
        let token = tokenizer.tokenize(&pan).unwrap();
        let back = tokenizer.detokenize(token.as_bytes(), &Expect::default()).unwrap();
        assert_eq!(back.digits(), pan.digits());
        token.to_string()
    });
    println!("said: {}", said.unwrap_or_else(|code| code.name().to_owned()));
}

#[test]
fn a_key_in_a_variable_opens_what_it_made_in_hex_and_in_base64_and_no_other_key_does() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(in_child(folder.path(), None), "root_key", "absent");
    assert_eq!(in_child(folder.path(), Some("")), "root_key", "empty");
    assert!(!folder.path().join("keyring").exists());
    let token = in_child(folder.path(), Some(KEY));
    assert_eq!(token.len(), 48);
    for same in [KEY, IN_BASE64, &KEY.to_uppercase(), &format!(" {KEY}\n")] {
        assert_eq!(in_child(folder.path(), Some(same)), token, "{same}");
    }
    for other in [&KEY.replace('a', "b")[..], &KEY[..62], "not a key"] {
        assert_eq!(in_child(folder.path(), Some(other)), "root_key", "{other}");
    }
    // The same keyring under the same key out of a file.
    let file = folder.path().join("root");
    std::fs::write(&file, KEY).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let keyring = folder.path().join("keyring");
    let root = Root::parse(&format!("file:{}", file.display())).unwrap();
    let tokenizer = Tokenizer::open(&TokenizerOptions::new("siv".parse().unwrap(), &keyring, root)).unwrap();
    let back = tokenizer.detokenize(token.as_bytes(), &Expect::default()).unwrap();
    assert_eq!(back.digits(), b"4242424242424242");
}
