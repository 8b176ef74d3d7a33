//! The tests of `companion` with its companions on PostgreSQL, each on a database of its own. The name of this program says so to
//! `tests::companion`.
//!
//! Left out are those about the embedded store's files, and those in which no store has a say: forms of answers, mail servers, listeners,
//! origins, the cost of hashes.

#[path = "../companion/common.rs"]
mod common;

#[path = "../companion/account.rs"]
mod account;
#[path = "../companion/admin.rs"]
mod admin;
#[path = "../companion/codes.rs"]
mod codes;
#[path = "../companion/commands.rs"]
mod commands;
#[path = "../companion/cookies.rs"]
mod cookies;
#[path = "../companion/crash.rs"]
mod crash;
#[path = "../companion/devices.rs"]
mod devices;
#[path = "../companion/enumeration.rs"]
mod enumeration;
#[path = "../companion/events.rs"]
mod events;
#[path = "../companion/factors.rs"]
mod factors;
#[path = "../companion/feed.rs"]
mod feed;
#[path = "../companion/figures.rs"]
mod figures;
#[path = "../companion/guesses.rs"]
mod guesses;
#[path = "../companion/key_rotation.rs"]
mod key_rotation;
#[path = "../companion/labels.rs"]
mod labels;
#[path = "../companion/limits.rs"]
mod limits;
#[path = "../companion/login.rs"]
mod login;
#[path = "../companion/logout.rs"]
mod logout;
#[path = "../companion/lost.rs"]
mod lost;
#[path = "../companion/master_key.rs"]
mod master_key;
#[path = "../companion/names.rs"]
mod names;
#[path = "../companion/oauth.rs"]
mod oauth;
#[path = "../companion/overload.rs"]
mod overload;
#[path = "../companion/pending.rs"]
mod pending;
#[path = "../companion/polls.rs"]
mod polls;
#[path = "../companion/reauthentication.rs"]
mod reauthentication;
#[path = "../companion/receipts.rs"]
mod receipts;
#[path = "../companion/recovery.rs"]
mod recovery;
#[path = "../companion/refresh.rs"]
mod refresh;
#[path = "../companion/reuse.rs"]
mod reuse;
#[path = "../companion/secrets.rs"]
mod secrets;
#[path = "../companion/sessions.rs"]
mod sessions;
#[path = "../companion/sign_up.rs"]
mod sign_up;
#[path = "../companion/start.rs"]
mod start;
#[path = "../companion/step_up.rs"]
mod step_up;
#[path = "../companion/stopping.rs"]
mod stopping;
#[path = "../companion/two_steps.rs"]
mod two_steps;
#[path = "../companion/window.rs"]
mod window;

use common::*;
