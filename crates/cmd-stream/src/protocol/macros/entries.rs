//! Reads the entries of `protocol!`: tags, types, names and Replies.

/// Normalizes each entry to `{ tag name type { reply } }`, where the reply is missing if the type implements `Command`
/// already. Each rule hands the rest on to the macro again, so plain entries are taken eight at a time: otherwise a
/// Protocol with hundreds of types would exceed the recursion limit.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_entries {
    // Both lists are done.
    ($rest:tt replies [$($replies:tt)*] ; commands [$($commands:tt)*] ;) => {
        $crate::__protocol_implement! { $rest [$($commands)*] [$($replies)*] }
    };
    // One list is done. Continue with the other, which swaps them: the rule above sees both done only in this order.
    ($rest:tt commands [$($done:tt)*] ; replies $($more:tt)*) => {
        $crate::__protocol_entries! { $rest replies $($more)* commands [$($done)*] ; }
    };
    // An arrow is followed by a path or `()`. These are matched as tokens because a matched `ty` could not be compared
    // with `()` later.
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $n1:ident $(-> $($r1:ident)::+)? $(-> ($($u1:tt)*))?,
        $t2:literal => $n2:ident $(-> $($r2:ident)::+)? $(-> ($($u2:tt)*))?,
        $t3:literal => $n3:ident $(-> $($r3:ident)::+)? $(-> ($($u3:tt)*))?,
        $t4:literal => $n4:ident $(-> $($r4:ident)::+)? $(-> ($($u4:tt)*))?,
        $t5:literal => $n5:ident $(-> $($r5:ident)::+)? $(-> ($($u5:tt)*))?,
        $t6:literal => $n6:ident $(-> $($r6:ident)::+)? $(-> ($($u6:tt)*))?,
        $t7:literal => $n7:ident $(-> $($r7:ident)::+)? $(-> ($($u7:tt)*))?,
        $t8:literal => $n8:ident $(-> $($r8:ident)::+)? $(-> ($($u8:tt)*))?,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $n1 { $($($r1)::+)? $(($($u1)*))? } }
                { $t2 $n2 $n2 { $($($r2)::+)? $(($($u2)*))? } }
                { $t3 $n3 $n3 { $($($r3)::+)? $(($($u3)*))? } }
                { $t4 $n4 $n4 { $($($r4)::+)? $(($($u4)*))? } }
                { $t5 $n5 $n5 { $($($r5)::+)? $(($($u5)*))? } }
                { $t6 $n6 $n6 { $($($r6)::+)? $(($($u6)*))? } }
                { $t7 $n7 $n7 { $($($r7)::+)? $(($($u7)*))? } }
                { $t8 $n8 $n8 { $($($r8)::+)? $(($($u8)*))? } }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident $(-> $reply:tt)?, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $($reply)? } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident $(-> $reply:tt)? ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $($reply)? } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident -> $reply:ty, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $reply } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident -> $reply:ty ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $reply } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $type1:ty as $n1:ident $(-> $($r1:ident)::+)? $(-> ($($u1:tt)*))?,
        $t2:literal => $type2:ty as $n2:ident $(-> $($r2:ident)::+)? $(-> ($($u2:tt)*))?,
        $t3:literal => $type3:ty as $n3:ident $(-> $($r3:ident)::+)? $(-> ($($u3:tt)*))?,
        $t4:literal => $type4:ty as $n4:ident $(-> $($r4:ident)::+)? $(-> ($($u4:tt)*))?,
        $t5:literal => $type5:ty as $n5:ident $(-> $($r5:ident)::+)? $(-> ($($u5:tt)*))?,
        $t6:literal => $type6:ty as $n6:ident $(-> $($r6:ident)::+)? $(-> ($($u6:tt)*))?,
        $t7:literal => $type7:ty as $n7:ident $(-> $($r7:ident)::+)? $(-> ($($u7:tt)*))?,
        $t8:literal => $type8:ty as $n8:ident $(-> $($r8:ident)::+)? $(-> ($($u8:tt)*))?,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $type1 { $($($r1)::+)? $(($($u1)*))? } }
                { $t2 $n2 $type2 { $($($r2)::+)? $(($($u2)*))? } }
                { $t3 $n3 $type3 { $($($r3)::+)? $(($($u3)*))? } }
                { $t4 $n4 $type4 { $($($r4)::+)? $(($($u4)*))? } }
                { $t5 $n5 $type5 { $($($r5)::+)? $(($($u5)*))? } }
                { $t6 $n6 $type6 { $($($r6)::+)? $(($($u6)*))? } }
                { $t7 $n7 $type7 { $($($r7)::+)? $(($($u7)*))? } }
                { $t8 $n8 $type8 { $($($r8)::+)? $(($($u8)*))? } }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident $(-> $reply:tt)?, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $($reply)? } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident $(-> $reply:tt)? ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $($reply)? } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident -> $reply:ty, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $reply } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident -> $reply:ty ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $reply } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $($other:tt)*) => {
        ::core::compile_error!(
            "an entry of a Protocol is `TAG => Type`, or `TAG => path::Type<..> as Name` if the type is not a plain name; \
             after a Command comes `-> Reply`, or `-> ()` if it is one-way, unless it implements `Command` itself"
        );
    };
}
