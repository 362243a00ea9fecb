//! A piece of follow-up work with a contact.

stored! {
    /// Where the work stands.
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
    }
}
