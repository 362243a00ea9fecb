//! A mail server that does as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::pass;

/// Longer than any time limit.
const LONG_SECONDS: u64 = 60;

/// It stays silent for longer than anybody waits.
pub(crate) const HANG: Turn = Turn::Hang(LONG_SECONDS);

/// What the server does when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// It says this, with a line break for each `|`.
    Say(&'static str),
    /// It says this and closes.
    SayAndClose(&'static str),
    /// It says this and then stays silent for ever.
    SayAndHang(&'static str),
    /// It closes.
    Close,
    /// It stays silent while so many seconds go by, and for ever after.
    Hang(u64),
}

/// What it does at each point of the conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Encrypted from the first byte.
    pub(crate) tls: bool,
    pub(crate) greeting: Turn,
    pub(crate) ehlo: Turn,
    pub(crate) ehlo_encrypted: Turn,
    pub(crate) auth: Turn,
    pub(crate) mail: Turn,
    pub(crate) rcpt: Turn,
    pub(crate) data: Turn,
    pub(crate) end: Turn,
    pub(crate) rset: Turn,
}

/// All goes well.
pub(crate) const GOOD: Script = Script {
    tls: false,
    greeting: Turn::Say("220 mx.example.com ESMTP ready"),
    ehlo: Turn::Say("250-mx.example.com greets you|250-8BITMIME|250-AUTH PLAIN LOGIN|250 ENHANCEDSTATUSCODES"),
    ehlo_encrypted: Turn::Say("250-mx.example.com greets you|250 AUTH PLAIN LOGIN"),
    auth: Turn::Say("235 2.7.0 Welcome"),
    mail: Turn::Say("250 2.1.0 Sender OK"),
    rcpt: Turn::Say("250 2.1.5 Recipient OK"),
    data: Turn::Say("354 End data with <CR><LF>.<CR><LF>"),
    end: Turn::Say("250 2.0.0 Ok: queued as 4FIXTURE01"),
    rset: Turn::Say("250 2.0.0 Ok"),
};

/// A running server.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    connections: usize,
    commands: Vec<String>,
    mails: Vec<String>,
}

impl SmtpServer {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            script: Arc::new(Mutex::new(script)),
            log: Arc::default(),
        };
        let (script, log) = (server.script.clone(), server.log.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                log.lock().unwrap().connections += 1;
                let (script, log) = (script.clone(), log.clone());
                tokio::spawn(async move {
                    if script.lock().unwrap().tls {
                        // A client that does not trust us leaves here.
                        if let Ok(stream) = acceptor().accept(stream).await {
                            converse(stream, &script, &log, true).await;
                        }
                    } else if let Some(stream) = converse(stream, &script, &log, false).await
                        && let Ok(stream) = acceptor().accept(stream).await
                    {
                        converse(stream, &script, &log, true).await;
                    }
                });
            }
        });
        server
    }

    /// From now on it does something else.
    pub(crate) fn tell(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.log.lock().unwrap().commands.clone()
    }

    /// What came between `DATA` and the lone dot, dots taken off again.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.log.lock().unwrap().mails.clone()
    }
}

/// Converses until the client or the script ends it, or until both want TLS: then the stream comes back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &Mutex<Script>,
    log: &Mutex<Log>,
    encrypted: bool,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let told = || *script.lock().unwrap();
    if !encrypted || told().tls {
        take(&mut stream, told().greeting).await?;
    }
    let mut awaits_password = 0;
    loop {
        let line = read_line(&mut stream).await?;
        let word = line.split(' ').next().unwrap_or_default().to_uppercase();
        log.lock().unwrap().commands.push(line);
        let turn = match word.as_str() {
            "EHLO" if encrypted => told().ehlo_encrypted,
            "EHLO" => told().ehlo,
            "STARTTLS" => {
                take(&mut stream, Turn::Say("220 Go ahead")).await?;
                return Some(stream.into_inner());
            }
            "AUTH" => told().auth,
            "MAIL" => told().mail,
            "RCPT" => told().rcpt,
            "RSET" => told().rset,
            "QUIT" => Turn::SayAndClose("221 2.0.0 Bye"),
            "DATA" => {
                take(&mut stream, told().data).await?;
                if matches!(told().data, Turn::Say(reply) if reply.starts_with('3')) {
                    let mail = read_mail(&mut stream).await?;
                    log.lock().unwrap().mails.push(mail);
                    told().end
                } else {
                    continue;
                }
            }
            _ if awaits_password > 0 => {
                awaits_password -= 1;
                told().auth
            }
            _ => Turn::Say("500 5.5.2 What?"),
        };
        take(&mut stream, turn).await?;
    }
}

async fn take<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, turn: Turn) -> Option<()> {
    match turn {
        Turn::Say(reply) => say(stream, reply).await,
        Turn::SayAndClose(reply) => {
            say(stream, reply).await;
            None
        }
        Turn::Close => None,
        Turn::SayAndHang(reply) => {
            say(stream, reply).await;
            hang(LONG_SECONDS).await
        }
        Turn::Hang(seconds) => hang(seconds).await,
    }
}

async fn hang(seconds: u64) -> Option<()> {
    pass(seconds).await;
    std::future::pending().await
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, reply: &str) -> Option<()> {
    let reply = format!("{}\r\n", reply.replace('|', "\r\n"));
    stream.write_all(reply.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn read_line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    let line = match line.strip_suffix("\r\n") {
        Some(line) if !line.contains('\r') => line.to_owned(),
        // What some servers take for the end of a line and others do not.
        _ => format!("{line:?} IS NOT A LINE"),
    };
    (read > 0).then_some(line)
}

async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut mail = String::new();
    loop {
        let line = read_line(stream).await?;
        match line.strip_prefix('.') {
            Some("") => return Some(mail),
            Some(stuffed) => mail.push_str(stuffed),
            None => mail.push_str(&line),
        }
        mail.push('\n');
    }
}

/// With a certificate for `localhost` by the authority in `tls/ca.pem`.
fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
