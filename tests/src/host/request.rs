//! A client's request as Envoy hands it to the filter, and what became of it. Knows no wasmtime.

use crate::host::headers::HeaderMap;

/// A request on its way to the filter.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
}

/// A GET over https to `www.example.com`.
pub fn get(path: impl AsRef<[u8]>) -> Request {
    Request::new("GET", path)
}

/// A POST over https to `www.example.com`.
pub fn post(path: impl AsRef<[u8]>) -> Request {
    Request::new("POST", path)
}

impl Request {
    /// A request of any method over https to `www.example.com`.
    pub fn new(method: &str, path: impl AsRef<[u8]>) -> Self {
        let mut headers = HeaderMap::from_iter([
            (":method", method),
            (":scheme", "https"),
            (":authority", "www.example.com"),
        ]);
        headers.add(":path", path);
        headers.add("x-forwarded-proto", "https");
        headers.add("x-request-id", "5f1c8b6e-0000-4000-8000-000000000000");
        Self {
            headers,
            trailers: HeaderMap::default(),
        }
    }

    /// A request of exactly these headers, pseudo-headers too, and trailers; repeats are joined where Envoy joins them.
    pub fn of(
        headers: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        trailers: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Self {
        Self {
            headers: headers.into_iter().collect(),
            trailers: trailers.into_iter().collect(),
        }
    }

    /// Adds a header; repeats are joined where Envoy joins them.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Sets a header, pseudo-headers too.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.replace(name, value);
        self
    }

    /// Leaves a header out, pseudo-headers too.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<[u8]>) -> Self {
        self.headers.remove(name);
        self
    }

    /// `authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: impl AsRef<[u8]>) -> Self {
        self.header("authorization", [b"Bearer ", token.as_ref()].concat())
    }

    /// A cookie in a header field of its own.
    #[must_use]
    pub fn cookie(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.header("cookie", [name.as_bytes(), b"=", value.as_ref()].concat())
    }

    /// Another authority.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.with(":authority", host)
    }

    /// A trailer behind the body.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.add(name, value);
        self
    }
}

/// What the filter sent instead of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers that the filter gave.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The details for Envoy's access log.
    pub details: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) local: Option<LocalReply>,
    pub(crate) has_paused: bool,
    pub(crate) failure: Option<String>,
}

impl Reply {
    /// Whether the request went on to the app.
    pub fn passed(&self) -> bool {
        self.local.is_none() && !self.has_paused && self.failure.is_none()
    }

    /// Whether the VM trapped on this request or was not there at all; Envoy then answers 503 by itself.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The status that the client gets: the filter's, 503 when the VM failed, 200 when the app answers.
    pub fn status(&self) -> u16 {
        match &self.local {
            Some(local) => local.status,
            None if self.failure.is_some() => 503,
            None if self.has_paused => panic!("the request is held for ever"),
            None => 200,
        }
    }

    /// Status and `WWW-Authenticate` (empty if there is none) of the filter's answer.
    ///
    /// # Panics
    /// When the filter did not answer.
    pub fn denied(&self) -> (u16, &str) {
        (
            self.local().status,
            text(self.local().headers.get("www-authenticate").unwrap_or(b"")),
        )
    }

    /// The filter's answer.
    ///
    /// # Panics
    /// When the filter did not answer.
    pub fn local(&self) -> &LocalReply {
        assert_eq!(self.failure, None, "the VM failed");
        self.local
            .as_ref()
            .unwrap_or_else(|| panic!("the request passed: {:?}", self.headers))
    }

    /// The body of the filter's answer, as text.
    pub fn body(&self) -> &str {
        text(&self.local().body)
    }

    /// A header of the filter's answer, as text.
    pub fn answer_header(&self, name: &str) -> Option<&str> {
        self.local().headers.get(name).map(text)
    }

    /// All values of a header as the app gets them.
    ///
    /// # Panics
    /// When the request did not pass.
    pub fn upstream(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        assert!(self.passed(), "the request did not pass: {self:?}");
        self.headers.all(name).collect()
    }

    /// The headers as the filter left them.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The trailers as the filter left them.
    pub const fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("an answer in UTF-8")
}
