//! Companions are killed, and their database is unplugged, while eight people refresh, log out, end sessions and change passwords (D1).
//! Whatever was acknowledged holds afterwards; what was under way may have happened or not.

mod person;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::dice::Dice;
use tests::fault::Fault;
use tests::setup::Store;
use tests::stack::Stack;
use tests::watch::Stopwatch;

use crate::stacks::{callers, companions};
use crate::table::Table;
use crate::wanted;

use person::{Counts, Person};

const PEOPLE: usize = 8;
/// On each store.
const ACKNOWLEDGEMENTS: usize = 10_000;
/// Between two kills, in milliseconds.
const PEACE: (u64, u64) = (20, 800);
/// The longest that the store allows: a refresh that was under way is tried again after the kill.
const GRACE: &str = "60s";

pub(crate) fn run(store: Store, table: &mut Table) -> Result<(), Fault> {
    let wanted = wanted("SOAK_ACKNOWLEDGEMENTS", ACKNOWLEDGEMENTS)?;
    let mut stack = companions(store, GRACE)?;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(Person::register(&stack, number)?);
    }
    let mut dice = Dice::new(1);
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    while acknowledged(&people) < wanted {
        let peace = Duration::from_millis(PEACE.0 + dice.below(PEACE.1 - PEACE.0));
        under_way(&mut people, || {
            thread::sleep(peace);
            kill(&mut stack, &mut dice)
        })?;
        let watch = Stopwatch::start();
        revive(&mut stack)?;
        slowest = slowest.max(watch.elapsed());
        let callers = callers(&stack)?;
        for (number, person) in people.iter_mut().enumerate() {
            person.connect(callers[number % callers.len()].clone());
            person.check()?;
        }
        rounds += 1;
    }
    let mut counts = Counts::default();
    for person in &people {
        counts.add(&person.counts);
    }
    table.add("kills", store, "kills", rounds);
    for (what, figure) in [
        ("rotations acknowledged, none lost", counts.rotations),
        ("logouts acknowledged, none lost", counts.logouts),
        (
            "ends of another session acknowledged, none lost",
            counts.ends,
        ),
        ("password changes acknowledged, none lost", counts.passwords),
        ("calls that nobody answered", counts.unanswered),
    ] {
        table.add("kills", store, what, figure);
    }
    table.add(
        "kills",
        store,
        "slowest return after a kill",
        format!("{slowest:.1?}"),
    );
    stack.stop()
}

fn acknowledged(people: &[Person]) -> usize {
    people
        .iter()
        .map(|person| person.counts.acknowledged())
        .sum()
}

/// Lets all people work until `end` has happened.
fn under_way(people: &mut [Person], end: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let working: Vec<_> = people
            .iter_mut()
            .map(|person| {
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        person.work()?;
                    }
                    Ok(())
                })
            })
            .collect();
        let ended = end();
        is_over.store(true, Ordering::SeqCst);
        for worker in working {
            worker
                .join()
                .unwrap_or_else(|_| Err(Fault::new("a person panicked")))?;
        }
        ended
    })
}

/// One companion, all of them, or the database under them.
fn kill(stack: &mut Stack, dice: &mut Dice) -> Result<(), Fault> {
    if dice.in_hundred(20) && stack.postgres().is_some() {
        let server = stack.postgres_mut();
        return server.map_or(Ok(()), |server| server.stop_immediate());
    }
    let all = dice.in_hundred(30);
    let first = usize::try_from(dice.below(stack.replicas() as u64)).unwrap_or_default();
    for number in 0..stack.replicas() {
        if all || number == first {
            stack.kill_replica(number);
        }
    }
    Ok(())
}

/// Starts what does not run.
fn revive(stack: &mut Stack) -> Result<(), Fault> {
    if let Some(server) = stack.postgres_mut() {
        server.start_again()?;
    }
    for number in 0..stack.replicas() {
        if stack.replica(number).is_none() {
            stack.start_replica(number)?;
        }
    }
    Ok(())
}
