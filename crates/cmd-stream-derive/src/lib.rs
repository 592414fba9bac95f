//! The derive macro `#[derive(Failure)]` of `cmd-stream`, which re-exports it.
//!
//! `message` finds the field that holds the text, by attributes (`attributes`) and types. The code is generated here.
//! The macro sees only the tokens of types. Whether a type has a trait is left to the compiler, so generated tokens
//! that it may complain about carry the span of what the user wrote. All paths in the code start at the root, so that
//! no name of the user's program shadows them.

#![forbid(unsafe_code)]

mod attributes;
mod errors;
mod message;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Data, DeriveInput, Error, Fields, Member, Path, Result, Type, WherePredicate, parse_macro_input,
    parse_quote,
};

use self::attributes::Container;
use self::errors::Errors;

/// Implements `Failure`, `Display` and `Error` for a struct with one text.
///
/// `Display` writes the text. `Failure::from_failed` sets it to the message of the error that the Command failed with,
/// as `Failed` displays it. That includes the message of a panic. If panics of your service may contain secrets,
/// implement `Failure` by hand, or use `Problem`.
///
/// ```
/// use cmd_stream::{Failed, Failure};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, Failure)]
/// struct CalcError {
///     message: String,
/// }
///
/// let error = CalcError::from_failed(&Failed::new("overflow"));
/// assert_eq!(error.message, "overflow");
/// assert_eq!(error.to_string(), "overflow");
/// ```
///
/// The struct must be `Debug`, `Send` and `Sync`. It may be a tuple struct or have named fields.
///
/// # The text
///
/// The text is the only field whose type is `String`, `Box<str>`, `Arc<str>` or `Cow<'static, str>`. The type is
/// recognized by its name. If there are several such fields, or the type has another name, `#[failure(message)]` marks
/// the field. Its type must implement `From<String>` and `Display`.
///
/// # Other fields
///
/// `from_failed` sets all other fields to their `Default`. The application can set them in failures that it creates
/// itself.
///
/// ```
/// use cmd_stream::{Failed, Failure};
///
/// #[derive(Debug, Failure)]
/// struct Refused {
///     #[failure(message)]
///     why: String,
///     account: String,
///     retry_after_seconds: Option<u32>,
/// }
///
/// let refused = Refused::from_failed(&Failed::new("the disk is full"));
/// assert_eq!(refused.why, "the disk is full");
/// assert_eq!((refused.account.as_str(), refused.retry_after_seconds), ("", None));
/// ```
///
/// # Options
///
/// | option | where | meaning |
/// | --- | --- | --- |
/// | `message` | field | this field is the text |
/// | `display = false` | struct | implements only `Failure`; implement `Display` and `Error` by hand, or derive them with `thiserror` |
/// | `crate = path` | struct | the path of `cmd_stream`, if it has another name |
///
/// # Generic structs
///
/// Type parameters and constants are supported. Bounds are added only where a field needs them: `Default` for a field,
/// `From<String>` and `Display` for the text. Lifetimes are not supported, because a failure outlives its Command.
///
/// # Compile errors
///
/// Enums, unions, a struct without a text, two texts without a mark, and unknown options do not compile.
#[proc_macro_derive(Failure, attributes(failure))]
pub fn derive_failure(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = fields(input)?;
    let mut errors = Errors::default();
    for parameter in input.generics.lifetimes() {
        let text = format!(
            "`Failure` cannot be derived for a type with the lifetime `{}`: a failure owns its data",
            parameter.lifetime
        );
        errors.push(Error::new_spanned(&parameter.lifetime, text));
    }
    let container = attributes::container(&input.attrs, &mut errors);
    let message = message::message(&input.ident, fields, &mut errors);
    errors.into_result()?;
    let message = message.expect("a missing text is a mistake");
    let mut code = failure(input, fields, message, &container);
    if container.display.unwrap_or(true) {
        code.extend(display(input, fields, message));
    }
    Ok(code)
}

fn fields(input: &DeriveInput) -> Result<&Fields> {
    match &input.data {
        Data::Struct(data) => Ok(&data.fields),
        Data::Enum(data) => {
            let text = "`Failure` cannot be derived for an enum, whose variants share no field: implement it by hand";
            Err(Error::new_spanned(data.enum_token, text))
        }
        Data::Union(data) => {
            let text = "`Failure` cannot be derived for a union: use a struct";
            Err(Error::new_spanned(data.union_token, text))
        }
    }
}

fn failure(input: &DeriveInput, fields: &Fields, message: usize, container: &Container) -> TokenStream {
    let root = container.root.clone().unwrap_or_else(|| parse_quote!(::cmd_stream));
    let mut predicates = Vec::new();
    if input.generics.type_params().next().is_some() {
        predicates.push(parse_quote!(
            Self: ::core::error::Error + ::core::marker::Send + ::core::marker::Sync + 'static
        ));
    }
    let mut values = TokenStream::new();
    for (index, (member, field)) in fields.members().zip(fields).enumerate() {
        let ty = &field.ty;
        let needed: Path = if index == message {
            parse_quote!(::core::convert::From<::std::string::String>)
        } else {
            parse_quote!(::core::default::Default)
        };
        if depends_on_parameters(ty, input) {
            predicates.push(parse_quote!(#ty: #needed));
        }
        // A type that lacks the trait is reported where the user names it.
        let at = located_at(ty);
        values.extend(if index == message {
            quote_spanned!(at=> #member: <#ty as #needed>::from(__text),)
        } else {
            quote_spanned!(at=> #member: <#ty as #needed>::default(),)
        });
    }
    let body = quote! {
        fn from_failed(__failed: &#root::Failed) -> Self {
            let __text = ::std::string::ToString::to_string(__failed);
            Self { #values }
        }
    };
    implementation(input, &parse_quote!(#root::Failure), predicates, &body)
}

/// Generates `Display` and `Error`.
fn display(input: &DeriveInput, fields: &Fields, message: usize) -> TokenStream {
    let (member, field): (Member, _) =
        fields.members().zip(fields).nth(message).expect("the text is a field of the struct");
    let ty = &field.ty;
    let at = located_at(ty);
    let text = quote_spanned!(at=> &self.#member);
    let body = quote! {
        fn fmt(&self, __formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            ::core::fmt::Display::fmt(#text, __formatter)
        }
    };
    let mut displays = Vec::new();
    if depends_on_parameters(ty, input) {
        displays.push(parse_quote!(#ty: ::core::fmt::Display));
    }
    let mut is_error = Vec::new();
    if input.generics.type_params().next().is_some() {
        is_error.push(parse_quote!(Self: ::core::fmt::Debug + ::core::fmt::Display));
    }
    let mut code = implementation(input, &parse_quote!(::core::fmt::Display), displays, &body);
    code.extend(implementation(input, &parse_quote!(::core::error::Error), is_error, &TokenStream::new()));
    code
}

/// Generates an `impl` of a trait, with these predicates beside those of the type.
fn implementation(
    input: &DeriveInput,
    implemented: &Path,
    predicates: Vec<WherePredicate>,
    body: &TokenStream,
) -> TokenStream {
    let mut generics = input.generics.clone();
    if !predicates.is_empty() {
        generics.make_where_clause().predicates.extend(predicates);
    }
    let name = &input.ident;
    let (parameters, arguments, predicates) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #implemented for #name #arguments #predicates {
            #body
        }
    }
}

/// Returns whether the type names a type parameter. The compiler warns about bounds on any other type.
fn depends_on_parameters(ty: &Type, input: &DeriveInput) -> bool {
    input.generics.type_params().any(|parameter| names(ty.to_token_stream(), &parameter.ident.to_string()))
}

fn names(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => names(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// A span of generated code that is shown at the type.
fn located_at(ty: &Type) -> Span {
    Span::call_site().located_at(ty.span())
}
