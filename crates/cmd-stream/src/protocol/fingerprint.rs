//! A ServerInfo that tells versions of a service apart: the name of its Protocol, and a fingerprint of everything that
//! both ends must agree on.
//!
//! The fingerprint is computed from a canonical text. Entries are sorted by tag before they are hashed, because the
//! order of declaration is not on the wire: two versions that differ only in that understand each other.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::kind::Kind;
use super::{CommandOf, Entry, Protocol, ReplyOf};
use crate::format::{Describe, Format};
use crate::proto::handshake::ServerInfo;

/// A Protocol whose types the Format `F` can describe, as [`ServerInfo::of`] requires. Implemented by
/// [`protocol!`](crate::protocol!).
pub trait DescribedBy<F: Format>: Protocol {
    /// Appends the Format's description of each Command, in the order of [`Protocol::COMMANDS`], and then of each
    /// Reply.
    fn describe(out: &mut Vec<String>);
}

impl ServerInfo {
    /// Returns the ServerInfo of this version of a service, such as `Calculator/mus/8f3c2a91d04e77b5`: the name of the
    /// Protocol, the name of the Format, and a fingerprint.
    ///
    /// The fingerprint covers the tags and names of all Commands and Replies in the Protocol, the Replies of each
    /// Command, and which Reply is the failure. In MUS, which has only values on the wire, it also covers their fields:
    /// names, order, types and encodings. In JSON and Protobuf it does not, because these tell fields apart themselves.
    /// It does not depend on the order in which the Protocol lists its types. It is the same on every platform and in
    /// every build.
    ///
    /// If a server greets with it, only clients of the same version can connect:
    ///
    /// ```
    /// # use cmd_stream::{Json, ServerInfo, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Add { a: i64, b: i64 }
    /// #[derive(Serialize, Deserialize)]
    /// struct Sum(i64);
    ///
    /// protocol! {
    ///     struct Calculator {
    ///         commands { 0 => Add -> Sum }
    ///         replies { 0 => Sum }
    ///         failure close_connection
    ///     }
    /// }
    ///
    /// let info = ServerInfo::of::<Calculator, Json>();
    /// assert!(info.to_string().starts_with("\"Calculator/json/"));
    /// ```
    ///
    /// It is computed on the first call and then cached.
    pub fn of<P: DescribedBy<F>, F: Format>() -> Self {
        static KNOWN: Mutex<BTreeMap<TypeId, ServerInfo>> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let id = TypeId::of::<(P, F)>();
        if let Some(info) = known().get(&id) {
            return info.clone();
        }
        // Computed without the lock: a description may run the user's code, which may call this function again. Two
        // threads that both compute it get the same result.
        let info = Self::compute::<P, F>();
        known().insert(id, info.clone());
        info
    }

    fn compute<P: DescribedBy<F>, F: Format>() -> Self {
        let hash = fnv1a(canonical::<P, F>().as_bytes());
        // A character has at most four bytes, so the cut names always fit the limit.
        let info = format!("{:.180}/{:.40}/{hash:016x}", P::NAME, F::NAME);
        const { assert!((180 + 40) * 4 + 18 <= Self::MAX_LEN) }
        Self::new(info).expect("the text is neither empty nor too long")
    }
}

/// Describes what both ends must agree on about one Command: its Replies, and the Format's description. The tags are
/// sorted, because the order of an enum's variants is not on the wire.
#[doc(hidden)]
pub fn describe_command<P: Protocol, F: Describe<C>, C: CommandOf<P>>() -> String {
    let mut replies = C::Reply::TAGS.to_vec();
    replies.sort_unstable();
    let way = if C::Kind::ONE_WAY { "one-way" } else { "answered" };
    format!("{way} {replies:?} {}", F::describe())
}

/// Returns everything that the fingerprint covers, as text.
fn canonical<P: DescribedBy<F>, F: Format>() -> String {
    let mut descriptions = Vec::new();
    P::describe(&mut descriptions);
    let (commands, replies) = descriptions.split_at(P::COMMANDS.len());
    let failure = P::REPLIES.iter().find(|reply| Some(reply.name) == P::FAILURE);
    let mut text = String::new();
    list(&mut text, "command", P::COMMANDS, commands);
    list(&mut text, "reply", P::REPLIES, replies);
    match failure {
        Some(failure) => writeln!(text, "failure {}", failure.tag),
        None => writeln!(text, "failure closes the connection"),
    }
    .expect("writing to a String cannot fail");
    text
}

fn list(text: &mut String, what: &str, entries: &[Entry], descriptions: &[String]) {
    let mut all: Vec<_> = entries.iter().zip(descriptions).collect();
    all.sort_by_key(|(entry, _)| entry.tag);
    for (Entry { tag, name }, description) in all {
        writeln!(text, "{what} {tag} {name} {description}").expect("writing to a String cannot fail");
    }
}

/// FNV-1a with 64 bits, by Fowler, Noll and Vo (RFC 9923). It guards against mistakes and not against attackers, who
/// can greet with any bytes. Written out here because its values must never change.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_is_that_of_its_specification() {
        // Test vectors of RFC 9923 for 64-bit FNV-1a.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
