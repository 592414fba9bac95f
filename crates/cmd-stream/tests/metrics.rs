//! The numbers as a Prometheus server reads them, through the crate `metrics` and its exporter.
#![cfg(feature = "metrics")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cmd_stream::circuit_breaker::Settings;
use cmd_stream::health::{HasHealth, Health, HealthReply};
use cmd_stream::server::Scheduling;
use cmd_stream::{Answer, CallError, Context, Failed, Json, Problem, Sender, Server, protocol};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::{Deserialize, Serialize};
use testkit::wait::{until, within};

struct Desk;

impl HasHealth for Desk {}

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize, Deserialize)]
struct Fail;

#[derive(Serialize, Deserialize)]
struct Sum(i64);

impl Answer<Desk> for Add {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.a + self.b))
    }
}

impl Answer<Desk> for Fail {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Sum, Failed> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Failed::new("as it was asked to"))
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Fail -> Sum, 2 => Health }
        replies { 0 => Sum, 1 => Problem, 2 => HealthReply }
        failure Problem
    }
}

/// The samples of a text for Prometheus: the series, as it stands there, and its value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        (series.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

#[tokio::test]
async fn a_scrape_sees_what_the_numbers_are_at_that_moment() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let prometheus = recorder.handle();
    let server = within(Server::bind("127.0.0.1:0", Calculator, Json, Desk)).await.unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let builder = Sender::builder(Calculator, Json).endpoints([handle.local_addr()]).clients(2);
    let builder = builder.minimum(2).breaker(Settings::default()).probe(Duration::from_secs(3600));
    let sender = within(builder.connect()).await.unwrap();
    let is_probed =
        |member: cmd_stream::group::Member| member.probes().is_some_and(|probes| probes.serving == 1);
    until(|| sender.group().members().all(is_probed)).await;
    let scrape = || {
        metrics::with_local_recorder(&recorder, || {
            handle.stats().record(&[("service", "calc")]);
            sender.stats().record(&[("service", "calc")]);
        });
        prometheus.render()
    };
    for number in 1..=3 {
        within(sender.send(Add { a: 1, b: 2 })).await.unwrap();
        assert!(matches!(within(sender.send(Fail)).await, Err(CallError::Failed(_))));
        until(|| handle.stats().commands.iter().all(|command| command.in_flight == 0)).await;
        let seen = samples(&scrape());
        let value = |series: &str| *seen.get(series).unwrap_or_else(|| panic!("no {series} in {seen:#?}"));
        for (series, expected) in [
            (r#"cmd_stream_server_commands_total{service="calc",command="Add"}"#, number),
            (
                r#"cmd_stream_server_commands_ended_total{service="calc",command="Add",outcome="replied"}"#,
                number,
            ),
            (
                r#"cmd_stream_server_commands_ended_total{service="calc",command="Fail",outcome="failed"}"#,
                number,
            ),
            (r#"cmd_stream_server_commands_ended_total{service="calc",command="Add",outcome="failed"}"#, 0),
            (r#"cmd_stream_server_commands_in_flight{service="calc",command="Add"}"#, 0),
            (r#"cmd_stream_server_command_duration_seconds_count{service="calc",command="Fail"}"#, number),
            (
                r#"cmd_stream_server_command_duration_seconds_bucket{service="calc",command="Fail",le="+Inf"}"#,
                number,
            ),
            // 20 ms are over 16.384 ms.
            (
                r#"cmd_stream_server_command_duration_seconds_bucket{service="calc",command="Fail",le="0.016384"}"#,
                0,
            ),
            (r#"cmd_stream_server_connections_open{service="calc"}"#, 2),
            (r#"cmd_stream_server_connections_refused_total{service="calc",reason="address_rate"}"#, 0),
            (r#"cmd_stream_server_replies_total{service="calc"}"#, 2 * number + 2),
            (r#"cmd_stream_sender_calls_total{service="calc",command="Add"}"#, number),
            (
                r#"cmd_stream_sender_calls_ended_total{service="calc",command="Fail",outcome="failed"}"#,
                number,
            ),
            (r#"cmd_stream_sender_connections_total{service="calc"}"#, 2),
            (r#"cmd_stream_sender_member_up{service="calc",member="1"}"#, 1),
            (r#"cmd_stream_sender_member_serving{service="calc",member="1"}"#, 1),
            (r#"cmd_stream_sender_probes_total{service="calc",member="1",outcome="serving"}"#, 1),
            (r#"cmd_stream_sender_probes_total{service="calc",member="1",outcome="failed"}"#, 0),
            (r#"cmd_stream_sender_breaker_state{service="calc",member="0",state="closed"}"#, 1),
            (r#"cmd_stream_sender_breaker_state{service="calc",member="0",state="open"}"#, 0),
        ] {
            assert_eq!(value(series), f64::from(expected), "{series}");
        }
        let sum = value(r#"cmd_stream_server_command_duration_seconds_sum{service="calc",command="Fail"}"#);
        assert!(sum >= 0.02 * f64::from(number), "{sum}");
        let bytes = value(r#"cmd_stream_server_received_bytes_total{service="calc"}"#);
        assert_eq!(bytes as u64, handle.counters().bytes_received);
    }
}

#[tokio::test]
async fn all_names_are_described_and_in_the_documentation() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let server = within(Server::bind("127.0.0.1:0", Calculator, Json, Desk)).await.unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let builder = Sender::builder(Calculator, Json).endpoints([handle.local_addr()]);
    let builder = builder.breaker(Settings::default()).probe(Duration::from_secs(1));
    let sender = within(builder.connect()).await.unwrap();
    metrics::with_local_recorder(&recorder, || {
        handle.stats().record(&[]);
        sender.stats().record(&[]);
    });
    let text = recorder.handle().render();
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let recorded: BTreeSet<_> = samples(&text).keys().map(|series| name(series)).collect();
    let described: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")).map(name).collect();
    assert_eq!(recorded, described);
    let page = include_str!("../../../docs/OBSERVING.md");
    let documented: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `cmd_stream_"))
        .map(|line| format!("cmd_stream_{}", line.split('`').next().unwrap_or_default()))
        .collect();
    assert_eq!(recorded, documented);
    // Each value of a label is documented, too.
    for series in samples(&text).keys() {
        for label in ["outcome", "reason", "limit", "state", "by"] {
            if let Some((_, rest)) = series.split_once(&format!("{label}=\"")) {
                let value = rest.split('"').next().unwrap_or_default();
                let row = page.lines().find(|line| line.starts_with(&format!("| `{}`", name(series))));
                let row = row.expect("it was found above");
                assert!(row.contains(&format!("`{value}`")) || row.contains("`state` |"), "{series}");
            }
        }
    }
}
