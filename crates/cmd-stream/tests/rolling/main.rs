//! Servers behind one Sender are restarted in turn, under constant load. Nothing is lost that was not written or that may run
//! twice, whatever else fails says that it may have run, and nothing is answered twice or wrongly.

mod load;
mod restarts;
mod shutdowns;
mod site;
