//! docs/THREATS.md names the tests that prove it. A name without a test is a claim without a proof.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::place::root;

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
