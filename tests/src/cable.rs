//! A TCP connection to a server that can be cut, whatever is spoken over it.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Cut or whole; dropping it closes every connection.
pub struct Cable {
    shared: Arc<Mutex<Shared>>,
    port: u16,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    is_cut: bool,
    has_ended: bool,
    ends: Vec<TcpStream>,
}

impl Cable {
    /// From a free port of 127.0.0.1 to that one.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Mutex::new(Shared {
            is_cut: false,
            has_ended: false,
            ends: Vec::new(),
        }));
        let of_listener = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, target, &of_listener));
        Ok(Self {
            shared,
            port,
            listener: Some(listener),
        })
    }

    /// Where it begins.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Every connection is closed, and no new one comes about.
    pub fn cut(&self) {
        let mut shared = lock(&self.shared);
        shared.is_cut = true;
        shared.close();
    }

    /// New connections come about again.
    pub fn mend(&self) {
        lock(&self.shared).is_cut = false;
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.has_ended = true;
        shared.close();
        drop(shared);
        // Wakes the listener, which looks whether the end has come.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn close(&mut self) {
        for end in self.ends.drain(..) {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, target: u16, shared: &Arc<Mutex<Shared>>) {
    for near in listener.incoming() {
        let mut state = lock(shared);
        if state.has_ended {
            return;
        }
        // What is dropped here is closed.
        if let (Ok(near), false) = (near, state.is_cut) {
            let _ = connect(near, target, &mut state);
        }
    }
}

fn connect(near: TcpStream, target: u16, state: &mut Shared) -> io::Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
        state.ends.push(end.try_clone()?);
    }
    let back = (far.try_clone()?, near.try_clone()?);
    for (mut from, mut to) in [(near, far), back] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_sent_arrives_until_the_cable_is_cut_and_again_once_it_is_mended() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let cable = Cable::to(server.local_addr().unwrap().port()).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, cable.port())).unwrap();
        let mut here = connect();
        let (mut there, _) = server.accept().unwrap();
        here.write_all(b"out").unwrap();
        let mut bytes = [0; 3];
        there.read_exact(&mut bytes).unwrap();
        there.write_all(b"in").unwrap();
        here.read_exact(&mut bytes[..2]).unwrap();
        assert_eq!(&bytes, b"int");
        cable.cut();
        assert_eq!(here.read(&mut bytes).unwrap_or(0), 0);
        assert_eq!(connect().read(&mut bytes).unwrap_or(0), 0);
        cable.mend();
        let _again = connect();
        server.accept().unwrap();
    }
}
