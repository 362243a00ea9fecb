//! How operators' commands reach an installation.

use anyhow::Context as _;

use crate::config::Values;
use crate::config::home::Home;

/// Beside a running `relais dev`, commands need no settings: they use its database. Settings that are given always win.
pub(super) fn use_home(values: &mut Values) -> anyhow::Result<()> {
    if values.has("DATABASE_URL") || values.has("RELAIS_KEYS") {
        return Ok(());
    }
    let here = std::env::current_dir().context("the current directory is gone")?;
    if let Some(home) = Home::find(&here) {
        home.fill(values)
            .with_context(|| format!("the keys in {} cannot be read", home.directory().display()))?;
        home.fill_url(values);
        eprintln!(
            "relais: DATABASE_URL is not set, so this is about {}.",
            home.directory().display()
        );
    }
    Ok(())
}
