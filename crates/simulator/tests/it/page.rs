//! The page.

use simulator::{Account, Script, Selector, Simulator};

use crate::mail_support::{Dialogue, mail};
use crate::support::{
    ANA, Ear, LIMIT, OURS, answer, client, form, settings, sms, sms_to_ana, start, twilio, twilio_account,
};

async fn show(simulator: &Simulator, query: &str) -> String {
    let response = client()
        .get(format!("{}/{query}", simulator.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'"));
    response.text().await.unwrap()
}

/// Sends what the box on the page would.
async fn fill_in(simulator: &Simulator, pairs: &[(&str, &str)]) -> (u16, String) {
    let request = client().post(format!("{}/answer", simulator.url()));
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = form(request, pairs).build().unwrap();
    let response = client.execute(request).await.unwrap();
    let location = response
        .headers()
        .get("location")
        .map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default())
}

#[tokio::test]
async fn every_message_is_shown_newest_first_in_both_languages() {
    let simulator = twilio().await;
    assert!(show(&simulator, "?lang=en").await.contains("Nothing has arrived yet."));
    answer(sms_to_ana(&simulator, "")).await;
    let mut dialogue = Dialogue::smtp(&simulator).await;
    dialogue
        .mail(
            &["bob@example.com"],
            &mail("m1", "Your code: see https://x.test/go?a=1&b=2."),
        )
        .await;
    dialogue.hear().await;
    simulator.settled(LIMIT).await.unwrap();
    let page = show(&simulator, "?lang=en").await;
    let (bob, ana) = (
        page.rfind("<strong>bob@example.com").unwrap(),
        page.rfind("<strong>+1202").unwrap(),
    );
    assert!(bob < ana);
    assert!(page.contains("<li class=\"good\">delivered</li>") && page.contains("http-equiv=\"refresh\""));
    assert!(page.contains("href=\"https://x.test/go?a=1&amp;b=2\""));
    let french = show(&simulator, "?lang=fr&box=%2B12025550143").await;
    assert!(french.contains("<li class=\"good\">remis</li>") && french.contains("<html lang=\"fr\">"));
    assert!(!french.contains("<strong>bob@example.com"));
}

#[tokio::test]
async fn what_nobody_can_do_with_a_text_message_is_not_shown_of_it() {
    let simulator = twilio().await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    answer(sms_to_ana(&simulator, "")).await;
    simulator.settled(LIMIT).await.unwrap();
    let page = show(&simulator, "?lang=en").await;
    assert!(page.contains(">delivered<"), "{page}");
    assert!(!page.contains(">read<") && !page.contains(">opened<"), "{page}");
}

#[tokio::test]
async fn a_reader_may_have_the_page_hold_still_and_everything_leads_back_to_it() {
    let simulator = twilio().await;
    answer(sms_to_ana(&simulator, "")).await;
    let moving = show(&simulator, "?lang=en").await;
    assert!(moving.contains("href=\"/?lang=en&amp;still=1\">Hold still"));
    let still = show(&simulator, "?lang=en&still=1").await;
    assert!(!still.contains("http-equiv=\"refresh\"") && still.contains("href=\"/?lang=en\">Reload again"));
    assert!(still.contains("href=\"/?lang=en&amp;still=1&amp;box="));
    let pairs = [("number", "x"), ("lang", "en"), ("still", "1"), ("text", "x")];
    let (_, back) = fill_in(&simulator, &pairs).await;
    assert_eq!(back, "/?lang=en&box=&still=1&failed=1");
}

#[tokio::test]
async fn nothing_that_anybody_wrote_is_a_tag() {
    let simulator = start(vec![]).await;
    let evil = "From: \"><script>\" <a@example.com>\r\nSubject: <img src=x onerror=alert(1)>\r\n\r\n</p><script>alert('x')</script>\r\n";
    let mut dialogue = Dialogue::smtp(&simulator).await;
    dialogue.mail(&["'onclick='x@example.com"], evil).await;
    dialogue.hear().await;
    let page = show(&simulator, "?box=%22%3E%3Cscript%3E").await + &show(&simulator, "?answer=%3Cscript%3E").await;
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("'onclick"));
}

#[tokio::test]
async fn an_answer_in_the_box_reaches_our_side_and_the_page() {
    let mut ear = Ear::start().await;
    let mut account = twilio_account();
    account.sms_url = Some(ear.url.clone());
    let simulator = Simulator::start(settings(vec![Account::Twilio(account)]))
        .await
        .unwrap();
    simulator.set_script(Selector::all(), Script::silent()).unwrap();
    answer(sms(&simulator, &[("To", ANA), ("From", OURS), ("Body", "At 14:30?")])).await;
    let number = simulator
        .look(|ledger| ledger.effects().next().unwrap().number)
        .to_string();
    let writing = show(&simulator, &format!("?lang=en&answer={number}")).await;
    assert!(writing.contains("<textarea") && !writing.contains("http-equiv=\"refresh\""));
    let pairs = [
        ("number", number.as_str()),
        ("lang", "fr"),
        ("box", ANA),
        ("text", "Oui & merci"),
    ];
    assert_eq!(
        fill_in(&simulator, &pairs).await,
        (303, "/?lang=fr&box=%2B12025550143".into())
    );
    let heard = ear.next().await;
    assert_eq!(
        (heard.pair("Body").as_deref(), heard.pair("From").as_deref()),
        (Some("Oui & merci"), Some(ANA))
    );
    let page = show(&simulator, "").await;
    assert!(page.find("Oui &amp; merci").unwrap() < page.find("At 14:30?").unwrap());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_says_so() {
    let simulator = twilio().await;
    answer(sms_to_ana(&simulator, "")).await;
    let number = simulator
        .look(|ledger| ledger.effects().next().unwrap().number)
        .to_string();
    for number in [number.as_str(), "99", "x"] {
        let (status, back) = fill_in(&simulator, &[("number", number), ("lang", "en"), ("text", "x")]).await;
        assert_eq!((status, back.as_str()), (303, "/?lang=en&box=&failed=1"));
    }
    assert!(show(&simulator, "?lang=en&failed=1").await.contains("was not sent"));
}

#[tokio::test]
async fn pages_from_elsewhere_give_no_commands() {
    let simulator = twilio().await;
    answer(sms_to_ana(&simulator, "")).await;
    let here = simulator.url().to_owned();
    for (origin, path, body, expected) in [
        ("https://evil.test", "answer", "number=1&text=x", 403),
        ("null", "answer", "number=1&text=x", 403),
        (here.as_str(), "answer", "number=1&text=x", 303),
        ("https://evil.test", "_sim/fault", r#"{"does":{"kind":"silent"}}"#, 403),
        ("https://evil.test", "_sim/reset", "", 403),
        (here.as_str(), "_sim/reset", "", 204),
    ] {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let request = client
            .post(format!("{here}/{path}"))
            .header("origin", origin)
            .body(body);
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            expected,
            "{origin} {path}"
        );
    }
}
