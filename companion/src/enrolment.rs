//! The owner's authenticator app and recovery codes: enrolled, confirmed, replaced, removed. All of it needs a step-up (TO-06).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json as Answer;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::ApiError;
use crate::event::Event;
use crate::owner::Owner;
use crate::receipts::{self, Patience, Receipt};
use crate::recovery_code;
use crate::request::{Caller, Json, OptionalJson};
use crate::second_factor;
use crate::store::{FactorChange, Which};
use crate::totp::{self, Secret};

/// A body that has nothing to say, and may be missing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// What an authenticator app is given: shown this once.
#[derive(Serialize, ToSchema)]
pub struct Enrolment {
    /// Base32, for those who type it.
    secret: String,
    /// What the QR code says.
    otpauth_uri: String,
    /// The QR code, as an SVG document.
    qr_svg: String,
}

/// Codes in the place of the app: each opens once, and they are shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// An app counts from now on.
#[derive(Serialize, ToSchema)]
pub struct Confirmed {
    recovery_codes: Vec<String>,
    /// Of the other sessions.
    #[serde(flatten)]
    receipt: Receipt,
}

/// `POST /account/totp`: a secret, shown this once. It counts when a code of it has been entered; until then an app that was there
/// before goes on to count.
///
/// # Errors
/// [`ApiError`].
pub async fn begin(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    OptionalJson(_): OptionalJson<Empty>,
) -> Result<(StatusCode, Answer<Enrolment>), ApiError> {
    owner.must_be_stepped_up()?;
    let account = app.store.account_by_id(owner.account).await?;
    let account = account.ok_or(ApiError::InvalidToken)?;
    let secret = Secret::draw();
    let sealed = second_factor::seal(&app, owner.account, &secret);
    if !app
        .store
        .begin_totp(change(&owner, &caller), sealed)
        .await?
    {
        return Err(ApiError::InvalidToken);
    }
    tell(&app, &owner, &caller, "totp_enrolment_begun");
    let uri = totp::uri(service(&app), &account.email, &secret);
    let body = Enrolment {
        secret: secret.text().to_string(),
        otpauth_uri: uri.to_string(),
        qr_svg: picture(&uri)?,
    };
    Ok((StatusCode::CREATED, Answer(body)))
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[schema(as = TotpCode)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: String,
}

/// `POST /account/totp/confirm`: from now on the app counts. Gives the recovery codes, this once, and ends the other sessions.
///
/// # Errors
/// [`ApiError::InvalidCode`] for all that is wrong with the code; [`ApiError::RateLimited`] after too many of them.
pub async fn confirm(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    patience: Patience,
    Json(body): Json<Code>,
) -> Result<(StatusCode, Answer<Confirmed>), ApiError> {
    owner.must_be_stepped_up()?;
    app.take_from_owner(vec![app.limit(
        "code_per_address",
        &caller.prefix(),
        app.settings.limits.code_per_address,
    )])
    .await?;
    let account = owner.account;
    let code = second_factor::totp_code(&app, &caller, account, Which::Pending, &body.code).await?;
    let (codes, macs) = draw_codes(&app, &owner);
    let changed = app
        .store
        .confirm_totp(change(&owner, &caller), code, macs)
        .await?
        .ok_or(ApiError::InvalidCode)?;
    tell(&app, &owner, &caller, "totp_confirmed");
    app.outbox.notify_one();
    let (status, receipt) = receipts::settle(&app, changed.revocation, patience).await?;
    let body = Confirmed {
        recovery_codes: shown(&codes),
        receipt,
    };
    Ok((status, Answer(body)))
}

/// `DELETE /account/totp`: login asks for the password alone again. Ends the other sessions.
///
/// # Errors
/// [`ApiError::NotFound`] when there is no app.
pub async fn remove(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    patience: Patience,
    OptionalJson(_): OptionalJson<Empty>,
) -> Result<(StatusCode, Answer<Receipt>), ApiError> {
    owner.must_be_stepped_up()?;
    let changed = app
        .store
        .remove_totp(change(&owner, &caller))
        .await?
        .ok_or(ApiError::NotFound)?;
    tell(&app, &owner, &caller, "totp_removed");
    app.outbox.notify_one();
    let (status, receipt) = receipts::settle(&app, changed.revocation, patience).await?;
    Ok((status, Answer(receipt)))
}

/// `POST /account/recovery-codes`: new ones, shown this once; the old ones open nothing any more (TO-08).
///
/// # Errors
/// [`ApiError::NotFound`] when there is no app.
pub async fn replace_recovery_codes(
    State(app): State<App>,
    owner: Owner,
    caller: Caller,
    OptionalJson(_): OptionalJson<Empty>,
) -> Result<(StatusCode, Answer<RecoveryCodes>), ApiError> {
    owner.must_be_stepped_up()?;
    let (codes, macs) = draw_codes(&app, &owner);
    let by = change(&owner, &caller);
    if !app.store.replace_recovery_codes(by, macs).await? {
        return Err(ApiError::NotFound);
    }
    tell(&app, &owner, &caller, "recovery_codes_replaced");
    app.outbox.notify_one();
    let body = RecoveryCodes {
        recovery_codes: shown(&codes),
    };
    Ok((StatusCode::CREATED, Answer(body)))
}

fn tell(app: &App, owner: &Owner, caller: &Caller, name: &'static str) {
    let changed = Event::done(name).of(owner.account);
    app.tell(&caller.client(), changed.session(owner.session));
}

fn change(owner: &Owner, caller: &Caller) -> FactorChange {
    FactorChange {
        account: owner.account,
        session: owner.session,
        by: caller.client(),
    }
}

/// New recovery codes, and what is stored of them.
fn draw_codes(app: &App, owner: &Owner) -> (Vec<Zeroizing<String>>, Vec<[u8; 32]>) {
    let codes: Vec<_> = (0..recovery_code::HOW_MANY)
        .map(|_| recovery_code::draw())
        .collect();
    let macs = codes
        .iter()
        .map(|code| app.vault.recovery_code_mac(owner.account, code))
        .collect();
    (codes, macs)
}

fn shown(codes: &[Zeroizing<String>]) -> Vec<String> {
    codes.iter().map(|code| code.to_string()).collect()
}

/// What the app shows above the codes: the issuer's host.
fn service(app: &App) -> &str {
    let issuer = app.settings.issuer();
    let authority = issuer
        .split_once("://")
        .map_or(issuer, |(_, authority)| authority);
    authority
        .split(['/', ':'])
        .next()
        .filter(|host| !host.is_empty())
        .unwrap_or("latchkey")
}

/// The QR code, black on white whatever the page around it.
fn picture(uri: &str) -> Result<String, ApiError> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M).map_err(|error| {
        tracing::error!(%error, "no QR code");
        ApiError::Internal
    })?;
    Ok(code
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build())
}
