//! What the store promises, over SQLite and over PostgreSQL: one suite, both databases.
//!
//! PostgreSQL comes from the system's package; the test starts a scratch cluster of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod bad_input;
mod fleet;
mod gates;
mod hosts;
mod inquiries;
mod leases;
mod place;
#[expect(unreachable_pub, reason = "the tests of the whole system use it too")]
mod postgres;
mod reports;
mod sample;
#[expect(unreachable_pub, reason = "the tests of the whole system use it too")]
mod small_disk;
mod trouble;

use std::future::Future;

/// Runs a scenario to its end.
fn run(scenario: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(scenario);
}

/// One test each over SQLite; over PostgreSQL one test for all, for a cluster takes seconds to start.
macro_rules! scenarios {
    ($($topic:ident::$name:ident,)+) => {
        mod on_sqlite {
            $(
                #[test]
                fn $name() {
                    let place = crate::place::Place::file();
                    crate::run(crate::$topic::$name(&place));
                }
            )+
        }

        #[test]
        fn on_postgres() {
            let Some(cluster) = crate::postgres::Cluster::start() else { return };
            $(
                eprintln!("scenario {}::{}", stringify!($topic), stringify!($name));
                crate::run(async {
                    let place = crate::place::Place::url(cluster.database(stringify!($name)));
                    crate::$topic::$name(&place).await;
                });
            )+
        }
    };
}

scenarios! {
    hosts::a_host_is_let_in_once_and_shut_out_for_good,
    hosts::of_many_who_use_one_token_one_wins,
    hosts::a_token_is_good_for_its_host_and_its_time_only,
    hosts::who_waits_is_approved_or_turned_away,
    hosts::a_purged_host_leaves_nothing,
    hosts::a_host_that_is_let_in_anew_misses_nothing_that_it_told_before,
    hosts::operators_come_and_go,
    hosts::what_is_kept_is_there_for_the_next_server,
    reports::a_report_is_kept_once,
    reports::one_id_stands_for_one_report,
    reports::many_at_once_are_all_kept_and_none_twice,
    reports::what_is_wrong_with_one_report_keeps_no_other_from_being_kept,
    reports::a_gap_is_seen_and_filled,
    reports::an_agent_that_begins_anew_is_believed,
    reports::what_is_old_is_forgotten,
    reports::lists_go_on_where_they_ended,
    reports::a_resource_has_its_history,
    fleet::every_condition_is_told_apart,
    fleet::a_run_that_left_something_out_hides_nothing,
    fleet::a_host_that_was_given_another_catalog_since_its_last_report_is_behind,
    fleet::since_when_is_kept_while_it_lasts,
    fleet::deliveries_say_what_a_host_may_read,
    fleet::environments_and_facts_come_back_as_they_were,
    fleet::news_is_heard_once_and_not_missed,
    inquiries::hosts_hear_answer_once_and_are_waited_for,
    inquiries::what_is_over_is_not_answered_and_not_too_much_is_asked,
    gates::a_report_wakes_who_waits,
    gates::what_settles_in_a_run_wakes_who_waits_and_is_written_once,
    gates::a_held_question_is_answered_when_a_gate_opens,
    gates::hosts_that_wait_for_each_other_come_through,
    gates::an_open_gate_is_news_once_for_who_waited,
    gates::who_waits_is_woken_though_a_look_at_something_else_came_between,
    leases::a_lease_comes_when_all_others_are_ready_and_goes_to_the_next,
    leases::a_member_that_is_silent_or_not_ready_keeps_the_others_from_it_by_name,
    leases::no_lease_ends_by_itself,
    leases::of_all_who_ask_at_once_one_gets_it,
    leases::a_waiting_that_was_ended_does_not_come_back,
    leases::who_gave_up_asking_is_called_and_who_wants_nothing_any_more_is_forgotten,
    leases::nobody_gets_what_its_catalog_does_not_have_or_fills_the_table,
    bad_input::what_contradicts_itself_is_refused_and_the_next_report_taken,
    bad_input::odd_reports_are_kept_with_a_remark,
    bad_input::a_host_that_is_gone_is_not_listened_to,
}
