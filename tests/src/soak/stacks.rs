//! Companions without gateways, and clients of them.

use crate::client::Client;
use crate::fault::Fault;
use crate::ports::Ports;
use crate::setup::{Setup, Store, roomy_limits};
use crate::stack::Stack;

/// With limits that nobody meets.
pub(super) fn roomy(setup: Setup) -> Setup {
    let mut setup = setup.companion("LATCHKEY_SESSIONS__MOST_PER_ACCOUNT", "10000");
    setup.companion.extend(roomy_limits());
    setup
}

/// One companion on SQLite, or two on PostgreSQL, with that grace.
pub(super) fn companions(store: Store, grace: &str) -> Result<Stack, Fault> {
    let setup = roomy(Setup::on(Ports::free_block(2)?));
    let mut setup = setup.companion("LATCHKEY_SESSIONS__REFRESH_GRACE", grace);
    if store == Store::Postgres {
        setup = setup.on_postgres(2, 1);
    }
    let mut stack = Stack::prepare(setup)?;
    for number in 0..stack.replicas() {
        stack.start_replica(number)?;
    }
    Ok(stack)
}

/// A client of each companion.
pub(super) fn clients(stack: &Stack) -> Result<Vec<Client>, Fault> {
    (0..stack.replicas())
        .map(|number| stack.client_of_replica(number))
        .collect()
}
