//! The serialization formats that are compared: which operations on which values, and the check that each format returns the
//! values it was given. How a format is used is in `formats/peers.rs`.

mod peers;

use std::hint::black_box;

use crate::values::{self, LINES, ORDERS, SAMPLES};

/// How a format writes and reads values of type `T`, in the way that its documentation recommends for speed.
pub(crate) trait Peer<T> {
    /// The name of the format, with its version where versions differ.
    const NAME: &'static str;

    /// The buffer that values are encoded into.
    type Bytes: AsRef<[u8]> + Clone + Default + 'static;

    /// Encodes into a new buffer.
    fn encode(value: &T) -> Self::Bytes;

    /// Encodes into a buffer that was used before, replacing its content.
    fn encode_again(value: &T, out: &mut Self::Bytes);

    /// Decodes into a value that owns its data.
    fn decode(bytes: &Self::Bytes) -> T;
}

/// An operation on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Encode into a buffer that was used for the previous values.
    EncodeAgain,
    /// Encode into a new buffer.
    EncodeNew,
    /// Decode, and drop the value.
    Decode,
    /// Validate the bytes, and read the value in place (only rkyv can).
    Access,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EncodeAgain, Self::EncodeNew, Self::Decode, Self::Access];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EncodeAgain => "encode",
            Self::EncodeNew => "encode-new",
            Self::Decode => "decode",
            Self::Access => "access",
        }
    }
}

/// A set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The 1024 structs that the participants echo.
    Echo,
    /// Orders of 1000 lines.
    Order,
    /// A few numbers.
    Sample,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Echo, Self::Order, Self::Sample];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Order => "order",
            Self::Sample => "sample",
        }
    }
}

/// One operation of one format on the values of one shape.
pub struct Case {
    /// The values.
    pub shape: Shape,
    /// The format.
    pub format: &'static str,
    /// The operation.
    pub operation: Operation,
    /// The number of values.
    pub values: usize,
    /// The number of bytes they take in total.
    pub bytes: usize,
    pass: Box<dyn FnMut()>,
}

impl Case {
    /// Runs the operation once on each value.
    pub fn pass(&mut self) {
        (self.pass)();
    }
}

/// All cases, in the order in which they are measured. The formats are next to each other, so that a noisy moment affects
/// all of them.
///
/// # Panics
///
/// If a format does not return a value as it was.
pub fn cases() -> Vec<Case> {
    let mut cases = of_shape(Shape::Echo, values::echoes().leak());
    cases.extend(of_shape(Shape::Order, values::orders(ORDERS, LINES).leak()));
    cases.extend(of_shape(Shape::Sample, values::samples(SAMPLES).leak()));
    cases
}

fn of_shape<T: PartialEq>(shape: Shape, values: &'static [T]) -> Vec<Case>
where
    peers::Mus: Peer<T>,
    peers::Bincode: Peer<T>,
    peers::Postcard: Peer<T>,
    peers::Borsh: Peer<T>,
    peers::Prost: Peer<T>,
    peers::Rkyv: Peer<T> + peers::Access<T>,
    peers::SerdeJson: Peer<T>,
{
    let mut cases: Vec<_> = [
        of_peer::<peers::Mus, T>(shape, values),
        of_peer::<peers::Bincode, T>(shape, values),
        of_peer::<peers::Postcard, T>(shape, values),
        of_peer::<peers::Borsh, T>(shape, values),
        of_peer::<peers::Prost, T>(shape, values),
        of_peer::<peers::Rkyv, T>(shape, values),
        of_peer::<peers::SerdeJson, T>(shape, values),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.push(access::<peers::Rkyv, T>(shape, values));
    cases.sort_by_key(|case| case.operation as u8);
    cases
}

/// The operations that every format has.
fn of_peer<P: Peer<T>, T: PartialEq>(shape: Shape, values: &'static [T]) -> [Case; 3] {
    let encoded = encode_all::<P, T>(values);
    let case = |operation, pass| Case {
        shape,
        format: P::NAME,
        operation,
        values: values.len(),
        bytes: encoded.iter().map(|bytes| bytes.as_ref().len()).sum(),
        pass,
    };
    let bytes = encoded.clone();
    let mut out = P::Bytes::default();
    [
        case(
            Operation::EncodeAgain,
            Box::new(move || {
                for value in values {
                    P::encode_again(black_box(value), &mut out);
                    black_box(out.as_ref());
                }
            }),
        ),
        case(
            Operation::EncodeNew,
            Box::new(move || {
                for value in values {
                    black_box(P::encode(black_box(value)).as_ref());
                }
            }),
        ),
        case(
            Operation::Decode,
            Box::new(move || {
                for bytes in &bytes {
                    black_box(P::decode(black_box(bytes)));
                }
            }),
        ),
    ]
}

fn access<P: peers::Access<T>, T: PartialEq>(shape: Shape, values: &'static [T]) -> Case {
    let encoded = encode_all::<P, T>(values);
    Case {
        shape,
        format: P::NAME,
        operation: Operation::Access,
        values: values.len(),
        bytes: encoded.iter().map(|bytes| bytes.as_ref().len()).sum(),
        pass: Box::new(move || {
            for bytes in &encoded {
                black_box(P::access(black_box(bytes)));
            }
        }),
    }
}

/// The bytes of each value. Checks, once, that they decode to the same value.
fn encode_all<P: Peer<T>, T: PartialEq>(values: &[T]) -> Vec<P::Bytes> {
    let mut out = P::Bytes::default();
    let encode = |value| {
        let bytes = P::encode(value);
        P::encode_again(value, &mut out);
        assert!(out.as_ref() == bytes.as_ref(), "{} writes a value in two ways", P::NAME);
        assert!(P::decode(&bytes) == *value, "{} gives back another value", P::NAME);
        bytes
    };
    values.iter().map(encode).collect()
}
