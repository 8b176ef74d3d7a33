//! A stand-in for the companion: answers a gateway's polls over HTTP/1.1, as the companion would or as no companion should. It signs
//! with keys of its own, so tests can issue any token; it has no accounts and no public listener.

mod answer;
mod call;
mod feed;
mod server;

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use token::SessionId;

use crate::fault::Fault;
use crate::issuer::Issuer;
use crate::ports;
use crate::watch::wait_for;
pub use answer::Answer;
pub use call::{Asked, Call, Poll};
use feed::Feed;

/// What a gateway must show, and what [`crate::gate`] and the proxy-wasm host put into its environment.
pub const GATEWAY_TOKEN: &str = "gateway-token-of-the-tests";

/// How long a gateway may take to hear of a change.
const PATIENCE: Duration = Duration::from_secs(10);

/// Decides how a call is answered. Called once a call, on the thread of its connection.
type Behaviour = dyn Fn(&Call) -> Answer + Send + Sync;

/// The stand-in while it listens; dropping it closes every connection and frees the port.
pub struct StandIn {
    shared: Arc<Shared>,
    port: u16,
    listener: Option<JoinHandle<()>>,
}

/// What all connections work on.
struct Shared {
    state: Mutex<State>,
    /// Told of every revocation, and of the end.
    changed: Condvar,
}

struct State {
    feed: Feed,
    behaviour: Arc<Behaviour>,
    calls: Vec<Call>,
    connections: Vec<TcpStream>,
    has_ended: bool,
}

impl StandIn {
    /// Listens on that port of 127.0.0.1 with the keys of `issuer`, and answers as a companion would.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16, issuer: &Issuer) -> Result<Self, Fault> {
        Self::start_with(port, issuer, |_| Answer::Right)
    }

    /// The same, from the first call on with this behaviour.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_with(
        port: u16,
        issuer: &Issuer,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let doing = || format!("the stand-in on port {port}");
        let listener = ports::listen(port).map_err(Fault::while_doing(doing()))?;
        let state = State {
            feed: Feed::of(issuer),
            behaviour: Arc::new(behaviour),
            calls: Vec::new(),
            connections: Vec::new(),
            has_ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let of_listener = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, &of_listener));
        Ok(Self {
            shared,
            port,
            listener: Some(listener),
        })
    }

    /// From the next call on each call is answered so.
    pub fn behave(&self, behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        self.shared.lock().behaviour = Arc::new(behaviour);
    }

    /// From the next call on all is answered as a companion would.
    pub fn behave_well(&self) {
        self.behave(|_| Answer::Right);
    }

    /// Ends a session whose tokens live for 300 s from now; held polls are answered at once. The number of the revocation.
    pub fn revoke(&self, session: SessionId) -> u64 {
        let number = self.shared.lock().feed.revoke(session);
        self.shared.changed.notify_all();
        number
    }

    /// Other keys from now on; held polls are answered at once. The version of the issuer must be [`StandIn::next_number`].
    pub fn change_keys(&self, issuer: &Issuer) {
        self.shared.lock().feed.change_keys(issuer);
        self.shared.changed.notify_all();
    }

    /// The number that the next change of the feed gets.
    pub fn next_number(&self) -> u64 {
        self.shared.lock().feed.head() + 1
    }

    /// Every call that has arrived, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// Every poll that has arrived, oldest first, with the call it came in.
    pub fn polls(&self) -> Vec<(Poll, Call)> {
        let calls = self.calls().into_iter();
        calls
            .filter_map(|call| match &call.asked {
                Asked::Poll(poll) => Some((poll.clone(), call)),
                Asked::Ready | Asked::Keys | Asked::Other => None,
            })
            .collect()
    }

    /// Waits until a poll acknowledges all up to that number.
    ///
    /// # Errors
    /// When none comes.
    pub fn await_acknowledged(&self, number: u64) -> Result<(), Fault> {
        wait_for("a poll that acknowledges", PATIENCE, || {
            let last = self.polls().pop();
            Ok(last
                .filter(|(poll, _)| poll.after.number >= number)
                .map(|_| ()))
        })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.has_ended = true;
            for connection in state.connections.drain(..) {
                // It fails for one that the other side has closed.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
        // Wakes the listener, which looks whether the end has come.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A behaviour that panics has failed its test already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for that long, or until the end: false.
    fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let waiting = self
            .changed
            .wait_timeout_while(state, time, |state| !state.has_ended);
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        !state.has_ended
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let mut state = shared.lock();
        if state.has_ended {
            return;
        }
        let both = connection.and_then(|one| Ok::<_, io::Error>((one.try_clone()?, one)));
        let Ok((kept, connection)) = both else {
            continue;
        };
        state.connections.push(kept);
        let shared = Arc::clone(shared);
        thread::spawn(move || server::serve(connection, &shared));
    }
}
