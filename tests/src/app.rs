//! The example app behind the gateway: answers any path with what reached it. It knows nothing of authentication; that is the point.

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::Request;
use axum::response::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::fault::Fault;

/// The app while it listens; dropping it ends it.
pub struct App {
    runtime: Option<Runtime>,
}

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
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .map_err(Fault::while_doing(doing()))?;
        let app = Router::new().fallback(echo);
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            runtime: Some(runtime),
        })
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
async fn echo(request: Request) -> Json<Value> {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.as_bytes().escape_ascii().to_string()]))
        .collect();
    let path = request.uri().path_and_query().map(|path| path.as_str());
    Json(json!({ "method": request.method().as_str(), "path": path, "headers": headers }))
}
