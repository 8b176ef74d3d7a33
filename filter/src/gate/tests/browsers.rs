//! Cookies, and browsers that come without one.

use super::*;

const COOKIE: &str = "__Host-access";

fn place() -> Place {
    Place::synced(json!({
        "credentials": { "cookie": COOKIE },
        "allowed_origins": ["https://www.example.com"],
        "login_page": "/login",
        "rules": [
            { "match": { "prefix": "/login" }, "require": "none" },
            { "match": { "prefix": "/auth" }, "require": "none", "forward_token": true },
            { "match": { "prefix": "/news" }, "require": "optional" },
            { "match": { "prefix": "/admin" }, "require": { "roles": ["admin"] } },
        ],
    }))
}

fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}")
}

/// FR-03: neither of two credentials is used, wherever they stand and whatever they hold.
#[test]
fn two_credentials_are_none() {
    let mut place = place();
    let (good, bearer) = (cookie(&alice()), format!("Bearer {}", alice()));
    let twice = format!("{good}; {good}");
    for headers in [
        &[("cookie", good.as_str()), ("authorization", &bearer)][..],
        &[("cookie", &good), ("authorization", "Bearer")],
        &[("cookie", "__Host-access=x"), ("authorization", &bearer)],
        &[("cookie", "__Host-access"), ("authorization", &bearer)],
        &[("cookie", &twice)],
        &[("cookie", &good), ("cookie", &good)],
        &[("cookie", &good), ("cookie", "a=b;__Host-access=")],
        &[("cookie", &good), ("authorization", "Basic a, Basic b")],
    ] {
        for path in ["/orders", "/news"] {
            let denied = denial(&place.sends("GET", path, headers, START));
            assert_eq!(denied, Some(Denial::ManyCredentials), "{headers:?}");
        }
    }
    let beside_another_scheme = [("cookie", good.as_str()), ("authorization", "Basic a")];
    assert_eq!(
        denial(&place.sends("GET", "/orders", &beside_another_scheme, START)),
        None
    );
}

/// FR-05: a cookie holds a token or nothing that counts.
#[test]
fn a_malformed_cookie_is_a_bad_token() {
    let mut place = place();
    for value in ["", "\"x\"", "a b", "a,b", "é", " x"] {
        let cookie = cookie(value);
        for path in ["/orders", "/news"] {
            let denied = denial(&place.sends("GET", path, &[("cookie", &cookie)], START));
            assert_eq!(denied, Some(Denial::MalformedCredential), "{value}");
        }
    }
}

/// FR-18: the access cookie ends here, the others go on.
#[test]
fn the_access_cookie_does_not_reach_the_app() {
    let mut place = place();
    let mut cookies =
        |path: &str, cookie: &str| match place.sends("GET", path, &[("cookie", cookie)], START) {
            Verdict::Pass(pass) => pass.cookies,
            other => panic!("{other:?}"),
        };
    let alone = cookie(&alice());
    let among = format!("a=1; {alone}; b=2");
    assert_eq!(cookies("/orders", &alone), Cookies::Removed);
    assert_eq!(
        cookies("/orders", &among),
        Cookies::Others(b"a=1; b=2".to_vec())
    );
    assert_eq!(
        cookies("/login", &among),
        Cookies::Others(b"a=1; b=2".to_vec())
    );
    assert_eq!(
        cookies("/login", "__Host-access=junk; __Host-access"),
        Cookies::Removed
    );
    assert_eq!(cookies("/auth", &among), Cookies::Kept);
    assert_eq!(cookies("/login", "a=1"), Cookies::Kept);
}

/// CK-05, and the order of the checks: what a cookie lacks is told only where the session lives.
#[test]
fn a_cookie_on_an_unsafe_request_needs_a_proof_of_its_origin() {
    let mut place = place();
    let good = cookie(&alice());
    let same = [("cookie", good.as_str()), ("sec-fetch-site", "same-origin")];
    let bare = [("cookie", good.as_str())];
    for path in ["/orders", "/news"] {
        assert_eq!(denial(&place.sends("POST", path, &same, START)), None);
        let denied = denial(&place.sends("POST", path, &bare, START));
        assert_eq!(denied, Some(Denial::CrossOrigin));
    }
    assert_eq!(denial(&place.sends("POST", "/login", &bare, START)), None);
    // A bearer needs none: no browser sends it by itself.
    let bearer = format!("Bearer {}", alice());
    let header = [("authorization", bearer.as_str())];
    assert_eq!(
        denial(&place.sends("POST", "/orders", &header, START)),
        None
    );
    // 9 before 11, and 8 before 9.
    let denied = denial(&place.sends("POST", "/admin", &bare, START));
    assert_eq!(denied, Some(Denial::CrossOrigin));
    let denied = denial(&place.sends("POST", "/admin", &same, START));
    assert_eq!(denied, Some(Denial::InsufficientScope(None)));
    put_revocation(&place.shared, &place.scope, session(1));
    let denied = denial(&place.sends("POST", "/orders", &bare, START));
    assert_eq!(denied, Some(Denial::Revoked));
}

/// A browser without a credential is shown the way; one with a bad credential, and everybody else, gets the 401.
#[test]
fn a_navigation_without_a_credential_goes_to_the_login_page() {
    let mut place = place();
    let navigation = ("sec-fetch-mode", "navigate");
    let verdict = place.sends("GET", "/orders/7?q=1", &[navigation], START);
    let location = "/login?return_to=%2Forders%2F7".to_owned();
    assert_eq!(denial(&verdict), Some(Denial::LoginNeeded(location)));
    for (method, headers, expected) in [
        ("POST", &[navigation][..], Denial::NoCredential),
        ("GET", &[("sec-fetch-mode", "cors")], Denial::NoCredential),
        ("GET", &[], Denial::NoCredential),
        (
            "GET",
            &[navigation, ("cookie", "__Host-access=")],
            Denial::MalformedCredential,
        ),
    ] {
        let denied = denial(&place.sends(method, "/orders", headers, START));
        assert_eq!(denied, Some(expected), "{method} {headers:?}");
    }
    let mut elsewhere = Place::synced(json!({
        "login_page": "/login",
        "rules": [{ "match": { "prefix": "/login", "hosts": ["one.example.com"] }, "require": "none" }],
    }));
    let at_another_host = [navigation, (":authority", "two.example.com")];
    let denied = denial(&elsewhere.sends("GET", "/login", &at_another_host, START));
    assert_eq!(
        denied,
        Some(Denial::NoCredential),
        "not sent to where it is"
    );
    let mut unsynced = Place::new(json!({
        "login_page": "/login",
        "rules": [{ "match": { "prefix": "/login" }, "require": "none" }],
    }));
    let verdict = unsynced.sends("GET", "/orders", &[navigation], START);
    assert_eq!(denial(&verdict), Some(Denial::Unsynced));
}

/// Where the configuration takes no header, a Bearer is no credential, and still does not reach the app.
#[test]
fn a_header_that_is_not_taken_is_removed_all_the_same() {
    let mut place = Place::synced(json!({ "credentials": { "header": false, "cookie": COOKIE } }));
    let (bearer, good) = (format!("Bearer {}", alice()), cookie(&alice()));
    let denied = denial(&place.shows(&alice(), START));
    assert_eq!(denied, Some(Denial::NoCredential));
    let both = [
        ("authorization", bearer.as_str()),
        ("cookie", good.as_str()),
    ];
    match place.sends("GET", "/", &both, START) {
        Verdict::Pass(pass) => assert!(pass.drops_authorization),
        other => panic!("{other:?}"),
    }
}
