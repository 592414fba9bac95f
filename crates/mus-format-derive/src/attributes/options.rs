//! The table of options: their names, values and places. Knows nothing of syntax trees.

use std::fmt;

/// The place of an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Struct,
    Enum,
    Variant,
    Field,
    /// Inside `elem(..)` or `key(..)`.
    Part,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Struct => "a struct",
            Self::Enum => "an enum",
            Self::Variant => "a variant",
            Self::Field => "a field",
            Self::Part => "an element or a key",
        })
    }
}

/// The kind of value that an option takes.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    /// `raw`
    Nothing,
    /// `dtm = 3`
    Tag,
    /// `len = varint`
    LengthEncoding,
    /// `max_len = 1000`
    Size,
    /// `validate = path::to::function`
    Function,
    /// `with = Type`
    Encoding,
    /// `bound = "T: Trait"`
    Bounds,
    /// `crate = path`
    Root,
    /// `elem(raw)`
    Options,
}

/// An option.
pub(crate) struct Specification {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    places: &'static [Place],
}

impl Specification {
    /// Returns the option of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    /// Returns whether the option is allowed in this place.
    pub(crate) fn stands_on(&self, place: Place) -> bool {
        self.places.contains(&place)
    }

    /// Returns the places where it is allowed, in words.
    pub(crate) fn places(&self) -> String {
        let places: Vec<_> = self.places.iter().map(Place::to_string).collect();
        places.join(" or ")
    }
}

/// Returns the names of the options allowed in this place, as a list in words.
pub(crate) fn allowed(place: Place) -> String {
    let names: Vec<_> = OPTIONS
        .iter()
        .filter(|option| option.stands_on(place))
        .map(|option| format!("`{}`", option.name))
        .collect();
    names.join(", ")
}

/// Returns whether this option encodes a whole value, so that only one such is possible.
pub(crate) fn is_whole(name: &str) -> bool {
    WHOLE.contains(&name)
}

/// Returns whether this option encodes a part of a value: its length, its elements, its keys.
pub(crate) fn is_part(name: &str) -> bool {
    PARTS.contains(&name)
}

const WHOLE: &[&str] = &[
    "raw",
    "varint",
    "positive",
    "seconds",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "borrow",
    "mapped",
    "with",
];
const PARTS: &[&str] = &["len", "max_len", "elem", "key"];

const OPTIONS: &[Specification] = &[
    Specification {
        name: "raw",
        takes: Takes::Nothing,
        places: &[Place::Field, Place::Part, Place::Struct, Place::Enum],
    },
    Specification { name: "varint", takes: Takes::Nothing, places: VALUE },
    Specification { name: "positive", takes: Takes::Nothing, places: VALUE },
    Specification { name: "seconds", takes: Takes::Nothing, places: VALUE },
    Specification { name: "milliseconds", takes: Takes::Nothing, places: VALUE },
    Specification { name: "microseconds", takes: Takes::Nothing, places: VALUE },
    Specification { name: "nanoseconds", takes: Takes::Nothing, places: VALUE },
    Specification { name: "borrow", takes: Takes::Nothing, places: VALUE },
    Specification { name: "mapped", takes: Takes::Nothing, places: VALUE },
    Specification { name: "with", takes: Takes::Encoding, places: VALUE },
    Specification { name: "len", takes: Takes::LengthEncoding, places: VALUE },
    Specification { name: "max_len", takes: Takes::Size, places: VALUE },
    Specification { name: "elem", takes: Takes::Options, places: VALUE },
    Specification { name: "key", takes: Takes::Options, places: VALUE },
    Specification { name: "skip", takes: Takes::Nothing, places: &[Place::Field] },
    Specification { name: "dtm", takes: Takes::Tag, places: &[Place::Struct, Place::Variant] },
    Specification {
        name: "validate",
        takes: Takes::Function,
        places: &[Place::Struct, Place::Enum, Place::Field, Place::Part],
    },
    Specification { name: "bound", takes: Takes::Bounds, places: CONTAINER },
    Specification { name: "crate", takes: Takes::Root, places: CONTAINER },
];

const CONTAINER: &[Place] = &[Place::Struct, Place::Enum];
const VALUE: &[Place] = &[Place::Field, Place::Part];
