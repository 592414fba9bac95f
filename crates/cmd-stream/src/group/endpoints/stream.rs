//! Endpoints from a stream of sets.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Endpoints;
use crate::transport::Address;

/// Takes the endpoints from a stream: each item is a set, which replaces the one before it. The last set stays when the
/// stream ends.
///
/// The stream is not told of lost connections and failed attempts to connect. A source that needs to know of them
/// implements [`Endpoints`].
///
/// ```
/// use cmd_stream::group::endpoints::{Endpoints, from_stream};
/// use futures_util::stream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sets = stream::iter([vec!["10.0.0.1:9000"], vec!["10.0.0.1:9000", "10.0.0.2:9000"]]);
/// let mut endpoints = from_stream(sets);
/// assert_eq!(endpoints.next().await.expect("a set").len(), 1);
/// assert_eq!(endpoints.next().await.expect("another one").len(), 2);
/// assert_eq!(endpoints.next().await, None);
/// # }
/// ```
pub fn from_stream<S>(sets: S) -> FromStream<S>
where
    S: Stream<Item: IntoIterator<Item: Into<Address>>> + Send + 'static,
{
    FromStream(Some(Box::pin(sets)))
}

/// The endpoints of a stream. [`from_stream`] makes it.
pub struct FromStream<S>(Option<Pin<Box<S>>>);

impl<S> FromStream<S>
where
    S: Stream<Item: IntoIterator<Item: Into<Address>>> + Send + 'static,
{
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<Address>>> {
        // It is put back unless it has ended. A stream that panics is dropped with that, and not polled again.
        let Some(mut sets) = self.0.take() else { return Poll::Ready(None) };
        let polled = sets.as_mut().poll_next(cx);
        let set = match polled {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(set)) => Poll::Ready(Some(set.into_iter().map(Into::into).collect())),
            Poll::Pending => Poll::Pending,
        };
        self.0 = Some(sets);
        set
    }
}

impl<S> Endpoints for FromStream<S>
where
    S: Stream<Item: IntoIterator<Item: Into<Address>>> + Send + 'static,
{
    async fn next(&mut self) -> Option<Vec<Address>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::stream;
    use std::net::Ipv4Addr;
    use std::panic::AssertUnwindSafe;
    use tokio::sync::mpsc;

    fn set(hosts: &[u8]) -> Vec<Address> {
        hosts.iter().map(|host| Address::from((Ipv4Addr::new(10, 0, 0, *host), 9000))).collect()
    }

    #[tokio::test]
    async fn a_set_that_arrives_while_nobody_waits_is_not_lost() {
        let (sender, mut receiver) = mpsc::channel(9);
        let mut endpoints = from_stream(stream::poll_fn(move |cx| receiver.poll_recv(cx)));
        assert_eq!(endpoints.next().now_or_never(), None, "it waits, and is dropped");
        for hosts in [&[1][..], &[1, 2]] {
            sender.try_send(set(hosts)).expect("there is room");
        }
        assert_eq!(endpoints.next().await, Some(set(&[1])));
        assert_eq!(endpoints.next().await, Some(set(&[1, 2])));
        drop(sender);
        assert_eq!(endpoints.next().await, None);
        assert_eq!(endpoints.next().await, None, "a stream that has ended is not polled again");
    }

    #[tokio::test]
    async fn a_stream_that_has_panicked_is_not_polled_again() {
        let mut endpoints =
            from_stream(stream::poll_fn(|_| -> Poll<Option<Vec<Address>>> { panic!("on purpose") }));
        AssertUnwindSafe(endpoints.next()).catch_unwind().await.expect_err("it panics");
        assert_eq!(endpoints.next().await, None);
    }
}
