//! Refresh tokens: `lkr_<sid>.<generation>.<mac>`, stateless in form.
//!
//! Knows the form and the MAC; whether a generation is live is the store's to say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::cursor::parse_number;
use crate::{Rejection, SessionId};

const PREFIX: &str = "lkr_";
const LABEL: &[u8] = b"latchkey/refresh";
/// Prefix, session id, generation of 16 digits, MAC and two dots.
const MAX_BYTES: usize = 4 + 32 + 1 + 16 + 1 + 43;
const MAC_CHARACTERS: usize = 43;

/// One version of the key under which refresh tokens carry a MAC. Wiped when dropped; has no `Debug`.
#[derive(Clone)]
pub struct MacKey {
    version: u32,
    secret: Zeroizing<[u8; 32]>,
}

impl MacKey {
    /// A key of 256 bits, derived by the caller for this use alone.
    pub fn new(version: u32, secret: [u8; 32]) -> Self {
        Self {
            version,
            secret: Zeroizing::new(secret),
        }
    }

    /// The version, which goes into the MAC but not into the token.
    pub const fn version(&self) -> u32 {
        self.version
    }

    fn mac(&self, session: SessionId, generation: u64) -> Hmac<Sha256> {
        let mut mac = keyed(&self.secret);
        mac.update(LABEL);
        mac.update(&self.version.to_be_bytes());
        mac.update(session.as_bytes());
        mac.update(&generation.to_be_bytes());
        mac
    }
}

/// A refresh token whose MAC held: the companion made it, for this session and this generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    session: SessionId,
    generation: u64,
    key_version: u32,
}

impl RefreshToken {
    /// Writes the token of `session` in `generation`. The same arguments give the same bytes, which is what lets a repeated
    /// parent be answered with the same successor.
    pub fn issue(session: SessionId, generation: u64, key: &MacKey) -> String {
        let mac = key.mac(session, generation).finalize().into_bytes();
        format!(
            "{PREFIX}{session}.{generation}.{}",
            URL_SAFE_NO_PAD.encode(mac)
        )
    }

    /// Verifies a token against the live keys, in the order given (newest first; at most three are tried).
    ///
    /// # Errors
    /// [`Rejection::TooLong`], [`Rejection::Malformed`], or [`Rejection::BadSignature`] when no key's MAC holds.
    pub fn verify(raw: &str, keys: &[MacKey]) -> Result<Self, Rejection> {
        if raw.len() > MAX_BYTES {
            return Err(Rejection::TooLong);
        }
        let (session, generation, mac) = parse(raw).ok_or(Rejection::Malformed)?;
        keys.iter()
            .take(3)
            // `verify_slice` compares in constant time (RR-08).
            .find(|key| key.mac(session, generation).verify_slice(&mac).is_ok())
            .map(|key| Self {
                session,
                generation,
                key_version: key.version,
            })
            .ok_or(Rejection::BadSignature)
    }

    /// The session that it renews.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The generation that it presents.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The version of the MAC key that made it.
    pub const fn key_version(&self) -> u32 {
        self.key_version
    }
}

fn parse(raw: &str) -> Option<(SessionId, u64, Vec<u8>)> {
    let mut parts = raw.strip_prefix(PREFIX)?.splitn(3, '.');
    let session = parts.next()?.parse().ok()?;
    let generation = parse_number(parts.next()?)?;
    let mac = parts.next().filter(|mac| mac.len() == MAC_CHARACTERS)?;
    Some((session, generation, URL_SAFE_NO_PAD.decode(mac).ok()?))
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length (RFC 2104 section 3)"
    )]
    <Hmac<Sha256> as Mac>::new_from_slice(secret).expect("a key of 32 bytes")
}
