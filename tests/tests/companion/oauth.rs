//! The OAuth endpoints, as a program calls them that knows the standards and not Latchkey.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use companion::config::{OauthClient, Role, Settings};
use serde_json::{Value, json};
use tests::browser::Browser;
use tests::client::{Answer, Client, Request};
use tests::companion::{Companion, Gateway};
use tests::visitor::{Tokens, Visitor};

use crate::{MINUTE, claims, companion_with_alice, cookies, events, is_alive, tamper};

pub(crate) const SECRET: &str = "a-client-secret-of-32-characters";

/// Clients: `asks` may introspect, `plain` may not.
pub(crate) fn with_clients(settings: &mut Settings) {
    let folder = settings.state.parent().unwrap();
    let file = folder.join("client.secret");
    fs::write(&file, SECRET).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    settings.clients = [("asks", true), ("plain", false)]
        .map(|(id, introspect)| OauthClient {
            id: id.to_owned(),
            secret_file: file.clone(),
            introspect,
        })
        .into();
}

fn companion_with_clients() -> (Companion, Client, Visitor) {
    let companion = Companion::with(with_clients).unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    (companion, client, alice)
}

fn form(client: &Client, call: &str, body: &str) -> Request {
    let request = client.post(&format!("/auth/oauth/{call}"));
    request.body("application/x-www-form-urlencoded", body)
}

/// As the first-party app, which has no secret.
fn first_party(client: &Client, call: &str, body: &str) -> Answer {
    let body = format!("client_id=latchkey&{body}");
    form(client, call, &body).send().unwrap()
}

fn basic(request: Request, id: &str, secret: &str) -> Request {
    let credentials = STANDARD.encode(format!("{id}:{secret}"));
    request.header("authorization", &format!("Basic {credentials}"))
}

fn refresh(client: &Client, token: &str) -> Answer {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    first_party(client, "token", &body)
}

fn introspect(client: &Client, token: &str) -> Value {
    let request = form(client, "introspect", &format!("token={token}"));
    let answer = basic(request, "asks", SECRET).send().unwrap();
    answer.expect(200, "introspection").unwrap().json()
}

/// Status and error, in the form of RFC 6749 section 5.2.
fn refused(answer: &Answer) -> (u16, String) {
    let error = answer.json();
    assert!(error["error_description"].is_string(), "{error}");
    assert_eq!(error.as_object().unwrap().len(), 2, "{error}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer.status, answer.string("/error"))
}

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// RR-01, RR-02, RR-04: the same rotation as at the other call: a successor, the same one within the grace, and theft after it.
#[test]
fn a_refresh_by_the_standard_rotates_repeats_and_detects_reuse() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let answer = refresh(&client, &first.refresh);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        ["access_token", "expires_in", "refresh_token", "token_type"]
    );
    assert_eq!(body["token_type"], "Bearer");
    let second = Tokens {
        access: answer.string("/access_token"),
        refresh: answer.string("/refresh_token"),
        session: first.session.clone(),
    };
    assert!(is_alive(&client, &second));
    // The parent again, at either call.
    let again = refresh(&client, &first.refresh).string("/refresh_token");
    assert_eq!(again, second.refresh);
    assert_eq!(first.refresh(&client).unwrap().refresh, second.refresh);
    companion.advance_seconds(11);
    assert_eq!(
        refused(&refresh(&client, &first.refresh)),
        error(400, "invalid_grant")
    );
    assert!(!is_alive(&client, &second));
    assert_eq!(events(&companion, "refresh_token_reused"), 1);
    assert_eq!(
        refused(&refresh(&client, &second.refresh)),
        error(400, "invalid_grant")
    );
}

/// CK-02: what a browser keeps in its cookie is not exchanged for tokens that a script can read; the browser goes on undisturbed. Theft ends
/// the session also here.
#[test]
fn a_refresh_token_that_belongs_in_a_cookie_is_not_exchanged_for_tokens_in_a_body() {
    let (companion, client, alice) = companion_with_alice();
    let mut browser = cookies::logged_in(&companion, &alice);
    let in_cookie = |browser: &Browser| browser.cookie(cookies::REFRESH).unwrap().value.clone();
    let first = in_cookie(&browser);
    assert_eq!(
        refused(&refresh(&client, &first)),
        error(400, "invalid_grant")
    );
    // Had it moved the session, the browser's would be an old one by now.
    companion.advance_seconds(11);
    assert_eq!(cookies::refresh(&mut browser).status, 200);
    // Its parent, within the grace.
    assert_eq!(
        refused(&refresh(&client, &first)),
        error(400, "invalid_grant")
    );
    assert_ne!(in_cookie(&browser), first);
    companion.advance_seconds(11);
    assert_eq!(cookies::list(&mut browser).status, 200);
    assert_eq!(
        refused(&refresh(&client, &first)),
        error(400, "invalid_grant")
    );
    assert_eq!(events(&companion, "refresh_token_reused"), 1);
    assert_eq!(cookies::list(&mut browser).status, 401);
}

/// RR-09, RR-11, RR-15: nothing that a caller sends makes a token grow, and no other token passes as a refresh token.
#[test]
fn what_is_asked_for_beyond_the_session_is_not_given() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let before = claims(&tokens);
    let body = format!(
        "grant_type=refresh_token&refresh_token={}&scope=admin&audience=x&resource=https%3A%2F%2Fx&acr=mfa",
        tokens.refresh
    );
    let answer = first_party(&client, "token", &body);
    let next = Tokens {
        access: answer.string("/access_token"),
        ..tokens.clone()
    };
    let after = claims(&next);
    assert_eq!(after.get("scope"), None);
    assert_eq!(answer.json().get("scope"), None);
    for name in ["aud", "amr", "acr", "auth_time", "sub", "sid", "client_id"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    for token in [tokens.access.as_str(), "x", "lkr_x.0.x"] {
        let answer = refresh(&client, token);
        assert_eq!(refused(&answer), error(400, "invalid_grant"), "{token}");
    }
}

/// RFC 6749 sections 2.3 and 5.2; ST-02: secrets come from files alone.
#[test]
fn a_client_is_known_by_its_id_or_its_secret_and_by_nothing_else() {
    let (_companion, client, alice) = companion_with_clients();
    let rotate =
        |tokens: &Tokens| format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
    let tokens = alice.login(&client).unwrap();
    let body = rotate(&tokens);
    let answer = basic(form(&client, "token", &body), "plain", SECRET);
    assert_eq!(answer.send().unwrap().status, 200);
    let tokens = alice.login(&client).unwrap();
    let posted = format!("{}&client_id=asks&client_secret={SECRET}", rotate(&tokens));
    assert_eq!(form(&client, "token", &posted).send().unwrap().status, 200);

    let tokens = alice.login(&client).unwrap();
    let body = rotate(&tokens);
    let wrong = |request: Request| {
        let answer = request.send().unwrap();
        assert_eq!(refused(&answer), error(401, "invalid_client"));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "), "{challenge}");
    };
    wrong(form(&client, "token", &body));
    wrong(basic(form(&client, "token", &body), "plain", "wrong"));
    wrong(basic(form(&client, "token", &body), "nobody", SECRET));
    wrong(basic(form(&client, "token", &body), "latchkey", ""));
    wrong(form(&client, "token", &format!("{body}&client_id=plain")));
    wrong(form(&client, "token", &format!("{body}&client_id=nobody")));
    let both = format!("{body}&client_id=plain&client_secret={SECRET}");
    let both = basic(form(&client, "token", &both), "plain", SECRET);
    assert_eq!(
        refused(&both.send().unwrap()),
        error(400, "invalid_request")
    );
    // None of them has used it up.
    assert_eq!(refresh(&client, &tokens.refresh).status, 200);
}

/// ER-04, RL-08, RFC 6749 section 3.2: strict forms, and nothing but forms.
#[test]
fn what_is_no_form_of_the_standard_is_refused() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let token = &tokens.refresh;
    let refresh_form = format!("grant_type=refresh_token&refresh_token={token}");
    for (body, code) in [
        (String::new(), "invalid_request"),
        (format!("refresh_token={token}"), "invalid_request"),
        ("grant_type=refresh_token".to_owned(), "invalid_request"),
        (
            "grant_type=refresh_token&refresh_token=".to_owned(),
            "invalid_request",
        ),
        (
            format!("{refresh_form}&refresh_token={token}"),
            "invalid_request",
        ),
        (format!("{refresh_form}&x=%zz"), "invalid_request"),
        (
            format!("{refresh_form}&client_id=latchkey"),
            "invalid_request",
        ),
        (
            "grant_type=password&username=a&password=b".to_owned(),
            "unsupported_grant_type",
        ),
        (
            "grant_type=client_credentials".to_owned(),
            "unsupported_grant_type",
        ),
    ] {
        let answer = first_party(&client, "token", &body);
        assert_eq!(refused(&answer), error(400, code), "{body}");
    }
    let json = client.post("/auth/oauth/token").json(&json!({
        "grant_type": "refresh_token", "refresh_token": token, "client_id": "latchkey",
    }));
    assert_eq!(
        refused(&json.send().unwrap()),
        error(415, "invalid_request")
    );
    let large = format!("{refresh_form}&x={}", "x".repeat(17 * 1024));
    let answer = first_party(&client, "token", &large);
    assert_eq!(refused(&answer), error(413, "invalid_request"));
    // RFC 6749 section 3.1: never by GET, where a token would stand in the address.
    let get = client.get(&format!(
        "/auth/oauth/token?client_id=latchkey&{refresh_form}"
    ));
    assert_eq!(get.send().unwrap().status, 405);
    assert!(is_alive(&client, &tokens));
    assert_eq!(refresh(&client, token).status, 200);
}

/// RV-01, RV-04, RFC 7009: by either token, twice, expired or none at all: 200 without a body, and every gateway hears of it.
#[test]
fn a_revocation_by_the_standard_ends_the_session_everywhere() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let revoke = |token: &str, hint: &str| {
        let answer = first_party(&client, "revoke", &format!("token={token}{hint}"));
        assert_eq!((answer.status, answer.text()), (200, String::new()));
    };
    let [by_access, by_refresh, by_parent, expired] =
        [(), (), (), ()].map(|()| alice.login(&client).unwrap());
    let witness = alice.login(&client).unwrap();
    let successor = by_parent.refresh(&client).unwrap();
    revoke(&by_access.access, "&token_type_hint=access_token");
    revoke(&by_refresh.refresh, "&token_type_hint=access_token");
    revoke(&by_parent.refresh, "");
    companion.advance_seconds(6 * MINUTE);
    revoke(&expired.access, "&token_type_hint=nonsense");
    gateway.catch_up().unwrap();
    for tokens in [&by_access, &by_refresh, &by_parent, &expired] {
        assert!(gateway.revoked(&tokens.session).is_some());
        assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
    }
    assert_eq!(successor.try_refresh(&client).unwrap().status, 401);
    let cursor = gateway.cursor();
    for token in [by_access.access.as_str(), &by_refresh.refresh, "x", "lkr_x"] {
        revoke(token, "");
    }
    gateway.catch_up().unwrap();
    assert_eq!(gateway.cursor(), cursor);
    assert!(gateway.revoked(&witness.session).is_none());
    witness.refresh(&client).unwrap();
    assert_eq!(
        refused(&first_party(&client, "revoke", "")),
        error(400, "invalid_request")
    );
    let nobody = form(&client, "revoke", &format!("token={}", witness.refresh));
    assert_eq!(
        refused(&nobody.send().unwrap()),
        error(401, "invalid_client")
    );
}

/// RFC 7662: active as long as the session lives and the token is good; of all others not a word, and asking changes nothing.
#[test]
fn an_introspection_says_what_a_token_is_worth_now() {
    let (companion, client, alice) = companion_with_clients();
    let first = alice.login(&client).unwrap();
    let tokens = first.refresh(&client).unwrap();
    let claims = claims(&tokens);
    let known = introspect(&client, &tokens.access);
    for name in [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "exp",
        "auth_time",
        "acr",
        "client_id",
    ] {
        assert_eq!(known[name], claims[name], "{name}");
    }
    assert_eq!(
        (&known["active"], &known["token_type"]),
        (&json!(true), &json!("Bearer"))
    );
    let known = introspect(&client, &tokens.refresh);
    assert_eq!(known["active"], json!(true));
    assert_eq!(known["sub"], claims["sub"]);
    assert_eq!(known["exp"], json!(companion.now() + 14 * 86_400));

    let inactive = json!({ "active": false });
    // An old generation is not active, and asking about it is not using it.
    companion.advance_seconds(20);
    assert_eq!(introspect(&client, &first.refresh), inactive);
    assert!(is_alive(&client, &tokens));
    for token in ["x", "lkr_x.1.x", "a.b.c"] {
        assert_eq!(introspect(&client, token), inactive);
    }
    companion.advance_seconds(6 * MINUTE);
    assert_eq!(introspect(&client, &tokens.access), inactive);
    assert_eq!(introspect(&client, &tokens.refresh)["active"], json!(true));
    let tokens = tokens.refresh(&client).unwrap();
    tokens.log_out(&client).unwrap();
    assert_eq!(introspect(&client, &tokens.access), inactive);
    assert_eq!(introspect(&client, &tokens.refresh), inactive);
}

/// RFC 7662 section 2.1: nobody goes fishing for tokens.
#[test]
fn only_a_client_that_may_ask_is_told() {
    let (_companion, client, alice) = companion_with_clients();
    let tokens = alice.login(&client).unwrap();
    let body = format!("token={}", tokens.access);
    let answer = first_party(&client, "introspect", &body);
    assert_eq!(refused(&answer), error(401, "invalid_client"));
    let plain = basic(form(&client, "introspect", &body), "plain", SECRET);
    assert_eq!(
        refused(&plain.send().unwrap()),
        error(400, "unauthorized_client")
    );
    let bearer = form(&client, "introspect", &body).bearer(&tokens.access);
    assert_eq!(
        refused(&bearer.send().unwrap()),
        error(401, "invalid_client")
    );
}

/// ST-02, CF-02.
#[test]
fn a_secret_is_long_and_private() {
    for (secret, mode) in [("short", 0o600), (SECRET, 0o644)] {
        let failed = Companion::with(|settings| {
            with_clients(settings);
            let file = &settings.clients[0].secret_file;
            fs::write(file, secret).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        });
        let why = failed.map(drop).unwrap_err().to_string();
        assert!(why.contains("client.secret"), "{why}");
        assert!(!why.contains(SECRET), "{why}");
    }
}

/// RFC 8414, as design section 10 lists it.
#[test]
fn the_metadata_names_the_endpoints() {
    let companion = Companion::with(|settings| {
        settings.base_url = "https://www.example.com".to_owned();
        settings.roles.insert(
            "teller".to_owned(),
            Role {
                scopes: vec!["transfer".to_owned()],
            },
        );
    })
    .unwrap();
    let client = companion.client().unwrap();
    let metadata = client.get("/.well-known/oauth-authorization-server");
    let metadata = metadata.send().unwrap().expect(200, "metadata").unwrap();
    assert_eq!(metadata.header("content-type"), Some("application/json"));
    let all = json!(["none", "client_secret_basic", "client_secret_post"]);
    assert_eq!(
        metadata.json(),
        json!({
            "issuer": "https://www.example.com",
            "token_endpoint": "https://www.example.com/auth/oauth/token",
            "revocation_endpoint": "https://www.example.com/auth/oauth/revoke",
            "introspection_endpoint": "https://www.example.com/auth/oauth/introspect",
            "jwks_uri": "https://www.example.com/.well-known/jwks.json",
            "grant_types_supported": ["refresh_token"],
            "response_types_supported": ["none"],
            "token_endpoint_auth_methods_supported": all,
            "revocation_endpoint_auth_methods_supported": all,
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": ["transfer"],
        })
    );
}

/// RR-09, RR-10: the scopes are those of the account's roles when the token is minted; no address unless the operator wants it.
#[test]
fn scopes_come_from_roles_and_the_address_is_told_only_where_wanted() {
    let scopes = |names: &[&str]| Role {
        scopes: names.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut companion = Companion::with(|settings| {
        with_clients(settings);
        settings.roles = [
            ("teller".to_owned(), scopes(&["transfer", "read"])),
            ("auditor".to_owned(), scopes(&["read", "audit"])),
        ]
        .into();
    })
    .unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    assert_eq!(claims(&tokens).get("scope"), None);
    assert_eq!(claims(&tokens).get("roles"), None);
    assert_eq!(claims(&tokens).get("email"), None);
    let roles = r#"UPDATE accounts SET roles = '["auditor","guest","teller"]'"#;
    tamper(&companion, roles);
    let answer = refresh(&client, &tokens.refresh);
    assert_eq!(answer.string("/scope"), "audit read transfer");
    let tokens = Tokens {
        access: answer.string("/access_token"),
        refresh: answer.string("/refresh_token"),
        ..tokens
    };
    let now = claims(&tokens);
    assert_eq!(now["scope"], "audit read transfer");
    assert_eq!(now["roles"], json!(["auditor", "guest", "teller"]));
    let known = introspect(&client, &tokens.access);
    assert_eq!(
        (&known["scope"], &known["roles"]),
        (&now["scope"], &now["roles"])
    );

    companion.change(|settings| settings.tokens.email = true);
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    let tokens = tokens.refresh(&client).unwrap();
    assert_eq!(claims(&tokens)["email"], "alice@example.com");
}
