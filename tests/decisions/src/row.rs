//! One row: a request, where it is sent, and what must become of it.

use crate::configuration::Configuration;
use crate::issuer::Session;
use crate::request::Request;

/// What is known of the feed when the request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Synced and fresh; the sessions of [`crate::sessions_that_ended`] are revoked.
    Synced,
    /// No page has ever come.
    Unsynced,
    /// Synced once, with the same revocations; the last page is more than 5 s and less than 60 s old.
    Aged,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is tried, unique.
    pub name: String,
    /// The requirements that it is about.
    pub requirements: &'static str,
    /// The configuration that it is sent to.
    pub configuration: Configuration,
    /// What is known of the feed.
    pub state: State,
    /// What is sent.
    pub request: Request,
    /// What the filter makes of it.
    pub expected: Expected,
    /// Where Envoy resolves or refuses it before the filter, over HTTP/1.1.
    pub http1: Option<Own>,
    /// The same over HTTP/2.
    pub http2: Option<Own>,
}

/// What Envoy makes of a request by itself.
#[derive(Clone, Debug)]
pub enum Own {
    /// It answers with this status; the request reaches neither filter nor app.
    Status(u16),
    /// It resets the stream or closes the connection without an answer.
    Reset,
    /// It changes the request, and this is what the filter makes of what is left.
    Decides(Expected),
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Expected {
    /// The filter answers.
    Answer {
        /// Its status.
        status: u16,
        /// `code` of the problem document; empty where the answer has none.
        code: &'static str,
        /// Behind `Bearer realm="…"` in `WWW-Authenticate`; absent where there is no challenge.
        challenge: Option<String>,
        /// `Location`.
        location: Option<String>,
    },
    /// It reaches the app.
    Pass(Known),
}

/// What the app gets to know.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The request target there, where Envoy changes it.
    pub target: Option<&'static str>,
    /// Identity headers, which are all that stands under a reserved name.
    pub identity: Vec<(String, String)>,
    /// The values of `authorization`.
    pub authorization: Vec<Vec<u8>>,
    /// The cookies, one by one.
    pub cookies: Vec<String>,
    /// Whether `x-auth-stale` tells an age.
    pub is_stale: bool,
    /// Other headers that it gets exactly so.
    pub others: Vec<(&'static str, Vec<&'static str>)>,
    /// Trailers, where the app can get any.
    pub trailers: Vec<(&'static str, &'static str)>,
}

/// A row of the full configuration with a synced feed.
pub(crate) fn row(
    name: impl Into<String>,
    requirements: &'static str,
    request: Request,
    expected: Expected,
) -> Row {
    Row {
        name: name.into(),
        requirements,
        configuration: Configuration::Full,
        state: State::Synced,
        request,
        expected,
        http1: None,
        http2: None,
    }
}

impl Row {
    /// Whether Envoy resolves or refuses it by itself on at least one protocol.
    pub const fn is_envoys_own(&self) -> bool {
        self.http1.is_some() || self.http2.is_some()
    }

    pub(crate) const fn on(mut self, configuration: Configuration) -> Self {
        self.configuration = configuration;
        self
    }

    pub(crate) const fn when(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// The same on both protocols.
    pub(crate) fn envoy(self, own: Own) -> Self {
        self.http1(own.clone()).http2(own)
    }

    pub(crate) fn http1(mut self, own: Own) -> Self {
        self.http1 = Some(own);
        self
    }

    pub(crate) fn http2(mut self, own: Own) -> Self {
        self.http2 = Some(own);
        self
    }
}

impl Expected {
    /// 200 of `ready_path`.
    pub(crate) fn ready() -> Self {
        Self::answer(200, "", None)
    }

    /// A path or host that is missing or has two readings.
    pub(crate) fn ambiguous() -> Self {
        Self::answer(400, "ambiguous_request", None)
    }

    /// More than one credential.
    pub(crate) fn many() -> Self {
        Self::answer(
            400,
            "ambiguous_request",
            Some(", error=\"invalid_request\""),
        )
    }

    /// No credential (RFC 6750 section 3: without an error).
    pub(crate) fn missing() -> Self {
        Self::answer(401, "credential_required", Some(""))
    }

    /// A browser without credential, on its way to the login page; the way back as it stands in the query.
    pub(crate) fn login(return_to: &str) -> Self {
        Self::Answer {
            status: 303,
            code: "credential_required",
            challenge: None,
            location: Some(format!("/auth/login?return_to={return_to}")),
        }
    }

    /// A bad, expired or revoked token: one answer.
    pub(crate) fn invalid() -> Self {
        Self::answer(401, "invalid_token", Some(", error=\"invalid_token\""))
    }

    /// Too weak or too old (RFC 9470 section 3): what the rule demands.
    pub(crate) fn weak(demands: &str) -> Self {
        let challenge = format!(", error=\"insufficient_user_authentication\", {demands}");
        Self::answer(401, "insufficient_user_authentication", Some(&challenge))
    }

    /// A role or scope is missing; the scopes that the rule demands.
    pub(crate) fn scope(scopes: &str) -> Self {
        let scope = match scopes {
            "" => String::new(),
            scopes => format!(", scope=\"{scopes}\""),
        };
        let challenge = format!(", error=\"insufficient_scope\"{scope}");
        Self::answer(403, "insufficient_scope", Some(&challenge))
    }

    /// A cookie on a request that another site may have caused.
    pub(crate) fn cross_origin() -> Self {
        Self::answer(403, "cross_origin", None)
    }

    /// Unsynced or stale.
    pub(crate) fn not_ready() -> Self {
        Self::answer(503, "not_ready", None)
    }

    fn answer(status: u16, code: &'static str, challenge: Option<&str>) -> Self {
        Self::Answer {
            status,
            code,
            challenge: challenge.map(ToOwned::to_owned),
            location: None,
        }
    }

    /// To the app, which learns of nobody.
    pub(crate) fn anonymous() -> Self {
        Self::Pass(Known::default())
    }

    /// To the app, which learns who it is.
    pub(crate) fn known(session: &Session) -> Self {
        Self::identified(&[
            ("x-auth-roles", &session.roles.join(",")),
            ("x-auth-session", &session.id.to_string()),
            ("x-auth-subject", &session.subject.to_string()),
        ])
    }

    /// To the app with these identity headers; one without a value is left out.
    pub(crate) fn identified(headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().filter(|(_, value)| !value.is_empty());
        Self::Pass(Known {
            identity: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Known::default()
        })
    }

    /// The app gets this `authorization` too.
    pub(crate) fn with_authorization(self, value: impl AsRef<[u8]>) -> Self {
        self.knowing(|known| known.authorization.push(value.as_ref().to_vec()))
    }

    /// The app gets these cookies too.
    pub(crate) fn with_cookies(self, cookies: &[&str]) -> Self {
        self.knowing(|known| {
            let cookies = cookies.iter().map(ToString::to_string);
            known.cookies.extend(cookies);
        })
    }

    /// The app is told that the state is old.
    pub(crate) fn stale(self) -> Self {
        self.knowing(|known| known.is_stale = true)
    }

    /// The app gets a header with exactly these values too.
    pub(crate) fn with_header(self, name: &'static str, values: &[&'static str]) -> Self {
        self.knowing(|known| known.others.push((name, values.to_vec())))
    }

    /// The app gets this request target in place of the one that was sent.
    pub(crate) fn at(self, target: &'static str) -> Self {
        self.knowing(|known| known.target = Some(target))
    }

    /// The app gets this trailer too.
    pub(crate) fn with_trailer(self, name: &'static str, value: &'static str) -> Self {
        self.knowing(|known| known.trailers.push((name, value)))
    }

    fn knowing(mut self, change: impl FnOnce(&mut Known)) -> Self {
        if let Self::Pass(known) = &mut self {
            change(known);
        }
        self
    }
}
