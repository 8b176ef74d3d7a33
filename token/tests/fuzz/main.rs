//! Fuzz targets: what `token` reads, fed with whatever an engine comes up with. `make fuzz` runs them guided by coverage; as tests
//! they run over their seeds and over some random inputs.
//!
//! Oracles, beside "no panic": what is accepted, a second reader of other hands accepts too and reads alike; what was read can be
//! written and reads equal; and the memory held at any moment while reading stays small.

#![cfg(not(target_family = "wasm"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod differential;
mod draft;
mod json;
mod keys;
mod page;
mod raw;
mod refresh;
mod second_json;
mod second_reader;
mod signed;
mod weight;
