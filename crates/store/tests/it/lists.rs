//! Lists, page by page, and other tenants' rows in them.

use domain::{Channel, ContactId, EmailEvent, EventKind, MessageId, OutgoingRecord, PersonalText, Status};
use store::{InboxFilter, MessageFilter};

use crate::fresh::{Fresh, event, now, second};
use crate::scene::{ADDRESS, NUMBER, outgoing};

async fn messages_come_newest_first_and_pages_join_without_gap(fresh: Fresh) {
    for n in 0..7 {
        // Two at a time have the same time of creation.
        let record = event(&n.to_string(), EmailEvent::Sent, &n.to_string());
        let at = second(i64::from(n / 2));
        fresh
            .store
            .record_email_event(fresh.tenant, fresh.endpoint, &record, at)
            .await
            .unwrap();
    }
    let all = fresh
        .store
        .messages(fresh.tenant, &MessageFilter::default(), None, 100)
        .await
        .unwrap();
    assert_eq!((all.items.len(), all.next), (7, None));
    assert!(
        all.items
            .is_sorted_by(|a, b| (a.created_at, a.id) > (b.created_at, b.id))
    );

    let (mut joined, mut after) = (Vec::new(), None);
    loop {
        let page = fresh
            .store
            .messages(fresh.tenant, &MessageFilter::default(), after, 2)
            .await
            .unwrap();
        joined.extend(page.items);
        // Through its text form, as a URL would carry it.
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(joined, all.items);
}

async fn messages_are_narrowed_by_provider_and_status(fresh: Fresh) {
    fresh.apply(&event("a", EmailEvent::Sent, "1")).await;
    fresh.apply(&event("b", EmailEvent::Opened, "2")).await;
    let mut resend = event("a", EmailEvent::Opened, "3");
    resend.provider = "resend".into();
    fresh.apply(&resend).await;
    let check = async |provider: Option<&str>, status, expected: usize| {
        let filter = MessageFilter {
            provider: provider.map(Into::into),
            status,
            ..MessageFilter::default()
        };
        let page = fresh.store.messages(fresh.tenant, &filter, None, 100).await.unwrap();
        assert_eq!(page.items.len(), expected, "{filter:?}");
    };
    check(None, None, 3).await;
    check(Some("sendgrid"), None, 2).await;
    check(None, Some(Status::Opened), 2).await;
    check(Some("resend"), Some(Status::Opened), 1).await;
    check(Some("nobody"), None, 0).await;
    check(None, Some(Status::Queued), 0).await;
}

async fn messages_are_narrowed_by_channel_contact_and_person(fresh: Fresh) {
    for (request, to, person) in [
        ("1", NUMBER, None),
        ("2", NUMBER, Some("ada")),
        ("3", ADDRESS, Some("ada")),
    ] {
        let record = OutgoingRecord {
            person_id: person.map(Into::into),
            ..outgoing(&fresh, request, to)
        };
        fresh.begin(&record, now()).await;
    }
    let ada = fresh.find(MessageId::of_request(fresh.tenant, "2")).await.contact_id;
    let found = async |filter: MessageFilter| {
        let page = fresh.store.messages(fresh.tenant, &filter, None, 100).await.unwrap();
        page.items.len()
    };
    let of_channel = |channel| MessageFilter {
        channel: Some(channel),
        ..MessageFilter::default()
    };
    let of_person = |person: &str| MessageFilter {
        person: Some(person.into()),
        ..MessageFilter::default()
    };
    let of_contact = |contact| MessageFilter {
        contact: Some(contact),
        ..MessageFilter::default()
    };
    let by_person = found(of_person("ada")).await;
    assert!(by_person >= 2, "{by_person}");
    assert_eq!(found(of_contact(ada)).await, by_person);
    assert_eq!(found(of_channel(Channel::Sms)).await, 2);
    assert_eq!(found(of_channel(Channel::Email)).await, 1);
    let of_ada_by_mail = MessageFilter {
        channel: Some(Channel::Email),
        ..of_person("ada")
    };
    assert_eq!(found(of_ada_by_mail).await, 1);
    assert_eq!(found(of_channel(Channel::Whatsapp)).await, 0);
    assert_eq!(found(of_person("bob")).await, 0);
    assert_eq!(found(of_contact(ContactId(uuid::Uuid::nil()))).await, 0);
}

async fn a_messages_events_come_in_the_order_they_happened(fresh: Fresh) {
    for (at, kind) in [(3, EmailEvent::Clicked), (1, EmailEvent::Sent), (2, EmailEvent::Opened)] {
        let mut record = event("m", kind, &at.to_string());
        record.occurred_at = second(at);
        record.url = (kind == EmailEvent::Clicked).then(|| PersonalText::new("https://example.com/?id=7"));
        fresh.apply(&record).await;
    }
    let message = fresh.message("m").await.id;
    let first = fresh
        .store
        .message_events(fresh.tenant, message, None, 2)
        .await
        .unwrap();
    let kinds: Vec<_> = first.items.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Sent, EventKind::Opened]);
    let second_page = fresh
        .store
        .message_events(fresh.tenant, message, first.next, 2)
        .await
        .unwrap();
    assert_eq!((second_page.items.len(), second_page.next), (1, None));
    assert_eq!(
        (second_page.items[0].occurred_at, second_page.items[0].recorded_at),
        (second(3), now())
    );
    assert_eq!(
        second_page.items[0].url.as_ref().unwrap().expose(),
        "https://example.com/?id=7"
    );
}

async fn another_tenants_rows_do_not_exist(fresh: Fresh) {
    let applied = fresh.apply(&event("m", EmailEvent::Opened, "1")).await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let store = &fresh.store;
    assert_eq!(store.message(other, applied.message).await.unwrap(), None);
    assert_eq!(store.message_by_external(other, "sendgrid", "m").await.unwrap(), None);
    assert_eq!(
        store
            .message_events(other, applied.message, None, 10)
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(
        store
            .messages(other, &MessageFilter::default(), None, 10)
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(
        store.interaction(other, applied.interaction.unwrap()).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .inbox(other, &InboxFilter::default(), None, 10)
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(store.lead_ledger(other, applied.contact, None, 10).await.unwrap(), []);
    assert!(store.message(fresh.tenant, applied.message).await.unwrap().is_some());
    let unknown = MessageId::derive(fresh.tenant, "sendgrid", "unknown");
    assert_eq!(store.message(fresh.tenant, unknown).await.unwrap(), None);
}

both!(
    messages_come_newest_first_and_pages_join_without_gap,
    messages_are_narrowed_by_provider_and_status,
    messages_are_narrowed_by_channel_contact_and_person,
    a_messages_events_come_in_the_order_they_happened,
    another_tenants_rows_do_not_exist,
);
