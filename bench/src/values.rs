//! The values that the serialization formats are compared with. Each type implements all of the formats.

use bench_harness::random::XorShift;

/// Declares a type that implements all formats that are compared.
macro_rules! value {
    ($($item:tt)*) => {
        #[derive(
            Clone, PartialEq,
            mus_format::Mus,
            bincode::Encode, bincode::Decode,
            borsh::BorshSerialize, borsh::BorshDeserialize,
            prost::Message,
            rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
            serde::Serialize, serde::Deserialize,
        )]
        $($item)*
    };
}

value! {
    /// What the participants echo.
    pub struct Echo {
        /// A random bit.
        #[prost(bool, tag = "1")]
        pub bool: bool,
        /// Any of them: mostly ten bytes as a varint.
        #[prost(int64, tag = "2")]
        pub int64: i64,
        /// 0 to 1000 small letters.
        #[prost(string, tag = "3")]
        pub string: String,
        /// Not negative.
        #[prost(double, tag = "4")]
        pub float64: f64,
    }
}

value! {
    /// An order as a shop sends it to a warehouse: some fields, and many lines.
    pub struct Order {
        /// Ten digits.
        #[prost(uint64, tag = "1")]
        pub id: u64,
        /// A name.
        #[prost(string, tag = "2")]
        pub customer: String,
        /// Mostly `false`.
        #[prost(bool, tag = "3")]
        pub express: bool,
        /// Some have one.
        #[prost(string, optional, tag = "4")]
        pub note: Option<String>,
        /// What is ordered.
        #[prost(message, repeated, tag = "5")]
        pub lines: Vec<Line>,
    }
}

value! {
    /// One article of an order.
    pub struct Line {
        /// Seven or eight digits.
        #[prost(uint64, tag = "1")]
        pub id: u64,
        /// 8 to 40 bytes.
        #[prost(string, tag = "2")]
        pub name: String,
        /// Mostly one to ten; sometimes some hundreds.
        #[prost(uint32, tag = "3")]
        pub quantity: u32,
        /// In euros.
        #[prost(double, tag = "4")]
        pub price: f64,
        /// In parts of a thousand, on every fifth line.
        #[prost(uint32, optional, tag = "5")]
        pub discount: Option<u32>,
        /// None to two short words.
        #[prost(string, repeated, tag = "6")]
        pub tags: Vec<String>,
    }
}

value! {
    /// What a sensor has measured: a few numbers, and nothing else.
    pub struct Sample {
        /// One of a thousand.
        #[prost(uint32, tag = "1")]
        pub sensor: u32,
        /// In milliseconds since 1970.
        #[prost(uint64, tag = "2")]
        pub at: u64,
        /// Of either sign, mostly one or two bytes as a varint.
        #[prost(sint32, tag = "3")]
        pub level: i32,
        /// A random bit.
        #[prost(bool, tag = "4")]
        pub is_valid: bool,
        /// The value.
        #[prost(double, tag = "5")]
        pub value: f64,
        /// How much it may be wrong.
        #[prost(float, tag = "6")]
        pub error: f32,
    }
}

/// The values that the participants echo, every field the same.
pub fn echoes() -> Vec<Echo> {
    let mut random = XorShift::new();
    let echo = |_| {
        let (bool, int64, string, float64) = random.echo();
        Echo { bool, int64, string, float64 }
    };
    (0..ECHOES).map(echo).collect()
}

/// The number of structs that the participants echo.
pub const ECHOES: usize = 1024;

/// Makes `count` orders of `lines` lines each.
pub fn orders(count: usize, lines: usize) -> Vec<Order> {
    let mut random = XorShift::new();
    (0..count).map(|_| order(&mut random, lines)).collect()
}

/// The number of orders: several, so that a branch predictor cannot learn all their lines.
pub const ORDERS: usize = 4;

/// The number of lines of an order.
pub const LINES: usize = 1000;

/// Makes `count` samples.
pub fn samples(count: usize) -> Vec<Sample> {
    let mut random = XorShift::new();
    let sample = |_| Sample {
        sensor: random.below(1000) as u32,
        at: 1_700_000_000_000 + random.below(100_000_000_000),
        level: random.below(1 << 14) as i32 - (1 << 13),
        is_valid: random.below(2) == 0,
        value: random.below(1_000_000) as f64 / 8.0,
        error: random.below(1000) as f32 / 8.0,
    };
    (0..count).map(sample).collect()
}

/// The number of samples.
pub const SAMPLES: usize = 1024;

fn order(random: &mut XorShift, lines: usize) -> Order {
    Order {
        id: 1_000_000_000 + random.below(9_000_000_000),
        customer: name(random, 10, 30),
        express: random.below(8) == 0,
        note: (random.below(2) == 0).then(|| name(random, 20, 80)),
        lines: (0..lines).map(|_| line(random)).collect(),
    }
}

fn line(random: &mut XorShift) -> Line {
    const TAGS: [&str; 6] = ["bulky", "cold", "fragile", "gift", "export", "reserved"];
    let tag = |random: &mut XorShift| TAGS[random.below(TAGS.len() as u64) as usize].to_owned();
    Line {
        id: 1_000_000 + random.below(90_000_000),
        name: name(random, 8, 40),
        quantity: (if random.below(10) == 0 { 1 + random.below(500) } else { 1 + random.below(10) }) as u32,
        price: random.below(100_000) as f64 / 100.0,
        discount: (random.below(5) == 0).then(|| 10 * (1 + random.below(30)) as u32),
        tags: (0..random.below(3)).map(|_| tag(random)).collect(),
    }
}

/// A text of `least` to `most` bytes.
fn name(random: &mut XorShift, least: u64, most: u64) -> String {
    let length = least + random.below(most - least + 1);
    random.letters(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up_to_those_of_what_the_participants_echo() {
        assert_eq!(echoes().len(), ECHOES);
        assert_eq!(echoes().iter().map(|echo| echo.string.len()).sum::<usize>(), 510_685);
    }

    #[test]
    fn orders_have_every_kind_of_line() {
        let orders = orders(ORDERS, LINES);
        assert_eq!(orders.len(), ORDERS);
        for Order { lines, .. } in orders {
            assert_eq!(lines.len(), LINES);
            for tags in 0..3 {
                assert!(lines.iter().any(|line| line.tags.len() == tags));
            }
            assert!(lines.iter().any(|line| line.discount.is_some()));
            assert!(lines.iter().any(|line| line.quantity > 127));
            assert!(lines.iter().all(|line| (8..=40).contains(&line.name.len())));
        }
    }
}
