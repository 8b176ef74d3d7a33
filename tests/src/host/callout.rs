//! HTTP call-outs: what the guest sent, and what it is answered. Knows no wasmtime.

use crate::host::headers::HeaderMap;

/// A call-out that waits for its answer.
#[derive(Clone, Debug)]
pub struct Callout {
    /// Names it within its Envoy process.
    pub id: u64,
    /// The VM that sent it.
    pub vm: usize,
    /// The cluster that it goes to.
    pub cluster: String,
    /// All headers, `:method` and `:path` too.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Nanoseconds until Envoy answers 504; 0 means never.
    pub timeout: u64,
    /// When it was sent, on the monotonic clock, in nanoseconds.
    pub sent_at: u64,
    pub(crate) instance: u64,
    /// The root context that sent it.
    pub root: u32,
    /// The number that the host gave it within its VM.
    pub token: u32,
}

impl Callout {
    /// `:path`.
    pub fn path(&self) -> &str {
        self.text(":path")
    }

    /// A header as text; empty when it is missing or no text.
    pub fn text(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_default();
        std::str::from_utf8(value).unwrap_or_default()
    }

    /// A parameter of the query; empty when it is missing.
    pub fn parameter(&self, name: &str) -> &str {
        let query = self.path().split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        (self.timeout > 0).then(|| self.sent_at.saturating_add(self.timeout))
    }
}

/// An answer to a call-out.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Response {
    /// Status 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// Any status with this body.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: HeaderMap::from_iter([(":status", status.to_string())]),
            body: body.into(),
            trailers: HeaderMap::default(),
        }
    }

    /// A further header.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// What Envoy answers when the peer refuses the connection.
    pub fn refused() -> Self {
        Self::status(
            503,
            "upstream connect error or disconnect/reset before headers",
        )
        .header("content-type", "text/plain")
    }

    /// What Envoy answers at the timeout.
    pub fn timeout() -> Self {
        Self::status(504, "upstream request timeout").header("content-type", "text/plain")
    }

    /// What Envoy tells after a reset in the middle, or of a body that is too large: no headers at all.
    pub fn reset() -> Self {
        Self::default()
    }
}
