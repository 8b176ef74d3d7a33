//! Configurations.

use serde_json::{Value, json};
use token::strict_json;

use crate::config::Config;

/// CF-01, FR-21: what is read reads alike once more, also when it is written in another way; and one unknown member anywhere refuses all.
#[test]
fn document() {
    bolero::check!()
        .with_iterations(256)
        .for_each(|bytes: &[u8]| {
            let config = match Config::parse(bytes) {
                Ok(config) => config,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return;
                }
            };
            assert!(!config.issuer.is_empty() && !config.audiences.is_empty());
            assert!(config.companion.is_some() || config.pinned.access.is_some());
            let mut document = strict_json(bytes).unwrap();
            let again = Config::parse(document.to_string().as_bytes()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{config:?}"));
            for at in 0..objects(&mut document, None) {
                let mut with_extra = document.clone();
                objects(&mut with_extra, Some(at));
                assert!(
                    Config::parse(with_extra.to_string().as_bytes()).is_err(),
                    "{with_extra}"
                );
            }
        });
}

/// How many objects have a fixed set of members; the one of that number gets one more. Header names are chosen by the operator, and key
/// sets may hold anything (RFC 7517 section 5).
fn objects(value: &mut Value, grown: Option<usize>) -> usize {
    fn walk(value: &mut Value, grown: Option<usize>, seen: &mut usize) {
        match value {
            Value::Object(members) => {
                let at = *seen;
                *seen += 1;
                for (name, member) in members.iter_mut() {
                    if !matches!(name.as_str(), "identity_headers" | "inline" | "feed") {
                        walk(member, grown, seen);
                    }
                }
                if grown == Some(at) {
                    members.insert("zz".to_owned(), json!(1));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, grown, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk(value, grown, &mut seen);
    seen
}
