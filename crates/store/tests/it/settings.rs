//! Settings of a tenant.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{AuditAction, Author, Language, PersonalText, QuietHours, TenantId};
use serde_json::json;
use store::{AuditEntry, AuditFilter, Senders, Settings, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

impl Fresh {
    async fn set(&self, tenant: TenantId, settings: &Settings) -> Result<Settings, StoreError> {
        self.set_at(tenant, settings, now()).await
    }

    async fn set_at(&self, tenant: TenantId, settings: &Settings, at: DateTime<Utc>) -> Result<Settings, StoreError> {
        let change = |_| Ok(settings.clone());
        let author = Author::system();
        self.store.change_settings(tenant, change, &author, at).await
    }
}

async fn settings_are_what_they_were_last_set_to(fresh: Fresh) {
    assert_eq!(fresh.store.settings(fresh.tenant).await.unwrap(), Settings::default());
    let all = Settings {
        quiet_hours: Some(QuietHours::parse("21:00", "08:00", "Europe/Paris").unwrap()),
        language: Language::French,
        tracking: false,
        senders: Senders {
            email: Some(PersonalText::new("Zoë <zoe@example.com>")),
            sms: Some(PersonalText::new("+33600000000")),
            whatsapp: None,
        },
        time_zone: Some(Tz::Europe__Madrid),
        digest_over: 7,
    };
    for settings in [&all, &Settings::default(), &all] {
        fresh.set(fresh.tenant, settings).await.unwrap();
        assert_eq!(fresh.store.settings(fresh.tenant).await.unwrap(), *settings);
    }
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.settings(other).await.unwrap(), Settings::default());
    let nobody = TenantId(Uuid::from_u128(404));
    let refused = fresh.set(nobody, &all).await;
    assert!(matches!(&refused, Err(StoreError::Missing)), "{refused:?}");
}

async fn changes_of_settings_made_at_once_are_all_kept_and_written_down(fresh: Fresh) {
    let unlimited = Settings {
        digest_over: 0,
        ..Settings::default()
    };
    fresh.set(fresh.tenant, &unlimited).await.unwrap();
    let mut changing = JoinSet::new();
    for _ in 0..10 {
        let (store, tenant) = (fresh.store.clone(), fresh.tenant);
        changing.spawn(async move {
            let change = |mut settings: Settings| {
                settings.digest_over += 1;
                Ok::<_, StoreError>(settings)
            };
            let author = Author::system();
            store.change_settings(tenant, change, &author, now()).await.unwrap()
        });
    }
    changing.join_all().await;
    assert_eq!(fresh.store.settings(fresh.tenant).await.unwrap().digest_over, 10);
    assert_eq!(fresh.changes().await.len(), 11);
}

async fn the_audit_log_shows_that_a_sender_changed_and_not_to_whom(fresh: Fresh) {
    let from = |number: &str| Settings {
        senders: Senders {
            sms: Some(PersonalText::new(number)),
            ..Senders::default()
        },
        ..Settings::default()
    };
    for (at, number) in [(1, "+33600000001"), (2, "+33600000002")] {
        fresh.set_at(fresh.tenant, &from(number), second(at)).await.unwrap();
    }
    let entry = fresh.changes().await.remove(0);
    let (before, after) = (entry.before.unwrap(), entry.after.unwrap());
    assert_eq!(
        (&before["senders"], &after["senders_changed"]),
        (&json!(["sms"]), &json!(["sms"]))
    );
    assert!(!format!("{before}{after}").contains("336"));
    let refused = |_| Err::<Settings, _>(StoreError::Missing);
    let author = Author::system();
    let unchanged = fresh.store.change_settings(fresh.tenant, refused, &author, now()).await;
    assert!(unchanged.is_err());
    assert_eq!(
        fresh.changes().await.len(),
        2,
        "what was not changed is not written down"
    );
}

impl Fresh {
    /// What is written down about changes of settings, latest first.
    async fn changes(&self) -> Vec<AuditEntry> {
        let filter = AuditFilter {
            action: Some(AuditAction::TenantChanged),
            ..AuditFilter::default()
        };
        let log = self.store.audit_log(Some(self.tenant), &filter, None, 50).await;
        log.unwrap().items
    }
}

#[test]
fn days_go_by_the_clock_that_was_set_else_by_that_of_quiet_hours() {
    let quiet_hours = QuietHours::parse("21:00", "08:00", "Europe/Paris").ok();
    let check = |time_zone, quiet_hours, expected: Tz| {
        let settings = Settings {
            time_zone,
            quiet_hours,
            ..Settings::default()
        };
        assert_eq!(settings.zone(), expected);
    };
    check(None, None, Tz::UTC);
    check(None, quiet_hours, Tz::Europe__Paris);
    check(Some(Tz::Europe__Madrid), quiet_hours, Tz::Europe__Madrid);
}

both!(
    settings_are_what_they_were_last_set_to,
    changes_of_settings_made_at_once_are_all_kept_and_written_down,
    the_audit_log_shows_that_a_sender_changed_and_not_to_whom,
);
