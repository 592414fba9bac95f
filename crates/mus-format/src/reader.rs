//! The bytes of a value, and the state of decoding it: the position, the budgets that are left, and why reading
//! stopped. Knows nothing of types.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::num::NonZeroUsize;

use crate::decode::Decoded;
use crate::encoding::{Length, mapped};
use crate::error::{Error, Fault};
use crate::limits::Limits;
use crate::shape::Shape;
use crate::varint::{self, Found, Unsigned};

/// Decoding has stopped.
///
/// Why and where is in the [`Reader`], so that this has no size and numbers are returned in registers.
#[derive(Debug)]
#[must_use]
pub struct Stopped(());

/// Reads the bytes of a value from the start.
///
/// Its methods return [`Stopped`] if the bytes end or do not fit the type. Pass it on with `?` and read no more.
#[derive(Debug)]
pub struct Reader<'de> {
    rest: &'de [u8],
    length: usize,
    depth: usize,
    empty_elements: usize,
    /// The memory that may still be reserved beyond [`SMALL`] before elements are decoded.
    reservable: usize,
    limits: Limits,
    /// How many more bytes are needed at least, if reading stopped because they ended.
    missing: usize,
    rare: Option<Box<Rare>>,
}

/// State that few values need.
#[derive(Debug, Default)]
struct Rare {
    /// Why reading stopped, if the bytes do not fit the type.
    error: Option<Error>,
    pointers: Vec<Option<Box<dyn Any>>>,
}

impl<'de> Reader<'de> {
    #[inline]
    pub(crate) const fn new(bytes: &'de [u8], limits: &Limits) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
            depth: limits.max_depth(),
            empty_elements: limits.max_empty_elements(),
            reservable: bytes.len(),
            limits: *limits,
            missing: 1,
            rare: None,
        }
    }

    /// Returns the number of bytes read.
    #[inline]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Returns the number of bytes not yet read.
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Reads a byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Stopped> {
        match self.rest {
            [byte, rest @ ..] => {
                self.rest = rest;
                Ok(*byte)
            }
            [] => Err(self.incomplete(1)),
        }
    }

    /// Reads `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'de [u8], Stopped> {
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.incomplete(count - self.rest.len())),
        }
    }

    /// Reads an array of bytes.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Stopped> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.incomplete(N - self.rest.len())),
        }
    }

    /// Reads a varint: `u8`, `u16`, `u32` or `u64`. A number that does not fit is an [`Overflow`](Fault::Overflow).
    #[inline]
    pub fn varint<U: Unsigned>(&mut self) -> Result<U, Stopped> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(U::truncated(u64::from(*first)))
            }
            [first, second, rest @ ..] if *second < 0x80 && U::BITS > 14 => {
                self.rest = rest;
                Ok(U::truncated(u64::from(*first & 0x7f) | u64::from(*second) << 7))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint<U: Unsigned>(&mut self) -> Result<U, Stopped> {
        match varint::find_at_once(self.rest, U::BITS) {
            Some(found) => self.pass(found),
            None => self.varint_near_the_end(),
        }
    }

    #[cold]
    fn varint_near_the_end<U: Unsigned>(&mut self) -> Result<U, Stopped> {
        self.pass(varint::find(self.rest, U::BITS))
    }

    #[inline]
    fn pass<U: Unsigned>(&mut self, found: Found) -> Result<U, Stopped> {
        match found {
            Found::Number(value, taken) => {
                self.rest = &self.rest[taken..];
                Ok(U::truncated(value))
            }
            Found::Cut => Err(self.incomplete(1)),
            Found::Overflow(taken) => Err(self.invalid_after(taken, Fault::Overflow)),
        }
    }

    /// Reads a zigzag varint of the width of `U`.
    #[inline]
    pub fn zigzag<U: Unsigned + Into<u64>>(&mut self) -> Result<i64, Stopped> {
        Ok(varint::unzigzag(self.varint::<U>()?.into()))
    }

    /// Reads a tag.
    #[inline]
    pub fn tag(&mut self) -> Result<i64, Stopped> {
        Ok(self.varint::<u64>()?.cast_signed())
    }

    /// Reads a tag and checks that it is `expected`.
    #[inline]
    pub fn expect_tag(&mut self, expected: i64) -> Result<(), Stopped> {
        match self.tag()? {
            found if found == expected => Ok(()),
            found => Err(self.invalid(Fault::WrongTag { expected, found })),
        }
    }

    /// Reads a length in the encoding `L`, at most `max`.
    #[inline]
    pub fn length<L: Length>(&mut self, max: usize) -> Result<usize, Stopped> {
        let length = L::read(self)?;
        match u64::try_from(length) {
            Err(_) => Err(self.invalid(Fault::NegativeLength(length))),
            Ok(length) if length > max as u64 => Err(self.invalid(Fault::TooLong { length, limit: max })),
            Ok(length) => Ok(length as usize),
        }
    }

    /// Reads a length in the encoding `L`, at most `max`, and then that many bytes.
    #[inline]
    pub fn bytes<L: Length>(&mut self, max: usize) -> Result<&'de [u8], Stopped> {
        let length = self.length::<L>(max)?;
        self.take(length)
    }

    /// Checks that `count` elements can follow.
    ///
    /// There must be at least the bytes that they need. Elements that need none are charged to the budget for elements
    /// without bytes. `size` is the size of an element in memory.
    #[inline]
    pub fn expect_elements(&mut self, count: usize, shape: &Shape, size: usize) -> Result<(), Stopped> {
        if shape.min_size() == 0 {
            return self.charge(count, crate::shape::empty_cost(size));
        }
        match count.checked_mul(shape.min_size()) {
            Some(least) if least <= self.rest.len() => Ok(()),
            least => {
                let missing = least.unwrap_or(usize::MAX) - self.rest.len();
                let most = if shape.is_fixed() { usize::MAX } else { MAX_COUNTED };
                Err(self.incomplete(missing.min(most)))
            }
        }
    }

    /// Charges the budget for elements without bytes.
    #[inline]
    fn charge(&mut self, count: usize, cost: usize) -> Result<(), Stopped> {
        match count.checked_mul(cost).and_then(|all| self.empty_elements.checked_sub(all)) {
            Some(left) => {
                self.empty_elements = left;
                Ok(())
            }
            None => {
                let elements = (count as u64).saturating_mul(cost as u64);
                Err(self.invalid(Fault::TooManyEmpty { elements, limit: self.limits.max_empty_elements() }))
            }
        }
    }

    /// Returns for how many of `count` elements memory may be reserved before they are decoded.
    ///
    /// Large reservations must be backed by bytes of the value, and each byte backs memory once.
    #[inline]
    pub fn capacity(&mut self, count: usize, size: usize) -> usize {
        match count.checked_mul(size) {
            Some(all) if all <= SMALL => count,
            _ => self.large_capacity(count, size),
        }
    }

    #[cold]
    fn large_capacity(&mut self, count: usize, size: usize) -> usize {
        let capacity = count.min((SMALL + self.reservable) / size);
        self.reservable -= (capacity * size).saturating_sub(SMALL);
        capacity
    }

    /// Reads what is one level deeper: the elements of a sequence, or the content of a pointer.
    #[inline]
    pub fn nest<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Stopped>) -> Result<T, Stopped> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.invalid(Fault::TooDeep(self.limits.max_depth())));
        };
        self.depth = depth;
        let value = read(self);
        self.depth += 1;
        value
    }

    /// Reads the content of a pointer to a `T` that is encoded as its content, one level deeper.
    #[inline]
    pub(crate) fn nest_content<T, P>(
        &mut self,
        shape: &Shape,
        read: impl FnOnce(&mut Self) -> Result<P, Stopped>,
    ) -> Result<P, Stopped> {
        self.nest(|reader| {
            if shape.min_size() == 0 {
                reader.charge(1, crate::shape::empty_cost(size_of::<T>()))?;
            }
            read(reader)
        })
    }

    /// Stops because no further input can make this valid.
    #[cold]
    pub fn invalid(&mut self, fault: Fault) -> Stopped {
        self.invalid_after(0, fault)
    }

    /// Stops because of the next `taken` bytes.
    #[cold]
    fn invalid_after(&mut self, taken: usize, fault: Fault) -> Stopped {
        let at = self.position() + taken;
        self.rare().error = Some(Error { fault, at });
        Stopped(())
    }

    /// Stops because the bytes end; at least `missing` more are needed.
    #[cold]
    pub fn incomplete(&mut self, missing: usize) -> Stopped {
        self.missing = missing;
        // A caller that was told of a fault may have tried something else, so an older one must not win.
        if let Some(rare) = &mut self.rare {
            rare.error = None;
        }
        Stopped(())
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Reads the flag of a mapped pointer and returns whether there is one. A wrong flag is not consumed, as in Go.
    pub(crate) fn mapped_flag(&mut self, nullable: bool) -> Result<bool, Stopped> {
        match self.rest {
            [mapped::NONE, rest @ ..] if nullable => {
                self.rest = rest;
                Ok(false)
            }
            [mapped::ID, rest @ ..] => {
                self.rest = rest;
                Ok(true)
            }
            [flag, ..] => Err(self.invalid(Fault::InvalidPointer(*flag))),
            [] => Err(self.incomplete(1)),
        }
    }

    /// Reads the id of a mapped pointer, and its value if the id is new.
    pub(crate) fn mapped_pointer<P: Clone + 'static>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<P, Stopped>,
    ) -> Result<P, Stopped> {
        let id = self.tag()?;
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        let pointers = &mut self.rare().pointers;
        if place == pointers.len() {
            // The id is taken before the value is read: pointers inside it have higher ids.
            pointers.push(None);
            let pointer = read(self)?;
            self.rare().pointers[place] = Some(Box::new(pointer.clone()));
            return Ok(pointer);
        }
        match pointers.get(place).and_then(|known| known.as_ref()?.downcast_ref::<P>()) {
            Some(pointer) => Ok(pointer.clone()),
            None => Err(self.invalid(Fault::UnknownPointer(id))),
        }
    }

    /// Turns the outcome of reading into the result of decoding.
    #[inline]
    pub(crate) fn finish<T>(self, value: Result<T, Stopped>) -> Decoded<T> {
        let at = self.position();
        match value {
            Ok(value) => {
                if let Some(rare) = self.rare {
                    forget(rare);
                }
                Decoded::Value(value, at)
            }
            Err(stopped) => match self.why(stopped) {
                Ok(missing) => Decoded::Incomplete(missing),
                Err(error) => Decoded::Invalid(error),
            },
        }
    }

    /// The same if the bytes must be exactly one value.
    #[inline]
    pub(crate) fn finish_whole<T>(self, value: Result<T, Stopped>) -> Result<T, Error> {
        let (at, trailing) = (self.position(), self.remaining());
        match value {
            Ok(value) if trailing == 0 => {
                if let Some(rare) = self.rare {
                    forget(rare);
                }
                Ok(value)
            }
            Ok(_) => Err(Error { fault: Fault::Trailing(trailing), at }),
            Err(stopped) => Err(self.why_not_whole(stopped)),
        }
    }

    /// Returns why reading stopped: the number of missing bytes, or what is wrong.
    #[cold]
    fn why(self, _: Stopped) -> Result<NonZeroUsize, Error> {
        match self.rare.and_then(|rare| rare.error) {
            Some(error) => Err(error),
            None => Ok(NonZeroUsize::new(self.missing).unwrap_or(NonZeroUsize::MIN)),
        }
    }

    #[cold]
    fn why_not_whole(self, stopped: Stopped) -> Error {
        let at = self.length;
        match self.why(stopped) {
            Ok(missing) => Error { fault: Fault::Truncated(missing), at },
            Err(error) => error,
        }
    }
}

/// Memory that a sequence may reserve before its elements are decoded.
const SMALL: usize = 64 << 10;

/// The most bytes that are reported missing for elements of variable size.
pub(crate) const MAX_COUNTED: usize = 64 << 10;

/// Drops the state, out of line so that values without any do not pay for it.
#[cold]
fn forget(rare: Box<Rare>) {
    drop(rare);
}
