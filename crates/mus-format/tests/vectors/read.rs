//! Values as the files write them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hex digit") as u8;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte in {text}");
    pairs.iter().map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex(text(value))
}

/// Text whose bytes are given because they are not UTF-8.
pub(crate) fn not_text(value: &Value) -> Option<Vec<u8>> {
    value.get("bytes_hex").map(bytes)
}

pub(crate) fn boolean(value: &Value) -> bool {
    value.as_bool().expect("a bool")
}

pub(crate) fn string(value: &Value) -> String {
    text(value).into()
}

/// A decimal string, or inside structs a number.
pub(crate) fn number<T: FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    let digits = value.as_str().map_or_else(|| value.to_string(), String::from);
    digits.parse().unwrap_or_else(|error| panic!("{digits}: {error:?}"))
}

pub(crate) fn float32(value: &Value) -> f32 {
    f32::from_bits(u32::from_str_radix(text(&value["bits"]), 16).expect("32 bits"))
}

pub(crate) fn float64(value: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(text(&value["bits"]), 16).expect("64 bits"))
}

pub(crate) fn list<T>(value: &Value, read: impl FnMut(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(read).collect()
}

pub(crate) fn map<K: Ord, T>(
    value: &Value,
    key: impl Fn(&str) -> K,
    read: impl Fn(&Value) -> T,
) -> BTreeMap<K, T> {
    value.as_object().expect("an object").iter().map(|(name, value)| (key(name), read(value))).collect()
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]Z`.
pub(crate) fn time(text: &str) -> SystemTime {
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap_or_else(|_| panic!("{text}"));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let years: u64 = (1..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (1..month).map(|month| days_of(month, year)).sum();
    // 719 162 days lie between the year 1 and 1970.
    let days = i64::try_from(years + months + day - 1).expect("a day") - 719_162;
    let seconds =
        days * 86_400 + (number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19)).cast_signed();
    let fraction = text[19..].trim_start_matches('.').trim_end_matches('Z');
    let nanoseconds = format!("{fraction:0<9}").parse().expect("a fraction");
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    whole + Duration::from_nanos(nanoseconds)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(month: u64, year: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
