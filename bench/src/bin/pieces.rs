//! Measures what it costs that a Command arrives in pieces: decoding it in pieces beside decoding the same bytes as a whole,
//! without sockets and buffers. It does what the connection does: the frame reader says how many bytes another attempt
//! needs, and the next attempt is made with the first piece that brings them.

use std::hint::black_box;
use std::mem::forget;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::spread::Spread;
use bench::values::{self, LINES};
use bench_harness::valgrind;
use clap::Parser;
use cmd_stream::Mus;
use cmd_stream::format::{Decode, Encode, Format};
use cmd_stream::proto::Decoded;
use cmd_stream::proto::frame::{Frame, FrameReader};

/// The two ways to arrive: the size of a piece, and the size of everything that is decoded.
const WAYS: [Way; 2] = [
    Way { name: "64 MiB in pieces of 16 KiB", piece: 16 << 10, size: 64 << 20 },
    Way { name: "4 MiB byte by byte", piece: 1, size: 4 << 20 },
];

/// Compares decoding in pieces with decoding the same whole, in MUS.
#[derive(Parser)]
struct Args {
    /// Timed rounds; each ratio is a median over them. 0: measure no time.
    #[arg(long, default_value_t = 9)]
    rounds: u32,

    /// Count instructions with valgrind, and fail if decoding in pieces takes more than this many times those of the whole: the
    /// first value is for pieces of 16 KiB, the second for single bytes.
    #[arg(long, value_delimiter = ',')]
    at_most: Vec<f64>,

    /// Divide the sizes by this number, to count sooner.
    #[arg(long, default_value_t = 1)]
    smaller: usize,

    /// Decode one case in one way this many times, and exit. This is what runs in valgrind.
    #[arg(long, hide = true, num_args = 4)]
    once: Vec<usize>,
}

/// How bytes arrive.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    piece: usize,
    size: usize,
}

/// A frame of one kind of value.
struct Case {
    name: &'static str,
    make: fn(usize) -> Vec<u8>,
    /// Decodes a frame that arrives in pieces of that size. Returns how long that took, without dropping the value.
    decode: fn(&[u8], usize) -> Duration,
}

const CASES: [Case; 4] = [
    Case { name: "one string", make: |size| frame(&"x".repeat(size)), decode: decode::<String> },
    Case {
        name: "one string, not ASCII",
        make: |size| frame(&"é".repeat(size / 2)),
        decode: decode::<String>,
    },
    Case {
        name: "a Vec of 60-byte strings",
        make: |size| frame(&vec!["s".repeat(60); size / 61]),
        decode: decode::<Vec<String>>,
    },
    Case { name: "nested structs", make: |size| frame(&orders(size)), decode: decode::<Vec<values::Order>> },
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pieces: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let ways = WAYS.map(|way| Way { size: way.size / args.smaller, ..way });
    if let [case, way, whole, times] = args.once[..] {
        let (case, way) = (&CASES[case], ways[way]);
        let bytes = (case.make)(way.size);
        let piece = if whole == 1 { bytes.len() } else { way.piece };
        (0..times).for_each(|_| _ = (case.decode)(&bytes, piece));
        return Ok(());
    }
    for (at, way) in ways.iter().enumerate() {
        println!("\n{}, against the same whole\n", way.name);
        println!("| value | time | instructions |\n| --- | --- | --- |");
        for (number, case) in CASES.iter().enumerate() {
            let time = times(case, *way, args.rounds).map(|spread| spread.to_string()).unwrap_or_default();
            let count = match args.at_most.get(at) {
                Some(most) => counted(number, at, args.smaller, case.name, *most)?,
                None => String::new(),
            };
            println!("| {} | {time} | {count} |", case.name);
        }
    }
    Ok(())
}

/// The ratios of interleaved rounds.
fn times(case: &Case, way: Way, rounds: u32) -> Option<Spread> {
    let bytes = (case.make)(way.size);
    let (mut in_pieces, mut whole) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for turn in [round % 2, (round + 1) % 2] {
            if turn == 0 {
                in_pieces.push((case.decode)(&bytes, way.piece).as_secs_f64());
            } else {
                whole.push((case.decode)(&bytes, bytes.len()).as_secs_f64());
            }
        }
    }
    Spread::of_ratios(&in_pieces, &whole)
}

/// The ratio of instructions. They are differences between runs, so that making the value does not count.
fn counted(case: usize, way: usize, smaller: usize, name: &str, most: f64) -> Result<String, String> {
    let instructions = |whole: usize, times: usize| {
        let once = [case, way, whole, times].map(|number| number.to_string());
        let smaller = smaller.to_string();
        let options = ["--smaller", &smaller, "--once"];
        valgrind::instructions(options.into_iter().chain(once.iter().map(String::as_str)))
    };
    let in_pieces = instructions(0, 2)? - instructions(0, 1)?;
    let whole = instructions(1, 2)? - instructions(1, 1)?;
    let ratio = in_pieces as f64 / whole as f64;
    if ratio > most {
        return Err(format!("{name}: {ratio:.2} times the instructions of the whole, over {most}"));
    }
    Ok(format!("{ratio:.2}"))
}

fn frame<T>(value: &T) -> Vec<u8>
where
    Mus: Encode<T>,
{
    let mut bytes = vec![1, 1]; // seq and tag
    Mus.encode(value, &mut bytes).expect("it has no limits");
    bytes
}

/// Orders of a thousand lines each, of about this many bytes in total.
fn orders(size: usize) -> Vec<values::Order> {
    let few = values::orders(values::ORDERS, LINES);
    let each = frame(&few).len() / few.len();
    let count = (size / each).max(1);
    few.into_iter().cycle().take(count).collect()
}

fn decode<T>(bytes: &[u8], piece: usize) -> Duration
where
    Mus: Decode<T>,
{
    let mut reader = FrameReader::<<Mus as Format>::Progress>::new(usize::MAX);
    let began = Instant::now();
    let mut there = 0;
    loop {
        there = reader.needed().max(there + 1).next_multiple_of(piece).min(bytes.len());
        let answer = reader.read(
            black_box(&bytes[..there]),
            |bytes| Mus.decode_tag(bytes),
            |_, body, progress| Mus.decode(body, progress),
        );
        match answer {
            Decoded::Value(Frame::Body(_, value), taken) => {
                let took = began.elapsed();
                assert_eq!(taken, bytes.len());
                forget::<T>(black_box(value)); // to drop it costs as much either way
                return took;
            }
            Decoded::Incomplete(_) => assert!(there < bytes.len(), "the value is whole"),
            Decoded::Value(Frame::Ping, _) | Decoded::Invalid(_) => panic!("a value was encoded"),
        }
    }
}
