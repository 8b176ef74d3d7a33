//! Requests byte by byte over a socket of their own: what no HTTP library would send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::fault::Fault;

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, with their values.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The content as it came, in chunks perhaps.
    pub body: Vec<u8>,
}

/// Sends these bytes to that port of 127.0.0.1 and reads until the other side closes; say `Connection: close`.
///
/// # Errors
/// When the connection fails, or the other side leaves it open.
pub fn exchange(port: u16, request: &[u8]) -> Result<Vec<u8>, Fault> {
    exchange_until(port, request, |_| false)
}

/// Sends these bytes and reads one answer, however it ends; `is_head` for a request whose answer has no content. `None` when the
/// connection ended without one.
///
/// # Errors
/// When the connection fails, or the answer does not end.
pub fn exchange_one(port: u16, request: &[u8], is_head: bool) -> Result<Option<Answer>, Fault> {
    let is_whole = |bytes: &[u8]| read(bytes).is_some_and(|answer| is_head || has_ended(&answer));
    Ok(read(&exchange_until(port, request, is_whole)?))
}

fn doing(port: u16) -> String {
    format!("a connection to port {port}")
}

/// A connection to that port on which these bytes have been sent.
fn sent(port: u16, request: &[u8]) -> Result<TcpStream, Fault> {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(Fault::while_doing(doing(port)))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(Fault::while_doing(doing(port)))?;
    // A server that refuses what it has read so far may close before the rest was sent; its answer is read all the same.
    let _ = stream.write_all(request);
    Ok(stream)
}

fn exchange_until(
    port: u16,
    request: &[u8],
    is_enough: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Fault> {
    let mut stream = sent(port, request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(size) => answer.extend_from_slice(&piece[..size]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(answer),
            Err(error) => return Err(Fault::while_doing(doing(port))(error)),
        }
        if is_enough(&answer) {
            return Ok(answer);
        }
    }
}

/// Sends these bytes to that port of 127.0.0.1 and reads no more than the status of the answer; 0 when it is none.
///
/// # Errors
/// When the connection fails.
pub fn ask(port: u16, request: &[u8]) -> Result<u16, Fault> {
    let mut stream = sent(port, request)?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(1..) => answer.extend(byte),
            Ok(_) => break,
            Err(error) => return Err(Fault::while_doing(doing(port))(error)),
        }
    }
    Ok(status(&answer))
}

/// The status of an HTTP/1.1 answer; 0 when it is none.
pub fn status(answer: &[u8]) -> u16 {
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or_default()
}

/// The answer, once its head is whole.
fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line[colon + 1..].trim_ascii().to_vec();
        Some((line[..colon].to_ascii_lowercase(), value))
    });
    Some(Answer {
        status: status(head),
        headers: headers.collect(),
        body: body.to_vec(),
    })
}

/// By its length or its last chunk; any other ends with the connection.
fn has_ended(answer: &Answer) -> bool {
    let value = |wanted: &[u8]| {
        let mut headers = answer.headers.iter();
        let found = headers.find(|(name, _)| name == wanted);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    if value(b"transfer-encoding").is_some() {
        return answer.body.ends_with(b"0\r\n\r\n");
    }
    let length = value(b"content-length").and_then(|length| length.parse().ok());
    length.is_some_and(|length: usize| answer.body.len() >= length)
}
