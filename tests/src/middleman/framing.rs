//! As much of HTTP/1.1 as tells where a message ends: a head up to its empty line, and a body of `Content-Length` bytes.

/// No head is longer, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// What a client has sent of a request.
pub(super) enum Request {
    /// Not yet all of it.
    Part,
    /// So many bytes are one.
    Whole { length: usize, asked: Asked },
    /// No request of HTTP/1.1, or one in chunks.
    Other,
}

/// What a recorded answer belongs to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    method: String,
    /// Without the query.
    path: String,
}

impl Asked {
    pub(super) fn is_for(&self, path: &str) -> bool {
        self.path == path
    }
}

pub(super) fn request(bytes: &[u8]) -> Request {
    let begins_well = bytes.first().is_none_or(u8::is_ascii_uppercase);
    let Some(head) = head(bytes) else {
        return if begins_well && bytes.len() < LONGEST_HEAD {
            Request::Part
        } else {
            Request::Other
        };
    };
    let line: Vec<_> = head.lines().next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = line[..] else {
        return Request::Other;
    };
    if header(&head, "transfer-encoding").is_some() {
        return Request::Other;
    }
    let Ok(body) = header(&head, "content-length").unwrap_or("0").parse() else {
        return Request::Other;
    };
    let length = head.len().saturating_add(body);
    if bytes.len() < length {
        return Request::Part;
    }
    let asked = Asked {
        method: method.to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
    };
    Request::Whole { length, asked }
}

/// How many bytes the answer has that begins these bytes. `None` while its head is not whole, and for one that ends otherwise.
pub(super) fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = head(bytes)?;
    if header(&head, "transfer-encoding").is_some() {
        return None;
    }
    let body = match (head.split(' ').nth(1)?, header(&head, "content-length")) {
        ("204" | "304", _) => 0,
        (_, length) => length?.parse().ok()?,
    };
    head.len().checked_add(body)
}

/// Whether the client said that it asks no more on this connection.
pub(super) fn is_last(request: &[u8]) -> bool {
    let head = head(request).unwrap_or_default();
    header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// With the empty line, and a question mark for each byte that is not ASCII: as long as the bytes are.
fn head(bytes: &[u8]) -> Option<String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let ascii = |byte: &u8| {
        if byte.is_ascii() {
            char::from(*byte)
        } else {
            '?'
        }
    };
    Some(bytes[..end + 4].iter().map(ascii).collect())
}

fn header<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
