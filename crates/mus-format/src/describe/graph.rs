//! Collects the descriptions of all types inside a type and writes them as one text. Types that their descriptions do
//! not tell apart are merged first, so that the text does not depend on how many Rust types there are for the same
//! bytes.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::TypeId;

use super::{Description, Part};

/// A type, and the indices of its parts' types.
struct Node {
    description: Description,
    parts: Vec<usize>,
}

pub(super) fn text(root: Part) -> String {
    let nodes = collect(root);
    let classes = classes(&nodes);
    let mut text =
        Text { nodes: &nodes, classes: &classes, numbers: BTreeMap::new(), waiting: VecDeque::new() };
    text.all()
}

/// Collects all types that can be reached, the root first.
fn collect(root: Part) -> Vec<Node> {
    let mut found = BTreeMap::<TypeId, usize>::new();
    let mut parts = Vec::from([root]);
    found.insert(root.id, 0);
    let mut nodes = Vec::new();
    while let Some(part) = parts.get(nodes.len()) {
        let description = (part.describe)();
        let mut places = Vec::new();
        for part in &description.parts {
            places.push(*found.entry(part.id).or_insert_with(|| {
                parts.push(*part);
                parts.len() - 1
            }));
        }
        nodes.push(Node { description, parts: places });
    }
    nodes
}

/// Numbers the nodes so that those with the same texts all the way down have the same number.
fn classes(nodes: &[Node]) -> Vec<usize> {
    // First, nodes are told apart by their own texts. Then the classes are refined by the classes of their parts, until
    // a round splits none. Types may contain themselves, so comparing them recursively would not end.
    let own = |node: &Node| (node.description.numbered, node.description.texts.clone());
    let (mut classes, mut count) = numbered(nodes.iter().map(own));
    loop {
        let refined = nodes.iter().zip(&classes).map(|(node, class)| {
            let parts: Vec<_> = node.parts.iter().map(|part| classes[*part]).collect();
            (*class, parts)
        });
        let (refined, refined_count) = numbered(refined);
        if refined_count == count {
            return classes;
        }
        (classes, count) = (refined, refined_count);
    }
}

/// Gives each distinct key a number. Returns the numbers, and how many there are.
fn numbered<K: Ord>(keys: impl Iterator<Item = K>) -> (Vec<usize>, usize) {
    let mut numbers = BTreeMap::new();
    let all = keys
        .map(|key| {
            let next = numbers.len();
            *numbers.entry(key).or_insert(next)
        })
        .collect();
    (all, numbers.len())
}

struct Text<'a> {
    nodes: &'a [Node],
    classes: &'a [usize],
    /// The line numbers of the classes that have a line of their own.
    numbers: BTreeMap<usize, usize>,
    /// Nodes whose lines are still to be written, in line order.
    waiting: VecDeque<usize>,
}

impl Text<'_> {
    fn all(&mut self) -> String {
        let mut text = String::new();
        let mut line = 0;
        self.number(0);
        while let Some(node) = self.waiting.pop_front() {
            if line > 0 {
                text.push('\n');
            }
            text.push_str(&format!("#{line} = "));
            self.write(node, &mut Vec::from([self.classes[node]]), &mut text);
            line += 1;
        }
        text
    }

    /// Returns the line number of a node, and queues its line on the first call.
    fn number(&mut self, node: usize) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(self.classes[node]).or_insert_with(|| {
            self.waiting.push_back(node);
            next
        })
    }

    /// Writes a node. `open` holds the classes that are being written in this line: one that contains itself gets a
    /// line of its own.
    fn write(&mut self, node: usize, open: &mut Vec<usize>, text: &mut String) {
        let nodes = self.nodes;
        let Node { description, parts } = &nodes[node];
        let (first, behind) =
            description.texts.split_first().expect("there is one more than there are parts");
        text.push_str(first);
        for (part, behind) in parts.iter().zip(behind) {
            let class = self.classes[*part];
            if nodes[*part].description.numbered || open.contains(&class) {
                text.push_str(&format!("#{}", self.number(*part)));
            } else {
                open.push(class);
                self.write(*part, open, text);
                open.pop();
            }
            text.push_str(behind);
        }
    }
}
