//! Gateways, as the store knows them.

use std::time::Duration;

use async_trait::async_trait;
use token::{Cursor, GatewayId};
use tokio::sync::watch;

use super::{History, Outcome};
use crate::clock::Millis;

/// The registered gateways and what they have acknowledged. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait GatewayRegister: Send + Sync {
    /// Notes until when a gateway may accept tokens, by the store's time; never earlier than noted before.
    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()>;

    /// The gateways that are registered, in a read that begins now; of them those that have changed since that moment, at least.
    /// One that is noted in two places is named twice.
    async fn gateways(&self, since: Millis) -> Outcome<GatewaysRead>;

    /// Tells the other companions what gateways have acknowledged here. Never backwards, unless the cursor was refused; a cursor that
    /// the store does not know any more is passed over. Need not be on disk: after a loss more is missing, never less.
    async fn note_acknowledged(&self, acknowledged: Vec<Acknowledged>) -> Outcome<()>;

    /// Says when another companion may have noted something about gateways.
    fn gateways_moved(&self) -> watch::Receiver<u64>;
}

/// A gateway as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredGateway {
    /// Which one.
    pub id: GatewayId,
    /// After how long without a page it denies; `None` for one that never does.
    pub staleness: Option<Duration>,
    /// From then on it denies, unless it has polled again.
    pub live_until: Millis,
    /// The last number that it has acknowledged, as far as the store was told.
    pub acknowledged: u64,
}

/// A read of the registered gateways.
pub struct GatewaysRead {
    /// The store's time of the read.
    pub at: Millis,
    /// Of what history of the store this is.
    pub history: History,
    /// The gateways.
    pub gateways: Vec<RegisteredGateway>,
    /// Those that an operator has told to count no more, and that have not polled since.
    pub forgotten: Vec<GatewayId>,
}

/// What a gateway has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Which one.
    pub gateway: GatewayId,
    /// All up to this; `None`: its cursor was refused, so that nothing is.
    pub cursor: Option<Cursor>,
}
