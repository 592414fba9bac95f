//! The plan of a session, read from the fuzzer's input: the bytes, how they are sent, and the limits of the server.

use std::time::Duration;

use cmd_stream::server::Limits;
use testkit::peer::GREETING;

use super::super::input::{Cuts, Input, Piece};
use super::super::sample::{Scripting, scripted};

/// Longer than any Command takes.
pub(super) const SETTLE: Duration = Duration::from_secs(2);
/// Longer than settling ever takes.
pub(super) const FRAME_TIME: Duration = Duration::from_secs(1_000_000);

/// How the client leaves, if the server has not ended the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leave {
    /// It shuts down its sending direction.
    Finish,
    /// It goes silent.
    Silence,
    /// The server is shut down.
    Shutdown,
    /// It disappears, without having read anything.
    Vanish,
}

/// The plan of a session.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) bytes: Vec<u8>,
    /// The pieces to send. If the `coin` of one is set, the client first waits until the server has nothing left to do.
    pub(super) pieces: Vec<Piece>,
    /// How many bytes the connection buffers in each direction.
    pub(super) pipe: usize,
    /// Whether the client reads only after it has sent everything.
    pub(super) reads_late: bool,
    /// Whether it keeps sending to a server that has ended the connection.
    pub(super) floods: bool,
    pub(super) leave: Leave,
    pub(super) frame: usize,
    pub(super) max_len: usize,
    /// The limit of waiting output, or `None` if it must not be reached.
    pub(super) output: Option<usize>,
}

impl Plan {
    /// Reads a plan, whose script makes Commands of type `C`.
    pub(super) fn read<C: Scripting>(data: &[u8]) -> Self {
        let mut input = Input::new(data);
        let settings = input.byte();
        let (is_script, reads_late) = (settings & 1 != 0, settings & 2 != 0);
        let leave =
            [Leave::Finish, Leave::Silence, Leave::Shutdown, Leave::Vanish][usize::from(settings >> 2 & 3)];
        let has_pauses = settings & 0x10 != 0;
        let output = (settings & 0x20 != 0 && !reads_late).then(|| 1 + usize::from(input.byte()));
        let frame = input.choice(&[4 << 20, 64, 70, 100, 1000, 70_000]);
        let max_len = input.choice(&[usize::MAX, 64, 80, 1000, 70_000]);
        let room = if reads_late { GREETING.len() } else { 1 }; // the server reads after it has greeted
        let pipe = input.choice(&[64 << 10, 1, 7, 100, 4096]).max(room);
        let floods = settings & 0x40 != 0 && pipe >= 4096; // byte by byte it would take too long
        let cuts = Cuts::read(&mut input);
        let bytes = if is_script { scripted::<C>(&mut input).bytes } else { input.rest().to_vec() };
        let mut pieces = cuts.pieces(bytes.len());
        pieces.iter_mut().for_each(|piece| piece.coin &= has_pauses);
        Self { bytes, pieces, pipe, reads_late, floods, leave, frame, max_len, output }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::default()
            .frame(self.frame)
            .output(self.output.unwrap_or(64 << 20))
            .handshake(FRAME_TIME)
            .output_stall(FRAME_TIME)
            .frame_time(FRAME_TIME)
            // A client that reads late has finished before.
            .half_closed(FRAME_TIME / 2)
    }
}
