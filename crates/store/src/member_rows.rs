//! How members lie in the database: what is personal of them is sealed, a person once and each membership for itself.

use chrono::{DateTime, Utc};
use domain::{EmailAddress, Language, Notify, PersonalText, TenantId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::members::{Member, NewMember};
use crate::messages::{text, word};
use crate::tenants::{context, new_id};
use crate::{Store, StoreError, time};

/// Every statement that reads members, up to whose they are.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT membership.tenant_id, membership.user_id, membership.role, membership.name, membership.notify_channel,
                 membership.notify_address, membership.language, membership.created_at, users.email
             FROM memberships membership JOIN users ON users.id = membership.user_id WHERE membership.tenant_id = ",
            $condition
        )
    };
}

/// Reads one member: of the tenant `$1`, the user `$2`.
pub(crate) const ONE: &str = select!("$1 AND membership.user_id = $2");

/// The statement of a list, the newest first.
macro_rules! list {
    ($tenant:expr, $after:expr, $limit:expr) => {{
        let mut query = sqlx::QueryBuilder::new($crate::member_rows::select!(""));
        query.push_bind($tenant.0);
        if let Some(cursor) = $after {
            query.push(" AND (membership.created_at, membership.user_id) < (");
            query
                .push_bind(cursor.at.timestamp_millis())
                .push(", ")
                .push_bind(cursor.id)
                .push(")");
        }
        query.push(" ORDER BY membership.created_at DESC, membership.user_id DESC LIMIT ");
        query.push_bind($crate::page::rows_for($limit));
        query
    }};
}
pub(crate) use {list, select};

impl Store {
    /// Adds a membership, and the person if they are new. The transaction has [`USERS`].
    pub(crate) async fn insert_member(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        new: &NewMember,
        hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Member, StoreError> {
        let user = self.find_or_make_user(tx, &new.email, hash, now).await?;
        let member = Member {
            user,
            role: new.role,
            email: new.email.clone(),
            name: new.name.clone(),
            notify: new.notify.clone(),
            language: new.language,
            created_at: time::stored(now),
        };
        let sealed = self.seal_member(tenant, &member);
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO memberships
                     (tenant_id, user_id, role, name, notify_channel, notify_address, language, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(tenant.0)
                .bind(user.0)
                .bind(member.role.as_str())
                .bind(&sealed.name)
                .bind(member.notify.word())
                .bind(&sealed.address)
                .bind(member.language.map(Language::as_str))
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))
        .map_err(|error| match error.into() {
            StoreError::Conflict(_) => StoreError::Conflict("they are a member already"),
            other => other,
        })?;
        Ok(member)
    }

    async fn find_or_make_user(
        &self,
        tx: &mut Tx,
        email: &EmailAddress,
        hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<UserId, StoreError> {
        let known: Option<Uuid> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT id FROM users WHERE email_hash = $1").bind(hash).fetch_optional(connection).await)?;
        if let Some(id) = known {
            return Ok(UserId(id));
        }
        let id = new_id(now);
        let sealed = self.keyring.seal(&context("user.email", id), email.expose().as_bytes());
        on!(tx.connection(), connection =>
            sqlx::query("INSERT INTO users (id, email_hash, email, created_at) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(hash)
                .bind(&sealed)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(UserId(id))
    }

    pub(crate) async fn update_member(&self, tx: &mut Tx, tenant: TenantId, member: &Member) -> Result<(), StoreError> {
        let sealed = self.seal_member(tenant, member);
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE memberships SET role = $3, name = $4, notify_channel = $5, notify_address = $6, language = $7
                 WHERE tenant_id = $1 AND user_id = $2")
                .bind(tenant.0)
                .bind(member.user.0)
                .bind(member.role.as_str())
                .bind(&sealed.name)
                .bind(member.notify.word())
                .bind(&sealed.address)
                .bind(member.language.map(Language::as_str))
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    pub(crate) async fn member_within(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        user: UserId,
    ) -> Result<Option<Member>, StoreError> {
        let row: Option<Row> = on!(tx.connection(), connection =>
            sqlx::query_as(ONE).bind(tenant.0).bind(user.0).fetch_optional(connection).await)?;
        row.map(|row| self.open_member(row)).transpose()
    }

    fn seal_member(&self, tenant: TenantId, member: &Member) -> Sealed {
        let row = membership(tenant, member.user);
        let seal = |column, text: &str| self.keyring.seal(&context(column, row), text.as_bytes());
        Sealed {
            name: member.name.as_ref().map(|name| seal("membership.name", name.expose())),
            address: member
                .notify
                .address()
                .map(|address| seal("membership.notify_address", address.expose())),
        }
    }

    pub(crate) fn open_member(&self, row: Row) -> Result<Member, StoreError> {
        let (tenant, user) = (TenantId(row.tenant_id), UserId(row.user_id));
        let bound_to = membership(tenant, user);
        let email = text(&self.keyring, "user.email", user.0, Some(row.email))?
            .and_then(|email| EmailAddress::parse(&email).ok())
            .ok_or(StoreError::Corrupt("a person's address".into()))?;
        let address = text(&self.keyring, "membership.notify_address", bound_to, row.notify_address)?;
        Ok(Member {
            user,
            role: word(&row.role, "an unknown role")?,
            email,
            name: text(&self.keyring, "membership.name", bound_to, row.name)?.map(PersonalText::new),
            notify: Notify::parse(&row.notify_channel, address.as_deref())
                .map_err(|_| StoreError::Corrupt("how a member is told".into()))?,
            language: row
                .language
                .as_deref()
                .map(|language| word(language, "an unknown language"))
                .transpose()?,
            created_at: time::at(row.created_at)?,
        })
    }
}

struct Sealed {
    name: Option<Vec<u8>>,
    address: Option<Vec<u8>>,
}

/// A member as they lie in the database.
#[derive(FromRow)]
pub(crate) struct Row {
    tenant_id: Uuid,
    user_id: Uuid,
    role: String,
    name: Option<Vec<u8>>,
    notify_channel: String,
    notify_address: Option<Vec<u8>>,
    language: Option<String>,
    created_at: i64,
    email: Vec<u8>,
}

/// What a membership's sealed columns are bound to.
pub(crate) fn membership(tenant: TenantId, user: UserId) -> Uuid {
    Uuid::new_v5(&tenant.0, user.0.as_bytes())
}
