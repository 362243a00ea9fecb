//! Dead letters out into files and in again, one JSON object a line.
//!
//! A line is what `dead show --json` prints, and `sealed`, the stored form as it is, under this installation's keys. So an
//! export in which everything personal is masked comes back whole; and one with payloads in clear (`--reveal`) comes into
//! an installation with other keys, or comes in corrected.

use std::collections::HashMap;
use std::io::{BufRead, Write as _};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use domain::TenantId;
use queue::backend::{BATCH_MAX, Backend, Kept, NewDead, State};
use queue::{AfterDeath, Clock, Order};
use seal::Keyring;
use serde_json::{Value, json};
use store::Store;
use uuid::Uuid;

use super::line;
use super::which::Which;
use crate::cli::answer::{Answer, escaped};
use crate::cli::{jobs, pages};
use crate::config::Settings;
use crate::connect;

/// Letters that one call keeps: fewer than a call may have, as each may be large.
const IMPORTED_AT_ONCE: usize = 200;

/// The most refused lines that are told one by one.
const REFUSED_TOLD_MAX: usize = 100;

/// Prints while it reads, because dead letters may be many.
pub(super) async fn export(
    backend: &dyn Backend,
    which: &Which,
    reveal: bool,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let filter = which.filter();
    let mut cursor = None;
    loop {
        let page = pages::dead(backend, &filter, BATCH_MAX, cursor).await?;
        for listed in page.items {
            // One that was retried meanwhile is no dead letter any more.
            if let Some(kept) = backend
                .find(listed.id)
                .await?
                .filter(|kept| matches!(kept.state, State::Dead { .. }))
            {
                let line = written(&kept, &settings.keyring, reveal).to_string();
                writeln!(std::io::stdout(), "{}", escaped(&line))?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Answer::printed());
        }
    }
}

fn written(kept: &Kept, keyring: &Keyring, reveal: bool) -> Value {
    let mut line = jobs::show(jobs::to_json(kept), kept, keyring, reveal).into_json();
    let holds = |order: &Order| order.after_death == AfterDeath::Hold;
    line["line_waits"] = kept.keys.order.as_ref().is_some_and(holds).into();
    line["masked"] = (!reveal).into();
    line["sealed"] = STANDARD.encode(&kept.body).into();
    line
}

/// Keeps the letters of a file. One whose job lives, is dead, or ended not long ago is left as it is.
pub(super) async fn import(backend: &dyn Backend, file: impl BufRead, settings: &Settings) -> anyhow::Result<Answer> {
    let mut tenants = Tenants {
        store: connect::store(settings).await?,
        known: HashMap::new(),
    };
    let mut told = Told::default();
    let mut letters = Vec::new();
    for (index, text) in file.split(b'\n').enumerate() {
        let text = text.context("the file cannot be read")?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        match line::letter(&text, &settings.keyring, Utc::now()) {
            Ok(letter) if tenants.have(letter.job.tenant).await? => letters.push(letter),
            Ok(_) => told.refuse(index + 1, &anyhow::anyhow!("`tenant` is none there is here")),
            Err(error) => told.refuse(index + 1, &error),
        }
        if letters.len() == IMPORTED_AT_ONCE {
            told.keep(backend, std::mem::take(&mut letters)).await?;
        }
    }
    told.keep(backend, letters).await?;
    Ok(told.answer())
}

/// The tenants of this installation, as far as lines named them.
struct Tenants {
    store: Store,
    known: HashMap<Uuid, bool>,
}

impl Tenants {
    async fn have(&mut self, id: Uuid) -> anyhow::Result<bool> {
        if id.is_nil() {
            // The installation's own.
            return Ok(true);
        }
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let known = self.store.tenant(TenantId(id)).await?.is_some();
        self.known.insert(id, known);
        Ok(known)
    }
}

/// What became of the lines.
#[derive(Default)]
struct Told {
    imported: usize,
    known: usize,
    refused: usize,
    why: Vec<Value>,
}

impl Told {
    fn refuse(&mut self, line: usize, error: &anyhow::Error) {
        self.refused += 1;
        if self.why.len() < REFUSED_TOLD_MAX {
            self.why.push(json!({ "line": line, "error": format!("{error:#}") }));
        }
    }

    async fn keep(&mut self, backend: &dyn Backend, letters: Vec<NewDead>) -> anyhow::Result<()> {
        if !letters.is_empty() {
            let kept = backend.import_dead(&letters, Clock::System.now()).await?;
            let imported = kept.iter().filter(|kept| **kept).count();
            self.imported += imported;
            self.known += kept.len() - imported;
        }
        Ok(())
    }

    fn answer(self) -> Answer {
        let Self {
            imported,
            known,
            refused,
            why,
        } = self;
        let mut words = format!("{imported} imported, {known} known already, {refused} refused.\n");
        for told in &why {
            words += &format!(
                "line {}: {}\n",
                told["line"],
                told["error"].as_str().unwrap_or_default()
            );
        }
        let json = json!({ "imported": imported, "known": known, "refused": refused, "errors": why });
        Answer::new(json, words).failed_if(refused > 0)
    }
}
