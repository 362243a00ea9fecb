//! Who may send, and who is told.

use std::sync::Arc;

use serde::Deserialize;

use crate::green_api::GreenApiAccount;
use crate::hook::HookAccount;
use crate::imap::ImapAccount;
use crate::resend::ResendAccount;
use crate::sendgrid::SendGridAccount;
use crate::smtp::SmtpAccount;
use crate::twilio::TwilioAccount;
use crate::unusable::Unusable;

/// At most so many accounts of one provider.
pub const ACCOUNTS_MAX: usize = 10_000;

/// An account at one of the providers.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is an account at the provider of its name")]
pub enum Account {
    Twilio(TwilioAccount),
    #[serde(rename = "sendgrid")]
    SendGrid(SendGridAccount),
    Resend(ResendAccount),
    GreenApi(GreenApiAccount),
    Smtp(SmtpAccount),
    Imap(ImapAccount),
    Hook(HookAccount),
}

/// All accounts. One that is put again takes the place of the former.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) twilio: List<TwilioAccount>,
    pub(crate) sendgrid: List<SendGridAccount>,
    pub(crate) resend: List<ResendAccount>,
    pub(crate) green_api: List<GreenApiAccount>,
    pub(crate) hook: List<HookAccount>,
    pub(crate) smtp: List<SmtpAccount>,
    pub(crate) imap: List<ImapAccount>,
}

impl Accounts {
    pub(crate) fn put(&mut self, account: Account) -> Result<(), Unusable> {
        match account {
            Account::Twilio(account) => self.twilio.put(account),
            Account::SendGrid(account) => self.sendgrid.put(account),
            Account::Resend(account) => self.resend.put(account),
            Account::GreenApi(account) => self.green_api.put(account),
            Account::Hook(account) => self.hook.put(account),
            Account::Smtp(account) => self.smtp.put(account),
            Account::Imap(account) => self.imap.put(account),
        }
    }
}

/// What tells an account from others of its provider.
pub(crate) trait Named {
    fn name(&self) -> &str;
    fn check(&self) -> Result<(), Unusable>;
}

/// The accounts of one provider.
#[derive(Debug)]
pub(crate) struct List<A>(Vec<Arc<A>>);

impl<A> Default for List<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: Named> List<A> {
    fn put(&mut self, account: A) -> Result<(), Unusable> {
        account.check()?;
        let account = Arc::new(account);
        let place = self.0.iter().position(|other| other.name() == account.name());
        match place {
            Some(place) => self.0[place] = account,
            None if self.0.len() >= ACCOUNTS_MAX => return Err(Unusable("there are too many accounts")),
            None => self.0.push(account),
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, fits: impl Fn(&A) -> bool) -> Option<Arc<A>> {
        self.0.iter().find(|account| fits(account)).cloned()
    }

    pub(crate) fn named(&self, name: &str) -> Option<Arc<A>> {
        self.find(|account| account.name() == name)
    }
}
