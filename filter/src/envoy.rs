//! The adapter: exports, contexts and host calls. Translates between proxy-wasm and the rules, and decides nothing itself.

mod check;
mod contexts;
mod exports;
mod feed;
mod host;
mod metrics;
mod raw;
mod stream;
#[cfg(feature = "trap")]
mod trap;

use std::cell::RefCell;
use std::rc::Rc;

use token::Page;

use crate::config::{Config, ConfigError};
use crate::gate::Gate;
use crate::subscription::Reply;
use check::HostCheck;
use feed::Feed;
use host::EnvoySharedData;
use metrics::Metrics;
use raw::Level;

const TICK_MILLISECONDS: u32 = 250;
/// A page at its largest, and one byte more, so that a larger one is seen to be too large.
const MAX_BODY_BYTES: usize = Page::MAX_BYTES + 1;

/// One configuration in one VM.
struct Plugin {
    config: Rc<Config>,
    gate: RefCell<Gate>,
    /// `None` for a configuration without companion.
    feed: Option<RefCell<Feed>>,
    check: HostCheck,
    metrics: Metrics,
}

impl Plugin {
    /// A pure function of the bytes (FR-21), but for metrics, ticks and log lines, which Envoy keeps for this VM.
    fn configure(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config = Rc::new(Config::parse(bytes)?);
        for warning in config.warnings() {
            host::log(Level::Warning, &warning);
        }
        let metrics = Metrics::declare();
        if !raw::set_tick_period(TICK_MILLISECONDS) {
            host::log(
                Level::Error,
                "the host gives no ticks, so this VM cannot poll the companion: see `allowed_capabilities` of the filter",
            );
        }
        Ok(Self {
            gate: RefCell::new(Gate::new(Rc::clone(&config))),
            feed: Feed::new(&config).map(RefCell::new),
            check: HostCheck::new(metrics.native_verifications, metrics.guest_verifications),
            metrics,
            config,
        })
    }

    fn tick(&self) {
        let Some(Ok(mut feed)) = self.feed.as_ref().map(RefCell::try_borrow_mut) else {
            return;
        };
        let Some(now) = host::now() else {
            return;
        };
        if feed.read_token().is_some()
            && let Some(random) = raw::random()
        {
            let next = feed.subscription.tick(&EnvoySharedData, now, random);
            #[cfg(feature = "trap")]
            trap::at_tick(self, &feed);
            feed.follow(next, now);
        }
        feed.report(self, now);
    }

    fn answered(&self, id: u32, header_count: u32, body_size: usize) {
        let Some(Ok(mut feed)) = self.feed.as_ref().map(RefCell::try_borrow_mut) else {
            return;
        };
        let Some(now) = host::now() else {
            return;
        };
        // A call that failed has no headers, and asking for one is an error.
        let status = if header_count == 0 {
            None
        } else {
            host::response_status()
        };
        let body = match status {
            Some(200) => host::response_body(body_size.min(MAX_BODY_BYTES)),
            _ => Vec::new(),
        };
        let reply = Reply { status, body };
        let next = feed
            .subscription
            .answered(&EnvoySharedData, &self.check, id, &reply, now);
        feed.follow(next, now);
        feed.report(self, now);
    }
}
