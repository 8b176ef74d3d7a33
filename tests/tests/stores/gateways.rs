//! Gateways: until when each may accept tokens.

use std::sync::Arc;
use std::time::Duration;

use companion::clock::Millis;
use companion::store::{RegisteredGateway, Store};
use token::GatewayId;

use crate::bench::Bench;
use crate::{HOUR, MINUTE, SECOND};

fn gateway(bench: &Bench, name: u8, live_for: Duration) -> RegisteredGateway {
    RegisteredGateway {
        id: GatewayId::from_bytes([name; 16]),
        staleness: Some(MINUTE),
        live_until: bench.clock.now().plus(live_for),
        acknowledged: 0,
    }
}

async fn all(store: &Arc<dyn Store>) -> Vec<RegisteredGateway> {
    store.gateways(Millis(0)).await.unwrap().gateways
}

/// A gateway, as both handles know it. A store that keeps it in two places may name it twice.
async fn known(bench: &Bench, name: u8) -> Option<RegisteredGateway> {
    let id = GatewayId::from_bytes([name; 16]);
    let mut known = all(&bench.store).await;
    known.extend(all(&bench.other).await);
    known.retain(|gateway| gateway.id == id);
    let one = known.first().copied();
    assert!(known.iter().all(|gateway| Some(*gateway) == one));
    one
}

pub async fn a_gateway_is_known_once_it_is_registered(bench: &Bench) {
    assert!(all(&bench.store).await.is_empty());
    let one = gateway(bench, 1, MINUTE);
    let two = RegisteredGateway {
        staleness: None,
        ..gateway(bench, 2, HOUR)
    };
    bench.store.register_gateway(one).await.unwrap();
    assert_eq!(known(bench, 1).await, Some(one));
    bench.other.register_gateway(two).await.unwrap();
    assert_eq!(known(bench, 1).await, Some(one));
    assert_eq!(known(bench, 2).await, Some(two));
    assert_eq!(known(bench, 3).await, None);
}

/// A receipt that counted it too short would be complete while it still accepts tokens.
pub async fn the_longer_moment_stays(bench: &Bench) {
    let longer = gateway(bench, 1, HOUR);
    bench
        .store
        .register_gateway(gateway(bench, 1, MINUTE))
        .await
        .unwrap();
    bench.other.register_gateway(longer).await.unwrap();
    assert_eq!(known(bench, 1).await, Some(longer));
    bench
        .store
        .register_gateway(gateway(bench, 1, SECOND))
        .await
        .unwrap();
    assert_eq!(known(bench, 1).await, Some(longer));
}
