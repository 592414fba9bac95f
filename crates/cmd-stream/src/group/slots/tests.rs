//! What a group can rely on: by examples, over many processes, and after any sequence of events.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use tokio::time::Instant;

use super::{LATELY, MOST_ENDPOINTS, Slots};
use crate::transport::Address;

const NONE: [usize; 0] = [];

fn set(names: &[&str]) -> Vec<Address> {
    names.iter().map(|name| Address::from(*name)).collect()
}

fn letter(number: usize) -> Address {
    Address::from(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"][number])
}

/// Asks all slots, and returns their endpoints as text: `"a b a"`.
fn dial(slots: &mut Slots) -> String {
    let all = (0..slots.slots.len())
        .map(|slot| slots.endpoint_for(slot).map_or_else(|| "-".into(), |address| address.to_string()));
    all.collect::<Vec<_>>().join(" ")
}

fn dialled(count: usize, names: &[&str]) -> Slots {
    let mut slots = Slots::new(count, 0);
    assert_eq!(slots.set(set(names)), NONE, "nothing is connected yet");
    dial(&mut slots);
    slots
}

/// Where a slot has dialled last, it has connected.
fn connects(slots: &mut Slots, slot: usize) {
    if let Some(at) = slots.slots[slot].dialled.clone() {
        slots.connected(slot, &at);
    }
}

fn fails(slots: &mut Slots, slot: usize) {
    if let Some(at) = slots.slots[slot].dialled.clone() {
        slots.failed(slot, &at, Instant::now());
    }
}

fn connect_all(slots: &mut Slots) {
    (0..slots.slots.len()).for_each(|slot| connects(slots, slot));
}

#[test]
fn slots_spread_evenly_from_the_place_of_the_seed() {
    let mut slots = Slots::new(5, 1);
    assert_eq!(dial(&mut slots), "- - - - -", "no endpoints are known yet");
    let _ = slots.set(set(&["a", "b", "c"]));
    assert_eq!(dial(&mut slots), "b c a b c");
    assert_eq!(dial(&mut slots), "b c a b c", "they stay");
    let mut slots = Slots::new(2, 0);
    let _ = slots.set(set(&["a", "a", "b", "a", "c"]));
    assert_eq!(dial(&mut slots), "a b");
}

#[test]
fn only_the_slots_of_an_endpoint_that_is_gone_are_replaced() {
    let mut slots = dialled(6, &["a", "b", "c"]);
    assert_eq!(slots.set(set(&["c", "b"])), [0, 3]);
    assert_eq!(slots.set(set(&["b", "c"])), NONE, "they were returned already");
    let text = dial(&mut slots);
    assert!(["b b c c b c", "c b c b b c"].contains(&text.as_str()), "{text}");
    assert_eq!(slots.set(set(&["b", "c"])), NONE);
}

#[test]
fn an_added_endpoint_gets_its_share_and_not_more() {
    let mut slots = dialled(6, &["a", "b"]);
    assert_eq!(slots.set(set(&["a", "b", "c"])).len(), 2, "one of each");
    assert_eq!(dial(&mut slots).matches('c').count(), 2);

    let mut slots = dialled(2, &["a", "b"]);
    assert_eq!(slots.set(set(&["a", "b", "c", "d"])), NONE, "it is even already");
}

#[test]
fn slots_that_are_not_connected_are_moved_first() {
    for down in 0..4 {
        let mut slots = dialled(4, &["a", "b"]);
        connect_all(&mut slots);
        fails(&mut slots, down);
        assert_eq!(slots.set(set(&["a", "b", "c"])), [down]);
    }
    let mut slots = dialled(4, &["a", "b"]);
    connect_all(&mut slots);
    slots.endpoint_for(3); // it has lost its connection
    assert_eq!(slots.set(set(&["a", "b", "c"])), [3]);
}

#[test]
fn an_empty_set_keeps_the_last_one() {
    let mut slots = dialled(2, &["a", "b"]);
    assert_eq!(slots.set(Vec::new()), NONE);
    assert_eq!(dial(&mut slots), "a b");
}

#[test]
fn one_slot_fails_over_to_the_endpoints_in_turn() {
    let mut slots = dialled(1, &["a", "b", "c"]);
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(dial(&mut slots));
        fails(&mut slots, 0);
    }
    assert_eq!(seen[..3].iter().collect::<HashSet<_>>().len(), 3, "{seen:?}");
    assert_eq!(seen[..6], seen[3..], "the one that failed least recently comes next");
}

#[test]
fn an_endpoint_that_has_answered_since_it_failed_is_as_good_as_new() {
    let mut slots = dialled(1, &["a", "b"]);
    fails(&mut slots, 0);
    assert_eq!(dial(&mut slots), "b");
    fails(&mut slots, 0);
    assert_eq!(dial(&mut slots), "a");
    connects(&mut slots, 0);
    assert_eq!(dial(&mut slots), "a", "after a loss it first tries the same one again");
    let uses = fleet(3, |slots| {
        let _ = slots.set(set(&["a", "b"]));
        let text = dial(slots);
        let shared = text.split(' ').next().expect("of the slots 0 and 2");
        fails(slots, 2);
        assert_eq!(dial(slots).matches(shared).count(), 1, "the other one has two now");
        connects(slots, 0);
        let _ = slots.set(set(&[shared, "c"]));
    });
    assert_uses(&uses, &[("a", 2250), ("b", 2250), ("c", 4500)]);
}

#[test]
fn a_new_set_does_not_forget_what_has_failed() {
    let uses = fleet(1, |slots| {
        let _ = slots.set(set(&["a", "b"]));
        let failed = dial(slots);
        fails(slots, 0);
        let _ = slots.set(set(&[&failed, "c"]));
    });
    assert_uses(&uses, &[("c", 3000)]);
}

#[test]
fn four_slots_on_two_endpoints_do_not_pile_up_on_the_living_one() {
    let mut slots = dialled(4, &["a", "b"]);
    for _ in 0..9 {
        fails(&mut slots, 0);
        fails(&mut slots, 2);
        assert_eq!(dial(&mut slots), "a b a b");
    }
}

#[test]
fn the_living_endpoint_gets_the_odd_slot() {
    let mut slots = dialled(3, &["a", "b"]);
    assert_eq!(dial(&mut slots), "a b a");
    fails(&mut slots, 0);
    connects(&mut slots, 1);
    for _ in 0..9 {
        assert_eq!(dial(&mut slots), "b b a");
        fails(&mut slots, 2);
    }
}

#[test]
fn news_of_an_endpoint_that_was_taken_away_is_ignored() {
    let mut slots = dialled(1, &["a", "b"]);
    assert_eq!(slots.set(set(&["b", "c"])), [0]);
    connects(&mut slots, 0);
    fails(&mut slots, 0);
    assert_eq!(slots.set(set(&["b", "c"])), NONE);
    assert!(slots.endpoints.iter().all(|endpoint| endpoint.slots == 0 && endpoint.failed.is_none()));
}

#[test]
fn at_most_4096_endpoints_are_used_and_known_ones_stay() {
    let many =
        |from: usize, to: usize| (from..to).map(|n| Address::from(("a", n as u16))).collect::<Vec<_>>();
    let mut slots = Slots::new(2, 0);
    let _ = slots.set(many(0, MOST_ENDPOINTS));
    assert_eq!((slots.endpoints.len(), slots.left_out), (4096, 0));
    dial(&mut slots);
    // One more, and the one that is used is the last.
    let more = [many(5000, 5001), many(1, MOST_ENDPOINTS), many(0, 1)].concat();
    assert_eq!(slots.set(more), NONE);
    assert_eq!((slots.endpoints.len(), slots.left_out), (4096, 1));
    assert_eq!(dial(&mut slots), "a:0 a:1");
    // What was left out gets in when there is room.
    assert_eq!(slots.set([many(5000, 5001), many(1, MOST_ENDPOINTS)].concat()), [0]);
    assert_eq!((slots.endpoints.len(), slots.left_out), (4096, 0));
}

/// How many of 3,000 processes use each endpoint.
fn fleet(count: usize, run: impl Fn(&mut Slots)) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for seed in 0..3000 {
        let mut slots = Slots::new(count, seed);
        run(&mut slots);
        for name in dial(&mut slots).split(' ') {
            *uses.entry(name.to_owned()).or_default() += 1;
        }
    }
    uses
}

/// Each within 15 % of what is expected, more than four standard deviations.
fn assert_uses(uses: &BTreeMap<String, usize>, expected: &[(&str, usize)]) {
    assert_eq!(uses.len(), expected.len(), "{uses:?}");
    for (name, expected) in expected {
        let used = uses[*name];
        assert!(used.abs_diff(*expected) * 100 <= expected * 15, "{name}: {used} of {expected}; {uses:?}");
    }
}

#[test]
fn processes_with_one_slot_begin_with_different_endpoints() {
    let uses = fleet(1, |slots| drop(slots.set(set(&["a", "b", "c"]))));
    assert_uses(&uses, &[("a", 1000), ("b", 1000), ("c", 1000)]);
}

#[test]
fn processes_whose_endpoint_failed_go_to_different_ones() {
    let uses = fleet(1, |slots| {
        let _ = slots.set(set(&["a", "b", "c"]));
        if dial(slots) == "a" {
            fails(slots, 0);
        }
    });
    assert_uses(&uses, &[("b", 1500), ("c", 1500)]);
}

#[test]
fn processes_try_many_endpoints_in_different_orders() {
    let mut orders: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..2400 {
        let mut slots = Slots::new(1, seed);
        let _ = slots.set(set(&["a", "b", "c", "d"]));
        let mut order = String::new();
        for _ in 0..4 {
            order += &dial(&mut slots);
            fails(&mut slots, 0);
        }
        *orders.entry(order).or_default() += 1;
    }
    // Each expects 100: the standard deviation is 10.
    assert_eq!(orders.len(), 24, "{orders:?}");
    assert!(orders.values().all(|count| (50..150).contains(count)), "{orders:?}");
}

#[test]
fn processes_whose_endpoint_is_gone_go_to_different_ones() {
    for new in [["a", "b", "d"], ["d", "a", "b"]] {
        let uses = fleet(1, |slots| {
            let _ = slots.set(set(&["a", "b", "c"]));
            dial(slots);
            let _ = slots.set(set(&new));
        });
        assert_uses(&uses, &[("a", 1333), ("b", 1333), ("d", 333)]);
    }
}

#[test]
fn processes_take_slots_from_different_endpoints_for_an_added_one() {
    let uses = fleet(4, |slots| {
        let _ = slots.set(set(&["a", "b"]));
        dial(slots);
        let _ = slots.set(set(&["a", "b", "c"]));
    });
    // Two of three endpoints could keep one slot more, but the added one has none yet.
    assert_uses(&uses, &[("a", 4500), ("b", 4500), ("c", 3000)]);
}

#[test]
fn connections_of_age_spread_a_fleet_over_added_and_restarted_endpoints() {
    let uses = fleet(1, |slots| {
        let _ = slots.set(set(&["a", "b"]));
        dial(slots);
        fails(slots, 0); // the one was restarted, then the other
        connects(slots, 0);
        let _ = slots.set(set(&["a", "b", "c"]));
        slots.aged(0, Instant::now() + LATELY);
    });
    assert_uses(&uses, &[("a", 1000), ("b", 1000), ("c", 1000)]);
}

#[test]
fn connections_of_age_do_not_go_to_what_has_failed_lately() {
    let uses = fleet(1, |slots| {
        let _ = slots.set(set(&["a", "b", "c"]));
        let down = dial(slots);
        fails(slots, 0);
        let up = dial(slots);
        connects(slots, 0);
        slots.aged(0, Instant::now());
        let at = dial(slots);
        assert_ne!(at, down);
        let _ = slots.set(set(&[if at == up { "stays" } else { "moves" }]));
    });
    assert_uses(&uses, &[("stays", 1500), ("moves", 1500)]);
    // If all have, one of them.
    let mut slots = dialled(1, &["a", "b"]);
    for _ in 0..2 {
        fails(&mut slots, 0);
        dial(&mut slots);
    }
    slots.aged(0, Instant::now());
    assert!(["a", "b"].contains(&dial(&mut slots).as_str()));
}

#[test]
fn what_a_slot_connects_to_next_can_be_known_before() {
    for seed in 0..100 {
        let mut slots = Slots::new(2, seed);
        assert_eq!(slots.next_of(0), None);
        let _ = slots.set(set(&["a", "b", "c"]));
        for slot in [1, 0, 0] {
            let next = slots.next_of(slot).cloned();
            assert_eq!((slots.next_of(slot).cloned(), slots.endpoint_for(slot)), (next.clone(), next));
            fails(&mut slots, slot);
        }
    }
}

#[test]
fn a_slot_tries_an_endpoint_beside_its_own_and_moves_there() {
    let mut slots = dialled(2, &["a", "b", "c", "d"]);
    let any = |_: &Address| true;
    let first = slots.hold(0, any).expect("c and d are free");
    let second = slots.hold(0, any).expect("one is free");
    assert_eq!(
        set(&["c", "d"]).into_iter().collect::<HashSet<_>>(),
        HashSet::from([first.clone(), second.clone()])
    );
    assert_eq!((slots.hold(0, any), slots.hold(1, any)), (None, None), "they are tried already");
    slots.let_go(&first);
    assert_eq!(slots.hold(1, |at| *at != first), None);
    assert_eq!(slots.hold(1, any), Some(first.clone()));
    assert!(slots.move_to(0, &second));
    slots.let_go(&second);
    assert_eq!(slots.set(set(&["a", "b"])), [0]);
    assert!(!slots.move_to(1, &first), "it is gone");
    slots.let_go(&first);
    // What is in use is no better.
    let mut slots = dialled(2, &["a", "b"]);
    assert_eq!(slots.hold(0, any), None);
}

/// It was free when it was tried.
#[test]
fn a_slot_does_not_move_to_an_endpoint_that_another_slot_has_taken() {
    let mut slots = dialled(2, &["a", "b", "c"]);
    let held = slots.hold(0, |_| true).expect("c is free");
    fails(&mut slots, 1);
    assert_eq!(slots.endpoint_for(1), Some(held.clone()));
    assert!(!slots.move_to(0, &held));
    slots.let_go(&held);
    assert!(slots.endpoints.iter().all(|endpoint| endpoint.tries == 0));
}

#[test]
fn a_slot_that_a_set_has_taken_does_not_go_to_what_has_failed_because_of_its_age() {
    let uses = fleet(1, |slots| {
        let _ = slots.set(set(&["a", "b"]));
        let failed = dial(slots);
        fails(slots, 0);
        connects(slots, 0);
        assert_eq!(slots.set(set(&[&failed, "c"])), [0]);
        slots.aged(0, Instant::now());
    });
    assert_uses(&uses, &[("c", 3000)]);
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<usize>),
    Ask(usize),
    Connected(usize),
    Failed(usize),
    Aged(usize),
    /// Tries another endpoint.
    Hold(usize),
    /// Moves there, if it may.
    Move,
}

fn steps() -> impl Strategy<Value = (usize, u64, Vec<Step>)> {
    (1_usize..12).prop_flat_map(|count| {
        let step = prop_oneof![
            prop::collection::vec(0_usize..6, 0..9).prop_map(Step::Set),
            (0..count).prop_map(Step::Ask),
            (0..count).prop_map(Step::Ask),
            (0..count).prop_map(Step::Connected),
            (0..count).prop_map(Step::Connected),
            (0..count).prop_map(Step::Failed),
            (0..count).prop_map(Step::Aged),
            (0..count).prop_map(Step::Hold),
            Just(Step::Move),
        ];
        (Just(count), any::<u64>(), prop::collection::vec(step, 1..40))
    })
}

/// The fewest slots that have to leave their endpoints so that the spread can become even, and the fewest connected
/// ones among as many. Tries all ways to give the larger shares.
fn fewest(count: usize, slots: &[(usize, usize)]) -> (usize, usize) {
    let (least, larger) = (count / slots.len(), count % slots.len());
    let ways = (0_u32..1 << slots.len()).filter(|way| way.count_ones() as usize == larger);
    let costs = ways.map(|way| {
        let over = slots.iter().enumerate().map(|(place, (all, connected))| {
            let share = least + (way >> place & 1) as usize;
            let over = all.saturating_sub(share);
            (over, over.saturating_sub(all - connected))
        });
        over.fold((0, 0), |sum, over| (sum.0 + over.0, sum.1 + over.1))
    });
    costs.min().expect("there is a way")
}

/// How many slots each endpoint of the set has, once each slot has been asked.
fn uses_once_all_have_asked(slots: &Slots, set: &[Address]) -> BTreeMap<String, usize> {
    let mut later = slots.clone();
    let mut uses: BTreeMap<_, usize> = set.iter().map(|at| (at.to_string(), 0)).collect();
    for slot in 0..later.slots.len() {
        let Some(at) = later.endpoint_for(slot) else { continue };
        *uses.get_mut(&at.to_string()).expect("it is in the set") += 1;
    }
    uses
}

proptest! {
    #[test]
    fn the_spread_is_even_and_few_are_moved_whatever_happens((count, seed, steps) in steps()) {
        let mut slots = Slots::new(count, seed);
        let mut current: Vec<Address> = Vec::new();
        // What a group would know: where each client is, if it is not drained, and whether it is connected.
        let mut clients: Vec<Option<(Address, bool)>> = vec![None; count];
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Set(numbers) => {
                    let new: Vec<_> = numbers.into_iter().map(letter).collect();
                    let to_replace = slots.set(new.clone());
                    if !new.is_empty() {
                        current = new;
                        current.sort_by_key(Address::to_string);
                        current.dedup();
                    }
                    let gone: Vec<_> = (0..count)
                        .filter(|slot| clients[*slot].as_ref().is_some_and(|(at, _)| !current.contains(at)))
                        .collect();
                    let staying: Vec<_> = current.iter().map(|endpoint| {
                        let here = clients.iter().flatten().filter(|(at, _)| at == endpoint);
                        (here.clone().count(), here.filter(|(_, connected)| *connected).count())
                    }).collect();
                    let moved: Vec<_> = to_replace.iter().copied().filter(|slot| !gone.contains(slot)).collect();
                    prop_assert!(to_replace.is_sorted_by(|a, b| a < b), "{to_replace:?}");
                    prop_assert!(gone.iter().all(|slot| to_replace.contains(slot)), "{gone:?} {to_replace:?}");
                    if !current.is_empty() {
                        let connected = moved.iter().filter(|slot| clients[**slot].as_ref().is_some_and(|at| at.1));
                        prop_assert_eq!((moved.len(), connected.count()), fewest(count, &staying));
                    }
                    for slot in to_replace {
                        prop_assert!(clients[slot].take().is_some(), "{} was not in use", slot);
                    }
                    let mut again = current.clone();
                    again.reverse();
                    prop_assert_eq!(slots.set(again), NONE);
                }
                Step::Ask(slot) => {
                    let at = slots.endpoint_for(slot);
                    if let Some((before, _)) = &clients[slot] {
                        prop_assert_eq!(at.as_ref(), Some(before));
                    }
                    clients[slot] = at.map(|at| (at, false));
                }
                Step::Connected(slot) => {
                    connects(&mut slots, slot);
                    if let Some((_, connected)) = &mut clients[slot] {
                        *connected = true;
                    }
                }
                Step::Failed(slot) => {
                    fails(&mut slots, slot);
                    if clients[slot].is_some() {
                        clients[slot] = slots.endpoint_for(slot).map(|at| (at, false));
                    }
                }
                Step::Aged(slot) => {
                    slots.aged(slot, Instant::now());
                    clients[slot] = slots.endpoint_for(slot).map(|at| (at, false));
                }
                Step::Hold(slot) => held.extend(slots.hold(slot, |_| true).map(|at| (slot, at))),
                Step::Move => if let Some((slot, at)) = held.pop() {
                    if slots.move_to(slot, &at) {
                        clients[slot] = Some((at.clone(), false));
                    }
                    slots.let_go(&at);
                }
            }
            let uses = uses_once_all_have_asked(&slots, &current);
            if let (Some(least), Some(most)) = (uses.values().min(), uses.values().max()) {
                prop_assert_eq!(uses.values().sum::<usize>(), count);
                prop_assert!(most - least <= 1, "{uses:?}");
            }
        }
    }

    /// As many slots are connected as an even spread allows, soon and for good.
    #[test]
    fn slots_find_the_endpoints_that_are_up(
        count in 1_usize..12,
        up in prop::collection::vec(any::<bool>(), 1..10),
        seed: u64,
    ) {
        let mut slots = Slots::new(count, seed);
        let _ = slots.set((0..up.len()).map(letter).collect());
        let alive = up.iter().filter(|up| **up).count();
        let (least, larger) = (count / up.len(), count % up.len());
        let most = alive * least + larger.min(alive);
        let is_up = |at: Option<Address>| (0..up.len()).any(|n| up[n] && at == Some(letter(n)));
        for round in 0..30 {
            let mut connected = 0;
            for slot in 0..count {
                if is_up(slots.endpoint_for(slot)) {
                    connects(&mut slots, slot);
                    connected += 1;
                } else {
                    fails(&mut slots, slot);
                }
            }
            prop_assert!(round < up.len() || connected == most, "round {round}: {connected} of {most}");
        }
    }
}
