//! What the two ends of a connection share: its buffers, its output under back-pressure, its timers. Knows no seqs and
//! no Formats.
//!
//! One task owns a connection. It reads once, hands all frames on, lets others add to the output, and writes once;
//! whoever has output for it appends to the [`Outbox`] under a short lock.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::error::Error;
use crate::transport::Io;

pub(crate) mod alarm;
pub(crate) mod buffers;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod writer;

pub(crate) use alarm::Alarm;
pub(crate) use inbox::Inbox;
pub(crate) use outbox::Outbox;
pub(crate) use writer::Writer;

/// After this many rounds in a row the task of a connection lets others have their turn.
pub(crate) const ROUNDS: usize = 8;

/// How long saying goodbye may take: a transport may have to write something (TLS has), which the peer may not take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Writes all of `bytes`.
pub(crate) async fn write_all<IO: Io>(io: &mut IO, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::io("writing failed", error);
    io.write_all(bytes).await.map_err(failed)?;
    io.flush().await.map_err(failed)
}
