//! Whether a good token is enough for a rule: how strong and how fresh its authentication is, and what it allows.

use std::time::Duration;

use token::{AccessToken, UnixTime};

use crate::acr::Acr;
use crate::config::Demands;
use crate::denial::Denial;

/// Checks `acr` and `max_auth_age` before roles and scopes (design section 5, steps 10 and 11).
///
/// # Errors
/// The first demand that the token falls short of.
pub(crate) fn check(
    token: &AccessToken,
    demands: &Demands,
    now: UnixTime,
    clock_skew: Duration,
) -> Result<(), Denial> {
    if !(is_strong(token, demands) && is_recent(token, demands, now, clock_skew)) {
        return Err(Denial::WeakAuthentication {
            acr: demands.acr,
            max_age: demands.max_auth_age.map(|age| age.as_secs()),
        });
    }
    if !(has_role(token, demands) && has_scopes(token, demands)) {
        return Err(Denial::InsufficientScope(demands.scope.clone()));
    }
    Ok(())
}

/// A missing or unknown `acr` falls short of any level.
fn is_strong(token: &AccessToken, demands: &Demands) -> bool {
    let level = token.acr().and_then(Acr::from_name);
    demands
        .acr
        .is_none_or(|least| level.is_some_and(|level| level >= least))
}

/// A missing `auth_time` falls short, and so does one that lies further ahead than clocks may differ: nobody has authenticated then.
/// `clock_skew` does not lengthen `max_auth_age`, which is the operator's bound.
fn is_recent(token: &AccessToken, demands: &Demands, now: UnixTime, clock_skew: Duration) -> bool {
    let Some(max_age) = demands.max_auth_age else {
        return true;
    };
    token
        .auth_time()
        .is_some_and(|at| at <= now.plus(clock_skew) && now.since(at) <= max_age)
}

fn has_role(token: &AccessToken, demands: &Demands) -> bool {
    demands.roles.is_empty()
        || token
            .roles()
            .iter()
            .any(|role| demands.roles.contains(role))
}

fn has_scopes(token: &AccessToken, demands: &Demands) -> bool {
    let has = |needed: &String| token.scopes().any(|scope| scope == needed);
    demands.scopes.iter().all(has)
}
