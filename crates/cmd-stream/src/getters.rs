//! Getters for the `Limits` of both sides.

/// Defines getters of a `Limits`. They are called `get_..`, because the plain names are those of the setters.
macro_rules! getters {
    ($($getter:ident = $field:ident: $type:ty, $setter:ident;)*) => {
        impl Limits {
            $(
                #[doc = concat!("Returns the value set by [`", stringify!($setter), "`](Self::", stringify!($setter), ").")]
                pub fn $getter(&self) -> $type {
                    self.$field
                }
            )*
        }
    };
}

pub(crate) use getters;
