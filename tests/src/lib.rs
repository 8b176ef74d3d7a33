//! Latchkey's test hosts: the filter in wasmtime under a proxy-wasm host, and an issuer with keys of its own.

pub mod forge;
pub mod gateway;
pub mod host;
pub mod issuer;
