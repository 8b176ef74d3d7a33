//! Every limit and its default (security requirements, section 19). None can be switched off, all can be raised.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, demand};
use crate::code::COOLDOWN;
use crate::span::Span;
use crate::throttle::Limit;

/// `[limits]`. "Address" is the client's: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sign-ups.
    pub signup_per_address: Limit,
    /// New passwords that are looked at, good or bad: sign-ups that are refused as weak draw on this alone.
    pub password_per_address: Limit,
    /// Logins, right or wrong.
    pub login_per_address: Limit,
    /// Codes that are entered.
    pub code_per_address: Limit,
    /// Mails that are asked for.
    pub mail_per_address: Limit,
    /// Mails that are asked for to one e-mail address, in a row.
    pub mail_per_email: Limit,
    /// The same within an hour.
    pub mail_per_email_hourly: Limit,
    /// The same within a day.
    pub mail_per_email_daily: Limit,
    /// Between two mails of one kind to one owner: the second waits.
    pub mail_cooldown: Span,
    /// Mails of all together; beyond it nothing is refused, but an alarm is raised. Per instance, in memory.
    pub mail_hourly_total: Limit,
    /// Recoveries that are asked for.
    pub recovery_per_address: Limit,
    /// Recoveries that are asked for with one e-mail address.
    pub recovery_per_email: Limit,
    /// New codes of one challenge.
    pub resend_per_challenge: Limit,
    /// Refreshes of one session.
    pub refresh_per_session: Limit,
    /// Wrong passwords in a row, of one account or from one of its devices, until a recovery: 100 at most by NIST SP 800-63B.
    pub failures_in_a_row: u32,
    /// Requests without a token or MAC that holds, of everybody together; per instance, in memory.
    pub unauthenticated_total: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            signup_per_address: Limit::new(5, 5, HOUR),
            password_per_address: Limit::new(20, 20, MINUTE),
            login_per_address: Limit::new(10, 10, MINUTE),
            code_per_address: Limit::new(20, 10, MINUTE),
            mail_per_address: Limit::new(20, 20, HOUR),
            mail_per_email: Limit::new(3, 3, Duration::from_secs(900)),
            mail_per_email_hourly: Limit::new(5, 5, HOUR),
            mail_per_email_daily: Limit::new(10, 10, Duration::from_secs(86_400)),
            mail_cooldown: Span::seconds(COOLDOWN.as_secs()),
            mail_hourly_total: Limit::new(1_000, 1_000, HOUR),
            recovery_per_address: Limit::new(5, 5, HOUR),
            recovery_per_email: Limit::new(3, 1, HOUR),
            resend_per_challenge: Limit::new(1, 1, MINUTE),
            refresh_per_session: Limit::new(10, 1, SECOND),
            failures_in_a_row: 100,
            unauthenticated_total: Limit::new(200, 200, SECOND),
        }
    }
}

impl Limits {
    /// Buckets are checked when they are read.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        demand(
            self.failures_in_a_row >= 5,
            "limits.failures_in_a_row",
            "must be at least 5",
        )
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
