//! A ServerInfo that tells versions of a service apart.

use cmd_stream::protocol::DescribedBy;
use cmd_stream::{
    Answer, Client, Context, ErrorKind, Failed, Json, Mus, Problem, Protobuf, Server, ServerInfo, protocol,
};
use mus_format::Mus;
use serde::{Deserialize, Serialize};
use testkit::ends::serve_in_memory;
use testkit::wait::within;

/// The service as it was.
mod v1 {
    use super::*;

    #[derive(Mus, Serialize, Deserialize)]
    pub(super) struct Transfer {
        pub(super) to: u64,
        pub(super) cents: u64,
    }
    #[derive(Debug, PartialEq, Mus, Serialize, Deserialize)]
    pub(super) struct Done(pub(super) u64);

    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer -> Done }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }
}

/// With one more field.
mod v2 {
    use super::*;

    #[derive(Mus, Serialize, Deserialize)]
    pub(super) struct Transfer {
        pub(super) from: u64,
        pub(super) to: u64,
        pub(super) cents: u64,
    }

    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer -> Done }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }
    pub(super) use super::v1::Done;
}

struct Vault;

impl Answer<Vault> for v2::Transfer {
    async fn answer(self, _: &Vault, _: &Context<'_>) -> Result<v2::Done, Failed> {
        Ok(v1::Done(self.from + self.to + self.cents))
    }
}

impl Answer<Vault> for v1::Transfer {
    async fn answer(self, _: &Vault, _: &Context<'_>) -> Result<v1::Done, Failed> {
        Ok(v1::Done(self.to + self.cents))
    }
}

#[tokio::test]
async fn a_mus_client_one_field_behind_is_refused_and_both_sides_are_named() {
    let (ours, theirs) = (ServerInfo::of::<v1::Bank, Mus>(), ServerInfo::of::<v2::Bank, Mus>());
    let (connector, _) = serve_in_memory(Server::builder(v2::Bank, Mus, Vault).server_info(theirs.clone()));
    let old = Client::builder(v1::Bank, Mus).server_info(ours.clone());
    let error = within(old.connect_by(connector.clone())).await.expect_err("it would be misread");
    assert_eq!(error.kind(), ErrorKind::ServerInfoMismatch);
    assert_eq!(
        error.to_string(),
        format!("server info mismatch: this client expects {ours}, memory has {theirs}")
    );
    let new = Client::builder(v2::Bank, Mus).server_info(theirs);
    let client = within(new.connect_by(connector)).await.expect("it is the same version");
    assert_eq!(
        within(client.send(v2::Transfer { from: 1, to: 2, cents: 3 })).await.expect("a reply"),
        v1::Done(6)
    );
}

#[tokio::test]
async fn with_equal_greetings_the_server_would_execute_what_nobody_sent() {
    // Why there is a fingerprint at all: two old Commands are read as one and a half new ones.
    let (connector, handle) = serve_in_memory(Server::builder(v2::Bank, Mus, Vault));
    let client =
        within(Client::builder(v1::Bank, Mus).connect_by(connector)).await.expect("both say `default`");
    let (first, second) = tokio::join!(
        client.send(v1::Transfer { to: 7, cents: 100 }),
        client.send(v1::Transfer { to: 8, cents: 200 })
    );
    assert_eq!(handle.counters().started, 1, "a Command was executed with a field of the next one");
    drop((first, second));
}

#[tokio::test]
async fn a_client_may_accept_several_so_that_a_deploy_can_roll() {
    let infos = [ServerInfo::of::<v1::Bank, Json>(), ServerInfo::new("bank/next").expect("it is short")];
    for greeting in &infos {
        let server = Server::builder(v1::Bank, Json, Vault).server_info(greeting.clone());
        let (connector, _) = serve_in_memory(server);
        let client =
            Client::builder(v1::Bank, Json).server_info(infos[0].clone()).also_accept(infos[1].clone());
        let client = within(client.connect_by(connector)).await.expect("both are accepted");
        within(client.send(v1::Transfer { to: 1, cents: 1 })).await.expect("a reply");
    }
    let (connector, _) = serve_in_memory(Server::builder(v1::Bank, Json, Vault));
    let client = Client::builder(v1::Bank, Json).server_info(infos[0].clone()).also_accept(infos[1].clone());
    let error = within(client.connect_by(connector)).await.expect_err("it greets with the default");
    let expected = format!("this client expects {} or {}, memory has \"default\"", infos[0], infos[1]);
    assert!(error.to_string().contains(&expected), "{error}");
}

fn of<P: DescribedBy<Json> + DescribedBy<Mus>>() -> [String; 2] {
    [ServerInfo::of::<P, Json>().to_string(), ServerInfo::of::<P, Mus>().to_string()]
}

#[test]
fn it_names_the_protocol_and_the_format_and_is_the_same_in_every_build() {
    // Changed on purpose only: peers of another build must come to the same.
    let [json, mus] = of::<v1::Bank>();
    assert_eq!(json, JSON);
    assert_eq!(mus, MUS);
}

const JSON: &str = "\"Bank/json/78b888808b0084f5\"";
const MUS: &str = "\"Bank/mus/afc1ef10f5e515a2\"";

/// Another tag of a Command.
mod tag {
    use super::v1::{Done, Transfer};
    use super::*;
    protocol! {
        pub(super) struct Bank { commands { 1 => Transfer } replies { 0 => Done, 1 => Problem } failure Problem }
    }
}
/// Another name of a Command.
mod name {
    use super::v1::{Done, Transfer};
    use super::*;
    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer as Move }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }
}
/// Another tag of a Reply.
mod reply {
    use super::v1::{Done, Transfer};
    use super::*;
    protocol! {
        pub(super) struct Bank { commands { 0 => Transfer } replies { 0 => Done, 2 => Problem } failure Problem }
    }
}
/// Another Reply of a Command.
mod answer {
    use super::v1::Done;
    use super::*;
    #[derive(Mus, Serialize, Deserialize)]
    pub(super) struct Transfer {
        to: u64,
        cents: u64,
    }
    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer -> Problem }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }
}
/// A one-way Command.
mod one_way {
    use super::v1::Done;
    use super::*;
    #[derive(Mus, Serialize, Deserialize)]
    pub(super) struct Transfer {
        to: u64,
        cents: u64,
    }
    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer -> () }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }
}
/// The failure is an ordinary Reply.
mod failure {
    use super::v1::{Done, Transfer};
    use super::*;
    protocol! {
        pub(super) struct Bank {
            commands { 0 => Transfer }
            replies { 0 => Done, 1 => Problem }
            failure close_connection
        }
    }
}
/// Another order, which does not matter.
mod order {
    use super::v1::{Done, Transfer};
    use super::*;
    protocol! {
        pub(super) struct Bank { commands { 0 => Transfer } replies { 1 => Problem, 0 => Done } failure Problem }
    }
}

#[test]
fn it_covers_what_both_ends_must_agree_on() {
    let base = of::<v1::Bank>();
    assert_eq!(of::<order::Bank>(), base);
    let others = [of::<tag::Bank>(), of::<name::Bank>(), of::<reply::Bank>(), of::<failure::Bank>()];
    for other in others.into_iter().chain([of::<answer::Bank>(), of::<one_way::Bank>()]) {
        assert!(other[0] != base[0] && other[1] != base[1], "{other:?} {base:?}");
    }
    // JSON tells fields apart by itself, MUS does not.
    let fields = of::<v2::Bank>();
    assert_eq!(fields[0], base[0]);
    assert_ne!(fields[1], base[1]);
    assert_ne!(base[0], base[1], "a client of another Format is refused");
}

#[test]
fn signedness_field_names_and_order_count_in_mus() {
    macro_rules! bank {
        ($name:ident { $($field:ident: $type:ty),+ }) => {
            mod $name {
                #[derive(mus_format::Mus)]
                pub(super) struct Command { $(pub(super) $field: $type),+ }
                #[derive(mus_format::Mus)]
                pub(super) struct Done;
                cmd_stream::protocol! {
                    pub(super) struct Bank { commands { 0 => Command -> Done } replies { 0 => Done } failure close_connection }
                }
                impl Command {
                    /// The fields are there to be described.
                    #[allow(dead_code, reason = "never made")]
                    fn fields(self) -> ($($type,)+) { ($(self.$field,)+) }
                }
            }
        };
    }
    bank!(base { a: i64, b: u64 });
    bank!(unsigned { a: u64, b: u64 });
    bank!(renamed { x: i64, b: u64 });
    bank!(swapped { b: u64, a: i64 });
    bank!(narrow { a: i32, b: u64 });
    let base = ServerInfo::of::<base::Bank, Mus>();
    for other in [
        ServerInfo::of::<unsigned::Bank, Mus>(),
        ServerInfo::of::<renamed::Bank, Mus>(),
        ServerInfo::of::<swapped::Bank, Mus>(),
        ServerInfo::of::<narrow::Bank, Mus>(),
    ] {
        assert_ne!(other, base);
    }
}

#[test]
fn protobuf_has_one_too() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Add {
        #[prost(int64, tag = "1")]
        a: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Sum {
        #[prost(int64, tag = "1")]
        r: i64,
    }
    protocol! {
        struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
    }
    let info = ServerInfo::of::<Calculator, Protobuf>().to_string();
    assert!(info.starts_with("\"Calculator/protobuf/"), "{info}");
}
