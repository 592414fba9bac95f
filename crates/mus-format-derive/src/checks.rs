//! Validation functions: an encoding needs a type that checks, so that a check can stand inside the encoding of an
//! element too; here functions become types. A function may be `Self::is_sane` and may check a `Vec<Self>`, so each is
//! written into an `impl` for the type itself, where it has a number, and `derive::Check<Self, NUMBER>` finds it there.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ExprPath, Path};

use crate::encoding::located_at;
use crate::generics::Header;

/// The validation functions of a type, each at its number.
#[derive(Default)]
pub(crate) struct Checks(Vec<(ExprPath, TokenStream)>);

impl Checks {
    /// Adds a function that checks values of a type. Returns the type that checks so. Both types may name `Self`.
    pub(crate) fn add(&mut self, function: &ExprPath, value: &TokenStream, root: &Path) -> TokenStream {
        let number = Literal::usize_unsuffixed(self.0.len());
        self.0.push((function.clone(), value.clone()));
        quote!(#root::derive::Check<Self, #number>)
    }

    /// What the types that were returned need.
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

/// The call, and what makes any error of the function's. What is wrong with its parameter, its result or its error is
/// shown where the function is named: for the compiler, an expression is where its first and its last token are.
fn call(function: &ExprPath) -> (TokenStream, TokenStream) {
    let mut spans = function.to_token_stream().into_iter().map(|token| located_at(token.span()));
    let first = spans.next().expect("a path has tokens");
    let last = spans.last().unwrap_or(first);
    let reference = quote_spanned!(first=> &*);
    let value = quote_spanned!(last=> __value);
    let arguments = quote_spanned!(last=> (#reference #value));
    (quote!(#function #arguments), quote_spanned!(last=> ::core::convert::Into::into(__error)))
}
