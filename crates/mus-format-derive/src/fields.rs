//! The fields of a struct or a variant: the code to encode, decode and describe each, and its shape.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Member, Path, Type};

use crate::attributes::{Encoding, Usual, encoding_of_field};
use crate::checks::Checks;
use crate::encoding::{decoding_type, encoding_type};
use crate::errors::Errors;
use crate::generics::bytes_lifetime;
use crate::generics::needs::Needs;

/// A field, and the code for it.
pub(crate) struct Field {
    /// Its name or number.
    pub(crate) member: Member,
    ty: Type,
    /// `None` if it is not on the wire.
    code: Option<Code>,
}

/// Paths of the functions that encode and decode, and of the constants that say whether every value has bytes, and its shape; and an expression for the `Part`
/// of a description.
struct Code {
    encode: TokenStream,
    has_bytes: TokenStream,
    decode: TokenStream,
    shape: TokenStream,
    part: TokenStream,
}

/// Reads the attributes of fields, and records the bounds that the fields need.
pub(crate) fn fields(
    fields: &syn::Fields,
    usual: Usual,
    root: &Path,
    needs: &mut Needs<'_>,
    checks: &mut Checks,
    errors: &mut Errors,
) -> Vec<Field> {
    let members = fields.members();
    members
        .zip(fields)
        .map(|(member, field)| {
            let encoding = encoding_of_field(&field.attrs, usual, errors);
            let code = encoding.map(|encoding| code(&field.ty, &encoding, root, needs, checks));
            Field { member, ty: field.ty.clone(), code }
        })
        .collect()
}

fn code(ty: &Type, encoding: &Encoding, root: &Path, needs: &mut Needs<'_>, checks: &mut Checks) -> Code {
    let bytes = bytes_lifetime();
    if encoding.is_usual() && encoding.validate.is_none() {
        needs.plain(ty);
        let (encodes, decodes) = (quote!(<#ty as #root::Encode>), quote!(<#ty as #root::Decode<#bytes>>));
        return match encoding.usual {
            Usual::Plain => Code {
                encode: quote!(#encodes::encode),
                has_bytes: quote!(#encodes::HAS_BYTES),
                decode: quote!(#decodes::decode),
                shape: quote!(#decodes::SHAPE),
                part: quote!(#root::Part::of::<#ty>()),
            },
            Usual::AllRaw => Code {
                encode: quote!(#encodes::encode_raw),
                has_bytes: quote!(#encodes::HAS_BYTES),
                decode: quote!(#decodes::decode_raw),
                shape: quote!(#decodes::RAW_SHAPE),
                part: quote!(#root::Part::of_as::<#root::encoding::AllRaw, #ty>()),
            },
        };
    }
    let encodes = encoding_type(encoding, root);
    let decodes = decoding_type(encoding, &ty.to_token_stream(), root, checks);
    needs.chosen(ty, &encodes, &decodes, encoding.borrows());
    let part = quote!(#root::Part::of_as::<#encodes, #ty>());
    let decodes = quote!(<#decodes as #root::encoding::DecodeAs<#bytes, #ty>>);
    let encodes = quote!(<#encodes as #root::encoding::EncodeAs<#ty>>);
    Code {
        encode: quote!(#encodes::encode_as),
        has_bytes: quote!(#encodes::HAS_BYTES),
        decode: quote!(#decodes::decode_as),
        shape: quote!(#decodes::SHAPE),
        part,
    }
}

/// Returns whether the field is on the wire.
pub(crate) fn is_encoded(field: &Field) -> bool {
    field.code.is_some()
}

/// Generates statements that encode the fields in order. `access` returns a reference to a field.
pub(crate) fn encode(fields: &[Field], access: impl Fn(&Field) -> TokenStream) -> TokenStream {
    let statements = fields.iter().filter_map(|field| {
        let Code { encode, .. } = field.code.as_ref()?;
        let access = access(field);
        Some(quote!(#encode(#access, __out);))
    });
    statements.collect()
}

/// Generates an expression that says whether the fields surely have bytes.
pub(crate) fn has_bytes(fields: &[Field]) -> TokenStream {
    let each = fields.iter().filter_map(|field| Some(&field.code.as_ref()?.has_bytes));
    quote!(false #(|| #each)*)
}

/// Generates `{ FIELD: VALUE, .. }`, which decodes the fields in order.
pub(crate) fn decode(fields: &[Field]) -> TokenStream {
    let values = fields.iter().map(|Field { member, ty, code }| match code {
        Some(Code { decode, .. }) => quote!(#member: #decode(__reader)?,),
        // A type without a default is reported where the user names it.
        None => quote_spanned!(ty.span()=> #member: <#ty as ::core::default::Default>::default(),),
    });
    quote!({ #(#values)* })
}

/// Generates the shapes of the fields in order, as a constant of type `&'static [Shape]`.
pub(crate) fn shapes(fields: &[Field]) -> TokenStream {
    let shapes = fields.iter().filter_map(|field| Some(&field.code.as_ref()?.shape));
    quote!(const { &[#(#shapes),*] })
}

/// Generates the parts of a description in order, as an expression of type `&[Part]`.
pub(crate) fn parts(fields: &[Field]) -> TokenStream {
    let parts = fields.iter().filter_map(|field| {
        let Code { part, .. } = field.code.as_ref()?;
        Some(match &field.member {
            Member::Named(name) => {
                let name = name.unraw().to_string();
                quote!(#part.named(#name))
            }
            Member::Unnamed(_) => part.clone(),
        })
    });
    quote!(&[#(#parts),*])
}
