//! What a Sender sends again, when, and where.

#[path = "../common/scripted.rs"]
mod scripted;
#[path = "../common/wire.rs"]
mod wire;

mod again;
mod breakers;
mod budget;
mod deadlines;
mod hedging;
mod shed;
