//! The floor, as the suite measures it: see [`raw_tcp`](super::raw_tcp).

use bench_harness::format::Format;
use bench_harness::lines::{Description, Load, Measure, Outcome, Request, Setting, Transport};
use bench_harness::participant::{Participant, runtime};
use tokio::runtime::Runtime;

use super::raw_tcp;

/// Both ends are in one process.
pub(crate) struct Raw;

impl Participant for Raw {
    type Server = ();

    fn describe(&self) -> Description {
        Description {
            name: "raw".to_owned(),
            version: "tokio 1".to_owned(),
            settings: "TCP_NODELAY, pieces of 64 KiB; nothing is decoded; above one frame per connection it is a pump that \
                       times no single frame"
                .to_owned(),
            language: "rust".to_owned(),
            formats: Format::ALL.iter().map(|format| format.name().to_owned()).collect(),
            transports: vec![Transport::Tcp],
            can: vec!["closed".to_owned()],
            variants: Vec::new(),
        }
    }

    fn runtime(&self) -> std::io::Result<Runtime> {
        runtime()
    }

    async fn serve(&self, _: &Setting) -> Result<(String, ()), String> {
        Err("the raw floor has both ends in one process".to_owned())
    }

    async fn stop(&self, (): ()) -> Result<(), String> {
        Ok(())
    }

    async fn measure(&self, measure: &Measure) -> Result<Outcome, String> {
        let (Load::Closed { in_flight }, None) = (&measure.load, measure.payload_bytes) else {
            return Err("the raw floor is only a closed loop with the mixed pool".to_owned());
        };
        let format = Format::named(&measure.setting.format);
        let request = Request {
            format: format.ok_or_else(|| format!("{} is none of the formats", measure.setting.format))?,
            in_flight: *in_flight,
            connections: measure.connections,
            duration_ms: measure.duration_ms,
            warmup_ms: measure.warmup_ms,
        };
        raw_tcp::measure(&request).await.map(Outcome::from)
    }
}
