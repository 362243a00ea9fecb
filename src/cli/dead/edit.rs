//! Other payloads for dead letters.

use anyhow::{Context as _, bail, ensure};
use domain::{AuditAction, TenantId};
use queue::JobId;
use queue::backend::Backend;
use queue::envelope::{Envelope, seal_payload};
use seal::Keyring;
use serde_json::{Value, json};

use crate::cli::answer::Answer;
use crate::cli::audit::Log;
use crate::cli::history::Meant;
use crate::cli::payload::{self, Change};
use crate::config::Settings;

/// Replaces the payload of a dead letter.
///
/// The letter lies in the queue and what was changed in the store, so no transaction spans both. What is to be changed is
/// written down first, as *meant*; then the letter is rewritten; then the same is written down as made, or, if the letter
/// was not rewritten because it is another one by now, taken away again. What is cut short:
///
/// - *Before the letter was rewritten*: an edit stays that never was.
/// - *After that, or while nobody knows (the queue did not answer)*: an edit stays that was made, or may have been.
///
/// Both stay as meant, which `dead show` tells apart from what is certain. An edit that was made is never without its record.
pub(super) async fn edit(
    backend: &dyn Backend,
    id: JobId,
    new: &[u8],
    reveal: bool,
    by: String,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let kept = super::find(backend, id).await?;
    let envelope = Envelope::decode(&kept.body).context("its stored form is not one this program ever wrote")?;
    let (body, changes) = replaced(&envelope, id, new, &settings.keyring)?;
    refuse_unknown(&envelope, id, new, &settings.keyring)?;
    let mut meant = None;
    if !changes.is_empty() {
        let log = Log::of(Some(by.clone()), settings).await?;
        let paths: Vec<_> = changes.iter().map(Change::path).collect();
        let what = json!({ "changed": paths });
        log.about_to(AuditAction::DeadLetterEdited, Some(id.to_string()), Some(what))
            .await?;
        meant = Some(Meant::keep(&changes, TenantId(kept.tenant), id, by, settings).await?);
    }
    let changes: Vec<_> = changes
        .into_iter()
        .map(|change| if reveal { change } else { change.masked() })
        .collect();
    let edited = backend.rewrite(id, &kept.body, &body).await?;
    if let Some(meant) = meant {
        meant.settle(edited).await;
    }
    ensure!(
        edited,
        "dead letter {id} was edited, retried or deleted in the same moment: look at it again"
    );
    let words = match changes.is_empty() {
        true => "Nothing changed.".to_owned(),
        false => {
            changes.iter().map(Change::words).collect::<String>() + &format!("\n`relais dead retry {id}` runs it.")
        }
    };
    let changes: Vec<_> = changes.iter().map(Change::to_json).collect();
    Ok(Answer::new(json!({ "id": id.to_string(), "changes": changes }), words))
}

/// The stored form with another payload, which its kind must be able to read, and what changed.
pub(super) fn replaced(
    envelope: &Envelope<'_>,
    id: JobId,
    new: &[u8],
    keyring: &Keyring,
) -> anyhow::Result<(Vec<u8>, Vec<Change>)> {
    match ::jobs::registry().check(envelope.kind, new) {
        Some(Ok(_)) => {}
        Some(Err(why)) => bail!("a {} cannot be read from it: {why}", envelope.kind),
        None => bail!(
            "this version does not know the kind `{}`, so it cannot check the payload",
            envelope.kind
        ),
    }
    // What cannot be opened or parsed any more may still be replaced.
    let old = payload::clear(envelope, id, keyring).ok();
    let old = old
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null);
    let changes = payload::differences(&old, &serde_json::from_slice(new)?);
    if let Some(change) = changes.iter().find(|change| change.writes_a_mask()) {
        bail!(
            "`{}` is what `dead show` prints in place of the real value. Write the payload from \
             `relais dead show {id} --reveal --json`.",
            change.path()
        );
    }
    let sealed = seal_payload(id, envelope.kind, new, keyring);
    let body = Envelope {
        sealed: &sealed,
        ..*envelope
    }
    .encode();
    Ok((body, changes))
}

/// A field that nobody reads is a misspelt one. What the letter had before belongs to the version that wrote it.
fn refuse_unknown(envelope: &Envelope<'_>, id: JobId, new: &[u8], keyring: &Keyring) -> anyhow::Result<()> {
    let unknown = |payload: &[u8]| {
        let checked = ::jobs::registry().check(envelope.kind, payload);
        checked.and_then(Result::ok).unwrap_or_default()
    };
    let before = payload::clear(envelope, id, keyring).ok();
    let before = before.map_or_else(Vec::new, |old| unknown(&old));
    if let Some(field) = unknown(new).into_iter().find(|field| !before.contains(field)) {
        bail!(
            "`{field}` is no field of a {} here: nobody would read it",
            envelope.kind
        );
    }
    Ok(())
}
