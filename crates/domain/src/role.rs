//! What the holder of an API key may do.

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
