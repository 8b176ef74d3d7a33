//! How a refusal is answered: status, challenge, body. Exhaustive, so that no reason can ship without its answer.

use std::rc::Rc;

use serde_json::json;
use token::Rejection;

use crate::acr::Acr;

/// Why a request does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The path is missing or has two readings.
    AmbiguousPath,
    /// The host is missing or has two readings, and rules ask for it.
    AmbiguousHost,
    /// An upgrade of another method than `GET`.
    AmbiguousUpgrade,
    /// More than one credential.
    ManyCredentials,
    /// None, where one is needed.
    NoCredential,
    /// None, and a browser that can be sent to this login page.
    LoginNeeded(String),
    /// Not in the grammar of a Bearer credential.
    MalformedCredential,
    /// The token was refused.
    Rejected(Rejection),
    /// A claim that is mapped to a header is not safe in one.
    UnsafeClaim,
    /// The session has ended.
    Revoked,
    /// No key set, or no full pass of the feed yet.
    Unsynced,
    /// The state is too old.
    Stale,
    /// A cookie on a request that another site may have caused.
    CrossOrigin,
    /// The authentication is too weak or too old for the rule (RFC 9470).
    WeakAuthentication {
        /// The least level that the rule takes.
        acr: Option<Acr>,
        /// The oldest authentication that it takes, in seconds.
        max_age: Option<u64>,
    },
    /// A role or scope is missing; the scopes that the rule asks for.
    InsufficientScope(Option<Rc<str>>),
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// For Envoy's access log (`%RESPONSE_CODE_DETAILS%`).
    pub(crate) details: String,
}

impl Denial {
    /// Every reason, for the declaration of the counters.
    pub(crate) const LABELS: [&str; 15] = [
        "ambiguous_path",
        "ambiguous_host",
        "ambiguous_upgrade",
        "many_credentials",
        "no_credential",
        "login_needed",
        "malformed_credential",
        "rejected",
        "unsafe_claim",
        "revoked",
        "unsynced",
        "stale",
        "cross_origin",
        "weak_authentication",
        "insufficient_scope",
    ];

    /// A stable word for the counters; the reason of a rejection is in the details.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::AmbiguousPath => "ambiguous_path",
            Self::AmbiguousHost => "ambiguous_host",
            Self::AmbiguousUpgrade => "ambiguous_upgrade",
            Self::ManyCredentials => "many_credentials",
            Self::NoCredential => "no_credential",
            Self::LoginNeeded(_) => "login_needed",
            Self::MalformedCredential => "malformed_credential",
            Self::Rejected(_) => "rejected",
            Self::UnsafeClaim => "unsafe_claim",
            Self::Revoked => "revoked",
            Self::Unsynced => "unsynced",
            Self::Stale => "stale",
            Self::CrossOrigin => "cross_origin",
            Self::WeakAuthentication { .. } => "weak_authentication",
            Self::InsufficientScope(_) => "insufficient_scope",
        }
    }

    /// The answer: RFC 9457 body, RFC 6750 challenge.
    pub(crate) fn answer(&self, realm: &str) -> Answer {
        let (status, code, title) = self.problem();
        let body = json!({ "type": "about:blank", "title": title, "status": status, "code": code })
            .to_string();
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        headers.extend(self.header(realm));
        Answer {
            status,
            headers,
            body,
            details: match self {
                Self::Rejected(rejection) => format!("latchkey_rejected_{}", rejection.label()),
                _ => format!("latchkey_{}", self.label()),
            },
        }
    }

    /// Status, code and title of the body.
    const fn problem(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::AmbiguousPath => (
                400,
                "ambiguous_request",
                "The path is missing or ambiguous.",
            ),
            Self::AmbiguousHost => (
                400,
                "ambiguous_request",
                "The host is missing or ambiguous.",
            ),
            Self::AmbiguousUpgrade => (
                400,
                "ambiguous_request",
                "Only GET can ask for another protocol.",
            ),
            Self::ManyCredentials => (
                400,
                "ambiguous_request",
                "More than one credential was sent.",
            ),
            Self::LoginNeeded(_) => (303, "credential_required", "Log in first."),
            Self::NoCredential => (401, "credential_required", "An access token is required."),
            // One answer for every defect: which one it was is for counters and logs (ER-03).
            Self::MalformedCredential | Self::Rejected(_) | Self::UnsafeClaim | Self::Revoked => {
                (401, "invalid_token", "The access token is not accepted.")
            }
            Self::WeakAuthentication { .. } => (
                401,
                "insufficient_user_authentication",
                "A stronger or more recent authentication is required.",
            ),
            Self::CrossOrigin => (
                403,
                "cross_origin",
                "The request may come from another site.",
            ),
            Self::InsufficientScope(_) => (
                403,
                "insufficient_scope",
                "The access token does not allow this.",
            ),
            Self::Unsynced | Self::Stale => (
                503,
                "not_ready",
                "The gateway cannot check access tokens right now.",
            ),
        }
    }

    /// The header that goes with it, if one does.
    fn header(&self, realm: &str) -> Option<(&'static str, String)> {
        let challenge = |attributes: &str| {
            let challenge = format!("Bearer realm=\"{realm}\"{attributes}");
            Some(("www-authenticate", challenge))
        };
        match self {
            Self::AmbiguousPath
            | Self::AmbiguousHost
            | Self::AmbiguousUpgrade
            | Self::CrossOrigin => None,
            Self::ManyCredentials => challenge(", error=\"invalid_request\""),
            Self::NoCredential => challenge(""),
            Self::LoginNeeded(location) => Some(("location", location.clone())),
            Self::MalformedCredential | Self::Rejected(_) | Self::UnsafeClaim | Self::Revoked => {
                challenge(", error=\"invalid_token\"")
            }
            // RFC 9470 section 3: both demands, so that one step satisfies them.
            Self::WeakAuthentication { acr, max_age } => {
                let acr = acr.map(|acr| format!(", acr_values=\"{}\"", acr.name()));
                let max_age = max_age.map(|seconds| format!(", max_age=\"{seconds}\""));
                challenge(&format!(
                    ", error=\"insufficient_user_authentication\"{}{}",
                    acr.unwrap_or_default(),
                    max_age.unwrap_or_default()
                ))
            }
            Self::InsufficientScope(scope) => {
                let scope = scope.as_ref().map(|scope| format!(", scope=\"{scope}\""));
                challenge(&format!(
                    ", error=\"insufficient_scope\"{}",
                    scope.unwrap_or_default()
                ))
            }
            Self::Unsynced | Self::Stale => Some(("retry-after", "1".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ER-03: nobody can tell a revoked token from a forged one.
    #[test]
    fn every_defect_of_a_token_has_one_answer() {
        let answer = |denial: Denial| {
            let answer = denial.answer("example");
            (answer.status, answer.headers, answer.body)
        };
        let revoked = answer(Denial::Revoked);
        assert_eq!(revoked.0, 401);
        for denial in [
            Denial::MalformedCredential,
            Denial::UnsafeClaim,
            Denial::Rejected(Rejection::Expired),
            Denial::Rejected(Rejection::BadSignature),
        ] {
            assert_eq!(answer(denial), revoked);
        }
    }

    /// FR-16: no error attribute when no credential was sent.
    #[test]
    fn the_challenge_names_an_error_only_where_a_credential_was_sent() {
        let challenge = |denial: Denial| {
            denial
                .answer("example")
                .headers
                .into_iter()
                .find(|(name, _)| *name == "www-authenticate")
                .map(|(_, value)| value)
        };
        assert_eq!(
            challenge(Denial::NoCredential).as_deref(),
            Some("Bearer realm=\"example\"")
        );
        assert_eq!(
            challenge(Denial::Revoked).as_deref(),
            Some("Bearer realm=\"example\", error=\"invalid_token\"")
        );
        assert_eq!(challenge(Denial::Stale), None);
    }
}
