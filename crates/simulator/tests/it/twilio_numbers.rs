//! Numbers are searched, bought and released.

use simulator::{Channel, Simulator};

use crate::support::{answer, form, twilio, twilio_request};

async fn search(simulator: &Simulator, path: &str) -> (u16, Vec<String>) {
    let path = format!("AvailablePhoneNumbers/{path}");
    let (status, body) = answer(twilio_request(simulator, "GET", &path)).await;
    let all = body["available_phone_numbers"].as_array().cloned().unwrap_or_default();
    let number = |on_sale: &serde_json::Value| on_sale["phone_number"].as_str().unwrap().to_owned();
    (status, all.iter().map(number).collect())
}

async fn buy(simulator: &Simulator, pairs: &[(&str, &str)]) -> (u16, serde_json::Value) {
    answer(form(
        twilio_request(simulator, "POST", "IncomingPhoneNumbers.json"),
        pairs,
    ))
    .await
}

#[tokio::test]
async fn a_number_is_sold_once_whoever_asks_at_the_same_time() {
    let simulator = twilio().await;
    let (_, on_sale) = search(&simulator, "FR/Mobile.json?PageSize=3").await;
    assert_eq!(on_sale.len(), 3);
    let number = on_sale[0].as_str();
    let pairs = [("PhoneNumber", number)];
    let all = tokio::join!(
        buy(&simulator, &pairs),
        buy(&simulator, &pairs),
        buy(&simulator, &pairs)
    );
    let mut statuses = [all.0.0, all.1.0, all.2.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400, 400]);
    assert_eq!(buy(&simulator, &pairs).await.1["code"], 21422);
    assert!(
        !search(&simulator, "FR/Mobile.json")
            .await
            .1
            .contains(&number.to_owned())
    );
    let ledger = simulator.ledger();
    let bought: Vec<_> = ledger.effects_to(number).map(|effect| effect.channel).collect();
    assert_eq!(bought, [Channel::Number]);
}

#[tokio::test]
async fn a_number_is_found_among_the_own_ones_until_it_is_released() {
    let simulator = twilio().await;
    let (_, bought) = buy(&simulator, &[("AreaCode", "305"), ("FriendlyName", "tenant 1")]).await;
    let number = bought["phone_number"].as_str().unwrap();
    assert!(number.starts_with("+1305"));
    let path = format!("IncomingPhoneNumbers.json?PhoneNumber=%2B{}", &number[1..]);
    let own = || answer(twilio_request(&simulator, "GET", &path));
    let (_, list) = own().await;
    assert_eq!(list["incoming_phone_numbers"][0]["sid"], bought["sid"]);
    let one = format!("IncomingPhoneNumbers/{}.json", bought["sid"].as_str().unwrap());
    let changed = form(
        twilio_request(&simulator, "POST", &one),
        &[("SmsUrl", "https://x.test/sms")],
    );
    assert_eq!(answer(changed).await.1["sms_url"], "https://x.test/sms");
    let (_, fetched) = answer(twilio_request(&simulator, "GET", &one)).await;
    assert_eq!(
        (&fetched["sms_url"], &fetched["friendly_name"]),
        (&"https://x.test/sms".into(), &"tenant 1".into())
    );
    assert_eq!(answer(twilio_request(&simulator, "DELETE", &one)).await.0, 204);
    assert_eq!(answer(twilio_request(&simulator, "DELETE", &one)).await.0, 404);
    assert!(own().await.1["incoming_phone_numbers"].as_array().unwrap().is_empty());
    assert_eq!(buy(&simulator, &[("PhoneNumber", number)]).await.0, 201);
}

#[tokio::test]
async fn what_is_not_sold_is_refused_with_its_code() {
    let simulator = twilio().await;
    assert_eq!(search(&simulator, "US/Mobile.json").await.0, 404);
    assert_eq!(search(&simulator, "XX/Local.json").await.0, 404);
    assert_eq!(search(&simulator, "US/Local.json?AreaCode=999").await, (200, vec![]));
    for (pairs, code) in [
        ([("AreaCode", "533")], 21452),
        ([("PhoneNumber", "+33612345678")], 21422),
        ([("PhoneNumber", "12025550155")], 21421),
        ([("PhoneNumber", "+15005550000")], 21422),
    ] {
        let (status, body) = buy(&simulator, &pairs).await;
        assert_eq!((status, &body["code"]), (400, &code.into()));
    }
}
