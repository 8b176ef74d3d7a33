//! The answers that passed.

use std::collections::HashMap;

use super::framing::Asked;

/// The first and the last answer to each method and path.
#[derive(Default)]
pub(super) struct Record(HashMap<Asked, Answers>);

struct Answers {
    oldest: Vec<u8>,
    newest: Vec<u8>,
}

impl Record {
    pub(super) fn add(&mut self, asked: Asked, answer: &[u8]) {
        let answers = self.0.entry(asked).or_insert_with(|| Answers {
            oldest: answer.to_vec(),
            newest: Vec::new(),
        });
        answers.newest = answer.to_vec();
    }

    pub(super) fn newest(&self, asked: &Asked) -> Option<Vec<u8>> {
        self.0.get(asked).map(|answers| answers.newest.clone())
    }

    pub(super) fn oldest(&self, asked: &Asked) -> Option<Vec<u8>> {
        self.0.get(asked).map(|answers| answers.oldest.clone())
    }
}
