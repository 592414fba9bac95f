//! A ServerInfo that tells versions of a service apart: the name of its Protocol, and a fingerprint of all that both ends
//! must agree on.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::kind::Kind;
use super::{CommandOf, Entry, Protocol, ReplyOf};
use crate::format::{Describe, Format};
use crate::proto::handshake::ServerInfo;

/// A Protocol all of whose types the Format `F` can describe; implemented by [`protocol!`](crate::protocol!). It is what
/// [`ServerInfo::of`] asks for.
pub trait DescribedBy<F: Format>: Protocol {
    /// Appends what each Command is in the Format, in the order of [`Protocol::COMMANDS`], and then each Reply.
    fn describe(out: &mut Vec<String>);
}

impl ServerInfo {
    /// The ServerInfo of this version of a service: `Calculator/mus/8f3c2a91d04e77b5`. It is the name of the Protocol, the
    /// name of the Format, and a fingerprint.
    ///
    /// The fingerprint covers the tags and the names of all Commands and Replies as their entries say them, what each Command is answered with, and
    /// which Reply is the failure. In MUS,
    /// which has nothing but values on the wire, it covers their fields, too: names, order, types and encodings. In JSON
    /// and Protobuf it does not, as these tell fields apart themselves. It does not depend on the order in which the
    /// Protocol lists its types. It is the same on every platform and in every build.
    ///
    /// A server that greets with it is understood only by clients of the same version:
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
    /// It is computed when it is first asked for.
    pub fn of<P: DescribedBy<F>, F: Format>() -> Self {
        static KNOWN: Mutex<BTreeMap<TypeId, ServerInfo>> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let id = TypeId::of::<(P, F)>();
        if let Some(info) = known().get(&id) {
            return info.clone();
        }
        // Without the lock: a description may be the user's code.
        let info = Self::compute::<P, F>();
        known().insert(id, info.clone());
        info
    }

    fn compute<P: DescribedBy<F>, F: Format>() -> Self {
        let hash = fnv1a(canonical::<P, F>().as_bytes());
        // A character has at most four bytes, so this is always within the limit.
        let info = format!("{:.180}/{:.40}/{hash:016x}", P::NAME, F::NAME);
        const { assert!((180 + 40) * 4 + 18 <= Self::MAX_LEN) }
        Self::new(info).expect("the text is neither empty nor too long")
    }
}

/// What both ends must agree on of one Command: what it is answered with, and what the Format says of it.
#[doc(hidden)]
pub fn describe_command<P: Protocol, F: Describe<C>, C: CommandOf<P>>() -> String {
    let mut replies = C::Reply::TAGS.to_vec();
    replies.sort_unstable();
    let way = if C::Kind::ONE_WAY { "one-way" } else { "answered" };
    format!("{way} {replies:?} {}", F::describe())
}

/// All that the fingerprint covers, as text.
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

/// FNV-1a with 64 bits, by Fowler, Noll and Vo (RFC 9923). It guards against mistakes, not against attackers: a peer can
/// greet with whatever it likes.
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
        // Test vectors of RFC 9923 for the 64-bit FNV-1a.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
