//! Trailers on Envoy. It drops them on the way to an app that speaks HTTP/1.1, as the shipped one does; so this app speaks HTTP/2.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use decisions::{Configuration, Request};
use h2::server;
use http::Response;
use tests::app::Headers;
use tests::gate::Gate;
use tests::issuer::{issuer, session};
use tests::place::shipped_configuration;
use tests::stand_in::Answer;
use tests::watch::unix_seconds;
use tests::wire2::{Http2, Stream};
use token::UnixTime;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

/// An app that tells the trailers of each request; it ends with the runtime.
fn app(socket: &Path) -> (Runtime, Receiver<Headers>) {
    let (sender, receiver) = channel();
    let runtime = Runtime::new().unwrap();
    let listener = {
        let _inside = runtime.enter();
        UnixListener::bind(socket).unwrap()
    };
    runtime.spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let mut connection = server::handshake(connection).await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(tell(request.into_body(), respond, sender.clone()));
                }
            });
        }
    });
    (runtime, receiver)
}

async fn tell(
    mut content: h2::RecvStream,
    mut respond: server::SendResponse<bytes::Bytes>,
    sender: Sender<Headers>,
) {
    while let Some(Ok(piece)) = content.data().await {
        content
            .flow_control()
            .release_capacity(piece.len())
            .unwrap();
    }
    let trailers = content.trailers().await.unwrap().unwrap_or_default();
    let trailers = trailers.iter();
    let trailers = trailers.map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()));
    sender.send(trailers.collect()).unwrap();
    respond.send_response(Response::new(()), true).unwrap();
}

/// The shipped configuration with an app that speaks HTTP/2 on that socket.
fn with_app_at(socket: &Path) -> String {
    let shipped = shipped_configuration().unwrap();
    let (before, app) = shipped.split_once("  - name: app\n").unwrap();
    let address = "address: { socket_address: { address: 127.0.0.1, port_value: 8090 } }";
    assert!(app.contains(address));
    let pipe = format!("address: {{ pipe: {{ path: {} }} }}", socket.display());
    let app = app.replace(address, &pipe);
    format!(
        "{before}  # In place of port_value: 8090\n  - name: app\n    http2_protocol_options: {{}}\n{app}"
    )
}

/// FR-01: reserved names go, in every spelling and on public paths too, and other trailers stay.
#[test]
fn no_identity_in_trailers_reaches_an_app_that_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app");
    let (_runtime, told) = app(&socket);
    let document = Configuration::Full.document();
    let mut gate = Gate::start_changed(&with_app_at(&socket), &document, &issuer(), |_| {
        Answer::Right
    })
    .unwrap();
    gate.stack.await_ready().unwrap();
    let client = Http2::new(gate.stack.ports().gateway).unwrap();
    let now = UnixTime::from_seconds(unix_seconds());
    let token = issuer().access_token_at(&session("alice"), now);
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    for request in [
        Request::post("/public"),
        Request::post("/orders").bearer(&token),
    ] {
        let mut trailers: Headers = [
            "x-auth-subject",
            "x_auth_subject",
            "x.auth.subject",
            "x-auth-roles",
            "x-auth-gate",
            "x-auth-of-tomorrow",
            "x-auth-subject",
        ]
        .map(|name| pair(name, "admin"))
        .to_vec();
        trailers.insert(3, pair("x-checksum", "1"));
        trailers.push(pair("x-authority", "kept"));
        let stream = Stream {
            fields: request.fields(),
            body: b"content".to_vec(),
            trailers,
        };
        let answer = client.exchange(&stream).unwrap().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let reached = told.recv().unwrap();
        assert_eq!(
            reached,
            [pair("x-checksum", "1"), pair("x-authority", "kept")]
        );
    }
}
