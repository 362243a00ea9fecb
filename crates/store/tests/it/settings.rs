//! Settings of a tenant.

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

both!(settings_are_what_they_were_last_set_to);
