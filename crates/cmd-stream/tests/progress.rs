//! Decoding is linear in the bytes however they are cut, for any Format: with the length before the body, without any,
//! and with an end that must be looked for. 4 MiB that arrive byte by byte cost at most 3 times what they cost in pieces
//! of 16 KiB, decode work alone. The work is counted by the Formats of this file, so the answer does not depend on the
//! machine; the time is only checked to grow with the bytes and not with their square.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use cmd_stream::format::json::Length;
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::frame::{Frame, FrameReader, Seq, Tag};
use cmd_stream::proto::{Decoded, Fault, varint};
use cmd_stream::{Json, Mus, Protobuf};
use mus_format::{Output, Progress, Reader, Shape, Stopped};
use serde::{Deserialize, Serialize};

const MIB: usize = 1 << 20;
/// What one read of a connection brings at least, as long as there is more.
const PIECE: usize = 16 << 10;
/// How much more may be done for single bytes than for pieces.
const MOST: f64 = 3.0;

/// What has been done: attempts that the Format was asked for, and bytes that it looked at.
#[derive(Debug, Default)]
struct Work(Cell<u64>);

impl Work {
    fn attempt(&self) {
        self.0.set(self.0.get() + 1);
    }

    fn looked_at(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes as u64);
    }
}

thread_local! {
    /// That of the test that runs on this thread.
    static WORK: Work = Work::default();
}

fn looked_at(bytes: usize) {
    WORK.with(|work| work.looked_at(bytes));
}

/// The Format of the Go `echo` example: no tag, the length before the text.
#[derive(Clone, Copy, Debug)]
struct Untagged;

impl Format for Untagged {
    const NAME: &str = "untagged";
    type Progress = ();

    fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}

    fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
        Decoded::Value(Tag::new(0), 0)
    }
}

impl Encode<String> for Untagged {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        encode_text(value, out);
        Ok(())
    }
}

impl Decode<String> for Untagged {
    fn decode(&self, bytes: &[u8], (): &mut ()) -> Decoded<String> {
        WORK.with(Work::attempt);
        let (end, start) = match end_of_text(bytes) {
            Decoded::Value(end, start) => (end, start),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        match bytes.get(start..end) {
            None => Decoded::incomplete(end - bytes.len()),
            Some(text) => decode_text(text)
                .map_or_else(|fault| Decoded::invalid(fault, end), |t| Decoded::Value(t, end)),
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    varint::encode(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Where a text ends, and where it starts behind its length.
fn end_of_text(bytes: &[u8]) -> Decoded<usize> {
    match varint::decode_length(bytes) {
        Decoded::Value(length, start) => {
            looked_at(start);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            Decoded::Value(start.saturating_add(length), start)
        }
        Decoded::Incomplete(missing) => {
            looked_at(bytes.len());
            Decoded::Incomplete(missing)
        }
        Decoded::Invalid(error) => Decoded::Invalid(error),
    }
}

fn decode_text(bytes: &[u8]) -> Result<String, Fault> {
    looked_at(bytes.len());
    String::from_utf8(bytes.to_vec()).map_err(|error| Fault::Body(error.into()))
}

/// A number of texts, then each with its length: what a Format without a length for the whole looks like (MUS is one).
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Whether it keeps where its scan stopped, or starts anew each time.
    remembers: bool,
    /// Whether it says how much is missing at least of all texts, or only of the one that has begun.
    tight: bool,
}

/// As it should be.
const COUNTED: Counted = Counted { remembers: true, tight: true };

/// Where a scan stopped.
#[derive(Debug, Default)]
struct Scan {
    /// How many texts are left, once that is known.
    left: Option<u64>,
    /// Where the next one begins.
    at: usize,
}

impl Scan {
    /// Goes on to the end of the last text.
    fn resume(&mut self, bytes: &[u8], tight: bool) -> Decoded<()> {
        let mut left = match self.left {
            Some(left) => left,
            None => match varint::decode_length(bytes) {
                Decoded::Value(count, taken) => {
                    looked_at(taken);
                    self.at = taken;
                    count
                }
                Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
                Decoded::Invalid(error) => return Decoded::Invalid(error),
            },
        };
        while left > 0 {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let missing = match end_of_text(rest) {
                Decoded::Value(end, _) if end <= rest.len() => {
                    self.at += end;
                    left -= 1;
                    continue;
                }
                Decoded::Value(end, _) => end - rest.len(),
                Decoded::Incomplete(missing) => missing.get(),
                Decoded::Invalid(error) => return Decoded::invalid(error.fault, self.at + error.at),
            };
            self.left = Some(left);
            // Each of those behind it takes a byte at least.
            let behind = if tight { usize::try_from(left - 1).unwrap_or(usize::MAX) } else { 0 };
            return Decoded::incomplete(missing.saturating_add(behind));
        }
        self.left = Some(0);
        Decoded::Value((), self.at)
    }
}

impl Format for Counted {
    const NAME: &str = "counted";
    type Progress = Scan;
}

impl Encode<Vec<String>> for Counted {
    fn encode(&self, value: &Vec<String>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        varint::encode(value.len() as u64, out);
        value.iter().for_each(|text| encode_text(text, out));
        Ok(())
    }
}

impl Decode<Vec<String>> for Counted {
    fn decode(&self, bytes: &[u8], scan: &mut Scan) -> Decoded<Vec<String>> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *scan = Scan::default();
        }
        let end = match scan.resume(bytes, self.tight) {
            Decoded::Value((), end) => end,
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        // All of it is there: it is decoded in one go.
        let Decoded::Value(count, mut at) = varint::decode_length(bytes) else {
            unreachable!("it was scanned")
        };
        let mut texts = Vec::new();
        for _ in 0..count {
            let Decoded::Value(end, start) = end_of_text(&bytes[at..]) else {
                unreachable!("it was scanned")
            };
            match decode_text(&bytes[at + start..at + end]) {
                Ok(text) => texts.push(text),
                Err(fault) => return Decoded::invalid(fault, at + end),
            }
            at += end;
        }
        Decoded::Value(texts, end)
    }
}

/// A text that ends at a line feed.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Whether it keeps how far it has looked, or starts anew each time.
    remembers: bool,
}

/// As it should be.
const LINE: Line = Line { remembers: true };

impl Format for Line {
    const NAME: &str = "line";
    type Progress = usize;
}

impl Encode<String> for Line {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

impl Decode<String> for Line {
    fn decode(&self, bytes: &[u8], looked: &mut usize) -> Decoded<String> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *looked = 0;
        }
        let Some(end) = bytes[*looked..].iter().position(|byte| *byte == b'\n') else {
            looked_at(bytes.len() - *looked);
            *looked = bytes.len();
            return Decoded::incomplete(1);
        };
        looked_at(end + 1);
        let end = *looked + end;
        match decode_text(&bytes[..end]) {
            Ok(text) => Decoded::Value(text, end + 1),
            Err(fault) => Decoded::invalid(fault, end + 1),
        }
    }
}

/// A Format with the length before its bodies, with its attempts and the bytes of the bodies that it reads counted.
#[derive(Clone, Copy, Debug)]
struct Prefixed<F>(F);

impl<F: Format<Progress = Length>> Format for Prefixed<F> {
    const NAME: &str = F::NAME;
    type Progress = Length;
}

impl<F: Encode<T, Progress = Length>, T> Encode<T> for Prefixed<F> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(value, out)
    }
}

impl<F: Decode<T, Progress = Length>, T> Decode<T> for Prefixed<F> {
    fn decode(&self, bytes: &[u8], progress: &mut Length) -> Decoded<T> {
        WORK.with(Work::attempt);
        let decoded = self.0.decode(bytes, progress);
        match &decoded {
            Decoded::Value(_, taken) => looked_at(*taken),
            Decoded::Incomplete(_) => looked_at(bytes.len().min(varint::MAX_LEN)),
            Decoded::Invalid(error) => looked_at(error.at),
        }
        decoded
    }
}

/// MUS, with its attempts counted; what it looks at is counted by the values ([`Verse`]).
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// Whether it keeps where its scan stopped, or starts anew each time.
    remembers: bool,
}

/// As it is.
const WATCHED: Watched = Watched { remembers: true };

impl Format for Watched {
    const NAME: &str = Mus::NAME;
    type Progress = Progress;
}

impl<T: mus_format::Encode> Encode<T> for Watched {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Mus.encode(value, out)
    }
}

impl<T: mus_format::DecodeOwned> Decode<T> for Watched {
    fn decode(&self, bytes: &[u8], progress: &mut Progress) -> Decoded<T> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *progress = Progress::default();
        }
        Mus.decode(bytes, progress)
    }
}

/// A text that counts what is done to it: all its bytes when it is decoded, and a verse when a scan comes to it. On the
/// wire it is a union of one variant, as a scan asks for those at each one that it comes to.
#[derive(Clone, PartialEq, Debug)]
struct Verse(String);

/// The bytes of a verse, unless it is one of its own length.
const VERSE: usize = 62;

impl mus_format::Encode for Verse {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        out.tag(1);
        mus_format::Encode::encode(&self.0, out);
    }
}

impl<'de> mus_format::Decode<'de> for Verse {
    const SHAPE: Shape = Shape::union(|| {
        looked_at(VERSE);
        const { &[(1, &[<String as mus_format::Decode<'_>>::SHAPE])] }
    });

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        let start = reader.position();
        reader.expect_tag(1)?;
        let text = <String as mus_format::Decode<'_>>::decode(reader)?;
        looked_at(reader.position() - start);
        Ok(Self(text))
    }
}

impl mus_format::Describe for Verse {
    fn describe() -> mus_format::Description {
        mus_format::Description::union(&[(1, "Verse", &[mus_format::Part::of::<String>()])])
    }
}

#[derive(Clone, PartialEq, Debug, mus_format::Mus)]
struct Page {
    number: u32,
    title: Option<Verse>,
    verses: Vec<Verse>,
    notes: BTreeMap<u8, Box<Verse>>,
}

/// A frame of a value.
fn frame<F: Encode<T>, T>(format: &F, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    Seq::FIRST.encode(&mut bytes);
    format.encode_tag(Tag::new(0), &mut bytes);
    format.encode(value, &mut bytes).expect("it can be encoded");
    bytes
}

/// Decodes the frame as it arrives in pieces: the value, what was done, and the time.
fn decode_in_pieces<F: Decode<T>, T>(format: &F, bytes: &[u8], piece: usize) -> (T, u64, Duration) {
    WORK.with(|work| work.0.set(0));
    let began = Instant::now();
    let mut reader = FrameReader::<F::Progress>::new(usize::MAX);
    let mut arrived = 0;
    loop {
        arrived = (arrived + piece).min(bytes.len());
        let answer = reader.read(
            &bytes[..arrived],
            |bytes| format.decode_tag(bytes),
            |_, body, progress| format.decode(body, progress),
        );
        match answer {
            Decoded::Value(Frame::Body(_, value), taken) => {
                assert_eq!((taken, arrived), (bytes.len(), bytes.len()));
                return (value, WORK.with(|work| work.0.get()), began.elapsed());
            }
            Decoded::Incomplete(missing) => {
                assert!(
                    arrived + missing.get() <= bytes.len(),
                    "{missing} more after {arrived} of {}",
                    bytes.len()
                );
            }
            other => panic!("after {arrived} bytes: {:?}", other.map(|_| ())),
        }
    }
}

/// How many times the work of pieces single bytes take.
fn ratio_of_work<F: Encode<T> + Decode<T>, T: PartialEq + Debug>(format: &F, value: &T) -> f64 {
    let bytes = frame(format, value);
    let (in_pieces, few, _) = decode_in_pieces(format, &bytes, PIECE);
    let (one_by_one, many, _) = decode_in_pieces(format, &bytes, 1);
    assert!(in_pieces == *value && one_by_one == *value, "the value is the same however it is cut");
    assert!(
        few as f64 >= 0.95 * bytes.len() as f64,
        "{few} for {} bytes: not all work is counted",
        bytes.len()
    );
    many as f64 / few as f64
}

/// Values of about so many bytes.
fn text(bytes: usize) -> String {
    "0123456789abcdef".repeat(bytes / 16)
}

fn texts(bytes: usize) -> Vec<String> {
    (0..bytes / 61).map(|n| format!("{n:060}")).collect()
}

fn verse(n: usize) -> Verse {
    Verse(format!("{n:060}"))
}

fn verses(bytes: usize) -> Vec<Verse> {
    (0..bytes / VERSE).map(verse).collect()
}

/// Of eight verses each.
fn pages(bytes: usize) -> Vec<Page> {
    let page = |n: usize| Page {
        number: n as u32,
        title: n.is_multiple_of(2).then(|| verse(n)),
        verses: (0..6).map(verse).collect(),
        notes: (0..1 + n as u8 % 2).map(|note| (note, Box::new(verse(n)))).collect(),
    };
    (0..bytes / (8 * VERSE)).map(page).collect()
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize, mus_format::Mus)]
struct Document {
    #[prost(string, repeated, tag = "1")]
    lines: Vec<String>,
    #[prost(int64, tag = "2")]
    number: i64,
}

fn document(bytes: usize) -> Document {
    Document { lines: (0..bytes / 63).map(|n| format!("{n:060}")).collect(), number: 7 }
}

#[test]
fn four_mib_byte_by_byte_cost_at_most_three_times_the_same_in_pieces() {
    let four = 4 * MIB;
    for (name, ratio) in [
        ("length-prefixed, untagged", ratio_of_work(&Untagged, &text(four))),
        ("counted texts", ratio_of_work(&COUNTED, &texts(four))),
        (
            "counted texts, with a loose bound",
            ratio_of_work(&Counted { tight: false, ..COUNTED }, &texts(four)),
        ),
        ("many empty texts", ratio_of_work(&COUNTED, &vec![String::new(); MIB])),
        ("one long text", ratio_of_work(&COUNTED, &vec![text(four)])),
        ("ends at a line feed", ratio_of_work(&LINE, &text(four))),
        ("JSON", ratio_of_work(&Prefixed(Json), &document(four))),
        ("Protobuf", ratio_of_work(&Prefixed(Protobuf), &document(four))),
        ("MUS, one text", ratio_of_work(&WATCHED, &Verse(text(four)))),
        ("MUS, texts", ratio_of_work(&WATCHED, &verses(four))),
        ("MUS, nested structs", ratio_of_work(&WATCHED, &pages(four))),
    ] {
        assert!(ratio <= MOST, "{name}: {ratio:.2} times the work");
        println!("{name}: {ratio:.2} times the work");
    }
}

/// The test above is able to fail: what starts anew at each attempt does far more, for far fewer bytes.
#[test]
fn a_format_that_starts_anew_each_time_would_fail() {
    for (name, ratio) in [
        ("counted texts", ratio_of_work(&Counted { remembers: false, tight: false }, &texts(MIB / 8))),
        ("ends at a line feed", ratio_of_work(&Line { remembers: false }, &text(4 * PIECE / 8))),
        ("MUS, texts", ratio_of_work(&Watched { remembers: false }, &verses(MIB / 8))),
        ("MUS, nested structs", ratio_of_work(&Watched { remembers: false }, &pages(MIB / 8))),
    ] {
        assert!(ratio > 5.0 * MOST, "{name}: only {ratio:.2} times the work");
    }
}

/// How many times longer four times the bytes take, byte by byte. Each time is the least of many, and shorter than what an
/// operating system gives a thread at once: a machine that is busy with something else makes some of them longer, and
/// none shorter.
fn growth_of_time<F: Encode<T> + Decode<T>, T>(format: &F, value: impl Fn(usize) -> T, times: usize) -> f64 {
    const BYTES: usize = 1 << 10;
    let time = |bytes| {
        let bytes = frame(format, &value(bytes));
        (0..times).map(|_| decode_in_pieces(format, &bytes, 1).2).min().expect("it ran").as_secs_f64()
    };
    time(4 * BYTES) / time(BYTES)
}

/// Four times the bytes take about four times as long, and sixteen times as long if every byte were looked at again for
/// each one that arrives. The limit is in the middle.
#[test]
fn time_grows_with_the_bytes_and_not_with_their_square() {
    const LIMIT: f64 = 8.0;
    let least = |growth: &dyn Fn() -> f64| {
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            least = least.min(growth());
            if least < LIMIT {
                break;
            }
        }
        least
    };
    let times = 50;
    let loose = Counted { tight: false, ..COUNTED };
    for (name, growth) in [
        ("length-prefixed, untagged", least(&|| growth_of_time(&Untagged, text, times))),
        ("counted texts", least(&|| growth_of_time(&COUNTED, texts, times))),
        ("counted texts, with a loose bound", least(&|| growth_of_time(&loose, texts, times))),
        ("ends at a line feed", least(&|| growth_of_time(&LINE, text, times))),
        ("JSON", least(&|| growth_of_time(&Json, document, times))),
        ("Protobuf", least(&|| growth_of_time(&Protobuf, document, times))),
        ("MUS, one text", least(&|| growth_of_time(&Mus, text, times))),
        ("MUS, texts", least(&|| growth_of_time(&Mus, texts, times))),
        ("MUS, nested structs", least(&|| growth_of_time(&Mus, |bytes| vec![document(bytes / 4); 4], times))),
    ] {
        assert!(growth < LIMIT, "{name}: {growth:.1} times the time for 4 times the bytes");
    }
    let forgets = Line { remembers: false };
    let anew = (0..5).map(|_| growth_of_time(&forgets, text, 3)).fold(0.0, f64::max);
    assert!(
        anew > LIMIT,
        "what starts anew takes only {anew:.1} times the time: the limit would not notice it"
    );
}

#[test]
fn what_cannot_be_decoded_is_refused_at_the_same_byte_however_it_is_cut() {
    fn refused_at<F: Decode<T>, T>(format: &F, bytes: &[u8], piece: usize) -> usize {
        let mut reader = FrameReader::<F::Progress>::new(usize::MAX);
        let mut arrived = 0;
        loop {
            arrived = (arrived + piece).min(bytes.len());
            let read_body = |_, body: &[u8], progress: &mut _| format.decode(body, progress);
            match reader.read(&bytes[..arrived], |bytes| format.decode_tag(bytes), read_body) {
                Decoded::Invalid(error) => return error.at,
                Decoded::Incomplete(_) if arrived < bytes.len() => {}
                other => panic!("after {arrived} bytes: {:?}", other.map(|_| ())),
            }
        }
    }
    let mut counted = frame(&COUNTED, &texts(10_000));
    let length_of_one = counted.len() - 61;
    counted.splice(length_of_one..=length_of_one, [0xff; 10]);
    let mut line = frame(&LINE, &text(1000));
    line[500] = 0xff;
    let mut not_utf_8 = frame(&Mus, &texts(10_000));
    let end_of_one = not_utf_8.len() - 61;
    not_utf_8[end_of_one - 1] = 0xff;
    for piece in [1, 2, 7, 61, 1000, usize::MAX / 2] {
        assert_eq!(refused_at::<_, Vec<String>>(&COUNTED, &counted, piece), length_of_one + 10);
        assert_eq!(refused_at::<_, String>(&LINE, &line, piece), line.len());
        // MUS writes texts as the first of these Formats does.
        assert_eq!(refused_at::<_, Vec<String>>(&Mus, &counted, piece), length_of_one + 10);
        assert_eq!(refused_at::<_, Vec<String>>(&Mus, &not_utf_8, piece), end_of_one);
    }
}
