//! Someone with an address and a password: signs up, logs in, refreshes, logs out, over the companion's public calls.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::mailbox::Mailbox;

/// An account's owner.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
}

/// What a login or a refresh handed out.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The session.
    pub session: String,
}

impl Visitor {
    /// One of that name.
    pub fn named(name: &str) -> Self {
        Self {
            email: format!("{name}@example.com"),
            password: format!("correct horse battery {name}"),
        }
    }

    /// Signs up; 202 with a challenge.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`].
    pub fn sign_up(&self, client: &Client) -> Result<Answer, Fault> {
        client
            .post("/auth/v1/accounts")
            .json(&json!({ "email": self.email, "password": self.password }))
            .send()
    }

    /// Signs up and enters the code from the mail.
    ///
    /// # Errors
    /// When a step does not answer as it must.
    pub fn register(&self, client: &Client, mailbox: &Mailbox) -> Result<(), Fault> {
        let challenge = self
            .sign_up(client)?
            .expect(202, "sign-up")?
            .string("/challenge_id");
        let code = mailbox.code_for(&self.email)?;
        enter_code(client, &challenge, &code)?.expect(200, "activation")?;
        Ok(())
    }

    /// Tries to log in.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`].
    pub fn try_login(&self, client: &Client) -> Result<Answer, Fault> {
        client
            .post("/auth/v1/sessions")
            .json(&json!({ "email": self.email, "password": self.password }))
            .send()
    }

    /// Logs in.
    ///
    /// # Errors
    /// When the answer is not 201.
    pub fn login(&self, client: &Client) -> Result<Tokens, Fault> {
        Tokens::of(&self.try_login(client)?.expect(201, "login")?)
    }
}

impl Tokens {
    /// Those in the answer to a login or a refresh.
    ///
    /// # Errors
    /// When one is missing.
    pub fn of(answer: &Answer) -> Result<Self, Fault> {
        let tokens = Self {
            access: answer.string("/access_token"),
            refresh: answer.string("/refresh_token"),
            session: answer.string("/session/id"),
        };
        if tokens.access.is_empty() || tokens.refresh.is_empty() || tokens.session.is_empty() {
            return Err(Fault::new("the answer has no tokens"));
        }
        Ok(tokens)
    }

    /// Presents the refresh token.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`].
    pub fn try_refresh(&self, client: &Client) -> Result<Answer, Fault> {
        client
            .post("/auth/v1/sessions/refresh")
            .json(&json!({ "refresh_token": self.refresh }))
            .send()
    }

    /// Rotates.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn refresh(&self, client: &Client) -> Result<Self, Fault> {
        Self::of(&self.try_refresh(client)?.expect(200, "refresh")?)
    }

    /// Logs out with the access token.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`].
    pub fn log_out(&self, client: &Client) -> Result<Answer, Fault> {
        client
            .delete("/auth/v1/sessions/current")
            .bearer(&self.access)
            .send()
    }

    /// Calls the app with the access token.
    ///
    /// # Errors
    /// As [`crate::client::Request::send`].
    pub fn call(&self, client: &Client) -> Result<Answer, Fault> {
        client.get("/orders").bearer(&self.access).send()
    }
}

/// Enters a code.
///
/// # Errors
/// As [`crate::client::Request::send`].
pub fn enter_code(client: &Client, challenge: &str, code: &str) -> Result<Answer, Fault> {
    client
        .post(&format!("/auth/v1/challenges/{challenge}/verify"))
        .json(&json!({ "code": code }))
        .send()
}

/// A receipt in words.
pub fn receipt(answer: &Answer) -> String {
    let receipt = &answer.json()["revocation"];
    let count = |name: &str| receipt["gateways"][name].as_u64();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    match (count("live"), count("applied")) {
        (Some(live), Some(applied)) => format!(
            "number {}, applied by {applied} of {live} gateways, in force since {}",
            receipt["seq"],
            text(receipt.get("effective_by")).unwrap_or_default()
        ),
        _ => receipt.to_string(),
    }
}
