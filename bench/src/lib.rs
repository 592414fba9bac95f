//! What the programs of this folder share: the values and the serialization formats that are compared. Only the program
//! `bench` has connections and participants.

pub mod formats;
pub mod spread;
pub mod values;
