//! Answers of the feed in any order, whole and broken.

use std::collections::BTreeMap;
use std::time::Duration;

use super::properties::{Event, Story};
use super::*;
use crate::bucket;
use crate::fixture::{START, access_token, ok, session};
use token::UnixTime;

/// RV-06, RV-09, RV-11: whatever the companion answers (old pages, pages cut, spliced or changed, other kinds), an entry that is held
/// stays held until it has expired.
///
/// Two bytes are one event: what happens, and how much of it.
#[test]
fn answers() {
    bolero::check!()
        .with_iterations(48)
        .for_each(|script: &[u8]| {
            let mut story = Story::begin(2);
            let mut held = entries(&story.process);
            for [what, size] in script.as_chunks::<2>().0.iter().take(32) {
                live(&mut story, *what, *size);
                let now = entries(&story.process);
                for (session, exp) in &held {
                    let is_expired = story.process.now.wall > exp.plus(Duration::from_secs(60));
                    let is_held = now.get(session).is_some_and(|later| later >= exp);
                    assert!(is_held || is_expired, "{session} has vanished");
                }
                held = now;
            }
        });
}

fn live(story: &mut Story, what: u8, size: u8) {
    match what % 12 {
        0 => {
            // The same session may end again, with a later or an earlier `exp`.
            let companion = &mut story.process.companion;
            let exp = START.wall.plus(Duration::from_secs(u64::from(size) * 4));
            let row = (session(size % 5 + 1), exp);
            companion.rows.push((companion.head() + 1, Some(row)));
            story.live(&Event::Pass(0));
        }
        1 => story.live(&Event::Rotate(size % 20 + 20)),
        2 => story.live(&Event::RollBack(size)),
        3 | 4 => story.live(&Event::Answer),
        5 => story.live(&Event::Replay(size)),
        6 => story.live(&Event::Lose),
        7 => story.live(&Event::TakeOver),
        8 => story.live(&Event::Pass(u16::from(size) * 24)),
        kind => {
            if let Some((_, fetch)) = &story.vm.waits_for {
                let whole = story
                    .process
                    .companion
                    .answer(fetch, story.process.now.wall);
                let broken = broken(story, whole.body, kind, usize::from(size));
                story.answer(Some(broken));
            }
            story.live(&Event::Pass(250));
        }
    }
}

/// An answer that no companion gives.
fn broken(story: &Story, mut body: Vec<u8>, kind: u8, size: usize) -> Reply {
    match kind {
        // Cut short.
        9 => body.truncate(size * body.len() / 256),
        // One character changed.
        10 => {
            let at = size * body.len() / 256;
            body[at] ^= 1;
        }
        // The payload of one page under the signature of another, or an access token in place of a page.
        _ => match story.answers.get(size) {
            Some(other) => {
                let cut = body.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
                let other = &other.body;
                let rest = other.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
                body = [&body[..cut], &other[rest..]].concat();
            }
            None => return ok(access_token(session(1), story.process.companion.feed)),
        },
    }
    Reply {
        status: Some(200),
        body,
    }
}

/// All entries of all buckets.
fn entries(process: &Process) -> BTreeMap<SessionId, UnixTime> {
    let mut entries = BTreeMap::new();
    for key in process.shared.keys() {
        if let (true, Found::Value(bytes, _)) = (key.contains("/b/"), process.shared.read(&key)) {
            entries.extend(bucket::decode(&bytes).unwrap());
        }
    }
    entries
}
