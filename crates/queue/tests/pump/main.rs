//! The whole runtime on each backend: typed jobs through the client, the pump and the apalis worker.
//!
//! Times are real here and short; where a test waits for something to happen, it looks often and has a generous limit.
//! SQLite runs always; Postgres and Redis with the feature `services`.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod jobs;
mod keyed;
mod lives;
mod process;
mod rated;

macro_rules! promises_of {
    ($backend:ident: $($topic:ident { $($promise:ident,)* })*) => {
        mod $backend {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let fixture = crate::support::fixture::Fixture::$backend().await;
                    crate::$topic::$promise(&fixture).await;
                }
            )*)*
        }
    };
}

macro_rules! promises {
    ($($list:tt)*) => {
        promises_of! { memory: $($list)* }
        promises_of! { sqlite: $($list)* }
        #[cfg(feature = "services")]
        promises_of! { postgres: $($list)* }
        #[cfg(feature = "services")]
        promises_of! { redis: $($list)* }
    };
}

promises! {
    answers {
        a_job_that_ends_well_is_done,
        a_duplicate_answers_with_the_same_id,
        many_callers_at_once_are_all_answered_for_their_own_job,
        a_job_that_always_fails_dies_with_every_error,
        a_job_that_fails_at_first_is_run_again,
        being_told_when_costs_no_attempt,
        a_snooze_costs_no_attempt,
        a_job_that_is_due_soon_starts_then_although_all_was_quiet,
        a_job_that_gives_up_is_dead_at_once,
        a_panic_is_a_failure_like_others,
        panics_use_up_the_attempts,
        a_run_that_takes_too_long_is_a_failure,
        a_job_past_its_expiry_is_not_started,
        a_payload_that_does_not_parse_is_dead_with_its_bytes,
        bytes_that_are_no_job_are_dead_as_they_are,
        a_kind_nobody_knows_is_parked_until_somebody_does,
        a_key_nobody_has_is_parked_until_somebody_does,
    }
    lives {
        a_running_job_that_is_cancelled_is_stopped,
        a_run_whose_lease_is_lost_is_stopped_and_its_finish_refused,
        a_job_that_outlasts_its_lease_is_renewed,
        what_runs_may_finish_within_the_grace,
        what_does_not_finish_in_time_is_released_without_a_charge,
        a_quiet_process_claims_nothing_until_it_is_resumed,
        a_thousand_jobs_survive_the_death_of_their_worker,
    }
    keyed {
        a_thousand_jobs_of_a_hundred_lines_keep_their_order_while_jobs_fail_and_processes_die,
        a_key_at_its_concurrency_is_never_above_it_and_full_again_after_a_process_died,
    }
    rated {
        a_job_starts_when_its_rate_says_and_not_when_it_is_claimed,
        a_job_that_waits_itself_begins_before_it_may_start,
        those_that_were_held_up_do_not_start_together,
    }
}
