//! The derive macro `#[derive(Mus)]` of `mus-format`, which re-exports it.
//!
//! Attributes (`attributes`) are turned into types that encode fields (`encoding`), and these into the code for structs
//! and enums. The macro sees only the tokens of types. Whether a type has a trait is left to the compiler, so generated
//! tokens that it may complain about carry the span of what the user wrote. Local variables begin with two underscores,
//! because a pattern `out` would match against a constant of that name in the user's program.

#![forbid(unsafe_code)]

mod attributes;
mod checks;
mod encoding;
mod enums;
mod errors;
mod fields;
mod generics;
mod structs;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Path, Result, parse_macro_input, parse_quote};

use self::attributes::Container;
use self::checks::Checks;
use self::errors::Errors;
use self::generics::needs::Needs;
use self::generics::{Header, bytes_lifetime, with_static_lifetimes, without_bytes_lifetime};

/// Implements `Encode`, `Decode` and `Describe` for a struct or an enum.
///
/// A struct is encoded as its fields in order of declaration, and nothing else. An enum is encoded as a tag (in MUS: a
/// DTM), then the fields of the variant with that tag. The tag of the first variant is 1, and that of each other
/// variant is one more than the tag before it. `dtm` sets another one. Rust's discriminants are not used.
///
/// ```
/// use std::error::Error as _;
///
/// use mus_format::{Mus, from_slice, to_vec};
///
/// #[derive(Mus, Debug, PartialEq)]
/// struct Reading {
///     sensor: u32,
///     #[mus(raw)]
///     checksum: u32,
///     #[mus(max_len = 16, elem(raw, validate = sane))]
///     millivolts: Vec<i16>,
///     #[mus(skip)]
///     from_cache: bool,
/// }
///
/// fn sane(millivolts: &i16) -> Result<(), &'static str> {
///     if *millivolts < 5000 { Ok(()) } else { Err("over five volts") }
/// }
///
/// #[derive(Mus, Debug, PartialEq)]
/// enum Message {
///     Hello { name: String },
///     #[mus(dtm = 5)]
///     Reading(Reading),
///     Bye,
/// }
///
/// let reading = Reading { sensor: 300, checksum: 7, millivolts: vec![-1], from_cache: false };
/// let bytes = to_vec(&Message::Reading(reading))?;
/// assert_eq!(bytes, [5, 0xac, 0x02, 7, 0, 0, 0, 1, 0xff, 0xff]);
/// assert!(matches!(from_slice(&bytes)?, Message::Reading(Reading { sensor: 300, .. })));
/// assert_eq!(to_vec(&Message::Bye)?, [6]);
///
/// let error = from_slice::<Reading>(&[1, 0, 0, 0, 0, 1, 0x88, 0x13]).unwrap_err();
/// assert_eq!(error.to_string(), "value was rejected (after 8 bytes)");
/// assert_eq!(error.source().unwrap().to_string(), "over five volts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Options of fields
///
/// `#[mus(..)]` takes these options, separated by commas. An option of the first group encodes the whole value, so a
/// field can have only one of them, and none of the second group beside it.
///
/// | option | meaning |
/// | --- | --- |
/// | `raw`, `varint`, `positive` | numbers: in fixed width; as varints (zigzag if signed); as varints of the bits |
/// | `seconds`, `milliseconds`, `microseconds`, `nanoseconds` | a point in time, raw, in this unit |
/// | `borrow` | a `Cow` that borrows from the bytes it is decoded from |
/// | `mapped` | an `Rc` or `Arc`, or an `Option` of one, whose value is written once; further copies are written as an id |
/// | `with = Type` | any encoding: a type that implements `encoding::EncodeAs`, `DecodeAs` and `DescribeAs`, such as `encoding::Text` and `encoding::Via` for types of other crates |
/// | | |
/// | `len = raw`, `varint` or `positive` | how the length is written; `positive` is the default |
/// | `max_len = N` | the maximum number of elements (in a string: bytes); decoding or encoding more fails |
/// | `elem(..)` | options for elements, a map's values, or the content of an `Option`, `Box`, `Rc` or `Arc` |
/// | `key(..)` | options for a map's keys |
/// | | |
/// | `validate = path` | a function that checks the value once it is decoded |
/// | `skip` | the field is not encoded; decoding sets it to its `Default` |
///
/// A function for `validate` takes a reference to the value and returns a `Result<(), E>`, where `E` is anything that
/// converts to a `Box<dyn Error + Send + Sync>`: an error, a `String`, a `&str`. It is not called when encoding. The
/// `N` of `max_len` is a constant of type `usize`. It may be a const parameter of the type, but not an expression that
/// contains one.
///
/// # Options of types and variants
///
/// | option | where | meaning |
/// | --- | --- | --- |
/// | `dtm = N` | struct | a tag before the fields; decoding fails at any other |
/// | `dtm = N` | variant | its tag; required beside a discriminant, which could be mistaken for the tag |
/// | `raw` | struct, enum | makes all integers and durations in its fields raw, at any depth, unless a field has an option of its own |
/// | `validate = path` | struct, enum | a function that checks the whole value |
/// | `bound = "T: Trait"` | struct, enum | replaces the where clause that would be generated |
/// | `crate = path` | struct, enum | the path of `mus_format`, if it has another name |
///
/// With `raw` on a type, fields have the encoding `encoding::AllRaw`: integers have a fixed width, also in an `Option`,
/// a sequence, a map and so on. Lengths and tags stay varints, and user-defined types inside keep their own encoding.
/// An option of a field overrides it: `varint` for a number, `elem(varint)` for what is inside. This is what mus-gen
/// generates for Go in its modes "unsafe" and "not unsafe".
///
/// # Parameters of types
///
/// If a field's value contains a type parameter, the parameter must implement the derived trait: `Encode`,
/// `Decode<'de>` or `Describe`. If an encoding is chosen for the field, the encoding must support the parameter (`Raw:
/// EncodeAs<T>`). Lifetimes must not outlive the bytes (`'de: 'a`), except that of a `Cow` without `borrow`.
///
/// Where the types of the fields do not tell which bounds are needed, for example behind another generic type of yours,
/// `bound` sets them. Bounds there that name `'de` are left out for `Encode`. For `Describe`, what they require to be
/// `Encode` or `Decode` must be `Describe`.
///
/// `Describe` requires `'static` types. For a type with a lifetime, it is implemented for `Type<'static>`.
///
/// ```
/// use mus_format::{Decode, Encode, Mus};
///
/// trait Store {
///     type Key;
/// }
///
/// #[derive(Mus)]
/// struct Key<S: Store>(S::Key); // requires `S::Key: Encode`
///
/// #[derive(Mus)]
/// #[mus(bound = "S::Key: Encode + Decode<'de>")] // instead of `S: Encode`
/// struct Entry<S: Store> {
///     key: Key<S>,
/// }
/// ```
#[proc_macro_derive(Mus, attributes(mus))]
pub fn derive_mus(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, parse_quote!(::mus_format)).unwrap_or_else(Error::into_compile_error).into()
}

// The same for programs that know mus-format only as `cmd_stream::mus`, where it is exported and documented as `Mus`.
#[doc(hidden)]
#[proc_macro_derive(MusOfCmdStream, attributes(mus))]
pub fn derive_mus_of_cmd_stream(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, parse_quote!(::cmd_stream::mus)).unwrap_or_else(Error::into_compile_error).into()
}

/// The bodies of the generated methods, which differ between structs and enums.
struct Bodies {
    /// An expression that says whether every value surely has bytes, which is a constant.
    has_bytes: TokenStream,
    /// Statements that use `self` and `__out`.
    encode: TokenStream,
    /// An expression for the value, which uses `__reader` and returns early on errors.
    decode: TokenStream,
    /// An expression for the shape, which is a constant.
    shape: TokenStream,
    /// An expression for the description.
    description: TokenStream,
}

/// Generates the code for a type. `default_root` is the path of mus-format, unless an option sets it.
fn expand(input: &DeriveInput, default_root: Path) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let mut needs = Needs::new(input);
    let mut checks = Checks::default();
    let container = container(input, &mut errors)?;
    let root = container.root.clone().unwrap_or(default_root);
    let mut bodies = match &input.data {
        Data::Struct(data) => structs::bodies(data, &container, &root, &mut needs, &mut checks, &mut errors),
        Data::Enum(data) => enums::bodies(data, &container, &root, &mut needs, &mut checks, &mut errors),
        Data::Union(_) => unreachable!("refused with its attributes"),
    };
    errors.into_result()?;
    if let Some(function) = &container.validate {
        let check = checks.add(function, &quote!(Self), &root);
        let decode = bodies.decode;
        bodies.decode = quote!({
            let __value = #decode;
            #root::derive::check::<#check, Self>(&__value, __reader)?;
            __value
        });
    }
    let encode = encode(input, &container, &bodies, &needs, &root);
    let decode = decode(input, &container, &bodies, &needs, &root);
    let describe = describe(input, &container, &bodies, &needs, &root);
    let bounds = container.bounds.as_deref().map(without_bytes_lifetime).unwrap_or_default();
    let checks = checks.items(&Header::new(input, bounds), &root);
    let allow = allow_deprecated(input);
    Ok(quote! {
        #allow
        const _: () = {
            #encode
            #decode
            #describe
            #checks
        };
    })
}

/// What is generated names the type. If that is deprecated, it is for others who use it. Nothing is allowed otherwise: a program
/// may forbid that.
fn allow_deprecated(input: &DeriveInput) -> Option<TokenStream> {
    let mut attributes = input.attrs.iter();
    let is_deprecated = attributes.any(|attribute| attribute.path().is_ident("deprecated"));
    is_deprecated.then(|| quote! { #[allow(deprecated)] })
}

/// Reads the options of the type.
fn container(input: &DeriveInput, errors: &mut Errors) -> Result<Container> {
    match &input.data {
        Data::Struct(_) => Ok(Container::of_struct(&input.attrs, errors)),
        Data::Enum(data) if data.variants.is_empty() => {
            Err(Error::new_spanned(&input.ident, "an enum without variants has no values to encode"))
        }
        Data::Enum(_) => Ok(Container::of_enum(&input.attrs, errors)),
        Data::Union(data) => {
            let text = "`Mus` cannot be derived for a union: use an enum";
            Err(Error::new_spanned(data.union_token, text))
        }
    }
}

fn encode(
    input: &DeriveInput,
    container: &Container,
    bodies: &Bodies,
    needs: &Needs<'_>,
    root: &Path,
) -> TokenStream {
    let predicates = match &container.bounds {
        Some(bounds) => without_bytes_lifetime(bounds),
        None => needs.of_encode(root),
    };
    let Header { generics, name, arguments, predicates } = Header::new(input, predicates);
    let Bodies { has_bytes, encode, .. } = bodies;
    quote! {
        #[automatically_derived]
        impl #generics #root::Encode for #name #arguments #predicates {
            const HAS_BYTES: ::core::primitive::bool = #has_bytes;

            #[inline]
            fn encode<__Output: #root::Output + ?::core::marker::Sized>(&self, __out: &mut __Output) {
                #encode
            }
        }
    }
}

fn decode(
    input: &DeriveInput,
    container: &Container,
    bodies: &Bodies,
    needs: &Needs<'_>,
    root: &Path,
) -> TokenStream {
    let predicates = match &container.bounds {
        Some(bounds) => bounds.clone(),
        None => needs.of_decode(root),
    };
    let bytes = bytes_lifetime();
    let Header { generics, name, arguments, predicates } = Header::of_decode(input, predicates);
    let Bodies { decode, shape, .. } = bodies;
    quote! {
        #[automatically_derived]
        impl #generics #root::Decode<#bytes> for #name #arguments #predicates {
            const SHAPE: #root::Shape = #shape;

            #[inline]
            fn decode(
                __reader: &mut #root::Reader<#bytes>,
            ) -> ::core::result::Result<Self, #root::Stopped> {
                ::core::result::Result::Ok(#decode)
            }
        }
    }
}

fn describe(
    input: &DeriveInput,
    container: &Container,
    bodies: &Bodies,
    needs: &Needs<'_>,
    root: &Path,
) -> TokenStream {
    let predicates = match &container.bounds {
        Some(bounds) => generics::of_describe(bounds, root),
        None => needs.of_describe(root),
    };
    let Header { generics, name, arguments, predicates } = Header::of_describe(input, predicates);
    let body = with_static_lifetimes(bodies.description.clone(), input);
    quote! {
        #[automatically_derived]
        impl #generics #root::Describe for #name #arguments #predicates {
            fn describe() -> #root::Description {
                #body
            }
        }
    }
}
