//! Refresh tokens and cursors.

use token::{Cursor, MacKey, RefreshToken};

use crate::weight::light;

/// RR-08, RR-15: one spelling per token: what is accepted is, byte for byte, what issuing gives.
#[test]
fn token() {
    let keys = [MacKey::new(2, [2; 32]), MacKey::new(1, [1; 32])];
    bolero::check!().with_iterations(512).for_each(|raw| {
        let Ok(text) = std::str::from_utf8(raw) else {
            return;
        };
        let Ok(token) = light(|| RefreshToken::verify(text, &keys)) else {
            return;
        };
        let key = keys.iter().find(|key| key.version() == token.key_version());
        let again = RefreshToken::issue(token.session(), token.generation(), key.unwrap());
        assert_eq!(again, text);
    });
}

/// One spelling per cursor.
#[test]
fn cursor() {
    bolero::check!().with_iterations(512).for_each(|raw| {
        let Ok(text) = std::str::from_utf8(raw) else {
            return;
        };
        if let Ok(cursor) = text.parse::<Cursor>() {
            assert_eq!(cursor.to_string(), text);
            assert!(cursor.number <= token::MAX_NUMBER);
        }
    });
}
