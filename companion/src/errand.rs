//! The words for the outbox's errands, the same in both stores.

/// A sign-up: mails its code.
pub const SIGN_UP: &str = "sign_up";
/// A code for the sign-up that is pending.
pub const ACTIVATION: &str = "activation";
/// Another code for the same challenge.
pub const RESEND: &str = "resend";
/// A notice that a refresh token was used again.
pub const REUSE: &str = "reuse";
/// A notice that codes are closed for today.
pub const CODES_CLOSED: &str = "codes_closed";
