//! `#[derive(Mus)]`, the derive macro of `mus-format`, which exports it and says how it is used.
//!
//! From attributes (`attributes`) to types that encode fields (`encoding`), and from those to the code for
//! structs and enums. It knows types only by their tokens: what a type can do is left to the compiler, and every token
//! that it may complain of is located where the user wrote what it stands for. Names in the code begin with two
//! underscores: a pattern `out` is no new variable where the user has a constant of that name.

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
/// The fields of a struct are written in the order in which they are declared, and nothing else. An enum is a union: a
/// tag (in MUS: a DTM), and the fields of the variant that it stands for. The first variant has the tag 1, each other
/// one more than that before it, unless it says otherwise; the discriminants of Rust play no part.
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
/// assert_eq!(error.to_string(), "value is refused (after 8 bytes)");
/// assert_eq!(error.source().unwrap().to_string(), "over five volts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Options of fields
///
/// `#[mus(..)]`, with any of these separated by commas. The first group says how the whole value is written, so of that
/// there can be one, and none of the second group beside it.
///
/// | option | meaning |
/// | --- | --- |
/// | `raw`, `varint`, `positive` | numbers: in fixed width; as varints, zigzag if signed; as varints of the bits |
/// | `seconds`, `milliseconds`, `microseconds`, `nanoseconds` | a point in time, raw, in this unit |
/// | `borrow` | a `Cow` borrows from the bytes that it is decoded from |
/// | `mapped` | an `Rc` or an `Arc`, perhaps in an `Option`, is written once, and by its id where it is met again |
/// | `with = Type` | any encoding: a type that implements `encoding::EncodeAs`, `DecodeAs` and `DescribeAs`; for types of other crates `encoding::Text` and `encoding::Via` |
/// | | |
/// | `len = raw`, `varint` or `positive` | how the length is written; `positive` is the default |
/// | `max_len = N` | the most elements (of a string: bytes); a longer value is neither decoded nor written |
/// | `elem(..)` | options for what is inside: elements, a map's values, the content of an `Option`, a `Box`, an `Rc`, an `Arc` |
/// | `key(..)` | options for a map's keys |
/// | | |
/// | `validate = path` | a function that checks the value once it is decoded |
/// | `skip` | the field is not written; decoded, it has the default of its type |
///
/// A function for `validate` takes a reference to the value and returns a `Result<(), E>`, where `E` is anything that
/// becomes a `Box<dyn Error + Send + Sync>`: an error, a `String`, a `&str`. It is not called when encoding. `N` of
/// `max_len` is a constant of type `usize`; it may be a parameter of the type, and no expression with one.
///
/// # Options of types and variants
///
/// | option | where | meaning |
/// | --- | --- | --- |
/// | `dtm = N` | struct | a typed value: this tag stands before the fields, and another one is refused |
/// | `dtm = N` | variant | its tag. A variant with a discriminant must have one, so that nobody takes that for the tag |
/// | `raw` | struct, enum | all integers and durations in its fields are raw, in whatever holds them, unless a field says otherwise |
/// | `validate = path` | struct, enum | a function that checks the whole value |
/// | `bound = "T: Trait"` | struct, enum | replaces the where clause that would be generated |
/// | `crate = path` | struct, enum | where `mus_format` is found, if not under its name |
///
/// With `raw` on a type, fields are written as `encoding::AllRaw` says: integers have their width in an `Option`, in a
/// sequence, in a map, and so on. Lengths and tags stay varints, and types of your own inside are written as they say.
/// A field says otherwise with an option of its own: `varint` for a number, `elem(varint)` for what is inside. This is
/// what mus-gen does for Go in its modes "unsafe" and "not unsafe".
///
/// # Parameters of types
///
/// A type parameter is asked to be `Encode`, `Decode<'de>` or `Describe` for the trait of that name, if the value of a
/// field holds it; where an encoding was chosen, that it can be written so (`Raw: EncodeAs<T>`). Lifetimes have to be those of the
/// bytes (`'de: 'a`), except of a `Cow` that does not borrow. Where the types of the fields do not tell what is needed, for
/// example behind a type of one's own with a parameter of another kind, `bound` says it. Bounds there that name `'de`
/// are left out for `Encode`; for `Describe`, what they ask to be `Encode` or `Decode` is asked to be `Describe`.
///
/// `Describe` needs types that live forever. It is implemented for `Type<'static>` of a type with a lifetime.
///
/// ```
/// use mus_format::{Decode, Encode, Mus};
///
/// trait Store {
///     type Key;
/// }
///
/// #[derive(Mus)]
/// struct Key<S: Store>(S::Key); // asks for `S::Key: Encode`
///
/// #[derive(Mus)]
/// #[mus(bound = "S::Key: Encode + Decode<'de>")] // and not `S: Encode`
/// struct Entry<S: Store> {
///     key: Key<S>,
/// }
/// ```
#[proc_macro_derive(Mus, attributes(mus))]
pub fn derive_mus(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, parse_quote!(::mus_format)).unwrap_or_else(Error::into_compile_error).into()
}

// The same for programs that know mus-format only as `cmd_stream::mus`, which exports and documents this as `Mus`.
#[doc(hidden)]
#[proc_macro_derive(MusOfCmdStream, attributes(mus))]
pub fn derive_mus_of_cmd_stream(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, parse_quote!(::cmd_stream::mus)).unwrap_or_else(Error::into_compile_error).into()
}

/// What differs between kinds of types.
struct Bodies {
    /// Statements; `self` and `__out` are there.
    encode: TokenStream,
    /// An expression for the value; `__reader` is there, and an error is returned.
    decode: TokenStream,
    /// An expression for the constant.
    shape: TokenStream,
    /// An expression for the description.
    description: TokenStream,
}

/// The code for a type. `default_root` is where mus-format is found, unless the type says so.
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
    Ok(quote! {
        const _: () = {
            #encode
            #decode
            #describe
            #checks
        };
    })
}

/// What is said on the type.
fn container(input: &DeriveInput, errors: &mut Errors) -> Result<Container> {
    match &input.data {
        Data::Struct(_) => Ok(Container::of_struct(&input.attrs, errors)),
        Data::Enum(data) if data.variants.is_empty() => {
            Err(Error::new_spanned(&input.ident, "an enum without variants has no values to encode"))
        }
        Data::Enum(_) => Ok(Container::of_enum(&input.attrs, errors)),
        Data::Union(data) => {
            let text = "`Mus` cannot be derived for a union, which does not know what it holds: use an enum";
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
    let body = &bodies.encode;
    quote! {
        #[automatically_derived]
        impl #generics #root::Encode for #name #arguments #predicates {
            #[inline]
            fn encode<__Output: #root::Output + ?::core::marker::Sized>(&self, __out: &mut __Output) {
                #body
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
