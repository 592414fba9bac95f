//! Values that the Invoker gives a Command, found by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// Values by their type: at most one of each. The Invoker puts in what it finds out about a Command (the trace it
/// belongs to, say). The Command finds it at [`Context::extensions`](crate::Context::extensions). What holds for all
/// Commands of a connection is kept by [`Connection`](super::Connection).
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
    /// Without values it allocates nothing.
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl Extensions {
    /// Puts a value in, in place of one of the same type. Returns the one that was there before.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let before = self.values.insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|before| before.downcast().ok()).map(|before| *before)
    }

    /// The value of type `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.values.len())
    }
}
