//! What mail an errand of the outbox comes to. Here, and not in any answer, it shows whether an account exists.

use std::time::Duration;

use token::{ChallengeId, SessionId, Subject};

use super::columns::{get, int, maybe_bytes, millis, span_millis, uint};
use super::work::{Arguments, Write};
use super::{codes, outbox};
use crate::clock::Millis;
use crate::code::{DAY, MAX_WRONG_PER_DAY, Purpose};
use crate::errand::{self, ACTIVATION, EMAIL_CHANGE, RECOVERY, RESEND, SIGN_UP, STEP_UP};
use crate::store::{DrawnCode, Mail, Outcome, Prepared};

/// A row of `outbox`.
struct Wanted {
    id: i64,
    errand: String,
    email: Option<String>,
    account: Option<Subject>,
    session: Option<SessionId>,
    new_email: Option<String>,
    challenge: Option<ChallengeId>,
    password_hash: Option<String>,
    expires_at: Millis,
    created_at: Millis,
    tries: u64,
    /// Between two mails of one kind to one owner.
    cooldown: Duration,
}

/// Whose code it is, and where it goes.
pub(super) struct Addressee {
    account: Subject,
    /// The account's own address.
    pub(super) email: String,
    /// Whether an authenticator app is enrolled: then it is asked for, and no code is mailed.
    has_app: bool,
}

pub(super) async fn prepare(
    write: &Write<'_>,
    errand: u64,
    code: Option<&DrawnCode>,
    cooldown: Duration,
) -> Outcome<Prepared> {
    let find = "SELECT * FROM outbox WHERE id = $1 AND expires_at > $2 AND dead_at IS NULL";
    let row = write.db.row(find, &[&int(errand), &write.now.0]).await?;
    let Some(row) = row else {
        return Ok(Prepared::Nothing);
    };
    let wanted = Wanted {
        id: int(errand),
        errand: get(&row, "errand")?,
        email: get(&row, "email")?,
        account: maybe_bytes(&row, "account")?.map(Subject::from_bytes),
        session: maybe_bytes(&row, "session")?.map(SessionId::from_bytes),
        new_email: get(&row, "new_email")?,
        challenge: maybe_bytes(&row, "challenge")?.map(ChallengeId::from_bytes),
        password_hash: get(&row, "password_hash")?,
        expires_at: millis(&row, "expires_at")?,
        created_at: millis(&row, "created_at")?,
        tries: uint(&row, "tries")?,
        cooldown,
    };
    let (Some(challenge), Some(code)) = (wanted.challenge, code) else {
        return notice(write, &wanted).await;
    };
    let bound = &code.binding;
    codes::hold(write, bound.purpose, bound.account, &bound.email).await?;
    match wanted.errand.as_str() {
        SIGN_UP | ACTIVATION => activation(write, &wanted, challenge, code).await,
        RECOVERY => recovery(write, &wanted, challenge, code).await,
        STEP_UP => step_up(write, &wanted, challenge, code).await,
        EMAIL_CHANGE => email_change(write, &wanted, challenge, code).await,
        RESEND => resend(write, &wanted, challenge, code).await,
        _ => Ok(Prepared::Nothing),
    }
}

async fn notice(write: &Write<'_>, wanted: &Wanted) -> Outcome<Prepared> {
    let Some(mail) = errand::notice(&wanted.errand) else {
        return Ok(Prepared::Nothing);
    };
    let to = match (&wanted.email, wanted.account) {
        (Some(email), _) => Some(email.clone()),
        (None, Some(account)) => address(write, account).await?,
        (None, None) => None,
    };
    match to {
        Some(to) => send(write, wanted, &to, mail, None).await,
        None => Ok(Prepared::Nothing),
    }
}

/// A sign-up, or a new code for the one that is pending.
async fn activation(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    let Some(email) = &wanted.email else {
        return Ok(Prepared::Nothing);
    };
    if is_registered(write, email).await? {
        add_sign_up(write, wanted, challenge, email, None).await?;
        let told = Told::By(Mail::AlreadyRegistered);
        return instead_of_code(write, wanted, challenge, email, told).await;
    }
    let pending = match &wanted.password_hash {
        Some(own) => vec![own.clone()],
        None => pending(write, email).await?,
    };
    match pending.as_slice() {
        [] => {
            add_sign_up(write, wanted, challenge, email, None).await?;
            let told = Told::Nothing(Purpose::Activation);
            instead_of_code(write, wanted, challenge, email, told).await
        }
        // One that an earlier try has mailed still opens while this one waits: its owner has no other.
        [password_hash] => {
            add_sign_up(write, wanted, challenge, email, Some(password_hash)).await?;
            let purpose = Purpose::Activation;
            send_code(write, wanted, challenge, purpose, None, email, code).await
        }
        // PW-18: a code that activated a stranger's sign-up would open the account to the stranger's password.
        [_, _, ..] => {
            add_sign_up(write, wanted, challenge, email, None).await?;
            let told = Told::By(Mail::SignUpAgain);
            instead_of_code(write, wanted, challenge, email, told).await
        }
    }
}

/// The challenge of a sign-up, which no code opens yet.
async fn add_sign_up(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    email: &str,
    password_hash: Option<&str>,
) -> Outcome<()> {
    const ADD: &str = "
        INSERT INTO challenges (id, purpose, email, password_hash, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let id = challenge.as_bytes().as_slice();
    let purpose = Purpose::Activation.name();
    let (expires_at, now) = (wanted.expires_at.0, write.now.0);
    let arguments: Arguments<'_> = &[&id, &purpose, &email, &password_hash, &expires_at, &now];
    write.db.execute(ADD, arguments).await.map(drop)
}

/// An unknown address, and that of an account that cannot be used, gets a challenge that no code opens, and no mail.
async fn recovery(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    let Some(email) = &wanted.email else {
        return Ok(Prepared::Nothing);
    };
    let purpose = Purpose::Recovery;
    let account = of_address(write, email).await?;
    add_challenge(write, wanted, challenge, purpose, account, email).await?;
    match account {
        Some(_) => send_code(write, wanted, challenge, purpose, account, email, code).await,
        None => {
            let told = Told::Nothing(purpose);
            instead_of_code(write, wanted, challenge, email, told).await
        }
    }
}

async fn step_up(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    let addressee = of_session(write, wanted.account, wanted.session).await?;
    let Some(Addressee {
        account,
        email,
        has_app,
    }) = addressee
    else {
        return Ok(Prepared::Nothing);
    };
    let (purpose, account) = (Purpose::StepUp, Some(account));
    add_challenge(write, wanted, challenge, purpose, account, &email).await?;
    if has_app {
        return Ok(Prepared::Nothing);
    }
    send_code(write, wanted, challenge, purpose, account, &email, code).await
}

/// PW-16: the address that the account has is told at once. An address that another account has looks the same to the caller.
async fn email_change(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    let addressee = of_session(write, wanted.account, wanted.session).await?;
    let (Some(new_email), Some(Addressee { account, email, .. })) = (&wanted.new_email, addressee)
    else {
        return Ok(Prepared::Nothing);
    };
    let (purpose, account) = (Purpose::EmailChange, Some(account));
    if add_challenge(write, wanted, challenge, purpose, account, &email).await? {
        let asked = errand::EMAIL_CHANGE_ASKED;
        outbox::add_notice(write, asked, account, Some(&email)).await?;
    }
    if is_registered(write, new_email).await? {
        return send(write, wanted, new_email, Mail::AddressTaken, None).await;
    }
    send_code(write, wanted, challenge, purpose, account, new_email, code).await
}

/// A challenge that no code opens yet. False: it is there already, from an earlier try.
async fn add_challenge(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    email: &str,
) -> Outcome<bool> {
    const ADD: &str = "
        INSERT INTO challenges (id, purpose, email, new_email, account, session, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
    let added = write
        .db
        .execute(
            ADD,
            &[
                &challenge.as_bytes().as_slice(),
                &purpose.name(),
                &email,
                &wanted.new_email,
                &account.as_ref().map(|id| id.as_bytes().as_slice()),
                &wanted.session.as_ref().map(|id| id.as_bytes().as_slice()),
                &wanted.expires_at.0,
                &write.now.0,
            ],
        )
        .await?;
    Ok(added > 0)
}

/// A new code, unless one of the challenge has been mailed since it was asked for: the newer would only kill the older.
async fn resend(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    const FIND: &str = "
        SELECT purpose, email, new_email, account, session, password_hash IS NOT NULL AS is_sign_up FROM challenges
        WHERE id = $1 AND used_at IS NULL AND created_at > $2
            AND ((code_mac IS NULL AND long_code_mac IS NULL) OR mailed_at < $3 OR $4)";
    let id = challenge.as_bytes().as_slice();
    let since = write.now.minus(DAY).0;
    let is_again = wanted.tries > 0;
    let conditions: Arguments<'_> = &[&id, &since, &wanted.created_at.0, &is_again];
    let Some(row) = write.db.row(FIND, conditions).await? else {
        return Ok(Prepared::Nothing);
    };
    let Some(purpose) = Purpose::from_name(get(&row, "purpose")?) else {
        return Ok(Prepared::Nothing);
    };
    let email: String = get(&row, "email")?;
    let account = maybe_bytes(&row, "account")?.map(Subject::from_bytes);
    let session = maybe_bytes(&row, "session")?.map(SessionId::from_bytes);
    let to = match purpose {
        Purpose::Activation if get(&row, "is_sign_up")? => {
            if is_registered(write, &email).await? {
                let told = Told::By(Mail::AlreadyRegistered);
                return instead_of_code(write, wanted, challenge, &email, told).await;
            }
            email
        }
        Purpose::Recovery if account.is_some() && account == of_address(write, &email).await? => {
            email
        }
        Purpose::StepUp => match of_session(write, account, session).await? {
            Some(addressee) if !addressee.has_app => addressee.email,
            _ => return Ok(Prepared::Nothing),
        },
        Purpose::EmailChange => {
            let is_live = of_session(write, account, session).await?.is_some();
            let new_email: Option<String> = get(&row, "new_email")?;
            let Some(new_email) = new_email.filter(|_| is_live) else {
                return Ok(Prepared::Nothing);
            };
            if is_registered(write, &new_email).await? {
                let told = Told::By(Mail::AddressTaken);
                return instead_of_code(write, wanted, challenge, &new_email, told).await;
            }
            new_email
        }
        Purpose::Activation | Purpose::Recovery => {
            let told = Told::Nothing(purpose);
            return instead_of_code(write, wanted, challenge, &email, told).await;
        }
        Purpose::Login => return Ok(Prepared::Nothing),
    };
    send_code(write, wanted, challenge, purpose, account, &to, code).await
}

/// A mail with a code, unless codes of that purpose are closed for today; from then on the code opens the challenge, and older ones of
/// that purpose open nothing. A recovery still gets its long code when short ones are closed (RL-03).
async fn send_code(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    purpose: Purpose,
    account: Option<Subject>,
    to: &str,
    code: &DrawnCode,
) -> Outcome<Prepared> {
    const SET: &str = "
        UPDATE challenges SET code_mac = $2, long_code_mac = $3, expires_at = $4, mailed_at = $5 WHERE id = $1";
    let is_closed = codes::attempts_today(write, purpose, account, to).await? >= MAX_WRONG_PER_DAY;
    let Some(mail) = purpose.mail(is_closed) else {
        return Ok(Prepared::Nothing);
    };
    if code.binding.account != account || code.binding.email != to {
        return again(write, wanted, write.now).await;
    }
    let prepared = send(write, wanted, to, mail, account).await?;
    if matches!(prepared, Prepared::Send { .. }) {
        codes::close_others(write, challenge, purpose, account, to).await?;
        let id = challenge.as_bytes().as_slice();
        let mac = (!is_closed).then_some(code.mac.as_slice());
        let long_mac = (purpose == Purpose::Recovery).then_some(code.long_mac.as_slice());
        let (expires_at, now) = (wanted.expires_at.0, write.now.0);
        let arguments: Arguments<'_> = &[&id, &mac, &long_mac, &expires_at, &now];
        write.db.execute(SET, arguments).await?;
    }
    Ok(prepared)
}

/// What happens where no code may go out.
#[derive(Clone, Copy)]
enum Told {
    /// Another mail.
    By(Mail),
    /// No mail, at the pace of those with a code for that purpose.
    Nothing(Purpose),
}

/// ER-02: the challenge lives on as if a code had gone out. Else an answer, or the time of one, would tell that none has.
async fn instead_of_code(
    write: &Write<'_>,
    wanted: &Wanted,
    challenge: ChallengeId,
    to: &str,
    told: Told,
) -> Outcome<Prepared> {
    let mail = match told {
        Told::By(mail) => mail,
        Told::Nothing(purpose) => match purpose.mail(false) {
            Some(mail) => mail,
            None => return Ok(Prepared::Nothing),
        },
    };
    let prepared = send(write, wanted, to, mail, None).await?;
    if !matches!(prepared, Prepared::Send { .. }) {
        return Ok(prepared);
    }
    let live_on = "UPDATE challenges SET expires_at = $2, mailed_at = $3 WHERE id = $1";
    let id = challenge.as_bytes().as_slice();
    let arguments: Arguments<'_> = &[&id, &wanted.expires_at.0, &write.now.0];
    write.db.execute(live_on, arguments).await?;
    match told {
        Told::By(_) => Ok(prepared),
        Told::Nothing(_) => Ok(Prepared::Nothing),
    }
}

/// The mail, unless one like it went to that account (without one: to that address) less than a minute ago: then the errand waits.
async fn send(
    write: &Write<'_>,
    wanted: &Wanted,
    to: &str,
    mail: Mail,
    account: Option<Subject>,
) -> Outcome<Prepared> {
    // Of two companions with a mail of one kind to one address the second waits here, and then finds it too early.
    const SEND: &str = "
        INSERT INTO mails_sent (email, mail, at) VALUES ($1, $2, $3)
        ON CONFLICT (email, mail) DO UPDATE SET at = excluded.at WHERE mails_sent.at <= $4
        RETURNING at";
    let whose = account.map_or_else(|| to.to_owned(), |account| account.to_string());
    let cold = write.now.minus(wanted.cooldown).0;
    let sent = write
        .db
        .row(SEND, &[&whose, &mail.kind().name(), &write.now.0, &cold])
        .await?;
    if sent.is_some() {
        return Ok(Prepared::Send {
            to: to.to_owned(),
            mail,
        });
    }
    let later = "
        UPDATE outbox SET due_at = $3 + (SELECT at FROM mails_sent WHERE email = $1 AND mail = $2) WHERE id = $4";
    write
        .db
        .execute(
            later,
            &[
                &whose,
                &mail.kind().name(),
                &span_millis(wanted.cooldown),
                &wanted.id,
            ],
        )
        .await?;
    Ok(Prepared::Later)
}

async fn again(write: &Write<'_>, wanted: &Wanted, at: Millis) -> Outcome<Prepared> {
    let set = "UPDATE outbox SET due_at = $2 WHERE id = $1";
    write.db.execute(set, &[&wanted.id, &at.0]).await?;
    Ok(Prepared::Later)
}

async fn is_registered(write: &Write<'_>, email: &str) -> Outcome<bool> {
    let find = "SELECT EXISTS (SELECT 1 FROM accounts WHERE email = $1) AS found";
    get(&write.db.only_row(find, &[&email]).await?, "found")
}

/// The account of that address, if it can be used.
async fn of_address(write: &Write<'_>, email: &str) -> Outcome<Option<Subject>> {
    let find = "SELECT id FROM accounts WHERE email = $1 AND is_active";
    match write.db.row(find, &[&email]).await? {
        Some(row) => Ok(maybe_bytes(&row, "id")?.map(Subject::from_bytes)),
        None => Ok(None),
    }
}

/// The account of a session that can be used.
pub(super) async fn of_session(
    write: &Write<'_>,
    account: Option<Subject>,
    session: Option<SessionId>,
) -> Outcome<Option<Addressee>> {
    const FIND: &str = "
        SELECT email, EXISTS (SELECT 1 FROM totp WHERE totp.account = accounts.id AND is_confirmed) AS has_app
        FROM sessions JOIN accounts ON accounts.id = sessions.account
        WHERE sessions.id = $1 AND sessions.account = $2 AND ended_at IS NULL
            AND idle_deadline > $3 AND absolute_deadline > $3 AND is_active";
    let Some((account, session)) = account.zip(session) else {
        return Ok(None);
    };
    let (id, of) = (session.as_bytes().as_slice(), account.as_bytes().as_slice());
    let Some(row) = write.db.row(FIND, &[&id, &of, &write.now.0]).await? else {
        return Ok(None);
    };
    Ok(Some(Addressee {
        account,
        email: get(&row, "email")?,
        has_app: get(&row, "has_app")?,
    }))
}

pub(super) async fn address(write: &Write<'_>, account: Subject) -> Outcome<Option<String>> {
    let find = "SELECT email FROM accounts WHERE id = $1 AND deleted_at IS NULL";
    let id = account.as_bytes().as_slice();
    let row = write.db.row(find, &[&id]).await?;
    row.as_ref().map(|row| get(row, "email")).transpose()
}

/// The different sign-ups of that address that were not activated; two are enough to know that there are several.
async fn pending(write: &Write<'_>, email: &str) -> Outcome<Vec<String>> {
    const PENDING: &str = "
        SELECT DISTINCT password_hash FROM challenges
        WHERE email = $1 AND purpose = $2 AND used_at IS NULL AND password_hash IS NOT NULL AND created_at > $3
        LIMIT 2";
    let since = write.now.minus(DAY).0;
    let rows = write
        .db
        .rows(PENDING, &[&email, &Purpose::Activation.name(), &since])
        .await?;
    rows.iter().map(|row| get(row, "password_hash")).collect()
}
