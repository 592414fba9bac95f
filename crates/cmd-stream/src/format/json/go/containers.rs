//! The rules inside of `Option`, `Box`, `Vec`, arrays and maps.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::{As, Reading, Written};

impl<T: As<R>, R> As<R> for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => serializer.serialize_some(&Written(value, PhantomData::<R>)),
            None => serializer.serialize_none(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Pointer(PhantomData::<(T, R)>))
    }
}

impl<T: As<R>, R> As<R> for Box<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self::new)
    }
}

impl<T: As<R>, R> As<R> for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|value| Written(value, PhantomData::<R>)))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Elements(PhantomData::<(T, R)>))
    }
}

impl<T: As<R>, R, const N: usize> As<R> for [T; N] {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for value in self {
            tuple.serialize_element(&Written(value, PhantomData::<R>))?;
        }
        tuple.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values: Vec<T> = deserializer.deserialize_seq(Elements(PhantomData::<(T, R)>))?;
        let length = values.len();
        let expected = format!("an array of length {N}");
        Self::try_from(values).map_err(|_| D::Error::invalid_length(length, &expected.as_str()))
    }
}

impl<K: Serialize + for<'de> Deserialize<'de> + Ord, T: As<R>, R> As<R> for BTreeMap<K, T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, Written(value, PhantomData::<R>))))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Entries(Self::new(), insert_ordered, PhantomData::<(K, T, R)>))
    }
}

impl<K, T, R, H> As<R> for HashMap<K, T, H>
where
    K: Serialize + for<'de> Deserialize<'de> + Eq + Hash,
    T: As<R>,
    H: BuildHasher + Default,
{
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, Written(value, PhantomData::<R>))))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Entries(Self::default(), insert_hashed, PhantomData::<(K, T, R)>))
    }
}

fn insert_ordered<K: Ord, T>(map: &mut BTreeMap<K, T>, key: K, value: T) {
    map.insert(key, value);
}

fn insert_hashed<K: Eq + Hash, T, H: BuildHasher>(map: &mut HashMap<K, T, H>, key: K, value: T) {
    map.insert(key, value);
}

/// The visitor of a value or `null`.
struct Pointer<T, R>(PhantomData<(T, R)>);

impl<'de, T: As<R>, R> Visitor<'de> for Pointer<T, R> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::read(deserializer).map(Some)
    }
}

/// The visitor of an array, or of `null` for none.
struct Elements<T, R>(PhantomData<(T, R)>);

impl<'de, T: As<R>, R> Visitor<'de> for Elements<T, R> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_none<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(Reading(PhantomData::<(T, R)>))? {
            values.push(value);
        }
        Ok(values)
    }
}

/// The visitor of an object that is a map, or of `null` for an empty one: the map, how to insert into it, and what.
struct Entries<M, I, P>(M, I, PhantomData<P>);

impl<'de, M, I, K, T, R> Visitor<'de> for Entries<M, I, (K, T, R)>
where
    I: Fn(&mut M, K, T),
    K: Deserialize<'de>,
    T: As<R>,
{
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<M, E> {
        Ok(self.0)
    }

    fn visit_unit<E>(self) -> Result<M, E> {
        Ok(self.0)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<M, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<M, A::Error> {
        let Self(mut map, insert, _) = self;
        while let Some(key) = entries.next_key()? {
            let value = entries.next_value_seed(Reading(PhantomData::<(T, R)>))?;
            insert(&mut map, key, value);
        }
        Ok(map)
    }
}
