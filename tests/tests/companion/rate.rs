//! Limits by the caller's address, and how pretending another one does not help.

use companion::config::Limits;
use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};

use crate::{HOUR, MINUTE};

/// A companion with one limit as it is shipped, or another.
fn limited(change: impl FnOnce(&mut Limits)) -> Companion {
    Companion::with(|settings| change(&mut settings.limits)).unwrap()
}

fn logins_limited() -> Companion {
    limited(|limits| limits.login_per_address = Limits::default().login_per_address)
}

/// A login of somebody new each time, so that only the address is limited.
fn login(client: &Client, forwarded: &[(&str, String)]) -> u16 {
    let mut name = [0; 8];
    getrandom::getrandom(&mut name).unwrap();
    let email = format!("{:016x}@example.com", u64::from_be_bytes(name));
    let mut request = client.post("/auth/v1/sessions");
    for (name, value) in forwarded {
        request = request.header(name, value);
    }
    let body = json!({ "email": email, "password": "x" });
    request.json(&body).send().unwrap().status
}

/// What happens to ten logins and one more, with these header fields.
fn eleven(client: &Client, forwarded: impl Fn(usize) -> Vec<(&'static str, String)>) -> Vec<u16> {
    (0..11)
        .map(|number| login(client, &forwarded(number)))
        .collect()
}

fn ten_and_no_more() -> Vec<u16> {
    let mut expected = vec![401; 10];
    expected.push(429);
    expected
}

fn told(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("retry-after"))
}

/// RL-02: ten at once, then one each six seconds; another address is another caller.
#[test]
fn ten_logins_from_one_address_and_then_ten_a_minute() {
    let companion = logins_limited();
    let client = companion.client_from("127.0.0.2").unwrap();
    assert_eq!(eleven(&client, |_| Vec::new()), ten_and_no_more());
    let refused = Visitor::named("alice").try_login(&client).unwrap();
    assert_eq!(told(&refused), (429, Some("6")));
    companion.advance_seconds(5);
    assert_eq!(login(&client, &[]), 429);
    companion.advance_seconds(1);
    assert_eq!(login(&client, &[]), 401);
    assert_eq!(login(&client, &[]), 429);
    let other = companion.client_from("127.0.0.3").unwrap();
    assert_eq!(login(&other, &[]), 401);
}

/// RL-02, D5: from a peer that is no trusted proxy no header field counts, of whatever name.
#[test]
fn pretending_another_address_does_not_help_a_stranger() {
    let companion = logins_limited();
    let names = [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let client = companion
            .client_from(&format!("127.0.0.{}", number + 2))
            .unwrap();
        let fields = |number| vec![(name, format!("203.0.113.{number}"))];
        assert_eq!(eleven(&client, fields), ten_and_no_more(), "{name}");
    }
}

/// RL-02, D5: behind the trusted proxy only the value that it wrote counts, however many stand before it.
#[test]
fn pretending_another_address_before_the_proxy_s_own_word_does_not_help() {
    let companion = logins_limited();
    let client = companion.client().unwrap();
    let in_one_line = |number| {
        vec![(
            "x-forwarded-for",
            format!("198.51.100.{number}, 203.0.113.1"),
        )]
    };
    assert_eq!(eleven(&client, in_one_line), ten_and_no_more());
    let in_two_lines = |number| {
        let forged = format!("198.51.100.{number}");
        vec![
            ("x-forwarded-for", forged),
            ("x-forwarded-for", "203.0.113.2".to_owned()),
        ]
    };
    assert_eq!(eleven(&client, in_two_lines), ten_and_no_more());
    // What is no address shares one bucket, and does not fall back to the proxy's.
    let malformed = |number| vec![("x-forwarded-for", format!("unknown-{number}"))];
    assert_eq!(eleven(&client, malformed), ten_and_no_more());
    assert_eq!(login(&client, &[]), 401);
}

/// RL-02: a whole /64 is one caller, and an IPv4 address is itself in its mapped form.
#[test]
fn the_addresses_of_one_network_are_one_caller() {
    let companion = logins_limited();
    let client = companion.client().unwrap();
    let of_one_64 = |number| vec![("x-forwarded-for", format!("2001:db8:1:2:{number:x}::1"))];
    assert_eq!(eleven(&client, of_one_64), ten_and_no_more());
    let next = [("x-forwarded-for", "2001:db8:1:3::1".to_owned())];
    assert_eq!(login(&client, &next), 401);
    let mapped = |number: usize| {
        let prefix = if number.is_multiple_of(2) {
            ""
        } else {
            "::ffff:"
        };
        vec![("x-forwarded-for", format!("{prefix}203.0.113.9"))]
    };
    assert_eq!(eleven(&client, mapped), ten_and_no_more());
}

/// RL-05: the count of an address survives a restart and a kill.
#[test]
fn the_limit_of_an_address_survives_a_restart_and_a_kill() {
    let mut companion = logins_limited();
    let client = companion.client().unwrap();
    assert_eq!(eleven(&client, |_| Vec::new()), ten_and_no_more());
    let survivor = companion.survivor().unwrap();
    companion.restart().unwrap();
    for companion in [&companion, &survivor] {
        assert_eq!(login(&companion.client().unwrap(), &[]), 429);
    }
}

/// RL-02, OT-08: five sign-ups of an address, then five an hour.
#[test]
fn five_sign_ups_from_one_address_and_then_five_an_hour() {
    let companion =
        limited(|limits| limits.signup_per_address = Limits::default().signup_per_address);
    let client = companion.client_from("127.0.0.2").unwrap();
    let sign_up = |client: &Client, number: usize| {
        let visitor = Visitor::named(&format!("visitor{number}"));
        visitor.sign_up(client).unwrap()
    };
    let statuses: Vec<u16> = (0..6)
        .map(|number| sign_up(&client, number).status)
        .collect();
    assert_eq!(statuses, [202, 202, 202, 202, 202, 429]);
    assert_eq!(told(&sign_up(&client, 6)), (429, Some("720")));
    let other = companion.client_from("127.0.0.3").unwrap();
    assert_eq!(sign_up(&other, 7).status, 202);
    companion.advance_seconds(HOUR / 5);
    assert_eq!(sign_up(&client, 8).status, 202);
}

/// OT-06: twenty codes from one address, then ten a minute, whatever challenges they are for.
#[test]
fn twenty_codes_from_one_address_and_then_ten_a_minute() {
    let companion = limited(|limits| limits.code_per_address = Limits::default().code_per_address);
    let client = companion.client().unwrap();
    let enter = |number: usize| enter_code(&client, &format!("{number:032x}"), "123456").unwrap();
    assert!((0..20).all(|number| enter(number).status == 422));
    assert_eq!(told(&enter(20)), (429, Some("6")));
    companion.advance_seconds(6);
    assert_eq!(enter(21).status, 422);
}

/// OT-08: three mails to one address in a quarter of an hour, five an hour, ten a day, whoever asks and whether it is known.
#[test]
fn nobody_can_fill_another_s_mailbox() {
    let companion = limited(|limits| {
        *limits = Limits {
            signup_per_address: limits.signup_per_address,
            ..Limits::default()
        };
    });
    let client = companion.client().unwrap();
    for email in ["alice@example.com", "bob@example.com"] {
        let mut asked = 0;
        let mut day = 0;
        for step in 0..(24 * 4) {
            for try_ in 0..4 {
                let body = json!({ "purpose": "activation", "email": email });
                let from = format!("10.{}.{step}.{try_}", email.len());
                let request = client
                    .post("/auth/v1/challenges")
                    .header("x-forwarded-for", &from);
                let status = request.json(&body).send().unwrap().status;
                assert!([202, 429].contains(&status));
                asked += u32::from(status == 202);
            }
            day = asked;
            if step == 0 {
                assert_eq!(asked, 3);
            }
            if step == 3 {
                assert!((5..=9).contains(&asked), "{asked}");
            }
            companion.advance_seconds(15 * MINUTE);
        }
        // A bucket of ten that refills by ten a day.
        assert!((18..=20).contains(&day), "{day}");
    }
}

/// ASVS 15.3.4: all callers without a token together; whoever holds a refresh token is none of them.
#[test]
fn the_limit_of_all_callers_together_does_not_hold_up_refreshes() {
    let companion = limited(|limits| limits.unauthenticated_total = "6+1/1s".parse().unwrap());
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    companion.advance_seconds(MINUTE);
    let mut tokens = alice.login(&client).unwrap();
    let statuses: Vec<u16> = (0..6).map(|_| login(&client, &[])).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let other = companion.client_from("127.0.0.2").unwrap();
    assert_eq!(login(&other, &[]), 429);
    for _ in 0..10 {
        tokens = tokens.refresh(&client).unwrap();
    }
    assert_eq!(tokens.log_out(&client).unwrap().status, 200);
    companion.advance_seconds(1);
    assert_eq!(login(&client, &[]), 401);
}
