//! A look at the database that makes nothing, migrates nothing and disturbs nobody.

use super::connect::{OpenError, Options, address, look_at};
use super::schema::{connect, migrations};
use super::work::because;
use crate::clock::Millis;
use crate::doctor::Looked;

/// What is there; `None`: no companion has been there yet.
///
/// # Errors
/// When it cannot be reached, or when what it commits might not last (CF-08).
pub async fn look(options: &Options) -> Result<Option<Looked>, OpenError> {
    let failed = |error: tokio_postgres::Error| OpenError::new(because(&error));
    let client = connect(&address(options)?).await.map_err(failed)?;
    look_at(&client).await.map_err(OpenError::new)?;
    let made = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client
        .query_one(made, &[])
        .await
        .map_err(failed)?
        .get::<_, bool>(0)
    {
        return Ok(None);
    }
    let look = "
        SELECT (SELECT coalesce(max(version), 0)::bigint FROM refinery_schema_history),
            (SELECT array_agg(value) FROM meta WHERE name = 'master_key' OR name LIKE 'master_key/%'), latchkey_now()";
    let row = client.query_one(look, &[]).await.map_err(failed)?;
    let check_values: Option<Vec<&[u8]>> = row.get(1);
    let check_values = check_values.into_iter().flatten();
    Ok(Some(Looked {
        schema: u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX),
        known: crate::doctor::newest(&migrations::migrations::runner()),
        check_values: check_values
            .filter_map(|value| value.try_into().ok())
            .collect(),
        time: Some(Millis(row.get(2))),
        is_in_use: false,
    }))
}
