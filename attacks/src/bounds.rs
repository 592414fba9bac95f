//! How much memory attacks may take from a server, by its limits. The figures are the sums that `server::Limits` and
//! `client::Limits` promise, and what the allocator keeps beside them.

pub(crate) const MIB: u64 = 1 << 20;

/// The default of `server::Limits::frame`.
pub(crate) const FRAME: u64 = 4 * MIB;
/// The default of `server::Limits::output`.
pub(crate) const OUTPUT: u64 = MIB;

/// What the process may hold in any case: its threads' buffers, and what the allocator keeps.
const BASE: u64 = 8 * MIB;

/// A connection that has sent nothing.
pub(crate) const SILENT: u64 = 4 << 10;
/// One that has sent less than a kilobyte of a Command.
pub(crate) const BEGUN: u64 = 12 << 10;
/// One that is not read, with four small Commands.
pub(crate) const PAUSED: u64 = 16 << 10;

/// A Command that has not arrived whole: its bytes, and what of its read buffer was touched beyond them.
pub(crate) const fn half_frame(frame: u64) -> u64 {
    frame + frame / 4
}

/// A Command of the largest size, decoded: its read buffer and its value.
pub(crate) const fn one_frame() -> u64 {
    BASE + 2 * half_frame(FRAME)
}

/// Connections whose Replies nobody reads: the output of each, with the Reply that was over it, and one more whose value
/// was made; and for each worker one that is encoded. All of these scenarios have Replies of 1 MB at most.
pub(crate) const fn unread(connections: u64) -> u64 {
    BASE + crate::served::WORKERS as u64 * 2 * MIB + connections * (OUTPUT + 2 * MIB)
}

/// Commands that wait or run: each with its entry, its future and its task.
pub(crate) const fn queue(commands: u64) -> u64 {
    BASE + commands * COMMAND
}

/// Commands with so many bytes on the wire, of lists whose elements take 32 times theirs. A list grows by doubling, and the
/// old one and the new one are there together for a moment. The last Command may be over the limit.
pub(crate) const fn hoard(in_flight_bytes: u64) -> u64 {
    BASE + 32 * (in_flight_bytes + in_flight_bytes / 2 + 2 * MIB)
}

/// What a small Command takes while it runs. In bytes.
pub(crate) const COMMAND: u64 = 1280;

/// Calls that were given up leave nothing behind, however many they were. What waits is 8 Commands of 2 MiB, and what is
/// queued of them.
pub(crate) const fn given_up() -> u64 {
    BASE + 8 * 2 * 2 * MIB
}

/// A stream holds 8 MiB, the default of `client::Limits::stream_bytes`, and the Replies of one read. Beside it are the
/// read buffer, and a Reply that is decoded.
pub(crate) const fn unread_stream() -> u64 {
    BASE + 8 * MIB + 2 * FRAME + 2 * MIB
}

/// What a server is under, and its limits.
pub(crate) struct Load {
    pub(crate) connections: u64,
    /// `server::Limits::memory`.
    pub(crate) memory: u64,
    /// `server::Limits::frame`.
    pub(crate) frame: u64,
    /// The size of the largest Reply.
    pub(crate) reply: u64,
}

/// What the whole server may hold by the formula of `docs/PRESSURE.md`, and a quarter of it. The process is not in it, as what
/// it has when it is idle is not counted.
pub(crate) const fn whole_server(load: &Load) -> u64 {
    let connection = (5 << 9) + (4 << 10) + load.reply;
    let most = BASE + load.connections * connection + load.memory + load.frame * EXPANSION;
    most + most / 4
}

/// How much memory a byte of the attacked service's Commands takes at most, in MUS: an empty list takes one on the wire.
const EXPANSION: u64 = 64;
