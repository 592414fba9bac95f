//! The matrix: every scenario with our client and the Go server ([`go_server`]), and with the Go client and our server
//! ([`go_client`]), each in every Format; the examples with either end swapped; what JSON of Go looks like; and the
//! service of the Protobuf vectors.
//!
//! A claim is a function, generic over the Format; it is a test once it is listed here.

use interop::for_each_format;

mod examples;
mod go_client;
mod go_server;
mod json_values;
mod protobuf_sample;
mod support;

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
