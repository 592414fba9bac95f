//! What becomes of a Command that has arrived, once its type is known: it starts, or is answered without that.

use tokio::time::Instant;

use super::boxes::Boxes;
use super::execute::{CommandVisitor, Execute};
use super::execution;
use super::line::{Arrival, How};
use super::service::Service;
use super::session::Session;
use crate::error::drop_contained;
use crate::proto::frame::Head;
use crate::proto::in_flight::SeqRefused;
use crate::protocol::kind::Kind;
use crate::protocol::{CommandOf, Protocol};
use crate::sync::Arc;

/// Starts a Command when its type is known.
pub(super) struct Start<'a, S: Service> {
    pub(super) session: &'a Arc<Session<S>>,
    pub(super) boxes: &'a mut Boxes,
    pub(super) head: Head,
    pub(super) has_in_flight: bool,
    pub(super) fate: Fate,
    pub(super) received_at: Instant,
}

/// What becomes of a Command that has arrived. One value, as each Command asks for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Starts,
    /// It is answered as overloaded, if it can be answered.
    IsShed,
    /// It is only taken out of the input, and answered where that is possible: the server is going away.
    IsRefused,
}

impl<S: Service> CommandVisitor<S::Protocol, S::Receiver> for Start<'_, S> {
    /// Whether it has started.
    type Output = Result<bool, SeqRefused>;

    fn visit<C>(self, command: C, body_len: usize) -> Result<bool, SeqRefused>
    where
        C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    {
        let Head { seq, len, .. } = self.head;
        let arrival = Arrival {
            seq,
            entry: &S::Protocol::COMMANDS[C::INDEX],
            is_one_way: C::Kind::ONE_WAY,
            received_at: self.received_at,
            size: (len + body_len) as u32,
        };
        // Without Commands in flight no seq is in use, and the lock need not be taken again.
        if (self.has_in_flight || seq.get() < 0)
            && let Err(refused) = self.session.line.admit(seq)
        {
            let (line, peer) = (&self.session.line, self.session.line.connection.peer());
            line.control.notices.seq_refused(arrival.entry.name, seq, peer, refused);
            drop_contained(command);
            return Err(refused);
        }
        match self.fate {
            Fate::IsRefused => {
                drop_contained(command);
                self.session.refuse(&arrival, How::refusing());
                Ok(false)
            }
            // Nobody could be told that a one-way Command was not started.
            Fate::IsShed if !C::Kind::ONE_WAY => {
                drop_contained(command);
                self.session.shed(&arrival, How::refusing());
                Ok(false)
            }
            Fate::Starts | Fate::IsShed => Ok(execution::start(self.session, self.boxes, arrival, command)),
        }
    }
}
