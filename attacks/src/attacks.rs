//! What attackers do, by what they do it with. Each attack returns when it is over and its connections are closed.

pub(crate) mod bytes;
pub(crate) mod clients;
pub(crate) mod commands;
pub(crate) mod connections;
pub(crate) mod queues;
pub(crate) mod replies;
