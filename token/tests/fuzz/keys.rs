//! Key sets.

use token::{GatewayKeys, KeySet};

/// TV-04, TV-08: what is read as a set of keys can be written, reads equal, and holds public members alone.
#[test]
fn set() {
    bolero::check!().with_iterations(512).for_each(|text| {
        let Ok(keys) = KeySet::parse(text) else {
            return;
        };
        assert!((1..=64).contains(&keys.len()));
        let written = keys.to_value();
        let again = KeySet::parse_value(&written).unwrap();
        assert_eq!(again.to_value(), written);
        assert!(again.ignored().is_empty());
        for (key, value) in keys.iter().zip(written["keys"].as_array().unwrap()) {
            assert_eq!(keys.find(key.kid()), Some(key));
            let members = value.as_object().unwrap().keys();
            assert!(members.into_iter().all(|name| {
                ["alg", "crv", "kid", "kty", "use", "x", "y"].contains(&name.as_str())
            }));
        }
    });
}

/// KR-07: both sets of the gateways' document, and no key in both.
#[test]
fn document() {
    bolero::check!().with_iterations(512).for_each(|text| {
        let Ok(keys) = GatewayKeys::parse(text) else {
            return;
        };
        assert!(
            keys.access
                .iter()
                .all(|key| keys.feed.find(key.kid()).is_none())
        );
        let again = GatewayKeys::parse(keys.to_json().as_bytes()).unwrap();
        assert_eq!(again.to_json(), keys.to_json());
    });
}
