//! Mail to a webhook: for gateways that send text messages, or mail in a way of their own. Signed, so that the other side knows whose
//! it is and when it was made.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::templates::Written;
use super::{Failure, Letter, MailError};
use crate::config;
use crate::entropy;
use crate::{secret, tls};

/// `t=<seconds since 1970>,v1=<HMAC-SHA256 over "<t>.<body>", in hex>`.
const SIGNATURE: &str = "latchkey-signature";
/// As long as a gateway token.
const LEAST_SECRET: usize = 32;
/// Of an answer no more is read: only its status says something.
const MOST_ANSWER: usize = 64 * 1024;

/// Where mails are posted to.
pub(super) struct Webhook {
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: String,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    secret: Zeroizing<String>,
    timeout: Duration,
}

impl Webhook {
    /// Reads what a call needs; calls nobody.
    pub(super) fn open(url: &str, settings: &config::Webhook) -> Result<Self, MailError> {
        const URL: &str = "webhook.url";
        let uri: Uri = url.parse().map_err(MailError::at(URL))?;
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(MailError::at(URL)("has no host"));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_encrypted = uri.scheme_str() == Some("https");
        let tls = if is_encrypted {
            const WHAT: &str = "webhook.ca_file";
            let authorities =
                tls::authorities(settings.ca_file.as_deref()).map_err(MailError::at(WHAT))?;
            let client = tls::client(authorities).map_err(MailError::at(WHAT))?;
            let name = ServerName::try_from(host.to_owned()).map_err(MailError::at(URL))?;
            Some((TlsConnector::from(Arc::new(client)), name))
        } else {
            None
        };
        let secret = secret::referred(
            settings.secret_file.as_deref(),
            settings.secret_env.as_deref(),
        )
        .map_err(MailError::at("webhook.secret_file"))?;
        let secret = Zeroizing::new(secret.trim().to_owned());
        if secret.len() < LEAST_SECRET {
            return Err(MailError::at("webhook.secret_file")(
                "the secret has 32 characters at least",
            ));
        }
        Ok(Self {
            host: host.to_owned(),
            port: uri
                .port_u16()
                .unwrap_or(if is_encrypted { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            tls,
            secret,
            timeout: settings.timeout.get(),
        })
    }

    pub(super) async fn post(&self, letter: &Letter, written: &Written) -> Result<(), Failure> {
        let body = json!({
            "v": 1,
            // Of this try: a mail that is tried again has a new code and a new id.
            "id": u64::from_be_bytes(entropy::bytes()).to_string(),
            "mail": letter.mail.name(),
            "purpose": letter.purpose.map(crate::code::Purpose::name),
            "to": letter.to,
            "subject": written.subject,
            "text": written.text,
            "code": letter.secrets.code,
            "long_code": letter.secrets.long_code,
        });
        let body = body.to_string();
        let signature = self.signature(letter.now.seconds().seconds(), &body);
        let call = async {
            let connection = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(Failure::passing)?;
            match &self.tls {
                None => self.call(connection, body, &signature).await,
                Some((connector, name)) => {
                    let connection = connector.connect(name.clone(), connection).await;
                    let connection = connection
                        .map_err(|error| Failure::passing(super::printable(&error.to_string())))?;
                    self.call(connection, body, &signature).await
                }
            }
        };
        let status = tokio::time::timeout(self.timeout, call)
            .await
            .map_err(|_| Failure::passing("the webhook did not answer in time"))??;
        outcome(status)
    }

    async fn call<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        connection: C,
        body: String,
        signature: &str,
    ) -> Result<StatusCode, Failure> {
        let broken = |_| Failure::passing("the connection to the webhook broke");
        let (mut sender, connection) = http1::handshake(TokioIo::new(connection))
            .await
            .map_err(broken)?;
        let request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "latchkey")
            .header(SIGNATURE, signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::lasting("the call cannot be put together"))?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let (head, body) = answer.into_parts();
            // Read, so that the other side is not cut off while it writes; whatever it says means nothing.
            let _ = Limited::new(body, MOST_ANSWER).collect().await;
            Ok(head.status)
        };
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer.map_err(broken),
            // It ends when the other side closes, perhaps right after the answer.
            _ = connection => answer.await.map_err(broken),
        }
    }

    fn signature(&self, at: i64, body: &str) -> String {
        let mut text = format!("t={at},v1=");
        // HMAC takes a key of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()) {
            mac.update(format!("{at}.").as_bytes());
            mac.update(body.as_bytes());
            for byte in mac.finalize().into_bytes() {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text
    }
}

/// What an answer means for the mail. No redirect is followed.
fn outcome(status: StatusCode) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let why = format!("the webhook answered {}", status.as_u16());
    let is_of_the_caller = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
    );
    if status.is_client_error() && !is_of_the_caller {
        Err(Failure::lasting(why))
    } else {
        Err(Failure::passing(why))
    }
}
