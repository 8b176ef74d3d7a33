//! The life of signing keys, as verifiers see it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use companion::clock::Clock;
use companion::config::Algorithm;
use companion::key_upkeep::KeyKeeper;
use companion::master_key;
use companion::receipt::Revocation;
use companion::service::open_store;
use companion::span::Span;
use companion::store::{Client as By, KeyUse};
use serde_json::Value;
use std::sync::Arc;
use tests::client::Client;
use tests::companion::{Companion, Gateway, keys_of};
use tests::visitor::Tokens;
use tests::watch::wait_for;
use token::UnixTime;

use crate::{DAY, HOUR, MINUTE, companion_with_alice, events, is_alive};

const PATIENCE: Duration = Duration::from_secs(30);

/// The names of the keys that are published, oldest first.
fn published(client: &Client) -> Vec<String> {
    let answer = client.get("/.well-known/jwks.json").send().unwrap();
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys.iter().map(kid).collect()
}

/// The key that has signed an access token.
fn kid(tokens: &Tokens) -> String {
    let header = tokens.access.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// Works on the keys of a companion that is stopped, or beside one on PostgreSQL.
fn with_keeper<T>(companion: &Companion, work: impl AsyncFnOnce(KeyKeeper) -> T) -> T {
    let clock = Clock::settable(UnixTime::from_seconds(companion.now()));
    let settings = companion.settings();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open_store(settings, clock).await.unwrap();
        let vault = master_key::open(settings, store.as_ref()).await.unwrap();
        let keeper = KeyKeeper::open(settings, store, Arc::new(vault)).await;
        work(keeper.unwrap()).await
    })
}

fn await_published(client: &Client, wanted: usize) -> Vec<String> {
    wait_for("the key set to change", PATIENCE, || {
        let keys = published(client);
        Ok((keys.len() == wanted).then_some(keys))
    })
    .unwrap()
}

/// KR-01, KR-02, KR-04: by the clock: published, signing ten minutes later, retired sixteen minutes after that; every token that was handed
/// out is good for as long as it says, at the companion and by the key set that a gateway holds.
#[test]
fn a_key_is_published_signs_and_is_retired_without_one_lost_token() {
    let mut companion =
        Companion::with(|settings| settings.keys.rotate_every = Span::seconds(HOUR)).unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let first = kid(&alice.login(&client).unwrap());
    assert_eq!(published(&client), [first.as_str()]);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let version = keys_of(&companion).unwrap().version;

    companion.advance_seconds(HOUR);
    let keys = await_published(&client, 2);
    assert_eq!(keys[0], first);
    let second = keys[1].clone();
    // The feed's key has its successor by the same change.
    let known = keys_of(&companion).unwrap();
    assert_eq!((known.version, known.feed.len()), (version + 1, 2));
    gateway.catch_up().unwrap();
    gateway.fetch_keys(&companion).unwrap();
    assert_eq!(events(&companion, "signing_key_added"), 2);

    companion.advance_seconds(10 * MINUTE - 1);
    let last_of_first = alice.login(&client).unwrap();
    assert_eq!(kid(&last_of_first), first);
    companion.advance_seconds(1);
    let first_of_second = alice.login(&client).unwrap();
    assert_eq!(kid(&first_of_second), second);
    assert_eq!(kid(&last_of_first.refresh(&client).unwrap()), second);
    for tokens in [&last_of_first, &first_of_second] {
        assert!(is_alive(&client, tokens));
    }
    gateway.poll(0).unwrap();

    companion.advance_seconds(4 * MINUTE);
    assert!(is_alive(&client, &last_of_first));
    companion.advance_seconds(12 * MINUTE - 1);
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    assert_eq!(published(&client), [first.as_str(), &second]);
    companion.advance_seconds(1);
    assert_eq!(await_published(&client, 1), [second.as_str()]);
    assert_eq!(keys_of(&companion).unwrap().version, version + 2);
    assert_eq!(events(&companion, "signing_key_retired"), 2);
    gateway.reconnect(&companion).unwrap();
    gateway.catch_up().unwrap();
    assert_eq!(kid(&alice.login(&client).unwrap()), second);
}

/// KR-04, ST-08: over many rotations no name comes up twice, and the set stays small.
#[test]
fn no_name_of_a_key_comes_up_twice() {
    let (mut companion, _, _) = companion_with_alice();
    companion.stop().unwrap();
    let mut names = with_keeper(&companion, async |keeper| {
        let mut names = Vec::new();
        for _ in 0..15 {
            names.push(keeper.rotate(KeyUse::Access, &By::default()).await.unwrap());
        }
        // One more would be too many for gateways: refused, whoever asks.
        let error = keeper.rotate(KeyUse::Access, &By::default()).await;
        assert!(error.unwrap_err().to_string().contains("too many"));
        let listed = keeper.list().await.unwrap();
        assert_eq!(listed.iter().filter(|key| key.signs).count(), 2);
        let access = listed.iter().filter(|key| key.life.usage == KeyUse::Access);
        let all: Vec<_> = access.map(|key| key.kid.clone()).collect();
        assert!(names.iter().all(|name| all.contains(name)));
        all
    });
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!((count, names.len()), (16, 16));
    companion.resume().unwrap();
    assert_eq!(keys_of(&companion).unwrap().access.len(), 16);
}

/// KR-02, KR-03: what a removed key has signed is dead at the companion and in the set of every gateway; the next one signs at once.
#[test]
fn a_removed_key_signs_nothing_and_opens_nothing() {
    let (mut companion, client, alice) = companion_with_alice();
    let stolen = alice.login(&client).unwrap();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    companion.stop().unwrap();
    let (spare, receipt): (String, Revocation) = with_keeper(&companion, async |keeper| {
        let spare = keeper.rotate(KeyUse::Access, &By::default()).await.unwrap();
        let removed = keeper.remove(&kid(&stolen), &By::default()).await.unwrap();
        let again = keeper.remove(&kid(&stolen), &By::default()).await.unwrap();
        assert_eq!(again, None);
        (spare, removed.unwrap())
    });
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    assert_eq!(published(&client), [spare.as_str()]);
    assert!(!is_alive(&client, &stolen));
    assert_eq!(kid(&alice.login(&client).unwrap()), spare);
    // The session is what it was.
    let tokens = stolen.refresh(&client).unwrap();
    assert_eq!(kid(&tokens), spare);
    assert!(is_alive(&client, &tokens));
    gateway.reconnect(&companion).unwrap();
    gateway.catch_up().unwrap();
    assert!(gateway.cursor().number >= receipt.number);
    let known = keys_of(&companion).unwrap();
    assert!(known.version == receipt.number && known.access.find(&kid(&stolen)).is_none());
    assert_eq!(events(&companion, "signing_key_removed"), 1);
}

/// KR-03: of several companions none signs with a key that another has removed, from the commit on.
#[test]
fn no_other_companion_signs_with_a_removed_key() {
    let (companion, client, alice) = companion_with_alice();
    if companion.database().is_none() {
        return;
    }
    let old = alice.login(&client).unwrap();
    for _ in 0..5 {
        let signer = kid(&alice.login(&client).unwrap());
        with_keeper(&companion, async |keeper| {
            keeper
                .remove(&signer, &By::default())
                .await
                .unwrap()
                .unwrap();
        });
        assert_ne!(kid(&alice.login(&client).unwrap()), signer);
    }
    assert_ne!(kid(&old.refresh(&client).unwrap()), kid(&old));
}

/// KR-01, KR-07: another algorithm is one of the next key; both verify meanwhile.
#[test]
fn a_change_of_algorithm_is_one_of_the_next_key() {
    let (mut companion, client, alice) = companion_with_alice();
    let before = alice.login(&client).unwrap();
    companion.change(|settings| settings.tokens.algorithm = Algorithm::EdDsa);
    companion.advance_seconds(30 * DAY);
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    await_published(&client, 2);
    companion.advance_seconds(10 * MINUTE);
    let after = alice.login(&client).unwrap();
    assert_ne!(kid(&after), kid(&before));
    assert!(is_alive(&client, &after));
    let keys = keys_of(&companion).unwrap();
    let key = keys.access.find(&kid(&after)).unwrap();
    assert_eq!(key.algorithm(), token::Algorithm::EdDsa);
}
