//! The page and the charts as a reader sees them: in headless Chromium, on light and dark, narrow and wide screens.
//!
//! `BENCH_REPORT_SCREENSHOTS=FOLDER` keeps a picture of each.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use bench_report::{Line, Results, Sample};
use serde_json::json;
use support::chromium::{Chromium, View};
use support::synthetic::{self, ALL};

const VIEWS: [View; 6] = [
    View { name: "wide-light", width: 1280, height: 900, is_dark: false },
    View { name: "wide-dark", width: 1280, height: 900, is_dark: true },
    View { name: "phone-light", width: 375, height: 740, is_dark: false },
    View { name: "phone-dark", width: 375, height: 740, is_dark: true },
    View { name: "projector-light", width: 1920, height: 1080, is_dark: false },
    View { name: "projector-dark", width: 1920, height: 1080, is_dark: true },
];

/// What a chart shows: participants, and how many marks each series has.
type Series = BTreeMap<String, Vec<(String, usize)>>;

/// A folder of its own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("bench-report-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes the report of a run, by way of the text of its file.
    fn report(&self, lines: &[Line]) -> PathBuf {
        Results::parse(&synthetic::text(lines)).unwrap().write(&self.0).unwrap();
        self.0.join("report.html")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens a file in a view. Returns what is wrong with it, and what its charts show.
fn look(chromium: &mut Chromium, file: &Path, view: View, name: &str) -> (Vec<String>, Series) {
    chromium.open(file, view);
    let answer = chromium.evaluate(include_str!("support/look.js"));
    let mut faults: Vec<String> = serde_json::from_value(answer["faults"].clone()).unwrap();
    faults.extend(chromium.complaints());
    if let Ok(folder) = env::var("BENCH_REPORT_SCREENSHOTS") {
        fs::create_dir_all(&folder).unwrap();
        chromium.screenshot(&Path::new(&folder).join(format!("{name}-{}.png", view.name)));
    }
    (faults, serde_json::from_value(answer["series"].clone()).unwrap())
}

/// Looks in all views, and returns what the charts show, which is the same in each.
fn look_everywhere(chromium: &mut Chromium, file: &Path, name: &str) -> Series {
    let mut seen = None;
    for view in VIEWS {
        let (faults, series) = look(chromium, file, view, name);
        assert!(faults.is_empty(), "{name}, {}: {faults:#?}", view.name);
        assert_eq!(*seen.get_or_insert_with(|| series.clone()), series, "{name}, {}", view.name);
    }
    seen.unwrap()
}

fn names(participants: usize) -> Vec<&'static str> {
    ALL[..participants].iter().map(|behaviour| behaviour.0).collect()
}

/// The participants of a chart, sorted, with how often each of them is there.
fn shown<'a>(series: &'a Series, chart: &str) -> Vec<&'a str> {
    let mut names: Vec<_> = series[chart].iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn every_chart_has_its_series() {
    let folder = Folder::new("series");
    let report = folder.report(&synthetic::run(7, 5));
    let series = look_everywhere(&mut Chromium::start(), &report, "seven");
    let all = sorted(names(7));
    let timed: Vec<_> = all.iter().copied().filter(|name| *name != "raw").collect();
    let lines = [
        ("rate-in-flight", 4),
        ("rate-in-flight-2", 2),
        ("rate-in-flight-3", 2),
        ("rate-connections", 5),
        ("rate-payload", 7),
        ("go-suite", 5),
        ("go-suite-allocations", 5),
        ("go-suite-fixed", 3),
        ("go-suite-fixed-allocations", 3),
        ("cpu", 4),
    ];
    for (chart, points) in lines {
        assert_eq!(shown(&series, chart), all, "{chart}");
        assert!(series[chart].iter().all(|(_, marks)| *marks == points), "{chart}: {:?}", series[chart]);
    }
    assert!(!series.contains_key("rate-in-flight-4"), "over TLS there is nobody else");
    for chart in ["open-p50", "open-p99"] {
        assert_eq!(shown(&series, chart), timed, "{chart}");
        for (name, marks) in &series[chart] {
            let behaviour = ALL.iter().find(|behaviour| behaviour.0 == name).unwrap();
            assert_eq!(*marks, synthetic::offered_to(behaviour.2), "{chart}, {name}");
        }
    }
    for chart in ["cdf-1", "waiting", "waiting-cpu", "memory", "idle-latency"] {
        assert_eq!(shown(&series, chart), all, "{chart}");
    }
    for chart in ["cdf-64", "cdf-1024", "cdf-16384"] {
        assert_eq!(shown(&series, chart), timed, "{chart}");
        assert!(series[chart].iter().all(|(_, marks)| *marks == 4), "{chart}: {:?}", series[chart]);
    }
    let streams = ["cmd-stream", "cmd-stream", "cmd-stream", "cmd-stream-go", "grpc-go", "tonic"];
    assert_eq!(shown(&series, "stream"), streams);
    assert_eq!(series["burning"].len(), 2 * timed.len());
    assert_eq!(series["transports"].len(), 3 * all.len() + 1);
    assert_eq!(series["formats"].len(), 6);
    assert_eq!(series["features"].len(), 4);
}

#[test]
fn ratios_are_there_for_each_workload_and_each_format() {
    let folder = Folder::new("ratios");
    let report = folder.report(&synthetic::run(7, 5));
    let mut chromium = Chromium::start();
    let (_, series) = look(&mut chromium, &report, VIEWS[0], "ratios");
    // Ours is not beside itself.
    let rivals = sorted(names(7)[1..].to_vec());
    // Against JSON and Protobuf of ours are those that have them.
    let mut with_formats = rivals.clone();
    with_formats.extend(["cmd-stream-go", "cmd-stream-go", "grpc-go", "tonic"]);
    let with_formats = sorted(with_formats);
    for (in_flight, expected) in [(1, &with_formats), (64, &rivals), (1024, &with_formats), (16_384, &rivals)]
    {
        assert_eq!(shown(&series, &format!("ratio-echo-{in_flight}")), *expected, "{in_flight}");
    }
    let count = |workload: &str| {
        series.keys().filter(|chart| chart.starts_with(&format!("ratio-{workload}-"))).count()
    };
    let counts = ["echo", "payload", "waiting", "stream", "burning", "idle", "open-loop"].map(count);
    assert_eq!(counts, [5, 3, 2, 3, 2, 1, 3], "{:?}", series.keys()); // two waiting: 60,000, and many
    assert_eq!(count("go-suite") + count("features"), 3 + 3, "both of the Go suite");
}

/// The committed results, and those of another run if `BENCH_REPORT_RESULTS` names their file.
#[test]
fn reports_of_real_runs_are_whole() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/suite.jsonl");
    let mut chromium = Chromium::start();
    let named = env::var_os("BENCH_REPORT_RESULTS").map(PathBuf::from);
    for (file, is_committed) in [(Some(committed), true), (named, false)] {
        let Some(file) = file else { continue };
        let folder = Folder::new(if is_committed { "committed" } else { "named" });
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Results::parse(&text).unwrap().write(&folder.0).unwrap();
        let Ok(Line::Run(run)) = serde_json::from_str(text.lines().next().unwrap()) else { panic!("no run") };
        let series = look_everywhere(&mut chromium, &folder.0.join("report.html"), "real");
        let names: Vec<_> = run.participants.iter().map(|participant| &*participant.name).collect();
        assert!(names.len() > 5, "{names:?}");
        assert!(series.contains_key("ratio-echo-1-p50") && series.contains_key("ratio-echo-1024"));
        for chart in ["rate-in-flight", "waiting", "burning", "memory", "open-p99"] {
            let found: Vec<_> = shown(&series, chart);
            let missing = |name: &&&str| **name != "raw" && !found.contains(*name);
            assert_eq!(names.iter().find(missing), None, "{chart}: {found:?}");
        }
        // Distributions are most of what a run writes, so the committed file is without them.
        assert_eq!(
            series.keys().any(|chart| chart.starts_with("cdf-")),
            !is_committed,
            "{:?}",
            series.keys()
        );
    }
}

#[test]
fn charts_of_the_readme_have_their_series() {
    let folder = Folder::new("readme");
    folder.report(&synthetic::run(7, 5));
    let mut chromium = Chromium::start();
    let throughput = look_everywhere(&mut chromium, &folder.0.join("throughput.svg"), "throughput");
    assert_eq!(shown(&throughput, "throughput.svg"), sorted(names(7)[1..].to_vec()));
    let latency = look_everywhere(&mut chromium, &folder.0.join("latency.svg"), "latency");
    let timed = names(7).into_iter().filter(|name| *name != "raw").collect();
    assert_eq!(shown(&latency, "latency.svg"), sorted(timed));
}

#[test]
fn many_participants_and_one_round_have_room() {
    let folder = Folder::new("many");
    let report = folder.report(&synthetic::run(ALL.len(), 1));
    let mut chromium = Chromium::start();
    let series = look_everywhere(&mut chromium, &report, "many");
    assert_eq!(shown(&series, "rate-in-flight"), sorted(names(ALL.len())));
    assert!(
        chromium.evaluate("document.body.innerText").as_str().unwrap().contains("There was only one round")
    );
    for chart in ["throughput.svg", "latency.svg"] {
        look_everywhere(&mut chromium, &folder.0.join(chart), &format!("many-{chart}"));
    }
}

/// Runs without what `keeps` refuses.
fn only(lines: Vec<Line>, keeps: impl Fn(&Sample) -> bool) -> Vec<Line> {
    let is_kept = |line: &Line| match line {
        Line::Run(_) => true,
        Line::Sample(sample) => keeps(sample),
    };
    lines.into_iter().filter(is_kept).collect()
}

#[test]
fn charts_say_what_is_missing() {
    let folder = Folder::new("missing");
    let mut chromium = Chromium::start();
    let lines = only(synthetic::run(7, 2), |sample| {
        let is_left = sample.setting.workload == "open-loop"
            || sample.participant == "tonic" && sample.setting.workload == "echo"
            || sample.participant == "tarpc" && sample.round == 1;
        !is_left
    });
    let report = folder.report(&lines);
    let series = look_everywhere(&mut chromium, &report, "missing");
    assert!(!series.contains_key("open-p50") && !folder.0.join("latency.svg").exists());
    assert!(!shown(&series, "rate-in-flight").contains(&"tonic"));
    assert!(shown(&series, "rate-in-flight").contains(&"tarpc"));
    let mut text = |id: &str| {
        let text = chromium.evaluate(&format!("document.getElementById({}).innerText", json!(id)));
        text.as_str().unwrap().to_owned()
    };
    assert!(text("rate-in-flight").contains("No figures here: tonic."), "{}", text("rate-in-flight"));
    assert!(text("stream").contains("No figures here: raw, tarpc, volo."), "{}", text("stream"));
    assert!(text("open-p50").contains("Nothing was measured for this chart in this run."));
    let page = chromium.evaluate("document.body.innerText");
    let page = page.as_str().unwrap();
    assert!(
        page.contains("Not measured in this run: Open loop.") && page.contains("Left out by name: hyper.")
    );
    assert!(
        page.contains("100,000 Replies to one Command: raw, tarpc, volo.")
            && page.contains("Open loop: everybody.")
    );
    assert!(page.contains("Stream: tarpc has no streams."));
    assert!(page.contains("changes that are not in commit 0000000"));
}

#[test]
fn page_without_any_figure_is_whole() {
    let folder = Folder::new("nothing");
    let mut chromium = Chromium::start();
    let nothing = only(synthetic::run(7, 1), |_| false);
    let series = look_everywhere(&mut chromium, &folder.report(&nothing), "nothing");
    assert!(series.is_empty(), "{series:?}");
    // Nor does it need ours, or others.
    for (name, is_ours) in [("only-ours", true), ("only-others", false)] {
        let some = only(synthetic::run(7, 1), |sample| (sample.participant == "cmd-stream") == is_ours);
        look_everywhere(&mut chromium, &folder.report(&some), name);
        assert!(!folder.0.join("throughput.svg").exists());
    }
}

#[test]
fn figure_under_the_pointer_is_shown() {
    let folder = Folder::new("pointer");
    let report = folder.report(&synthetic::run(7, 3));
    let mut chromium = Chromium::start();
    for view in VIEWS {
        chromium.open(&report, view);
        let place = chromium.evaluate(
            "(async () => {
                const mark = document.querySelector('#rate-in-flight .series[data-participant=tonic] .mark');
                mark.scrollIntoView({ block: 'center' });
                // Scrolling is told to the page before the second frame is drawn.
                const frame = () => new Promise(requestAnimationFrame);
                await frame().then(frame);
                const box = mark.getBoundingClientRect();
                return [box.left + box.width / 2, box.top + box.height / 2];
            })()",
        );
        let tip = "(() => {
            const tip = document.getElementById('tip');
            const { left, top, right, bottom } = tip.getBoundingClientRect();
            const isInside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
            return [getComputedStyle(tip).visibility, tip.textContent, isInside];
        })()";
        assert_eq!(chromium.evaluate(tip)[0], json!("hidden"));
        chromium.point_at(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
        let shown = chromium.evaluate(tip);
        assert_eq!((&shown[0], &shown[2]), (&json!("visible"), &json!(true)), "{shown}");
        let text = shown[1].as_str().unwrap();
        assert!(text.starts_with("tonic (Protobuf), 1 in flight: ") && text.contains("/s ("), "{text}");
        chromium.point_at(1.0, 1.0);
        assert_eq!(chromium.evaluate(tip)[0], json!("hidden"));
    }
}

/// The checks would be worth nothing if a bad page passed them.
#[test]
fn faults_of_a_page_are_found() {
    let folder = Folder::new("faults");
    let page = folder.0.join("bad.html");
    let bad = "<!doctype html><title>bad</title><style>body { background: #fff }</style>
        <figure id=chart><svg viewBox='0 0 100 50' width=100>
        <text x=10 y=20 font-size=12>one label</text><text x=12 y=22 font-size=12>another label</text>
        <text x=80 y=45 font-size=12>outside</text><text x=1 y=46 font-size=4>tiny</text>
        <g class=series data-participant=x><path class=mark d='M150 1h5v5Z' style='color: #eee'/>
        <text class=label x=10 y=34 font-size=12>label</text><path class=mark d='M15 25h5v5h-5Z'/></g></svg></figure>
        <p id=pale style='color: #ccc'>pale</p><p style='width: 3000px'>wide</p><p id=pale>again</p>
        <img src='http://127.0.0.1:9/image.png'><script>console.error('oh'); nothing()</script>";
    fs::write(&page, bad).unwrap();
    let (faults, series) = look(&mut Chromium::start(), &page, VIEWS[0], "bad");
    let expected = [
        "\"another label\" overlaps \"one label\"",
        "\"outside\" is not inside of its chart",
        "\"tiny\" is too small to read",
        "a mark is not inside of its chart",
        "a mark has a contrast of",
        "\"label\" is under a mark",
        "\"pale\" has a contrast of",
        "the page is 30",
        "\"wide\" is cut",
        "there are two of pale",
        "console.\"error\"",
        "nothing is not defined",
        "request: http://127.0.0.1:9/image.png",
    ];
    for fault in expected {
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault}: {faults:#?}");
    }
    assert_eq!(series["chart"].len(), 1);
}
