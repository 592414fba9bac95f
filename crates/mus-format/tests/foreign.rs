//! Types of other crates: how they stand on the wire, and what of it they refuse.

#[path = "derive/support.rs"]
mod support;

use chrono::{DateTime, TimeDelta, Utc};
use mus_format::{EncodeError, Fault, Mus, description, from_slice, to_vec};
use rust_decimal::Decimal;
use support::{fault, stands_as};
use time::{Date, OffsetDateTime, Time, UtcDateTime, UtcOffset};
use uuid::Uuid;

#[derive(Mus, Debug, PartialEq)]
struct Ids {
    one: Uuid,
    #[mus(len = raw)]
    raw: Uuid,
    #[mus(elem(len = varint))]
    some: Option<Uuid>,
}

#[test]
fn a_uuid_is_an_array_with_its_length() {
    let one = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    stands_as(
        &Ids { one, raw: Uuid::nil(), some: Some(Uuid::max()) },
        "10 0102030405060708090a0b0c0d0e0f10 \
         1000000000000000 00000000000000000000000000000000 00 20 ffffffffffffffffffffffffffffffff",
    );
    assert_eq!(description::<Uuid>(), description::<[u8; 16]>());
    assert_eq!(
        description::<Ids>(),
        "#0 = {one: [u8 raw; 16], raw: [u8 raw; 16; raw length], some: option([u8 raw; 16; zigzag length])}"
    );
}

#[test]
fn a_uuid_of_another_length_is_refused() {
    let error = fault::<Uuid>("0f");
    assert!(
        matches!(error.fault, Fault::WrongLength { length: 15, expected: 16 }) && error.at == 1,
        "{error}"
    );
    let error = fault::<Uuid>("11");
    assert!(matches!(error.fault, Fault::TooLong { length: 17, limit: 16 }) && error.at == 1, "{error}");
    let error = fault::<Uuid>("ffffffffffffffffff01");
    assert!(matches!(error.fault, Fault::NegativeLength(-1)) && error.at == 10, "{error}");
}

macro_rules! times {
    ($module:ident $type:ty: $new:expr, $last:expr, $first:expr;) => {
        mod $module {
            use super::*;

            #[derive(Mus, Debug, PartialEq, Clone)]
            struct Times {
                default: $type,
                #[mus(seconds)]
                seconds: $type,
                #[mus(milliseconds)]
                milliseconds: $type,
                #[mus(microseconds)]
                microseconds: $type,
                #[mus(nanoseconds)]
                nanoseconds: $type,
            }

            fn all(time: $type) -> Times {
                Times {
                    default: time,
                    seconds: time,
                    milliseconds: time,
                    microseconds: time,
                    nanoseconds: time,
                }
            }

            fn new(seconds: i64, nanoseconds: u32) -> $type {
                $new(seconds, nanoseconds)
            }

            #[test]
            fn times_count_the_unit_that_is_chosen() {
                stands_as(
                    &all(new(1, 0)),
                    "0100000000000000 0100000000000000 e803000000000000 40420f0000000000 00ca9a3b00000000",
                );
                stands_as(
                    &all(new(-1, 0)),
                    "ffffffffffffffff ffffffffffffffff 18fcffffffffffff c0bdf0ffffffffff 003665c4ffffffff",
                );
                assert_eq!(description::<$type>(), description::<std::time::SystemTime>());
                assert_eq!(
                    description::<Times>(),
                    "#0 = {default: time seconds, seconds: time seconds, milliseconds: time milliseconds, \
                     microseconds: time microseconds, nanoseconds: time nanoseconds}"
                );
            }

            #[test]
            fn what_is_finer_is_cut_off_towards_the_past() {
                for seconds in [-3, 0, 1_709_210_096] {
                    let bytes = to_vec(&all(new(seconds, 987_654_321))).unwrap();
                    let expected = Times {
                        default: new(seconds, 0),
                        seconds: new(seconds, 0),
                        milliseconds: new(seconds, 987_000_000),
                        microseconds: new(seconds, 987_654_000),
                        nanoseconds: new(seconds, 987_654_321),
                    };
                    assert_eq!(from_slice::<Times>(&bytes).unwrap(), expected);
                }
            }

            #[test]
            fn the_first_and_the_last_time_are_read_and_none_beyond() {
                let (first, last): ($type, $type) = ($first, $last);
                for (time, beyond) in [(first, -1_i64), (last, 1)] {
                    let bytes = to_vec(&time).unwrap();
                    let seconds = i64::from_le_bytes(bytes.clone().try_into().unwrap());
                    assert_eq!(from_slice::<$type>(&bytes).unwrap(), new(seconds, 0));
                    for seconds in [seconds + beyond, i64::MAX * beyond] {
                        let error = fault::<$type>(&testkit::hex(&seconds.to_le_bytes()));
                        assert!(matches!(error.fault, Fault::OutOfRange) && error.at == 8, "{error}");
                    }
                }
            }

            #[test]
            fn a_time_that_64_bits_do_not_hold_cannot_be_written() {
                #[derive(Mus, Debug)]
                struct Fine(#[mus(nanoseconds)] $type);
                let last = new(9_223_372_036, 854_775_807);
                assert_eq!(to_vec(&Fine(last)).unwrap(), i64::MAX.to_le_bytes());
                let over = new(9_223_372_036, 854_775_808);
                assert!(matches!(to_vec(&Fine(over)), Err(EncodeError::OutOfRange)));
            }
        }
    };
}
times! {
    with_chrono DateTime<Utc>:
    |seconds, nanoseconds| DateTime::from_timestamp(seconds, nanoseconds).unwrap(),
    DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC;
}
times! {
    with_time OffsetDateTime:
    |seconds, nanoseconds: u32| OffsetDateTime::from_unix_timestamp(seconds).unwrap()
        + std::time::Duration::from_nanos(nanoseconds.into()),
    OffsetDateTime::new_utc(Date::MAX, Time::MAX), OffsetDateTime::new_utc(Date::MIN, Time::MIDNIGHT);
}
times! {
    with_time_utc UtcDateTime:
    |seconds, nanoseconds: u32| UtcDateTime::from_unix_timestamp(seconds).unwrap()
        + std::time::Duration::from_nanos(nanoseconds.into()),
    UtcDateTime::MAX, UtcDateTime::MIN;
}

#[test]
fn an_offset_is_not_on_the_wire() {
    let utc = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
    let elsewhere = utc.to_offset(UtcOffset::from_hms(-7, -30, 0).unwrap());
    let bytes = to_vec(&elsewhere).unwrap();
    assert_eq!(bytes, to_vec(&utc).unwrap());
    let decoded: OffsetDateTime = from_slice(&bytes).unwrap();
    assert_eq!((decoded, decoded.offset()), (utc, UtcOffset::UTC));
}

#[test]
fn a_leap_second_is_the_one_that_follows() {
    let midnight = DateTime::<Utc>::from_timestamp(1_483_228_800, 0).unwrap();
    let leap = DateTime::from_timestamp(1_483_228_799, 1_500_000_000).unwrap();
    assert_eq!(to_vec(&leap).unwrap(), to_vec(&midnight).unwrap());
    #[derive(Mus, Debug)]
    struct Fine(#[mus(milliseconds)] DateTime<Utc>);
    let half_past = midnight + TimeDelta::milliseconds(500);
    assert_eq!(to_vec(&Fine(leap)).unwrap(), to_vec(&Fine(half_past)).unwrap());
}

#[test]
fn a_decimal_is_its_text() {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    stands_as(&decimal("0"), "01 30");
    stands_as(&decimal("-12.50"), "06 2d31322e3530");
    // The last zeros are kept, though equal numbers need not have them.
    assert_eq!(from_slice::<Decimal>(b"\x041.10").unwrap().scale(), 2);
    for most in [Decimal::MAX, Decimal::MIN, Decimal::new(1, 28), Decimal::new(-1, 28)] {
        assert_eq!(from_slice::<Decimal>(&to_vec(&most).unwrap()).unwrap(), most);
    }
    assert_eq!(description::<Decimal>(), description::<String>());

    #[derive(Mus, Debug, PartialEq)]
    struct Price(#[mus(len = varint, max_len = 5)] Decimal);
    stands_as(&Price(decimal("12.50")), "0a 31322e3530");
    assert!(matches!(to_vec(&Price(decimal("-12.50"))), Err(EncodeError::TooLong { length: 6, limit: 5 })));
    let error = fault::<Price>("0c");
    assert!(matches!(error.fault, Fault::TooLong { length: 6, limit: 5 }), "{error}");
}

#[test]
fn what_is_no_decimal_is_refused() {
    let too_large = "79228162514264337593543950336";
    let too_fine = "0.00000000000000000000000000001";
    for text in ["", "-", ".", "abc", "1.2.3", "1e3", "NaN", " 1", "1 ", "0x10", "1,5", too_large, too_fine] {
        let bytes = to_vec(text).unwrap();
        let error = fault::<Decimal>(&testkit::hex(&bytes));
        assert!(matches!(error.fault, Fault::Validation(_)), "{text}: {error}");
        assert_eq!(error.at, bytes.len(), "{text}");
    }
    let error = fault::<Decimal>("02 31ff");
    assert!(matches!(error.fault, Fault::InvalidUtf8) && error.at == 3, "{error}");
    let error = fault::<Decimal>("ffffffffffffffffff01");
    assert!(matches!(error.fault, Fault::NegativeLength(-1)), "{error}");
}
