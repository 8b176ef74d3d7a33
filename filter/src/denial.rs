//! How a refusal is answered: status, challenge, body. Exhaustive, so that no reason can ship without its answer.

use serde_json::json;
use token::Rejection;

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The path is missing or has two readings.
    AmbiguousPath,
    /// More than one credential.
    ManyCredentials,
    /// None, where one is needed.
    NoCredential,
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
    pub(crate) const LABELS: [&str; 9] = [
        "ambiguous_path",
        "many_credentials",
        "no_credential",
        "malformed_credential",
        "rejected",
        "unsafe_claim",
        "revoked",
        "unsynced",
        "stale",
    ];

    /// A stable word for the counters; the reason of a rejection is in the details.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::AmbiguousPath => "ambiguous_path",
            Self::ManyCredentials => "many_credentials",
            Self::NoCredential => "no_credential",
            Self::MalformedCredential => "malformed_credential",
            Self::Rejected(_) => "rejected",
            Self::UnsafeClaim => "unsafe_claim",
            Self::Revoked => "revoked",
            Self::Unsynced => "unsynced",
            Self::Stale => "stale",
        }
    }

    /// The answer: RFC 9457 body, RFC 6750 challenge.
    pub(crate) fn answer(self, realm: &str) -> Answer {
        let details = match self {
            Self::Rejected(rejection) => format!("latchkey_rejected_{}", rejection.label()),
            _ => format!("latchkey_{}", self.label()),
        };
        let (status, code, title, header) = match self {
            Self::AmbiguousPath => (
                400,
                "ambiguous_request",
                "The path is missing or ambiguous.",
                None,
            ),
            Self::ManyCredentials => {
                let challenge = format!("Bearer realm=\"{realm}\", error=\"invalid_request\"");
                (
                    400,
                    "ambiguous_request",
                    "More than one credential was sent.",
                    Some(("www-authenticate", challenge)),
                )
            }
            Self::NoCredential => {
                let challenge = format!("Bearer realm=\"{realm}\"");
                (
                    401,
                    "credential_required",
                    "An access token is required.",
                    Some(("www-authenticate", challenge)),
                )
            }
            // One answer for every defect: which one it was is for counters and logs (ER-03).
            Self::MalformedCredential | Self::Rejected(_) | Self::UnsafeClaim | Self::Revoked => {
                let challenge = format!("Bearer realm=\"{realm}\", error=\"invalid_token\"");
                (
                    401,
                    "invalid_token",
                    "The access token is not accepted.",
                    Some(("www-authenticate", challenge)),
                )
            }
            Self::Unsynced | Self::Stale => (
                503,
                "not_ready",
                "The gateway cannot check access tokens right now.",
                Some(("retry-after", "1".to_owned())),
            ),
        };
        let body = json!({ "type": "about:blank", "title": title, "status": status, "code": code })
            .to_string();
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        headers.extend(header);
        Answer {
            status,
            headers,
            body,
            details,
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
