//! Decoding takes time linear in the number of bytes, however they are cut. This holds for Formats with a length before
//! the body, without any length, and with an end that must be searched for. Decoding 4 MiB that arrive byte by byte
//! costs at most 3 times as much as in pieces of 16 KiB. The Formats in `formats.rs` count the work, so the result does
//! not depend on the machine. Time is only checked to grow with the bytes and not with their square.

mod formats;
mod verses;

use formats::{COUNTED, Counted, LINE, Line, Prefixed, Untagged, WATCHED, Watched};
use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use verses::{Page, VERSE, Verse};

use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::Decoded;
use cmd_stream::proto::frame::{Frame, FrameReader, Seq, Tag};
use cmd_stream::{Json, Mus, Protobuf};
use serde::{Deserialize, Serialize};

/// Counts the work: decoding attempts plus bytes that were looked at.
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
    /// The work of the test that runs on this thread.
    static WORK: Work = Work::default();
}

fn looked_at(bytes: usize) {
    WORK.with(|work| work.looked_at(bytes));
}

/// A frame of a value.
fn frame<F: Encode<T>, T>(format: &F, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    Seq::FIRST.encode(&mut bytes);
    format.encode_tag(Tag::new(0), &mut bytes);
    format.encode(value, &mut bytes).expect("it can be encoded");
    bytes
}

/// Decodes a frame that arrives in pieces. Returns the value, the work and the time.
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

/// Returns the work for single bytes divided by the work for pieces.
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

/// The least that one read of a connection returns while more is available.
const PIECE: usize = 16 << 10;

/// A text of about this many bytes.
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

/// Pages of eight verses each, of about this many bytes together.
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

const MIB: usize = 1 << 20;

/// How many times more work single bytes may cost than pieces.
const MOST: f64 = 3.0;

/// Shows that the test above can fail: a Format that starts again at each attempt does far more work for far fewer
/// bytes.
#[test]
fn a_format_that_starts_again_each_time_would_fail() {
    for (name, ratio) in [
        ("counted texts", ratio_of_work(&Counted { remembers: false, tight: false }, &texts(MIB / 8))),
        ("ends at a line feed", ratio_of_work(&Line { remembers: false }, &text(4 * PIECE / 8))),
        ("MUS, texts", ratio_of_work(&Watched { remembers: false }, &verses(MIB / 8))),
        ("MUS, nested structs", ratio_of_work(&Watched { remembers: false }, &pages(MIB / 8))),
    ] {
        assert!(ratio > 5.0 * MOST, "{name}: only {ratio:.2} times the work");
    }
}

/// Returns how many times longer four times the bytes take, byte by byte. Each time is the minimum of many runs, and a
/// run is shorter than a time slice of the operating system: other load makes some runs longer and none shorter.
fn growth_of_time<F: Encode<T> + Decode<T>, T>(format: &F, value: impl Fn(usize) -> T, times: usize) -> f64 {
    const BYTES: usize = 1 << 10;
    let time = |bytes| {
        let bytes = frame(format, &value(bytes));
        (0..times).map(|_| decode_in_pieces(format, &bytes, 1).2).min().expect("it ran").as_secs_f64()
    };
    time(4 * BYTES) / time(BYTES)
}

/// Four times the bytes take about four times as long. If all bytes were looked at again for each byte that arrives,
/// they would take sixteen times as long. The limit lies between the two.
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
        // MUS encodes texts like the first of these Formats.
        assert_eq!(refused_at::<_, Vec<String>>(&Mus, &counted, piece), length_of_one + 10);
        assert_eq!(refused_at::<_, Vec<String>>(&Mus, &not_utf_8, piece), end_of_one);
    }
}

/// Once the length is known, it is after the length that it is certain.
#[test]
fn a_frame_over_its_limit_is_refused_after_its_length() {
    fn refused_at<F: Decode<T>, T>(bytes: &[u8], format: &F, piece: usize) -> usize {
        let mut reader = FrameReader::<F::Progress>::new(1000).positions(F::position);
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
    let document = document(2000);
    let (json, protobuf, mus) =
        (frame(&Json, &document), frame(&Protobuf, &document), frame(&Mus, &document));
    for piece in [1, 2, 3, 4, 100, 5000] {
        // Seq and tag, then a length of two bytes.
        assert_eq!(refused_at::<_, Document>(&json, &Json, piece), 4, "{piece}");
        assert_eq!(refused_at::<_, Document>(&protobuf, &Protobuf, piece), 4, "{piece}");
        // MUS has no length of the whole.
        assert_eq!(refused_at::<_, Document>(&mus, &Mus, piece), 2, "{piece}");
    }
}
