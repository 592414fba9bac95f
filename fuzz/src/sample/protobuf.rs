//! The sample service in Protobuf. The reference is a reader of messages written only for this.

use cmd_stream::format::protobuf::Length;
use cmd_stream::format::{Encode, EncodeError, Format};
use cmd_stream::proto::{Decoded, Tag};
use cmd_stream::protocol::{ClientProtocol, CommandOf, ServedIn};
use cmd_stream::server::{CommandVisitor, ServerProtocol};
use cmd_stream::{Execute, Protobuf};
use testkit::sample::Service;
use testkit::sample::protobuf::{
    AddCmd, CalcResult, Cmd1, Cmd2, Result1, Result2, Sample, SampleCommand, SampleReply, SubCmd,
};

use super::super::input::Input;
use super::super::varint::{Number, reference};
use super::{Scripting, Side, small, text};

/// A Command of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are enough")]
pub enum Command {
    One(Cmd1),
    Two(Cmd2),
    Add(AddCmd),
    Sub(SubCmd),
}

/// A Reply of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are enough")]
pub enum Reply {
    One(Result1),
    Two(Result2),
    Calc(CalcResult),
}

struct ToOwned;

impl CommandVisitor<Sample, Service> for ToOwned {
    type Output = Command;

    fn visit<C: CommandOf<Sample> + Execute<Service>>(self, command: C, _: usize) -> Command {
        match command.as_command() {
            SampleCommand::Cmd1(command) => Command::One(command.clone()),
            SampleCommand::Cmd2(command) => Command::Two(command.clone()),
            SampleCommand::AddCmd(command) => Command::Add(command.clone()),
            SampleCommand::SubCmd(command) => Command::Sub(command.clone()),
        }
    }
}

impl Side for Command {
    type Format = Protobuf;
    const FORMAT: Protobuf = Protobuf;

    fn limited(max_len: usize) -> Protobuf {
        Protobuf.max_len(max_len)
    }

    fn decode(format: &Protobuf, tag: Tag, body: &[u8], progress: &mut Length) -> Decoded<Self> {
        <Sample as ServerProtocol<Protobuf, Service>>::decode_command(format, tag, body, progress, ToOwned)
    }

    fn encode(&self, format: &Protobuf, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        fn write<C: CommandOf<Sample>>(
            format: &Protobuf,
            command: &C,
            out: &mut Vec<u8>,
        ) -> Result<(), EncodeError>
        where
            Protobuf: Encode<C>,
        {
            format.encode_tag(C::TAG, out);
            format.encode(command, out)
        }
        match self {
            Self::One(command) => write(format, command, out),
            Self::Two(command) => write(format, command, out),
            Self::Add(command) => write(format, command, out),
            Self::Sub(command) => write(format, command, out),
        }
    }

    fn parse(tag: i64, body: &[u8]) -> Option<Result<Self, EncodeError>> {
        Some(match tag {
            0 => numbers(body).map(|[x]| Self::One(Cmd1 { x })),
            1 => string(body).map(|y| Self::Two(Cmd2 { y })),
            2 => numbers(body).map(|[a, b]| Self::Add(AddCmd { a, b })),
            3 => numbers(body).map(|[a, b]| Self::Sub(SubCmd { a, b })),
            _ => return None,
        })
    }
}

impl Side for Reply {
    type Format = Protobuf;
    const FORMAT: Protobuf = Protobuf;

    fn limited(max_len: usize) -> Protobuf {
        Protobuf.max_len(max_len)
    }

    fn decode(format: &Protobuf, tag: Tag, body: &[u8], progress: &mut Length) -> Decoded<Self> {
        Sample::decode_reply(format, tag, body, progress).map(|reply| match reply {
            SampleReply::Result1(reply) => Self::One(reply),
            SampleReply::Result2(reply) => Self::Two(reply),
            SampleReply::CalcResult(reply) => Self::Calc(reply),
        })
    }

    fn encode(&self, format: &Protobuf, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let reply = match self.clone() {
            Self::One(reply) => SampleReply::Result1(reply),
            Self::Two(reply) => SampleReply::Result2(reply),
            Self::Calc(reply) => SampleReply::CalcResult(reply),
        };
        Sample::encode_reply(format, &reply, out)
    }

    fn parse(tag: i64, body: &[u8]) -> Option<Result<Self, EncodeError>> {
        Some(match tag {
            0 => numbers(body).map(|[x]| Self::One(Result1 { x })),
            1 => string(body).map(|y| Self::Two(Result2 { y })),
            2 => numbers(body).map(|[r]| Self::Calc(CalcResult { r })),
            _ => return None,
        })
    }
}

/// Parses a message whose first fields are `int64`.
fn numbers<const N: usize>(message: &[u8]) -> Result<[i64; N], EncodeError> {
    let mut numbers = [0; N];
    for field in Fields(message) {
        let (number, held) = field?;
        if let Some(value) = numbers.get_mut(number - 1) {
            let Held::Number(held) = held else { return Err("no number".into()) };
            *value = held as i64;
        }
    }
    Ok(numbers)
}

/// Parses a message whose first field is a `string`.
fn string(message: &[u8]) -> Result<String, EncodeError> {
    let mut string = "";
    for field in Fields(message) {
        if let (1, held) = field? {
            let Held::Bytes(bytes) = held else { return Err("no string".into()) };
            string = std::str::from_utf8(bytes)?;
        }
    }
    Ok(string.to_owned())
}

/// The content of a field.
enum Held<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A number of fixed width, or a group.
    Other,
    EndOfGroup,
}

/// The fields of a message that are left. Yields the number of each, from 1, and its content.
struct Fields<'a>(&'a [u8]);

/// How deep groups may be nested.
const MOST_GROUPS: usize = 100;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(usize, Held<'a>), EncodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| match self.field(0)? {
            (_, Held::EndOfGroup) => Err("the end of no group".into()),
            field => Ok(field),
        })
    }
}

impl<'a> Fields<'a> {
    /// Reads the next field, inside this many groups.
    fn field(&mut self, groups: usize) -> Result<(usize, Held<'a>), EncodeError> {
        let key = u32::try_from(self.number()?)?;
        let number = key as usize / 8;
        if number == 0 {
            return Err("field number 0".into());
        }
        let held = match key % 8 {
            4 => Held::EndOfGroup,
            _ if groups == MOST_GROUPS => return Err("too deep".into()),
            0 => Held::Number(self.number()?),
            1 => self.bytes(8).map(|_| Held::Other)?,
            2 => {
                let length = self.number()?;
                Held::Bytes(self.bytes(length)?)
            }
            3 => loop {
                match self.field(groups + 1)? {
                    (end, Held::EndOfGroup) if end == number => break Held::Other,
                    (_, Held::EndOfGroup) => return Err("the end of another group".into()),
                    _ => {}
                }
            },
            5 => self.bytes(4).map(|_| Held::Other)?,
            _ => return Err("a kind that does not exist".into()),
        };
        Ok((number, held))
    }

    fn number(&mut self) -> Result<u64, EncodeError> {
        let Number::Whole(number, taken) = reference(64, self.0) else { return Err("no number".into()) };
        self.0 = &self.0[taken..];
        Ok(number)
    }

    fn bytes(&mut self, count: u64) -> Result<&'a [u8], EncodeError> {
        if count > self.0.len() as u64 {
            return Err("past the end".into());
        }
        let (bytes, rest) = self.0.split_at(count as usize);
        self.0 = rest;
        Ok(bytes)
    }
}

/// Makes a number: often a small one, or else any.
fn number(input: &mut Input<'_>) -> i64 {
    match input.byte() {
        0..0xc0 => small(input),
        _ => input.number() as i64,
    }
}

/// Makes a text that a Command understands, or any.
fn told(input: &mut Input<'_>) -> String {
    match input.byte() % 8 {
        0 => "fail".into(),
        1 | 2 => format!("stream:{}", small(input)),
        3 => format!("delay:{}:{}", small(input), text(input)),
        4 => format!("+{}", text(input)),
        _ => text(input),
    }
}

impl Scripting for Command {
    fn script(input: &mut Input<'_>) -> Self {
        match input.byte() % 8 {
            0 => Self::Add(AddCmd { a: number(input), b: number(input) }),
            1 => Self::Sub(SubCmd { a: number(input), b: number(input) }),
            2..=4 => Self::One(Cmd1 { x: number(input) }),
            _ => Self::Two(Cmd2 { y: told(input) }),
        }
    }
}

impl Scripting for Reply {
    fn script(input: &mut Input<'_>) -> Self {
        match input.byte() % 3 {
            0 => Self::One(Result1 { x: number(input) }),
            1 => Self::Calc(CalcResult { r: number(input) }),
            _ => Self::Two(Result2 { y: told(input) }),
        }
    }
}
