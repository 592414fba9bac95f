//! Points in time and durations: 64-bit counts of a unit, as in Go.

use core::time::Duration;

use super::{DecodeAs, EncodeAs, Positive, Raw, Varint, by_default};
#[cfg(any(feature = "chrono", feature = "std", feature = "time"))]
use super::{DescribeAs, Microseconds, Milliseconds, Nanoseconds, Seconds};
#[cfg(any(feature = "chrono", feature = "std", feature = "time"))]
use crate::describe::{Describe, Description};
use crate::error::{EncodeError, Fault};
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Go's `time.Duration` is an `int64` of nanoseconds. Negative ones are out of range for [`Duration`].
macro_rules! durations {
    ($($encoding:ident)*) => {$(
        impl EncodeAs<Duration> for $encoding {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &Duration, out: &mut O) {
                match i64::try_from(value.as_nanos()) {
                    Ok(nanoseconds) => Self::encode_as(&nanoseconds, out),
                    Err(_) => out.fail(EncodeError::OutOfRange),
                }
            }
        }

        impl<'de> DecodeAs<'de, Duration> for $encoding {
            const SHAPE: Shape = <Self as DecodeAs<'de, i64>>::SHAPE;

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<Duration, Stopped> {
                let nanoseconds: i64 = Self::decode_as(reader)?;
                match u64::try_from(nanoseconds) {
                    Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
                    Err(_) => Err(reader.invalid(Fault::OutOfRange)),
                }
            }
        }
    )*};
}
durations!(Raw Varint Positive);
by_default!(Varint Raw: Duration;);

/// A point in time.
#[cfg(any(feature = "chrono", feature = "std", feature = "time"))]
trait Moment: Sized {
    /// Returns the nanoseconds since 1970, negative before.
    fn nanoseconds(&self) -> i128;

    /// Creates the time `seconds` after 1970, and `nanoseconds` (fewer than 10^9) more.
    fn new(seconds: i64, nanoseconds: u32) -> Option<Self>;
}

/// Encodes points in time as a raw count of units.
#[cfg(any(feature = "chrono", feature = "std", feature = "time"))]
macro_rules! moments {
    ($($type:ty),*) => {$(
        moments! {
            $type:
            Seconds "seconds" 1_000_000_000, Milliseconds "milliseconds" 1_000_000, Microseconds "microseconds" 1000,
            Nanoseconds "nanoseconds" 1
        }
        by_default!(Seconds Seconds: $type;);

        impl Describe for $type {
            fn describe() -> Description {
                <Seconds as DescribeAs<Self>>::describe_as()
            }
        }
    )*};
    ($type:ty: $($encoding:ident $name:literal $nanoseconds:literal),*) => {$(
        impl EncodeAs<$type> for $encoding {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type, out: &mut O) {
                match i64::try_from(Moment::nanoseconds(value).div_euclid($nanoseconds)) {
                    Ok(count) => Raw::encode_as(&count, out),
                    Err(_) => out.fail(EncodeError::OutOfRange),
                }
            }
        }

        impl<'de> DecodeAs<'de, $type> for $encoding {
            const SHAPE: Shape = <Raw as DecodeAs<'de, i64>>::SHAPE;

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                const UNITS: i64 = 1_000_000_000 / $nanoseconds;
                let count: i64 = Raw::decode_as(reader)?;
                let nanoseconds = count.rem_euclid(UNITS) * $nanoseconds;
                Moment::new(count.div_euclid(UNITS), nanoseconds as u32)
                    .ok_or_else(|| reader.invalid(Fault::OutOfRange))
            }
        }

        impl DescribeAs<$type> for $encoding {
            fn describe_as() -> Description {
                Description::leaf(concat!("time ", $name))
            }
        }
    )*};
}

#[cfg(feature = "std")]
mod system {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    moments!(SystemTime);

    impl Moment for SystemTime {
        fn nanoseconds(&self) -> i128 {
            match self.duration_since(UNIX_EPOCH) {
                Ok(after) => after.as_nanos().cast_signed(),
                Err(error) => -error.duration().as_nanos().cast_signed(),
            }
        }

        fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            let whole = match seconds < 0 {
                true => UNIX_EPOCH.checked_sub(distance)?,
                false => UNIX_EPOCH.checked_add(distance)?,
            };
            whole.checked_add(Duration::from_nanos(nanoseconds.into()))
        }
    }
}

#[cfg(feature = "chrono")]
mod with_chrono {
    use chrono::{DateTime, Utc};

    use super::*;

    moments!(DateTime<Utc>);

    impl Moment for DateTime<Utc> {
        fn nanoseconds(&self) -> i128 {
            // Within a leap second, the nanoseconds exceed a second, which gives the next one, as in Go.
            i128::from(self.timestamp()) * SECOND + i128::from(self.timestamp_subsec_nanos())
        }

        fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
            Self::from_timestamp(seconds, nanoseconds)
        }
    }
}

#[cfg(feature = "time")]
mod with_time {
    use ::time::{OffsetDateTime, UtcDateTime};

    use super::*;

    moments!(OffsetDateTime, UtcDateTime);

    /// The offset is not on the wire. Decoded times are in UTC.
    impl Moment for OffsetDateTime {
        fn nanoseconds(&self) -> i128 {
            self.unix_timestamp_nanos()
        }

        fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
            let nanoseconds = i128::from(seconds) * SECOND + i128::from(nanoseconds);
            Self::from_unix_timestamp_nanos(nanoseconds).ok()
        }
    }

    impl Moment for UtcDateTime {
        fn nanoseconds(&self) -> i128 {
            self.unix_timestamp_nanos()
        }

        fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
            let nanoseconds = i128::from(seconds) * SECOND + i128::from(nanoseconds);
            Self::from_unix_timestamp_nanos(nanoseconds).ok()
        }
    }
}

/// A second, in nanoseconds.
#[cfg(any(feature = "chrono", feature = "time"))]
const SECOND: i128 = 1_000_000_000;
