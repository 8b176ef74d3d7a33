//! What limits have counted.

use async_trait::async_trait;

use super::Outcome;
use crate::throttle::{Closed, Limit, UsedUp};

/// The counters of limits. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Takes one from each of these buckets, in this order; at the first empty one it stops, so that a refused outer limit never
    /// draws on an inner one. Gives that one, if so.
    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<UsedUp>>;

    /// Counts an attempt at a password as a failure before it is made (RL-06), `most` of them in a row. Gives why it is not to be made,
    /// if so.
    async fn reserve_attempt(&self, name: Name, most: u32) -> Outcome<Option<Closed>>;

    /// The attempt came to nothing: its password was never looked at.
    async fn take_back_attempt(&self, name: Name) -> Outcome<()>;

    /// The attempt was a success: there are no failures in a row.
    async fn forget_failures(&self, name: Name) -> Outcome<()>;
}

/// The name under which a limit counts, from [`crate::vault::Vault::limiter_name`].
pub type Name = [u8; 16];
