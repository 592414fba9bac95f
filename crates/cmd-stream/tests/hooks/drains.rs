//! A drain, and the calls whose hooks still run.

use std::sync::mpsc::{Receiver, Sender as Send, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use testkit::wait::until;

use super::*;

/// Holds the first call until the test lets it go, and refuses all others.
struct Holding {
    entered: Arc<AtomicUsize>,
    go: Mutex<Receiver<()>>,
}

impl Holding {
    fn new() -> (Self, Arc<AtomicUsize>, Send<()>) {
        let (go, gone) = channel();
        let entered = Arc::<AtomicUsize>::default();
        (Self { entered: Arc::clone(&entered), go: Mutex::new(gone) }, entered, go)
    }
}

impl Hooks<Store> for Holding {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        if self.entered.fetch_add(1, Relaxed) > 0 {
            return Err(Refused::new("another call"));
        }
        let go = self.go.lock().unwrap_or_else(PoisonError::into_inner);
        go.recv_timeout(Duration::from_secs(10)).map_err(Refused::new)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_a_call_whose_hook_runs() {
    let (hooks, entered, go) = Holding::new();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks)).await;
    let call = call!(sender.send(put("a")));
    until(|| entered.load(Relaxed) == 1).await;
    assert_eq!(sender.in_flight(), 1);

    let draining = {
        let sender = sender.clone();
        tokio::spawn(async move { sender.drain(10 * SECOND).await })
    };
    // Once the drain has begun, the hooks are not asked any more.
    until(|| matches!(refusal(&sender), Some(ErrorKind::Closed))).await;
    tokio::time::sleep(50 * MILLISECOND).await; // as long as a drain of nothing takes, and more
    assert!(!draining.is_finished());
    go.send(()).unwrap();
    server.expect(&put_frame(1, "a")).await;
    answer(&mut server, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    assert_eq!(within(draining).await.unwrap(), 0);
}

/// Why a call fails at once, if it does.
fn refusal<H: Hooks<Store>>(sender: &Sender<Store, scripted::Counting, H>) -> Option<ErrorKind> {
    let mut call = Box::pin(sender.send(put("refused")));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match call.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(Err(error)) => Some(Error::from(error).kind()),
        _ => None,
    }
}
