//! The outbox's worker: makes a code at the moment its mail is sent, and tries again when that fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::code;
use crate::config::Limits;
use crate::mail::MailFolder;
use crate::store::{Errand, Name, NextErrand, Outcome, Prepared, Store};
use crate::throttle::Limit;
use crate::vault::Vault;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// After a failure of the store, and as a safety net for a wake-up that was lost.
const PAUSE: Duration = Duration::from_secs(1);

/// Carries the errands out, one after the other.
pub struct Worker {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// Makes the MAC of a code.
    pub vault: Arc<Vault>,
    /// Where mail goes.
    pub mails: MailFolder,
    /// How much mail an address may get.
    pub limits: Limits,
    /// Says that there is a new errand.
    pub wake: Arc<Notify>,
    /// Becomes true when the service ends.
    pub stop: watch::Receiver<bool>,
}

impl Worker {
    /// Works until the service ends, which it does between two errands.
    pub async fn run(self) {
        let mut stop = self.stop.clone();
        while !*stop.borrow() {
            let pause = match self.step().await {
                Ok(None) => continue,
                Ok(Some(pause)) => pause,
                Err(error) => {
                    tracing::error!(%error, "the outbox stands still");
                    PAUSE
                }
            };
            // Nothing to do, or only later; a settable clock may pass that moment at any time, so it looks again soon.
            tokio::select! {
                () = tokio::time::sleep(pause.min(PAUSE)) => {}
                () = self.wake.notified() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Carries out one errand; `Some`: there is none for so long.
    async fn step(&self) -> Outcome<Option<Duration>> {
        match self.store.next_errand().await? {
            NextErrand::Nothing => Ok(Some(PAUSE)),
            NextErrand::In(wait) => Ok(Some(wait)),
            NextErrand::Due(errand) => self.carry_out(errand).await.map(|()| None),
        }
    }

    /// The address of a resend was not known when it was asked for: its budget is drawn on here (OT-08), where nobody sees it.
    async fn is_beyond_budget(&self, errand: &Errand) -> Outcome<bool> {
        let Some(binding) = errand
            .code
            .as_ref()
            .filter(|_| errand.is_resend && errand.tries == 0)
        else {
            return Ok(false);
        };
        let limits = mail_limits(&self.vault, &self.limits, &binding.email);
        self.store
            .take(limits.into())
            .await
            .map(|wait| wait.is_some())
    }

    async fn carry_out(&self, errand: Errand) -> Outcome<()> {
        if self.is_beyond_budget(&errand).await? {
            return self.store.finish_errand(errand.id).await;
        }
        let drawn = errand.code.as_ref().map(|binding| {
            let code = code::draw();
            let mac = self.vault.code_mac(
                binding.purpose.name(),
                binding.challenge,
                &binding.email,
                &code,
            );
            (code, mac)
        });
        let mac = drawn.as_ref().map(|(_, mac)| *mac);
        let (to, mail) = match self.store.prepare_mail(errand.id, mac).await? {
            Prepared::Later => return Ok(()),
            Prepared::Nothing => return self.store.finish_errand(errand.id).await,
            Prepared::Send { to, mail } => (to, mail),
        };
        let now = self.store.now().await?.wall;
        let mails = self.mails.clone();
        let delivered = tokio::task::spawn_blocking(move || {
            mails.deliver(
                &to,
                mail,
                drawn.as_ref().map(|(code, _)| code.as_str()),
                now,
            )
        });
        match delivered.await {
            Ok(Ok(())) => self.store.finish_errand(errand.id).await,
            Ok(Err(error)) => {
                tracing::error!(errand = errand.id, tries = errand.tries, %error, "a mail could not be delivered; trying again");
                let wait = FIRST_RETRY
                    .saturating_mul(1 << errand.tries.min(6))
                    .min(LONGEST_RETRY);
                self.store.retry_errand(errand.id, wait).await
            }
            Err(_) => self.store.retry_errand(errand.id, LONGEST_RETRY).await,
        }
    }
}

/// How much mail an address may be sent because somebody asked for it: in a row, within an hour, within a day.
pub fn mail_limits(vault: &Vault, limits: &Limits, email: &str) -> [(Name, Limit); 3] {
    [
        ("mail_per_email", limits.mail_per_email),
        ("mail_per_email_hourly", limits.mail_per_email_hourly),
        ("mail_per_email_daily", limits.mail_per_email_daily),
    ]
    .map(|(name, limit)| (vault.limiter_name(name, email), limit))
}
