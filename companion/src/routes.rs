//! Every route of both listeners, and what holds for all of them.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::error::ApiError;
use crate::{accounts, gateway, login, sessions};

/// A request may take so long; waiting for a receipt or a page included.
const LONGEST: Duration = Duration::from_secs(40);

/// What browsers, apps and API clients call.
pub fn public(app: App) -> Router {
    let api = Router::new()
        .route("/accounts", post(accounts::sign_up))
        .route("/challenges", post(accounts::new_challenge))
        .route("/challenges/{id}/resend", post(accounts::resend))
        .route("/challenges/{id}/verify", post(accounts::verify))
        .route(
            "/sessions",
            post(login::log_in)
                .get(sessions::list)
                .delete(sessions::end_many),
        )
        .route("/sessions/refresh", post(login::refresh))
        .route("/sessions/current", delete(sessions::log_out))
        .route("/sessions/{id}", delete(sessions::end_one))
        .route("/revocations/{id}", get(sessions::revocation));
    let router = Router::new()
        .nest("/auth/v1", api)
        .route("/.well-known/jwks.json", get(key_set));
    finished(router, app)
}

/// What gateways and the operator's own probes call; never routed from outside.
pub fn internal(app: App) -> Router {
    let router = Router::new()
        .route("/gateway/v1/revocations", get(gateway::revocations))
        .route("/gateway/v1/keys", get(gateway::keys))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready));
    finished(router, app)
}

fn finished(router: Router<App>, app: App) -> Router {
    router
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(async || ApiError::NotFound)
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::Internal.into_response()
        }))
        .layer(middleware::from_fn(bounded))
        .with_state(app)
}

/// For every request: no answer without its headers (CK-10), no request without an end (RL-08), one line in the log.
async fn bounded(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), loggable(request.uri().path()));
    let mut response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut.into_response(),
    };
    let status = response.status().as_u16();
    if status >= 500 {
        tracing::warn!(%method, path, status, "refused");
    } else if method != Method::GET {
        tracing::debug!(%method, path, status, "answered");
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    ),
];

/// The path without what a client made up: controls stay out of the log, and so does all that is long (AU-03).
fn loggable(path: &str) -> String {
    path.chars()
        .filter(char::is_ascii_graphic)
        .take(100)
        .collect()
}

/// Of the keys in memory, which the feed's reader renews: whoever asks for it in a loop reads no store.
async fn key_set(State(app): State<App>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/jwk-set+json"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    let keys = app.keys.current();
    (headers, keys.public().access.to_value().to_string()).into_response()
}

/// Ready: the store answers, and the keys are there.
async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.store.keys().await?;
    Ok("ready\n")
}
