//! Apps that stream: one that takes WebSocket upgrades over HTTP/1.1, one that speaks gRPC over HTTP/2. Both send back what they get and
//! keep what reached them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::http::{HeaderMap, Response};
use h2::server;
use tests::ports::free_port;
use tokio::runtime::Runtime;

/// An app that answers an upgrade with 101, anything else with 200, and then sends back every byte.
pub struct Upgrading {
    /// Where it listens.
    pub port: u16,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Upgrading {
    /// Listens on a free port until the test program ends.
    pub fn start() -> Self {
        let port = free_port().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || echo(connection, &kept));
            }
        });
        Self { port, received }
    }

    /// All bytes that have reached it on any connection.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

fn echo(mut connection: TcpStream, received: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    let mut is_open = false;
    while let Ok(length @ 1..) = connection.read(&mut buffer) {
        let bytes = &buffer[..length];
        received.lock().unwrap().extend(bytes);
        let answer = if is_open {
            bytes.to_vec()
        } else {
            head.extend(bytes);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            is_open = head.contains("\r\nupgrade: websocket\r\n") && !head.contains("refuse");
            if is_open {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
            }
        };
        if !is_open {
            head.clear();
        }
        if connection.write_all(&answer).is_err() {
            return;
        }
    }
}

/// An app that answers every gRPC call with the messages of that call, as they come, and status 0 at their end.
pub struct Grpc {
    /// Where it listens.
    pub port: u16,
    received: Arc<Mutex<Vec<HeaderMap>>>,
    _runtime: Runtime,
}

impl Grpc {
    /// Listens on a free port.
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let port = free_port().unwrap();
        let address = (Ipv4Addr::LOCALHOST, port);
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address));
        let listener = listener.unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&kept)));
            }
        });
        Self {
            port,
            received,
            _runtime: runtime,
        }
    }

    /// Headers and trailers of all calls that have reached it, in that order.
    pub fn received(&self) -> Vec<HeaderMap> {
        self.received.lock().unwrap().clone()
    }
}

/// A connection that breaks is the test's doing.
async fn serve(connection: tokio::net::TcpStream, kept: Arc<Mutex<Vec<HeaderMap>>>) {
    let Ok(mut connection) = server::handshake(connection).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            kept.lock().unwrap().push(request.headers().clone());
            let head = Response::builder().header("content-type", "application/grpc");
            let mut answer = respond.send_response(head.body(()).unwrap(), false)?;
            let mut body = request.into_body();
            while let Some(bytes) = body.data().await {
                let bytes = bytes?;
                body.flow_control().release_capacity(bytes.len())?;
                answer.send_data(bytes, false)?;
            }
            if let Some(trailers) = body.trailers().await? {
                kept.lock().unwrap().push(trailers);
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            answer.send_trailers(trailers)
        });
    }
}
