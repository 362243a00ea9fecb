//! Whoever receives webhooks.

use providers::standard_webhooks::sign;
use reqwest::RequestBuilder;
use simulator::{Account, Fault, HookAccount, Misbehaviour, Proof, Provider, Selector, Simulator};

use crate::support::{answer, client, start};

const SECRET: &str = "whsec_Zml4dHVyZS1vbmx5LXNpZ25pbmctc2VjcmV0LTAwMDE=";
const BODY: &str = r#"{"type":"message.delivered","data":{}}"#;

fn signed(simulator: &Simulator, name: &str, secret: &str) -> RequestBuilder {
    let timestamp = chrono::Utc::now().timestamp().to_string();
    let signature = sign(&secret.into(), "msg_1", &timestamp, BODY.as_bytes()).unwrap();
    let request = client().post(format!("{}/hook/{name}", simulator.url()));
    let request = request
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", timestamp);
    request.header("webhook-signature", signature).body(BODY)
}

#[tokio::test]
async fn what_comes_is_kept_and_checked_where_a_secret_is_known() {
    let simulator = start(vec![Account::Hook(HookAccount::new("acme", SECRET))]).await;
    let other = "whsec_Zml4dHVyZS1vbmx5LW9sZC1zZWNyZXQtMDAwMDAwMDA=";
    assert_eq!(answer(signed(&simulator, "acme", SECRET)).await.0, 200);
    assert_eq!(answer(signed(&simulator, "acme", other)).await.0, 401);
    assert_eq!(
        answer(client().post(format!("{}/hook/acme", simulator.url())).body(BODY))
            .await
            .0,
        401
    );
    assert_eq!(answer(signed(&simulator, "unknown", other)).await.0, 200);
    let ledger = simulator.ledger();
    let received: Vec<_> = ledger
        .received()
        .map(|one| (one.hook.as_str(), one.proof, one.status))
        .collect();
    let expected = [
        ("acme", Proof::Genuine, 200),
        ("acme", Proof::Refused, 401),
        ("acme", Proof::Refused, 401),
        ("unknown", Proof::Unchecked, 200),
    ];
    assert_eq!(received, expected);
    let first = ledger.received().next().unwrap();
    assert_eq!((first.id.as_deref(), &first.body[..]), (Some("msg_1"), BODY.as_bytes()));
}

#[tokio::test]
async fn a_receiver_may_be_busy_gone_or_lose_its_answer() {
    let simulator = start(vec![Account::Hook(HookAccount::new("acme", SECRET))]).await;
    let busy = Fault::from(Misbehaviour::TooManyRequests { retry_after_seconds: 9 });
    simulator.set_fault(busy.times(1)).unwrap();
    let response = signed(&simulator, "acme", SECRET).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"9".parse().unwrap())
    );
    let gone = Misbehaviour::Refuse {
        status: 410,
        code: "gone".into(),
    };
    let acme = Selector::provider(Provider::Hook).to("acme");
    simulator.set_fault(Fault::from(gone).with(acme).times(1)).unwrap();
    assert_eq!(answer(signed(&simulator, "acme", SECRET)).await.0, 410);
    simulator
        .set_fault(Fault::from(Misbehaviour::LostAnswer).times(1))
        .unwrap();
    assert!(signed(&simulator, "acme", SECRET).send().await.is_err());
    let ledger = simulator.ledger();
    assert_eq!(ledger.received().len(), 1);
    assert_eq!(ledger.load(Provider::Hook, "acme").unwrap().calls(), 3);
}

#[tokio::test]
async fn a_webhook_that_is_too_large_is_not_taken() {
    let simulator = start(vec![]).await;
    let request = client().post(format!("{}/hook/any", simulator.url()));
    assert_eq!(answer(request.body(vec![b'x'; 1024 * 1024 + 1])).await.0, 413);
    assert_eq!(simulator.ledger().received().len(), 0);
}
