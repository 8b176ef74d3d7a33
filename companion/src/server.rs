//! One listener: accepts, bounds what a slow peer can hold, and ends in order. HTTP/1.1: Envoy in front speaks the rest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::certificate::Certificate;

/// A request's head must have arrived after so long; before it, with a certificate, the handshake.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest head, and the most that is read ahead.
const MAX_HEAD: usize = 16 * 1024;
/// After that, connections that are still busy are cut off.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// After an accept that failed (no file descriptors left): trying again at once would only burn time.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` over `most` connections at a time until `stop` becomes true, then finishes the requests that are under way. With a
/// certificate it speaks TLS and nothing else.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    certificate: Option<Arc<Certificate>>,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        // Whom there is no place for waits in the kernel's queue.
        let place = tokio::select! {
            Ok(place) = Arc::clone(&places).acquire_owned() => place,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small and somebody waits for each.
                let _ = stream.set_nodelay(true);
                let (router, watcher) = (router.clone(), graceful.watcher());
                let acceptor = certificate
                    .as_ref()
                    .map(|certificate| certificate.acceptor());
                connections.spawn(async move {
                    // A connection that breaks is the peer's affair.
                    let _ = match acceptor {
                        None => watcher.watch(connection(stream, peer, router)).await,
                        Some(acceptor) => {
                            let handshake = acceptor.accept(stream);
                            match tokio::time::timeout(HEADER_TIMEOUT, handshake).await {
                                Ok(Ok(stream)) => {
                                    watcher.watch(connection(stream, peer, router)).await
                                }
                                _ => Ok(()),
                            }
                        }
                    };
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_ANSWERS, graceful.shutdown()).await;
    connections.shutdown().await;
}

fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
}
