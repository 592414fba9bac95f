//! Encodes a value through its text or through a type that it converts to, so that types of other crates need no code.

use alloc::string::String;
use core::fmt::{self, Display, Write as _};
use core::marker::PhantomData;
use core::str::FromStr;

use super::{DecodeAs, DescribeAs, EncodeAs, Length, Of, Plain, Positive};
use crate::describe::Description;
use crate::error::{EncodeError, Fault, Refusal};
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Encodes a value as text: what [`Display`] writes and [`FromStr`] reads.
///
/// `L` and `MAX` apply to the string, as in [`Of`]. A type of another crate takes one line, the attribute:
///
/// ```
/// use std::net::{AddrParseError, Ipv4Addr};
///
/// use mus_format::encoding::Text;
/// use mus_format::{Fault, Mus, from_slice, to_vec};
///
/// #[derive(Mus, Debug)]
/// struct Peer {
///     #[mus(with = Text)]
///     address: Ipv4Addr,
/// }
///
/// let bytes = to_vec(&Peer { address: Ipv4Addr::LOCALHOST })?;
/// assert_eq!(bytes, *b"\x09127.0.0.1");
/// assert_eq!(from_slice::<Peer>(&bytes)?.address, Ipv4Addr::LOCALHOST);
///
/// // Text that is no address fails with the error of `Ipv4Addr` and the position after the text.
/// let error = from_slice::<Peer>(b"\x05127.0").unwrap_err();
/// assert_eq!(error.at, 6);
/// assert!(matches!(error.fault, Fault::Validation(why) if why.is::<AddrParseError>()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The type must be able to parse what it writes, or its values cannot be decoded.
pub struct Text<L = Positive, const MAX: usize = { usize::MAX }>(PhantomData<L>);

impl<T: Display + ?Sized, L: Length, const MAX: usize> EncodeAs<T> for Text<L, MAX> {
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O) {
        let mut text = String::new();
        match write!(text, "{value}") {
            Ok(()) => <Of<L, MAX> as EncodeAs<str>>::encode_as(&text, out),
            Err(error) => out.fail(EncodeError::Refused(error.into())),
        }
    }
}

impl<'de, T: FromStr<Err: Into<Refusal>>, L: Length, const MAX: usize> DecodeAs<'de, T> for Text<L, MAX> {
    const SHAPE: Shape = <Of<L, MAX> as DecodeAs<'de, &str>>::SHAPE;

    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped> {
        let text = <Of<L, MAX> as DecodeAs<'de, &str>>::decode_as(reader)?;
        text.parse().map_err(|error: T::Err| reader.invalid(Fault::Validation(error.into())))
    }
}

impl<T: ?Sized, L: Length, const MAX: usize> DescribeAs<T> for Text<L, MAX> {
    fn describe_as() -> Description {
        Description::string::<L>()
    }
}

/// Encodes a value as another type: `Into` converts to it, `TryInto` converts back. `E` encodes that type.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use mus_format::encoding::{Raw, Via};
/// use mus_format::{Fault, Mus, from_slice, to_vec};
///
/// #[derive(Mus, Debug)]
/// struct Page {
///     #[mus(with = Via<u32>)]
///     number: NonZeroU32,
///     #[mus(with = Via<u32, Raw>)]
///     size: NonZeroU32,
/// }
///
/// let bytes = to_vec(&Page { number: NonZeroU32::MIN, size: NonZeroU32::MIN })?;
/// assert_eq!(bytes, [1, 1, 0, 0, 0]);
/// let error = from_slice::<Page>(&[0, 1, 0, 0, 0]).unwrap_err();
/// assert!(matches!(error.fault, Fault::Validation(_)) && error.at == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If a type of another crate has no suitable conversions, write them for a type of your own:
///
/// ```
/// # #[derive(Clone, Debug, PartialEq)]
/// # struct Rgb { red: u8, green: u8, blue: u8 } // stands for the type of another crate
/// use mus_format::encoding::Via;
/// use mus_format::{Mus, from_slice, to_vec};
///
/// #[derive(Mus)]
/// struct Wire(u8, u8, u8);
///
/// impl From<Rgb> for Wire {
///     fn from(color: Rgb) -> Self {
///         Self(color.red, color.green, color.blue)
///     }
/// }
///
/// impl From<Wire> for Rgb {
///     fn from(Wire(red, green, blue): Wire) -> Self {
///         Self { red, green, blue }
///     }
/// }
///
/// #[derive(Mus, Debug, PartialEq)]
/// struct Lamp {
///     #[mus(with = Via<Wire>)]
///     color: Rgb,
/// }
///
/// let lamp = Lamp { color: Rgb { red: 1, green: 2, blue: 3 } };
/// let bytes = to_vec(&lamp)?;
/// assert_eq!(bytes, [1, 2, 3]);
/// assert_eq!(from_slice::<Lamp>(&bytes)?, lamp);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Encoding clones the value.
pub struct Via<U, E = Plain>(PhantomData<(U, E)>);

impl<T: Clone + Into<U>, U, E: EncodeAs<U>> EncodeAs<T> for Via<U, E> {
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O) {
        E::encode_as(&value.clone().into(), out);
    }
}

impl<'de, T, U: TryInto<T, Error: Into<Refusal>>, E: DecodeAs<'de, U>> DecodeAs<'de, T> for Via<U, E> {
    const SHAPE: Shape = E::SHAPE;

    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped> {
        let value = E::decode_as(reader)?;
        value.try_into().map_err(|error: U::Error| reader.invalid(Fault::Validation(error.into())))
    }
}

impl<T: ?Sized, U: 'static, E: DescribeAs<U>> DescribeAs<T> for Via<U, E> {
    fn describe_as() -> Description {
        E::describe_as()
    }
}

impl<L, const MAX: usize> fmt::Debug for Text<L, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

impl<U, E> fmt::Debug for Via<U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Via")
    }
}
