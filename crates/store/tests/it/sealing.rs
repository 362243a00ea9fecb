//! What lies in the database, byte by byte.

use domain::otp::{CodeKey, Verdict};
use domain::{
    Actor, Author, ChallengeId, Channel, Code, EmailAddress, EmailEvent, EmailEventRecord, EventKind, FailureCause,
    InboundRecord, Language, MemberRefusal, Notify, OutgoingRecord, PersonalText, ReportRecord, Role,
};
use seal::Keyring;
use sqlx::AssertSqlSafe;
use store::{
    Db, InteractionDraft, KeptEvent, MemberChanged, NewChallenge, NewCredential, NewMember, Senders, Settings, Store,
    StoreError, WithWhom,
};

use crate::fresh::{Fresh, event, now, second, to_address};
use crate::scene::{NUMBER, inbound, outgoing, recipient, report};

/// Every value of every table of ours, as text.
async fn everything(db: &Db) -> String {
    let mut all = String::new();
    for table in [
        "tenants",
        "api_keys",
        "endpoints",
        "contacts",
        "messages",
        "message_events",
        "message_attempts",
        "interactions",
        "interaction_changes",
        "interaction_words",
        "kept_events",
        "suppressions",
        "credentials",
        "inbound_messages",
        "otp_challenges",
        "tenant_settings",
        "users",
        "memberships",
        "invitations",
        "sign_in_tries",
        "sign_in_links",
        "sessions",
        "audit_log",
    ] {
        all += &match db {
            Db::Postgres(pool) => {
                let statement = format!("SELECT string_agg(encode(t::text::bytea, 'escape'), ' ') FROM {table} t");
                let rows: Option<String> = sqlx::query_scalar(AssertSqlSafe(statement))
                    .fetch_one(pool)
                    .await
                    .unwrap();
                // Bytes show as \x…: the words we look for are looked for in that spelling too.
                rows.unwrap_or_default()
            }
            Db::Sqlite { writer, .. } => {
                let columns = format!(
                    "SELECT group_concat('hex(coalesce(' || name || ', x''''))', ' || ') FROM pragma_table_info('{table}')"
                );
                let columns: String = sqlx::query_scalar(AssertSqlSafe(columns))
                    .fetch_one(writer)
                    .await
                    .unwrap();
                let statement = format!("SELECT group_concat({columns}) FROM {table}");
                let rows: Option<String> = sqlx::query_scalar(AssertSqlSafe(statement))
                    .fetch_one(writer)
                    .await
                    .unwrap();
                rows.unwrap_or_default()
            }
        };
    }
    all.to_lowercase()
}

/// Something of every kind that an endpoint hears, with a wedding in it.
pub(crate) async fn keep_events(fresh: &Fresh) {
    let record = EmailEventRecord {
        subject: Some(PersonalText::new("wedding")),
        url: Some(PersonalText::new("https://example.com/wedding")),
        ..to_address(
            event("visible", EmailEvent::Clicked, "wedding-identity"),
            "marie@example.com",
        )
    };
    fresh.apply(&record).await;
    fresh
        .store
        .rotate_endpoint_secret(fresh.tenant, fresh.endpoint, &"secret-two".into())
        .await
        .unwrap();
    let kept = KeptEvent {
        provider: "vapi".into(),
        word: "transcript".into(),
        occurred_at: now(),
        content: PersonalText::new("wedding"),
    };
    let keep = fresh
        .store
        .keep_event(fresh.tenant, fresh.endpoint, "wedding", &kept, now());
    assert!(keep.await.unwrap());
}

/// Something of every kind that goes out and comes in, with a wedding in it. Answers a code that was sent.
pub(crate) async fn send_and_hear(fresh: &Fresh) -> Code {
    let (store, tenant) = (&fresh.store, fresh.tenant);
    let record = OutgoingRecord {
        channel: Channel::Sms,
        subject: Some(PersonalText::new("wedding")),
        content: Some(PersonalText::new("wedding at noon")),
        tags: vec!["visible".into()],
        ..outgoing(fresh, "wedding-request", NUMBER)
    };
    fresh.send(&record, "twilio", "SM1").await;
    let failed = ReportRecord {
        recipient: Some(recipient(NUMBER)),
        cause: FailureCause::NoSuchRecipient,
        raw: Some(PersonalText::new(format!("To={NUMBER}&Body=wedding"))),
        ..report("SM1", EventKind::Undelivered, "wedding-report")
    };
    fresh.hear(&failed).await;
    let reply = InboundRecord {
        external_id: "SM2".into(),
        raw: Some(PersonalText::new("wedding")),
        ..inbound(NUMBER, "wedding", "wedding-reply")
    };
    store
        .record_inbound(tenant, fresh.endpoint, &reply, now())
        .await
        .unwrap();
    let draft = InteractionDraft {
        with: WithWhom::Reached(recipient("marie@example.com")),
        title: Some(PersonalText::new("wedding")),
        note: Some(PersonalText::new("of marie@example.com")),
        assignee: None,
        next_action_at: None,
    };
    store
        .create_interaction(tenant, &draft, &Actor::System, now())
        .await
        .unwrap();
    let clear = "secret-token".into();
    let credential = store
        .create_credential(
            tenant,
            &NewCredential {
                provider: "twilio",
                label: "main",
                clear: &clear,
                preview: "se…",
            },
            &Author::system(),
            now(),
        )
        .await
        .unwrap();
    store
        .rotate_credential(
            tenant,
            credential.id,
            &"secret-other".into(),
            "se…",
            &Author::system(),
            now(),
        )
        .await
        .unwrap();
    let settings = Settings {
        senders: Senders {
            email: Some(PersonalText::new("marie@example.com")),
            sms: Some(PersonalText::new(NUMBER)),
            whatsapp: Some(PersonalText::new(NUMBER)),
        },
        ..Settings::default()
    };
    let set = |_| Ok::<_, StoreError>(settings);
    store
        .change_settings(tenant, set, &Author::system(), now())
        .await
        .unwrap();
    let (id, key) = (ChallengeId::of_request(tenant, "r"), CodeKey::new([3; 32]));
    let challenge = NewChallenge {
        id,
        recipient: recipient("marie@example.com"),
        channel: Channel::Email,
        language: Language::French,
        code_key_id: "k".into(),
        caller: id.0,
    };
    store.begin_challenge(tenant, &challenge, now()).await.unwrap();
    let right = Code::derive(&key, id);
    let verdict = store
        .verify_challenge(tenant, id, &right, |_| Some(key.clone()), now())
        .await
        .unwrap();
    assert_eq!(verdict, Some(Verdict::Right));
    right
}

/// Somebody who works there, and somebody who is asked to. Answers the address of the first.
pub(crate) async fn hire(fresh: &Fresh) -> EmailAddress {
    let (store, tenant, author) = (&fresh.store, fresh.tenant, Author::system());
    let marie = EmailAddress::parse("marie@example.com").unwrap();
    let member = NewMember {
        email: marie.clone(),
        role: Role::Owner,
        name: Some(PersonalText::new("Marie Curie")),
        notify: Notify::To(Channel::Sms, recipient(NUMBER)),
        language: None,
    };
    let added = store.add_member(tenant, &member, Role::Owner, &author, now()).await;
    let MemberChanged::Done(member) = added.unwrap() else {
        panic!("refused")
    };
    let pierre = EmailAddress::parse("pierre@example.com").unwrap();
    store
        .invite(tenant, &pierre, Role::Member, &author, now())
        .await
        .unwrap();
    let place = "198.51.100.77".parse().unwrap();
    store.try_sign_in(&marie, Some(place), now()).await.unwrap().unwrap();
    let request = uuid::Uuid::from_u128(1);
    store.make_sign_in_links(&marie, None, request, now()).await.unwrap();
    let removed = store
        .remove_member(tenant, member.user, Role::Owner, &author, second(1))
        .await;
    assert_eq!(removed.unwrap(), MemberChanged::Refused(MemberRefusal::LastOwner));
    marie
}

async fn nothing_personal_or_secret_lies_readable_in_the_database(fresh: Fresh) {
    keep_events(&fresh).await;
    let all = everything(fresh.store.db()).await;
    let lies_there = |word: &str| all.contains(word) || all.contains(&hex::encode(word));
    assert!(lies_there("visible"), "the search finds what is there");
    for word in ["wedding", "marie", "secret"] {
        assert!(!lies_there(word), "{word}");
    }
}

async fn nothing_of_what_goes_out_and_comes_in_lies_readable_in_the_database(fresh: Fresh) {
    let right = send_and_hear(&fresh).await;
    let store = &fresh.store;
    let all = everything(store.db()).await;
    let lies_there = |word: &str| all.contains(word) || all.contains(&hex::encode(word));
    assert!(lies_there("visible"), "the search finds what is there");
    for word in [
        "wedding",
        "marie",
        "secret-",
        "33612345678",
        "33600000000",
        right.expose(),
    ] {
        assert!(!lies_there(word), "{word}");
    }
}

async fn nothing_of_who_works_there_lies_readable_in_the_database(fresh: Fresh) {
    let marie = hire(&fresh).await;
    let (store, tenant) = (&fresh.store, fresh.tenant);
    let all = everything(store.db()).await;
    let lies_there = |word: &str| all.contains(word) || all.contains(&hex::encode(word));
    assert!(lies_there("owner"), "the search finds what is there");
    for word in ["marie", "curie", "pierre", "33612345678", "198.51.100.77"] {
        assert!(!lies_there(word), "{word}");
    }
    let other = Store::new(store.db().clone(), Keyring::parse(&Keyring::generate("other")).unwrap());
    assert!(matches!(
        other.members(tenant, None, 9).await,
        Err(StoreError::Sealed(_))
    ));
    assert!(matches!(
        other.try_sign_in(&marie, None, now()).await,
        Err(StoreError::Sealed(_))
    ));
}

async fn a_row_sealed_under_an_unknown_key_is_an_error_that_names_the_key(fresh: Fresh) {
    let other = Store::new(
        fresh.store.db().clone(),
        Keyring::parse(&Keyring::generate("other")).unwrap(),
    );
    let refused = other.endpoint(fresh.endpoint).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Sealed(_)) && refused.to_string().contains("`test`"),
        "{refused}"
    );
}

async fn rows_open_after_the_keys_were_rotated(fresh: Fresh) {
    let rotated = format!("{},{}", Keyring::generate("newer"), fresh.keyring_text);
    let rotated = Store::new(fresh.store.db().clone(), Keyring::parse(&rotated).unwrap());
    let first = fresh
        .apply(&to_address(event("1", EmailEvent::Opened, "1"), "marie@example.com"))
        .await;
    let record = to_address(event("2", EmailEvent::Opened, "2"), "marie@example.com");
    rotated
        .record_email_event(fresh.tenant, fresh.endpoint, &record, crate::fresh::now())
        .await
        .unwrap();
    let message = rotated
        .message_by_external(fresh.tenant, "sendgrid", "2")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message.contact_id, first.contact, "the address is still recognised");
    assert!(
        rotated
            .message(fresh.tenant, first.message)
            .await
            .unwrap()
            .unwrap()
            .recipient
            .is_some()
    );
    assert!(rotated.endpoint(fresh.endpoint).await.unwrap().is_some());
}

both!(
    nothing_of_who_works_there_lies_readable_in_the_database,
    nothing_of_what_goes_out_and_comes_in_lies_readable_in_the_database,
    nothing_personal_or_secret_lies_readable_in_the_database,
    a_row_sealed_under_an_unknown_key_is_an_error_that_names_the_key,
    rows_open_after_the_keys_were_rotated,
);
