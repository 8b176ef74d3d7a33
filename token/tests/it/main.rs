//! What `token` promises, one module per kind of thing that it reads.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod access;
mod broken_json;
mod cursor;
mod forge;
mod keys;
mod page;
mod properties;
mod refresh;
mod vectors;

// Where coverage is counted for fuzzing, every test program needs the engine that counts it.
use bolero as _;
