//! A Sender inside the layers of `tower`.

use cmd_stream::{CallError, ErrorKind};
use tower::load_shed::error::Overloaded;
use tower::retry::Policy;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Service as _, ServiceBuilder, ServiceExt};

use super::*;

/// Waits until the service is ready, and calls it.
async fn ask<C, S: tower::Service<C>>(service: &mut S, command: C) -> Result<S::Response, S::Error> {
    within(async { service.ready().await?.call(command).await }).await
}

#[tokio::test]
async fn each_command_is_called_and_answered_with_its_reply() {
    let (service, sender) = plain().await;
    let mut by_reference = &sender;
    let Number(seven) = ask(&mut by_reference, Echo(7)).await.expect("a Reply");
    assert_eq!(seven, 7);
    let failed = within(sender.clone().oneshot(Fail(1007))).await;
    assert!(matches!(failed, Err(CallError::Failed(problem)) if problem.code == 1007));
    within(sender.oneshot(Note)).await.expect("it is written");
    within(service.0.notes.acquire()).await.expect("it arrives").forget();
}

#[tokio::test]
async fn a_sender_that_is_closed_is_not_ready() {
    let (_service, sender) = plain().await;
    let mut before = sender.clone();
    let call = ServiceExt::<Echo>::ready(&mut before).await.expect("it is open").call(Echo(1));
    sender.close();
    let error = within(ServiceExt::<Echo>::ready(&mut sender.clone())).await.expect_err("it is closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(within(call).await.expect_err("it is closed").kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_timeout_forgets_the_call() {
    let (service, sender) = plain().await;
    let mut slow = ServiceBuilder::new().timeout(SOON).service(sender.clone());
    let error: BoxError = ask(&mut slow, Hold(1)).await.expect_err("it takes too long");
    assert!(error.is::<Elapsed>(), "{error}");
    assert_eq!(sender.in_flight(), 0);
    service.open_gate(1);
}

#[tokio::test]
async fn limits_of_concurrency_and_rate_shed_load_beside_them() {
    let (service, sender) = plain().await;
    let limited = ServiceBuilder::new().load_shed().concurrency_limit(1).service(sender.clone());
    let first = tokio::spawn(limited.clone().oneshot(Hold(1)));
    service.started(1).await;
    let error = within(limited.clone().oneshot(Hold(2))).await.expect_err("there is one already");
    assert!(error.is::<Overloaded>(), "{error}");
    service.open_gate(1);
    assert_eq!(within(first).await.expect("no panic").expect("a Reply"), Number(1));

    let mut rated = ServiceBuilder::new().load_shed().rate_limit(1, LONG).service(sender);
    assert_eq!(ask(&mut rated, Echo(1)).await.expect("a Reply"), Number(1));
    assert!(ask(&mut rated, Echo(2)).await.expect_err("one per minute").is::<Overloaded>());
}

/// Sends again what failed with this code, with the next one.
#[derive(Clone)]
struct NextCode(Arc<AtomicUsize>);

impl Policy<Fail, Number, CallError<Problem>> for NextCode {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        request: &mut Fail,
        result: &mut Result<Number, CallError<Problem>>,
    ) -> Option<Self::Future> {
        let Err(CallError::Failed(problem)) = result else { return None };
        assert_eq!(problem.code, request.0);
        request.0 += 1;
        (self.0.fetch_add(1, SeqCst) < 2).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Fail) -> Option<Fail> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_retry_sends_the_command_again() {
    let (_service, sender) = plain().await;
    let attempts = NextCode(Arc::default());
    let retried = ServiceBuilder::new().retry(attempts).service(sender);
    let error = within(retried.oneshot(Fail(2000))).await.expect_err("each attempt fails");
    assert!(matches!(error, CallError::Failed(problem) if problem.code == 2002));
}

#[tokio::test]
async fn a_buffer_and_a_hedge_run_calls_from_other_tasks() {
    let (service, sender) = plain().await;
    let buffered = ServiceBuilder::new().buffer(8).concurrency_limit(2).service(sender.clone());
    let calls: Vec<_> = (0..6).map(|number| tokio::spawn(buffered.clone().oneshot(Hold(number)))).collect();
    service.started(2).await;
    assert_eq!(sender.in_flight(), 2);
    service.open_gate(6);
    for (number, call) in (0..6).zip(calls) {
        assert_eq!(within(call).await.expect("no panic").expect("a Reply"), Number(number));
    }
    assert_eq!(service.0.most_running.load(SeqCst), 2);

    #[derive(Clone)]
    struct Always;
    impl tower::hedge::Policy<Echo> for Always {
        fn clone_request(&self, request: &Echo) -> Option<Echo> {
            Some(request.clone())
        }
        fn can_retry(&self, _: &Echo) -> bool {
            true
        }
    }
    let hedged = tower::hedge::Hedge::new(sender, Always, 1, 0.9, LONG);
    assert_eq!(within(hedged.oneshot(Echo(3))).await.expect("a Reply"), Number(3));
}
