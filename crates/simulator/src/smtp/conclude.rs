//! After the dot: the mail is taken, and all may go wrong.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::accept::Mail;
use super::session::{Next, Session, reply};
use crate::fault::{Misbehaviour, ms};

impl Session {
    /// Takes the mail and says so, unless a fault is set.
    pub(super) async fn conclude(&mut self, mail: Mail) -> Next {
        use Misbehaviour as M;
        let fingerprint = mail.body_sha256.clone();
        let first = mail.to.first().cloned().unwrap_or_default();
        let fault = self.fault(&first, &fingerprint, |fault| !fault.refuses());
        match fault {
            Some(M::Silent) => {
                self.wait_until_gone().await;
                return Next::Hang;
            }
            Some(M::Hang { ms: held }) => {
                tokio::select! {
                    () = sleep(ms(held)) => {}
                    () = self.wait_until_gone() => return Next::Hang,
                }
            }
            _ => {}
        }
        let queued_as = mail.accept(&self.world, self.account.as_ref());
        let done = Next::Reply(format!("250 2.0.0 Ok: queued as {queued_as}"));
        match fault {
            Some(M::Slow { ms: held }) => {
                sleep(ms(held)).await;
                done
            }
            Some(M::LostAnswer) => Next::Hang,
            Some(M::HalfAnswer) => {
                // The connection ends here whether this goes out or not.
                let _ = self.writer.write_all(b"250 2.").await;
                Next::Hang
            }
            Some(M::Garbage) => reply("<html><title>Welcome to the hotel network</title>"),
            Some(M::ServerError { .. }) => reply("451 4.3.0 Local error in processing"),
            _ => done,
        }
    }

    /// Until the client has closed. What it says meanwhile is not heard.
    async fn wait_until_gone(&mut self) {
        while let Ok(said) = self.reader.fill_buf().await {
            let length = said.len();
            if length == 0 {
                return;
            }
            self.reader.consume(length);
        }
    }
}
