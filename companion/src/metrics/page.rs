//! The page itself: what has been counted, and how things stand now.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::Text;
use crate::app::App;
use crate::receipt::Gateway;
use crate::store::Outcome;

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
const HISTOGRAM: &str = "histogram";

/// All of it. What the store would have to be asked for is missing when it does not answer.
pub async fn page(app: &App) -> String {
    let mut text = Text::default();
    text.family(
        "latchkey_companion_build_info",
        GAUGE,
        "The version that runs.",
    );
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.sample("latchkey_companion_build_info", &version, 1);
    counted(app, &mut text);
    hashing(app, &mut text);
    mails(app, &mut text);
    feed(app, &mut text);
    let answers = store(app, &mut text).await.is_ok();
    text.one(
        "latchkey_companion_store_up",
        GAUGE,
        "Whether the store has answered just now.",
        u8::from(answers),
    );
    text.finish()
}

fn counted(app: &App, text: &mut Text) {
    let metrics = &app.metrics;
    each(
        text,
        "latchkey_companion_events_total",
        "Authentication events: logins, refreshes, failures, lock-outs, reuse, what operators do.",
        "event",
        &metrics.events,
    );
    each(
        text,
        "latchkey_companion_limit_hits_total",
        "Refusals with 429, by the limit that was used up, as it is named in the configuration.",
        "limit",
        &metrics.limits,
    );
    each(
        text,
        "latchkey_companion_codes_compared_total",
        "Codes of six digits that were compared with the right one: mailed ones, and those of authenticator apps.",
        "code",
        &metrics.codes,
    );
    let name = "latchkey_companion_answers_total";
    text.family(name, COUNTER, "Answers of both listeners.");
    for (answers, class) in metrics
        .answers
        .iter()
        .zip(["1xx", "2xx", "3xx", "4xx", "5xx"])
    {
        text.sample(name, &[("class", class)], answers.load(Ordering::Relaxed));
    }
    let name = "latchkey_companion_revocation_seconds";
    let help = "From a revocation's commit until no gateway accepts its tokens any more, where a caller has waited for it.";
    text.family(name, HISTOGRAM, help);
    text.histogram(name, &[], &metrics.revocation);
}

fn each(
    text: &mut Text,
    name: &str,
    help: &str,
    label: &str,
    counts: &Mutex<BTreeMap<&'static str, u64>>,
) {
    text.family(name, COUNTER, help);
    for (value, count) in counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        text.sample(name, &[(label, value)], count);
    }
}

fn hashing(app: &App, text: &mut Text) {
    let figures = app.hasher.figures();
    text.one(
        "latchkey_companion_password_hashes_total",
        COUNTER,
        "How often argon2id has run.",
        figures.runs,
    );
    text.one(
        "latchkey_companion_passwords_verified_total",
        COUNTER,
        "Passwords that were compared with that of an account, right or wrong.",
        figures.verified,
    );
    text.one(
        "latchkey_companion_password_hashes_refused_total",
        COUNTER,
        "How often somebody was told to come again, because too many waited.",
        figures.refused,
    );
    text.one(
        "latchkey_companion_password_hashes_waiting",
        GAUGE,
        "How many wait for argon2id.",
        figures.waiting,
    );
}

fn mails(app: &App, text: &mut Text) {
    let mails = app.mails.show();
    let name = "latchkey_companion_mails_total";
    let help = "Mails that were handed over, tries that failed, mails that were given up, mails beyond the budget.";
    text.family(name, COUNTER, help);
    for (what, count) in [
        ("delivered", mails.delivered),
        ("failed", mails.failed),
        ("given_up", mails.dead),
        ("over_budget", mails.over_budget),
    ] {
        text.sample(name, &[("what", what)], count);
    }
}

fn feed(app: &App, text: &mut Text) {
    let figures = app.feed.figures();
    text.one(
        "latchkey_companion_polls_held",
        GAUGE,
        "Polls of gateways that wait for news.",
        figures.held.load(Ordering::Relaxed),
    );
    text.one(
        "latchkey_companion_polls_answered_total",
        COUNTER,
        "Polls that were answered with a page.",
        figures.answered.load(Ordering::Relaxed),
    );
    text.one(
        "latchkey_companion_polls_refused_total",
        COUNTER,
        "Polls that got no page: the store did not answer, or there were too many gateways.",
        figures.refused.load(Ordering::Relaxed),
    );
    text.one(
        "latchkey_companion_cursors_refused_total",
        COUNTER,
        "Cursors that the store did not know: it was put back to an older copy, the feed was reset, or a gateway was away for long.",
        figures.unknown.load(Ordering::Relaxed),
    );
    text.one(
        "latchkey_companion_feed_head",
        GAUGE,
        "The last number of the feed.",
        *app.store.feed_moved().borrow(),
    );
}

async fn store(app: &App, text: &mut Text) -> Outcome<()> {
    let name = "latchkey_companion_store_seconds";
    text.family(name, HISTOGRAM, "What the store's answers take.");
    let latency = app.store.latency();
    text.histogram(name, &[("work", "read")], &latency.read);
    text.histogram(name, &[("work", "write")], &latency.write);
    if app.store.is_shared() {
        app.gateways.refresh(app.store.as_ref()).await?;
    }
    let (now, head) = (
        app.store.now().await?.steady,
        *app.store.feed_moved().borrow(),
    );
    let all = app.gateways.list();
    let live = |gateway: &&Gateway| gateway.live_until >= now;
    let lag = |gateway: &Gateway| head.saturating_sub(gateway.acknowledged);
    let name = "latchkey_companion_gateways";
    let help = "Gateways that could accept a token; `lagging` are those among them that have not acknowledged the last number.";
    text.family(name, GAUGE, help);
    text.sample(name, &[("state", "live")], all.iter().filter(live).count());
    let lagging = all.iter().filter(live).filter(|gateway| lag(gateway) > 0);
    text.sample(name, &[("state", "lagging")], lagging.count());
    text.one(
        "latchkey_companion_gateway_lag",
        GAUGE,
        "How many numbers the live gateway that is furthest behind has not acknowledged.",
        all.iter().filter(live).map(lag).max().unwrap_or(0),
    );
    let backlog = app.store.backlog().await?;
    text.one(
        "latchkey_companion_outbox_waiting",
        GAUGE,
        "Mails that wait to be sent.",
        backlog.waiting,
    );
    text.one(
        "latchkey_companion_outbox_dead",
        GAUGE,
        "Mails that were given up.",
        backlog.dead,
    );
    Ok(())
}
