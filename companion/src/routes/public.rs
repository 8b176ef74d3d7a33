//! What browsers, apps and API clients call.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::api::{Api, Credential, Route, delete, get, patch, post, put, schemas};
use crate::config::Settings;
use crate::error::{self, ApiError};
use crate::oauth_error::OauthError;
use crate::{
    account, challenges, email_change, enrolment, login, oauth, password_change, reauthentication,
    receipts, security_log, sessions, sign_up, tokens,
};

const ABOUT: &str = "Accounts, sessions and tokens.

Every answer has `Cache-Control: no-store`, but for the key set. A body of a request is `application/json` of at most 16 KiB; unknown \
members and members that stand twice are refused. Refusals are `application/problem+json` (RFC 9457) with a stable `code`. A method \
that a path does not offer gets 405 `method_not_allowed` and `Allow`, an unknown path 404 `not_found`.

A session that was opened with delivery `cookie` has its tokens in the cookies `__Host-access` and `__Secure-refresh`, and in no body. An \
unsafe request that carries one of them needs `Sec-Fetch-Site: same-origin` or an `Origin` of ours; what a page of another site sends is \
refused, with and without a cookie: 403 `cross_origin`. Only a final answer sets or deletes cookies. A 429 has `RateLimit`, and \
`RateLimit-Policy` where a limit was reached (draft-ietf-httpapi-ratelimit-headers).";

/// The table.
pub fn api() -> Api {
    Api::new(ABOUT)
        .group("Sign-up and codes", codes())
        .group("Sessions", sessions())
        .group("The owner's account", account())
        .group("Second factor", factors())
        .group("OAuth clients", oauth())
        .group("Metadata", metadata())
        .guarded()
}

/// The OpenAPI document.
pub fn document(settings: &Settings) -> Value {
    api().document(&settings.base_url)
}

fn codes() -> Vec<Route> {
    vec![
        post("/auth/v1/accounts", sign_up::sign_up)
            .does("sign_up", "Takes a sign-up; a code, or a notice to the owner of a known address, goes by mail.")
            .takes::<sign_up::SignUp>()
            .answers::<challenges::Challenged>(StatusCode::ACCEPTED, "Mail is on its way, whatever the address.")
            .refuses([ApiError::InvalidEmail, error::WEAK_PASSWORD, error::LIMITED, ApiError::Overloaded]),
        post("/auth/v1/challenges", challenges::new_challenge)
            .does("request_code", "Mails a new code under a new challenge: for an address, or to step up the session of the access token. Where its account has an authenticator app, nothing is mailed, and only the app or a recovery code steps up.")
            .credentials(&[Credential::Nothing, Credential::AccessToken])
            .takes::<challenges::NewChallenge>()
            .answers::<challenges::Challenged>(StatusCode::ACCEPTED, "Mail is on its way, if there is an account that it is for.")
            .refuses([ApiError::InvalidEmail, error::LIMITED]),
        post("/auth/v1/challenges/{id}/resend", challenges::resend)
            .does("resend_code", "Mails a new code under the same challenge; the older one stops working.")
            .answers::<challenges::Challenged>(StatusCode::ACCEPTED, "Mail is on its way, if the challenge is open.")
            .refuses([ApiError::NotFound, error::LIMITED]),
        post("/auth/v1/challenges/{id}/verify", challenges::verify)
            .does("verify_code", "Enters a code, from the mail or, where the challenge waits for it, of the authenticator app. A recovery sets the new password, ends all sessions and answers with a receipt.")
            .credentials(&[Credential::Nothing, Credential::AccessToken])
            .takes::<challenges::Code>()
            .header("Prefer", json!({ "type": "string" }), "As where sessions are ended.")
            .answers::<challenges::Opened>(StatusCode::OK, "What the code was for has happened.")
            .answers::<tokens::Tokens>(StatusCode::CREATED, "The second step of a login: the session is open.")
            .answers::<challenges::Opened>(StatusCode::ACCEPTED, "A recovery: a gateway may still accept access tokens until `effective_by`.")
            .refuses([ApiError::InvalidCode, error::WEAK_PASSWORD, error::LIMITED, ApiError::Overloaded]),
    ]
}

fn account() -> Vec<Route> {
    vec![
        get("/auth/v1/account", account::show)
            .does("show_account", "Shows the owner's account.")
            .owned()
            .answers::<account::ShownAccount>(StatusCode::OK, "The account."),
        delete("/auth/v1/account", account::delete)
            .does("delete_account", "Deletes the owner's account, and ends all its sessions.")
            .owned()
            .refuses([ApiError::NotSteppedUp])
            .answers_receipt::<receipts::Receipt>(),
        put("/auth/v1/account/password", password_change::change_password)
            .does("change_password", "Sets a new password, and ends all other sessions. It needs the current one, or a step-up.")
            .owned()
            .takes::<password_change::NewPassword>()
            .answers_receipt::<receipts::Receipt>()
            .refuses([ApiError::NotSteppedUp, ApiError::InvalidCredentials, error::WEAK_PASSWORD, error::LIMITED, ApiError::Overloaded]),
        put("/auth/v1/account/email", email_change::change_email)
            .does("change_email", "Mails a code to the address that the account is to have.")
            .owned()
            .takes::<email_change::NewEmail>()
            .answers::<challenges::Challenged>(StatusCode::ACCEPTED, "Mail is on its way, whatever the address.")
            .refuses([ApiError::NotSteppedUp, ApiError::InvalidEmail, error::LIMITED]),
        get("/auth/v1/account/events", security_log::page)
            .does("list_account_events", "Lists what has happened to the owner's account, newest first, a page at a time.")
            .owned()
            .optional_query("before", json!({ "type": "string" }), "The `next` of the page before.")
            .optional_query("limit", schemas::between(1, security_log::MOST), "So many at most; 50 when it is not given.")
            .answers::<security_log::Page>(StatusCode::OK, "A page of them."),
    ]
}

fn sessions() -> Vec<Route> {
    vec![
        post("/auth/v1/sessions", login::log_in)
            .does("log_in", "Checks a password and opens a session.")
            .takes::<login::Body>()
            .answers::<tokens::Tokens>(StatusCode::CREATED, "The session is open.")
            .refuses([ApiError::InvalidCredentials, ApiError::OtpRequired(None), error::LIMITED, ApiError::Overloaded]),
        get("/auth/v1/sessions", sessions::list)
            .does("list_sessions", "Lists the owner's sessions.")
            .owned()
            .answers::<sessions::List>(StatusCode::OK, "All sessions that live."),
        delete("/auth/v1/sessions", sessions::end_many)
            .does("end_sessions", "Ends the owner's sessions: all, or all but the one that the access token is of.")
            .recent()
            .query("scope", schemas::one_of(&["others", "all"]), "Which.")
            .answers_receipt::<receipts::Receipt>(),
        post("/auth/v1/sessions/refresh", login::refresh)
            .does("refresh", "Rotates a refresh token. The same one again within the grace gets the same successor; later it ends the session.")
            .credentials(&[Credential::Nothing])
            .may_take::<login::Presented>()
            .answers::<tokens::Tokens>(StatusCode::OK, "The next tokens.")
            .refuses([ApiError::InvalidRefreshToken, error::LIMITED]),
        delete("/auth/v1/sessions/current", sessions::log_out)
            .does("log_out", "Ends a session: by access token, even an expired one, by refresh token of any generation, or by both.")
            .credentials(&[Credential::AccessToken, Credential::Nothing])
            .may_take::<sessions::Presented>()
            .answers_receipt::<receipts::Receipt>()
            .refuses([ApiError::InvalidRefreshToken]),
        delete("/auth/v1/sessions/{id}", sessions::end_one)
            .does("end_session", "Ends one of the owner's sessions.")
            .recent()
            .answers_receipt::<receipts::Receipt>()
            .refuses([ApiError::NotFound]),
        patch("/auth/v1/sessions/{id}", sessions::rename)
            .does("rename_session", "Gives one of the owner's sessions another name, or none.")
            .owned()
            .takes::<sessions::Renaming>()
            .answers::<tokens::ShownSession>(StatusCode::OK, "The session as it is now.")
            .refuses([ApiError::NotFound]),
        get("/auth/v1/revocations/{id}", sessions::revocation)
            .does("look_at_revocation", "Says how far a revocation has come.")
            .answers::<receipts::Receipt>(StatusCode::OK, "The receipt as of now.")
            .refuses([ApiError::NotFound]),
    ]
}

fn factors() -> Vec<Route> {
    vec![
        post("/auth/v1/sessions/current/reauthenticate", reauthentication::reauthenticate)
            .does("reauthenticate", "Shows once more all that a login asks for; the refresh token stays what it is.")
            .owned()
            .takes::<reauthentication::Again>()
            .answers::<tokens::Tokens>(StatusCode::OK, "An access token with a new `auth_time`, and no refresh token.")
            .refuses([
                ApiError::InvalidCredentials, ApiError::OtpRequired(None), ApiError::InvalidCode, error::LIMITED, ApiError::Overloaded,
            ]),
        post("/auth/v1/account/totp", enrolment::begin)
            .does("enrol_totp", "Makes the secret of an authenticator app. It counts once a code of it was entered.")
            .stepped_up()
            .may_take::<enrolment::Empty>()
            .answers::<enrolment::Enrolment>(StatusCode::CREATED, "Shown this once."),
        delete("/auth/v1/account/totp", enrolment::remove)
            .does("remove_totp", "Removes the authenticator app and the recovery codes, and ends the other sessions.")
            .stepped_up()
            .may_take::<enrolment::Empty>()
            .answers_receipt::<receipts::Receipt>()
            .refuses([ApiError::NotFound]),
        post("/auth/v1/account/totp/confirm", enrolment::confirm)
            .does("confirm_totp", "Enters the first code of an authenticator app: it counts from now on, and the other sessions end.")
            .stepped_up()
            .takes::<enrolment::Code>()
            .answers_receipt::<enrolment::Confirmed>()
            .refuses([ApiError::InvalidCode, error::LIMITED]),
        post("/auth/v1/account/recovery-codes", enrolment::replace_recovery_codes)
            .does("replace_recovery_codes", "Makes new recovery codes; the old ones open nothing any more.")
            .stepped_up()
            .may_take::<enrolment::Empty>()
            .answers::<enrolment::RecoveryCodes>(StatusCode::CREATED, "Shown this once.")
            .refuses([ApiError::NotFound]),
    ]
}

fn oauth() -> Vec<Route> {
    const EITHER: [Credential; 2] = [Credential::Nothing, Credential::ClientSecret];
    // RFC 6749 section 3.1: what is unknown is ignored, and nothing stands there twice.
    let others = json!({ "type": "string" });
    let form = |parameter: &str, about: &str| {
        json!({
            "type": "object",
            "required": [parameter],
            "properties": {
                parameter: { "type": "string", "minLength": 1, "description": about },
                "client_id": { "type": "string" },
                "client_secret": { "type": "string" },
                "token_type_hint": { "type": "string" },
            },
            "additionalProperties": others,
        })
    };
    let refresh = json!({
        "type": "object",
        "required": ["grant_type", "refresh_token"],
        "properties": {
            "grant_type": schemas::one_of(&["refresh_token"]),
            "refresh_token": { "type": "string", "minLength": 1 },
            "client_id": { "type": "string" },
            "client_secret": { "type": "string" },
            "scope": { "type": "string" },
        },
        "additionalProperties": others,
    });
    vec![
        post("/auth/oauth/token", oauth::token)
            .does(
                "oauth_token",
                "Rotates a refresh token (RFC 6749 section 6).",
            )
            .takes_form(&EITHER, refresh)
            .answers::<oauth::Tokens>(StatusCode::OK, "The next tokens.")
            .refuses_clients([OauthError::InvalidGrant, OauthError::UnsupportedGrantType]),
        post("/auth/oauth/revoke", oauth::revoke)
            .does(
                "oauth_revoke",
                "Ends the session of an access or refresh token (RFC 7009).",
            )
            .takes_form(&EITHER, form("token", "An access or refresh token."))
            .answers_nothing(StatusCode::OK, "The session has ended, or there was none."),
        post("/auth/oauth/introspect", oauth::introspect)
            .does(
                "oauth_introspect",
                "Says what a token is (RFC 7662). Needs a client that may ask.",
            )
            .takes_form(
                &[Credential::ClientSecret],
                form("token", "An access or refresh token."),
            )
            .answers::<oauth::Known>(StatusCode::OK, "What it is.")
            .refuses_clients([OauthError::UnauthorizedClient]),
    ]
}

fn metadata() -> Vec<Route> {
    let keys = json!({
        "type": "object",
        "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": {
            "type": "object",
            "required": ["kty", "use", "alg", "kid", "crv", "x"],
            "properties": {
                "kty": schemas::one_of(&["EC", "OKP"]),
                "use": schemas::one_of(&["sig"]),
                "alg": schemas::one_of(&["ES256", "EdDSA"]),
                "kid": { "type": "string" },
                "crv": schemas::one_of(&["P-256", "Ed25519"]),
                "x": { "type": "string" },
                "y": { "type": "string" },
            },
        } } },
    });
    vec![
        get("/.well-known/oauth-authorization-server", oauth::metadata)
            .does(
                "oauth_metadata",
                "What OAuth clients need to know (RFC 8414).",
            )
            .answers::<oauth::Metadata>(StatusCode::OK, "The metadata."),
        get("/.well-known/jwks.json", super::key_set)
            .does(
                "key_set",
                "The keys that access tokens are signed with (RFC 7517).",
            )
            .answers_with(
                StatusCode::OK,
                "application/jwk-set+json",
                keys,
                "Good for 5 minutes (`Cache-Control`).",
            ),
    ]
}
