//! `[keys]`: how signing keys change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, demand};
use crate::span::Span;

/// `[keys]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// So old the newest key of a use is when the next one is published.
    pub rotate_every: Span,
    /// For so long a key is published before it signs. Verifiers that keep the public key set for as long as it allows, 5 minutes, need
    /// more than that; gateways need two polls.
    pub publish_ahead: Span,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            rotate_every: Span::seconds(30 * 86_400),
            publish_ahead: Span::seconds(600),
        }
    }
}

impl Keys {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let within = |span: Span, least: u64, most: u64| {
            (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span.get())
        };
        demand(
            within(self.publish_ahead, 5, 86_400),
            "keys.publish_ahead",
            "must lie between 5s and 1d",
        )?;
        // Else keys would be published faster than older ones are retired.
        demand(
            within(self.rotate_every, 3_600, 3_660 * 86_400),
            "keys.rotate_every",
            "must lie between 1h and 3660d",
        )?;
        demand(
            self.publish_ahead.get() * 2 <= self.rotate_every.get(),
            "keys.publish_ahead",
            "must be at most half of keys.rotate_every",
        )
    }
}
