//! What hooks know of a call, and what they may attach to it.

use super::*;

/// Attaches data to Commands that carry some.
struct Attaching(usize);

impl Hooks<Store> for Attaching {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<(), Refused> {
        if let Some(metadata) = command.metadata() {
            metadata.set("entry", entry.name);
            metadata.set("pad", &"p".repeat(self.0));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_attached_before_a_command_is_encoded_if_it_carries_some() {
    let (sender, [mut server], _dials) = connected(builder().hooks(Attaching(1))).await;
    let carrying = call!(sender.send(get("a")));
    let bare = call!(sender.send(put("b")));
    let mut expected = frame(1, 0, r#"{"text":"a","data":[["entry","Get"],["pad","p"]]}"#);
    expected.extend(put_frame(2, "b"));
    server.expect(&expected).await;
    answer(&mut server, 1, "A").await;
    answer(&mut server, 2, "B").await;
    assert_eq!(within(carrying).await.unwrap().unwrap(), text("A"));
    assert_eq!(within(bare).await.unwrap().unwrap(), text("B"));
}

/// Writes down all that is known of a call.
#[derive(Clone, Debug, Default)]
struct Telling(Log);

impl Telling {
    fn add(&self, what: &str, about: &About<'_>) {
        let (entry, peer) = (about.entry(), about.peer().map(|peer| peer.to_string()));
        let (size, seq, member, attempt) = (about.size(), about.seq(), about.member(), about.attempt());
        let (tag, millis) = (entry.tag, about.elapsed().as_millis());
        self.0.add(format!(
            "{what} {tag} {} size {size:?} seq {seq:?} member {member:?} attempt {attempt} after {millis} ms, {peer:?}",
            entry.name
        ));
    }
}

impl Hooks<Store> for Telling {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_reply(&self, (): &mut (), _: &StoreReply, about: &About<'_>) {
        self.add("reply", about);
    }

    fn on_error(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("error", about);
    }

    fn on_timeout(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("timeout", about);
    }

    fn on_retry(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("retry", about);
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_what_is_known_of_a_call() {
    let hooks = Telling::default();
    let log = hooks.0.clone();
    let (sender, [mut one, mut two], _dials) =
        connected(builder().hooks(hooks).breaker(Settings::default())).await;
    let peers: Vec<_> = sender
        .group()
        .members()
        .map(|member| match member.link() {
            cmd_stream::client::Link::Up(peer) => peer.to_string(),
            other => panic!("{other}"),
        })
        .collect();
    let size = put_frame(1, "a").len() - 1; // without its seq

    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    tokio::time::sleep(250 * MILLISECOND).await;
    answer(&mut one, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(
        log.take(),
        [format!(
            "reply 1 Put size Some({size}) seq Some(1) member Some(0) attempt 1 after 250 ms, Some({:?})",
            peers[0]
        )]
    );

    let call = call!(sender.send(put("b")).timeout(SECOND));
    one.expect(&put_frame(2, "b")).await;
    within(call).await.unwrap().unwrap_err();
    assert_eq!(
        log.take(),
        [format!(
            "timeout 1 Put size Some({size}) seq Some(2) member Some(0) attempt 1 after 1000 ms, Some({:?})",
            peers[0]
        )]
    );

    // It was not encoded, and so no member had it.
    sender.send(Odd {}).await.unwrap_err();
    assert_eq!(log.take(), ["error 4 Odd size None seq None member None attempt 0 after 0 ms, None"]);

    let call = call!(sender.send(get("c")));
    one.expect(&get_frame(3, "c")).await;
    tokio::time::sleep(100 * MILLISECOND).await;
    drop(one);
    two.expect(&get_frame(1, "c")).await;
    tokio::time::sleep(500 * MILLISECOND).await;
    answer(&mut two, 1, "C").await;
    within(call).await.unwrap().unwrap();
    let lines = log.take();
    assert_eq!(
        lines[0],
        format!(
            "retry 0 Get size Some({size}) seq Some(3) member Some(0) attempt 1 after 100 ms, Some({:?})",
            peers[0]
        )
    );
    let (told, after) = lines[1].split_once(" after ").unwrap();
    assert_eq!(told, format!("reply 0 Get size Some({size}) seq Some(1) member Some(1) attempt 2"));
    let (millis, peer) = after.split_once(" ms, ").unwrap();
    assert!((610..=640).contains(&millis.parse::<u32>().unwrap()), "{millis}");
    assert_eq!((peer, lines.len()), (&*format!("Some({:?})", peers[1]), 2));
}

/// Writes down which Replies come, and the second attempts.
#[derive(Clone, Debug, Default)]
struct Measuring(Log);

impl Hooks<Store> for Measuring {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_reply(&self, (): &mut (), _: &StoreReply, about: &About<'_>) {
        let reply = about.reply().expect("it is told");
        self.0.add(format!("{} {} of {:?} bytes", reply.tag, reply.name, about.reply_size()));
    }

    fn on_done(&self, (): &mut (), about: &About<'_>) {
        assert_eq!((about.reply(), about.reply_size()), (None, None));
    }

    fn on_hedge(&self, (): &mut (), about: &About<'_>) {
        let (member, seq, attempt) = (about.member(), about.seq(), about.attempt());
        self.0.add(format!("hedge to {member:?} with seq {seq:?}, attempt {attempt}, {:?}", about.peer()));
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_which_reply_has_come_and_its_size_without_the_seq() {
    let hooks = Measuring::default();
    let log = hooks.0.clone();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks)).await;
    // Their seqs take one byte and two.
    for seq in 1..=130 {
        let call = call!(sender.send(put("a")));
        server.expect(&put_frame(seq, "a")).await;
        server.send(&problem_frame(seq, 7)).await;
        within(call).await.unwrap().unwrap_err();
        let size = problem_frame(1, 7).len() - 1;
        assert_eq!(log.take(), [format!("2 Problem of Some({size}) bytes")], "{seq}");
    }
    let sender = sender.clone();
    let mut stream = within(sender.stream(Watch { to: 2 })).await.unwrap();
    server.expect(&watch_frame(131, 2)).await;
    for value in 1..=2 {
        server.send(&number_frame(131, value, value == 2)).await;
        within(stream.next()).await.unwrap().unwrap();
        let size = number_frame(1, value, value == 2).len() - 1;
        assert_eq!(log.take(), [format!("1 Number of Some({size}) bytes")]);
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_of_a_second_attempt() {
    let hooks = Measuring::default();
    let log = hooks.0.clone();
    let retry = Retry::default().hedge(0.9);
    let (sender, [mut one, mut two], _dials) = connected(builder().retry(retry).hooks(hooks)).await;
    for seq in 1..=32 {
        let call = call!(sender.send(get("w")));
        one.expect(&get_frame(seq, "w")).await;
        tokio::time::sleep(10 * MILLISECOND).await;
        answer(&mut one, seq, "W").await;
        within(call).await.unwrap().unwrap();
    }
    log.take();
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(33, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    let peers: Vec<_> = sender
        .group()
        .members()
        .map(|member| match member.link() {
            cmd_stream::client::Link::Up(peer) => Some(peer.clone()),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(log.take(), [format!("hedge to Some(1) with seq Some(1), attempt 2, {:?}", peers[1])]);
    answer(&mut two, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(log.take().len(), 1);
}
