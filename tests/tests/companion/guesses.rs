//! Getting around the limiter (security requirements D5) by other words for the same thing: not the refusals are counted, but the
//! passwords that were compared with that of an account.

use companion::config::Limits;
use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::Companion;

use crate::{at_once, companion_with_alice, in_sql, tamper};

/// A guess that is wrong.
pub(crate) const WRONG: &str = "a wrong guess at it";
const LOGIN: &str = "/auth/v1/sessions";

/// Tries a password.
pub(crate) fn guess(client: &Client, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    client.post(LOGIN).json(&body).send().unwrap()
}

/// The same of a caller whose address the proxy names.
pub(crate) fn guess_from(proxy: &Client, address: &str, email: &str) -> Answer {
    let body = json!({ "email": email, "password": WRONG });
    let request = proxy.post(LOGIN).header("x-forwarded-for", address);
    request.json(&body).send().unwrap()
}

/// How many passwords have been compared with that of an account.
pub(crate) fn verified(companion: &Companion) -> u64 {
    companion.hashing().verified
}

/// So many accounts beside Alice's, `person1@example.com` and on, with her password.
pub(crate) fn plant_accounts(companion: &Companion, count: usize) {
    let id = in_sql(
        companion,
        "CAST(printf('%016d', n) AS BLOB)",
        "convert_to(lpad(n::text, 16, '0'), 'UTF8')",
    );
    let plant = format!(
        "INSERT INTO accounts (id, email, password_hash, created_at)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
         SELECT {id}, 'person' || n || '@example.com', password_hash, created_at FROM accounts, numbers
         WHERE email = 'alice@example.com'"
    );
    tamper(companion, &plant);
}

/// PW-14, RL-01, D5: a spelling is that of the account and counts for it, or it is somebody's whom nobody knows.
#[test]
fn no_spelling_of_an_address_gives_new_guesses() {
    let (companion, client, alice) = companion_with_alice();
    let hers = [
        "ALICE@EXAMPLE.COM",
        "\u{3000}alice@example.com\u{a0}",
        "alice@\u{ff45}xample.com",
        "alice@example\u{3002}com",
        "alice@exam\u{ad}ple.com",
    ];
    let others = [
        "alice@example.com.",
        "alice+1@example.com",
        "a.lice@example.com",
        "alice@mail.example.com",
        "\u{430}lice@example.com",
        "\u{ff41}lice@example.com",
        "ali\u{200d}ce@example.com",
        "alice@ex\u{430}mple.com",
        "alice@example.com\0",
        "\"alice\"@example.com",
        "alice%40example.com",
        "bob@example.com,alice@example.com",
    ];
    let before = verified(&companion);
    for _ in 0..3 {
        for spelling in hers.iter().chain(&others) {
            let status = guess(&client, spelling, WRONG).status;
            assert!([401, 429].contains(&status), "{spelling:?}: {status}");
        }
    }
    assert_eq!(verified(&companion) - before, 5);
    for spelling in hers {
        let closed = guess(&client, spelling, &alice.password);
        assert_eq!(closed.status, 429, "{spelling:?}");
    }
    for spelling in others {
        let status = guess(&client, spelling, &alice.password).status;
        assert!([401, 429].contains(&status), "{spelling:?}: {status}");
    }
    assert_eq!(verified(&companion) - before, 5);
}

/// ER-04, D5: two passwords, or two addresses, in one body are none.
#[test]
fn no_body_has_a_second_guess() {
    let (companion, client, alice) = companion_with_alice();
    let (email, right) = (&alice.email, &alice.password);
    let before = companion.hashing();
    for body in [
        format!(r#"{{"email":"{email}","password":"{WRONG}","password":"{right}"}}"#),
        format!(r#"{{"email":"{email}","password":"{right}","password":"{WRONG}"}}"#),
        format!(r#"{{"email":"{email}","password":"{WRONG}","p\u0061ssword":"{right}"}}"#),
        format!(r#"{{"email":"{email}","password":"{right}","Password":"{WRONG}"}}"#),
        format!(r#"{{"email":"nobody@example.com","email":"{email}","password":"{right}"}}"#),
        format!(r#"{{"email":"{email}","password":["{WRONG}","{right}"]}}"#),
        format!(r#"{{"email":"{email}","password":{{"0":"{WRONG}","1":"{right}"}}}}"#),
        format!(r#"{{"email":["{email}"],"password":"{right}"}}"#),
        format!(r#"{{"email":"{email}","password":"{WRONG}","passwords":["{right}"]}}"#),
        format!(r#"[{{"email":"{email}","password":"{right}"}}]"#),
        format!(
            r#"{{"email":"{email}","password":"{WRONG}"}}{{"email":"{email}","password":"{right}"}}"#
        ),
    ] {
        let login = client.post(LOGIN).body("application/json", body.as_str());
        assert_eq!(login.send().unwrap().status, 400, "{body}");
    }
    assert_eq!(companion.hashing(), before);
}

/// ER-06, FR-07, CK-07, D5: another path, method or type of content is not the login; what is the login counts as one.
#[test]
fn no_other_form_of_the_request_gives_new_guesses() {
    let (companion, client, alice) = companion_with_alice();
    let right = json!({ "email": alice.email, "password": alice.password });
    let before = companion.hashing();
    for path in [
        "//auth/v1/sessions",
        "/auth//v1/sessions",
        "/auth/v1/sessions/",
        "/auth/v1/sessions//",
        "/auth/v1/%73essions",
        "/auth/v1%2Fsessions",
        "/auth/v1/sessions%20",
        "/auth/v1/sessions%00",
        "/auth/v1/sessions;a=b",
        "/Auth/V1/Sessions",
        "/auth/v1/sessions.json",
        "/auth/v2/sessions",
    ] {
        let status = client.post(path).json(&right).send().unwrap().status;
        assert!([404, 405].contains(&status), "{path}: {status}");
    }
    let overrides = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"] {
        let mut request = client.request(method, &format!("{LOGIN}?_method=POST"));
        for name in overrides {
            request = request.header(name, "POST");
        }
        let status = request.json(&right).send().unwrap().status;
        assert!((400..500).contains(&status), "{method}: {status}");
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
    ] {
        let request = client.post(LOGIN).body(kind, right.to_string());
        assert_eq!(request.send().unwrap().status, 415, "{kind}");
    }
    assert_eq!(companion.hashing(), before);

    let wrong = json!({ "email": alice.email, "password": WRONG }).to_string();
    let forms = || {
        let mut requests = vec![
            client.post(LOGIN).body("application/json", wrong.as_str()),
            client
                .post(LOGIN)
                .body("Application/JSON;charset=UTF-8", wrong.as_str()),
            client
                .post("/auth/v1/../v1/%2e/sessions")
                .body("application/json", wrong.as_str()),
        ];
        for name in overrides {
            let request = client.post(LOGIN).header(name, "PUT");
            requests.push(request.body("application/json", wrong.as_str()));
        }
        requests
    };
    for request in (0..4).flat_map(|_| forms()) {
        let status = request.send().unwrap().status;
        assert!([401, 429].contains(&status), "{status}");
    }
    assert_eq!(companion.hashing().verified - before.verified, 5);
}

/// RL-06, D5: two hundred at one instant, whether at one account or at two hundred.
#[test]
fn two_hundred_guesses_at_one_instant_are_five_at_an_account_and_ten_from_an_address() {
    let companion = Companion::with(|settings| {
        settings.limits.login_per_address = Limits::default().login_per_address;
        settings.hashing.permits = 2;
    })
    .unwrap();
    let alice = companion.account("alice").unwrap();
    plant_accounts(&companion, 200);
    let burst = |guess: &(dyn Fn(usize) -> Answer + Sync)| {
        let before = verified(&companion);
        let statuses = at_once(200, |number| guess(number).status);
        let looked_at = statuses.iter().filter(|status| **status == 401).count();
        assert!(
            statuses
                .iter()
                .all(|status| [401, 429, 503].contains(status))
        );
        let compared = usize::try_from(verified(&companion) - before).unwrap();
        assert_eq!(compared, looked_at, "{statuses:?}");
        compared
    };
    let proxy = companion.client().unwrap();
    let at_alice =
        burst(&|number| guess_from(&proxy, &format!("203.0.113.{number}"), &alice.email));
    assert_eq!(at_alice, 5);
    let attacker = companion.client_from("127.0.0.2").unwrap();
    let from_one = burst(&|number| {
        guess(
            &attacker,
            &format!("person{}@example.com", number + 1),
            WRONG,
        )
    });
    assert_eq!(from_one, 10);
}
