//! The matrix: every scenario in every Format, with our client and the Go server ([`go_server`]), and with the Go client and
//! our server ([`go_client`]). Also: a group of Go clients ([`go_group`]); both directions over TLS ([`tls`]); Commands
//! that are answered in other ways ([`jobs`]), in both directions and every Format; the examples with either end swapped;
//! Go's JSON; and the service of the Protobuf vectors.
//!
//! A claim is a function that is generic over the Format. It becomes a test when it is listed here.

use interop::for_each_format;

mod examples;
mod go_client;
mod go_group;
mod go_server;
mod jobs;
mod json_values;
mod orders;
mod protobuf_sample;
mod support;
mod tls;

/// What generated code of [`orders`] expects at the root of its crate: messages from elsewhere.
#[allow(unreachable_pub, reason = "generated")]
mod shared {
    include!("../../../../examples/protobuf_orders/shared.rs");
}

macro_rules! matrix {
    ($($name:ident => $format:expr;)+) => { $(
        mod $name {
            claims! {
                go_server, $name => $format;
                edge_values_come_back_equal,
                ten_thousand_pipelined_commands_of_64_tasks_come_back_equal,
                a_stream_ends_at_its_last_reply,
                late_reply_of_a_forgotten_command_is_unexpected,
                failing_command_closes_its_connection_and_fails_what_else_is_pending,
                server_with_another_info_is_refused,
                server_with_the_same_info_is_accepted,
                command_over_our_limit_is_not_sent,
                command_over_the_servers_limit_ends_the_connection,
                killed_server_fails_what_is_pending,
                server_that_waits_no_longer_ends_the_connection,
                pings_outlast_the_receive_duration_of_the_server,
            }
            claims! {
                go_client, $name => $format;
                edge_values_come_back_equal,
                ten_thousand_pipelined_commands_of_64_tasks_come_back_equal,
                a_stream_ends_at_its_last_reply,
                late_reply_of_a_forgotten_command_is_unexpected,
                failing_command_closes_its_connection_and_fails_what_else_is_pending,
                client_with_another_info_hangs_up,
                client_with_the_same_info_stays,
                command_over_the_limit_closes_its_connection,
                killed_server_fails_what_is_pending,
                closed_server_fails_what_is_pending,
                killed_client_is_reported_with_what_it_left,
                silent_client_is_closed_after_the_idle_time,
                pings_are_answered,
                pings_outlast_the_idle_time,
                without_pings_the_idle_time_ends_the_connection,
            }
            claims! {
                go_group, $name => $format;
                a_group_of_8_spreads_calls_of_64_tasks_and_compares_all_replies,
            }
            claims! {
                tls, $name => $format;
                our_client_and_a_go_server_verify_each_other,
                a_go_client_and_our_server_verify_each_other,
                a_go_server_that_requires_a_certificate_is_named_by_our_client,
                a_go_client_without_a_certificate_is_named_by_our_server,
                an_unknown_authority_is_named_by_our_side,
            }
            claims! {
                jobs, $name => $format;
                posted_commands_reach_a_go_server_that_does_not_answer_them,
                commands_of_a_go_client_that_waits_for_no_answer_are_executed,
                late_replies_of_owned_proxies_reach_a_go_client,
                late_replies_that_wait_for_room_reach_a_go_client,
                late_replies_of_a_go_server_are_taken,
                shutdown_waits_for_the_late_replies_of_a_go_client,
                problems_are_results_to_a_go_client,
                problems_of_a_go_server_are_failures,
                go_server_with_our_fingerprint_is_accepted_and_with_another_refused,
                go_client_with_our_fingerprint_stays_and_with_another_hangs_up,
            }
        }
    )+ };
}

macro_rules! claims {
    ($side:ident, $name:ident => $format:expr; $($claim:ident,)+) => {
        mod $side { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                let wire = crate::support::Wire { name: stringify!($name), format: $format };
                crate::$side::$claim(wire).await;
            }
        )+ }
    };
}

for_each_format!(matrix);
