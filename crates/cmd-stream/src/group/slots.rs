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
//! - **A slot may try another endpoint beside its own**, which takes long, and moves there if that one answers first. It
//!   is one with fewer slots than its own, and which no other slot tries at the same time.
//! - **Processes choose differently.** Among endpoints that are equally good, a seed decides.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

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
    /// Where it has dialled last, also if that is not its endpoint any more.
    dialled: Option<Address>,
}

#[derive(Clone)]
struct Endpoint {
    address: Address,
    /// How many slots it has.
    slots: usize,
    /// How many slots try it that have another one.
    tries: usize,
    /// Its last failure, if it has not answered since.
    failed: Option<Failure>,
}

/// An attempt or a connection that has failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Failure {
    /// Among all of them.
    number: u64,
    at: Instant,
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
        let new = |address| Endpoint { address, slots: 0, tries: 0, failed: None };
        let mut endpoints: Vec<_> = endpoints.into_iter().map(new).collect();
        for (old, new) in self.endpoints.iter().zip(&new_indices) {
            if let Some(new) = *new {
                endpoints[new] = Endpoint { address: old.address.clone(), ..*old };
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
        let endpoint = self.next_index(slot)?;
        if self.slots[slot].endpoint.is_none() {
            self.assign(slot, Some(endpoint));
        }
        let address = self.endpoints[endpoint].address.clone();
        let slot = &mut self.slots[slot];
        slot.is_connected = false;
        slot.dialled = Some(address.clone());
        Some(address)
    }

    /// Returns what [`endpoint_for`](Self::endpoint_for) would, and changes nothing.
    pub(crate) fn next_of(&self, slot: usize) -> Option<&Address> {
        self.next_index(slot).map(|endpoint| &self.endpoints[endpoint].address)
    }

    /// Returns where a slot has dialled last, or where it will if it has not yet.
    pub(crate) fn address_of(&self, slot: usize) -> Option<&Address> {
        self.slots[slot].dialled.as_ref().or_else(|| self.next_of(slot))
    }

    fn next_index(&self, slot: usize) -> Option<usize> {
        let choose = || self.choose(|_| true, |endpoint| (endpoint.slots, endpoint.tries, endpoint.failed));
        self.slots[slot].endpoint.or_else(choose)
    }

    /// Returns another endpoint that a slot may try beside its own: the least used of those that are as `may` says. It must
    /// be [let go](Self::let_go) afterwards.
    pub(crate) fn hold(&mut self, slot: usize, may: impl Fn(&Address) -> bool) -> Option<Address> {
        let slots = self.endpoints[self.slots[slot].endpoint?].slots;
        let is_free = |other: &Endpoint| other.slots < slots && other.tries == 0 && may(&other.address);
        let held = self.choose(is_free, |endpoint| (endpoint.slots, endpoint.failed))?;
        self.endpoints[held].tries += 1;
        Some(self.endpoints[held].address.clone())
    }

    /// A slot tries an endpoint no more. No effect if it is gone.
    pub(crate) fn let_go(&mut self, address: &Address) {
        if let Some(endpoint) = self.endpoints.iter_mut().find(|endpoint| endpoint.address == *address) {
            endpoint.tries = endpoint.tries.saturating_sub(1); // it may have been gone meanwhile
        }
    }

    /// Gives a slot the endpoint that it has tried. Returns false if that is gone, or if the spread would not be even.
    pub(crate) fn move_to(&mut self, slot: usize, address: &Address) -> bool {
        let Some(new) = self.endpoints.iter().position(|endpoint| endpoint.address == *address) else {
            return false;
        };
        let own = self.slots[slot].endpoint;
        let most = match own {
            Some(own) => self.endpoints[own].slots,
            None => self.endpoints.iter().map(|endpoint| endpoint.slots).min().unwrap_or_default() + 1,
        };
        let may = own == Some(new) || self.endpoints[new].slots < most;
        if may {
            self.assign(slot, Some(new));
            self.slots[slot].dialled = Some(address.clone());
        }
        may
    }

    /// Books that a slot has connected to an endpoint. No effect if that has been taken from it meanwhile.
    pub(crate) fn connected(&mut self, slot: usize, address: &Address) {
        if let Some(endpoint) = self.slots[slot].endpoint
            && self.endpoints[endpoint].address == *address
        {
            self.slots[slot].is_connected = true;
            self.endpoints[endpoint].failed = None;
        }
    }

    /// Books that an attempt of a slot to connect to an endpoint, or its connection, has failed. If it is its own, the slot
    /// moves on to one that has fewer slots, if there is one: to the least used, and of these to the one that has failed
    /// least recently.
    pub(crate) fn failed(&mut self, slot: usize, address: &Address, now: Instant) {
        let failed = self.endpoints.iter().position(|endpoint| endpoint.address == *address);
        let Some(failed) = failed else { return };
        self.failures += 1;
        self.endpoints[failed].failed = Some(Failure { number: self.failures, at: now });
        if self.slots[slot].endpoint != Some(failed) {
            return;
        }
        self.slots[slot].is_connected = false;
        self.place = self.random.next();
        let slots = self.endpoints[failed].slots;
        let next = self.choose(
            |other| other.slots < slots,
            |endpoint| (endpoint.slots, endpoint.tries, endpoint.failed),
        );
        if next.is_some() {
            self.assign(slot, next);
        }
    }

    /// Books that a slot's connection has reached its maximum age: the slot gets a random one of the least used endpoints,
    /// its own included. So the slots of many processes spread over endpoints that were added, or have restarted.
    ///
    /// What has failed [lately](LATELY) is avoided. What has failed before that is as good as the others, because nobody
    /// knows for how long it was down.
    ///
    /// No effect on a slot without an endpoint: [`endpoint_for`](Self::endpoint_for) chooses one for it, and minds all
    /// that has failed.
    pub(crate) fn aged(&mut self, slot: usize, now: Instant) {
        if self.slots[slot].endpoint.is_none() {
            return;
        }
        self.place = self.random.next();
        self.assign(slot, None);
        let failed_lately = |endpoint: &Endpoint| {
            endpoint.failed.is_some_and(|failure| now.saturating_duration_since(failure.at) < LATELY)
        };
        let chosen = self.choose(|_| true, |endpoint| (endpoint.slots, failed_lately(endpoint)));
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
        (slot.endpoint, slot.is_connected) = (endpoint, false);
    }
}

/// Of a set. Far more than a group has slots, so that processes still choose among many.
pub(crate) const MOST_ENDPOINTS: usize = 4096;

/// How long an endpoint that has failed is avoided when a connection is replaced for its age.
const LATELY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
