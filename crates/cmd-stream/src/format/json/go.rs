//! Helpers for values that Go's `encoding/json` writes in another way than serde. Each is a module for serde's `with`:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! use cmd_stream::format::json::go;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "PascalCase")]
//! struct Job {
//!     /// In Go `[]byte`.
//!     #[serde(with = "go::base64")]
//!     data: Vec<u8>,
//!     /// In Go `map[string]time.Duration`.
//!     #[serde(with = "go::duration")]
//!     waits: BTreeMap<String, Duration>,
//!     /// In Go `[][]string`.
//!     #[serde(with = "go::nil")]
//!     rows: Vec<Vec<String>>,
//! }
//!
//! let job: Job = serde_json::from_str(r#"{"Data":"AQI=","Waits":{"a":1500000000},"Rows":[null,["b"]]}"#)?;
//! assert_eq!(job.data, [1, 2]);
//! assert_eq!(job.waits["a"], Duration::from_millis(1500));
//! assert_eq!(job.rows, [vec![], vec!["b".to_owned()]]);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! | Go | here | on the wire |
//! | --- | --- | --- |
//! | `[]byte` | [`base64`] | `"AQI="` |
//! | `time.Duration` | [`duration`] | `1500000000` |
//! | `time.Time` | `time`, with the feature `time` | `"2026-01-02T03:04:05.6Z"` |
//! | `rune` | [`rune`] | `97` |
//! | a field with the option `,string` | [`string`] | `"97"` |
//! | `json.Number` | [`number`] | `97` |
//! | `struct{}` | [`empty`] | `{}` |
//! | nil in a slice or a map | [`nil`] | `null` |
//!
//! # Inside of other types
//!
//! Each helper, except [`nil`], is for the types that implement [`As`] with its rule. These include an `Option`, `Box`, `Vec`, array
//! or map of such types, at any depth. Inside of these, the `null` of a nil slice or map is read as an empty `Vec` or map. An
//! `Option` is Go's pointer: its `None` is `null`.
//!
//! For a field that Go leaves out (`omitempty`), add `default`, also if it is an `Option`: serde regards an `Option` as
//! optional only if it has no `with`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer};
use serde::ser::{Serialize, Serializer};

mod containers;
pub mod nil;
mod rules;
#[cfg(feature = "time")]
mod times;

/// The rules by which values are written as in Go, one for each helper.
pub mod rule {
    /// The rule of [`base64`](super::base64).
    #[derive(Clone, Copy, Debug)]
    pub enum Base64 {}
    /// The rule of [`duration`](super::duration).
    #[derive(Clone, Copy, Debug)]
    pub enum Duration {}
    /// The rule of [`rune`](super::rune).
    #[derive(Clone, Copy, Debug)]
    pub enum Rune {}
    /// The rule of [`string`](super::string).
    #[derive(Clone, Copy, Debug)]
    pub enum Quoted {}
    /// The rule of [`number`](super::number).
    #[derive(Clone, Copy, Debug)]
    pub enum Number {}
    /// The rule of [`empty`](super::empty).
    #[derive(Clone, Copy, Debug)]
    pub enum Empty {}
    /// The rule of `time`.
    #[cfg(feature = "time")]
    #[derive(Clone, Copy, Debug)]
    pub enum Time {}
}

/// A type that is written as Go does by the rule `R`, which is one of [`rule`].
///
/// Implement it for a type of your own to use a helper with it:
///
/// ```
/// use cmd_stream::format::json::go::{self, As, rule};
/// use serde::{Deserialize, Deserializer, Serialize, Serializer};
///
/// struct Key(Vec<u8>);
///
/// impl As<rule::Base64> for Key {
///     fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         go::base64::serialize(&self.0, serializer)
///     }
///     fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         go::base64::deserialize(deserializer).map(Self)
///     }
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Keys {
///     #[serde(with = "go::base64")]
///     all: Vec<Key>,
/// }
///
/// let keys: Keys = serde_json::from_str(r#"{"all":["AQI=",""]}"#)?;
/// assert_eq!(keys.all[0].0, [1, 2]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written by the rule `{R}` of `cmd_stream::format::json::go`",
    label = "the helper is not for this type"
)]
pub trait As<R>: Sized {
    /// Writes the value.
    ///
    /// # Errors
    ///
    /// Go cannot represent the value, or the serializer fails.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// It is not what the rule says, or this type cannot represent it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Declares the module of a helper.
macro_rules! helper {
    ($(#[$doc:meta])* $name:ident by $rule:ident) => {
        $(#[$doc])*
        pub mod $name {
            use serde::{Deserializer, Serializer};

            use super::{As, rule};

            /// Writes a value, for serde's `with` or `serialize_with`.
            ///
            /// # Errors
            ///
            /// Go cannot represent the value, or the serializer fails.
            pub fn serialize<T: As<rule::$rule>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
                value.write(serializer)
            }

            /// Reads a value, for serde's `with` or `deserialize_with`.
            ///
            /// # Errors
            ///
            /// It is not what Go writes, or the type cannot represent it.
            pub fn deserialize<'de, T: As<rule::$rule>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
                T::read(deserializer)
            }
        }
    };
}

helper! {
    /// Go's `[]byte`: a `Vec<u8>` or `Box<[u8]>` as a string in base64.
    ///
    /// A nil slice is `null`. It is read as empty, or as `None` into an `Option`. Only `None` is written as `null`.
    ///
    /// As in Go, the alphabet is the standard one, with padding; line breaks in the text are skipped. A Go *array* of bytes
    /// (`[4]byte`) is an array of numbers, as `[u8; 4]` is in serde: it needs no helper.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Blob {
    ///     #[serde(with = "cmd_stream::format::json::go::base64")]
    ///     data: Option<Vec<u8>>,
    /// }
    ///
    /// assert_eq!(serde_json::to_string(&Blob { data: Some(vec![1, 2]) })?, r#"{"data":"AQI="}"#);
    /// assert_eq!(serde_json::to_string(&Blob { data: None })?, r#"{"data":null}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    base64 by Base64
}

helper! {
    /// Go's `time.Duration`: a number of nanoseconds.
    ///
    /// It is for [`std::time::Duration`], and with the feature `time` also for `time::Duration`, which may be negative. A
    /// duration of more than 2^63 - 1 ns, about 292 years, cannot be written. A negative one cannot be read into the type of
    /// `std`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Wait {
    ///     #[serde(with = "cmd_stream::format::json::go::duration")]
    ///     time: Duration,
    /// }
    ///
    /// assert_eq!(serde_json::to_string(&Wait { time: Duration::from_millis(2) })?, r#"{"time":2000000}"#);
    /// assert!(serde_json::to_string(&Wait { time: Duration::MAX }).is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    duration by Duration
}

helper! {
    /// Go's `rune`: a `char` as a number.
    ///
    /// A rune of Go may be any 32-bit number. One that is no Unicode scalar value, such as half of a surrogate pair, is
    /// refused; use `i32` without a helper to accept it.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Key {
    ///     #[serde(with = "cmd_stream::format::json::go::rune")]
    ///     pressed: char,
    /// }
    ///
    /// assert_eq!(serde_json::to_string(&Key { pressed: 'a' })?, r#"{"pressed":97}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    rune by Rune
}

helper! {
    /// A field of Go with the option `,string`: a number, a `bool` or a `String` as JSON within a string.
    ///
    /// In Go the option has no effect on slices and maps, so a field must be a value or an `Option` of one.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Account {
    ///     #[serde(with = "cmd_stream::format::json::go::string")]
    ///     id: u64,
    ///     #[serde(with = "cmd_stream::format::json::go::string")]
    ///     name: String,
    /// }
    ///
    /// let account = Account { id: 7, name: "Ann".to_owned() };
    /// assert_eq!(serde_json::to_string(&account)?, r#"{"id":"7","name":"\"Ann\""}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    string by Quoted
}

helper! {
    /// Go's `json.Number`: a `String` that contains a number, written as that number.
    ///
    /// The text is kept as it is, however long the number is. As in Go, an empty text is written as 0, a text that is no
    /// number cannot be written, and a number within a string is read, too. If `i64`, `u64` or `f64` can represent the numbers,
    /// [`serde_json::Number`] is an alternative without a helper.
    ///
    /// The text can be kept only by `serde_json`, and not where serde buffers values: in flattened structs, and in untagged
    /// or internally tagged enums.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Price {
    ///     #[serde(with = "cmd_stream::format::json::go::number")]
    ///     amount: String,
    /// }
    ///
    /// let price: Price = serde_json::from_str(r#"{"amount":12.50}"#)?;
    /// assert_eq!(price.amount, "12.50");
    /// assert_eq!(serde_json::to_string(&price)?, r#"{"amount":12.50}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    number by Number
}

helper! {
    /// Go's `struct{}`: a `()` as `{}`.
    ///
    /// `()` and `struct Name;` are `null` in serde. A `struct Name {}` is `{}`, so it needs no helper.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Seen {
    ///     /// In Go `map[string]struct{}`.
    ///     #[serde(with = "cmd_stream::format::json::go::empty")]
    ///     names: BTreeMap<String, ()>,
    /// }
    ///
    /// let seen = Seen { names: [("a".to_owned(), ())].into() };
    /// assert_eq!(serde_json::to_string(&seen)?, r#"{"names":{"a":{}}}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    empty by Empty
}

#[cfg(feature = "time")]
helper! {
    /// Go's `time.Time`: RFC 3339 with up to nine digits of the second.
    ///
    /// It is for `time::OffsetDateTime` and `time::UtcDateTime`. The offset from UTC is on the wire, and the name of the time
    /// zone is not. A `UtcDateTime` is read with any offset.
    ///
    /// As in Go, years before 0 and after 9999 cannot be written. An offset with seconds cannot be written either; Go drops its
    /// seconds.
    ///
    /// Go writes the zero time as `0001-01-01T00:00:00Z`, also with `omitempty`; `omitzero` leaves it out.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// use time::{OffsetDateTime, UtcOffset};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Event {
    ///     #[serde(with = "cmd_stream::format::json::go::time")]
    ///     at: OffsetDateTime,
    /// }
    ///
    /// let event: Event = serde_json::from_str(r#"{"at":"2026-01-02T03:04:05.6+02:00"}"#)?;
    /// assert_eq!(event.at.offset(), UtcOffset::from_hms(2, 0, 0).expect("an offset"));
    /// assert_eq!(serde_json::to_string(&event)?, r#"{"at":"2026-01-02T03:04:05.6+02:00"}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    time by Time
}

/// A value to be written by the rule `R`.
struct Written<'a, T, R>(&'a T, PhantomData<R>);

impl<T: As<R>, R> Serialize for Written<'_, T, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Reads a value by the rule `R`.
struct Reading<T, R>(PhantomData<(T, R)>);

impl<'de, T: As<R>, R> DeserializeSeed<'de> for Reading<T, R> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// The visitor of a value that is a string: what it expects, and how it reads the string.
struct Text<F>(&'static str, F);

impl<T, F: FnOnce(&str) -> Result<T, String>> serde::de::Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
