//! From the client to the server.

use std::io::{self, Read as _};
use std::sync::Arc;

use super::framing::{self, Asked, Request};
use super::link::{Link, PIECE};
use super::mischief::Mischief;

/// Until the client hangs up or the link is closed.
pub(super) fn carry(link: &Arc<Link>) {
    let mut asking = Asking::default();
    let mut piece = vec![0; PIECE];
    loop {
        let read = link.client().read(&mut piece);
        match read {
            Ok(0) | Err(_) if link.shared.now().0 == Mischief::BlackHole => return,
            Ok(0) => return link.hang_up(),
            Ok(size) if pass(link, &mut asking, &piece[..size]).is_ok() => {}
            Ok(_) | Err(_) => return link.close(),
        }
    }
}

/// # Errors
/// When the link is to be closed.
fn pass(link: &Arc<Link>, asking: &mut Asking, piece: &[u8]) -> io::Result<()> {
    loop {
        let (mischief, round) = link.shared.now();
        match mischief {
            Mischief::Refuse => return Err(io::ErrorKind::ConnectionReset.into()),
            Mischief::BlackHole => {
                *asking = Asking::default();
                return Ok(());
            }
            Mischief::HalfOpen => {
                // The client does not hear either that the server has gone.
                let _ = asking.take(link, piece);
                return Ok(());
            }
            Mischief::Delay(time) if !link.shared.pause(round, time) && !link.is_closed() => {}
            _ => return asking.take(link, piece),
        }
    }
}

/// The request that the client is sending.
#[derive(Default)]
struct Asking {
    bytes: Vec<u8>,
    /// How many of them the server has.
    sent: usize,
    /// Something other than a request has come: bytes from now on.
    is_unknown: bool,
}

impl Asking {
    fn take(&mut self, link: &Arc<Link>, piece: &[u8]) -> io::Result<()> {
        if self.is_unknown {
            return link.ask(piece);
        }
        self.bytes.extend_from_slice(piece);
        while !self.bytes.is_empty() {
            match framing::request(&self.bytes) {
                Request::Whole { length, asked } => {
                    let request: Vec<_> = self.bytes.drain(..length).collect();
                    finish(link, &request, std::mem::take(&mut self.sent), asked)?;
                }
                Request::Part if self.sent == 0 && replays(link) => return Ok(()),
                Request::Part => {
                    link.ask(&self.bytes[self.sent..])?;
                    self.sent = self.bytes.len();
                    return Ok(());
                }
                Request::Other => {
                    self.is_unknown = true;
                    link.ask(&self.bytes[self.sent..])?;
                    self.bytes.clear();
                }
            }
        }
        Ok(())
    }
}

fn replays(link: &Link) -> bool {
    matches!(
        link.shared.now().0,
        Mischief::Replay | Mischief::ReplayOldest
    )
}

/// A request is whole of which the server has the first `sent` bytes: answered from the record, or passed.
fn finish(link: &Arc<Link>, request: &[u8], sent: usize, asked: Asked) -> io::Result<()> {
    let mut state = link.shared.lock();
    state.tally.requests += 1;
    let recorded = match state.mischief {
        Mischief::Replay => state.record.newest(&asked),
        Mischief::ReplayOldest => state.record.oldest(&asked),
        _ => None,
    };
    if sent == 0
        && let Some(answer) = recorded
    {
        state.tally.replays += 1;
        drop(state);
        link.answer(&answer)?;
        return if framing::is_last(request) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        };
    }
    if matches!(state.mischief, Mischief::RefusePath(path) if asked.is_for(path)) {
        state.tally.refused += 1;
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let double = (state.mischief == Mischief::Duplicate).then(|| request.to_vec());
    drop(state);
    link.expect(asked, double);
    link.ask(&request[sent..])
}
