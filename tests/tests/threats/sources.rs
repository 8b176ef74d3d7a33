//! Reads the sources as far as the checks need it: which functions there are, and what the text of tests names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::place::root;

/// All files of Rust below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let below = |path: PathBuf| {
        if path.is_dir() {
            files(&path)
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            vec![path]
        } else {
            Vec::new()
        }
    };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// The text of all tests below a folder: of files of tests, and of others what follows `#[cfg(test)]`.
pub(crate) fn test_sources(folder: &Path) -> String {
    let of_tests = |path: PathBuf| {
        let source = fs::read_to_string(&path).unwrap();
        let place = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let mut steps = place.trim_end_matches(".rs").split('/');
        if steps.any(|step| matches!(step, "tests" | "fuzz")) {
            return source;
        }
        let (_, of_tests) = source.split_once("#[cfg(test)]").unwrap_or_default();
        of_tests.to_owned()
    };
    files(folder).into_iter().map(of_tests).collect()
}

/// The names of all functions below a folder.
pub(crate) fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for path in files(folder) {
        let text = fs::read_to_string(&path).unwrap();
        let names = text
            .lines()
            .map(|line| line.trim_start().trim_start_matches("pub "))
            .map(|line| line.trim_start_matches("async "))
            .filter_map(|line| line.strip_prefix("fn "));
        found.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
    }
}

/// The ids that tests below a folder name: cases of the conformance suite of stores, and functions marked as tests.
pub(crate) fn named_by_tests(folder: &Path, named: &mut BTreeSet<String>) {
    // Not here, where ids are the subject.
    let elsewhere = |path: &PathBuf| !path.starts_with(root().join("tests/tests/threats"));
    for path in files(folder).into_iter().filter(elsewhere) {
        let source = fs::read_to_string(&path).unwrap();
        let is_case = path.starts_with(root().join("tests/tests/stores"));
        named.extend(named_in(&tests_in(&source, is_case)));
    }
}

/// The tests of a source: comment, attributes and body. `is_case`: public asynchronous functions are tests too.
///
/// By the lines, as rustfmt sets them: an item ends with a brace at the column where it begins.
fn tests_in(source: &str, is_case: bool) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_test = |line: &&str| {
        let line = line.trim_start();
        line == "#[test]"
            || line.starts_with("#[tokio::test")
            || (is_case && line.starts_with("pub async fn "))
    };
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_test(line)) {
        let column = indent(line);
        let is_head = |line: &&&str| {
            let line = line.trim_start();
            line.starts_with("///") || line.starts_with("#[")
        };
        let head: Vec<&str> = lines[..at]
            .iter()
            .rev()
            .take_while(is_head)
            .copied()
            .collect();
        // What is switched off proves nothing, unless only the environment of `make test` can run it.
        let is_off = |line: &str| line.contains("#[ignore") && !line.contains("make test");
        let body = lines[at..]
            .iter()
            .take_while(|line| !(indent(line) == column && line.trim() == "}"));
        let item: Vec<&str> = head.into_iter().chain(body.copied()).collect();
        if !item.iter().any(|line| is_off(line)) {
            text += &item.join("\n");
            text.push('\n');
        }
    }
    text
}

/// Every id in a text: two capitals, a hyphen, two digits, and neither letters nor digits around it. `PW-01 to PW-03` are those two.
pub(crate) fn named_in(text: &str) -> BTreeSet<String> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let ids = bytes.windows(5).enumerate().filter(|(at, window)| {
        let [first, second, hyphen, tens, ones] = window else {
            return false;
        };
        first.is_ascii_uppercase()
            && second.is_ascii_uppercase()
            && *hyphen == b'-'
            && tens.is_ascii_digit()
            && ones.is_ascii_digit()
            && !is_word(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !is_word(bytes.get(at + 5))
    });
    ids.map(|(_, id)| String::from_utf8_lossy(id).into_owned())
        .collect()
}

#[test]
fn only_what_stands_in_a_test_is_named() {
    let source = r#"
//! PW-01 in the head of a file proves nothing.

/// PW-03 neither in that of a helper.
fn helper() {
    // nor PW-04 in its body
}

/// PW-05: here it does.
#[test]
fn one() {
    // PW-06
    if true {
    }
    // PW-07
}

mod tests {
    #[test]
    /// PW-08
    #[should_panic]
    fn two() {}

    /// PW-09, in a runtime.
    #[tokio::test(flavor = "multi_thread")]
    async fn three() {
        assert!(true, "PW-10");
    }

    const PW_12: &str = "PW-12";

    /// PW-13
    #[test]
    #[ignore = "it fails"]
    fn four() {
    }

    /// PW-14
    #[test]
    #[ignore = "needs Envoy; run make test"]
    fn five() {
    }
}

/// PW-15
pub async fn case(bench: &Bench) {
}
"#;
    let named = |is_case| named_in(&tests_in(source, is_case)).into_iter().collect();
    let all: Vec<String> = named(false);
    let expected = [
        "PW-05", "PW-06", "PW-07", "PW-08", "PW-09", "PW-10", "PW-14",
    ];
    assert_eq!(all, expected);
    let all: Vec<String> = named(true);
    assert_eq!(all.last().map(String::as_str), Some("PW-15"));
}

#[test]
fn an_id_is_no_part_of_a_longer_word() {
    let named = named_in("XPW-01 PW-012 pw-03 (PW-04, PW-05) PW-6 CVE-2024-12 RFC PW-07.");
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    assert_eq!(named, ["PW-04", "PW-05", "PW-07"]);
}
