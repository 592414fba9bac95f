use super::*;

const RUN: &str = r#"{"kind":"run","date":"2026-11-27T18:00:00Z","os":"Linux 6.1","cpu":"a model","cpus":2,"rust":"1.95.0","go":"1.26.8","commit":"1af2a9b","dirty":false,"rounds":5,"seconds_per_round":1.0,"participants":[{"name":"tonic","version":"0.14.9","settings":"TCP_NODELAY","language":"rust"}],"workloads":[{"name":"echo","title":"Echo, closed loop","text":"what it does"}],"left_out":["volo"],"not_measured":[]}"#;
const SAMPLE: &str = r#"{"kind":"sample","workload":"echo","participant":"tonic","format":"protobuf","transport":"tcp","processes":1,"in_flight":64,"connections":2,"payload_bytes":null,"offered_per_s":null,"variant":null,"round":0,"commands":123456,"verified":123460,"elapsed_s":1.0001,"rate":123443.2,"cpu_us_per_command":1.52,"latency_us":{"p50":31.0,"p90":40.1,"p99":71.0,"p999":140.0,"max":900.1},"cdf":[[20.1,0.01],[31.0,0.5],[900.1,1.0]],"memory_kib_per_connection":null,"allocations_per_command":null,"bytes_per_command":null,"server_rss_kib":10240,"missed":0}"#;

fn error(text: &str) -> String {
    Results::parse(text).unwrap_err().to_string()
}

#[test]
fn rounds_of_one_setting_are_together_and_in_order() {
    let second = SAMPLE.replace("\"round\":0", "\"round\":1");
    let other = SAMPLE.replace("\"in_flight\":64", "\"in_flight\":1");
    let results = Results::parse(&[RUN, &second, &other, "", SAMPLE].join("\n")).unwrap();
    assert_eq!(results.cells.len(), 2);
    let rounds: Vec<_> = results.cells[0].samples.iter().map(|sample| sample.round).collect();
    assert_eq!(rounds, [0, 1]);
    assert_eq!(results.cells[1].setting.in_flight, Some(1));
}

#[test]
fn lines_are_written_as_they_are_read() {
    for text in [RUN, SAMPLE] {
        let line: Line = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&again).unwrap(), line);
        let values = [text, &again].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        let keys = values.map(|value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        assert_eq!(keys[0], keys[1]);
    }
}

#[test]
fn what_may_be_absent_is_null() {
    let text = r#"{"kind":"sample","workload":"echo","participant":"tonic","format":"none","transport":"tcp","processes":1,"round":0,"commands":1,"verified":1,"elapsed_s":1,"rate":1}"#;
    let results = Results::parse(&[RUN, text].join("\n")).unwrap();
    assert_eq!(results.cells[0].samples[0].latency_us, None);
}

#[test]
fn errors_name_the_line() {
    let broken = SAMPLE.replace("\"rate\":123443.2", "\"rate\":\"fast\"");
    assert_eq!(
        error(&[RUN, SAMPLE, "", &broken].join("\n")),
        "line 4: invalid type: string \"fast\", expected f64"
    );
    let cut = &SAMPLE[..60];
    assert!(error(&[RUN, cut].join("\n")).starts_with("line 2: EOF while parsing a"));
    let missing = SAMPLE.replace("\"round\":0,", "");
    assert_eq!(error(&[RUN, &missing].join("\n")), "line 2: missing field `round`");
}

#[test]
fn lines_in_the_wrong_place_are_refused() {
    assert_eq!(error(""), "line 1: the file is empty");
    assert_eq!(error(SAMPLE), "line 1: the first line must describe the run");
    assert!(error(&[RUN, RUN].join("\n")).starts_with("line 2: a second run"));
    assert_eq!(
        error(&[RUN, SAMPLE, SAMPLE].join("\n")),
        "line 3: round 0 of tonic was measured twice in one setting"
    );
    let negative = SAMPLE.replace("\"rate\":123443.2", "\"rate\":-1");
    assert_eq!(error(&[RUN, &negative].join("\n")), "line 2: the rate is -1");
}
