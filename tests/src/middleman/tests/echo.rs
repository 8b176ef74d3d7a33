//! A small HTTP/1.1 server: answers with the number of the request, what was asked, and its content if it has any.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Dropping it closes its connections.
pub(super) struct Echo {
    shared: Arc<Mutex<Shared>>,
    port: u16,
    listener: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    requests: Vec<String>,
    hang_ups: usize,
    connections: Vec<TcpStream>,
    has_ended: bool,
}

impl Echo {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let of_listener = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, &of_listener));
        Self {
            shared,
            port,
            listener: Some(listener),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Method, target and content of each request, oldest first.
    pub(super) fn requests(&self) -> Vec<String> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// How many clients have hung up.
    pub(super) fn hang_ups(&self) -> usize {
        self.shared.lock().unwrap().hang_ups
    }

    /// Closes every connection and goes on listening.
    pub(super) fn close_connections(&self) {
        for connection in self.shared.lock().unwrap().connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.shared.lock().unwrap().has_ended = true;
        self.close_connections();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.listener.take().unwrap().join().unwrap();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Mutex<Shared>>) {
    loop {
        let (connection, _) = listener.accept().unwrap();
        let mut state = shared.lock().unwrap();
        if state.has_ended {
            return;
        }
        state.connections.push(connection.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(&connection, &shared));
    }
}

fn serve(mut connection: &TcpStream, shared: &Mutex<Shared>) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            shared.lock().unwrap().hang_ups += 1;
            let _ = connection.shutdown(Shutdown::Both);
            return;
        }
        let mut asked = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut content = Vec::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if let Some(length) = line.strip_prefix("Content-Length: ") {
                content.resize(length.trim_end().parse().unwrap(), 0);
            }
        }
        if !content.is_empty() {
            reader.read_exact(&mut content).unwrap();
            asked.push(' ');
            asked.push_str(str::from_utf8(&content).unwrap());
        }
        let number = {
            let mut state = shared.lock().unwrap();
            state.requests.push(asked.clone());
            state.requests.len()
        };
        let body = format!("{number} {asked}");
        let length = body.len();
        let answer = if asked.contains("/chunked") {
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            )
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        let _ = connection.write_all(answer.as_bytes());
    }
}
