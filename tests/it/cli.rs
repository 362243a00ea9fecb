//! What operators' commands print and how they end, through the real program.

mod letters;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use queue::backend::{Backend, ClaimRequest, NewJob, Outcome, Reason};
use queue::envelope::{Envelope, seal_payload};
use queue::sql::{SqlOptions, SqlQueue};
use queue::{JobId, Queue};
use seal::Keyring;
use serde_json::{Value, json};
use store::{ConnectOptions, Db};
use testkit::sqlite::TempSqlite;
use uuid::Uuid;

const KIND: &str = "record_email_event";

/// A migrated installation on an SQLite file.
struct Installation {
    database: TempSqlite,
    keys: String,
}

impl Installation {
    fn new() -> Self {
        let installation = Self {
            database: testkit::sqlite::fresh(),
            keys: Keyring::generate("k1"),
        };
        let migrated = installation.json(&["migrate"]);
        assert!(!migrated["applied"].as_array().unwrap().is_empty());
        installation
    }

    fn run(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .env("RELAIS_KEYS", &self.keys);
        command
            .env("PUBLIC_URL", "https://relais.example.com/")
            .current_dir(self.database.path().parent().unwrap());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What the command prints with `--json` when all goes well.
    fn json(&self, arguments: &[&str]) -> Value {
        let (status, printed) = self.json_and_status(arguments);
        assert_eq!(status, 0, "{arguments:?}: {printed}");
        printed
    }

    fn json_and_status(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat(), "");
        let printed = serde_json::from_slice(&output.stdout);
        let printed = printed.unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned().into());
        (output.status.code().unwrap(), printed)
    }

    /// Status and standard error of a command that should not do it.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments, "");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn words(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(arguments, "").stdout).unwrap()
    }

    async fn db(&self) -> Db {
        let options = ConnectOptions::default();
        Db::connect(self.database.url(), &options).await.unwrap()
    }

    /// Does this to the database.
    async fn execute(&self, statement: &'static str) {
        let db = self.db().await;
        let Db::Sqlite { writer, .. } = &db else { unreachable!() };
        sqlx::raw_sql(statement).execute(writer).await.unwrap();
        db.close().await;
    }

    /// Makes a tenant of this id, as there is one where letters of it come from.
    async fn make_tenant(&self, id: Uuid) {
        let db = self.db().await;
        let Db::Sqlite { writer, .. } = &db else { unreachable!() };
        sqlx::query("INSERT INTO tenants (id, name, address_key, created_at) VALUES ($1, $2, x'00', 0)")
            .bind(id)
            .bind(id.to_string())
            .execute(writer)
            .await
            .unwrap();
        db.close().await;
    }

    fn queue(&self) -> SqlQueue {
        SqlQueue::connect(self.database.url(), &SqlOptions::default()).unwrap()
    }

    /// Keeps a job with this payload.
    async fn add(&self, name: &str, tenant: Uuid, payload: &Value) -> JobId {
        let id = JobId::derive(KIND, tenant, name);
        let keyring = Keyring::parse(&self.keys).unwrap();
        let sealed = seal_payload(id, KIND, &serde_json::to_vec(payload).unwrap(), &keyring);
        let envelope = Envelope {
            created_at: 1000,
            expires_at: None,
            correlation: Uuid::from_u128(7),
            kind: KIND,
            sealed: &sealed,
        };
        let new = NewJob {
            id,
            queue: Queue::Default,
            tenant,
            run_at: 0,
            keys: queue::Keys::default(),
            body: envelope.encode(),
        };
        self.queue().add(&[new], 1000).await.unwrap();
        id
    }

    /// Lets one attempt of every ready job end in death.
    async fn kill_all(&self) {
        let queue = self.queue();
        let request = ClaimRequest {
            queue: Queue::Default,
            lane: 0,
            want: 100,
            session: Uuid::from_u128(9),
            until: i64::MAX / 2,
            now: 2000,
        };
        let claimed = queue.claim(&request).await.unwrap().jobs;
        let settles: Vec<_> = claimed
            .iter()
            .map(|job| {
                job.ended(
                    0,
                    Outcome::Dead {
                        reason: Reason::Attempts,
                        error: Some("the provider said no".into()),
                    },
                )
            })
            .collect();
        let finished: Vec<_> = claimed.iter().map(|job| job.ticket.claim).collect();
        assert!(
            queue
                .settle(Queue::Default, &settles, &finished, 3000)
                .await
                .unwrap()
                .iter()
                .all(|held| *held)
        );
    }
}

fn event() -> Value {
    json!({
        "endpoint": "0195c0de-0000-7000-8000-000000000000",
        "event": {
            "provider": "sendgrid", "external_id": "msg-17", "kind": "opened", "identity": "evt-1",
            "occurred_at": "2026-01-02T03:04:05Z", "recipient": "marie@example.com", "subject": "Bonjour",
        },
    })
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has_fields(value: &Value, expected: &[&str]) {
    let known = fields(value);
    assert!(
        expected.iter().all(|name| known.contains(name)),
        "{expected:?} in {known:?}"
    );
}

#[test]
fn a_tenant_gets_a_key_and_an_endpoint_whose_secrets_are_shown_once() {
    let installation = Installation::new();
    let tenant = installation.json(&["tenant", "create", "Acme"]);
    has_fields(&tenant, &["id", "name", "api_key"]);
    assert_eq!(tenant["name"], "Acme");
    let id = tenant["id"].as_str().unwrap();

    let key = installation.json(&["key", "create", "--tenant", id, "--role", "sales"]);
    has_fields(&key, &["id", "api_key"]);
    let made = installation.json(&["endpoint", "create", "--tenant", id, "--provider", "email"]);
    let url = format!(
        "https://relais.example.com/webhooks/email/{}",
        made["id"].as_str().unwrap()
    );
    assert_eq!(made["url"], url);
    assert_eq!(made["secret"].as_str().unwrap().len(), 64);
    let given = [
        "endpoint",
        "create",
        "--tenant",
        id,
        "--provider",
        "email",
        "--secret",
        "of my own",
    ];
    assert_eq!(installation.json(&given)["secret"], "of my own");
    let piped = installation.run(
        &[
            "endpoint",
            "create",
            "--tenant",
            id,
            "--provider",
            "email",
            "--secret",
            "-",
        ],
        "piped\n",
    );
    assert!(String::from_utf8(piped.stdout).unwrap().contains("piped "));

    let lists = [["tenant", "list"], ["key", "list"], ["endpoint", "list"]].map(|list| installation.json(&list));
    assert_eq!(
        lists.each_ref().map(|list| list["items"].as_array().unwrap().len()),
        [1, 2, 3]
    );
    let shown = format!("{lists:?}");
    for secret in [&tenant["api_key"], &key["api_key"], &made["secret"]] {
        assert!(!shown.contains(secret.as_str().unwrap()), "a list shows a secret");
    }

    let key = key["id"].as_str().unwrap();
    assert_eq!(installation.json(&["key", "revoke", key])["revoked"], true);
    assert_eq!(installation.json(&["key", "revoke", key])["revoked"], false);
}

#[test]
fn what_is_refused_ends_with_1_and_what_is_not_understood_with_2() {
    let installation = Installation::new();
    installation.json(&["tenant", "create", "Acme"]);
    let nobody = Uuid::from_u128(1).to_string();
    let refused: [(&[&str], &str); 7] = [
        (&["tenant", "create", "Acme"], "exists already"),
        (&["tenant", "create", " "], "needs a name"),
        (&["key", "create", "--tenant", &nobody], "there is no tenant"),
        (
            &["endpoint", "create", "--tenant", &nobody, "--provider", "pigeon"],
            "known are: email",
        ),
        (&["dead", "show", &nobody], "there is no job"),
        (&["key", "revoke", &nobody], "there is no key"),
        (&["bulk", "show", &nobody], "there is no bulk action"),
    ];
    for (arguments, expected) in refused {
        let (status, message) = installation.refused(arguments);
        assert_eq!(status, 1, "{arguments:?}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    let misunderstood: [&[&str]; 10] = [
        &["nonsense"],
        &["tenant", "create"],
        &["key", "create", "--tenant", "not-an-id"],
        &["key", "create", "--tenant", &nobody, "--role", "king"],
        &["queues", "pause", "nowhere"],
        &["dead", "retry"],
        &["dead", "retry", &nobody, "--all"],
        &["dead", "retry", &nobody, "--kind", "send_sms"],
        &["dead", "delete", "--all", "--canary", "3"],
        &["dead", "retry", "--all", "--yes", "--rate", "5/m"],
    ];
    for arguments in misunderstood {
        assert_eq!(installation.refused(arguments).0, 2, "{arguments:?}");
    }
    let (status, missing) = installation.json_and_status(&["dead", "retry", &nobody]);
    assert_eq!((status, missing), (1, json!({ "retried": 0, "missing": [nobody] })));
}

#[test]
fn queues_are_shown_paused_and_resumed() {
    let installation = Installation::new();
    let paused = |queues: &Value| {
        queues["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["paused"] == true)
            .collect::<Vec<_>>()
    };
    let queues = installation.json(&["queues"]);
    has_fields(
        &queues["items"][0],
        &[
            "queue",
            "ready",
            "scheduled",
            "running",
            "parked",
            "behind",
            "dead",
            "paused",
        ],
    );
    assert_eq!(paused(&queues), [false, false, false]);
    installation.json(&["queues", "pause", "bulk"]);
    assert_eq!(paused(&installation.json(&["queues"])), [false, false, true]);
    installation.json(&["queues", "resume", "bulk"]);
    assert_eq!(paused(&installation.json(&["queues"])), [false, false, false]);
}

#[tokio::test]
async fn jobs_are_stopped_also_while_the_store_cannot_be_asked() {
    let installation = Installation::new();
    let tenant = Uuid::from_u128(5).to_string();
    installation
        .execute("ALTER TABLE audit_log RENAME TO away; ALTER TABLE tenants RENAME TO tenants_away")
        .await;
    let paused = installation.json(&["pause", "tenant", &tenant]);
    assert_eq!(
        (&paused["known"], &paused["logged"]),
        (&true.into(), &false.into()),
        "{paused}"
    );
    let limited = installation.json(&["limits", "set", "k", "--queue", "bulk", "--rate", "5/s"]);
    assert_eq!(
        (&limited["rate"], &limited["logged"]),
        (&"5/s".into(), &false.into()),
        "{limited}"
    );
    let pauses = installation.json(&["queues"])["pauses"].clone();
    assert_eq!(pauses[0]["tenant"], tenant);
    let resumed = installation.words(&["resume", "tenant", &tenant]);
    assert!(resumed.contains("does not stand in the audit log"), "{resumed}");
    assert_eq!(installation.json(&["queues"])["pauses"], json!([]));
}

#[tokio::test]
async fn a_waiting_job_is_found_explained_and_cancelled() {
    let installation = Installation::new();
    let tenant = Uuid::from_u128(5);
    let id = installation.add("a", tenant, &event()).await.to_string();
    let list = installation.json(&["jobs", "list"]);
    has_fields(
        &list["items"][0],
        &["id", "kind", "queue", "tenant", "state", "attempts", "created_at"],
    );
    assert_eq!(
        (&list["items"][0]["state"], &list["next_cursor"]),
        (&"ready".into(), &Value::Null)
    );
    assert_eq!(
        installation.json(&["jobs", "list", "--kind", "other"])["items"],
        json!([])
    );
    assert_eq!(installation.json(&["jobs", "show", &id])["tenant"], tenant.to_string());

    assert_eq!(installation.json(&["jobs", "why", &id])["reason"], "no_worker");
    installation.json(&["queues", "pause", "default"]);
    assert_eq!(installation.json(&["jobs", "why", &id])["reason"], "paused");

    assert_eq!(installation.json(&["jobs", "cancel", &id])["outcome"], "removed");
    assert_eq!(installation.json(&["jobs", "why", &id])["reason"], "ended");
    let (status, why) = installation.json_and_status(&["jobs", "why", &Uuid::from_u128(1).to_string()]);
    assert_eq!((status, &why["reason"]), (1, &"unknown".into()));
}

#[tokio::test]
async fn a_dead_letter_is_found_understood_and_run_again() {
    let installation = Installation::new();
    let id = installation.add("a", Uuid::from_u128(5), &event()).await.to_string();
    installation.kill_all().await;
    let list = installation.json(&["dead", "list", "--reason", "attempts", "--queue", "default"]);
    has_fields(&list, &["items", "next_cursor"]);
    let item = &list["items"][0];
    has_fields(
        item,
        &["id", "kind", "queue", "tenant", "reason", "attempts", "died_at"],
    );
    assert_eq!((&item["reason"], &item["attempts"]), (&"attempts".into(), &1.into()));
    assert_eq!(item["died_at"], "1970-01-01T00:00:03.000Z");
    assert_eq!(
        installation.json(&["dead", "list", "--reason", "poison"])["items"],
        json!([])
    );

    let shown = installation.json(&["dead", "show", &id]);
    let error = json!([{ "attempt": 1, "at": "1970-01-01T00:00:03.000Z", "error": "the provider said no" }]);
    assert_eq!(shown["errors"], error);
    assert_eq!(shown["payload"]["event"]["recipient"], "m***@e***.com");
    assert_eq!(shown["payload"]["event"]["external_id"], "msg-17");
    let words = installation.words(&["dead", "show", &id]);
    assert!(
        words.contains("the provider said no") && !words.contains("marie@example.com"),
        "{words}"
    );
    assert_eq!(
        installation.json(&["dead", "show", &id, "--reveal"])["payload"],
        event()
    );
    assert_eq!(installation.json(&["jobs", "why", &id])["reason"], "dead");

    assert_eq!(
        installation.json(&["dead", "retry", &id]),
        json!({ "retried": 1, "missing": [] })
    );
    assert_eq!(installation.json(&["jobs", "show", &id])["state"], "ready");
    assert_eq!(installation.json(&["dead", "list"])["items"], json!([]));
}

#[tokio::test]
async fn a_payload_is_replaced_only_by_one_that_its_kind_can_read() {
    let installation = Installation::new();
    let id = installation
        .add("a", Uuid::from_u128(5), &json!({ "endpoint": 5 }))
        .await
        .to_string();
    installation.kill_all().await;
    let edit = |payload: &str| {
        installation.run(
            &["dead", "edit", &id, "--payload", "-", "--by", "ann", "--json"],
            payload,
        )
    };

    let refused = edit(r#"{"endpoint":"0195c0de-0000-7000-8000-000000000000"}"#);
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("missing field `event`"), "{message}");
    let mut misspelt = event();
    misspelt["evnt"] = "x".into();
    let refused = String::from_utf8(edit(&misspelt.to_string()).stderr).unwrap();
    assert!(refused.contains("`evnt` is no field"), "{refused}");
    let mut number = event();
    number["event"]["subject"] = 5.into();
    let refused = String::from_utf8(edit(&number.to_string()).stderr).unwrap();
    assert!(refused.contains("`event.subject` must be a string"), "{refused}");

    let edited = edit(&event().to_string());
    assert_eq!(
        edited.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&edited.stderr)
    );
    let changes: Value = serde_json::from_slice(&edited.stdout).unwrap();
    assert_eq!(changes["changes"][0]["path"], "endpoint");
    assert!(!changes.to_string().contains("marie@example.com"), "{changes}");
    let shown = installation.json(&["dead", "show", &id, "--reveal"]);
    assert_eq!((&shown["payload"], &shown["reason"]), (&event(), &"attempts".into()));

    let edits = shown["edits"].as_array().unwrap();
    assert_eq!(
        (edits.len(), &edits[0]["by"]),
        (1, &"ann".into()),
        "what was refused is no edit"
    );
    let change = json!({ "path": "endpoint", "before": 5, "after": event()["endpoint"] });
    assert_eq!((&edits[0]["changes"][0], &edits[0]["certain"]), (&change, &true.into()));
    let masked = installation.json(&["dead", "show", &id])["edits"].to_string();
    assert!(
        masked.contains("endpoint") && !masked.contains("marie@example.com"),
        "{masked}"
    );
}

/// A dead letter that is edited while this happens to the database: how the command ends, and the edits shown of it.
async fn edited_meanwhile(happens: &'static str) -> (i32, Vec<Value>) {
    let installation = Installation::new();
    let id = installation.add("a", Uuid::from_u128(5), &event()).await.to_string();
    installation.kill_all().await;
    installation.execute(happens).await;
    let mut new = event();
    new["event"]["subject"] = "Bonsoir".into();
    let edited = installation.run(&["dead", "edit", &id, "--payload", "-"], new.to_string());
    let shown = installation.json(&["dead", "show", &id, "--reveal"]);
    let edits = shown["edits"].as_array().unwrap().clone();
    (edited.status.code().unwrap(), edits)
}

#[tokio::test]
async fn an_edit_that_is_refused_leaves_none_and_one_that_is_cut_short_is_told_apart() {
    // Somebody else rewrites the letter in the same moment.
    let overtaken = "CREATE TRIGGER meanwhile AFTER INSERT ON dead_letter_edits
                     BEGIN UPDATE queue_dead SET body = body || x'00'; END";
    assert_eq!(edited_meanwhile(overtaken).await, (1, Vec::new()));

    // The end comes before the letter is rewritten, or after that and before it is known.
    let change = json!([{ "path": "event.subject", "before": "Bonjour", "after": "Bonsoir" }]);
    let before = "CREATE TRIGGER meanwhile BEFORE UPDATE OF body ON queue_dead
                  BEGIN SELECT RAISE(ABORT, 'the end'); END";
    let after = "CREATE TRIGGER meanwhile BEFORE UPDATE ON dead_letter_edits
                 BEGIN SELECT RAISE(ABORT, 'the end'); END";
    for (happens, status) in [(before, 1), (after, 0)] {
        let (ended, edits) = edited_meanwhile(happens).await;
        assert_eq!((ended, edits.len()), (status, 1), "{happens}");
        assert_eq!((&edits[0]["changes"], &edits[0]["certain"]), (&change, &false.into()));
    }
}

#[tokio::test]
async fn many_dead_letters_are_exported_counted_and_acted_on_by_a_bulk_action() {
    let installation = Installation::new();
    for number in 0..5 {
        installation
            .add(&number.to_string(), Uuid::from_u128(5), &event())
            .await;
    }
    installation.kill_all().await;
    let first = installation.json(&["dead", "list", "--limit", "2"]);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = installation.json(&["dead", "list", "--cursor", cursor]);
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);

    let exported = installation.words(&["dead", "export"]);
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    has_fields(&lines[0], &["id", "kind", "reason", "payload", "errors"]);

    let counted = installation.json(&["dead", "retry", "--kind", KIND, "--preview"]);
    assert_eq!(
        (&counted["matched"], &counted["groups"][0]["count"]),
        (&5.into(), &5.into())
    );
    let nobodys = Uuid::from_u128(6).to_string();
    let none = installation.json(&["dead", "retry", "--tenant", &nobodys, "--yes"]);
    assert_eq!((&none["id"], &none["matched"]), (&Value::Null, &0.into()));
    let (status, counted) = installation.json_and_status(&["dead", "delete", "--all"]);
    assert_eq!(
        (status, &counted["matched"]),
        (1, &5.into()),
        "without --yes nothing is done"
    );
    assert_eq!(installation.json(&["bulk", "list"])["items"], json!([]));

    let begun = installation.json(&[
        "dead", "retry", "--all", "--canary", "2", "--rate", "7/s", "--yes", "--by", "ann",
    ]);
    has_fields(
        &begun,
        &[
            "id",
            "action",
            "filter",
            "state",
            "matched",
            "done",
            "failed",
            "created_at",
        ],
    );
    assert_eq!(
        (&begun["canary"], &begun["rate"], &begun["asked_by"], &begun["state"]),
        (&2.into(), &7.into(), &"ann".into(), &"running".into())
    );
    let id = begun["id"].as_str().unwrap();
    let shown = installation.json(&["bulk", "show", id]);
    assert_eq!(
        (&shown["job"]["state"], &shown["failures"]),
        (&"ready".into(), &json!([]))
    );
    assert_eq!(
        installation.json(&["bulk", "pause", id, "--by", "bob"])["changed_by"],
        "bob"
    );
    assert_eq!(installation.json(&["bulk", "resume", id])["state"], "running");
    assert_eq!(installation.json(&["bulk", "cancel", id])["state"], "cancelled");
    for verb in ["pause", "resume", "cancel"] {
        assert_eq!(
            installation.json_and_status(&["bulk", verb, id]).0,
            1,
            "{verb}: it has ended"
        );
    }
    assert_eq!(installation.json(&["queues"])["items"][1]["dead"], 5);
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let installation = Installation::new();
    let well = installation.json(&["doctor"]);
    assert_eq!(well["healthy"], true, "{well}");

    let id = installation.json(&["tenant", "create", "Acme"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    installation.json(&["endpoint", "create", "--tenant", &id, "--provider", "email"]);
    let other_keys = Keyring::generate("k2");
    let (status, sick) = installation.json_and_status(&["doctor", "--relais-keys", &other_keys]);
    assert_eq!((status, &sick["healthy"]), (1, &false.into()));
    assert!(sick.to_string().contains("put the key back into RELAIS_KEYS"), "{sick}");

    let empty = testkit::sqlite::fresh();
    let (status, unmigrated) = installation.json_and_status(&["doctor", "--database-url", empty.url()]);
    assert_eq!(status, 1);
    assert!(unmigrated.to_string().contains("run `relais migrate`"), "{unmigrated}");
}
