//! A client with one connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::super::Middleman;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long silence is listened to.
const SILENCE: Duration = Duration::from_millis(50);

pub(super) struct Client(TcpStream);

impl Client {
    pub(super) fn of(middleman: &Middleman) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", middleman.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(super) fn send(&self, bytes: &str) {
        (&self.0).write_all(bytes.as_bytes()).unwrap();
    }

    /// Fills what is between, for as long as somebody is there.
    pub(super) fn send_until_it_fails(&self) {
        while (&self.0).write_all(&[b'x'; 8192]).is_ok() {}
    }

    /// Sends a request and does not wait.
    pub(super) fn get(&self, target: &str) {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: echo\r\n\r\n"));
    }

    /// The body of the answer.
    pub(super) fn ask(&self, target: &str) -> String {
        self.get(target);
        self.hear()
    }

    /// The body of the answer that comes.
    pub(super) fn hear(&self) -> String {
        let mut answer = String::new();
        loop {
            if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                let is_whole = match head.split_once("Content-Length: ") {
                    Some((_, length)) => body.len() == length.parse::<usize>().unwrap(),
                    None => body.ends_with("0\r\n\r\n"),
                };
                if is_whole {
                    return body.to_owned();
                }
            }
            let piece = self.piece();
            assert!(!piece.is_empty(), "it ended after {answer:?}");
            answer.push_str(&piece);
        }
    }

    /// What one read gives.
    pub(super) fn piece(&self) -> String {
        let mut piece = [0; 1000];
        let size = (&self.0).read(&mut piece).unwrap();
        String::from_utf8(piece[..size].to_vec()).unwrap()
    }

    /// Whether the connection ends, by a reset or otherwise, and no byte comes.
    pub(super) fn hears_no_more(&self) -> bool {
        match (&self.0).read(&mut [0; 1000]) {
            Ok(size) => size == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// All until the connection ends, by a reset or otherwise.
    pub(super) fn rest(&self) -> String {
        let mut rest = Vec::new();
        match (&self.0).read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        String::from_utf8(rest).unwrap()
    }

    /// The connection ends with a reset.
    pub(super) fn is_reset(&self) {
        let error = (&self.0).read(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    pub(super) fn hears_nothing(&self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let error = (&self.0).read(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}
