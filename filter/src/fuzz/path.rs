//! Paths.

use crate::path::{Path, is_below, unambiguous};

use super::light;

/// FR-07, FR-08: a path that is accepted means one thing to a reader that does everything that readers do to paths; and a prefix ends
/// where a segment does. The first line is the target, the second a prefix.
#[test]
fn reading() {
    bolero::check!()
        .with_iterations(512)
        .for_each(|text: &[u8]| {
            let (target, prefix) = match text.iter().position(|byte| *byte == b'\n') {
                Some(at) => (&text[..at], &text[at + 1..]),
                None => (text, &b"/"[..]),
            };
            let Some(path) = light(|| unambiguous(target)) else {
                return;
            };
            assert!(target.starts_with(path.as_bytes()));
            assert!(matches!(target.get(path.len()), None | Some(b'?' | b'#')));
            let plain = segments(path.as_bytes());
            assert_eq!(overeager(path.as_bytes()), plain, "{path}");
            let said = Path::new(path).decoded;
            assert_eq!(said.as_bytes(), decoded(path.as_bytes()), "{path}");
            let Some(prefix) = unambiguous(prefix) else {
                return;
            };
            let mut of_prefix = segments(prefix.as_bytes());
            of_prefix.pop_if(|last| last.is_empty());
            assert_eq!(
                is_below(&said, &Path::new(prefix).decoded),
                plain.starts_with(&of_prefix),
                "{path} {prefix}"
            );
        });
}

/// As they stand, decoded once.
fn segments(path: &[u8]) -> Vec<Vec<u8>> {
    path[1..].split(|byte| *byte == b'/').map(decoded).collect()
}

/// Decodes until nothing changes, takes `\` for `/`, cuts parameters, drops empty segments in between, resolves dots, ends at NUL.
fn overeager(path: &[u8]) -> Vec<Vec<u8>> {
    let mut path = path.to_vec();
    loop {
        let once = decoded(&path);
        if once == path {
            break;
        }
        path = once;
    }
    let end = path.iter().position(|byte| *byte == 0);
    path.truncate(end.unwrap_or(path.len()));
    let mut result: Vec<Vec<u8>> = Vec::new();
    let mut is_folder = false;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        let end = segment.iter().position(|byte| *byte == b';');
        let segment = &segment[..end.unwrap_or(segment.len())];
        is_folder = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                result.pop();
            }
            name => result.push(name.to_vec()),
        }
    }
    if is_folder {
        result.push(Vec::new());
    }
    result
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut rest, mut bytes) = (text, Vec::new());
    while let Some((first, after)) = rest.split_first() {
        let byte = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}
