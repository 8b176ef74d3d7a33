//! Signing keys that change under load: two companions on one database, two Envoys, and callers who never stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use companion::clock::Clock;
use companion::config::{Keys, Settings, Store, StoreKind};
use companion::key_upkeep::KeyKeeper;
use companion::master_key;
use companion::service::open_store;
use companion::span::Span;
use companion::store::{Client as By, KeyChange, KeyUse};
use serde_json::Value;
use tests::client::Client;
use tests::ports::Ports;
use tests::setup::Setup;
use tests::stack::Stack;
use tests::visitor::{Tokens, Visitor};
use tests::watch::{Over, Stopwatch, wait_for};

use crate::{companions, gateways, with_alice};

const CALLERS: usize = 4;
/// A key signs so long after it was published; the gateways have it by then.
const AHEAD: u64 = 5;
/// The shortest that may be configured.
const LIFETIME: u64 = 30;
const PATIENCE: Duration = Duration::from_secs(20);

fn kid(tokens: &Tokens) -> String {
    let header = tokens.access.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn settings(stack: &Stack) -> Settings {
    Settings {
        state: stack.folder().to_owned(),
        master_key_file: Some(stack.folder().join("master.key")),
        store: Store {
            kind: StoreKind::Postgres,
            url_file: Some(stack.folder().join("postgres.url")),
            connections: 2,
            ..Store::default()
        },
        keys: Keys {
            publish_ahead: Span::seconds(AHEAD),
            ..Keys::default()
        },
        ..Settings::default()
    }
}

/// Works on the database beside the companions.
fn beside<T>(
    stack: &Stack,
    work: impl AsyncFnOnce(KeyKeeper, Arc<dyn companion::store::Store>) -> T,
) -> T {
    let settings = settings(stack);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open_store(&settings, Clock::system()).await.unwrap();
        let vault = master_key::open(&settings, store.as_ref()).await.unwrap();
        let keeper = KeyKeeper::open(&settings, Arc::clone(&store), Arc::new(vault)).await;
        work(keeper.unwrap(), store).await
    })
}

/// What the callers have met.
#[derive(Default)]
struct Met {
    is_over: AtomicBool,
    calls: AtomicUsize,
    refused: Mutex<Vec<String>>,
    kids: Mutex<BTreeSet<String>>,
}

/// Calls the app by turns at each gateway, and refreshes by turns at each companion, long before the token expires; sometimes it keeps a
/// token almost to its end.
fn call_on(number: usize, met: &Met, alice: &Visitor, doors: &[Client], companions: &[Client]) {
    let mut tokens = alice.login(&companions[number % companions.len()]).unwrap();
    let mut watch = Stopwatch::start();
    let mut turn = number;
    // The jitter takes 5 % of a token's lifetime at most.
    let keep = [1, 3, 9, LIFETIME - 5][number % 4];
    while !met.is_over.load(Ordering::SeqCst) {
        turn += 1;
        met.kids.lock().unwrap().insert(kid(&tokens));
        let answer = tokens.call(&doors[turn % doors.len()]).unwrap();
        met.calls.fetch_add(1, Ordering::SeqCst);
        if answer.status != 200 {
            let what = format!("{} for {} at {turn}", answer.status, kid(&tokens));
            met.refused.lock().unwrap().push(what);
        }
        if watch.elapsed() > Duration::from_secs(keep) {
            tokens = tokens
                .refresh(&companions[turn % companions.len()])
                .unwrap();
            watch = Stopwatch::start();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// KR-01, KR-02: published, signing, retired, while callers go on at two gateways and refresh at two companions: no good token is refused,
/// and no companion is a step behind.
#[test]
fn keys_change_under_load_and_no_good_token_is_refused() {
    let setup = Setup::on(Ports::free_block(2).unwrap())
        .companion("LATCHKEY_KEYS__PUBLISH_AHEAD", &format!("{AHEAD}s"))
        .companion("LATCHKEY_TOKENS__ACCESS_LIFETIME", &format!("{LIFETIME}s"));
    let (stack, alice) = with_alice(setup);
    let (doors, companions) = (gateways(&stack), companions(&stack));
    let old = kid(&alice.login(&companions[0]).unwrap());
    let met = Met::default();
    let new = thread::scope(|scope| {
        let _over = Over(&met.is_over);
        for number in 0..CALLERS {
            let (met, alice, doors, companions) = (&met, &alice, &doors, &companions);
            scope.spawn(move || call_on(number, met, alice, doors, companions));
        }
        thread::sleep(Duration::from_secs(2));
        let new = beside(&stack, async |keeper, _| {
            keeper.rotate(KeyUse::Feed, &By::default()).await.unwrap();
            keeper.rotate(KeyUse::Access, &By::default()).await.unwrap()
        });
        assert!(!met.kids.lock().unwrap().contains(&new));
        wait_for("the new key to sign at both companions", PATIENCE, || {
            let signers = companions
                .iter()
                .map(|companion| Ok(kid(&alice.login(companion)?)));
            let signers: Vec<_> = signers.collect::<Result<_, tests::fault::Fault>>()?;
            Ok(signers.iter().all(|signer| *signer == new).then_some(()))
        })
        .unwrap();
        // The last token of the old key has expired; then it is taken out, as the companion itself does a little later.
        thread::sleep(Duration::from_secs(LIFETIME + 1));
        beside(&stack, async |_, store| {
            let of = store.keys().await.unwrap().version;
            let change = KeyChange {
                of,
                add: Vec::new(),
                ahead: Duration::ZERO,
                remove: vec![old.clone()],
                by: By::default(),
            };
            store.change_keys(change).await.unwrap().unwrap();
        });
        thread::sleep(Duration::from_secs(4));
        new
    });
    let refused = met.refused.into_inner().unwrap();
    let calls = met.calls.into_inner();
    println!(
        "{calls} calls while the keys changed; refused: {}",
        refused.len()
    );
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(met.kids.into_inner().unwrap(), [old, new].into());
    assert!(calls > 1_000, "{calls}");
}
