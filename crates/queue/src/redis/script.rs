//! The scripts, each put together from the fragments it needs, and how they are called.

use std::sync::LazyLock;

use redis::Cmd;

use crate::backend::{BATCH_MAX, CRASHES_MAX, KNOWN_DAYS};
use crate::flow::{AHEAD_US, LEAD_US};

/// Due jobs that one claim makes ready on its way.
const STEP_PROMOTED_MAX: usize = 100;

/// Due jobs that one sweep makes ready, and jobs that it takes back.
const SWEEP_MAX: usize = 1000;

/// Closed limit keys that one claim opens on its way.
const STEP_REOPENED_MAX: usize = 100;

/// How often one claim goes round the tenants to become full.
const ROUNDS_MAX: usize = 3;

/// For how long room is left to a lane that asked for it: twice as long as until it is looked at again.
pub(super) const ASK_MS: i64 = 10_000;

const PRELUDE: &str = include_str!("lua/prelude.lua");
const LINES: &str = concat!(include_str!("lua/ready.lua"), include_str!("lua/lines.lua"));
const BUCKETS: &str = include_str!("lua/buckets.lua");
const WRITE: &str = concat!(include_str!("lua/buckets.lua"), include_str!("lua/write.lua"));
const LIMITS: &str = include_str!("lua/limits.lua");
const CLAIM: &str = include_str!("lua/claim.lua");
const STATE: &str = include_str!("lua/state.lua");

/// A script and the name Redis knows it by.
pub(super) struct Script {
    text: String,
    sha: String,
}

/// What a script may do when Redis has no memory left.
#[derive(Clone, Copy)]
enum Memory {
    /// It brings new data: refused before its first line, so that it is never half done.
    Needs,
    /// It moves or removes: must go on, or a full Redis would never become empty.
    Frees,
    /// It changes nothing, and Redis holds it to that.
    Reads,
}

impl Script {
    fn new(memory: Memory, fragments: &[&str]) -> Self {
        let flags = match memory {
            Memory::Needs => "",
            Memory::Frees => " flags=allow-oom",
            Memory::Reads => " flags=no-writes",
        };
        let text = format!(
            "#!lua{flags}\n\
             local KNOWN_DAYS, CRASHES_MAX, BATCH_MAX = {KNOWN_DAYS}, {CRASHES_MAX}, {BATCH_MAX}\n\
             local STEP_PROMOTED_MAX, STEP_REOPENED_MAX = {STEP_PROMOTED_MAX}, {STEP_REOPENED_MAX}\n\
             local SWEEP_MAX, ROUNDS_MAX, AHEAD_US, LEAD_US = {SWEEP_MAX}, {ROUNDS_MAX}, {AHEAD_US}, {LEAD_US}\n\
             local ASK_MS = {ASK_MS}\n\
             {PRELUDE}{}",
            fragments.concat()
        );
        let sha = redis::Script::new(&text).get_hash().to_owned();
        Self { text, sha }
    }

    /// The call for the queue (or installation) of that hash tag; arguments are to be added.
    pub(super) fn on(&self, tag: &str) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.sha).arg(1).arg(tag);
        command
    }

    /// Makes the script known to Redis.
    pub(super) fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

macro_rules! scripts {
    ($($name:ident: $memory:ident, $($fragment:expr),+;)+) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(Memory::$memory, &[$($fragment),+]));)+
        #[cfg(test)]
        const ALL: &[&LazyLock<Script>] = &[$(&$name),+];
    };
}

scripts! {
    ADD: Needs, LINES, WRITE, include_str!("lua/add.lua");
    STEP: Frees, LINES, WRITE, LIMITS, CLAIM, include_str!("lua/step.lua");
    RENEW: Frees, include_str!("lua/renew.lua");
    ANNOUNCE: Frees, include_str!("lua/announce.lua");
    SWEEP: Frees, LINES, WRITE, LIMITS, include_str!("lua/sweep.lua");
    UNPARK: Frees, LINES, WRITE, include_str!("lua/unpark.lua");
    GATES: Reads, include_str!("lua/gates.lua");
    SET_LIMIT: Frees, LINES, LIMITS, include_str!("lua/set_limit.lua");
    RESERVE_AGAIN: Frees, LINES, LIMITS, include_str!("lua/reserve_again.lua");
    LIMITS_OF: Reads, include_str!("lua/limits_of.lua");
    PAUSE: Frees, LINES, include_str!("lua/pause.lua");
    CANCEL: Frees, STATE, LINES, WRITE, LIMITS, include_str!("lua/cancel.lua");
    WAKE: Frees, LINES, "wake() return 0";
    COUNTS: Reads, include_str!("lua/counts.lua");
    STILL_READY: Reads, STATE, include_str!("lua/still_ready.lua");
    FIND: Reads, STATE, include_str!("lua/find.lua");
    ENDED: Reads, include_str!("lua/ended.lua");
    LIST: Reads, STATE, include_str!("lua/list.lua");
    DEAD_PAGE: Reads, include_str!("lua/dead_page.lua");
    DEAD_ROWS: Reads, include_str!("lua/dead_rows.lua");
    DEAD_SIZES: Reads, BUCKETS, include_str!("lua/dead_sizes.lua");
    DEAD_LOOSE: Reads, include_str!("lua/dead_loose.lua");
    DEAD_PUT: Frees, BUCKETS, include_str!("lua/dead_put.lua");
    DEAD_ADOPT: Frees, BUCKETS, include_str!("lua/dead_adopt.lua");
    DEAD_IMPORT: Needs, LINES, WRITE, include_str!("lua/dead_import.lua");
    DEAD_RETRY: Frees, LINES, BUCKETS, include_str!("lua/dead_retry.lua");
    REWRITE: Frees, include_str!("lua/rewrite.lua");
    DEAD_DELETE: Frees, LINES, BUCKETS, include_str!("lua/dead_delete.lua");
    PURGE: Frees, LINES, BUCKETS, include_str!("lua/purge.lua");
    COUNT: Frees, include_str!("lua/count.lua");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_script_has_a_name_of_its_own_and_says_first_what_it_may_do() {
        let names: HashSet<_> = ALL.iter().map(|script| &script.sha).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|script| script.text.starts_with("#!lua")));
    }
}
