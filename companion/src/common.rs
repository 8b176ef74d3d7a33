//! Passwords that many people have, although they are long: common words, names, sequences and years, strung together or repeated.
//!
//! The list is kept in a compact form: some hundred pieces, and the rule by which people put them together. That is every password of
//! one or two of the words, in any spelling with capitals, figures for letters and marks between, with a sequence or a few digits
//! beside them, and whatever is repeated in it. Looked up in memory; nothing leaves the machine (PW-04).

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::LazyLock;

use zeroize::Zeroizing;

/// Words that passwords are made of.
static WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common.txt").split_whitespace().collect());
/// Words that hold others together; they make no password harder to guess.
const GLUE: [&str; 16] = [
    "this", "is", "my", "the", "your", "our", "for", "and", "you", "me", "to", "of", "it", "am",
    "so", "in",
];
/// What fingers run along, there and back.
const WALKS: [&str; 10] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "zaqxswcdevfrbgtnhymjukilop",
];
/// A walk is recognised from so many steps on.
const LEAST_STEPS: usize = 3;
/// So many different words, and so many different pieces, are still a common password.
const MOST_WORDS: usize = 2;
const MOST_PIECES: usize = 4;
/// Digits that mean something to their owner: a year, a PIN.
const MOST_DIGITS: usize = 4;
/// Whoever repeats a word more often has a password that the estimate of guesses refuses.
const MOST_CHARACTERS: usize = 64;
/// No piece is longer.
const LONGEST_PIECE: usize = 40;
/// So many beginnings of pieces are looked at: a password that is made to be cut in very many ways costs no more than another.
const MOST_CUTS: u32 = 300;

/// Whether the password is made of common pieces, those of its own context (address, product) among them.
pub fn is_common(password: &str, context: &[&str]) -> bool {
    if password.chars().count() > MOST_CHARACTERS {
        return false;
    }
    let plain = folded(password, |_| None);
    let read = folded(password, letter);
    [&plain, &read].into_iter().any(|text| {
        let cuts = Cell::new(0);
        let pieces = Pieces {
            text,
            context,
            cuts,
        };
        !text.is_empty() && pieces.reach_the_end(0, &mut Vec::new())
    })
}

/// In small letters, without what stands between, and with figures read as the letters that they look like.
fn folded(password: &str, letter: impl Fn(char) -> Option<char>) -> Zeroizing<String> {
    let characters = password.chars().flat_map(char::to_lowercase);
    Zeroizing::new(
        characters
            .filter_map(|character| letter(character).or(Some(character)))
            .filter(|character| character.is_alphanumeric())
            .collect(),
    )
}

fn letter(character: char) -> Option<char> {
    Some(match character {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Walk,
    Digits,
    Glue,
}

struct Pieces<'a> {
    text: &'a str,
    context: &'a [&'a str],
    cuts: Cell<u32>,
}

impl<'a> Pieces<'a> {
    /// Whether what begins at `at` can be cut into pieces, few enough of them different.
    fn reach_the_end(&self, at: usize, used: &mut Vec<(Kind, &'a str)>) -> bool {
        let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) else {
            return at == self.text.len();
        };
        self.cuts.set(self.cuts.get() + 1);
        if self.cuts.get() > MOST_CUTS {
            return false;
        }
        let ends = rest
            .char_indices()
            .map(|(start, one)| start + one.len_utf8());
        let ends = ends.take(LONGEST_PIECE);
        // The longest first: what is one word is not taken for two.
        let mut ends: Vec<usize> = ends.collect();
        ends.reverse();
        for end in ends {
            let Some(piece) = rest.get(..end) else {
                continue;
            };
            let Some(kind) = self.kind(piece) else {
                continue;
            };
            let is_new = kind != Kind::Glue && !used.contains(&(kind, piece));
            if is_new {
                used.push((kind, piece));
            }
            let count = |wanted| used.iter().filter(|(kind, _)| *kind == wanted).count();
            let is_common = used.len() <= MOST_PIECES
                && count(Kind::Word) <= MOST_WORDS
                && count(Kind::Digits) <= 1
                && self.reach_the_end(at + end, used);
            if is_new {
                used.pop();
            }
            if is_common {
                return true;
            }
        }
        false
    }

    fn kind(&self, piece: &str) -> Option<Kind> {
        if piece.len() >= LEAST_STEPS && is_walk(piece) {
            Some(Kind::Walk)
        } else if WORDS.contains(piece)
            || self
                .context
                .iter()
                .any(|word| word.len() >= LEAST_STEPS && *word == piece)
        {
            Some(Kind::Word)
        } else if piece.len() <= MOST_DIGITS && piece.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(Kind::Digits)
        } else {
            GLUE.contains(&piece).then_some(Kind::Glue)
        }
    }
}

/// One character all along, or part of a walk, there or back.
fn is_walk(piece: &str) -> bool {
    let mut characters = piece.chars();
    let first = characters.next();
    if characters.all(|character| Some(character) == first) {
        return true;
    }
    let back: Zeroizing<String> = Zeroizing::new(piece.chars().rev().collect());
    WALKS
        .iter()
        .any(|walk| walk.contains(piece) || walk.contains(back.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOSEN: &str = "password iloveyou princess sunshine football baseball superman welcome letmein dragon monkey master
        shadow michael jennifer jordan charlie computer internet whatever starwars pokemon chocolate butterfly liverpool
        barcelona chelsea mustang freedom samantha admin administrator secret summer winter qwerty batman changeme december november";
    const WALKED: &str = "123456789012345 1234567890123456 111111111111111 000000000000000 qwertyuiopasdfghjkl 1q2w3e4r5t6y7u8i
        1qaz2wsx3edc4rfv q1w2e3r4t5y6u7i8 zaq12wsxcde34rfv qazwsxedcrfvtgb abcdefghijklmnop aaaaaaaaaaaaaaa abc123abc123abc123
        asdfghjklqwertyuiop 987654321987654321 passwordpassword1 iloveyouforever thisismypassword mypasswordispassword
        letmeinletmein1 Welcome123456789 P@ssw0rdP@ssw0rd Password1Password1 adminadminadmin changemechangeme iloveyou1234567
        football12345678 princessprincess sunshinesunshine qwerty123456789";

    fn capital(word: &str) -> String {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    }

    fn leet(word: &str) -> String {
        word.replace('a', "@").replace('o', "0").replace('e', "3")
    }

    fn of_two(one: &str, two: &str) -> [String; 5] {
        [
            format!("{one}{two}"),
            format!("{}{}", capital(one), capital(two)),
            format!("{one}_{two}1"),
            format!("{}{two}123!", capital(one)),
            format!("{}{}", leet(one), leet(two)),
        ]
    }

    fn of_one(one: &str) -> Vec<String> {
        let years =
            (1970..2030).flat_map(|year| [format!("{one}{one}{year}"), format!("my{one}is{year}")]);
        let walks = [
            "1234567890",
            "123456789012",
            "qwertyuiop",
            "abcdefghijkl",
            "9876543210",
        ];
        let walks = walks
            .into_iter()
            .flat_map(|walk| [format!("{one}{walk}"), format!("{walk}{}!", capital(one))]);
        let repeated = [
            one.repeat(2),
            one.repeat(3),
            format!("{one}{one}1"),
            format!("{one}{one}123"),
        ];
        repeated.into_iter().chain(years).chain(walks).collect()
    }

    /// PW-04: more than 3,000 passwords that people choose, each of 15 characters at least: doubled and tripled words, two words,
    /// words with a year or a sequence, in the spellings that policies once asked for.
    #[test]
    fn more_than_three_thousand_common_passwords_are_refused() {
        let words: Vec<_> = CHOSEN.split_whitespace().collect();
        let walked = WALKED.split_whitespace().map(str::to_owned);
        let mut list: HashSet<String> = walked.collect();
        for one in &words {
            list.extend(of_one(one));
            list.extend(words.iter().flat_map(|two| of_two(one, two)));
        }
        list.retain(|password| password.len() >= 15);
        assert!(list.len() > 3_000, "{}", list.len());
        let passed: Vec<_> = list
            .iter()
            .filter(|password| !is_common(password, &[]))
            .collect();
        assert!(
            passed.is_empty(),
            "{} of {}: {passed:?}",
            passed.len(),
            list.len()
        );
    }

    #[test]
    fn what_is_made_of_the_own_address_is_common() {
        let context = ["alice", "miller", "example", "latchkey"];
        for password in [
            "AliceMiller2024",
            "alice.miller.123",
            "Latchkey-Latchkey",
            "example-alice-1999",
            "latchkeypassword",
        ] {
            assert!(is_common(password, &context), "{password}");
            assert!(
                !is_common(password, &[]) || password == "latchkeypassword",
                "{password}"
            );
        }
    }

    /// Nobody is refused for three words, nor for digits that nobody would guess.
    #[test]
    fn what_is_hard_to_guess_is_not_common() {
        for password in [
            "correct horse battery staple",
            "tangled-orbit84",
            "dragon-banana-office",
            "839201746529384",
            "password-tangled-orbit",
            "xk7-vqz-3mh-pt2",
            "ünïcödé-söße-84",
            "",
        ] {
            assert!(!is_common(password, &[]), "{password}");
        }
    }

    /// It can be cut in more ways than there are atoms; it is looked at no longer than others.
    #[test]
    fn a_password_made_to_be_cut_in_many_ways_takes_no_time() {
        let password = format!("{}x", "1".repeat(63));
        assert!(!is_common(&password, &[]));
    }
}
