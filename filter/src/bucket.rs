//! One bucket of the revocation set: the bytes of its entries, and how entries are united with it.

use std::time::Duration;

use token::{SessionId, UnixTime};

/// Kept beyond the latest `exp` of a session's tokens: the largest `clock_skew` that any configuration may have.
const KEPT_AFTER_EXP: Duration = Duration::from_secs(60);
/// `LKB` and the version of this layout.
const MAGIC: [u8; 4] = *b"LKB1";
const ENTRY_BYTES: usize = 24;
/// What one bucket may hold (RV-08). All 65,536 full are 33 million live revocations and 800 MB; a million is 15 in each.
pub(crate) const MAX_ENTRIES: usize = 512;

/// A revoked session and the latest `exp` of its tokens.
pub(crate) type Entry = (SessionId, UnixTime);

/// The bytes are not those of a bucket. They must never be taken for "not revoked".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Magic, number of entries, then 16 bytes of session id and 8 of `exp` each. An empty bucket keeps its head, so that a value cut
/// to nothing is unreadable like any other truncation.
pub(crate) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len().saturating_mul(ENTRY_BYTES).saturating_add(8));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(
        &u32::try_from(entries.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    for (session, expires_at) in entries {
        bytes.extend_from_slice(session.as_bytes());
        bytes.extend_from_slice(&expires_at.seconds().to_be_bytes());
    }
    bytes
}

/// Reads a bucket: magic, version and exact length must fit (FR-24).
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Entry>, Unreadable> {
    let entries = entries(bytes)?.iter();
    entries
        .map(|entry| read_entry(entry).ok_or(Unreadable))
        .collect()
}

fn entries(bytes: &[u8]) -> Result<&[[u8; ENTRY_BYTES]], Unreadable> {
    let (head, body) = bytes.split_first_chunk::<8>().ok_or(Unreadable)?;
    let (magic, count) = head.split_at(4);
    let (entries, rest) = body.as_chunks::<ENTRY_BYTES>();
    let is_complete =
        rest.is_empty() && u32::try_from(entries.len()).is_ok_and(|len| len.to_be_bytes() == count);
    if magic != MAGIC || !is_complete {
        return Err(Unreadable);
    }
    Ok(entries)
}

fn read_entry(entry: &[u8; ENTRY_BYTES]) -> Option<Entry> {
    let (session, expires_at) = entry.split_first_chunk::<16>()?;
    let expires_at = i64::from_be_bytes(expires_at.try_into().ok()?);
    Some((
        SessionId::from_bytes(*session),
        UnixTime::from_seconds(expires_at),
    ))
}

/// Whether `session` stands in the bucket, read in place: it is asked at every request. Whatever its `exp` says: an entry that stands is in force.
pub(crate) fn contains(bytes: &[u8], session: SessionId) -> Result<bool, Unreadable> {
    let mut entries = entries(bytes)?.iter();
    Ok(entries.any(|entry| entry.starts_with(session.as_bytes())))
}

/// The union of both, of one session the later `exp`, without what is expired (RV-06, RV-08).
pub(crate) fn unite(held: &[Entry], added: &[Entry], now: UnixTime) -> Vec<Entry> {
    let mut union: Vec<Entry> = Vec::with_capacity(held.len().saturating_add(added.len()));
    for (session, expires_at) in held.iter().chain(added) {
        match union.iter_mut().find(|(known, _)| known == session) {
            Some((_, latest)) => *latest = (*latest).max(*expires_at),
            None => union.push((*session, *expires_at)),
        }
    }
    union.retain(|(_, expires_at)| expires_at.plus(KEPT_AFTER_EXP) >= now);
    union
}

#[cfg(test)]
mod tests;
