//! Enums: a tag, then the fields of the variant with that tag.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{DataEnum, Error, Member, Path, Variant};

use crate::Bodies;
use crate::attributes::{Container, tag_of_variant};
use crate::checks::Checks;
use crate::errors::Errors;
use crate::fields::{self, Field};
use crate::generics::needs::Needs;

pub(crate) fn bodies(
    data: &DataEnum,
    container: &Container,
    root: &Path,
    needs: &mut Needs<'_>,
    checks: &mut Checks,
    errors: &mut Errors,
) -> Bodies {
    let mut tags = Tags::default();
    let (mut encode, mut decode) = (TokenStream::new(), TokenStream::new());
    let (mut shapes, mut described) = (TokenStream::new(), TokenStream::new());
    for variant in &data.variants {
        let name = &variant.ident;
        let tag = tags.next(variant, errors);
        let fields = fields::fields(&variant.fields, container.usual, root, needs, checks, errors);
        let pattern = pattern(&fields);
        let statements = fields::encode(&fields, |field| binding(&field.member).into_token_stream());
        encode.extend(quote!(Self::#name #pattern => { #root::Output::tag(__out, #tag); #statements }));
        let values = fields::decode(&fields);
        decode.extend(quote!(#tag => Self::#name #values,));
        let parts = fields::parts(&fields);
        let fields = fields::shapes(&fields);
        shapes.extend(quote!((#tag, #fields),));
        let name = name.unraw().to_string();
        described.extend(quote!((#tag, #name, #parts),));
    }
    Bodies {
        has_bytes: quote!(true),
        encode: quote!(match self { #encode }),
        decode: quote! {
            match __reader.tag()? {
                #decode
                __tag => {
                    return ::core::result::Result::Err(__reader.invalid(#root::Fault::UnexpectedTag(__tag)));
                }
            }
        },
        shape: quote!(#root::Shape::union(|| const { &[#shapes] })),
        description: quote!(#root::Description::union(&[#described])),
    }
}

/// Generates `{ FIELD: BINDING, .. }` for all fields that are on the wire.
fn pattern(fields: &[Field]) -> TokenStream {
    let bindings = fields.iter().filter(|field| fields::is_encoded(field)).map(|Field { member, .. }| {
        let binding = binding(member);
        quote!(#member: #binding,)
    });
    let rest = fields.iter().any(|field| !fields::is_encoded(field)).then(|| quote!(..));
    quote!({ #(#bindings)* #rest })
}

/// Returns the local variable for a field.
fn binding(member: &Member) -> Ident {
    match member {
        Member::Named(name) => format_ident!("__field_{}", name, span = Span::call_site()),
        Member::Unnamed(index) => format_ident!("__field_{}", index.index),
    }
}

/// The tags of variants: the one in the attribute, or else one more than that of the variant before. The first is 1.
#[derive(Default)]
struct Tags(Vec<(i64, Ident)>);

impl Tags {
    fn next(&mut self, variant: &Variant, errors: &mut Errors) -> i64 {
        let said = tag_of_variant(&variant.attrs, errors);
        if let (Some((_, discriminant)), None) = (&variant.discriminant, &said) {
            let text = "a discriminant does not set the tag of a variant: set it with `#[mus(dtm = ..)]`";
            errors.push(Error::new_spanned(discriminant, text));
        }
        let place = said.as_ref().map_or(&variant.ident, |(option, _)| option);
        let tag = match (&said, self.0.last()) {
            (Some((_, tag)), _) => *tag,
            (None, None) => 1,
            (None, Some((last, _))) => last.checked_add(1).unwrap_or_else(|| {
                errors.push(Error::new_spanned(
                    place,
                    format!("there is no tag after {last}: set one with `#[mus(dtm = ..)]`"),
                ));
                *last
            }),
        };
        if let Some((_, taken)) = self.0.iter().find(|(earlier, _)| *earlier == tag) {
            errors.push(Error::new_spanned(
                place,
                format!("the tag {tag} is already that of the variant `{taken}`"),
            ));
        }
        self.0.push((tag, variant.ident.clone()));
        tag
    }
}
