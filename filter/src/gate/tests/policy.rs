//! What a rule asks of a token besides being good.

use token::AccessClaims;

use super::*;
use crate::acr::Acr;

fn issued(change: impl Fn(&mut AccessClaims)) -> String {
    let mut claims = claims(session(1));
    change(&mut claims);
    token::issue(&claims, &key(7))
}

/// One rule for everything, with this `require`.
fn demanding(require: &Value) -> Place {
    Place::synced(json!({
        "max_staleness": "1h",
        "rules": [{ "match": { "prefix": "/" }, "require": require }],
    }))
}

fn weak(acr: Option<Acr>, max_age: Option<u64>) -> Denial {
    Denial::WeakAuthentication { acr, max_age }
}

/// FR-17: each level includes those before it; a missing or unknown one falls short.
#[test]
fn a_weaker_authentication_falls_short() {
    for (least, level, is_enough) in [
        ("password", "password", true),
        ("otp", "password", false),
        ("otp", "otp", true),
        ("otp", "mfa", true),
        ("mfa", "otp", false),
        ("password", "silver", false),
        ("password", "", false),
        ("otp", "OTP", false),
    ] {
        let token = issued(|claims| claims.acr = level.to_owned());
        let denied = denial(&demanding(&json!({ "acr": least })).shows(&token, START));
        let expected = (!is_enough).then(|| weak(Acr::from_name(least), None));
        assert_eq!(denied, expected, "{level} for {least}");
    }
}

/// FR-17: counted from `auth_time`, to the second; one that lies ahead is none.
#[test]
fn an_older_authentication_falls_short() {
    let mut place = demanding(&json!({ "max_auth_age": "5m" }));
    let at = |seconds: i64| UnixTime::from_seconds(START.wall.seconds().saturating_add(seconds));
    for (auth_time, is_enough) in [
        (-300, true),
        (-301, false),
        (0, true),
        (30, true),
        (31, false),
    ] {
        let token = issued(|claims| claims.auth_time = at(auth_time));
        let expected = (!is_enough).then(|| weak(None, Some(300)));
        assert_eq!(denial(&place.shows(&token, START)), expected, "{auth_time}");
    }
    let token = issued(|claims| claims.auth_time = at(-290));
    assert_eq!(denial(&place.shows(&token, START)), None);
    let later = later(START, 11_000);
    assert_eq!(
        denial(&place.shows(&token, later)),
        Some(weak(None, Some(300)))
    );
}

/// Any of the roles, all of the scopes; the challenge names the scopes.
#[test]
fn roles_are_any_of_and_scopes_are_all_of() {
    let token = |roles: &[&str], scope: Option<&str>| {
        issued(|claims| {
            claims.roles = roles.iter().map(|role| (*role).to_owned()).collect();
            claims.scope = scope.map(str::to_owned);
        })
    };
    let mut place =
        demanding(&json!({ "roles": ["teller", "auditor"], "scopes": ["read", "transfer"] }));
    let insufficient = Some(Denial::InsufficientScope(Some("read transfer".into())));
    for (roles, scope, is_enough) in [
        (&["auditor", "x"][..], Some("transfer x read"), true),
        (&["teller"], Some("read"), false),
        (&["teller"], Some("readtransfer"), false),
        (&["teller"], Some("read,transfer"), false),
        (&["teller"], None, false),
        (&[], Some("read transfer"), false),
        (&["Teller"], Some("read transfer"), false),
        (&["tell"], Some("read transfer"), false),
    ] {
        let denied = denial(&place.shows(&token(roles, scope), START));
        let expected = insufficient.clone().filter(|_| !is_enough);
        assert_eq!(denied, expected, "{roles:?} {scope:?}");
    }
    let mut by_role = demanding(&json!({ "roles": ["admin"] }));
    let denied = denial(&by_role.shows(&alice(), START));
    assert_eq!(denied, Some(Denial::InsufficientScope(None)));
}

/// TV-19, TV-27: a token that is good on one route and kept since, replayed on another.
#[test]
fn a_token_for_another_audience_is_refused_though_it_is_cached() {
    let mut place = Place::synced(json!({ "rules": [
        { "match": { "prefix": "/transfers" }, "require": { "audiences": ["transfers"] } },
        { "match": { "prefix": "/both" }, "require": { "audiences": ["transfers", AUDIENCE] } },
    ] }));
    let wrong = Some(Denial::Rejected(Rejection::WrongAudience));
    let transfers = issued(|claims| claims.aud = vec!["transfers".to_owned()]);
    for (token, path, expected) in [
        (&alice(), "/orders", None),
        (&alice(), "/transfers", wrong.clone()),
        (&alice(), "/both", None),
        (&transfers, "/transfers", None),
        (&transfers, "/orders", wrong.clone()),
        (&transfers, "/both", None),
    ] {
        let verdict = place.asks(path, Some(&format!("Bearer {token}")), START);
        assert_eq!(denial(&verdict), expected, "{path}");
    }
}

/// FR-15: a rule may ask for a fresher state than the others, or be content with an older one.
#[test]
fn a_rule_has_its_own_staleness() {
    let mut place = Place::synced(json!({ "rules": [
        { "match": { "path": "/transfer" }, "require": { "max_staleness": "5s" } },
        { "match": { "path": "/news" }, "require": { "max_staleness": "2m" } },
    ] }));
    let authorization = format!("Bearer {}", alice());
    for (path, limit) in [
        ("/transfer", 5_000),
        ("/orders", 60_000),
        ("/news", 120_000),
    ] {
        for (age, expected) in [(limit, None), (limit + 1, Some(Denial::Stale))] {
            let verdict = place.asks(path, Some(&authorization), later(START, age));
            assert_eq!(denial(&verdict), expected, "{path} {age}");
        }
    }
}

/// FR-26: revocation comes before policy, authentication before roles.
#[test]
fn a_revoked_token_is_not_told_what_it_lacks() {
    let mut place = demanding(&json!({ "roles": ["admin"], "acr": "mfa" }));
    assert_eq!(
        denial(&place.shows(&alice(), START)),
        Some(weak(Some(Acr::Mfa), None))
    );
    put_revocation(&place.shared, &place.scope, session(1));
    assert_eq!(denial(&place.shows(&alice(), START)), Some(Denial::Revoked));
}

/// A host that only looks like another must not get around the rule for it, nor a port lead to an app that another rule is for.
#[test]
fn a_rule_for_a_host_cannot_be_got_around_by_spelling_it_otherwise() {
    let mut place = Place::synced(json!({ "rules": [
        { "match": { "prefix": "/", "hosts": ["admin.example.com"] }, "require": { "roles": ["admin"] } },
        { "match": { "prefix": "/", "hosts": ["port.example.com:8443"] }, "require": { "roles": ["admin"] } },
        { "match": { "prefix": "/", "hosts": ["*.example.com"] }, "require": "none" },
    ] }));
    let mut asks = |host: &str, port: u16| {
        let headers = [(":method", "GET"), (":path", "/"), (":authority", host)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let request = Request::new(&headers).at(Some(port));
        let decision = place
            .gate
            .decide(&request, &place.shared, &SoftwareCheck, START);
        denial(&decision.verdict)
    };
    for (host, port, expected) in [
        ("admin.example.com", 8000, Some(Denial::NoCredential)),
        ("ADMIN.example.com:8443", 8443, Some(Denial::NoCredential)),
        ("admin.example.com:1", 8000, Some(Denial::AmbiguousHost)),
        ("admin.example.com.", 8000, Some(Denial::AmbiguousHost)),
        ("port.example.com", 8443, Some(Denial::NoCredential)),
        ("port.example.com:8443", 8000, Some(Denial::NoCredential)),
        ("port.example.com", 8000, Some(Denial::AmbiguousHost)),
        ("www.example.com", 8000, None),
        ("www.example.com:8000", 8000, None),
        ("www.example.com:1", 8000, Some(Denial::AmbiguousHost)),
        ("example.com", 8000, Some(Denial::NoCredential)),
        ("user@admin.example.com", 8000, Some(Denial::AmbiguousHost)),
        ("admin%2eexample.com", 8000, Some(Denial::AmbiguousHost)),
        ("", 8000, Some(Denial::AmbiguousHost)),
    ] {
        assert_eq!(asks(host, port), expected, "{host} at {port}");
    }
    let without = place.sends("GET", "/", &[], START);
    assert_eq!(denial(&without), Some(Denial::AmbiguousHost));
}

/// FR-07: no spelling of a path leads around its demand, nor to what is open under another spelling.
#[test]
fn an_encoded_character_leads_neither_around_a_demand_nor_to_what_is_open() {
    let mut place = Place::synced(json!({ "rules": [
        { "match": { "path": "/v1/accounts:close" }, "require": { "roles": ["admin"] } },
        { "match": { "prefix": "/caf%C3%A9" }, "require": { "roles": ["admin"] } },
        { "match": { "path": "/v1/items:public" }, "require": "none" },
    ] }));
    let authorization = format!("Bearer {}", alice());
    for (path, expected) in [
        ("/v1/accounts:close", Some(Denial::InsufficientScope(None))),
        ("/v1/accounts%3Aclose", Some(Denial::AmbiguousPath)),
        ("/caf%c3%a9/x", Some(Denial::InsufficientScope(None))),
        ("/v1/items:public", None),
        ("/v1/items%3apublic", Some(Denial::AmbiguousPath)),
        ("/other%3Apath", None),
    ] {
        let verdict = place.asks(path, Some(&authorization), START);
        assert_eq!(denial(&verdict), expected, "{path}");
    }
}

/// FR-09, FR-10: where the upstream speaks HTTP/2 the method of an upgrade is lost on the way.
#[test]
fn an_upgrade_cannot_borrow_the_rule_of_another_method() {
    let mut place = Place::synced(json!({ "rules": [
        { "match": { "prefix": "/ws", "methods": ["GET"] }, "require": { "roles": ["admin"] } },
    ] }));
    let bearer = format!("Bearer {}", alice());
    let upgrade = [("upgrade", "websocket"), ("authorization", bearer.as_str())];
    for (method, expected) in [
        ("GET", Denial::InsufficientScope(None)),
        ("DELETE", Denial::AmbiguousUpgrade),
        ("OPTIONS", Denial::AmbiguousUpgrade),
    ] {
        let verdict = place.sends(method, "/ws", &upgrade, START);
        assert_eq!(denial(&verdict), Some(expected), "{method}");
    }
    let preflight = [
        ("upgrade", "websocket"),
        ("origin", "https://evil.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let verdict = place.sends("OPTIONS", "/ws", &preflight, START);
    assert_eq!(denial(&verdict), Some(Denial::AmbiguousUpgrade));
    // Where no rule depends on the method nothing is lost with it.
    let mut without_methods = Place::synced(json!({}));
    let verdict = without_methods.sends("POST", "/ws", &upgrade, START);
    assert_eq!(denial(&verdict), None);
    let verdict = without_methods.sends("OPTIONS", "/ws", &preflight, START);
    assert_eq!(denial(&verdict), Some(Denial::NoCredential));
}

/// FR-09, FR-18: what was not looked at does not reach the app as if it had been.
#[test]
fn a_preflight_carries_no_credential_to_the_app() {
    let mut place = Place::synced(json!({ "forward_token": true }));
    let preflight = [
        ("origin", "https://www.example.com"),
        ("access-control-request-method", "PUT"),
        ("authorization", "Bearer forged"),
    ];
    match place.sends("OPTIONS", "/orders", &preflight, START) {
        Verdict::Pass(pass) => assert!(pass.drops_authorization),
        other => panic!("{other:?}"),
    }
    for not_one in [
        &preflight[..1],
        &[preflight[0], preflight[0], preflight[1]],
        &[preflight[0], preflight[1], preflight[1]],
        &[("origin", ""), preflight[1]],
        &[preflight[0], ("access-control-request-method", "")],
    ] {
        let verdict = place.sends("OPTIONS", "/orders", not_one, START);
        assert_eq!(denial(&verdict), Some(Denial::NoCredential), "{not_one:?}");
    }
}

/// RV-06: the entry of a session has been pruned when its tokens had expired; a clock that is set back does not revive them.
#[test]
fn a_clock_that_is_set_back_revives_no_token() {
    let mut place = Place::synced(json!({}));
    let seconds = |seconds| START.wall.plus(Duration::from_secs(seconds));
    let state = State {
        fresh_at: START.monotonic,
        last_iat: seconds(400),
        is_synced: true,
        cursor: Cursor::START,
        ..State::unsynced(GatewayId::from_bytes([1; 16]), [0; 8])
    };
    place.shared.put(&place.scope.key("state"), &state.encode());
    place.shared.put(&place.scope.key("v"), &[]);
    let set_back = Now {
        wall: seconds(100),
        ..START
    };
    let expired = Denial::Rejected(Rejection::Expired);
    assert_eq!(denial(&place.shows(&alice(), set_back)), Some(expired));
}
