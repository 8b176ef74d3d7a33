//! How old the state may be.

use super::*;

/// FR-15, RV-15: stale by the monotonic clock, by the wall clock, and by clocks that cannot be read.
#[test]
fn a_stale_state_denies() {
    let mut place = Place::synced(json!({}));
    let wall = |seconds| Now {
        wall: START.wall.plus(Duration::from_secs(seconds)),
        ..START
    };
    let monotonic = |milliseconds| Now {
        monotonic: START.monotonic.saturating_add(milliseconds),
        ..START
    };
    for (now, is_stale) in [
        (monotonic(60_000), false),
        (monotonic(60_001), true),
        (wall(90), false),
        (wall(91), true),
        (Now::UNKNOWN, true),
        (START, false),
    ] {
        let verdict = place.shows(&alice(), now);
        assert_eq!(
            denial(&verdict),
            is_stale.then_some(Denial::Stale),
            "{now:?}"
        );
    }
}

/// `on_stale: allow`: passes and says for how long, but never what has no full pass behind it.
#[test]
fn a_stale_state_that_is_allowed_tells_its_age() {
    let mut place = Place::synced(json!({ "on_stale": "allow" }));
    let stale_for = |verdict: Verdict| match verdict {
        Verdict::Pass(pass) => pass.stale_for,
        other => panic!("{other:?}"),
    };
    assert_eq!(stale_for(place.shows(&alice(), later(START, 60_000))), None);
    assert_eq!(
        stale_for(place.shows(&alice(), later(START, 75_000))),
        Some(75)
    );
    put_revocation(&place.shared, &place.scope, session(1));
    let revoked = place.shows(&alice(), later(START, 75_000));
    assert_eq!(denial(&revoked), Some(Denial::Revoked));
    assert!(matches!(
        place.shows(&alice(), Now::UNKNOWN),
        Verdict::Deny(Denial::Rejected(_))
    ));
    let mut unsynced = Place::new(json!({ "on_stale": "allow" }));
    assert_eq!(
        denial(&unsynced.shows(&alice(), START)),
        Some(Denial::Unsynced)
    );
    unsynced.put_keys(7);
    unsynced.shared.put(&unsynced.scope.key("v"), &[]);
    assert_eq!(
        denial(&unsynced.shows(&alice(), START)),
        Some(Denial::Unsynced)
    );
}
