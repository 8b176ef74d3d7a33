//! What a case has at hand: a store of its own, and the steps that many cases begin with.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use companion::clock::Clock;
use companion::email::Email;
use companion::entropy;
use companion::postgres::{Options, Postgres};
use companion::sqlite::Sqlite;
use companion::store::{
    Activation, Attempt, Client, CodeRequest, DrawnCode, Errand, FeedRead, KeyUse, Login, Minted,
    NextErrand, Prepared, RightCode, SealedKey, Store, Wish,
};
use token::{Algorithm, ChallengeId, Cursor, SessionId, UnixTime};
use tokio::sync::Barrier;

use crate::person::Person;

/// When every case begins.
pub const START: UnixTime = UnixTime::from_seconds(1_800_000_000);
/// No access token of a store that was lost lives for longer than this after the store was opened.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(300);

/// A fresh store.
pub struct Bench {
    pub store: Arc<dyn Store>,
    /// A second handle on the same data: where companions can share a store, another companion's.
    pub other: Arc<dyn Store>,
    /// Of both handles.
    pub clock: Clock,
    /// What the data lies in. Dropped last.
    _place: Box<dyn Any>,
}

impl Bench {
    /// On SQLite one process has one handle.
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::settable(START);
        let store: Arc<dyn Store> =
            Arc::new(Sqlite::open(folder.path(), clock.clone(), LONGEST_TOKEN).unwrap());
        Self {
            other: Arc::clone(&store),
            store,
            clock,
            _place: Box::new(folder),
        }
    }

    /// Two companions on a database of their own.
    pub async fn on_postgres() -> Self {
        let url = tests::postgres::Postgres::shared()
            .fresh_database()
            .unwrap();
        let clock = Clock::settable(START);
        let open = async || {
            let options = Options {
                url: url.clone().into(),
                ca_file: None,
                connections: 16,
            };
            let opened = Postgres::open(options, clock.clone(), LONGEST_TOKEN).await;
            Arc::new(opened.unwrap()) as Arc<dyn Store>
        };
        Self {
            store: open().await,
            other: open().await,
            clock,
            _place: Box::new(()),
        }
    }

    /// The handles by turns.
    pub fn handle(&self, number: usize) -> Arc<dyn Store> {
        let handle = if number.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        };
        Arc::clone(handle)
    }

    pub fn now(&self) -> UnixTime {
        self.clock.now().seconds()
    }

    /// The first key set, without which no companion does anything.
    pub async fn add_keys(&self) {
        let keys = key_set("first");
        self.store.add_first_keys(keys).await.unwrap();
    }

    pub async fn request(&self, wish: Wish) -> ChallengeId {
        let challenge = entropy::challenge_id();
        let request = CodeRequest { challenge, wish };
        self.store.request_code(request).await.unwrap();
        challenge
    }

    pub async fn sign_up(&self, email: &Email, password_hash: &str) -> ChallengeId {
        let wish = Wish::SignUp {
            email: email.clone(),
            password_hash: password_hash.to_owned(),
        };
        self.request(wish).await
    }

    pub async fn resend(&self, challenge: ChallengeId) {
        let wish = Wish::Resend;
        let request = CodeRequest { challenge, wish };
        self.store.request_code(request).await.unwrap();
    }

    /// The errand that is due.
    pub async fn errand(&self) -> Errand {
        match self.store.next_errand().await.unwrap() {
            NextErrand::Due(errand) => errand,
            NextErrand::In(wait) => panic!("the next errand is due in {wait:?}"),
            NextErrand::Nothing => panic!("there is no errand"),
        }
    }

    pub async fn has_no_errand(&self) -> bool {
        matches!(self.store.next_errand().await.unwrap(), NextErrand::Nothing)
    }

    /// Carries out the errand that is due, as the outbox does: a code with this MAC, and done unless it has to wait.
    pub async fn carry_out(&self, code_mac: [u8; 32]) -> Prepared {
        let errand = self.errand().await;
        self.carry(errand, code_mac).await
    }

    /// The same for all that are due, until there is none.
    pub async fn carry_out_all(&self, code_mac: [u8; 32]) {
        while let NextErrand::Due(errand) = self.store.next_errand().await.unwrap() {
            self.carry(errand, code_mac).await;
        }
    }

    /// The same for an errand that has been taken: nobody else gets it for a minute.
    pub async fn carry(&self, errand: Errand, code_mac: [u8; 32]) -> Prepared {
        let code = drawn(&errand, code_mac);
        let prepared = self.store.prepare_mail(errand.id, code).await.unwrap();
        if prepared != Prepared::Later {
            self.store.finish_errand(errand.id).await.unwrap();
        }
        prepared
    }

    /// Opens an account, in a store with keys.
    pub async fn account(&self, name: &str) -> Person {
        self.add_keys().await;
        let email = email(name);
        let challenge = self.sign_up(&email, "a hash").await;
        self.carry_out([1; 32]).await;
        let attempt = self.store.attempt_code(challenge).await.unwrap().unwrap();
        let activation = Activation {
            code: right_code(challenge, &attempt),
            account: entropy::subject(),
            by: Client::default(),
        };
        let id = activation.account;
        assert!(self.store.activate(activation).await.unwrap());
        let account = self.store.account(&email).await.unwrap().unwrap();
        assert_eq!(account.id, id);
        Person {
            id,
            email,
            login_epoch: account.login_epoch,
        }
    }

    pub async fn open(&self, login: Login) -> Minted {
        self.store.open_session(login).await.unwrap().unwrap()
    }

    /// A session of that account, and when its first access token expires.
    pub async fn session(&self, owner: &Person) -> (SessionId, UnixTime) {
        let minted = self.open(owner.login()).await;
        (minted.session.id, minted.exp)
    }

    /// Whether the session can be used, by both handles.
    pub async fn is_alive(&self, session: SessionId, owner: &Person) -> bool {
        let one = self.store.live_session(session, owner.id).await.unwrap();
        let two = self.other.live_session(session, owner.id).await.unwrap();
        assert_eq!(one.is_some(), two.is_some());
        one.is_some()
    }

    /// The feed behind the cursor, as the other handle reads it: what one has committed, the other knows.
    pub async fn feed(&self, after: Cursor) -> FeedRead {
        self.other.read_feed(after).await.unwrap()
    }

    /// All of the feed, which must fit into one page.
    pub async fn whole_feed(&self) -> FeedRead {
        let read = self.feed(Cursor::START).await;
        assert!(!read.more);
        read
    }

    /// Where the feed ends.
    pub async fn head(&self) -> Cursor {
        cursor_of(&self.whole_feed().await)
    }
}

/// The code of an errand, with this MAC, and with that of its long code beside it; `None` for a notice.
pub fn drawn(errand: &Errand, mac: [u8; 32]) -> Option<DrawnCode> {
    errand.code.clone().map(|binding| DrawnCode {
        binding,
        mac,
        long_mac: long(mac),
    })
}

/// The MAC of the long code that is drawn together with the code of this one.
pub fn long(mac: [u8; 32]) -> [u8; 32] {
    mac.map(|byte| byte + 100)
}

/// The code that the attempt was counted for, found to be right.
pub fn right_code(challenge: ChallengeId, attempt: &Attempt) -> RightCode {
    RightCode {
        challenge,
        code_mac: attempt.code_mac.unwrap(),
        attempt: Some(attempt.id),
    }
}

/// Where a read ended.
pub fn cursor_of(read: &FeedRead) -> Cursor {
    Cursor {
        number: read.seq,
        mark: read.mark,
    }
}

pub fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

/// A key for access tokens and one for pages.
pub fn key_set(name: &str) -> Vec<SealedKey> {
    vec![
        SealedKey {
            kid: format!("{name}-access"),
            usage: KeyUse::Access,
            algorithm: Algorithm::Es256,
            sealed: format!("{name} access sealed").into_bytes(),
        },
        SealedKey {
            kid: format!("{name}-feed"),
            usage: KeyUse::Feed,
            algorithm: Algorithm::EdDsa,
            sealed: vec![0, 255, 7],
        },
    ]
}

/// So many calls at the same moment, the handles by turns; their results in order.
pub async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    bench: &Bench,
    count: usize,
    call: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Vec<T> {
    let start = Arc::new(Barrier::new(count));
    let calls: Vec<_> = (0..count)
        .map(|number| {
            let start = Arc::clone(&start);
            let call = call(number, bench.handle(number));
            tokio::spawn(async move {
                start.wait().await;
                call.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}

/// How many callers publish at a time: who comes while all connections are busy is refused after two seconds.
const CALLERS: usize = 16;

/// Publishes the sessions of these numbers.
pub async fn publish_many(bench: &Bench, numbers: Range<usize>, exp: UnixTime) {
    at_once(bench, CALLERS, move |caller, store| {
        let numbers = numbers.clone();
        async move {
            for number in numbers.skip(caller).step_by(CALLERS) {
                let mut session = [0; 16];
                session[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
                let session = SessionId::from_bytes(session);
                store
                    .revoke_unknown(session, Some(exp), Client::default())
                    .await
                    .unwrap();
            }
        }
    })
    .await;
}

/// How many of them are so.
pub fn count<T>(results: &[T], is_so: impl Fn(&T) -> bool) -> usize {
    results.iter().filter(|result| is_so(result)).count()
}
