//! What is written into the audit log.

stored! {
    /// What somebody did that has to be answered for.
    AuditAction {
        /// Somebody became a member.
        MemberAdded = "member_added",
        /// What somebody is to a tenant changed: their role, how they are told.
        MemberChanged = "member_changed",
        /// Somebody is no member any more.
        MemberRemoved = "member_removed",
        /// Somebody was invited.
        MemberInvited = "member_invited",
        /// An invitation was taken back.
        InvitationRevoked = "invitation_revoked",
        /// Somebody signed in.
        SignedIn = "signed_in",
        /// Somebody signed out, or a session was ended for them.
        SignedOut = "signed_out",
        /// An API key was made.
        KeyCreated = "key_created",
        /// An API key took the place of another.
        KeyRotated = "key_rotated",
        /// An API key was taken out of use.
        KeyRevoked = "key_revoked",
        /// Credentials of an account were stored.
        CredentialCreated = "credential_created",
        /// Credentials were replaced.
        CredentialRotated = "credential_rotated",
        /// The credentials before the present ones were forgotten.
        CredentialRetired = "credential_retired",
        /// Credentials were deleted.
        CredentialDeleted = "credential_deleted",
        /// Credentials were read in the clear.
        CredentialOpened = "credential_opened",
        /// What a job or dead letter is about was shown in clear.
        PayloadShown = "payload_shown",
        /// A job was cancelled.
        JobCancelled = "job_cancelled",
        /// A queue, a kind, a tenant or a worker was paused.
        Paused = "paused",
        /// What was paused flows again.
        Resumed = "resumed",
        /// What a limit key allows was changed.
        LimitChanged = "limit_changed",
        /// The payload of a dead letter was changed.
        DeadLetterEdited = "dead_letter_edited",
        /// A dead letter was run again.
        DeadLetterRetried = "dead_letter_retried",
        /// A dead letter was deleted.
        DeadLetterDeleted = "dead_letter_deleted",
        /// Dead letters were written to a file.
        DeadLettersExported = "dead_letters_exported",
        /// Dead letters were taken in from a file.
        DeadLettersImported = "dead_letters_imported",
        /// Something was begun with many dead letters, or changed about it.
        DeadLettersActedOn = "dead_letters_acted_on",
        /// The rules of scores changed, or where hot leads are told.
        ScoringChanged = "scoring_changed",
        /// All that is kept of somebody was read.
        ContactExported = "contact_exported",
        /// All that is kept of somebody was asked to be erased.
        ContactErased = "contact_erased",
        /// How a tenant wants to send changed.
        TenantChanged = "tenant_changed",
        /// What is old enough was begun to be let go, and not by the clock.
        RetentionBegun = "retention_begun",
        /// Somebody wanted what their role does not allow.
        PermissionRefused = "permission_refused",
        /// What was sealed under former keys was begun to be sealed again.
        Resealed = "resealed",
        /// A tenant was removed with all it had.
        TenantRemoved = "tenant_removed",
    }
}
