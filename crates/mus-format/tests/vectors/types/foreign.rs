//! The same vectors for types of other crates.

use super::*;

#[cfg(feature = "uuid")]
pub(super) fn uuid(vector: &Vector, len: Option<&str>, read: impl Fn(&Value) -> uuid::Uuid) {
    match len {
        None => holds::<uuid::Uuid, Plain>(vector, read),
        Some("varint.int") => holds::<uuid::Uuid, Of<Varint>>(vector, read),
        Some("raw.int") => holds::<uuid::Uuid, Of<Raw>>(vector, read),
        Some(_) => unknown(vector),
    }
}

#[cfg(feature = "rust_decimal")]
pub(super) fn decimal(vector: &Vector) {
    holds::<rust_decimal::Decimal, Plain>(vector, |value| read::string(value).parse().expect("a number"));
}

#[cfg(feature = "chrono")]
pub(super) fn chrono_time(value: SystemTime) -> chrono::DateTime<chrono::Utc> {
    let (seconds, nanoseconds) = since_1970(value);
    chrono::DateTime::from_timestamp(seconds, nanoseconds).expect("in range")
}

#[cfg(feature = "time")]
pub(super) fn utc_time(value: SystemTime) -> time::UtcDateTime {
    let (seconds, nanoseconds) = since_1970(value);
    let seconds = time::UtcDateTime::from_unix_timestamp(seconds).expect("in range");
    seconds + std::time::Duration::from_nanos(nanoseconds.into())
}

#[cfg(any(feature = "chrono", feature = "time"))]
fn since_1970(value: SystemTime) -> (i64, u32) {
    let nanoseconds = match value.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    };
    let second = 1_000_000_000;
    (nanoseconds.div_euclid(second) as i64, nanoseconds.rem_euclid(second) as u32)
}

#[cfg(all(feature = "chrono", feature = "rust_decimal", feature = "uuid"))]
pub(super) fn payment(vector: &Vector) {
    use chrono::{DateTime, Utc};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    #[derive(Mus, PartialEq, Debug)]
    struct Payment {
        id: Uuid,
        amount: Decimal,
        at: DateTime<Utc>,
        #[mus(nanoseconds)]
        fine: DateTime<Utc>,
        parent: Option<Uuid>,
        rates: Vec<Decimal>,
    }
    let id = |value: &Value| Uuid::from_slice(&read::bytes(value)).expect("16 bytes");
    let decimal = |value: &Value| read::string(value).parse().expect("a number");
    let time = |value: &Value| chrono_time(read::time(value.as_str().expect("a time")));
    holds::<Payment, Plain>(vector, |value| Payment {
        id: id(&value["ID"]),
        amount: decimal(&value["Amount"]),
        at: time(&value["At"]),
        fine: time(&value["Fine"]),
        parent: Some(&value["Parent"]).filter(|value| !value.is_null()).map(id),
        rates: read::list(&value["Rates"], decimal),
    });
}
