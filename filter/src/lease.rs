//! One VM's right to read the feed, with an end.

use crate::shared::{Found, Scope, Seen, SharedData};

/// How long a lease lasts without being renewed, in milliseconds; a tick is 250.
pub(crate) const LEASE_MILLISECONDS: u64 = 2_000;
/// `LKL` and the version of this layout.
const MAGIC: [u8; 4] = *b"LKL1";

/// Takes or renews the lease; to be called from the tick only, because a configuration on trial never ticks.
///
/// `me` is random per root context: old and new configurations can live in one VM.
pub(crate) fn hold(shared: &impl SharedData, scope: &Scope, me: &[u8; 16], now: u64) -> bool {
    let key = scope.key("lease");
    let seen = match shared.read(&key) {
        Found::Missing => Seen::Absent,
        Found::Value(bytes, version) => match decode(&bytes) {
            // An absurd end is no reason to wait for it.
            Some((owner, until))
                if owner != *me
                    && now < until
                    && until <= now.saturating_add(2 * LEASE_MILLISECONDS) =>
            {
                return false;
            }
            _ => Seen::Version(version),
        },
        Found::Failed => return false,
    };
    shared
        .write(
            &key,
            &encode(me, now.saturating_add(LEASE_MILLISECONDS)),
            seen,
        )
        .is_ok()
}

/// Whether the lease is still ours.
pub(crate) fn is_held(shared: &impl SharedData, scope: &Scope, me: &[u8; 16], now: u64) -> bool {
    match shared.read(&scope.key("lease")) {
        Found::Value(bytes, _) => {
            decode(&bytes).is_some_and(|(owner, until)| owner == *me && now < until)
        }
        Found::Missing | Found::Failed => false,
    }
}

fn encode(owner: &[u8; 16], until: u64) -> Vec<u8> {
    [MAGIC.as_slice(), owner, &until.to_be_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<([u8; 16], u64)> {
    let (owner, until) = bytes.strip_prefix(&MAGIC)?.split_first_chunk::<16>()?;
    Some((*owner, u64::from_be_bytes(until.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::memory::Memory;

    const A: [u8; 16] = [1; 16];
    const B: [u8; 16] = [2; 16];

    /// RV-16: one holder, renewed; a dead one is replaced when its lease ends.
    #[test]
    fn one_vm_holds_the_lease_until_it_stops_renewing() {
        let (shared, scope) = (Memory::default(), Scope::new("n"));
        assert!(hold(&shared, &scope, &A, 1_000));
        assert!(!hold(&shared, &scope, &B, 1_000));
        assert!(hold(&shared, &scope, &A, 2_000));
        assert!(!hold(&shared, &scope, &B, 3_999));
        assert!(is_held(&shared, &scope, &A, 3_999) && !is_held(&shared, &scope, &B, 3_999));
        assert!(!is_held(&shared, &scope, &A, 4_000));
        assert!(hold(&shared, &scope, &B, 4_000));
        assert!(!hold(&shared, &scope, &A, 4_000));
    }

    #[test]
    fn an_unreadable_or_absurd_lease_is_taken_over() {
        let (shared, scope) = (Memory::default(), Scope::new("n"));
        let foreign = [B.as_slice(), &2_000_u64.to_be_bytes()].concat();
        for value in [vec![], vec![7; 3], foreign, encode(&B, u64::MAX)] {
            shared.put(&scope.key("lease"), &value);
            assert!(hold(&shared, &scope, &A, 1_000), "{value:?}");
        }
    }
}
