//! Results that nobody measured: made by formulas, so that a page can be tested with all that a run may hold. Never
//! publish them.

use bench_report::{Latency, Line, Participant, Run, Sample, Setting, Workload};

/// Who takes part, and how each one behaves: formats, commands per second at best, µs of a lonely round trip, CPU µs
/// per command, KiB per idle connection, and whether one Command can have many Replies.
pub(crate) const ALL: [Behaviour; 11] = [
    ("cmd-stream", &["mus", "json", "protobuf"], 1_400_000.0, 9.0, 1.4, 1.9, true),
    ("cmd-stream-go", &["mus", "json", "protobuf"], 75_000.0, 19.0, 24.0, 14.0, true),
    ("raw", &["none"], 4_600_000.0, 8.0, 0.4, 0.6, false),
    ("tonic", &["protobuf"], 31_000.0, 78.0, 61.0, 22.0, true),
    ("tarpc", &["bincode"], 197_000.0, 28.0, 9.7, 22.5, false),
    ("volo", &["thrift"], 240_000.0, 31.0, 8.0, 17.0, false),
    ("grpc-go", &["protobuf"], 42_000.0, 95.0, 45.0, 48.0, true),
    ("capnp-rpc", &["capnp"], 61_000.0, 55.0, 31.0, 30.0, false),
    ("jsonrpsee", &["jsonrpc"], 48_000.0, 70.0, 40.0, 55.0, true),
    ("cmd-stream-tls", &["mus"], 800_000.0, 13.0, 2.4, 19.0, true),
    ("a-library-with-a-long-name-that-nobody-knows", &["flatbuffers"], 120_000.0, 40.0, 15.0, 9.0, true),
];

type Behaviour = (&'static str, &'static [&'static str], f64, f64, f64, f64, bool);

/// A run with the first so many participants, and so many rounds, of all workloads.
pub(crate) fn run(participants: usize, rounds: u32) -> Vec<Line> {
    let mut lines = vec![Line::Run(about(participants, rounds))];
    let mut noise = Noise(1);
    for round in 0..rounds {
        for behaviour in &ALL[..participants] {
            for (at, format) in behaviour.1.iter().enumerate() {
                // Other formats are slower, and only the echo has them.
                let slower: f64 = [1.0, 0.6, 0.75][at];
                let mut add = |setting: Setting| {
                    lines.push(Line::Sample(sample(behaviour, format, slower, setting, round, &mut noise)))
                };
                if at == 0 {
                    echo(&mut add);
                    others(behaviour, &mut add);
                } else {
                    add(at_once(1, 2, 1, "tcp"));
                    add(at_once(1024, 2, 1, "tcp"));
                }
            }
        }
    }
    lines
}

/// The text of a file with these lines.
pub(crate) fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).expect("a line is JSON") + "\n").collect()
}

fn about(participants: usize, rounds: u32) -> Run {
    let participant = |behaviour: &Behaviour| Participant {
        name: behaviour.0.to_owned(),
        version: "0.0.0-synthetic".to_owned(),
        settings:
            "TCP_NODELAY, windows of 1 MiB, two threads, and other settings that need more than one line here"
                .to_owned(),
        language: if behaviour.0.contains("go") { "go" } else { "rust" }.to_owned(),
    };
    let workload = |(name, title): (&str, &str)| Workload {
        name: name.to_owned(),
        title: title.to_owned(),
        text: format!(
            "What the workload {name} does, in one sentence that is as long as those of the suite are."
        ),
    };
    Run {
        date: "2026-01-01T00:00:00Z".to_owned(),
        os: "Linux 0.0 (synthetic)".to_owned(),
        cpu: "a processor that does not exist".to_owned(),
        cpus: 2,
        rust: "1.95.0".to_owned(),
        go: "1.26.8".to_owned(),
        commit: "0000000".to_owned(),
        dirty: true,
        rounds,
        seconds_per_round: 1.0,
        participants: ALL[..participants].iter().map(participant).collect(),
        workloads: WORKLOADS.into_iter().map(workload).collect(),
        left_out: vec!["hyper".to_owned()],
        not_measured: vec!["stream: tarpc has no streams".to_owned()],
    }
}

const WORKLOADS: [(&str, &str); 11] = [
    ("echo", "Echo, closed loop"),
    ("payload", "Values of one size"),
    ("go-suite", "All at once, 30 ms at the server"),
    ("go-suite-fixed", "100,000 Commands"),
    ("waiting", "60,000 waiting Commands"),
    ("waiting-many", "300,000 waiting Commands"),
    ("stream", "100,000 Replies to one Command"),
    ("burning", "Beside Commands that burn CPU"),
    ("idle", "10,000 idle connections"),
    ("open-loop", "Open loop"),
    ("features", "Features, on and off"),
];

fn echo(add: &mut impl FnMut(Setting)) {
    for in_flight in [1, 64, 1024, 16_384] {
        add(at_once(in_flight, 2, 1, "tcp"));
    }
    for connections in [1, 8, 16, 64] {
        add(at_once(1024, connections, 1, "tcp"));
    }
    add(at_once(64, 64, 1, "tcp"));
    for in_flight in [1, 1024] {
        add(at_once(in_flight, 2, 2, "tcp"));
        add(at_once(in_flight, 2, 2, "unix"));
    }
}

/// A closed loop of echoes.
pub(crate) fn at_once(in_flight: u32, connections: u32, processes: u32, transport: &str) -> Setting {
    Setting {
        in_flight: Some(in_flight),
        connections: Some(connections),
        processes,
        transport: transport.to_owned(),
        ..of("echo")
    }
}

fn others(behaviour: &Behaviour, add: &mut impl FnMut(Setting)) {
    let (name, _, peak, _, _, _, has_streams) = *behaviour;
    let with = |in_flight, connections, variant: Option<&str>, workload: &str| Setting {
        in_flight: Some(in_flight),
        connections: Some(connections),
        variant: variant.map(str::to_owned),
        ..of(workload)
    };
    for bytes in [8, 500, 4096, 16_384, 65_536, 262_144, 1_048_576] {
        add(Setting { payload_bytes: Some(bytes), ..with(16, 2, None, "payload") });
    }
    add(Setting { payload_bytes: Some(16_384), ..with(64, 2, None, "payload") });
    for connections in [1, 2, 4, 8, 16] {
        add(with(30_000, connections, None, "go-suite"));
    }
    for connections in [1, 4, 16] {
        add(with(100_000, connections, None, "go-suite-fixed"));
    }
    add(with(60_000, 4, Some("60000"), "waiting"));
    if ["cmd-stream", "cmd-stream-go", "tarpc"].contains(&name) {
        add(with(300_000, 16, Some("300000"), "waiting-many"));
    }
    match (has_streams, name) {
        (false, _) => {}
        (true, "cmd-stream") => {
            for variant in ["adaptive", "spawned", "in-place"] {
                add(with(1, 1, Some(variant), "stream"));
            }
        }
        (true, _) => add(with(1, 1, None, "stream")),
    }
    add(Setting { processes: 2, ..with(1, 1, None, "idle") });
    for variant in ["alone", "beside-burning"] {
        add(with(64, 4, Some(variant), "burning"));
    }
    for offered in OFFERED[..offered_to(peak)].iter().copied() {
        add(Setting { offered_per_s: Some(offered), ..with(0, 4, None, "open-loop") });
    }
    if name == "cmd-stream" {
        for in_flight in [1, 1024] {
            add(at_once(in_flight, 2, 1, "tls"));
        }
        for feature in ["deadlines", "hooks", "tracing", "retries"] {
            for switch in ["off", "on"] {
                add(with(64, 2, Some(&format!("{feature}-{switch}")), "features"));
            }
        }
    }
}

/// Rates of the open loop.
const OFFERED: [f64; 7] = [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6];

/// How many of the rates are offered: up to the first with which it cannot keep up.
pub(crate) fn offered_to(peak: f64) -> usize {
    OFFERED.iter().position(|offered| *offered > peak).map_or(OFFERED.len(), |at| at + 1)
}

fn of(workload: &str) -> Setting {
    Setting {
        workload: workload.to_owned(),
        transport: "tcp".to_owned(),
        processes: 1,
        connections: Some(2),
        ..Setting::default()
    }
}

fn sample(
    behaviour: &Behaviour,
    format: &str,
    slower: f64,
    setting: Setting,
    round: u32,
    noise: &mut Noise,
) -> Sample {
    let (name, _, peak, lonely, cpu, memory, _) = behaviour;
    let variant = setting.variant.as_deref().unwrap_or_default();
    let cost = match variant {
        "tracing-on" => 0.82,
        "beside-burning" => 0.5,
        other if other.ends_with("-on") => 0.97,
        "in-place" => 3.0,
        _ => 1.0,
    };
    let size = setting.payload_bytes.map_or(1.0, |bytes| 1.0 + bytes as f64 / 2000.0);
    let far =
        1.0 + 0.3 * f64::from(setting.processes - 1) - if setting.transport == "unix" { 0.15 } else { 0.0 };
    let many = f64::from(setting.in_flight.filter(|in_flight| *in_flight > 0).unwrap_or(64));
    let (peak, lonely) = (peak * slower * cost / size / far, lonely / slower * far * size.sqrt());
    let mut rate = 1e6 / (lonely / many + 1e6 / peak) * noise.about(1.0);
    let mut p50 = many / rate * 1e6;
    let mut missed = 0;
    if let Some(offered) = setting.offered_per_s {
        let load = offered / peak;
        p50 = if load < 1.0 { lonely / (1.0 - load) } else { 4e5 * load.min(2.0) } * noise.about(1.0);
        missed = if load > 1.0 { (offered - peak) as u64 } else { 0 };
        rate = offered.min(peak);
    }
    let slow = if variant == "beside-burning" { 40.0 } else { 4.0 };
    let latency = Latency {
        min: p50 * 0.7,
        p50,
        p90: p50 * 1.5 * noise.about(1.0),
        p99: p50 * slow * noise.about(1.1),
        p999: p50 * slow * 3.0 * noise.about(1.2),
        max: p50 * slow * 10.0,
    };
    let is_burst = ["waiting", "waiting-many", "go-suite", "go-suite-fixed"].contains(&&*setting.workload);
    let is_timed = *name != "raw" || setting.in_flight == Some(1);
    Sample {
        participant: (*name).to_owned(),
        format: format.to_owned(),
        round,
        commands: rate as u64,
        verified: rate as u64 + 17,
        elapsed_s: 1.0,
        rate,
        cpu_us_per_command: Some((cpu / slower + lonely / 2.0 / many) * noise.about(1.0)),
        latency_us: is_timed.then_some(latency),
        cdf: if is_timed { distribution(latency) } else { Vec::new() },
        allocations_per_command: is_burst.then(|| memory * noise.about(0.2)),
        bytes_per_command: is_burst.then(|| memory * noise.about(100.0)),
        memory_kib_per_connection: (setting.workload == "idle").then(|| memory * noise.about(1.0)),
        server_rss_kib: Some(10_240.0),
        missed,
        setting,
    }
}

fn distribution(latency: Latency) -> Vec<(f64, f64)> {
    let Latency { min, p50, p90, p99, p999, max } = latency;
    let known = [(min, 0.0), (p50, 0.5), (p90, 0.9), (p99, 0.99), (p999, 0.999), (max, 1.0)];
    let shares = (1..=60).map(|at| 1.0 - 10f64.powf(-f64::from(at) / 15.0)).chain([1.0]);
    let at = |share: f64| {
        let after = known.iter().position(|(_, other)| *other >= share).expect("the last is 1").max(1);
        let ((low, from), (high, to)) = (known[after - 1], known[after]);
        low * (high / low).powf((share - from) / (to - from))
    };
    shares.map(|share| (at(share), share)).collect()
}

/// The same numbers in each run of the test.
struct Noise(u64);

impl Noise {
    /// Within 8 % of it.
    fn about(&mut self, value: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value * (0.92 + 0.16 * (self.0 >> 40) as f64 / (1u64 << 24) as f64)
    }
}
