//! How well things are told.

use providers::event::DeliveryStatus;
use simulator::{Answer, Script, Selector, Status, Step};

use crate::support::{Ear, LIMIT, answer, sms_to_ana, twilio};
use crate::twilio::verifier;

fn statuses(ear: &mut Ear) -> Vec<DeliveryStatus> {
    let all = ear.rest();
    all.iter().map(|heard| heard.report(&verifier()).status).collect()
}

#[tokio::test]
async fn a_script_may_tell_twice_late_or_not_at_all() {
    use DeliveryStatus::{Delivered, Sent};
    let simulator = twilio().await;
    let mut ear = Ear::start().await;
    let usual = Script::of([Status::Sent, Status::Delivered]);
    let cases = [
        (
            Script {
                duplicates: 1.0,
                ..usual.clone()
            },
            vec![Sent, Sent, Delivered, Delivered],
        ),
        (
            Script {
                reorder: 1.0,
                ..usual.clone()
            },
            vec![Delivered, Sent],
        ),
        (Script { drops: 1.0, ..usual }, vec![]),
    ];
    for (script, expected) in cases {
        simulator.set_script(Selector::all(), script).unwrap();
        answer(sms_to_ana(&simulator, &ear.url)).await;
        let ledger = simulator.settled(LIMIT).await.unwrap();
        assert_eq!(statuses(&mut ear), expected);
        // Whatever is told, the message itself goes its way in order.
        let effect = ledger.effects().next_back().unwrap();
        let history: Vec<_> = effect.history.iter().map(|passed| passed.status).collect();
        assert_eq!(history, [Status::Sent, Status::Delivered]);
    }
}

#[tokio::test]
async fn without_a_word_about_it_twilio_does_not_tell_again_after_an_error() {
    let simulator = twilio().await;
    let ear = Ear::answering(|_| (503, "", String::new())).await;
    answer(sms_to_ana(&simulator, &ear.url)).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let told: Vec<_> = ledger
        .told()
        .map(|told| (told.attempt, told.answer, told.complaint))
        .collect();
    assert_eq!(told, [(1, Answer::Status(503), Some("11200")); 2]);
}

#[tokio::test]
async fn the_url_may_ask_twilio_to_tell_again() {
    let simulator = twilio().await;
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    let mut ear = Ear::answering(|attempt| (if attempt < 2 { 500 } else { 200 }, "", String::new())).await;
    answer(sms_to_ana(&simulator, &format!("{}/x#rc=5&rp=5xx", ear.url))).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let told: Vec<_> = ledger
        .told()
        .map(|told| (told.attempt, told.answer, told.again))
        .collect();
    assert_eq!(
        told,
        [
            (1, Answer::Status(500), true),
            (2, Answer::Status(500), true),
            (3, Answer::Status(200), false),
        ]
    );
    let tokens = ear
        .rest()
        .iter()
        .map(|heard| heard.headers["i-twilio-idempotency-token"].clone())
        .collect::<Vec<_>>();
    assert!(tokens.len() == 3 && tokens.iter().all(|token| *token == tokens[0]));
}

#[tokio::test]
async fn nobody_there_is_told_once_more() {
    let simulator = twilio().await;
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    // A port that was free a moment ago, and that nobody listens on.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    answer(sms_to_ana(&simulator, &format!("http://{nobody}/"))).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let told: Vec<_> = ledger.told().map(|told| (told.attempt, told.answer)).collect();
    assert_eq!(told, [(1, Answer::Unreachable), (2, Answer::Unreachable)]);
}

#[tokio::test]
async fn nothing_leaves_the_machine_unless_it_may() {
    let simulator = twilio().await;
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    for url in [
        "https://hooks.example.com/",
        "http://127.0.0.1.example.com/",
        "http://user@192.0.2.1/",
        "http://[2001:db8::1]/",
    ] {
        answer(sms_to_ana(&simulator, &format!("{url}#rc=5&rp=all"))).await;
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let answers: Vec<_> = ledger.told().map(|told| told.answer).collect();
    assert_eq!(answers, [Answer::Withheld; 4]);
}

#[tokio::test]
async fn a_scripts_delays_are_kept_and_settling_waits_for_them() {
    let simulator = twilio().await;
    let step = |status, after_ms| Step {
        status,
        after_ms,
        code: None,
    };
    let script = Script {
        steps: vec![step(Status::Sent, 20), step(Status::Delivered, 30)],
        ..Script::default()
    };
    simulator.set_script(Selector::all(), script).unwrap();
    answer(sms_to_ana(&simulator, "")).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let effect = ledger.effects().next().unwrap();
    let after = |place: usize| (effect.history[place].at - effect.accepted_at).num_milliseconds();
    assert!(after(0) >= 20 && after(1) >= 50, "{} {}", after(0), after(1));
}
