//! What Latchkey's issuer and verifier agree on.
//!
//! The companion issues access tokens, refresh tokens and feed pages with this crate; the filter verifies access tokens and pages
//! with it. An access token and a page are both a JWS in compact form (RFC 7515) told apart by `typ` (RFC 8725 section 3.11) and by
//! the key that signs them.
//!
//! The crate has no clock, no randomness and no I/O: time, keys and nonces are arguments. Arbitrary bytes never panic it. An
//! [`AccessToken`], a verified [`Page`] and a verified [`RefreshToken`] exist only after their signature or MAC held.
//!
//! Flow of a verification: size caps, three parts, strict header, key by `kid`, algorithm of that key, signature over the received
//! bytes, and only then the claims.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

// Where coverage is counted for fuzzing, every test program needs the engine that counts it.
#[cfg(all(test, not(target_family = "wasm")))]
use bolero as _;

mod access;
mod algorithm;
mod check;
mod cursor;
mod id;
mod json;
mod jwk;
mod jws;
mod keys;
mod page;
mod refresh;
mod rejection;
mod signing;
mod time;

pub use access::{AccessClaims, AccessToken, Expected, issue};
pub use algorithm::Algorithm;
pub use check::{Es256Check, SoftwareCheck, es256_to_der};
pub use cursor::{Cursor, Mark};
pub use id::{ChallengeId, GatewayId, InvalidId, SessionId, Subject, TokenId};
pub use json::strict_json;
pub use jwk::VerifyingKey;
pub use jws::{MAX_HEADER_PART_BYTES, MAX_TOKEN_BYTES};
pub use keys::{GatewayKeys, KeySet, KeySetError};
pub use page::Page;
pub use refresh::{MacKey, RefreshToken};
pub use rejection::Rejection;
pub use signing::SigningKey;
pub use time::UnixTime;

/// The largest number that every JSON reader keeps exact (2^53 − 1); feed numbers and generations stay at or below it.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
