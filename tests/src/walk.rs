//! The main job, step by step, on screen: what is asked, what came back, and whether it is what must come.
//!
//! Tokens are shown by their beginnings alone: a transcript opens nothing.

use std::time::Duration;

use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor, enter_code, receipt};
use crate::watch::{Stopwatch, wait_for};

/// How long a stolen session's access token may live after the theft was noticed; it takes milliseconds.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Walks through `stack`.
///
/// # Errors
/// At the first step that does not show what it must.
pub fn walk(stack: &Stack) -> Result<(), Fault> {
    let client = stack.client()?;
    let visitor = Visitor::named("alice");
    match stack.addresses().as_slice() {
        [gateway] => println!("The gateway is {gateway}."),
        gateways => println!("The gateways are {}.", gateways.join(" and ")),
    }
    sign_up(stack, &client, &visitor)?;
    let tokens = log_in(&client, &visitor)?;
    call(stack, &tokens)?;
    list_sessions(&client, &tokens)?;
    let tokens = refresh(&client, &tokens)?;
    log_out(stack, &client, &tokens)?;
    reuse(&client, &visitor)?;
    println!("\nEvery step showed what it must.");
    Ok(())
}

fn sign_up(stack: &Stack, client: &Client, visitor: &Visitor) -> Result<(), Fault> {
    title(1, "Sign up");
    ask("POST /auth/v1/accounts", &visitor.email);
    let answer = visitor.sign_up(client)?;
    tell(
        &answer,
        &format!("challenge {}", answer.string("/challenge_id")),
    );
    let challenge = answer.expect(202, "sign-up")?.string("/challenge_id");

    title(2, "The code from the mail");
    let mailbox = stack.mailbox();
    let code = mailbox.code_for(&visitor.email)?;
    println!("   a mail in {} says {code}", mailbox.folder().display());
    ask("POST /auth/v1/challenges/{id}/verify", &code);
    let answer = enter_code(client, &challenge, &code)?;
    tell(&answer, "the account is active");
    answer.expect(200, "activation").map(drop)
}

fn log_in(client: &Client, visitor: &Visitor) -> Result<Tokens, Fault> {
    title(3, "Log in");
    ask("POST /auth/v1/sessions", &visitor.email);
    let answer = visitor.try_login(client)?;
    tell(&answer, &shown(&answer));
    Tokens::of(&answer.expect(201, "login")?)
}

fn call(stack: &Stack, tokens: &Tokens) -> Result<(), Fault> {
    title(4, "Call the app, which has no authentication code");
    at_each_gateway(stack, |client| call_at(client, tokens))
}

fn call_at(client: &Client, tokens: &Tokens) -> Result<(), Fault> {
    ask("GET /orders", "without a token");
    let answer = client.get("/orders").send()?;
    tell(
        &answer,
        answer.header("www-authenticate").unwrap_or_default(),
    );
    answer.expect(401, "a call without a token")?;

    ask(
        "GET /orders",
        "with the access token, and a forged x-auth-subject: admin",
    );
    let answer = client
        .get("/orders")
        .bearer(&tokens.access)
        .header("x-auth-subject", "admin")
        .send()?;
    tell(&answer, "the app got");
    let answer = answer.expect(200, "a call with the access token")?;
    for name in [
        "x-auth-subject",
        "x-auth-session",
        "x-auth-roles",
        "authorization",
    ] {
        let values = answer.echoed(name);
        let values = if values.is_empty() {
            "-".to_owned()
        } else {
            values.join(" | ")
        };
        println!("          {name}: {values}");
    }
    let (subjects, sessions) = (
        answer.echoed("x-auth-subject"),
        answer.echoed("x-auth-session"),
    );
    check(
        subjects.len() == 1 && subjects[0].len() == 32,
        "one verified subject reaches the app",
    )?;
    check(
        sessions == [tokens.session.clone()],
        "the session reaches the app",
    )?;
    check(
        answer.echoed("authorization").is_empty(),
        "the token stays at the gateway",
    )
}

fn list_sessions(client: &Client, tokens: &Tokens) -> Result<(), Fault> {
    title(5, "List the sessions");
    ask("GET /auth/v1/sessions", "");
    let answer = client
        .get("/auth/v1/sessions")
        .bearer(&tokens.access)
        .send()?;
    let sessions = answer.json()["sessions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    tell(&answer, &format!("{} session", sessions.len()));
    answer.expect(200, "the list of sessions")?;
    for session in &sessions {
        println!(
            "          {} from {}, created {}, current: {}",
            session["id"].as_str().unwrap_or_default(),
            session["ip"].as_str().unwrap_or_default(),
            session["created_at"].as_str().unwrap_or_default(),
            session["current"],
        );
    }
    let [session] = sessions.as_slice() else {
        return Err(Fault::new("there is not exactly one session"));
    };
    check(
        session["id"] == tokens.session.as_str(),
        "it is the session of the login",
    )
}

fn refresh(client: &Client, tokens: &Tokens) -> Result<Tokens, Fault> {
    title(6, "Refresh");
    ask(
        "POST /auth/v1/sessions/refresh",
        &shortened(&tokens.refresh),
    );
    let answer = tokens.try_refresh(client)?;
    tell(&answer, &shown(&answer));
    let next = Tokens::of(&answer.expect(200, "refresh")?)?;
    check(
        next.refresh != tokens.refresh,
        "the refresh token is another",
    )?;
    check(next.session == tokens.session, "the session is the same")?;
    ask("GET /orders", "with the new access token");
    let answer = next.call(client)?;
    tell(&answer, "");
    answer.expect(200, "a call with the new access token")?;
    Ok(next)
}

fn log_out(stack: &Stack, client: &Client, tokens: &Tokens) -> Result<(), Fault> {
    title(7, "Log out");
    ask("DELETE /auth/v1/sessions/current", "");
    let watch = Stopwatch::start();
    let answer = tokens.log_out(client)?;
    let took = watch.milliseconds();
    let since = Stopwatch::start();
    tell(&answer, &format!("after {took}: {}", receipt(&answer)));
    answer.expect(200, "logout")?;

    title(8, "Call again with the token that was good a moment ago");
    at_each_gateway(stack, |client| {
        ask("GET /orders", &shortened(&tokens.access));
        let answer = tokens.call(client)?;
        tell(
            &answer,
            &format!("{} after the logout's answer", since.milliseconds()),
        );
        answer.expect(401, "a call after the logout").map(drop)
    })
}

/// Names the gateways only where there are several.
fn at_each_gateway(
    stack: &Stack,
    mut step: impl FnMut(&Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let addresses = stack.addresses();
    for (number, address) in addresses.iter().enumerate() {
        if addresses.len() > 1 {
            println!("   at {address}");
        }
        step(&stack.client_of(number)?)?;
    }
    Ok(())
}

fn reuse(client: &Client, visitor: &Visitor) -> Result<(), Fault> {
    title(
        9,
        "A stolen refresh token: log in again, refresh twice, present the oldest",
    );
    let first = visitor.login(client)?;
    let second = first.refresh(client)?;
    let third = second.refresh(client)?;
    ask("GET /orders", "with the newest access token");
    let answer = third.call(client)?;
    tell(&answer, "");
    answer.expect(200, "a call before the theft")?;

    ask("POST /auth/v1/sessions/refresh", &shortened(&first.refresh));
    let answer = first.try_refresh(client)?;
    let since = Stopwatch::start();
    tell(&answer, &answer.string("/code"));
    let answer = answer.expect(401, "reuse")?;
    check(
        answer.string("/code") == "invalid_refresh_token",
        "the code is the documented one",
    )?;

    ask("GET /orders", "with the newest access token");
    let answer = wait_for("the thief's session to end", AT_ONCE, || {
        let answer = third.call(client)?;
        Ok((answer.status != 200).then_some(answer))
    })?;
    tell(
        &answer,
        &format!("{} after the reuse was noticed", since.milliseconds()),
    );
    answer.expect(401, "a call after the reuse")?;

    ask("POST /auth/v1/sessions/refresh", &shortened(&third.refresh));
    let answer = third.try_refresh(client)?;
    tell(
        &answer,
        "the session has ended for the thief and for the owner",
    );
    answer
        .expect(401, "the newest refresh token after the reuse")
        .map(drop)
}

fn title(number: u32, text: &str) {
    println!("\n{number}. {text}");
}

fn ask(call: &str, with: &str) {
    println!("   {call}  {with}");
}

fn tell(answer: &Answer, what: &str) {
    println!("     {}  {what}", answer.status);
}

fn check(holds: bool, what: &str) -> Result<(), Fault> {
    if holds {
        return Ok(());
    }
    Err(Fault::new(format!("not so: {what}")))
}

/// The tokens of an answer, by their beginnings.
fn shown(answer: &Answer) -> String {
    format!(
        "access token {}, refresh token {}, session {}",
        shortened(&answer.string("/access_token")),
        shortened(&answer.string("/refresh_token")),
        answer.string("/session/id"),
    )
}

fn shortened(token: &str) -> String {
    let beginning: String = token.chars().take(16).collect();
    format!("{beginning}… ({} characters)", token.len())
}
