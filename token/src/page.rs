//! Pages of the revocation feed: what the companion signs and every gateway applies.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jws::{self, Kind};
use crate::{Es256Check, KeySet, MAX_NUMBER, Mark, Rejection, SessionId, SigningKey, UnixTime};

/// One signed answer of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The issuer whose sessions these are.
    pub iss: String,
    /// The store's time of the read behind this page.
    pub iat: UnixTime,
    /// The number that the page continues; 0 for one that starts from the beginning.
    pub after: u64,
    /// The number of the last row of the read, or `after` when there was none.
    pub seq: u64,
    /// The mark of `seq`; absent only when `seq` is 0.
    pub mark: Option<Mark>,
    /// Whether rows beyond `seq` were there already.
    pub more: bool,
    /// The number of the last change of the key set.
    pub keys: u64,
    /// Ended sessions, each with the latest `exp` of its access tokens.
    pub revoked: Vec<(SessionId, UnixTime)>,
}

/// Version 1 of the payload. A change of meaning gets another number.
#[derive(Serialize)]
struct Payload<'a> {
    v: u8,
    iss: &'a str,
    iat: UnixTime,
    after: u64,
    seq: u64,
    mark: String,
    more: bool,
    keys: u64,
    revoked: &'a [(SessionId, UnixTime)],
}

impl Page {
    /// The most entries of one page.
    pub const MAX_ENTRIES: usize = 2_000;
    /// The largest page, in bytes of its compact form.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Signs the page. It must hold at most [`Page::MAX_ENTRIES`] entries, or no gateway takes it.
    pub fn sign(&self, key: &SigningKey) -> String {
        let payload = Payload {
            v: 1,
            iss: &self.iss,
            iat: self.iat,
            after: self.after,
            seq: self.seq,
            mark: self.mark.map(|mark| mark.to_string()).unwrap_or_default(),
            more: self.more,
            keys: self.keys,
            revoked: &self.revoked,
        };
        jws::sign(Kind::Page, &payload, key)
    }

    /// Verifies form, signature, version, issuer and the type of every member. Unknown members are ignored.
    ///
    /// Whether the page continues what was asked, and how fresh it is, only the asker can tell.
    ///
    /// # Errors
    /// The first [`Rejection`] that applies; [`Rejection::UnknownKey`] is the sign of a key set that has changed.
    pub fn verify(
        raw: &[u8],
        keys: &KeySet,
        check: &dyn Es256Check,
        issuer: &str,
    ) -> Result<Self, Rejection> {
        let payload = jws::verify(Kind::Page, raw, Self::MAX_BYTES, keys, check)?;
        let page = Self::read(&payload).ok_or(Rejection::Malformed)?;
        if page.iss != issuer {
            return Err(Rejection::WrongIssuer);
        }
        Ok(page)
    }

    fn read(payload: &Map<String, Value>) -> Option<Self> {
        if payload.get("v")?.as_u64()? != 1 {
            return None;
        }
        let number = |name: &str| {
            payload
                .get(name)?
                .as_u64()
                .filter(|number| *number <= MAX_NUMBER)
        };
        let revoked = payload
            .get("revoked")?
            .as_array()
            .filter(|entries| entries.len() <= Self::MAX_ENTRIES)?;
        let (after, seq) = (number("after")?, number("seq")?);
        let mark = match payload.get("mark")?.as_str()? {
            "" => None,
            mark => Some(mark.parse().ok()?),
        };
        if seq < after || mark.is_none() != (seq == 0) {
            return None;
        }
        Some(Self {
            iss: payload.get("iss")?.as_str()?.to_owned(),
            iat: UnixTime::from_seconds(payload.get("iat")?.as_i64()?),
            after,
            seq,
            mark,
            more: payload.get("more")?.as_bool()?,
            keys: number("keys")?,
            revoked: revoked.iter().map(entry).collect::<Option<_>>()?,
        })
    }
}

fn entry(value: &Value) -> Option<(SessionId, UnixTime)> {
    let [session, expires_at] = value.as_array()?.as_slice() else {
        return None;
    };
    Some((
        session.as_str()?.parse().ok()?,
        UnixTime::from_seconds(expires_at.as_i64()?),
    ))
}
