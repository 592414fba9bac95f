//! The attacks, as data: what each is, of which settings of the server, and what it may take from it at most.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::attacks::{bytes, clients, commands, connections, queues, replies};
use crate::bounds::{self, MIB};
use crate::scene::{Scene, Size};
use crate::setting::Format::{self, Json, Mus, Protobuf};
use crate::setting::Setting;

/// One attack.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// A line of what the attacker does.
    pub(crate) what: &'static str,
    pub(crate) format: Format,
    pub(crate) settings: fn(Size) -> Vec<Setting>,
    pub(crate) attack: Attack,
    pub(crate) bounds: fn(Size) -> Bounds,
}

pub(crate) type Attack = for<'a> fn(&'a Scene<'a>) -> Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// What an attack may take at most. The server must also be idle again within [`Bounds::recovery`], and serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Resident memory of the process over that when it is idle. In bytes.
    pub(crate) memory: u64,
    /// Of 100 calls of an honest client, 99 are answered within this time.
    pub(crate) p99: Duration,
    /// All of them are answered within this time.
    pub(crate) longest: Duration,
    /// How long after the attack the server may still have its connections, tasks, Commands and descriptors.
    pub(crate) recovery: Duration,
}

impl Bounds {
    const fn new(memory: u64) -> Self {
        Self {
            memory,
            p99: Duration::from_millis(20),
            longest: Duration::from_secs(1),
            recovery: Duration::from_secs(10),
        }
    }

    /// Beside so many connections that all have work for longer than their turn.
    const fn beside(self, connections: u64) -> Self {
        Self { p99: Duration::from_millis(20 + 2 * connections), ..self }
    }

    const fn recovery(self, seconds: u64) -> Self {
        Self { recovery: Duration::from_secs(seconds), ..self }
    }
}

macro_rules! scenarios {
    ($(
        $name:literal, $what:literal, $format:ident, $settings:expr, $attack:path, $bounds:expr;
    )+) => {
        &[$(Scenario {
            name: $name,
            what: $what,
            format: $format,
            settings: $settings,
            attack: |scene| Box::pin($attack(scene)),
            bounds: $bounds,
        }),+]
    };
}

fn defaults(_: Size) -> Vec<Setting> {
    Vec::new()
}

/// Every attack, in the order in which they run.
pub(crate) const ALL: &[Scenario] = scenarios! {
    "slowloris", "Commands that arrive byte by byte", Mus, bytes::slow_settings, bytes::slowloris,
        |size| Bounds::new(MIB + bytes::SLOW.of(size) * bounds::BEGUN);
    "half-frames", "Commands of 4 MiB without their last byte", Mus, defaults, bytes::half_frames,
        |size| Bounds::new(8 * MIB + bytes::HALVES.of(size) * bounds::half_frame(bounds::FRAME));
    "garbage", "bytes that are no Commands, on ever new connections", Mus, defaults, bytes::garbage,
        |_| Bounds::new(8 * MIB).recovery(40);
    "lengths-mus", "lengths of 2^62, and no bytes after them", Mus, defaults, bytes::lengths,
        |_| Bounds::new(8 * MIB);
    "lengths-json", "lengths of 2^62, and no bytes after them", Json, defaults, bytes::lengths,
        |_| Bounds::new(8 * MIB);
    "lengths-protobuf", "lengths of 2^62, and no bytes after them", Protobuf, defaults, bytes::lengths,
        |_| Bounds::new(8 * MIB);
    "counts-mus", "lists of 2^62 elements, of which 1,000 arrive", Mus, defaults, bytes::counts,
        |size| Bounds::new(MIB + bytes::COUNTS.of(size) * bounds::BEGUN);
    "seq-reuse", "Commands with the seq of one that runs", Mus, defaults, bytes::seq_reuse,
        |_| Bounds::new(8 * MIB);
    "nesting-mus", "a value inside of itself, a million times", Mus, defaults, bytes::nesting_mus,
        |_| Bounds::new(bounds::one_frame());
    "nesting-json", "a value inside of itself, 300,000 times", Json, defaults, bytes::nesting_json,
        |_| Bounds::new(bounds::one_frame());
    "nesting-protobuf", "a value inside of itself, 400,000 times", Protobuf, defaults, bytes::nesting_protobuf,
        |_| Bounds::new(bounds::one_frame());
    "unread-replies", "500 Replies of 1 MB, of which none is read", Mus, defaults, replies::large,
        |size| Bounds::new(bounds::unread(replies::CONNECTIONS.of(size)));
    "unread-small", "endless small Commands, whose Replies are not read", Mus, defaults, replies::small,
        |size| Bounds::new(bounds::unread(replies::CONNECTIONS.of(size))).beside(replies::CONNECTIONS.of(size));
    "unread-failures", "500 failures of 1 MB, of which none is read", Mus, defaults, replies::failures,
        |size| Bounds::new(bounds::unread(replies::CONNECTIONS.of(size)));
    "resets", "connects, and resets each connection", Mus, defaults, connections::resets,
        |_| Bounds::new(8 * MIB);
    "silent", "takes all places, and says nothing", Mus, connections::silent_settings, connections::silent,
        |size| Bounds::new(MIB + connections::PLACES.of(size) * bounds::SILENT);
    "leave-by-reset", "leaves by a reset while it is not read", Mus, connections::paused_settings,
        connections::leave_by_reset, |size| Bounds::new(MIB + connections::PAUSED.of(size) * bounds::PAUSED);
    "leave-by-fin", "leaves by a FIN while it is not read", Mus, connections::paused_settings,
        connections::leave_by_fin, |size| Bounds::new(MIB + connections::PAUSED.of(size) * bounds::PAUSED);
    "queue", "60,000 Commands that compute for 100 µs each", Mus, defaults, queues::long,
        |_| Bounds::new(bounds::queue(queues::COMMANDS));
    "pings", "two connections that send nothing but pings", Mus, defaults, queues::pings,
        |_| Bounds::new(8 * MIB);
    "hoard", "Commands whose values take 32 times their bytes", Protobuf, commands::hoard_settings, commands::hoard,
        |size| Bounds::new(bounds::hoard(commands::HOARDED.of(size)));
    "outliving", "Commands that outlive their connections", Mus, defaults, commands::outliving,
        |size| Bounds::new(bounds::queue(commands::OUTLIVING.of(size))).recovery(40);
    "everything", "unread Replies, Commands that do not end, and half frames, again and again", Mus,
        commands::everything_settings, commands::everything,
        |size| Bounds::new(bounds::whole_server(&commands::everything_load(size)))
            .beside(commands::everything_load(size).connections)
            .recovery(40);
    "given-up", "a server that does not read; the client gives its calls up", Mus, defaults, clients::given_up,
        |_| Bounds::new(bounds::given_up());
    "unread-stream", "a server that floods a stream which is never read", Mus, defaults, clients::unread_stream,
        |_| Bounds::new(bounds::unread_stream());
};

/// A number that depends on how large an attack is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaled {
    pub(crate) quick: u64,
    pub(crate) full: u64,
}

impl Scaled {
    pub(crate) const fn of(self, size: Size) -> u64 {
        match size {
            Size::Quick => self.quick,
            Size::Full => self.full,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_words_of_a_command_line_and_each_is_used_once() {
        let mut seen = HashSet::new();
        for scenario in ALL {
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(scenario.name.chars().all(is_word), "{}", scenario.name);
            assert!(seen.insert(scenario.name), "{}", scenario.name);
        }
    }
}
