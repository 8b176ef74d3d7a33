//! Mail over a real SMTP server: how it is protected, and what becomes of it when the server refuses, is slow, or is away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use companion::config::{Settings, Smtp, SmtpTls};
use companion::span::Span;
use companion::throttle::Limit;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::fault::Fault;
use tests::mailbox::code_in;
use tests::smtp::{Security, SmtpServer};
use tests::visitor::{Visitor, enter_code};
use tests::watch::wait_for;

use crate::authority::Authority;
use crate::{HOUR, MINUTE, refusal, stored};

const PATIENCE: Duration = Duration::from_secs(15);

fn plain() -> SmtpServer {
    SmtpServer::start(Security::default()).unwrap()
}

/// Settings that send mail there.
fn over(server: &SmtpServer, tls: SmtpTls) -> impl Fn(&mut Settings) + use<> {
    let port = server.port();
    move |settings| {
        settings.smtp = Smtp {
            host: Some("localhost".to_owned()),
            port,
            tls,
            from: Some("Example <login@example.com>".to_owned()),
            ..Smtp::default()
        };
    }
}

fn companion_over(server: &SmtpServer) -> Companion {
    Companion::with(over(server, SmtpTls::None)).unwrap()
}

fn sign_up(client: &Client, name: &str) -> (Visitor, Answer) {
    let visitor = Visitor::named(name);
    let answer = visitor.sign_up(client).unwrap();
    assert_eq!(answer.status, 202);
    (visitor, answer)
}

/// Waits until somebody has tried to hand over so many mails to that address.
fn wait_for_tries(server: &SmtpServer, address: &str, count: usize) {
    wait_for("a try", PATIENCE, || {
        Ok((server.tries(address).len() >= count).then_some(()))
    })
    .unwrap();
}

/// Waits until the one number that this query gives is that.
fn wait_for_stored(companion: &Companion, query: &str, wanted: u32) {
    let what = format!("{wanted} as the answer to {query}");
    wait_for(&what, PATIENCE, || {
        Ok((stored::<u32>(companion, query) == wanted).then_some(()))
    })
    .unwrap();
}

const FAILED: &str = "SELECT coalesce(max(tries), 0) FROM outbox WHERE dead_at IS NULL";
const DEAD: &str = "SELECT COUNT(*) FROM outbox WHERE dead_at IS NOT NULL";
const LEFT: &str = "SELECT COUNT(*) FROM outbox";

/// A mail as readers want it, to the stored address; and no file beside it.
#[test]
fn a_code_goes_over_smtp_and_opens_the_account() {
    let server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    let (alice, answer) = sign_up(&client, "alice");
    let mails = server.mailbox().wait_for(&alice.email, 1).unwrap();
    for line in [
        "From: Example <login@example.com>",
        "To: alice@example.com",
        "Subject: Your code",
        "Auto-Submitted: auto-generated",
        "Date: Fri, 15 Jan 2027 08:00:00 +0000",
    ] {
        assert!(
            mails[0].lines().any(|found| found == line),
            "{line}: {}",
            mails[0]
        );
    }
    let (text, html) = mails[0].split_once("text/html").unwrap();
    let code = code_in(text).unwrap();
    assert!(text.contains("text/plain") && html.contains(&code));
    let challenge = answer.string("/challenge_id");
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    assert!(!companion.state().join("mail").exists());
    wait_for_stored(&companion, LEFT, 0);
}

/// The password crosses no network in the clear, and the server is the one whose certificate an authority of ours has signed.
#[test]
fn smtp_with_tls_from_the_first_byte_or_by_starttls_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let strange = Authority::new(folder.path(), "strange");
    let certificate = ours.sign("server", "localhost");
    let password = folder.path().join("password");
    fs::write(&password, "s3cret pass\n").unwrap();
    private(&password);
    for (word, tls) in [
        ("required", SmtpTls::Required),
        ("starttls", SmtpTls::Starttls),
    ] {
        let server = SmtpServer::start(Security {
            tls: word.to_owned(),
            certificate: Some((certificate.chain.clone(), certificate.key.clone())),
            login: Some("latchkey:s3cret pass".to_owned()),
        })
        .unwrap();
        let login = |settings: &mut Settings, ca: &Path| {
            over(&server, tls)(settings);
            settings.smtp.username = Some("latchkey".to_owned());
            settings.smtp.password_file = Some(password.clone());
            settings.smtp.ca_file = Some(ca.to_owned());
        };
        let companion = Companion::with(|settings| login(settings, &ours.file)).unwrap();
        let visitor = Visitor::named("alice");
        visitor
            .register(&companion.client().unwrap(), &server.mailbox())
            .unwrap();
        let tries = server.tries(&visitor.email);
        assert_eq!(
            tries,
            ["alice@example.com 250 tls=True login=True"],
            "{word}"
        );

        // Another authority, another host, another password: no mail, and no end of it either.
        let refused: [&dyn Fn(&mut Settings); 3] = [
            &|settings| login(settings, &strange.file),
            &|settings| {
                login(settings, &ours.file);
                settings.smtp.host = Some("127.0.0.1".to_owned());
            },
            &|settings| {
                login(settings, &ours.file);
                settings.smtp.username = Some("somebody".to_owned());
            },
        ];
        for change in refused {
            let companion = Companion::with(|settings| change(settings)).unwrap();
            let (bob, _) = sign_up(&companion.client().unwrap(), "bob");
            wait_for_stored(&companion, FAILED, 1);
            assert!(server.tries(&bob.email).is_empty(), "{word}");
            assert_eq!(stored::<u32>(&companion, DEAD), 0);
        }
    }
}

/// Whoever sits between and takes STARTTLS out of the answer gets no mail.
#[test]
fn a_server_without_starttls_gets_no_mail_that_needs_it() {
    let server = plain();
    let companion = Companion::with(over(&server, SmtpTls::Starttls)).unwrap();
    let (alice, _) = sign_up(&companion.client().unwrap(), "alice");
    wait_for_stored(&companion, FAILED, 1);
    assert!(server.tries(&alice.email).is_empty());
}

/// A refusal that may pass: tried again, a minute later at the earliest (OT-08), and the code that comes at last is the one.
#[test]
fn a_mail_that_was_refused_for_now_is_sent_later() {
    let server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    server.answer("alice@example.com", "451 rcpt:421").unwrap();
    let (alice, answer) = sign_up(&client, "alice");
    for failed in 1..=2 {
        wait_for_stored(&companion, FAILED, failed);
        companion.advance_seconds(MINUTE);
    }
    let code = server.mailbox().code_for(&alice.email).unwrap();
    assert_eq!(server.tries(&alice.email).len(), 3);
    let challenge = answer.string("/challenge_id");
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    wait_for_stored(&companion, LEFT, 0);
}

/// ER-08, AU-03: refused for good, the mail is tried no more and stays to be seen, without the address and without anything that the
/// server made up; the caller sees nothing of it, and other mail goes.
#[test]
fn a_mail_that_was_refused_for_good_is_a_dead_letter() {
    let server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    server.answer("alice@example.com", "rcpt:550 554").unwrap();
    let (alice, refused) = sign_up(&client, "alice");
    wait_for_stored(&companion, DEAD, 1);
    let why: String = stored(&companion, "SELECT last_error FROM outbox");
    assert_eq!(why, "the server answered 550");
    let (bob, taken) = sign_up(&client, "bob");
    server.mailbox().code_for(&bob.email).unwrap();
    assert_eq!(without_challenge(&refused), without_challenge(&taken));

    companion.advance_seconds(MINUTE);
    // Asked for once more, it is tried once more.
    let challenge = refused.string("/challenge_id");
    let resend = format!("/auth/v1/challenges/{challenge}/resend");
    assert_eq!(client.post(&resend).send().unwrap().status, 202);
    wait_for_stored(&companion, DEAD, 2);
    companion.advance_seconds(MINUTE);
    assert_eq!(client.post(&resend).send().unwrap().status, 202);
    let code = server.mailbox().code_for(&alice.email).unwrap();
    assert_eq!(server.tries(&alice.email).len(), 3);
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    // The dead ones stay, and no hash of a password lies in them.
    assert_eq!(stored::<u32>(&companion, DEAD), 2);
    let hashes = "SELECT COUNT(*) FROM outbox WHERE password_hash IS NOT NULL";
    assert_eq!(stored::<u32>(&companion, hashes), 0);
}

fn without_challenge(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let (status, mut headers, body) = answer.observable();
    headers.retain(|(name, _)| name != "x-request-id");
    (
        status,
        headers,
        body.replace(&answer.string("/challenge_id"), "<challenge>"),
    )
}

/// A server that is slow with one mail holds up no other.
#[test]
fn a_slow_mail_does_not_hold_up_the_others() {
    let server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    server.answer("slow@example.com", "late").unwrap();
    let (slow, _) = sign_up(&client, "slow");
    wait_for_tries(&server, &slow.email, 1);
    for name in ["alice", "bob", "carol"] {
        let (quick, _) = sign_up(&client, name);
        server.mailbox().code_for(&quick.email).unwrap();
    }
    assert!(server.mailbox().mails_to(&slow.email).is_empty());
    server.release(&slow.email).unwrap();
    server.mailbox().code_for(&slow.email).unwrap();
    wait_for_stored(&companion, LEFT, 0);
}

/// ER-08: while the server is away everything answers as ever; when it is back the mail comes.
#[test]
fn mail_waits_for_a_server_that_is_away() {
    let mut server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    let (_, before) = sign_up(&client, "alice");
    server.mailbox().code_for("alice@example.com").unwrap();
    server.stop();
    let (bob, away) = sign_up(&client, "bob");
    assert_eq!(without_challenge(&before), without_challenge(&away));
    wait_for_stored(&companion, FAILED, 1);
    server.resume().unwrap();
    companion.advance_seconds(MINUTE);
    let code = server.mailbox().code_for(&bob.email).unwrap();
    let challenge = away.string("/challenge_id");
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
}

/// A code that nobody could be sent in time is given up: nobody waits for it any more.
#[test]
fn a_code_that_cannot_be_sent_while_it_is_good_is_given_up() {
    let mut server = plain();
    let companion = companion_over(&server);
    server.stop();
    sign_up(&companion.client().unwrap(), "alice");
    wait_for_stored(&companion, FAILED, 1);
    companion.advance_seconds(10 * MINUTE);
    wait_for_stored(&companion, DEAD, 1);
    let why: String = stored(&companion, "SELECT last_error FROM outbox");
    assert_eq!(why, "it could not be sent in time");
}

/// OT-08: mail that fails counts as mail that was sent.
#[test]
fn errors_of_mail_lift_no_limit() {
    let mut server = plain();
    let send_to = over(&server, SmtpTls::None);
    let companion = Companion::with(|settings| {
        send_to(settings);
        settings.limits.mail_per_email = Limit::new(3, 3, Duration::from_secs(900));
    })
    .unwrap();
    let client = companion.client().unwrap();
    server.stop();
    for _ in 0..3 {
        sign_up(&client, "alice");
    }
    let fourth = Visitor::named("alice").sign_up(&client).unwrap();
    assert_eq!(refusal(&fourth), (429, "rate_limited".to_owned()));
    sign_up(&client, "bob");
}

/// OT-08: the time between two mails of one kind is as long as the settings say, and the answer tells it.
#[test]
fn the_time_between_two_mails_can_be_set() {
    let server = plain();
    let send_to = over(&server, SmtpTls::None);
    let companion = Companion::with(|settings| {
        send_to(settings);
        settings.limits.mail_cooldown = Span::seconds(10);
    })
    .unwrap();
    let client = companion.client().unwrap();
    let (alice, first) = sign_up(&client, "alice");
    assert_eq!(first.string("/resend_after"), "2027-01-15T08:00:10Z");
    server.mailbox().wait_for(&alice.email, 1).unwrap();
    sign_up(&client, "alice");
    companion.advance_seconds(9);
    // What is asked for later is mailed later: this mail shows that the second is still waiting.
    let (bob, _) = sign_up(&client, "bob");
    server.mailbox().code_for(&bob.email).unwrap();
    assert_eq!(server.tries(&alice.email).len(), 1);
    companion.advance_seconds(1);
    server.mailbox().wait_for(&alice.email, 2).unwrap();
}

/// The budget of all together refuses nobody: it counts, and the operator is told.
#[test]
fn the_hourly_budget_of_all_mail_only_alarms() {
    let server = plain();
    let send_to = over(&server, SmtpTls::None);
    let companion = Companion::with(|settings| {
        send_to(settings);
        settings.limits.mail_hourly_total = Limit::new(1, 1, Duration::from_secs(HOUR));
    })
    .unwrap();
    let client = companion.client().unwrap();
    for name in ["alice", "bob", "carol"] {
        let (visitor, _) = sign_up(&client, name);
        server.mailbox().code_for(&visitor.email).unwrap();
    }
}

/// The mail has arrived and nobody has noted it: it comes once more, with another code, and that is the one.
#[test]
fn after_a_kill_between_sending_and_noting_it_the_newest_code_opens() {
    let server = plain();
    let companion = companion_over(&server);
    server.answer("alice@example.com", "hold").unwrap();
    let (alice, answer) = sign_up(&companion.client().unwrap(), "alice");
    let first = server.mailbox().code_for(&alice.email).unwrap();
    let survivor = companion.survivor().unwrap();
    drop(companion);
    survivor.advance_seconds(MINUTE);
    let mails = server.mailbox().wait_for(&alice.email, 2).unwrap();
    let codes: Vec<_> = mails.iter().filter_map(|mail| code_in(mail)).collect();
    let second = codes.into_iter().find(|code| *code != first).unwrap();
    let client = survivor.client().unwrap();
    let enter = |code: &str| enter_code(&client, &answer.string("/challenge_id"), code).unwrap();
    assert_eq!(refusal(&enter(&first)).0, 422);
    assert_eq!(enter(&second).status, 200);
    wait_for_stored(&survivor, LEFT, 0);
}

/// PW-16: the owner is told of a stolen refresh token, at the stored address.
#[test]
fn the_owner_is_told_of_a_stolen_refresh_token_over_smtp() {
    let server = plain();
    let companion = companion_over(&server);
    let client = companion.client().unwrap();
    let alice = Visitor::named("alice");
    alice.register(&client, &server.mailbox()).unwrap();
    let tokens = alice.login(&client).unwrap();
    tokens.refresh(&client).unwrap().refresh(&client).unwrap();
    assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
    let mails = server.mailbox().wait_for(&alice.email, 2).unwrap();
    assert!(mails[1].contains("Subject: One of your sessions has ended"));
}

/// OT-12: whatever a request says of the host, a mail names the configured one.
#[test]
fn a_mail_names_the_configured_address_and_not_the_request_s_host() {
    let companion = Companion::with(|settings| {
        settings.base_url = "https://www.example.com".to_owned();
        settings.mail.product = "Acme & Co".to_owned();
    })
    .unwrap();
    let client = companion.client().unwrap();
    let visitor = Visitor::named("alice");
    for name in [
        "x-forwarded-host",
        "x-original-host",
        "forwarded",
        "origin",
        "referer",
    ] {
        let request = client.post("/auth/v1/accounts");
        let body = serde_json::json!({ "email": visitor.email, "password": visitor.password });
        let value = if name == "forwarded" {
            "host=evil.example"
        } else {
            "https://evil.example"
        };
        let answer = request.header(name, value).json(&body).send().unwrap();
        if answer.status == 202 {
            companion.advance_seconds(MINUTE);
        }
    }
    let mails = companion.mailbox().wait_for(&visitor.email, 1).unwrap();
    for mail in mails {
        assert!(!mail.contains("evil"), "{mail}");
        assert!(mail.contains("@www.example.com>\r\n"), "{mail}");
        // Long lines are broken softly (RFC 2045 section 6.7).
        let html = mail.replace("=\r\n", "");
        assert!(
            html.contains("Acme &#38; Co, https://www.example.com"),
            "{mail}"
        );
    }
}

/// The operator's own words, and a mistake in them that is found at the start and not when somebody waits for his mail.
#[test]
fn the_operator_s_templates_are_used_and_wrong_ones_refused() -> Result<(), Fault> {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("activation_code.txt");
    fs::write(
        &text,
        "Subject: Hallo von {{ product }}\n\nDer Code für Sie:\n{{ code }}\n",
    )
    .unwrap();
    let mut companion = Companion::with(|settings| {
        settings.mail.templates = Some(folder.path().to_owned());
    })?;
    let alice = companion.account("alice")?;
    let mails = companion.mailbox().mails_to(&alice.email);
    assert!(mails[0].contains("Subject: Hallo von Latchkey\r\n"));
    assert!(mails[0].contains("Der Code f=C3=BCr Sie:\r\n"));
    for (wrong, what) in [
        ("Subject: Hallo\n\nDer Code: {{ kode }}\n", "{{ kode }}"),
        (
            "Subject: Hallo\n\nKein Code\n",
            "lacks the placeholder {{ code }}",
        ),
    ] {
        fs::write(&text, wrong).unwrap();
        companion.stop()?;
        let why = companion.resume().unwrap_err().to_string();
        assert!(
            why.contains("activation_code.txt") && why.contains(what),
            "{why}"
        );
    }
    Ok(())
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// ST-02, ST-03: a password that others can read is refused, and never shown.
#[test]
fn a_password_of_the_mail_server_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "hunter2").unwrap();
    let mut companion = Companion::stopped().unwrap();
    companion.change(|settings| {
        settings.smtp = Smtp {
            host: Some("127.0.0.1".to_owned()),
            tls: SmtpTls::None,
            from: Some("a@example.com".to_owned()),
            username: Some("a".to_owned()),
            password_file: Some(password.clone()),
            ..Smtp::default()
        };
    });
    let why = companion.resume().unwrap_err().to_string();
    assert!(
        why.contains("smtp.password_file") && why.contains("0600"),
        "{why}"
    );
    assert!(!why.contains("hunter2"));
    companion.change(|settings| {
        settings.smtp.password_file = None;
        settings.smtp.password_env = Some("LATCHKEY_TEST_NO_SUCH_VARIABLE".to_owned());
    });
    let why = companion.resume().unwrap_err().to_string();
    assert!(
        why.contains("LATCHKEY_TEST_NO_SUCH_VARIABLE is not set"),
        "{why}"
    );
    private(&password);
    companion.change(|settings| {
        settings.smtp.password_env = None;
        settings.smtp.password_file = Some(password.clone());
    });
    companion.resume().unwrap();
}
