//! What a Command carries: names and values, in the order of their names.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use crate::traceparent::{TRACEPARENT, Text};

/// A map of text. Most Commands carry a `traceparent` and nothing else, so that has a place of its own, which is not allocated.
#[derive(Clone, Default)]
pub(super) struct Carrier {
    /// If it has the usual length. Otherwise it is with the others.
    traceparent: Option<Text>,
    #[expect(clippy::box_collection, reason = "it is smaller, and is moved with its Command")]
    others: Option<Box<BTreeMap<String, String>>>,
}

impl Carrier {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if name == TRACEPARENT {
            self.traceparent = Text::from(value).ok().filter(Text::is_full);
            if self.traceparent.is_some() {
                if let Some(others) = &mut self.others {
                    others.remove(name);
                }
                return;
            }
        }
        self.others.get_or_insert_default().insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match &self.traceparent {
            Some(text) if name == TRACEPARENT => Some(text.as_str()),
            _ => Some(self.others.as_ref()?.get(name)?),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = |range: (Bound<&'static str>, Bound<&'static str>)| {
            let others = self.others.iter().flat_map(move |others| others.range::<str, _>(range));
            others.map(|(name, value)| (name.as_str(), value.as_str()))
        };
        let own = self.traceparent.iter().map(|text| (TRACEPARENT, text.as_str()));
        others((Unbounded, Excluded(TRACEPARENT)))
            .chain(own)
            .chain(others((Included(TRACEPARENT), Unbounded)))
    }

    #[cfg(any(feature = "json", feature = "mus", test))]
    #[inline]
    fn len(&self) -> usize {
        usize::from(self.traceparent.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.traceparent.is_none() && self.others.as_ref().is_none_or(|others| others.is_empty())
    }
}

impl PartialEq for Carrier {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Carrier {}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// As a map of strings. The bytes and the limits are those of a `BTreeMap`.
#[cfg(feature = "mus")]
mod in_mus {
    use mus_format::encoding::Positive;
    use mus_format::{Decode, Describe, Description, Encode, Output, Reader, Shape, Stopped};

    use super::{BTreeMap, Carrier, TRACEPARENT};

    type Map = BTreeMap<String, String>;

    impl Encode for Carrier {
        #[inline]
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            out.nest(|out| {
                out.varint(self.len() as u64);
                if !self.is_empty() {
                    self.encode_pairs(out);
                }
            });
        }
    }

    impl Carrier {
        fn encode_pairs<O: Output + ?Sized>(&self, out: &mut O) {
            // As a rule there is only this.
            if let (Some(text), None) = (&self.traceparent, &self.others) {
                TRACEPARENT.encode(out);
                return text.as_str().encode(out);
            }
            for (name, value) in self.iter() {
                name.encode(out);
                value.encode(out);
            }
        }

        fn decode_pairs(reader: &mut Reader<'_>, count: usize) -> Result<Self, Stopped> {
            let mut carrier = Self::default();
            let pair = const { Shape::fields(&[String::SHAPE, String::SHAPE]) };
            reader.expect_elements(count, &pair, size_of::<(String, String)>())?;
            for _ in 0..count {
                let name = <&str>::decode(reader)?;
                carrier.set(name, <&str>::decode(reader)?);
            }
            Ok(carrier)
        }
    }

    impl<'de> Decode<'de> for Carrier {
        const SHAPE: Shape = Map::SHAPE;

        #[inline]
        fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
            reader.nest(|reader| match reader.length::<Positive>(usize::MAX)? {
                0 => Ok(Self::default()),
                count => Self::decode_pairs(reader, count),
            })
        }
    }

    impl Describe for Carrier {
        fn describe() -> Description {
            Map::describe()
        }
    }
}

#[cfg(feature = "json")]
mod in_json {
    use std::borrow::Cow;
    use std::fmt;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Carrier;

    impl Serialize for Carrier {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = serializer.serialize_map(Some(self.len()))?;
            for (name, value) in self.iter() {
                map.serialize_entry(name, value)?;
            }
            map.end()
        }
    }

    impl<'de> Deserialize<'de> for Carrier {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Pairs)
        }
    }

    struct Pairs;

    /// Borrowed, where nothing is escaped.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    impl<'de> Visitor<'de> for Pairs {
        type Value = Carrier;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Carrier, A::Error> {
            let mut carrier = Carrier::default();
            while let Some((Text(name), Text(value))) = map.next_entry()? {
                carrier.set(&name, &value);
            }
            Ok(carrier)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_a_map_in_the_order_of_the_names() {
        let other = "é".repeat(27);
        let (mut carrier, mut map) = (Carrier::default(), BTreeMap::new());
        let is_equal = |carrier: &Carrier, map: &BTreeMap<&str, &str>| {
            assert!(carrier.iter().eq(map.iter().map(|(name, value)| (*name, *value))), "{carrier:?}");
            assert_eq!((carrier.len(), carrier.is_empty()), (map.len(), map.is_empty()));
            for name in ["", "traceparen", TRACEPARENT, "traceparent2", "tracestate", "baggage", "x"] {
                assert_eq!(carrier.get(name), map.get(name).copied(), "{name}");
            }
        };
        is_equal(&carrier, &map);
        for (name, value) in [
            (TRACEPARENT, TEXT),
            ("tracestate", "a=b"),
            ("baggage", ""),
            ("traceparen", TEXT),
            ("traceparent2", "x"),
            (TRACEPARENT, "short"),
            (TRACEPARENT, "again"),
            (TRACEPARENT, TEXT),
            (TRACEPARENT, &other),
            (TRACEPARENT, ""),
            ("baggage", "k=v"),
        ] {
            carrier.set(name, value);
            map.insert(name, value);
            is_equal(&carrier, &map);
        }
        assert_eq!(format!("{carrier:?}"), format!("{map:?}"));
    }

    #[test]
    fn text_of_the_same_length_that_is_no_traceparent_is_kept_as_well() {
        let mut carrier = Carrier::default();
        let text = format!("x{}", "é".repeat(27));
        carrier.set(TRACEPARENT, &text);
        assert_eq!((carrier.get(TRACEPARENT), carrier.len()), (Some(text.as_str()), 1));
    }
}
