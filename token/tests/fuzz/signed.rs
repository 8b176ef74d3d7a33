//! Any header, any claims, many encodings, all of them signed.

use crate::differential::verify;
use crate::draft::{Draft, keys};
use crate::weight::light;

/// TV-10, TV-13, TV-14, TV-30: the claims are reached, and no odd encoding or signature is accepted.
#[test]
fn token() {
    let keys = keys();
    bolero::check!().with_iterations(256).for_each(|text| {
        let draft = Draft::read(text);
        let raw = draft.sign();
        let verdict = light(|| verify(raw.as_bytes(), &keys));
        if let Ok(token) = verdict {
            assert!(is_honest(&draft, &raw), "{raw}");
            assert!(!token.subject().is_empty() && !token.token_id().is_empty());
        }
    });
}

/// Where a letter changes nothing the token is the honest one: `+` without a character in which the alphabets differ, `t` where there
/// are no bits to spare.
fn is_honest(draft: &Draft<'_>, raw: &str) -> bool {
    let honest = [draft.header, b"\n", draft.payload].concat();
    let (signed, _) = raw.rsplit_once('.').unwrap();
    let is_text_honest = Draft::read(&honest)
        .sign()
        .starts_with(&format!("{signed}."));
    draft.is_honest() || is_text_honest && !draft.has_odd_signature()
}
