//! A request as a client sends it. Bytes, not text.

/// A request; what is not said is a GET of `/orders` at `www.example.com`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target; absent is the form of a plain CONNECT.
    pub target: Option<Vec<u8>>,
    /// `Host`, or `:authority`.
    pub authority: Vec<u8>,
    /// Header lines in their order and spelling.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The content.
    pub body: Vec<u8>,
    /// Behind the content.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<&'static str>,
}

impl Request {
    /// A request with that method.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            target: Some(target.as_ref().to_vec()),
            authority: b"www.example.com".to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
            protocol: None,
        }
    }

    /// A GET.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// A POST.
    pub fn post(target: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target)
    }

    /// One more header line.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let line = (name.as_ref().to_vec(), value.as_ref().to_vec());
        self.headers.push(line);
        self
    }

    /// `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: impl AsRef<[u8]>) -> Self {
        self.header("Authorization", [b"Bearer ", token.as_ref()].concat())
    }

    /// The access cookie on a line of its own.
    #[must_use]
    pub fn cookie(self, token: impl AsRef<[u8]>) -> Self {
        self.header("Cookie", [b"__Host-access=", token.as_ref()].concat())
    }

    /// Another host.
    #[must_use]
    pub fn host(mut self, authority: impl AsRef<[u8]>) -> Self {
        self.authority = authority.as_ref().to_vec();
        self
    }

    /// One more trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// Whether Envoy answers it as a gRPC call: exactly this content type, or one with `+` behind it.
    pub fn is_grpc(&self) -> bool {
        let kinds = self.all("content-type");
        let mut kinds = kinds.map(|kind| kind.strip_prefix(b"application/grpc"));
        kinds.any(|rest| rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+")))
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let of_name = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        of_name.map(|(_, value)| value.as_slice())
    }

    /// Pseudo-headers and headers as the codec of HTTP/2 has them, and as Envoy keeps those of HTTP/1.1 too; repeats are not joined yet.
    pub fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut fields = vec![(b":method".to_vec(), self.method.clone().into_bytes())];
        if let Some(target) = &self.target {
            fields.push((b":scheme".to_vec(), b"http".to_vec()));
            fields.push((b":path".to_vec(), target.clone()));
        }
        fields.push((b":authority".to_vec(), self.authority.clone()));
        if let Some(protocol) = self.protocol {
            fields.push((b":protocol".to_vec(), protocol.into()));
        }
        let lower = |(name, value): &(Vec<u8>, Vec<u8>)| (name.to_ascii_lowercase(), value.clone());
        fields.extend(self.headers.iter().map(lower));
        fields
    }

    /// The bytes of HTTP/1.1, with `Connection: close`; with trailers in chunks (RFC 9112 section 7.1).
    pub fn http1(&self) -> Vec<u8> {
        let authority = &self.authority;
        let target = self.target.as_ref().unwrap_or(authority);
        let mut bytes = self.method.clone().into_bytes();
        for part in [
            &b" "[..],
            target,
            b" HTTP/1.1\r\nHost: ",
            authority,
            b"\r\n",
        ] {
            bytes.extend_from_slice(part);
        }
        push_lines(&mut bytes, &self.headers);
        let asks_for_upgrade = self.all("upgrade").next().is_some();
        if !asks_for_upgrade {
            bytes.extend_from_slice(b"Connection: close\r\n");
        }
        if !self.trailers.is_empty() {
            let size = format!("{:x}", self.body.len().max(1));
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let body: &[u8] = if self.body.is_empty() {
                b"-"
            } else {
                &self.body
            };
            for part in [size.as_bytes(), b"\r\n", body, b"\r\n0\r\n"] {
                bytes.extend_from_slice(part);
            }
            push_lines(&mut bytes, &self.trailers);
            bytes.extend_from_slice(b"\r\n");
            return bytes;
        }
        if !self.body.is_empty() {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn push_lines(bytes: &mut Vec<u8>, lines: &[(Vec<u8>, Vec<u8>)]) {
    for (name, value) in lines {
        for part in [name, &b": "[..], value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
}
