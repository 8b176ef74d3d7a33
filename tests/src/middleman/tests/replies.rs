//! Mischief with the answers.

use super::{Client, FOREVER, Middleman, Mischief, pair, wait_until};

/// Which of twenty requests got no answer.
fn lost(middleman: &Middleman, seed: u64) -> Vec<u32> {
    middleman.set(Mischief::CutReplies { one_in: 3, seed });
    (0..20)
        .filter(|_| {
            let client = Client::of(middleman);
            client.get("/one");
            client.hears_no_more()
        })
        .collect()
}

#[test]
fn a_reply_that_was_cut_has_reached_the_server() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::CutReplies { one_in: 1, seed: 0 });
    let client = Client::of(&middleman);
    client.get("/one");
    client.is_reset();
    assert_eq!(echo.requests(), ["GET /one"]);
    assert_eq!(middleman.replies_cut(), 1);
}

#[test]
fn the_same_seed_cuts_the_same_replies() {
    let (echo, middleman) = pair();
    let first = lost(&middleman, 7);
    let again = lost(&middleman, 7);
    let other = lost(&middleman, 8);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let all = first.len() + again.len() + other.len();
    assert_eq!(middleman.replies_cut(), u64::try_from(all).unwrap());
    assert!((1..20).contains(&first.len()));
    assert_eq!(echo.requests().len(), 60);
}

#[test]
fn a_refused_path_does_not_reach_the_server_and_others_do() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::RefusePath("/one"));
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/two"), "1 GET /two");
    client.get("/one?more");
    client.hears_no_more();
    assert_eq!(echo.requests(), ["GET /two"]);
    assert_eq!(middleman.requests_refused(), 1);
}

#[test]
fn a_truncated_answer_is_half_of_it_and_the_end() {
    let (echo, middleman) = pair();
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1 GET /one";
    middleman.set(Mischief::Truncate);
    let client = Client::of(&middleman);
    client.get("/one");
    assert_eq!(client.rest(), whole[..whole.len() / 2]);
    assert_eq!(echo.requests().len(), 1);
}

#[test]
fn a_duplicate_reaches_the_server_and_the_client_gets_the_first_answer() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::Duplicate);
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/one"), "1 GET /one");
    drop(client);
    wait_until("the duplicate", || middleman.duplicates() == 1);
    assert_eq!(echo.requests(), ["GET /one", "GET /one"]);
    assert_eq!(middleman.requests(), 1);
    middleman.set(Mischief::Pass);
    let client = Client::of(&middleman);
    assert_eq!(client.ask("/two"), "3 GET /two");
    assert_eq!(middleman.duplicates(), 1);
}

#[test]
fn a_body_is_doubled_with_its_head() {
    let (echo, middleman) = pair();
    middleman.set(Mischief::Duplicate);
    let client = Client::of(&middleman);
    client.send("POST /one HTTP/1.1\r\nContent-Length: 12\r\n\r\nhel");
    client.hears_nothing();
    client.send("lo, world");
    assert_eq!(client.hear(), "1 POST /one hello, world");
    wait_until("the duplicate", || middleman.duplicates() == 1);
    assert_eq!(echo.requests(), ["POST /one hello, world"; 2]);
    assert_eq!(middleman.requests(), 1);
}

#[test]
fn an_answer_waits_until_another_has_overtaken_it() {
    let (_echo, middleman) = pair();
    middleman.set(Mischief::Reorder { patience: FOREVER });
    let (slow, fast) = (Client::of(&middleman), Client::of(&middleman));
    slow.get("/slow");
    slow.hears_nothing();
    assert!(fast.ask("/fast").ends_with("/fast"));
    assert!(slow.hear().ends_with("/slow"));
    slow.get("/slow");
    slow.hears_nothing();
    middleman.set(Mischief::Pass);
    assert!(slow.hear().ends_with("/slow"));
}
