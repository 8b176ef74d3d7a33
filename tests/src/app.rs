//! The example app behind the gateway: answers any path with what reached it. It knows nothing of authentication; that is the point.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::fault::Fault;
use crate::ports;

/// How many requests it remembers.
const REMEMBERED: usize = 1_000;

/// The app while it listens; dropping it ends it.
pub struct App {
    runtime: Option<Runtime>,
    seen: Seen,
}

/// The request target as `:path` and the headers, as bytes, names in lower case.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// The last requests, oldest first.
type Seen = Arc<Mutex<VecDeque<Headers>>>;

impl App {
    /// Listens on that port of 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16) -> Result<Self, Fault> {
        let doing = || format!("the example app on port {port}");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Fault::while_doing(doing()))?;
        let listener = ports::listen(port).map_err(Fault::while_doing(doing()))?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| {
                let _inside = runtime.enter();
                TcpListener::from_std(listener)
            })
            .map_err(Fault::while_doing(doing()))?;
        let seen = Seen::default();
        let app = Router::new().fallback(echo).with_state(Arc::clone(&seen));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            runtime: Some(runtime),
            seen,
        })
    }

    /// A remembered request that has this header with this value.
    pub fn seen_with(&self, name: &str, value: &str) -> Option<Headers> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |(of, held): &(Vec<u8>, Vec<u8>)| of == name.as_bytes() && held == value.as_bytes();
        seen.iter()
            .rev()
            .find(|headers| headers.iter().any(is_it))
            .cloned()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Method, path with query, and every header as it came; bytes that are not UTF-8 are shown escaped.
async fn echo(State(seen): State<Seen>, request: Request) -> Json<Value> {
    {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        let target = (b":path".to_vec(), request.uri().to_string().into_bytes());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push_back(std::iter::once(target).chain(headers).collect());
        if seen.len() > REMEMBERED {
            seen.pop_front();
        }
    }
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.as_bytes().escape_ascii().to_string()]))
        .collect();
    let path = request.uri().path_and_query().map(|path| path.as_str());
    Json(json!({ "method": request.method().as_str(), "path": path, "headers": headers }))
}
