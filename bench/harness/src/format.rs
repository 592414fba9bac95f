//! The encodings of values on the wire.

use prost::Message;
use serde::{Deserialize, Serialize};

use crate::workload::Value;

/// The encoding of values on the wire, as far as a participant has a choice of them in common with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Format {
    /// Text, as `encoding/json` of Go writes it.
    Json,
    /// The binary format of mus-format.
    Mus,
    /// Protocol Buffers.
    Protobuf,
}

impl Format {
    /// All of them, the library's usual one first.
    pub const ALL: [Self; 3] = [Self::Mus, Self::Protobuf, Self::Json];

    /// As it is written on the command line, and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mus => "mus",
            Self::Protobuf => "protobuf",
        }
    }

    /// The format with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The body of a value.
    pub fn encode(self, value: &Value) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(value).expect("a value of the pool is plain JSON"),
            Self::Mus => mus_format::to_vec(value).expect("a value of the pool has no limits"),
            Self::Protobuf => value.encode_to_vec(),
        }
    }

    /// Decodes a body that was encoded here.
    pub fn decode(self, body: &[u8]) -> Value {
        match self {
            Self::Json => serde_json::from_slice(body).expect("it was encoded here"),
            Self::Mus => mus_format::from_slice(body).expect("it was encoded here"),
            Self::Protobuf => Value::decode(body).expect("it was encoded here"),
        }
    }

    /// Whether a body has its length in front.
    pub fn has_length(self) -> bool {
        match self {
            Self::Json | Self::Protobuf => true,
            Self::Mus => false,
        }
    }
}
