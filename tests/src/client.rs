//! A caller from outside: one connection, plain requests, answers that are read whole. Knows addresses, not Latchkey.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::blocking::{Body, Client as Http, RequestBuilder};
use reqwest::redirect::Policy;
use serde_json::Value;

use crate::fault::Fault;
use crate::record::Record;

/// Longer than the longest wait for a receipt.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A caller; its requests go one after the other over one connection, as long as both sides keep it.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
    base: String,
    record: Option<Record>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A request that is being put together.
pub struct Request {
    builder: RequestBuilder,
    record: Option<Record>,
}

impl Client {
    /// A caller of that port on 127.0.0.1.
    ///
    /// # Errors
    /// When the process has no threads or files left.
    pub fn new(port: u16) -> Result<Self, Fault> {
        Self::build(port, None)
    }

    /// The same from the address `from`, such as 127.0.0.2.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn from_address(port: u16, from: IpAddr) -> Result<Self, Fault> {
        Self::build(port, Some(from))
    }

    fn build(port: u16, from: Option<IpAddr>) -> Result<Self, Fault> {
        let http = Http::builder()
            .local_address(from)
            .pool_max_idle_per_host(1)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(Fault::while_doing("an HTTP client"))?;
        let base = format!("http://127.0.0.1:{port}");
        Ok(Self {
            http,
            base,
            record: None,
        })
    }

    /// The same; what it sends and gets is looked through for secrets.
    #[must_use]
    pub fn recorded_in(self, record: &Record) -> Self {
        Self {
            record: Some(record.clone()),
            ..self
        }
    }

    /// Scheme, address and port that it calls.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// A request with any method.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = method.parse().unwrap_or_default();
        Request {
            builder: self.http.request(method, format!("{}{path}", self.base)),
            record: self.record.clone(),
        }
    }
}

impl Request {
    /// With an access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with(|builder| builder.bearer_auth(token))
    }

    /// With one more header field.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|builder| builder.header(name, value))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.with(|builder| builder.json(body))
    }

    /// With a body as it is.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.with(|builder| {
            builder
                .header("content-type", content_type)
                .body(body.into())
        })
    }

    fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self {
            builder: change(self.builder),
            record: self.record,
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// When there is no answer: refused, cut off, too late.
    pub fn send(self) -> Result<Answer, Fault> {
        let fault = |error: reqwest::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Fault::new(format!("{error} ({})", cause.unwrap_or_default()))
        };
        let (http, request) = self.builder.build_split();
        let request = request.map_err(fault)?;
        if let Some(record) = &self.record {
            let body = request.body().and_then(Body::as_bytes);
            record.sent(body.unwrap_or_default());
        }
        let response = http.execute(request).map_err(fault)?;
        let status = response.status().as_u16();
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let body = response.bytes().map_err(fault)?.to_vec();
        if let Some(record) = &self.record {
            record.got(&headers, &body);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl Answer {
    /// The first header field of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All header fields of that lower-case name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.iter();
        headers
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Status, header fields but for the date and the id that every answer has for itself, and body: what a caller could tell two answers
    /// apart by.
    pub fn observable(&self) -> (u16, Vec<(String, String)>, String) {
        let is_telling =
            |(name, _): &&(String, String)| !["date", "x-request-id"].contains(&name.as_str());
        let headers = self.headers.iter().filter(is_telling).cloned().collect();
        (self.status, headers, self.text())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The string at this JSON pointer of the body, or nothing.
    pub fn string(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    }

    /// Itself, when it has that status.
    ///
    /// # Errors
    /// When it has another.
    pub fn expect(self, status: u16, what: &str) -> Result<Self, Fault> {
        if self.status == status {
            return Ok(self);
        }
        let (got, body) = (self.status, self.text());
        Err(Fault::new(format!(
            "{what}: {got} where {status} was expected: {body}"
        )))
    }

    /// Of the example app's answer: the header fields that reached it under this lower-case name.
    pub fn echoed(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let fields = json["headers"].as_array().cloned().unwrap_or_default();
        fields
            .iter()
            .filter(|field| field[0] == name)
            .filter_map(|field| field[1].as_str().map(ToOwned::to_owned))
            .collect()
    }
}
