//! docs/API.md, whose calls and codes are those of the document.

use std::collections::BTreeSet;
use std::fs;

use tests::companion::Companion;
use tests::place::root;

use crate::document::{document, operations};

#[test]
fn the_reference_names_calls_and_codes_that_there_are() {
    let companion = Companion::start().unwrap();
    let document = document(&companion, "/openapi.json");
    let text = fs::read_to_string(root().join("docs/API.md")).unwrap();
    let spans: Vec<&str> = text.split('`').collect();
    let (mut calls, mut refusals) = (0, 0);
    // What stands between two backticks has an odd index.
    for (index, span) in spans.iter().enumerate().skip(1).step_by(2) {
        if let Some((method, path)) = span.split_once(" /") {
            let path = path.split('?').next().unwrap();
            let operation = &document["paths"][format!("/{path}")][method.to_lowercase()];
            assert!(operation.is_object(), "{span}");
            calls += 1;
        }
        let status = spans[index - 1].split_whitespace().last().unwrap_or("");
        let is_code = |word: &str| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if status.len() == 3 && status.parse::<u16>().is_ok() && is_code(span) {
            let codes: BTreeSet<_> = operations(&document)
                .into_iter()
                .map(|(_, operation)| &operation["responses"][status]["content"])
                .map(|content| &content["application/problem+json"]["schema"]["allOf"][1])
                .filter_map(|own| own["properties"]["code"]["enum"].as_array())
                .flatten()
                .filter_map(|code| code.as_str())
                .collect();
            assert!(codes.contains(span), "{status} {span}: {codes:?}");
            refusals += 1;
        }
    }
    assert!(calls > 10 && refusals > 8, "{calls} {refusals}");
}
