//! `relais member`.

use anyhow::{anyhow, bail};
use chrono::Utc;
use clap::{ArgGroup, Subcommand};
use domain::member::NotifyError;
use domain::{EmailAddress, Language, Notify, Role, TenantId, UserId, member};
use serde_json::{Value, json};
use store::{Member, MemberChange, MemberChanged, NewMember, StoreError};

use super::answer::{Answer, table};
use super::tenant::unknown_tenant;
use super::who;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

/// Members that are read at once.
const READ_AT_ONCE: u32 = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List who works for a tenant.
    List {
        /// Which.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
    },
    /// Make somebody a member: they sign in by links that go to their address.
    ///
    /// Example: relais member add ann@example.com --tenant 0195… --role owner
    Add {
        /// Where they will sign in.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// For which tenant they work.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// What they may do: owner, admin, sales or member.
        #[arg(long, value_name = "ROLE")]
        role: Role,
        /// What the tenant calls them.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// In which language they are told what they have to do: en or fr.
        #[arg(long)]
        language: Option<Language>,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Change what a member may do, or how they are told what they have to do. What is not given stays.
    ///
    /// Example: relais member set 0195… --tenant 0195… --notify sms --address +33612345678
    #[command(group = ArgGroup::new("change").required(true).multiple(true).args(["role", "notify", "language"]))]
    Set {
        /// The user's id, as `relais member list` shows it.
        #[arg(value_name = "ID")]
        user: UserId,
        /// For which tenant they work.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// What they may do: owner, admin, sales or member.
        #[arg(long, value_name = "ROLE")]
        role: Option<Role>,
        /// How they are told: none, email, sms or whatsapp.
        #[arg(long, value_name = "CHANNEL")]
        notify: Option<String>,
        /// Where they are told; needed for sms and whatsapp.
        #[arg(long, value_name = "TEXT", requires = "notify")]
        address: Option<String>,
        /// In which language: en or fr.
        #[arg(long)]
        language: Option<Language>,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// End a membership, and with it its sessions.
    Remove {
        /// The user's id, as `relais member list` shows it.
        #[arg(value_name = "ID")]
        user: UserId,
        /// For which tenant they work.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    let now = Utc::now();
    match command {
        Command::List { tenant } => {
            let (mut members, mut cursor) = (Vec::new(), None);
            loop {
                let page = store.members(tenant, cursor, READ_AT_ONCE).await?;
                members.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    return Ok(list(&members));
                }
            }
        }
        Command::Add {
            email,
            tenant,
            role,
            name,
            language,
            by,
        } => {
            let new = NewMember {
                email: EmailAddress::parse(&email)?,
                role,
                name: name.map(member::name).transpose()?,
                notify: Notify::Email,
                language,
            };
            let added = store
                .add_member(tenant, &new, Role::Owner, &who::author(by)?, now)
                .await;
            let added = added.map_err(|error| match error {
                StoreError::Conflict(why) => anyhow::anyhow!(why),
                error => unknown_tenant(error, tenant),
            })?;
            let member = done(added)?;
            Ok(Answer::new(
                to_json(&member),
                format!("Member  {}   ({role})", member.user),
            ))
        }
        Command::Set {
            user,
            tenant,
            role,
            notify,
            address,
            language,
            by,
        } => {
            let notify = notify.map(|channel| notify_by(&channel, address.as_deref()));
            let change = MemberChange {
                role,
                name: None,
                notify: notify.transpose()?,
                language: language.map(Some),
            };
            let author = who::author(by)?;
            let changed = store
                .change_member(tenant, user, &change, Role::Owner, &author, now)
                .await?;
            let member = done(changed)?;
            Ok(Answer::new(to_json(&member), format!("{user} is {} now.", member.role)))
        }
        Command::Remove { user, tenant, by } => {
            done(
                store
                    .remove_member(tenant, user, Role::Owner, &who::author(by)?, now)
                    .await?,
            )?;
            let json = json!({ "id": user, "removed": true });
            Ok(Answer::new(json, format!("{user} is no member any more.")))
        }
    }
}

/// How somebody is told, or which option keeps them from being told so.
fn notify_by(channel: &str, address: Option<&str>) -> anyhow::Result<Notify> {
    Notify::parse(channel, address).map_err(|error| match error {
        NotifyError::Channel => anyhow!("--notify: {error}"),
        NotifyError::Missing => anyhow!("--notify {channel} needs --address"),
        NotifyError::Needless => anyhow!("--notify {channel} goes without --address"),
        NotifyError::Address(error) => anyhow!("--address cannot be used: {error}"),
    })
}

fn done(changed: MemberChanged) -> anyhow::Result<Member> {
    match changed {
        MemberChanged::Done(member) => Ok(member),
        MemberChanged::Refused(refusal) => bail!(refusal),
        MemberChanged::Missing => bail!("the tenant has no such member; `relais member list` shows all"),
    }
}

fn list(members: &[Member]) -> Answer {
    let items: Vec<_> = members.iter().map(to_json).collect();
    let rows: Vec<_> = members
        .iter()
        .map(|member| {
            [
                member.user.to_string(),
                member.role.to_string(),
                member.email.to_string(),
                member.notify.word().to_owned(),
                rfc3339(member.created_at.timestamp_millis()),
            ]
        })
        .collect();
    let words = table(["ID", "ROLE", "EMAIL", "TOLD BY", "SINCE"], &rows);
    Answer::new(json!({ "items": items, "next_cursor": null }), words)
}

/// Addresses are masked: a terminal's scrollback is no place for them.
fn to_json(member: &Member) -> Value {
    json!({
        "id": member.user, "role": member.role, "email": member.email.to_string(), "notify_channel": member.notify.word(),
        "language": member.language, "created_at": rfc3339(member.created_at.timestamp_millis()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_told_so_hears_which_option_is_wrong() {
        let check = |channel, address, expected: &str| {
            let refused = notify_by(channel, address).map_err(|error| error.to_string());
            assert!(
                matches!(&refused, Err(said) if said.starts_with(expected)),
                "{refused:?}"
            );
        };
        check("sms", None, "--notify sms needs --address");
        check("none", Some("+33612345678"), "--notify none goes without --address");
        check("pigeon", None, "--notify: ");
        check("sms", Some("ann"), "--address cannot be used: ");
        assert!(notify_by("sms", Some("+33612345678")).is_ok());
    }
}
