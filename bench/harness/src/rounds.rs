//! One round of any workload, with any adapter.

use std::time::Duration;

use crate::lines::{Load, Measure, Outcome};
use crate::load::{self, Measured, Round, round_trip};
use crate::participant::Adapter;
use crate::process::{self, Meter};
use crate::workload;

/// Idle connections before the first look at the memory. They bring the server's buffers and threads to their size.
pub const FIRST_IDLE: u32 = 100;

/// Starts a server unless there is one, opens the connections, puts the load on them, and stops it all.
pub async fn measure<A: Adapter>(adapter: &A, measure: &Measure) -> Result<Outcome, String> {
    let (address, server) = match &measure.server {
        Some(elsewhere) => (elsewhere.address.clone(), None),
        None => {
            let (address, server) = adapter.serve(&measure.setting).await?;
            (address, Some(server))
        }
    };
    let outcome = with_server(adapter, measure, &address).await;
    // A round that failed may have left anything behind, but the next one gets a new server in any case.
    if let Some(server) = server {
        adapter.stop(server).await?;
    }
    outcome
}

async fn with_server<A: Adapter>(adapter: &A, measure: &Measure, address: &str) -> Result<Outcome, String> {
    let round = round(measure);
    let mut clients = Vec::new();
    for _ in 0..measure.connections {
        clients.push(adapter.connect(&measure.setting, address).await?);
    }
    if let Load::Idle { idle } = measure.load {
        return idle_connections(adapter, measure, address, &clients, idle).await;
    }
    let measured = put(&clients, &round, &measure.load).await?;
    let mut outcome = Outcome::from(measured);
    outcome.server_rss_kib = process::resident(round.meter.server()).ok().map(|bytes| bytes >> 10);
    Ok(outcome)
}

/// What the load generators need to know.
fn round(measure: &Measure) -> Round {
    let in_flight = match measure.load {
        Load::Closed { in_flight } | Load::Burning { in_flight, .. } => in_flight,
        Load::Burst { .. } | Load::Stream { .. } | Load::Idle { .. } | Load::Open { .. } => 1,
    };
    Round {
        values: measure.payload_bytes.map_or_else(workload::pool, |bytes| workload::sized(bytes as usize)),
        in_flight,
        warmup: Duration::from_millis(measure.warmup_ms),
        duration: Duration::from_millis(measure.duration_ms),
        meter: Meter::new(measure.server.as_ref().map(|server| server.pid)),
    }
}

async fn put<C: load::Client>(clients: &[C], round: &Round, load: &Load) -> Result<Measured, String> {
    match *load {
        Load::Closed { .. } | Load::Idle { .. } => load::closed_loop(clients, round).await,
        Load::Burst { calls } => load::warm_burst(clients, round, calls as usize).await,
        Load::Stream { replies } => load::streams(&clients[0], round, replies).await,
        Load::Burning { burn_ms, .. } => load::burning(clients, round, burn_ms).await,
        Load::Open { offered_per_s, most_in_flight } => {
            load::open_loop(clients, round, offered_per_s, most_in_flight).await
        }
    }
}

/// Opens the connections that are to do nothing. Each makes one call first. Then one connection is active.
async fn idle_connections<A: Adapter>(
    adapter: &A,
    measure: &Measure,
    address: &str,
    clients: &[A::Client],
    idle: u32,
) -> Result<Outcome, String> {
    let ends = if measure.server.is_some() { 1 } else { 2 };
    process::allow_connections(ends * u64::from(idle + FIRST_IDLE + measure.connections))?;
    let round = round(measure);
    let open = async |count| {
        let mut opened = Vec::new();
        for _ in 0..count {
            let client = adapter.connect(&measure.setting, address).await?;
            round_trip(&client, &round.values[0]).await?;
            opened.push(client);
        }
        Ok::<_, String>(opened)
    };
    let resident = || process::resident(round.meter.server());
    let _first = open(FIRST_IDLE).await?;
    let before = resident()?;
    let _idle = open(idle).await?;
    let after = resident()?;
    let mut outcome = Outcome::from(put(clients, &round, &measure.load).await?);
    outcome.server_rss_kib = Some(after >> 10);
    outcome.memory_kib_per_connection = Some((after as f64 - before as f64) / 1024.0 / f64::from(idle));
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Description, Elsewhere, Setting, Transport};
    use crate::load::{Client, Echo};
    use crate::participant::{Participant, runtime, serve_lines};
    use crate::workload::Value;

    /// A library without a wire. Its servers are counted.
    struct Nowhere;

    #[derive(Clone)]
    struct Connected {
        lies: bool,
    }

    impl Echo for Connected {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            tokio::task::yield_now().await;
            Ok(Value { bool: value.bool ^ self.lies, ..value.clone() })
        }
    }

    impl Client for Connected {}

    impl Adapter for Nowhere {
        type Client = Connected;
        type Server = ();

        fn describe(&self) -> Description {
            Description { name: "nowhere".to_owned(), ..Description::default() }
        }

        async fn serve(&self, setting: &Setting) -> Result<(String, ()), String> {
            Ok((setting.format.clone(), ()))
        }

        async fn connect(&self, _: &Setting, address: &str) -> Result<Connected, String> {
            Ok(Connected { lies: address == "lies" })
        }

        async fn stop(&self, (): ()) -> Result<(), String> {
            Ok(())
        }
    }

    fn ask(format: &str, load: Load) -> Measure {
        let setting = Setting {
            format: format.to_owned(),
            transport: Transport::Tcp,
            delay_ms: 0,
            variant: None,
            connections: 200,
        };
        let (warmup_ms, duration_ms) = (0, 100);
        Measure { setting, server: None, connections: 2, payload_bytes: None, warmup_ms, duration_ms, load }
    }

    fn run(measure: &Measure) -> Result<Outcome, String> {
        runtime().unwrap().block_on(Participant::measure(&Nowhere, measure))
    }

    #[test]
    fn each_load_is_measured() {
        for load in [
            Load::Closed { in_flight: 4 },
            Load::Burst { calls: 100 },
            Load::Idle { idle: 10 },
            Load::Burning { in_flight: 4, burn_ms: 0 },
            Load::Open { offered_per_s: 1000.0, most_in_flight: 100 },
        ] {
            let outcome = run(&ask("true", load.clone())).unwrap();
            assert!(outcome.commands > 0 && outcome.verified >= outcome.commands, "{load:?}");
            assert!(
                outcome.elapsed_ns > 0 && outcome.cpu_ns.is_some() && outcome.latency.is_some(),
                "{load:?}"
            );
            assert!(outcome.server_rss_kib.is_some_and(|kib| kib > 100), "{load:?}");
            assert_eq!(outcome.memory_kib_per_connection.is_some(), matches!(load, Load::Idle { .. }));
        }
    }

    #[test]
    fn wrong_reply_fails_each_load() {
        for load in [
            Load::Closed { in_flight: 4 },
            Load::Burst { calls: 100 },
            Load::Idle { idle: 10 },
            Load::Burning { in_flight: 4, burn_ms: 0 },
            Load::Open { offered_per_s: 1000.0, most_in_flight: 100 },
        ] {
            let error = run(&ask("lies", load)).unwrap_err();
            assert!(error.contains("came back"), "{error}");
        }
    }

    #[test]
    fn what_a_participant_cannot_do_is_an_error() {
        let error = run(&ask("true", Load::Stream { replies: 10 })).unwrap_err();
        assert!(error.contains("has no streams"), "{error}");
    }

    #[test]
    fn lines_are_answered_each() {
        let elsewhere = Some(Elsewhere { address: "lies".to_owned(), pid: std::process::id() });
        let asks = [
            r#"{"ask":"describe"}"#.to_owned(),
            r#"{"ask":"serve","setting":{"format":"a","transport":"tcp","delay_ms":0,"variant":null,"connections":2}}"#
                .to_owned(),
            to_line(Measure { server: elsewhere, ..ask("true", Load::Burst { calls: 1 }) }),
            r#"{"ask":"stop"}"#.to_owned(),
            "no JSON".to_owned(),
            to_line(ask("true", Load::Burst { calls: 1 })),
        ];
        let mut answers = Vec::new();
        serve_lines(&Nowhere, asks.join("\n").as_bytes(), &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let has = ["nowhere", r#""address":"a""#, "came back", r#""address":"""#, "ask: ", r#""commands":1"#];
        assert_eq!(answers.lines().count(), has.len(), "{answers}");
        for (line, has) in answers.lines().zip(has) {
            assert!(line.contains(has), "{line}");
        }
    }

    fn to_line(measure: Measure) -> String {
        serde_json::to_string(&crate::lines::Ask::Measure(measure)).unwrap()
    }
}
