//! The operator's calls.

use axum::http::StatusCode;
use serde_json::json;

use crate::admin::{accounts, audit, feed, gateways, sessions};
use crate::api::{Credential, Route, delete, get, post, schemas};
use crate::error::ApiError;
use crate::receipts::Receipt;

/// The table.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = accounts();
    routes.extend(sessions());
    routes.extend(gateways());
    routes.extend(log());
    routes
}

/// For operators alone.
fn operated(route: Route) -> Route {
    route.credentials(&[Credential::AdminToken])
}

fn accounts() -> Vec<Route> {
    vec![
        operated(get("/admin/v1/accounts", accounts::find))
            .does("find_account", "The account of an address: one or none.")
            .query("email", json!({ "type": "string" }), "The address.")
            .answers::<accounts::Accounts>(StatusCode::OK, "What was found.")
            .refuses([ApiError::InvalidEmail]),
        operated(get("/admin/v1/accounts/{id}", accounts::one))
            .does("account", "An account; a deleted one too.")
            .answers::<accounts::Account>(StatusCode::OK, "The account.")
            .refuses([ApiError::NotFound]),
    ]
}

fn sessions() -> Vec<Route> {
    vec![
        operated(get(
            "/admin/v1/accounts/{id}/sessions",
            sessions::of_account,
        ))
        .does(
            "sessions_of_account",
            "The sessions of an account that can be used.",
        )
        .answers::<crate::sessions::List>(StatusCode::OK, "They.")
        .refuses([ApiError::NotFound]),
        operated(delete(
            "/admin/v1/accounts/{id}/sessions",
            sessions::end_of_account,
        ))
        .does(
            "end_sessions_of_account",
            "Ends all sessions of an account.",
        )
        .answers_receipt::<Receipt>()
        .refuses([ApiError::NotFound]),
        operated(delete("/admin/v1/sessions/{id}", sessions::end_one))
            .does("end_any_session", "Ends a session, whosever it is.")
            .answers_receipt::<Receipt>()
            .refuses([ApiError::NotFound]),
        operated(delete("/admin/v1/sessions", sessions::end_all))
            .does("end_all_sessions", "Ends all sessions of all accounts.")
            .query(
                "scope",
                schemas::one_of(&["all"]),
                "Nobody ends all of them by leaving something out.",
            )
            .answers_receipt::<Receipt>(),
    ]
}

fn gateways() -> Vec<Route> {
    const POLLS: ApiError = ApiError::Conflict(gateways::STILL_POLLS);
    vec![
        operated(get("/admin/v1/gateways", gateways::list))
            .does("gateways", "The gateways, and how far behind each is.")
            .answers::<gateways::Gateways>(StatusCode::OK, "They."),
        operated(delete("/admin/v1/gateways/{id}", gateways::forget))
            .does(
                "forget_gateway",
                "Counts a gateway no more that is gone for good, until it polls again.",
            )
            .answers::<gateways::Forgotten>(StatusCode::OK, "It is forgotten.")
            .refuses([ApiError::NotFound, POLLS]),
        operated(post("/admin/v1/feed/reset", feed::reset))
            .does(
                "reset_feed",
                "Gives every row of the feed a new mark: every gateway reads it from the beginning.",
            )
            .answers::<feed::Reset>(StatusCode::OK, "Every row has a new mark."),
    ]
}

fn log() -> Vec<Route> {
    vec![
        operated(get("/admin/v1/audit", audit::page))
            .does("audit", "A page of the audit log, newest first.")
            .optional_query(
                "account",
                schemas::matching(schemas::ID),
                "Of this account alone.",
            )
            .optional_query(
                "before",
                json!({ "type": "integer", "minimum": 0 }),
                "Older than the event of that number.",
            )
            .optional_query(
                "limit",
                schemas::between(1, audit::MOST),
                "So many at most; 100 without it.",
            )
            .answers::<audit::Page>(StatusCode::OK, "The page."),
    ]
}
