//! Providers on a bad day: one message arrives all the same, by whoever can bring it.

use serde_json::{Value, json};
use simulator::{Fault, Misbehaviour, Provider, Selector};

use crate::app::{Combination, on_every_combination};
use crate::outside::{Sending, sms};

/// Twilio's answer to credentials that it does not take (documentation, "Error 20003").
fn unauthorized() -> Misbehaviour {
    Misbehaviour::Refuse {
        status: 401,
        code: "20003".into(),
    }
}

impl Sending {
    /// What `relais circuits` says of the tenant's only account; nothing of one that works.
    fn circuit(&self) -> Value {
        self.app.relais(&["circuits", "--tenant", &self.app.tenant])["items"][0]["state"].clone()
    }

    /// All that is said of a message's events.
    async fn course(&self, id: &str) -> Vec<Value> {
        let events = self.app.ask(&format!("/v1/messages/{id}/events")).await;
        events["items"].as_array().unwrap().clone()
    }

    /// The circuit's figure in `/metrics`.
    async fn circuit_figure(&self) -> Option<String> {
        let metrics = self.app.get("/metrics").await.body;
        let mut lines = metrics.as_str().unwrap().lines();
        let line = lines.find(|line| line.starts_with("relais_circuit_state{"))?;
        line.rsplit(' ').next().map(str::to_owned)
    }

    async fn wait_for_circuit(&self, state: &Value, figure: &str) {
        let is_so = async || self.circuit() == *state;
        self.app.wait_until(&format!("the circuit is {state}"), is_so).await;
        let is_told = async || self.circuit_figure().await.as_deref() == Some(figure);
        self.app.wait_until(&format!("the figure is {figure}"), is_told).await;
    }
}

on_every_combination!(an_account_that_keeps_failing_is_left_alone_tried_by_one_and_used_again);

async fn an_account_that_keeps_failing_is_left_alone_tried_by_one_and_used_again(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let hang = Misbehaviour::Hang { ms: 8_000 };
    for fault in [Fault::from(unauthorized()).times(5), Fault::from(hang).times(1)] {
        sending.simulator.set_fault(fault).unwrap();
    }
    for number in 0..5 {
        sending.send(None, &sms(&format!("Number {number}"))).await;
    }
    sending.wait_for_circuit(&json!("open"), "2").await;
    sending.wait_for_circuit(&json!("half_open"), "1").await;
    sending.wait_for_circuit(&Value::Null, "0").await;
    assert_eq!(sending.wait_for_effects(5).await.effects().len(), 5);
}

on_every_combination!(an_account_that_is_left_alone_gives_way_to_the_next);

async fn an_account_that_is_left_alone_gives_way_to_the_next(combination: Combination) {
    let sending = Sending::on(combination).await;
    let (wrong, good) = (sending.wrong_twilio(), sending.good("twilio"));
    sending.route("sms", &[&wrong, &good]);
    let mut sent = 0;
    loop {
        sent += 1;
        let id = sending.send(None, &sms(&format!("Number {sent}"))).await;
        sending
            .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
            .await;
        let course = sending.course(&id).await;
        let first: Vec<_> = course.iter().filter(|event| event["event"] == "not_sent").collect();
        assert_eq!(
            (first.len(), &first[0]["provider"]),
            (1, &json!("twilio")),
            "{course:?}"
        );
        if first[0]["error_code"] == "circuit_open" {
            break;
        }
        assert_eq!(first[0]["error_code"], "20003", "{course:?}");
        assert!(sent < 50, "the wrong account is asked for ever");
    }
    assert!(sent > 5, "five failures in a row, and not fewer");
    assert_eq!(sending.wait_for_effects(sent).await.effects().len(), sent);
}

/// A message by this provider to its `place`th recipient.
fn message(provider: Provider, place: usize) -> (String, Value) {
    if provider == Provider::Resend {
        let to = format!("ana{place}@example.com");
        let body = json!({ "channel": "email", "to": to, "content": { "subject": "Hello", "text": "Hello" } });
        return (to, body);
    }
    let to = format!("+1202555{:04}", 100 + place);
    let body = json!({ "channel": "sms", "to": to, "content": { "text": "Hello" } });
    (to, body)
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_call_exactly_one_message_arrives() {
    let sending = Sending::on(Combination::Sqlite).await;
    sending.route("sms", &[&sending.good("twilio")]);
    sending.route("email", &[&sending.good("resend")]);
    let troubles = [
        Misbehaviour::TooManyRequests { retry_after_seconds: 1 },
        Misbehaviour::ServerError {
            status: 500,
            executed: true,
        },
        Misbehaviour::ServerError {
            status: 500,
            executed: false,
        },
        Misbehaviour::Hang { ms: 60_000 },
        Misbehaviour::LostAnswer,
        Misbehaviour::HalfAnswer,
        Misbehaviour::Garbage,
    ];
    let (mut all, mut bodies) = (Vec::new(), Vec::new());
    for (place, trouble) in troubles.iter().enumerate() {
        for provider in [Provider::Twilio, Provider::Resend] {
            let (to, body) = message(provider, place);
            let fault = Fault::from(trouble.clone()).times(1);
            sending
                .simulator
                .set_fault(fault.with(Selector::provider(provider).to(&to)))
                .unwrap();
            all.push((to, provider, trouble));
            bodies.push(body);
        }
    }
    let accepted = sending.post("/v1/messages", None, &json!({ "messages": bodies })).await;
    let items = accepted.body["items"].as_array().unwrap();
    let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    for id in &ids {
        sending
            .wait_for_status(id, &["accepted", "sending", "sent", "delivered"])
            .await;
    }
    let ledger = sending.wait_for_effects(all.len()).await;
    for (id, (to, provider, trouble)) in ids.iter().zip(&all) {
        let effects: Vec<_> = ledger
            .effects()
            .filter(|effect| effect.to.expose() == to.as_str())
            .collect();
        assert_eq!(effects.len(), 1, "{provider:?} {trouble:?}");
        let message = sending.message(id).await;
        assert_eq!(message["external_id"], effects[0].external_id.as_str(), "{trouble:?}");
    }
}

impl Sending {
    /// Sends a message whose account is deleted before anybody gets to send it.
    async fn send_by_deleted(&self, account: &str) -> String {
        self.app.relais(&["queues", "pause", "default"]);
        let id = self.send(None, &sms("Hello")).await;
        self.delete(account);
        self.app.relais(&["queues", "resume", "default"]);
        id
    }

    fn delete(&self, account: &str) {
        let tenant = &self.app.tenant;
        self.app.relais(&["credential", "remove", account, "--tenant", tenant]);
    }
}

#[tokio::test]
async fn a_message_whose_account_was_deleted_goes_by_the_next_or_fails_and_says_why() {
    let sending = Sending::on(Combination::Sqlite).await;
    let only = sending.good_named("twilio", "only");
    sending.route("sms", &[&only]);
    let id = sending.send_by_deleted(&only).await;
    sending.wait_for_status(&id, &["failed"]).await;
    assert_eq!(sending.message(&id).await["error_code"], "credentials_gone");

    let (first, second) = (
        sending.good_named("twilio", "first"),
        sending.good_named("twilio", "second"),
    );
    sending.route("sms", &[&first, &second]);
    let id = sending.send_by_deleted(&first).await;
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    assert_eq!(sending.simulator.ledger().effects().len(), 1);
    let codes: Vec<_> = sending
        .course(&id)
        .await
        .into_iter()
        .map(|event| event["error_code"].clone())
        .collect();
    assert!(codes.contains(&json!("credentials_gone")), "{codes:?}");
}

#[tokio::test]
async fn a_lost_answer_of_an_account_that_was_deleted_waits_for_a_person() {
    let sending = Sending::on(Combination::Sqlite).await;
    let (first, second) = (
        sending.good_named("twilio", "first"),
        sending.good_named("twilio", "second"),
    );
    sending.route("sms", &[&first, &second]);
    let unavailable = Misbehaviour::ServerError {
        status: 503,
        executed: false,
    };
    for fault in [
        Fault::from(Misbehaviour::LostAnswer).times(1),
        Fault::from(unavailable).of_lookups(),
    ] {
        sending.simulator.set_fault(fault).unwrap();
    }
    let id = sending.send(None, &sms("Hello")).await;
    sending.wait_for_first().await;
    sending.delete(&first);
    let is_dead = async || sending.app.queues().dead == 1;
    sending.app.wait_until("it waits for a person", is_dead).await;
    assert_eq!(sending.message(&id).await["status"], "unknown");

    let dead = sending.app.relais(&["dead", "list"]);
    sending
        .app
        .relais(&["dead", "retry", dead["items"][0]["id"].as_str().unwrap()]);
    sending
        .wait_for_status(&id, &["accepted", "sending", "sent", "delivered"])
        .await;
    assert_eq!(sending.wait_for_effects(2).await.effects().len(), 2);
}
