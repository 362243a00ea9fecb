//! A person is exported whole and erased whole: from every table and every key, in payloads and dead letters too; what counts
//! stays, and others lose nothing.

use chrono::Utc;
use domain::{Channel, EndpointId, PersonalText, Recipient, TenantId};
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulator::{Provider, Reply};
use std::time::Duration;
use store::{DeadLetterEdit, KeptEvent};
use uuid::Uuid;

use crate::app::{Answer, Combination, Event, Found, answer, on_every_combination};
use crate::outside::{ANA, Sending};

/// What is known of Esmeralda, and of nobody else.
const ESMERALDA: [&str; 4] = ["12025550143", "esmeralda", "quasimodo", "notre-dame"];
const PERSON: &str = "esmeralda-7";
const ADDRESS: &str = "esmeralda@example.com";
/// And of Bob.
const BOB: &str = "+12025550199";
const BOBS: [&str; 2] = ["12025550199", "gringoire"];

/// A dead letter under the name of a kind that workers know, which none of them can read.
#[derive(Serialize, Deserialize)]
struct Unreadable<const MANY: bool> {
    endpoint: String,
    events: Value,
}

impl<const MANY: bool> Job for Unreadable<MANY> {
    type Ctx = ();
    const KIND: &'static str = if MANY {
        "record_provider_events"
    } else {
        "record_email_event"
    };
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 1,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
        },
        timeout: Duration::from_secs(1),
        expires: None,
    };

    fn unique(&self) -> String {
        "unreadable".into()
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

impl Sending {
    fn tenant(&self) -> TenantId {
        self.app.tenant.parse().unwrap()
    }

    async fn asked(&self, method: Method, path: &str) -> Answer {
        answer(self.app.ask_with(method, path).bearer_auth(&self.app.api_key)).await
    }

    /// A message, a reply, work and an opened mail of somebody's. Answers their contact.
    async fn live_with(&self, person: &str, number: &str, address: &str, word: &str) -> String {
        let sms = json!({ "channel": "sms", "to": number, "content": { "text": format!("Meet {word} there") },
            "person_id": person, "class": "critical" });
        let sms = self.send(None, &sms).await;
        self.wait_for_status(&sms, &["delivered"]).await;
        let mail = json!({ "channel": "email", "to": address, "person_id": person, "class": "critical", "content":
            { "subject": format!("About {word}"), "html": format!("<a href=\"https://example.com/{word}\">x</a>") } });
        let mail = self.send(None, &mail).await;
        self.wait_for_status(&mail, &["delivered", "sent"]).await;
        let mut reply = Reply::new(
            Provider::Twilio,
            simulator::Channel::Sms,
            number,
            &format!("I am {word}"),
        );
        reply.name = Some(format!("{word} himself"));
        self.simulator.reply(&reply).unwrap();
        let event =
            Event::new(person, &format!("of {}", number.len() + word.len()), "opened").with("recipient", address);
        let event = event
            .with("subject", &format!("Of {word}"))
            .with("url", &format!("https://example.com/{word}"));
        assert_eq!(self.app.post_event(&event).await.status, StatusCode::ACCEPTED);
        let work = json!({ "contact": { "person_id": person }, "title": format!("Call {word}"), "note": format!("It is {word}"),
            "next_action_at": "2030-01-01T09:00:00Z" });
        let work = self.post("/v1/interactions", None, &work).await;
        assert_eq!(work.status, StatusCode::CREATED, "{work:?}");
        self.settle().await;
        work.body["contact_id"].as_str().unwrap().to_owned()
    }

    /// What waits, and what died.
    async fn leave_letters(&self) {
        let origin = Origin {
            tenant: self.tenant().0,
            correlation: Uuid::nil(),
        };
        let one = json!({ "person_id": PERSON, "subject": "quasimodo" });
        let other = json!({ "raw": format!("{{\"From\":\"{BOB}\",\"Body\":\"gringoire\"}}") });
        let client = self.app.client();
        let letter = Unreadable::<false> {
            endpoint: "none".into(),
            events: one.clone(),
        };
        let alone = client.add(&letter, origin).await.unwrap();
        let letter = Unreadable::<true> {
            endpoint: "none".into(),
            events: json!([one, other]),
        };
        client.add(&letter, origin).await.unwrap();
        self.app
            .wait_until("both are dead", async || self.app.queues().dead == 2)
            .await;
        let store = self.app.store().await;
        let edit = DeadLetterEdit {
            by: "ann".into(),
            at: Utc::now(),
            changes: PersonalText::new(format!("[{{\"before\":\"{ADDRESS}\"}}]")),
        };
        store
            .record_dead_letter_edit(self.tenant(), alone.job.0, &edit)
            .await
            .unwrap();
        // Of a letter that was retried since and is gone.
        store
            .record_dead_letter_edit(self.tenant(), Uuid::from_u128(7), &edit)
            .await
            .unwrap();
        let kept = KeptEvent {
            provider: "vapi".into(),
            word: "end-of-call-report".into(),
            occurred_at: Utc::now(),
            content: PersonalText::new(format!("{{\"customer\":\"{ANA}\",\"transcript\":\"quasimodo\"}}")),
        };
        let endpoint = EndpointId(Uuid::from_u128(9));
        store
            .keep_event(self.tenant(), endpoint, "call", &kept, Utc::now())
            .await
            .unwrap();
    }

    /// All that is kept, raw and opened. What was deleted may lie in the file until it is written over.
    async fn looked_through(&self) -> Vec<Found> {
        let mut all = self.app.everything().await;
        all.retain(|(place, _)| place != "the database's file");
        all.extend(self.app.opened().await);
        all
    }

    /// Where any of these words lies.
    async fn places_of(&self, words: &[&str]) -> Vec<String> {
        let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        let all = self.looked_through().await;
        let lower = all
            .into_iter()
            .map(|(place, bytes)| (place, bytes.to_ascii_lowercase()));
        let found = lower.filter(|(_, bytes)| words.iter().any(|word| has(bytes, word)));
        let mut places: Vec<_> = found.map(|(place, _)| place).collect();
        places.sort();
        places.dedup();
        places
    }

    async fn erase(&self, contact: &str) {
        let erased = self.asked(Method::DELETE, &format!("/v1/contacts/{contact}")).await;
        assert_eq!(erased.status, StatusCode::ACCEPTED, "{erased:?}");
        let job = erased.body["job"].as_str().unwrap().to_owned();
        let has_ended =
            async || self.asked(Method::GET, &format!("/v1/jobs/{job}")).await.status == StatusCode::NOT_FOUND;
        self.app.wait_until("nothing is left of her", has_ended).await;
    }
}

/// The figures of delivery, without what was cancelled.
fn figures(mut stats: Value) -> Value {
    for item in stats["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("canceled");
    }
    stats
}

on_every_combination!(nothing_is_left_of_who_was_erased_but_what_counts);

async fn nothing_is_left_of_who_was_erased_but_what_counts(combination: Combination) {
    let sending = Sending::heard(combination).await;
    sending.route("email", &[&sending.good("resend")]);
    sending.open_mailbox(ADDRESS);
    sending.open_mailbox("bob@example.com");
    let bob = sending.live_with("bob", BOB, "bob@example.com", "gringoire").await;
    let contact = sending.live_with(PERSON, ANA, ADDRESS, "quasimodo of notre-dame").await;
    let code = sending.post("/v1/otp", None, &json!({ "to": ANA })).await;
    assert_eq!(code.status, StatusCode::ACCEPTED, "{code:?}");
    sending.settle().await;
    let later = json!({ "channel": "sms", "to": ANA, "content": { "text": "quasimodo" }, "person_id": PERSON,
        "scheduled_at": Utc::now() + chrono::TimeDelta::days(1) });
    sending.send(None, &later).await;
    sending.leave_letters().await;
    let other = sending.app.relais(&["tenant", "create", "Other"]);
    let theirs: TenantId = other["id"].as_str().unwrap().parse().unwrap();
    let store = sending.app.store().await;
    let number = Recipient::try_from(ANA.to_owned()).unwrap();
    let manual = domain::Suppression::Manual;
    store
        .suppress(theirs, Channel::Sms, &number, manual, "api", Utc::now())
        .await
        .unwrap();

    let places = sending.places_of(&ESMERALDA).await;
    for place in [
        "messages.recipient",
        "messages.subject",
        "message_events.raw",
        "message_events.url",
        "inbound_messages.text",
        "interactions.note",
        "otp_challenges.recipient",
        "kept_events.content",
        "dead_letter_edits.changes",
        "payloads and errors",
    ] {
        assert!(
            places.iter().any(|found| found == place),
            "this test says nothing of {place}: {places:?}"
        );
    }
    let bobs = sending.places_of(&BOBS).await;
    let before = figures(sending.app.ask("/v1/stats/delivery").await);
    let messages = sending.app.ask("/v1/messages?limit=500").await["items"]
        .as_array()
        .unwrap()
        .len();
    let work = sending.app.ask("/v1/interactions?limit=500").await["items"]
        .as_array()
        .unwrap()
        .len();
    let exported = sending
        .asked(Method::GET, &format!("/v1/contacts/{contact}/export"))
        .await;
    assert_eq!(exported.status, StatusCode::OK);
    check_export(&exported.body);
    let printed = sending
        .app
        .relais(&["contact", "export", &sending.app.tenant, &contact, "--by", "ann"]);
    check_export(&printed);

    sending.erase(&contact).await;
    sending.app.leaves(&["dead"]);
    // Another tenant has the number for reasons of its own.
    assert_eq!(sending.places_of(&ESMERALDA).await, ["suppressions.recipient"]);
    let kept = store.suppressions_of(theirs, Channel::Sms, &number).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(figures(sending.app.ask("/v1/stats/delivery").await), before);
    let count = async |path: &str| sending.app.ask(path).await["items"].as_array().unwrap().len();
    assert_eq!(
        (
            count("/v1/messages?limit=500").await,
            count("/v1/interactions?limit=500").await
        ),
        (messages, work)
    );
    assert_eq!(sending.places_of(&BOBS).await, bobs, "he lost nothing");
    assert_eq!(sending.app.queues().dead, 1, "what tells of him, too, is there still");
    assert!(sending.app.lead_score("bob").await.is_some());
    let gone = sending
        .asked(Method::GET, &format!("/v1/contacts/{contact}/export"))
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);

    // What comes late, and who asks again.
    let late = Event::new(PERSON, "of 35", "clicked").with("recipient", ADDRESS);
    assert_eq!(
        sending
            .app
            .post_event(&late.with("url", "https://example.com/quasimodo"))
            .await
            .status,
        StatusCode::ACCEPTED
    );
    sending.app.wait_until_idle().await;
    sending.erase(&contact).await;
    assert_eq!(sending.places_of(&ESMERALDA).await, ["suppressions.recipient"]);
    let log = sending.app.relais(&[
        "audit",
        "list",
        "--tenant",
        &sending.app.tenant,
        "--action",
        "contact_erased",
    ]);
    assert_eq!(log["items"][1]["target"], json!(contact), "{log}");
    assert_ne!(bob, contact);
}

/// It has all of her and nothing of Bob.
fn check_export(document: &Value) {
    let text = document.to_string();
    for word in ESMERALDA {
        assert!(text.contains(word), "{word} is not in it");
    }
    for word in BOBS {
        assert!(!text.contains(word), "{word} is in it");
    }
    assert_eq!(document["person"]["person_id"], PERSON);
    for section in [
        "messages",
        "events",
        "inbound_messages",
        "interactions",
        "scores",
        "ledger",
        "challenges",
        "kept_events",
        "jobs",
        "dead_letters",
    ] {
        assert!(
            !document[section].as_array().unwrap().is_empty(),
            "{section}: {document}"
        );
    }
}
