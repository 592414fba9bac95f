//! How far a transport's handshake has come: shared by the handshake, and by whoever waits for it.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// How far a transport's handshake has come, for the message of one that takes too long.
///
/// A transport whose peer speaks first creates one per connection, and calls [`heard`](Self::heard) when the first byte
/// has arrived.
///
/// ```
/// use cmd_stream::transport::Progress;
///
/// let progress = Progress::new("it may use another transport");
/// assert_eq!(progress.silence(), Some("it may use another transport"));
/// progress.clone().heard();
/// assert_eq!(progress.silence(), None);
/// assert_eq!(Progress::default().silence(), None);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Silence>);

#[derive(Clone, Debug)]
struct Silence {
    heard: Arc<AtomicBool>,
    likely_cause: &'static str,
}

impl Progress {
    /// Creates one for a peer that has sent nothing yet. If it never does, this is the likely cause.
    pub fn new(likely_cause: &'static str) -> Self {
        Self(Some(Silence { heard: Arc::default(), likely_cause }))
    }

    /// Notes that the peer has sent something.
    pub fn heard(&self) {
        if let Some(silence) = &self.0 {
            silence.heard.store(true, Relaxed);
        }
    }

    /// If the peer is known to have sent nothing, returns the likely cause.
    pub fn silence(&self) -> Option<&'static str> {
        self.0.as_ref().filter(|silence| !silence.heard.load(Relaxed)).map(|silence| silence.likely_cause)
    }
}
