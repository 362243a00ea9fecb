//! What somebody answers by telephone comes to the right contact, and STOP stops.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Channel, Provider, Reply};

use crate::app::{Combination, on_every_combination};
use crate::outside::{ANA, Sending, sms};

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
