//! Latchkey's test hosts: the filter in wasmtime under a proxy-wasm host with an issuer of its own, and a companion
//! in this process for tests over HTTP, and the whole stack on real Envoy with the walk of `make demo`.

pub use decisions::{forge, issuer};

pub mod app;
pub mod authenticator;
pub mod browser;
pub mod client;
pub mod command;
pub mod companion;
pub mod dice;
pub mod fault;
pub mod gate;
#[cfg(feature = "host")]
pub mod gateway;
pub mod history;
pub mod hook;
#[cfg(feature = "host")]
pub mod host;
pub mod leaks;
pub mod listeners;
pub mod log;
pub mod mailbox;
pub mod middleman;
pub mod next_page;
pub mod part;
pub mod place;
pub mod plugin;
pub mod ports;
pub mod postgres;
pub mod races;
pub mod ranks;
mod reaper;
pub mod record;
pub mod rewrite;
pub mod server;
pub mod setup;
pub mod smtp;
pub mod soak;
pub mod stack;
pub mod stand_in;
pub mod stored;
pub mod traps;
pub mod visitor;
pub mod walk;
pub mod watch;
pub mod wire;
pub mod wire2;
pub mod workers;
