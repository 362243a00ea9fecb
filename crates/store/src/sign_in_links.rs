//! Links that let somebody in, and how often they were asked for. What a link is proven by is computed and lies nowhere.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use domain::otp::TooMany;
use domain::sign_in::{LINK_LIFETIME, PER_ADDRESS, PER_PLACE, may_ask, place};
use domain::{EmailAddress, Language, SignInLinkId, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::new_id;
use crate::{Store, StoreError, time};

/// One request makes at most so many links: somebody who works for more tenants names one.
const LINKS_MAX: i64 = 20;

/// A link to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInLink {
    /// Whose member it lets in.
    pub tenant: TenantId,
    /// Its id.
    pub id: SignInLinkId,
    /// Where it goes.
    pub email: EmailAddress,
    /// In which language; `None`: the tenant's.
    pub language: Option<Language>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Counts that links are asked for, for an address and from a place, whether anybody has the address or not. Checked
    /// and counted in one transaction.
    ///
    /// # Errors
    /// Only those of the database. The inner one: too many were asked for lately, and none was counted.
    pub async fn try_sign_in(
        &self,
        email: &EmailAddress,
        from: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Result<(), TooMany>, StoreError> {
        let address = self.users_hash("try", &email.expose_folded()).await?;
        let place = match from {
            Some(from) => Some(self.users_hash("place", &place(from)).await?),
            None => None,
        };
        let mut tx = self.db.begin().await?;
        // Places before addresses, always, so that nobody waits in a circle.
        let subjects: Vec<_> = place.iter().chain([&address]).collect();
        for subject in &subjects {
            tx.serialise_on(Uuid::new_v5(&Uuid::nil(), subject)).await?;
        }
        let for_address = tried_at(&mut tx, &address, PER_ADDRESS.most).await?;
        let from_place = match &place {
            Some(place) => tried_at(&mut tx, place, PER_PLACE.most).await?,
            None => Vec::new(),
        };
        if let Err(refusal) = may_ask(&for_address, &from_place, now) {
            return Ok(Err(refusal));
        }
        for subject in subjects {
            on!(tx.connection(), connection =>
                sqlx::query("INSERT INTO sign_in_tries (id, subject, at) VALUES ($1, $2, $3)")
                    .bind(new_id(now))
                    .bind(subject)
                    .bind(now.timestamp_millis())
                    .execute(connection)
                    .await
                    .map(|_| ()))?;
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Makes a link for each tenant that has the address as a member, or for one of them. The same `request` makes the same
    /// links, whenever it is run; nobody's address makes none.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when an address was sealed under a key that is not in the keyring.
    pub async fn make_sign_in_links(
        &self,
        email: &EmailAddress,
        tenant: Option<TenantId>,
        request: Uuid,
        asked_at: DateTime<Utc>,
    ) -> Result<Vec<SignInLink>, StoreError> {
        let hash = self.address_hash_of_user(email).await?;
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(MEMBERSHIPS)
                .bind(&hash)
                .bind(tenant.map(|tenant| tenant.0))
                .bind(LINKS_MAX)
                .fetch_all(pool)
                .await)?;
        let mut links = Vec::new();
        for row in rows {
            let link = self.sign_in_link(&row, request, asked_at)?;
            write_on!(self.db, pool =>
                sqlx::query(
                    "INSERT INTO sign_in_links (tenant_id, id, user_id, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, id) DO NOTHING")
                    .bind(link.tenant.0)
                    .bind(link.id.0)
                    .bind(row.user_id)
                    .bind(asked_at.timestamp_millis())
                    .bind(link.expires_at.timestamp_millis())
                    .execute(pool)
                    .await
                    .map(|_| ()))?;
            links.push(link);
        }
        Ok(links)
    }

    /// Forgets, of what was good before `before` at the latest, links, tries, sessions and invitations: at most `limit` of
    /// each. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_sign_ins(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut gone = 0;
        for statement in FORGET {
            gone += write_on!(self.db, pool =>
                sqlx::query(statement)
                    .bind(before.timestamp_millis())
                    .bind(i64::from(limit))
                    .execute(pool)
                    .await
                    .map(|done| done.rows_affected()))?;
        }
        Ok(gone)
    }

    fn sign_in_link(&self, row: &Row, request: Uuid, asked_at: DateTime<Utc>) -> Result<SignInLink, StoreError> {
        let email = text(&self.keyring, "user.email", row.user_id, Some(row.email.clone()))?
            .and_then(|email| EmailAddress::parse(&email).ok())
            .ok_or(StoreError::Corrupt("a person's address".into()))?;
        Ok(SignInLink {
            tenant: TenantId(row.tenant_id),
            id: SignInLinkId(Uuid::new_v5(&request, row.tenant_id.as_bytes())),
            email,
            language: row
                .language
                .as_deref()
                .map(|language| word(language, "an unknown language"))
                .transpose()?,
            expires_at: time::stored(asked_at) + LINK_LIFETIME,
        })
    }
}

/// The latest tries of a subject.
pub(crate) const TRIES: &str = "SELECT at FROM sign_in_tries WHERE subject = $1 ORDER BY at DESC LIMIT $2";

/// Who has an address, by tenant; of one of them if it is named.
const MEMBERSHIPS: &str = "SELECT membership.tenant_id, membership.user_id, membership.language, users.email
     FROM users JOIN memberships membership ON membership.user_id = users.id
     WHERE users.email_hash = $1 AND ($2 IS NULL OR membership.tenant_id = $2)
     ORDER BY membership.created_at, membership.tenant_id LIMIT $3";

/// What forgets, of what ended before `$1`, at most `$2` rows.
pub(crate) const FORGET: [&str; 4] = [
    "DELETE FROM sign_in_links WHERE (tenant_id, id) IN
         (SELECT tenant_id, id FROM sign_in_links WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM sign_in_tries WHERE id IN (SELECT id FROM sign_in_tries WHERE at < $1 LIMIT $2)",
    "DELETE FROM sessions WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM sessions WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM invitations WHERE (tenant_id, id) IN
         (SELECT tenant_id, id FROM invitations WHERE expires_at < $1 LIMIT $2)",
];

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    user_id: Uuid,
    language: Option<String>,
    email: Vec<u8>,
}

/// The latest tries of a subject; as many as the limit allows are enough to judge by.
async fn tried_at(tx: &mut Tx, subject: &[u8], most: usize) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let times: Vec<i64> = on!(tx.connection(), connection =>
        sqlx::query_scalar(TRIES)
            .bind(subject)
            .bind(most)
            .fetch_all(connection)
            .await)?;
    times.into_iter().map(time::at).collect()
}
