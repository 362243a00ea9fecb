//! What nothing is made of yet is not lost: it lies in the store, whole and sealed, until somebody learns to read it.

use axum::http::StatusCode;
use domain::{EventId, TenantId};
use providers::{Event, News};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use store::KeptEvent;
use uuid::Uuid;

use super::sign;
use crate::app::{Combination, TestApp};

const REPORT: &str = include_str!("../../webhooks/vapi/end_of_call_report.json");
const STATUS: &str = include_str!("../../webhooks/vapi/status_update_in_progress.json");

/// Every event that is kept in this installation, as the store reads it.
async fn kept(app: &TestApp) -> Vec<KeptEvent> {
    let url = format!("sqlite://{}", app.sqlite_path().unwrap());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as("SELECT id, content FROM kept_events ORDER BY word")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let store = app.store().await;
    let tenant = TenantId(app.tenant.parse().unwrap());
    let mut all = Vec::new();
    for (id, sealed) in rows {
        assert!(
            !String::from_utf8_lossy(&sealed).contains("message"),
            "it lies there unsealed"
        );
        all.push(store.kept_event(tenant, EventId(id)).await.unwrap().unwrap());
    }
    all
}

#[tokio::test]
async fn a_call_is_kept_as_it_was_told_once_and_without_credentials() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    let create = [
        "endpoint",
        "create",
        "--tenant",
        &app.tenant,
        "--provider",
        "vapi",
        "--secret",
        "s",
    ];
    let target = format!("/webhooks/vapi/{}", app.relais(&create)["id"].as_str().unwrap());
    for body in [REPORT, STATUS, REPORT] {
        let reply = sign::shown(&target, "X-Vapi-Secret", "s", body)
            .send(app.address())
            .await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    }
    app.wait_until_idle().await;

    let kept = kept(&app).await;
    let words: Vec<_> = kept
        .iter()
        .map(|event| (event.provider.as_str(), event.word.as_str()))
        .collect();
    assert_eq!(words, [("vapi", "end-of-call-report"), ("vapi", "status-update")]);
    for event in &kept {
        let read: Event = serde_json::from_str(event.content.expose()).unwrap();
        assert!(matches!(read.news, News::Call(_)), "{read:?}");
        assert_eq!(read.occurred_at, event.occurred_at);
        assert!(!event.content.expose().contains("twilioAuthToken"), "{}", event.word);
    }
    assert!(STATUS.contains("twilioAuthToken"), "there was one to be left out");
}
