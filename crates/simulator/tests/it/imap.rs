//! The mailboxes.

use simulator::{Account, Channel, Fault, ImapAccount, Misbehaviour, Provider, Reply, Simulator};

use crate::mail_support::{ANA, DESK, Dialogue, mail};
use crate::support::{LIMIT, settings, start};

async fn simulator() -> Simulator {
    start(vec![Account::Imap(ImapAccount::new(ANA, "secret"))]).await
}

async fn deliver(simulator: &Simulator, mail: &str) {
    let mut dialogue = Dialogue::smtp(simulator).await;
    dialogue.mail(&[ANA], mail).await;
    assert!(dialogue.hear().await.starts_with("250 2.0.0"));
}

/// Connected and greeted.
async fn connect(simulator: &Simulator) -> Dialogue {
    let mut dialogue = Dialogue::connect(simulator.imap_address()).await;
    assert!(dialogue.hear().await.starts_with("* OK [CAPABILITY IMAP4rev1"));
    dialogue
}

async fn logged_in(simulator: &Simulator) -> Dialogue {
    let mut dialogue = connect(simulator).await;
    check(&mut dialogue, &format!("LOGIN {ANA} secret"), &["t OK"]).await;
    dialogue
}

/// Says a command and hears all lines of the answer.
async fn command(dialogue: &mut Dialogue, command: &str) -> Vec<String> {
    dialogue.say(&format!("t {command}\r\n")).await;
    let mut lines = Vec::new();
    while let Some(line) = dialogue.hear_line().await {
        let is_last = line.starts_with("t ");
        lines.push(line);
        if is_last {
            break;
        }
    }
    lines
}

/// Says a command and checks how each line of the answer begins.
async fn check(dialogue: &mut Dialogue, said: &str, expected: &[&str]) {
    let lines = command(dialogue, said).await;
    let fits = lines.len() == expected.len() && lines.iter().zip(expected).all(|(line, begin)| line.starts_with(begin));
    assert!(fits, "{said}: {lines:#?}");
}

#[tokio::test]
async fn mail_that_was_sent_is_polled_fetched_whole_and_marked() {
    let simulator = simulator().await;
    let text = format!("{}.dot\r\n", mail("m1", "Yes é"));
    // What is told to the server has its dots stuffed.
    deliver(&simulator, &text.replace("\r\n.", "\r\n..")).await;
    let mut dialogue = logged_in(&simulator).await;
    let selected = command(&mut dialogue, "SELECT INBOX").await;
    assert!(
        selected.contains(&"* 1 EXISTS".to_owned())
            && selected.contains(&"* OK [UIDNEXT 2] Predicted next UID".to_owned())
    );
    assert!(selected.last().unwrap().starts_with("t OK [READ-WRITE]"));
    check(&mut dialogue, "UID SEARCH UNSEEN", &["* SEARCH 1", "t OK"]).await;
    dialogue
        .say("t UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])\r\n")
        .await;
    let head = dialogue.hear().await;
    let (head, literal) = head.rsplit_once(" BODY[] {").unwrap();
    assert!(head.starts_with("* 1 FETCH (UID 1 FLAGS () INTERNALDATE \""), "{head}");
    assert!(head.ends_with(&format!("RFC822.SIZE {}", text.len())));
    assert_eq!(literal, format!("{}}}", text.len()));
    assert_eq!(dialogue.hear_bytes(text.len()).await, text);
    assert_eq!(dialogue.hear().await, ")");
    assert!(dialogue.hear().await.starts_with("t OK"));
    check(&mut dialogue, "UID STORE 1 +FLAGS.SILENT (\\Seen)", &["t OK"]).await;
    check(&mut dialogue, "UID SEARCH UNSEEN", &["* SEARCH", "t OK"]).await;
    check(
        &mut dialogue,
        "UID STORE 1 -FLAGS (\\Seen)",
        &["* 1 FETCH (UID 1 FLAGS ())", "t OK"],
    )
    .await;
    check(&mut dialogue, "LOGOUT", &["* BYE", "t OK"]).await;
    assert_eq!(dialogue.hear().await, "");
}

#[tokio::test]
async fn new_mail_is_told_of_and_the_last_one_is_always_in_an_open_range() {
    let simulator = simulator().await;
    deliver(&simulator, &mail("m1", "one")).await;
    let mut dialogue = logged_in(&simulator).await;
    command(&mut dialogue, "SELECT INBOX").await;
    check(&mut dialogue, "NOOP", &["t OK"]).await;
    deliver(&simulator, &mail("m2", "two")).await;
    check(&mut dialogue, "NOOP", &["* 2 EXISTS", "t OK"]).await;
    check(
        &mut dialogue,
        "STATUS INBOX (UIDNEXT MESSAGES UNSEEN)",
        &["* STATUS INBOX (UIDNEXT 3 MESSAGES 2 UNSEEN 2)", "t OK"],
    )
    .await;
    check(
        &mut dialogue,
        "UID FETCH 9:* (FLAGS)",
        &["* 2 FETCH (UID 2 FLAGS ())", "t OK"],
    )
    .await;
    check(&mut dialogue, "UID SEARCH UID 2:*", &["* SEARCH 2", "t OK"]).await;
    check(
        &mut dialogue,
        "UID SEARCH SUBJECT appointment NOT UID 1",
        &["* SEARCH 2", "t OK"],
    )
    .await;
    check(
        &mut dialogue,
        "UID SEARCH HEADER Message-ID m1@",
        &["* SEARCH 1", "t OK"],
    )
    .await;
    check(&mut dialogue, "UID SEARCH BEFORE 01-Jan-2020", &["* SEARCH", "t OK"]).await;
    check(&mut dialogue, "UID SEARCH SINCE 01-Jan-2020", &["* SEARCH 1 2", "t OK"]).await;
}

#[tokio::test]
async fn reading_marks_a_mail_as_seen_unless_one_only_peeks_or_may_not_write() {
    let simulator = simulator().await;
    deliver(&simulator, &mail("m1", "one")).await;
    let mut dialogue = logged_in(&simulator).await;
    let unseen = ["* SEARCH 1", "t OK"];
    command(&mut dialogue, "EXAMINE INBOX").await;
    command(&mut dialogue, "UID FETCH 1 BODY[]").await;
    check(&mut dialogue, "UID SEARCH UNSEEN", &unseen).await;
    check(&mut dialogue, "UID STORE 1 +FLAGS (\\Seen)", &["t NO [READ-ONLY]"]).await;
    command(&mut dialogue, "SELECT INBOX").await;
    command(&mut dialogue, "UID FETCH 1 BODY.PEEK[HEADER]").await;
    check(&mut dialogue, "UID SEARCH UNSEEN", &unseen).await;
    check(
        &mut dialogue,
        "UID FETCH 1 BODY.PEEK[TEXT]<1.2>",
        &["* 1 FETCH (UID 1 BODY[TEXT]<1> {2}", "ne)", "t OK"],
    )
    .await;
    let read = command(&mut dialogue, "UID FETCH 1 RFC822").await;
    assert!(read.contains(&" FLAGS (\\Seen))".to_owned()), "{read:#?}");
    check(&mut dialogue, "UID SEARCH UNSEEN", &["* SEARCH", "t OK"]).await;
}

#[tokio::test]
async fn a_mailbox_opens_to_its_password_only() {
    let simulator = simulator().await;
    let mut dialogue = connect(&simulator).await;
    check(&mut dialogue, "SELECT INBOX", &["t BAD"]).await;
    check(
        &mut dialogue,
        &format!("LOGIN {ANA} wrong"),
        &["t NO [AUTHENTICATIONFAILED]"],
    )
    .await;
    check(
        &mut dialogue,
        "LOGIN bob@example.com secret",
        &["t NO [AUTHENTICATIONFAILED]"],
    )
    .await;
    check(&mut dialogue, "LOGIN", &["t BAD"]).await;
}

#[tokio::test]
async fn names_and_passwords_may_be_quoted_or_literals() {
    let address = ANA;
    let simulator = start(vec![Account::Imap(ImapAccount::new(address, "a \"b\"{3}"))]).await;
    let mut dialogue = connect(&simulator).await;
    check(
        &mut dialogue,
        &format!("LOGIN \"{address}\" \"a \\\"b\\\"{{3}}\""),
        &["t OK"],
    )
    .await;
    let mut dialogue = connect(&simulator).await;
    dialogue.say(&format!("t LOGIN {{{}}}\r\n", address.len())).await;
    assert!(dialogue.hear().await.starts_with("+ "));
    dialogue.say(&format!("{address} {{8+}}\r\na \"b\"{{3}}\r\n")).await;
    assert!(dialogue.hear().await.starts_with("t OK"));
    let mut dialogue = connect(&simulator).await;
    dialogue.say("t AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(dialogue.hear().await, "+ ");
    use base64::Engine as _;
    let shown = base64::engine::general_purpose::STANDARD.encode(format!("\0{address}\0a \"b\"{{3}}"));
    dialogue.say(&format!("{shown}\r\n")).await;
    assert!(dialogue.hear().await.starts_with("t OK"));
}

#[tokio::test]
async fn what_is_not_offered_is_refused_and_the_conversation_goes_on() {
    let simulator = simulator().await;
    let mut dialogue = logged_in(&simulator).await;
    check(&mut dialogue, "IDLE", &["t BAD"]).await;
    check(&mut dialogue, "SELECT Archive", &["t NO [NONEXISTENT]"]).await;
    check(&mut dialogue, "UID FETCH 1 FLAGS", &["t BAD"]).await;
    command(&mut dialogue, "SELECT INBOX").await;
    for odd in [
        "UID FETCH x FLAGS",
        "UID FETCH 1 EVERYTHING",
        "UID SEARCH",
        "UID STORE 1 FLAG (x)",
        "EXPLODE",
        "FETCH \"open",
    ] {
        let last = command(&mut dialogue, odd).await.pop().unwrap();
        assert!(last.starts_with("t BAD"), "{odd}: {last}");
    }
    check(
        &mut dialogue,
        "LIST \"\" *",
        &["* LIST (\\HasNoChildren) \"/\" INBOX", "t OK"],
    )
    .await;
}

#[tokio::test]
async fn numbers_that_mean_nothing_any_more_are_told_by_another_validity() {
    let simulator = simulator().await;
    deliver(&simulator, &mail("m1", "one")).await;
    let validity = async |simulator: &Simulator| {
        let mut dialogue = logged_in(simulator).await;
        let status = command(&mut dialogue, "STATUS INBOX (UIDVALIDITY UIDNEXT)")
            .await
            .remove(0);
        let number = status
            .split(' ')
            .nth(4)
            .unwrap()
            .trim_matches(['(', ')'])
            .parse::<u32>();
        number.unwrap()
    };
    let before = validity(&simulator).await;
    assert_eq!(validity(&simulator).await, before);
    simulator.renumber_mailboxes();
    let renumbered = validity(&simulator).await;
    simulator.reset().await;
    assert!(before < renumbered && renumbered < validity(&simulator).await);
}

#[tokio::test]
async fn mail_that_had_to_go_is_told_of() {
    let mut settings = settings(vec![Account::Imap(ImapAccount::new(ANA, "secret"))]);
    settings.limits.messages = 2;
    let simulator = Simulator::start(settings).await.unwrap();
    deliver(&simulator, &mail("m1", "one")).await;
    deliver(&simulator, &mail("m2", "two")).await;
    let mut dialogue = logged_in(&simulator).await;
    command(&mut dialogue, "SELECT INBOX").await;
    deliver(&simulator, &mail("m3", "three")).await;
    check(&mut dialogue, "NOOP", &["* 1 EXPUNGE", "* 2 EXISTS", "t OK"]).await;
    check(&mut dialogue, "UID SEARCH ALL", &["* SEARCH 2 3", "t OK"]).await;
}

#[tokio::test]
async fn a_mailbox_goes_wrong_on_demand_and_counts_its_sessions() {
    let simulator = simulator().await;
    deliver(&simulator, &mail("m1", "one")).await;
    let refuse = |code: &str| Misbehaviour::Refuse {
        status: 400,
        code: code.into(),
    };
    let unavailable = Misbehaviour::ServerError {
        status: 503,
        executed: false,
    };
    let mut dialogue = connect(&simulator).await;
    for (fault, expected) in [(refuse("INUSE"), "t NO [INUSE]"), (unavailable, "t NO [UNAVAILABLE]")] {
        simulator.set_fault(Fault::from(fault).times(1)).unwrap();
        check(&mut dialogue, &format!("LOGIN {ANA} secret"), &[expected]).await;
    }
    check(&mut dialogue, &format!("LOGIN {ANA} secret"), &["t OK"]).await;
    for (fault, expected) in [
        (Misbehaviour::LostAnswer, ""),
        (Misbehaviour::HalfAnswer, "* 1 FETCH"),
        (Misbehaviour::Garbage, "* 1 FETCH (BODY[] {9999999"),
    ] {
        let mut dialogue = logged_in(&simulator).await;
        command(&mut dialogue, "SELECT INBOX").await;
        simulator.set_fault(Fault::from(fault).times(1)).unwrap();
        let heard = command(&mut dialogue, "UID FETCH 1 (BODY.PEEK[])").await;
        let heard = heard.first().map_or("", String::as_str);
        assert!(
            heard.starts_with(expected) && heard.is_empty() == expected.is_empty(),
            "{heard}"
        );
    }
    let load = |ledger: &simulator::Ledger| ledger.load(Provider::Imap, ANA).cloned();
    let one = simulator.wait_for(LIMIT, |ledger| load(ledger).is_some_and(|load| load.in_flight() == 1));
    assert!(load(&one.await.unwrap()).unwrap().high_water() >= 2);
}

#[tokio::test]
async fn a_mailbox_that_answers_writes_into_ours() {
    let simulator = start(vec![Account::Imap(ImapAccount::new(DESK, "secret"))]).await;
    deliver(&simulator, &mail("m1", "At 14:30?")).await;
    let mut reply = Reply::new(Provider::Smtp, Channel::Email, ANA, "Oui, à 14:30");
    reply.subject = Some("Re: Your appointment".into());
    simulator.reply(&reply).unwrap();
    let mut dialogue = connect(&simulator).await;
    check(&mut dialogue, &format!("LOGIN {DESK} secret"), &["t OK"]).await;
    command(&mut dialogue, "SELECT INBOX").await;
    let header = command(&mut dialogue, "UID FETCH 1 (BODY.PEEK[HEADER])").await;
    for line in [
        "From: ana@example.com",
        "Subject: Re: Your appointment",
        "In-Reply-To: <m1@mail.example.com>",
    ] {
        assert!(header.contains(&line.to_owned()), "{header:#?}");
    }
    let text = command(&mut dialogue, "UID FETCH 1 (BODY.PEEK[TEXT])").await;
    assert_eq!(text[1], "T3VpLCDDoCAxNDozMA==");
}
