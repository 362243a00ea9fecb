//! Messages that come in.

use std::sync::Arc;

use chrono::DateTime;
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::{
    Channel, ContactId, EmailEvent, InboundRecord, Intent, Language, OutgoingRecord, PersonalText, Suppression,
};
use store::{InboundApplied, InboundRecorded, Writer};
use tokio::task::JoinSet;

use crate::fresh::{Fresh, event, now, of_person, second};
use crate::scene::{NUMBER, inbound, outgoing};

impl Fresh {
    async fn take_in(&self, record: &InboundRecord) -> InboundApplied {
        let recorded = self
            .store
            .record_inbound(self.tenant, self.endpoint, record, now())
            .await;
        match recorded.unwrap() {
            InboundRecorded::Applied(applied) => applied,
            other => panic!("this message should be new: {other:?}"),
        }
    }
}

fn of_ada(record: OutgoingRecord) -> OutgoingRecord {
    OutgoingRecord {
        person_id: Some("ada".into()),
        ..record
    }
}

async fn a_reply_becomes_an_interaction_of_the_contact_it_was_written_to(fresh: Fresh) {
    let asked = fresh
        .send(&of_ada(outgoing(&fresh, "r", NUMBER)), "twilio", "SM1")
        .await;
    let ada = fresh.find(asked).await.contact_id;
    let applied = fresh.take_in(&inbound(NUMBER, "Oui, parfait", "1")).await;
    assert_eq!(
        (applied.contact, applied.answers, applied.intent),
        (ada, Some(asked), Intent::Yes)
    );
    let interaction = fresh
        .store
        .interaction(fresh.tenant, applied.interaction)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (interaction.contact_id, interaction.status),
        (ada, InteractionStatus::Todo)
    );
    assert_eq!(
        (interaction.reason, interaction.intent),
        (InteractionReason::Reply, Some(Intent::Yes))
    );
    let kept = fresh
        .store
        .inbound_messages(fresh.tenant, Some(ada), None, 10)
        .await
        .unwrap()
        .items;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].text, Some(PersonalText::new("Oui, parfait")));
    assert_eq!((kept[0].from.expose(), kept[0].answers), (NUMBER, Some(asked)));
    assert_eq!(
        (kept[0].intent, kept[0].interaction_id),
        (Intent::Yes, Some(applied.interaction))
    );
}

async fn who_wrote_is_told_by_their_own_id_and_by_the_language_they_were_written_to(fresh: Fresh) {
    let nobody = fresh.take_in(&inbound(NUMBER, "HELP", "1")).await;
    let nobody = fresh.store.writer(fresh.tenant, nobody.inbound).await.unwrap();
    let unnamed = Writer {
        person_id: None,
        organisation_id: None,
        language: None,
    };
    assert_eq!(nobody, Some(unnamed));
    let asked = OutgoingRecord {
        language: Some(Language::French),
        ..of_ada(outgoing(&fresh, "r", NUMBER))
    };
    fresh.send(&asked, "twilio", "SM1").await;
    let ada = fresh.take_in(&inbound(NUMBER, "HELP", "2")).await.inbound;
    let expected = Writer {
        person_id: Some("ada".into()),
        organisation_id: None,
        language: Some(Language::French),
    };
    assert_eq!(fresh.store.writer(fresh.tenant, ada).await.unwrap(), Some(expected));
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.writer(other, ada).await.unwrap(), None);
}

async fn the_same_message_a_hundred_times_at_once_is_logged_once(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move {
            let record = inbound(NUMBER, "STOP", "1");
            let recorded = fresh
                .store
                .record_inbound(fresh.tenant, fresh.endpoint, &record, now())
                .await;
            matches!(recorded.unwrap(), InboundRecorded::Applied(_))
        });
    }
    let applied = tasks.join_all().await;
    assert_eq!(applied.into_iter().filter(|applied| *applied).count(), 1);
    for table in [
        "SELECT COUNT(*) FROM inbound_messages",
        "SELECT COUNT(*) FROM interactions",
        "SELECT COUNT(*) FROM contacts",
        "SELECT COUNT(*) FROM suppressions",
    ] {
        assert_eq!(fresh.count(table).await, 1, "{table}");
    }
}

async fn a_reply_answers_what_the_provider_says_else_the_latest_within_seven_days(fresh: Fresh) {
    let day = 24 * 60 * 60;
    let old = fresh.begin(&outgoing(&fresh, "old", NUMBER), second(-8 * day)).await;
    let answers = async |identity: &str, record: InboundRecord| {
        let applied = fresh
            .take_in(&InboundRecord {
                identity: identity.into(),
                ..record
            })
            .await;
        (applied.answers, applied.contact)
    };
    let contact = fresh.find(old).await.contact_id;
    let reply = || inbound(NUMBER, "merci", "?");
    assert_eq!(
        answers("1", reply()).await,
        (None, contact),
        "too old, but the contact is known by it"
    );
    let first = fresh.send(&outgoing(&fresh, "first", NUMBER), "twilio", "SM1").await;
    let record = OutgoingRecord {
        channel: Channel::Whatsapp,
        ..outgoing(&fresh, "whatsapp", NUMBER)
    };
    let whatsapp = fresh.begin(&record, second(1)).await;
    assert_eq!(answers("2", reply()).await.0, Some(first), "an SMS answers an SMS");
    let second = fresh.begin(&outgoing(&fresh, "second", NUMBER), second(2)).await;
    assert_eq!(answers("3", reply()).await.0, Some(second));
    let named = InboundRecord {
        answers: Some("SM1".into()),
        ..reply()
    };
    assert_eq!(answers("4", named).await.0, Some(first));
    let unknown = InboundRecord {
        answers: Some("SM404".into()),
        ..reply()
    };
    assert_eq!(answers("5", unknown).await.0, Some(second));
    let by_whatsapp = InboundRecord {
        channel: Channel::Whatsapp,
        ..reply()
    };
    assert_eq!(answers("6", by_whatsapp).await.0, Some(whatsapp));
}

async fn who_was_never_written_to_gets_a_contact_by_number(fresh: Fresh) {
    let first = fresh.take_in(&inbound(NUMBER, "Bonjour", "1")).await;
    let again = fresh.take_in(&inbound("+33 6 12 34 56 78", "Allô", "2")).await;
    let other = fresh.take_in(&inbound("+33612345679", "Bonjour", "3")).await;
    assert_eq!(first.contact, again.contact);
    assert_ne!(first.contact, other.contact);
    assert_eq!((first.answers, first.intent), (None, Intent::Unclear));
    // Written to later, they are the same.
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), second(1)).await;
    assert_eq!(fresh.find(message).await.contact_id, first.contact);
}

async fn what_comes_from_no_number_is_logged_too(fresh: Fresh) {
    let first = fresh.take_in(&inbound("36105", "STOP", "1")).await;
    let again = fresh.take_in(&inbound("36105", "?", "2")).await;
    let anonymous = fresh.take_in(&inbound("anonymous", "Oui", "3")).await;
    assert_eq!(first.contact, again.contact);
    assert_ne!(first.contact, anonymous.contact);
}

async fn stop_and_start_are_heard_in_the_order_they_were_said(fresh: Fresh) {
    let said = async |text: &str, identity: &str, seconds| {
        let record = InboundRecord {
            occurred_at: second(seconds),
            ..inbound(NUMBER, text, identity)
        };
        fresh.take_in(&record).await
    };
    let stopped = said("STOP", "1", 10).await;
    assert_eq!(stopped.suppressed, Some(Suppression::Stop));
    let interaction = fresh
        .store
        .interaction(fresh.tenant, stopped.interaction)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        interaction.status,
        InteractionStatus::Done,
        "nothing is left to do by hand"
    );
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, [Suppression::Stop]);
    let started = said("START", "2", 30).await;
    assert_eq!(started.lifted, [Suppression::Stop]);
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, []);
    // One that was said between the two comes late.
    said("STOP", "3", 20).await;
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, []);
    said("STOP", "4", 40).await;
    assert_eq!(fresh.reasons(Channel::Sms, NUMBER).await, [Suppression::Stop]);
    assert_eq!(said("START", "5", 35).await.lifted, []);
}

async fn what_is_said_to_happen_in_a_far_future_happened_when_it_was_told(fresh: Fresh) {
    let stop = InboundRecord {
        occurred_at: DateTime::from_timestamp(253_370_764_800, 0).unwrap(),
        ..inbound(NUMBER, "STOP", "1")
    };
    fresh.take_in(&stop).await;
    let start = InboundRecord {
        occurred_at: second(1),
        ..inbound(NUMBER, "START", "2")
    };
    assert_eq!(fresh.take_in(&start).await.lifted, [Suppression::Stop]);
}

async fn a_reply_goes_with_its_contact_when_that_turns_out_to_be_somebody(fresh: Fresh) {
    // A mail of which nothing is known but its address, and a reply to it.
    let opened = crate::fresh::to_address(event("m", EmailEvent::Sent, "1"), crate::scene::ADDRESS);
    fresh.apply(&opened).await;
    let record = InboundRecord {
        channel: Channel::Email,
        provider: "sendgrid".into(),
        answers: Some("m".into()),
        ..inbound(crate::scene::ADDRESS, "Oui", "1")
    };
    let applied = fresh.take_in(&record).await;
    let named = fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "2"), "ada"))
        .await;
    assert_ne!(applied.contact, named.contact);
    let list = async |contact: ContactId| {
        let list = fresh
            .store
            .inbound_messages(fresh.tenant, Some(contact), None, 10)
            .await;
        list.unwrap().items.len()
    };
    assert_eq!((list(applied.contact).await, list(named.contact).await), (0, 1));
}

async fn messages_that_came_in_are_listed_newest_first_and_only_to_their_tenant(fresh: Fresh) {
    for n in 0..5 {
        let record = inbound(NUMBER, &n.to_string(), &n.to_string());
        let at = second(n / 2);
        fresh
            .store
            .record_inbound(fresh.tenant, fresh.endpoint, &record, at)
            .await
            .unwrap();
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = fresh
            .store
            .inbound_messages(fresh.tenant, None, after, 2)
            .await
            .unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 5);
    assert!(all.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at));
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(
        fresh.store.inbound_messages(other, None, None, 10).await.unwrap().items,
        []
    );
}

both!(
    a_reply_becomes_an_interaction_of_the_contact_it_was_written_to,
    who_wrote_is_told_by_their_own_id_and_by_the_language_they_were_written_to,
    the_same_message_a_hundred_times_at_once_is_logged_once,
    a_reply_answers_what_the_provider_says_else_the_latest_within_seven_days,
    who_was_never_written_to_gets_a_contact_by_number,
    what_comes_from_no_number_is_logged_too,
    stop_and_start_are_heard_in_the_order_they_were_said,
    what_is_said_to_happen_in_a_far_future_happened_when_it_was_told,
    a_reply_goes_with_its_contact_when_that_turns_out_to_be_somebody,
    messages_that_came_in_are_listed_newest_first_and_only_to_their_tenant,
);
