//! Counters of both sides: what is counted, and a copy of it to look at.

/// Defines `Counters`, which an application gets, and `Counts`, which are added to. The caller has `AtomicU64` and `Relaxed` in
/// scope.
macro_rules! counters {
    ($(#[$doc_of_all:meta])* Counters { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$doc_of_all])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counts {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

pub(crate) use counters;
