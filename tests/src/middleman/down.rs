//! From the server to the client.

use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};

use super::link::{Link, PIECE};
use super::mischief::Mischief;

/// Until the server hangs up or the link is closed.
pub(super) fn carry(link: &Link, mut server: &TcpStream) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = server.read(&mut piece);
        match read {
            Ok(0) | Err(_) if swallows(link.shared.now().0) => return link.lose_server(),
            // What is closed on purpose closes without a word.
            Ok(0) if link.is_closed() => return,
            Ok(0) => {
                let _ = link.client().shutdown(Shutdown::Write);
                return;
            }
            Ok(size) if pass(link, &piece[..size]).is_ok() => {}
            Ok(_) | Err(_) => return link.close(),
        }
    }
}

/// # Errors
/// When the link is to be closed.
fn pass(link: &Link, piece: &[u8]) -> io::Result<()> {
    let shared = &link.shared;
    let mut begins = link.begins_answer();
    let mut overtakes = false;
    let mut rest = piece;
    while !rest.is_empty() && !link.is_closed() {
        let (mischief, round) = shared.now();
        match mischief {
            Mischief::Pass
            | Mischief::RefusePath(_)
            | Mischief::Replay
            | Mischief::ReplayOldest
            | Mischief::Duplicate => break,
            Mischief::Refuse => {
                link.reset();
                return Err(cut());
            }
            Mischief::BlackHole | Mischief::HalfOpen => {
                link.lose_answer();
                return Ok(());
            }
            Mischief::Delay(time) => {
                if shared.pause(round, time) {
                    break;
                }
            }
            Mischief::Trickle { size, pause } => {
                let size = size.max(1);
                if rest.len() <= size {
                    break;
                }
                let (first, others) = rest.split_at(size);
                link.answer(first)?;
                rest = others;
                shared.pause(round, pause);
            }
            Mischief::CutReplies { one_in, seed } => {
                if begins && shared.casts_a_cut(one_in, seed) {
                    link.reset();
                    return Err(cut());
                }
                break;
            }
            Mischief::Truncate => {
                link.answer(&rest[..rest.len() / 2])?;
                return Err(cut());
            }
            Mischief::Reorder { patience } => {
                overtakes = begins && !shared.wait_to_be_overtaken(round, patience);
                if overtakes || !begins {
                    break;
                }
                begins = false;
            }
        }
    }
    // First: whoever has an answer may rely on its record.
    link.record(piece);
    let outcome = link.answer(rest);
    if overtakes {
        shared.has_overtaken();
    }
    outcome
}

/// Whether the client hears nothing of the server.
fn swallows(mischief: Mischief) -> bool {
    matches!(mischief, Mischief::BlackHole | Mischief::HalfOpen)
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
