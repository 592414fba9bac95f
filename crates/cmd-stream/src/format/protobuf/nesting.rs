//! Whether an encoded message may be nested deeper than a limit. Knows nothing of its type: any field with a length may be a
//! message. So the answer *no* is certain, and the answer *yes* is not.

/// Returns whether there may be more than `levels` of messages below this one.
///
/// It looks at each byte at most once, and steps over what is too short to matter.
#[inline]
pub(super) fn may_exceed(body: &[u8], levels: usize) -> bool {
    // A message inside another one takes at least two bytes of it: a key and a length.
    body.len() > 2 * levels && look(body, levels)
}

/// Bytes that are no message have no messages in them. What was found before that became clear may still count.
fn look(mut body: &[u8], levels: usize) -> bool {
    let mut groups = 0;
    while let Some(key) = varint(&mut body) {
        let passed = match key & 7 {
            0 => varint(&mut body).is_some(),
            1 => pass(&mut body, 8).is_some(),
            2 => match varint(&mut body).and_then(|length| pass(&mut body, length)) {
                Some(_) if levels == groups => return true,
                Some(inner) if may_exceed(inner, levels - groups - 1) => return true,
                found => found.is_some(),
            },
            3 if levels == groups => return true,
            3 => {
                groups += 1;
                true
            }
            4 if groups > 0 => {
                groups -= 1;
                true
            }
            5 => pass(&mut body, 4).is_some(),
            _ => false,
        };
        if !passed {
            break;
        }
    }
    false
}

#[inline]
fn varint(body: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = body.split_first()?;
        *body = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[inline]
fn pass<'a>(body: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (passed, rest) = body.split_at_checked(usize::try_from(count).ok()?)?;
    *body = rest;
    Some(passed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Node {
        #[prost(message, repeated, tag = "1")]
        nodes: Vec<Self>,
        #[prost(btree_map = "string, message", tag = "2")]
        named: std::collections::BTreeMap<String, Self>,
        #[prost(string, tag = "3")]
        text: String,
        #[prost(bytes = "vec", tag = "4")]
        bytes: Vec<u8>,
        #[prost(double, repeated, tag = "5")]
        numbers: Vec<f64>,
        #[prost(group, optional, boxed, tag = "6")]
        group: Option<Box<Self>>,
        #[prost(fixed32, tag = "7")]
        fixed: u32,
        #[prost(int64, tag = "4000")]
        number: i64,
    }

    impl Node {
        /// How many levels there are below it.
        fn depth(&self) -> usize {
            let nodes = self.nodes.iter().map(|node| 1 + node.depth());
            let named = self.named.values().map(|node| 2 + node.depth());
            let group = self.group.iter().map(|node| 1 + node.depth());
            nodes.chain(named).chain(group).max().unwrap_or(0)
        }
    }

    fn node() -> impl Strategy<Value = Node> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..40);
        let numbers = proptest::collection::vec(any::<f64>(), 0..4);
        let leaf = (".{0,20}", bytes, numbers, any::<u32>(), any::<i64>());
        let leaf = leaf.prop_map(|(text, bytes, numbers, fixed, number)| Node {
            text,
            bytes,
            numbers,
            fixed,
            number,
            ..Node::default()
        });
        leaf.prop_recursive(12, 40, 3, |inner| {
            (inner.clone(), proptest::collection::vec(inner.clone(), 0..3), proptest::option::of(inner), 0..3)
                .prop_map(|(mut outer, nodes, other, place)| {
                    match (place, other) {
                        (0, Some(other)) => outer.group = Some(Box::new(other)),
                        (1, Some(other)) => drop(outer.named.insert("key".into(), other)),
                        _ => {}
                    }
                    Node { nodes, ..outer }
                })
        })
    }

    proptest! {
        #[test]
        fn a_message_that_is_too_deep_is_never_missed(node in node()) {
            let (body, depth) = (node.encode_to_vec(), node.depth());
            for levels in 0..depth {
                prop_assert!(may_exceed(&body, levels), "{levels} of {depth}");
            }
        }

        #[test]
        fn any_bytes_are_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..1000), levels in 0..100_usize) {
            let _ = may_exceed(&bytes, levels);
        }
    }

    #[test]
    fn what_has_no_messages_in_it_is_not_read_again() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
        let node = Node { text, numbers: vec![0.5; 1000], bytes: vec![0xff; 1000], ..Node::default() };
        let lines = Node { nodes: vec![node; 10], ..Node::default() };
        assert!(!may_exceed(&lines.encode_to_vec(), 100));
    }
}
