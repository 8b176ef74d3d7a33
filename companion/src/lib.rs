//! Latchkey's companion: owns accounts, passwords, codes, sessions and refresh tokens, and publishes every revocation.
//!
//! A request comes in through `server` and `routes`, is read by `request` and, where it needs one, by `owner`; a feature's file
//! (`sign_up`, `challenges`, `recovery`, `login`, `sessions`, `gateway`) does the work and answers, or refuses with an `error`.
//!
//! The rules know neither HTTP nor SQL: `rotation`, `receipt`, `throttle`, `code`, `password`, `common`, `email`, `address`. What must last is
//! behind `store`, a trait whose methods are facts, each one transaction; `sqlite` is the embedded one, `postgres` the one that several
//! companions share.
//!
//! Beside the requests run the feed's one reader (`feed`), which holds the gateways' polls and answers them the moment something is
//! committed, and the outbox's worker (`outbox`), where alone it shows whether an account exists. `gateways` knows who polls and what
//! was acknowledged; `receipts` waits for it; `witness` notices when the store was put back to an older copy meanwhile.

#![forbid(unsafe_code)]

pub mod account;
pub mod address;
pub mod admin;
pub mod agent;
pub mod api;
pub mod app;
pub mod attempts;
pub mod backoff;
pub mod base32;
pub mod certificate;
pub mod challenges;
pub mod clock;
pub mod code;
pub mod common;
pub mod config;
pub mod cookie;
pub mod cookies;
pub mod credentials;
pub mod delivery;
pub mod device;
pub mod doctor;
pub mod email;
pub mod email_change;
pub mod enrolment;
pub mod entropy;
pub mod errand;
pub mod error;
pub mod event;
pub mod feed;
pub mod filter_config;
pub mod form;
pub mod gateway;
pub mod gateways;
pub mod hasher;
pub mod hashing;
pub mod key_life;
pub mod key_upkeep;
pub mod keys;
pub mod label;
pub mod level;
pub mod log;
pub mod login;
pub mod mail;
pub mod master_key;
pub mod metrics;
pub mod moving;
pub mod oauth;
pub mod oauth_client;
pub mod oauth_error;
pub mod operation;
pub mod origin;
pub mod outbox;
pub mod owner;
pub mod password;
pub mod password_change;
pub mod postgres;
pub mod reauthentication;
pub mod receipt;
pub mod receipts;
pub mod recovery;
pub mod recovery_code;
pub mod request;
pub mod request_id;
pub mod resealing;
pub mod retention;
pub mod roles;
pub mod rotation;
pub mod routes;
pub mod second_factor;
pub mod secret;
pub mod security_log;
pub mod server;
pub mod service;
pub mod sessions;
pub mod sign_up;
pub mod span;
pub mod sqlite;
pub mod store;
pub mod throttle;
pub mod tls;
pub mod tokens;
pub mod totp;
pub mod vault;
pub mod witness;
