use std::thread;
use std::time::Duration;

use tests::stack::Stack;
use tests::visitor::{Tokens, Visitor};
use tests::watch::{Stopwatch, wait_for};
use tests::workers::at_both_workers;

use crate::{setup, stack_with_alice};

/// How long an access token may live after reuse was noticed. Nothing waits for a receipt there; it takes milliseconds.
const AT_ONCE: Duration = Duration::from_secs(1);

/// All workers answer 401 to this token, soon, and from then on for ever.
fn dies_at_once(stack: &Stack, tokens: &Tokens) {
    let callers = at_both_workers(stack.ports(), 2).unwrap();
    wait_for("401", AT_ONCE, || {
        let answer = tokens.call(&callers[0].client)?;
        Ok((answer.status == 401).then_some(()))
    })
    .unwrap();
    for caller in callers.iter().chain(&callers) {
        assert_eq!(tokens.call(&caller.client).unwrap().status, 401);
    }
}

/// RR-*: races of tabs and lost replies are harmless.
#[test]
fn a_refresh_token_used_twice_within_the_grace_gives_the_same_successor() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let first = alice.login(&client).unwrap();
    let successor = first.refresh(&client).unwrap();
    for _ in 0..3 {
        let again = first.refresh(&client).unwrap();
        assert_eq!(again.refresh, successor.refresh);
        assert_eq!(again.session, first.session);
        assert_eq!(again.call(&client).unwrap().status, 200);
    }
    assert_eq!(
        successor
            .refresh(&client)
            .unwrap()
            .call(&client)
            .unwrap()
            .status,
        200
    );
}

/// RR-*: twenty tabs at once, one successor.
#[test]
fn many_refreshes_with_one_token_at_the_same_moment_give_one_successor() {
    let (stack, alice) = stack_with_alice();
    let first = alice.login(&stack.client().unwrap()).unwrap();
    let successors: Vec<_> = thread::scope(|scope| {
        let tabs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| first.refresh(&stack.client().unwrap()).unwrap().refresh))
            .collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    assert!(
        successors
            .iter()
            .all(|successor| *successor == successors[0])
    );
    assert_ne!(successors[0], first.refresh);
}

/// RR-*: a grandparent is theft however early it comes.
#[test]
fn a_refresh_token_two_generations_old_ends_the_session_at_every_worker() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let first = alice.login(&client).unwrap();
    let other = alice.login(&client).unwrap();
    let third = first.refresh(&client).unwrap().refresh(&client).unwrap();
    assert_eq!(third.call(&client).unwrap().status, 200);
    let reuse = first.try_refresh(&client).unwrap();
    assert_eq!(
        (reuse.status, reuse.string("/code").as_str()),
        (401, "invalid_refresh_token")
    );
    dies_at_once(&stack, &third);
    assert_eq!(third.try_refresh(&client).unwrap().status, 401);
    assert_eq!(other.call(&client).unwrap().status, 200);
}

/// RR-*: after the grace the parent is theft too.
#[test]
fn a_refresh_token_used_again_after_the_grace_ends_the_session_at_every_worker() {
    let setup = setup().companion("LATCHKEY_SESSIONS__REFRESH_GRACE", "1s");
    let stack = Stack::start(setup).unwrap();
    let client = stack.client().unwrap();
    let alice = Visitor::named("alice");
    alice.register(&client, &stack.mailbox()).unwrap();
    let first = alice.login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    let watch = Stopwatch::start();
    // The companion's clock is that of this machine: the grace has to pass.
    wait_for("the end of the grace", Duration::from_secs(5), || {
        Ok((watch.elapsed() > Duration::from_millis(1500)).then_some(()))
    })
    .unwrap();
    assert_eq!(second.call(&client).unwrap().status, 200);
    assert_eq!(first.try_refresh(&client).unwrap().status, 401);
    dies_at_once(&stack, &second);
    assert_eq!(second.try_refresh(&client).unwrap().status, 401);
}
