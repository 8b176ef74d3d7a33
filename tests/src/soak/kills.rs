//! Companions are killed at random moments, and their database is unplugged, while people work (D1). Whatever was acknowledged holds
//! afterwards; what was under way may have happened or not.

use std::thread;
use std::time::Duration;

use super::crew::Crew;
use super::table::Table;
use crate::dice::Dice;
use crate::fault::Fault;
use crate::setup::Store;
use crate::stack::Stack;

/// Between two kills, in milliseconds.
const PEACE: (u64, u64) = (20, 800);

pub(super) fn run(store: Store, wanted: usize, table: &mut Table) -> Result<(), Fault> {
    let mut crew = Crew::start(store)?;
    let mut dice = Dice::new(1);
    let mut rounds = 0;
    while crew.acknowledged() < wanted {
        let peace = Duration::from_millis(PEACE.0 + dice.below(PEACE.1 - PEACE.0));
        crew.work_until(|stack| {
            thread::sleep(peace);
            kill(stack, &mut dice)
        })?;
        crew.recover()?;
        rounds += 1;
    }
    table.add("kills", store, "kills", rounds);
    crew.end("kills", store, table)
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
