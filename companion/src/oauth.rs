//! The endpoints that standard OAuth clients know: refresh (RFC 6749 section 6), revocation (RFC 7009), introspection (RFC 7662), and the
//! metadata that names them (RFC 8414). What they do is what `login` and `sessions` do.

use axum::extract::{FromRequest, FromRequestParts as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::Serialize;
use serde_json::Value;
use token::{AccessToken, RefreshToken, SessionId, UnixTime};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::form::{Form, FormError};
use crate::oauth_client::{self, Caller as Client};
use crate::oauth_error::OauthError;
use crate::owner;
use crate::request::{self, Caller};
use crate::sessions::{self, Named};
use crate::{login, roles, tokens};

/// A form, and the client that has sent it.
pub struct Call {
    form: Form,
    client: Client,
}

impl FromRequest<App> for Call {
    type Rejection = OauthError;

    async fn from_request(request: Request, app: &App) -> Result<Self, OauthError> {
        let (mut parts, body) = request.into_parts();
        let Ok(caller) = Caller::from_request_parts(&mut parts, app).await;
        let headers = parts.headers;
        if !request::is_of_type(&headers, b"application/x-www-form-urlencoded") {
            return Err(ApiError::UnsupportedMediaType.into());
        }
        let body = request::read(body).await?;
        let form = Form::parse(&body).map_err(|error| {
            OauthError::Invalid(match error {
                FormError::Malformed => "The body is not well-formed.",
                FormError::Repeated => "A parameter stands there twice.",
                FormError::TooMany => "There are too many parameters.",
            })
        })?;
        let client = authenticate(app, &headers, &form, &caller).await?;
        Ok(Self { form, client })
    }
}

/// Who guesses at secrets draws on what all the unauthenticated share.
async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    form: &Form,
    caller: &Caller,
) -> Result<Client, OauthError> {
    let first_party = &app.settings.client_id;
    let client = oauth_client::authenticate(headers, form, first_party, &app.clients);
    if matches!(client, Err(OauthError::InvalidClient)) {
        app.take(Vec::new()).await?;
        app.tell(&caller.client(), Event::failed("client_refused"));
    }
    client
}

impl Call {
    fn required(&self, name: &str, missing: &'static str) -> Result<&str, OauthError> {
        self.form.get(name).ok_or(OauthError::Invalid(missing))
    }

    fn token(&self) -> Result<&str, OauthError> {
        self.required("token", "`token` is missing.")
    }
}

/// RFC 6749 section 5.1.
#[derive(Serialize, ToSchema)]
#[schema(as = OauthTokens)]
pub struct Tokens {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// That of the access token, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// `POST /auth/oauth/token`: rotates a refresh token, with all that holds of `POST /auth/v1/sessions/refresh`. `scope` is not looked at: the
/// answer names what the token has (RFC 6749 section 3.3).
///
/// # Errors
/// [`OauthError`].
pub async fn token(
    State(app): State<App>,
    caller: Caller,
    call: Call,
) -> Result<Answer<Tokens>, OauthError> {
    if call.required("grant_type", "`grant_type` is missing.")? != "refresh_token" {
        return Err(OauthError::UnsupportedGrantType);
    }
    let refresh = call.required("refresh_token", "`refresh_token` is missing.")?;
    let minted = login::rotate_in_body(&app, refresh, &caller).await?;
    Ok(Answer(Tokens {
        access_token: tokens::access_token(&app, &minted).await?,
        token_type: "Bearer",
        expires_in: minted.exp.since(minted.iat).as_secs(),
        refresh_token: tokens::refresh_token(&app, &minted.session),
        scope: roles::scope(&app.settings.roles, &minted.roles),
    }))
}

/// `POST /auth/oauth/revoke`: ends the session of an access or refresh token, of any generation and however long expired. A token that is
/// none is as good as revoked (RFC 7009 section 2.2). The session has ended on disk when this answers; it waits for no gateway.
///
/// # Errors
/// [`OauthError`].
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    call: Call,
) -> Result<Response, OauthError> {
    let raw = call.token()?;
    let named = match RefreshToken::verify(raw, &app.vault.refresh_keys()) {
        Ok(refresh) => Some(Named::by_refresh(&refresh)),
        Err(_) => match owner::at_logout(&app, raw).await {
            Ok(access) => Some(Named::by_access(&access)),
            Err(ApiError::InvalidToken) => None,
            Err(error) => return Err(error.into()),
        },
    };
    if let Some(named) = named {
        sessions::end(&app, named, caller.client()).await?;
    }
    Ok(().into_response())
}

/// RFC 7662 section 2.2, RFC 9470 section 6.2. Of a token that is not active nothing else is said.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Introspection)]
pub struct Known {
    active: bool,
    /// Of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    iat: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    exp: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// `POST /auth/oauth/introspect`: what a token says, if it is good at this moment. Presenting a refresh token here uses nothing up, and an
/// old one ends nothing.
///
/// # Errors
/// [`OauthError`].
pub async fn introspect(State(app): State<App>, call: Call) -> Result<Answer<Known>, OauthError> {
    match call.client {
        Client::Confidential { introspects: true } => {}
        Client::Confidential { introspects: false } => return Err(OauthError::UnauthorizedClient),
        // RFC 7662 section 2.1: nobody learns of tokens without showing who he is.
        Client::FirstParty => return Err(OauthError::InvalidClient),
    }
    let raw = call.token()?;
    let known = match RefreshToken::verify(raw, &app.vault.refresh_keys()) {
        Ok(refresh) => of_refresh(&app, &refresh).await?,
        Err(_) => of_access(&app, raw).await?,
    };
    Ok(Answer(known.unwrap_or_default()))
}

/// An access token whose session lives.
async fn of_access(app: &App, raw: &str) -> Result<Option<Known>, OauthError> {
    let now = app.store.now().await?.wall.seconds();
    let Ok(token) = owner::verify_now(app, raw, now) else {
        return Ok(None);
    };
    let Ok(account) = token.subject().parse() else {
        return Ok(None);
    };
    let session = app.store.live_session(token.session(), account).await?;
    Ok(session.map(|_| shown(&token)))
}

fn shown(token: &AccessToken) -> Known {
    let text = |name| {
        token
            .claim(name)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    Known {
        active: true,
        token_type: Some("Bearer"),
        iss: Some(token.issuer().to_owned()),
        aud: token.audiences().to_vec(),
        sub: Some(token.subject().to_owned()),
        sid: Some(token.session()),
        jti: Some(token.token_id().to_owned()),
        iat: Some(token.issued_at()),
        exp: Some(token.expires_at()),
        auth_time: token.auth_time(),
        acr: token.acr().map(ToOwned::to_owned),
        client_id: text("client_id"),
        roles: token.roles().to_vec(),
        scope: text("scope"),
    }
}

/// A refresh token of the live generation, of a session that can be used.
async fn of_refresh(app: &App, token: &RefreshToken) -> Result<Option<Known>, OauthError> {
    let session = app.store.usable_session(token.session()).await?;
    let session = session.filter(|session| session.generation == token.generation());
    Ok(session.map(|session| Known {
        active: true,
        iss: Some(app.settings.issuer().to_owned()),
        sub: Some(session.account.to_string()),
        sid: Some(session.id),
        client_id: Some(app.settings.client_id.clone()),
        iat: Some(session.last_seen_at.seconds()),
        exp: Some(
            session
                .idle_deadline
                .min(session.absolute_deadline)
                .seconds(),
        ),
        ..Known::default()
    }))
}

/// RFC 8414 section 2.
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    /// There is no authorization endpoint; an empty list is none to some clients.
    response_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
}

/// `GET /.well-known/oauth-authorization-server`.
pub async fn metadata(State(app): State<App>) -> Answer<Metadata> {
    const BASIC: &str = "client_secret_basic";
    const POST: &str = "client_secret_post";
    let at = |path: &str| format!("{}{path}", app.settings.base_url);
    let every: Vec<_> = app.settings.roles.keys().cloned().collect();
    let scope = roles::scope(&app.settings.roles, &every).unwrap_or_default();
    Answer(Metadata {
        issuer: app.settings.issuer().to_owned(),
        token_endpoint: at("/auth/oauth/token"),
        revocation_endpoint: at("/auth/oauth/revoke"),
        introspection_endpoint: at("/auth/oauth/introspect"),
        jwks_uri: at("/.well-known/jwks.json"),
        grant_types_supported: ["refresh_token"],
        response_types_supported: ["none"],
        token_endpoint_auth_methods_supported: ["none", BASIC, POST],
        revocation_endpoint_auth_methods_supported: ["none", BASIC, POST],
        introspection_endpoint_auth_methods_supported: [BASIC, POST],
        scopes_supported: scope.split_terminator(' ').map(ToOwned::to_owned).collect(),
    })
}
