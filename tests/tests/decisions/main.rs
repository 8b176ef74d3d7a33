//! The decision table (`decisions`) on the built module and on Envoy.

mod envoy;
mod module;
mod ports;
mod trailers;
