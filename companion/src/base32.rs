//! Base32 as RFC 4648 section 6 has it, without padding: what people type from a page or a mail.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The text of these bytes; eight characters for each five.
pub fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // Room for all of it: a string that grows leaves copies behind.
    let mut text = String::with_capacity(bytes.len().div_ceil(5).saturating_mul(8));
    let (mut pending, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        pending = (pending << 8 | u32::from(*byte)) & 0xFFFF;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, pending >> bits);
        }
    }
    if bits > 0 {
        push(&mut text, pending << (5 - bits));
    }
    Zeroizing::new(text)
}

fn push(text: &mut String, group: u32) {
    let place = usize::try_from(group & 31).unwrap_or_default();
    text.push(char::from(ALPHABET.get(place).copied().unwrap_or_default()));
}

/// What was meant by what was typed: blanks and hyphens are no part of it, and case says nothing.
pub fn folded(typed: &str) -> Zeroizing<String> {
    let mut text = String::with_capacity(typed.len());
    text.extend(
        typed
            .chars()
            .filter(|character| !matches!(character, ' ' | '-'))
            .map(|character| character.to_ascii_uppercase()),
    );
    Zeroizing::new(text)
}

/// Whether all of it are characters of base32.
pub fn is_base32(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(encode(bytes.as_bytes()).as_str(), text);
        }
        assert_eq!(encode(&[0xFF; 16]).len(), 26);
    }

    #[test]
    fn what_was_typed_with_blanks_hyphens_and_small_letters_is_the_same() {
        assert_eq!(folded(" mzxw-6ytb OI").as_str(), "MZXW6YTBOI");
        assert!(is_base32("MZXW6YTBOI") && !is_base32("MZXW1") && !is_base32("mzxw"));
    }
}
