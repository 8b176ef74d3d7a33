//! The decision table: what the filter makes of a request, row by row, taken from the contract and not from the code. The same rows run
//! on the pure rules, on the built module in a proxy-wasm host, and on Envoy over HTTP/1.1 and HTTP/2. Here also live the keys and
//! tokens that rows need. Knows no filter, no host and no HTTP library.

mod configuration;
pub mod forge;
pub mod issuer;
mod outcome;
mod request;
mod row;
mod rows;

pub use configuration::{Configuration, PARTNERS, READY_PATH};
pub use outcome::{Outcome, Run};
pub use request::Request;
pub use row::{Expected, Known, Own, Row, State};
pub use rows::{rows, sessions_that_ended};
