//! Counters of both sides: what is counted, and a copy of it to look at.

/// Defines `Counters`, which an application gets, and `Counts`, which are added to. What stands after `elsewhere` is counted
/// elsewhere: the caller fills it in. The caller has `AtomicU64` and `Relaxed` in scope.
macro_rules! counters {
    (
        $(#[$doc_of_all:meta])*
        Counters { $($(#[$doc:meta])* $name:ident,)* }
        $(elsewhere { $($(#[$doc_elsewhere:meta])* $elsewhere:ident,)* })?
    ) => {
        $(#[$doc_of_all])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
            $($($(#[$doc_elsewhere])* pub $elsewhere: u64,)*)?
        }

        impl Counters {
            #[allow(dead_code, reason = "only a client has several to add up")]
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                $($(self.$elsewhere += other.$elsewhere;)*)?
            }
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counts {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Relaxed),)* $($($elsewhere: 0,)*)? }
            }
        }
    };
}

pub(crate) use counters;
