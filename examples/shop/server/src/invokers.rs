//! What every Command passes through before it runs: the log, and behind it the question who may do what.

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Ended, Invocation};
use cmd_stream::{Failed, Invoker};
use shop_api::{Reason, Shop, ShopCommand, ShopError};

use crate::commands::{Customer, not_signed_in};

/// Logs each Command: who sent it, how long it took, how it ended. It works for any Protocol.
#[derive(Debug)]
pub struct Log;

impl<P: Protocol> Invoker<P> for Log {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let (command, received_at) = (invocation.entry().name, invocation.received_at());
        let (connection, peer) = (invocation.connection().id(), invocation.peer().clone());
        let ended = invocation.run().await;
        let took = received_at.elapsed();
        match &ended {
            Ok(ended) => tracing::info!(connection, %peer, command, ?took, ?ended),
            // The text may contain what the client has sent. `?` escapes it, so that it stays on one line.
            Err(failed) => {
                let failed = format!("{failed:#}");
                tracing::info!(connection, %peer, command, ?took, ?failed);
            }
        }
        ended
    }
}

/// Refuses Commands that the client has no right to send. A refused Command does not run.
#[derive(Debug)]
pub struct Authorise;

/// Who may send a Command.
#[derive(PartialEq, Eq)]
enum Access {
    Everybody,
    Customers,
    Staff,
}

/// There is no `_` here: a new Command does not compile until somebody has decided who may send it.
fn access(command: &ShopCommand<'_>) -> Access {
    match command {
        ShopCommand::SignIn(_)
        | ShopCommand::FindProduct(_)
        | ShopCommand::Browse(_)
        | ShopCommand::WatchStock(_)
        | ShopCommand::Viewed(_) => Access::Everybody,
        ShopCommand::AddToCart(_) | ShopCommand::PlaceOrder(_) => Access::Customers,
        ShopCommand::Restock(_) => Access::Staff,
    }
}

impl Invoker<Shop> for Authorise {
    async fn invoke(&self, invocation: impl Invocation<Shop>) -> Result<Ended, Failed> {
        let access = access(&invocation.command());
        if access != Access::Everybody {
            let customer = invocation.connection().get::<Customer>();
            let staff = customer.ok_or_else(not_signed_in)?.staff;
            if access == Access::Staff && !staff {
                return Err(ShopError::new(Reason::NotAllowed, "this is for the staff").into());
            }
        }
        invocation.run().await
    }
}
