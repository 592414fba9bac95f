//! What a scenario sets of a server, as words of a command line. All else has its default.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cmd_stream::server::Limits;

/// The Format that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Json,
    Mus,
    Protobuf,
}

/// Calls a generic function with the Format that a value names.
macro_rules! with_format {
    ($format:expr, $function:ident ( $( $argument:expr ),* )) => {
        match $format {
            $crate::setting::Format::Json => $function(cmd_stream::Json, $( $argument ),*),
            $crate::setting::Format::Mus => $function(cmd_stream::Mus, $( $argument ),*),
            $crate::setting::Format::Protobuf => $function(cmd_stream::Protobuf, $( $argument ),*),
        }
    };
}
pub(crate) use with_format;

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mus => "mus",
            Self::Protobuf => "protobuf",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Json, Self::Mus, Self::Protobuf]
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("unknown Format: {text}"))
    }
}

/// One limit of a server that is not the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    Commands(usize),
    Connections(usize),
    Frame(usize),
    FrameTime(Duration),
    HalfClosed(Duration),
    InFlight(usize),
    InFlightBytes(usize),
    Memory(usize),
    Output(usize),
    Paused(Duration),
}

impl Setting {
    pub(crate) fn apply(self, limits: Limits) -> Limits {
        match self {
            Self::Commands(commands) => limits.commands(commands),
            Self::Connections(connections) => limits.connections(connections),
            Self::Frame(bytes) => limits.frame(bytes),
            Self::FrameTime(time) => limits.frame_time(time),
            Self::HalfClosed(time) => limits.half_closed(time),
            Self::InFlight(commands) => limits.in_flight(commands),
            Self::InFlightBytes(bytes) => limits.in_flight_bytes(bytes),
            Self::Memory(bytes) => limits.memory(bytes),
            Self::Output(bytes) => limits.output(bytes),
            Self::Paused(time) => limits.paused(time),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commands(commands) => write!(f, "commands={commands}"),
            Self::Connections(connections) => write!(f, "connections={connections}"),
            Self::Frame(bytes) => write!(f, "frame={bytes}"),
            Self::FrameTime(time) => write!(f, "frame_time={}", time.as_millis()),
            Self::HalfClosed(time) => write!(f, "half_closed={}", time.as_millis()),
            Self::InFlight(commands) => write!(f, "in_flight={commands}"),
            Self::InFlightBytes(bytes) => write!(f, "in_flight_bytes={bytes}"),
            Self::Memory(bytes) => write!(f, "memory={bytes}"),
            Self::Output(bytes) => write!(f, "output={bytes}"),
            Self::Paused(time) => write!(f, "paused={}", time.as_millis()),
        }
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown setting: {text}");
        let (name, value) = text.split_once('=').ok_or_else(unknown)?;
        let value: usize = value.parse().map_err(|_| unknown())?;
        let time = || Duration::from_millis(value as u64);
        Ok(match name {
            "commands" => Self::Commands(value),
            "connections" => Self::Connections(value),
            "frame" => Self::Frame(value),
            "frame_time" => Self::FrameTime(time()),
            "half_closed" => Self::HalfClosed(time()),
            "in_flight" => Self::InFlight(value),
            "in_flight_bytes" => Self::InFlightBytes(value),
            "memory" => Self::Memory(value),
            "output" => Self::Output(value),
            "paused" => Self::Paused(time()),
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        for setting in [
            Setting::Connections(1),
            Setting::Frame(2),
            Setting::FrameTime(Duration::from_millis(3)),
            Setting::HalfClosed(Duration::from_millis(4)),
            Setting::InFlight(5),
            Setting::InFlightBytes(6),
            Setting::Output(7),
            Setting::Paused(Duration::from_millis(8)),
            Setting::Memory(9),
            Setting::Commands(10),
        ] {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        assert!("frame".parse::<Setting>().is_err());
    }
}
