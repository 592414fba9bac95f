//! One setting of a workload, and whether a participant can be measured in it.

use std::time::Duration;

use bench_harness::lines::{Description, Load, Measure, Setting, Transport};

use super::file::Times;
use bench_harness::rounds::FIRST_IDLE;

/// One setting of a workload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) workload: String,
    pub(crate) transport: Transport,
    pub(crate) processes: u32,
    /// `None`: each participant's usual one.
    pub(crate) format: Option<String>,
    pub(crate) connections: u32,
    pub(crate) payload_bytes: Option<u32>,
    pub(crate) delay_ms: u64,
    pub(crate) load: Load,
    /// Of participants that have several ways to do the same; `None` is for the others.
    pub(crate) variant: Option<String>,
}

/// What a participant does in a case.
#[derive(Debug, PartialEq)]
pub(crate) enum Fit {
    Measured(Setting),
    /// Another case is for it.
    Elsewhere,
    /// It can't, because of this.
    Cannot(String),
}

impl Case {
    /// What this participant does in this case.
    pub(crate) fn fit(&self, participant: &Description) -> Fit {
        let has = |ability: &str| participant.can.iter().any(|can| can == ability);
        let cannot = |reason: &str| Fit::Cannot(format!("{} {reason}", participant.name));
        let variants = participant.variants.iter().find(|(workload, _)| *workload == self.workload);
        let format = match &self.format {
            None => participant.formats.first(),
            Some(format) => participant.formats.iter().find(|has| *has == format),
        };
        let Some(format) = format else {
            return Fit::Elsewhere; // it is measured in its own format
        };
        match (variants, &self.variant) {
            (None, None) => {}
            (Some((_, names)), Some(variant)) if names.contains(variant) => {}
            _ => return Fit::Elsewhere,
        }
        if !has(self.load.kind()) {
            return cannot(match self.load {
                Load::Stream { .. } => "has no streams",
                _ => "does not have this kind of load",
            });
        }
        if self.payload_bytes.is_some() && !has("payload") || self.delay_ms > 0 && !has("burst") {
            return cannot("does not have this kind of load");
        }
        if !participant.transports.contains(&self.transport) {
            return cannot(&format!("is not measured over {}", self.transport.name()));
        }
        if self.processes == 2 && !has("apart") {
            return cannot("has both ends in one process");
        }
        Fit::Measured(Setting {
            format: format.clone(),
            transport: self.transport,
            delay_ms: self.delay_ms,
            variant: self.variant.clone(),
            connections: self.all_connections(),
        })
    }

    /// Those of the load, and the idle ones.
    pub(crate) fn all_connections(&self) -> u32 {
        match self.load {
            Load::Idle { idle } => self.connections + FIRST_IDLE + idle,
            _ => self.connections,
        }
    }

    /// The request for one round.
    pub(crate) fn measure(&self, setting: Setting, times: Times) -> Measure {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Measure {
            setting,
            server: None,
            connections: self.connections,
            payload_bytes: self.payload_bytes,
            warmup_ms: millis(times.warmup()),
            duration_ms: millis(times.duration()),
            load: self.load.clone(),
        }
    }

    /// The variant as it is written to results. What burns is one, too.
    pub(crate) fn shown_variant(&self) -> Option<String> {
        match self.load {
            Load::Burning { burn_ms: 0, .. } => Some("alone".to_owned()),
            Load::Burning { .. } => Some("beside-burning".to_owned()),
            Load::Burst { calls } if self.workload == "waiting" => Some(calls.to_string()),
            _ => self.variant.clone(),
        }
    }

    /// Whether both differ at most in the variant, and so belong into one table.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Self { variant: None, ..self.clone() } == Self { variant: None, ..other.clone() }
    }

    /// For people: `64 in flight over 2 connections, json, two processes, unix`.
    pub(crate) fn title(&self) -> String {
        let mut title = match self.load {
            Load::Closed { in_flight } => format!("{in_flight} in flight"),
            Load::Burst { calls } => format!("{calls} at once"),
            Load::Stream { replies } => format!("{replies} replies"),
            Load::Idle { idle } => format!("{idle} idle, and one in flight"),
            Load::Burning { in_flight, burn_ms: 0 } => format!("{in_flight} in flight, alone"),
            Load::Burning { in_flight, burn_ms } => {
                format!("{in_flight} in flight beside {burn_ms} ms of burning")
            }
            Load::Open { offered_per_s, .. } => format!("{offered_per_s} per second"),
        };
        title += &match self.connections {
            1 => " over 1 connection".to_owned(),
            connections => format!(" over {connections} connections"),
        };
        if let Some(bytes) = self.payload_bytes {
            title += &format!(", {bytes} bytes");
        }
        if self.delay_ms > 0 {
            title += &format!(", {} ms at the server", self.delay_ms);
        }
        if let Some(format) = &self.format {
            title += &format!(", {format}");
        }
        if self.transport != Transport::Tcp {
            title += &format!(", {}", self.transport.name());
        }
        if self.processes == 2 {
            title += ", two processes";
        }
        title
    }
}
