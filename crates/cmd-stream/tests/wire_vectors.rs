//! The golden vectors of single values and of whole frames in each Format, each decoded, encoded and compared. A file
//! that is dropped into the folder is tested too; what it holds and this test does not know fails.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::marker::PhantomData;

use cmd_stream::format::{Encode, EncodeError, Format};
use cmd_stream::proto::frame::{Frame, FrameReader, Head, Seq, Tag};
use cmd_stream::proto::handshake::ServerInfo;
use cmd_stream::proto::{DecodeError, Decoded, Fault, varint};
use cmd_stream::protocol::{ClientProtocol, CommandOf, Protocol, ServedIn};
use cmd_stream::server::{CommandVisitor, ServerProtocol};
use cmd_stream::transport::Peer;
use cmd_stream::{CallError, Client, ErrorKind, Execute, Json, Mus, Protobuf};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::peer::BytePeer;
use testkit::sample::{EchoCmd, FailCmd, Sample, Service};
use testkit::{hex, unhex};

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/vectors.rs"]
mod vectors;

use bodies::{Body as _, Codec, for_each_codec, is_same_json, with_codec};
use vectors::{Layout, files_of};

/// Go decodes these JSON frames, and here something else happens, as the docs of the `json` module say.
const DOCUMENTED_DIFFERENCES: [(&str, Difference); 5] = [
    ("lenient/null_body", Difference::Refused),
    ("lenient/null_field", Difference::Refused),
    ("lenient/duplicate_field", Difference::Refused),
    ("lenient/invalid_utf8", Difference::Refused),
    // An unknown field is ignored, and a missing one has its default.
    ("lenient/case_insensitive", Difference::ZeroValue),
];

/// What happens here to a frame that Go decodes.
#[derive(Clone, Copy, Debug)]
enum Difference {
    /// Its body does not decode.
    Refused,
    /// It decodes, to the value without any field.
    ZeroValue,
}

/// Cannot be done here: sending a Command that its Protocol does not declare does not compile.
const COMPILE_ERRORS: [&str; 1] = ["encode_error/unregistered_type"];

type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// What decoding gives, in a form that can be compared and printed.
#[derive(Clone, PartialEq, Debug)]
enum Outcome {
    /// A value in its textual form (in which -0 is not 0, and NaN is NaN), and how many bytes it took.
    Value(String, usize),
    Incomplete,
    /// The portable code of the error, its text, and after how many bytes it was found.
    Invalid {
        code: &'static str,
        text: String,
        at: usize,
    },
}

impl<T> From<Decoded<T>> for Outcome
where
    T: Into<String>,
{
    fn from(decoded: Decoded<T>) -> Self {
        match decoded {
            Decoded::Value(value, taken) => Self::Value(value.into(), taken),
            Decoded::Incomplete(_) => Self::Incomplete,
            Decoded::Invalid(DecodeError { fault, at, .. }) => {
                let code = match &fault {
                    Fault::VarintOverflow => "overflow",
                    Fault::NegativeLength(_) => "negative_length",
                    Fault::TooLong { .. } => "too_large_length",
                    Fault::UnknownTag(_) => "unexpected_dtm",
                    Fault::Body(error) => code_of_body(&**error),
                    _ => "a fault that this test does not know",
                };
                Self::Invalid { code, text: fault.to_string(), at }
            }
        }
    }
}

/// The code of an error within a body. MUS has some of its own.
fn code_of_body(error: &(dyn Error + 'static)) -> &'static str {
    match error.downcast_ref::<mus_format::Error>().map(|error| &error.fault) {
        Some(mus_format::Fault::InvalidBool(_) | mus_format::Fault::InvalidPointer(_)) => "wrong_format",
        _ => "body",
    }
}

/// The bytes must fail with the error of the vector, after as many bytes, and not before.
fn check_error(
    bytes: &[u8],
    code: Option<&str>,
    consumed: Option<usize>,
    decode: &dyn Fn(&[u8]) -> Outcome,
) -> Checked {
    let code = code.ok_or("no error is given")?;
    let consumed = consumed.ok_or("`consumed` is not given")?;
    let outcome = decode(bytes);
    match code {
        // The library does not know that nothing will follow; the connection's task turns this into its error.
        "eof" | "unexpected_eof" => {
            ensure!(
                consumed == bytes.len(),
                "the input ends after {consumed} bytes, and has {}",
                bytes.len()
            );
            ensure!(outcome == Outcome::Incomplete, "expected incomplete, got {outcome:?}");
        }
        _ => {
            let code = if code == "too_large_server_info" { "too_large_length" } else { code };
            let expected =
                matches!(&outcome, Outcome::Invalid { code: c, at, .. } if *c == code && *at == consumed);
            ensure!(expected, "expected {code} after {consumed} bytes, got {outcome:?}");
            let before = decode(&bytes[..consumed - 1]);
            ensure!(
                before == Outcome::Incomplete,
                "without the last byte expected incomplete, got {before:?}"
            );
        }
    }
    Ok(())
}

/// The bytes must decode to this value, whatever follows them, and with none of them missing.
fn check_value(bytes: &[u8], value: &str, consumed: usize, decode: &dyn Fn(&[u8]) -> Outcome) -> Checked {
    let expected = Outcome::Value(value.to_owned(), consumed);
    for more in [&[][..], &[0xff], &[0x00; 20]] {
        let outcome = decode(&[bytes, more].concat());
        ensure!(
            outcome == expected,
            "expected {expected:?}, got {outcome:?} with {} bytes behind",
            more.len()
        );
    }
    for cut in 0..consumed {
        let outcome = decode(&bytes[..cut]);
        ensure!(
            outcome == Outcome::Incomplete,
            "of the first {cut} bytes expected incomplete, got {outcome:?}"
        );
    }
    Ok(())
}

/// Runs the check of each vector, and fails with all that failed.
fn check_all(file: &str, vectors: &[Value], check: impl Fn(&Value) -> Checked) {
    let mut failed = String::new();
    for vector in vectors {
        if let Err(error) = check(vector) {
            let _ = write!(failed, "\n{file}, {}: {error}", vector["name"]);
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(!vectors.is_empty(), "{file} has no vectors");
}

fn vectors_of(file: &Value) -> &[Value] {
    file["vectors"].as_array().expect("a list of vectors")
}

mod values {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "description")]
        _description: Option<String>,
        r#type: String,
        kind: String,
        value: Value,
        hex: String,
        consumed: Option<usize>,
        error: Option<String>,
        #[serde(rename = "error_text")]
        _error_text: Option<String>,
        #[serde(rename = "go_skip")]
        _go_skip: Option<Value>,
    }

    pub(super) fn check(vector: &Value) -> Checked {
        let vector = Vector::deserialize(vector).map_err(|error| error.to_string())?;
        let kind = Kind::of(&vector.r#type)
            .ok_or_else(|| format!("a type that no test knows: {}", vector.r#type))?;
        let bytes = unhex(&vector.hex);
        let decode = |bytes: &[u8]| kind.decode(bytes);
        match &*vector.kind {
            "roundtrip" => {
                let value = text_of(&vector.value)?;
                let encoded = hex(&kind.encode(value)?);
                ensure!(encoded == vector.hex, "encoded as {encoded}");
                check_value(&bytes, value, bytes.len(), &decode)
            }
            "decode" => {
                let value = text_of(&vector.value)?;
                check_value(&bytes, value, vector.consumed.ok_or("`consumed` is not given")?, &decode)?;
                let canonical = kind.encode(value)?;
                check_value(&canonical, value, canonical.len(), &decode)
            }
            "error" | "go_undefined" => {
                check_error(&bytes, vector.error.as_deref(), vector.consumed, &decode)
            }
            // Go reads any number of bytes for 8 bits. Here they have a limit as the other widths have.
            "decode_lax" => match kind {
                Kind::Varint(_, 8) => check_error(&bytes, Some("overflow"), Some(2), &decode),
                _ => Err("no strict answer is known".to_owned()),
            },
            kind => Err(format!("a kind that no test knows: {kind}")),
        }
    }

    /// The textual form of a value: that of the vector, and the bits of a float.
    fn text_of(value: &Value) -> Result<&str, String> {
        let text = value.get("bits").unwrap_or(value);
        text.as_str().ok_or_else(|| format!("no value: {value}"))
    }

    #[derive(Clone, Copy)]
    enum Kind {
        /// A number of so many bits.
        Varint(Mapping, u32),
        ServerInfo,
        Seq,
    }

    #[derive(Clone, Copy)]
    enum Mapping {
        Unsigned,
        Zigzag,
        Positive,
        Float,
    }

    impl Kind {
        fn of(name: &str) -> Option<Self> {
            match name {
                "server_info" => return Some(Self::ServerInfo),
                "seq" => return Some(Self::Seq),
                "varint.byte" => return Some(Self::Varint(Mapping::Unsigned, 8)),
                _ => {}
            }
            let name = name.strip_prefix("varint.")?;
            let families = [
                ("positive_int", Mapping::Positive),
                ("uint", Mapping::Unsigned),
                ("int", Mapping::Zigzag),
                ("float", Mapping::Float),
            ];
            families.into_iter().find_map(|(family, mapping)| {
                let bits = match name.strip_prefix(family)? {
                    "8" => 8,
                    "16" => 16,
                    "32" => 32,
                    "64" | "" => 64,
                    _ => return None,
                };
                Some(Self::Varint(mapping, bits))
            })
        }

        fn decode(self, bytes: &[u8]) -> Outcome {
            fn number<U: varint::Unsigned>(bytes: &[u8]) -> Decoded<u64> {
                varint::decode::<U>(bytes).map(Into::into)
            }
            match self {
                Self::ServerInfo => ServerInfo::decode(bytes).map(|info| hex(info.as_bytes())).into(),
                Self::Seq => {
                    let (tag, body) = (Decoded::Value(Tag::new(0), 0), Decoded::Value((), 0));
                    let frame = FrameReader::<()>::new(usize::MAX).read(bytes, |_| tag, |_, _, ()| body);
                    let seq = frame.map(|frame| match frame {
                        Frame::Ping => Seq::PING,
                        Frame::Body(head, ()) => head.seq,
                    });
                    seq.map(|seq| seq.to_string()).into()
                }
                Self::Varint(mapping, bits) => {
                    let decoded = match bits {
                        8 => number::<u8>(bytes),
                        16 => number::<u16>(bytes),
                        32 => number::<u32>(bytes),
                        _ => number::<u64>(bytes),
                    };
                    let text = |number: u64| match mapping {
                        Mapping::Unsigned => number.to_string(),
                        Mapping::Zigzag => varint::unzigzag(number).to_string(),
                        Mapping::Positive => {
                            // The sign bit is that of the type.
                            let shift = 64 - bits;
                            ((number << shift).cast_signed() >> shift).to_string()
                        }
                        Mapping::Float => format!("{number:0digits$x}", digits = bits as usize / 4),
                    };
                    decoded.map(text).into()
                }
            }
        }

        fn encode(self, value: &str) -> Result<Vec<u8>, String> {
            fn number<U: varint::Unsigned>(number: u64, out: &mut Vec<u8>) -> Checked {
                let number = U::try_from(number).map_err(|_| format!("{number} does not fit its type"))?;
                varint::encode(number, out);
                Ok(())
            }
            let signed = || value.parse::<i64>().map_err(|error| error.to_string());
            let mut out = Vec::new();
            match self {
                Self::ServerInfo => {
                    let info = unhex(value);
                    match ServerInfo::new(info.clone()) {
                        Ok(info) => info.encode(&mut out),
                        // A peer may send it, but none of ours can be made with it, as in Go.
                        Err(_) if info.is_empty() => out.push(0),
                        Err(error) => return Err(error.to_string()),
                    }
                }
                Self::Seq => Seq::new(signed()?).encode(&mut out),
                Self::Varint(mapping, bits) => {
                    let raw = match mapping {
                        Mapping::Unsigned => value.parse().map_err(|_| format!("no number: {value}"))?,
                        Mapping::Zigzag => varint::zigzag(signed()?),
                        Mapping::Positive => signed()?.cast_unsigned() & (u64::MAX >> (64 - bits)),
                        Mapping::Float => {
                            u64::from_str_radix(value, 16).map_err(|_| format!("no bits: {value}"))?
                        }
                    };
                    match bits {
                        8 => number::<u8>(raw, &mut out)?,
                        16 => number::<u16>(raw, &mut out)?,
                        32 => number::<u32>(raw, &mut out)?,
                        _ => number::<u64>(raw, &mut out)?,
                    }
                }
            }
            Ok(out)
        }
    }
}

mod frames {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Vector {
        pub(super) name: String,
        #[serde(rename = "description")]
        _description: Option<String>,
        direction: Direction,
        pub(super) kind: String,
        seq: Option<String>,
        r#type: Option<String>,
        value: Option<Value>,
        pub(super) hex: String,
        max_len: Option<usize>,
        consumed: Option<usize>,
        error: Option<String>,
        #[serde(rename = "error_text")]
        _error_text: Option<String>,
        #[serde(rename = "buffered_before_error")]
        _buffered_before_error: Option<String>,
    }

    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Direction {
        ClientToServer,
        ServerToClient,
    }

    impl Vector {
        pub(super) fn of(vector: &Value) -> Result<Self, String> {
            Self::deserialize(vector).map_err(|error| error.to_string())
        }

        /// The Format of the receiver.
        fn format<C: Frames>(&self) -> C::Format {
            self.max_len.map_or(C::FORMAT, |bytes| C::FORMAT.with_max_len(bytes))
        }

        fn seq(&self) -> Result<Seq, String> {
            let seq = self.seq.as_ref().and_then(|seq| seq.parse().ok());
            seq.map(Seq::new).ok_or_else(|| "no seq".to_owned())
        }

        /// Its value; nothing if it is a ping or a pong.
        pub(super) fn body<C: Frames>(&self) -> Result<Option<C::Body>, String> {
            match (self.r#type.as_deref(), &self.value) {
                (Some("Ping" | "Pong"), None) => Ok(None),
                (Some(name), Some(value)) => match C::Body::of_vector(name, value) {
                    Some(body) => Ok(Some(body)),
                    None => Err(format!("a type that no test knows: {name}")),
                },
                _ => Err("no value".to_owned()),
            }
        }

        /// A reader of its direction.
        pub(super) fn reader<C: Frames>(&self) -> Reader<C> {
            Reader {
                direction: self.direction,
                format: self.format::<C>(),
                frames: FrameReader::new(usize::MAX),
            }
        }
    }

    /// What these tests do with the sample service in a Format.
    pub(super) trait Frames: Codec<Format: MaxLen> {
        fn of_command(command: <Self::Protocol as Protocol>::CommandRef<'_>) -> Self::Body;
        fn of_reply(reply: <Self::Protocol as Protocol>::Reply) -> Self::Body;
        /// Appends tag and body, as a client or a server does.
        fn encode(format: &Self::Format, body: Self::Body, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    }

    /// A Format that has a maximum length.
    pub(super) trait MaxLen {
        fn with_max_len(self, bytes: usize) -> Self;
    }

    impl MaxLen for Json {
        fn with_max_len(self, bytes: usize) -> Self {
            self.max_len(bytes)
        }
    }

    impl MaxLen for Mus {
        fn with_max_len(self, _: usize) -> Self {
            panic!("a frame in MUS has no length")
        }
    }

    impl MaxLen for Protobuf {
        fn with_max_len(self, bytes: usize) -> Self {
            self.max_len(bytes)
        }
    }

    macro_rules! frames {
        (
            $module:ident: $format:ident, $($sample:ident)::+,
            commands { $( $command_tag:literal => $command:ty as $command_name:ident ),+ $(,)? }
            replies { $( $reply_tag:literal => $reply:ident ),+ $(,)? }
        ) => {
            const _: () = {
                use $($sample)::+::{Sample, SampleCommand, SampleReply};
                use bodies::$module::{Body, Codec};

                impl Frames for Codec {
                    fn of_command(command: SampleCommand<'_>) -> Body {
                        match command {
                            $( SampleCommand::$command_name(command) => Body::$command_name(command.clone()), )+
                        }
                    }

                    fn of_reply(reply: SampleReply) -> Body {
                        match reply {
                            $( SampleReply::$reply(reply) => Body::$reply(reply), )+
                        }
                    }

                    fn encode(format: &$format, body: Body, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                        let reply = match body {
                            $( Body::$command_name(command) => {
                                return encode_command::<Sample, _, _>(format, &command, out);
                            } )+
                            $( Body::$reply(reply) => SampleReply::$reply(reply), )+
                        };
                        <Sample as ServedIn<$format>>::encode_reply(format, &reply, out)
                    }
                }
            };
        };
    }
    for_each_codec!(frames);

    fn encode_command<P: Protocol, F: Encode<T>, T: CommandOf<P>>(
        format: &F,
        command: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        format.encode_tag(T::TAG, out);
        format.encode(command, out)
    }

    /// Reads frames as a server or a client does.
    pub(super) struct Reader<C: Frames> {
        direction: Direction,
        format: C::Format,
        pub(super) frames: FrameReader<<C::Format as Format>::Progress>,
    }

    struct TakesBody<C>(PhantomData<C>);

    impl<C: Frames> CommandVisitor<C::Protocol, Service> for TakesBody<C> {
        type Output = C::Body;

        fn visit<T: CommandOf<C::Protocol> + Execute<Service>>(self, command: T, _: usize) -> C::Body {
            C::of_command(command.as_command())
        }
    }

    impl<C: Frames> Reader<C> {
        pub(super) fn read(&mut self, bytes: &[u8]) -> Outcome {
            let format = &self.format;
            let read_tag = |bytes: &[u8]| format.decode_tag(bytes);
            let decoded = match self.direction {
                Direction::ClientToServer => self.frames.read(bytes, read_tag, |head, body, progress| {
                    let visitor = TakesBody::<C>(PhantomData);
                    <C::Protocol as ServerProtocol<C::Format, Service>>::decode_command(
                        format, head.tag, body, progress, visitor,
                    )
                }),
                Direction::ServerToClient => self.frames.read(bytes, read_tag, |head, body, progress| {
                    C::Protocol::decode_reply(format, head.tag, body, progress).map(C::of_reply)
                }),
            };
            decoded.map(|frame| text(&frame)).into()
        }

        /// The answer to the last of the bytes. If they are wrong before the least that a frame of their type needs, a
        /// Format may not be asked until so many are there; then more bytes come.
        fn read_to_end(&mut self, bytes: &[u8], whole: &Outcome) -> Outcome {
            match (self.read(bytes), whole) {
                (Outcome::Incomplete, Outcome::Invalid { .. }) => {
                    let more = vec![0; self.frames.needed().saturating_sub(bytes.len())];
                    self.read(&[bytes, &more].concat())
                }
                (outcome, _) => outcome,
            }
        }
    }

    fn text(frame: &Frame<impl Debug>) -> String {
        match frame {
            Frame::Ping => "ping".to_owned(),
            Frame::Body(Head { seq, .. }, body) => format!("{seq} {body:?}"),
        }
    }

    pub(super) fn check<C: Frames>(vector: &Value) -> Checked {
        let vector = Vector::of(vector)?;
        let bytes = unhex(&vector.hex);
        let decode = |bytes: &[u8]| vector.reader::<C>().read(bytes);
        match &*vector.kind {
            "roundtrip" | "encode" => {
                check_value(&bytes, &vector.text::<C>()?, bytes.len(), &decode)?;
                vector.check_encode::<C>(&bytes)
            }
            "decode" => {
                let consumed = vector.consumed.ok_or("`consumed` is not given")?;
                let differences = DOCUMENTED_DIFFERENCES.iter().filter(|_| C::IS_JSON);
                match differences.into_iter().find(|(name, _)| *name == vector.name) {
                    None => check_value(&bytes, &vector.text::<C>()?, consumed, &decode),
                    Some((_, Difference::Refused)) => {
                        check_error(&bytes, Some("body"), Some(consumed), &decode)
                    }
                    Some((_, Difference::ZeroValue)) => {
                        let zero = bodies::json::Body::EchoCmd(EchoCmd::default());
                        let zero = format!("{} {zero:?}", vector.seq()?);
                        ensure!(
                            vector.text::<C>()? != zero,
                            "Go decodes it to the zero value, too: no difference"
                        );
                        check_value(&bytes, &zero, consumed, &decode)
                    }
                }
            }
            "error" => check_error(&bytes, vector.error.as_deref(), vector.consumed, &decode),
            "encode_error" if COMPILE_ERRORS.contains(&&*vector.name) => match vector.body::<C>() {
                Err(_) => Ok(()),
                Ok(body) => Err(format!("the type is declared: {body:?}")),
            },
            "encode_error" => {
                let encoded = vector.encode::<C>();
                ensure!(encoded.is_err(), "encoded as {}", hex(&encoded.unwrap_or_default()));
                Ok(())
            }
            kind => Err(format!("a kind that no test knows: {kind}")),
        }
    }

    impl Vector {
        /// Its textual form, as that of what is decoded.
        fn text<C: Frames>(&self) -> Result<String, String> {
            let frame = match self.body::<C>()? {
                None => Frame::Ping,
                Some(body) => Frame::Body(Head { seq: self.seq()?, tag: Tag::new(0), len: 0 }, body),
            };
            Ok(text(&frame))
        }

        /// The frame of its value, as a client or a server writes it.
        fn encode<C: Frames>(&self) -> Result<Vec<u8>, String> {
            let mut out = Vec::new();
            self.seq()?.encode(&mut out);
            if let Some(body) = self.body::<C>()? {
                C::encode(&self.format::<C>(), body, &mut out).map_err(|error| error.to_string())?;
            }
            Ok(out)
        }

        /// The same bytes; of JSON seq, tag and the form of the length, and the same value as the body.
        fn check_encode<C: Frames>(&self, expected: &[u8]) -> Checked {
            let encoded = self.encode::<C>()?;
            if C::IS_JSON {
                check_json(&encoded, expected)?;
            } else {
                ensure!(encoded == expected, "{} instead of {}", hex(&encoded), hex(expected));
            }
            let outcome = self.reader::<C>().read(&encoded);
            ensure!(
                outcome == Outcome::Value(self.text::<C>()?, encoded.len()),
                "our own bytes decode to {outcome:?}"
            );
            Ok(())
        }
    }

    fn check_json(encoded: &[u8], expected: &[u8]) -> Checked {
        let (head, body) = split(encoded)?;
        let (expected_head, expected_body) = split(expected)?;
        ensure!(head == expected_head, "head {} instead of {}", hex(head), hex(expected_head));
        let same = is_same_json(body, expected_body) || (body.is_empty() && expected_body.is_empty());
        ensure!(same, "body {} instead of {}", body.escape_ascii(), expected_body.escape_ascii());
        Ok(())
    }

    /// The frame is the same however it is cut, and no answer says that more is missing than is.
    pub(super) fn check_cuts<C: Frames>(vector: &Value) -> Checked {
        let vector = Vector::of(vector)?;
        let bytes = unhex(&vector.hex);
        let whole = vector.reader::<C>().read(&bytes);
        for cut in 0..bytes.len() {
            let mut reader = vector.reader::<C>();
            let outcome = match reader.read(&bytes[..cut]) {
                Outcome::Incomplete => reader.read_to_end(&bytes, &whole),
                early => early,
            };
            ensure!(outcome == whole, "cut after {cut} bytes: {outcome:?}, whole: {whole:?}");
        }
        let mut reader = vector.reader::<C>();
        let mut outcome = Outcome::Incomplete;
        for end in 0..=bytes.len() {
            let needed = reader.frames.needed();
            outcome = reader.read(&bytes[..end]);
            if outcome != Outcome::Incomplete {
                ensure!(needed <= end, "{needed} bytes were said to be needed, and {end} were enough");
                break;
            }
        }
        if outcome == Outcome::Incomplete {
            outcome = reader.read_to_end(&bytes, &whole);
        }
        ensure!(outcome == whole, "byte by byte: {outcome:?}, whole: {whole:?}");
        Ok(())
    }

    /// Seq and tag, and the body. The length between them must be in its shortest form, and right.
    fn split(frame: &[u8]) -> Result<(&[u8], &[u8]), String> {
        let number = |bytes| match varint::decode::<u64>(bytes) {
            Decoded::Value(number, taken) => Ok((number, taken)),
            other => Err(format!("{other:?} in {}", hex(frame))),
        };
        let (seq, mut head_len) = number(frame)?;
        if seq == 0 {
            return Ok((frame, &[]));
        }
        head_len += number(&frame[head_len..])?.1;
        let (length, taken) = number(&frame[head_len..])?;
        let body = &frame[head_len + taken..];
        ensure_length(length, taken, body)?;
        Ok((&frame[..head_len], body))
    }

    fn ensure_length(length: u64, taken: usize, body: &[u8]) -> Checked {
        ensure!(taken == varint::len(length), "length {length} is written in {taken} bytes");
        ensure!(length == body.len() as u64, "length {length} before a body of {} bytes", body.len());
        Ok(())
    }
}

#[test]
fn every_value_vector_decodes_encodes_and_fails_as_it_says() {
    for (name, file) in files_of(Layout::Values) {
        check_all(&name, vectors_of(&file), values::check);
    }
}

/// The files of frames, and which Format each is about.
fn frame_files() -> Vec<(String, Value)> {
    let codec_of =
        |name: String| match name.strip_prefix("codec_").and_then(|name| name.strip_suffix(".json")) {
            Some(codec) => codec.to_owned(),
            None => panic!("{name}: frames of a Format that its name does not say"),
        };
    files_of(Layout::Frames).into_iter().map(|(name, file)| (codec_of(name), file)).collect()
}

fn check_frame(codec: &str, vector: &Value) -> Checked {
    with_codec!(codec, C => frames::check::<C>(vector))
}

#[test]
fn every_frame_vector_decodes_encodes_and_fails_as_it_says() {
    for (codec, file) in frame_files() {
        check_all(&codec, vectors_of(&file), |vector| check_frame(&codec, vector));
    }
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    for (codec, file) in frame_files() {
        with_codec!(&*codec, C => check_all(&codec, vectors_of(&file), frames::check_cuts::<C>));
    }
}

#[test]
fn the_tables_of_exceptions_name_vectors_that_exist() {
    let files = frame_files();
    let json = files.iter().filter(|(codec, _)| codec == "json");
    let names: Vec<&Value> =
        json.flat_map(|(_, file)| vectors_of(file)).map(|vector| &vector["name"]).collect();
    for name in DOCUMENTED_DIFFERENCES.iter().map(|(name, _)| *name).chain(COMPILE_ERRORS) {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "vectors with the name {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_encoded_fails_its_call_and_leaves_no_byte() {
    let mut tried = 0;
    for (codec, file) in frame_files() {
        for vector in vectors_of(&file).iter().filter(|vector| vector["kind"] == "encode_error") {
            let vector = frames::Vector::of(vector).expect("a vector");
            if COMPILE_ERRORS.contains(&&*vector.name) {
                continue;
            }
            let body = vector.body::<bodies::json::Codec>();
            let (Ok(Some(bodies::json::Body::EchoCmd(command))), "json") = (body, &*codec) else {
                panic!("{codec}: not known: {}", vector.name)
            };
            let (io, server) = tokio::io::duplex(4096);
            let mut server = BytePeer::over(server);
            server.send(testkit::peer::GREETING).await;
            let peer = Peer::other("test");
            let client = Client::builder(Sample, Json).over(io, peer).await.expect("it is greeted");

            let CallError::Other(error) = client.send(command).await.expect_err(&vector.name);
            assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Encode, false), "{}", vector.name);
            let next = client.send(FailCmd {});
            let (_, received) = tokio::join!(
                async { tokio::time::timeout(std::time::Duration::from_secs(1), next).await },
                server.receive(5)
            );
            assert_eq!(hex(&received), "0102027b7d", "{}: the next call, and nothing before it", vector.name);
            tried += 1;
        }
    }
    assert!(tried > 0, "no vector of a command that cannot be encoded");
}

#[test]
fn a_body_at_the_maximum_length_is_read_and_one_past_it_is_refused_at_its_length() {
    for (codec, name, value, hex) in [
        ("json", "FailCmd", json!({}), "0102027b7d"),
        ("protobuf", "Cmd1", json!({ "X": "1" }), "0100020801"),
    ] {
        let frame = |max_len: usize| {
            json!({
                "name": codec, "direction": "client_to_server", "kind": "roundtrip", "seq": "1", "type": name,
                "value": value, "hex": hex, "max_len": max_len,
            })
        };
        assert_eq!(check_frame(codec, &frame(2)), Ok(()));
        let mut refused = frame(1);
        refused["kind"] = json!("error");
        refused["error"] = json!("too_large_length");
        refused["consumed"] = json!(3);
        assert_eq!(check_frame(codec, &refused), Ok(()));
        refused["kind"] = json!("encode_error");
        assert_eq!(check_frame(codec, &refused), Ok(()), "it is not written either");
    }
}

/// The checks themselves must be able to fail: each change of a good vector is noticed.
#[test]
fn a_vector_that_does_not_hold_or_is_not_known_fails() {
    let changed = |vector: &Value, field: &str, value: Value| {
        let mut vector = vector.clone();
        vector[field] = value;
        vector
    };

    let value =
        json!({ "name": "n", "type": "varint.uint16", "kind": "roundtrip", "value": "300", "hex": "ac02" });
    assert_eq!(values::check(&value), Ok(()));
    for (field, other) in [
        ("type", json!("varint.uint8")),
        ("type", json!("varint.uint17")),
        ("type", json!("raw.uint16")),
        ("kind", json!("error")),
        ("kind", json!("decode")),
        ("kind", json!("decode_lax")),
        ("kind", json!("skip")),
        ("value", json!("301")),
        ("value", json!(300)),
        ("hex", json!("ad02")),
        ("hex", json!("ac8200")),
        ("options", json!({ "max_len": 3 })),
    ] {
        let vector = changed(&value, field, other);
        assert!(values::check(&vector).is_err(), "{vector}");
    }

    let frames = [
        (
            "json",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "DelayResult", "value": { "ID": 7 }, "hex": "0502087b224944223a377d",
            }),
            json!({ "ID": 8 }),
            ["0502087b224964223a377d", "058200087b224944223a377d"],
        ),
        (
            "protobuf",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "CalcResult", "value": { "R": "7" }, "hex": "0502020807",
            }),
            json!({ "R": 7 }),
            ["0502021007", "058200020807"],
        ),
        (
            "mus",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "DelayResult", "value": { "ID": 7 }, "hex": "05030e",
            }),
            json!({ "ID": "7" }),
            ["05030f", "0583000e"],
        ),
    ];
    for (codec, frame, other_value, [other_body, other_head]) in frames {
        assert_eq!(check_frame(codec, &frame), Ok(()));
        for (field, other) in [
            ("direction", json!("client_to_server")),
            ("direction", json!("sideways")),
            ("kind", json!("error")),
            ("kind", json!("encode_error")),
            ("kind", json!("skip")),
            ("seq", json!("6")),
            ("type", json!("EchoReply")),
            ("value", other_value),
            ("hex", json!(other_body)),
            ("hex", json!(other_head)),
            ("max_len", json!(1)),
            ("wrapped", json!(true)),
        ] {
            let vector = changed(&frame, field, other);
            let failed = std::panic::catch_unwind(|| check_frame(codec, &vector))
                .map_or(true, |checked| checked.is_err());
            assert!(failed, "{codec}: {vector}");
        }
    }
}
