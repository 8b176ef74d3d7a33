//! The gate before argon2id: a bounded number runs at a time, a bounded number waits, and the rest is told to come again (RL-07).

mod workers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::workers::Workers;
use crate::email::Email;
use crate::entropy;
use crate::hashing::{self, Cost, Memory, Verdict};
use crate::password::{self, Password, Weakness};

/// So many may wait for each one that runs.
const QUEUE: usize = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The gate is full, or its wait was too long: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// Hashes and checks passwords, a bounded number at a time. Clones are one gate.
#[derive(Clone)]
pub struct Hasher(Arc<Gate>);

struct Gate {
    permits: Arc<Semaphore>,
    workers: Workers,
    counts: Counts,
    most_waiting: usize,
    cost: Cost,
    /// What an unknown account is checked against: same cost, never right.
    dummy: Arc<str>,
}

#[derive(Clone, Default)]
struct Counts {
    waiting: Arc<AtomicUsize>,
    runs: Arc<AtomicU64>,
    verified: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

/// What the gate has done, and what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How often argon2id has run.
    pub runs: u64,
    /// How many passwords were compared with that of an account: what guessers have had (D5 of the security requirements).
    pub verified: u64,
    /// How often somebody was told to come again.
    pub refused: u64,
    /// How many wait.
    pub waiting: usize,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// At most `permits` at a time: more than the number of cores only makes each slower.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn new(permits: usize, cost: Cost) -> std::io::Result<Self> {
        let nobody_knows = Password::new(format!("{:032x}", u128::from_be_bytes(entropy::bytes())));
        Ok(Self(Arc::new(Gate {
            permits: Arc::new(Semaphore::new(permits)),
            workers: Workers::start(permits, cost)?,
            counts: Counts::default(),
            most_waiting: permits.saturating_mul(QUEUE),
            cost,
            dummy: hashing::hash(&nobody_knows, cost, &mut Memory::default()).into(),
        })))
    }

    /// Checks a new password against the policy; behind the gate, because the estimate of guesses takes its time.
    ///
    /// # Errors
    /// [`Overloaded`]; inside, the [`Weakness`].
    pub async fn check(
        &self,
        password: Password,
        email: &Email,
        least_characters: usize,
    ) -> Result<Result<Password, Weakness>, Overloaded> {
        let email = email.clone();
        self.run(move |_| password::check(&password, &email, least_characters).map(|()| password))
            .await
    }

    /// A PHC string of argon2id v=19 with a salt of its own.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn hash(&self, password: Password) -> Result<String, Overloaded> {
        let cost = self.0.cost;
        self.run(move |memory| hashing::hash(&password, cost, memory))
            .await
    }

    /// Whether the password is that of `stored`; without one, or with one that is no hash, as much work and false (PW-09).
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<bool, Overloaded> {
        self.judge(password, stored)
            .await
            .map(|verdict| verdict.is_right())
    }

    /// As [`Hasher::verify`], and says when what is stored is to be replaced.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn judge(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verdict, Overloaded> {
        let (dummy, cost) = (Arc::clone(&self.0.dummy), self.0.cost);
        let verified = Arc::clone(&self.0.counts.verified);
        self.run(move |memory| {
            // Nobody has a password that could not have been set.
            let stored = stored.filter(|_| !password.is_too_long());
            let verdict =
                stored.and_then(|stored| hashing::verify(&password, &stored, cost, memory));
            let Some(verdict) = verdict else {
                hashing::verify(&password, &dummy, cost, memory);
                return Verdict::Wrong;
            };
            verified.fetch_add(1, Ordering::Relaxed);
            verdict
        })
        .await
    }

    /// What the gate has done so far.
    pub fn figures(&self) -> Figures {
        let counts = &self.0.counts;
        Figures {
            runs: counts.runs.load(Ordering::Relaxed),
            verified: counts.verified.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            waiting: counts.waiting.load(Ordering::Relaxed),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let permit = self.permit().await.inspect_err(|_| {
            self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        let runs = Arc::clone(&self.0.counts.runs);
        let (tell, told) = oneshot::channel();
        self.0.workers.send(Box::new(move |memory| {
            let before = memory.runs();
            let result = work(memory);
            runs.fetch_add(memory.runs().saturating_sub(before), Ordering::Relaxed);
            // Held until the work is done, also when its caller has gone away; and given back before he hears of it.
            drop(permit);
            let _ = tell.send(result);
        }));
        told.await.map_err(|_| Overloaded)
    }

    /// Refuses as the gate would, before anything else is done for a request that is going to need it: in a flood the store has no work
    /// with those who are turned away.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub fn must_have_room(&self) -> Result<(), Overloaded> {
        let counts = &self.0.counts;
        if counts.waiting.load(Ordering::SeqCst) < self.places() {
            return Ok(());
        }
        counts.refused.fetch_add(1, Ordering::Relaxed);
        Err(Overloaded)
    }

    /// How many may wait, those included who are about to get a permit.
    fn places(&self) -> usize {
        let permits = self.0.permits.available_permits();
        self.0.most_waiting.saturating_add(permits)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Overloaded> {
        let permits = &self.0.permits;
        let _place = Place::take(&self.0.counts.waiting, self.places())?;
        let permit = tokio::time::timeout(LONGEST_WAIT, Arc::clone(permits).acquire_owned());
        permit
            .await
            .map_err(|_| Overloaded)?
            .map_err(|_| Overloaded)
    }
}

/// A place in the queue.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Result<Self, Overloaded> {
        let place = Self(Arc::clone(waiting));
        if waiting.fetch_add(1, Ordering::SeqCst) < most {
            Ok(place)
        } else {
            Err(Overloaded)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn hasher(permits: usize) -> Hasher {
        Hasher::new(permits, Cost::default()).unwrap()
    }

    /// PW-09: known, unknown, planted, too long: one run of the same cost each, and only the right password is right.
    #[tokio::test]
    async fn every_check_costs_one_run() {
        let hasher = hasher(1);
        let stored = hasher.hash(password("correct horse")).await.unwrap();
        let long = "x".repeat(password::MAX_BYTES + 1);
        for (text, stored, expected) in [
            ("correct horse", Some(stored.as_str()), true),
            ("correct horsf", Some(&stored), false),
            ("correct horse", None, false),
            (
                "correct horse",
                Some(
                    "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
                ),
                false,
            ),
            ("correct horse", Some("no hash"), false),
            (&long, Some(&stored), false),
            (&long, None, false),
        ] {
            let before = hasher.figures().runs;
            let is_right = hasher
                .verify(password(text), stored.map(ToOwned::to_owned))
                .await;
            assert_eq!(is_right, Ok(expected), "{text} {stored:?}");
            assert_eq!(hasher.figures().runs, before + 1, "{text} {stored:?}");
        }
        // The first two.
        assert_eq!(hasher.figures().verified, 2);
    }

    /// RL-07: what cannot be taken is told so at once.
    #[tokio::test]
    async fn beyond_the_queue_there_is_an_answer_at_once() {
        let hasher = hasher(1);
        let logins: Vec<_> = (0..40)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(password("x"), None).await })
            })
            .collect();
        let mut refused = 0;
        for login in logins {
            refused += u64::from(login.await.unwrap().is_err());
        }
        assert!((20..40).contains(&refused), "{refused}");
        let figures = hasher.figures();
        assert_eq!(figures.refused, refused);
        assert_eq!((figures.runs, figures.waiting), (40 - refused, 0));
    }

    /// RL-07: who has hung up does not hold a place, and what runs for him still counts as running.
    #[tokio::test]
    async fn who_goes_away_leaves_his_place() {
        let hasher = hasher(1);
        let calls: Vec<_> = (0..9)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(password("x"), None).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(hasher.figures().waiting > 0);
        for call in calls {
            call.abort();
            let _ = call.await;
        }
        assert_eq!(hasher.figures().waiting, 0);
        assert_eq!(hasher.verify(password("x"), None).await, Ok(false));
    }

    /// A panic is told to its caller alone.
    #[tokio::test]
    async fn a_panic_ends_no_thread() {
        let hasher = hasher(1);
        let panicked: Result<(), _> = hasher.run(|_| panic!("on purpose")).await;
        assert_eq!(panicked, Err(Overloaded));
        assert_eq!(hasher.verify(password("x"), None).await, Ok(false));
    }
}
