//! What is stored of a password, and how it becomes stronger.

use companion::hashing::{Cost, Memory, hash};
use companion::password::Password;
use tests::companion::Companion;
use tests::visitor::Visitor;

use crate::{companion_with_alice, is_alive, refusal, stored, tamper};

fn password_hash(companion: &Companion, visitor: &Visitor) -> String {
    let email = &visitor.email;
    let query = format!("SELECT password_hash FROM accounts WHERE email = '{email}'");
    stored(companion, &query)
}

/// As an older version, or one with other settings, would have stored it.
fn plant(companion: &Companion, visitor: &Visitor, memory_kib: u32, passes: u32) -> String {
    let cost = Cost { memory_kib, passes };
    let password = Password::new(visitor.password.clone());
    let planted = hash(&password, cost, &mut Memory::default());
    plant_text(companion, visitor, &planted);
    planted
}

fn plant_text(companion: &Companion, visitor: &Visitor, text: &str) {
    let email = &visitor.email;
    let statement = format!("UPDATE accounts SET password_hash = '{text}' WHERE email = '{email}'");
    tamper(companion, &statement);
}

fn has_the_cost(password_hash: &str, memory_kib: u32, passes: u32) -> bool {
    password_hash.starts_with(&format!("$argon2id$v=19$m={memory_kib},t={passes},p=1$"))
}

/// PW-07, PW-06: a weak hash is replaced when its owner logs in, not when somebody guesses, and opens to the same password alone.
#[test]
fn a_weak_hash_is_replaced_at_the_next_login_of_its_owner() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    for (memory_kib, passes) in [(8_192, 2), (19_456, 1)] {
        let planted = plant(&companion, &alice, memory_kib, passes);
        let guess = Visitor {
            password: "a wrong guess at it".to_owned(),
            ..alice.clone()
        };
        assert_eq!(guess.try_login(&client).unwrap().status, 401);
        assert_eq!(password_hash(&companion, &alice), planted);
        alice.login(&client).unwrap();
        let raised = password_hash(&companion, &alice);
        assert!(has_the_cost(&raised, 19_456, 2), "{raised}");
        alice.login(&client).unwrap();
        assert_eq!(password_hash(&companion, &alice), raised);
        assert_eq!(guess.try_login(&client).unwrap().status, 401);
    }
    // It is the same password: nobody is logged out.
    assert!(is_alive(&client, &tokens));
}

/// PW-07: an operator who asks for more gets it as people log in; who asks for less again takes nothing away.
#[test]
fn the_settings_decide_what_a_hash_costs() {
    let (mut companion, client, alice) = companion_with_alice();
    assert!(has_the_cost(&password_hash(&companion, &alice), 19_456, 2));
    alice.login(&client).unwrap();
    companion.change(|settings| {
        settings.hashing.memory_kib = 20_480;
        settings.hashing.passes = 3;
    });
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    alice.login(&client).unwrap();
    assert!(has_the_cost(&password_hash(&companion, &alice), 20_480, 3));
    let bob = companion.account("bob").unwrap();
    assert!(has_the_cost(&password_hash(&companion, &bob), 20_480, 3));
    companion.change(|settings| settings.hashing = companion::config::Hashing::default());
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    alice.login(&client).unwrap();
    assert!(has_the_cost(&password_hash(&companion, &alice), 20_480, 3));
}

/// PW-07: a hash that would take gigabytes, or that is none, opens nothing and costs what any other costs.
#[test]
fn a_planted_hash_exhausts_nothing_and_opens_nothing() {
    let (companion, client, alice) = companion_with_alice();
    let unknown = Visitor::named("nobody").try_login(&client).unwrap();
    let unknown = refusal(&unknown);
    for text in [
        "$argon2id$v=19$m=4000000,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=19456,t=4000000,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "no hash",
        "",
    ] {
        plant_text(&companion, &alice, text);
        let before = companion.hashing().runs;
        let refused = alice.try_login(&client).unwrap();
        assert_eq!(refusal(&refused), unknown, "{text}");
        assert_eq!(companion.hashing().runs, before + 1, "{text}");
    }
}
