//! Receipts: a call that has ended sessions waits until no gateway accepts their tokens any more, or until its patience ends.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Json as Answer, Response};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use crate::api::schemas;
use crate::app::App;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::receipt::{Progress, Revocation, progress};
use crate::tokens::rfc3339;

/// How long a call waits for its receipt (RFC 7240): `Prefer: wait=N`, 30 s at most; `respond-async` for not at all; else 1 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(Duration);

const LONGEST: u64 = 30;
const LONGEST_WAIT: Duration = Duration::from_secs(LONGEST);
/// How often a waiting receipt looks at the gateways of other companions, at least.
const LOOK: Duration = Duration::from_millis(50);

impl FromRequestParts<App> for Patience {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let lines = parts
            .headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        Ok(prefer(lines))
    }
}

/// RFC 7240 section 2: a preference that is not understood is ignored.
fn prefer<'a>(lines: impl Iterator<Item = &'a str>) -> Patience {
    let mut patience = Duration::from_secs(1);
    for preference in lines.flat_map(|line| line.split(',')) {
        let preference = preference
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if preference == "respond-async" {
            return Patience(Duration::ZERO);
        }
        let seconds = preference
            .strip_prefix("wait=")
            .and_then(|seconds| seconds.trim_matches('"').parse::<u64>().ok());
        if let Some(seconds) = seconds {
            patience = Duration::from_secs(seconds.min(LONGEST));
        }
    }
    Patience(patience)
}

/// What a call that ends sessions answers.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    /// `null` where there was nothing to end.
    #[schema(required)]
    revocation: Option<ShownRevocation>,
}

/// How far a revocation has come.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
pub struct ShownRevocation {
    /// Asks for it later.
    #[schema(schema_with = schemas::receipt_id)]
    id: String,
    /// Its number in the feed.
    seq: u64,
    /// How many sessions it ended.
    sessions: u64,
    gateways: Reached,
    /// Then at the latest no gateway accepts their access tokens.
    #[schema(schema_with = schemas::moment)]
    effective_by: String,
}

/// Gateways that could accept a token, and those of them that do not any more.
#[derive(Serialize, ToSchema)]
#[schema(as = RevocationGateways)]
pub struct Reached {
    live: usize,
    applied: usize,
}

/// The answer of a call that has ended sessions: 200 when no gateway can accept their tokens any more, else 202.
///
/// # Errors
/// [`ApiError::Unavailable`]; the revocation stands all the same.
pub async fn answer(
    app: &App,
    revocation: Revocation,
    patience: Patience,
) -> Result<Response, ApiError> {
    let (status, body) = settle(app, Some(revocation), patience).await?;
    Ok((status, Answer(body)).into_response())
}

/// Status and body of such an answer, for a call that has more to say. `None`: there was nothing to end.
///
/// # Errors
/// As [`answer`].
pub async fn settle(
    app: &App,
    revocation: Option<Revocation>,
    Patience(patience): Patience,
) -> Result<(StatusCode, Receipt), ApiError> {
    let Some(revocation) = revocation else {
        return Ok((StatusCode::OK, Receipt { revocation: None }));
    };
    let began = Instant::now();
    let mut until = began + patience;
    let mut changes = app.gateways.changes();
    let mut others = app.store.gateways_moved();
    // Should the word of another companion be lost.
    let look_again = if app.store.is_shared() {
        LOOK
    } else {
        LONGEST_WAIT
    };
    let mut stop = app.stop.clone();
    let progress = loop {
        changes.borrow_and_update();
        others.borrow_and_update();
        let progress = look(app, &revocation).await?;
        if progress.is_complete() || Instant::now() >= until {
            break progress;
        }
        let silence = progress
            .next_silence
            .map(|silence| silence + Duration::from_millis(1));
        let wait = silence.map_or(look_again, |silence| silence.min(look_again));
        let next = until.min(Instant::now() + wait);
        tokio::select! {
            _ = changes.changed() => {}
            Ok(()) = others.changed() => {}
            // The service ends: what is known now is the answer.
            _ = stop.wait_for(|stop| *stop) => until = Instant::now(),
            () = sleep_until(next) => {}
        }
    };
    let status = if progress.is_complete() {
        app.metrics.revocation.observe(began.elapsed());
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, body(app, &revocation, &progress)))
}

/// The answer of a call that has ended these sessions, or had none to end.
///
/// # Errors
/// As [`answer`].
pub async fn of(
    app: &App,
    revocation: Option<Revocation>,
    patience: Patience,
) -> Result<Response, ApiError> {
    match revocation {
        Some(revocation) => answer(app, revocation, patience).await,
        None => Ok(nothing()),
    }
}

/// There was nothing to end.
pub fn nothing() -> Response {
    Answer(Receipt { revocation: None }).into_response()
}

/// How far a revocation has come. The gateways are read after its commit.
///
/// # Errors
/// [`ApiError::Unavailable`].
pub async fn look(app: &App, revocation: &Revocation) -> Result<Progress, ApiError> {
    if app.store.is_shared() {
        app.gateways.refresh(app.store.as_ref()).await?;
    }
    let gateways = app.gateways.list();
    Ok(progress(revocation, &gateways, app.store.now().await?))
}

/// The receipt.
pub fn body(app: &App, revocation: &Revocation, progress: &Progress) -> Receipt {
    let mac = app.vault.receipt_mac(revocation.number, revocation.mark);
    Receipt {
        revocation: Some(ShownRevocation {
            id: format!("{}.{mac}", revocation.number),
            seq: revocation.number,
            sessions: revocation.sessions,
            gateways: Reached {
                live: progress.live,
                applied: progress.applied,
            },
            // Rounded up, so that it is never too early.
            effective_by: rfc3339(round_up(progress.effective_by)),
        }),
    }
}

fn round_up(moment: Millis) -> Millis {
    moment.plus(Duration::from_millis(999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_says_how_long_it_waits() {
        let seconds = |line: &str| prefer([line].into_iter()).0.as_secs();
        assert_eq!(seconds(""), 1);
        assert_eq!(seconds("wait=5"), 5);
        assert_eq!(seconds("return=minimal, Wait=7"), 7);
        assert_eq!(seconds("wait=31"), 30);
        assert_eq!(seconds("respond-async, wait=10"), 0);
        assert_eq!(seconds("wait=-1"), 1);
        assert_eq!(seconds("wait=x"), 1);
    }
}
