//! Requests that another site makes in a visitor's name.

use serde_json::{Value, json};
use tests::browser::{FOREIGN_PAGE, OWN_PAGE};
use tests::companion::Companion;
use tests::visitor::Visitor;

use crate::cookies::{ACCESS, REFRESH, list, log_in, logged_in, refresh};
use crate::{companion_with_alice, refusal, stored};

/// The origin of the companion's base URL.
const OWN: &str = "http://localhost:8000";

/// What pages of others, and clients that say nothing, send along.
const FOREIGN: [&[(&str, &str)]; 15] = [
    FOREIGN_PAGE,
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "Same-Origin")],
    &[
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "same-origin"),
    ],
    &[("sec-fetch-site", "none"), ("origin", "null")],
    &[("origin", "null")],
    &[("origin", "")],
    &[("origin", "https://localhost:8000")],
    &[("origin", "http://localhost")],
    &[("origin", "http://localhost:8001")],
    &[("origin", "http://localhost:8000/")],
    &[("origin", "http://evil.localhost:8000")],
    &[("origin", "http://localhost:8000.evil.example")],
    &[("origin", OWN), ("origin", OWN)],
];
/// What proves nothing and accuses nobody.
const UNSAID: [&[(&str, &str)]; 3] = [
    &[],
    &[("sec-fetch-site", "none")],
    &[("referer", "http://localhost:8000/")],
];

fn cross_origin() -> (u16, String) {
    (403, "cross_origin".to_owned())
}

/// CK-05: none, `null`, cross, sibling, suffix, another scheme or port, twice: with a cookie nothing unsafe happens, refresh and logout
/// included, even if the browser had sent the cookies along.
#[test]
fn no_page_of_another_site_uses_a_visitor_s_cookies() {
    let (companion, _, alice) = companion_with_alice();
    let mut browser = logged_in(&companion, &alice);
    let id = list(&mut browser).string("/sessions/0/id");
    let before = browser.cookies().to_vec();
    let label = json!({ "label": "mallory" });
    let calls: [(&str, String, Option<&Value>); 5] = [
        ("POST", "/auth/v1/sessions/refresh".to_owned(), None),
        ("DELETE", "/auth/v1/sessions/current".to_owned(), None),
        ("DELETE", format!("/auth/v1/sessions/{id}"), None),
        ("DELETE", "/auth/v1/sessions?scope=all".to_owned(), None),
        ("PATCH", format!("/auth/v1/sessions/{id}"), Some(&label)),
    ];
    for page in FOREIGN.iter().chain(&UNSAID) {
        for (method, path, body) in &calls {
            let answer = browser.send_with_all(page, method, path, *body).unwrap();
            assert_eq!(refusal(&answer), cross_origin(), "{method} {path} {page:?}");
        }
    }
    assert_eq!(browser.cookies(), before);
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        0
    );
    let own_origin: &[(&str, &str)] = &[("origin", OWN)];
    for page in [OWN_PAGE, own_origin] {
        let path = "/auth/v1/sessions/refresh";
        let answer = browser.send_with_all(page, "POST", path, None).unwrap();
        assert_eq!(answer.status, 200, "{page:?}");
    }
    let named = browser.send(OWN_PAGE, "PATCH", &calls[4].1, Some(&label));
    assert_eq!(named.unwrap().status, 200);
}

/// CK-08: nobody is logged in or signed up by another site; clients that are no browsers go on as before.
#[test]
fn no_page_of_another_site_logs_a_visitor_in_or_signs_him_up() {
    let (companion, client, alice) = companion_with_alice();
    let bob = Visitor::named("bob");
    let challenge = "0123456789abcdef0123456789abcdef";
    let calls = [
        (
            "/auth/v1/accounts".to_owned(),
            json!({ "email": bob.email, "password": bob.password }),
            202,
        ),
        (
            "/auth/v1/challenges".to_owned(),
            json!({ "purpose": "activation", "email": alice.email }),
            202,
        ),
        (
            format!("/auth/v1/challenges/{challenge}/verify"),
            json!({ "code": "123456" }),
            422,
        ),
        (
            "/auth/v1/sessions".to_owned(),
            json!({ "email": alice.email, "password": alice.password }),
            201,
        ),
        (
            "/auth/v1/sessions/refresh".to_owned(),
            json!({ "refresh_token": "x" }),
            401,
        ),
    ];
    let send = |path: &str, body: &Value, page: &[(&str, &str)]| {
        let mut request = client.post(path);
        for (name, value) in page {
            request = request.header(name, value);
        }
        request.json(body).send().unwrap()
    };
    for (path, body, _) in &calls {
        for page in FOREIGN {
            assert_eq!(
                refusal(&send(path, body, page)),
                cross_origin(),
                "{path} {page:?}"
            );
        }
        let resend = format!("/auth/v1/challenges/{challenge}/resend");
        assert_eq!(refusal(&send(&resend, body, FOREIGN_PAGE)), cross_origin());
    }
    assert_eq!(
        stored::<u32>(&companion, "SELECT COUNT(*) FROM sessions"),
        0
    );
    assert!(companion.mailbox().mails_to(&bob.email).is_empty());
    for (path, body, status) in &calls {
        let own_origin: &[(&str, &str)] = &[("origin", OWN)];
        for page in UNSAID.iter().copied().chain([OWN_PAGE, own_origin]) {
            assert_eq!(send(path, body, page).status, *status, "{path} {page:?}");
        }
    }
}

/// CK-05, CK-09: an origin that the operator named is ours; its pages may not read answers all the same, for nothing of CORS is said.
#[test]
fn an_origin_that_the_operator_named_is_one_of_ours() {
    let companion = Companion::with(|settings| {
        settings.cookies.allowed_origins = vec!["https://app.example.com".to_owned()];
    })
    .unwrap();
    let alice = companion.account("alice").unwrap();
    let mut browser = logged_in(&companion, &alice);
    let path = "/auth/v1/sessions/refresh";
    let named: &[(&str, &str)] = &[
        ("sec-fetch-site", "same-site"),
        ("origin", "https://app.example.com"),
    ];
    let answer = browser.send(named, "POST", path, None).unwrap();
    assert_eq!(answer.status, 200);
    let (_, headers, _) = answer.observable();
    assert!(
        headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control-"))
    );
    for origin in ["http://app.example.com", "https://evil.app.example.com"] {
        let page: &[(&str, &str)] = &[("sec-fetch-site", "same-site"), ("origin", origin)];
        let answer = browser.send(page, "POST", path, None).unwrap();
        assert_eq!(refusal(&answer), cross_origin(), "{origin}");
    }
    assert_eq!(refresh(&mut browser).status, 200);
}

/// CK-06, CK-09: what changes nothing may be asked for from anywhere, and no other page can read it.
#[test]
fn reading_with_a_cookie_needs_no_proof_and_tells_no_other_page() {
    let (companion, client, alice) = companion_with_alice();
    let mut browser = logged_in(&companion, &alice);
    for page in FOREIGN {
        let path = "/auth/v1/sessions";
        let answer = browser.send_with_all(page, "GET", path, None).unwrap();
        assert_eq!(answer.status, 200, "{page:?}");
        let (_, headers, _) = answer.observable();
        assert!(
            headers
                .iter()
                .all(|(name, _)| !name.starts_with("access-control-"))
        );
        let preflight = client.request("OPTIONS", path);
        let preflight = preflight
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "DELETE");
        let preflight = preflight.send().unwrap();
        assert_eq!(preflight.status, 405);
        let (_, headers, _) = preflight.observable();
        assert!(
            headers
                .iter()
                .all(|(name, _)| !name.starts_with("access-control-"))
        );
    }
    // SameSite keeps them back before that.
    for (name, same_site) in [(ACCESS, "Lax"), (REFRESH, "Strict")] {
        assert_eq!(browser.cookie(name).unwrap().same_site, same_site);
    }
}

/// CK-05: a Bearer credential is a proof by itself; no page can send one to another site unasked.
#[test]
fn a_bearer_credential_needs_no_proof_of_origin() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let logout = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access)
        .header("origin", "capacitor://localhost");
    assert_eq!(logout.send().unwrap().status, 200);
    // Another scheme is none, and browsers send that with a form.
    let body = json!({ "email": alice.email, "password": alice.password });
    let login = client
        .post("/auth/v1/sessions")
        .header("authorization", "Basic eDp5")
        .header("origin", "https://evil.example");
    assert_eq!(refusal(&login.json(&body).send().unwrap()), cross_origin());
}

/// CK-08, PW-13: a login over another's cookies replaces them all.
#[test]
fn a_login_in_a_browser_that_was_somebody_else_s_replaces_his_cookies() {
    let (companion, _, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap();
    let mut browser = logged_in(&companion, &bob);
    let of_bob = list(&mut browser).string("/sessions/0/id");
    log_in(&mut browser, &alice).expect(201, "login").unwrap();
    let sessions = list(&mut browser).json()["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    assert_ne!(sessions[0]["id"], of_bob.as_str());
    assert_eq!(browser.cookies().len(), 3);
}
