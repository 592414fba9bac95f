//! The values that every participant echoes, the same in every process and every language.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use crate::random::XorShift;
use serde::{Deserialize, Serialize};

/// The number of values in the pool.
pub const POOL_SIZE: usize = 1024;

/// The distance in the pool between the starts of neighbouring tasks, so that they are not in step.
const STRIDE: usize = 7;

/// The value that is sent as a Command and comes back as its Reply. In each Format it has the same bytes as in the Go peer.
#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
#[serde(rename_all = "PascalCase")]
pub struct Value {
    /// A random bit.
    #[prost(bool, tag = "1")]
    pub bool: bool,
    /// Any of them.
    #[prost(int64, tag = "2")]
    pub int64: i64,
    /// Small letters: 0 to 1000 of them in the pool of all languages.
    #[prost(string, tag = "3")]
    pub string: String,
    /// Not negative.
    #[prost(double, tag = "4")]
    pub float64: f64,
}

/// The pool, which lives as long as the process: tasks send its values by reference.
pub fn pool() -> &'static [Value] {
    static POOL: LazyLock<Vec<Value>> = LazyLock::new(generate);
    &POOL
}

/// The endless sequence that a task sends, out of the pool or of something parallel to it. Each task starts at a place of its
/// own and steps by one.
pub fn of_task<T>(pool: &[T], task: usize) -> impl Iterator<Item = &T> {
    pool.iter().cycle().skip(task * STRIDE % pool.len())
}

/// Values whose strings have exactly this many bytes: fewer of them, the larger they are. They live as long as the process.
pub fn sized(bytes: usize) -> &'static [Value] {
    static POOLS: Mutex<BTreeMap<usize, &'static [Value]>> = Mutex::new(BTreeMap::new());
    let mut pools = POOLS.lock().expect("making values does not panic");
    pools.entry(bytes).or_insert_with(|| Vec::leak(generate_sized(bytes)))
}

/// Of values of a given size, the pool has at most this many bytes, but at least [`FEWEST`] values.
const SIZED_POOL: usize = 4 << 20;

/// Enough that a reply which was mixed up with another one is noticed.
const FEWEST: usize = 16;

fn generate_sized(bytes: usize) -> Vec<Value> {
    let mut random = XorShift::new();
    let count = (SIZED_POOL / bytes.max(1)).clamp(FEWEST, POOL_SIZE);
    let value = |_| {
        let (bool, int64, _, float64) = random.echo();
        Value { bool, int64, string: random.letters(bytes as u64), float64 }
    };
    (0..count).map(value).collect()
}

fn generate() -> Vec<Value> {
    let mut random = XorShift::new();
    let value = |_| {
        let (bool, int64, string, float64) = random.echo();
        Value { bool, int64, string, float64 }
    };
    (0..POOL_SIZE).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    #[test]
    fn first_and_last_value_are_those_of_every_other_implementation() {
        let pool = pool();
        let first = &pool[0];
        assert!(first.bool);
        assert_eq!(first.int64, 7_273_575_876_580_499_574);
        assert_eq!(first.string.len(), 322);
        assert!(first.string.starts_with("ymhdmdsrzngvhmnb"));
        assert_eq!(first.float64, 1_737_899_748_028.762_7);
        let last = &pool[1023];
        assert_eq!((last.bool, last.int64, last.string.len()), (true, 4_212_939_005_409_965_565, 603));
        assert_eq!(last.float64, 3_207_628_767_744.721_7);
    }

    #[test]
    fn lengths_add_up_to_those_of_every_other_implementation() {
        assert_eq!(pool().len(), POOL_SIZE);
        assert_eq!(pool().iter().map(|value| value.string.len()).sum::<usize>(), 510_685);
    }

    #[test]
    fn bytes_are_those_of_the_go_peer() {
        let value = Value { bool: true, int64: -300, string: "hi".to_owned(), float64: 1.5 };
        let float = 1.5_f64.to_le_bytes();
        // As in the golden vectors, echo_cmd/simple of codec_mus.json.
        let mus = [&[1, 0xd7, 0x04, 2, b'h', b'i'][..], &float].concat();
        assert_eq!(Format::Mus.encode(&value), mus);
        let int = [0x10, 0xd4, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let protobuf = [&[0x08, 1][..], &int, &[0x1a, 2, b'h', b'i', 0x21], &float].concat();
        assert_eq!(Format::Protobuf.encode(&value), protobuf);
        let json = r#"{"Bool":true,"Int64":-300,"String":"hi","Float64":1.5}"#;
        assert_eq!(Format::Json.encode(&value), json.as_bytes());
    }

    #[test]
    fn every_value_survives_every_format() {
        for format in Format::ALL {
            for value in pool() {
                assert_eq!(format.decode(&format.encode(value)), *value);
            }
        }
    }

    #[test]
    fn values_of_a_size_have_it_and_differ() {
        for bytes in [8, 500, 1 << 20] {
            let pool = sized(bytes);
            assert!(pool.len() >= FEWEST);
            assert!(pool.iter().all(|value| value.string.len() == bytes));
            assert!(pool[0] != pool[1]);
            assert!(std::ptr::eq(pool, sized(bytes)), "it was made twice");
        }
    }

    #[test]
    fn tasks_begin_apart_and_step_by_one() {
        let pool = pool();
        let mut values = of_task(pool, 147); // 147 x 7 = 1029
        assert_eq!(values.next(), Some(&pool[5]));
        assert_eq!(values.nth(1017), Some(&pool[1023]));
        assert_eq!(values.next(), Some(&pool[0]));
    }
}
