//! The dashboard and the alerts against a real Prometheus that scrapes the example: each query returns something, each alert
//! fires, and the queries of docs/OBSERVING.md are among them.

mod prometheus;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::process::Process;
use tokio::time::{Instant, sleep};

use prometheus::{Prometheus, check, empty_folder, get};

/// How long the traffic may take until it has had all its trouble. It takes 10 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// The range of `rate` in this test, in which Prometheus scrapes once per second.
const RANGE: &str = "5s";

#[tokio::test]
async fn every_query_returns_something_and_every_alert_fires() {
    let mut example = Process::start(env!("CARGO_BIN_EXE_otel"), &["--traffic", "--http", "127.0.0.1:0"]);
    let metrics = example.line().await;
    let metrics = metrics.strip_prefix("metrics on http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let metrics = metrics.unwrap_or_else(|| panic!("{example} did not say where its metrics are"));
    let prometheus = Prometheus::start(&quick_config(metrics)).await;

    let mut queries: BTreeSet<_> = dashboard_queries().into_iter().collect();
    let mut alerts: BTreeSet<_> = alert_expressions().into_keys().collect();
    let known: BTreeSet<_> = prometheus.alerts().await.iter().map(|rule| text(&rule["name"])).collect();
    assert_eq!(known, alerts, "this test does not read alerts.yml as Prometheus does");

    let deadline = Instant::now() + PATIENCE;
    while !(queries.is_empty() && alerts.is_empty()) {
        assert!(
            Instant::now() < deadline,
            "without a result: {queries:#?}\nnot firing: {alerts:#?}\n{}",
            get(metrics, "/metrics").await.map_or_else(|error| error.to_string(), |(_, body)| nonzero(&body))
        );
        sleep(Duration::from_millis(200)).await;
        for query in queries.clone() {
            let quick = query.replace("$job", ".*").replace("$__rate_interval", RANGE);
            let result = prometheus.query(&quick).await.unwrap_or_else(|error| panic!("{query}: {error}"));
            if result.iter().any(is_something) {
                queries.remove(&query);
            }
        }
        for rule in prometheus.alerts().await {
            assert_ne!(rule["health"], "err", "{rule:#}");
            if rule["state"] == "firing" {
                alerts.remove(&text(&rule["name"]));
            }
        }
    }

    // What the dashboard offers for `$job`.
    let dashboard = dashboard();
    let job = &dashboard["templating"]["list"][1];
    assert_eq!(job["name"], "job");
    let query = text(&job["query"]);
    let selector = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(", job)"));
    let values = prometheus.label_values(selector.expect("it asks for the label"), "job").await;
    assert_eq!(values, ["greetings"]);
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    check("rules", &observability("alerts.yml"));
    check("config", &observability("prometheus.yml"));
}

#[test]
fn the_dashboard_is_complete_and_nothing_overlaps() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = BTreeMap::new();
    for panel in panels {
        let title = text(&panel["title"]);
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{title}");
        assert!(is_row || !text(&panel["description"]).is_empty(), "{title}");
        let [x, y, w, h] = ["x", "y", "w", "h"]
            .map(|side| panel["gridPos"][side].as_u64().unwrap_or_else(|| panic!("{title} has no {side}")));
        assert!(x + w <= 24, "{title} is too wide");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            if let Some(other) = taken.insert(cell, title.clone()) {
                panic!("{title} lies over {other}");
            }
        }
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    // What every service should be watched for.
    let queries = dashboard_queries().join("\n");
    for name in
        ["commands_total", "commands_ended_total", "command_duration_seconds_bucket", "connections_open"]
    {
        assert!(queries.contains(&format!("cmd_stream_server_{name}")), "{name}");
    }
    for name in ["member_up", "breaker_state", "limits_hit_total", "calls_ended_total", "retries_total"] {
        assert!(queries.contains(&format!("cmd_stream_sender_{name}")), "{name}");
    }
}

#[test]
fn the_containers_are_given_files_that_exist() {
    let compose = fs::read_to_string(observability("compose.yaml")).expect("it can be read");
    let mounted: Vec<_> =
        compose.split('"').filter_map(|text| text.strip_prefix("./")?.split(':').next()).collect();
    assert!(mounted.len() > 5, "{mounted:?}");
    for file in mounted {
        assert!(observability(file).exists(), "{file}");
    }
}

#[test]
fn the_queries_of_the_page_are_those_that_are_tested() {
    let page = include_str!("../../../../docs/OBSERVING.md");
    let plain = |query: &str| {
        let of_any_job = query.replace(r#"{job=~"$job"}"#, "").replace(r#"job=~"$job", "#, "");
        of_any_job.replace("$__rate_interval", "5m")
    };
    let tested: BTreeSet<_> =
        dashboard_queries().iter().chain(alert_expressions().values()).map(|query| plain(query)).collect();
    let mut blocks = 0;
    for block in page.split("```promql\n").skip(1) {
        let (block, _) = block.split_once("```").expect("the end of the block");
        for query in block.lines() {
            blocks += 1;
            assert!(tested.contains(query), "neither a query of the dashboard nor of an alert: {query}");
        }
    }
    assert!(blocks > 5, "there are {blocks} queries");
    // A table says what to do about each alert.
    let documented: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `CmdStream"))
        .map(|line| format!("CmdStream{}", line.split('`').next().unwrap_or_default()))
        .collect();
    assert_eq!(documented, alert_expressions().into_keys().collect());
}

/// The configuration and the rules of the example, for this test: with its address, and in seconds instead of minutes. Returns
/// the path of the former.
fn quick_config(metrics: &str) -> PathBuf {
    let folder = empty_folder("dashboard");
    let quick = |file: &str, changes: &[(&str, &str)]| {
        let mut text = fs::read_to_string(observability(file)).expect("it can be read");
        for (from, to) in changes {
            assert!(text.contains(from), "{file} has no {from}");
            text = text.replace(from, to);
        }
        fs::write(folder.join(file), text).expect("it can be written");
        folder.join(file)
    };
    let range = format!("[{RANGE}]");
    let waits =
        [("for: 1m", "for: 0s"), ("for: 5m", "for: 0s"), ("for: 10m", "for: 0s"), ("for: 15m", "for: 0s")];
    quick("alerts.yml", &[&waits[..], &[("[5m]", &range)]].concat());
    // The second one does not answer. Port 1 is never given to anybody who asks for a free one.
    let targets = format!(r#""{metrics}", "127.0.0.1:1""#);
    let intervals = [
        ("scrape_interval: 5s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ];
    let addresses = [(r#""host.docker.internal:9464""#, &*targets), ("otel-collector:8889", "127.0.0.1:1")];
    quick("prometheus.yml", &[intervals, addresses].concat())
}

/// Whether a sample of an instant query is a number that is not 0.
fn is_something(sample: &Value) -> bool {
    let value: f64 = text(&sample["value"][1]).parse().expect("a number");
    value.is_finite() && value != 0.0
}

/// All queries of the dashboard.
fn dashboard_queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| text(&target["expr"])).collect();
    assert!(queries.len() > 20, "there are {} queries", queries.len());
    queries
}

/// The expression of each alert. Each is one line of the file.
fn alert_expressions() -> BTreeMap<String, String> {
    let rules = fs::read_to_string(observability("alerts.yml")).expect("it can be read");
    let mut alerts = BTreeMap::new();
    let mut name = None;
    for line in rules.lines().map(str::trim) {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            name = Some(alert.to_owned());
        } else if let Some(expression) = line.strip_prefix("expr: ") {
            alerts.insert(name.take().expect("the name comes first"), expression.to_owned());
        }
    }
    alerts
}

fn dashboard() -> Value {
    let file =
        fs::read_to_string(observability("grafana/dashboards/dashboard.json")).expect("it can be read");
    serde_json::from_str(&file).expect("JSON")
}

fn observability(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("observability").join(file)
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}")).to_owned()
}

/// The numbers that are not 0.
fn nonzero(metrics: &str) -> String {
    let samples = metrics.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
    samples.filter(|line| !line.ends_with(" 0")).collect::<Vec<_>>().join("\n")
}
