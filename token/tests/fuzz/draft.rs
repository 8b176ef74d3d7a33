//! A token as three lines of text, so that an engine gets past the signature and a person can read the seeds.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use token::{Algorithm, KeySet, SigningKey};

const SECRET: [u8; 32] = [7; 32];

/// Header, payload, and a line of letters that say how the two are encoded and signed:
///
/// `e` signs with the Ed25519 key (else the P-256 key signs), `h` writes the other valid s, `=` pads the payload, `+` uses the other
/// alphabet, `t` sets stray bits behind the payload, `n` breaks it with a new line, `.` adds a part, `d` cuts the signature, `l`
/// lengthens it, `z` writes zeros for it, `D` writes it as DER, `f` flips a bit of it. Other letters mean nothing.
pub(crate) struct Draft<'a> {
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    how: &'a [u8],
}

impl<'a> Draft<'a> {
    pub(crate) fn read(text: &'a [u8]) -> Self {
        let mut lines = text.splitn(3, |byte| *byte == b'\n');
        let mut line = || lines.next().unwrap_or_default();
        Self {
            header: line(),
            payload: line(),
            how: line(),
        }
    }

    fn says(&self, letter: u8) -> bool {
        self.how.contains(&letter)
    }

    /// Whether encoding and signature are those of an honest issuer.
    pub(crate) fn is_honest(&self) -> bool {
        !self.how.iter().any(|letter| b"=+tn.dlzDf".contains(letter))
    }

    /// Whether the signature itself is none that an honest issuer makes.
    pub(crate) fn has_odd_signature(&self) -> bool {
        self.how.iter().any(|letter| b"dlzDf".contains(letter))
    }

    /// The token, signed over exactly the text that it has.
    pub(crate) fn sign(&self) -> String {
        let mut payload = if self.says(b'+') {
            STANDARD_NO_PAD.encode(self.payload)
        } else {
            URL_SAFE_NO_PAD.encode(self.payload)
        };
        if self.says(b't') {
            stray_bits(&mut payload);
        }
        for (letter, text) in [(b'=', "="), (b'n', "\n"), (b'.', ".e30")] {
            if self.says(letter) {
                payload.push_str(text);
            }
        }
        let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(self.header));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        if self.says(b'z') {
            return vec![0; 64];
        }
        let mut signature = if self.says(b'e') {
            let key = ed25519_dalek::SigningKey::from_bytes(&SECRET);
            key.sign(signed).to_bytes().to_vec()
        } else {
            let key = p256::ecdsa::SigningKey::from_slice(&SECRET).unwrap();
            let mut signature: p256::ecdsa::Signature = key.sign(signed);
            if self.says(b'h') {
                let (r, s) = signature.split_scalars();
                signature = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
            }
            signature.to_bytes().to_vec()
        };
        if self.says(b'f') {
            signature[63] ^= 1;
        }
        if self.says(b'D') {
            let fixed = signature.as_slice().try_into().unwrap();
            signature = token::es256_to_der(&fixed).unwrap();
        }
        if self.says(b'd') {
            signature.pop();
        }
        if self.says(b'l') {
            signature.push(0);
        }
        signature
    }
}

/// RFC 4648 section 3.5: another last character that a lax reader decodes to the same bytes.
fn stray_bits(text: &mut String) {
    let spare = match text.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return,
    };
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = text.pop().and_then(|last| alphabet.find(last)).unwrap_or(0);
    debug_assert_eq!(
        value % (1 << spare),
        0,
        "an encoder leaves these bits clear"
    );
    text.push(char::from(alphabet.as_bytes()[value + 1]));
}

/// The P-256 key under the name `p` and the Ed25519 key under the name `e`, so that seeds stay short.
pub(crate) fn keys() -> KeySet {
    let named = |algorithm, kid: &str| {
        let key = SigningKey::from_secret(algorithm, &SECRET).unwrap();
        let mut value = key.verifying_key().to_value();
        value["kid"] = kid.into();
        value
    };
    let keys = [named(Algorithm::Es256, "p"), named(Algorithm::EdDsa, "e")];
    KeySet::parse_value(&serde_json::json!({ "keys": keys })).unwrap()
}
