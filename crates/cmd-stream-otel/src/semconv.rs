//! The names of spans, attributes and instruments: those of otelcmd-stream-go, and those of the semantic conventions. Nothing
//! else.

/// The scope that Go names.
pub(crate) const GO_SCOPE: (&str, &str) = ("github.com/cmd-stream/otelcmd-stream-go", "0.2.4");

pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const PEER_ADDRESS: &str = "network.peer.address";
pub(crate) const PEER_PORT: &str = "network.peer.port";
pub(crate) const PROTOCOL_NAME: &str = "network.protocol.name";

pub(crate) const COMMAND_SEQ: &str = "cmd-stream.command.seq";
pub(crate) const COMMAND_SIZE: &str = "cmd-stream.command.size";
pub(crate) const COMMAND_TYPE: &str = "cmd-stream.command.type";
pub(crate) const COMMAND_STATUS: &str = "cmd-stream.command.status";
pub(crate) const RESULT_SEQ: &str = "cmd-stream.result.seq";
pub(crate) const RESULT_SIZE: &str = "cmd-stream.result.size";
pub(crate) const RESULT_TYPE: &str = "cmd-stream.result.type";
pub(crate) const MEMBER: &str = "cmd-stream.group.member";
pub(crate) const ATTEMPT: &str = "cmd-stream.attempt";

pub(crate) const EVENT_RESULT: &str = "result";
pub(crate) const EVENT_RETRY: &str = "retry";
pub(crate) const EVENT_HEDGE: &str = "hedge";

/// An instrument.
pub(crate) struct Instrument {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
}

/// The instruments of one side.
pub(crate) struct Instruments {
    pub(crate) command_count: Instrument,
    pub(crate) command_size: Instrument,
    pub(crate) command_duration: Instrument,
    pub(crate) result_count: Instrument,
    pub(crate) result_size: Instrument,
    pub(crate) result_duration: Instrument,
}

macro_rules! instruments {
    ($side:literal) => {
        Instruments {
            command_count: Instrument {
                name: concat!("cmd-stream.", $side, ".command.count"),
                unit: "{command}",
                description: concat!("Number of ", $side, " commands."),
            },
            command_size: Instrument {
                name: concat!("cmd-stream.", $side, ".command.size"),
                unit: "By",
                description: concat!("Size of ", $side, " commands."),
            },
            command_duration: Instrument {
                name: concat!("cmd-stream.", $side, ".command.duration"),
                unit: "s",
                description: concat!("Duration of ", $side, " commands."),
            },
            result_count: Instrument {
                name: concat!("cmd-stream.", $side, ".result.count"),
                unit: "{result}",
                description: concat!("Number of ", $side, " results."),
            },
            result_size: Instrument {
                name: concat!("cmd-stream.", $side, ".result.size"),
                unit: "By",
                description: concat!("Size of ", $side, " results."),
            },
            result_duration: Instrument {
                name: concat!("cmd-stream.", $side, ".result.duration"),
                unit: "s",
                description: concat!("Duration of ", $side, " results."),
            },
        }
    };
}

pub(crate) const CLIENT: Instruments = instruments!("client");
pub(crate) const SERVER: Instruments = instruments!("server");

/// The bounds of the buckets for durations, in seconds. From 5 ms on they are those that the semantic conventions advise for
/// RPC; most Commands are faster.
pub(crate) const SECONDS: [f64; 20] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
    0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The bounds of the buckets for sizes, in bytes: up to the greatest frame that the default limits allow.
pub(crate) const BYTES: [f64; 10] =
    [16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
