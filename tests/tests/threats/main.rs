//! docs/THREATS.md names the tests that prove it. A name without a test is a claim without a proof, and so is a requirement that no test
//! names.

mod requirements;
mod sources;

use std::collections::BTreeSet;
use std::fs;

use tests::place::root;

use self::requirements::{COMPANION, FILTER, NOT_YET, faults, ids, stale};
use self::sources::{functions, named_by_tests, named_in, test_sources};

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
/// Where the tests of the companion alone are.
const OF_THE_COMPANION: [&str; 6] = [
    "companion",
    "tests/src",
    "tests/tests/companion",
    "tests/tests/openapi",
    "tests/tests/replicas",
    "tests/tests/stores",
];

/// A section of docs/THREATS.md.
fn section(title: &str) -> String {
    let threats = fs::read_to_string(root().join("docs/THREATS.md")).unwrap();
    let (_, rest) = threats.split_once(&format!("## {title}\n")).unwrap();
    let end = rest.find("\n## ").unwrap_or(rest.len());
    rest[..end].to_owned()
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
    let left_out = named_in(&section("Requirements of the filter"));
    let found = faults(&ids(&FILTER), &named_in(&tests), &left_out);
    assert!(found.is_empty(), "{found:#?}");
}

/// What both programs have to do with, each for itself: a test of the filter is no proof for the companion.
#[test]
fn every_requirement_of_the_companion_is_named_by_a_test_or_left_out_with_a_reason() {
    let named = |folders: &[&str]| {
        let mut named = BTreeSet::new();
        for folder in folders {
            named_by_tests(&root().join(folder), &mut named);
        }
        named
    };
    let of_both = |id: &String| ids(&FILTER).contains(id);
    let mut all = named(&["token", "filter", "companion", "tests"]);
    let of_the_companion = named(&OF_THE_COMPANION);
    all.retain(|id| !of_both(id) || of_the_companion.contains(id));
    let mut left_out = named_in(&section("Requirements of the companion"));
    left_out.extend(stale(NOT_YET, &all));
    let found = faults(&ids(&COMPANION), &all, &left_out);
    assert!(found.is_empty(), "{found:#?}");
}
