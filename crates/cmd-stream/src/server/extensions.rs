//! Values that the Invoker gives a Command, found by their type.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{discard, take_message};

type Value = Box<dyn Any + Send + Sync>;

/// Values by type, at most one of each type.
///
/// The Invoker inserts what it finds out about a Command, such as the trace that it belongs to. The Command finds it at
/// [`Context::extensions`](crate::Context::extensions). Values for all Commands of a connection belong into
/// [`Connection`](super::Connection).
///
/// ```
/// use cmd_stream::server::Extensions;
///
/// #[derive(Debug, PartialEq)]
/// struct Trace(u64);
///
/// let mut extensions = Extensions::default();
/// extensions.insert(Trace(7));
/// assert_eq!(extensions.get::<Trace>(), Some(&Trace(7)));
/// ```
#[derive(Default)]
pub struct Extensions {
    /// As a rule there is one, which takes no room for others.
    first: Option<Value>,
    /// A few, which are found faster than they are hashed.
    others: Vec<Value>,
}

impl Extensions {
    /// Inserts a value. Returns the previous value of the same type, if there was one.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let mut all = self.first.iter_mut().chain(&mut self.others);
        if let Some(kept) = all.find_map(|kept| kept.downcast_mut()) {
            return Some(std::mem::replace(kept, value));
        }
        match &self.first {
            None => self.first = Some(Box::new(value)),
            Some(_) => self.others.push(Box::new(value)),
        }
        None
    }

    /// Returns the value of type `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.first.iter().chain(&self.others).find_map(|kept| kept.downcast_ref())
    }

    /// Drops all values. Their destructors are the user's code.
    ///
    /// # Errors
    ///
    /// If destructors panic, what the first of them has panicked with.
    pub(super) fn drop_values(&mut self) -> std::thread::Result<()> {
        let mut result = Ok(());
        for value in self.first.take().into_iter().chain(std::mem::take(&mut self.others)) {
            match (catch_unwind(AssertUnwindSafe(|| drop(value))), &result) {
                (Err(payload), Ok(())) => result = Err(payload),
                (Err(payload), Err(_)) => discard(payload),
                (Ok(()), _) => {}
            }
        }
        result
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() // which is inserted before others
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }
}

impl Drop for Extensions {
    /// They may outlive their Command, and whoever drops the last Proxy drops them.
    fn drop(&mut self) {
        if !self.is_empty()
            && let Err(payload) = self.drop_values()
        {
            tracing::error!(panic = take_message(payload), "the destructor of an extension panicked");
        }
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let mut extensions = Extensions::default();
        assert!(extensions.is_empty());
        assert_eq!(
            (extensions.insert(1_u8), extensions.insert("a"), extensions.insert(2_u16)),
            (None, None, None)
        );
        assert_eq!((extensions.insert("b"), extensions.insert(3_u8)), (Some("a"), Some(1)));
        assert_eq!(
            (extensions.get(), extensions.get(), extensions.get()),
            (Some(&3_u8), Some(&"b"), Some(&2_u16))
        );
        assert_eq!((extensions.get::<u32>(), extensions.len()), (None, 3));
    }
}
