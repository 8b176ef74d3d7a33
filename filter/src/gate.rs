//! The decision: one request, what is known, and the time in; a verdict out. The order of the lines is the policy (design section 5).

use std::rc::Rc;
use std::time::Duration;

use token::{AccessToken, Es256Check, Expected, Rejection};

use crate::authority::Host;
use crate::config::{Config, Demands, OnStale, Reading, Require, Rule};
use crate::denial::Denial;
use crate::path::{self, Path};
use crate::request::{Credential, Request};
use crate::revocations::{Ground, View};
use crate::shared::SharedData;
use crate::state::{Now, Staleness};
use crate::verified::VerifiedTokens;
use crate::{browser, policy};

/// The gate of one configuration in one VM.
pub(crate) struct Gate {
    config: Rc<Config>,
    view: View,
    tokens: VerifiedTokens,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on to the app.
    Pass(Pass),
    /// It is answered here.
    Deny(Denial),
    /// It asks whether the gate is synced and fresh.
    Ready(bool),
}

/// How a request goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Identity headers to set.
    pub(crate) identity: Vec<(String, String)>,
    /// Whether `authorization` is removed before the app.
    pub(crate) drops_authorization: bool,
    /// What becomes of the cookies before the app.
    pub(crate) cookies: Cookies,
    /// The age of the state in seconds, where it is too old and requests pass all the same.
    pub(crate) stale_for: Option<u64>,
}

/// The cookies of a request that passes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// As they came.
    #[default]
    Kept,
    /// The access cookie was among them; these are the others.
    Others(Vec<u8>),
    /// There was nothing but the access cookie.
    Removed,
}

/// A verdict, and whether the token was known.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// `None` when no token was looked at.
    pub(crate) was_known: Option<bool>,
}

impl Gate {
    pub(crate) fn new(config: Rc<Config>) -> Self {
        Self {
            view: View::new(&config),
            tokens: VerifiedTokens::new(config.token_cache_size),
            config,
        }
    }

    /// Decides one request.
    pub(crate) fn decide(
        &mut self,
        request: &Request<'_>,
        shared: &impl SharedData,
        check: &dyn Es256Check,
        now: Now,
    ) -> Decision {
        let mut was_known = None;
        let verdict = match self.verdict(request, shared, check, now, &mut was_known) {
            Ok(verdict) => verdict,
            Err(denial) => Verdict::Deny(denial),
        };
        Decision { verdict, was_known }
    }

    fn verdict(
        &mut self,
        request: &Request<'_>,
        shared: &impl SharedData,
        check: &dyn Es256Check,
        now: Now,
        was_known: &mut Option<bool>,
    ) -> Result<Verdict, Denial> {
        let config = Rc::clone(&self.config);
        let path = match path::unambiguous(request.target()) {
            None if config.has_path_rules() || request.target().is_empty() => {
                return Err(Denial::AmbiguousPath);
            }
            path => path,
        };
        if path.is_some() && path == config.ready_path.as_deref() {
            return Ok(Verdict::Ready(self.is_ready(shared, now)));
        }
        if config.has_method_rules() && request.is_ambiguous_upgrade() {
            return Err(Denial::AmbiguousUpgrade);
        }
        let rule = rule(&config, request, path)?;
        let mut pass = self.without_credential(rule, request);
        if matches!(rule.map(|rule| &rule.require), Some(Require::Nothing)) {
            return Ok(Verdict::Pass(pass));
        }
        if request.is_preflight() {
            // No browser sends a credential with it; one that is there was not looked at, and no app may take it for verified.
            return Ok(Verdict::Pass(self.drop_credential(request)));
        }
        let credential = request
            .credential(&config.credentials)
            .map_err(|_| Denial::ManyCredentials)?;
        if credential == Credential::None && rule.is_some_and(Rule::passes_without_token) {
            return Ok(Verdict::Pass(pass));
        }
        let default = Demands::default();
        let demands = rule.and_then(Rule::demands).unwrap_or(&default);
        let ground = self.view.ground(shared).map_err(|_| Denial::Unsynced)?;
        let max_staleness = demands.max_staleness.unwrap_or(config.max_staleness);
        pass.stale_for = self.stale_for(&ground, now, max_staleness)?;
        let raw = match credential {
            Credential::None => return Err(self.credential_missing(request, path)),
            Credential::Malformed => return Err(Denial::MalformedCredential),
            Credential::Bearer(raw) | Credential::Cookie(raw) => raw,
        };
        let now = no_earlier_than(now, &ground);
        let token = self.verified(raw, &ground, check, now, was_known)?;
        if !token.is_for(demands.audiences.as_ref().unwrap_or(&config.audiences)) {
            return Err(Denial::Rejected(Rejection::WrongAudience));
        }
        pass.identity = config
            .identity
            .values(&token)
            .map_err(|_| Denial::UnsafeClaim)?;
        if self
            .view
            .is_revoked(shared, token.session())
            .map_err(|_| Denial::Unsynced)?
        {
            return Err(Denial::Revoked);
        }
        if matches!(credential, Credential::Cookie(_))
            && !browser::may_use_cookie(request, &config.allowed_origins)
        {
            return Err(Denial::CrossOrigin);
        }
        policy::check(&token, demands, now.wall, config.clock_skew)?;
        Ok(Verdict::Pass(pass))
    }

    /// A browser is shown the way to the login page; anybody else is told what is missing.
    fn credential_missing(&self, request: &Request<'_>, path: Option<&str>) -> Denial {
        match (&self.config.login_page, path) {
            (Some(page), Some(path)) if page != path && browser::is_navigation(request) => {
                Denial::LoginNeeded(browser::login_location(page, path))
            }
            _ => Denial::NoCredential,
        }
    }

    /// The token, from the cache or by verification; its time is checked either way (TV-27).
    fn verified(
        &mut self,
        raw: &[u8],
        ground: &Ground,
        check: &dyn Es256Check,
        now: Now,
        was_known: &mut Option<bool>,
    ) -> Result<Rc<AccessToken>, Denial> {
        let known = self.tokens.find(raw, ground.generation);
        *was_known = Some(known.is_some());
        if let Some(token) = known {
            token
                .check_time(now.wall, self.config.clock_skew)
                .map_err(Denial::Rejected)?;
            return Ok(token);
        }
        let expected = Expected {
            issuer: &self.config.issuer,
            audiences: &self.config.all_audiences,
            clock_skew: self.config.clock_skew,
            max_lifetime: self.config.max_token_lifetime,
        };
        let token = AccessToken::verify(raw, &ground.keys, check, &expected, now.wall)
            .map_err(Denial::Rejected)?;
        let token = Rc::new(token);
        self.tokens.keep(raw, ground.generation, Rc::clone(&token));
        Ok(token)
    }

    /// `Some(age)` where a stale state lets requests pass.
    fn stale_for(
        &self,
        ground: &Ground,
        now: Now,
        max_staleness: Duration,
    ) -> Result<Option<u64>, Denial> {
        match (
            self.staleness(ground, now, max_staleness),
            self.config.on_stale,
        ) {
            (Some(Staleness { is_stale: true, .. }), OnStale::Deny) => Err(Denial::Stale),
            (
                Some(Staleness {
                    is_stale: true,
                    age,
                }),
                OnStale::Allow,
            ) => Ok(Some(age.as_secs())),
            (
                None
                | Some(Staleness {
                    is_stale: false, ..
                }),
                _,
            ) => Ok(None),
        }
    }

    fn staleness(&self, ground: &Ground, now: Now, max_staleness: Duration) -> Option<Staleness> {
        ground
            .state
            .map(|state| state.staleness(now, max_staleness, self.config.clock_skew))
    }

    fn is_ready(&mut self, shared: &impl SharedData, now: Now) -> bool {
        let ground = self.view.ground(shared);
        ground.is_ok_and(|ground| {
            self.staleness(&ground, now, self.config.max_staleness)
                .is_none_or(|staleness| !staleness.is_stale)
        })
    }

    /// Under every rule the credential ends here, unless the rule or the whole configuration forwards it (FR-18).
    fn without_credential(&self, rule: Option<&Rule>, request: &Request<'_>) -> Pass {
        let forwards = rule
            .and_then(|rule| rule.forward_token)
            .unwrap_or(self.config.forward_token);
        if forwards {
            Pass::default()
        } else {
            self.drop_credential(request)
        }
    }

    fn drop_credential(&self, request: &Request<'_>) -> Pass {
        let from = &self.config.credentials;
        Pass {
            drops_authorization: request.has_bearer(),
            cookies: if request.has_access_cookie(from) {
                let others = request.other_cookies(from);
                others.map_or(Cookies::Removed, Cookies::Others)
            } else {
                Cookies::Kept
            },
            ..Pass::default()
        }
    }
}

/// The moment by which tokens are judged. A wall clock that was set back would revive tokens whose revocation has been pruned: the
/// companion's last word on the time bounds it (RV-06).
fn no_earlier_than(now: Now, ground: &Ground) -> Now {
    let last_iat = ground.state.map(|state| state.last_iat);
    Now {
        wall: last_iat.map_or(now.wall, |iat| iat.max(now.wall)),
        ..now
    }
}

/// The first rule that is for the request; `None` where no rule is, and a token is required.
fn rule<'a>(
    config: &'a Config,
    request: &Request<'_>,
    path: Option<&str>,
) -> Result<Option<&'a Rule>, Denial> {
    let host = if config.has_host_rules() {
        let host = Host::parse(request.authority()).ok_or(Denial::AmbiguousHost)?;
        Some(host.at(request.port()))
    } else {
        None
    };
    let Some(path) = path.map(Path::new) else {
        return Ok(None);
    };
    let find = |reading| {
        let is_for = |rule: &Rule| rule.matches(request.method(), &path, host.as_ref(), reading);
        config.rules.iter().position(is_for)
    };
    let rule = find(Reading::ToTheLetter);
    if rule != find(Reading::Loosely) {
        // Another part of the way could meet another rule: which one holds would be a guess.
        return Err(if path.is_plain() {
            Denial::AmbiguousHost
        } else {
            Denial::AmbiguousPath
        });
    }
    Ok(rule.and_then(|at| config.rules.get(at)))
}

#[cfg(test)]
pub(crate) mod tests;
