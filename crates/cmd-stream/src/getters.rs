//! What both sides' `Limits` share: how their values are read.

/// Getters of a `Limits`. They are called `get_..`, as the plain names are those of the setters.
macro_rules! getters {
    ($($getter:ident = $field:ident: $type:ty, $setter:ident;)*) => {
        impl Limits {
            $(
                #[doc = concat!("What is set by [`", stringify!($setter), "`](Self::", stringify!($setter), ").")]
                pub fn $getter(&self) -> $type {
                    self.$field
                }
            )*
        }
    };
}

pub(crate) use getters;
