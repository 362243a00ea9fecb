//! What one e-mail event does.

use domain::delivery::Counters;
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::{Actor, EmailEvent, EmailEventRecord, PersonalText, Status};
use store::{InboxFilter, Recorded};

use crate::fresh::{Fresh, event, now, of_person, second, to_address};

async fn an_open_sets_status_counters_interaction_and_score(fresh: Fresh) {
    let record = EmailEventRecord {
        subject: Some(PersonalText::new("Bonjour")),
        occurred_at: second(-60),
        ..to_address(of_person(event("m", EmailEvent::Opened, "1"), "ada"), "Ada@Example.com")
    };
    let applied = fresh.apply(&record).await;
    assert_eq!((applied.points, applied.score), (3, 3));

    let message = fresh.message("m").await;
    assert_eq!(message.id, applied.message);
    assert_eq!(
        (message.channel.as_str(), message.provider.as_deref()),
        ("email", Some("sendgrid"))
    );
    assert_eq!(message.progress.status, Status::Opened);
    assert_eq!(
        message.progress.counters,
        Counters {
            opened: 1,
            ..Counters::default()
        }
    );
    assert_eq!(message.progress.opens.unwrap().first, second(-60));
    assert_eq!(message.created_at, now());
    assert_eq!(message.contact_id, applied.contact);
    assert_eq!(message.person_id.as_deref(), Some("ada"));
    assert_eq!(message.recipient.unwrap().expose(), "Ada@Example.com");
    assert_eq!(message.subject.unwrap().expose(), "Bonjour");
    assert_eq!(message.interaction_id, applied.interaction);

    let interaction = fresh
        .store
        .interaction(fresh.tenant, applied.interaction.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(interaction.contact_id, applied.contact);
    assert_eq!(
        (interaction.status, interaction.reason),
        (InteractionStatus::Todo, InteractionReason::EmailOpened)
    );
    assert_eq!(
        (interaction.creator, interaction.assignee, interaction.next_action_at),
        (Actor::System, None, None)
    );
}

async fn open_click_bounce_bounce_score_3_11_1_0_and_repeats_change_nothing(fresh: Fresh) {
    for (kind, message, score) in [
        (EmailEvent::Opened, "m", 3),
        (EmailEvent::Clicked, "m", 11),
        (EmailEvent::Bounced, "m", 1),
        (EmailEvent::Bounced, "n", 0),
    ] {
        let record = of_person(event(message, kind, &format!("{message} {kind}")), "ada");
        assert_eq!(fresh.apply(&record).await.score, score, "{kind}");
        let before = (fresh.message(message).await, fresh.leads().await);
        assert_eq!(
            fresh.record(&record).await,
            Recorded::Duplicate { message: before.0.id }
        );
        assert_eq!(
            (fresh.message(message).await, fresh.leads().await),
            before,
            "{kind} again"
        );
    }
    assert_eq!(fresh.leads().await, [], "a lead without points is not hot");
}

async fn only_the_first_open_creates_an_interaction(fresh: Fresh) {
    assert!(
        fresh
            .apply(&event("m", EmailEvent::Opened, "1"))
            .await
            .interaction
            .is_some()
    );
    let again = fresh.apply(&event("m", EmailEvent::Opened, "2")).await;
    assert_eq!((again.interaction, again.points), (None, 1));
    assert_eq!(
        fresh
            .store
            .inbox(fresh.tenant, &InboxFilter::default(), None, 9)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

async fn the_same_identity_is_another_event_at_another_endpoint(fresh: Fresh) {
    let record = event("m", EmailEvent::Opened, "1");
    fresh.apply(&record).await;
    let other = fresh
        .store
        .create_endpoint(fresh.tenant, "email", "s".into(), second(1))
        .await
        .unwrap()
        .id;
    let recorded = fresh
        .store
        .record_email_event(fresh.tenant, other, &record, now())
        .await
        .unwrap();
    assert!(
        matches!(recorded, Recorded::Applied(applied) if applied.score == 4),
        "{recorded:?}"
    );
}

async fn a_known_identity_with_another_message_leaves_no_trace(fresh: Fresh) {
    fresh
        .apply(&of_person(event("m", EmailEvent::Opened, "1"), "ada"))
        .await;
    let recorded = fresh
        .record(&of_person(event("n", EmailEvent::Opened, "1"), "bob"))
        .await;
    assert!(matches!(recorded, Recorded::Duplicate { .. }));
    assert_eq!(
        fresh
            .store
            .message_by_external(fresh.tenant, "sendgrid", "n")
            .await
            .unwrap(),
        None
    );
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);
}

async fn events_in_any_order_end_in_the_same_message(fresh: Fresh) {
    let events = |message: &str| {
        let record = |kind: EmailEvent, at, person: Option<&str>, address: Option<&str>| {
            let mut record = event(message, kind, &format!("{message} {kind} {at}"));
            record.occurred_at = second(at);
            record.person_id = person.map(|person| format!("{person} {message}"));
            address.map_or(record.clone(), |address| to_address(record, address))
        };
        vec![
            record(EmailEvent::Sent, 0, None, None),
            record(EmailEvent::Delivered, 1, None, Some("ada@example.com")),
            record(EmailEvent::Opened, 2, Some("ada"), None),
            record(EmailEvent::Opened, 3, None, None),
            record(EmailEvent::Clicked, 4, None, Some("ada@example.com")),
            record(EmailEvent::Unsubscribed, 5, Some("ada"), Some("ada@example.com")),
        ]
    };
    // Every rotation, forwards and backwards.
    for turn in 0..12 {
        let name = format!("m{turn}");
        let mut shuffled = events(&name);
        if turn >= 6 {
            shuffled.reverse();
        }
        shuffled.rotate_left(turn % 6);
        for record in &shuffled {
            fresh.apply(record).await;
        }
        let mut message = fresh.message(&name).await;
        assert_eq!(message.progress.status, Status::Clicked, "{name}");
        assert_eq!(message.person_id, Some(format!("ada {name}")));
        let lead = fresh.store.leads_hot(fresh.tenant, 1, 50).await.unwrap();
        let lead = lead
            .into_iter()
            .find(|lead| lead.contact_id == message.contact_id)
            .unwrap();
        assert_eq!((lead.score, lead.last_event_at), (12, second(5)), "{name}");
        // What names the message itself differs by design; everything else is equal.
        let first = fresh.message("m0").await;
        (message.id, message.external_id) = (first.id, first.external_id.clone());
        (message.contact_id, message.person_id) = (first.contact_id, first.person_id.clone());
        message.interaction_id = message.interaction_id.and(first.interaction_id);
        assert_eq!(message, first);
    }
    assert_eq!(
        fresh.count("SELECT COUNT(*) FROM contacts").await,
        12,
        "every unnamed contact was merged away"
    );
}

both!(
    an_open_sets_status_counters_interaction_and_score,
    open_click_bounce_bounce_score_3_11_1_0_and_repeats_change_nothing,
    only_the_first_open_creates_an_interaction,
    the_same_identity_is_another_event_at_another_endpoint,
    a_known_identity_with_another_message_leaves_no_trace,
    events_in_any_order_end_in_the_same_message,
);
