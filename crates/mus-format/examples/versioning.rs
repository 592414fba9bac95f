//! Changes a type while its stored values live on: the service below stores version 2 of an account, and still reads
//! version 1.
//!
//! MUS writes no names and no types, so the bytes of a struct do not tell its version. A tag (in MUS: a DTM) in front
//! of them does. To be able to change a type later, store it with a tag from the start:
//!
//! 1. The first release gives its type a tag, `#[mus(dtm = 1)]`.
//! 2. The next one keeps the old type for reading, and lists all versions in an enum. The tag of a variant takes the
//!    place of the struct's tag. It writes the last variant, and converts what it reads to the last version.
//! 3. A release that finds a tag from the future fails with an error that says so, instead of misreading the bytes.
//!
//! Run it with `cargo run -p mus-format --example versioning`.

use std::collections::BTreeMap;

use mus_format::encoding::{DecodeAs, DescribeAs, EncodeAs};
use mus_format::{
    Decode, Describe, Description, Encode, Error, Fault, Mus, Output, Reader, Shape, Stopped, from_slice,
    to_vec,
};

/// The whole code of the first release.
mod first_release {
    use super::{Error, Mus, from_slice, to_vec};

    #[derive(Mus)]
    #[mus(dtm = 1)]
    pub(crate) struct Account {
        pub(crate) owner: String,
        pub(crate) euros: i32,
    }

    pub(crate) fn store(account: &Account) -> Vec<u8> {
        to_vec(account).expect("any account can be encoded")
    }

    pub(crate) fn load(bytes: &[u8]) -> Result<Account, Error> {
        from_slice(bytes)
    }
}

/// Version 1, which is no longer written. Its tag moved to its variant.
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

/// All versions that may be in the store. Variants are only ever added and keep their tags, because the tags are
/// stored.
#[derive(Mus)]
enum Stored {
    #[mus(dtm = 1)]
    V1(AccountV1),
    #[mus(dtm = 2)]
    V2(Account),
}

impl From<Stored> for Account {
    /// Converts whatever was stored to the last version, here and nowhere else.
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::V1(AccountV1 { owner, euros }) => {
                Self { owner, cents: i64::from(euros) * 100, labels: vec!["imported".to_owned()] }
            }
            Stored::V2(account) => account,
        }
    }
}

/// The service: encoded accounts by number.
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

/// The same for accounts inside other types: a custom encoding that writes version 2 and reads any version.
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
    // The first release stores an account.
    let mut store = Store::default();
    let bytes = first_release::store(&first_release::Account { owner: "Ada".to_owned(), euros: 12 });
    println!("the first release wrote {bytes:02x?}");
    assert_eq!(bytes, [1, 3, b'A', b'd', b'a', 24]);
    store.0.insert(7, bytes.clone());

    // The second one reads it as version 2,
    let mut ada = store.get(7)?.expect("it was put there");
    println!("the second release reads it as {ada:?}");
    assert_eq!(ada, Account { owner: "Ada".to_owned(), cents: 1200, labels: vec!["imported".to_owned()] });

    // and writes version 2.
    ada.cents += 5;
    store.put(7, ada.clone());
    println!("and writes {:02x?}", store.0[&7]);
    assert_eq!(store.0[&7][0], 2);
    assert_eq!(store.get(7)?, Some(ada.clone()));

    // One value may contain both versions.
    let mut branch = vec![4, b'R', b'o', b'm', b'a', 1];
    branch.extend(&bytes);
    let mut branch: Branch = from_slice(&branch)?;
    branch.accounts.push(ada);
    println!("a branch with both: {branch:?}");
    let written = to_vec(&branch).expect("within the limits");
    assert_eq!(from_slice::<Branch>(&written)?, branch);

    // A release rejects a version that it does not know, by its tag.
    let too_new = first_release::load(&store.0[&7]).err().expect("version 2 is not version 1");
    println!("the first release rejects it: {too_new}");
    assert!(matches!(too_new.fault, Fault::WrongTag { expected: 1, found: 2 }));
    store.0.insert(8, vec![3, 0]);
    let too_new = store.get(8).expect_err("there is no version 3");
    println!("the second release rejects a version 3: {too_new}");
    assert!(matches!(too_new.fault, Fault::UnexpectedTag(3)));
    Ok(())
}
