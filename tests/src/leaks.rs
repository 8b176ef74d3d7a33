//! Secrets that were handed out, and the search for them in what must hold none: in clear and in every common spelling of bytes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter texts stand anywhere by chance, unless they are a word of their own.
const LEAST: usize = 8;
/// What bytes are found by: so many of them are looked up at each place of a dump.
const HEAD: usize = 6;

/// Secrets, each with the name that a finding tells instead of it.
#[derive(Default)]
pub struct Secrets {
    /// Found wherever they stand, in any spelling.
    strings: BTreeMap<Vec<u8>, String>,
    /// Short ones such as six digits: found as a word of their own.
    words: BTreeMap<Vec<u8>, String>,
    /// What is no secret though it looks like one.
    public: BTreeSet<Vec<u8>>,
}

impl Secrets {
    /// A secret as it was handed out. Where it is the text of bytes, so are they.
    pub fn add(&mut self, name: &str, secret: &str) {
        if secret.len() < LEAST {
            return;
        }
        self.strings
            .entry(secret.as_bytes().to_vec())
            .or_insert_with(|| name.to_owned());
        let decoded = [
            URL_SAFE_NO_PAD.decode(secret).ok(),
            STANDARD_NO_PAD.decode(secret).ok(),
            unbase32(secret),
        ];
        // A word that happens to be base64 is none of bytes.
        for bytes in decoded
            .into_iter()
            .flatten()
            .filter(|bytes| bytes.len() >= 16)
        {
            self.add_bytes(&format!("the bytes of {name}"), &bytes);
        }
    }

    /// A secret that is no text.
    pub fn add_bytes(&mut self, name: &str, secret: &[u8]) {
        self.strings
            .entry(secret.to_vec())
            .or_insert_with(|| name.to_owned());
    }

    /// A short one: it is looked for as a word, neither letters nor digits around it.
    pub fn add_word(&mut self, name: &str, secret: &str) {
        self.words
            .entry(secret.as_bytes().to_vec())
            .or_insert_with(|| name.to_owned());
    }

    /// This may stand anywhere: an e-mail address that somebody tried as a password is none.
    pub fn allow(&mut self, text: &str) {
        self.public.insert(text.to_ascii_lowercase().into_bytes());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.strings.len() + self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that stand in `dump`, by name and spelling.
    pub fn found_in(&self, dump: &[u8]) -> Vec<String> {
        let mut table: BTreeMap<[u8; HEAD], Vec<Needle>> = BTreeMap::new();
        for needle in self.needles() {
            if let Some(head) = needle.bytes.first_chunk::<HEAD>() {
                table.entry(*head).or_default().push(needle);
            }
        }
        // Most places are ruled out by two bytes.
        let mut is_start = vec![false; 1 << 16];
        for head in table.keys() {
            is_start[usize::from(u16::from_be_bytes([head[0], head[1]]))] = true;
        }
        let mut found = BTreeSet::new();
        for (at, window) in dump.windows(HEAD).enumerate() {
            if !is_start[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                continue;
            }
            let Some(needles) = window.first_chunk().and_then(|head| table.get(head)) else {
                continue;
            };
            let stands = |needle: &&Needle| needle.stands_at(dump, at);
            found.extend(
                needles
                    .iter()
                    .filter(stands)
                    .map(|needle| needle.name.clone()),
            );
        }
        found.into_iter().collect()
    }

    fn needles(&self) -> Vec<Needle> {
        let is_public = |secret: &[u8]| {
            let secret = secret.to_ascii_lowercase();
            self.public.iter().any(|text| contains(text, &secret))
        };
        let strings = self.strings.iter().filter(|(secret, _)| !is_public(secret));
        let spelt = strings.flat_map(|(secret, name)| {
            spellings(secret)
                .into_iter()
                .map(move |(spelling, bytes)| Needle {
                    name: format!("{name}, {spelling}"),
                    bytes,
                    is_word: false,
                })
        });
        let words = self.words.iter().map(|(secret, name)| Needle {
            name: format!("{name}, in clear"),
            bytes: secret.clone(),
            is_word: true,
        });
        spelt.chain(words).collect()
    }
}

/// One spelling of a secret.
struct Needle {
    name: String,
    bytes: Vec<u8>,
    is_word: bool,
}

impl Needle {
    fn stands_at(&self, dump: &[u8], at: usize) -> bool {
        let end = at + self.bytes.len();
        if dump.get(at..end) != Some(self.bytes.as_slice()) {
            return false;
        }
        let is_letter = |at: Option<usize>| {
            at.and_then(|at| dump.get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        !self.is_word || !(is_letter(at.checked_sub(1)) || is_letter(Some(end)))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// In clear, as hexadecimal digits, as base64 in both alphabets and as base32: the latter also where it stands inside of longer bytes.
fn spellings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![
        ("in clear", secret.to_vec()),
        ("in hex", hex.to_ascii_uppercase().into_bytes()),
        ("in hex", hex.into_bytes()),
    ];
    for shift in 0..3 {
        for (name, engine) in [
            ("in base64", STANDARD_NO_PAD),
            ("in base64url", URL_SAFE_NO_PAD),
        ] {
            let text = inside(secret, shift, 3, |bytes| engine.encode(bytes).into_bytes());
            spellings.push((name, text));
        }
    }
    for shift in 0..5 {
        spellings.push(("in base32", inside(secret, shift, 5, base32)));
    }
    // What is left of a short one, with its ends cut off, could stand there by chance.
    spellings.retain(|(_, text)| text.len() >= LEAST);
    spellings
}

/// The characters that depend on the secret alone, where it begins `shift` bytes behind the beginning of a group.
fn inside(secret: &[u8], shift: usize, group: usize, encode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let bits = if group == 3 { 6 } else { 5 };
    let text = encode(&[&vec![0; shift], secret].concat());
    let from = (shift * 8).div_ceil(bits);
    let to = (shift + secret.len()) * 8 / bits;
    text.get(from..to).unwrap_or_default().to_vec()
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648 section 6, without padding.
fn base32(bytes: &[u8]) -> Vec<u8> {
    let digit = |number: usize| {
        let bits = (0..5).map(|bit| number * 5 + bit);
        let value = bits.fold(0, |value, bit| {
            let byte = bytes.get(bit / 8).copied().unwrap_or_default();
            value * 2 + usize::from(byte >> (7 - bit % 8) & 1)
        });
        BASE32[value]
    };
    (0..(bytes.len() * 8).div_ceil(5)).map(digit).collect()
}

/// The whole bytes that base32 characters spell, in either case.
fn unbase32(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| {
        BASE32
            .iter()
            .position(|known| *known == digit.to_ascii_uppercase())
    };
    let values: Option<Vec<usize>> = text.trim_end_matches('=').bytes().map(value).collect();
    let values = values?;
    let bit = |number: usize| values[number / 5] >> (4 - number % 5) & 1;
    let byte = |number: usize| {
        (0..8).fold(0, |byte, at| {
            byte * 2 + u8::try_from(bit(number * 8 + at)).unwrap_or_default()
        })
    };
    Some((0..values.len() * 5 / 8).map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("the password", "correct horse battery");
        secrets.add_bytes(
            "the key",
            &[0xfb, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255],
        );
        secrets.add_word("the code", "012345");
        secrets
    }

    fn found(dump: impl AsRef<[u8]>) -> Vec<String> {
        secrets().found_in(dump.as_ref())
    }

    /// RFC 4648 section 10.
    #[test]
    fn base32_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text.as_bytes());
            assert_eq!(unbase32(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(unbase32("mzxw6===").unwrap(), b"foo");
        assert!(unbase32("MZ1").is_none());
    }

    /// ST-01, AU-02: the search finds what it is given, in every spelling and at every place of longer bytes.
    #[test]
    fn a_planted_secret_is_found_in_every_spelling() {
        let password = b"correct horse battery";
        for before in 0..7 {
            for after in 0..7 {
                let longer =
                    [&vec![b'#'; before], password.as_slice(), &vec![b'*'; after]].concat();
                let hex: String = longer.iter().map(|byte| format!("{byte:02x}")).collect();
                for (spelling, text) in [
                    ("in clear", longer.clone()),
                    ("in hex", hex.clone().into_bytes()),
                    ("in hex", hex.to_uppercase().into_bytes()),
                    ("in base64", STANDARD_NO_PAD.encode(&longer).into_bytes()),
                    ("in base64url", URL_SAFE_NO_PAD.encode(&longer).into_bytes()),
                    ("in base32", base32(&longer)),
                ] {
                    let found = found([b"\0\0".as_slice(), &text, b" "].concat());
                    let expected = format!("the password, {spelling}");
                    assert!(
                        found.contains(&expected),
                        "{before} {after} {spelling}: {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn bytes_that_were_told_as_text_are_found_as_bytes() {
        let bytes = [
            7, 99, 1, 250, 4, 5, 6, 0, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
        ];
        for text in [
            URL_SAFE_NO_PAD.encode(bytes),
            String::from_utf8(base32(&bytes)).unwrap(),
        ] {
            let mut secrets = Secrets::default();
            secrets.add("the token", &text);
            let dump = [b"..".as_slice(), &bytes, b".."].concat();
            assert_eq!(
                secrets.found_in(&dump),
                ["the bytes of the token, in clear"]
            );
        }
    }

    #[test]
    fn six_digits_are_found_as_a_word_and_not_in_a_longer_number() {
        for dump in ["012345", "code=012345\n", "\"012345\"", "a 012345"] {
            assert_eq!(found(dump), ["the code, in clear"], "{dump}");
        }
        for dump in ["9012345", "0123456", "a012345", "012345Z", "01234", ""] {
            assert!(found(dump).is_empty(), "{dump}");
        }
    }

    #[test]
    fn what_is_public_is_no_secret() {
        let mut secrets = secrets();
        secrets.add("a password", "Alice@example.com");
        secrets.add("a short one", "x");
        secrets.allow("alice@example.com");
        assert!(
            secrets
                .found_in(b"alice@example.com Alice@example.com x")
                .is_empty()
        );
        assert_eq!(secrets.found_in(b"correct horse battery").len(), 1);
    }

    #[test]
    fn a_dump_without_secrets_has_none() {
        let dump: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(found(dump).is_empty());
        assert!(
            Secrets::default()
                .found_in(b"correct horse battery")
                .is_empty()
        );
    }
}
