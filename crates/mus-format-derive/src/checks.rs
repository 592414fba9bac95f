//! Turns validation functions into types.
//!
//! Encodings are types, and the encoding of an element may contain a check, so checks must be types too. A function may
//! be `Self::is_sane` and may check a `Vec<Self>`, so it must be called where `Self` has its meaning. Each one is
//! therefore called in an `impl` for the deriving type, under a number, and `derive::Check<Self, NUMBER>` refers to it.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ExprPath, Path};

use crate::encoding::located_at;
use crate::generics::Header;

/// The validation functions of a type, by number.
#[derive(Default)]
pub(crate) struct Checks(Vec<(ExprPath, TokenStream)>);

impl Checks {
    /// Adds a function that checks values of a type, and returns the type that stands for it. Both types may name
    /// `Self`.
    pub(crate) fn add(&mut self, function: &ExprPath, value: &TokenStream, root: &Path) -> TokenStream {
        let number = Literal::usize_unsuffixed(self.0.len());
        self.0.push((function.clone(), value.clone()));
        quote!(#root::derive::Check<Self, #number>)
    }

    /// Generates the items that the returned types refer to.
    pub(crate) fn items(&self, header: &Header<'_>, root: &Path) -> TokenStream {
        self.0.iter().enumerate().map(|(number, check)| item(number, check, header, root)).collect()
    }
}

fn item(
    number: usize,
    (function, value): &(ExprPath, TokenStream),
    header: &Header<'_>,
    root: &Path,
) -> TokenStream {
    let number = Literal::usize_unsuffixed(number);
    let Header { generics, name, arguments, predicates } = header;
    let (call, lifted) = call(function);
    quote! {
        #[automatically_derived]
        impl #generics #root::derive::Checks<#number> for #name #arguments #predicates {
            type Value = #value;

            #[inline]
            fn check(__value: &Self::Value) -> ::core::result::Result<(), #root::derive::Refusal> {
                let __result: ::core::result::Result<(), _> = #call;
                match __result {
                    ::core::result::Result::Ok(()) => ::core::result::Result::Ok(()),
                    ::core::result::Result::Err(__error) => ::core::result::Result::Err(#lifted),
                }
            }
        }
    }
}

/// Generates the call, and the conversion of its error. Errors about the function's parameter, result or error must be
/// shown at its name. The compiler places an expression by its first and last token, so these carry the spans of the
/// name.
fn call(function: &ExprPath) -> (TokenStream, TokenStream) {
    let mut spans = function.to_token_stream().into_iter().map(|token| located_at(token.span()));
    let first = spans.next().expect("a path has tokens");
    let last = spans.last().unwrap_or(first);
    let reference = quote_spanned!(first=> &*);
    let value = quote_spanned!(last=> __value);
    let arguments = quote_spanned!(last=> (#reference #value));
    (quote!(#function #arguments), quote_spanned!(last=> ::core::convert::Into::into(__error)))
}
