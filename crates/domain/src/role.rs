//! What the holder of an API key, or a signed-in person, may do.

stored! {
    /// The role of a member or of an API key, from most to least.
    Role {
        /// Everything, the tenant itself included.
        Owner = "owner",
        /// Everything but the tenant itself.
        Admin = "admin",
        /// Works with contacts, messages and interactions of everybody.
        Sales = "sales",
        /// Reads, and writes what is its own.
        Member = "member",
    }
}

stored! {
    /// What can be done with a tenant's data. Every route needs one of these.
    Act {
        /// Look at oneself: who one is, one's session.
        BeOneself = "be_oneself",
        /// Read what became of messages: theirs, their events', their jobs', the rates.
        ReadMessages = "read_messages",
        /// Send messages and one-time codes, and check codes.
        SendMessages = "send_messages",
        /// Read contacts, leads and their scores.
        ReadLeads = "read_leads",
        /// Read all that is kept of somebody, as one document, and erase it.
        AnswerForPeople = "answer_for_people",
        /// Read everybody's interactions.
        ReadInteractions = "read_interactions",
        /// Create interactions, and write those that one created or that are one's own work.
        WriteOwnInteractions = "write_own_interactions",
        /// Write everybody's interactions.
        WriteInteractions = "write_interactions",
        /// Read templates, and see what they make of variables.
        ReadTemplates = "read_templates",
        /// Write templates.
        WriteTemplates = "write_templates",
        /// Read who is not written to.
        ReadSuppressions = "read_suppressions",
        /// Stop what goes to somebody, and lift it.
        WriteSuppressions = "write_suppressions",
        /// Read who the members are.
        ReadMembers = "read_members",
        /// Invite, change and remove members; owners only with [`GrantOwner`](Self::GrantOwner).
        WriteMembers = "write_members",
        /// Make somebody an owner, or an owner somebody else.
        GrantOwner = "grant_owner",
        /// Read which API keys there are.
        ReadKeys = "read_keys",
        /// Create, rotate and revoke API keys; owners' only with [`GrantOwner`](Self::GrantOwner).
        WriteKeys = "write_keys",
        /// See which accounts at providers there are, as much of them as may be shown.
        ReadCredentials = "read_credentials",
        /// Read who did what.
        ReadAudit = "read_audit",
    }
}

impl Act {
    /// The least of the roles that may do it: every role above it may, too. The whole table.
    #[must_use]
    pub const fn least_role(self) -> Role {
        match self {
            Self::BeOneself
            | Self::ReadMessages
            | Self::ReadLeads
            | Self::ReadInteractions
            | Self::WriteOwnInteractions
            | Self::ReadMembers => Role::Member,
            Self::SendMessages
            | Self::WriteInteractions
            | Self::ReadTemplates
            | Self::ReadSuppressions
            | Self::WriteSuppressions => Role::Sales,
            Self::AnswerForPeople
            | Self::WriteTemplates
            | Self::WriteMembers
            | Self::ReadKeys
            | Self::WriteKeys
            | Self::ReadCredentials
            | Self::ReadAudit => Role::Admin,
            Self::GrantOwner => Role::Owner,
        }
    }
}

impl Role {
    /// Whether whoever has this role may do it.
    #[must_use]
    pub fn may(self, act: Act) -> bool {
        // Roles are ordered from most to least.
        self <= act.least_role()
    }

    /// Whether whoever has this role may give or take `other`: owners are made and unmade by owners only, and who may not
    /// write members gives nothing.
    #[must_use]
    pub fn may_grant(self, other: Self) -> bool {
        self.may(if other == Self::Owner {
            Act::GrantOwner
        } else {
            Act::WriteMembers
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The acts that each role has and the one below it has not, from the least role on.
    const TABLE: [(Role, &[Act]); 4] = [
        (
            Role::Member,
            &[
                Act::BeOneself,
                Act::ReadMessages,
                Act::ReadLeads,
                Act::ReadInteractions,
                Act::WriteOwnInteractions,
                Act::ReadMembers,
            ],
        ),
        (
            Role::Sales,
            &[
                Act::SendMessages,
                Act::WriteInteractions,
                Act::ReadTemplates,
                Act::ReadSuppressions,
                Act::WriteSuppressions,
            ],
        ),
        (
            Role::Admin,
            &[
                Act::AnswerForPeople,
                Act::WriteTemplates,
                Act::WriteMembers,
                Act::ReadKeys,
                Act::WriteKeys,
                Act::ReadCredentials,
                Act::ReadAudit,
            ],
        ),
        (Role::Owner, &[Act::GrantOwner]),
    ];

    #[test]
    fn every_role_may_what_the_one_below_it_may_and_what_the_table_adds() {
        let mut allowed = Vec::new();
        for (role, added) in TABLE {
            allowed.extend_from_slice(added);
            for &act in Act::ALL {
                assert_eq!(role.may(act), allowed.contains(&act), "{role} {act}");
            }
        }
        assert_eq!(allowed.len(), Act::ALL.len(), "an owner may everything");
    }

    #[test]
    fn only_owners_make_and_unmake_owners_and_only_admins_make_the_rest() {
        for &role in Role::ALL {
            assert_eq!(role.may_grant(Role::Owner), role == Role::Owner);
            for other in [Role::Admin, Role::Sales, Role::Member] {
                assert_eq!(
                    role.may_grant(other),
                    matches!(role, Role::Owner | Role::Admin),
                    "{role} {other}"
                );
            }
        }
    }
}
