//! Which new connections are let in: not more than `Limits` says, in all and from one address. Knows no sockets, and is told
//! the time.

use std::net::IpAddr;

use tokio::time::Instant;

use super::limits::Limits;
use crate::proto::rate::{Bucket, Buckets, Rate, Verdict};
use crate::transport::Peer;

/// The rates of one server's new connections. Its accept loop owns it.
pub(super) struct Rates {
    all: Option<(Rate, Bucket<Instant>)>,
    addresses: Option<Buckets<Source, Instant>>,
}

/// What a rate per address counts together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Source {
    V4(u32),
    /// Its first 64 bits: the network. The rest of it a client can usually choose.
    V6(u64),
}

/// What becomes of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    LetIn,
    /// It is let in, but nothing is remembered of its address.
    Untracked,
    OverConnectionRate,
    OverAddressRate,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: limits.connection_rate.map(|rate| (rate, Bucket::full())),
            addresses: limits.address_rate.map(|rate| Buckets::new(rate, ADDRESSES)),
        }
    }

    /// Whether there is anything to ask.
    pub(super) fn are_set(&self) -> bool {
        self.all.is_some() || self.addresses.is_some()
    }

    /// Decides on a new connection, and counts it if it is let in. What is refused takes nothing from the others.
    pub(super) fn admit(&mut self, peer: &Peer, now: Instant) -> Admission {
        let source = peer.socket_addr().map(|address| Source::of(address.ip()));
        let of_address = self.addresses.as_mut().zip(source).map(|(table, source)| table.look(&source, now));
        if of_address == Some(Verdict::Over) {
            return Admission::OverAddressRate;
        }
        if let Some((rate, bucket)) = &mut self.all {
            if bucket.room_at(*rate, now).is_some() {
                return Admission::OverConnectionRate;
            }
            bucket.take(*rate, now);
        }
        if let Some((table, source)) = self.addresses.as_mut().zip(source) {
            table.take(source, now);
        }
        if of_address == Some(Verdict::Unknown) { Admission::Untracked } else { Admission::LetIn }
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        // A listener for both has IPv4 addresses written as IPv6.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// How many addresses are remembered. A network of 48 bits, as a provider gives to a customer, has as many of 64 bits.
const ADDRESSES: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::from(SocketAddr::new(address.parse().expect("an address"), 9000))
    }

    fn of_addresses(rate: Rate) -> Rates {
        Rates::new(&Limits::default().address_rate(rate))
    }

    #[test]
    fn an_address_is_an_ipv4_address_or_a_network_of_64_bits() {
        let now = Instant::now();
        let same =
            [("10.0.0.1", "10.0.0.1"), ("10.0.0.1", "::ffff:10.0.0.1"), ("2001:db8::1", "2001:db8::ff:2")];
        for (first, second) in same {
            let mut rates = of_addresses(Rate::per_second(1));
            assert_eq!(rates.admit(&peer(first), now), Admission::LetIn);
            assert_eq!(rates.admit(&peer(second), now), Admission::OverAddressRate, "{second}");
        }
        for (first, second) in
            [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8:0:1::1"), ("10.0.0.1", "::a00:1")]
        {
            let mut rates = of_addresses(Rate::per_second(1));
            assert_eq!(rates.admit(&peer(first), now), Admission::LetIn);
            assert_eq!(rates.admit(&peer(second), now), Admission::LetIn, "{second}");
        }
        let mut rates = of_addresses(Rate::per_second(1));
        for _ in 0..3 {
            assert_eq!(rates.admit(&Peer::other("pipe"), now), Admission::LetIn);
        }
    }

    #[test]
    fn what_is_refused_for_its_address_takes_nothing_from_the_others() {
        let now = Instant::now();
        let limits = Limits::default().address_rate(Rate::per_second(1)).connection_rate(Rate::per_second(2));
        let mut rates = Rates::new(&limits);
        assert_eq!(rates.admit(&peer("10.0.0.1"), now), Admission::LetIn);
        for _ in 0..100 {
            assert_eq!(rates.admit(&peer("10.0.0.1"), now), Admission::OverAddressRate);
        }
        assert_eq!(rates.admit(&peer("10.0.0.2"), now), Admission::LetIn);
        // And the other way round: its address has lost nothing by it.
        assert_eq!(rates.admit(&peer("10.0.0.3"), now), Admission::OverConnectionRate);
        let later = now + std::time::Duration::from_millis(500);
        assert_eq!(rates.admit(&peer("10.0.0.3"), later), Admission::LetIn);
    }

    #[test]
    fn addresses_beyond_those_that_are_remembered_are_let_in() {
        let now = Instant::now();
        let mut rates = of_addresses(Rate::per_second(1));
        let network = |number: u32| peer(&format!("2001:db8:{:x}:{:x}::1", number >> 16, number & 0xffff));
        for number in 0..ADDRESSES as u32 {
            assert_eq!(rates.admit(&network(number), now), Admission::LetIn);
        }
        for _ in 0..2 {
            assert_eq!(rates.admit(&network(ADDRESSES as u32), now), Admission::Untracked);
        }
        assert_eq!(rates.admit(&network(0), now), Admission::OverAddressRate);
        let later = now + std::time::Duration::from_secs(1);
        assert_eq!(rates.admit(&network(ADDRESSES as u32), later), Admission::LetIn);
        assert_eq!(rates.admit(&network(ADDRESSES as u32), later), Admission::OverAddressRate);
    }
}
