//! A man in the middle of HTTP/1.1: stands on a port of his own between clients and a server, and misbehaves as the test tells him. What
//! he is told holds for open connections as for new ones.
//!
//! He calls the server once a client has sent something, one connection for each of the client's. Clients must await each answer before
//! they ask again: pipelined requests pass, but he does not tell their answers apart.

mod double;
mod down;
mod framing;
mod link;
mod mischief;
mod record;
mod shared;
#[cfg(test)]
mod tests;
mod up;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use link::Link;
pub use mischief::Mischief;
use shared::Shared;

/// How long a refused client may take to send something.
const FIRST_BYTE: Duration = Duration::from_millis(100);

/// The middleman while he stands there; dropping him closes every connection, frees the port and ends his threads.
pub struct Middleman {
    shared: Arc<Shared>,
    port: u16,
    listener: Option<JoinHandle<()>>,
}

impl Middleman {
    /// Stands on a free port of 127.0.0.1 before the server on port `target`, and passes everything.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(target: u16) -> io::Result<Self> {
        Self::start_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, target)
    }

    /// The same where this listener, bound to 127.0.0.1, listens.
    ///
    /// # Errors
    /// When the listener has no port.
    pub fn start_on(listener: TcpListener, target: u16) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::new(target));
        let of_listener = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, &of_listener));
        Ok(Self {
            shared,
            port,
            listener: Some(listener),
        })
    }

    /// Where clients find him.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on he does this. What he holds back at this moment meets the new mischief.
    pub fn set(&self, mischief: Mischief) {
        self.shared.set(mischief);
        if mischief == Mischief::Refuse {
            self.shared.each_link(Link::reset);
        }
    }

    /// Where the server is found from now on; connections to the one before stay.
    pub fn set_target(&self, port: u16) {
        self.shared.lock().target = port;
    }

    /// How many connections he has accepted, refused ones among them.
    pub fn connections(&self) -> u64 {
        self.shared.lock().tally.connections
    }

    /// How many whole requests have arrived, but for those that a black hole swallowed.
    pub fn requests(&self) -> u64 {
        self.shared.lock().tally.requests
    }

    /// How many answers [`Mischief::CutReplies`] has kept from clients.
    pub fn replies_cut(&self) -> u64 {
        self.shared.lock().tally.cut
    }

    /// How many requests [`Mischief::RefusePath`] has kept from the server.
    pub fn requests_refused(&self) -> u64 {
        self.shared.lock().tally.refused
    }

    /// How many requests he has answered from his record.
    pub fn replays(&self) -> u64 {
        self.shared.lock().tally.replays
    }

    /// How many second deliveries of [`Mischief::Duplicate`] the server has answered.
    pub fn duplicates(&self) -> u64 {
        self.shared.lock().tally.duplicates
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        self.shared.end();
        // Wakes the listener, which looks whether the end has come.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        self.shared.join();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else {
            continue;
        };
        let mut state = shared.lock();
        if state.has_ended {
            return;
        }
        state.tally.connections += 1;
        if state.mischief == Mischief::Refuse {
            drop(state);
            shared.spawn(move || turn_away(&client));
            continue;
        }
        // Known before the lock is free: whoever says `Refuse` from now on finds it.
        let link = Arc::new(Link::new(client, shared));
        state.links.retain(|link| link.strong_count() > 0);
        state.links.push(Arc::downgrade(&link));
        drop(state);
        shared.spawn(move || up::carry(&link));
    }
}

/// Linux resets a connection that is closed with bytes unread, and `SO_LINGER` is not in the standard library: so the first byte is
/// awaited and not read. A client that sends none finds the connection closed.
fn turn_away(client: &TcpStream) {
    let _ = client.set_read_timeout(Some(FIRST_BYTE));
    let _ = client.peek(&mut [0]);
}
