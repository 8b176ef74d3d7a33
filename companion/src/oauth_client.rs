//! The clients of the OAuth endpoints, and how one says who it is (RFC 6749 section 2.3).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::Settings;
use crate::form::{Form, decode};
use crate::oauth_error::OauthError;
use crate::secret::{self, SecretFileError};

/// The fewest characters of a client's secret.
const LEAST: usize = 32;

/// A client with a secret. Holds the digest of the secret alone, and has no `Debug`.
pub struct Confidential {
    id: String,
    digest: [u8; 32],
    introspects: bool,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The operator's own apps, which keep no secret: the id of `client_id`.
    FirstParty,
    /// A client that has shown its secret.
    Confidential {
        /// Whether it may ask what a token is.
        introspects: bool,
    },
}

/// The clients that the settings name.
///
/// # Errors
/// [`SecretFileError`].
pub fn read(settings: &Settings) -> Result<Vec<Confidential>, SecretFileError> {
    let read = |client: &crate::config::OauthClient| {
        let secret = secret::read(&client.secret_file)?;
        let secret = secret.trim();
        if secret.len() < LEAST {
            return Err(secret::problem(&client.secret_file)(
                "a client's secret has 32 characters at least",
            ));
        }
        Ok(Confidential {
            id: client.id.clone(),
            digest: Sha256::digest(secret).into(),
            introspects: client.introspect,
        })
    };
    settings.clients.iter().map(read).collect()
}

/// Who calls: by HTTP Basic, or by the form, and never by both.
///
/// # Errors
/// [`OauthError::InvalidClient`]; [`OauthError::Invalid`] for more than one way.
pub fn authenticate(
    headers: &HeaderMap,
    form: &Form,
    first_party: &str,
    clients: &[Confidential],
) -> Result<Caller, OauthError> {
    let (id, secret) = match (
        basic(headers)?,
        form.get("client_id"),
        form.get("client_secret"),
    ) {
        (Some(_), _, Some(_)) => {
            return Err(OauthError::Invalid("The client authenticates in two ways."));
        }
        (Some(basic), Some(named), None) if *basic.id != *named => {
            return Err(OauthError::Invalid("Two clients are named."));
        }
        (Some(basic), _, None) => (basic.id, Some(basic.secret)),
        (None, Some(id), secret) => {
            let secret = secret.map(|secret| Zeroizing::new(secret.to_owned()));
            (Zeroizing::new(id.to_owned()), secret)
        }
        (None, None, _) => return Err(OauthError::InvalidClient),
    };
    let Some(secret) = secret else {
        return if *id == first_party {
            Ok(Caller::FirstParty)
        } else {
            Err(OauthError::InvalidClient)
        };
    };
    let presented: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    // Ids are known to everybody. An unknown one costs a comparison all the same.
    let client = clients.iter().find(|client| client.id == *id);
    let digest = client.map_or([0; 32], |client| client.digest);
    let is_right = bool::from(presented.ct_eq(&digest));
    client
        .filter(|_| is_right)
        .map(|client| Caller::Confidential {
            introspects: client.introspects,
        })
        .ok_or(OauthError::InvalidClient)
}

struct Credentials {
    id: Zeroizing<String>,
    secret: Zeroizing<String>,
}

/// `client_secret_basic`: id and secret are form-encoded before they are put together.
fn basic(headers: &HeaderMap) -> Result<Option<Credentials>, OauthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(OauthError::Invalid(
            "There is more than one Authorization field.",
        ));
    }
    let parsed = value.to_str().ok().and_then(|value| {
        let (scheme, credentials) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let credentials = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
        let colon = credentials.iter().position(|byte| *byte == b':')?;
        let (id, secret) = credentials.split_at(colon);
        Some(Credentials {
            id: decode(id).ok()?,
            secret: decode(secret.get(1..)?).ok()?,
        })
    });
    parsed.map(Some).ok_or(OauthError::InvalidClient)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret: of + 32 % characters, at least";

    fn clients() -> Vec<Confidential> {
        vec![Confidential {
            id: "gate way".to_owned(),
            digest: Sha256::digest(SECRET).into(),
            introspects: true,
        }]
    }

    fn caller(authorization: &[&str], form: &str) -> Result<Caller, OauthError> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let form = Form::parse(form.as_bytes()).ok().unwrap();
        authenticate(&headers, &form, "latchkey", &clients())
    }

    fn basic_of(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    const ENCODED: &str = "a+secret%3A+of+%2B+32+%25+characters%2C+at+least";
    const KNOWN: Caller = Caller::Confidential { introspects: true };

    #[test]
    fn a_client_shows_its_secret_in_the_header_or_in_the_form() {
        let basic = basic_of(&format!("gate+way:{ENCODED}"));
        assert_eq!(caller(&[&basic], "").unwrap(), KNOWN);
        assert_eq!(caller(&[&basic], "client_id=gate+way").unwrap(), KNOWN);
        let form = format!("client_id=gate+way&client_secret={ENCODED}");
        assert_eq!(caller(&[], &form).unwrap(), KNOWN);
        assert_eq!(
            caller(&[], "client_id=latchkey").unwrap(),
            Caller::FirstParty
        );
    }

    #[test]
    fn who_does_not_show_the_right_secret_is_no_client() {
        let refused = |authorization: &[&str], form: &str| {
            let answer = caller(authorization, form);
            assert!(
                matches!(answer, Err(OauthError::InvalidClient)),
                "{authorization:?} {form}"
            );
        };
        refused(&[], "");
        refused(&[], "client_id=gate+way");
        refused(&[], "client_id=other");
        refused(&[], "client_id=gate+way&client_secret=x");
        refused(&[], &format!("client_id=other&client_secret={ENCODED}"));
        refused(&[], &format!("client_id=latchkey&client_secret={ENCODED}"));
        refused(&[], &format!("client_secret={ENCODED}"));
        refused(&[&basic_of("gate+way:x")], "");
        refused(&[&basic_of("latchkey:")], "");
        refused(&[&basic_of("gate+way")], "");
        refused(&["Basic !"], "");
        refused(&["Bearer x"], "client_id=latchkey");
    }

    /// RFC 6749 section 2.3: one way at a time.
    #[test]
    fn two_ways_at_once_are_refused() {
        let basic = basic_of(&format!("gate+way:{ENCODED}"));
        for (authorization, form) in [
            (
                vec![basic.as_str()],
                format!("client_id=gate+way&client_secret={ENCODED}"),
            ),
            (vec![&basic], "client_id=latchkey".to_owned()),
            (vec![&basic, &basic], String::new()),
        ] {
            let error = caller(&authorization, &form).unwrap_err();
            assert!(matches!(error, OauthError::Invalid(_)), "{form}");
        }
    }
}
