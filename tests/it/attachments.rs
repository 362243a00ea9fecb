//! Files that go with a mail: what lies at their address arrives, and nothing else is ever fetched.

use std::net::Ipv4Addr;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Redirect;
use axum::routing::get;
use mail_parser::{MessageParser, MimeHeaders as _};
use providers::outgoing::ATTACHMENTS_BYTES_MAX;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Account, ImapAccount};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{Combination, on_every_combination};
use crate::outside::Sending;

const ANA: &str = "ana@example.com";
const PASSWORD: &str = "an-invented-password";
/// No text, and with everything in it that mail takes ill.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff.\r\n.\r\nFrom \0";

/// Where `files.example.com` lies, which has a picture, a file that is too large, and two that lead elsewhere.
pub(crate) async fn files() -> String {
    let large = || get(async || vec![0_u8; ATTACHMENTS_BYTES_MAX + 1]);
    let away = |to: &'static str| get(async move || Redirect::temporary(to));
    let files = Router::new()
        .route(
            "/files.example.com/cat.png",
            get(async || ([(CONTENT_TYPE, "image/png")], PICTURE)),
        )
        .route("/files.example.com/large", large())
        .route(
            "/files.example.com/inwards",
            away("https://169.254.169.254/latest/meta-data"),
        )
        .route("/files.example.com/unsafe", away("/files.example.com/cat.png"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, files).into_future());
    url
}

impl Sending {
    /// An installation that sends mail by SMTP, and Ana's mailbox.
    async fn by_mail(combination: Combination) -> Self {
        let sending = Self::with_files(combination, &files().await).await;
        sending.open_mailbox(ANA);
        sending.route("email", &[&sending.good("smtp")]);
        sending
    }

    /// From now on mail to this address can be read.
    pub(crate) fn open_mailbox(&self, address: &str) {
        let mailbox = ImapAccount::new(address, PASSWORD);
        self.simulator.put_account(Account::Imap(mailbox)).unwrap();
    }

    /// The only mail in this mailbox, read over IMAP.
    pub(crate) async fn only_mail(&self, address: &str) -> Vec<u8> {
        let stream = TcpStream::connect(self.simulator.imap_address()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let commands = format!("a LOGIN {address} {PASSWORD}\r\nb SELECT INBOX\r\nc FETCH 1:* BODY[]\r\n");
        stream.write_all(commands.as_bytes()).await.unwrap();
        loop {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).await.unwrap() > 0, "the conversation ended");
            assert!(!line.starts_with("c "), "there is no mail: {line}");
            if let Some((_, length)) = line.trim_end().trim_end_matches('}').rsplit_once("BODY[] {") {
                let mut mail = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut mail).await.unwrap();
                return mail;
            }
        }
    }
}

fn mail(attachments: &Value) -> Value {
    json!({ "channel": "email", "to": ANA, "content": { "subject": "A cat", "text": "Look." },
        "attachments": attachments })
}

on_every_combination!(a_file_arrives_byte_by_byte_with_its_name_and_type);

async fn a_file_arrives_byte_by_byte_with_its_name_and_type(combination: Combination) {
    let sending = Sending::by_mail(combination).await;
    let file = json!([{ "url": "https://files.example.com/cat.png", "name": "Café.png" }]);
    sending.send(None, &mail(&file)).await;
    sending.wait_for_effects(1).await;
    let raw = sending.only_mail(ANA).await;
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.body_text(0).unwrap().trim_end(), "Look.");
    let found: Vec<_> = mail.attachments().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].attachment_name(), found[0].contents()),
        (Some("Café.png"), PICTURE)
    );
    let content_type = found[0].content_type().unwrap();
    assert_eq!((content_type.ctype(), content_type.subtype()), ("image", Some("png")));
}

on_every_combination!(a_file_that_may_not_be_fetched_is_refused_or_its_mail_fails_and_says_why);

async fn a_file_that_may_not_be_fetched_is_refused_or_its_mail_fails_and_says_why(combination: Combination) {
    let sending = Sending::by_mail(combination).await;
    let large = ATTACHMENTS_BYTES_MAX + 1;
    for (file, named) in [
        (json!({ "url": "https://127.0.0.1/a" }), "`attachments[0].url`"),
        (json!({ "url": "https://10.0.0.7/a" }), "`attachments[0].url`"),
        (
            json!({ "url": "https://[::ffff:169.254.169.254]/a" }),
            "`attachments[0].url`",
        ),
        (json!({ "url": "https://localhost/a" }), "`attachments[0].url`"),
        (
            json!({ "url": "http://files.example.com/cat.png" }),
            "`attachments[0].url`",
        ),
        (
            json!({ "url": "https://files.example.com/a", "size_bytes": large }),
            "`attachments` may be at most",
        ),
    ] {
        let refused = sending.post("/v1/messages", None, &mail(&json!([file]))).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{file}: {refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{file}: {detail}");
    }
    for (path, code) in [
        ("large", "attachment_large"),
        ("inwards", "attachment_gone"),
        ("unsafe", "attachment_gone"),
        ("nothing", "attachment_gone"),
    ] {
        let file = json!([{ "url": format!("https://files.example.com/{path}") }]);
        let id = sending.send(None, &mail(&file)).await;
        sending.wait_for_status(&id, &["failed"]).await;
        assert_eq!(sending.message(&id).await["error_code"], code, "{path}");
    }
    assert_eq!(sending.simulator.ledger().effects().len(), 0);
}
