//! What somebody answers by telephone comes to the right contact, and STOP stops.

use std::collections::HashSet;

use chrono::{TimeDelta, Utc};
use jobs::RecordProviderEvents;
use queue::Origin;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Channel, Effect, Provider, Reply};
use uuid::Uuid;

use crate::app::{Combination, on_every_combination};
use crate::outside::{ANA, GREEN_INSTANCE, Sending, sms};

const BOB: &str = "+12025550199";

impl Sending {
    /// Ana's telephone answers what it was sent last.
    fn says(&self, text: &str) {
        let reply = Reply::new(Provider::Twilio, Channel::Sms, ANA, text);
        self.simulator.reply(&reply).unwrap();
    }

    /// The interaction that a reply with this intent became, as soon as it is there.
    async fn interaction(&self, intent: &str) -> Value {
        let found = async || {
            let all = self.app.ask("/v1/interactions").await;
            let items = all["items"].as_array().unwrap();
            items.iter().find(|item| item["intent"] == intent).cloned()
        };
        self.app
            .wait_until(&format!("a reply is {intent}"), async || found().await.is_some())
            .await;
        found().await.unwrap()
    }

    /// What Ana's telephone was told last.
    async fn told(&self, count: usize) -> String {
        let ledger = self.wait_for_effects(count).await;
        ledger.effects().next_back().unwrap().text.expose().to_owned()
    }
}

on_every_combination!(a_reply_is_an_interaction_of_who_wrote_it_and_stop_stops_until_start);

async fn a_reply_is_an_interaction_of_who_wrote_it_and_stop_stops_until_start(combination: Combination) {
    let sending = Sending::reached(combination).await;
    let to = |number: &str, person: &str| json!({ "channel": "sms", "to": number, "content": { "text": "Shall we meet?" }, "person_id": person });
    let asked = sending.send(None, &to(ANA, "ana")).await;
    let other = sending.send(None, &to(BOB, "bob")).await;
    for id in [&asked, &other] {
        sending.wait_for_status(id, &["delivered"]).await;
    }
    let ana = sending.message(&asked).await["contact_id"].clone();

    sending.says("Oui, parfait");
    let yes = sending.interaction("yes").await;
    assert_eq!(
        (&yes["contact_id"], &yes["reason"], &yes["status"]),
        (&ana, &json!("reply"), &json!("todo"))
    );
    let shown = sending
        .app
        .ask(&format!("/v1/interactions/{}", yes["id"].as_str().unwrap()))
        .await;
    assert_eq!(shown, yes);

    sending.says("ARRÊT");
    let stop = sending.interaction("stop").await;
    assert_eq!((&stop["contact_id"], &stop["status"]), (&ana, &json!("done")));
    let told = sending.told(3).await;
    assert!(told.starts_with("Acme: désinscription faite"), "{told}");
    let refused = sending.send(None, &sms("Are you there?")).await;
    sending.wait_for_status(&refused, &["failed"]).await;
    assert!(sending.events(&refused).await.contains(&"suppressed".to_owned()));

    sending.says("HELP");
    sending.interaction("help").await;
    let told = sending.told(4).await;
    assert!(
        told.contains("reply STOP") && told.ends_with("Help: desk@example.com"),
        "{told}"
    );

    sending.says("START");
    sending.interaction("start").await;
    assert!(sending.told(5).await.contains("you will get our messages again"));
    let again = sending.send(None, &sms("Hello again")).await;
    sending.wait_for_status(&again, &["delivered"]).await;
    let complaints = sending.simulator.look(|ledger| {
        let told = ledger.told();
        told.filter_map(|told| told.complaint).collect::<Vec<_>>()
    });
    assert_eq!(complaints, Vec::<&str>::new(), "Twilio could read every answer");
}

impl Sending {
    /// An installation that writes by WhatsApp, and is written to, by one telephone at Green-API.
    async fn by_whatsapp(combination: Combination) -> Self {
        let sending = Self::heard(combination).await;
        sending.route("whatsapp", &[&sending.good("green_api")]);
        let body = json!({ "channel": "whatsapp", "to": ANA, "language": "fr", "person_id": "ana",
            "content": { "text": "On se voit ?" } });
        let asked = sending.send(None, &body).await;
        sending.wait_for_status(&asked, &["delivered"]).await;
        sending
    }

    /// As [`says`](Self::says), by WhatsApp. Answers what she was told next, after so many messages before it.
    async fn is_told_by_whatsapp(&self, text: &str, before: usize) -> Effect {
        let reply = Reply::new(Provider::GreenApi, Channel::Whatsapp, ANA, text);
        self.simulator.reply(&reply).unwrap();
        let ledger = self.wait_for_effects(before + 1).await;
        ledger.effects().next_back().unwrap().clone()
    }
}

on_every_combination!(stop_help_and_start_by_whatsapp_are_answered_by_the_same_account_also_in_quiet_hours);

async fn stop_help_and_start_by_whatsapp_are_answered_by_the_same_account_also_in_quiet_hours(
    combination: Combination,
) {
    let sending = Sending::by_whatsapp(combination).await;
    let clock = |hours: i64| (Utc::now() + TimeDelta::hours(hours)).format("%H:%M").to_string();
    let hours = format!("{}-{}", clock(-1), clock(2));
    let tenant = &sending.app.tenant;
    sending.app.relais(&["tenant", "set", tenant, "--quiet-hours", &hours]);

    let told = sending.is_told_by_whatsapp("STOP", 1).await;
    let text = told.text.expose();
    assert!(
        text.starts_with("Acme: désinscription faite"),
        "in the language of the message: {text}"
    );
    assert_eq!((told.provider, told.to.expose()), (Provider::GreenApi, ANA));
    let told = sending.is_told_by_whatsapp("HELP", 2).await;
    assert!(
        told.text.expose().ends_with("Help: desk@example.com"),
        "{}",
        told.text.expose()
    );

    let mut urgent = json!({ "channel": "whatsapp", "to": ANA, "person_id": "ana", "content": { "text": "Hello" },
        "class": "critical" });
    let refused = sending.send(None, &urgent).await;
    sending.wait_for_status(&refused, &["failed"]).await;
    assert!(sending.events(&refused).await.contains(&"suppressed".to_owned()));

    let told = sending.is_told_by_whatsapp("START", 3).await;
    assert!(
        told.text.expose().contains("you will get our messages again"),
        "{}",
        told.text.expose()
    );
    urgent["content"]["text"] = json!("Hello again");
    let sent = sending.send(None, &urgent).await;
    sending.wait_for_status(&sent, &["delivered"]).await;

    let replies = sending.app.ask("/v1/interactions").await;
    let contacts: HashSet<_> = replies["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| reply["contact_id"].to_string())
        .collect();
    assert_eq!(
        contacts.len(),
        1,
        "an answer of ours makes nobody else of who wrote: {replies}"
    );
}

on_every_combination!(a_stop_that_is_told_again_in_other_company_is_answered_once);

async fn a_stop_that_is_told_again_in_other_company_is_answered_once(combination: Combination) {
    let sending = Sending::by_whatsapp(combination).await;
    let event = |identity: &str, text: &str| {
        json!({ "provider": "green_api", "kind": "incomingMessageReceived", "identity": identity, "raw": "{}",
            "account": GREEN_INSTANCE.to_string(), "occurred_at": Utc::now(),
            "news": { "inbound": { "channel": "whatsapp", "external_id": identity, "from": ANA, "text": text } } })
    };
    let stop = event("1", "STOP");
    let origin = Origin {
        tenant: sending.app.tenant.parse().unwrap(),
        correlation: Uuid::new_v4(),
    };
    for events in [
        json!([stop]),
        json!([stop, event("2", "non")]),
        json!([event("3", "?"), stop]),
    ] {
        let job = json!({ "endpoint": sending.app.endpoint, "events": events });
        let job: RecordProviderEvents = serde_json::from_value(job).unwrap();
        sending.app.client().add(&job, origin).await.unwrap();
        sending.app.wait_until_idle().await;
    }
    assert_eq!(sending.wait_for_effects(2).await.effects().len(), 2);
}

#[tokio::test]
async fn an_interaction_that_is_not_there_or_not_the_tenants_is_unknown() {
    let sending = Sending::reached(Combination::Sqlite).await;
    let asked = sending.send(None, &sms("Shall we meet?")).await;
    sending.wait_for_status(&asked, &["delivered"]).await;
    sending.says("non");
    let id = sending.interaction("no").await["id"].as_str().unwrap().to_owned();
    let other = sending.app.relais(&["tenant", "create", "Other"]);
    let path = format!("/v1/interactions/{id}");
    let theirs = sending.app.get_as(other["api_key"].as_str().unwrap(), &path).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    let list = sending
        .app
        .get_as(other["api_key"].as_str().unwrap(), "/v1/interactions")
        .await;
    assert_eq!(list.body["items"], json!([]));
    let odd = sending
        .app
        .get_as(&sending.app.api_key, "/v1/interactions?status=odd")
        .await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY, "{odd:?}");
}
