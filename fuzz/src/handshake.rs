//! ServerInfo: its limit of 1024 bytes, wherever the bytes are cut.

use cmd_stream::ServerInfo;
use cmd_stream::proto::{Decoded, Fault};

use super::memory::measure;
use super::varint::{Number, reference};

/// The meaning of the bytes.
#[derive(PartialEq, Eq, Debug)]
enum Greeting<'a> {
    Whole(&'a [u8], usize),
    Missing(u64),
    Overflow(usize),
    Negative(i64, usize),
    TooLong(u64, usize),
}

fn expected(bytes: &[u8]) -> Greeting<'_> {
    match reference(64, bytes) {
        Number::Cut => Greeting::Missing(1),
        Number::Overflow(at) => Greeting::Overflow(at),
        Number::Whole(length, at) if length >= 1 << 63 => Greeting::Negative(length as i64, at),
        Number::Whole(length, at) if length > LIMIT => Greeting::TooLong(length, at),
        Number::Whole(length, at) => {
            let arrived = (bytes.len() - at) as u64;
            if arrived < length {
                return Greeting::Missing(length - arrived);
            }
            let end = at + length as usize;
            Greeting::Whole(&bytes[at..end], end)
        }
    }
}

/// The maximum length of a ServerInfo.
const LIMIT: u64 = 1024;

fn assert_answer(bytes: &[u8]) {
    let (decoded, used) = measure(|| ServerInfo::decode(bytes));
    assert!(used.total <= bytes.len().min(LIMIT as usize) + 64, "{used:?} for {} bytes", bytes.len());
    let answer = match &decoded {
        Decoded::Value(info, taken) => Greeting::Whole(info.as_bytes(), *taken),
        Decoded::Incomplete(missing) => Greeting::Missing(missing.get() as u64),
        Decoded::Invalid(error) => match error.fault {
            Fault::VarintOverflow => Greeting::Overflow(error.at),
            Fault::NegativeLength(length) => Greeting::Negative(length, error.at),
            Fault::TooLong { length, limit } => {
                assert_eq!(limit as u64, LIMIT);
                Greeting::TooLong(length, error.at)
            }
            _ => panic!("{error:?}"),
        },
    };
    assert_eq!(answer, expected(bytes));
    let Decoded::Value(info, taken) = decoded else { return };
    assert!(!info.to_string().is_empty() && info.to_string().is_ascii());

    let mut encoded = Vec::new();
    info.encode(&mut encoded);
    assert!(encoded.len() <= taken);
    assert!(encoded.ends_with(info.as_bytes()));
    assert!(
        matches!(ServerInfo::decode(&encoded), Decoded::Value(back, len) if back == info && len == encoded.len())
    );
    match ServerInfo::new(info.as_bytes()) {
        Ok(made) => assert_eq!(made, info),
        Err(_) => assert!(info.as_bytes().is_empty()),
    }
}

/// Checks a greeting, and what follows it, at every cut.
pub fn check(data: &[u8]) {
    let is_legal = (1..=LIMIT).contains(&(data.len() as u64));
    assert_eq!(ServerInfo::new(data).is_ok(), is_legal);

    // Try every cut in its length and around its end, and some between.
    let end = if let Greeting::Whole(_, end) = expected(data) { end } else { data.len() };
    for cut in (0..=data.len()).filter(|cut| *cut < 16 || cut.abs_diff(end) < 3 || cut % 101 == 0) {
        assert_answer(&data[..cut]);
    }
    assert_answer(data);
}
