//! What an answer proves: a page or a key set is looked at here before it may change anything.

use std::rc::Rc;

use token::{Es256Check, GatewayKeys, Page, Rejection};

use super::{Asked, Note, Step, Subscription, Waiting};
use crate::held_keys;
use crate::revocations::start_over;
use crate::shared::{Found, Seen, SharedData};
use crate::state::{Now, State};

/// The key set is fetched for an unknown key of the feed at most this often, in milliseconds.
const KEY_FETCH_INTERVAL: u64 = 1_000;

impl Subscription {
    pub(super) fn page(
        &mut self,
        shared: &impl SharedData,
        check: &dyn Es256Check,
        body: &[u8],
        asked: Asked,
        now: Now,
    ) -> Result<Step, Note> {
        let feed = match &self.settings.pinned_feed {
            Some(pinned) => Rc::clone(pinned),
            None => Rc::new(self.held_keys(shared).ok_or(Note::StateMoved)?.feed),
        };
        let page = Page::verify(body, &feed, check, &self.settings.issuer)
            .map_err(|rejection| self.refused(rejection, now))?;
        let difference = page.iat.since(now.wall).max(now.wall.since(page.iat));
        self.notes.push(Note::ClocksDiffer(difference.as_secs()));
        if page.iat > now.wall.plus(self.settings.clock_skew) {
            return Err(Note::FromTheFuture(page.iat.since(now.wall).as_secs()));
        }
        if !asked.is_continued_by(&page) {
            // The one page that need not continue: the companion did not know the cursor and starts from the beginning.
            if page.after != 0 {
                return Err(Note::DoesNotContinue);
            }
            self.notes.push(Note::StartedOver(asked.cursor.number));
        }
        // Whichever clock is behind decides what has expired: a wall clock that once ran ahead must not cost entries.
        self.unite(shared, &page.revoked, now.wall.min(page.iat))?;
        let (state, _) = self.state(shared)?;
        if !asked.is_about(&state) {
            return Err(Note::StateMoved);
        }
        if self.settings.fetches_keys && page.keys != state.keys {
            return Ok(Step::FetchKeys(Some(Waiting { page, asked })));
        }
        self.commit(shared, &page, asked, page.keys, now)
    }

    /// An unknown key is the sign of a key set that has changed.
    fn refused(&mut self, rejection: Rejection, now: Now) -> Note {
        let is_due = self
            .keys_fetched_at
            .is_none_or(|at| now.monotonic >= at.saturating_add(KEY_FETCH_INTERVAL));
        self.wants_keys |=
            rejection == Rejection::UnknownKey && self.settings.fetches_keys && is_due;
        Note::PageRefused(rejection)
    }

    pub(super) fn keys(
        &mut self,
        shared: &impl SharedData,
        body: &[u8],
        waiting: Option<Waiting>,
        now: Now,
    ) -> Result<Step, Note> {
        let keys = GatewayKeys::parse(body).map_err(Note::KeysRefused)?;
        match &waiting {
            Some(waiting) if keys.version < waiting.page.keys => return Err(Note::KeysTooOld),
            Some(_) => {}
            None => self.make_way_for(shared, keys.version)?,
        }
        shared
            .write(
                &self.scope.key("keys"),
                &held_keys::encode(&keys.to_json()),
                Seen::Anything,
            )
            .map_err(|_| Note::StateMoved)?;
        self.notes.push(Note::KeysTaken(keys.version));
        match waiting {
            Some(Waiting { page, asked }) => self.commit(shared, &page, asked, keys.version, now),
            None => self.note_keys(shared, keys.version),
        }
    }

    /// No page vouches for a set that was fetched on its own. One older than the set held comes from a store that was rolled back or
    /// from a replica that lags; a removed key may be in it, so it counts only after a full pass has named it.
    fn make_way_for(&mut self, shared: &impl SharedData, version: u64) -> Result<(), Note> {
        let (state, seen) = self.state(shared)?;
        if version >= state.keys || start_over(shared, &self.scope, seen) {
            return Ok(());
        }
        Err(Note::StateMoved)
    }

    /// The number of the key set that is held now, without a page.
    fn note_keys(&mut self, shared: &impl SharedData, keys: u64) -> Result<Step, Note> {
        let (state, version) = self.state(shared)?;
        self.write_state(shared, &State { keys, ..state }, version)?;
        if state.is_synced {
            self.announce(shared)?;
        }
        Ok(Step::Next)
    }

    /// The state and its version, as they are right now.
    pub(super) fn state(&self, shared: &impl SharedData) -> Result<(State, u32), Note> {
        match shared.read(&self.scope.key("state")) {
            Found::Value(bytes, version) => {
                Ok((State::decode(&bytes).ok_or(Note::StateMoved)?, version))
            }
            Found::Missing | Found::Failed => Err(Note::StateMoved),
        }
    }
}

impl Asked {
    /// Whether the state still is what the poll was sent for.
    pub(super) fn is_about(&self, state: &State) -> bool {
        (self.gateway, self.pass, self.cursor) == (state.gateway, state.pass, state.cursor)
    }

    /// Without rows a page ends where it begins, so there the mark tells whether it is the same history of the store.
    fn is_continued_by(&self, page: &Page) -> bool {
        page.after == self.cursor.number
            && (page.seq != page.after || page.mark == self.cursor.mark)
    }
}
