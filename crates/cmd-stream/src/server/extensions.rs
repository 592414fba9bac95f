//! Values that the Invoker gives a Command, found by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

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
    /// Allocates nothing while it is empty.
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl Extensions {
    /// Inserts a value. Returns the previous value of the same type, if there was one.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let before = self.values.insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|before| before.downcast().ok()).map(|before| *before)
    }

    /// Returns the value of type `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.values.len())
    }
}
