//! Accounts: what is stored of a password.

use companion::entropy;

use crate::bench::{Bench, at_once, count};

async fn password_hash(bench: &Bench, owner: &crate::person::Person) -> String {
    let account = bench.other.account(&owner.email).await.unwrap();
    account.unwrap().password_hash
}

/// PW-07: only the hash that was looked at is replaced, and only this account's; sessions stay.
pub async fn a_raised_hash_replaces_the_one_that_it_was_made_from(bench: &Bench) {
    let (alice, bob) = (bench.account("alice").await, bench.account("bob").await);
    let (session, _) = bench.session(&alice).await;
    let raise = |account, from: &str, to: &str| {
        let raised = bench
            .store
            .raise_password_hash(account, from.to_owned(), to.to_owned());
        async { raised.await.unwrap() }
    };
    assert!(!raise(alice.id, "another hash", "a stronger hash").await);
    assert!(!raise(entropy::subject(), "a hash", "a stronger hash").await);
    assert_eq!(password_hash(bench, &alice).await, "a hash");
    assert!(raise(alice.id, "a hash", "a stronger hash").await);
    assert!(!raise(alice.id, "a hash", "a third hash").await);
    assert_eq!(password_hash(bench, &alice).await, "a stronger hash");
    assert_eq!(password_hash(bench, &bob).await, "a hash");
    assert!(bench.is_alive(session, &alice).await);
    bench.session(&alice).await;
}

/// PW-07: of many logins at a time one raises.
pub async fn of_many_raises_at_once_one_is_kept(bench: &Bench) {
    let alice = bench.account("alice").await;
    let id = alice.id;
    let raised = at_once(bench, 16, |number, store| async move {
        let to = format!("hash {number}");
        store
            .raise_password_hash(id, "a hash".to_owned(), to)
            .await
            .unwrap()
    })
    .await;
    assert_eq!(count(&raised, |raised| *raised), 1);
    let kept = raised.iter().position(|raised| *raised).unwrap();
    assert_eq!(password_hash(bench, &alice).await, format!("hash {kept}"));
}
