//! A companion's keys without a companion: access tokens, key documents, and sessions to issue them for. Knows no host.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use token::{
    AccessClaims, Algorithm, GatewayKeys, KeySet, SessionId, SigningKey, Subject, TokenId, UnixTime,
};

/// The moment at which every host begins unless told otherwise.
pub const START: UnixTime = UnixTime::from_seconds(1_800_000_000);
/// The issuer of [`issuer`].
pub const ISSUER: &str = "https://www.example.com";
/// The audience of its tokens.
pub const AUDIENCE: &str = "https://www.example.com/api";

/// An issuer with a key for access tokens and another for feed pages.
#[derive(Clone)]
pub struct Issuer {
    name: String,
    access: Vec<SigningKey>,
    feed: SigningKey,
    version: u64,
    secret: u8,
}

/// The issuer that the gateways of the tests trust.
pub fn issuer() -> Issuer {
    Issuer::named(ISSUER, 7)
}

impl Issuer {
    /// An issuer whose keys follow from `secret`.
    pub fn named(name: &str, secret: u8) -> Self {
        Self {
            name: name.to_owned(),
            access: vec![signing_key(Algorithm::Es256, secret)],
            feed: signing_key(Algorithm::Es256, secret ^ 0x80),
            version: 1,
            secret,
        }
    }

    /// The same issuer, signing with Ed25519 too; see [`Issuer::signing_with`].
    #[must_use]
    pub fn with_eddsa(mut self) -> Self {
        self.access.push(signing_key(Algorithm::EdDsa, self.secret));
        self
    }

    /// The same issuer after a change of keys: this version, and access tokens signed with a key of that secret.
    #[must_use]
    pub fn rotated(mut self, version: u64, secret: u8) -> Self {
        self.access = vec![signing_key(Algorithm::Es256, secret)];
        (self.version, self.secret) = (version, secret);
        self
    }

    /// The same issuer with another feed key, in this version of the key set.
    #[must_use]
    pub fn with_feed_key(mut self, version: u64, secret: u8) -> Self {
        self.feed = signing_key(Algorithm::Es256, secret);
        self.version = version;
        self
    }

    /// `iss`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last change of its keys.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The key of access tokens.
    pub fn access_key(&self) -> &SigningKey {
        &self.access[0]
    }

    /// The key of access tokens with that algorithm.
    pub fn signing_with(&self, algorithm: Algorithm) -> &SigningKey {
        let mut keys = self.access.iter();
        keys.find(|key| key.algorithm() == algorithm)
            .expect("a key of that algorithm")
    }

    /// The key of feed pages.
    pub const fn feed_key(&self) -> &SigningKey {
        &self.feed
    }

    /// What `/gateway/v1/keys` answers.
    pub fn key_document(&self) -> String {
        let keys = self.access.iter().map(|key| key.verifying_key().clone());
        GatewayKeys {
            version: self.version,
            access: KeySet::new(keys.collect()).expect("different keys"),
            feed: KeySet::new(vec![self.feed.verifying_key().clone()]).expect("one key"),
        }
        .to_json()
    }

    /// The claims of a token for `session`, issued at `now` for 300 s.
    pub fn claims(&self, session: &Session, now: UnixTime) -> AccessClaims {
        AccessClaims {
            iss: self.name.clone(),
            aud: vec![AUDIENCE.to_owned()],
            sub: session.subject.to_string(),
            sid: session.id,
            jti: TokenId::from_bytes(digest(&format!("{} {}", session.id, now.seconds()))),
            iat: now,
            exp: now.plus(Duration::from_secs(300)),
            auth_time: now,
            acr: "password".to_owned(),
            amr: vec!["pwd".to_owned()],
            client_id: "latchkey".to_owned(),
            roles: session.roles.clone(),
            scope: None,
            email: None,
        }
    }

    /// A token for `session`, issued at [`START`] for 300 s.
    pub fn access_token(&self, session: &Session) -> String {
        self.access_token_at(session, START)
    }

    /// A token for `session`, issued at `now` for 300 s.
    pub fn access_token_at(&self, session: &Session, now: UnixTime) -> String {
        token::issue(&self.claims(session, now), self.access_key())
    }
}

/// Someone who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The account.
    pub subject: Subject,
    /// The session.
    pub id: SessionId,
    /// Roles of the account.
    pub roles: Vec<String>,
}

/// The session of that name; the same name is the same session.
pub fn session(name: &str) -> Session {
    Session {
        subject: Subject::from_bytes(digest(&format!("subject {name}"))),
        id: SessionId::from_bytes(digest(&format!("session {name}"))),
        roles: vec!["teller".to_owned()],
    }
}

/// A key that follows from `secret`.
pub fn signing_key(algorithm: Algorithm, secret: u8) -> SigningKey {
    SigningKey::from_secret(algorithm, &secret_bytes(secret)).expect("a scalar in range")
}

/// The bytes behind [`signing_key`].
pub fn secret_bytes(secret: u8) -> [u8; 32] {
    [secret; 32]
}

/// The first half of a SHA-256, for identifiers that follow from a name.
pub fn digest(text: &str) -> [u8; 16] {
    let digest = Sha256::digest(text);
    let (half, _) = digest.split_at(16);
    half.try_into().expect("16 bytes")
}
