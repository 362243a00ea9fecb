//! Settings of a tenant.

use chrono_tz::Tz;
use domain::{Language, PersonalText, QuietHours, TenantId};
use store::{Senders, Settings, StoreError};
use uuid::Uuid;

use crate::fresh::{Fresh, now};

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
        fresh.store.set_settings(fresh.tenant, settings, now()).await.unwrap();
        assert_eq!(fresh.store.settings(fresh.tenant).await.unwrap(), *settings);
    }
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.settings(other).await.unwrap(), Settings::default());
    let nobody = TenantId(Uuid::from_u128(404));
    let refused = fresh.store.set_settings(nobody, &all, now()).await;
    assert!(matches!(&refused, Err(StoreError::Missing)), "{refused:?}");
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

both!(settings_are_what_they_were_last_set_to);
