//! One connection: reads calls one after the other and answers each.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, PoisonError};

use super::{Answer, Asked, Call, GATEWAY_TOKEN, Shared};

/// Until the other side closes, or the end of the stand-in.
pub(super) fn serve(connection: TcpStream, shared: &Shared) {
    // An error is a connection that has gone; there is nobody to tell.
    let _ = serve_calls(&connection, shared);
    let _ = connection.shutdown(Shutdown::Both);
}

fn serve_calls(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some(call) = read_call(&mut reader)? {
        let behaviour = {
            let mut state = shared.lock();
            state.calls.push(call.clone());
            Arc::clone(&state.behaviour)
        };
        if !answer(connection, shared, &call, behaviour(&call))? {
            return Ok(());
        }
    }
    Ok(())
}

/// `None` at the end of the connection. Calls have no body.
fn read_call(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Call>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut authorization = None;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            return Ok(Some(Call::read(&target, authorization.as_deref())));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
    }
}

/// Whether the connection goes on.
fn answer(
    mut connection: &TcpStream,
    shared: &Shared,
    call: &Call,
    answer: Answer,
) -> io::Result<bool> {
    let good = |body: Vec<u8>| respond(connection, 200, &body);
    match answer {
        Answer::Right => {
            let Some((status, body)) = right(shared, call) else {
                return Ok(false);
            };
            respond(connection, status, &body)
        }
        Answer::Altered(alter) => {
            right(shared, call).map_or(Ok(false), |(_, body)| good(alter(body)))
        }
        Answer::Page(page) => {
            let Asked::Poll(poll) = &call.asked else {
                return respond(connection, 404, b"");
            };
            let page = shared.lock().feed.sign(&page, poll.after);
            good(page.into_bytes())
        }
        Answer::Body(body) => good(body),
        Answer::Status(status) => respond(connection, status, b""),
        Answer::Raw(bytes) => connection.write_all(&bytes).map(|()| false),
        Answer::Drip {
            bytes,
            piece,
            pause,
        } => {
            for piece in bytes.chunks(piece.max(1)) {
                connection.write_all(piece)?;
                if !shared.pause(pause) {
                    break;
                }
            }
            Ok(false)
        }
        Answer::After(time, answer_then) => {
            if shared.pause(time) {
                return self::answer(connection, shared, call, *answer_then);
            }
            Ok(false)
        }
        Answer::Never => {
            shared.pause(std::time::Duration::MAX);
            Ok(false)
        }
        Answer::Close => Ok(false),
    }
}

/// What a companion would answer, after as long as it would hold it; `None` at the end of the stand-in.
fn right(shared: &Shared, call: &Call) -> Option<(u16, Vec<u8>)> {
    let is_gateway = call.authorization.as_deref() == Some(&format!("Bearer {GATEWAY_TOKEN}"));
    let poll = match &call.asked {
        Asked::Ready => return Some((200, Vec::new())),
        Asked::Other => return Some((404, Vec::new())),
        Asked::Keys | Asked::Poll(_) if !is_gateway => return Some((401, Vec::new())),
        Asked::Keys => return Some((200, shared.lock().feed.key_document().into_bytes())),
        Asked::Poll(poll) => poll,
    };
    let state = shared.lock();
    let waiting = shared
        .changed
        .wait_timeout_while(state, poll.hold, |state| {
            !state.has_ended && !state.feed.has_news(poll.after)
        });
    let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
    (!state.has_ended).then(|| (200, state.feed.page(poll.after).into_bytes()))
}

fn respond(mut connection: &TcpStream, status: u16, body: &[u8]) -> io::Result<bool> {
    let mut answer = format!(
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    connection.write_all(&answer).map(|()| true)
}
