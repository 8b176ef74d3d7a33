//! The launcher behind `make demo`, `make smoke` and `make stack`: starts the whole, walks or waits, and cleans up.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tests::fault::Fault;
use tests::ports::Ports;
use tests::setup::{Setup, Store};
use tests::stack::Stack;
use tests::walk::walk;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What to do once everything runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Demo,
    Smoke,
    Stack,
}

/// How many companions or Envoys one machine is asked to run.
const MOST: usize = 9;

/// How often the parts are looked at.
const LOOK: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let errand = match env::args().nth(1).as_deref() {
        Some("demo") => Errand::Demo,
        Some("smoke") => Errand::Smoke,
        Some("stack") => Errand::Stack,
        _ => {
            eprintln!("usage: latchkey-stack demo|smoke|stack");
            return ExitCode::from(2);
        }
    };
    match run(errand).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("latchkey-stack: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn run(errand: Errand) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let setup = setup()?;
    eprintln!(
        "starting {}, {} and the example app",
        several(setup.replicas, "companion", "the companion"),
        several(setup.gateways, "Envoy", "Envoy"),
    );
    // The stack lives on a thread that may block.
    let work = tokio::task::spawn_blocking(move || {
        let stack = Stack::start(setup)?;
        match errand {
            Errand::Demo | Errand::Smoke => walk(&stack)?,
            Errand::Stack => {}
        }
        Ok(stack)
    });
    let stack = tokio::select! {
        // The runtime would wait for that thread; the reaper ends what it has started.
        () = signals.next() => std::process::exit(1),
        done = work => done.map_err(Fault::while_doing("the walk"))??,
    };
    match errand {
        Errand::Smoke => end(stack).await,
        Errand::Demo | Errand::Stack => {
            announce(&stack, errand);
            stay(stack, &mut signals).await
        }
    }
}

/// What the environment asks for.
fn setup() -> Result<Setup, Fault> {
    let store = match env::var("STORE") {
        Ok(store) if !store.is_empty() => store.parse()?,
        _ => Store::default(),
    };
    let (replicas, gateways) = (count("REPLICAS")?, count("GATEWAYS")?);
    Ok(Setup {
        state: env::var_os("LATCHKEY_STATE").map(PathBuf::from),
        store,
        replicas,
        gateways,
        ..Setup::on(Ports::from_environment(replicas.max(gateways))?)
    })
}

fn count(name: &str) -> Result<usize, Fault> {
    let text = env::var(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(1);
    }
    match text.parse() {
        Ok(count @ 1..=MOST) => Ok(count),
        _ => Err(Fault::new(format!(
            "{name}={text} is not a number from 1 to {MOST}"
        ))),
    }
}

fn several(count: usize, name: &str, one: &str) -> String {
    match count {
        1 => one.to_owned(),
        _ => format!("{count} {name}s"),
    }
}

fn announce(stack: &Stack, errand: Errand) {
    println!("{}ready", if errand == Errand::Demo { "\n" } else { "" });
    for gateway in stack.addresses() {
        println!("gateway      {gateway}");
    }
    println!("mail         {}", stack.mailbox().folder().display());
    println!(
        "admin token  {}",
        stack.folder().join("admin.token").display()
    );
    if errand == Errand::Demo {
        println!("\nCtrl-C ends it.");
    }
}

/// Until a signal: reports each part that dies, once, and restarts none.
async fn stay(mut stack: Stack, signals: &mut Signals) -> Result<(), Fault> {
    let mut outcome = Ok(());
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        for fault in stack.deaths() {
            eprintln!("latchkey-stack: {fault}");
            outcome = Err(Fault::new("a part died"));
        }
    }
    end(stack).await?;
    outcome
}

/// In order, and outside of the runtime, whose threads must not block.
async fn end(stack: Stack) -> Result<(), Fault> {
    let end = tokio::task::spawn_blocking(move || stack.stop());
    end.await.map_err(Fault::while_doing("ending"))?
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(Fault::while_doing("listening for signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
