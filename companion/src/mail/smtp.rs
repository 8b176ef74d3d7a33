//! Mail over SMTP: one connection for each mail, so that a server that went and came back meets no connection of before.

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport as _, Message, Tokio1Executor};

use super::{Failure, MailError};
use crate::config::{self, SmtpTls};
use crate::{secret, tls};

/// The server.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

/// RFC 4954 section 6: the login is at fault, and not the mail.
const OF_THE_LOGIN: [&str; 4] = ["530", "534", "535", "538"];

impl Smtp {
    /// Reads what the connection needs; calls nobody.
    pub(super) fn open(
        host: &str,
        settings: &config::Smtp,
        domain: &str,
    ) -> Result<Self, MailError> {
        let timeout = settings.timeout.get();
        let tls = match settings.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Required => Tls::Wrapper(parameters(host, settings)?),
            SmtpTls::Starttls => Tls::Required(parameters(host, settings)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.port())
            .tls(tls)
            .hello_name(ClientId::Domain(domain.to_owned()))
            .timeout(Some(timeout));
        if let Some(username) = &settings.username {
            let password = secret::referred(
                settings.password_file.as_deref(),
                settings.password_env.as_deref(),
            )
            .map_err(MailError::at("smtp.password_file"))?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        Ok(Self {
            transport: builder.build(),
            timeout,
        })
    }

    /// Connects, logs in where it does, and sends nothing.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        match tokio::time::timeout(self.timeout, self.transport.test_connection()).await {
            Err(_) => Err(Failure::passing("the server did not answer in time")),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Failure::passing("the server does not go on")),
        }
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), Failure> {
        // The library's own limit is for each step.
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Err(_) => Err(Failure::passing("the server did not answer in time")),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

fn parameters(host: &str, settings: &config::Smtp) -> Result<TlsParameters, MailError> {
    const WHAT: &str = "smtp.ca_file";
    let authorities = tls::authorities(settings.ca_file.as_deref()).map_err(MailError::at(WHAT))?;
    let mut builder =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
    for authority in authorities {
        let authority = Certificate::from_der(authority.to_vec()).map_err(MailError::at(WHAT))?;
        builder = builder.add_root_certificate(authority);
    }
    builder.build().map_err(MailError::at(WHAT))
}

/// What a server says in its answers may repeat the address, and whatever else it likes: only the code is kept.
fn failure(error: &Error) -> Failure {
    if let Some(code) = error.status() {
        let code = code.to_string();
        let why = format!("the server answered {code}");
        let is_lasting = error.is_permanent() && !OF_THE_LOGIN.contains(&code.as_str());
        return Failure { is_lasting, why };
    }
    if error.is_timeout() {
        return Failure::passing("the server did not answer in time");
    }
    if error.is_response() {
        return Failure::passing("the server's answer is no SMTP");
    }
    // Of this machine: its network, its TLS, its own words.
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        source = inner.source();
        let inner = inner.to_string();
        if !why.ends_with(&inner) {
            why = format!("{why}: {inner}");
        }
    }
    Failure::passing(super::printable(&why))
}
