//! Every route of both listeners (the tables are in `public` and `internal`), and what holds for all of them.

mod admin;
pub mod internal;
pub mod public;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::app::App;
use crate::error::ApiError;
use crate::metrics;
use crate::origin;
use crate::request::{client_address, peer};
use crate::request_id::{RequestId, X_REQUEST_ID};

/// A request may take so long; waiting for a receipt or a page included.
const LONGEST: Duration = Duration::from_secs(40);

/// What the public listener serves.
pub fn public(app: App) -> Router {
    let router = public::api()
        .router()
        .layer(middleware::from_fn_with_state(app.clone(), origin::guard));
    finished(router, app)
}

/// What the internal listener serves.
pub fn internal(app: App) -> Router {
    finished(internal::api().router(), app)
}

fn finished(router: Router<App>, app: App) -> Router {
    router
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(async || ApiError::NotFound)
        .layer(caught())
        .layer(middleware::from_fn_with_state(app.clone(), bounded))
        .with_state(app)
}

/// A panic in a handler ends its request alone (ER-07).
fn caught() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| ApiError::Internal.into_response())
}

/// For every request: an id, which each line of the log has; no answer without its headers (CK-10), no request without an end (RL-08).
async fn bounded(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (extensions, headers) = (request.extensions(), request.headers());
    let id = RequestId::choose(peer(extensions), headers, &app.trust);
    let address = client_address(extensions, headers, &app.trust);
    let address = address.map(|address| address.to_string());
    // Of the highest level: whatever is logged has it.
    let span = tracing::error_span!("request", request_id = id.as_str(), address);
    request.extensions_mut().insert(id.clone());
    let mut response = answered(request, next).instrument(span).await;
    app.metrics.count_answer(response.status().as_u16());
    let headers = response.headers_mut();
    if let Some(id) = id.header() {
        headers.insert(X_REQUEST_ID, id);
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

async fn answered(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), loggable(request.uri().path()));
    let response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut.into_response(),
    };
    let status = response.status().as_u16();
    if status >= 500 {
        tracing::warn!(%method, path, status, "refused");
    } else if method != Method::GET {
        tracing::debug!(%method, path, status, "answered");
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

async fn figures(State(app): State<App>) -> Response {
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (headers, metrics::page(&app).await).into_response()
}

/// Ready: the store answers, the keys are there, and it is not about to stop.
async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    if *app.draining.borrow() {
        return Err(ApiError::Unavailable);
    }
    app.store.keys().await?;
    Ok("ready\n")
}

/// Only on the internal listener (ER-06).
async fn public_document(State(app): State<App>) -> Answer<Value> {
    Answer(public::document(&app.settings))
}

async fn internal_document(State(app): State<App>) -> Answer<Value> {
    Answer(internal::document(&app.settings))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    /// ER-07, ER-01: what panics is a 500 without a word of why, and the next request is served.
    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_500_and_the_next_request_is_served() {
        let panics = async || -> &'static str { panic!("with a secret in it") };
        let router: Router = Router::new()
            .route("/panics", get(panics))
            .route("/works", get(async || "works"))
            .layer(caught());
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        for _ in 0..3 {
            let (status, body) = ask("/panics").await;
            assert_eq!(status, 500);
            assert!(
                body.contains("\"internal\"") && !body.contains("secret"),
                "{body}"
            );
            assert_eq!(ask("/works").await, (200, "works".to_owned()));
        }
    }
}
