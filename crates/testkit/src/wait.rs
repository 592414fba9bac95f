//! Bounded waiting: a test that waits for what never comes fails instead of hanging.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long any step of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future and returns its output.
///
/// # Panics
///
/// If it takes longer than [`PATIENCE`].
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it took too long")
}

/// Waits until the condition holds. Meant for what has no event to wait for, such as a counter.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
pub async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
