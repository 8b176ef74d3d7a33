//! The operator's calls: who may make them, what they end, and what is written down about them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use companion::config::AdminToken;
use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::{Companion, Gateway};
use tests::log;
use tests::visitor::{Tokens, Visitor};

use crate::{DAY, HOUR, claims, companion_with_alice, events, is_alive, log_out, refusal, stored};

/// An operator with the token that the companion has made.
struct Operator {
    client: Client,
    token: String,
}

impl Operator {
    fn of(companion: &Companion) -> Self {
        let file = companion.state().join("admin.token");
        Self {
            client: companion.internal().unwrap(),
            token: fs::read_to_string(file).unwrap(),
        }
    }

    fn call(&self, method: &str, path: &str) -> Answer {
        let request = self.client.request(method, &format!("/admin/v1{path}"));
        let request = request.header("prefer", "respond-async");
        request.bearer(&self.token).send().unwrap()
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path).expect(200, path).unwrap().json()
    }

    fn account(&self, visitor: &Visitor) -> Value {
        let email = visitor.email.replace('@', "%40");
        let found = self.get(&format!("/accounts?email={email}"));
        found["accounts"][0].clone()
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

const CALLS: [(&str, &str); 9] = [
    ("GET", "/accounts?email=alice%40example.com"),
    ("GET", "/accounts/00112233445566778899aabbccddeeff"),
    ("GET", "/accounts/00112233445566778899aabbccddeeff/sessions"),
    (
        "DELETE",
        "/accounts/00112233445566778899aabbccddeeff/sessions",
    ),
    ("DELETE", "/sessions?scope=all"),
    ("DELETE", "/sessions/00112233445566778899aabbccddeeff"),
    ("GET", "/gateways"),
    ("POST", "/feed/reset"),
    ("GET", "/audit"),
];

/// CF-05: nobody without a token, with a gateway's, or with a user's; and what was tried is in the log.
#[test]
fn nobody_but_an_operator_is_one() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let internal = companion.internal().unwrap();
    let gateway = fs::read_to_string(companion.state().join("gateway.token")).unwrap();
    let own = Operator::of(&companion).token;
    for (method, path) in CALLS {
        let path = format!("/admin/v1{path}");
        let without = internal.request(method, &path).send().unwrap();
        assert_eq!(
            refusal(&without),
            (401, "credential_required".to_owned()),
            "{path}"
        );
        for token in [
            &gateway,
            &tokens.access,
            &own[1..].to_owned(),
            &format!("{own}A"),
        ] {
            let answer = internal
                .request(method, &path)
                .bearer(token)
                .send()
                .unwrap();
            assert_eq!(
                refusal(&answer),
                (401, "invalid_token".to_owned()),
                "{path}"
            );
            let id = answer.header("x-request-id").unwrap();
            assert_eq!(log::events_of(id)[0]["event"], "admin_refused");
        }
        // And the public listener knows nothing of it.
        let public = client.request(method, &path).bearer(&own).send().unwrap();
        assert_eq!(public.status, 404, "{path}");
    }
    assert!(is_alive(&client, &tokens));
}

/// AU-01: the name of the token is the actor, in the log and in the audit log.
#[test]
fn what_an_operator_does_is_written_down_under_his_name() {
    let mut companion = Companion::stopped().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tokens = ["mallory", "trent"].map(|name| {
        let token_file = folder.path().join(name);
        fs::write(&token_file, format!("{name}-{}", "x".repeat(32))).unwrap();
        fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600)).unwrap();
        AdminToken {
            name: name.to_owned(),
            token_file,
        }
    });
    companion.change(|settings| settings.admin_tokens = tokens.to_vec());
    companion.resume().unwrap();
    assert!(!companion.state().join("admin.token").exists());
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let session = alice.login(&client).unwrap().session;
    let trent = Operator {
        client: companion.internal().unwrap(),
        token: fs::read_to_string(&tokens[1].token_file).unwrap(),
    };
    let answer = trent.call("DELETE", &format!("/sessions/{session}"));
    assert_eq!(answer.status, 200);
    let request = answer.header("x-request-id").unwrap();
    let line = &log::events_of(request)[0];
    assert_eq!(
        (&line["event"], &line["actor"]),
        (&json!("session_ended"), &json!("admin trent"))
    );
    assert_eq!(
        (&line["cause"], &line["session"]),
        (&json!("ended_by_operator"), &json!(session))
    );
    let audit = trent.get("/audit?limit=1");
    let event = &audit["events"][0];
    assert_eq!(
        (&event["event"], &event["actor"]),
        (&json!("session_ended"), &json!("trent"))
    );
    assert_eq!(
        (&event["cause"], &event["request_id"]),
        (&json!("ended_by_operator"), &json!(request))
    );
    assert_eq!(event["session"], json!(session));
}

/// SE-07: one session, all of an account, all that there are; each with a receipt, and nobody else's.
#[test]
fn an_operator_ends_the_sessions_of_one_or_of_all() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap();
    let [one, two, three] = [(); 3].map(|()| alice.login(&client).unwrap());
    let others = [(); 2].map(|()| bob.login(&client).unwrap());
    let operator = Operator::of(&companion);
    let found = operator.account(&alice);
    assert_eq!(
        (&found["email"], &found["active"]),
        (&json!(alice.email), &json!(true))
    );
    let list = operator.get(&format!("/accounts/{}/sessions", id(&found)));
    assert_eq!(list["sessions"].as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains(&one.access) && !list.to_string().contains("lkr_"));

    let path = format!("/sessions/{}", one.session);
    let receipt = operator.call("DELETE", &path).expect(200, "one").unwrap();
    assert_eq!(receipt.json()["revocation"]["sessions"], 1);
    assert!(!is_alive(&client, &one) && is_alive(&client, &two));
    // Once more: the same receipt.
    assert_eq!(operator.call("DELETE", &path).json(), receipt.json());
    let unknown = format!("/sessions/{}", "0".repeat(32));
    assert_eq!(operator.call("DELETE", &unknown).status, 404);

    let path = format!("/accounts/{}/sessions", id(&found));
    let receipt = operator.call("DELETE", &path).expect(200, "hers").unwrap();
    assert_eq!(receipt.json()["revocation"]["sessions"], 2);
    assert!(!is_alive(&client, &two) && !is_alive(&client, &three));
    assert!(others.iter().all(|tokens| is_alive(&client, tokens)));
    assert_eq!(
        operator.call("DELETE", &path).json(),
        json!({ "revocation": null })
    );

    for bad in [
        "/sessions",
        "/sessions?scope=others",
        "/sessions?scope=all&x=1",
    ] {
        assert_eq!(operator.call("DELETE", bad).status, 400, "{bad}");
    }
    let again = alice.login(&client).unwrap();
    let receipt = operator.call("DELETE", "/sessions?scope=all");
    assert_eq!(
        receipt.expect(200, "all").unwrap().json()["revocation"]["sessions"],
        3
    );
    let all: Vec<&Tokens> = others.iter().chain([&again]).collect();
    assert!(all.iter().all(|tokens| !is_alive(&client, tokens)));
    assert!(
        all.iter()
            .all(|tokens| tokens.try_refresh(&client).unwrap().status == 401)
    );
    let by_operator =
        "SELECT COUNT(*) FROM audit WHERE actor = 'admin' AND cause = 'ended_by_operator'";
    assert_eq!(stored::<u32>(&companion, by_operator), 6);
}

/// ER-04: of what is asked nothing is unknown, nothing stands twice, and nobody unknown is made up.
#[test]
fn a_question_that_is_not_understood_is_refused() {
    let companion = Companion::start().unwrap();
    let operator = Operator::of(&companion);
    for (path, status) in [
        ("/accounts", 400),
        ("/accounts?email=a%40example.com&email=b%40example.com", 400),
        ("/accounts?name=alice", 400),
        ("/accounts?email=nobody", 422),
        ("/accounts/alice", 404),
        ("/accounts/00112233445566778899aabbccddeeff/sessions", 404),
        ("/audit?account=alice", 400),
        ("/audit?limit=0", 400),
        ("/audit?limit=1001", 400),
        ("/audit?before=-1", 400),
        ("/nothing", 404),
    ] {
        assert_eq!(operator.call("GET", path).status, status, "{path}");
    }
    let nobody = operator.get("/accounts?email=nobody%40example.com");
    assert_eq!(nobody, json!({ "accounts": [] }));
    assert_eq!(operator.call("PUT", "/gateways").status, 405);
}

/// The audit log is read page by page, newest first, and of one account alone where that is asked for.
#[test]
fn the_audit_log_is_read_page_by_page() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap();
    for visitor in [&alice, &bob, &alice] {
        log_out(&client, &visitor.login(&client).unwrap());
    }
    let operator = Operator::of(&companion);
    let whole = operator.get("/audit");
    let whole = whole["events"].as_array().unwrap();
    assert_eq!(whole.len(), 8);
    let mut read = Vec::new();
    let mut path = "/audit?limit=3".to_owned();
    loop {
        let page = operator.get(&path);
        read.extend(page["events"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        path = format!("/audit?limit=3&before={next}");
    }
    assert_eq!(&read, whole);
    let hers = operator.get(&format!("/audit?account={}", id(&operator.account(&alice))));
    let names: Vec<_> = hers["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"])
        .collect();
    let expected = [
        "session_ended",
        "session_opened",
        "session_ended",
        "session_opened",
        "account_activated",
    ];
    assert_eq!(names, expected);
}

/// Design section 4, "Receipt": one that never gets stale counts for a day, unless an operator says that it is gone. Of one that polls he
/// cannot say so.
#[test]
fn a_gateway_that_is_gone_is_forgotten_and_one_that_polls_is_not() {
    let (companion, client, alice) = companion_with_alice();
    let mut stays = Gateway::synced(&companion, 1, "none").unwrap();
    let gone = Gateway::synced(&companion, 2, "none").unwrap();
    let operator = Operator::of(&companion);
    let path = format!("/gateways/{}", gone.id());
    assert_eq!(
        refusal(&operator.call("DELETE", &path)),
        (409, "conflict".to_owned())
    );
    let tokens = alice.login(&client).unwrap();
    companion.advance_seconds(HOUR);
    stays.poll(0).unwrap();
    let login = alice.login(&client).unwrap();
    log_out(&client, &tokens);
    stays.poll(0).unwrap();
    stays.poll(0).unwrap();
    let receipt = log_out(&client, &login);
    let look = format!("/auth/v1/revocations/{}", receipt.string("/revocation/id"));
    stays.poll(0).unwrap();
    stays.poll(0).unwrap();
    let gateways = || client.get(&look).send().unwrap().json()["revocation"]["gateways"].clone();
    assert_eq!(gateways(), json!({ "live": 2, "applied": 1 }));
    let listed = operator.get("/gateways");
    assert_eq!(listed["gateways"].as_array().unwrap().len(), 2);
    let of_gone = &listed["gateways"][1];
    assert_eq!((id(of_gone), &of_gone["live"]), (gone.id(), &json!(true)));
    assert_eq!(
        (&of_gone["staleness"], &of_gone["lag"]),
        (&Value::Null, &json!(2))
    );
    assert_eq!(listed["gateways"][0]["lag"], 0);

    assert_eq!(
        operator
            .call("DELETE", &format!("/gateways/{}", stays.id()))
            .status,
        409
    );
    assert_eq!(operator.call("DELETE", &path).status, 200);
    assert_eq!(gateways(), json!({ "live": 1, "applied": 1 }));
    assert_eq!(operator.call("DELETE", &path).status, 404);
    assert_eq!(events(&companion, "gateway_forgotten"), 1);
    // It comes back: it counts again.
    gone.ask("0", 0).unwrap();
    assert_eq!(gateways(), json!({ "live": 2, "applied": 1 }));
}

/// The same after a restart: what was forgotten is forgotten.
#[test]
fn a_forgotten_gateway_is_not_known_after_a_restart() {
    let mut companion = Companion::start().unwrap();
    let gone = Gateway::synced(&companion, 2, "none").unwrap();
    companion.advance_seconds(HOUR);
    let operator = Operator::of(&companion);
    assert_eq!(
        operator
            .call("DELETE", &format!("/gateways/{}", gone.id()))
            .status,
        200
    );
    companion.restart().unwrap();
    let operator = Operator::of(&companion);
    assert_eq!(operator.get("/gateways")["gateways"], json!([]));
    companion.advance_seconds(DAY);
}

/// RV-17: after a reset no cursor is known; every gateway reads the whole feed again, keeps what it has, and receipts that were given out
/// stay good.
#[test]
fn a_reset_feed_is_read_from_the_beginning_by_every_gateway() {
    let (companion, client, alice) = companion_with_alice();
    let receipts: Vec<_> = (0..3)
        .map(|_| log_out(&client, &alice.login(&client).unwrap()).string("/revocation/id"))
        .collect();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let before = gateway.cursor();
    let operator = Operator::of(&companion);
    let reset = operator
        .call("POST", "/feed/reset")
        .expect(200, "reset")
        .unwrap();
    assert_eq!(reset.json(), json!({ "head": 4 }));
    let page = gateway.poll(0).unwrap();
    assert_eq!(
        (page.after, page.seq, page.revoked.len(), page.more),
        (0, 4, 3, false)
    );
    assert_ne!(page.mark, before.mark);
    // It goes on from there, and what ends from now on is no other history.
    let page = gateway.poll(0).unwrap();
    assert_eq!((page.after, page.seq), (4, 4));
    log_out(&client, &alice.login(&client).unwrap());
    let page = gateway.poll(0).unwrap();
    assert_eq!((page.after, page.seq, page.revoked.len()), (4, 5, 1));
    for receipt in receipts {
        let look = client
            .get(&format!("/auth/v1/revocations/{receipt}"))
            .send()
            .unwrap();
        assert_eq!(look.status, 200);
    }
    assert_eq!(events(&companion, "feed_reset"), 1);
    let marks = "SELECT COUNT(*) FROM feed JOIN feed_head ON feed_head.number = feed.number AND feed_head.mark = feed.mark";
    assert_eq!(stored::<u32>(&companion, marks), 1);
}

/// PW-15, RV-02: a disabled account is out everywhere at once, with a receipt, and in again when it is enabled.
#[test]
fn a_disabled_account_is_out_at_once() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let operator = Operator::of(&companion);
    let path = format!("/accounts/{}", id(&operator.account(&alice)));
    let receipt = operator.call("POST", &format!("{path}/disable"));
    assert_eq!(
        receipt.expect(202, "disabled").unwrap().json()["revocation"]["sessions"],
        1
    );
    gateway.poll(0).unwrap();
    assert!(gateway.revoked(&tokens.session).is_some());
    assert!(!is_alive(&client, &tokens));
    assert_eq!(
        refusal(&alice.try_login(&client).unwrap()),
        (401, "invalid_credentials".to_owned())
    );
    assert_eq!(operator.get(&path)["active"], false);
    assert_eq!(
        operator.call("POST", &format!("{path}/disable")).status,
        200
    );
    let enabled = operator.call("POST", &format!("{path}/enable"));
    assert_eq!(
        enabled.expect(200, "enabled").unwrap().json()["active"],
        true
    );
    assert!(is_alive(&client, &alice.login(&client).unwrap()));
    assert!(!is_alive(&client, &tokens));
    for (event, actor) in [("account_disabled", "admin"), ("account_enabled", "admin")] {
        let query =
            format!("SELECT COUNT(*) FROM audit WHERE event = '{event}' AND actor = '{actor}'");
        assert!(stored::<u32>(&companion, &query) >= 1, "{event}");
    }
    let unknown = format!("/accounts/{}/disable", "0".repeat(32));
    assert_eq!(operator.call("POST", &unknown).status, 404);
}

/// SE-06: a change of roles ends the sessions unless told otherwise; then tokens have the new ones from the next refresh on.
#[test]
fn a_change_of_roles_ends_the_sessions_unless_told_otherwise() {
    let (companion, client, alice) = companion_with_alice();
    let operator = Operator::of(&companion);
    let path = format!("/admin/v1/accounts/{}/roles", id(&operator.account(&alice)));
    let set = |body: Value| {
        let request = operator
            .client
            .request("PUT", &path)
            .bearer(&operator.token);
        request.json(&body).send().unwrap()
    };
    let tokens = alice.login(&client).unwrap();
    let kept = set(json!({ "roles": ["teller", "a:b"], "keep_sessions": true }));
    assert_eq!(
        kept.expect(200, "kept").unwrap().json(),
        json!({ "revocation": null })
    );
    assert!(is_alive(&client, &tokens));
    let refreshed = tokens.refresh(&client).unwrap();
    assert_eq!(claims(&refreshed)["roles"], json!(["teller", "a:b"]));
    let ended = set(json!({ "roles": [] }));
    assert_eq!(
        ended.expect(200, "ended").unwrap().json()["revocation"]["sessions"],
        1
    );
    assert!(!is_alive(&client, &refreshed));
    assert_eq!(claims(&alice.login(&client).unwrap()).get("roles"), None);
    for bad in [
        json!({}),
        json!({ "roles": "teller" }),
        json!({ "roles": ["a,b"] }),
        json!({ "roles": [""] }),
        json!({ "roles": ["a", "a"] }),
        json!({ "roles": ["a"], "admin": true }),
    ] {
        assert_eq!(
            refusal(&set(bad.clone())),
            (400, "invalid_request".to_owned()),
            "{bad}"
        );
    }
}

/// KR-01, KR-03: a new key is published before it signs; one that is removed takes its tokens with it, with a receipt.
#[test]
fn signing_keys_are_rotated_and_removed_by_an_operator() {
    let (companion, client, alice) = companion_with_alice();
    let operator = Operator::of(&companion);
    let keys = || operator.get("/keys")["keys"].as_array().unwrap().clone();
    let state = |kid: &str| {
        let found = keys().into_iter().find(|key| key["kid"] == kid);
        found.map(|key| key["state"].as_str().unwrap().to_owned())
    };
    let first = keys();
    assert_eq!(first.len(), 2);
    assert!(first.iter().all(|key| key["state"] == "signing"));
    let tokens = alice.login(&client).unwrap();
    companion.advance_seconds(60);
    let rotated = operator
        .call("POST", "/keys/rotate")
        .expect(200, "rotated")
        .unwrap();
    let new = rotated.string("/kid");
    assert_eq!(state(&new).as_deref(), Some("published"));
    companion.advance_seconds(HOUR);
    assert_eq!(state(&new).as_deref(), Some("signing"));
    let access = first.iter().find(|key| key["use"] == "access").unwrap();
    let old = access["kid"].as_str().unwrap();
    if state(old).is_some() {
        let removed = operator.call("DELETE", &format!("/keys/{old}"));
        assert!(
            removed.json()["revocation"]["id"].is_string(),
            "{}",
            removed.text()
        );
        assert_eq!(state(old), None);
    }
    assert!(!is_alive(&client, &tokens));
    assert_eq!(operator.call("DELETE", &format!("/keys/{old}")).status, 404);
    assert_eq!(
        operator.call("POST", "/keys/rotate?use=everything").status,
        400
    );
    let fresh = alice.login(&client).unwrap();
    assert!(is_alive(&client, &fresh));
    operator
        .call("POST", "/keys/replace")
        .expect(200, "replaced")
        .unwrap();
    assert!(!is_alive(&client, &fresh));
    assert_eq!(keys().len(), 2);
    let by = "SELECT COUNT(*) FROM audit WHERE event LIKE 'signing_key%' AND actor = 'admin'";
    assert!(stored::<u32>(&companion, by) >= 2);
}
