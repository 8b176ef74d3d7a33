//! Recovery codes: each opens what the authenticator app opens, once, when the app is lost (TO-08).

use zeroize::Zeroizing;

use crate::base32;
use crate::entropy;

/// So many are given out at a time.
pub const HOW_MANY: usize = 10;
const CHARACTERS: usize = 26;

/// A new one: 128 random bits as 26 characters of base32.
pub fn draw() -> Zeroizing<String> {
    base32::encode(Zeroizing::new(entropy::bytes::<16>()).as_slice())
}

/// The recovery code that was typed; `None` when it cannot be one, and may be a code of the app.
pub fn typed(text: &str) -> Option<Zeroizing<String>> {
    // Longer than any code that somebody has grouped.
    if text.len() > 4 * CHARACTERS {
        return None;
    }
    let folded = base32::folded(text);
    (folded.len() == CHARACTERS && base32::is_base32(&folded)).then_some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TO-08.
    #[test]
    fn a_recovery_code_has_128_bits_and_is_known_however_it_is_typed() {
        let code = draw();
        assert_eq!(code.len(), 26);
        assert_ne!(code, draw());
        let (front, back) = code.split_at(13);
        for text in [
            code.to_lowercase(),
            format!(" {front}-{back} "),
            code.to_string(),
        ] {
            assert_eq!(typed(&text).as_ref(), Some(&code));
        }
        for text in ["", "123456", &code[1..], &"A".repeat(27), &"-".repeat(200)] {
            assert!(typed(text).is_none(), "{text}");
        }
    }
}
