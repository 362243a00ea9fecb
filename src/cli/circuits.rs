//! `relais circuits`.

use chrono::Utc;
use domain::TenantId;
use serde_json::json;

use super::answer::{Answer, or_dash, table};
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

pub(super) async fn run(tenant: Option<TenantId>, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    let now = Utc::now();
    let (mut items, mut rows) = (Vec::new(), Vec::new());
    for circuit in store.circuits(tenant).await? {
        let is_due = circuit.until.is_some_and(|until| until <= now);
        let until = circuit.until.map(|until| rfc3339(until.timestamp_millis()));
        items.push(json!({
            "tenant": circuit.tenant, "credential": circuit.credential, "provider": circuit.provider,
            "label": circuit.label, "state": circuit.state, "failures": circuit.failures, "until": until, "due": is_due,
        }));
        let until = if is_due {
            Some("over; the next message tries it".to_owned())
        } else {
            until
        };
        rows.push([
            circuit.tenant.to_string(),
            circuit.provider,
            circuit.label,
            circuit.state.to_string(),
            circuit.failures.to_string(),
            or_dash(until),
        ]);
    }
    let words = if rows.is_empty() {
        "No account has failed lately.".to_owned()
    } else {
        table(["TENANT", "PROVIDER", "LABEL", "STATE", "FAILURES", "UNTIL"], &rows)
    };
    Ok(Answer::new(json!({ "items": items, "next_cursor": null }), words))
}
