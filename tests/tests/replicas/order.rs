use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use companion::clock::Clock;
use companion::postgres::{Options, Postgres};
use companion::store::{Client, CursorFound, KeyUse, SealedKey, Store};
use tests::issuer::digest;
use tests::postgres;
use tests::watch::{Stopwatch, unix_seconds};
use token::{Algorithm, Cursor, SessionId, UnixTime};
use zeroize::Zeroizing;

const CONNECTIONS: usize = 32;
const REVOCATIONS: usize = 6_400;
const READERS: usize = 4;

async fn open(url: &str) -> Arc<dyn Store> {
    let options = Options {
        url: Zeroizing::new(url.to_owned()),
        ca_file: None,
        connections: 24,
    };
    let store = Postgres::open(options, Clock::system(), Duration::from_secs(300)).await;
    Arc::new(store.unwrap())
}

/// Design section 4, "Numbers": a reader that follows the feed while many commit side by side misses none, and meets none twice.
#[test]
fn no_gateway_misses_a_revocation_whatever_the_order_of_commits() {
    let database = postgres::Postgres::shared().fresh_database().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stores = [open(&database).await, open(&database).await];
        let key = |kid: &str, usage| SealedKey {
            kid: kid.to_owned(),
            usage,
            algorithm: Algorithm::Es256,
            sealed: vec![1],
        };
        let keys = vec![key("a", KeyUse::Access), key("f", KeyUse::Feed)];
        stores[0].add_first_keys(keys).await.unwrap();
        let exp = UnixTime::from_seconds(unix_seconds() + 300);
        let is_done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                let (store, is_done) = (Arc::clone(&stores[number % 2]), Arc::clone(&is_done));
                tokio::spawn(follow(store, is_done))
            })
            .collect();
        let watch = Stopwatch::start();
        let writers: Vec<_> = (0..CONNECTIONS)
            .map(|writer| {
                let store = Arc::clone(&stores[writer % 2]);
                tokio::spawn(async move {
                    for number in 0..REVOCATIONS / CONNECTIONS {
                        let session = session(writer, number);
                        let done = store.revoke_unknown(session, Some(exp), Client::default()).await.unwrap();
                        assert!(done.is_some());
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let took = watch.elapsed();
        is_done.store(true, Ordering::SeqCst);
        let wanted: BTreeSet<SessionId> = (0..CONNECTIONS)
            .flat_map(|writer| (0..REVOCATIONS / CONNECTIONS).map(move |number| session(writer, number)))
            .collect();
        assert_eq!(wanted.len(), REVOCATIONS);
        for reader in readers {
            assert!(reader.await.unwrap() == wanted, "a reader has missed revocations");
        }
        println!(
            "{REVOCATIONS} revocations over {CONNECTIONS} writers and 2 companions in {took:.1?} ({:.0}/s); {READERS} readers have all",
            REVOCATIONS as f64 / took.as_secs_f64()
        );
    });
}

/// The database's word does not come: its connection is cut again and again. Every companion looks by itself.
#[test]
fn what_another_companion_has_committed_is_seen_within_a_second_or_two_without_its_word() {
    let server = postgres::Postgres::shared();
    let database = server.fresh_database().unwrap();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let deaf = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE 'LISTEN%'"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (here, there) = (open(&database).await, open(&database).await);
        let mut moved = there.feed_moved();
        for number in 0..3 {
            server.execute(&name, &deaf).unwrap();
            moved.mark_unchanged();
            let exp = UnixTime::from_seconds(unix_seconds() + 300);
            let done = here
                .revoke_unknown(session(99, number), Some(exp), Client::default())
                .await
                .unwrap();
            let wanted = done.unwrap().number;
            let seen = moved.wait_for(|newest| *newest >= wanted);
            tokio::time::timeout(Duration::from_secs(2), seen)
                .await
                .unwrap()
                .unwrap();
        }
    });
}

fn session(writer: usize, number: usize) -> SessionId {
    SessionId::from_bytes(digest(&format!("{writer} {number}")))
}

/// As a gateway follows: from its cursor, woken by the feed; ends when nothing has come after the last commit.
async fn follow(store: Arc<dyn Store>, is_done: Arc<AtomicBool>) -> BTreeSet<SessionId> {
    let mut moved = store.feed_moved();
    let (mut cursor, mut seen) = (Cursor::START, BTreeSet::new());
    loop {
        let was_done = is_done.load(Ordering::SeqCst);
        let read = store.read_feed(cursor).await.unwrap();
        assert_eq!(read.cursor, CursorFound::Known);
        for (session, _) in read.revoked {
            assert!(seen.insert(session), "a revocation came twice");
        }
        cursor = Cursor {
            number: read.seq,
            mark: read.mark,
        };
        if !read.has_rows {
            if was_done {
                return seen;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), moved.changed()).await;
        }
    }
}
