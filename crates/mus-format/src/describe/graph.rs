//! From the description of one type to the text of all that is inside it. What can't be told apart by its parts becomes
//! one thing first, so that the text depends on nothing else: not on how many Rust types there are for it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::TypeId;

use super::{Description, Part};

/// A type, and where those of its parts are.
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

/// All types that can be reached, the root first.
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

/// A number for each node, the same for those that have the same texts all the way down.
fn classes(nodes: &[Node]) -> Vec<usize> {
    // At first, nodes are told apart by their own texts; then, as long as that tells more of them apart, by the classes
    // of their parts.
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

/// A number for each key, and how many there are.
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
    /// The numbers of those classes that have a line of their own.
    numbers: BTreeMap<usize, usize>,
    /// Nodes whose lines are still to be written, in the order of their numbers.
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

    /// The number of a node, which gets a line.
    fn number(&mut self, node: usize) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(self.classes[node]).or_insert_with(|| {
            self.waiting.push_back(node);
            next
        })
    }

    /// Writes a node. `open` are the classes that are being written in this line.
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
