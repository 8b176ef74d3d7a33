//! The secrets of authenticator apps move under the newest version of the master key, so that an older one can be taken away without
//! locking anybody out (ST-06, RR-16). Signing keys do the same in `key_upkeep`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::second_factor;
use crate::store::{AppSecret, Outcome, Store};
use crate::vault::Vault;

/// A companion that still ran with the older key may have sealed some under it after the last look.
const BETWEEN: Duration = Duration::from_secs(600);
const AT_ONCE: u32 = 100;

/// What a pass over all secrets has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// That lay under an older version.
    pub moved: u64,
    /// That no live version of the master key opens.
    pub locked: u64,
}

/// Goes over them at the start and then every ten minutes, until `stop` becomes true.
pub async fn run(store: Arc<dyn Store>, vault: Arc<Vault>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            passed = reseal(store.as_ref(), &vault) => tell(passed),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let ended = tokio::time::timeout(BETWEEN, stop.wait_for(|stop| *stop)).await;
        if ended.is_ok() {
            return;
        }
    }
}

/// One pass, a few at a time: logins go on meanwhile.
///
/// # Errors
/// When the store fails; what has been moved stays so.
pub async fn reseal(store: &dyn Store, vault: &Vault) -> Outcome<Resealed> {
    let (mut passed, mut after) = (Resealed::default(), None);
    loop {
        let found = store
            .secrets_not_under(vault.seal_head(), after, AT_ONCE)
            .await?;
        let Some(AppSecret { account, which, .. }) = found.last() else {
            return Ok(passed);
        };
        after = Some((*account, *which));
        for secret in found {
            match vault.reseal(&second_factor::context(secret.account), &secret.sealed) {
                Some(sealed) => {
                    store.reseal_totp(secret, sealed).await?;
                    passed.moved += 1;
                }
                None => passed.locked += 1,
            }
        }
    }
}

fn tell(passed: Outcome<Resealed>) {
    match passed {
        Ok(Resealed {
            moved: 0,
            locked: 0,
        }) => {}
        Ok(Resealed { moved, locked: 0 }) => {
            tracing::info!(
                moved,
                "all secrets of authenticator apps lie under the newest master key"
            );
        }
        Ok(Resealed { moved, locked }) => {
            tracing::error!(
                moved,
                locked,
                "authenticator apps whose secret no master key opens: name the key that was taken out in old_master_key_files again"
            );
        }
        Err(error) => {
            tracing::error!(%error, "the secrets of authenticator apps were not all sealed anew");
        }
    }
}
