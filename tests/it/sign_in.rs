//! Coming in by a link in a mail, and what it is worth afterwards.

use chrono::{TimeDelta, Utc};
use domain::sign_in::LINK_LIFETIME;
use domain::{EmailAddress, SignInLinkId, TenantId, Token, TokenKind};
use jobs::SendEmail;
use jobs::sending::links::{Link, letter, token_keys};
use queue::Origin;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{Answer, Combination, TestApp, answer, on_every_combination};
use crate::outside::Sending;

/// What is found behind the `#` of the link in a mail.
fn token_in(text: &str) -> String {
    let (_, token) = text.split_once("/sign-in#").unwrap();
    token.split_whitespace().next().unwrap().to_owned()
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    answer(app.ask_with(Method::POST, path).json(body)).await
}

async fn redeem(app: &TestApp, token: &str) -> Answer {
    post(app, "/v1/sign-in/redeem", &json!({ "token": token })).await
}

/// An installation with a route for mail, and Ben, who is a member.
async fn with_ben(combination: Combination) -> Sending {
    let sending = Sending::on(combination).await;
    let resend = sending.good("resend");
    sending.route("email", &[&resend]);
    let tenant = sending.app.tenant.clone();
    sending.app.relais(&[
        "member",
        "add",
        "ben@example.com",
        "--tenant",
        &tenant,
        "--role",
        "member",
    ]);
    sending
}

/// The link that Ben is sent next, after so many mails before.
async fn link(sending: &Sending, mails_before: usize) -> String {
    let asked = post(&sending.app, "/v1/sign-in", &json!({ "email": "Ben@Example.com" })).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let ledger = sending.wait_for_effects(mails_before + 1).await;
    let mail = ledger.effects().last().unwrap().clone();
    token_in(mail.text.expose())
}

/// A genuine link of Ben's that was asked for too long ago.
async fn expired(app: &TestApp) -> String {
    let ben = EmailAddress::parse("ben@example.com").unwrap();
    let long_ago = Utc::now() - LINK_LIFETIME - TimeDelta::seconds(1);
    let store = app.store().await;
    let made = store.make_sign_in_links(&ben, None, Uuid::new_v4(), long_ago).await;
    let [link] = &made.unwrap()[..] else {
        panic!("Ben works for one tenant")
    };
    let token = Token {
        kind: TokenKind::SignIn,
        tenant: link.tenant,
        id: link.id.0,
        generation: 0,
        expires_at: link.expires_at,
    };
    let keys = token_keys(app.client().keyring());
    token.sign(&keys[0]).expose().to_owned()
}

on_every_combination!(a_link_that_two_processes_are_given_at_once_lets_in_once);

async fn a_link_that_two_processes_are_given_at_once_lets_in_once(combination: Combination) {
    let sending = with_ben(combination).await;
    let (app, other) = (&sending.app, sending.app.start_web().await);
    let token = link(&sending, 0).await;
    let body = json!({ "token": token });
    let asks = (0..20).map(|number| {
        let path = "/v1/sign-in/redeem";
        let request = match number % 2 {
            0 => app.ask_with(Method::POST, path),
            _ => app.ask_other(&other, Method::POST, path),
        };
        answer(request.json(&body))
    });
    let answers = futures_util::future::join_all(asks).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::GONE)), (1, 19), "{answers:?}");
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::GONE)
        .collect();
    assert!(refused.iter().all(|answer| answer.body == refused[0].body));
    let let_in = answers.iter().find(|answer| answer.status == StatusCode::OK).unwrap();
    let session = let_in.body["token"].as_str().unwrap();
    let me = app.ask_other(&other, Method::GET, "/v1/me").bearer_auth(session);
    assert_eq!(answer(me).await.status, StatusCode::OK, "in at both");
    let signed_in = app.ask("/v1/audit?action=signed_in").await;
    assert_eq!(signed_in["items"].as_array().unwrap().len(), 1, "{signed_in}");
}

on_every_combination!(a_link_that_expired_before_its_mail_could_leave_is_not_sent);

async fn a_link_that_expired_before_its_mail_could_leave_is_not_sent(combination: Combination) {
    let sending = with_ben(combination).await;
    let app = &sending.app;
    let tenant: TenantId = app.tenant.parse().unwrap();
    let ben = EmailAddress::parse("ben@example.com").unwrap();
    let late = Link::sign_in(SignInLinkId(Uuid::new_v4()), Utc::now());
    let letter = letter(&app.store().await, tenant, late, &ben, None).await;
    let letter = letter.unwrap().unwrap();
    let (id, origin) = (
        letter.message.id.to_string(),
        Origin {
            tenant: tenant.0,
            correlation: Uuid::new_v4(),
        },
    );
    app.client().add(&SendEmail::new(letter), origin).await.unwrap();
    sending.wait_for_status(&id, &["failed"]).await;
    sending.settle().await;
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
}

on_every_combination!(a_magic_link_lets_in_once_and_says_no_more_than_that);

async fn a_magic_link_lets_in_once_and_says_no_more_than_that(combination: Combination) {
    let sending = with_ben(combination).await;
    let app = &sending.app;
    let unknown = post(app, "/v1/sign-in", &json!({ "email": "nobody@example.com" })).await;
    let token = link(&sending, 0).await;
    let known = post(app, "/v1/sign-in", &json!({ "email": "ben@example.com" })).await;
    assert_eq!(
        (unknown.status, &unknown.body),
        (known.status, &known.body),
        "the same answer for everybody"
    );

    let altered = token.replacen(&token[3..4], if &token[3..4] == "0" { "1" } else { "0" }, 1);
    let expired = expired(app).await;
    let theirs = app.relais(&["tenant", "create", "Other"])["id"].clone();
    let other = post(app, "/v1/sign-in/redeem", &json!({ "token": token, "tenant": theirs })).await;
    let mut refused = vec![other];
    for token in [&altered, &expired, "nonsense"] {
        refused.push(redeem(app, token).await);
    }
    let (left, right) = tokio::join!(redeem(app, &token), redeem(app, &token));
    let (let_in, again): (Vec<_>, Vec<_>) = [left, right]
        .into_iter()
        .partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(let_in.len(), 1, "{again:?}");
    refused.extend(again);
    refused.push(redeem(app, &token).await);
    for answer in &refused {
        assert_eq!(
            (answer.status, &answer.body),
            (StatusCode::GONE, &refused[0].body),
            "the same words"
        );
    }

    let session = let_in[0].body["token"].as_str().unwrap();
    let me = app.get_as(session, "/v1/me").await.body;
    assert_eq!((&me["tenant"], &me["role"]), (&json!(app.tenant), &json!("member")));
    assert_eq!(app.get_as(session, "/v1/keys").await.status, StatusCode::FORBIDDEN);
    sending.wait_for_effects(2).await;
    for program in [app.web(), app.worker(0)] {
        for secret in [token.as_str(), session, "ben@example.com"] {
            assert!(!program.output().contains(secret), "a log line has what it must not");
        }
    }
}

on_every_combination!(a_session_is_changed_and_ended_and_its_refusals_are_written_down);

async fn a_session_is_changed_and_ended_and_its_refusals_are_written_down(combination: Combination) {
    let sending = with_ben(combination).await;
    let app = &sending.app;
    let token = link(&sending, 0).await;
    let first = redeem(app, &token).await.body["token"].as_str().unwrap().to_owned();
    let rotate = async |token: &str| answer(app.ask_with(Method::POST, "/v1/session/rotate").bearer_auth(token)).await;
    let rotated = rotate(&first).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    let second = rotated.body["token"].as_str().unwrap().to_owned();
    assert_eq!(
        rotate(&first).await.status,
        StatusCode::UNAUTHORIZED,
        "only the present one"
    );
    for _ in 0..50 {
        assert_eq!(app.get_as(&second, "/v1/audit").await.status, StatusCode::FORBIDDEN);
    }
    let ended = answer(app.ask_with(Method::DELETE, "/v1/session").bearer_auth(&second)).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for token in [&first, &second] {
        assert_eq!(app.get_as(token, "/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    let refusals = async || {
        app.ask("/v1/audit?action=permission_refused").await["items"]
            .as_array()
            .unwrap()
            .clone()
    };
    app.wait_until("the refusal is written down", async || !refusals().await.is_empty())
        .await;
    let refusals = refusals().await;
    assert!(refusals.len() <= 2, "fifty refusals are no fifty rows: {refusals:?}");
    assert_eq!(refusals[0]["after"], json!({ "act": "read_audit", "times": 1 }));
    assert_eq!(refusals[0]["origin"], "127.0.0.0/24");
    let audit = app.relais(&["audit", "list", "--tenant", &app.tenant]);
    let actions: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    for action in [
        "signed_in",
        "signed_out",
        "member_added",
        "key_created",
        "credential_created",
        "credential_opened",
    ] {
        assert!(actions.contains(&json!(action)), "{action} in {actions:?}");
    }
}

on_every_combination!(who_is_invited_comes_in_by_the_invitation);

async fn who_is_invited_comes_in_by_the_invitation(combination: Combination) {
    let sending = with_ben(combination).await;
    let app = &sending.app;
    let invite = async |key: &str, role: &str| {
        let body = json!({ "email": "eve@example.com", "role": role });
        answer(
            app.ask_with(Method::POST, "/v1/invitations")
                .bearer_auth(key)
                .json(&body),
        )
        .await
    };
    let admin = app.relais(&["key", "create", "--tenant", &app.tenant]);
    let refused = invite(admin["api_key"].as_str().unwrap(), "owner").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "owners are made by owners");
    let invited = invite(&app.api_key, "sales").await;
    assert_eq!(invited.status, StatusCode::CREATED, "{invited:?}");
    let mail = sending.wait_for_effects(1).await.effects().last().unwrap().clone();
    let let_in = redeem(app, &token_in(mail.text.expose())).await;
    assert_eq!((let_in.status, &let_in.body["role"]), (StatusCode::OK, &json!("sales")));
    let members = app.ask("/v1/members").await["items"].as_array().unwrap().clone();
    assert!(
        members.iter().any(|member| member["email"] == "eve@example.com"),
        "{members:?}"
    );
}

on_every_combination!(asking_for_links_too_often_is_refused_also_for_addresses_that_nobody_has);

async fn asking_for_links_too_often_is_refused_also_for_addresses_that_nobody_has(combination: Combination) {
    let sending = with_ben(combination).await;
    for email in ["nobody@example.com", "ben@example.com"] {
        for _ in 0..5 {
            let asked = post(&sending.app, "/v1/sign-in", &json!({ "email": email })).await;
            assert_eq!(asked.status, StatusCode::ACCEPTED);
        }
        let refused = post(&sending.app, "/v1/sign-in", &json!({ "email": email })).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"));
    }
    sending.wait_for_effects(5).await;
}
