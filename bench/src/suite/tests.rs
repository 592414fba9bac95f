//! Tests of the file of workloads, of what is measured in which case, and of the results.

use bench_harness::latency::Latency;
use bench_harness::lines::{Description, Load, Outcome, Transport, all_but};
use bench_report::{Line, Run, Sample};

use super::case::{Case, Fit};
use super::file::{Suite, Times, Workload};
use super::results;
use super::{WORKLOADS, chosen, known, table};

fn suite(settings: &str) -> Result<Suite, String> {
    Suite::parse(&format!(
        "[run]\nrounds = 5\nseconds = 1.0\nwarmup = 0.2\n[quick]\nrounds = 1\nseconds = 0.1\nwarmup = 0.0\n\
         [[workload]]\nname = \"echo\"\ntitle = \"Echo\"\ntext = \"text\"\nload = \"closed\"\n{settings}"
    ))
}

const SETTINGS: &str = "[[workload.settings]]\nconnections = [2]\nin_flight = [1, 64]\n";

fn cases(settings: &str, quick: bool) -> Vec<Case> {
    suite(settings).unwrap().workloads[0].cases(quick)
}

fn case() -> Case {
    cases(SETTINGS, false)[0].clone()
}

fn description(name: &str) -> Description {
    Description {
        name: name.to_owned(),
        formats: vec!["mus".to_owned(), "json".to_owned()],
        transports: vec![Transport::Tcp, Transport::Unix],
        can: all_but(&["stream", "apart"]),
        ..Description::default()
    }
}

fn outcome(commands: u64) -> Outcome {
    let latency = Latency {
        min: 1.0,
        p50: 2.0,
        p90: 3.0,
        p99: 4.0,
        p999: 5.0,
        max: 6.0,
        cdf: vec![(2.0, 0.5), (6.0, 1.0)],
    };
    Outcome {
        commands,
        verified: commands + 1,
        elapsed_ns: 500_000_000,
        cpu_ns: Some(3000 * commands),
        latency: Some(latency),
        ..Outcome::default()
    }
}

fn sample(participant: &str, round: u32, commands: u64) -> Sample {
    results::sample(&case(), participant, "mus", round, outcome(commands)).unwrap()
}

#[test]
fn file_that_comes_with_the_bench_has_every_workload_and_a_quick_run_of_less_than_a_minute() {
    let suite = Suite::read(WORKLOADS.as_ref()).unwrap();
    let names: Vec<_> = suite.workloads.iter().map(|workload| workload.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "echo",
            "payload",
            "go-suite",
            "go-suite-fixed",
            "waiting",
            "waiting-many",
            "stream",
            "idle",
            "burning",
            "open-loop",
            "features"
        ]
    );
    let seconds = |quick| {
        let times = suite.times(quick);
        let cases: usize = suite.workloads.iter().map(|workload| workload.cases(quick).len()).sum();
        (times.duration() + times.warmup()).as_secs_f64() * f64::from(times.rounds) * cases as f64
    };
    // As if each of the nine took part in each case, which is more than there is.
    assert!(seconds(true) * 9.0 < 60.0, "{}", seconds(true) * 9.0);
    assert!(suite.times(false).rounds >= 5);
}

#[test]
fn settings_of_a_block_are_crossed_and_each_is_measured_once() {
    let crossed = cases(
        "[[workload.settings]]\nconnections = [1, 2]\nin_flight = [1, 64]\npayload_bytes = [8]\n\
         [[workload.settings]]\nconnections = [2]\nin_flight = [64, 1024]\npayload_bytes = [8]\n",
        false,
    );
    let seen: Vec<_> = crossed.iter().map(|case| (case.connections, case.load.clone())).collect();
    let closed = |in_flight| Load::Closed { in_flight };
    assert_eq!(seen, [(1, closed(1)), (1, closed(64)), (2, closed(1)), (2, closed(64)), (2, closed(1024))]);
    assert!(crossed.iter().all(|case| case.payload_bytes == Some(8) && case.transport == Transport::Tcp));
}

#[test]
fn quick_blocks_are_for_the_quick_run_alone_unless_they_say_so() {
    let settings =
        format!("{SETTINGS}quick = \"only\"\n{SETTINGS}payload_bytes = [8]\nquick = \"too\"\n{SETTINGS}");
    let payloads = |quick| {
        let cases = cases(&settings, quick);
        cases.iter().map(|case| case.payload_bytes).collect::<Vec<_>>()
    };
    assert_eq!(payloads(true), [None, None, Some(8), Some(8)]);
    assert_eq!(payloads(false), [Some(8), Some(8), None, None]);
}

#[test]
fn errors_of_the_file_say_what_and_where() {
    for (settings, says) in [
        ("", "missing field `settings`"),
        ("settings = []", "workload echo has no settings"),
        (
            "[[workload.settings]]\nconnections = [2]\n",
            "workload echo, block 1 of its settings: in_flight is missing",
        ),
        (
            "[[workload.settings]]\nconnections = [2]\nin_flight = [1]\ncalls = [5]\n",
            "calls means nothing to this kind of load",
        ),
        ("[[workload.settings]]\nconnections = [2]\nin_flight = []\n", "in_flight is empty"),
        ("[[workload.settings]]\nconnections = []\nin_flight = [1]\n", "connections is empty"),
        (
            "[[workload.settings]]\nconnections = [0]\nin_flight = [1]\n",
            "connections is 0, not from 1 to 1024",
        ),
        (
            "[[workload.settings]]\nconnections = [2]\nin_flight = [70000]\n",
            "in_flight is 70000, not from 1 to 65536",
        ),
        ("[[workload.settings]]\nconnections = [2]\ninflight = [1]\n", "unknown field `inflight`"),
        (
            "[[workload.settings]]\nconnections = [2]\nin_flight = [1]\ntransports = [\"udp\"]\n",
            "unknown variant `udp`",
        ),
        (
            "[[workload.settings]]\nconnections = [2]\nin_flight = [1]\nprocesses = 3\n",
            "processes is 3, not from 1 to 2",
        ),
        (
            "[[workload.settings]]\nconnections = [2]\nin_flight = [1]\nprocesses = 2\ntransports = [\"tls\"]\n",
            "tls is measured in one process",
        ),
    ] {
        let error = suite(settings).err().unwrap_or_else(|| panic!("{settings} was taken"));
        assert!(error.contains(says), "{settings}: {error}");
    }
    // The line is told, too.
    let error = suite("[[workload.settings]]\nconnections = \"two\"\nin_flight = [1]\n").unwrap_err();
    assert!(error.contains("line 15") && error.contains("connections"), "{error}");
    let twice = format!(
        "{SETTINGS}[[workload]]\nname = \"echo\"\ntitle = \"\"\ntext = \"\"\nload = \"closed\"\n{SETTINGS}"
    );
    assert_eq!(suite(&twice).unwrap_err(), "two workloads are named echo");
    let error = Suite::parse(
        "[run]\nrounds = 0\nseconds = 1\nwarmup = 0\n[quick]\nrounds = 1\nseconds = 1\nwarmup = 0\nworkload = []",
    );
    assert!(error.is_err());
}

#[test]
fn names_that_are_none_are_refused() {
    let suite = suite(SETTINGS).unwrap();
    assert_eq!(chosen(&suite.workloads, &["echo".to_owned()]).unwrap().len(), 1);
    let error = chosen(&suite.workloads, &["ecko".to_owned()]).err().unwrap();
    assert_eq!(error, "ecko is none of the workloads: echo");
    assert!(known("participants", ["tonic".to_owned()].iter(), &["tonic"]).is_ok());
}

#[test]
fn participant_is_measured_in_its_usual_format_or_in_those_that_are_named() {
    let setting = |case: &Case| match case.fit(&description("any")) {
        Fit::Measured(setting) => Some(setting.format),
        _ => None,
    };
    assert_eq!(setting(&case()), Some("mus".to_owned()));
    assert_eq!(setting(&Case { format: Some("json".to_owned()), ..case() }), Some("json".to_owned()));
    let grpc = Case { format: Some("grpc".to_owned()), ..case() };
    assert_eq!(grpc.fit(&description("any")), Fit::Elsewhere);
}

#[test]
fn what_a_participant_cannot_do_is_told_by_name() {
    for (case, says) in [
        (Case { load: Load::Stream { replies: 1 }, ..case() }, "any has no streams"),
        (Case { transport: Transport::Tls, ..case() }, "any is not measured over tls"),
        (Case { processes: 2, ..case() }, "any has both ends in one process"),
    ] {
        assert_eq!(case.fit(&description("any")), Fit::Cannot(says.to_owned()));
    }
}

#[test]
fn participants_with_variants_take_theirs_and_the_others_none() {
    let chooses =
        Description { variants: vec![("echo".to_owned(), vec!["on".to_owned()])], ..description("chooses") };
    let all = cases(&format!("{SETTINGS}variants = [\"on\", \"off\"]\n"), false);
    let takes = |participant: &Description| -> Vec<_> {
        let measured = all.iter().filter(|case| matches!(case.fit(participant), Fit::Measured(_)));
        measured.map(|case| case.variant.as_deref()).collect()
    };
    assert_eq!(takes(&chooses), [Some("on"), Some("on")]); // with 1 and with 64 in flight
    assert_eq!(takes(&description("plain")), [None, None]);
}

#[test]
fn round_that_failed_or_compared_too_little_is_an_error() {
    let of = |outcome| results::sample(&case(), "any", "mus", 0, outcome);
    assert_eq!(of(Outcome::failed("cut".to_owned())).unwrap_err(), "cut");
    assert_eq!(of(Outcome { elapsed_ns: 0, ..outcome(5) }).unwrap_err(), "measured no time");
    assert_eq!(of(Outcome { verified: 4, ..outcome(5) }).unwrap_err(), "compared 4 of 5 replies");
}

#[test]
fn lines_have_the_names_of_the_schema_and_come_back() {
    let run = Run {
        date: "2026-11-27T18:00:00Z".to_owned(),
        os: "Linux".to_owned(),
        cpu: "any".to_owned(),
        cpus: 2,
        rust: "1.95.0".to_owned(),
        go: "1.26.8".to_owned(),
        commit: "1af2a9b".to_owned(),
        dirty: false,
        rounds: 5,
        seconds_per_round: 1.0,
        participants: vec![results::about(&description("any"))],
        workloads: vec![bench_report::Workload {
            name: "echo".to_owned(),
            title: "Echo".to_owned(),
            text: "text".to_owned(),
        }],
        left_out: vec!["volo".to_owned()],
        not_measured: vec!["stream: tarpc has no streams".to_owned()],
    };
    let line = serde_json::to_string(&Line::Sample(sample("cmd-stream", 3, 1000))).unwrap();
    assert_eq!(
        line,
        concat!(
            r#"{"kind":"sample","participant":"cmd-stream","format":"mus","workload":"echo","transport":"tcp","#,
            r#""processes":1,"in_flight":1,"connections":2,"payload_bytes":null,"offered_per_s":null,"variant":null,"#,
            r#""round":3,"commands":1000,"verified":1001,"elapsed_s":0.5,"rate":2000.0,"cpu_us_per_command":3.0,"#,
            r#""latency_us":{"min":1.0,"p50":2.0,"p90":3.0,"p99":4.0,"p999":5.0,"max":6.0},"cdf":[[2.0,0.5],[6.0,1.0]],"#,
            r#""memory_kib_per_connection":null,"allocations_per_command":null,"bytes_per_command":null,"server_rss_kib":null,"missed":0}"#,
        )
    );
    for line in [Line::Run(run), Line::Sample(sample("cmd-stream", 3, 1000))] {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}

#[test]
fn tables_have_ratios_of_the_same_rounds() {
    let suite = suite(SETTINGS).unwrap();
    let workloads: Vec<&Workload> = suite.workloads.iter().collect();
    let samples = [
        (0, sample("cmd-stream", 0, 1000)),
        (0, sample("tonic", 0, 100)),
        (0, sample("tonic", 1, 50)),
        (0, sample("cmd-stream", 1, 800)),
    ];
    let times: Times = suite.times(false);
    let text = table::all(&workloads, &workloads[0].cases(false), &samples, times);
    assert!(text.contains("== echo: Echo\ntext\n\n1 in flight over 2 connections\n"), "{text}");
    let row = text.lines().find(|line| line.starts_with("tonic (mus)")).unwrap();
    assert!(row.contains("13.00x (10.00 to 16.00)") && row.contains("1.00x (1.00 to 1.00)"), "{row}");
    assert!(row.ends_with("(100 to 200)"), "{row}");
    assert!(!text.contains("64 in flight"), "nothing was measured there: {text}");
}
