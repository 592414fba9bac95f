//! What the programs of this folder share: how values are drawn, the serialization formats that are compared, and how
//! instructions are counted. Knows no connections and no participants: those are the program `bench`'s alone.

pub mod callgrind;
pub mod formats;
pub mod random;
pub mod spread;
pub mod values;
