//! Latchkey's filter: decides inside Envoy whether a request may pass.
//!
//! A request goes through `request` (what it carries; `cookie`, `authority` and `browser` read parts of it), `path` and the rules of
//! `config` (what it is asked for), `gate` (the order of the checks), `verified` (tokens that were verified before), `revocations` (is
//! the session still alive) and `policy` (is the token enough). The verdict is a value; `denial` knows how each refusal is answered.
//!
//! Beside it runs `subscription`: in one VM of each Envoy, chosen by `lease`, it polls the companion's feed and writes what it learns
//! into shared data (`shared`, `bucket`, `state`), where every worker sees it at its next request.
//!
//! All of this is plain Rust without clock, randomness or host. `envoy` alone knows proxy-wasm, and is compiled for wasm alone.

#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "off wasm only the tests call the rules")
)]

mod acr;
mod alive;
mod authority;
mod browser;
mod bucket;
mod config;
mod cookie;
mod denial;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod fuzz;
mod gate;
mod held_keys;
mod identity;
mod lease;
mod line;
mod pairs;
mod path;
mod policy;
mod request;
mod revocations;
mod shared;
mod standing;
mod state;
mod subscription;
mod verified;

#[cfg(target_arch = "wasm32")]
mod envoy;
