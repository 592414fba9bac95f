//! How calls end, and what is told of that.

use super::*;

#[tokio::test(start_paused = true)]
async fn each_outcome_is_told_once_and_the_state_is_dropped_then() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks).retry(Retry::OFF)).await;

    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    assert_eq!(log.take(), ["before Put"]);
    answer(&mut server, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(log.take(), ["reply Put: A", "done Put", "dropped"]);

    let call = call!(sender.send(put("b")));
    server.expect(&put_frame(2, "b")).await;
    server.send(&problem_frame(2, Problem::NOT_FOUND)).await;
    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Failed(problem) if problem.code == Problem::NOT_FOUND));
    assert_eq!(log.take(), ["before Put", "reply Put: problem 13", "done Put", "dropped"]);

    let call = call!(sender.send(put("c")).timeout(SECOND));
    server.expect(&put_frame(3, "c")).await;
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Put", "timeout Put: Timeout", "dropped"]);

    assert_eq!(told(sender.send(Odd {}).await.unwrap_err()), (ErrorKind::Encode, Origin::Local, false));
    assert_eq!(log.take(), ["before Odd", "error Odd: Encode", "dropped"]);

    let call = call!(sender.send(get("d")));
    server.expect(&get_frame(4, "d")).await;
    drop(server);
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Get", "error Get: Closed", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn each_reply_of_a_stream_is_told_and_how_it_ends() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks)).await;

    let mut numbers = within(sender.stream(Watch { to: 2 })).await.unwrap();
    server.expect(&watch_frame(1, 2)).await;
    server.send(&[number_frame(1, 1, false), number_frame(1, 2, true)].concat()).await;
    let Number { value, .. } = within(numbers.next()).await.unwrap().unwrap();
    assert_eq!((value, log.take()), (1, vec!["before Watch".into(), "reply Watch: 1".into()]));
    within(numbers.next()).await.unwrap().unwrap();
    // The last one ends the call, whether or not the caller asks for more.
    assert_eq!(log.take(), ["reply Watch: 2", "done Watch", "dropped"]);
    assert!(within(numbers.next()).await.is_none());
    drop(numbers);
    assert_eq!(log.take(), [""; 0]);

    // The failure of the Protocol is a Reply; a time-out is not.
    let mut numbers = within(sender.stream(Watch { to: 3 })).await.unwrap();
    server.expect(&watch_frame(2, 3)).await;
    server.send(&[number_frame(2, 1, false), problem_frame(2, 1)].concat()).await;
    within(numbers.next()).await.unwrap().unwrap();
    within(numbers.next()).await.unwrap().unwrap_err();
    assert_eq!(
        log.take(),
        ["before Watch", "reply Watch: 1", "reply Watch: problem 1", "done Watch", "dropped"]
    );
    assert!(within(numbers.next()).await.is_none());

    let mut numbers = within(sender.stream(Watch { to: 4 }).timeout(SECOND)).await.unwrap();
    within(numbers.next()).await.unwrap().unwrap_err();
    assert!(within(numbers.next()).await.is_none());
    assert_eq!(log.take(), ["before Watch", "timeout Watch: Timeout", "dropped"]);

    // After a Reply it is not sent again.
    let mut numbers = within(sender.stream(Watch { to: 5 })).await.unwrap();
    server.expect(&[watch_frame(3, 4), watch_frame(4, 5)].concat()).await;
    server.send(&number_frame(4, 1, false)).await;
    within(numbers.next()).await.unwrap().unwrap();
    drop(server);
    within(numbers.next()).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Watch", "reply Watch: 1", "error Watch: Closed", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_moved_or_sent_again_asks_once_and_tells_each_further_attempt() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut one, mut two], mut dials) = connected_by(builder().hooks(hooks), 64).await;
    // It fills the connection, so that the next one is not written.
    let large = "x".repeat(1000);
    let blocking = call!(sender.send(put(&large)));
    one.receive(10).await;
    let moved = call!(sender.send(put("b")));
    quiet().await;
    assert_eq!(log.take(), ["before Put", "before Put"]);
    drop(one);
    assert!(within(blocking).await.unwrap().is_err());
    two.expect(&put_frame(1, "b")).await;
    answer(&mut two, 1, "B").await;
    assert_eq!(within(moved).await.unwrap().unwrap(), text("B"));
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines, ["done Put", "dropped", "dropped", "error Put: Io", "reply Put: B", "retry Put: Io"]);

    let (member, mut one) = dials.accept().await;
    assert_eq!(member, 0);
    quiet().await;
    let again = call!(sender.send(get("c")));
    one.expect(&get_frame(3, "c")).await;
    drop(one);
    two.expect(&get_frame(2, "c")).await;
    answer(&mut two, 2, "C").await;
    assert_eq!(within(again).await.unwrap().unwrap(), text("C"));
    assert_eq!(log.take(), ["before Get", "retry Get: Closed", "reply Get: C", "done Get", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_is_neither_encoded_nor_sent_and_the_error_has_the_reason() {
    let hooks = Recorder { refuses: "Put", ..Recorder::default() };
    let (log, format) = (hooks.log.clone(), scripted::Counting::default());
    let refuses_notes = Recorder { refuses: "Note", ..hooks.clone() };
    let refuses_streams = Recorder { refuses: "Watch", ..hooks.clone() };
    let builder = Sender::builder(Store, format.clone());
    let builder = builder.hooks((hooks, (refuses_notes, refuses_streams)));
    let (sender, [mut server], _dials) = connected(builder).await;

    let error = Error::from(within(sender.send(put("a"))).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Refused, Origin::Local, false));
    let source = std::error::Error::source(&error).expect("the reason");
    assert!(source.is::<Closed>(), "{source:?}");
    assert_eq!(format!("{error:#}"), "a hook refuses the command: the shop is closed");
    assert_eq!(log.take(), ["before Put"], "nothing is told of a call that was refused");

    for error in [
        within(sender.post(note("b"))).await.unwrap_err(),
        within(sender.stream(Watch { to: 1 })).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(told(error), (ErrorKind::Refused, Origin::Local, false));
    }
    // The outer hooks are told that the call has failed, and then what they had kept is dropped.
    let note = ["before Note", "before Note", "error Note: Refused", "dropped"];
    let watch = ["before Watch"; 3].into_iter().chain(["error Watch: Refused", "dropped"].repeat(2));
    assert_eq!(log.take(), note.into_iter().chain(watch).collect::<Vec<_>>());

    assert_eq!((format.encoded(), sender.in_flight()), (0, 0));
    let next = call!(sender.send(get("c")));
    server.expect(&get_frame(1, "c")).await;
    answer(&mut server, 1, "C").await;
    within(next).await.unwrap().unwrap();
    assert_eq!(format.encoded(), 1);
}

/// A task that makes calls in a loop has to let others run now and then. That does not ask the hooks twice.
#[tokio::test(start_paused = true)]
async fn refused_calls_in_a_loop_ask_once_each() {
    let hooks = Recorder { refuses: "Put", ..Recorder::default() };
    let log = hooks.log.clone();
    let (sender, [_server], _dials) = connected(builder().hooks(hooks)).await;
    for n in 0..1000 {
        sender.send(put("a")).await.unwrap_err();
        assert_eq!(log.take(), ["before Put"], "call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_told_nothing_and_its_state_is_dropped() {
    for panics in ["", "drop"] {
        let hooks = Recorder { panics, ..Recorder::default() };
        let log = hooks.log.clone();
        let (sender, [mut server], mut dials) = connected_by(builder().hooks(hooks), 64).await;

        drop(sender.send(put("never polled")));
        assert_eq!(log.take(), [""; 0]);

        let call = call!(sender.send(put("written")));
        server.expect(&put_frame(1, "written")).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["before Put", "dropped"], "{panics}");

        let stream = sender.stream(Watch { to: 1 }).await.unwrap();
        server.expect(&watch_frame(2, 1)).await;
        drop(stream);
        assert_eq!(log.take(), ["before Watch", "dropped"], "{panics}");

        // In a pause before it is sent again.
        let call = call!(sender.send(get("again")));
        server.expect(&get_frame(3, "again")).await;
        drop(server);
        quiet().await;
        assert_eq!(log.take(), ["before Get", "retry Get: Closed"], "{panics}");
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["dropped"], "{panics}");
        assert_eq!(sender.in_flight(), 0);

        // With its end.
        let (_, mut server) = dials.accept().await;
        let call = call!(sender.send(put("a")));
        server.expect(&put_frame(4, "a")).await;
        answer(&mut server, 4, "A").await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
        let call = call!(sender.send(put("b")).timeout(SECOND));
        assert_eq!(told(within(call).await.unwrap().unwrap_err()).0, ErrorKind::Timeout);
        assert_eq!(log.take().iter().filter(|line| *line == "dropped").count(), 2, "{panics}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_one_way_command_that_is_written_is_done_and_one_that_is_not_has_an_error() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected_by(builder().hooks(hooks), 64).await;
    within(sender.post(note("a"))).await.unwrap();
    server.expect(&note_frame(1, "a")).await;
    assert_eq!(log.take(), ["before Note", "done Note", "dropped"]);
    let large = "x".repeat(1000);
    let post = call!(sender.post(note(&large)).timeout(SECOND));
    within(post).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Note", "timeout Note: Timeout", "dropped"]);
}
