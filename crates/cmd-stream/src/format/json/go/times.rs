//! The rules for types of the crate `time`.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcDateTime, UtcOffset};

use super::{As, Text, rule};

impl As<rule::Time> for OffsetDateTime {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.format(&Rfc3339).map_err(S::Error::custom)?)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a time in RFC 3339", |text: &str| {
            Self::parse(text, &Rfc3339).map_err(|error| format!("invalid time in RFC 3339: {error}"))
        }))
    }
}

impl As<rule::Time> for UtcDateTime {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_offset(UtcOffset::UTC).write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = OffsetDateTime::read(deserializer)?;
        time.checked_to_utc()
            .ok_or_else(|| serde::de::Error::custom("the time in UTC is after the year 9999"))
    }
}

impl As<rule::Duration> for Duration {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.whole_nanoseconds()) {
            Ok(nanoseconds) => serializer.serialize_i64(nanoseconds),
            Err(_) => Err(S::Error::custom(format_args!("{self} is longer than a duration of Go can be"))),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::nanoseconds)
    }
}
