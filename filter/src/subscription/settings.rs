//! What the configuration says about the subscription.

use std::rc::Rc;
use std::time::Duration;

use token::KeySet;

use crate::config::{Config, OnStale};

pub(super) struct Settings {
    pub(super) issuer: String,
    pub(super) clock_skew: Duration,
    /// For how long a poll may wait for news, in seconds.
    pub(super) hold: u64,
    /// The smallest age, in seconds, beyond which requests are denied.
    pub(super) max_staleness: u64,
    /// What the companion is told: for how long this gateway may accept what it has not heard about.
    pub(super) staleness: String,
    pub(super) pinned_feed: Option<Rc<KeySet>>,
    pub(super) fetches_keys: bool,
}

impl Settings {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            issuer: config.issuer.clone(),
            clock_skew: config.clock_skew,
            max_staleness: config.staleness.smallest.as_secs(),
            hold: 10
                .min(config.staleness.smallest.as_secs().div_euclid(3))
                .max(1),
            staleness: match config.on_stale {
                OnStale::Deny => config.staleness.largest.as_secs().to_string(),
                OnStale::Allow => "none".to_owned(),
            },
            pinned_feed: config.pinned.feed.clone().map(Rc::new),
            fetches_keys: config.pinned.access.is_none() || config.pinned.feed.is_none(),
        }
    }
}
