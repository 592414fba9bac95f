//! A type that changes while its values live on: the service below stores version 2 of an account, and still reads what
//! version 1 wrote.
//!
//! MUS writes no names and no types, so nothing in the bytes of a struct says which version of it they are. A tag (in
//! MUS: a DTM) in front of them does. To be able to change a type later, store it with a tag from the start:
//!
//! 1. The first release gives its type a tag, `#[mus(dtm = 1)]`.
//! 2. The next one keeps the old type for reading, and lists all versions in an enum: the tag of a variant stands where
//!    that of the struct stood. It writes the last variant, and turns what it reads into the last version.
//! 3. A release that meets a tag from the future says so, and takes nothing for what it is not.
//!
//! Run it with `cargo run -p mus-format --example versioning`.

use std::collections::BTreeMap;

use mus_format::encoding::{DecodeAs, DescribeAs, EncodeAs};
use mus_format::{
    Decode, Describe, Description, Encode, Error, Fault, Mus, Output, Reader, Shape, Stopped, from_slice,
    to_vec,
};

/// What the first release had: this module is its whole code.
mod first_release {
    use super::{Error, Mus, from_slice, to_vec};

    #[derive(Mus)]
    #[mus(dtm = 1)]
    pub(crate) struct Account {
        pub(crate) owner: String,
        pub(crate) euros: i32,
    }

    pub(crate) fn store(account: &Account) -> Vec<u8> {
        to_vec(account).expect("nothing in it that cannot be written")
    }

    pub(crate) fn load(bytes: &[u8]) -> Result<Account, Error> {
        from_slice(bytes)
    }
}

/// Version 1, which nobody writes any more. Its tag is that of its variant now.
#[derive(Mus)]
struct AccountV1 {
    owner: String,
    euros: i32,
}

/// Version 2 counts cents, and has labels.
#[derive(Mus, Clone, Debug, PartialEq)]
struct Account {
    #[mus(max_len = 100)]
    owner: String,
    cents: i64,
    #[mus(max_len = 10)]
    labels: Vec<String>,
}

/// All that may be found in the store. Variants are only ever added, and keep their tags: they are part of what is
/// stored.
#[derive(Mus)]
enum Stored {
    #[mus(dtm = 1)]
    V1(AccountV1),
    #[mus(dtm = 2)]
    V2(Account),
}

impl From<Stored> for Account {
    /// What was decoded becomes the last version, here and nowhere else.
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::V1(AccountV1 { owner, euros }) => {
                Self { owner, cents: i64::from(euros) * 100, labels: vec!["imported".to_owned()] }
            }
            Stored::V2(account) => account,
        }
    }
}

/// The service: bytes by number of account.
#[derive(Default)]
struct Store(BTreeMap<u32, Vec<u8>>);

impl Store {
    fn put(&mut self, number: u32, account: Account) {
        let bytes = to_vec(&Stored::V2(account)).expect("an owner and labels within the limits");
        self.0.insert(number, bytes);
    }

    fn get(&self, number: u32) -> Result<Option<Account>, Error> {
        let Some(bytes) = self.0.get(&number) else { return Ok(None) };
        from_slice::<Stored>(bytes).map(|stored| Some(stored.into()))
    }
}

/// The same for accounts inside other types: an encoding of our own, which writes version 2 and reads any.
struct Versioned;

impl EncodeAs<Account> for Versioned {
    fn encode_as<O: Output + ?Sized>(account: &Account, out: &mut O) {
        out.tag(2);
        account.encode(out);
    }
}

impl<'de> DecodeAs<'de, Account> for Versioned {
    const SHAPE: Shape = Stored::SHAPE;

    fn decode_as(reader: &mut Reader<'de>) -> Result<Account, Stopped> {
        Stored::decode(reader).map(Account::from)
    }
}

impl DescribeAs<Account> for Versioned {
    fn describe_as() -> Description {
        Stored::describe()
    }
}

#[derive(Mus, Debug, PartialEq)]
struct Branch {
    city: String,
    #[mus(elem(with = Versioned))]
    accounts: Vec<Account>,
}

fn main() -> Result<(), Error> {
    // The first release leaves an account behind.
    let mut store = Store::default();
    let bytes = first_release::store(&first_release::Account { owner: "Ada".to_owned(), euros: 12 });
    println!("the first release wrote {bytes:02x?}");
    assert_eq!(bytes, [1, 3, b'A', b'd', b'a', 24]);
    store.0.insert(7, bytes.clone());

    // The second one reads it as its own,
    let mut ada = store.get(7)?.expect("it was put there");
    println!("the second release reads it as {ada:?}");
    assert_eq!(ada, Account { owner: "Ada".to_owned(), cents: 1200, labels: vec!["imported".to_owned()] });

    // and what it writes is version 2.
    ada.cents += 5;
    store.put(7, ada.clone());
    println!("and writes {:02x?}", store.0[&7]);
    assert_eq!(store.0[&7][0], 2);
    assert_eq!(store.get(7)?, Some(ada.clone()));

    // Both versions may stand in one value.
    let mut branch = vec![4, b'R', b'o', b'm', b'a', 1];
    branch.extend(&bytes);
    let mut branch: Branch = from_slice(&branch)?;
    branch.accounts.push(ada);
    println!("a branch with both: {branch:?}");
    let written = to_vec(&branch).expect("within the limits");
    assert_eq!(from_slice::<Branch>(&written)?, branch);

    // A release that does not know a version refuses it by its tag.
    let too_new = first_release::load(&store.0[&7]).err().expect("version 2 is not version 1");
    println!("the first release says of it: {too_new}");
    assert!(matches!(too_new.fault, Fault::WrongTag { expected: 1, found: 2 }));
    store.0.insert(8, vec![3, 0]);
    let too_new = store.get(8).expect_err("there is no version 3");
    println!("the second release says of a version 3: {too_new}");
    assert!(matches!(too_new.fault, Fault::UnexpectedTag(3)));
    Ok(())
}
