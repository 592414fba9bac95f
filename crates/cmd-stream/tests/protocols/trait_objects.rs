//! A sender behind a trait object.

use std::future::ready;

use crate::{Add, CalcError, Sum, calculator};
use cmd_stream::sender::{Replied, SendCommand};
use cmd_stream::{Error, ErrorKind, Sender};

/// Something that adds.
type Adder = dyn SendCommand<Add, Failure = CalcError>;

/// What an application has that is tested without a network.
async fn total(numbers: &[i64], calculator: &Adder) -> Result<i64, Error> {
    let mut total = 0;
    for &number in numbers {
        Sum(total) = calculator.send(Add { a: total, b: number }).await?;
    }
    Ok(total)
}

/// A stand-in for the server.
struct OnPaper;

impl SendCommand<Add> for OnPaper {
    type Failure = CalcError;

    fn send(&self, command: Add) -> Replied<'_, Sum, CalcError> {
        Box::pin(ready(Ok(Sum(command.a + command.b))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_may_be_a_trait_object() {
    let client = calculator().await;
    let sender = Sender::from(client.clone());
    let all: [Box<Adder>; 3] = [Box::new(OnPaper), Box::new(client.clone()), Box::new(sender)];
    for calculator in &all {
        assert_eq!(total(&[1, 2, 3], &**calculator).await.expect("a sum"), 6);
    }
    let error = total(&[999, 2], &client).await.expect_err("over the limit");
    assert_eq!(error.kind(), ErrorKind::Remote);
}
