//! The conformance suite of `companion::store::Store`: the same cases on every implementation, through the trait alone.
//!
//! A case's name is the fact that it proves. What is not on the list below is not run, and the compiler calls it unused.

mod bench;
mod person;

mod accounts;
mod bursts;
mod changes;
mod codes;
mod concurrency;
mod dead_letters;
mod ending;
mod factors;
mod feed;
mod gateways;
mod key_changes;
mod keys;
mod limits;
mod master_keys;
mod outbox;
mod pending;
mod prune;
mod purposes;
mod rotation;
mod sessions;
mod specification;
mod step_ups;

use std::time::Duration;

use bench::Bench;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The least by which the store's clock moves.
const TICK: Duration = Duration::from_millis(1);

/// A test of each case on each store: `<store>::<subject>::<case>`.
macro_rules! on_every_store {
    ($($cases:tt)*) => {
        on_one_store! { sqlite: Bench::on_sqlite, $($cases)* }
        on_one_store! { postgres: Bench::on_postgres, $($cases)* }
    };
}

macro_rules! on_one_store {
    ($store:ident: $open:path, $($subject:ident { $($case:ident,)* })*) => {
        mod $store {
            $(mod $subject {
                use crate::bench::Bench;

                $(#[test]
                fn $case() {
                    crate::run($open, crate::$subject::$case);
                })*
            })*
        }
    };
}

/// Runs a case on a store of its own. The store is opened and closed inside the runtime: it may have tasks there.
fn run(open: impl AsyncFnOnce() -> Bench, case: impl AsyncFnOnce(&Bench)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = open().await;
        case(&bench).await;
    });
}

on_every_store! {
    accounts {
        a_raised_hash_replaces_the_one_that_it_was_made_from,
        of_many_raises_at_once_one_is_kept,
    }
    master_keys {
        an_empty_store_belongs_to_no_master_key,
        a_version_that_was_noted_stays_what_it_is,
        of_many_keys_at_once_one_becomes_the_version,
    }
    key_changes {
        a_key_is_published_at_once_and_signs_later,
        of_many_changes_of_one_set_one_is_made,
        a_retired_key_leaves_with_a_number,
        a_removed_key_is_gone_at_once_and_the_next_signs,
        the_last_key_of_a_use_gives_way_to_the_spare,
        without_a_key_that_does_not_sign_nothing_starts_early,
        a_key_can_be_sealed_anew,
        what_is_minted_names_the_key_set,
        the_first_keys_sign_at_once,
    }
    keys {
        an_empty_store_has_no_keys,
        the_first_keys_are_number_1_of_the_feed,
        there_are_first_keys_only_once,
        the_version_moves_with_the_keys_alone,
        of_many_first_key_sets_at_once_one_is_kept_whole,
    }
    codes {
        every_request_gets_the_same_answer,
        a_right_code_activates_its_sign_up_once,
        another_mac_activates_nothing,
        a_challenge_that_was_never_mailed_opens_nothing,
        a_code_opens_nothing_after_its_lifetime,
        a_challenge_allows_five_attempts,
        a_resend_gives_no_attempts_back,
        an_address_allows_ten_attempts_a_day,
        attempts_without_a_code_count_too,
        an_attempt_that_was_right_is_taken_back,
    }
    purposes {
        a_code_is_bound_to_its_account_its_purpose_and_its_session,
        a_recovery_of_an_unknown_address_is_a_challenge_that_no_code_opens,
        an_account_that_cannot_be_used_gets_no_code,
        a_session_that_has_ended_gets_no_code,
        a_session_of_another_account_gets_no_code,
        a_newer_code_closes_the_older_one_of_its_purpose_alone,
        a_mail_waits_a_minute_for_the_one_before_of_its_purpose_alone,
        a_resend_replaces_the_code_of_every_purpose,
        ten_wrong_codes_close_their_purpose_and_leave_the_long_code,
        a_thousand_guesses_stay_inside_the_daily_budget,
        a_code_that_was_drawn_for_another_account_is_not_sent,
        an_address_that_is_taken_is_told_to_its_owner,
        an_attempt_can_be_taken_back,
    }
    changes {
        a_recovery_sets_the_password_and_ends_everything_else,
        a_recovery_is_opened_by_either_of_its_codes_once,
        a_code_does_what_it_was_sent_for_and_nothing_else,
        a_change_of_the_password_ends_all_other_sessions,
        a_change_of_the_password_needs_the_session_and_the_password_as_they_were,
        a_change_of_address_moves_the_account,
        a_change_of_address_is_for_the_session_that_asked,
        of_many_who_want_one_address_one_gets_it,
        a_deleted_account_is_gone_and_its_address_is_free,
        a_disabled_account_is_closed_until_it_is_enabled,
        a_change_of_roles_ends_the_sessions_unless_told_otherwise,
        of_fifty_right_codes_at_once_one_changes_the_account,
        no_login_and_no_refresh_outlives_the_change_that_it_races,
        a_recovery_under_way_outlives_a_change_of_the_password,
    }
    pending {
        a_resend_replaces_the_code,
        a_resend_that_waits_leaves_the_code,
        a_sign_up_whose_mail_never_went_out_can_have_a_code,
        a_resend_from_before_the_mail_is_none,
        of_two_resends_at_a_time_one_is_mailed,
        a_resend_of_what_is_over_is_none,
        only_the_newest_code_of_an_address_opens,
        a_known_address_gets_the_notice,
        a_code_can_be_asked_for_the_sign_up_that_is_pending,
        no_code_goes_to_an_address_without_a_sign_up,
        several_sign_ups_are_to_be_made_again,
        a_sign_up_that_was_repeated_is_pending_once,
    }
    outbox {
        errands_are_due_in_the_order_of_their_requests,
        an_errand_names_what_its_code_is_bound_to,
        an_errand_that_failed_is_due_after_its_wait,
        a_mail_of_a_kind_waits_a_minute_for_the_one_before,
        a_try_that_waits_leaves_the_code_of_the_one_before,
        another_mail_or_another_address_waits_for_none,
        a_code_that_is_sent_again_is_a_new_one,
        an_errand_comes_to_nothing_when_its_code_would_have_expired,
        an_errand_that_is_done_comes_to_nothing,
    }
    dead_letters {
        a_dead_letter_is_seen_and_carried_out_no_more,
        the_newest_dead_letters_come_first_and_all_are_counted,
        a_notice_can_be_tried_again_and_a_code_cannot,
        dead_letters_are_dropped_one_or_all,
        dead_letters_are_forgotten_after_their_time,
        a_sign_up_whose_mail_was_given_up_is_still_pending,
        of_many_who_ask_each_errand_is_taken_by_one,
    }
    sessions {
        the_time_is_that_of_the_clock,
        an_unknown_address_has_no_account,
        a_login_opens_the_session_that_it_describes,
        what_was_not_told_stays_untold,
        a_login_of_another_epoch_opens_nothing,
        a_login_of_an_unknown_account_opens_nothing,
        sessions_are_listed_newest_first_and_to_their_owner_alone,
        beyond_the_most_the_session_unused_for_longest_ends,
        nothing_outlives_the_absolute_deadline,
        a_session_is_over_at_either_deadline,
        the_latest_exp_never_moves_back,
        a_session_is_renamed_by_its_owner_while_it_lives,
    }
    rotation {
        a_refresh_moves_the_session_by_one,
        a_parent_within_the_grace_gets_the_same_successor,
        a_parent_after_the_grace_is_theft,
        without_a_grace_the_parent_is_theft_at_once,
        a_grandparent_is_theft_within_the_grace_too,
        a_generation_ahead_of_the_store_ends_the_session,
        a_session_past_a_deadline_is_over,
        a_session_can_be_refreshed_until_its_deadline,
        a_session_that_has_ended_is_over,
        an_unknown_session_is_over,
    }
    specification {
        a_session_lives_as_it_is_specified,
    }
    ending {
        an_end_is_published_under_its_number_with_the_latest_exp,
        a_session_of_another_account_is_unknown,
        a_session_that_never_was_is_unknown,
        an_end_that_is_repeated_is_the_same_revocation,
        a_session_past_its_deadline_can_be_ended,
        all_sessions_end_under_one_receipt,
        with_all_sessions_end_the_logins_under_way,
        all_others_end_and_the_one_stays,
        numbers_grow_by_one_each_with_a_mark_of_its_own,
        a_receipt_is_found_by_its_number,
        an_unknown_session_is_published_until_its_token_expires,
        an_unknown_session_is_published_as_long_as_a_lost_token_may_live,
        an_unknown_session_that_all_have_forgotten_is_not_published,
    }
    feed {
        a_read_from_the_start_has_everything,
        a_read_behind_a_known_cursor_has_what_came_after,
        an_unknown_mark_is_a_store_that_was_rolled_back,
        a_number_above_the_head_is_a_store_that_was_rolled_back,
        a_cursor_whose_row_was_pruned_starts_again,
        a_page_holds_so_many_rows_and_says_when_there_are_more,
        a_change_is_told_to_all_who_wait,
        what_ends_no_session_is_not_told,
    }
    gateways {
        a_gateway_is_known_once_it_is_registered,
        the_longer_moment_stays,
    }
    limits {
        a_bucket_gives_its_burst_to_both_handles_together,
        a_bucket_fills_with_time,
        a_bucket_is_counted_finer_than_the_clock,
        a_refused_outer_bucket_draws_nothing_from_the_inner,
        a_refused_inner_bucket_has_drawn_from_the_outer,
        no_limit_refuses_nobody,
        from_the_fifth_failure_on_each_attempt_has_to_wait,
        an_attempt_that_came_to_nothing_is_taken_back,
        a_success_forgets_the_failures,
        failures_are_forgotten_after_a_quiet_while,
        after_the_most_failures_in_a_row_there_is_no_attempt,
        after_a_clock_was_set_back_a_bucket_fills_again,
        after_a_clock_was_set_back_the_delay_is_what_it_was,
        failures_in_a_row_outlive_a_pruning_by_a_day_for_each,
    }
    factors {
        an_app_counts_only_when_it_is_confirmed,
        an_enrolment_can_be_confirmed_for_ten_minutes,
        secrets_under_an_older_key_are_sealed_anew,
        a_newer_enrolment_takes_the_place_of_the_older,
        a_confirmed_app_ends_the_other_sessions_and_the_logins_under_way,
        an_app_counts_until_its_replacement_is_confirmed,
        with_the_app_go_its_recovery_codes_and_the_other_sessions,
        a_session_that_has_ended_changes_no_factor,
        a_session_of_another_account_changes_no_factor,
        a_time_step_is_accepted_once,
        a_recovery_code_opens_once,
        new_recovery_codes_kill_the_old,
        without_an_app_there_are_no_recovery_codes,
        ten_wrong_codes_of_a_day_close_the_app,
        a_right_code_of_the_app_gives_its_attempt_back,
        of_many_codes_of_one_step_at_once_one_opens,
        of_many_uses_of_one_recovery_code_at_once_one_opens,
    }
    step_ups {
        a_challenge_says_what_it_opens_for_five_minutes,
        without_an_app_nothing_waits_for_one,
        no_mailed_code_opens_what_waits_for_the_app,
        a_factor_opens_the_login_that_waits_for_it_once,
        a_login_that_waited_too_long_opens_nothing,
        a_login_of_another_epoch_passes_nothing,
        a_factor_of_another_account_opens_nothing,
        a_step_up_lifts_its_session_for_ten_minutes,
        the_token_of_a_step_up_is_covered_by_the_end_of_its_session,
        a_step_up_lifts_no_other_session,
        a_newer_challenge_of_a_session_takes_the_place_of_the_older,
        a_session_that_is_over_is_not_lifted,
        a_reauthentication_sets_the_level_anew,
        a_reauthentication_of_another_epoch_changes_nothing,
        of_many_factors_at_once_one_opens_the_login,
    }
    prune {
        a_row_of_the_feed_stays_while_it_is_needed,
        the_newest_row_and_that_of_the_keys_never_go,
        one_pruning_removes_all_that_may_go,
        an_ended_session_keeps_its_receipt_for_thirty_days,
        a_session_that_is_over_goes_and_one_that_lives_stays,
        an_errand_goes_after_a_day,
        what_still_limits_stays,
        what_is_in_use_stays,
        a_gateway_goes_a_day_after_it_fell_silent,
    }
    concurrency {
        of_many_refreshes_of_one_generation_one_rotates,
        no_refresh_outlives_the_end_that_it_races,
        a_reader_misses_none_of_many_ends,
        many_ends_of_one_session_are_one_revocation,
        many_replays_at_once_are_one_theft,
        many_logins_at_once_stay_within_the_most,
        no_login_outlives_the_end_of_all_that_it_races,
        ends_of_all_and_of_each_do_not_hinder_each_other,
    }
    bursts {
        of_many_right_codes_at_once_one_activates,
        of_many_attempts_at_once_five_are_counted,
        of_many_attempts_over_several_challenges_ten_are_counted,
        of_many_workers_at_one_errand_one_sends,
        of_many_takes_at_once_the_burst_is_given,
        takes_of_the_same_buckets_in_any_order_all_end,
        of_many_login_attempts_at_once_five_are_made,
    }
}
