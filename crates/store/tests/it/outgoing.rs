//! Messages as they are written down before anybody is called.

use domain::{
    Channel, EventKind, Fingerprint, Language, MessageClass, MessageEnd, OutgoingRecord, PersonalText, ReportRecord,
    Status, TemplateVersion,
};
use store::{AttemptBegun, MessageBegun, MessageFilter};

use crate::fresh::{Fresh, now, second};
use crate::scene::{ADDRESS, NUMBER, by, outgoing, recipient, report, unclear};

async fn a_message_is_written_down_with_all_that_was_asked_for(fresh: Fresh) {
    let record = OutgoingRecord {
        channel: Channel::Whatsapp,
        class: MessageClass::Marketing,
        language: Some(Language::French),
        template: Some(TemplateVersion {
            name: "welcome".into(),
            version: 3,
        }),
        tags: vec!["spring".into(), "été \"26\"".into()],
        scheduled_at: Some(second(60)),
        person_id: Some("ada".into()),
        subject: Some(PersonalText::new("Bienvenue")),
        ..outgoing(&fresh, "r", NUMBER)
    };
    fresh.begin(&record, now()).await;
    let message = fresh.find(record.id).await;
    assert_eq!(
        (message.channel, message.class),
        (Channel::Whatsapp, Some(MessageClass::Marketing))
    );
    assert_eq!((message.provider, message.external_id), (None, None));
    assert_eq!((message.language, message.template), (record.language, record.template));
    assert_eq!((message.tags, message.scheduled_at), (record.tags, record.scheduled_at));
    assert_eq!(message.recipient, Some(recipient(NUMBER)));
    assert_eq!(message.subject, record.subject);
    assert_eq!((message.person_id.as_deref(), message.created_at), (Some("ada"), now()));
    assert_eq!((message.progress.status, message.last_attempt), (Status::Queued, None));
    let content = fresh.store.message_content(fresh.tenant, record.id).await.unwrap();
    assert_eq!(content, record.content);
    let all = fresh
        .store
        .messages(fresh.tenant, &MessageFilter::default(), None, 10)
        .await;
    assert_eq!(all.unwrap().items.len(), 1);
}

async fn the_same_request_again_changes_nothing_and_another_one_is_told_apart(fresh: Fresh) {
    let record = outgoing(&fresh, "r", NUMBER);
    fresh.begin(&record, now()).await;
    let before = fresh.find(record.id).await;
    let other = OutgoingRecord {
        fingerprint: Fingerprint([8; 32]),
        ..outgoing(&fresh, "r", ADDRESS)
    };
    let again = |record| fresh.store.begin_message(fresh.tenant, record, second(5));
    assert_eq!(again(&record).await.unwrap(), MessageBegun::Known);
    assert_eq!(again(&other).await.unwrap(), MessageBegun::OtherRequest);
    assert_eq!(fresh.find(record.id).await, before);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);
}

async fn messages_to_one_number_however_it_is_written_have_one_contact(fresh: Fresh) {
    let first = fresh.begin(&outgoing(&fresh, "1", "+33 6 12 34 56 78"), now()).await;
    let second = fresh.begin(&outgoing(&fresh, "2", NUMBER), now()).await;
    let mail = fresh.begin(&outgoing(&fresh, "3", "Marie@Example.com"), now()).await;
    let again = fresh.begin(&outgoing(&fresh, "4", ADDRESS), now()).await;
    let contact = async |message| fresh.find(message).await.contact_id;
    assert_eq!(contact(first).await, contact(second).await);
    assert_eq!(contact(mail).await, contact(again).await);
    assert_ne!(contact(first).await, contact(mail).await);
}

async fn another_tenants_message_does_not_exist(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let store = &fresh.store;
    assert_eq!(store.message(other, message).await.unwrap(), None);
    assert_eq!(store.message_content(other, message).await.unwrap(), None);
    assert_eq!(store.message_by_external(other, "twilio", "SM1").await.unwrap(), None);
    assert_eq!(store.attempts(other, message).await.unwrap(), []);
    let begun = store.begin_attempt(other, message, &by("twilio"), now()).await.unwrap();
    assert_eq!(begun, AttemptBegun::Unknown);
    assert_eq!(
        store.end_attempt(other, message, 1, &unclear(), now()).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .end_message(other, message, &MessageEnd::Expired, now())
            .await
            .unwrap(),
        None
    );
    assert!(!store.stop_looking(other, message).await.unwrap());
    // A report that hands back the id of another tenant's message speaks of none of theirs.
    let endpoint = store
        .create_endpoint(other, "twilio", "s".into(), now())
        .await
        .unwrap()
        .id;
    let tagged = ReportRecord {
        message: Some(message),
        ..report("SM1", EventKind::Failed, "1")
    };
    store.record_report(other, endpoint, &tagged, now()).await.unwrap();
    assert_eq!(fresh.find(message).await.progress.status, Status::Accepted);
    assert_eq!(fresh.kinds(message).await, [EventKind::Accepted]);
}

both!(
    another_tenants_message_does_not_exist,
    a_message_is_written_down_with_all_that_was_asked_for,
    the_same_request_again_changes_nothing_and_another_one_is_told_apart,
    messages_to_one_number_however_it_is_written_have_one_contact,
);
