// compiles
//! A type may come out of a macro, with types and names from both places.

use cmd_stream::Failure;

macro_rules! failure {
    ($name:ident { $($field:ident: $ty:ty),* } $text:ident) => {
        #[derive(Debug, Failure)]
        struct $name {
            code: u32,
            $($field: $ty),*
        }

        impl $name {
            fn text(&self) -> &str {
                &self.$text
            }
        }
    };
}

failure! { CalcError { message: String, account: u64 } message }
failure! { Shared { message: std::sync::Arc<str> } message }

fn main() {
    let failed = cmd_stream::Failed::new("overflow");
    CalcError::from_failed(&failed).text();
    Shared::from_failed(&failed).text();
}
