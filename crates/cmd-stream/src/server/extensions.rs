//! Values that the Invoker gives a Command, found by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// Values by their type: at most one of each. The Invoker puts in what it finds out about a Command (who sent it, say);
/// the Command finds it at [`Proxy::extensions`](crate::Proxy::extensions).
///
/// ```
/// use cmd_stream::server::Extensions;
///
/// #[derive(Debug, PartialEq)]
/// struct Identity(String);
///
/// let mut extensions = Extensions::default();
/// extensions.insert(Identity("alice".into()));
/// assert_eq!(extensions.get::<Identity>(), Some(&Identity("alice".into())));
/// ```
#[derive(Default)]
pub struct Extensions {
    /// Without values it allocates nothing.
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl Extensions {
    /// Puts a value in. The answer is the one of the same type that was there before.
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
