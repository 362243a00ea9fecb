//! Members: people who work for a tenant. One person may work for several, each of which knows them by a role, a name and
//! a way to tell them of its own.
//!
//! Changes of any membership are made one after another ([`USERS`]): they are rare, and it keeps two promises simple. A
//! tenant that has owners keeps one, and a person is kept as long as a tenant has them as a member, and no longer.

use chrono::{DateTime, Utc};
use domain::member::may_change;
use domain::{
    AuditAction, Author, EmailAddress, Language, MemberRefusal, Notify, PersonalText, Recipient, Role, TenantId, UserId,
};
use serde_json::{Value, json};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::{context, new_id};
use crate::{Cursor, Page, Store, StoreError, interaction_assign, time};

/// What whoever changes a membership waits for.
pub(crate) const USERS: Uuid = Uuid::from_u128(0x7c0f_2b1e_93d4_4e0a_b6a5_52e1_1a15_0002);

/// Somebody who works for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Where they sign in.
    pub email: EmailAddress,
    /// What the tenant calls them.
    pub name: Option<PersonalText>,
    /// How they are told what they have to do.
    pub notify: Notify,
    /// In which language; `None`: the tenant's.
    pub language: Option<Language>,
    /// When they became a member.
    pub created_at: DateTime<Utc>,
}

/// Somebody about to become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Where they sign in.
    pub email: EmailAddress,
    /// What they may do.
    pub role: Role,
    /// What the tenant calls them.
    pub name: Option<PersonalText>,
    /// How they are told what they have to do.
    pub notify: Notify,
    /// In which language; `None`: the tenant's.
    pub language: Option<Language>,
}

/// What is to change about a member. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// What they may do.
    pub role: Option<Role>,
    /// What the tenant calls them; `Some(None)`: nothing.
    pub name: Option<Option<PersonalText>>,
    /// How they are told what they have to do.
    pub notify: Option<Notify>,
    /// In which language; `Some(None)`: the tenant's.
    pub language: Option<Option<Language>>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChanged {
    /// It is made; of one who was removed, what they were.
    Done(Member),
    /// It must not be.
    Refused(MemberRefusal),
    /// The tenant has no such member.
    Missing,
}

/// What a list of members, or one of them, is read by.
macro_rules! members_of {
    ($tenant:expr) => {{
        let mut query = QueryBuilder::new(
            "SELECT membership.tenant_id, membership.user_id, membership.role, membership.name, membership.notify_channel,
                 membership.notify_address, membership.language, membership.created_at, users.email
             FROM memberships membership JOIN users ON users.id = membership.user_id WHERE membership.tenant_id = ",
        );
        query.push_bind($tenant.0);
        query
    }};
}

impl Store {
    /// Makes somebody a member. `by` is the role of who does it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when they are a member already; [`StoreError::Missing`] when the tenant is gone.
    pub async fn add_member(
        &self,
        tenant: TenantId,
        new: &NewMember,
        by: Role,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<MemberChanged, StoreError> {
        if let Err(refusal) = may_change(by, None, Some(new.role), 0) {
            return Ok(MemberChanged::Refused(refusal));
        }
        let hash = self.address_hash_of_user(&new.email).await?;
        let mut tx = self.db.begin().await?;
        tx.serialise_on(USERS).await?;
        let member = self.insert_member(&mut tx, tenant, new, &hash, now).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::MemberAdded, member.user);
        audit_log::write(&mut tx, &entry.changed(None, shown(&member)), now).await?;
        tx.commit().await?;
        Ok(MemberChanged::Done(member))
    }

    /// A member.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when what is known of them was sealed under a key that is not in the keyring.
    pub async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Member>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = members_of!(tenant);
            query.push(" AND membership.user_id = ").push_bind(user.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(|row| self.open_member(row)).transpose()
    }

    /// A tenant's members, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when what is known of one was sealed under a key that is not in the keyring.
    pub async fn members(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Member>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = members_of!(tenant);
            if let Some(cursor) = after {
                query.push(" AND (membership.created_at, membership.user_id) < (");
                query.push_bind(cursor.at.timestamp_millis()).push(", ").push_bind(cursor.id).push(")");
            }
            query.push(" ORDER BY membership.created_at DESC, membership.user_id DESC LIMIT ");
            query.push_bind(crate::page::rows_for(limit));
            query.build_query_as().fetch_all(pool).await
        })?;
        let members: Result<Vec<_>, _> = rows.into_iter().map(|row| self.open_member(row)).collect();
        Ok(Page::of(members?, limit, |member| Cursor {
            at: member.created_at,
            id: member.user.0,
        }))
    }

    /// Changes a member. `by` is the role of who does it. A new role counts at once, for sessions too.
    ///
    /// # Errors
    /// Those of the database, and of what is sealed.
    pub async fn change_member(
        &self,
        tenant: TenantId,
        user: UserId,
        change: &MemberChange,
        by: Role,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<MemberChanged, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(USERS).await?;
        let Some(before) = self.member_within(&mut tx, tenant, user).await? else {
            return Ok(MemberChanged::Missing);
        };
        let after = Member {
            role: change.role.unwrap_or(before.role),
            name: change.name.clone().unwrap_or_else(|| before.name.clone()),
            notify: change.notify.clone().unwrap_or_else(|| before.notify.clone()),
            language: change.language.unwrap_or(before.language),
            ..before.clone()
        };
        let others = other_owners(&mut tx, tenant, user).await?;
        if let Err(refusal) = may_change(by, Some(before.role), Some(after.role), others) {
            return Ok(MemberChanged::Refused(refusal));
        }
        self.update_member(&mut tx, tenant, &after).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::MemberChanged, user);
        audit_log::write(&mut tx, &entry.changed(shown(&before), shown(&after)), now).await?;
        tx.commit().await?;
        Ok(MemberChanged::Done(after))
    }

    /// Ends a membership, and with it its sessions and links. A person who works for nobody any more is forgotten. `by` is
    /// the role of who does it.
    ///
    /// # Errors
    /// Those of the database, and of what is sealed.
    pub async fn remove_member(
        &self,
        tenant: TenantId,
        user: UserId,
        by: Role,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<MemberChanged, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(USERS).await?;
        let Some(before) = self.member_within(&mut tx, tenant, user).await? else {
            return Ok(MemberChanged::Missing);
        };
        let others = other_owners(&mut tx, tenant, user).await?;
        if let Err(refusal) = may_change(by, Some(before.role), None, others) {
            return Ok(MemberChanged::Refused(refusal));
        }
        interaction_assign::unassign_all(&mut tx, tenant, user, &author.actor, now).await?;
        on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2")
                .bind(tenant.0)
                .bind(user.0)
                .execute(connection)
                .await
                .map(|_| ()))?;
        forget_user(&mut tx, user).await?;
        let entry = NewAuditEntry::of(tenant, author, AuditAction::MemberRemoved, user);
        audit_log::write(&mut tx, &entry.changed(shown(&before), None), now).await?;
        tx.commit().await?;
        Ok(MemberChanged::Done(before))
    }

    /// The hash that a person is found by.
    pub(crate) async fn address_hash_of_user(&self, email: &EmailAddress) -> Result<Vec<u8>, StoreError> {
        self.users_hash("address", &email.expose_folded()).await
    }

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

    async fn update_member(&self, tx: &mut Tx, tenant: TenantId, member: &Member) -> Result<(), StoreError> {
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

    async fn member_within(&self, tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Member>, StoreError> {
        let row: Option<Row> = on!(tx.connection(), connection => {
            let mut query = members_of!(tenant);
            query.push(" AND membership.user_id = ").push_bind(user.0);
            query.build_query_as().fetch_optional(connection).await
        })?;
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

    fn open_member(&self, row: Row) -> Result<Member, StoreError> {
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

#[derive(FromRow)]
struct Row {
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

/// As much of a member as the audit log shows.
fn shown(member: &Member) -> Value {
    json!({
        "role": member.role, "notify": member.notify.word(), "language": member.language,
        "notify_address": member.notify.address().map(Recipient::to_string),
    })
}

async fn other_owners(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<u32, StoreError> {
    let count: i64 = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT COUNT(*) FROM memberships WHERE tenant_id = $1 AND user_id <> $2 AND role = $3")
            .bind(tenant.0)
            .bind(user.0)
            .bind(Role::Owner.as_str())
            .fetch_one(connection)
            .await)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Forgets a person, unless a tenant still has them as a member. The transaction has [`USERS`].
pub(crate) async fn forget_user(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query("DELETE FROM users WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM memberships WHERE user_id = $1)")
            .bind(user.0)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}
