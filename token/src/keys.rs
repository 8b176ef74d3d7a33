//! Key sets: the keys that access tokens or feed pages are checked with (RFC 7517 section 5).

use std::fmt;

use serde_json::{Value, json};

use crate::json::strict_json;
use crate::jwk::{self, Jwk};
use crate::{MAX_NUMBER, VerifyingKey};

/// At most this many keys are taken; a larger set is refused.
const MAX_KEYS: usize = 64;

/// Why a key set is refused. A refused set never replaces a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Not JSON, not of the right shape, or a key with the defect that the text names.
    Malformed(&'static str),
    /// It holds a symmetric key.
    Symmetric,
    /// It holds a private key.
    Private,
    /// Two keys share one `kid`.
    RepeatedKid,
    /// It holds no key that can be used.
    Empty,
    /// It holds more than 64 keys.
    TooMany,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(defect) => defect,
            Self::Symmetric => "the key set holds a symmetric key",
            Self::Private => "the key set holds a private key",
            Self::RepeatedKid => "two keys have the same `kid`",
            Self::Empty => "the key set holds no usable key",
            Self::TooMany => "the key set holds more than 64 keys",
        })
    }
}

impl std::error::Error for KeySetError {}

/// Keys that verify, each under its own `kid`; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    ignored: Vec<String>,
}

impl KeySet {
    /// Makes a set of `keys`.
    ///
    /// # Errors
    /// [`KeySetError::Empty`], [`KeySetError::TooMany`], [`KeySetError::RepeatedKid`].
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, KeySetError> {
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let is_repeated = |(at, key): (usize, &VerifyingKey)| {
            keys.iter().take(at).any(|other| other.kid() == key.kid())
        };
        if keys.iter().enumerate().any(is_repeated) {
            return Err(KeySetError::RepeatedKid);
        }
        Ok(Self {
            keys,
            ignored: Vec::new(),
        })
    }

    /// Reads `{"keys":[…]}`. Members that are not known are ignored (RFC 7517 section 5), repeated ones are refused.
    ///
    /// # Errors
    /// [`KeySetError`]; one key with a defect refuses the whole set.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        Self::parse_value(
            &strict_json(text)
                .map_err(|_| KeySetError::Malformed("the key set is not strict JSON"))?,
        )
    }

    /// Reads a set that is part of a larger document.
    ///
    /// # Errors
    /// As [`KeySet::parse`].
    pub fn parse_value(set: &Value) -> Result<Self, KeySetError> {
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeySetError::Malformed("the key set has no array `keys`"))?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let (mut usable, mut ignored) = (Vec::new(), Vec::new());
        for key in keys {
            match jwk::parse(key)? {
                Jwk::Usable(key) => usable.push(key),
                Jwk::Ignored(what) => ignored.push(what),
            }
        }
        Ok(Self {
            ignored,
            ..Self::new(usable)?
        })
    }

    /// The key of that name.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// The keys, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// Whether a key stands in both sets, by its name or by itself under another name (KR-07).
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        let is_shared = |key: &VerifyingKey| {
            let mut others = other.keys.iter();
            others.any(|other| other.kid() == key.kid() || other.has_same_point_as(key))
        };
        self.keys.iter().any(is_shared)
    }

    /// How many keys there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// What was in the document and is not used, for the operator.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The set as a JWK Set document.
    pub fn to_value(&self) -> Value {
        json!({ "keys": self.keys.iter().map(VerifyingKey::to_value).collect::<Vec<_>>() })
    }
}

/// What `/gateway/v1/keys` answers: both key sets and the feed number of their last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKeys {
    /// The feed number of the last change of either set.
    pub version: u64,
    /// Checks access tokens.
    pub access: KeySet,
    /// Checks feed pages, and nothing else (KR-07).
    pub feed: KeySet,
}

impl GatewayKeys {
    /// Reads the document.
    ///
    /// # Errors
    /// [`KeySetError`]; also when one key stands in both sets, for then a token could pass as a page.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let document = strict_json(text)
            .map_err(|_| KeySetError::Malformed("the key document is not strict JSON"))?;
        if document.get("v") != Some(&json!(1)) {
            return Err(KeySetError::Malformed(
                "the key document is not of version 1",
            ));
        }
        let set = |name| {
            document
                .get(name)
                .ok_or(KeySetError::Malformed("a key set is missing"))
                .and_then(KeySet::parse_value)
        };
        let version = document
            .get("version")
            .and_then(Value::as_u64)
            .filter(|version| *version <= MAX_NUMBER);
        let keys = Self {
            version: version.ok_or(KeySetError::Malformed("the key document has no `version`"))?,
            access: set("access")?,
            feed: set("feed")?,
        };
        if keys.access.shares_a_key_with(&keys.feed) {
            return Err(KeySetError::RepeatedKid);
        }
        Ok(keys)
    }

    /// Writes the document.
    pub fn to_json(&self) -> String {
        json!({ "v": 1, "version": self.version, "access": self.access.to_value(), "feed": self.feed.to_value() }).to_string()
    }
}
