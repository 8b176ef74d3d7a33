//! What keeps a companion up to date without being asked: the database's word of what others have committed, and a look every second,
//! should that word be lost.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio::time::{interval, sleep};
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::feed::{self, Head};
use super::work::{because, statement};
use crate::clock::{Clock, Millis};
use crate::store::{History, Outcome};
use crate::witness::Witness;

/// Between two looks at the head, and between two attempts to listen.
const SECOND: Duration = Duration::from_secs(1);
/// A clock that has moved by so much was set.
const SET: Duration = Duration::from_secs(5);

/// What others are told.
pub(super) struct Moved {
    pub(super) feed: watch::Sender<u64>,
    pub(super) gateways: watch::Sender<u64>,
}

impl Moved {
    fn feed(&self, number: u64) {
        self.feed.send_if_modified(|newest| {
            let is_other = *newest != number;
            *newest = number;
            is_other
        });
    }

    fn everything(&self) {
        self.feed.send_modify(|_| {});
        self.gateways.send_modify(|count| *count += 1);
    }
}

/// The time, the head, and whether the store is still the same.
pub(super) async fn look(pool: &Pool, clock: &Clock, witness: &Arc<Witness>) -> Outcome<Head> {
    let asked = clock.steady();
    let (now, of) = (clock.set_moment(), Arc::clone(witness));
    let head = statement(pool, move |db| {
        Box::pin(async move { feed::head(db, now, &of).await })
    })
    .await?;
    heard(clock, witness, head.at, asked);
    Ok(head)
}

/// The database has told its time in an answer to a question of that moment.
pub(super) fn heard(clock: &Clock, witness: &Witness, time: Millis, asked: Millis) {
    let jump = clock.heard(time, asked);
    if jump > SET {
        tracing::error!(seconds = jump.as_secs(), "the database's clock was set");
        witness.clock_was_set();
    }
}

/// Looks at the head every second.
pub(super) async fn look_every_second(
    pool: Pool,
    clock: Clock,
    witness: Arc<Witness>,
    moved: Arc<Moved>,
) {
    let mut ticks = interval(SECOND);
    let mut is_well = true;
    let mut history = History::default();
    loop {
        ticks.tick().await;
        match look(&pool, &clock, &witness).await {
            Ok(head) => {
                if !is_well {
                    tracing::info!("the database answers again");
                }
                is_well = true;
                moved.feed(head.cursor.number);
                if head.history != history {
                    history = head.history;
                    moved.everything();
                }
            }
            Err(error) => {
                if is_well {
                    tracing::error!(%error, "the database does not answer");
                }
                is_well = false;
            }
        }
    }
}

/// Listens on a connection of its own.
pub(super) async fn listen(config: Config, tls: MakeRustlsConnect, moved: Arc<Moved>) {
    loop {
        if let Err(error) = listen_once(&config, &tls, &moved).await {
            tracing::warn!(
                error = because(&error),
                "nothing is heard from the database; looking every second"
            );
        }
        sleep(SECOND).await;
    }
}

async fn listen_once(
    config: &Config,
    tls: &MakeRustlsConnect,
    moved: &Moved,
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let asked = async {
        client
            .batch_execute("LISTEN latchkey_feed; LISTEN latchkey_gateways")
            .await?;
        // Whatever was told before is told again.
        moved.everything();
        std::future::pending().await
    };
    let heard = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message? {
                match told.channel() {
                    "latchkey_feed" => {
                        match told.payload().parse() {
                            Ok(number) => moved.feed(number),
                            // The marks are others.
                            Err(_) => moved.everything(),
                        }
                    }
                    _ => moved.gateways.send_modify(|count| *count += 1),
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = asked => ended,
        ended = heard => ended,
    }
}
