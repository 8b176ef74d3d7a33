//! Tokens in cookies: what a browser gets, what it sends back, and when its cookies go.

use serde_json::{Value, json};
use tests::browser::{Browser, OWN_PAGE};
use tests::client::Answer;
use tests::companion::Companion;
use tests::visitor::Visitor;

use crate::{DAY, HOUR, MINUTE, at_once, companion_with_alice, refusal, stored, tamper};

pub(crate) const ACCESS: &str = "__Host-access";
pub(crate) const REFRESH: &str = "__Secure-refresh";
pub(crate) const DEVICE: &str = "__Secure-device";

/// A browser at this companion.
pub(crate) fn browser(companion: &Companion) -> Browser {
    Browser::new(companion.client().unwrap(), companion.now())
}

/// Logs in from the site's own page, with cookies.
pub(crate) fn log_in(browser: &mut Browser, visitor: &Visitor) -> Answer {
    let body =
        json!({ "email": visitor.email, "password": visitor.password, "delivery": "cookie" });
    let login = browser.send(OWN_PAGE, "POST", "/auth/v1/sessions", Some(&body));
    login.unwrap()
}

/// A browser that is logged in.
pub(crate) fn logged_in(companion: &Companion, visitor: &Visitor) -> Browser {
    let mut browser = browser(companion);
    log_in(&mut browser, visitor).expect(201, "login").unwrap();
    browser
}

pub(crate) fn refresh(browser: &mut Browser) -> Answer {
    let refresh = browser.send(OWN_PAGE, "POST", "/auth/v1/sessions/refresh", None);
    refresh.unwrap()
}

pub(crate) fn list(browser: &mut Browser) -> Answer {
    browser
        .send(OWN_PAGE, "GET", "/auth/v1/sessions", None)
        .unwrap()
}

fn log_out(browser: &mut Browser) -> Answer {
    let logout = browser.send(OWN_PAGE, "DELETE", "/auth/v1/sessions/current", None);
    logout.unwrap()
}

fn names(browser: &Browser) -> Vec<&str> {
    let mut names: Vec<_> = browser
        .cookies()
        .iter()
        .map(|cookie| cookie.name.as_str())
        .collect();
    names.sort_unstable();
    names
}

fn value(browser: &Browser, name: &str) -> String {
    browser.cookie(name).unwrap().value.clone()
}

fn sets_cookies(answer: &Answer) -> bool {
    answer.all("set-cookie").next().is_some()
}

/// CK-01, CK-02, CK-04: names, attributes and times to the letter; no token in a body.
#[test]
fn a_browser_s_tokens_are_in_its_cookies_and_in_no_body() {
    let (companion, _, alice) = companion_with_alice();
    let mut browser = browser(&companion);
    let login = log_in(&mut browser, &alice).expect(201, "login").unwrap();
    let expires_in = login.json()["expires_in"].as_u64().unwrap();
    let access = value(&browser, ACCESS);
    let token = value(&browser, REFRESH);
    let device = value(&browser, DEVICE);
    assert!(token.starts_with("lkr_") && access.starts_with("ey"));
    let fields: Vec<&str> = login.all("set-cookie").collect();
    let (idle, known) = (14 * DAY, 180 * DAY);
    assert_eq!(
        fields,
        [
            format!(
                "{ACCESS}={access}; Max-Age={expires_in}; Path=/; Secure; HttpOnly; SameSite=Lax"
            ),
            format!(
                "{REFRESH}={token}; Max-Age={idle}; Path=/auth; Secure; HttpOnly; SameSite=Strict"
            ),
            format!(
                "{DEVICE}={device}; Max-Age={known}; Path=/auth; Secure; HttpOnly; SameSite=Strict"
            ),
        ]
    );
    let bodies = [login, refresh(&mut browser), list(&mut browser)];
    let members = |answer: &Answer| -> Vec<String> {
        answer.json().as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&bodies[0]), ["expires_in", "session"]);
    assert_eq!(members(&bodies[1]), ["expires_in", "session"]);
    let tokens = [
        access,
        token,
        value(&browser, ACCESS),
        value(&browser, REFRESH),
    ];
    for answer in &bodies {
        assert!(tokens.iter().all(|token| !answer.text().contains(token)));
        assert!(!answer.text().contains("lkr_"), "{}", answer.text());
    }
}

/// Design section 6, CK-04, ASVS 14.3.1: cookies alone do for all calls; after the logout none of them opens anything, and none is left
/// but that of the device.
#[test]
fn a_browser_refreshes_lists_and_logs_out_with_its_cookies_alone() {
    let (companion, client, alice) = companion_with_alice();
    let mut browser = logged_in(&companion, &alice);
    let first = value(&browser, ACCESS);
    companion.advance_seconds(HOUR);
    browser.set_now(companion.now());
    // The access cookie is gone with its token.
    assert_eq!(names(&browser), [DEVICE, REFRESH]);
    assert_eq!(
        refusal(&list(&mut browser)),
        (401, "credential_required".to_owned())
    );
    assert_eq!(refresh(&mut browser).status, 200);
    assert_ne!(value(&browser, ACCESS), first);
    let sessions = list(&mut browser).expect(200, "the list").unwrap();
    assert_eq!(sessions.json()["sessions"][0]["current"], true);

    let (access, token) = (value(&browser, ACCESS), value(&browser, REFRESH));
    let logout = log_out(&mut browser).expect(200, "logout").unwrap();
    assert_eq!(logout.json()["revocation"]["sessions"], 1);
    assert_eq!(names(&browser), [DEVICE]);
    // What the browser keeps of pages, and nothing of what the app or others keep there.
    assert_eq!(logout.header("clear-site-data"), Some("\"cache\""));
    let with = |cookies: String, method: &str, path: &str| {
        let request = client.request(method, path).header("cookie", &cookies);
        let request = request.header("sec-fetch-site", "same-origin");
        request.send().unwrap()
    };
    let answer = with(format!("{ACCESS}={access}"), "GET", "/auth/v1/sessions");
    assert_eq!(refusal(&answer), (401, "invalid_token".to_owned()));
    let answer = with(
        format!("{REFRESH}={token}"),
        "POST",
        "/auth/v1/sessions/refresh",
    );
    assert_eq!(refusal(&answer), (401, "invalid_refresh_token".to_owned()));
    // Again, with either of them or both.
    for cookies in [
        format!("{ACCESS}={access}"),
        format!("{REFRESH}={token}"),
        format!("{ACCESS}={access}; {REFRESH}={token}"),
        format!("{ACCESS}=no-token; {REFRESH}={token}"),
    ] {
        let again = with(cookies, "DELETE", "/auth/v1/sessions/current");
        assert_eq!(
            again.string("/revocation/id"),
            logout.string("/revocation/id")
        );
        assert_eq!(again.all("set-cookie").count(), 2);
    }
}

/// CK-04: no refresh makes a cookie that outlives its session.
#[test]
fn no_cookie_outlives_its_session() {
    let (companion, _, alice) = companion_with_alice();
    let mut browser = logged_in(&companion, &alice);
    let end = companion.now() + i64::try_from(30 * DAY).unwrap();
    for _ in 0..3 {
        companion.advance_seconds(10 * DAY - MINUTE);
        browser.set_now(companion.now());
        assert_eq!(refresh(&mut browser).status, 200);
        let cookie = browser.cookie(REFRESH).unwrap();
        let idle = companion.now() + i64::try_from(14 * DAY).unwrap();
        assert_eq!(cookie.expires_at, end.min(idle));
    }
    // Three minutes before its end: the access token, too, ends with it.
    assert_eq!(browser.cookie(ACCESS).unwrap().expires_at, end);
    companion.advance_seconds(3 * MINUTE);
    browser.set_now(companion.now());
    assert_eq!(names(&browser), [DEVICE]);
}

/// FR-02, FR-03, CK-11: two of a kind, wherever they are, select nobody; what only looks like one of ours is none.
#[test]
fn two_credentials_of_a_kind_select_nobody() {
    let (companion, client, alice) = companion_with_alice();
    let alice_s = logged_in(&companion, &alice);
    let mallory = companion.account("mallory").unwrap();
    let planted = logged_in(&companion, &mallory);
    let (access, token) = (value(&alice_s, ACCESS), value(&alice_s, REFRESH));
    let (other, other_token) = (value(&planted, ACCESS), value(&planted, REFRESH));
    let ask = |method: &str, path: &str, cookies: &str, bearer: Option<&str>, body: Value| {
        let mut request = client.request(method, path).header("cookie", cookies);
        request = request.header("sec-fetch-site", "same-origin");
        if let Some(token) = bearer {
            request = request.bearer(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        request.send().unwrap()
    };
    let invalid = (400, "invalid_request".to_owned());
    let list = |cookies: &str, bearer| {
        refusal(&ask(
            "GET",
            "/auth/v1/sessions",
            cookies,
            bearer,
            Value::Null,
        ))
    };
    let two = format!("{ACCESS}={access}; {ACCESS}={other}");
    assert_eq!(list(&two, None), invalid);
    assert_eq!(
        list(&format!("{ACCESS}={access}; {ACCESS}={access}"), None),
        invalid
    );
    assert_eq!(list(&format!("{ACCESS}={access}; {ACCESS}"), None), invalid);
    assert_eq!(list(&format!("{ACCESS}={access}"), Some(&access)), invalid);
    for cookies in [
        format!("__host-access={access}"),
        format!("__Secure-access={access}"),
        format!("={ACCESS}={access}"),
        format!("{ACCESS}x={access}"),
        format!("x=\"{ACCESS}={access}\""),
        format!("{REFRESH}={access}"),
        format!("{DEVICE}={access}"),
    ] {
        assert_eq!(list(&cookies, None).0, 401, "{cookies}");
    }
    for (path, method) in [
        ("/auth/v1/sessions/refresh", "POST"),
        ("/auth/v1/sessions/current", "DELETE"),
    ] {
        let two = format!("{REFRESH}={token}; {REFRESH}={other_token}");
        assert_eq!(
            refusal(&ask(method, path, &two, None, Value::Null)),
            invalid
        );
        let one = format!("{REFRESH}={token}");
        let body = json!({ "refresh_token": token });
        assert_eq!(refusal(&ask(method, path, &one, None, body)), invalid);
    }
    // The cookies of two sessions in one logout end neither.
    let mixed = format!("{ACCESS}={access}; {REFRESH}={other_token}");
    let logout = ask(
        "DELETE",
        "/auth/v1/sessions/current",
        &mixed,
        None,
        Value::Null,
    );
    assert_eq!(refusal(&logout), invalid);
    for mut browser in [alice_s, planted] {
        assert_eq!(refresh(&mut browser).status, 200);
    }
}

/// RR-14: a forged token, a limit, a page of somebody else: the cookies stay, and the next refresh goes on with them.
#[test]
fn an_answer_that_is_not_final_leaves_the_cookies_alone() {
    let companion =
        Companion::with(|settings| settings.limits.refresh_per_session = "2+1/1m".parse().unwrap());
    let companion = companion.unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let mut browser = logged_in(&companion, &alice);
    let token = value(&browser, REFRESH);
    let (head, mac) = token.rsplit_once('.').unwrap();
    let flipped = if mac.starts_with('A') { "B" } else { "A" };
    let forged = format!("{REFRESH}={head}.{flipped}{}", &mac[1..]);
    for (cookies, site, expected) in [
        (forged.clone(), "same-origin", 401),
        (format!("{REFRESH}="), "same-origin", 401),
        (format!("{REFRESH}={token}; {forged}"), "same-origin", 400),
        (format!("{REFRESH}={token}"), "cross-site", 403),
    ] {
        for (method, path) in [
            ("POST", "/auth/v1/sessions/refresh"),
            ("DELETE", "/auth/v1/sessions/current"),
        ] {
            let request = client.request(method, path).header("cookie", &cookies);
            let answer = request.header("sec-fetch-site", site).send().unwrap();
            assert_eq!(answer.status, expected, "{method} {cookies}");
            assert!(!sets_cookies(&answer));
        }
    }
    for _ in 0..2 {
        assert_eq!(refresh(&mut browser).status, 200);
    }
    let before = browser.cookies().to_vec();
    let limited = refresh(&mut browser);
    assert_eq!(refusal(&limited), (429, "rate_limited".to_owned()));
    assert_eq!(browser.cookies(), before);
    companion.advance_seconds(MINUTE);
    browser.set_now(companion.now());
    assert_eq!(refresh(&mut browser).status, 200);
}

/// RR-14, design section 10: reuse and the end of its time are final, and the cookies go.
#[test]
fn a_session_that_has_ended_takes_its_cookies_along() {
    let (companion, client, alice) = companion_with_alice();
    let mut browser = logged_in(&companion, &alice);
    let stolen = value(&browser, REFRESH);
    refresh(&mut browser);
    companion.advance_seconds(HOUR);
    let thief = client.post("/auth/v1/sessions/refresh");
    let thief = thief
        .json(&json!({ "refresh_token": stolen }))
        .send()
        .unwrap();
    assert_eq!(thief.status, 401);
    // His token came in the body: there is no cookie to take back.
    assert!(!sets_cookies(&thief));
    browser.set_now(companion.now());
    let answer = refresh(&mut browser);
    assert_eq!(refusal(&answer), (401, "invalid_refresh_token".to_owned()));
    assert_eq!(names(&browser), [DEVICE]);

    let mut browser = logged_in(&companion, &alice);
    companion.advance_seconds(14 * DAY);
    // A browser whose clock is late still has it.
    assert_eq!(refresh(&mut browser).status, 401);
    assert_eq!(names(&browser), [DEVICE]);
}

/// RR-14, RR-04: the tabs of a browser that refresh at the same moment all end up with the one successor.
#[test]
fn tabs_that_refresh_at_once_share_one_successor() {
    let (companion, client, alice) = companion_with_alice();
    let browser = logged_in(&companion, &alice);
    let cookies = format!("{REFRESH}={}", value(&browser, REFRESH));
    let successors = at_once(8, |_| {
        let request = client.post("/auth/v1/sessions/refresh");
        let request = request.header("cookie", &cookies);
        let answer = request
            .header("sec-fetch-site", "same-origin")
            .send()
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut fields = answer.all("set-cookie").map(ToOwned::to_owned);
        fields.find(|field| field.starts_with(REFRESH)).unwrap()
    });
    assert!(successors.iter().all(|field| *field == successors[0]));
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        1
    );
}

/// CK-04: whatever ends this browser's session takes its cookies; what ends another does not.
#[test]
fn ending_the_current_session_in_any_way_takes_the_cookies() {
    let (companion, _, alice) = companion_with_alice();
    let other = logged_in(&companion, &alice);
    for scope in ["others", "one", "all"] {
        let mut browser = logged_in(&companion, &alice);
        let sessions = list(&mut browser).json()["sessions"].clone();
        let current = sessions.as_array().unwrap().iter();
        let current = current.clone().find(|session| session["current"] == true);
        let current = current.unwrap()["id"].as_str().unwrap().to_owned();
        let path = match scope {
            "one" => format!("/auth/v1/sessions/{current}"),
            scope => format!("/auth/v1/sessions?scope={scope}"),
        };
        let ended = browser.send(OWN_PAGE, "DELETE", &path, None).unwrap();
        assert_eq!(ended.status, 200, "{}", ended.text());
        let expected: &[&str] = match scope {
            "others" => &[ACCESS, DEVICE, REFRESH],
            _ => &[DEVICE],
        };
        assert_eq!(names(&browser), expected, "{scope}");
        assert_eq!(ended.header("clear-site-data").is_some(), scope != "others");
    }
    let mut other = other;
    assert_eq!(refresh(&mut other).status, 401);
}

/// CK-03: with the largest token that a browser keeps it is kept; a larger one is an error that is logged, never a cookie that is lost.
#[test]
fn a_token_that_no_browser_would_keep_is_not_handed_out() {
    let (companion, _, alice) = companion_with_alice();
    let give = |length: usize| {
        let roles = format!("UPDATE accounts SET roles = '[\"{}\"]'", "r".repeat(length));
        tamper(&companion, &roles);
        let mut browser = browser(&companion);
        let status = log_in(&mut browser, &alice).status;
        let size = browser
            .cookie(ACCESS)
            .map(|cookie| cookie.name.len() + cookie.value.len());
        (status, size)
    };
    let (_, Some(bare)) = give(0) else {
        panic!("no cookie")
    };
    // Three bytes are four characters.
    let fits = (4_096 - bare) / 4 * 3;
    let (status, size) = give(fits);
    assert_eq!(status, 201);
    assert!((4_090..=4_096).contains(&size.unwrap()), "{size:?}");
    assert_eq!(give(fits + 4), (500, None));
    // In a body it does no harm.
    alice.login(&companion.client().unwrap()).unwrap();
}

/// Design section 10: how the tokens are handed out is fixed at login.
#[test]
fn delivery_is_fixed_at_login() {
    let (companion, client, alice) = companion_with_alice();
    let browser = logged_in(&companion, &alice);
    let body = json!({ "refresh_token": value(&browser, REFRESH) });
    let refreshed = client
        .post("/auth/v1/sessions/refresh")
        .json(&body)
        .send()
        .unwrap();
    assert_eq!(refreshed.status, 200);
    assert!(refreshed.json()["refresh_token"].is_null());
    assert_eq!(refreshed.all("set-cookie").count(), 2);
    let in_body = alice.login(&client).unwrap();
    let answer = in_body.try_refresh(&client).unwrap();
    assert!(!sets_cookies(&answer));
    let logout = in_body.log_out(&client).unwrap();
    assert!(!sets_cookies(&logout) && logout.header("clear-site-data").is_none());
}
