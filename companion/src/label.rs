//! What an owner calls a session: shown on pages, so nothing in it may steer how they are shown.

/// The most characters of a label.
const MOST: usize = 64;

/// Whether `text` can be a label: 64 characters at most, something to see, no controls, and nothing that turns the line around or breaks it.
pub fn is_label(text: &str) -> bool {
    let is_shown = |character: char| !character.is_control() && !steers(character);
    text.chars().count() <= MOST && text.chars().all(is_shown) && !text.trim().is_empty()
}

/// Unicode's line and paragraph separators, and its marks of direction (UAX #9 section 2).
const fn steers(character: char) -> bool {
    matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_short_and_only_text() {
        for label in ["x", "Küche, Tablet", "🦀 büro", &"ü".repeat(64)] {
            assert!(is_label(label), "{label}");
        }
        for other in [
            "",
            " ",
            "\u{3000}",
            &"x".repeat(65),
            "two\nlines",
            "two\u{2028}lines",
            "\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2066}b",
            "\0",
        ] {
            assert!(!is_label(other), "{other:?}");
        }
    }
}
