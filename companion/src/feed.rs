//! The feed's one reader: holds polls, reads once for all that wait at one cursor, signs once, answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use token::{Cursor, GatewayId, Page};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::app::KeyRing;
use crate::entropy;
use crate::gateways::Gateways;
use crate::store::{CursorFound, FeedRead, Store};

/// A poll of a registered gateway.
struct Poll {
    gateway: GatewayId,
    after: Cursor,
    hold: Duration,
    answer: oneshot::Sender<Result<Arc<str>, NoPage>>,
}

/// A poll that waits.
struct Held {
    poll: Poll,
    until: Instant,
    /// The read for its cursor has told whether it is known.
    is_known: bool,
}

/// There is no page: the store did not answer, or the companion is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPage;

/// Where polls are handed in.
#[derive(Clone)]
pub struct Feed {
    polls: mpsc::Sender<Poll>,
    figures: Arc<Figures>,
}

/// What the reader has done, and what it holds.
#[derive(Default)]
pub struct Figures {
    /// Polls that wait for news.
    pub held: AtomicUsize,
    /// Polls that got a page.
    pub answered: AtomicU64,
    /// Polls that got none.
    pub refused: AtomicU64,
    /// Cursors that the store did not know.
    pub unknown: AtomicU64,
}

/// How many polls may stand before the reader's door.
const WAITING: usize = 1_024;

impl Feed {
    /// The door, and the reader behind it, which ends when the last door is closed. When `stop` becomes true it answers all that is held, and from then on holds nothing.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<KeyRing>,
        gateways: Arc<Gateways>,
        issuer: String,
        stop: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (polls, waiting) = mpsc::channel(WAITING);
        let figures = Arc::new(Figures::default());
        let reader = Reader {
            store,
            keys,
            gateways,
            issuer,
            held: Vec::new(),
            woken: Instant::now(),
            figures: Arc::clone(&figures),
        };
        (Self { polls, figures }, reader.run(waiting, stop))
    }

    /// What the reader has done, and what it holds.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The page behind `after`: at once when there are rows, else after `hold`. The gateway must have been registered.
    ///
    /// # Errors
    /// [`NoPage`].
    pub async fn poll(
        &self,
        gateway: GatewayId,
        after: Cursor,
        hold: Duration,
    ) -> Result<Arc<str>, NoPage> {
        let page = self.ask(gateway, after, hold).await;
        let count = if page.is_ok() {
            &self.figures.answered
        } else {
            &self.figures.refused
        };
        count.fetch_add(1, Ordering::Relaxed);
        page
    }

    async fn ask(
        &self,
        gateway: GatewayId,
        after: Cursor,
        hold: Duration,
    ) -> Result<Arc<str>, NoPage> {
        let (answer, answered) = oneshot::channel();
        self.polls
            .send(Poll {
                gateway,
                after,
                hold,
                answer,
            })
            .await
            .map_err(|_| NoPage)?;
        answered.await.map_err(|_| NoPage)?
    }
}

struct Reader {
    store: Arc<dyn Store>,
    keys: Arc<KeyRing>,
    gateways: Arc<Gateways>,
    issuer: String,
    held: Vec<Held>,
    /// When all polls were last looked at because the feed had moved.
    woken: Instant,
    figures: Arc<Figures>,
}

/// However fast the feed moves, all polls are woken at most so often; and with more than [`MANY`] gateways, at most so often.
const BETWEEN: Duration = Duration::from_millis(20);
const BETWEEN_MANY: Duration = Duration::from_millis(100);
const MANY: usize = 1_000;
/// With more polls than these their heartbeats are spread over the last fifth of the hold: those that came together do not come back
/// together.
const FEW: usize = 100;

impl Reader {
    async fn run(mut self, mut waiting: mpsc::Receiver<Poll>, mut stop: watch::Receiver<bool>) {
        let mut moved = self.store.feed_moved();
        let mut has_moved = false;
        loop {
            let wake = has_moved.then(|| self.woken + self.between());
            let due = self.held.iter().map(|held| held.until).chain(wake).min();
            tokio::select! {
                poll = waiting.recv() => {
                    let Some(poll) = poll else { return };
                    self.take(poll, *stop.borrow());
                }
                change = moved.changed() => {
                    if change.is_err() { return }
                    has_moved = true;
                }
                Ok(()) = stop.changed() => {
                    self.held.iter_mut().for_each(|held| held.until = Instant::now());
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            while let Ok(poll) = waiting.try_recv() {
                self.take(poll, *stop.borrow());
            }
            let now = Instant::now();
            let wakes = has_moved && now >= self.woken + self.between();
            if wakes {
                self.woken = now;
                has_moved = false;
            }
            self.round(wakes).await;
            self.figures.held.store(self.held.len(), Ordering::Relaxed);
        }
    }

    fn between(&self) -> Duration {
        if self.held.len() > MANY {
            BETWEEN_MANY
        } else {
            BETWEEN
        }
    }

    fn take(&mut self, poll: Poll, is_ending: bool) {
        let hold = if is_ending { Duration::ZERO } else { poll.hold };
        let early = if self.held.len() > FEW {
            let [drawn] = entropy::bytes::<1>();
            hold / 5 * u32::from(drawn) / 255
        } else {
            Duration::ZERO
        };
        self.held.push(Held {
            until: Instant::now() + hold.saturating_sub(early),
            is_known: false,
            poll,
        });
    }

    /// Reads once for each cursor at which somebody waits for an answer now: polls that have just come, polls whose time is up,
    /// and, when the feed has moved, all.
    async fn round(&mut self, has_moved: bool) {
        // Whose caller has gone away needs no answer.
        self.held.retain(|held| !held.poll.answer.is_closed());
        let now = Instant::now();
        let mut by_cursor: HashMap<Cursor, Vec<Held>> = HashMap::new();
        for held in std::mem::take(&mut self.held) {
            by_cursor.entry(held.poll.after).or_default().push(held);
        }
        // A store that does not answer one of them answers none, and each would wait for it anew.
        let mut answers = true;
        for (cursor, polls) in by_cursor {
            if !answers {
                answer(polls, &Err(NoPage));
            } else if has_moved || polls.iter().any(|held| !held.is_known || held.until <= now) {
                answers = self.read(cursor, polls, now).await;
            } else {
                self.held.extend(polls);
            }
        }
    }

    /// One read that begins now, one signature, and the answers. False: the store did not answer.
    async fn read(&mut self, cursor: Cursor, polls: Vec<Held>, now: Instant) -> bool {
        let Ok(read) = self.store.read_feed(cursor).await.inspect_err(log) else {
            answer(polls, &Err(NoPage));
            return false;
        };
        if read.cursor == CursorFound::RolledBack {
            tracing::error!(
                cursor = cursor.number,
                "a gateway has seen numbers that this store does not know: it was rolled back (a restored backup?)"
            );
        }
        if read.cursor != CursorFound::Known {
            self.figures.unknown.fetch_add(1, Ordering::Relaxed);
        }
        for held in polls.iter().filter(|held| !held.is_known) {
            self.gateways
                .read(held.poll.gateway, cursor, read.cursor, read.history);
        }
        let has_news = read.has_rows || read.cursor != CursorFound::Known;
        let (due, rest): (Vec<_>, Vec<_>) = polls
            .into_iter()
            .partition(|held| has_news || held.until <= now);
        self.held.extend(rest.into_iter().map(|held| Held {
            is_known: true,
            ..held
        }));
        if !due.is_empty() {
            let page = self.sign(cursor, read).await;
            answer(due, &page);
        }
        true
    }

    async fn sign(&self, asked: Cursor, read: FeedRead) -> Result<Arc<str>, NoPage> {
        let keys = self
            .keys
            .as_of(read.keys, self.store.as_ref())
            .await
            .inspect_err(log)
            .map_err(|_| NoPage)?;
        let key = keys.feed(read.at).ok_or(NoPage)?;
        Ok(page(asked, read, &self.issuer).sign(key).into())
    }
}

/// The page that a read of the feed comes to. A cursor that the store does not know is answered from the beginning.
pub fn page(asked: Cursor, read: FeedRead, issuer: &str) -> Page {
    Page {
        iss: issuer.to_owned(),
        iat: read.at.seconds(),
        after: if read.cursor == CursorFound::Known {
            asked.number
        } else {
            0
        },
        seq: read.seq,
        mark: read.mark,
        more: read.more,
        keys: read.keys,
        revoked: read.revoked,
    }
}

fn log(error: &impl std::fmt::Display) {
    tracing::error!(%error, "no page of the feed");
}

fn answer(polls: Vec<Held>, page: &Result<Arc<str>, NoPage>) {
    for held in polls {
        // It fails only when the caller has gone away.
        let _ = held.poll.answer.send(page.clone());
    }
}
