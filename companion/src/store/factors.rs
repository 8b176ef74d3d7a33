//! The second factor: an account's authenticator app, and its recovery codes.

use std::time::Duration;

use async_trait::async_trait;
use token::{SessionId, Subject};

use super::{Client, Outcome};
use crate::clock::Millis;
use crate::receipt::Revocation;

/// The second factors of accounts. See the head of [`crate::store`] for what must hold.
///
/// What changes one is asked for from a session, and happens only while that lives. An app that is confirmed or removed moves the
/// account's login epoch, ends its other sessions (PW-15) and tells the owner by mail (PW-16), all in one transaction.
#[async_trait]
pub trait Factors: Send + Sync {
    /// Keeps the secret of an app that is to be confirmed, in the place of one that was not. False: the session has ended.
    async fn begin_totp(&self, by: FactorChange, sealed: Vec<u8>) -> Outcome<bool>;

    /// Counts an attempt at a code of the account's app, before anything is compared (TO-05).
    async fn attempt_totp(&self, account: Subject, which: Which) -> Outcome<TotpAttempt>;

    /// Makes the app that the code was of the one that counts, with these recovery codes and no others. `None`: the code was used
    /// already, the app is not to be confirmed any more, or the session has ended.
    async fn confirm_totp(
        &self,
        by: FactorChange,
        code: TotpCode,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<Option<FactorChanged>>;

    /// Removes the app, one that is to be confirmed too, and the recovery codes. `None`: there was none, or the session has ended.
    async fn remove_totp(&self, by: FactorChange) -> Outcome<Option<FactorChanged>>;

    /// Of the secrets that do not begin with `head`, those of apps behind that place, in their order, no more than `most`.
    async fn secrets_not_under(
        &self,
        head: [u8; 5],
        after: Option<(Subject, Which)>,
        most: u32,
    ) -> Outcome<Vec<AppSecret>>;

    /// The same secret, sealed anew, unless the app has another by now.
    async fn reseal_totp(&self, of: AppSecret, sealed: Vec<u8>) -> Outcome<()>;

    /// Puts these recovery codes in the place of all that there are. False: there is no app, or the session has ended.
    async fn replace_recovery_codes(
        &self,
        by: FactorChange,
        recovery_codes: Vec<[u8; 32]>,
    ) -> Outcome<bool>;
}

/// Who changes a factor: the owner, from this session.
#[derive(Clone, Debug)]
pub struct FactorChange {
    /// Whose factor.
    pub account: Subject,
    /// The session that stays.
    pub session: SessionId,
    /// From where.
    pub by: Client,
}

/// A factor was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorChanged {
    /// Of the other sessions; `None`: there was none.
    pub revocation: Option<Revocation>,
}

/// Which app of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that counts.
    Confirmed,
    /// The one whose enrolment has begun.
    Pending,
}

impl Which {
    /// As a store keeps it.
    pub const fn of(is_confirmed: bool) -> Self {
        if is_confirmed {
            Self::Confirmed
        } else {
            Self::Pending
        }
    }
}

/// The secret of an app as the store keeps it. Has no `Debug`.
pub struct AppSecret {
    /// Whose app.
    pub account: Subject,
    /// Which of the two.
    pub which: Which,
    /// The secret, as the vault has sealed it.
    pub sealed: Vec<u8>,
}

/// What an attempt at a code of the app meets.
pub enum TotpAttempt {
    /// There is no such app.
    NoApp,
    /// Too many codes of the last day were wrong: for so long not even the right one is looked at.
    Closed(Duration),
    /// It has been counted, and may be compared.
    Counted {
        /// The attempt itself, to be taken back when the code was right.
        id: u64,
        /// The secret, as the vault has sealed it.
        sealed: Vec<u8>,
        /// The store's time: the code must be of a step around it.
        at: Millis,
    },
}

/// A right code of the app, to be used up with what it opens.
pub struct TotpCode {
    /// Its time step.
    pub step: u64,
    /// Of which app.
    pub sealed: Vec<u8>,
    /// The attempt that was counted for it.
    pub attempt: u64,
}

/// A second factor that was shown.
pub enum Factor {
    /// A right code of the app.
    Totp(TotpCode),
    /// What may be a recovery code: its MAC by each live version of the key.
    RecoveryCode(Vec<[u8; 32]>),
}
