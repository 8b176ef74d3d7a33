//! An authenticator app as a visitor has it: RFC 6238 written down once more, apart from the companion's.

use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha1::Sha1;

use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::visitor::Tokens;

/// The app, with the secret of one account.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// As the app was given it: base32.
    pub secret: String,
}

/// What the owner keeps after an enrolment.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The app.
    pub app: Authenticator,
    /// The recovery codes.
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// The secret as bytes.
    pub fn secret_bytes(&self) -> Vec<u8> {
        decoded(&self.secret)
    }

    /// The code that the app shows at that moment, in seconds since 1970.
    pub fn code_at(&self, seconds: i64) -> String {
        let step = u64::try_from(seconds / 30).unwrap_or_default();
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&decoded(&self.secret)) else {
            return String::new();
        };
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let at = usize::from(digest[19] & 15);
        let word = [
            digest[at] & 127,
            digest[at + 1],
            digest[at + 2],
            digest[at + 3],
        ];
        format!("{:06}", u32::from_be_bytes(word) % 1_000_000)
    }

    /// Six digits that it shows at none of the moments around that one.
    pub fn wrong_at(&self, seconds: i64) -> String {
        let shown: Vec<_> = (-2..=2)
            .map(|steps| self.code_at(seconds + 30 * steps))
            .collect();
        let mut codes = (0..).map(|code| format!("{code:06}"));
        codes.find(|code| !shown.contains(code)).unwrap_or_default()
    }
}

/// Asks for a secret, with a token that is stepped up.
///
/// # Errors
/// As [`crate::client::Request::send`].
pub fn begin(client: &Client, tokens: &Tokens) -> Result<Answer, Fault> {
    client
        .post("/auth/v1/account/totp")
        .bearer(&tokens.access)
        .send()
}

/// Enters the first code of an app.
///
/// # Errors
/// As [`crate::client::Request::send`].
pub fn confirm(client: &Client, tokens: &Tokens, code: &str) -> Result<Answer, Fault> {
    client
        .post("/auth/v1/account/totp/confirm")
        .bearer(&tokens.access)
        .header("prefer", "respond-async")
        .json(&json!({ "code": code }))
        .send()
}

/// Enrols an app at that moment.
///
/// # Errors
/// When a step does not answer as it must.
pub fn enrol(client: &Client, tokens: &Tokens, now: i64) -> Result<Enrolled, Fault> {
    let secret = begin(client, tokens)?
        .expect(201, "an enrolment")?
        .string("/secret");
    let app = Authenticator { secret };
    let confirmed = confirm(client, tokens, &app.code_at(now))?;
    let codes = confirmed.json()["recovery_codes"].clone();
    let recovery_codes: Vec<String> = serde_json::from_value(codes)
        .map_err(|_| Fault::new(format!("no recovery codes: {}", confirmed.text())))?;
    Ok(Enrolled {
        app,
        recovery_codes,
    })
}

/// RFC 4648 section 6.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut pending, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'2'..=b'7' => character - b'2' + 26,
            _ => continue,
        };
        pending = (pending << 5 | u32::from(value)) & 0xFFFF;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(pending >> bits & 255).unwrap_or_default());
        }
    }
    bytes
}
