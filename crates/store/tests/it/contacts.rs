//! Whose message it is.

use domain::EmailEvent;
use domain::scoring::Reason;

use crate::fresh::{Fresh, event, of_person, to_address};

async fn a_person_is_known_by_id_then_an_organisation_then_an_address_then_nobody(fresh: Fresh) {
    let opened = |message: &str| event(message, EmailEvent::Opened, message);
    let mut all = to_address(of_person(opened("1"), "ada"), "a@example.com");
    all.organisation_id = Some("acme".into());
    let mut organisation = to_address(opened("2"), "a@example.com");
    organisation.organisation_id = Some("acme".into());
    for record in [all, organisation, to_address(opened("3"), "a@example.com"), opened("4")] {
        fresh.apply(&record).await;
    }
    let ids = async |message: &str| {
        let message = fresh.message(message).await;
        (message.person_id, message.organisation_id)
    };
    assert_eq!(ids("1").await, (Some("ada".into()), None));
    assert_eq!(ids("2").await, (None, Some("acme".into())));
    assert_eq!(ids("3").await, (None, None));
    assert_eq!(ids("4").await, (None, None));
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 4);
}

async fn one_person_is_one_contact_over_many_messages(fresh: Fresh) {
    let first = fresh
        .apply(&of_person(event("1", EmailEvent::Opened, "1"), "ada"))
        .await;
    let second = fresh
        .apply(&of_person(event("2", EmailEvent::Opened, "2"), " ada "))
        .await;
    assert_eq!((first.contact, second.score), (second.contact, 6));
    let mut organisation = event("3", EmailEvent::Opened, "3");
    organisation.organisation_id = Some("ada".into());
    assert_ne!(
        fresh.apply(&organisation).await.contact,
        first.contact,
        "an organisation of the same id is another"
    );
}

async fn two_spellings_of_an_address_are_one_contact(fresh: Fresh) {
    let first = fresh
        .apply(&to_address(event("1", EmailEvent::Opened, "1"), "Ada@Example.com"))
        .await;
    let second = fresh
        .apply(&to_address(event("2", EmailEvent::Opened, "2"), "ada@example.com "))
        .await;
    assert_eq!(first.contact, second.contact);
}

async fn an_empty_id_names_nobody(fresh: Fresh) {
    let mut record = of_person(event("1", EmailEvent::Opened, "1"), " ");
    record.organisation_id = Some("acme".into());
    fresh.apply(&record).await;
    assert_eq!(fresh.message("1").await.organisation_id.as_deref(), Some("acme"));
}

async fn a_later_event_need_not_name_the_contact_again(fresh: Fresh) {
    fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "1"), "ada"))
        .await;
    fresh
        .apply(&to_address(event("m", EmailEvent::Clicked, "2"), "ada@example.com"))
        .await;
    fresh.apply(&event("m", EmailEvent::Opened, "3")).await;
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 12)]);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);
}

async fn an_anonymous_contact_is_merged_into_the_named_one_and_nothing_is_lost(fresh: Fresh) {
    fresh
        .apply(&of_person(event("earlier", EmailEvent::Opened, "1"), "ada"))
        .await;
    let anonymous = fresh.apply(&event("m", EmailEvent::Opened, "2")).await;
    let named = fresh
        .apply(&of_person(event("m", EmailEvent::Clicked, "3"), "ada"))
        .await;

    assert_ne!(anonymous.contact, named.contact);
    assert_eq!(named.score, 3 + 3 + 8);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 14)]);
    assert_eq!(fresh.message("m").await.contact_id, named.contact);
    let interaction = fresh
        .store
        .interaction(fresh.tenant, anonymous.interaction.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(interaction.contact_id, named.contact);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);

    let ledger = fresh
        .store
        .lead_ledger(fresh.tenant, named.contact, None, 10)
        .await
        .unwrap();
    let lines: Vec<_> = ledger
        .iter()
        .map(|line| (line.reason, line.points, line.score_after))
        .collect();
    assert_eq!(
        lines,
        [
            (Reason::FirstOpen, 3, 3),
            (Reason::FirstOpen, 3, 3),
            (Reason::Merge, 3, 6),
            (Reason::FirstClick, 8, 14),
        ]
    );
    assert_eq!(
        fresh
            .store
            .lead_ledger(fresh.tenant, anonymous.contact, None, 10)
            .await
            .unwrap(),
        []
    );
}

async fn a_contact_known_by_address_brings_all_its_messages_along(fresh: Fresh) {
    let address = "ada@example.com";
    fresh
        .apply(&to_address(event("1", EmailEvent::Opened, "1"), address))
        .await;
    fresh
        .apply(&to_address(event("2", EmailEvent::Opened, "2"), address))
        .await;
    let named = fresh
        .apply(&of_person(event("2", EmailEvent::Delivered, "3"), "ada"))
        .await;
    assert_eq!(named.score, 6);
    assert_eq!(fresh.message("1").await.contact_id, named.contact);
    // The address is free again: two named persons may share it, so it decides nothing any more.
    let later = fresh
        .apply(&to_address(event("3", EmailEvent::Opened, "4"), address))
        .await;
    assert_ne!(later.contact, named.contact);
}

async fn a_message_climbs_from_nobody_to_an_address_to_a_person(fresh: Fresh) {
    fresh.apply(&event("m", EmailEvent::Opened, "1")).await;
    fresh
        .apply(&to_address(event("m", EmailEvent::Opened, "2"), "ada@example.com"))
        .await;
    let last = fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "3"), "ada"))
        .await;
    assert_eq!(last.score, 5);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 5)]);
}

async fn the_name_a_message_has_is_kept_when_another_comes(fresh: Fresh) {
    fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "1"), "ada"))
        .await;
    fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "2"), "bob"))
        .await;
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 4)]);
}

both!(
    a_person_is_known_by_id_then_an_organisation_then_an_address_then_nobody,
    one_person_is_one_contact_over_many_messages,
    two_spellings_of_an_address_are_one_contact,
    an_empty_id_names_nobody,
    a_later_event_need_not_name_the_contact_again,
    an_anonymous_contact_is_merged_into_the_named_one_and_nothing_is_lost,
    a_contact_known_by_address_brings_all_its_messages_along,
    a_message_climbs_from_nobody_to_an_address_to_a_person,
    the_name_a_message_has_is_kept_when_another_comes,
);
