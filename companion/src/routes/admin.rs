//! The operator's calls.

use axum::http::StatusCode;
use serde_json::json;

use crate::admin::{accounts, audit, feed, gateways, keys, outbox, sessions};
use crate::api::{Credential, Route, delete, get, post, put, schemas};
use crate::error::ApiError;
use crate::receipts::Receipt;

/// The table.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = accounts();
    routes.extend(sessions());
    routes.extend(keys());
    routes.extend(gateways());
    routes.extend(outbox());
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
        operated(post("/admin/v1/accounts/{id}/disable", accounts::disable))
            .does(
                "disable_account",
                "Nobody can use the account from now on, and its sessions end.",
            )
            .answers_receipt::<Receipt>()
            .refuses([ApiError::NotFound]),
        operated(post("/admin/v1/accounts/{id}/enable", accounts::enable))
            .does("enable_account", "The account can be used again.")
            .answers::<accounts::Account>(StatusCode::OK, "The account.")
            .refuses([ApiError::NotFound]),
        operated(put("/admin/v1/accounts/{id}/roles", accounts::set_roles))
            .does(
                "set_roles",
                "Sets the roles of an account, and ends its sessions unless told otherwise.",
            )
            .takes::<accounts::Roles>()
            .answers_receipt::<Receipt>()
            .refuses([ApiError::NotFound, ApiError::Invalid(accounts::BAD_ROLES)]),
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

fn keys() -> Vec<Route> {
    const BUSY: ApiError = ApiError::Conflict(keys::BUSY);
    vec![
        operated(get("/admin/v1/keys", keys::list))
            .does("keys", "The signing keys, oldest first.")
            .answers::<keys::Keys>(StatusCode::OK, "They."),
        operated(post("/admin/v1/keys/rotate", keys::rotate))
            .does(
                "rotate_key",
                "Publishes a new key, which signs from a while later on.",
            )
            .optional_query(
                "use",
                schemas::one_of(&["access", "feed"]),
                "What it is to sign; access tokens without it.",
            )
            .answers::<keys::Rotated>(StatusCode::OK, "It is published.")
            .refuses([BUSY]),
        operated(delete("/admin/v1/keys/{kid}", keys::remove))
            .does(
                "remove_key",
                "Takes a key out at once: whatever it has signed is refused everywhere.",
            )
            .answers_receipt::<Receipt>()
            .refuses([ApiError::NotFound]),
        operated(post("/admin/v1/keys/replace", keys::replace))
            .does(
                "replace_keys",
                "Puts new keys in the place of all that there are, at once.",
            )
            .answers::<keys::Replaced>(StatusCode::OK, "They are in force."),
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

fn outbox() -> Vec<Route> {
    vec![
        operated(get("/admin/v1/outbox", outbox::show))
            .does(
                "outbox",
                "How many mails wait, and those that were given up.",
            )
            .answers::<outbox::Outbox>(StatusCode::OK, "The outbox."),
        operated(post("/admin/v1/outbox/dead/retry", outbox::retry_all))
            .does(
                "retry_mails",
                "Notices that were given up are due again; codes are not.",
            )
            .answers::<outbox::Retried>(StatusCode::OK, "They are due."),
        operated(post(
            "/admin/v1/outbox/dead/{number}/retry",
            outbox::retry_one,
        ))
        .does("retry_mail", "A notice that was given up is due again.")
        .answers::<outbox::Retried>(StatusCode::OK, "It is due.")
        .refuses([ApiError::NotFound]),
        operated(delete("/admin/v1/outbox/dead", outbox::drop_all))
            .does("drop_mails", "Removes all mails that were given up.")
            .answers::<outbox::Dropped>(StatusCode::OK, "They are gone."),
        operated(delete("/admin/v1/outbox/dead/{number}", outbox::drop_one))
            .does("drop_mail", "Removes a mail that was given up.")
            .answers::<outbox::Dropped>(StatusCode::OK, "It is gone.")
            .refuses([ApiError::NotFound]),
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
