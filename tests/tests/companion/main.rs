//! The companion over HTTP: it runs in this process, on a state directory of its own for each test, by a clock that the test moves.
//!
//! A test's name is the attack, or the promise; its comment names the requirement. Here the store is SQLite; `companion_on_postgres`
//! runs the same tests on PostgreSQL, except those about SQLite's files: `files` and `restore`.

mod common;

mod account;
mod admin;
mod answers;
mod authority;
mod budget;
mod codes;
mod commands;
mod cookies;
mod crash;
mod devices;
mod enumeration;
mod events;
mod factors;
mod feed;
mod figures;
mod files;
mod guesses;
mod hashing;
mod key_rotation;
mod labels;
mod limits;
mod listeners;
mod login;
mod logout;
mod lost;
mod mail;
mod master_key;
mod names;
mod oauth;
mod origins;
mod overload;
mod pending;
mod polls;
mod rate;
mod reauthentication;
mod receipts;
mod recovery;
mod refresh;
mod restore;
mod reuse;
mod secrets;
mod sessions;
mod sign_up;
mod slow;
mod standard_clients;
mod start;
mod step_up;
mod stopping;
mod strictness;
mod two_steps;
mod webhook;
mod window;

use common::*;
