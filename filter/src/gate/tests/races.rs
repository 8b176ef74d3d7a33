//! What other workers do while a request is decided, at every possible moment.

use super::*;

/// RV-10: a page that another worker applies while this request is decided is seen, at whatever moment it comes.
#[test]
fn a_page_that_is_applied_during_the_decision_is_seen() {
    for is_cached in [false, true] {
        let mut moment = 0;
        loop {
            let mut place = Place::synced(json!({}));
            if is_cached {
                assert_eq!(denial(&place.shows(&alice(), START)), None);
            }
            let before = place.shared.operations();
            let scope = place.scope.clone();
            place.shared.interrupt(moment, move |shared| {
                put_revocation(shared, &scope, session(1));
                shared.put(&scope.key("v"), &[]);
            });
            let verdict = place.shows(&alice(), START);
            let is_during = place.shared.operations().saturating_sub(before) > moment;
            if !is_during {
                assert!(moment >= 3);
                break;
            }
            assert_eq!(denial(&verdict), Some(Denial::Revoked), "moment {moment}");
            moment = moment.saturating_add(1);
        }
    }
}

/// FR-13: and so is the loss of all shared data.
#[test]
fn a_scope_that_is_lost_during_the_decision_denies() {
    let mut moment = 0;
    loop {
        let mut place = Place::synced(json!({}));
        assert_eq!(denial(&place.shows(&alice(), START)), None);
        let before = place.shared.operations();
        place.shared.interrupt(moment, Memory::wipe);
        let verdict = place.shows(&alice(), START);
        if place.shared.operations().saturating_sub(before) <= moment {
            assert!(moment >= 3);
            return;
        }
        assert_eq!(denial(&verdict), Some(Denial::Unsynced), "moment {moment}");
        moment = moment.saturating_add(1);
    }
}
