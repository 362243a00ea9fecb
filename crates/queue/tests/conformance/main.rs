//! The one suite that every backend must pass: each promise of the trait's documentation, on each backend.
//!
//! A test here is a function over a [`Fixture`](support::fixture::Fixture), and the list at the end makes one test per backend
//! of it. A function that is missing from the list does not compile without a warning. Time stands still unless a test
//! moves it. `memory` is the plain list that the model test compares with; that it passes too shows that the suite and the
//! model mean the same.
//!
//! SQLite runs always; Postgres and Redis with the feature `services`.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod adds;
mod cancels;
mod claims;
mod dead;
mod fairness;
mod fleet;
mod groups;
mod keys;
mod leases;
mod limits;
mod lines;
mod lists;
mod races;
mod rewrites;
mod schedules;
mod settles;
mod stale;
mod views;
mod waits;
mod wakes;

macro_rules! promises_of {
    ($backend:ident: $($topic:ident { $($promise:ident,)* })*) => {
        mod $backend {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
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
    adds {
        a_new_job_is_kept_as_it_was_given,
        an_empty_add_answers_with_nothing,
        a_job_that_waits_has_no_duplicate,
        a_scheduled_job_has_no_duplicate,
        a_running_job_has_no_duplicate,
        a_job_that_will_be_retried_has_no_duplicate,
        a_crashed_job_has_no_duplicate,
        a_parked_job_has_no_duplicate,
        a_dead_letter_has_no_duplicate,
        a_job_that_ended_has_no_duplicate,
        an_id_that_comes_twice_in_one_call_is_kept_once,
        an_id_that_comes_twice_in_one_call_for_two_times_is_kept_once,
        answers_come_in_the_order_of_the_jobs,
        one_call_keeps_a_thousand_jobs,
        one_call_keeps_jobs_of_every_queue_and_time,
        a_time_in_the_past_means_now,
        bodies_are_any_bytes,
        the_installations_own_jobs_have_the_nil_tenant,
    }
    claims {
        a_claim_says_everything_about_a_job,
        an_empty_queue_has_no_job_and_no_more,
        a_claim_takes_no_more_than_wanted,
        a_claim_call_has_one_number_that_no_other_has,
        a_claimed_job_is_not_claimed_again,
        a_claim_that_says_no_more_has_left_nothing,
        a_claim_takes_of_its_queue_only,
        a_claim_takes_of_its_lane_only,
        jobs_of_one_tenant_are_claimed_oldest_first,
        nothing_is_claimed_while_the_queue_is_paused,
        a_pause_holds_one_queue_only,
        what_runs_is_settled_while_the_queue_is_paused,
        pauses_say_what_since_when_and_by_whom,
        a_step_settles_and_claims,
        a_step_that_settles_nothing_held_still_claims,
        a_step_may_claim_what_it_releases,
    }
    fairness {
        one_late_job_does_not_wait_behind_ten_thousand,
        a_lone_tenant_gets_everything,
        tenants_with_unequal_backlogs_are_served_alike,
        claims_of_one_job_go_round_too,
        a_thousand_tenants_are_all_served,
        a_crash_lane_goes_round_its_tenants,
    }
    settles {
        done_ends_the_job_and_its_key_stays_known,
        a_failure_costs_an_attempt_and_is_written_down,
        every_failure_is_kept_in_order,
        the_call_that_went_wrong_is_kept_with_its_attempt_into_the_letter_and_out_of_it,
        an_error_is_cut_at_its_limit_in_characters,
        later_without_an_error_costs_nothing,
        later_in_the_past_may_start_at_once,
        dead_keeps_the_reason_the_time_and_every_error,
        dead_without_an_error_costs_no_attempt,
        every_reason_reads_back,
        park_costs_nothing_and_shows_its_gate,
        release_costs_nothing_and_anybody_may_run_it,
        what_costs_nothing_keeps_the_attempts_used_up,
        a_job_stays_in_the_lane_of_its_crashes,
        errors_go_with_the_job_that_ended,
        one_call_settles_every_outcome,
        one_call_settles_a_thousand_jobs,
        a_claim_may_be_settled_in_parts,
    }
    rewrites {
        a_rewrite_changes_the_body_of_any_job_and_nothing_else,
        a_run_under_way_keeps_its_body_and_the_next_one_has_the_new,
        a_rewrite_of_what_is_not_there_changes_nothing,
    }
    stale {
        a_settle_repeated_after_an_unclear_answer_changes_nothing,
        a_settle_repeated_while_the_claim_has_others_left_changes_nothing,
        a_job_that_comes_twice_in_one_settle_is_settled_once,
        a_finish_after_the_rescue_has_no_effect,
        a_finish_after_another_claimed_the_job_has_no_effect,
        a_finish_after_a_release_and_another_claim_has_no_effect,
        a_finish_of_a_retried_job_has_no_effect_on_its_next_run,
        a_finish_of_a_parked_job_has_no_effect_on_its_next_run,
        a_finish_of_a_dead_letter_has_no_effect_on_its_next_run,
        a_claim_number_that_was_never_issued_is_worth_nothing,
        stale_and_held_in_one_call_are_told_apart,
        a_finish_after_the_end_of_a_lease_counts_until_the_job_is_taken_back,
        another_handle_may_settle_what_this_one_claimed,
    }
    leases {
        a_lease_holds_to_its_end,
        renewing_moves_the_end,
        a_renewal_that_comes_late_moves_no_end_back,
        renewing_one_claim_does_not_move_another,
        a_lost_lease_is_named_and_the_others_are_moved,
        a_finished_claim_cannot_be_renewed,
        a_lease_that_ended_may_be_renewed_until_its_jobs_are_taken_back,
        renewing_nothing_loses_nothing,
        a_crash_has_its_own_back_off_and_costs_no_attempt,
        the_third_crash_is_poison,
        a_lease_that_its_living_worker_never_heard_of_costs_no_crash,
        crashes_add_up_over_other_ways_of_ending,
        what_was_settled_before_the_crash_is_not_touched_by_it,
        neighbours_are_charged_for_the_first_crash_only_with_it,
        one_worker_dies_and_the_claims_of_another_are_not_touched,
        a_rescued_batch_of_a_thousand_is_whole,
        a_sweep_is_of_one_queue,
    }
    schedules {
        a_scheduled_job_is_due_to_the_millisecond,
        a_sweep_of_nothing_does_nothing,
        a_sweep_says_when_the_next_job_is_due,
        a_job_months_away_is_kept,
        thousands_come_due_at_once,
        retries_at_one_moment_all_come_back,
        a_gate_lets_out_what_waits_behind_it_and_nothing_else,
        a_gate_is_of_one_queue,
        a_gate_lets_out_thousands,
    }
    views {
        counts_are_exact_in_every_state,
        a_job_is_found_in_every_state,
        a_job_of_any_queue_is_found_by_its_id_alone,
        what_nobody_added_is_not_found,
        a_job_that_lives_has_not_ended,
    }
    waits {
        a_job_waits_from_the_look_that_found_it_ready_until_it_is_claimed,
        a_job_that_ran_and_may_start_again_has_not_waited_all_the_time,
        a_job_under_a_closed_limit_key_waits_for_that_and_for_no_worker,
        dice_find_the_jobs_of_every_tenant_and_key,
        a_job_whose_worker_crashed_waits_too,
        marks_of_elsewhere_and_of_what_has_ended_are_of_no_job,
    }
    lists {
        a_list_pages_through_every_live_job_once,
        a_list_shows_rows_as_find_does,
        a_list_of_one_queue_or_tenant_shows_no_other,
        dead_letters_are_listed_latest_death_first,
        dead_letters_of_all_queues_are_listed_latest_death_first,
        dead_letters_of_one_moment_are_all_listed,
        dead_letters_of_one_queue_or_tenant_are_listed_alone,
        live_jobs_are_listed_oldest_first,
    }
    cancels {
        a_waiting_job_that_is_cancelled_never_starts,
        a_scheduled_job_that_is_cancelled_never_starts,
        a_retried_job_that_is_cancelled_never_starts,
        a_parked_job_that_is_cancelled_never_starts,
        a_crashed_job_that_is_cancelled_never_starts,
        a_cancelled_job_leaves_its_neighbours_alone,
        when_all_that_wait_are_cancelled_nothing_is_claimed,
        a_running_job_is_marked_for_its_worker,
        a_running_job_may_end_before_it_sees_the_cancel,
        a_cancel_does_not_reach_the_namesake_of_a_later_time,
        a_cancel_does_not_reach_the_retry_of_a_dead_letter,
        what_does_not_live_cannot_be_cancelled,
        a_job_of_any_queue_is_cancelled_by_its_id_alone,
        a_job_under_an_ended_lease_is_still_its_workers_to_stop,
        a_cancelled_run_that_would_go_on_is_dead_instead,
        a_cancelled_run_that_crashes_is_dead_instead,
        a_cancelled_run_leaves_its_neighbours_alone,
        a_cancelled_run_that_crashes_leaves_its_neighbours_alone,
    }
    dead {
        a_retried_dead_letter_has_all_its_attempts_again,
        a_retried_poison_has_no_crashes,
        a_retry_may_replace_the_body,
        several_letters_are_retried_at_once,
        a_retried_dead_letter_may_end_well,
        a_retried_dead_letter_may_die_again,
        an_edited_dead_letter_stays_dead_with_its_new_body,
        a_deleted_dead_letter_is_gone_with_its_errors,
        what_is_not_dead_is_not_touched_as_a_dead_letter,
        a_retry_that_comes_twice_makes_one_job,
        a_retried_dead_letter_keeps_its_tenant_and_queue,
        old_dead_letters_are_purged_and_counted,
        a_letter_that_somebody_removes_is_counted,
        a_purge_is_of_one_queue,
        a_purge_takes_thousands_in_bounded_steps,
    }
    keys {
        the_key_of_a_done_job_is_known_for_seven_days,
        a_key_that_ended_just_before_midnight_is_known_for_seven_days,
        the_seven_days_begin_when_a_scheduled_job_ends,
        the_seven_days_begin_when_a_retried_job_ends,
        the_seven_days_begin_when_a_parked_job_ends,
        the_seven_days_begin_when_a_waiting_job_is_cancelled,
        the_seven_days_begin_when_a_retried_dead_letter_ends,
        a_job_that_lives_is_known_for_ever,
        a_dead_letter_is_known_for_seven_days_from_its_death,
        an_old_dead_letter_and_its_namesake_are_never_both_alive,
        poison_is_known_for_seven_days_from_its_death,
        keys_are_forgotten_by_the_thousand,
    }
    fleet {
        counters_add_up_over_calls_and_processes,
        a_counter_that_comes_twice_in_one_call_counts_twice,
        counters_of_processes_at_once_lose_nothing,
        a_worker_that_announced_itself_is_seen_as_it_said,
        a_worker_that_falls_silent_is_not_seen,
        a_worker_that_leaves_is_not_seen,
        the_last_announcement_counts,
        a_queue_that_works_answers,
    }
    wakes {
        an_add_by_another_process_wakes_who_waits,
        an_add_by_this_process_wakes_who_waits,
        a_wake_up_is_kept_for_who_is_busy,
        every_queue_has_a_wake_up_of_its_own,
        two_who_wait_in_two_processes_are_both_told_in_time,
        a_new_due_time_is_made_known,
        a_release_wakes_who_waits,
        a_promotion_wakes_who_waits,
        an_opened_gate_wakes_who_waits,
        a_retried_dead_letter_wakes_who_waits,
        the_end_of_a_pause_wakes_who_waits,
    }
    races {
        no_job_is_handed_out_twice,
        processes_may_all_start_at_once,
        adds_and_claims_at_once_lose_nothing,
        of_many_adds_of_one_key_at_once_one_is_new,
        a_settle_and_a_rescue_at_once_never_both_have_the_job,
        two_rescuers_charge_a_crash_once,
        a_cancel_and_a_claim_at_once_never_both_have_the_job,
        two_retries_of_one_dead_letter_at_once_make_one_job,
        an_unpark_by_every_process_at_once_lets_each_job_out_once,
    }
    limits {
        a_key_without_a_limit_holds_nothing_back,
        no_more_than_its_concurrency_runs_of_a_key,
        every_end_of_a_run_makes_room,
        a_crash_gives_its_room_back_when_the_lease_has_ended,
        a_stale_finish_makes_no_room,
        a_crashed_job_gets_its_turn_although_its_key_is_always_full,
        room_is_left_for_a_crashed_job_only_as_long_as_somebody_may_come_for_it,
        a_concurrency_of_nothing_lets_none_start,
        a_closed_key_holds_up_nobody_else,
        tenants_share_a_key_and_take_turns,
        processes_share_a_key,
        a_rate_is_used_up_and_never_exceeded,
        a_slow_rate_lets_one_start_at_a_time,
        a_rate_is_kept_by_all_processes_together,
        a_start_that_was_missed_goes_behind_those_that_are_reserved,
        rate_and_concurrency_of_a_key_both_hold,
        a_provider_that_says_when_closes_its_whole_key,
        a_key_is_cooled_for_the_longest_time_that_was_said,
        a_changed_limit_counts_at_once,
        limits_are_shown_as_they_stand,
        a_job_keeps_its_key_whatever_happens_to_it,
        a_waiting_job_of_a_closed_key_can_be_cancelled,
        a_scheduled_job_counts_under_its_key_when_it_is_due,
        many_keys_are_all_served,
    }
    lines {
        jobs_of_a_line_start_one_at_a_time_in_order,
        what_is_added_later_stands_behind,
        lines_do_not_wait_for_each_other,
        who_waits_says_behind_whom,
        a_head_stays_the_head_until_it_has_ended,
        a_crash_keeps_the_order,
        a_dead_head_lets_the_others_go_on,
        a_poisoned_head_lets_the_others_go_on,
        a_line_that_holds_waits_for_its_dead_head,
        a_line_that_holds_goes_on_when_its_dead_head_is_removed,
        the_namesake_of_an_old_dead_head_neither_passes_its_line_nor_breaks_it,
        a_cancelled_head_lets_the_next_follow,
        a_job_for_later_joins_its_line_when_it_is_due,
        a_job_for_later_may_be_cancelled_before_it_joins,
        a_line_may_stand_under_a_limit,
        a_long_line_is_worked_off,
        adds_and_ends_at_once_leave_nobody_behind,
    }
    groups {
        errors_that_differ_in_numbers_only_are_one_group,
        every_way_of_dying_has_its_group,
        every_filter_finds_its_letters_latest_first,
        groups_count_what_died_within_any_span_of_time,
        a_text_is_looked_for_in_last_errors_in_capitals_or_not,
        a_text_is_found_among_more_letters_than_are_looked_at_for_one_page,
        a_listed_letter_shows_its_last_error,
        a_letter_leaves_its_group_however_it_goes,
        letters_from_elsewhere_are_kept_as_they_were,
        thousands_of_letters_are_grouped_and_paged,
    }
}
