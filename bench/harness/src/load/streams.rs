//! One Command after another that is answered by many Replies.

use std::time::Instant;

use super::{Client, Measured, PATIENCE, Round, Tally};

/// Sends Commands with so many Replies each over one client, one after another, until the time is over. At least one. What is
/// counted are the Replies.
pub async fn streams(client: &impl Client, round: &Round, replies: u32) -> Result<Measured, String> {
    // Some in full: a server may have to find out first that such Commands are not slow.
    let warm = Instant::now();
    within_patience(client.stream(replies.div_ceil(10))).await?;
    while warm.elapsed() < round.warmup {
        within_patience(client.stream(replies)).await?;
    }
    let mut tally = Tally::new(1);
    let (started, before) = (Instant::now(), round.meter.read());
    loop {
        within_patience(client.stream(replies)).await?;
        tally.commands += u64::from(replies);
        tally.verified += u64::from(replies);
        if started.elapsed() >= round.duration {
            break;
        }
    }
    let elapsed = started.elapsed();
    let cpu = round.meter.read().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok(Measured { elapsed, cpu, tally, missed: 0, allocated: None })
}

async fn within_patience(stream: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, stream).await {
        Ok(ended) => ended,
        Err(_) => Err(format!("a stream did not end within {} s", PATIENCE.as_secs())),
    }
}

/// Compares the Replies of a stream: the numbers from 0, each once, in order.
#[derive(Debug)]
pub struct Expected {
    next: u32,
    end: u32,
}

impl Expected {
    /// So many Replies.
    pub fn new(replies: u32) -> Self {
        Self { next: 0, end: replies }
    }

    /// A Reply has come.
    pub fn reply(&mut self, number: i64) -> Result<(), String> {
        if number != i64::from(self.next) || self.next == self.end {
            return Err(format!("{number} came in place of reply {} of {}", self.next, self.end));
        }
        self.next += 1;
        Ok(())
    }

    /// The stream has ended.
    pub fn ended(self) -> Result<(), String> {
        if self.next == self.end {
            Ok(())
        } else {
            Err(format!("the stream ended after {} of {} replies", self.next, self.end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Echo;
    use crate::load::tests::round;
    use crate::participant::runtime;
    use crate::workload::Value;

    #[derive(Clone)]
    struct Counts;

    impl Echo for Counts {
        async fn echo(&self, _: &'static Value) -> Result<Value, String> {
            Err("it only streams".to_owned())
        }
    }

    impl Client for Counts {
        async fn stream(&self, replies: u32) -> Result<(), String> {
            let mut expected = Expected::new(replies);
            (0..i64::from(replies)).try_for_each(|number| expected.reply(number))?;
            expected.ended()
        }
    }

    #[test]
    fn replies_of_whole_streams_are_counted() {
        let measured = runtime().unwrap().block_on(streams(&Counts, &round(), 1000)).unwrap();
        assert!(measured.elapsed >= round().duration);
        assert!(measured.tally.commands > 0 && measured.tally.commands.is_multiple_of(1000));
    }

    #[test]
    fn wrong_number_and_wrong_count_are_noticed() {
        let replies = |numbers: &[i64]| {
            let mut expected = Expected::new(2);
            numbers.iter().try_for_each(|number| expected.reply(*number))?;
            expected.ended()
        };
        assert_eq!(replies(&[0, 1]), Ok(()));
        for wrong in [&[0][..], &[0, 2], &[1, 0], &[0, 0], &[0, 1, 2]] {
            assert!(replies(wrong).is_err(), "{wrong:?}");
        }
    }
}
