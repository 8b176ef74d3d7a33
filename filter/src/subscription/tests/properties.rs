//! RV-06: whatever comes in whatever order, nothing un-revokes.

use proptest::prelude::*;

use super::*;
use crate::fixture::session;

#[derive(Clone, Debug)]
pub(super) enum Event {
    Revoke(u8),
    Rotate(u8),
    /// The store goes back to an older copy of itself, and hands out its numbers again.
    RollBack(u8),
    /// The companion answers what was asked.
    Answer,
    /// An old answer, to whatever was asked.
    Replay(u8),
    /// The answer is lost.
    Lose,
    /// Another VM takes over.
    TakeOver,
    Pass(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..20_u8).prop_map(Event::Revoke),
        1 => (20..40_u8).prop_map(Event::Rotate),
        1 => any::<u8>().prop_map(Event::RollBack),
        6 => Just(Event::Answer),
        4 => any::<u8>().prop_map(Event::Replay),
        1 => Just(Event::Lose),
        1 => Just(Event::TakeOver),
        3 => (0..3_000_u16).prop_map(Event::Pass),
    ]
}

/// A process under events, with every answer that there ever was and every session that some VM has refused.
pub(super) struct Story {
    pub(super) process: Process,
    pub(super) vm: Vm,
    view: View,
    pub(super) answers: Vec<Reply>,
    refused: Vec<SessionId>,
}

impl Story {
    pub(super) fn begin(page_size: usize) -> Self {
        let (mut process, vm) = Process::settled();
        process.companion.page_size = page_size;
        let view = View::new(&process.config);
        Self {
            process,
            vm,
            view,
            answers: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(super) fn live(&mut self, event: &Event) {
        let companion = &mut self.process.companion;
        match event {
            Event::Revoke(number) => companion.revoke(session(*number)),
            Event::Rotate(secret) => companion.rotate(*secret, 9),
            Event::RollBack(number) => {
                companion
                    .rows
                    .truncate(1 + usize::from(*number) % companion.rows.len());
                companion.history = companion.history.wrapping_add(1);
                let keys = companion.rows.iter().rev().find(|(_, row)| row.is_none());
                companion.keys = keys.unwrap().0;
            }
            Event::Answer => self.answer(None),
            Event::Replay(number) => {
                let answers = self.answers.len().max(1);
                let answer = self.answers.get(usize::from(*number) % answers).cloned();
                if answer.is_some() {
                    self.answer(answer);
                }
            }
            Event::Lose => self.answer(Some(Reply {
                status: None,
                body: vec![],
            })),
            Event::TakeOver => {
                self.process.pass(2_000);
                let seed = self.vm.seed.wrapping_add(1);
                self.vm = self.process.vm(seed);
            }
            Event::Pass(milliseconds) => self.process.pass((*milliseconds).into()),
        }
        self.vm.tick(&self.process);
    }

    pub(super) fn answer(&mut self, reply: Option<Reply>) {
        if let Some((_, fetch)) = &self.vm.waits_for {
            let reply = reply.unwrap_or_else(|| {
                let wall = self.process.now.wall;
                let reply = self.process.companion.answer(fetch, wall);
                self.answers.push(reply.clone());
                reply
            });
            self.vm.answer(&self.process, &reply);
        }
    }

    /// Who was refused once is refused by every VM, whether it has looked before or not.
    fn look(&mut self) {
        for number in 1..20 {
            let session = session(number);
            let fresh = self.process.is_revoked(session);
            let known = sees(&mut self.view, &self.process, session);
            for answer in [fresh, known] {
                match answer {
                    Ok(true) if !self.refused.contains(&session) => self.refused.push(session),
                    Ok(false) => assert!(!self.refused.contains(&session), "{number} came back"),
                    _ => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_un_revokes(page_size in 1..4_usize, events in prop::collection::vec(event(), 1..60)) {
        let mut story = Story::begin(page_size);
        for event in &events {
            story.live(event);
            story.look();
        }
    }

    /// Whatever happened, a companion that answers again brings every one of its revocations into force.
    #[test]
    fn it_always_heals(page_size in 1..4_usize, events in prop::collection::vec(event(), 1..40)) {
        let mut story = Story::begin(page_size);
        for event in &events {
            story.live(event);
        }
        for _ in 0..80 {
            story.live(&Event::Pass(1_000));
            story.live(&Event::Answer);
        }
        let rows = story.process.companion.rows.clone();
        for (session, _) in rows.iter().filter_map(|(_, row)| *row) {
            prop_assert_eq!(story.process.is_revoked(session), Ok(true));
        }
        prop_assert_eq!(story.process.state().cursor.number, story.process.companion.head());
    }
}
