//! Traps on demand, for tests of what happens after one. Only with the feature `trap`, never in the shipped module.
//!
//! `x-latchkey-trap: request` ends the VM in that request. `x-latchkey-trap: holder` ends the VM of the lease holder at its next tick,
//! exactly one VM for one such request: the wish lies in shared data, and whoever takes it away by compare-and-swap traps.

use super::Plugin;
use super::feed::Feed;
use super::host::EnvoySharedData;
use super::raw::{self, Level};
use crate::shared::{Found, Scope, Seen, SharedData};

const HEADER: &[u8] = b"x-latchkey-trap";
const WISH: &[u8] = b"trap";

pub(super) fn at_request(plugin: &Plugin, headers: &[(&[u8], &[u8])]) {
    let wish = headers.iter().find(|(name, _)| *name == HEADER);
    match wish.map(|(_, value)| *value) {
        Some(b"request") => trap("in a request"),
        Some(b"holder") => {
            let written = EnvoySharedData.write(&key(plugin), WISH, Seen::Anything);
            if written.is_err() {
                raw::log(Level::Error, "latchkey: the wish for a trap was not kept");
            }
        }
        _ => {}
    }
}

/// To be called after the subscription's tick: it knows then who holds the lease.
pub(super) fn at_tick(plugin: &Plugin, feed: &Feed) {
    if !feed.subscription.holds_lease() {
        return;
    }
    if let Found::Value(bytes, version) = EnvoySharedData.read(&key(plugin))
        && bytes == WISH
        && EnvoySharedData
            .write(&key(plugin), &[], Seen::Version(version))
            .is_ok()
    {
        trap("in the holder's tick");
    }
}

fn key(plugin: &Plugin) -> String {
    Scope::new(&plugin.config.namespace).key("trap")
}

fn trap(place: &str) -> ! {
    raw::log(
        Level::Critical,
        &format!("latchkey: trap wished for, {place}"),
    );
    core::arch::wasm32::unreachable()
}
