//! Somebody with some sessions, who remembers what was acknowledged to him and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::client::{Answer, Client};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor};
use crate::watch::{Stopwatch, wait_for};

/// Sessions that he keeps open.
const SESSIONS: usize = 4;
/// Ended ones that are looked at after each kill: the newest.
const LOOKED_AT: usize = 20;
/// A session that ends others has been logged into less than ten minutes ago.
const OLD: Duration = Duration::from_secs(480);
/// How long a companion may answer 503 after its database has come back.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) rotations: usize,
    pub(super) logouts: usize,
    pub(super) everywhere: usize,
    pub(super) ends: usize,
    pub(super) passwords: usize,
    pub(super) logins: usize,
    /// Ends of sessions that a call explains which nobody answered.
    pub(super) inferred: usize,
    /// Neither acknowledged nor refused.
    pub(super) unanswered: usize,
}

impl Counts {
    pub(super) const fn acknowledged(&self) -> usize {
        self.rotations + self.logouts + self.everywhere + self.ends + self.passwords
    }

    /// The same, and logins.
    pub(super) const fn granted(&self) -> usize {
        self.acknowledged() + self.logins
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.rotations += other.rotations;
        self.logouts += other.logouts;
        self.everywhere += other.everywhere;
        self.ends += other.ends;
        self.passwords += other.passwords;
        self.logins += other.logins;
        self.inferred += other.inferred;
        self.unanswered += other.unanswered;
    }
}

/// A session as he knows it.
struct Known {
    tokens: Tokens,
    /// An end of it was asked for, and nobody answered.
    may_have_ended: bool,
    opened: Stopwatch,
}

/// Somebody.
pub(super) struct Person {
    client: Client,
    visitor: Visitor,
    /// What the password may be too: a change that nobody answered.
    other_password: Option<String>,
    open: Vec<Known>,
    ended: Vec<Tokens>,
    /// So many of them were looked up in the feed.
    looked_up: usize,
    dice: Dice,
    changes: usize,
    pub(super) counts: Counts,
}

impl Person {
    /// Signs up.
    pub(super) fn register(stack: &Stack, number: usize) -> Result<Self, Fault> {
        let client = stack.client_of_replica(number % stack.replicas())?;
        let visitor = Visitor::named(&format!("person{number}"));
        visitor.register(&client, &stack.mailbox())?;
        Ok(Self {
            client,
            visitor,
            other_password: None,
            open: Vec::new(),
            ended: Vec::new(),
            looked_up: 0,
            dice: Dice::new(number as u64),
            changes: 0,
            counts: Counts::default(),
        })
    }

    /// Goes on there.
    pub(super) fn connect(&mut self, client: Client) {
        self.client = client;
    }

    /// One call. A refusal that no call under way explains is a promise broken.
    pub(super) fn work(&mut self) -> Result<(), Fault> {
        if self.open.len() < SESSIONS {
            return self.log_in();
        }
        let is_old = |known: &Known| known.opened.elapsed() > OLD;
        if let Some(at) = self.open.iter().position(is_old) {
            return self.end(at, Way::LogOut);
        }
        let at = usize::try_from(self.dice.below(SESSIONS as u64)).unwrap_or_default();
        match self.dice.below(100) {
            0..73 => self.refresh(at),
            73..84 => self.end(at, Way::LogOut),
            84..86 => self.end_all(at),
            86..96 => self.end(at, Way::FromAnother),
            // One change after the other: there are never three passwords that it may be.
            _ if self.other_password.is_none() => self.change_password(at),
            _ => self.refresh(at),
        }
    }

    fn log_in(&mut self) -> Result<(), Fault> {
        let Some(answer) = self.answered(|person| person.visitor.try_login(&person.client)) else {
            return Ok(());
        };
        if answer.status == 401 && self.take_other_password() {
            return Ok(());
        }
        let tokens = Tokens::of(&answer.expect(201, "a login")?)?;
        self.counts.logins += 1;
        self.open.push(Known {
            tokens,
            may_have_ended: false,
            opened: Stopwatch::start(),
        });
        Ok(())
    }

    /// Whether there is another password to try.
    fn take_other_password(&mut self) -> bool {
        let other = self.other_password.take();
        let has_other = other.is_some();
        if let Some(other) = other {
            self.visitor.password = other;
        }
        has_other
    }

    fn refresh(&mut self, at: usize) -> Result<(), Fault> {
        let Some(answer) =
            self.answered(|person| person.open[at].tokens.try_refresh(&person.client))
        else {
            return Ok(());
        };
        if self.is_over(at, &answer) {
            return Ok(());
        }
        self.open[at].tokens = Tokens::of(&answer.expect(200, "a refresh")?)?;
        self.counts.rotations += 1;
        Ok(())
    }

    /// The session may have ended by a call that nobody answered; then it has, for good.
    fn is_over(&mut self, at: usize, answer: &Answer) -> bool {
        let is_over = answer.status == 401 && self.open[at].may_have_ended;
        if is_over {
            self.counts.inferred += 1;
            self.ended.push(self.open.remove(at).tokens);
        }
        is_over
    }

    fn end(&mut self, at: usize, way: Way) -> Result<(), Fault> {
        let by = match way {
            Way::LogOut => at,
            Way::FromAnother => (at + 1) % self.open.len(),
        };
        let marks = self.marks();
        self.open[at].may_have_ended = true;
        let answer = self.answered(|person| {
            let path = match way {
                Way::LogOut => "current",
                Way::FromAnother => &person.open[at].tokens.session,
            };
            let end = person.client.delete(&format!("/auth/v1/sessions/{path}"));
            end.bearer(&person.open[by].tokens.access).send()
        });
        let Some(answer) = answer else {
            return Ok(());
        };
        if by != at && answer.status == 401 {
            self.restore(&marks);
            if self.is_over(by, &answer) {
                return Ok(());
            }
        }
        answer.expect(200, "the end of a session")?;
        match way {
            Way::LogOut => self.counts.logouts += 1,
            Way::FromAnother => self.counts.ends += 1,
        }
        self.ended.push(self.open.remove(at).tokens);
        Ok(())
    }

    fn end_all(&mut self, by: usize) -> Result<(), Fault> {
        let marks = self.marks();
        for known in &mut self.open {
            known.may_have_ended = true;
        }
        let answer = self.answered(|person| {
            let end = person.client.delete("/auth/v1/sessions?scope=all");
            end.bearer(&person.open[by].tokens.access).send()
        });
        let Some(answer) = answer else {
            return Ok(());
        };
        if answer.status == 401 {
            self.restore(&marks);
            if self.is_over(by, &answer) {
                return Ok(());
            }
        }
        answer.expect(200, "the end of all sessions")?;
        self.counts.everywhere += 1;
        self.ended
            .extend(self.open.drain(..).map(|known| known.tokens));
        Ok(())
    }

    fn change_password(&mut self, at: usize) -> Result<(), Fault> {
        self.changes += 1;
        let new = format!("tangled-orbit84 number {}", self.changes);
        let marks = self.marks();
        for (number, known) in self.open.iter_mut().enumerate() {
            known.may_have_ended |= number != at;
        }
        let body = json!({ "current_password": self.visitor.password, "new_password": new });
        self.other_password = Some(new);
        let answer = self.answered(|person| {
            let change = person.client.request("PUT", "/auth/v1/account/password");
            let change = change.bearer(&person.open[at].tokens.access);
            change.json(&body).send()
        });
        let Some(answer) = answer else {
            return Ok(());
        };
        if answer.status == 401 {
            self.restore(&marks);
            self.other_password = None;
            if self.is_over(at, &answer) {
                return Ok(());
            }
        }
        answer.expect(200, "a change of the password")?;
        self.take_other_password();
        self.counts.passwords += 1;
        let mine = self.open.swap_remove(at);
        let others = self.open.drain(..).map(|known| known.tokens);
        self.ended.extend(others);
        self.open.push(mine);
        Ok(())
    }

    /// Which sessions a call may have ended that nobody answered.
    fn marks(&self) -> Vec<bool> {
        self.open.iter().map(|known| known.may_have_ended).collect()
    }

    /// The call of which the marks were taken was refused: it has ended nothing.
    fn restore(&mut self, marks: &[bool]) {
        for (known, mark) in self.open.iter_mut().zip(marks) {
            known.may_have_ended = *mark;
        }
    }

    /// What a companion answers that serves; `None` when it was killed, or its database.
    fn answered(&mut self, call: impl FnOnce(&Self) -> Result<Answer, Fault>) -> Option<Answer> {
        let answer = call(self).ok().filter(|answer| answer.status != 503);
        self.counts.unanswered += usize::from(answer.is_none());
        answer
    }

    /// Sessions whose end was acknowledged last.
    pub(super) fn newest_ended(&self) -> &[Tokens] {
        &self.ended[self.ended.len().saturating_sub(LOOKED_AT)..]
    }

    /// Looks at everything that was acknowledged, once all serve again. `fed` are the sessions that the feed names: gateways deny by it
    /// alone.
    pub(super) fn check(&mut self, fed: &BTreeSet<String>) -> Result<(), Fault> {
        for tokens in &self.ended[self.looked_up..] {
            if !fed.contains(&tokens.session) {
                return Err(Fault::new(
                    "the feed does not name a session whose end was acknowledged",
                ));
            }
        }
        self.looked_up = self.ended.len();
        for tokens in self.newest_ended() {
            let refresh = self.surely(|person| tokens.try_refresh(&person.client))?;
            refresh.expect(401, "a refresh of a session whose end was acknowledged")?;
            let list = self.surely(|person| {
                let list = person.client.get("/auth/v1/sessions");
                list.bearer(&tokens.access).send()
            })?;
            list.expect(
                401,
                "the access token of a session whose end was acknowledged",
            )?;
        }
        let mut at = 0;
        while at < self.open.len() {
            let answer =
                self.surely(|person| person.open[at].tokens.try_refresh(&person.client))?;
            if self.is_over(at, &answer) {
                continue;
            }
            let what = "a refresh with the newest token that was acknowledged";
            let known = &mut self.open[at];
            known.tokens = Tokens::of(&answer.expect(200, what)?)?;
            known.may_have_ended = false;
            self.counts.rotations += 1;
            at += 1;
        }
        // The password that was acknowledged, or the one that nobody answered.
        let answer = self.surely(|person| person.visitor.try_login(&person.client))?;
        let answer = if answer.status == 401 && self.take_other_password() {
            self.surely(|person| person.visitor.try_login(&person.client))?
        } else {
            answer
        };
        self.other_password = None;
        let tokens =
            Tokens::of(&answer.expect(201, "a login with the password as it was acknowledged")?)?;
        let logout = self.surely(|person| tokens.log_out(&person.client))?;
        logout.expect(200, "a logout")?;
        self.counts.logouts += 1;
        self.ended.push(tokens);
        wait_for("all sessions to be open again", PATIENCE, || {
            if self.open.len() == SESSIONS {
                return Ok(Some(()));
            }
            self.log_in().map(|()| None)
        })
    }

    fn surely(
        &self,
        mut call: impl FnMut(&Self) -> Result<Answer, Fault>,
    ) -> Result<Answer, Fault> {
        wait_for("a companion that serves", PATIENCE, || {
            Ok(call(self).ok().filter(|answer| answer.status != 503))
        })
    }
}

/// How a session is ended.
#[derive(Clone, Copy)]
enum Way {
    LogOut,
    FromAnother,
}
