//! What holds a message's job back that the queue knows nothing of: quiet hours of its tenant, the circuit of its account.

use chrono::DateTime;
use domain::{CircuitState, TenantId};
use jobs::sending::{Hop, Sending, waits_for_quiet_hours};
use queue::Millis;
use queue::backend::Kept;
use queue::envelope::Envelope;
use seal::Keyring;
use store::{Circuit, Store, StoreError};

use super::{Facts, Why};

/// A job looks again a moment after what held it.
const MOMENT: Millis = 1_000;

/// What the store knows that bears on one job.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) quiet_until: Option<Millis>,
    pub(super) circuit: Option<Circuit>,
}

impl Facts {
    /// Asks the store, too, about a job that sends a message. What it does not answer stays unknown: what the queue knows is
    /// worth telling all the same.
    pub(crate) async fn ask(&mut self, store: &Store, keyring: &Keyring) {
        if let Err(error) = self.try_to_ask(store, keyring).await {
            tracing::warn!(%error, "The store cannot be asked about circuits and quiet hours; the rest is known.");
        }
    }

    async fn try_to_ask(&mut self, store: &Store, keyring: &Keyring) -> Result<(), StoreError> {
        let Some((tenant, sending)) = self.kept.as_ref().and_then(|kept| {
            let sending = sending(kept, keyring)?;
            Some((TenantId(kept.tenant), sending))
        }) else {
            return Ok(());
        };
        let message = &sending.message;
        if !sending.confirms && waits_for_quiet_hours(message.class, message.channel) {
            let hours = store.settings(tenant).await?.quiet_hours;
            let now = DateTime::from_timestamp_millis(self.now).unwrap_or_default();
            let until = hours.and_then(|hours| hours.hold_until(now));
            self.held.quiet_until = until.map(|until| until.timestamp_millis());
        }
        if let Some(Hop { credential, .. }) = sending.hops.get(sending.hop) {
            let mut circuits = store.circuits(Some(tenant)).await?.into_iter();
            self.held.circuit =
                circuits.find(|circuit| circuit.credential == *credential && circuit.state != CircuitState::Closed);
        }
        Ok(())
    }
}

/// What a job that sends carries; `None` of any other, and of what cannot be opened here.
fn sending(kept: &Kept, keyring: &Keyring) -> Option<Sending> {
    let payload = Envelope::decode(&kept.body)?.open(kept.id, keyring).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// What a job that looks again at `again_at` will find in its way then: it is what it waits for.
pub(super) fn held(facts: &Facts, again_at: Millis) -> Option<Why> {
    let lasts = |until: Millis| again_at <= until.saturating_add(MOMENT);
    if let Some(until) = facts.held.quiet_until.filter(|until| lasts(*until)) {
        return Some(Why::QuietHours { until, again_at });
    }
    let circuit = facts.held.circuit.as_ref()?;
    let until = circuit.until.map(|until| until.timestamp_millis())?;
    lasts(until).then(|| Why::CircuitOpen {
        provider: circuit.provider.clone(),
        label: circuit.label.clone(),
        failures: circuit.failures,
        until,
        again_at,
    })
}
