//! A million revocations that are still live, at one Envoy under load: what they cost in memory, how long it takes to hear of them, once as
//! news, once from the start because the store was put back, and once by an Envoy that has just come up; and what requests notice.

mod rows;

use std::thread;
use std::time::Duration;

use super::load::{Fared, Load};
use super::probes::Callers;
use super::stacks::roomy;
use super::table::Table;
use crate::fault::Fault;
use crate::place;
use crate::ports::Ports;
use crate::setup::{Setup, Store};
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor};
use crate::watch::{Stopwatch, wait_for};

/// Between two calls of the load at each worker.
const LOAD: Duration = Duration::from_millis(10);
/// Without a page, to know what this machine does by itself.
const QUIET: Duration = Duration::from_secs(10);
/// No page may hold a request up for longer. It is shown and not judged: on a busy machine requests wait for many things.
const LONGEST: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(300);
/// Logouts before the others, and after them.
const OWN: usize = 20;

pub(super) fn run(store: Store, count: usize, table: &mut Table) -> Result<(), Fault> {
    let (build, program) = place::companion()?;
    let mut setup = roomy(Setup::on(Ports::free_block(2)?));
    setup.program = Some(program);
    if store == Store::Postgres {
        setup = setup.on_postgres(1, 1);
    }
    let mut scene = Scene::set(setup)?;
    let mut add = |what: &str, figure: String| table.add("feed", store, what, figure);
    add("live revocations", format!("{count} ({build} companion)"));
    scene.end_some()?;
    let before = scene.memory()?;
    let ((), quiet) = Load::of(&scene.stack, &scene.bob)?.during(LOAD, || {
        thread::sleep(QUIET);
        Ok(())
    })?;
    add("requests without pages", told(&quiet));

    let (took, fared) = scene.hear(|stack| rows::add(stack, count))?;
    add("until one Envoy had heard of all", format!("{took:.1?}"));
    add("requests meanwhile", told(&fared));
    scene.end_some()?;
    let after = scene.memory()?;
    add("memory of Envoy before", format!("{before:.0} MiB"));
    add("memory of Envoy after", format!("{after:.0} MiB"));
    add(
        "for each revocation",
        format!(
            "{:.0} bytes",
            (after - before) * 1024.0 * 1024.0 / count as f64
        ),
    );

    let (took, fared) = scene.hear(rows::put_back)?;
    add(
        "until it had read all again, store put back",
        format!("{took:.1?}"),
    );
    add("requests meanwhile", told(&fared));
    add(
        "memory of Envoy then",
        format!("{:.0} MiB", scene.memory()?),
    );

    let watch = Stopwatch::start();
    scene.stack.kill_gateway(0);
    scene.stack.start_gateway(0)?;
    scene.stack.await_ready()?;
    add(
        "until a new Envoy was ready",
        format!("{:.1?}", watch.elapsed()),
    );
    // The one that was killed counts for as long as it may have been alive: no receipt is 200 here.
    scene.are_out()?;
    scene.stack.stop()
}

/// Somebody who logs out, somebody who stays, and their gate.
struct Scene {
    stack: Stack,
    alice: Visitor,
    bob: Visitor,
    callers: Callers,
    ended: Vec<Tokens>,
}

impl Scene {
    fn set(setup: Setup) -> Result<Self, Fault> {
        let stack = Stack::start(setup)?;
        let [alice, bob] = ["alice", "bob"].map(Visitor::named);
        for visitor in [&alice, &bob] {
            visitor.register(&stack.client_of_replica(0)?, &stack.mailbox())?;
        }
        let callers = Callers::of(&stack, [0])?;
        Ok(Self {
            stack,
            alice,
            bob,
            callers,
            ended: Vec::new(),
        })
    }

    /// Logouts; none of them, and none of those before, gets in.
    fn end_some(&mut self) -> Result<(), Fault> {
        let companion = self.stack.client_of_replica(0)?;
        for _ in 0..OWN {
            let tokens = self.alice.login(&companion)?;
            self.callers.get_in(&tokens)?;
            tokens.log_out(&companion)?.expect(200, "a logout")?;
            self.ended.push(tokens);
        }
        self.are_out()
    }

    /// Nobody gets in who has logged out.
    fn are_out(&self) -> Result<(), Fault> {
        self.ended
            .iter()
            .try_for_each(|tokens| self.callers.are_denied(tokens))
    }

    /// How long it takes from the news until the gate has all revocations, and how callers fare whose session lives. Who has been revoked gets
    /// 401 each time.
    fn hear(
        &self,
        news: impl FnOnce(&Stack) -> Result<(), Fault>,
    ) -> Result<(Duration, Fared), Fault> {
        let revoked = self.ended.last();
        let revoked = revoked.ok_or_else(|| Fault::new("nobody has logged out"))?;
        let watch = Stopwatch::start();
        let ((took, seen), fared) = Load::of(&self.stack, &self.bob)?.during(LOAD, || {
            self.callers.probe(revoked, watch, || {
                let companion = self.stack.client_of_replica(0)?;
                news(&self.stack)?;
                let watch = Stopwatch::start();
                wait_for("the gate to have all revocations", PATIENCE, || {
                    let tokens = self.alice.login(&companion)?;
                    let answer = tokens.log_out(&companion)?;
                    Ok((answer.status == 200).then_some(()))
                })?;
                Ok(watch.elapsed())
            })
        })?;
        if let Some(probe) = seen.probes.iter().find(|probe| probe.status != Some(401)) {
            return Err(Fault::new(format!(
                "a revoked token was answered with {:?}",
                probe.status
            )));
        }
        if fared.refused > 0 {
            return Err(Fault::new(format!(
                "{} living requests were refused",
                fared.refused
            )));
        }
        Ok((took, fared))
    }

    fn memory(&self) -> Result<f64, Fault> {
        let envoy = self.stack.gateway(0);
        let envoy = envoy.ok_or_else(|| Fault::new("there is no Envoy"))?;
        Ok(envoy.memory()?.0)
    }
}

/// How many requests, and how long they took.
fn told(fared: &Fared) -> String {
    format!(
        "{}: p50 {:.1?}, p99 {:.1?}, most {:.1?}, {} over {LONGEST:?}",
        fared.took.len(),
        fared.within(50),
        fared.within(99),
        fared.within(100),
        fared.over(LONGEST),
    )
}
