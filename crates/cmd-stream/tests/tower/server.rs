//! The Commands of a server inside the layers of `tower`.

use std::sync::Mutex;

use cmd_stream::CallError;
use cmd_stream::tower::{BoxError, Layered, Request};
use tower::ServiceBuilder;
use tower::load_shed::error::Overloaded;
use tower::util::MapRequestLayer;

use super::*;

fn problem<T>(result: Result<T, CallError<Problem>>) -> Problem {
    match result {
        Err(CallError::Failed(problem)) => problem,
        Err(CallError::Other(error)) => panic!("not a failure of the Protocol: {error:#}"),
        Ok(_) => panic!("it did not fail"),
    }
}

/// Spawns calls that wait at the gate.
fn hold(sender: &SiteSender, calls: u32) -> Vec<tokio::task::JoinHandle<Result<Number, CallError<Problem>>>> {
    let hold = |number| {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(Hold(number)).await })
    };
    (0..calls).map(hold).collect()
}

async fn all_answered(calls: Vec<tokio::task::JoinHandle<Result<Number, CallError<Problem>>>>) {
    for (number, call) in (0..).zip(calls) {
        assert_eq!(within(call).await.expect("no panic").expect("a Reply"), Number(number));
    }
}

#[tokio::test]
async fn a_layer_sees_what_is_known_of_each_command_and_failures_pass_through_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let layer = MapRequestLayer::new({
        let seen = Arc::clone(&seen);
        move |request: Request| {
            assert!(request.size() > 0 && request.connection() == 1);
            seen.lock().expect("no panic").push(format!("{} {}", request.seq().get(), request.entry().name));
            request
        }
    });
    let service = Service::new();
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    assert_eq!(within(sender.send(Echo(7))).await.expect("a Reply"), Number(7));
    // The failure of the Protocol comes out as it went in.
    assert_eq!(problem(within(sender.send(Fail(1007))).await), Problem::new(1007, "as asked"));
    within(sender.post(Note)).await.expect("it is written");
    within(service.0.notes.acquire()).await.expect("it runs").forget();
    assert_eq!(*seen.lock().expect("no panic"), ["1 Echo", "2 Fail", "3 Note"]);
}

#[tokio::test]
async fn a_limit_of_concurrency_lets_so_many_commands_run() {
    let service = Service::new();
    let layer = ServiceBuilder::new().concurrency_limit(2);
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    let calls = hold(&sender, 6);
    service.started(2).await;
    service.open_gate(6);
    all_answered(calls).await;
    assert_eq!(service.0.most_running.load(SeqCst), 2);
}

#[tokio::test]
async fn a_timeout_drops_the_command_and_the_client_is_told() {
    let service = Service::new();
    let layer = ServiceBuilder::new().timeout(SOON);
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    let told = problem(within(sender.send(Hold(1))).await);
    assert_eq!(told, Problem::new(Problem::FAILED, "request timed out"));
    service.gone(1).await;
    assert_eq!(within(sender.send(Echo(2))).await.expect("the connection goes on"), Number(2));
}

#[tokio::test]
async fn load_that_is_shed_is_answered_as_overloaded() {
    let service = Service::new();
    let layer = ServiceBuilder::new().load_shed().concurrency_limit(1);
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    let calls = hold(&sender, 1);
    service.started(1).await;
    assert_eq!(problem(within(sender.send(Hold(2))).await).code, Problem::OVERLOADED);
    service.open_gate(1);
    all_answered(calls).await;
}

#[tokio::test]
async fn a_limit_of_the_rate_which_cannot_be_cloned_is_shared_by_all_commands() {
    let service = Service::new();
    let layer = ServiceBuilder::new().load_shed().rate_limit(2, LONG);
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    for number in 1..=2 {
        assert_eq!(within(sender.send(Echo(number))).await.expect("a Reply"), Number(number));
    }
    assert_eq!(problem(within(sender.send(Echo(3))).await).code, Problem::OVERLOADED);
}

#[tokio::test]
async fn a_buffer_takes_the_requests_to_its_own_task() {
    let service = Service::new();
    let layer = ServiceBuilder::new().buffer(16).concurrency_limit(2);
    let sender = connect(Server::builder(Site, Json, service.clone()).layer(layer)).await;
    let calls = hold(&sender, 6);
    service.started(2).await;
    service.open_gate(6);
    all_answered(calls).await;
    assert_eq!(service.0.most_running.load(SeqCst), 2);
    assert_eq!(problem(within(sender.send(Fail(1001))).await).code, 1001);
}

#[tokio::test]
async fn an_error_of_a_layer_means_what_the_application_says() {
    let service = Service::new();
    let layered = Layered::new(ServiceBuilder::new().load_shed().concurrency_limit(0));
    let layered = layered.map_error(|error: BoxError| {
        assert!(error.is::<Overloaded>());
        Failed::new(Problem::new(1234, "come back tomorrow"))
    });
    let sender = connect(Server::builder(Site, Json, service).invoker(layered)).await;
    assert_eq!(problem(within(sender.send(Echo(1))).await).code, 1234);
    // What the Command itself fails with is not asked about; nor does it run here.
    assert_eq!(problem(within(sender.send(Fail(5000))).await).code, 1234);
}

#[tokio::test]
async fn a_command_that_nobody_runs_fails() {
    /// Answers without having called the inner service.
    #[derive(Clone)]
    struct Answers;
    impl tower::Service<Request> for Answers {
        type Response = cmd_stream::server::Ended;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Self::Response, BoxError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            std::future::ready(Ok(cmd_stream::server::Ended::Replied))
        }
    }
    let layer = tower::layer::layer_fn(|_| Answers);
    let sender = connect(Server::builder(Site, Json, Service::new()).layer(layer)).await;
    assert_eq!(problem(within(sender.send(Echo(1))).await).code, Problem::NO_LAST_REPLY);
}
