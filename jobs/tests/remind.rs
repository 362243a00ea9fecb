//! Reminders, wherever a worker dies on the way: each overdue interaction is told once, alone or in a digest.
#![allow(clippy::unwrap_used)]

#[path = "support/office.rs"]
mod office;

use domain::interaction::Warning;
use domain::{Actor, Channel, Language, Notify, QuietHours, Recipient, Role};
use office::{Office, WAITS_MAX, by_sms};
use store::Settings;

const HOUR_MS: i64 = 3_600_000;
/// A quick answer is no wait, so that one run may end early; so many in a row that end have no later place to be cut at.
const LIVES: u32 = 5;
const TITLES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Runs each promise on both databases.
macro_rules! both {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[tokio::test]
            async fn on_sqlite() {
                super::$promise(crate::office::Office::sqlite().await).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_postgres() {
                super::$promise(crate::office::Office::postgres().await).await;
            }
        }
    )+};
}

both!(
    a_worker_that_dies_anywhere_tells_nobody_twice_and_forgets_nobody,
    everybody_is_told_as_they_want_and_in_their_language,
    in_quiet_hours_telephones_are_silent_and_in_the_morning_there_is_one_digest,
    who_cannot_be_told_is_a_warning,
    rows_that_cannot_be_read_keep_only_those_from_being_told_whose_they_are,
);

async fn a_worker_that_dies_anywhere_tells_nobody_twice_and_forgets_nobody(office: Office) {
    let (mut dropped, mut lived) = (0, 0);
    for waits in 1..WAITS_MAX {
        let desk = office.tenant(&format!("after {waits} waits")).await;
        let ben = desk.member("ben", Notify::Email, None).await;
        let eve = desk.member("eve", Notify::Email, None).await;
        desk.overdue(ben, &["one", "two"]).await;
        desk.overdue(eve, &["three", "four", "five", "six"]).await;
        let ran = office.run(waits).await;
        assert!(!matches!(ran, Some(Err(_))), "{waits}: {ran:?}");
        office.remind_all().await;
        let sent = office.sent().await;
        let titles = |to: &str| {
            let words = sent[to]
                .iter()
                .flat_map(|text| text.split(|char: char| !char.is_alphabetic()));
            let mut titles: Vec<_> = words.filter(|word| TITLES.contains(word)).collect();
            titles.sort_unstable();
            titles
        };
        assert_eq!(titles("ben@example.com"), ["one", "two"], "{waits}: {sent:?}");
        assert_eq!(
            titles("eve@example.com"),
            ["five", "four", "six", "three"],
            "{waits}: {sent:?}"
        );
        office.remind().await;
        assert!(office.sent().await.is_empty(), "{waits}: a second pass tells nobody");
        if ran.is_none() {
            (dropped, lived) = (dropped + 1, 0);
            continue;
        }
        assert_eq!(sent["eve@example.com"].len(), 1, "four at once are a digest");
        lived += 1;
        if lived == LIVES {
            assert!(dropped > 0, "it was cut short nowhere");
            return;
        }
    }
    panic!("it never ends");
}

async fn everybody_is_told_as_they_want_and_in_their_language(office: Office) {
    let desk = office.tenant("Acme").await;
    desk.set(Settings {
        time_zone: Some(chrono_tz::Tz::Europe__Paris),
        digest_over: 1,
        ..Settings::default()
    })
    .await;
    let zoe = desk.member("zoe", Notify::Email, Some(Language::French)).await;
    let ben = desk.member("ben", by_sms("+12025550143"), None).await;
    desk.overdue(zoe, &["Rappeler Ana"]).await;
    desk.overdue(ben, &["a", "b", "c", "d", "e"]).await;
    office.remind().await;
    let sent = office.sent().await;
    assert_eq!(
        sent["zoe@example.com"],
        ["Rappel : « Rappeler Ana » était à faire le 15/01/2026 à 12:00."]
    );
    let [digest] = &sent["+12025550143"][..] else {
        panic!("{sent:?}")
    };
    assert!(
        digest.starts_with("5 things to do are overdue:\n- a (15 January 2026 at 12:00)\n- b "),
        "{digest}"
    );
    assert!(digest.ends_with("and 2 more."), "{digest}");
}

async fn in_quiet_hours_telephones_are_silent_and_in_the_morning_there_is_one_digest(office: Office) {
    let desk = office.tenant("Acme").await;
    desk.set(Settings {
        quiet_hours: Some(QuietHours::parse("11:00", "18:00", "UTC").unwrap()),
        ..Settings::default()
    })
    .await;
    let ben = desk.member("ben", by_sms("+12025550143"), None).await;
    let eve = desk.member("eve", Notify::Email, None).await;
    desk.overdue(ben, &["a", "b"]).await;
    desk.overdue(eve, &["mail makes no noise"]).await;
    office.remind().await;
    let sent = office.sent().await;
    assert_eq!(sent.keys().collect::<Vec<_>>(), ["eve@example.com"]);
    let ids = desk.overdue(ben, &["c", "d", "e"]).await;
    office.advance(5 * HOUR_MS);
    office.remind().await;
    assert!(office.sent().await.is_empty(), "an hour is left");
    let actor = Actor::System;
    let writer = store::Editor {
        actor: &actor,
        role: Role::Owner,
    };
    let store = &office.ctx.store;
    store
        .delete_interaction(desk.tenant, ids[0], writer, None)
        .await
        .unwrap();
    office.advance(HOUR_MS);
    office.remind().await;
    let sent = office.sent().await;
    let [digest] = &sent["+12025550143"][..] else {
        panic!("{sent:?}")
    };
    // What is gone by then is not told.
    assert!(digest.starts_with("4 things to do are overdue:"), "{digest}");
}

async fn who_cannot_be_told_is_a_warning(office: Office) {
    let desk = office.tenant("Acme").await;
    let silent = desk.member("ben", Notify::None, None).await;
    let whatsapp = Notify::To(
        Channel::Whatsapp,
        Recipient::parse(Channel::Whatsapp, "+12025550143").unwrap(),
    );
    let routeless = desk.member("eve", whatsapp, None).await;
    let silent = desk.overdue(silent, &["a"]).await;
    let routeless = desk.overdue(routeless, &["b", "c", "d", "e"]).await;
    office.remind().await;
    assert!(office.sent().await.is_empty());
    assert_eq!(desk.warning(silent[0]).await, Some(Warning::NoChannel));
    for id in routeless {
        assert_eq!(desk.warning(id).await, Some(Warning::NoRoute));
    }
}

async fn rows_that_cannot_be_read_keep_only_those_from_being_told_whose_they_are(office: Office) {
    let (broken, whole) = (office.tenant("Broken").await, office.tenant("Whole").await);
    for (desk, name) in [(&broken, "ben"), (&whole, "eve")] {
        let member = desk.member(name, Notify::Email, None).await;
        desk.overdue(member, &["a"]).await;
    }
    let lost = broken.seal_settings_under_a_lost_key().await;
    for ticks in 1..=2 {
        // A failure would be a dead letter of each tick.
        office.remind().await;
        assert_eq!(office.counted("unreadable").await, ticks);
    }
    assert_eq!(office.sent().await.keys().collect::<Vec<_>>(), ["eve@example.com"]);

    broken.find_the_key_again(&lost).await;
    office.remind().await;
    assert_eq!(office.sent().await.keys().collect::<Vec<_>>(), ["ben@example.com"]);
}
