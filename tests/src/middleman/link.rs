//! One client's connection, and the one to the server that belongs to it.

use std::io::{self, ErrorKind, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;

use super::framing::{self, Asked};
use super::shared::Shared;
use super::{double, down};

/// The most bytes that are read at once.
pub(super) const PIECE: usize = 64 * 1024;

/// How long the server may take to accept a connection.
const CALL: Duration = Duration::from_millis(500);

/// How often a write to somebody who does not read looks whether the link is closed.
const LOOK: Duration = Duration::from_millis(100);

/// The sockets close when the last thread lets go of the link.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    client: TcpStream,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    server: Option<Arc<TcpStream>>,
    is_closed: bool,
    /// The server has hung up, and the client was not told.
    has_lost_server: bool,
    /// The server was sent something and has not answered since.
    is_due: bool,
    /// What the whole request asked that is being answered, until the answer is recorded.
    asked: Option<Asked>,
    /// As much of that answer as has come.
    answer: Vec<u8>,
    /// The request that the server gets again once it answers.
    double: Option<Vec<u8>>,
}

impl Link {
    pub(super) fn new(client: TcpStream, shared: &Arc<Shared>) -> Self {
        prepare(&client);
        Self {
            shared: Arc::clone(shared),
            client,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client(&self) -> &TcpStream {
        &self.client
    }

    /// To the server, which is called first when there is no connection to it yet.
    ///
    /// # Errors
    /// When the server does not take them, or the link is closed.
    pub(super) fn ask(self: &Arc<Self>, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (known, is_lost) = {
            let state = self.lock();
            (state.server.clone(), state.has_lost_server)
        };
        let server = match known {
            Some(_) if is_lost => return Err(ErrorKind::BrokenPipe.into()),
            Some(server) => server,
            None => self.call()?,
        };
        self.lock().is_due = true;
        self.write(&server, bytes)
    }

    /// To the client.
    ///
    /// # Errors
    /// When the client does not take them, or the link is closed.
    pub(super) fn answer(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(&self.client, bytes)
    }

    /// The server has, or is about to have, this whole request; `double` when it shall get it twice.
    pub(super) fn expect(&self, asked: Asked, double: Option<Vec<u8>>) {
        let mut state = self.lock();
        state.asked = Some(asked);
        state.answer.clear();
        state.double = double;
    }

    /// Whether what the server sent begins an answer. The request it answers is then delivered again, if it shall be.
    pub(super) fn begins_answer(&self) -> bool {
        let mut state = self.lock();
        if let Some(request) = state.double.take() {
            double::deliver(&self.shared, request);
        }
        std::mem::take(&mut state.is_due)
    }

    /// The server sent this, and it will pass.
    pub(super) fn record(&self, piece: &[u8]) {
        let mut state = self.lock();
        if state.asked.is_none() {
            return;
        }
        state.answer.extend_from_slice(piece);
        if let Some(length) = framing::answer_length(&state.answer)
            && let Some(whole) = state.answer.get(..length)
            && let Some(asked) = state.asked.clone()
        {
            self.shared.lock().record.add(asked, whole);
            state.asked = None;
        }
    }

    /// The server sent something that does not pass: there is no whole answer to record.
    pub(super) fn lose_answer(&self) {
        self.lock().asked = None;
    }

    /// The server has hung up, and the client is not told before it asks again.
    pub(super) fn lose_server(&self) {
        self.lock().has_lost_server = true;
    }

    /// The client has hung up: the server is told.
    pub(super) fn hang_up(&self) {
        if let Some(server) = &self.lock().server {
            let _ = server.shutdown(Shutdown::Write);
        }
    }

    /// Both threads of the link end, and the sockets close with them. Only the end of reading wakes the one that reads from the client
    /// without telling the client.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        // They fail for what the other side has closed.
        let _ = self.client.shutdown(Shutdown::Read);
        if let Some(server) = &state.server {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// The same, and the client is told by a reset.
    pub(super) fn reset(&self) {
        // `SO_LINGER` belongs to the socket, whichever handle sets it; the standard library cannot.
        if let Ok(client) = self.client.try_clone() {
            let _ = TcpSocket::from_std_stream(client).set_zero_linger();
        }
        self.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn call(self: &Arc<Self>) -> io::Result<Arc<TcpStream>> {
        let target = self.shared.lock().target;
        let server = Arc::new(call(target)?);
        let mut state = self.lock();
        if state.is_closed {
            return Err(ErrorKind::NotConnected.into());
        }
        state.server = Some(Arc::clone(&server));
        drop(state);
        let (link, of_link) = (Arc::clone(self), Arc::clone(&server));
        self.shared.spawn(move || down::carry(&link, &of_link));
        Ok(server)
    }

    fn write(&self, mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.is_closed() {
                return Err(ErrorKind::NotConnected.into());
            }
            match stream.write(bytes) {
                Ok(size) => bytes = &bytes[size..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A connection to that port of 127.0.0.1.
///
/// # Errors
/// When nobody listens there.
pub(super) fn call(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = TcpStream::connect_timeout(&address, CALL)?;
    prepare(&server);
    Ok(server)
}

/// Small pieces go out at once, and no write blocks for long.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(LOOK));
}
