//! HTTP/2 requests with any bytes in their header blocks: what no HTTP library would send. `h2` speaks the protocol; on the way out each
//! header block is replaced by the one that is wanted.

mod rewriting;

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::fault::Fault;
use crate::wire::Answer;
use rewriting::Rewriting;

const PATIENCE: Duration = Duration::from_secs(10);

/// Names and values in their order.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Pseudo-headers and headers.
    pub fields: Fields,
    /// The content.
    pub body: Vec<u8>,
    /// Behind the content.
    pub trailers: Fields,
}

/// A caller of one port of 127.0.0.1 with prior knowledge of HTTP/2, for each request over a connection of its own.
pub struct Http2 {
    runtime: Runtime,
    port: u16,
}

impl Http2 {
    /// A caller of that port.
    ///
    /// # Errors
    /// When the process has no threads or files left.
    pub fn new(port: u16) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Fault::while_doing("an HTTP/2 client"))?;
        Ok(Self { runtime, port })
    }

    /// Sends the request and reads its answer. The inner error tells how stream or connection ended without one.
    ///
    /// # Errors
    /// When there is no connection, or the answer does not end.
    pub fn exchange(&self, stream: &Stream) -> Result<Result<Answer, h2::Error>, Fault> {
        let doing = || format!("an HTTP/2 connection to port {}", self.port);
        self.runtime.block_on(async {
            let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .map_err(Fault::while_doing(doing()))?;
            // The frames of one request go in several writes; none waits for the other side.
            connection
                .set_nodelay(true)
                .map_err(Fault::while_doing(doing()))?;
            let answer = tokio::time::timeout(PATIENCE, exchange(connection, stream));
            answer.await.map_err(Fault::while_doing(doing()))
        })
    }
}

async fn exchange(connection: TcpStream, stream: &Stream) -> Result<Answer, h2::Error> {
    let blocks = [&stream.fields, &stream.trailers];
    let connection = Rewriting::new(connection, blocks.map(block));
    let (sender, connection) = client::handshake(connection).await?;
    let driver = tokio::spawn(connection);
    let answer = send(sender, stream).await;
    driver.abort();
    answer
}

async fn send(sender: client::SendRequest<Bytes>, stream: &Stream) -> Result<Answer, h2::Error> {
    let mut sender = sender.ready().await?;
    let has_trailers = !stream.trailers.is_empty();
    let is_end = stream.body.is_empty() && !has_trailers;
    let (response, mut content) = sender.send_request(placeholder(stream), is_end)?;
    if !is_end {
        content.send_data(Bytes::copy_from_slice(&stream.body), !has_trailers)?;
    }
    if has_trailers {
        let mut trailers = HeaderMap::new();
        trailers.insert("placeholder", HeaderValue::from_static("x"));
        content.send_trailers(trailers)?;
    }
    read(response.await?).await
}

/// A request that `h2` sends; what it says of the method tells `h2` whether the answer has content.
fn placeholder(stream: &Stream) -> Request<()> {
    let mut pseudo = stream.fields.iter();
    let method = pseudo.find(|(name, _)| name == b":method");
    let is_head = method.is_some_and(|(_, method)| method == b"HEAD");
    let mut request = Request::new(());
    *request.method_mut() = if is_head { Method::HEAD } else { Method::POST };
    *request.uri_mut() = http::Uri::from_static("http://placeholder/");
    request
}

async fn read(response: Response<h2::RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut content) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = content.data().await {
        let piece = piece?;
        body.extend_from_slice(&piece);
        // A window that is not given back stops the other side.
        content.flow_control().release_capacity(piece.len())?;
    }
    let trailers = content.trailers().await?.unwrap_or_default();
    let headers = head.headers.iter().chain(&trailers);
    Ok(Answer {
        status: head.status.as_u16(),
        headers: headers
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()))
            .collect(),
        body,
    })
}

/// Literals that are never indexed (RFC 7541 section 6.2.2), so that neither side keeps anything of them.
fn block(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 127;
    let low = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    if length < PREFIX {
        return block.push(low(length));
    }
    block.push(low(PREFIX));
    let mut rest = length - PREFIX;
    while rest >= 128 {
        block.push(low(rest % 128) | 128);
        rest /= 128;
    }
    block.push(low(rest));
}
