//! A connection that was accepted, and is not served yet: it is counted, and the log is told, once.

use std::fmt::Display;

use super::control::Control;
use super::ends::End;
use crate::sync::Arc;
use crate::transport::Peer;

/// A connection that was accepted, and is not served yet. It is counted once, also if its task is dropped.
pub(super) struct Unserved {
    pub(super) control: Arc<Control>,
    end: Option<End>,
}

impl Unserved {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control, end: Some(End::Cut) }
    }

    /// It has ended so.
    pub(super) fn ends(mut self, end: End, peer: &Peer, reason: impl Display) {
        self.end = Some(end);
        self.control.note_end(end, peer, reason);
    }

    /// It is served from here on. Somebody else counts its end.
    pub(super) fn served(mut self) {
        self.end = None;
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            end.count(&self.control.counts);
        }
    }
}
