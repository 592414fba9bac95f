//! Vectors of whole frames.

use cmd_stream::Client;

use super::live::How;
use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    pub(super) direction: Direction,
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

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    ClientToServer,
    ServerToClient,
}

impl Vector {
    pub(super) fn of(vector: &Value) -> Result<Self, String> {
        Self::deserialize(vector).map_err(|error| error.to_string())
    }

    /// The Format of the receiver, with its maximum length.
    pub(super) fn format<C: Frames>(&self) -> C::Format {
        self.max_len.map_or(C::FORMAT, |bytes| C::FORMAT.with_max_len(bytes))
    }

    fn seq(&self) -> Result<Seq, String> {
        let seq = self.seq.as_ref().and_then(|seq| seq.parse().ok());
        seq.map(Seq::new).ok_or_else(|| "no seq".to_owned())
    }

    /// Its value, or nothing for a ping or a pong.
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

    /// A reader for its direction.
    pub(super) fn reader<C: Frames>(&self) -> Reader<C> {
        Reader { direction: self.direction, format: self.format::<C>(), frames: FrameReader::new(usize::MAX) }
    }
}

/// What these tests do with the sample service in a Format.
pub(super) trait Frames: Codec<Format: MaxLen> {
    fn of_command(command: <Self::Protocol as Protocol>::CommandRef<'_>) -> Self::Body;
    fn of_reply(reply: <Self::Protocol as Protocol>::Reply) -> Self::Body;
    /// Appends tag and body, as a client or a server does.
    fn encode(format: &Self::Format, body: Self::Body, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    /// Calls a Command, for one Reply or for a stream of them, and waits for the first Reply.
    async fn call(
        client: &Client<Self::Protocol, Self::Format>,
        command: Self::Body,
        how: How,
    ) -> Result<(), cmd_stream::Error>;
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

                async fn call(
                    client: &Client<Sample, $format>,
                    command: Body,
                    how: How,
                ) -> Result<(), cmd_stream::Error> {
                    match command {
                        $( Body::$command_name(command) => live::call(client, command, how).await, )+
                        reply => panic!("no command: {reply:?}"),
                    }
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

    /// Reads the last of the bytes. The Format may not be asked before a frame of this type has its least length, so
    /// bytes that are wrong earlier are followed by more.
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
                Some((_, Difference::Refused)) => check_error(&bytes, Some("body"), Some(consumed), &decode),
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
    /// Its text, in the form of what is decoded.
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

    /// Checks that the value is encoded to the same bytes. JSON bodies are compared by value, and their heads by bytes.
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

/// Checks that the result is the same however the frame is cut, and that no result claims more missing bytes than there
/// are.
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

/// Splits a frame into seq and tag, and the body. The length between them must be right and in its shortest form.
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
