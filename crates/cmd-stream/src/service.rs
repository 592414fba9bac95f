//! `service!`, which turns the methods of a trait into Commands: a Protocol, a client with the same methods, and their
//! execution on every Receiver that implements the trait.
//!
//! Knows how Commands are declared, sent and executed, and adds nothing to that: all of it can be written by hand. As in
//! `protocol!`, the expansion uses full paths, and its own names are `__cmd_stream_*` or `__CmdStream*`.

/// Declares a service by a trait: calls of its methods travel as Commands.
///
/// ```
/// use cmd_stream::{Context, Failed, Json, Problem, Sender, Server, service};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Price {
///     cents: u64,
/// }
///
/// service! {
///     /// What things cost.
///     pub trait PriceList in Prices {
///         /// Finds the price of a product.
///         0 => idempotent fn find(product: String) -> Price;
///         /// Sets the price of a product.
///         1 => fn set(product: String, cents: u64) -> Price;
///     }
///     commands #[derive(Debug, Serialize, Deserialize)]
///     replies { 0 => Price, 1 => Problem }
///     failure Problem
/// }
///
/// // The server: any Receiver that implements the trait.
/// struct OneKettle;
///
/// impl PriceList for OneKettle {
///     async fn find(&self, product: String, _: &Context<'_>) -> Result<Price, Failed> {
///         match &*product {
///             "kettle" => Ok(Price { cents: 3495 }),
///             _ => Err(Problem::new(Problem::NOT_FOUND, format!("there is no {product}")).into()),
///         }
///     }
///
///     async fn set(&self, _: String, _: u64, context: &Context<'_>) -> Result<Price, Failed> {
///         Err(Problem::new(Problem::FORBIDDEN, format!("{} may not", context.peer())).into())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::bind("127.0.0.1:0", Prices, Json, OneKettle).await?;
/// # let address = server.handle().local_addr().to_string();
/// # tokio::spawn(server.serve());
///
/// // The client: the same methods, which return calls.
/// let prices = PriceListClient(Sender::connect(address, Prices, Json).await?);
/// assert_eq!(prices.find("kettle".into()).await?.cents, 3495);
/// # let second = std::time::Duration::from_secs(5);
/// let failed = prices.set("kettle".into(), 1).timeout(second).await;
/// # assert!(format!("{:?}", failed.err()).contains("may not"));
/// # Ok(()) }
/// ```
///
/// # What is declared
///
/// | written | on the wire | in the trait, for the server | in the client |
/// | --- | --- | --- | --- |
/// | `0 => fn f(a: A) -> R;` | a Command, one Reply | `async fn f(&self, a: A, context: &Context<'_>) -> Result<R, Failed>` | `f(a)` is a [`Call`](crate::sender::Call) |
/// | `1 => stream fn f(a: A) -> R;` | a Command, several Replies | `async fn f(&self, a: A, proxy: Proxy<'_, R>) -> Result<(), Failed>` | `f(a)` is an [`OpenStream`](crate::sender::OpenStream) |
/// | `2 => post fn f(a: A);` | a one-way Command | `async fn f(&self, a: A, context: &Context<'_>) -> Result<(), Failed>` | `f(a)` is a [`Post`](crate::sender::Post) |
///
/// The number is the Command's tag. `R` is one of the Replies, or an `enum` over several, which is listed as in
/// [`protocol!`](crate::protocol!). For a stream it implements [`Reply`](crate::Reply), to say which one is the last.
/// `idempotent` before `fn`, `stream fn` or `post fn` declares that executing the Command twice does no harm
/// ([`Command::IDEMPOTENT`](crate::Command::IDEMPOTENT)).
///
/// - Attributes before the number are given to both methods and to the Command. They are for documentation, and for
///   `#[deprecated]`, which warns those who call the method.
/// - `commands #[derive(..)]` states what all Commands derive: what their Format needs, and whatever else you like.
///   Attributes after the `=>` are those of one Command, and attributes of an argument are those of its field:
///   `1 => #[serde(transparent)] fn greet(#[serde(rename = "Name")] name: String) -> Greeting;`
/// - `#[cfg]` is refused: both ends need the same Commands. Put it before the module that the `service!` is in.
/// - `replies`, enums over Replies, and `failure` are those of [`protocol!`](crate::protocol!).
///
/// # What is defined
///
/// With the names of the example:
///
/// - the trait `PriceList`, whose implementors are `Send + Sync + 'static`. Their futures must be `Send`. An `Arc` of an
///   implementor implements it, too. For each method it has a constant that says where it runs, with a default: an
///   implementor may write `const FIND_SCHEDULING: Scheduling = Scheduling::InPlace;`
///   ([`Scheduling`](crate::server::Scheduling)).
/// - the Protocol `Prices`, with all that [`protocol!`](crate::protocol!) defines. Its entries have the names of the
///   methods: `Find`, `Set`.
/// - the Commands `FindCommand` and `SetCommand`, structs whose fields are the arguments. They can also be sent as they
///   are, scripted in a test ([`testing::Script`](crate::testing::Script)), and seen by an [`Invoker`](crate::Invoker).
/// - the client `PriceListClient`, a tuple struct around a [`Sender`](crate::Sender), which is its public field `0`. Its
///   methods build the Commands, and return the Sender's calls, with all their options. Its second
///   type parameter is that of the Sender: its [hooks](mod@crate::hooks), by default none.
///
/// # Without the macro
///
/// Write `protocol!` and `Answer` by hand for a Command that is generic, carries
/// [metadata](crate::Command::metadata), or is used in several Protocols; or if callers and the service
/// should implement one and the same trait. The example `rpc` shows that. Both ways have the same bytes on the wire, so
/// one end can change without the other.
#[macro_export]
macro_rules! service {
    (
        $(#[$attribute:meta])*
        $visibility:vis trait $name:ident in $protocol:ident { $($methods:tt)* }
        commands $(#[$derive:meta])+
        replies $replies:tt
        $($clauses:tt)*
    ) => {
        $crate::__service_methods! {
            [{ $(#[$attribute])* } { $visibility } $name $protocol { $(#[$derive])+ } { replies $replies $($clauses)* }]
            $($methods)*
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis trait $name:ident in $protocol:ident { $($methods:tt)* }
        replies $($other:tt)*
    ) => {
        ::core::compile_error!(
            "state what the Commands derive, before `replies`: `commands #[derive(serde::Serialize, serde::Deserialize)]`"
        );
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "a service is declared as: `pub trait Name in ProtocolName { 0 => fn method(argument: Type) -> Reply; .. } \
             commands #[derive(..)] replies { 0 => Reply, .. } failure ..`"
        );
    };
}

/// Reads the methods. All are matched at once, so that their number is not bounded by the recursion limit.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_methods {
    // Of these kinds, each method has one.
    ($head:tt $(
        $(#[$($doc:tt)*])*
        $tag:literal => $(#[$($meta:tt)*])*
        $( stream fn $streamed:ident (
            $( $(#[$($field_meta1:tt)*])* $field1:ident : $type1:ty ),* $(,)?
        ) -> $($reply1:ident)::+ )?
        $( post fn $posted:ident (
            $( $(#[$($field_meta2:tt)*])* $field2:ident : $type2:ty ),* $(,)?
        ) )?
        $( fn $sent:ident (
            $( $(#[$($field_meta3:tt)*])* $field3:ident : $type3:ty ),* $(,)?
        ) -> $($reply3:ident)::+ )?
        $( idempotent stream fn $streamed_again:ident (
            $( $(#[$($field_meta4:tt)*])* $field4:ident : $type4:ty ),* $(,)?
        ) -> $($reply4:ident)::+ )?
        $( idempotent fn $sent_again:ident (
            $( $(#[$($field_meta5:tt)*])* $field5:ident : $type5:ty ),* $(,)?
        ) -> $($reply5:ident)::+ )?
        $( idempotent post fn $posted_again:ident (
            $( $(#[$($field_meta6:tt)*])* $field6:ident : $type6:ty ),* $(,)?
        ) )? ;
    )+) => {
        $(
            $( $crate::__service_attribute! { $($doc)* } )*
            $( $crate::__service_attribute! { $($meta)* } )*
            $( $( $( $crate::__service_attribute! { $($field_meta1)* } )* )* )?
            $( $( $( $crate::__service_attribute! { $($field_meta2)* } )* )* )?
            $( $( $( $crate::__service_attribute! { $($field_meta3)* } )* )* )?
            $( $( $( $crate::__service_attribute! { $($field_meta4)* } )* )* )?
            $( $( $( $crate::__service_attribute! { $($field_meta5)* } )* )* )?
            $( $( $( $crate::__service_attribute! { $($field_meta6)* } )* )* )?
        )+
        $crate::__service_implement! { $head $({
            { $(#[$($doc)*])* }
            $tag
            { $(#[$($meta)*])* }
            [
                $(stream $streamed proxy false)? $(post $posted context false)? $(send $sent context false)?
                $(stream $streamed_again proxy true)? $(send $sent_again context true)?
                $(post $posted_again context true)?
            ]
            {
                $( $( { $(#[$($field_meta1)*])* } $field1 { $type1 } )* )?
                $( $( { $(#[$($field_meta2)*])* } $field2 { $type2 } )* )?
                $( $( { $(#[$($field_meta3)*])* } $field3 { $type3 } )* )?
                $( $( { $(#[$($field_meta4)*])* } $field4 { $type4 } )* )?
                $( $( { $(#[$($field_meta5)*])* } $field5 { $type5 } )* )?
                $( $( { $(#[$($field_meta6)*])* } $field6 { $type6 } )* )?
            }
            { $( $($reply1)::+ )? $( $($reply3)::+ )? $( $($reply4)::+ )? $( $($reply5)::+ )? }
        })+ }
    };
    // A Reply is missing, or there is one too many.
    ($head:tt $(
        $(#[$doc:meta])*
        $tag:literal => $(#[$meta:meta])*
        $(idempotent)? $(stream fn $streamed:ident)? $(post fn $posted:ident)? $(fn $sent:ident)?
        ( $( $(#[$field_meta:meta])* $field:ident : $type:ty ),* $(,)? )
        $(-> $($reply:ident)::+)? ;
    )+) => {
        $( $crate::__service_complain! {
            [$(stream $streamed)? $(post $posted)? $(send $sent)?] { $($($reply)::+)? }
        } )+
    };
    ($head:tt $($other:tt)*) => { $crate::__service_malformed! {} };
}

/// Refuses an attribute that would do something else than it seems to.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_attribute {
    (cfg $($predicate:tt)*) => {
        ::core::compile_error!(
            "a part of a service cannot have a `#[cfg]`, because both ends need the same Commands: put it before the module \
             that the `service!` is in"
        );
    };
    (scheduling $($other:tt)*) => {
        ::core::compile_error!(
            "where a Command runs is not declared, because the Receiver decides it: for a method `find`, write \
             `const FIND_SCHEDULING: Scheduling = ..;` in the `impl` of the trait"
        );
    };
    (metadata $($other:tt)*) => {
        ::core::compile_error!(
            "the Commands of a service carry no metadata: implement a Command that does by hand, and declare it with \
             `protocol!`"
        );
    };
    ($($other:tt)*) => {};
}

/// Says what is wrong with one method.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_complain {
    ([send $method:ident] {}) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($method),
            "` has no Reply: write `-> Reply`, or `post fn` if nothing is to be answered"
        ));
    };
    ([stream $method:ident] {}) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($method),
            "` has no Reply: write `-> Reply`, the type of each that it sends"
        ));
    };
    ([post $method:ident] { $($reply:tt)+ }) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($method),
            "` is never answered, as it is a `post fn`: remove its Reply, or write `fn`"
        ));
    };
    ([$verb:ident $method:ident] $reply:tt) => {};
    ($($other:tt)*) => {
        $crate::__service_malformed! {}
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __service_malformed {
    () => {
        ::core::compile_error!(
            "a method of a service is `TAG => fn name(argument: Type, ..) -> Reply;`, with `stream fn` if it has several \
             Replies, or `TAG => post fn name(argument: Type, ..);` if it has none; `idempotent` comes before that if it may \
             run twice; `&self` and the Context are not written, and a Reply is a name or a path"
        );
    };
}

/// Generates the items of `service!`. The verb of a method is that of the [`Sender`](crate::Sender): `send`, `stream` or
/// `post`. `given` is a name for its last argument, which is not the same as an argument of that name: both are hygienic.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_implement {
    (
        [{ $($attributes:tt)* } { $visibility:vis } $name:ident $protocol:ident $derives:tt { $($clauses:tt)+ }]
        $({
            { $($docs:tt)* }
            $tag:literal
            { $($metas:tt)* }
            [$verb:ident $method:ident $given:ident $idempotent:literal]
            { $( { $($field_metas:tt)* } $field:ident { $type:ty } )* }
            $reply:tt
        })+
    ) => { $crate::__private::paste! {
        $($attributes)*
        #[diagnostic::on_unimplemented(
            message = "`{Self}` does not implement the service `" $name "`",
            note = "a Receiver of the Protocol `" $protocol "` implements its trait: `impl " $name " for {Self}`"
        )]
        #[allow(deprecated, reason = "a method may be, for those who call it")]
        $visibility trait $name: ::core::marker::Send + ::core::marker::Sync + 'static { $(
            #[doc = "Where [`" $method "`](Self::" $method ") runs: by default, wherever it has proved to run well."]
            const [<$method:upper _SCHEDULING>]: $crate::server::Scheduling = $crate::server::Scheduling::Adaptive;

            $($docs)*
            #[doc = ""]
            #[doc = "Executes a [`" [<$method:camel Command>] "`]."]
            fn $method(
                &self,
                $( $field: $type, )*
                $given: $crate::__service_given!($verb $reply),
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<$crate::__service_output!($verb $reply), $crate::Failed>,
            > + ::core::marker::Send;
        )+ }

        #[diagnostic::do_not_recommend]
        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl<__CmdStreamR: $name> $name for ::std::sync::Arc<__CmdStreamR> { $(
            const [<$method:upper _SCHEDULING>]: $crate::server::Scheduling =
                <__CmdStreamR as $name>::[<$method:upper _SCHEDULING>];

            fn $method(
                &self,
                $( $field: $type, )*
                $given: $crate::__service_given!($verb $reply),
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<$crate::__service_output!($verb $reply), $crate::Failed>,
            > + ::core::marker::Send {
                <__CmdStreamR as $name>::$method(&**self, $( $field, )* $given)
            }
        )+ }

        $(
            $crate::__service_struct! {
                $derives
                #[doc = "The Command of [`" $name "::" $method "`]."]
                #[doc = ""]
                $($docs)*
                $($metas)*
                $visibility struct [<$method:camel Command>] {
                    $( $($field_metas)* $visibility $field: $type, )*
                }
            }
            $crate::__service_command! {
                $verb $idempotent $name $method [<$method:upper _SCHEDULING>] [<$method:camel Command>] { $($field)* } $reply
            }
        )+

        $crate::protocol! {
            #[doc = "The Commands and Replies of [`" $name "`]."]
            $visibility struct $protocol {
                commands { $( $tag => [<$method:camel Command>] as [<$method:camel>], )+ }
                $($clauses)+
            }
        }

        #[doc = "Calls the methods of [`" $name "`] on a server, by sending Commands of [`" $protocol "`]."]
        $visibility struct [<$name Client>]<
            __CmdStreamF,
            __CmdStreamH: $crate::hooks::Hooks<$protocol> = $crate::hooks::NoHooks,
        >(
            #[doc = "Sends the Commands."]
            pub $crate::Sender<$protocol, __CmdStreamF, __CmdStreamH>,
        );

        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl<__CmdStreamF, __CmdStreamH> [<$name Client>]<__CmdStreamF, __CmdStreamH>
        where
            __CmdStreamF: $crate::format::Format,
            __CmdStreamH: $crate::hooks::Hooks<$protocol>,
            $protocol: $crate::protocol::ClientProtocol<__CmdStreamF>,
        { $(
            $($docs)*
            #[doc = ""]
            #[doc = "Sends a [`" [<$method:camel Command>] "`]."]
            #[allow(dead_code, reason = "a program may call only some")]
            $visibility fn $method(
                &self,
                $( $field: $type, )*
            ) -> $crate::__service_sent!($verb $protocol, __CmdStreamF, [<$method:camel Command>], __CmdStreamH)
            where
                __CmdStreamF: $crate::format::Encode<[<$method:camel Command>]>,
            {
                self.0.$verb([<$method:camel Command>] { $($field),* })
            }
        )+ }

        impl<__CmdStreamF, __CmdStreamH: $crate::hooks::Hooks<$protocol>> ::core::clone::Clone
            for [<$name Client>]<__CmdStreamF, __CmdStreamH>
        {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        impl<__CmdStreamF, __CmdStreamH: $crate::hooks::Hooks<$protocol>> ::core::fmt::Debug
            for [<$name Client>]<__CmdStreamF, __CmdStreamH>
        {
            fn fmt(&self, __cmd_stream_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                __cmd_stream_f.debug_tuple(::core::stringify!([<$name Client>])).field(&self.0).finish()
            }
        }
    } };
    ($($other:tt)*) => { $crate::__service_malformed! {} };
}

/// Defines a Command, with what all of them derive.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_struct {
    ({ $($derives:tt)+ } $($command:tt)+) => {
        $($derives)+
        #[allow(missing_docs, reason = "the fields are the arguments of a method, which is documented")]
        $($command)+
    };
}

/// The last argument of a method of the trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_given {
    (stream { $($reply:tt)+ }) => { $crate::Proxy<'_, $($reply)+> };
    ($verb:ident $reply:tt) => { &$crate::Context<'_> };
}

/// What a method of the trait returns.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_output {
    (send { $($reply:tt)+ }) => { $($reply)+ };
    ($verb:ident $reply:tt) => { () };
}

/// What a method of the client returns.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_sent {
    (send $($of:tt)+) => { $crate::sender::Call<'_, $($of)+> };
    (stream $($of:tt)+) => { $crate::sender::OpenStream<'_, $($of)+> };
    (post $($of:tt)+) => { $crate::sender::Post<'_, $($of)+> };
}

/// Implements `Command`, and its execution on all Receivers with the trait. `Execute` can be implemented like that for a
/// kind of its own only. `Answer` could be in another way, but then a Receiver without the trait would be told to be
/// without `Execute`.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_command {
    (
        stream $idempotent:literal $name:ident $method:ident $scheduling:ident $command:ident { $($field:ident)* }
        { $($reply:tt)+ }
    ) => {
        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl $crate::Command for $command {
            type Reply = $($reply)+;
            type Kind = $crate::protocol::kind::Wrapper<$crate::protocol::kind::Plain>;

            const IDEMPOTENT: ::core::primitive::bool = $idempotent;
        }

        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl<__CmdStreamR: $name> $crate::Execute<__CmdStreamR> for $command {
            const SCHEDULING: $crate::server::Scheduling = <__CmdStreamR as $name>::$scheduling;

            async fn execute(
                self,
                __cmd_stream_receiver: &__CmdStreamR,
                __cmd_stream_proxy: $crate::Proxy<'_, $($reply)+>,
            ) -> ::core::result::Result<(), $crate::Failed> {
                <__CmdStreamR as $name>::$method(
                    __cmd_stream_receiver, $( self.$field, )* __cmd_stream_proxy,
                ).await
            }
        }
    };
    (send $idempotent:literal $name:ident $method:ident $scheduling:ident $command:ident $fields:tt { $($reply:tt)+ }) => {
        $crate::__service_answer! { $idempotent $name $method $scheduling $command $fields { $($reply)+ } Plain }
    };
    (post $idempotent:literal $name:ident $method:ident $scheduling:ident $command:ident $fields:tt {}) => {
        $crate::__service_answer! { $idempotent $name $method $scheduling $command $fields { () } OneWay }
    };
}

/// Implements a Command that is answered with what its method returns.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_answer {
    (
        $idempotent:literal $name:ident $method:ident $scheduling:ident $command:ident { $($field:ident)* }
        { $($reply:tt)+ } $kind:ident
    ) => {
        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl $crate::Command for $command {
            type Reply = $($reply)+;
            type Kind = $crate::protocol::kind::Wrapper<$crate::protocol::kind::$kind>;

            const IDEMPOTENT: ::core::primitive::bool = $idempotent;
        }

        #[allow(deprecated, reason = "a method may be, for those who call it")]
        impl<__CmdStreamR: $name> $crate::Execute<__CmdStreamR> for $command {
            const SCHEDULING: $crate::server::Scheduling = <__CmdStreamR as $name>::$scheduling;

            async fn execute(
                self,
                __cmd_stream_receiver: &__CmdStreamR,
                __cmd_stream_proxy: $crate::Proxy<'_, $($reply)+>,
            ) -> ::core::result::Result<(), $crate::Failed> {
                let __cmd_stream_context = __cmd_stream_proxy.context();
                let __cmd_stream_reply = <__CmdStreamR as $name>::$method(
                    __cmd_stream_receiver, $( self.$field, )* &__cmd_stream_context,
                ).await?;
                __cmd_stream_proxy.send_and_end(__cmd_stream_reply).await
            }
        }
    };
}
