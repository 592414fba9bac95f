//! Waiting that ends: a test that waits for what never comes fails instead of hanging.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long anything in a test may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The output of the future.
///
/// # Panics
///
/// If it takes longer than [`PATIENCE`].
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it took too long")
}

/// Waits until the condition holds. For what gives no event to wait for, such as a counter.
///
/// # Panics
///
/// If it does not within [`PATIENCE`].
pub async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
