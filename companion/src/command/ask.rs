//! One request to the running companion.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use companion::config::Settings;
use companion::secret;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{Asking, tls};

/// Until the companion has taken the connection.
const CONNECTING: Duration = Duration::from_secs(5);
/// Until the answer is there; the companion itself answers within 40 s.
const ANSWERING: Duration = Duration::from_secs(45);

/// The running companion, as its operator reaches it.
pub(crate) struct Companion {
    address: String,
    token: Zeroizing<String>,
    tls: Option<Arc<ClientConfig>>,
}

/// Why a command came to nothing.
pub(crate) enum Failure {
    /// There is no companion at that address, or nothing that answers as one.
    NotReached(String),
    /// It, or this program, has refused.
    Refused(String),
}

impl Failure {
    fn at<E: fmt::Display>(address: &str) -> impl Fn(E) -> Self {
        move |error| Self::NotReached(format!("no companion answers at {address}: {error}"))
    }

    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }
}

impl Companion {
    pub(crate) fn of(settings: &Settings, asking: &Asking) -> Result<Self, Failure> {
        let made = settings.state.join("admin.token");
        let named = settings.admin_tokens.first();
        let named = named.map(|token| token.token_file.as_path());
        let file = asking.admin_token_file.as_deref();
        let file = file.or(named).unwrap_or(&made);
        let token = secret::read(file).map_err(Failure::refused)?;
        Ok(Self {
            address: asking
                .admin_address
                .clone()
                .unwrap_or_else(|| here(settings)),
            tls: tls::config(settings, &asking.tls)
                .map_err(Failure::refused)?
                .map(Arc::new),
            token: Zeroizing::new(token.trim().to_owned()),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it says of itself that it can work.
    pub(crate) async fn is_ready(&self) -> Result<bool, Failure> {
        let asking = self.exchange(Method::GET, "/readyz", None);
        let (status, _) = timeout(CONNECTING, asking)
            .await
            .map_err(Failure::at(&self.address))??;
        Ok(status == 200)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    pub(crate) async fn post(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::POST, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let path = format!("/admin/v1{path}");
        let asking = self.exchange(method, &path, body);
        let (status, body) = timeout(ANSWERING, asking)
            .await
            .map_err(Failure::at(&self.address))??;
        let no_json = |_| format!("it said {status}, and no JSON");
        let answer: Value = serde_json::from_slice(&body)
            .map_err(no_json)
            .map_err(Failure::at(&self.address))?;
        match status {
            200..=299 => Ok(answer),
            _ => Err(Failure::Refused(refusal(status, &answer))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Bytes), Failure> {
        let address = self.address.as_str();
        let connecting = TcpStream::connect(address);
        let stream = timeout(CONNECTING, connecting)
            .await
            .map_err(Failure::at(address))?
            .map_err(Failure::at(address))?;
        let request = self.request(method, path, body)?;
        let Some(tls) = &self.tls else {
            return self.send(stream, request).await;
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(Failure::refused)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let stream = timeout(CONNECTING, stream)
            .await
            .map_err(Failure::at(address))?
            .map_err(Failure::at(address))?;
        self.send(stream, request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut token = HeaderValue::try_from(format!("Bearer {}", self.token.as_str()))
            .map_err(|_| Failure::refused("the admin token has characters that no token has"))?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(AUTHORIZATION, token)
            .header("prefer", "wait=10");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::refused)
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<(u16, Bytes), Failure> {
        let address = self.address.as_str();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::at(address))?;
        // What breaks it the sender is told too.
        let connection = tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(Failure::at(address))?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(Failure::at(address))?;
        connection.abort();
        Ok((status, body.to_bytes()))
    }
}

/// A listener on all addresses is on this machine's own too.
fn here(settings: &Settings) -> String {
    let mut address = settings.internal_listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address.to_string()
}

fn refusal(status: u16, problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    match text("code") {
        "invalid_token" => "the companion does not take this admin token".to_owned(),
        "not_found" => "there is no such thing".to_owned(),
        code => format!("{} ({status} {code})", text("detail")),
    }
}
