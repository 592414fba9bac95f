//! Compares the two sides, one type at a time.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::sync::OnceLock;

use mus_format::encoding::{DecodeAs, EncodeAs};
use mus_format::{
    Decode, DecodeOwned, Decoded, Encode, Fault, Output, Reader, Shape, Stopped, decode, from_slice, to_vec,
};

use crate::muscheck::{Answer, ask, hex};
use crate::random::{Any, Random};

/// Values of each type.
const VALUES: usize = 10_000;

/// Damaged values of each type. Some of them are not given to Go.
const DAMAGED: usize = 3_000;

/// Whether both sides write the entries of a value in the same order.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// They do.
    Fixed,
    /// Only we have a fixed order; Go writes the entries of maps in any order.
    OursAlone,
}

/// Checks that both sides treat values of type `T` in the encoding `E` alike. `name` is its name in Go.
pub(crate) fn agree<T: Any, E>(name: &str)
where
    As<T, E>: Encode + DecodeOwned,
{
    agree_on::<T, E>(name, Order::Fixed, Random::any);
}

/// The same for values that contain maps.
pub(crate) fn agree_in_any_order<T: Any, E>(name: &str)
where
    As<T, E>: Encode + DecodeOwned,
{
    agree_on::<T, E>(name, Order::OursAlone, Random::any);
}

/// The same for the values that `make` returns.
pub(crate) fn agree_on<T, E>(name: &str, order: Order, make: impl Fn(&mut Random) -> T)
where
    As<T, E>: Encode + DecodeOwned,
{
    let mut random = Random::new(seed());
    let values: Vec<_> = (0..VALUES)
        .map(|_| to_vec(&As::<T, E>::new(make(&mut random))).expect("it can be encoded"))
        .collect();
    for (bytes, answer) in values.iter().zip(ask(name, &values)) {
        agree_on_value::<As<T, E>>(order, bytes, &answer)
            .unwrap_or_else(|difference| fail(name, bytes, difference));
    }
    agree_on_damaged::<As<T, E>>(name, order, &mut random, &values);
}

fn agree_on_value<T: Encode + DecodeOwned>(
    order: Order,
    bytes: &[u8],
    answer: &Answer,
) -> Result<(), String> {
    let Answer::Value { bytes: theirs, consumed } = answer else {
        return Err(format!("Go answered {answer:?}"));
    };
    if *consumed != bytes.len() {
        return Err(format!("Go took {consumed} bytes"));
    }
    if order == Order::Fixed && theirs != bytes {
        return Err(format!("Go encoded it as {}", hex(theirs)));
    }
    let again = encoded_again::<T>(theirs)?;
    if again != bytes {
        return Err(format!("of Go's {} we make {}", hex(theirs), hex(&again)));
    }
    Ok(())
}

/// Decodes and encodes a value that Go has encoded.
fn encoded_again<T: Encode + DecodeOwned>(theirs: &[u8]) -> Result<Vec<u8>, String> {
    let value = from_slice::<T>(theirs).map_err(|error| format!("of Go's {} we say {error}", hex(theirs)))?;
    to_vec(&value).map_err(|error| error.to_string())
}

/// Checks that both sides treat damaged or incomplete bytes alike.
fn agree_on_damaged<T: Encode + DecodeOwned>(
    name: &str,
    order: Order,
    random: &mut Random,
    values: &[Vec<u8>],
) {
    let mut damaged = Vec::new();
    for _ in 0..DAMAGED {
        let whole = &values[random.below(values.len())];
        if !whole.is_empty() {
            damaged.push(whole[..random.below(whole.len())].to_vec());
        }
        let other = damage(random, whole.clone());
        if is_for_go(name, &decode::<T>(&other)) {
            damaged.push(other);
        }
    }
    for (bytes, answer) in damaged.iter().zip(ask(name, &damaged)) {
        agree_on_bytes::<T>(order, bytes, &answer).unwrap_or_else(|difference| fail(name, bytes, difference));
    }
}

fn damage(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let byte =
            if random.one_in(2) { random.any() } else { random.pick(&[0, 1, 2, 0x7f, 0x80, 0x81, 0xff]) };
        match random.below(4) {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// Whether these bytes may be given to Go, and should be refused by both sides or by none. Go allocates whatever a length
/// says; and where it goes on after what has stopped us, it takes for lengths what are none.
fn is_for_go<T>(name: &str, ours: &Decoded<T>) -> bool {
    match ours {
        Decoded::Value(..) => true,
        // We stop at once if a count is larger than the bytes that are left.
        Decoded::Incomplete(_) => false,
        Decoded::Invalid(error) => match error.fault {
            // Go reads 8-bit varints of any length.
            Fault::Overflow => !is_8_bit_varint(name),
            Fault::NegativeLength(_)
            | Fault::TooLong { .. }
            | Fault::InvalidBool(_)
            | Fault::InvalidPointer(_)
            | Fault::UnexpectedTag(_)
            | Fault::WrongTag { .. }
            | Fault::Validation(_) => true,
            // Go accepts text that is not UTF-8, arrays that are too short (with what happens to be in memory), pointers
            // in any order, negative durations.
            _ => false,
        },
    }
}

fn is_8_bit_varint(name: &str) -> bool {
    matches!(name, "varint.uint8" | "varint.byte" | "varint.int8" | "varint.positive_int8")
}

fn agree_on_bytes<T: Encode + DecodeOwned>(
    order: Order,
    bytes: &[u8],
    answer: &Answer,
) -> Result<(), String> {
    match (decode::<T>(bytes), answer) {
        (Decoded::Value(value, taken), Answer::Value { bytes: theirs, consumed }) if taken == *consumed => {
            let ours = to_vec(&value).map_err(|error| error.to_string())?;
            let same = match order {
                Order::Fixed => ours == *theirs,
                Order::OursAlone => ours == encoded_again::<T>(theirs)?,
            };
            if same { Ok(()) } else { Err(format!("we made {}, Go {}", hex(&ours), hex(theirs))) }
        }
        (Decoded::Incomplete(_), Answer::Refused { why, .. }) if why.contains("EOF") => Ok(()),
        (Decoded::Invalid(error), Answer::Refused { consumed, .. }) if error.at == *consumed => Ok(()),
        (Decoded::Value(_, taken), _) => Err(format!("we took {taken} bytes, Go {answer:?}")),
        (Decoded::Incomplete(missing), _) => Err(format!("we miss {missing} bytes, Go {answer:?}")),
        (Decoded::Invalid(error), _) => Err(format!("we say {error}, Go {answer:?}")),
    }
}

fn fail(name: &str, bytes: &[u8], difference: String) -> ! {
    panic!("{name} {}: {difference}\nrepeat it with {SEED}={}", hex(bytes), seed());
}

/// The variable that sets the seed.
const SEED: &str = "MUS_RANDOM_SEED";

/// The seed of this run: a new one each time.
fn seed() -> u64 {
    static CHOSEN: OnceLock<u64> = OnceLock::new();
    *CHOSEN.get_or_init(|| match env::var(SEED) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => RandomState::new().hash_one(SEED),
    })
}

/// A value in the encoding `E`.
pub(crate) struct As<T, E> {
    value: T,
    encoding: PhantomData<E>,
}

impl<T, E> As<T, E> {
    fn new(value: T) -> Self {
        Self { value, encoding: PhantomData }
    }
}

impl<T, E: EncodeAs<T>> Encode for As<T, E> {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        E::encode_as(&self.value, out);
    }
}

impl<'de, T, E: DecodeAs<'de, T>> Decode<'de> for As<T, E> {
    const SHAPE: Shape = E::SHAPE;

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        E::decode_as(reader).map(Self::new)
    }
}
