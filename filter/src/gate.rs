//! The decision: one request, what is known, and the time in; a verdict out. The order of the lines is the policy (design section 5).

use std::rc::Rc;

use token::{AccessToken, Es256Check, Expected};

use crate::config::{Config, OnStale, Require, Rule};
use crate::denial::Denial;
use crate::path;
use crate::request::{Credential, Request};
use crate::revocations::{Ground, View};
use crate::shared::SharedData;
use crate::state::{Now, Staleness};
use crate::verified::VerifiedTokens;

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
    /// Whether the credential is removed before the app.
    pub(crate) drops_credential: bool,
    /// The age of the state in seconds, where it is too old and requests pass all the same.
    pub(crate) stale_for: Option<u64>,
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
        let rule = match path::unambiguous(request.target()) {
            Some(path) if self.config.ready_path.as_deref() == Some(path) => {
                return Ok(Verdict::Ready(self.is_ready(shared, now)));
            }
            Some(path) => self
                .config
                .rules
                .iter()
                .find(|rule| rule.matches(request.method(), path)),
            None if self.config.has_path_rules() || request.target().is_empty() => {
                return Err(Denial::AmbiguousPath);
            }
            None => None,
        };
        let require = rule.map_or(Require::Token, |rule| rule.require);
        let drops_credential = self.drops_credential(rule, request);
        let anonymous = || {
            Ok(Verdict::Pass(Pass {
                drops_credential,
                ..Pass::default()
            }))
        };
        if require == Require::Nothing || request.is_preflight() {
            return anonymous();
        }
        let credential = request.credential().map_err(|_| Denial::ManyCredentials)?;
        if require == Require::Optional && credential == Credential::None {
            return anonymous();
        }
        let ground = self.view.ground(shared).map_err(|_| Denial::Unsynced)?;
        let stale_for = self.stale_for(&ground, now)?;
        let raw = match credential {
            Credential::None => return Err(Denial::NoCredential),
            Credential::Malformed => return Err(Denial::MalformedCredential),
            Credential::Bearer(raw) => raw,
        };
        let token = self.verified(raw, &ground, check, now, was_known)?;
        let identity = self
            .config
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
        Ok(Verdict::Pass(Pass {
            identity,
            drops_credential,
            stale_for,
        }))
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
            audiences: &self.config.audiences,
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
    fn stale_for(&self, ground: &Ground, now: Now) -> Result<Option<u64>, Denial> {
        match (self.staleness(ground, now), self.config.on_stale) {
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

    fn staleness(&self, ground: &Ground, now: Now) -> Option<Staleness> {
        ground
            .state
            .map(|state| state.staleness(now, self.config.max_staleness, self.config.clock_skew))
    }

    fn is_ready(&mut self, shared: &impl SharedData, now: Now) -> bool {
        let ground = self.view.ground(shared);
        ground.is_ok_and(|ground| {
            self.staleness(&ground, now)
                .is_none_or(|staleness| !staleness.is_stale)
        })
    }

    /// Under every rule the credential ends here, unless the rule or the whole configuration forwards it (FR-18).
    fn drops_credential(&self, rule: Option<&Rule>, request: &Request<'_>) -> bool {
        let forwards = rule
            .and_then(|rule| rule.forward_token)
            .unwrap_or(self.config.forward_token);
        !forwards && request.has_bearer()
    }
}

#[cfg(test)]
pub(crate) mod tests;
