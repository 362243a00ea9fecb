//! Somebody who is erased: what counts stays, nothing personal does, and nothing that comes late brings it back.

use std::sync::Arc;

use domain::{
    Actor, AttemptResult, ChallengeId, Channel, ContactId, EmailEvent, EventKind, InboundRecord, Language,
    OutgoingRecord, PersonalText, ReportRecord, Suppression,
};
use store::{
    AttemptBegun, Erasure, InboundRecorded, InteractionCreated, InteractionDraft, Message, NewChallenge, WithWhom,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::crashes::cut_short;
use crate::fresh::{Fresh, event, now, of_person, second, to_address};
use crate::scene::{ADDRESS, NUMBER, by, inbound, mail_report, outgoing, recipient, report, sent};

/// So many waits for the database are tried as the last.
const CUTS: u32 = 60;

/// When they are erased: after everything of [`now`].
const ERASED: i64 = 60;

fn ada(fresh: &Fresh) -> ContactId {
    ContactId::derive(fresh.tenant, "person", "ada")
}

fn to_ada(fresh: &Fresh, request: &str, to: &str) -> OutgoingRecord {
    OutgoingRecord {
        person_id: Some("ada".into()),
        subject: Some(PersonalText::new("wedding")),
        tags: vec!["wedding".into()],
        ..outgoing(fresh, request, to)
    }
}

/// A report with all that a report can tell of somebody.
fn telling(report: ReportRecord, to: &str) -> ReportRecord {
    ReportRecord {
        recipient: Some(recipient(to)),
        person_id: Some("ada".into()),
        subject: Some(PersonalText::new("wedding")),
        url: Some(PersonalText::new("https://example.com/wedding")),
        raw: Some(PersonalText::new("wedding")),
        ..report
    }
}

impl Fresh {
    /// Ada, of whom there is one of everything: an SMS, an opened mail, a reply, work, a code, a suppression.
    async fn ada(&self) -> Message {
        let sms = self.send(&to_ada(self, "sms", NUMBER), "twilio", "SM1").await;
        self.send(&to_ada(self, "mail", ADDRESS), "sendgrid", "m1").await;
        self.hear(&telling(report("SM1", EventKind::Delivered, "1"), NUMBER))
            .await;
        self.hear(&telling(mail_report("m1", EventKind::Opened, "2"), ADDRESS))
            .await;
        let stop = inbound(NUMBER, "STOP", "3");
        self.store
            .record_inbound(self.tenant, self.endpoint, &stop, now())
            .await
            .unwrap();
        self.work_with(WithWhom::Person("ada".into())).await;
        let challenge = NewChallenge {
            id: ChallengeId::of_request(self.tenant, "r"),
            recipient: recipient(NUMBER),
            channel: Channel::Sms,
            language: Language::French,
            code_key_id: "k1".into(),
            caller: Uuid::from_u128(5),
        };
        self.store
            .begin_challenge(self.tenant, &challenge, now())
            .await
            .unwrap();
        self.find(sms).await
    }

    async fn work_with(&self, with: WithWhom) -> InteractionCreated {
        let draft = InteractionDraft {
            with,
            title: Some(PersonalText::new("the wedding")),
            note: Some(PersonalText::new("ask about it")),
            assignee: None,
            next_action_at: Some(second(9)),
        };
        self.store
            .create_interaction(self.tenant, &draft, &Actor::System, now())
            .await
            .unwrap()
    }

    /// Begins and blanks, as one round of the job does.
    async fn blank(&self, contact: ContactId) -> Option<Erasure> {
        let erasure = self
            .store
            .begin_erasure(self.tenant, contact, second(ERASED))
            .await
            .unwrap()?;
        let mut after = None;
        loop {
            after = self
                .store
                .blank_messages(self.tenant, &erasure, after, 1)
                .await
                .unwrap();
            if after.is_none() {
                break;
            }
        }
        while self.store.blank_rest(self.tenant, &erasure, 1).await.unwrap() > 0 {}
        Some(erasure)
    }

    /// Erases whoever has this contact. Answers what is left of them.
    async fn erase(&self, contact: ContactId) -> ContactId {
        let erasure = self.blank(contact).await.unwrap();
        assert!(self.store.end_erasure(self.tenant, &erasure).await.unwrap());
        erasure.remains
    }

    async fn number_of(&self, what: &str) -> i64 {
        self.count(format!("SELECT COUNT(*) FROM {what}")).await
    }

    /// How many values there are that say who somebody is or what they were told; of hashes, only the suppressions' stay.
    async fn personal(&self) -> Vec<(&'static str, i64)> {
        let mut found = Vec::new();
        for what in [
            "contacts WHERE external_id IS NOT NULL OR address_hash IS NOT NULL",
            "messages WHERE subject IS NOT NULL OR recipient IS NOT NULL OR recipient_hash IS NOT NULL
             OR content IS NOT NULL OR tags IS NOT NULL",
            "message_events WHERE url IS NOT NULL OR raw IS NOT NULL OR recipient_hash IS NOT NULL",
            "inbound_messages",
            "interactions WHERE title IS NOT NULL OR note IS NOT NULL",
            "interaction_words",
            "otp_challenges",
            "suppressions WHERE recipient IS NOT NULL",
            "lead_scores",
            "erasures",
        ] {
            match self.number_of(what).await {
                0 => {}
                count => found.push((what, count)),
            }
        }
        found
    }
}

async fn what_counts_stays_as_nobodys_and_nothing_personal_does(fresh: Fresh) {
    let sms = fresh.ada().await;
    let counted = [
        "messages",
        "message_events",
        "interactions",
        "lead_ledger",
        "suppressions",
        "delivery_daily",
    ];
    let mut before = Vec::new();
    for table in counted {
        before.push(fresh.number_of(table).await);
    }
    assert_eq!(
        fresh.personal().await.len(),
        9,
        "this test says nothing of what is not there"
    );
    let remains = fresh.erase(ada(&fresh)).await;
    assert_eq!(fresh.personal().await, []);
    for (table, before) in counted.into_iter().zip(before) {
        assert_eq!(fresh.number_of(table).await, before, "{table}");
    }
    let left = fresh.find(sms.id).await;
    assert_eq!(
        (left.contact_id, left.person_id, left.progress),
        (remains, None, sms.progress)
    );
    let stopped = fresh
        .store
        .suppressions_of(fresh.tenant, Channel::Sms, &recipient(NUMBER))
        .await
        .unwrap();
    assert_eq!(stopped.len(), 1, "who said STOP is not written to");
    assert_eq!((stopped[0].reason, &stopped[0].recipient), (Suppression::Stop, &None));
    assert_eq!(fresh.leads().await, [], "nobody is no lead");
}

async fn others_lose_nothing_even_at_an_address_that_is_shared(fresh: Fresh) {
    fresh.ada().await;
    let bob = OutgoingRecord {
        person_id: Some("bob".into()),
        ..outgoing(&fresh, "bob", NUMBER)
    };
    let bob = fresh.begin(&bob, now()).await;
    let before = fresh.find(bob).await;
    fresh.erase(ada(&fresh)).await;
    assert_eq!(fresh.find(bob).await, before);
    assert_eq!(
        fresh.number_of("otp_challenges").await,
        1,
        "nobody can tell whose code that was"
    );
}

async fn what_is_told_late_of_a_message_counts_and_refills_nothing(fresh: Fresh) {
    let sms = fresh.ada().await;
    fresh.erase(ada(&fresh)).await;
    let late = ReportRecord {
        occurred_at: second(ERASED + 9),
        ..telling(report("SM1", EventKind::Read, "4"), NUMBER)
    };
    fresh.hear(&late).await;
    let mut opened = telling(mail_report("m1", EventKind::Opened, "5"), ADDRESS);
    opened.occurred_at = second(ERASED + 9);
    let applied = fresh.hear(&opened).await;
    assert_eq!((applied.points, applied.interaction), (0, None), "nobody is no lead");
    assert_eq!(fresh.personal().await, []);
    assert!(fresh.kinds(sms.id).await.contains(&EventKind::Read), "it counts");
}

async fn what_happened_before_is_late_also_of_a_message_that_nobody_knew(fresh: Fresh) {
    fresh.ada().await;
    fresh.erase(ada(&fresh)).await;
    fresh
        .apply(&to_address(
            of_person(event("m9", EmailEvent::Opened, "11"), "ada"),
            ADDRESS,
        ))
        .await;
    fresh
        .apply(&to_address(event("m8", EmailEvent::Clicked, "12"), ADDRESS))
        .await;
    assert_eq!(fresh.personal().await, []);
    // The same again, named once more, by somebody whose clock is right.
    let mut again = of_person(event("m9", EmailEvent::Opened, "13"), "ada");
    again.occurred_at = second(ERASED + 9);
    fresh.apply(&again).await;
    assert_eq!(fresh.personal().await, [], "its message stays nobody's");
}

async fn what_they_wrote_before_is_not_kept_but_a_stop_in_it_is_heard(fresh: Fresh) {
    let sms = fresh.ada().await;
    fresh.erase(ada(&fresh)).await;
    let late = async |record: &InboundRecord| {
        fresh
            .store
            .record_inbound(fresh.tenant, fresh.endpoint, record, second(ERASED + 9))
            .await
            .unwrap()
    };
    let mut start = inbound(NUMBER, "START", "5");
    start.occurred_at = second(1);
    assert_eq!(late(&start).await, InboundRecorded::OfNobody);
    let mut stop = inbound(NUMBER, "STOP", "6");
    stop.occurred_at = second(2);
    assert_eq!(late(&stop).await, InboundRecorded::OfNobody);
    assert_eq!(fresh.personal().await, []);
    let stopped = fresh
        .store
        .suppressions_of(fresh.tenant, Channel::Sms, &recipient(NUMBER))
        .await
        .unwrap();
    assert_eq!(stopped[0].since, second(2));

    let mut anew = inbound(NUMBER, "Hello again", "7");
    anew.occurred_at = second(ERASED + 1);
    let InboundRecorded::Applied(met) = late(&anew).await else {
        panic!("who comes back is met anew")
    };
    assert_eq!(met.answers, None);
    assert_ne!(met.contact, fresh.find(sms.id).await.contact_id);
}

async fn whoever_is_written_to_meanwhile_is_taken_over_by_the_next_round(fresh: Fresh) {
    fresh.ada().await;
    let erasure = fresh.blank(ada(&fresh)).await.unwrap();
    // A job that ran on: it begins the message after all was moved.
    let running = to_ada(&fresh, "running", NUMBER);
    fresh.begin(&running, now()).await;
    assert!(!fresh.store.end_erasure(fresh.tenant, &erasure).await.unwrap());
    let again = fresh.blank(ada(&fresh)).await.unwrap();
    assert_eq!(again.remains, erasure.remains);
    assert_eq!(
        fresh.try_by(running.id, &by("twilio"), second(ERASED)).await,
        AttemptBegun::Unknown
    );
    assert!(fresh.store.end_erasure(fresh.tenant, &again).await.unwrap());
    assert_eq!(fresh.personal().await, []);
}

async fn an_answer_that_comes_after_the_erasure_and_what_was_told_under_its_name_refill_nothing(fresh: Fresh) {
    let message = to_ada(&fresh, "sms", NUMBER);
    fresh.begin(&message, now()).await;
    let number = fresh.go(message.id, "twilio", now()).await;
    let remains = fresh.erase(ada(&fresh)).await;
    // Told by a name that nobody knows to be the message's, of somebody new.
    let mut early = telling(report("SM1", EventKind::Delivered, "1"), NUMBER);
    early.occurred_at = second(ERASED + 1);
    fresh.hear(&early).await;
    let result: AttemptResult = sent("SM1");
    fresh.end(message.id, number, &result, second(ERASED + 2)).await;
    let left = fresh.find(message.id).await;
    assert_eq!((left.contact_id, left.recipient, left.subject), (remains, None, None));
    assert_eq!(
        fresh
            .number_of("message_events WHERE url IS NOT NULL OR raw IS NOT NULL")
            .await,
        0
    );
    assert!(fresh.kinds(message.id).await.contains(&EventKind::Delivered));
}

async fn erasing_twice_is_harmless_and_who_comes_back_is_somebody_new(fresh: Fresh) {
    let sms = fresh.ada().await;
    fresh.erase(ada(&fresh)).await;
    let again = fresh
        .store
        .begin_erasure(fresh.tenant, ada(&fresh), second(ERASED))
        .await
        .unwrap();
    assert_eq!(again, None);
    let unheard_of = ContactId(Uuid::from_u128(404));
    assert_eq!(
        fresh
            .store
            .begin_erasure(fresh.tenant, unheard_of, now())
            .await
            .unwrap(),
        None
    );

    let back = fresh.begin(&to_ada(&fresh, "back", ADDRESS), second(ERASED + 9)).await;
    let (back, before) = (fresh.find(back).await, fresh.find(sms.id).await);
    assert_eq!(back.person_id.as_deref(), Some("ada"));
    assert_ne!(
        back.contact_id, before.contact_id,
        "nothing leads from the one to the other"
    );
    let nobody = WithWhom::Contact(before.contact_id);
    assert_eq!(fresh.work_with(nobody).await, InteractionCreated::ContactUnknown);
    fresh.erase(ada(&fresh)).await;
    assert_eq!(fresh.personal().await, []);
}

async fn another_tenants_contact_is_not_there(fresh: Fresh) {
    fresh.ada().await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(
        fresh.store.begin_erasure(other, ada(&fresh), now()).await.unwrap(),
        None
    );
    assert_eq!(fresh.store.traces(other, ada(&fresh)).await.unwrap(), None);
    assert!(!fresh.store.is_contact_known(other, ada(&fresh)).await.unwrap());
}

async fn an_erasure_cut_short_anywhere_and_gone_on_with_leaves_nothing(fresh: Fresh) {
    let sms = fresh.ada().await;
    let mut dropped = 0;
    for waits in 0..CUTS {
        let begin = fresh.store.begin_erasure(fresh.tenant, ada(&fresh), second(ERASED));
        dropped += usize::from(cut_short(begin, waits).await.transpose().unwrap().is_none());
        let begun = fresh
            .store
            .begin_erasure(fresh.tenant, ada(&fresh), second(ERASED))
            .await
            .unwrap()
            .unwrap();
        let messages = fresh.store.blank_messages(fresh.tenant, &begun, None, 1);
        dropped += usize::from(cut_short(messages, waits % 8).await.transpose().unwrap().is_none());
        let rest = fresh.store.blank_rest(fresh.tenant, &begun, 1);
        dropped += usize::from(cut_short(rest, waits % 8).await.transpose().unwrap().is_none());
    }
    assert!(dropped > 3, "nothing was cut short");
    let remains = fresh.erase(ada(&fresh)).await;
    assert_eq!(fresh.personal().await, []);
    assert_eq!(fresh.find(sms.id).await.contact_id, remains);
}

async fn what_is_recorded_beside_an_erasure_is_nobodys_in_the_end(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    fresh.ada().await;
    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move {
            let (sms, name) = (
                report("SM1", EventKind::Read, &format!("beside {n}")),
                format!("stray {n}"),
            );
            fresh.hear(&telling(sms, NUMBER)).await;
            fresh
                .hear(&telling(mail_report(&name, EventKind::Clicked, &name), ADDRESS))
                .await;
        });
    }
    loop {
        let is_over = tasks.is_empty();
        let erasure = fresh.blank(ada(&fresh)).await;
        let erasure = erasure.expect("its end is only asked for when nobody writes any more");
        if is_over && fresh.store.end_erasure(fresh.tenant, &erasure).await.unwrap() {
            break;
        }
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(fresh.personal().await, []);
    assert_eq!(fresh.number_of("messages").await, 2 + 40);
}

both!(
    what_counts_stays_as_nobodys_and_nothing_personal_does,
    others_lose_nothing_even_at_an_address_that_is_shared,
    what_is_told_late_of_a_message_counts_and_refills_nothing,
    what_happened_before_is_late_also_of_a_message_that_nobody_knew,
    what_they_wrote_before_is_not_kept_but_a_stop_in_it_is_heard,
    whoever_is_written_to_meanwhile_is_taken_over_by_the_next_round,
    an_answer_that_comes_after_the_erasure_and_what_was_told_under_its_name_refill_nothing,
    erasing_twice_is_harmless_and_who_comes_back_is_somebody_new,
    another_tenants_contact_is_not_there,
    an_erasure_cut_short_anywhere_and_gone_on_with_leaves_nothing,
    what_is_recorded_beside_an_erasure_is_nobodys_in_the_end,
);
