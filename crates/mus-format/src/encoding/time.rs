//! Points in time and durations: as Go has them, 64 bits of a unit.

use core::time::Duration;

use super::{DecodeAs, EncodeAs, Positive, Raw, Varint, by_default};
use crate::error::{EncodeError, Fault};
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Go's `time.Duration` is an `int64` of nanoseconds; a negative one is out of the range of [`Duration`].
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
by_default!(Varint: Duration;);

#[cfg(feature = "std")]
mod system {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::super::{
        DecodeAs, EncodeAs, Microseconds, Milliseconds, Nanoseconds, Raw, Seconds, by_default,
    };
    use crate::error::{EncodeError, Fault};
    use crate::output::Output;
    use crate::reader::{Reader, Stopped};
    use crate::shape::Shape;

    macro_rules! times {
        ($($encoding:ident: $nanoseconds:literal;)*) => {$(
            impl EncodeAs<SystemTime> for $encoding {
                #[inline]
                fn encode_as<O: Output + ?Sized>(value: &SystemTime, out: &mut O) {
                    match count(*value, $nanoseconds) {
                        Some(count) => Raw::encode_as(&count, out),
                        None => out.fail(EncodeError::OutOfRange),
                    }
                }
            }

            impl<'de> DecodeAs<'de, SystemTime> for $encoding {
                const SHAPE: Shape = <Raw as DecodeAs<'de, i64>>::SHAPE;

                #[inline]
                fn decode_as(reader: &mut Reader<'de>) -> Result<SystemTime, Stopped> {
                    let count = Raw::decode_as(reader)?;
                    time(count, $nanoseconds).ok_or_else(|| reader.invalid(Fault::OutOfRange))
                }
            }
        )*};
    }
    times! {
        Seconds: 1_000_000_000;
        Milliseconds: 1_000_000;
        Microseconds: 1000;
        Nanoseconds: 1;
    }
    by_default!(Seconds: SystemTime;);

    /// How many units of so many nanoseconds lie between 1970 and a time; what is finer is cut off, towards the past.
    fn count(time: SystemTime, nanoseconds: i128) -> Option<i64> {
        let since = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos().cast_signed(),
            Err(error) => -error.duration().as_nanos().cast_signed(),
        };
        i64::try_from(since.div_euclid(nanoseconds)).ok()
    }

    /// The time that lies so many units of so many nanoseconds after 1970.
    fn time(count: i64, nanoseconds: u64) -> Option<SystemTime> {
        let (count, before) = (count.unsigned_abs(), count < 0);
        let units = 1_000_000_000 / nanoseconds;
        let distance = Duration::new(count / units, (count % units * nanoseconds) as u32);
        if before { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}
