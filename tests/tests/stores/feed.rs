//! Reads of the feed: what lies behind a cursor, and which cursors the store knows.

use companion::store::{Client, CursorFound, Login};
use token::{Cursor, Mark, Page, SessionId, UnixTime};
use tokio::sync::watch;

use crate::bench::{Bench, cursor_of, publish_many};
use crate::ending::end;
use crate::person::{Person, refresh, successor};
use crate::{HOUR, MINUTE, SECOND};

/// Ends a new session for each number, and gives the cursors behind each, the first behind the keys.
async fn ends(bench: &Bench, count: usize) -> (Vec<Cursor>, Vec<SessionId>) {
    let alice = bench.account("alice").await;
    let mut cursors = vec![bench.head().await];
    let mut sessions = Vec::new();
    for _ in 0..count {
        let (session, _) = bench.session(&alice).await;
        let revocation = end(bench, session).await;
        sessions.push(session);
        cursors.push(Cursor {
            number: revocation.number,
            mark: Some(revocation.mark),
        });
    }
    (cursors, sessions)
}

fn ids(revoked: &[(SessionId, UnixTime)]) -> Vec<SessionId> {
    revoked.iter().map(|(session, _)| *session).collect()
}

pub async fn a_read_from_the_start_has_everything(bench: &Bench) {
    let (cursors, sessions) = ends(bench, 3).await;
    bench.clock.advance(MINUTE);
    for store in [&bench.store, &bench.other] {
        let read = store.read_feed(Cursor::START).await.unwrap();
        assert_eq!(read.at, bench.clock.now());
        assert_eq!(read.cursor, CursorFound::Known);
        assert_eq!(cursor_of(&read), cursors[3]);
        assert!(read.has_rows && !read.more);
        assert_eq!(read.keys, 1);
        assert_eq!(ids(&read.revoked), sessions);
    }
}

pub async fn a_read_behind_a_known_cursor_has_what_came_after(bench: &Bench) {
    let (cursors, sessions) = ends(bench, 3).await;
    for (known, cursor) in cursors.iter().enumerate() {
        for store in [&bench.store, &bench.other] {
            let read = store.read_feed(*cursor).await.unwrap();
            assert_eq!(read.cursor, CursorFound::Known);
            assert_eq!(cursor_of(&read), cursors[3]);
            assert_eq!(read.has_rows, known < 3);
            assert_eq!(ids(&read.revoked), sessions[known..]);
            assert_eq!(read.keys, 1);
            assert!(!read.more);
        }
    }
}

/// The store was put back, and has given the numbers again: what the gateway has under them is not what the store has.
pub async fn an_unknown_mark_is_a_store_that_was_rolled_back(bench: &Bench) {
    let (cursors, sessions) = ends(bench, 3).await;
    for number in 1..=4 {
        // A mark of another number is as unknown as any.
        for mark in [Some(Mark::from_bytes([7; 8])), cursors[number % 4].mark] {
            let number = u64::try_from(number).unwrap();
            let read = bench.feed(Cursor { number, mark }).await;
            assert_eq!(read.cursor, CursorFound::RolledBack);
            assert_eq!(cursor_of(&read), cursors[3]);
            assert_eq!(ids(&read.revoked), sessions);
        }
    }
}

pub async fn a_number_above_the_head_is_a_store_that_was_rolled_back(bench: &Bench) {
    let (cursors, sessions) = ends(bench, 1).await;
    for number in [3, 1 << 40] {
        let mark = cursors[1].mark;
        let read = bench.feed(Cursor { number, mark }).await;
        assert_eq!(read.cursor, CursorFound::RolledBack);
        assert_eq!(cursor_of(&read), cursors[1]);
        assert_eq!(ids(&read.revoked), sessions);
    }
}

pub async fn a_cursor_whose_row_was_pruned_starts_again(bench: &Bench) {
    let (cursors, sessions) = ends(bench, 3).await;
    bench.clock.advance(HOUR);
    bench.store.prune().await.unwrap();
    for cursor in &cursors[1..3] {
        let read = bench.feed(*cursor).await;
        assert_eq!(read.cursor, CursorFound::Pruned);
        assert_eq!(cursor_of(&read), cursors[3]);
        assert_eq!(ids(&read.revoked), sessions[2..]);
    }
    for (cursor, has_rows) in [(cursors[0], true), (cursors[3], false)] {
        let read = bench.feed(cursor).await;
        assert_eq!(read.cursor, CursorFound::Known);
        assert_eq!(read.has_rows, has_rows);
    }
    // Above the head and at it, pruning explains nothing.
    let mark = cursors[1].mark;
    for number in [4, 5] {
        let read = bench.feed(Cursor { number, mark }).await;
        assert_eq!(read.cursor, CursorFound::RolledBack);
    }
}

pub async fn a_page_holds_so_many_rows_and_says_when_there_are_more(bench: &Bench) {
    bench.add_keys().await;
    let exp = bench.now().plus(HOUR);
    // With the keys a full page.
    publish_many(bench, 0..Page::MAX_ENTRIES - 1, exp).await;
    let full = bench.feed(Cursor::START).await;
    assert_eq!(full.revoked.len(), Page::MAX_ENTRIES - 1);
    assert!(!full.more);
    let most = u64::try_from(Page::MAX_ENTRIES).unwrap();
    assert_eq!(full.seq, most);

    let more = Page::MAX_ENTRIES..Page::MAX_ENTRIES + 3;
    publish_many(bench, more, exp).await;
    let first = bench.feed(Cursor::START).await;
    assert!(first.more && first.has_rows);
    assert_eq!(cursor_of(&first), cursor_of(&full));
    assert_eq!(first.revoked, full.revoked);
    let rest = bench.feed(cursor_of(&first)).await;
    assert!(!rest.more);
    assert_eq!((rest.revoked.len(), rest.seq), (3, most + 3));
}

/// Held polls wait for it, in every companion; told at the latest a second after the commit.
pub async fn a_change_is_told_to_all_who_wait(bench: &Bench) {
    let mut waiting = [bench.store.feed_moved(), bench.other.feed_moved()];
    bench.add_keys().await;
    heard(&mut waiting, 1).await;
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let by = Client::default();
    bench.store.end_session(session, None, by).await.unwrap();
    heard(&mut waiting, 2).await;
    bench.session(&alice).await;
    bench.session(&alice).await;
    let by = Client::default();
    bench.other.end_sessions(alice.id, None, by).await.unwrap();
    heard(&mut waiting, 4).await;
    let lost = SessionId::from_bytes([9; 16]);
    bench
        .store
        .revoke_unknown(lost, None, Client::default())
        .await
        .unwrap();
    heard(&mut waiting, 5).await;
    // By theft, and by one login too many.
    let account = bench.store.account(&alice.email).await.unwrap().unwrap();
    let alice = Person {
        login_epoch: account.login_epoch,
        ..alice
    };
    let (session, _) = bench.session(&alice).await;
    successor(bench.store.rotate(refresh(session, 0)).await.unwrap());
    bench.clock.advance(MINUTE);
    bench.other.rotate(refresh(session, 0)).await.unwrap();
    heard(&mut waiting, 6).await;
    bench.session(&alice).await;
    let login = Login {
        most: 1,
        ..alice.login()
    };
    bench.open(login).await;
    heard(&mut waiting, 7).await;
    // Whoever begins to listen late begins with what was told last.
    assert_eq!(*bench.store.feed_moved().borrow(), 7);
}

/// Both have heard of that number, within a second.
async fn heard(waiting: &mut [watch::Receiver<u64>; 2], number: u64) {
    for waiting in waiting {
        let heard = waiting.wait_for(|told| *told >= number);
        let heard = tokio::time::timeout(SECOND, heard).await.unwrap();
        assert_eq!(*heard.unwrap(), number);
    }
}

/// A poll that is held for nothing costs a read and a signature for each gateway.
pub async fn what_ends_no_session_is_not_told(bench: &Bench) {
    let alice = bench.account("alice").await;
    let mut waiting = [bench.store.feed_moved(), bench.other.feed_moved()];
    heard(&mut waiting, 1).await;
    let (session, _) = bench.session(&alice).await;
    successor(bench.store.rotate(refresh(session, 0)).await.unwrap());
    bench.sign_up(&alice.email, "a hash").await;
    bench.add_keys().await;
    bench.store.prune().await.unwrap();
    for waiting in &waiting {
        assert!(!waiting.has_changed().unwrap());
    }
}
