//! Dead letters by what they died of, and out into files and in again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Kills what can be claimed with this error, at this time.
async fn die(installation: &Installation, error: &str, now: i64) {
    let queue = installation.queue();
    let request = ClaimRequest {
        queue: Queue::Default,
        lane: 0,
        want: 100,
        session: Uuid::from_u128(9),
        until: i64::MAX / 2,
        now,
    };
    let claimed = queue.claim(&request).await.unwrap().jobs;
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: Some(error.into()),
    };
    let settles: Vec<_> = claimed.iter().map(|job| job.ended(0, dead.clone())).collect();
    queue.settle(Queue::Default, &settles, &[], now).await.unwrap();
}

/// Three of tenant 5, and then one of tenant 6.
async fn with_letters() -> Installation {
    let installation = Installation::new();
    for number in 0..3 {
        installation
            .add(&number.to_string(), Uuid::from_u128(5), &event())
            .await;
        die(
            &installation,
            &format!("no Answer after {number} ms"),
            1_767_323_045_006,
        )
        .await;
    }
    installation.add("other", Uuid::from_u128(6), &event()).await;
    die(&installation, "not found", 1_767_326_645_006).await;
    installation
}

/// Another installation, where the tenants of these letters are known.
async fn elsewhere() -> Installation {
    let installation = Installation::new();
    for tenant in [5, 6] {
        installation.make_tenant(Uuid::from_u128(tenant)).await;
    }
    installation
}

/// What `dead import` answers, and its exit status.
fn import(elsewhere: &Installation, text: impl AsRef<[u8]>) -> (Option<i32>, Value) {
    let output = elsewhere.run(&["dead", "import", "-", "--json"], text);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), answer)
}

fn rows(answer: &Value) -> usize {
    answer["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn dead_letters_are_found_by_group_time_and_text() {
    let installation = with_letters().await;
    let groups = installation.json(&["dead", "groups"]);
    let first = &groups["items"][0];
    has_fields(first, &["group", "kind", "reason", "error", "count", "last_died_at"]);
    assert_eq!(
        (&first["error"], &first["count"]),
        (&"no Answer after <n> ms".into(), &3.into())
    );
    assert_eq!(rows(&groups), 2);
    let listed = |arguments: &[&str]| rows(&installation.json(&[&["dead", "list"], arguments].concat()));
    let group = first["group"].as_str().unwrap();
    assert_eq!(listed(&["--group", group]), 3);
    assert_eq!(
        listed(&["--group", group, "--tenant", &Uuid::from_u128(6).to_string()]),
        0
    );
    assert_eq!(listed(&["--since", "2026-01-02T03:30:00Z"]), 1);
    assert_eq!(listed(&["--until", "2026-01-02T03:30:00Z"]), 3);
    assert_eq!(listed(&["--since", "1h"]), 0);
    assert_eq!(listed(&["--text", "AFTER 2 ms"]), 1);
    assert_eq!(listed(&["--text", "after", "--limit", "2"]), 2);
    assert_eq!(rows(&installation.json(&["dead", "groups", "--text", "FOUND"])), 1);
    let words = installation.words(&["dead", "groups", "--since", "2026-01-02T03:30:00Z"]);
    assert!(words.contains("not found") && !words.contains("Answer"), "{words}");
    let shown = installation.json(&["dead", "list", "--group", group]);
    assert_eq!(shown["items"][0]["group"], group);
    assert_eq!(
        installation.run(&["dead", "list", "--group", "12"], "").status.code(),
        Some(2)
    );
}

#[tokio::test]
async fn exported_letters_come_in_elsewhere_as_they_were() {
    let installation = with_letters().await;
    let exported = installation.words(&["dead", "export"]);
    assert!(!exported.contains("marie@example.com"));
    let mut there = elsewhere().await;
    let (status, refused) = import(&there, &exported);
    assert_eq!(
        (status, &refused["imported"], &refused["refused"]),
        (Some(1), &0.into(), &4.into())
    );
    assert!(
        refused["errors"][0]["error"].as_str().unwrap().contains("--reveal"),
        "{refused}"
    );

    let revealed = installation.words(&["dead", "export", "--reveal"]);
    let (status, answer) = import(&there, &revealed);
    assert_eq!(
        (status, &answer["imported"], &answer["known"]),
        (Some(0), &4.into(), &0.into())
    );
    assert_eq!(import(&there, &revealed).1["known"], 4);
    let shown: Value = serde_json::from_str(revealed.lines().next().unwrap()).unwrap();
    let letter = there.json(&["dead", "show", shown["id"].as_str().unwrap(), "--reveal"]);
    for (field, value) in letter.as_object().unwrap() {
        // What was done with a letter here is remembered here.
        if !["calls", "edits"].contains(&field.as_str()) {
            assert_eq!(value, &shown[field], "{field}");
        }
    }
    assert_eq!(there.json(&["dead", "groups"]), installation.json(&["dead", "groups"]));

    there = elsewhere().await;
    there.keys.clone_from(&installation.keys);
    assert_eq!(import(&there, &exported).1["imported"], 4);
    let letter = there.json(&["dead", "show", shown["id"].as_str().unwrap(), "--reveal"]);
    assert_eq!(letter["payload"], event());
}

#[tokio::test]
async fn a_line_that_is_no_letter_is_refused_and_the_others_come_in() {
    let installation = with_letters().await;
    let exported = installation.words(&["dead", "export"]);
    let there = elsewhere().await;
    let mut lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines[0]["sealed"] = "no base64".into();
    lines[1]["queue"] = "none".into();
    lines[2]["payload"] = json!({ "endpoint": 5 });
    lines[2]["masked"] = false.into();
    lines[3]["payload"] = event();
    lines[3]["masked"] = false.into();
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let mut text = (text.join("\n") + "\n\nnothing\n").into_bytes();
    text.extend(b"{\"id\": \"\xff\"}\n");
    text.extend(format!("{} {{}}\n", lines[3]).into_bytes());
    let (_, answer) = import(&there, &text);
    assert_eq!(
        (&answer["imported"], &answer["refused"]),
        (&1.into(), &6.into()),
        "{answer}"
    );
    let told: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| told["line"].clone())
        .collect();
    assert_eq!(told, [1, 2, 3, 6, 7, 8]);
    assert!(!answer.to_string().contains("marie"), "{answer}");
}

/// What somebody may have written into a file: the field that names what is wrong, and how it is spoilt.
type Spoil = (&'static str, fn(&mut Value));

#[tokio::test]
async fn a_line_that_would_last_for_ever_or_be_nobodys_is_refused_with_its_field() {
    let installation = with_letters().await;
    let revealed = installation.words(&["dead", "export", "--reveal"]);
    let line: Value = serde_json::from_str(revealed.lines().next().unwrap()).unwrap();
    let there = elsewhere().await;
    let spoils: [Spoil; 7] = [
        ("`attempts`", |line| line["attempts"] = "many".into()),
        ("`died_at`", |line| line["died_at"] = "9999-12-31T23:59:59Z".into()),
        ("`died_at`", |line| line["died_at"] = "1969-12-31T23:59:59Z".into()),
        ("`errors[0].at`", |line| {
            line["errors"][0]["at"] = "9999-12-31T23:59:59Z".into()
        }),
        ("`tenant`", |line| {
            line["tenant"] = Uuid::from_u128(7).to_string().into()
        }),
        ("`kind`", |line| {
            line["kind"] = "send\u{1b}[2Jsms".into();
            line["sealed"] = Value::Null;
        }),
        // Nobody could read it where it died, so nobody looks into it here.
        ("`kind`", |line| {
            line["reason"] = "unreadable".into();
            line["sealed"] = STANDARD.encode(envelope_of("send\u{1b}[2Jsms", 1000)).into();
        }),
    ];
    let lines: Vec<_> = spoils
        .iter()
        .map(|(_, spoil)| {
            let mut line = line.clone();
            spoil(&mut line);
            line.to_string()
        })
        .collect();
    let (status, answer) = import(&there, lines.join("\n"));
    assert_eq!((status, &answer["imported"]), (Some(1), &0.into()), "{answer}");
    for (place, (field, _)) in spoils.iter().enumerate() {
        let told = &answer["errors"][place];
        assert_eq!(told["line"], place + 1, "{answer}");
        assert!(told["error"].as_str().unwrap().contains(field), "{field}: {told}");
    }
}

/// A stored form that holds nothing which could be opened.
fn envelope_of(kind: &str, created_at: i64) -> Vec<u8> {
    let envelope = Envelope {
        created_at,
        expires_at: None,
        correlation: Uuid::nil(),
        kind,
        sealed: b"nothing",
    };
    envelope.encode()
}

#[tokio::test]
async fn nothing_in_a_letter_commands_the_terminal() {
    let installation = with_letters().await;
    let revealed = installation.words(&["dead", "export", "--reveal"]);
    let mut line: Value = serde_json::from_str(revealed.lines().next().unwrap()).unwrap();
    let evil = "no\u{1b}]0;owned\u{7}\u{9b}2J\rAnswer";
    line["errors"][0]["error"] = evil.into();
    line["errors"][0]["response"] = format!("200\n{evil}").into();
    line["order_key"] = evil.into();
    let there = elsewhere().await;
    assert_eq!(import(&there, line.to_string()).1["imported"], 1);
    let id = line["id"].as_str().unwrap();
    let is_quiet = |said: &str| said.chars().all(|c| c == '\n' || !c.is_control());
    for arguments in [
        &["dead", "show", id][..],
        &["dead", "show", id, "--json"],
        &["dead", "groups"],
        &["dead", "groups", "--json"],
        &["dead", "export"],
    ] {
        let said = there.words(arguments);
        assert!(said.contains("Answer"), "{arguments:?}: {said:?}");
        assert!(is_quiet(&said), "{arguments:?}: {said:?}");
    }
}
