//! A client that speaks HTTP/2 from the first byte, stream by stream.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
pub struct Http2 {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

/// One stream that was answered.
pub struct Stream<'a> {
    connection: &'a Http2,
    /// The status.
    pub status: u16,
    /// The headers of the answer.
    pub headers: HeaderMap,
    up: SendStream<Bytes>,
    down: RecvStream,
}

impl Http2 {
    /// Connects to that port.
    pub fn connect(port: u16) -> Self {
        let runtime = Runtime::new().unwrap();
        let send = runtime.block_on(async {
            let socket = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            let (send, connection) = client::handshake(socket.await.unwrap()).await.unwrap();
            // It ends with the runtime.
            tokio::spawn(connection);
            send.ready().await.unwrap()
        });
        Self { runtime, send }
    }

    /// Opens a stream that both sides may go on with, for /orders. CONNECT with a protocol is the extended one of RFC 8441; without
    /// one it has no path.
    pub fn open(
        &self,
        method: &Method,
        protocol: Option<&'static str>,
        headers: &[(&str, &str)],
    ) -> Stream<'_> {
        let path = if *method == Method::CONNECT && protocol.is_none() {
            ""
        } else {
            "/orders"
        };
        let uri = if path.is_empty() {
            "localhost:443".to_owned()
        } else {
            format!("http://localhost{path}")
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(protocol) = protocol {
            request = request.extension(Protocol::from_static(protocol));
        }
        let request = request.body(()).unwrap();
        let (answer, up) = self.runtime.block_on(async {
            let mut send = self.send.clone().ready().await.unwrap();
            let (answer, up) = send.send_request(request, false).unwrap();
            (timeout(PATIENCE, answer).await.unwrap().unwrap(), up)
        });
        let (head, down) = answer.into_parts();
        Stream {
            connection: self,
            status: head.status.as_u16(),
            headers: head.headers,
            up,
            down,
        }
    }
}

impl Stream<'_> {
    /// Sends these bytes, and returns what comes back next; `None` at the end of the stream, orderly or not.
    pub fn exchange(&mut self, bytes: &'static [u8]) -> Option<Bytes> {
        self.up.send_data(Bytes::from_static(bytes), false).ok()?;
        self.next()
    }

    /// The next bytes from the other side; `None` at the end of the stream, orderly or not.
    pub fn next(&mut self) -> Option<Bytes> {
        let runtime = &self.connection.runtime;
        let next = runtime.block_on(async { timeout(PATIENCE, self.down.data()).await });
        let bytes = next.expect("the stream to go on or to end")?.ok()?;
        let flow = self.down.flow_control();
        flow.release_capacity(bytes.len()).ok()?;
        Some(bytes)
    }

    /// Ends this side with these trailers and returns those of the other side.
    pub fn finish(&mut self, trailers: HeaderMap) -> Option<HeaderMap> {
        self.up.send_trailers(trailers).ok()?;
        while self.next().is_some() {}
        let runtime = &self.connection.runtime;
        let trailers = runtime.block_on(async { timeout(PATIENCE, self.down.trailers()).await });
        trailers.expect("the end of the stream").ok()?
    }
}
