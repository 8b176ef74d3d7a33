//! Attacks on the whole: the shipped configuration on real Envoy with two workers, the companion, the example app.
//!
//! Every test has a stack of its own on free ports. Without Envoy or the module a test fails and says what to run.

mod access_log;
#[path = "../companion/authority.rs"]
mod authority;
mod configuration;
mod cookies;
mod figures;
mod headers;
mod hostile;
mod interlock;
mod internal_tls;
mod limits;
mod logout;
mod observability;
mod promql;
mod refresh;
mod restart;
mod rollback;
mod stand_in;

use tests::ports::Ports;
use tests::stack::{Setup, Stack};
use tests::visitor::Visitor;

/// A stack on free ports, with limits that one caller who logs in often does not meet.
fn setup() -> Setup {
    Setup::on(Ports::free().unwrap())
        .companion("LATCHKEY_LIMITS__LOGIN_PER_ADDRESS", "1000+1000/1m")
        .companion("LATCHKEY_LIMITS__REFRESH_PER_SESSION", "1000+1000/1m")
}

/// A stack on free ports that is ready, and an account in it.
fn stack_with_alice() -> (Stack, Visitor) {
    let stack = Stack::start(setup()).unwrap();
    let alice = Visitor::named("alice");
    alice
        .register(&stack.client().unwrap(), &stack.mailbox())
        .unwrap();
    (stack, alice)
}
