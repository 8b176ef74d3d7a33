//! Randomness, from the operating system only (ST-08).

use token::{ChallengeId, Mark, SessionId, Subject, TokenId};

/// `N` random bytes. Without randomness nothing here is safe, so its absence ends the process.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::getrandom(&mut bytes).is_err() {
        tracing::error!("the operating system gives no randomness");
        std::process::abort();
    }
    bytes
}

/// A new session's id.
pub fn session_id() -> SessionId {
    SessionId::from_bytes(bytes())
}

/// A new account's id.
pub fn subject() -> Subject {
    Subject::from_bytes(bytes())
}

/// A new access token's id.
pub fn token_id() -> TokenId {
    TokenId::from_bytes(bytes())
}

/// A new challenge's id.
pub fn challenge_id() -> ChallengeId {
    ChallengeId::from_bytes(bytes())
}

/// The mark of a feed number.
pub fn mark() -> Mark {
    Mark::from_bytes(bytes())
}
