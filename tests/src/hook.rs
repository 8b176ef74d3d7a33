//! A stand-in for a webhook that takes mail: it notes every call, and answers as the test tells it to.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::fault::Fault;

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The first line.
    pub request: String,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A running stand-in; its threads end with the process.
pub struct Hook {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    /// Answers to the next calls; after them 200.
    answers: Vec<String>,
}

/// What a connection is turned into: plain, or TLS.
pub trait Accept: Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static {}

impl<F: Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static> Accept for F {}

/// A connection.
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Hook {
    /// One on a free port of 127.0.0.1, without TLS.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start() -> Result<Self, Fault> {
        Self::with(|stream| Ok(Box::new(stream)))
    }

    /// One whose connections are turned into something first.
    ///
    /// # Errors
    /// When there is no port.
    pub fn with(accept: impl Accept) -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Fault::while_doing("a webhook"))?;
        let port = listener
            .local_addr()
            .map_err(Fault::while_doing("a webhook"))?
            .port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A call that breaks off is none.
                let _ = accept(stream).and_then(|stream| serve(stream, &shared));
            }
        });
        Ok(Self { port, state })
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its answers to the next calls: a status, and perhaps headers, such as `302\r\nLocation: /x`.
    pub fn answer(&self, answers: &[&str]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.clone()
    }
}

impl Call {
    /// That header's value; empty without.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

fn serve(mut stream: Box<dyn Stream>, state: &Mutex<State>) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let request = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut call = Call {
        request,
        headers,
        body: String::new(),
    };
    let mut body = vec![0; call.header("content-length").parse().unwrap_or_default()];
    stream.read_exact(&mut body)?;
    call.body = String::from_utf8_lossy(&body).into_owned();
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.push(call);
        if state.answers.is_empty() {
            "200".to_owned()
        } else {
            state.answers.remove(0)
        }
    };
    let (status, headers) = answer.split_once("\r\n").unwrap_or((&answer, ""));
    let headers = if headers.is_empty() {
        String::new()
    } else {
        format!("{headers}\r\n")
    };
    write!(
        stream,
        "HTTP/1.1 {status} -\r\n{headers}Content-Length: 2\r\n\r\nok"
    )?;
    stream.flush()
}
