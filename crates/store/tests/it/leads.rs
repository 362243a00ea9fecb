//! Hot leads and their ledger.

use domain::scoring::Reason;
use domain::{EmailEvent, EventKind, MessageClass, OutgoingRecord, Status};

use crate::fresh::{Fresh, event, now, of_person, second};
use crate::scene::{ADDRESS, mail_report, outgoing};

async fn leads_come_hottest_first_and_equals_by_id(fresh: Fresh) {
    for (person, opens) in [("a", 1), ("b", 3), ("c", 2), ("d", 2)] {
        for open in 0..opens {
            fresh
                .apply(&of_person(
                    event(person, EmailEvent::Opened, &format!("{person}{open}")),
                    person,
                ))
                .await;
        }
    }
    let leads = fresh.store.leads_hot(fresh.tenant, 0, 100).await.unwrap();
    let scores: Vec<_> = leads.iter().map(|lead| lead.score).collect();
    assert_eq!(scores, [5, 4, 4, 3]);
    assert!(leads[1].contact_id < leads[2].contact_id);
    assert_eq!(leads[0].person_id.as_deref(), Some("b"));
    assert_eq!(fresh.store.leads_hot(fresh.tenant, 4, 100).await.unwrap(), leads[..3]);
    assert_eq!(fresh.store.leads_hot(fresh.tenant, 0, 2).await.unwrap(), leads[..2]);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.leads_hot(other, 0, 100).await.unwrap(), []);
}

async fn a_lead_that_lost_all_its_points_is_only_shown_to_those_who_ask_for_it(fresh: Fresh) {
    fresh
        .apply(&of_person(event("m", EmailEvent::Bounced, "b"), "ada"))
        .await;
    assert_eq!(fresh.store.leads_hot(fresh.tenant, 1, 50).await.unwrap(), []);
    let scores: Vec<_> = fresh
        .store
        .leads_hot(fresh.tenant, 0, 50)
        .await
        .unwrap()
        .iter()
        .map(|l| l.score)
        .collect();
    assert_eq!(scores, [0]);
}

async fn who_works_for_the_tenant_or_waits_for_a_code_is_no_lead(fresh: Fresh) {
    let plain = outgoing(&fresh, "plain", ADDRESS);
    let reminder = OutgoingRecord {
        to_member: true,
        ..outgoing(&fresh, "reminder", "ben@example.com")
    };
    let code = OutgoingRecord {
        class: MessageClass::Code,
        ..outgoing(&fresh, "code", "eve@example.com")
    };
    for (name, message, points) in [("plain", plain, 3), ("reminder", reminder, 0), ("code", code, 0)] {
        fresh.send(&message, "sendgrid", name).await;
        let applied = fresh.hear(&mail_report(name, EventKind::Opened, name)).await;
        assert_eq!(
            (applied.points, applied.score.is_some(), applied.interaction.is_some()),
            (points, points > 0, points > 0),
            "{name}"
        );
        assert_eq!(applied.status, Some(Status::Opened), "{name}");
    }
}

async fn the_last_event_of_a_lead_is_the_latest_to_happen(fresh: Fresh) {
    for (at, expected) in [(10, 10), (5, 10), (20, 20)] {
        let mut record = of_person(event("m", EmailEvent::Opened, &at.to_string()), "ada");
        record.occurred_at = second(at);
        fresh.apply(&record).await;
        assert_eq!(
            fresh.store.leads_hot(fresh.tenant, 1, 1).await.unwrap()[0].last_event_at,
            second(expected)
        );
    }
}

async fn the_ledger_explains_every_point(fresh: Fresh) {
    let mut contact = None;
    for (n, kind) in [
        EmailEvent::Sent,
        EmailEvent::Opened,
        EmailEvent::Opened,
        EmailEvent::Clicked,
        EmailEvent::Clicked,
        EmailEvent::Complained,
        EmailEvent::Bounced,
    ]
    .into_iter()
    .enumerate()
    {
        contact = Some(
            fresh
                .apply(&of_person(event("m", kind, &n.to_string()), "ada"))
                .await
                .contact,
        );
    }
    let contact = contact.unwrap();
    let ledger = fresh.store.lead_ledger(fresh.tenant, contact, None, 100).await.unwrap();
    let lines: Vec<_> = ledger
        .iter()
        .map(|line| (line.reason, line.points, line.score_after))
        .collect();
    assert_eq!(
        lines,
        [
            (Reason::FirstOpen, 3, 3),
            (Reason::RepeatedOpen, 1, 4),
            (Reason::FirstClick, 8, 12),
            (Reason::RepeatedClick, 2, 14),
            (Reason::Bounce, -10, 4),
        ]
    );
    assert!(
        ledger
            .iter()
            .all(|line| line.message_id.is_some() && line.recorded_at == now())
    );
    let rest = fresh
        .store
        .lead_ledger(fresh.tenant, contact, Some(ledger[3].entry), 100)
        .await
        .unwrap();
    assert_eq!(rest, ledger[4..]);
}

both!(
    who_works_for_the_tenant_or_waits_for_a_code_is_no_lead,
    leads_come_hottest_first_and_equals_by_id,
    a_lead_that_lost_all_its_points_is_only_shown_to_those_who_ask_for_it,
    the_last_event_of_a_lead_is_the_latest_to_happen,
    the_ledger_explains_every_point,
);
