//! Requests byte by byte over a socket of their own: what no HTTP library would send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::fault::Fault;

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends these bytes to that port of 127.0.0.1 and reads until the other side closes; say `Connection: close`.
///
/// # Errors
/// When the connection fails, or the other side leaves it open.
pub fn exchange(port: u16, request: &[u8]) -> Result<Vec<u8>, Fault> {
    let doing = || format!("a connection to port {port}");
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(Fault::while_doing(doing()))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(Fault::while_doing(doing()))?;
    // A server that refuses what it has read so far may close before the rest was sent; its answer is read all the same.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        Err(error) if error.kind() == ErrorKind::ConnectionReset && !answer.is_empty() => {
            Ok(answer)
        }
        Err(error) => Err(Fault::while_doing(doing())(error)),
    }
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
