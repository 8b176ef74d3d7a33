use std::net::{IpAddr, Ipv4Addr};

use tests::client::Client;
use tests::ports::Ports;
use tests::stack::{Setup, Stack};
use tests::visitor::Visitor;

fn from(stack: &Stack, last: u8) -> Client {
    let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    Client::from_address(stack.ports().gateway, address).unwrap()
}

/// RL-01, RL-02, RL-04, RL-07: with the shipped limits, and with a lying `X-Forwarded-For` in every second attempt.
#[test]
fn three_hundred_wrong_passwords_are_401_or_429_and_others_still_log_in() {
    let stack = Stack::start(Setup::on(Ports::free().unwrap())).unwrap();
    let client = stack.client().unwrap();
    let (alice, bob) = (Visitor::named("alice"), Visitor::named("bob"));
    alice.register(&client, &stack.mailbox()).unwrap();
    bob.register(&client, &stack.mailbox()).unwrap();

    let attacker = from(&stack, 3);
    let mut refused = 0;
    for attempt in 0..300 {
        let body = serde_json::json!({ "email": alice.email, "password": format!("wrong password number {attempt}") });
        let mut request = attacker.post("/auth/v1/sessions").json(&body);
        if attempt % 2 == 1 {
            request = request.header("x-forwarded-for", &format!("198.51.100.{}", attempt % 250));
        }
        let answer = request.send().unwrap();
        match answer.status {
            401 => assert_eq!(answer.string("/code"), "invalid_credentials"),
            429 => {
                refused += 1;
                assert_eq!(answer.string("/code"), "rate_limited");
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!(wait >= 1);
            }
            status => panic!("attempt {attempt}: {status}: {}", answer.text()),
        }
    }
    assert!(refused >= 280, "only {refused} of 300 were refused");

    let tokens = bob.login(&from(&stack, 2)).unwrap();
    assert_eq!(tokens.call(&from(&stack, 2)).unwrap().status, 200);
}
