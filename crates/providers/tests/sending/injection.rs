//! Nothing that people or templates wrote becomes a header, a part or a command of its own.

use domain::PersonalText;
use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use providers::outgoing::{Attachment, EmailContent, ExtraHeader, Line, OutgoingEmail};
use providers::smtp::{Security, SmtpClient, SmtpCredentials};

use crate::smtp_server::{GOOD, SmtpServer};
use crate::{full_mail, mailbox, now};

/// What it would take to break out of a header, a part or the content, among other texts.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n.\r\n".to_owned()),
        Just("\n.\n".to_owned()),
        Just("Bcc: else@example.org".to_owned()),
        Just("\n--=_0195f0c27b7a70008000000000000001_mixed\n\nAnother part".to_owned()),
        Just("\n--=_0195f0c27b7a70008000000000000001_alternative--\n".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:?=".to_owned()),
        Just("\" <else@example.org>, ".to_owned()),
        Just("\u{2028}\0\u{85}\t".to_owned()),
        "[ -~é✓]{0,60}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

#[test]
fn whatever_a_mail_says_it_stays_one_mail_with_the_same_headers_and_parts() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, client) = runtime.block_on(async {
        let server = SmtpServer::start(GOOD).await;
        let credentials = SmtpCredentials::new("127.0.0.1", server.port, Security::None).unwrap();
        (server, SmtpClient::new(&credentials).unwrap())
    });
    let config = Config {
        cases: 100,
        ..Config::with_source_file(file!())
    };
    let texts = (text(), text(), text(), text(), text(), text());
    let checked = TestRunner::new(config).run(&texts, |(subject, name, header, file, text, html)| {
        let mail = OutgoingEmail {
            from: mailbox("desk@mail.example.com").named(&Line::new(&name)),
            to: mailbox("ana@example.com").named(&Line::new(&name)),
            subject: Line::new(&subject),
            content: EmailContent::Both {
                text: PersonalText::new(&*text),
                html: PersonalText::new(&*html),
            },
            attachments: vec![Attachment::new(&Line::new(&file), "text/plain", text.clone().into_bytes()).unwrap()],
            headers: ExtraHeader::new("X-Note", &Line::new(&header)).into_iter().collect(),
            ..full_mail()
        };
        let (mails, commands) = (server.mails().len(), server.commands().len());
        runtime.block_on(client.send(&mail, now())).unwrap();
        prop_assert_eq!(server.mails().len(), mails + 1);
        let told = server.commands().split_off(commands);
        // A connection that is not used any more may say goodbye at any moment.
        let words = told.iter().map(|line| line.split([' ', ':']).next().unwrap());
        let words: Vec<_> = words.filter(|word| *word != "QUIT").collect();
        prop_assert!(
            matches!(*words, ["EHLO" | "RSET", "MAIL", "RCPT", "DATA"]),
            "{:?}",
            told
        );
        check(&mail, &server.mails().pop().unwrap())
    });
    checked.unwrap();
}

/// Reads back what was sent, by a reader that is not ours.
fn check(mail: &OutgoingEmail, sent: &str) -> Result<(), TestCaseError> {
    prop_assert!(sent.is_ascii() && !sent.contains("IS NOT A LINE"));
    prop_assert!(sent.lines().all(|line| line.len() <= 998));
    let read = MessageParser::default().parse(sent).unwrap();
    let mut names: Vec<_> = read
        .headers()
        .iter()
        .map(|header| header.name().to_lowercase())
        .collect();
    names.sort();
    let mut expected = vec![
        "content-type",
        "date",
        "from",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "mime-version",
        "reply-to",
        "subject",
        "to",
    ];
    expected.extend(mail.headers.iter().map(|_| "x-note"));
    prop_assert_eq!(names, expected);
    prop_assert_eq!(read.from().unwrap().iter().count(), 1);
    prop_assert_eq!(read.to().unwrap().iter().count(), 1);
    let recipient = read.to().unwrap().first().unwrap();
    prop_assert_eq!(recipient.address(), Some("ana@example.com"));
    prop_assert_eq!(
        (read.text_body_count(), read.html_body_count(), read.attachment_count()),
        (1, 1, 1)
    );
    prop_assert_eq!(lines(&read.body_text(0).unwrap()), lines(mail.content.text().unwrap()));
    prop_assert_eq!(lines(&read.body_html(0).unwrap()), lines(mail.content.html().unwrap()));
    let file = read.attachment(0).unwrap();
    prop_assert_eq!(file.contents(), mail.attachments[0].bytes());
    prop_assert!(file.attachment_name().is_some());
    Ok(())
}

/// The text without what a mail does not keep apart: kinds of line breaks, and how many end it.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    text.trim_end_matches('\n').to_owned()
}
