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
use uuid::Uuid;

use crate::audit_log::{self, NewAuditEntry};
use crate::db::Tx;
use crate::member_rows::{ONE, Row, list};
use crate::{Cursor, Page, Store, StoreError, interaction_assign};

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
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(ONE).bind(tenant.0).bind(user.0).fetch_optional(pool).await)?;
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
            let mut query = list!(tenant, after, limit);
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
    /// Their work becomes nobody's, most of it in transactions of its own before. Who dies in between leaves a member with
    /// less work, to be removed again.
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
        if let Err(answer) = self
            .who_may_leave(&mut self.db.begin().await?, tenant, user, by)
            .await?
        {
            return Ok(answer);
        }
        self.unassign_in_steps(tenant, user, &author.actor, now).await?;
        let mut tx = self.db.begin().await?;
        tx.serialise_on(USERS).await?;
        let before = match self.who_may_leave(&mut tx, tenant, user, by).await? {
            Ok(member) => member,
            Err(answer) => return Ok(answer),
        };
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

    /// The member who is to leave, or why they do not.
    async fn who_may_leave(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        user: UserId,
        by: Role,
    ) -> Result<Result<Member, MemberChanged>, StoreError> {
        let Some(member) = self.member_within(tx, tenant, user).await? else {
            return Ok(Err(MemberChanged::Missing));
        };
        let others = other_owners(tx, tenant, user).await?;
        Ok(match may_change(by, Some(member.role), None, others) {
            Ok(()) => Ok(member),
            Err(refusal) => Err(MemberChanged::Refused(refusal)),
        })
    }

    /// The hash that a person is found by.
    pub(crate) async fn address_hash_of_user(&self, email: &EmailAddress) -> Result<Vec<u8>, StoreError> {
        self.users_hash("address", &email.expose_folded()).await
    }
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
