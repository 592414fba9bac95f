//! Which endpoint each client of a group connects to. Knows nothing of clients and sockets, and reads no clock: the
//! caller says which endpoints there are, and what became of the attempts to connect.
//!
//! A group has a fixed number of slots, each of which has one client. These things hold:
//!
//! - **The spread is even.** When each slot has been asked for its endpoint, the numbers of slots of any two endpoints
//!   differ by at most one, whatever has happened. So with more slots than endpoints, each endpoint has a slot, and
//!   with fewer, none has two.
//! - **A slot stays where it is** unless its endpoint is gone or has failed, or the spread would not be even. A new set
//!   moves as few slots as it can, and of these as many as it can that are not connected.
//! - **A slot that fails moves on only if the spread stays even**, that is to an endpoint with fewer slots than its own.
//!   With fewer slots than endpoints there always is one. With more, most slots stay and try again, so that the living
//!   endpoints do not end up with all clients, and the dead one gets its share when it is back. Only the slots that one
//!   endpoint has more than another go to those that answer.
//! - **Processes choose differently.** Among endpoints that are equally good, a seed decides.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::proto::backoff::SplitMix64;
use crate::transport::Address;

#[derive(Clone)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    endpoints: Vec<Endpoint>,
    /// How many endpoints of the last set are not among them.
    left_out: usize,
    /// How many attempts have failed so far.
    failures: u64,
    /// Where the next choice begins in the list of those that are equally good.
    place: u64,
    random: SplitMix64,
}

#[derive(Clone, Default)]
struct Slot {
    /// `None` before it is asked where it dials.
    endpoint: Option<usize>,
    is_connected: bool,
}

#[derive(Clone)]
struct Endpoint {
    address: Address,
    /// How many slots it has.
    slots: usize,
    /// The number of its last failure, if it has not answered since.
    failed: Option<u64>,
}

impl Slots {
    /// Creates slots without endpoints. The first choice begins at the place `seed` in the list, counted around.
    pub(crate) fn new(slots: usize, seed: u64) -> Self {
        Self {
            slots: vec![Slot::default(); slots],
            endpoints: Vec::new(),
            left_out: 0,
            failures: 0,
            place: seed,
            random: SplitMix64(seed),
        }
    }

    /// Whether there are endpoints.
    pub(crate) fn is_known(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// Replaces the set of endpoints. Returns the slots to replace, in ascending order: their clients are to be drained,
    /// and [`endpoint_for`](Self::endpoint_for) says where the next ones connect to. A slot that has not been asked for
    /// its endpoint since it was returned is not returned again.
    ///
    /// An empty set changes nothing. Of a set with more than [`MOST_ENDPOINTS`], those that are known stay, and of the
    /// others the first ones are taken.
    pub(crate) fn set(&mut self, endpoints: Vec<Address>) -> Vec<usize> {
        let endpoints = self.bounded(endpoints);
        if endpoints.is_empty() {
            return Vec::new();
        }
        if !self.endpoints.is_empty() {
            self.place = self.random.next();
        }
        let index: HashMap<_, _> =
            endpoints.iter().enumerate().map(|(index, address)| (address, index)).collect();
        let new_indices: Vec<_> = self.endpoints.iter().map(|old| index.get(&old.address).copied()).collect();
        let new = |address| Endpoint { address, slots: 0, failed: None };
        let mut endpoints: Vec<_> = endpoints.into_iter().map(new).collect();
        for (old, new) in self.endpoints.iter().zip(&new_indices) {
            if let Some(new) = *new {
                endpoints[new].slots = old.slots;
                endpoints[new].failed = old.failed;
            }
        }
        self.endpoints = endpoints;

        let mut to_replace = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if let Some(old) = slot.endpoint {
                slot.endpoint = new_indices[old];
                if slot.endpoint.is_none() {
                    slot.is_connected = false;
                    to_replace.push(number);
                }
            }
        }
        to_replace.extend(self.even_out());
        to_replace.sort_unstable();
        to_replace
    }

    /// Returns where a slot connects to now: its own endpoint, or if it has none, the least used one. `None` as long as no
    /// endpoints are known.
    ///
    /// # Panics
    ///
    /// As all methods, if there is no such slot.
    pub(crate) fn endpoint_for(&mut self, slot: usize) -> Option<Address> {
        self.slots[slot].is_connected = false;
        if self.slots[slot].endpoint.is_none() {
            let chosen = self.choose(|_| true, |endpoint| (endpoint.slots, endpoint.failed));
            self.assign(slot, chosen);
        }
        self.slots[slot].endpoint.map(|endpoint| self.endpoints[endpoint].address.clone())
    }

    /// Books that a slot has connected to its endpoint. No effect if that has been taken from it meanwhile.
    pub(crate) fn connected(&mut self, slot: usize) {
        if let Some(endpoint) = self.slots[slot].endpoint {
            self.slots[slot].is_connected = true;
            self.endpoints[endpoint].failed = None;
        }
    }

    /// Books that an attempt to connect to a slot's endpoint has failed. The slot moves on to an endpoint that has fewer
    /// slots, if there is one: to the least used, and of these to the one that has failed least recently. No effect if
    /// the endpoint has been taken from it meanwhile.
    pub(crate) fn failed(&mut self, slot: usize) {
        let Some(own) = self.slots[slot].endpoint else { return };
        self.slots[slot].is_connected = false;
        self.failures += 1;
        self.endpoints[own].failed = Some(self.failures);
        self.place = self.random.next();
        let slots = self.endpoints[own].slots;
        let next = self.choose(|other| other.slots < slots, |endpoint| (endpoint.slots, endpoint.failed));
        if next.is_some() {
            self.assign(slot, next);
        }
    }

    /// Books that a slot's connection has reached its maximum age: the slot gets a random one of the least used endpoints,
    /// its own included. So the slots of many processes spread over endpoints that were added, or have restarted.
    ///
    /// What has failed before is as good as the others, because nobody knows for how long it was down. So the new
    /// connection should be made before the old one is drained.
    ///
    /// No effect on a slot without an endpoint: [`endpoint_for`](Self::endpoint_for) chooses one for it, and does mind what
    /// has failed.
    pub(crate) fn aged(&mut self, slot: usize) {
        if self.slots[slot].endpoint.is_none() {
            return;
        }
        self.place = self.random.next();
        self.assign(slot, None);
        let chosen = self.choose(|_| true, |endpoint| endpoint.slots);
        self.assign(slot, chosen);
    }

    /// Returns each address once, and no more than there may be.
    fn bounded(&mut self, mut endpoints: Vec<Address>) -> Vec<Address> {
        let mut seen = HashSet::new();
        endpoints.retain(|address| seen.insert(address.clone()));
        let left_out = endpoints.len().saturating_sub(MOST_ENDPOINTS);
        if left_out > 0 {
            if left_out != self.left_out {
                tracing::warn!(used = MOST_ENDPOINTS, left_out, "there are too many endpoints");
            }
            let known: HashSet<_> = self.endpoints.iter().map(|endpoint| &endpoint.address).collect();
            endpoints.sort_by_key(|address| !known.contains(address)); // keeps the order otherwise
            endpoints.truncate(MOST_ENDPOINTS);
        }
        self.left_out = left_out;
        endpoints
    }

    /// Takes as many slots as necessary from endpoints that have more than their share, and returns them.
    fn even_out(&mut self) -> Vec<usize> {
        let (least, larger_shares) =
            (self.slots.len() / self.endpoints.len(), self.slots.len() % self.endpoints.len());
        let mut connected = vec![0_usize; self.endpoints.len()];
        let mut slots_of = vec![Vec::new(); self.endpoints.len()];
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(endpoint) = slot.endpoint {
                slots_of[endpoint].push(number);
                connected[endpoint] += usize::from(slot.is_connected);
            }
        }
        // Some may have one slot more than others: those that otherwise lose a slot, first those that lose a connection.
        let mut order: Vec<_> = (0..self.endpoints.len()).collect();
        order.rotate_left((self.place % self.endpoints.len() as u64) as usize);
        order.sort_by_key(|&endpoint| {
            Reverse([slots_of[endpoint].len(), connected[endpoint]].map(|count| count.min(least + 1)))
        });
        let mut taken = Vec::new();
        for (place, endpoint) in order.into_iter().enumerate() {
            let share = least + usize::from(place < larger_shares);
            let slots = &mut slots_of[endpoint];
            let over = slots.len().saturating_sub(share);
            slots.sort_by_key(|&slot| self.slots[slot].is_connected);
            taken.extend(slots.drain(..over));
        }
        for slot in &taken {
            self.assign(*slot, None);
        }
        taken
    }

    /// Returns the endpoint with the least key among some. The place decides between equal ones.
    fn choose<K: Ord>(
        &self,
        among: impl Fn(&Endpoint) -> bool,
        key: impl Fn(&Endpoint) -> K,
    ) -> Option<usize> {
        let (mut equal, mut least) = (Vec::new(), None);
        for (index, endpoint) in self.endpoints.iter().enumerate().filter(|(_, endpoint)| among(endpoint)) {
            let key = key(endpoint);
            if least.as_ref().is_none_or(|least| key < *least) {
                equal.clear();
                least = Some(key);
            } else if least.as_ref() != Some(&key) {
                continue;
            }
            equal.push(index);
        }
        let place = self.place.checked_rem(equal.len() as u64)?;
        equal.get(place as usize).copied()
    }

    fn assign(&mut self, slot: usize, endpoint: Option<usize>) {
        let slot = &mut self.slots[slot];
        if let Some(old) = slot.endpoint {
            self.endpoints[old].slots -= 1;
        }
        if let Some(new) = endpoint {
            self.endpoints[new].slots += 1;
        }
        *slot = Slot { endpoint, is_connected: false };
    }
}

/// Of a set. Far more than a group has slots, so that processes still choose among many.
pub(crate) const MOST_ENDPOINTS: usize = 4096;

#[cfg(test)]
mod tests;
