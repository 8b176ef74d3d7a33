//! Attempts at the password of an account, wherever one is entered: counted before the password is looked at (RL-06), in the lane of a
//! known device, or in the one that all others share (RL-01, RL-03).
//!
//! A success clears its own lane: somebody who logs in every day from where he is known must not give an attacker new guesses elsewhere.
//! The lane that all share opens again after a recovery, which the owner alone can do.

use std::time::Duration;

use token::Subject;

use crate::app::App;
use crate::credentials::Credentials;
use crate::device::Device;
use crate::email::Email;
use crate::error::ApiError;
use crate::event::Event;
use crate::store::{Account, Client, Name, StoreError};
use crate::throttle::Closed;

/// What somebody is told to wait after too many failures in a row: no wait helps, but nobody is to know that an account is closed for
/// good, so it is the longest of the others (RL-04).
const LOCKED: Duration = Duration::from_secs(15 * 60);

/// An attempt that may be made.
pub struct Attempt(Name);

/// Counts an attempt at the password of the account with that address, which is limited alike where there is none.
///
/// # Errors
/// [`ApiError::RateLimited`]: it must not be made.
pub async fn reserve(
    app: &App,
    email: Option<&Email>,
    account: Option<&Account>,
    credentials: &Credentials,
    by: &Client,
) -> Result<Attempt, ApiError> {
    let attempt = in_a_lane(app, email, account, credentials).await;
    if let Err(ApiError::RateLimited(_)) = &attempt {
        app.tell(by, Event::failed("login_delayed"));
    }
    attempt
}

async fn in_a_lane(
    app: &App,
    email: Option<&Email>,
    account: Option<&Account>,
    credentials: &Credentials,
) -> Result<Attempt, ApiError> {
    let account = account.map(|account| account.id);
    if let Some(lane) = lane_of_device(app, account, credentials).await? {
        match count(app, lane).await? {
            None => return Ok(Attempt(lane)),
            Some(Closed::For(wait)) => return Err(ApiError::RateLimited(wait)),
            // It has used up its word, and is a stranger like others.
            Some(Closed::UntilRecovery) => {}
        }
    }
    let lane = shared_lane(app, email);
    match count(app, lane).await? {
        None => Ok(Attempt(lane)),
        Some(Closed::For(wait)) => Err(ApiError::RateLimited(wait)),
        Some(Closed::UntilRecovery) => Err(ApiError::RateLimited(LOCKED)),
    }
}

impl Attempt {
    /// The password was never looked at: else who retries while others flood the gate would close his own account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_back(self, app: &App) -> Result<(), StoreError> {
        app.store.take_back_attempt(self.0).await
    }

    /// The password was right.
    pub async fn succeed(self, app: &App) {
        if let Err(error) = app.store.forget_failures(self.0).await {
            // What it was for has been done; the next success forgets them.
            tracing::error!(%error, "failed attempts were not forgotten");
        }
    }
}

/// The owner has proved by mail that the account is his: whoever guessed before begins anew.
///
/// # Errors
/// [`StoreError`].
pub async fn recovered(app: &App, email: &Email) -> Result<(), StoreError> {
    app.store
        .forget_failures(shared_lane(app, Some(email)))
        .await
}

/// A login whose attempt was taken back, because more was asked for than the password, has come through.
pub async fn succeeded(
    app: &App,
    email: Option<&Email>,
    account: Subject,
    credentials: &Credentials,
) {
    match lane_of_device(app, Some(account), credentials).await {
        Ok(lane) => {
            let lane = lane.unwrap_or_else(|| shared_lane(app, email));
            Attempt(lane).succeed(app).await;
        }
        Err(error) => tracing::error!(%error, "failed attempts were not forgotten"),
    }
}

/// Of the device that the request shows, if it is one of this account.
async fn lane_of_device(
    app: &App,
    account: Option<Subject>,
    credentials: &Credentials,
) -> Result<Option<Name>, StoreError> {
    let Some(text) = credentials.device() else {
        return Ok(None);
    };
    let now = app.store.now().await?.wall.seconds();
    let device =
        Device::read(text, &app.vault, now).filter(|device| account == Some(device.account));
    let name = |device: Device| {
        app.vault
            .limiter_name("password of a device", &device.name())
    };
    Ok(device.map(name))
}

async fn count(app: &App, lane: Name) -> Result<Option<Closed>, StoreError> {
    let most = app.settings.limits.failures_in_a_row;
    let closed = app.store.reserve_attempt(lane, most).await?;
    if let Some(Closed::UntilRecovery) = closed {
        tracing::warn!(
            event = "password_locked",
            "too many failures in a row: a password is closed"
        );
    }
    Ok(closed)
}

/// What is no address has no account; it is counted like one that has none.
fn shared_lane(app: &App, email: Option<&Email>) -> Name {
    let email = email.map_or("", Email::as_str);
    app.vault.limiter_name("login failures", email)
}
