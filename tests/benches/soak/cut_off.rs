//! Between an Envoy and its companion somebody misbehaves in every way that a network can (D2). Whatever he does: after a receipt with
//! status 200 nobody gets in, after one with 202 nobody gets in beyond its `effective_by`, and once all is well the gate is as it was.

use std::thread;
use std::time::Duration;

use companion::clock::Clock;
use companion::tokens::rfc3339;
use tests::client::Client;
use tests::fault::Fault;
use tests::middleman::{Middleman, Mischief};
use tests::place;
use tests::ports::{self, Ports};
use tests::setup::{Setup, Store};
use tests::stack::{READY_PATH, Stack};
use tests::visitor::{Tokens, Visitor};
use tests::watch::{Stopwatch, wait_for};

use crate::stacks::roomy;
use crate::table::Table;

/// Of the gate, in seconds.
const STALENESS: u64 = 5;
/// The gate looks at its clock a few times a second, and this machine is busy.
const MARGIN: Duration = Duration::from_secs(2);

pub(crate) fn run(store: Store, table: &mut Table) -> Result<(), Fault> {
    // What lies between gateway and companion is the same on both stores.
    if store == Store::Postgres {
        return Ok(());
    }
    let mischiefs = [
        ("nothing", Mischief::Pass),
        ("connections refused", Mischief::Refuse),
        ("a black hole", Mischief::BlackHole),
        ("half-open connections", Mischief::HalfOpen),
        (
            "one second each way",
            Mischief::Delay(Duration::from_secs(1)),
        ),
        (
            "answers a few bytes at a time",
            Mischief::Trickle {
                size: 40,
                pause: Duration::from_millis(20),
            },
        ),
        (
            "half of all answers lost",
            Mischief::CutReplies { one_in: 2, seed: 1 },
        ),
        ("answers cut in the middle", Mischief::Truncate),
        ("the newest answer again and again", Mischief::Replay),
        ("the oldest answer again and again", Mischief::ReplayOldest),
        ("every poll sent twice", Mischief::Duplicate),
        (
            "answers in another order",
            Mischief::Reorder {
                patience: Duration::from_millis(300),
            },
        ),
    ];
    let stage = Stage::set()?;
    for (name, mischief) in mischiefs {
        let seen = stage.act(mischief).map_err(Fault::while_doing(name))?;
        table.add("cut off", store, name, seen);
    }
    stage.stack.stop()
}

/// An Envoy that reaches its companion through a middleman.
struct Stage {
    stack: Stack,
    middleman: Middleman,
    alice: Visitor,
    companion: Client,
    door: Client,
}

impl Stage {
    fn set() -> Result<Self, Fault> {
        let ports = Ports::free()?;
        let shipped = place::shipped_configuration()?;
        let anchor = "\"identity_headers\": {";
        let impatient =
            format!("\"max_staleness\": \"{STALENESS}s\",\n                      {anchor}");
        let internal = ports::free_port()?;
        let mut setup = roomy(Setup::on(ports));
        setup.configuration = Some(shipped.replace(anchor, &impatient));
        let setup = setup.companion("LATCHKEY_INTERNAL_LISTEN", &format!("127.0.0.1:{internal}"));
        let listener =
            ports::listen(ports.internal).map_err(Fault::while_doing("the middleman"))?;
        let middleman =
            Middleman::start_on(listener, internal).map_err(Fault::while_doing("the middleman"))?;
        let stack = Stack::start(setup)?;
        let (companion, door) = (stack.client_of_replica(0)?, stack.client()?);
        let alice = Visitor::named("alice");
        alice.register(&companion, &stack.mailbox())?;
        Ok(Self {
            stack,
            middleman,
            alice,
            companion,
            door,
        })
    }

    /// One logout under that mischief, and what came of it.
    fn act(&self, mischief: Mischief) -> Result<String, Fault> {
        self.heal()?;
        let tokens = self.alice.login(&self.companion)?;
        tokens.call(&self.door)?.expect(200, "a call before")?;
        self.middleman.set(mischief);
        thread::sleep(Duration::from_millis(300));
        let watch = Stopwatch::start();
        let answer = tokens.log_out(&self.companion)?;
        let receipt = watch.elapsed();
        let effective_by = answer.string("/revocation/effective_by");
        let is_proven = answer.status == 200;
        if !is_proven {
            answer.expect(202, "a logout")?;
        }
        let denied = self.watch_denial(&tokens, watch, is_proven, &effective_by)?;
        self.heal()?;
        // It is revoked, and not merely denied because nobody knows.
        tokens
            .call(&self.door)?
            .expect(401, "a call after all is well again")?;
        Ok(if is_proven {
            format!("200 in {receipt:.1?}")
        } else {
            format!("202, denied after {denied:.1?}")
        })
    }

    /// Calls until the state must be stale, and a while beyond. Gives the time of the first denial.
    fn watch_denial(
        &self,
        tokens: &Tokens,
        watch: Stopwatch,
        is_proven: bool,
        effective_by: &str,
    ) -> Result<Duration, Fault> {
        let clock = Clock::system();
        let bound = Duration::from_secs(STALENESS) + MARGIN;
        let mut denied = None;
        while watch.elapsed() < bound + MARGIN {
            let sent = rfc3339(clock.now());
            let at = watch.elapsed();
            let status = tokens.call(&self.door)?.status;
            match status {
                // Moments in this form are in the order of their texts.
                200 if is_proven || sent.as_str() > effective_by => {
                    return Err(Fault::new(format!(
                        "accepted at {sent}, with a receipt for {effective_by}"
                    )));
                }
                200 if denied.is_some() => return Err(Fault::new("accepted after a denial")),
                200 if at > bound => {
                    return Err(Fault::new("accepted although the state must be stale"));
                }
                200 => {}
                401 | 503 => {
                    denied.get_or_insert(at);
                    if is_proven {
                        break;
                    }
                }
                _ => return Err(Fault::new(format!("a call was answered with {status}"))),
            }
            thread::sleep(Duration::from_millis(10));
        }
        denied.ok_or_else(|| Fault::new("never denied"))
    }

    fn heal(&self) -> Result<(), Fault> {
        self.middleman.set(Mischief::Pass);
        let what = "the gate to be fresh again";
        wait_for(what, Duration::from_secs(30), || {
            Ok((self.door.get(READY_PATH).send()?.status == 200).then_some(()))
        })
    }
}
