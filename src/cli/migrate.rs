//! `relais migrate`.

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{ConnectOptions, Db};

use super::answer::Answer;
use crate::config::{DatabaseSettings, Values};

/// Brings the database up to date and says what that took.
pub(super) async fn run(values: &Values) -> anyhow::Result<Answer> {
    let settings = DatabaseSettings::read(values)?;
    let options = ConnectOptions {
        connections: settings.connections,
        ..ConnectOptions::default()
    };
    let db = Db::connect(settings.url.expose_secret(), &options)
        .await
        .context("DATABASE_URL cannot be used")?;
    let pending = store::pending_migrations(&db).await?;
    store::migrate(&db).await?;
    db.close().await;
    let applied: Vec<_> = pending
        .iter()
        .map(|step| format!("{:04} {}", step.version, step.name))
        .collect();
    let words = match applied.len() {
        0 => "The database is up to date.".to_owned(),
        _ => format!("Applied:\n  {}", applied.join("\n  ")),
    };
    Ok(Answer::new(json!({ "applied": applied }), words))
}
