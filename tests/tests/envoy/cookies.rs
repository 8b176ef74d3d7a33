use tests::browser::{Browser, FOREIGN_PAGE, OWN_PAGE};
use tests::client::Answer;
use tests::stack::Stack;
use tests::visitor::Visitor;
use tests::workers::at_both_workers;

use crate::stack_with_alice;

const ACCESS: &str = "__Host-access";
const REFRESH: &str = "__Secure-refresh";
const DEVICE: &str = "__Secure-device";
const REFRESHES: &str = "/auth/v1/sessions/refresh";

/// A browser whose clock begins with the test.
fn browser(stack: &Stack) -> Browser {
    Browser::new(stack.client().unwrap(), 0)
}

fn log_in(browser: &mut Browser, visitor: &Visitor) {
    let body = serde_json::json!({ "email": visitor.email, "password": visitor.password, "delivery": "cookie" });
    let login = browser.send(OWN_PAGE, "POST", "/auth/v1/sessions", Some(&body));
    login.unwrap().expect(201, "login").unwrap();
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.string("/code"))
}

fn names(browser: &Browser) -> Vec<&str> {
    let cookies = browser.cookies().iter();
    let mut names: Vec<_> = cookies.map(|cookie| cookie.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// CK-01, CK-02, CK-04, CK-05, FR-18, RV-01: a browser's whole life through the shipped Envoy. It logs in, uses the app, is not used by
/// another site, refreshes, logs out everywhere; then its cookies are gone, and copies of them open nothing at any worker.
#[test]
fn a_browser_lives_on_its_cookies_through_the_gateway_until_it_logs_out_everywhere() {
    let (stack, alice) = stack_with_alice();
    let mut browser = browser(&stack);
    let without = browser.send(OWN_PAGE, "GET", "/orders", None).unwrap();
    assert_eq!(refused(&without), (401, "credential_required".to_owned()));
    log_in(&mut browser, &alice);
    assert_eq!(names(&browser), [ACCESS, DEVICE, REFRESH]);

    // The app learns who it is, and gets none of the cookies.
    let orders = browser.send(OWN_PAGE, "GET", "/orders", None).unwrap();
    let orders = orders.expect(200, "the app").unwrap();
    assert_eq!(orders.echoed("x-auth-subject").len(), 1);
    assert_eq!(orders.echoed("cookie"), Vec::<String>::new());
    assert!(orders.echoed("authorization").is_empty());

    // Another site, should the browser send the cookies along for it.
    let cross_origin = (403, "cross_origin".to_owned());
    let calls = [
        ("POST", "/orders"),
        ("POST", REFRESHES),
        ("DELETE", "/auth/v1/sessions?scope=all"),
    ];
    for (method, path) in calls {
        for page in [FOREIGN_PAGE, &[]] {
            let answer = browser.send_with_all(page, method, path, None).unwrap();
            assert_eq!(refused(&answer), cross_origin, "{method} {path} {page:?}");
        }
        let kept_back = browser.send(FOREIGN_PAGE, method, path, None).unwrap();
        assert!([401, 403].contains(&kept_back.status), "{method} {path}");
    }
    let own_origin = format!("http://localhost:{}", stack.ports().gateway);
    for page in [OWN_PAGE, &[("origin", own_origin.as_str())]] {
        let order = browser.send(page, "POST", "/orders", None).unwrap();
        assert_eq!(order.status, 200, "{page:?}");
        let refresh = browser.send(page, "POST", REFRESHES, None).unwrap();
        assert_eq!(refresh.status, 200, "{page:?}: {}", refresh.text());
        assert!(!refresh.text().contains("lkr_") && !refresh.text().contains("eyJ"));
    }
    assert_eq!(
        browser
            .send(OWN_PAGE, "GET", "/orders", None)
            .unwrap()
            .status,
        200
    );

    let copies = browser.cookies().to_vec();
    let path = "/auth/v1/sessions?scope=all";
    let logout = browser.send(OWN_PAGE, "DELETE", path, None).unwrap();
    let logout = logout.expect(200, "logging out everywhere").unwrap();
    assert_eq!(logout.json()["revocation"]["sessions"], 1);
    assert_eq!(names(&browser), [DEVICE]);
    assert_eq!(
        browser
            .send(OWN_PAGE, "GET", "/orders", None)
            .unwrap()
            .status,
        401
    );
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        let mut thief = Browser::new(caller.client, 0);
        copies.iter().for_each(|cookie| thief.plant(cookie.clone()));
        let answer = thief.send(OWN_PAGE, "GET", "/orders", None).unwrap();
        assert_eq!(refused(&answer), (401, "invalid_token".to_owned()));
        let answer = thief.send(OWN_PAGE, "POST", REFRESHES, None).unwrap();
        assert_eq!(refused(&answer), (401, "invalid_refresh_token".to_owned()));
    }
}
