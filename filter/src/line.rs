//! The last step before the log: a configuration, or a key set, may hold bytes that forge lines or steer a terminal (AU-03).

/// No fault needs more, and a configuration can have megabytes.
const MAX_BYTES: usize = 2_000;

/// `latchkey: ` and the text as one line of printable ASCII; all else is escaped as Rust does it, and what is too long is cut.
pub(crate) fn printable(text: &str) -> String {
    let mut line = "latchkey: ".to_owned();
    for letter in text.chars() {
        if line.len() > MAX_BYTES {
            line.push_str("[cut]");
            break;
        }
        if matches!(letter, ' '..='~') {
            line.push(letter);
        } else {
            line.extend(letter.escape_default());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AU-03: nothing can begin a line of its own, colour a terminal or turn the direction of writing.
    #[test]
    fn a_line_is_one_line_of_plain_letters() {
        let text = "a\r\nb\u{1b}[31m\u{202e}\u{0}é\t\u{9b}";
        assert_eq!(
            printable(text),
            r"latchkey: a\r\nb\u{1b}[31m\u{202e}\u{0}\u{e9}\t\u{9b}"
        );
        assert_eq!(printable("x: 'y' \"z\" \\"), "latchkey: x: 'y' \"z\" \\");
        let long = printable(&"\u{10ffff}".repeat(100_000));
        assert!(long.len() < MAX_BYTES + 20 && long.ends_with("[cut]"));
    }
}
