//! Several companions on one PostgreSQL, and several gateways: what holds for one must hold for all of them together.
//!
//! Figures: `cargo test -p tests --test replicas -- --nocapture`.

mod chains;
mod frozen;
mod guesses;
mod keys;
mod killed;
mod logout;
mod moving;
mod order;
mod outage;
mod restore;
mod server;
mod walks;

use std::time::Duration;

use tests::client::{Answer, Client};
use tests::ports::Ports;
use tests::setup::Setup;
use tests::stack::Stack;
use tests::visitor::{Tokens, Visitor};

/// Two companions, two Envoys that each ask another of them first, and an account.
fn two_of_each_with_alice() -> (Stack, Visitor) {
    let ports = Ports::free_block(2).unwrap();
    with_alice(Setup::on(ports))
}

fn with_alice(setup: Setup) -> (Stack, Visitor) {
    let setup = setup
        .on_postgres(2, 2)
        .companion("LATCHKEY_LIMITS__LOGIN_PER_ADDRESS", "1000+1000/1m")
        .companion("LATCHKEY_LIMITS__REFRESH_PER_SESSION", "1000+1000/1m")
        .companion("LATCHKEY_SESSIONS__MOST_PER_ACCOUNT", "1000");
    let stack = Stack::start(setup).unwrap();
    let alice = Visitor::named("alice");
    alice
        .register(&stack.client().unwrap(), &stack.mailbox())
        .unwrap();
    (stack, alice)
}

/// A caller of each gateway.
fn gateways(stack: &Stack) -> Vec<Client> {
    let numbers = 0..stack.gateways();
    numbers
        .map(|number| stack.client_of(number).unwrap())
        .collect()
}

/// A caller of each companion.
fn companions(stack: &Stack) -> Vec<Client> {
    let numbers = 0..stack.replicas();
    numbers
        .map(|number| stack.client_of_replica(number).unwrap())
        .collect()
}

/// Logs out, and waits for no gateway.
fn log_out_at_once(client: &Client, tokens: &Tokens) -> Answer {
    let logout = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access);
    logout.header("prefer", "respond-async").send().unwrap()
}

/// The value that so many per cent of the measured ones do not exceed.
fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() * per_cent / 100).min(sorted.len() - 1)]
}
