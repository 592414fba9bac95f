//! The sample service in JSON. The reference is plain `serde_json`.

use std::collections::BTreeMap;

use cmd_stream::format::json::Length;
use cmd_stream::format::{Encode, EncodeError, Format};
use cmd_stream::proto::{Decoded, Tag};
use cmd_stream::protocol::{ClientProtocol, CommandOf, ServedIn};
use cmd_stream::server::{CommandVisitor, ServerProtocol};
use cmd_stream::{Execute, Json};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, SampleCommand, SampleReply, Service,
    StreamCmd, StreamResult, TraceCmd,
};

use super::super::input::Input;
use super::{Scripting, Side, small, text};

/// A Command of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are enough")]
pub enum Command {
    Echo(EchoCmd),
    Stream(StreamCmd),
    Fail(FailCmd),
    Delay(DelayCmd),
    Trace(TraceCmd<EchoCmd>),
}

/// A Reply of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are enough")]
pub enum Reply {
    Echo(EchoResult),
    Stream(StreamResult),
    Delay(DelayResult),
}

struct ToOwned;

impl CommandVisitor<Sample, Service> for ToOwned {
    type Output = Command;

    fn visit<C: CommandOf<Sample> + Execute<Service>>(self, command: C, _: usize) -> Command {
        match command.as_command() {
            SampleCommand::EchoCmd(command) => Command::Echo(command.clone()),
            SampleCommand::StreamCmd(command) => Command::Stream(command.clone()),
            SampleCommand::FailCmd(command) => Command::Fail(command.clone()),
            SampleCommand::DelayCmd(command) => Command::Delay(command.clone()),
            SampleCommand::TraceEchoCmd(command) => Command::Trace(command.clone()),
        }
    }
}

impl Side for Command {
    type Format = Json;
    const FORMAT: Json = Json;

    fn limited(max_len: usize) -> Json {
        Json.max_len(max_len)
    }

    fn decode(format: &Json, tag: Tag, body: &[u8], progress: &mut Length) -> Decoded<Self> {
        <Sample as ServerProtocol<Json, Service>>::decode_command(format, tag, body, progress, ToOwned)
    }

    fn encode(&self, format: &Json, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        fn write<C: CommandOf<Sample>>(
            format: &Json,
            command: &C,
            out: &mut Vec<u8>,
        ) -> Result<(), EncodeError>
        where
            Json: Encode<C>,
        {
            format.encode_tag(C::TAG, out);
            format.encode(command, out)
        }
        match self {
            Self::Echo(command) => write(format, command, out),
            Self::Stream(command) => write(format, command, out),
            Self::Fail(command) => write(format, command, out),
            Self::Delay(command) => write(format, command, out),
            Self::Trace(command) => write(format, command, out),
        }
    }

    fn parse(tag: i64, text: &[u8]) -> Option<Result<Self, EncodeError>> {
        Some(match tag {
            0 => parse(text).map(Self::Echo),
            1 => parse(text).map(Self::Stream),
            2 => parse(text).map(Self::Fail),
            3 => parse(text).map(Self::Delay),
            4 => parse_trace(text).map(Self::Trace),
            _ => return None,
        })
    }
}

impl Side for Reply {
    type Format = Json;
    const FORMAT: Json = Json;

    fn limited(max_len: usize) -> Json {
        Json.max_len(max_len)
    }

    fn decode(format: &Json, tag: Tag, body: &[u8], progress: &mut Length) -> Decoded<Self> {
        Sample::decode_reply(format, tag, body, progress).map(|reply| match reply {
            SampleReply::EchoResult(reply) => Self::Echo(reply),
            SampleReply::StreamResult(reply) => Self::Stream(reply),
            SampleReply::DelayResult(reply) => Self::Delay(reply),
        })
    }

    fn encode(&self, format: &Json, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let reply = match self.clone() {
            Self::Echo(reply) => SampleReply::EchoResult(reply),
            Self::Stream(reply) => SampleReply::StreamResult(reply),
            Self::Delay(reply) => SampleReply::DelayResult(reply),
        };
        Sample::encode_reply(format, &reply, out)
    }

    fn parse(tag: i64, text: &[u8]) -> Option<Result<Self, EncodeError>> {
        Some(match tag {
            0 => parse(text).map(Self::Echo),
            1 => parse(text).map(Self::Stream),
            2 => parse(text).map(Self::Delay),
            _ => return None,
        })
    }
}

/// Parses a struct, only from an object. All of the text is UTF-8, also what nobody reads.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, EncodeError> {
    let value = serde_json::from_str(std::str::from_utf8(text)?)?;
    if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("an array".into());
    }
    Ok(value)
}

/// The same for a struct and the one inside it.
fn parse_trace(text: &[u8]) -> Result<TraceCmd<EchoCmd>, EncodeError> {
    #[derive(Deserialize)]
    struct Trace {
        #[serde(rename = "Cmd")]
        _cmd: BTreeMap<String, IgnoredAny>,
    }
    let value = parse(text)?;
    serde_json::from_slice::<Trace>(text)?;
    Ok(value)
}

fn finite(input: &mut Input<'_>) -> f64 {
    Some(f64::from_bits(input.number())).filter(|number| number.is_finite()).unwrap_or(0.5)
}

fn echo(input: &mut Input<'_>) -> EchoCmd {
    let kind = input.byte();
    EchoCmd {
        bool: kind & 1 != 0,
        int64: if kind & 2 == 0 { 0 } else { input.number() as i64 },
        string: text(input),
        float64: if kind & 4 == 0 { 0.0 } else { finite(input) },
    }
}

impl Scripting for Command {
    fn script(input: &mut Input<'_>) -> Self {
        match input.byte() % 8 {
            0 => Self::Fail(FailCmd {}),
            1 | 2 => Self::Stream(StreamCmd { init: small(input), count: small(input) }),
            3 | 4 => Self::Delay(DelayCmd { id: small(input), delay_ms: (input.number() as u16).into() }),
            5 => {
                let (keys, cmd) = (input.byte() % 4, echo(input));
                let map_carrier = (keys > 0).then(|| (1..keys).map(|_| (text(input), text(input))).collect());
                Self::Trace(TraceCmd { map_carrier, cmd })
            }
            _ => Self::Echo(echo(input)),
        }
    }
}

impl Scripting for Reply {
    fn script(input: &mut Input<'_>) -> Self {
        match input.byte() % 3 {
            0 => Self::Stream(StreamResult { value: input.number() as i64, last: input.byte() & 1 != 0 }),
            1 => Self::Delay(DelayResult { id: small(input) }),
            _ => {
                let EchoCmd { bool, int64, string, float64 } = echo(input);
                Self::Echo(EchoResult { bool, int64, string, float64 })
            }
        }
    }
}
