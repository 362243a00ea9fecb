//! Misbehaviour on demand.

use std::time::Duration;

use simulator::{Fault, Misbehaviour, Provider, Selector, Simulator};
use tokio::time::timeout;

use crate::support::{ANA, LIMIT, OURS, answer, settings, sms, sms_to_ana, twilio, twilio_account, twilio_request};

fn send(simulator: &Simulator) -> reqwest::RequestBuilder {
    sms(simulator, &[("To", ANA), ("From", OURS), ("Body", "Hello")])
}

fn sent(simulator: &Simulator) -> usize {
    simulator.look(|ledger| ledger.effects().len())
}

/// Longer than any test takes.
const FOR_EVER_MS: u64 = 600_000;

#[tokio::test]
async fn too_many_requests_are_refused_with_how_long_to_wait_and_nothing_is_sent() {
    let simulator = twilio().await;
    let too_many = Misbehaviour::TooManyRequests { retry_after_seconds: 7 };
    simulator.set_fault(Fault::from(too_many).times(1)).unwrap();
    let response = send(&simulator).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], 20429);
    assert_eq!(sent(&simulator), 0);
    assert_eq!(answer(send(&simulator)).await.0, 201);
}

#[tokio::test]
async fn a_server_error_may_have_been_executed_or_not() {
    let simulator = twilio().await;
    for (status, executed, code) in [(500, false, 20500), (503, true, 20503)] {
        let before = sent(&simulator);
        simulator
            .set_fault(Misbehaviour::ServerError { status, executed })
            .unwrap();
        let (answered, body) = answer(send(&simulator)).await;
        assert_eq!((answered, &body["code"]), (status, &code.into()));
        assert_eq!(sent(&simulator), before + usize::from(executed));
        simulator.clear_faults();
    }
}

#[tokio::test]
async fn a_refusal_has_the_code_that_was_asked_for() {
    let simulator = twilio().await;
    let refuse = Misbehaviour::Refuse {
        status: 400,
        code: "21610".into(),
    };
    let to_ana = Selector::provider(Provider::Twilio).to(ANA);
    simulator.set_fault(Fault::from(refuse).with(to_ana)).unwrap();
    let (status, body) = answer(send(&simulator)).await;
    assert_eq!((status, &body["code"]), (400, &21610.into()));
    let other = sms(&simulator, &[("To", "+12025550144"), ("From", OURS), ("Body", "x")]);
    assert_eq!(answer(other).await.0, 201);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_message_that_can_be_found() {
    let simulator = twilio().await;
    simulator
        .set_fault(Fault::from(Misbehaviour::LostAnswer).times(1))
        .unwrap();
    let error = send(&simulator).send().await.unwrap_err();
    assert!(
        !error.is_connect() && !error.is_timeout() && error.status().is_none(),
        "{error:?}"
    );
    assert_eq!(sent(&simulator), 1);
    let (_, page) = answer(twilio_request(&simulator, "GET", "Messages.json?To=%2B12025550143")).await;
    let external_id = simulator.look(|ledger| ledger.effects().next().unwrap().external_id.clone());
    assert_eq!(page["messages"][0]["sid"], external_id);
    assert_eq!(answer(send(&simulator)).await.0, 201);
}

#[tokio::test]
async fn half_an_answer_has_a_status_and_breaks_off() {
    let simulator = twilio().await;
    simulator.set_fault(Misbehaviour::HalfAnswer).unwrap();
    let response = send(&simulator).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert!(response.bytes().await.is_err());
    assert_eq!(sent(&simulator), 1);
}

#[tokio::test]
async fn garbage_has_the_right_status_and_is_no_json() {
    let simulator = twilio().await;
    simulator.set_fault(Misbehaviour::Garbage).unwrap();
    assert_eq!(answer(send(&simulator)).await, (201, serde_json::Value::Null));
    assert_eq!(sent(&simulator), 1);
}

#[tokio::test]
async fn who_leaves_a_hanging_call_has_sent_nothing_and_who_leaves_a_slow_one_has() {
    let simulator = twilio().await;
    for (fault, expected) in [
        (Misbehaviour::Hang { ms: FOR_EVER_MS }, 0),
        (Misbehaviour::Silent, 0),
        (Misbehaviour::Slow { ms: FOR_EVER_MS }, 1),
    ] {
        simulator.reset().await;
        simulator.set_fault(fault).unwrap();
        let call = tokio::spawn(send(&simulator).send());
        let load = |ledger: &simulator::Ledger| {
            let load = ledger.load(Provider::Twilio, crate::support::SID);
            load.map_or((0, 0), |load| (load.in_flight(), load.calls()))
        };
        // The call is there, and as far as it comes.
        let arrived = simulator.wait_for(LIMIT, |ledger| {
            load(ledger).0 == 1 && ledger.effects().len() == expected
        });
        arrived.await.unwrap();
        call.abort();
        let left = simulator
            .wait_for(LIMIT, |ledger| load(ledger) == (0, 1))
            .await
            .unwrap();
        assert_eq!(left.effects().len(), expected);
    }
}

#[tokio::test]
async fn a_call_that_hangs_goes_on_when_its_time_has_come() {
    let simulator = twilio().await;
    simulator.set_fault(Misbehaviour::Hang { ms: 1 }).unwrap();
    assert_eq!(answer(send(&simulator)).await.0, 201);
    simulator.clear_faults();
    simulator.set_fault(Misbehaviour::Slow { ms: 1 }).unwrap();
    assert_eq!(answer(send(&simulator)).await.0, 201);
}

#[tokio::test]
async fn lookups_go_wrong_only_when_they_are_meant() {
    let simulator = twilio().await;
    let unavailable = || {
        Fault::from(Misbehaviour::ServerError {
            status: 503,
            executed: false,
        })
    };
    simulator.set_fault(unavailable()).unwrap();
    assert_eq!(answer(twilio_request(&simulator, "GET", "Messages.json")).await.0, 200);
    simulator.clear_faults();
    simulator.set_fault(unavailable().of_lookups()).unwrap();
    assert_eq!(answer(twilio_request(&simulator, "GET", "Messages.json")).await.0, 503);
    assert_eq!(answer(send(&simulator)).await.0, 201);
}

#[tokio::test]
async fn the_same_seed_goes_wrong_with_the_same_calls() {
    let run = |seed| async move {
        let mut settings = settings(vec![simulator::Account::Twilio(twilio_account())]);
        settings.seed = seed;
        let simulator = Simulator::start(settings).await.unwrap();
        let refuse = Misbehaviour::TooManyRequests { retry_after_seconds: 1 };
        simulator.set_fault(Fault::from(refuse).at_rate(0.5)).unwrap();
        let mut answers = Vec::new();
        for number in 0..20 {
            let body = number.to_string();
            let pairs = [("To", ANA), ("From", OURS), ("Body", body.as_str())];
            let (status, message) = answer(sms(&simulator, &pairs)).await;
            answers.push((status, message["sid"].clone()));
        }
        answers
    };
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
    assert!(first.iter().any(|(status, _)| *status == 429) && first.iter().any(|(status, _)| *status == 201));
}

#[tokio::test]
async fn calls_at_once_are_counted() {
    let simulator = twilio().await;
    simulator.set_fault(Misbehaviour::Silent).unwrap();
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(send(&simulator).send())).collect();
    let load = |ledger: &simulator::Ledger| ledger.load(Provider::Twilio, crate::support::SID).cloned();
    let all = simulator.wait_for(LIMIT, |ledger| load(ledger).is_some_and(|load| load.in_flight() == 5));
    all.await.unwrap();
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    let none = simulator.wait_for(LIMIT, |ledger| load(ledger).is_some_and(|load| load.in_flight() == 0));
    let ledger = none.await.unwrap();
    simulator.clear_faults();
    answer(sms_to_ana(&simulator, "")).await;
    let load = load(&simulator.ledger()).unwrap();
    assert_eq!((load.high_water(), load.calls(), load.starts().len()), (5, 6, 6));
    assert_eq!(load.most_within(LIMIT), 6);
    assert_eq!(ledger.effects().len(), 0);
}

#[tokio::test]
async fn a_dropped_simulator_leaves_nobody_waiting() {
    let simulator = twilio().await;
    simulator.set_fault(Misbehaviour::Silent).unwrap();
    let call = tokio::spawn(send(&simulator).send());
    let arrived = simulator.wait_for(LIMIT, |ledger| {
        ledger.load(Provider::Twilio, crate::support::SID).is_some()
    });
    arrived.await.unwrap();
    let again = send(&simulator);
    drop(simulator);
    let ended = timeout(Duration::from_secs(60), call).await.unwrap().unwrap();
    assert!(ended.is_err());
    assert!(again.send().await.is_err());
}
