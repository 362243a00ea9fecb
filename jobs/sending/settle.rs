//! Goes on with a message of which it is not known what became of an earlier attempt.

use std::sync::Arc;

use chrono::Utc;
use providers::Outgoing;
use queue::JobError;
use store::AttemptBegun;

use super::Hop;
use super::course::{Course, End, Entry, Round};
use super::reconcile::{Known, find_out, undecidable};
use crate::outside::Account;

impl Course<'_> {
    /// Settles an attempt whose end is not known, with the account it was made with.
    pub(super) async fn settle(
        &self,
        hop: &Hop,
        account: &Arc<Account>,
        pass: Entry,
        outgoing: Outgoing,
        open: &store::Attempt,
    ) -> Result<Round, JobError> {
        let Some(theirs) = self.account_of(open, account).await? else {
            // Nobody can be asked any more: as with a provider that cannot tell.
            undecidable(self, open, Utc::now()).await?;
            return self.send_anyway(hop, account, pass, &outgoing).await;
        };
        let as_theirs = if theirs.id == account.id {
            None
        } else {
            match self.outgoing(&theirs).await? {
                Ok(outgoing) => Some(outgoing),
                Err(end) => return Ok(Round::End(end)),
            }
        };
        let as_theirs = as_theirs.as_ref().unwrap_or(&outgoing);
        match find_out(self, &theirs, as_theirs, open).await? {
            Known::Went => Ok(Round::End(End::Done)),
            Known::DidNot => Ok(Round::Again),
            Known::CallAgain => {
                // The attempt stays open if not: it may have gone.
                self.attempt.starts_at.reached().await?;
                self.call(&theirs, pass, as_theirs, open.number).await.map(Round::End)
            }
            Known::SendAnyway => self.send_anyway(hop, account, pass, &outgoing).await,
        }
    }

    /// The account that an attempt was made with; `None` if its credentials are gone.
    async fn account_of(
        &self,
        attempt: &store::Attempt,
        present: &Arc<Account>,
    ) -> Result<Option<Arc<Account>>, JobError> {
        match attempt.credential {
            Some(id) if id != present.id => {
                let hop = self.sending.hops.iter().find(|hop| hop.credential == id);
                match hop {
                    Some(hop) => self.account(hop).await,
                    None => Ok(None),
                }
            }
            _ => Ok(Some(Arc::clone(present))),
        }
    }

    async fn send_anyway(
        &self,
        hop: &Hop,
        account: &Account,
        pass: Entry,
        outgoing: &Outgoing,
    ) -> Result<Round, JobError> {
        // Before the intent, or the attempt that is in doubt would no longer be the last.
        self.attempt.starts_at.reached().await?;
        match self.begin_attempt(hop, true).await? {
            AttemptBegun::Go { number } => self.call(account, pass, outgoing, number).await.map(Round::End),
            _ => Ok(Round::Again),
        }
    }
}
