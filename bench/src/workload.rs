//! The values that every participant echoes: 1024 of them, the same in every process and every language.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// How many values the pool holds.
pub(crate) const POOL_SIZE: usize = 1024;

/// How far apart in the pool neighbouring tasks begin, so that they are not in step.
const STRIDE: usize = 7;

/// What is sent as a Command and comes back as its Reply; the names of its fields in JSON are those of the Go peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Value {
    pub(crate) bool: bool,
    pub(crate) int64: i64,
    pub(crate) string: String,
    pub(crate) float64: f64,
}

/// The pool, which lives as long as the process: tasks send its values by reference.
pub(crate) fn pool() -> &'static [Value] {
    static POOL: LazyLock<Vec<Value>> = LazyLock::new(generate);
    &POOL
}

/// What a task sends of the pool, or of something parallel to it, without end: each task begins at its own place and
/// steps by one.
pub(crate) fn of_task<T>(pool: &[T], task: usize) -> impl Iterator<Item = &T> {
    pool.iter().cycle().skip(task * STRIDE % pool.len())
}

fn generate() -> Vec<Value> {
    let mut random = XorShift(0x9E37_79B9_7F4A_7C15);
    (0..POOL_SIZE).map(|_| random.value()).collect()
}

/// Marsaglia's xorshift with 64 bits of state: three lines in any language.
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    // The order of the draws is part of the workload.
    fn value(&mut self) -> Value {
        let bool = self.next() & 1 == 1;
        let int64 = self.next().cast_signed();
        let length = self.next() % 1001;
        let string = (0..length).map(|_| char::from(b'a' + (self.next() % 26) as u8)).collect();
        let float64 = (self.next() >> 11) as f64 / 1024.0;
        Value { bool, int64, string, float64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn json_names_are_those_of_the_go_peer() {
        let value = Value { bool: true, int64: -1, string: "a".to_owned(), float64: 0.5 };
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, r#"{"Bool":true,"Int64":-1,"String":"a","Float64":0.5}"#);
    }

    #[test]
    fn every_value_survives_json() {
        for value in pool().iter() {
            let json = serde_json::to_vec(value).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), *value);
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
