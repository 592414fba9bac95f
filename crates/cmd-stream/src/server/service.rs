//! What all connections of a server share of the application's: its Format, Receiver and Invoker.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::execute::ServerProtocol;
use super::invoker::Invoker;
use super::memory::Futures;
use super::pace::Pace;
use crate::format::{Expansion, Format};

/// The types of a server, gathered: what is generic over a `Service` need not repeat four parameters and their bounds.
pub(super) trait Service: Send + Sync + 'static {
    type Protocol: ServerProtocol<Self::Format, Self::Receiver>;
    type Format: Format;
    type Receiver: Send + Sync + 'static;
    type Invoker: Invoker<Self::Protocol>;

    /// The values of these types.
    fn parts(&self) -> &Parts<Self::Protocol, Self::Format, Self::Receiver, Self::Invoker>;
}

/// The one implementation of [`Service`]. A [`Server`](super::Server) holds it, and has no bounds on its parameters.
pub(super) struct Parts<P, F, R, I> {
    pub(super) protocol: PhantomData<fn() -> P>,
    pub(super) format: F,
    pub(super) receiver: R,
    pub(super) invoker: I,
    /// One for each Command of the Protocol.
    pub(super) paces: Box<[Pace]>,
    /// How much memory each Command takes.
    pub(super) expansions: Box<[Expansion]>,
    /// How much any of them takes at most.
    pub(super) greatest: Expansion,
    pub(super) futures: Futures,
    /// The number of the server in this process.
    pub(super) id: u64,
}

impl<P, F, R, I> Parts<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
{
    pub(super) fn new(format: F, receiver: R, invoker: I) -> Self {
        let paces = P::COMMANDS.iter().map(|_| Pace::default()).collect();
        let expansions: Box<[_]> = P::expansions(&format).into();
        let greatest = |of: fn(&Expansion) -> usize| expansions.iter().map(of).max().unwrap_or(1);
        let greatest = Expansion::of(greatest(|one| one.per_byte)).fixed(greatest(|one| one.fixed));
        let futures = Futures::new(P::COMMANDS.len());
        let id = SERVERS.fetch_add(1, Relaxed) + 1;
        Self { protocol: PhantomData, format, receiver, invoker, paces, expansions, greatest, futures, id }
    }
}

impl<P, F, R, I> Parts<P, F, R, I> {
    /// What a Command of so many bytes takes in memory, without its future.
    #[inline]
    pub(super) fn weight(&self, index: usize, size: usize) -> usize {
        let Expansion { per_byte, fixed } = self.expansions[index];
        size.saturating_mul(per_byte).saturating_add(fixed)
    }
}

impl<P, F, R, I> Service for Parts<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    type Protocol = P;
    type Format = F;
    type Receiver = R;
    type Invoker = I;

    fn parts(&self) -> &Self {
        self
    }
}

/// How many servers this process has made.
static SERVERS: AtomicU64 = AtomicU64::new(0);
