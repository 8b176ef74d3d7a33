//! docs/THREATS.md names the tests that prove it. A name without a test is a claim without a proof, and so is a requirement of the filter
//! that no test names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::place::root;

/// Requirements by kind; a number that is missing is retired.
const REQUIREMENTS: [(&str, &[u32]); 4] = [
    (
        "TV",
        &[
            1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
            26, 27, 28, 29, 30, 31,
        ],
    ),
    (
        "FR",
        &[
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25, 26,
        ],
    ),
    ("CK", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("CF", &[1, 2, 3, 4, 5, 6, 7, 8]),
];
/// Where the tests of the filter are.
const OF_THE_FILTER: [&str; 9] = [
    "token",
    "filter",
    "tests/decisions",
    "tests/tests/decisions",
    "tests/tests/envoy",
    "tests/tests/filter_decisions",
    "tests/tests/filter_feed",
    "tests/tests/filter_requests",
    "tests/tests/hostile_envoy",
];

/// The text of all tests below a folder: of files of tests, and of others what follows `#[cfg(test)]`.
fn test_sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            text += &test_sources(&path);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let place = path.strip_prefix(root()).unwrap().to_str().unwrap();
            let mut steps = place.trim_end_matches(".rs").split('/');
            let is_test = steps.any(|step| matches!(step, "tests" | "fuzz"));
            let of_tests = match source.split_once("#[cfg(test)]") {
                _ if is_test => source.as_str(),
                Some((_, of_tests)) => of_tests,
                None => "",
            };
            text += of_tests;
        }
    }
    text
}

/// Whether `id` stands there and no digit follows.
fn names(text: &str, id: &str) -> bool {
    let mut after = text.match_indices(id).map(|(at, _)| &text[at + id.len()..]);
    after.any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// The names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text
                .lines()
                .map(|line| line.trim_start().trim_start_matches("async "))
                .filter_map(|line| line.strip_prefix("fn "));
            found.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn every_test_that_the_threats_name_exists() {
    let mut found = BTreeSet::new();
    for folder in ["token", "filter", "companion", "tests"] {
        functions(&root().join(folder), &mut found);
    }
    let text = fs::read_to_string(root().join("docs/THREATS.md")).unwrap();
    let proofs: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with('|') && line.contains('`'))
        .filter_map(|line| line.trim_end_matches('|').rsplit_once('|'))
        .flat_map(|(_, proofs)| proofs.split('`').skip(1).step_by(2))
        .collect();
    assert!(proofs.len() > 50, "{}", proofs.len());
    let missing: Vec<_> = proofs
        .iter()
        .filter(|name| !found.contains(**name))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_requirement_of_the_filter_is_named_by_a_test_or_left_out_with_a_reason() {
    let tests: String = OF_THE_FILTER
        .map(|folder| test_sources(&root().join(folder)))
        .concat();
    let threats = fs::read_to_string(root().join("docs/THREATS.md")).unwrap();
    let (_, rest) = threats.split_once("## Requirements of the filter").unwrap();
    let (left_out, _) = rest.split_once("\n## ").unwrap();
    let mut faults = Vec::new();
    for (kind, numbers) in REQUIREMENTS {
        for number in numbers {
            let id = format!("{kind}-{number:02}");
            match (names(&tests, &id), names(left_out, &id)) {
                (true, false) | (false, true) => {}
                (true, true) => faults.push(format!("{id} is named and left out")),
                (false, false) => faults.push(format!("{id} is neither named nor left out")),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
