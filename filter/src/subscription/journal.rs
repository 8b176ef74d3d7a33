//! Which notes become lines of the log, and when: a companion that fails for an hour must not fill the disk with one sentence.

use std::mem::{Discriminant, discriminant};

use super::Note;
use super::note::Weight;
use crate::state::Now;

/// A line is repeated at most this often, in milliseconds; what was left out is counted and told.
const INTERVAL: u64 = 60_000;

/// A line for the log of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) is_warning: bool,
    pub(crate) text: String,
}

/// What was told, and what is still to be told. One entry for each kind of note: a fixed number.
#[derive(Default)]
pub(crate) struct Journal {
    told: Vec<Told>,
    /// A failure of the feed was told, and no page was applied since.
    is_failing: bool,
}

struct Told {
    kind: Discriminant<Note>,
    at: u64,
    withheld: u64,
    latest: Note,
}

impl Journal {
    /// The lines to write now; to be called at each tick too, so that what was withheld is told in the end.
    pub(crate) fn lines(&mut self, notes: &[Note], now: Now) -> Vec<Line> {
        let mut lines: Vec<_> = notes
            .iter()
            .filter_map(|note| self.line(*note, now))
            .collect();
        let due = self
            .told
            .iter_mut()
            .filter(|told| told.withheld > 0 && told.is_over(now));
        lines.extend(due.map(|told| told.tell(now)));
        lines
    }

    fn line(&mut self, note: Note, now: Now) -> Option<Line> {
        if matches!(note, Note::PageApplied { .. }) {
            return std::mem::take(&mut self.is_failing).then(|| Line {
                is_warning: false,
                text: "the feed is read again: nothing left to do".to_owned(),
            });
        }
        if note.weight() == Weight::Quiet {
            return None;
        }
        let kind = discriminant(&note);
        match self.told.iter_mut().find(|told| told.kind == kind) {
            Some(told) => {
                told.withheld = told.withheld.saturating_add(1);
                told.latest = note;
                if !told.is_over(now) {
                    return None;
                }
                self.is_failing |= note.is_failure();
                Some(told.tell(now))
            }
            None => {
                let mut told = Told {
                    kind,
                    at: now.monotonic,
                    withheld: 1,
                    latest: note,
                };
                let line = told.tell(now);
                self.told.push(told);
                self.is_failing |= note.is_failure();
                Some(line)
            }
        }
    }
}

impl Told {
    const fn is_over(&self, now: Now) -> bool {
        now.monotonic >= self.at.saturating_add(INTERVAL)
    }

    /// The latest note of this kind, and how many came with it unless it is the only one.
    fn tell(&mut self, now: Now) -> Line {
        let seconds = now.monotonic.saturating_sub(self.at).div_euclid(1_000);
        self.at = now.monotonic;
        let text = match std::mem::take(&mut self.withheld) {
            0 | 1 => self.latest.to_string(),
            count => format!("{} ({count} times in {seconds} s)", self.latest),
        };
        Line {
            is_warning: self.latest.weight() == Weight::Warning,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{START, later};

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    /// AU-03: an hour of failures, one each tick, is an hour of minutes in the log, and none of them is lost.
    #[test]
    fn a_companion_that_fails_for_an_hour_fills_no_log() {
        let mut journal = Journal::default();
        let mut lines = Vec::new();
        for tick in 0..14_400 {
            let now = later(START, tick * 250);
            lines.extend(texts(journal.lines(&[Note::NoAnswer, Note::NotSent], now)));
        }
        assert_eq!(lines.len(), 2 * 60, "{lines:#?}");
        let repeated = lines
            .iter()
            .filter(|line| line.ends_with("(240 times in 60 s)"));
        assert_eq!(repeated.count(), 2 * 59);
    }

    #[test]
    fn what_was_withheld_is_told_although_it_does_not_come_again() {
        let mut journal = Journal::default();
        let first = journal.lines(&[Note::NoAnswer, Note::NoAnswer, Note::NoAnswer], START);
        assert_eq!(texts(first), [Note::NoAnswer.to_string()]);
        assert_eq!(journal.lines(&[], later(START, 59_999)), []);
        let last = texts(journal.lines(&[], later(START, 60_000)));
        assert_eq!(last, [format!("{} (2 times in 60 s)", Note::NoAnswer)]);
        assert_eq!(journal.lines(&[], later(START, 600_000)), []);
        let again = texts(journal.lines(&[Note::NoAnswer], later(START, 600_000)));
        assert_eq!(
            again,
            [Note::NoAnswer.to_string()],
            "long ago is no repetition"
        );
    }

    #[test]
    fn the_end_of_a_failure_is_told_once() {
        let mut journal = Journal::default();
        let page = Note::PageApplied { entries: 0 };
        assert_eq!(journal.lines(&[page], START), []);
        journal.lines(&[Note::NoAnswer], START);
        let lines = journal.lines(&[page, page], START);
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].is_warning);
    }

    #[test]
    fn kinds_do_not_silence_each_other() {
        let mut journal = Journal::default();
        let notes = [
            Note::Unreachable(Some(503)),
            Note::NoAnswer,
            Note::Unreachable(Some(401)),
        ];
        assert_eq!(journal.lines(&notes, START).len(), 2);
    }
}
