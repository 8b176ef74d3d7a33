//! What the host offers, in the words of the rules.

use token::UnixTime;

use super::raw;
use super::raw::Level;
use crate::denial::Answer;
use crate::line::printable;
use crate::pairs;
use crate::shared::{Conflict, Found, Seen, SharedData};
use crate::state::Now;
use crate::subscription::Line;

/// No entry of shared data ever has this number, so a write that names it creates or fails.
const ABSENT: u32 = u32::MAX;
const UNCHECKED: u32 = 0;

/// What the host is to do with a request after a callback; `proxy_action_t` of the ABI.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Continue = 0,
    Pause = 1,
}

/// The process-wide map of this `vm_id`.
pub(super) struct EnvoySharedData;

impl SharedData for EnvoySharedData {
    fn read(&self, key: &str) -> Found {
        match raw::shared_data(key) {
            raw::Shared::Missing => Found::Missing,
            raw::Shared::Value(bytes, version) => Found::Value(bytes, version),
            raw::Shared::Failed => Found::Failed,
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Seen) -> Result<(), Conflict> {
        let cas = match seen {
            Seen::Absent => ABSENT,
            Seen::Version(version) => version,
            Seen::Anything => UNCHECKED,
        };
        raw::set_shared_data(key, value, cas)
            .then_some(())
            .ok_or(Conflict)
    }
}

/// Both clocks; `None` when the host does not tell one of them.
pub(super) fn now() -> Option<Now> {
    let wall = raw::nanoseconds(raw::WALL)?.div_euclid(1_000_000_000);
    Some(Now {
        monotonic: raw::nanoseconds(raw::MONOTONIC)?.div_euclid(1_000_000),
        wall: UnixTime::from_seconds(i64::try_from(wall).ok()?),
    })
}

/// The one way into Envoy's log.
pub(super) fn log(level: Level, text: &str) {
    raw::log(level, &printable(text));
}

pub(super) fn log_line(line: &Line) {
    let level = if line.is_warning {
        Level::Warning
    } else {
        Level::Info
    };
    log(level, &line.text);
}

/// The port at which the request came in.
pub(super) fn own_port() -> Option<u16> {
    // A path of the ABI ends each step with NUL, and a number is 8 bytes, little-endian.
    let bytes = raw::property(b"destination\0port\0")?;
    u16::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

pub(super) fn response_status() -> Option<u16> {
    let status = raw::response_header(":status")?;
    std::str::from_utf8(&status).ok()?.parse().ok()
}

pub(super) fn response_body(size: usize) -> Vec<u8> {
    raw::buffer(raw::BODY_OF_CALL, size).unwrap_or_default()
}

/// Sends the answer and stops the request here. An answer that the host does not take becomes a bare 503: a client that is told nothing
/// waits until the stream times out.
pub(super) fn answer(answer: &Answer) -> Action {
    let headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let headers = pairs::write(&headers);
    if !raw::send_local_response(answer.status, &answer.details, &headers, &answer.body) {
        raw::send_local_response(503, "latchkey_answer_refused", &pairs::write(&[]), "");
    }
    Action::Pause
}
