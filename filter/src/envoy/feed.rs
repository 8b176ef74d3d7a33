//! The calls to the companion: the gateway token, the sending, and the report of what came of it.

use super::raw::{self, Level};
use super::{Plugin, host};
use crate::config::{Companion, Config};
use crate::pairs;
use crate::state::Now;
use crate::subscription::{Fetch, Journal, Subscription};

pub(super) struct Feed {
    pub(super) subscription: Subscription,
    companion: Companion,
    /// `Bearer <gateway token>`; read from the environment at the first tick.
    authorization: Option<String>,
    has_warned: bool,
    journal: Journal,
}

impl Feed {
    /// `None` for a configuration without companion.
    pub(super) fn new(config: &Config) -> Option<Self> {
        Some(Self {
            subscription: Subscription::new(config)?,
            companion: config.companion.clone()?,
            authorization: None,
            has_warned: false,
            journal: Journal::default(),
        })
    }

    pub(super) fn read_token(&mut self) -> Option<&str> {
        if self.authorization.is_none() {
            let token = raw::environment_variable(&self.companion.token_env).unwrap_or_default();
            let token = token.trim();
            if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
                self.authorization = Some(format!("Bearer {token}"));
            } else if !self.has_warned {
                self.has_warned = true;
                let variable = &self.companion.token_env;
                let problem = format!(
                    "the environment variable {variable} holds no gateway token: requests that need a token get 503. \
                     Set it where Envoy starts, and list it in `environment_variables.host_env_keys` of the filter."
                );
                host::log(Level::Error, &problem);
            }
        }
        self.authorization.as_deref()
    }

    /// Sends what the subscription wants fetched.
    pub(super) fn follow(&mut self, fetch: Option<Fetch>, now: Now) {
        let (Some(fetch), Some(authorization)) = (fetch, &self.authorization) else {
            return;
        };
        let headers = pairs::write(&[
            (":method", "GET"),
            (":path", fetch.path.as_str()),
            (":authority", self.companion.authority.as_str()),
            ("authorization", authorization.as_str()),
            ("accept", "application/jose, application/json"),
        ]);
        let sent = raw::http_call(&self.companion.cluster, &headers, fetch.timeout);
        self.subscription.sent(sent, now);
    }

    /// What happened and how it stands, for counters, gauges and the log; to be called at each tick, by every VM.
    pub(super) fn report(&mut self, plugin: &Plugin, now: Now) {
        let notes = self.subscription.take_notes();
        for note in &notes {
            plugin.metrics.count_note(*note);
        }
        for line in self.journal.lines(&notes, now) {
            host::log_line(&line);
        }
        let gauges = self.subscription.gauges(&host::EnvoySharedData, now);
        plugin.metrics.record(gauges);
    }
}
