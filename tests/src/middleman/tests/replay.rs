//! Answers from the record.

use super::{Client, Mischief, pair};

#[test]
fn an_old_answer_is_given_again_and_the_server_is_not_asked() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    for number in 1..=3 {
        client.ask(&format!("/feed?after={number}"));
    }
    middleman.set(Mischief::Replay);
    assert_eq!(client.ask("/feed?after=9"), "3 GET /feed?after=3");
    middleman.set(Mischief::ReplayOldest);
    assert_eq!(client.ask("/feed?after=9"), "1 GET /feed?after=1");
    assert_eq!(Client::of(&middleman).ask("/feed"), "1 GET /feed?after=1");
    assert_eq!(echo.requests().len(), 3);
    assert_eq!((middleman.requests(), middleman.replays()), (6, 3));
}

#[test]
fn what_was_never_answered_is_asked() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.ask("/feed");
    middleman.set(Mischief::Replay);
    assert_eq!(client.ask("/keys"), "2 GET /keys");
    client.send("POST /feed HTTP/1.1\r\n\r\n");
    assert_eq!(client.hear(), "3 POST /feed");
    assert_eq!(client.ask("/keys"), "2 GET /keys");
    assert_eq!(echo.requests().len(), 3);
}

#[test]
fn a_server_that_has_gone_is_replayed() {
    let (echo, middleman) = pair();
    Client::of(&middleman).ask("/feed");
    drop(echo);
    middleman.set(Mischief::Replay);
    let client = Client::of(&middleman);
    client.send("GET /feed HTTP/1.1\r\n");
    client.hears_nothing();
    client.send("Connection: close\r\n\r\n");
    assert!(client.rest().ends_with("\r\n\r\n1 GET /feed"));
}

#[test]
fn an_answer_in_chunks_passes_unrecorded() {
    let (echo, middleman) = pair();
    let client = Client::of(&middleman);
    client.ask("/chunked");
    client.ask("/feed");
    middleman.set(Mischief::Replay);
    assert_eq!(client.ask("/feed"), "2 GET /feed");
    assert_eq!(client.ask("/chunked"), "e\r\n3 GET /chunked\r\n0\r\n\r\n");
    assert_eq!(echo.requests().len(), 3);
}

#[test]
fn an_answer_that_did_not_pass_is_not_recorded() {
    let (echo, middleman) = pair();
    for mischief in [
        Mischief::CutReplies { one_in: 1, seed: 0 },
        Mischief::Truncate,
    ] {
        middleman.set(mischief);
        let client = Client::of(&middleman);
        client.get("/feed");
        client.rest();
    }
    middleman.set(Mischief::Replay);
    assert_eq!(Client::of(&middleman).ask("/feed"), "3 GET /feed");
    assert_eq!(echo.requests().len(), 3);
}
