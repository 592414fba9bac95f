//! The Commands and Replies of the sample service in JSON, as values that can be compared; what a stream of them holds,
//! by the library and by other means; and scripts that make such streams.

use std::collections::BTreeMap;
use std::fmt::Debug;

use cmd_stream::format::{Encode, EncodeError, Format};
use cmd_stream::proto::frame::{Frame, FrameReader, Head, Seq, Tag};
use cmd_stream::proto::{Decoded, Fault};
use cmd_stream::protocol::{ClientProtocol, CommandOf, CommandVisitor, ServerProtocol};
use cmd_stream::{Execute, Json};
use serde::Deserialize;
use serde::de::IgnoredAny;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, SampleCommand, SampleReply, Service,
    StreamCmd, StreamResult, TraceCmd,
};

use super::input::{Input, Piece};
use super::varint::{Number, reference};

/// A Command of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Command {
    Echo(EchoCmd),
    Stream(StreamCmd),
    Fail(FailCmd),
    Delay(DelayCmd),
    Trace(TraceCmd<EchoCmd>),
}

/// A Reply of the sample service.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Reply {
    Echo(EchoResult),
    Stream(StreamResult),
    Delay(DelayResult),
}

/// What the remembered part of a body is.
type Progress = <Json as Format>::Progress;

/// One direction of a connection: what its frames carry.
pub trait Side: Clone + PartialEq + Debug {
    /// Decodes a body, by the library.
    fn decode(format: &Json, tag: Tag, body: &[u8], progress: &mut Progress) -> Decoded<Self>;
    /// Appends tag and body, by the library.
    ///
    /// # Errors
    ///
    /// Those of the Format.
    fn encode(&self, format: &Json, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    /// Parses the text of a body by `serde_json` alone; nothing if there is no such tag.
    fn parse(tag: i64, text: &[u8]) -> Option<serde_json::Result<Self>>;
    /// Whether another value is inside, as `Cmd`.
    fn has_inner(tag: i64) -> bool;
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
    fn decode(format: &Json, tag: Tag, body: &[u8], progress: &mut Progress) -> Decoded<Self> {
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

    fn parse(tag: i64, text: &[u8]) -> Option<serde_json::Result<Self>> {
        Some(match tag {
            0 => serde_json::from_slice(text).map(Self::Echo),
            1 => serde_json::from_slice(text).map(Self::Stream),
            2 => serde_json::from_slice(text).map(Self::Fail),
            3 => serde_json::from_slice(text).map(Self::Delay),
            4 => serde_json::from_slice(text).map(Self::Trace),
            _ => return None,
        })
    }

    fn has_inner(tag: i64) -> bool {
        tag == 4
    }
}

impl Side for Reply {
    fn decode(format: &Json, tag: Tag, body: &[u8], progress: &mut Progress) -> Decoded<Self> {
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
        <Sample as ServerProtocol<Json, Service>>::encode_reply(format, &reply, out)
    }

    fn parse(tag: i64, text: &[u8]) -> Option<serde_json::Result<Self>> {
        Some(match tag {
            0 => serde_json::from_slice(text).map(Self::Echo),
            1 => serde_json::from_slice(text).map(Self::Stream),
            2 => serde_json::from_slice(text).map(Self::Delay),
            _ => return None,
        })
    }

    fn has_inner(_: i64) -> bool {
        false
    }
}

/// A whole frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Item<V> {
    /// A ping or a pong.
    Ping,
    /// A Command or a Reply, with its seq.
    Value(Seq, V),
}

impl<V: Side> Item<V> {
    /// Appends the frame, by the library.
    ///
    /// # Errors
    ///
    /// Those of the Format.
    pub fn encode(&self, format: &Json, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Ping => Seq::PING.encode(out),
            Self::Value(seq, value) => {
                seq.encode(out);
                value.encode(format, out)?;
            }
        }
        Ok(())
    }
}

/// How a stream of frames ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// After a frame.
    Clean,
    /// In a frame; at least so many bytes of it are missing.
    Cut(usize),
    /// In a frame that is invalid.
    Invalid {
        /// Why, as text; of a body without the Format's own error.
        fault: String,
        /// After how many bytes of the frame.
        at: usize,
    },
}

impl End {
    fn invalid(fault: &Fault, at: usize) -> Self {
        let fault = if let Fault::Body(_) = fault { "body".into() } else { format!("{fault:?}") };
        Self::Invalid { fault, at }
    }
}

/// Reads a stream of frames piece by piece, by the library.
#[derive(Debug)]
pub struct Stream<'a> {
    format: Json,
    reader: FrameReader<Progress>,
    bytes: &'a [u8],
    start: usize,
}

/// What [`Stream::next`] finds.
#[derive(Debug)]
pub enum Next<V> {
    /// A frame.
    Item(Item<V>),
    /// Nothing more in what has arrived.
    Wait(usize),
    /// The end.
    Invalid(cmd_stream::proto::DecodeError),
}

impl<'a> Stream<'a> {
    /// A stream, with the settings of its reader.
    pub fn new(format: Json, limit: usize, bytes: &'a [u8]) -> Self {
        Self { format, reader: FrameReader::new(limit), bytes, start: 0 }
    }

    /// The next frame, if it is among the first `arrived` bytes.
    pub fn next<V: Side>(&mut self, arrived: usize) -> Next<V> {
        let format = &self.format;
        let decoded = self.reader.read(
            &self.bytes[self.start..arrived],
            |bytes| format.decode_tag(bytes),
            |head: Head, body, progress| V::decode(format, head.tag, body, progress),
        );
        match decoded {
            Decoded::Value(frame, taken) => {
                self.start += taken;
                Next::Item(match frame {
                    Frame::Ping => Item::Ping,
                    Frame::Body(head, value) => Item::Value(head.seq, value),
                })
            }
            Decoded::Incomplete(missing) => Next::Wait(missing.get()),
            Decoded::Invalid(error) => Next::Invalid(error),
        }
    }

    /// Whether the first `arrived` bytes end where a frame does.
    pub fn is_at_frame(&self, arrived: usize) -> bool {
        self.start == arrived
    }

    /// All that the pieces hold, handed to `found` one by one.
    pub fn read_all<V: Side>(&mut self, pieces: &[Piece], mut found: impl FnMut(Item<V>)) -> End {
        let mut missing = 0;
        for piece in pieces {
            missing = loop {
                match self.next(piece.end) {
                    Next::Item(item) => found(item),
                    Next::Wait(missing) => break missing,
                    Next::Invalid(error) => return End::invalid(&error.fault, error.at),
                }
            };
        }
        if self.is_at_frame(self.bytes.len()) { End::Clean } else { End::Cut(missing) }
    }
}

/// The same by other means: what stands before the bodies is read here, and what is in them by `serde_json` alone.
pub fn reference_all<V: Side>(
    max_len: usize,
    limit: usize,
    bytes: &[u8],
    found: &mut Vec<(Item<V>, usize)>,
) -> End {
    let mut start = 0;
    while start < bytes.len() {
        match reference_one(max_len, limit, &bytes[start..]) {
            Ok((item, taken)) => {
                start += taken;
                found.push((item, taken));
            }
            Err(end) => return end,
        }
    }
    End::Clean
}

fn reference_one<V: Side>(max_len: usize, limit: usize, bytes: &[u8]) -> Result<(Item<V>, usize), End> {
    let visible = &bytes[..bytes.len().min(limit)];
    let invalid = |fault: Fault, at| Err(End::invalid(&fault, at));
    // The part at `start` ends at `end`, which is not visible.
    let cut = |start: usize, end: u64| match usize::try_from(end) {
        Ok(end) if end <= limit => Err(End::Cut(end - bytes.len())),
        _ => invalid(Fault::TooLong { length: end, limit }, start),
    };
    let varint = |start: usize, part: usize| match reference(64, &visible[start..]) {
        Number::Whole(number, taken) => Ok((number, start + taken)),
        Number::Cut => Err(cut(part, visible.len() as u64 + 1)),
        Number::Overflow(at) => Err(invalid(Fault::VarintOverflow, start + at)),
    };
    let (seq, tag_at) = match varint(0, 0) {
        Ok((0, taken)) => return Ok((Item::Ping, taken)),
        Ok(seq) => seq,
        Err(end) => return end,
    };
    let (tag, length_at) = match varint(tag_at, tag_at) {
        Ok(tag) => tag,
        Err(end) => return end,
    };
    let tag = tag as i64;
    if V::parse(tag, b"").is_none() {
        return invalid(Fault::UnknownTag(Tag::new(tag)), length_at);
    }
    let (length, body_at) = match varint(length_at, length_at) {
        Ok(length) => length,
        Err(end) => return end,
    };
    if length >= 1 << 63 {
        return invalid(Fault::NegativeLength(length as i64), body_at);
    }
    if length > max_len as u64 {
        return invalid(Fault::TooLong { length, limit: max_len }, body_at);
    }
    let end = body_at as u64 + length;
    if end > visible.len() as u64 {
        return cut(length_at, end);
    }
    let end = end as usize;
    match V::parse(tag, &bytes[body_at..end]) {
        // A struct is read from an object alone.
        Some(Ok(_)) if !are_objects::<V>(tag, &bytes[body_at..end]) => {
            invalid(Fault::Body("an array".into()), end)
        }
        Some(Ok(value)) => Ok((Item::Value(Seq::new(seq as i64), value), end)),
        Some(Err(error)) => invalid(Fault::Body(error.into()), end),
        None => unreachable!("the tag is known"),
    }
}

/// Whether the structs of a body that was parsed stand there as objects.
fn are_objects<V: Side>(tag: i64, text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Trace {
        #[serde(rename = "Cmd")]
        _cmd: BTreeMap<String, IgnoredAny>,
    }
    let is_object = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    is_object && (!V::has_inner(tag) || serde_json::from_slice::<Trace>(text).is_ok())
}

/// A stream that a script has made.
#[derive(Clone, Debug)]
pub struct Scripted<V> {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it holds, if nothing was broken on purpose.
    pub items: Option<Vec<Item<V>>>,
}

/// How a value is made of the input.
pub trait Scripting: Side {
    /// The next value.
    fn script(input: &mut Input<'_>) -> Self;
}

/// Text of up to some 70,000 bytes, which is more than a buffer has; mostly it is short.
fn text(input: &mut Input<'_>) -> String {
    let kind = input.byte();
    let pattern = input.bytes(usize::from(kind & 0x1f));
    let times = if kind < 0xf8 { 1 } else { input.number() as u16 % 2300 };
    String::from_utf8_lossy(pattern).repeat(usize::from(times))
}

fn finite(input: &mut Input<'_>) -> f64 {
    Some(f64::from_bits(input.number())).filter(|number| number.is_finite()).unwrap_or(0.5)
}

fn small(input: &mut Input<'_>) -> i64 {
    i64::from(input.byte().cast_signed())
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
            3 | 4 => Self::Delay(DelayCmd { id: small(input), delay_ms: input.number() as u16 as u64 }),
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

/// Makes a stream: frames with seqs that grow, now and then with another seq, a ping or any bytes between them; at last,
/// if so told, bits of it are turned and its end is cut off.
pub fn scripted<V: Scripting>(input: &mut Input<'_>) -> Scripted<V> {
    let (turns, cut_off) = (input.byte(), input.byte());
    let turns: Vec<_> =
        (0..if turns < 0x80 { 0 } else { turns % 4 }).map(|_| (input.number(), input.byte())).collect();
    let (mut bytes, mut items, mut broken) = (Vec::new(), Vec::new(), false);
    let mut seq = Seq::FIRST;
    while !input.is_empty() && bytes.len() < 200_000 {
        let item = match input.byte() {
            0 => Item::Ping,
            1 => {
                let count = usize::from(input.byte());
                bytes.extend_from_slice(input.bytes(count));
                broken = true;
                continue;
            }
            2..0x20 => Item::Value(Seq::new(small(input)), V::script(input)),
            0x20 => Item::Value(Seq::new(input.number() as i64), V::script(input)),
            _ => Item::Value(seq, V::script(input)),
        };
        seq = seq.next();
        // The number 0 says ping, whatever the value.
        let item = if matches!(item, Item::Value(Seq::PING, _)) { Item::Ping } else { item };
        item.encode(&Json, &mut bytes).expect("JSON can write all that a script makes");
        items.push(item);
    }
    for (at, bits) in turns {
        if let Some(len) = std::num::NonZeroU64::new(bytes.len() as u64) {
            bytes[(at % len) as usize] ^= bits;
            broken = true;
        }
    }
    if cut_off > 0x80 {
        bytes.truncate(bytes.len().saturating_sub(usize::from(cut_off - 0x80)));
        broken = true;
    }
    Scripted { bytes, items: (!broken).then_some(items) }
}
