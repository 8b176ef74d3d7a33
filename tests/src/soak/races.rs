//! Eight clients race on one session after the other: refreshes of new and old tokens, forgeries, logouts, a seventh of all replies lost on
//! the way (D3). Every history must have an order that explains it, and end where the store says.

use std::time::Duration;

use super::stacks::{clients, companions};
use super::table::Table;
use crate::client::Client;
use crate::fault::Fault;
use crate::history::{self, Record, Reply};
use crate::middleman::{Middleman, Mischief};
use crate::races::race;
use crate::setup::Store;
use crate::stored;
use crate::visitor::Visitor;
use crate::watch::Stopwatch;

const CLIENTS: usize = 8;
/// Of replies.
const LOST: u32 = 7;
const GRACES: [(&str, Duration); 2] = [("10s", Duration::from_secs(10)), ("0s", Duration::ZERO)];

/// What the histories were made of.
#[derive(Default)]
struct Counts {
    calls: usize,
    lost: usize,
    rotated: usize,
    reused: u32,
    ended: usize,
}

pub(super) fn run(store: Store, sessions: usize, table: &mut Table) -> Result<(), Fault> {
    let mut counts = Counts::default();
    for (seed, (text, grace)) in (0..).zip(GRACES) {
        run_with(
            store,
            text,
            grace,
            sessions.div_ceil(GRACES.len()),
            seed,
            &mut counts,
        )?;
    }
    for (what, figure) in [
        ("sessions raced for, none broken", sessions),
        ("calls", counts.calls),
        ("replies lost on the way", counts.lost),
        ("answers with a token", counts.rotated),
        ("sessions ended", counts.ended),
    ] {
        table.add("races", store, what, figure);
    }
    table.add(
        "races",
        store,
        "of these by a token used before or ahead, each noted once",
        counts.reused,
    );
    Ok(())
}

fn run_with(
    store: Store,
    text: &str,
    grace: Duration,
    sessions: usize,
    seed: u64,
    counts: &mut Counts,
) -> Result<(), Fault> {
    let stack = companions(store, text)?;
    let clients = clients(&stack)?;
    let alice = Visitor::named("alice");
    alice.register(&clients[0], &stack.mailbox())?;
    let mut middlemen = Vec::new();
    let mut doors = Vec::new();
    for client in 0..CLIENTS {
        let port = stack.ports_of(client % clients.len()).companion;
        let middleman = Middleman::start(port).map_err(Fault::while_doing("a middleman"))?;
        middleman.set(Mischief::CutReplies {
            one_in: LOST,
            seed: seed * 100 + client as u64,
        });
        doors.push(Client::new(middleman.port())?);
        middlemen.push(middleman);
    }
    let watch = Stopwatch::start();
    let mut histories: Vec<(String, Vec<Record>)> = Vec::new();
    for number in 0..sessions {
        let alone = &clients[number % clients.len()];
        let session = alice.login(alone)?;
        let seed = seed * 1_000_000 + number as u64;
        let records = race(&doors, alone, &session, watch, seed)?;
        // At once: a broken history is best looked at while its session is fresh.
        history::check(&records, grace).map_err(broken(seed))?;
        histories.push((session.session, records));
    }
    let stored = stored::sessions(&stack)?;
    let lost_before = counts.lost;
    for (session, records) in &histories {
        let state = stored.get(session).copied();
        let state = state.ok_or_else(|| Fault::new("a session is missing in the store"))?;
        let linearised = history::check(records, grace).map_err(broken(0))?;
        linearised.ending_in(state).map_err(broken(0))?;
        counts.calls += records.len();
        let count =
            |is: fn(&Reply) -> bool| records.iter().filter(|record| is(&record.reply)).count();
        counts.lost += count(|reply| matches!(reply, Reply::Lost));
        counts.rotated += count(|reply| matches!(reply, Reply::Rotated { .. }));
        counts.ended += usize::from(state.has_ended);
        counts.reused += state.reuse_events;
    }
    // A companion that hangs up is no reply lost on the way.
    let cut: u64 = middlemen.iter().map(Middleman::replies_cut).sum();
    let lost = counts.lost - lost_before;
    if u64::try_from(lost) != Ok(cut) {
        return Err(Fault::new(format!(
            "{lost} replies were lost, {cut} of them on the way"
        )));
    }
    stack.stop()
}

fn broken(seed: u64) -> impl FnOnce(history::Violation) -> Fault {
    move |violation| Fault::new(format!("the race of seed {seed}: {violation}"))
}
