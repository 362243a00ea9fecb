//! What is remembered, and what is not shown.

use simulator::{Account, Channel, Limits, Provider, Reply, Script, Selector, Settings, Simulator, Status, Step};

use crate::support::{
    ANA, AUTH_TOKEN, Ear, LIMIT, OURS, SID, answer, settings, sms, sms_to_ana, twilio, twilio_account, twilio_request,
};

#[tokio::test]
async fn memory_does_not_grow() {
    let limits = Limits {
        messages: 3,
        callbacks: 4,
        starts: 5,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..settings(vec![Account::Twilio(twilio_account())])
    };
    let simulator = Simulator::start(settings).await.unwrap();
    let ear = Ear::start().await;
    let mut first = String::new();
    for number in 0..10 {
        let (_, message) = answer(sms_to_ana(&simulator, &ear.url)).await;
        if number == 0 {
            first = message["sid"].as_str().unwrap().to_owned();
        }
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let load = ledger.load(Provider::Twilio, SID).unwrap();
    assert_eq!(
        (ledger.effects().len(), ledger.told().len(), load.starts().len()),
        (3, 4, 5)
    );
    assert_eq!(load.calls(), 10);
    assert_eq!(
        answer(twilio_request(&simulator, "GET", &format!("Messages/{first}.json")))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn what_is_too_much_to_tell_is_counted() {
    let limits = Limits {
        pending: 1,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..settings(vec![Account::Twilio(twilio_account())])
    };
    let simulator = Simulator::start(settings).await.unwrap();
    let late = Step {
        status: Status::Sent,
        after_ms: 600_000,
        code: None,
    };
    let script = Script {
        steps: vec![late],
        ..Script::default()
    };
    simulator.set_script(Selector::all(), script).unwrap();
    answer(sms_to_ana(&simulator, "")).await;
    answer(sms_to_ana(&simulator, "")).await;
    let ledger = simulator.ledger();
    assert_eq!((ledger.effects().len(), ledger.pending(), ledger.untold()), (2, 1, 1));
    let not_reached = simulator.settled(std::time::Duration::ZERO).await.unwrap_err();
    assert_eq!((not_reached.effects, not_reached.pending), (2, 1));
    simulator.reset().await;
    assert_eq!(simulator.settled(LIMIT).await.unwrap().untold(), 0);
}

#[tokio::test]
async fn a_reset_forgets_what_happened_and_no_id_comes_twice() {
    let simulator = twilio().await;
    let (_, before) = answer(sms_to_ana(&simulator, "")).await;
    simulator.reset().await;
    assert_eq!(simulator.ledger().effects().len(), 0);
    let (_, after) = answer(sms_to_ana(&simulator, "")).await;
    assert_ne!(before["sid"], after["sid"]);
}

#[tokio::test]
async fn nothing_personal_shows_in_debug() {
    let mut account = twilio_account();
    account.numbers = vec![OURS.into()];
    account.sms_url = Some("http://127.0.0.1:9/secret-token".into());
    let simulator = Simulator::start(settings(vec![Account::Twilio(account.clone())]))
        .await
        .unwrap();
    let pairs = [("To", ANA), ("From", OURS), ("Body", "Your code is 424242")];
    answer(sms(&simulator, &pairs)).await;
    let reply = Reply::new(Provider::Twilio, Channel::Sms, ANA, "my answer 515151");
    simulator.reply(&reply).unwrap();
    simulator.set_script(Selector::all().to(ANA), Script::silent()).unwrap();
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let shown = format!(
        "{simulator:?} {ledger:?} {reply:?} {account:?} {:?}",
        Selector::all().to(ANA)
    );
    for hidden in [&ANA[4..], &OURS[4..], "424242", "515151", AUTH_TOKEN, "secret-token"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
