//! `relais dev`: what it prints works when it is pasted, and messages go all their way by themselves.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::process::{Program, free_port};

/// Longer than anything here takes, on the slowest machine.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const ANA: &str = "+12025550143";

/// A running `relais dev` in a directory of its own.
struct Dev {
    program: Program,
    http: Client,
    base: String,
    _home: TempDir,
}

/// What a printed line would have curl do.
struct Line {
    url: String,
    api_key: String,
    body: String,
}

impl Dev {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command
            .current_dir(home.path())
            .env_clear()
            .env("PORT", port.to_string())
            // A disk that stands still is no fault.
            .env("QUEUE_TIMEOUT", "30s");
        let program = Program::start(&mut command);
        program.wait_for("Ctrl-C ends it").await;
        let http = Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        Self {
            program,
            http,
            base: format!("http://localhost:{port}"),
            _home: home,
        }
    }

    /// The line below the one that says `what`.
    fn line(&self, what: &str) -> Line {
        let output = self.program.output();
        let (_, after) = output.split_once(what).unwrap();
        let line = after.lines().nth(1).unwrap();
        let between = |before: &str, end: &str| {
            let (_, rest) = line.split_once(before).unwrap_or_else(|| panic!("{before} in {line}"));
            rest.split_once(end).unwrap().0.to_owned()
        };
        Line {
            url: between("curl -sS '", "'"),
            api_key: between("Bearer ", "'"),
            body: between("-d '", "'"),
        }
    }

    /// Does as the line says. Answers the message's id.
    async fn paste(&self, line: &Line) -> String {
        let request = self.http.post(&line.url).bearer_auth(&line.api_key);
        let request = request
            .header("Content-Type", "application/json")
            .body(line.body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let body: Value = answer.json().await.unwrap();
        body["id"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, api_key: &str, path: &str) -> Value {
        let url = format!("{}{path}", self.base);
        let answer = self.http.get(url).bearer_auth(api_key).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// The kinds of a message's events.
    async fn events(&self, api_key: &str, id: &str) -> Vec<String> {
        let events = self.ask(api_key, &format!("/v1/messages/{id}/events")).await;
        let items = events["items"].as_array().unwrap();
        items
            .iter()
            .map(|event| event["event"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn wait_until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition().await {
            assert!(
                Instant::now() < deadline,
                "never came true: {what}\n{}",
                self.program.output()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[tokio::test]
async fn each_printed_line_sends_a_message_that_arrives_and_a_reply_comes_back() {
    let dev = Dev::start().await;
    let mut to_ana = None;
    for (what, expected) in [
        ("# A mail.", &["queued", "sent", "delivered", "opened"][..]),
        ("# A text message.", &["queued", "accepted", "sent", "delivered"]),
        (
            "# A message by WhatsApp.",
            &["queued", "accepted", "sent", "delivered", "read"],
        ),
    ] {
        let line = dev.line(what);
        let id = dev.paste(&line).await;
        let arrived = async || dev.events(&line.api_key, &id).await.len() >= expected.len();
        dev.wait_until(&format!("{what} {expected:?}"), arrived).await;
        assert_eq!(dev.events(&line.api_key, &id).await, expected, "{what}");
        let message = dev.ask(&line.api_key, &format!("/v1/messages/{id}")).await;
        assert_eq!(message["status"], *expected.last().unwrap(), "{what} {message}");
        if what == "# A text message." {
            to_ana = Some((line.api_key, message["contact_id"].clone()));
        }
    }

    let (api_key, ana) = to_ana.unwrap();
    let output = dev.program.output();
    let (_, telephones) = output.split_once("to answer from, is on ").unwrap();
    let telephones = telephones.lines().next().unwrap();
    let reply = json!({ "provider": "twilio", "channel": "sms", "from": ANA, "text": "Oui, parfait" });
    let request = dev.http.post(format!("{telephones}_sim/reply")).json(&reply);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let replies = async || {
        let all = dev.ask(&api_key, "/v1/interactions").await;
        let items = all["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .filter(|item| item["reason"] == "reply")
            .collect::<Vec<_>>()
    };
    dev.wait_until("the reply is there", async || !replies().await.is_empty())
        .await;
    let replies = replies().await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(
        (&replies[0]["intent"], &replies[0]["contact_id"]),
        (&json!("yes"), &ana)
    );
}
