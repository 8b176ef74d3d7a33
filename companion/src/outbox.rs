//! The outbox's workers: they make a code at the moment its mail is sent, try again when that fails, and give up what cannot be sent.
//! Several errands are carried out at a time, so that a server which is slow with one mail does not hold up the others.

mod figures;

use std::sync::Arc;
use std::time::Duration;

use token::Subject;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::app::Draw;
use crate::backoff::{self, Next};
use crate::clock::Millis;
use crate::code::{self, Binding, Purpose};
use crate::config::{self, Limits};
use crate::entropy;
use crate::mail::{Failure, Letter, Mailer, Secrets};
use crate::store::{DrawnCode, Errand, Mail, NextErrand, Outcome, Prepared, Store};
use crate::vault::Vault;

pub use self::figures::{Figures, Shown};

/// After a failure of the store, and as a safety net for a wake-up that was lost.
const PAUSE: Duration = Duration::from_secs(1);
/// When the service ends, mails that are under way have so long; what is cut off then is sent again later.
const LAST_MAILS: Duration = Duration::from_secs(3);

/// Carries the errands out.
pub struct Worker {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// Makes the MAC of a code.
    pub vault: Arc<Vault>,
    /// Where mail goes.
    pub mails: Mailer,
    /// How much mail an address may get.
    pub limits: Limits,
    /// How many at a time, and how often.
    pub policy: config::Mail,
    /// What became of them.
    pub figures: Arc<Figures>,
    /// Says that there is a new errand.
    pub wake: Arc<Notify>,
    /// Becomes true when the service ends.
    pub stop: watch::Receiver<bool>,
}

impl Worker {
    /// Works until the service ends.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let mut stop = worker.stop.clone();
        let mut under_way = JoinSet::new();
        while !*stop.borrow() {
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= worker.policy.at_once {
                tokio::select! {
                    _ = under_way.join_next() => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
                continue;
            }
            let pause = match worker.store.next_errand().await {
                Ok(NextErrand::Due(errand)) => {
                    under_way.spawn(Arc::clone(&worker).carry_out(errand));
                    continue;
                }
                Ok(NextErrand::In(wait)) => wait,
                Ok(NextErrand::Nothing) => PAUSE,
                Err(error) => {
                    tracing::error!(%error, "the outbox stands still");
                    PAUSE
                }
            };
            // Nothing to do, or only later; a settable clock may pass that moment at any time, so it looks again soon.
            tokio::select! {
                () = tokio::time::sleep(pause.min(PAUSE)) => {}
                () = worker.wake.notified() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        let rest = async { while under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_MAILS, rest).await;
    }

    /// Whatever becomes of it, the others go on: when it is neither finished nor put off it is due again in a minute.
    async fn carry_out(self: Arc<Self>, errand: Errand) {
        let id = errand.id;
        if let Err(error) = self.try_to(errand).await {
            tracing::error!(errand = id, %error, "an errand was not carried out; trying again");
        }
    }

    async fn try_to(&self, errand: Errand) -> Outcome<()> {
        if errand.expires_at <= self.store.now().await?.wall {
            return self.give_up(&errand, "it could not be sent in time").await;
        }
        if self.is_beyond_budget(&errand).await? {
            return self.store.finish_errand(errand.id).await;
        }
        let purpose = errand.code.as_ref().map(|binding| binding.purpose);
        let drawn = errand.code.as_ref().map(|binding| self.draw(binding));
        let (secrets, drawn) = drawn.unzip();
        let (to, mail) = match self.store.prepare_mail(errand.id, drawn).await? {
            Prepared::Later => return Ok(()),
            Prepared::Nothing => return self.store.finish_errand(errand.id).await,
            Prepared::Send { to, mail } => (to, mail),
        };
        let now = self.store.now().await?.wall;
        let letter = Letter {
            to,
            mail,
            purpose,
            secrets: carried(mail, secrets.unwrap_or_default()),
            now,
        };
        self.count(now);
        // In a task of its own: a panic in it is a failure of this mail alone.
        let mails = self.mails.clone();
        let delivery = tokio::spawn(async move { mails.deliver(letter).await });
        let delivered = delivery.await.unwrap_or_else(|_| {
            Err(Failure {
                is_lasting: false,
                why: "sending it failed".to_owned(),
            })
        });
        match delivered {
            Ok(()) => {
                self.figures.note_delivered();
                self.store.finish_errand(errand.id).await
            }
            Err(failure) => self.after(&errand, &failure).await,
        }
    }

    async fn after(&self, errand: &Errand, failure: &Failure) -> Outcome<()> {
        self.figures.note_failed();
        let failures = errand.tries.saturating_add(1);
        let left = errand.expires_at.since(self.store.now().await?.wall);
        let [chance] = entropy::bytes();
        match backoff::after(failures, self.policy.most_tries, left, chance) {
            Next::Again(wait) if !failure.is_lasting => {
                let why = &failure.why;
                tracing::warn!(errand = errand.id, tries = failures, %why, "a mail could not be delivered; trying again");
                self.store.retry_errand(errand.id, wait).await
            }
            Next::Again(_) | Next::GiveUp => self.give_up(errand, &failure.why).await,
        }
    }

    async fn give_up(&self, errand: &Errand, why: &str) -> Outcome<()> {
        self.store.bury_errand(errand.id, why).await?;
        self.figures.note_dead();
        tracing::error!(event = "mail_given_up", errand = errand.id, %why, "a mail was given up");
        Ok(())
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
        let (account, email) = (binding.account, &binding.email);
        let limits = mail_limits(&self.vault, &self.limits, binding.purpose, account, email);
        let buckets = limits.iter().map(|draw| draw.bucket).collect();
        self.store
            .take(buckets)
            .await
            .map(|used_up| used_up.is_some())
    }

    /// The code in the mail, and what is stored of it. Which of the two it carries, its kind says.
    fn draw(&self, binding: &Binding) -> (Secrets, DrawnCode) {
        let (short, long) = (code::draw(), code::draw_long());
        let drawn = DrawnCode {
            mac: self.vault.code_mac(binding, &short),
            long_mac: self.vault.code_mac(binding, &long),
            binding: binding.clone(),
        };
        let is_recovery = binding.purpose == Purpose::Recovery;
        let secrets = Secrets {
            code: Some(short),
            long_code: is_recovery.then_some(long),
        };
        (secrets, drawn)
    }

    /// The budget of all together only alarms.
    fn count(&self, now: Millis) {
        if self
            .figures
            .is_new_alarm(self.limits.mail_hourly_total, now)
        {
            tracing::error!(
                event = "mail_budget_exceeded",
                budget = %self.limits.mail_hourly_total,
                "more mail is sent than limits.mail_hourly_total says; it is sent all the same"
            );
        }
    }
}

/// Those of the codes that the mail is to carry: the others open nothing.
fn carried(mail: Mail, mut secrets: Secrets) -> Secrets {
    Secrets {
        code: secrets.code.take().filter(|_| mail.has_code()),
        long_code: secrets.long_code.take().filter(|_| mail.has_long_code()),
    }
}

/// How much mail may be sent because somebody asked for it: in a row, within an hour, within a day. What only an account's owner can ask
/// for counts for the account: a stranger uses nothing of it up.
pub fn mail_limits(
    vault: &Vault,
    limits: &Limits,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> Vec<Draw> {
    let of = |subject: &str| {
        [
            ("mail_per_email", limits.mail_per_email),
            ("mail_per_email_hourly", limits.mail_per_email_hourly),
            ("mail_per_email_daily", limits.mail_per_email_daily),
        ]
        .map(|(name, limit)| Draw::of(vault, name, subject, limit))
    };
    let owner = account
        .map(|account| account.to_string())
        .unwrap_or_default();
    match purpose {
        Purpose::Activation => of(email).into(),
        Purpose::Recovery => {
            let limit = limits.recovery_per_email;
            let recovery = Draw::of(vault, "recovery_per_email", email, limit);
            [vec![recovery], of(email).into()].concat()
        }
        Purpose::StepUp | Purpose::Login => of(&owner).into(),
        Purpose::EmailChange => [of(&owner), of(email)].concat(),
    }
}
