//! Mapped pointers: a flag (1 for none, 2 before an id), an id, and the value if the id is new. So shared values are
//! written once.

use alloc::rc::Rc;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

use super::{DecodeAs, EncodeAs, Mapped, decode_pointer};
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

macro_rules! mapped {
    ($($type:ident)*) => {$(
        impl<T: 'static, E: EncodeAs<T>> EncodeAs<$type<T>> for Mapped<E> {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<T>, out: &mut O) {
                let (id, first) = out.pointer(value, $type::as_ptr(value).addr());
                out.byte(ID);
                out.varint(id);
                if first {
                    out.nest(|out| E::encode_as(value, out));
                }
            }
        }

        impl<'de, T: 'static, E: DecodeAs<'de, T>> DecodeAs<'de, $type<T>> for Mapped<E> {
            const SHAPE: Shape = Shape::mapped(false, || const { &[E::SHAPE] }).to_size(size_of::<T>());

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<T>, Stopped> {
                reader.mapped_flag(false)?;
                reader.mapped_pointer(|reader| reader.nest(|reader| decode_pointer::<T, E, _>(reader, $type::new, $type::from)))
            }
        }

        impl<T: 'static, E: EncodeAs<T>> EncodeAs<Option<$type<T>>> for Mapped<E> {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &Option<$type<T>>, out: &mut O) {
                match value {
                    Some(value) => Self::encode_as(value, out),
                    None => out.byte(NONE),
                }
            }
        }

        impl<'de, T: 'static, E: DecodeAs<'de, T>> DecodeAs<'de, Option<$type<T>>> for Mapped<E> {
            const SHAPE: Shape = Shape::mapped(true, || const { &[E::SHAPE] }).to_size(size_of::<T>());

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<Option<$type<T>>, Stopped> {
                match reader.mapped_flag(true)? {
                    true => reader.mapped_pointer(|reader| reader.nest(|reader| decode_pointer::<T, E, _>(reader, $type::new, $type::from))).map(Some),
                    false => Ok(None),
                }
            }
        }
    )*};
}
mapped!(Rc);
#[cfg(target_has_atomic = "ptr")]
mapped!(Arc);

/// The flag that says that there is no pointer.
pub(crate) const NONE: u8 = 1;
/// The flag before an id.
pub(crate) const ID: u8 = 2;
/// What the reader keeps for each mapped pointer, at most.
pub(crate) const ENTRY: usize = 128;
