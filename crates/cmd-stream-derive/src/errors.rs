//! Collects the mistakes in a type, so that all are reported at once. Knows nothing of attributes.

use syn::{Error, Result};

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Adds a mistake.
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Adds the mistake, if there is one.
    pub(crate) fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.push(error);
        }
    }

    /// Returns all mistakes as one error.
    pub(crate) fn into_result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
