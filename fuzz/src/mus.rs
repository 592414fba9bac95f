//! A stream of values in MUS, of types nested in each other in all ways. They must be the same whole and in pieces, and
//! after they were encoded again.

use mus_format::{
    Decode, DecodeOwned, Decoded, Encode, EncodeError, Error, Fault, Limits, Progress, decode_with, size,
};

use super::input::{Cuts, Input, Piece};
use super::memory::measure;

mod values;

use values::{Either, Graph, Node, Numbers, Silent, decoded};

/// Checks a stream of values of one of the types.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let type_of = input.byte();
    let depth = input.choice(&[Limits::DEPTH, 40, 8, 3, 1, 0]);
    let empty_elements = input.choice(&[1000, 100, 15, 0]);
    let settings = Settings {
        depth,
        empty_elements,
        limits: Limits::new().depth(depth).empty_elements(empty_elements),
        cuts: Cuts::read(&mut input),
    };
    let bytes = input.rest();
    match type_of % 6 {
        0 => check_stream::<Node>(&settings, bytes),
        1 => check_stream::<Graph>(&settings, bytes),
        2 => check_stream::<Vec<Node>>(&settings, bytes),
        3 => check_stream::<Either<Numbers, Vec<Option<String>>>>(&settings, bytes),
        4 => check_stream::<(Vec<Silent>, [Vec<()>; 2], Either<(), Box<Silent>>)>(&settings, bytes),
        _ => check_stream::<Option<Either<Graph, Vec<[u16; 3]>>>>(&settings, bytes),
    }
}

struct Settings {
    depth: usize,
    empty_elements: usize,
    limits: Limits,
    cuts: Cuts,
}

impl Settings {
    /// Returns the memory that this many bytes may take.
    fn most(&self, bytes: usize) -> usize {
        let levels = self.depth.min(bytes) + 1;
        MOST_PER_BYTE * bytes + MOST_PER_LEVEL * levels + 4 * self.empty_elements + MOST
    }
}

/// Memory per byte: a node is larger than its tag, and reallocations count each time.
const MOST_PER_BYTE: usize = 512;
/// What each open level may have reserved.
const MOST_PER_LEVEL: usize = 64 << 10;
const MOST: usize = 4096;

/// How a stream ends.
#[derive(Debug)]
enum End {
    /// After a value.
    Clean,
    /// In a value that is incomplete.
    Cut,
    Invalid(Error),
}

/// The content of a stream.
struct Expected {
    /// The ends of its values, with 0 before the first.
    ends: Vec<usize>,
    end: End,
    /// The number of nodes decoded for it.
    nodes: usize,
}

fn check_stream<T: Encode + DecodeOwned>(settings: &Settings, bytes: &[u8]) {
    let expected = read_whole::<T>(settings, bytes);
    let mut ways = vec![settings.cuts.pieces(bytes.len())];
    if bytes.len() <= 512 {
        ways.push((1..=bytes.len()).map(|end| Piece { end, coin: false }).collect());
    }
    for pieces in ways {
        for in_vain in [false, true] {
            let read = || read_in_pieces::<T>(settings, bytes, &expected, &pieces, in_vain);
            let used = measure(read).1.peak;
            assert!(used <= settings.most(bytes.len()), "{used} for {} bytes", bytes.len());
        }
    }
}

/// Reads each value from its start, with everything that follows, and checks it.
fn read_whole<T: Encode + DecodeOwned>(settings: &Settings, bytes: &[u8]) -> Expected {
    let mut ends = vec![0];
    let mut nodes = 0;
    let mut start = 0;
    let end = loop {
        if start == bytes.len() {
            break End::Clean;
        }
        let before = decoded();
        let answer = decode_measured::<T>(settings, &bytes[start..]);
        nodes += decoded() - before;
        match answer {
            Decoded::Value(value, taken) => {
                let of_value = &bytes[start..start + taken];
                assert_cuts::<T>(settings, of_value);
                assert_goes_back(settings, &value, of_value);
                start += taken;
                ends.push(start);
            }
            Decoded::Incomplete(_) => break End::Cut,
            Decoded::Invalid(error) => {
                assert!(error.at <= bytes.len() - start, "{error}");
                break End::Invalid(error);
            }
        }
    };
    Expected { ends, end, nodes }
}

/// Decodes the bytes, and checks that memory stays in proportion.
fn decode_measured<T: DecodeOwned>(settings: &Settings, bytes: &[u8]) -> Decoded<T> {
    let (decoded, used) = measure(|| decode_with::<T>(bytes, &settings.limits));
    assert!(used.total <= settings.most(bytes.len()), "{used:?} for {} bytes", bytes.len());
    decoded
}

/// Checks that a cut value is incomplete, and that no more is reported missing than is.
fn assert_cuts<T: DecodeOwned>(settings: &Settings, value: &[u8]) {
    let cuts = (0..value.len()).filter(|cut| *cut < 32 || value.len() - cut < 8 || cut % 61 == 0);
    for cut in cuts {
        let there = &value[..cut];
        for decoded in [
            decode_with::<T>(there, &settings.limits),
            Progress::default().decode::<T>(there, &settings.limits),
        ] {
            match decoded {
                Decoded::Incomplete(missing) => assert!(
                    missing.get() <= value.len() - cut,
                    "{missing} are said to be missing after {cut} of {}",
                    value.len()
                ),
                Decoded::Value(_, taken) => panic!("a value in {taken} of {} bytes", value.len()),
                Decoded::Invalid(error) => panic!("{error} after {cut} of {} bytes", value.len()),
            }
        }
    }
}

/// Checks that a value has the size that `size` returns, and that its encoding decodes to the same value. The encoding
/// is no longer than the original bytes, which may have longer varints and duplicate keys.
fn assert_goes_back<T: Encode + DecodeOwned>(settings: &Settings, value: &T, bytes: &[u8]) {
    let mut encoded = Vec::new();
    match mus_format::encode(value, &mut encoded) {
        Ok(()) => {}
        // Shared values are written where they are met first, in the order of the keys. That may be deeper than in the
        // original.
        Err(EncodeError::TooDeep(_)) if settings.depth == Limits::DEPTH => return,
        Err(error) => panic!("what was decoded cannot be written: {error}"),
    }
    assert_eq!(size(value).expect("it was written"), encoded.len());
    assert!(encoded.len() <= bytes.len(), "{} bytes became {}", bytes.len(), encoded.len());
    let mut after = b"before".to_vec();
    mus_format::append(value, &mut after).expect("it was written");
    assert_eq!(after[6..], encoded, "with and without its size first");
    let limits = Limits::new();
    let Decoded::Value(back, taken) = decode_with::<T>(&encoded, &limits) else { panic!("{encoded:02x?}") };
    let again = mus_format::to_vec(&back).expect("as above");
    assert_eq!((taken, &again), (encoded.len(), &encoded));
}

/// Checks that a `Progress` finds the same values and the same end. With `in_vain`, it is also called before enough
/// bytes have arrived. Everything is decoded at most twice: at the first attempt, and when it is complete.
fn read_in_pieces<T: DecodeOwned>(
    settings: &Settings,
    bytes: &[u8],
    expected: &Expected,
    pieces: &[Piece],
    in_vain: bool,
) {
    let Expected { ends, end, nodes } = expected;
    let before = decoded();
    let mut reader = Pieces { limits: settings.limits, progress: Progress::default(), needed: 0 };
    let mut ends = ends[1..].iter().copied();
    let mut start = 0;
    let mut value_end = ends.next();
    for piece in pieces {
        while start < piece.end && (in_vain || piece.coin || piece.end - start >= reader.needed) {
            match reader.read::<T>(&bytes[start..piece.end]) {
                Decoded::Value(_, taken) => {
                    assert_eq!(Some(start + taken), value_end, "{pieces:?}");
                    start += taken;
                    value_end = ends.next();
                }
                Decoded::Incomplete(_) => {
                    let all = value_end.map_or(usize::MAX, |end| end - start);
                    assert!(reader.needed <= all, "{} of {all} needed, {pieces:?}", reader.needed);
                    break;
                }
                Decoded::Invalid(error) => {
                    assert_eq!(value_end, None, "{error}, {pieces:?}");
                    return assert_same(&error, end);
                }
            }
        }
    }
    assert_eq!(value_end, None, "{pieces:?}");
    let nodes_of_pieces = decoded() - before;
    assert!(nodes_of_pieces <= 2 * nodes, "{nodes_of_pieces} nodes instead of {nodes}, {pieces:?}");
    match end {
        End::Clean => assert_eq!(start, bytes.len(), "{pieces:?}"),
        End::Cut => assert!(start < bytes.len(), "{pieces:?}"),
        // It is reported only when the value is complete.
        End::Invalid(error) if is_about_content(&error.fault) => {}
        End::Invalid(_) => {
            assert!(!in_vain, "all of the bytes were seen, {pieces:?}");
            let left = &bytes[start..];
            // There was no attempt with all of the bytes, because more are needed first.
            let more = reader.needed.saturating_sub(left.len());
            assert!(more <= MOST_MORE, "{more} more are needed, {pieces:?}");
            match reader.read::<T>(&[left, &vec![0; more]].concat()) {
                Decoded::Invalid(error) => assert_same(&error, end),
                other => panic!("{:?} instead of {end:?}", other.map(|_| ())),
            }
        }
    }
}

/// How much may be needed past a fault that has arrived already: the least that follows in each open level, and the
/// bound for elements of which only the number is known.
const MOST_MORE: usize = (64 << 10) + 4096;

struct Pieces {
    limits: Limits,
    progress: Progress,
    /// Decoding cannot succeed with fewer bytes.
    needed: usize,
}

impl Pieces {
    fn read<'de, T: Decode<'de>>(&mut self, bytes: &'de [u8]) -> Decoded<T> {
        let decoded = self.progress.decode::<T>(bytes, &self.limits);
        match &decoded {
            Decoded::Incomplete(missing) => {
                let needed = bytes.len().saturating_add(missing.get());
                assert!(needed >= self.needed, "{needed} after {}", self.needed);
                self.needed = needed;
            }
            Decoded::Value(_, taken) => {
                assert!(
                    *taken >= self.needed,
                    "{taken} are enough, and {} were said to be needed",
                    self.needed
                );
                self.needed = 0;
            }
            Decoded::Invalid(_) => {}
        }
        decoded
    }
}

/// Returns whether the fault is in the meaning of the bytes and not in their structure.
fn is_about_content(fault: &Fault) -> bool {
    matches!(fault, Fault::InvalidUtf8 | Fault::OutOfRange | Fault::Validation(_) | Fault::UnknownPointer(_))
}

fn assert_same(error: &Error, end: &End) {
    let End::Invalid(expected) = end else { panic!("{error} instead of {end:?}") };
    assert_eq!(error.to_string(), expected.to_string());
}
