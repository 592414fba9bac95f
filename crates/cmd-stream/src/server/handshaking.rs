//! A connection that has a place, and whose transport has not ended its handshake: it may have to make room.

use std::pin::pin;
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::control::{Control, EndSession, Idle};
use super::ending::Ending;
use crate::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whether it goes on.
#[derive(Debug)]
pub(super) struct Handshaking {
    idle: Idle,
    state: AtomicU8,
    makes_room: Notify,
}

const GOES_ON: u8 = 0;
const MAKES_ROOM: u8 = 1;
const DONE: u8 = 2;

impl Handshaking {
    pub(super) fn new(since: Instant) -> Self {
        let idle = Idle { since, has_sent: false };
        Self { idle, state: AtomicU8::new(GOES_ON), makes_room: Notify::new() }
    }

    /// Waits until it is to end, because it makes room or because the server ends.
    pub(super) async fn stopped(&self, control: &Control) {
        let (mut makes_room, mut draining) = (pin!(self.makes_room.notified()), pin!(control.draining()));
        std::future::poll_fn(|cx| {
            if makes_room.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            draining.as_mut().poll(cx)
        })
        .await;
    }

    /// Its handshake has ended. Returns false if it has to make room all the same.
    pub(super) fn is_done(&self) -> bool {
        self.state.compare_exchange(GOES_ON, DONE, Relaxed, Relaxed).is_ok()
    }
}

impl EndSession for Handshaking {
    /// It waits for the end of the server itself.
    fn end_session(&self, _: Ending) {}

    fn idle(&self) -> Option<Idle> {
        (self.state.load(Relaxed) == GOES_ON).then_some(self.idle)
    }

    fn make_room(&self, idle: Idle) -> bool {
        let makes_room =
            idle == self.idle && self.state.compare_exchange(GOES_ON, MAKES_ROOM, Relaxed, Relaxed).is_ok();
        if makes_room {
            self.makes_room.notify_one();
        }
        makes_room
    }
}
