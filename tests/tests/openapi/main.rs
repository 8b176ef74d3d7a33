//! The OpenAPI documents against the running companion: what they say is offered, is so, and nothing else; and a tool that knows only
//! them finds no answer that they do not foresee.

mod document;
mod exploration;
mod looking;
mod reference;
