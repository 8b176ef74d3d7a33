//! What a rule asks of a token besides being good.

use std::rc::Rc;
use std::time::Duration;

use super::{ConfigError, Members, check_name, staleness};
use crate::acr::Acr;

/// The `require` object of a rule; the default asks for nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    /// Any of these, unless empty.
    pub(crate) roles: Vec<String>,
    /// All of these.
    pub(crate) scopes: Vec<String>,
    /// The scopes as a challenge names them (RFC 6750 section 3); `None` without any.
    pub(crate) scope: Option<Rc<str>>,
    /// At least this level.
    pub(crate) acr: Option<Acr>,
    /// The complete authentication is at most this long ago.
    pub(crate) max_auth_age: Option<Duration>,
    /// Instead of the configuration's.
    pub(crate) max_staleness: Option<Duration>,
    /// Instead of the configuration's.
    pub(crate) audiences: Option<Vec<String>>,
}

pub(super) fn parse(mut members: Members<'_>) -> Result<Demands, ConfigError> {
    let roles = names(&mut members, "roles", "a role", is_printable)?.unwrap_or_default();
    let scopes =
        names(&mut members, "scopes", "a scope token", is_scope_token)?.unwrap_or_default();
    let acr_path = members.path_of("acr");
    let acr = members
        .text("acr")?
        .map(|name| {
            Acr::from_name(name).ok_or_else(|| {
                ConfigError::new(acr_path, "must be \"password\", \"otp\" or \"mfa\"")
            })
        })
        .transpose()?;
    let audiences_path = members.path_of("audiences");
    let audiences = names(&mut members, "audiences", "an audience", |_| true)?;
    for audience in audiences.iter().flatten() {
        check_name(&audiences_path, audience)?;
    }
    let demands = Demands {
        scope: (!scopes.is_empty()).then(|| scopes.join(" ").into()),
        max_auth_age: members.duration_if_given("max_auth_age", 1..=31_536_000)?,
        max_staleness: members.duration_if_given("max_staleness", staleness::RANGE)?,
        roles,
        scopes,
        acr,
        audiences,
    };
    members.finish()?;
    Ok(demands)
}

/// A list that, where it is given, names at least one.
fn names(
    members: &mut Members<'_>,
    name: &str,
    what: &str,
    is_name: fn(&str) -> bool,
) -> Result<Option<Vec<String>>, ConfigError> {
    let path = members.path_of(name);
    let names = members.texts(name)?;
    if names
        .as_ref()
        .is_some_and(|names| names.is_empty() || !names.iter().all(|name| is_name(name)))
    {
        return Err(ConfigError::new(
            path,
            format!("must name at least one, and each must be {what}"),
        ));
    }
    Ok(names)
}

fn is_printable(role: &str) -> bool {
    !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 6749 section 3.3.
fn is_scope_token(scope: &str) -> bool {
    is_printable(scope) && !scope.contains(['"', '\\'])
}
