//! Descriptions of the wire format of types, as text that can be compared: the traits, and the pieces that descriptions
//! are made of. Knows nothing of values and bytes.

mod graph;
mod types;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::TypeId;
use core::fmt::Write as _;
use core::marker::PhantomData;

use crate::encoding::{DescribeAs, Length, Plain};

/// A type that describes its wire format, so that two programs can check that theirs agree.
///
/// `#[derive(Mus)]` implements it. [`description`] makes the text to compare.
///
/// `Encode` and `Decode` do not need it. A type that implements those by hand needs it only if it is described itself,
/// or if it is a field of a type that derives `Mus`. A type that is encoded like another one takes one line:
///
/// ```
/// use mus_format::{Describe, Description, Part, description};
///
/// struct Celsius(f64);
///
/// impl Describe for Celsius {
///     fn describe() -> Description {
///         f64::describe()
///     }
/// }
///
/// struct Point {
///     x: i64,
///     y: i64,
/// }
///
/// impl Describe for Point {
///     fn describe() -> Description {
///         Description::fields(&[Part::of::<i64>().named("x"), Part::of::<i64>().named("y")])
///     }
/// }
///
/// assert_eq!(description::<Celsius>(), description::<f64>());
/// assert_eq!(description::<Point>(), "#0 = {x: i64 zigzag, y: i64 zigzag}");
/// ```
///
/// The trait requires `'static`, because types are told apart by their [`TypeId`]. For a type with lifetimes, the
/// derive implements it with all of them `'static`: `description::<Message<'static>>()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe its MUS encoding",
    label = "not described",
    note = "derive `Mus` on it, or implement `Describe`: one line if it is encoded like another type"
)]
pub trait Describe: 'static {
    /// Describes one level of the type, with a [`Part`] for each type inside it.
    fn describe() -> Description;

    /// The same for [`AllRaw`](crate::encoding::AllRaw); only types of this crate override it.
    #[doc(hidden)]
    fn describe_raw() -> Description {
        Self::describe()
    }
}

/// Describes the wire format of a type and of everything inside it, as text.
///
/// Types with the same description can decode each other's bytes. The text is the same on every platform and in every
/// build. It changes between versions of this crate only if `CHANGELOG.md` says so. Each call builds it anew.
///
/// ```
/// use mus_format::{Mus, description};
///
/// #[derive(Mus)]
/// struct Tree {
///     #[mus(raw)]
///     weight: u32,
///     children: Vec<Tree>,
///     kind: Kind,
/// }
///
/// #[derive(Mus)]
/// enum Kind {
///     Leaf,
///     #[mus(dtm = 7)]
///     Branch { name: String },
/// }
///
/// assert_eq!(
///     description::<Tree>(),
///     "#0 = {weight: u32 raw, children: [#0], kind: #1}\n\
///      #1 = <1 Leaf () | 7 Branch {name: string}>",
/// );
/// ```
///
/// # What is included
///
/// - Numbers with their width, sign and encoding. `usize` and `isize` appear as `u64` and `i64`, as on the wire.
/// - The names of fields, and the tags and names of variants. They are not on the wire, but nothing else would reveal
///   that two fields of the same type were swapped.
/// - Units of time, lengths of arrays, the encoding of lengths, and tags of typed values.
///
/// # What is left out
///
/// - The names of structs, enums and type parameters. They do not change the bytes, and the other program may use
///   another name or module for the same message.
/// - Which Rust type holds a value: `Box<T>` is `T`, all sequences and sets of `T` are one kind, and a map is a
///   sequence of pairs.
/// - Skipped fields, and the order in which the variants of an enum are declared.
/// - Limits and validation functions. They decide which values are accepted but do not change the bytes, and one side
///   may be stricter than the other.
///
/// # The text
///
/// One line per struct, tuple and enum, numbered in order of first appearance. The type itself is `#0`. Types with the
/// same description share a number.
pub fn description<T: Describe + ?Sized>() -> String {
    graph::text(Part::of::<T>())
}

/// One level of the wire format of a type; see [`Describe`].
#[derive(Clone, Debug)]
pub struct Description {
    /// The text before, between and after the parts: one more entry than there are parts.
    pub(crate) texts: Vec<Cow<'static, str>>,
    pub(crate) parts: Vec<Part>,
    /// Whether it gets a line of its own.
    pub(crate) numbered: bool,
}

/// A type inside another one, perhaps with the name of the field that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub(crate) id: TypeId,
    pub(crate) describe: fn() -> Description,
    name: Option<&'static str>,
}

/// A type in an encoding: exists for its [`TypeId`], which differs from that of the type.
struct As<E: ?Sized, T: ?Sized>(PhantomData<E>, PhantomData<T>);

impl Part {
    /// A type in its own encoding.
    pub fn of<T: Describe + ?Sized>() -> Self {
        Self { id: TypeId::of::<As<Plain, T>>(), describe: T::describe, name: None }
    }

    /// A type in another encoding.
    ///
    /// ```
    /// use mus_format::encoding::Raw;
    /// use mus_format::{Description, Part};
    ///
    /// let parts = [Part::of::<bool>(), Part::of_as::<Raw, u32>()];
    /// # let _ =
    /// Description::fields(&parts);
    /// ```
    pub fn of_as<E: DescribeAs<T> + ?Sized, T: ?Sized + 'static>() -> Self {
        Self { id: TypeId::of::<As<E, T>>(), describe: E::describe_as, name: None }
    }

    /// Names the field that holds this part.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }
}

impl Description {
    /// A value without parts that is none of the other kinds, such as a 24-bit integer. The name must say what it is
    /// and how it is encoded.
    ///
    /// ```
    /// use mus_format::{Describe, Description};
    ///
    /// struct Checksum(u32);
    ///
    /// impl Describe for Checksum {
    ///     fn describe() -> Description {
    ///         Description::leaf("u24 big-endian")
    ///     }
    /// }
    /// ```
    pub fn leaf(name: &str) -> Self {
        Self::inline(name.chars().fold(String::new(), escape), None, "")
    }

    /// Text: its length in bytes, then UTF-8.
    pub fn string<L: Length>() -> Self {
        match L::ENCODING.name() {
            None => Self::leaf("string"),
            Some(name) => Self::inline(format!("string({name} length)"), None, ""),
        }
    }

    /// A length, then that many elements.
    pub fn sequence<L: Length>(element: Part) -> Self {
        Self::elements::<L>(element, String::new())
    }

    /// The length of an array, then its elements.
    pub fn array<L: Length>(element: Part, length: usize) -> Self {
        Self::elements::<L>(element, format!("; {length}"))
    }

    fn elements<L: Length>(element: Part, mut behind: String) -> Self {
        if let Some(name) = L::ENCODING.name() {
            behind.push_str("; ");
            behind.push_str(name);
            behind.push_str(" length");
        }
        behind.push(']');
        Self::inline("[", Some(element), behind)
    }

    /// An `Option`: a flag, and a value if there is one.
    pub fn optional(content: Part) -> Self {
        Self::inline("option(", Some(content), ")")
    }

    /// A pointer to a shared value that is written once. If `nullable`, it may be absent.
    pub fn mapped(nullable: bool, content: Part) -> Self {
        Self::inline(if nullable { "nullable shared(" } else { "shared(" }, Some(content), ")")
    }

    /// A struct or a tuple: fields, one after the other. Either all of them have a name or none has.
    pub fn fields(parts: &[Part]) -> Self {
        Self::numbered(|description| description.push_fields(parts))
    }

    /// A constant tag, then fields.
    pub fn tagged(tag: i64, parts: &[Part]) -> Self {
        Self::numbered(|description| {
            description.push_fmt(format_args!("tag {tag} "));
            description.push_fields(parts);
        })
    }

    /// An enum: a tag, then the fields of the variant with that tag. Each variant is given as its tag, name and fields.
    pub fn union(variants: &[(i64, &str, &[Part])]) -> Self {
        // The order of declaration is not on the wire, so it must not show.
        let mut sorted: Vec<_> = variants.iter().collect();
        sorted.sort_by_key(|(tag, _, _)| *tag);
        Self::numbered(|description| {
            let mut separator = "<";
            for (tag, name, parts) in sorted {
                description.push(separator);
                description.push_fmt(format_args!("{tag} "));
                description.push_name(name);
                description.push(" ");
                description.push_fields(parts);
                separator = " | ";
            }
            description.push(">");
        })
    }

    fn inline(
        before: impl Into<Cow<'static, str>>,
        part: Option<Part>,
        behind: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut texts = Vec::from([before.into()]);
        texts.extend(part.map(|_| behind.into()));
        Self { texts, parts: part.into_iter().collect(), numbered: false }
    }

    fn numbered(fill: impl FnOnce(&mut Self)) -> Self {
        let mut description =
            Self { texts: Vec::from([Cow::Borrowed("")]), parts: Vec::new(), numbered: true };
        fill(&mut description);
        description
    }

    fn push_fields(&mut self, parts: &[Part]) {
        let named = parts.iter().any(|part| part.name.is_some());
        self.push(if named { "{" } else { "(" });
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            if let Some(name) = part.name {
                self.push_name(name);
                self.push(": ");
            }
            self.parts.push(*part);
            self.texts.push(Cow::Borrowed(""));
        }
        self.push(if named { "}" } else { ")" });
    }

    fn push_name(&mut self, name: &str) {
        let last = self.last();
        *last = name.chars().fold(core::mem::take(last), escape);
    }

    fn push(&mut self, text: &str) {
        self.last().push_str(text);
    }

    fn push_fmt(&mut self, arguments: core::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.last().write_fmt(arguments);
    }

    fn last(&mut self) -> &mut String {
        self.texts.last_mut().expect("there is one more than there are parts").to_mut()
    }
}

/// Appends a character of a name. Characters with a meaning in descriptions are escaped, so that no name can look like
/// anything else.
fn escape(mut text: String, character: char) -> String {
    if character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | ' ') || !character.is_ascii() {
        text.push(character);
    } else {
        text.extend(character.escape_unicode());
    }
    text
}
