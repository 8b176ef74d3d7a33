//! Looks through what a caller sends and gets, and keeps the secrets in it: afterwards they may stand nowhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::leaks::Secrets;

/// Members of an answer that are secrets, or lists of them.
const HANDED_OUT: [&str; 8] = [
    "access_token",
    "refresh_token",
    "secret",
    "client_secret",
    "recovery_codes",
    "codes",
    "otpauth_uri",
    "uri",
];
/// Members of a request that are.
const TYPED: [&str; 3] = ["password", "new_password", "current_password"];
/// Members of a request that may stand in the database, whatever they hold.
const TOLD: [&str; 4] = ["email", "new_email", "label", "name"];

/// Secrets that were seen. Clones are one record; what is in it is not shown.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Secrets>>);

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")
    }
}

impl Record {
    /// Works on what is in it.
    pub fn with<T>(&self, work: impl FnOnce(&mut Secrets) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A body was sent.
    pub fn sent(&self, body: &[u8]) {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return;
        };
        self.with(|secrets| {
            for (name, value) in &members {
                let text = value.as_str().unwrap_or_default();
                if TOLD.contains(&name.as_str()) {
                    secrets.allow(text);
                }
                if TYPED.contains(&name.as_str()) {
                    secrets.add("a password", text);
                }
            }
        });
    }

    /// An answer came.
    pub fn got(&self, headers: &[(String, String)], body: &[u8]) {
        self.with(|secrets| {
            let cookies = headers.iter().filter(|(name, _)| name == "set-cookie");
            for (_, cookie) in cookies {
                let pair = cookie.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').unwrap_or_default();
                add(secrets, &format!("the cookie {name}"), value);
            }
            if let Ok(value) = serde_json::from_slice(body) {
                look_through(secrets, None, &value);
            }
        });
    }
}

/// Whatever stands below a member of such a name.
fn look_through(secrets: &mut Secrets, name: Option<&str>, value: &Value) {
    match (value, name) {
        (Value::Object(members), _) => {
            for (member, value) in members {
                let name = HANDED_OUT.iter().find(|known| *known == member).copied();
                look_through(secrets, name, value);
            }
        }
        (Value::Array(values), _) => {
            for value in values {
                look_through(secrets, name, value);
            }
        }
        (Value::String(text), Some(name)) => add(secrets, name, text),
        _ => {}
    }
}

/// A secret as it is shown, and the parts of it that would do in its place.
fn add(secrets: &mut Secrets, name: &str, text: &str) {
    secrets.add(name, text);
    // The signature of a token, the MAC of a refresh token or of a device.
    if let Some((_, mac)) = text.rsplit_once('.') {
        secrets.add(&format!("the end of {name}"), mac);
    }
    // The secret in the address that an authenticator app reads.
    if let Some((_, query)) = text.split_once('?') {
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if key == "secret" {
                secrets.add(&format!("the secret in {name}"), value);
            }
        }
    }
    // A recovery code is shown in groups.
    let without_groups = text.replace(['-', ' '], "");
    if without_groups != text && !text.contains('.') {
        secrets.add(name, &without_groups);
        secrets.add(name, &without_groups.to_ascii_lowercase());
        secrets.add(name, &without_groups.to_ascii_uppercase());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// ST-01, AU-02: whatever shape an answer has, what is a secret in it is known afterwards, and found.
    #[test]
    fn the_secrets_of_an_exchange_are_known_afterwards() {
        let record = Record::default();
        let sent = json!({ "email": "alice@example.com", "password": "correct horse battery", "new_password": "alice@example.com" });
        record.sent(sent.to_string().as_bytes());
        let got = json!({
            "access_token": "header.payload.c2lnbmF0dXJlIG9mIGl0",
            "session": { "id": "0123456789abcdef" },
            "nested": [{ "recovery_codes": ["ABCDE-FGHIJ-KLMNO", "PQRST-UVWXY-Z2345"] }],
            "otpauth_uri": "otpauth://totp/a:b?issuer=a&secret=JBSWY3DPEHPK3PXP&digits=6",
        });
        let cookie = (
            "set-cookie".to_owned(),
            "__Secure-device=0123.4567.c29tZSBvdGhlciBtYWM; Path=/auth".to_owned(),
        );
        record.got(&[cookie], got.to_string().as_bytes());
        for secret in [
            "correct horse battery",
            "c2lnbmF0dXJlIG9mIGl0",
            "ABCDE-FGHIJ-KLMNO",
            "pqrstuvwxyz2345",
            "JBSWY3DPEHPK3PXP",
            "c29tZSBvdGhlciBtYWM",
        ] {
            let dump = format!("<{secret}>");
            let found = record.with(|secrets| secrets.found_in(dump.as_bytes()));
            assert!(!found.is_empty(), "{secret}");
        }
        for public in ["0123456789abcdef", "alice@example.com", "__Secure-device"] {
            let found = record.with(|secrets| secrets.found_in(public.as_bytes()));
            assert!(found.is_empty(), "{found:?}");
        }
        assert!(!format!("{record:?}").contains("correct"));
    }
}
