//! A piece of follow-up work with a contact: where it stands, who may change it, when it is due and who is told.

pub mod due;
pub mod reminder;
pub mod search;

pub use due::{Due, DueWindow};
pub use reminder::{Telling, Warning};

use crate::role::{Act, Role};

/// How many characters a title may have.
pub const TITLE_CHARS_MAX: usize = 200;
/// How many characters a note may have.
pub const NOTE_CHARS_MAX: usize = 10_000;

stored! {
    /// Where the work stands. Any of them may follow any other: what is done may turn out not to be.
    InteractionStatus {
        /// Nobody has begun.
        Todo = "todo",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// Nothing is left to do.
        Done = "done",
    }
}

stored! {
    /// Why the work exists.
    InteractionReason {
        /// A message was opened for the first time.
        EmailOpened = "email_opened",
        /// Somebody wrote to us.
        Reply = "reply",
        /// A lead became hot.
        HotLead = "hot_lead",
        /// Somebody asked for it, over the API.
        Manual = "manual",
    }
}

stored! {
    /// What of an interaction can change, as its history names it.
    InteractionField {
        /// It was created.
        Created = "created",
        /// Where it stands.
        Status = "status",
        /// Whose work it is.
        Assignee = "assignee",
        /// When something is due.
        NextActionAt = "next_action_at",
    }
}

/// What somebody wants to do with an interaction that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractionAct {
    /// Say where it stands.
    SetStatus,
    /// Say whose work it is.
    Assign,
    /// Say when something is due.
    SetNextAction,
    /// Remove it.
    Delete,
}

/// Who somebody is to an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The role in the tenant.
    pub role: Role,
    /// Whether they created it.
    pub is_creator: bool,
    /// Whether it is their work.
    pub is_assignee: bool,
}

impl Standing {
    /// Whether they may do it. Whose work it is may be done with it what the work needs: not given away, not removed.
    #[must_use]
    pub fn may(self, act: InteractionAct) -> bool {
        let is_ones_work = self.is_assignee && matches!(act, InteractionAct::SetStatus | InteractionAct::SetNextAction);
        self.role.may(Act::WriteInteractions)
            || self.role.may(Act::WriteOwnInteractions) && (self.is_creator || is_ones_work)
    }
}

#[cfg(test)]
mod tests {
    use InteractionAct::{Assign, Delete, SetNextAction, SetStatus};

    use super::*;

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = InteractionStatus::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(words, ["todo", "in_progress", "done"]);
        let words: Vec<_> = InteractionReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words, ["email_opened", "reply", "hot_lead", "manual"]);
        let words: Vec<_> = InteractionField::ALL.iter().map(|field| field.as_str()).collect();
        assert_eq!(words, ["created", "status", "assignee", "next_action_at"]);
    }

    /// `allowed` is what somebody of that role may do who neither created it nor has it.
    fn check(role: Role, is_creator: bool, is_assignee: bool, allowed: &[InteractionAct]) {
        let standing = Standing {
            role,
            is_creator,
            is_assignee,
        };
        for act in [SetStatus, Assign, SetNextAction, Delete] {
            assert_eq!(standing.may(act), allowed.contains(&act), "{standing:?} {act:?}");
        }
    }

    #[test]
    fn creator_sales_and_admin_write_and_whose_work_it_is_does_that_work() {
        let all = [SetStatus, Assign, SetNextAction, Delete];
        for role in [Role::Owner, Role::Admin, Role::Sales] {
            check(role, false, false, &all);
        }
        check(Role::Member, true, false, &all);
        check(Role::Member, true, true, &all);
        check(Role::Member, false, true, &[SetStatus, SetNextAction]);
        check(Role::Member, false, false, &[]);
    }
}
