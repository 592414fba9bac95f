//! A notebook whose users log in once per connection.
//!
//! ```text
//! cargo run --example auth
//! ```
//!
//! A connection of the server can keep values of the application's own, at most one of each type. All Commands of the
//! connection see them. Here this value is the `User`:
//!
//! - `LogIn` is a Command like any other. If the password is right, it puts the `User` into the connection.
//! - The Invoker `Guard` sees each Command before it runs. It lets `LogIn` through, and any other Command only if the
//!   connection has a `User`. So no Command can forget to ask.
//! - The Commands behind the guard take the `User` from the connection. None of them carries a name or a password.
//!
//! A refused Command is answered with a `Refused`, and its connection goes on. Its field `reason` is for programs, its
//! text for people. The values of a connection end with it, so another connection has to log in by itself.
//!
//! `cargo run --example auth -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client. There is no TLS in this example: on a network that you do not trust, a password must not travel like this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cmd_stream::server::{Connection, Ended, Invocation};
use cmd_stream::{
    Answer, CallError, Context, Error, Failed, Failure, Invoker, Json, Sender, Server, protocol,
};
use examples::BoxError;
use serde::{Deserialize, Serialize};

// What both ends share: the Commands, their Replies and the failure.

/// Says who the client is, for the rest of this connection.
#[derive(Serialize, Deserialize)]
struct LogIn {
    name: String,
    password: String,
}

#[derive(Serialize, Deserialize)]
struct Welcome {
    name: String,
}

/// Adds a note to those of whoever has logged in.
#[derive(Serialize, Deserialize)]
struct AddNote(String);

/// Asks for the notes of whoever has logged in.
#[derive(Serialize, Deserialize)]
struct ListNotes {}

#[derive(Serialize, Deserialize)]
struct Notes(Vec<String>);

/// The failure. `Failure` makes one of any other error, with the error's text and the default of the other fields.
#[derive(Debug, Serialize, Deserialize, Failure)]
struct Refused {
    reason: Reason,
    message: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Reason {
    NotLoggedIn,
    WrongPassword,
    /// An error that is not about logging in.
    #[default]
    Other,
}

protocol! {
    struct Notebook {
        commands {
            0 => LogIn -> Welcome,
            1 => AddNote -> Notes,
            2 => ListNotes -> Notes,
        }
        replies { 0 => Welcome, 1 => Notes, 2 => Refused }
        failure Refused
    }
}

// The server.

/// The Receiver: the notes of each user.
#[derive(Default)]
struct Service {
    notes: Mutex<HashMap<String, Vec<String>>>,
}

impl Service {
    /// Changes or reads the notes of a user. The lock is short and never held across an `.await`.
    fn with_notes<T>(&self, user: &User, use_them: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        use_them(notes.entry(user.0.clone()).or_default())
    }

    /// A real service would compare a hash of the password, in constant time.
    fn password_is_right(&self, name: &str, password: &str) -> bool {
        (name, password) == ("alice", "wonderland")
    }
}

/// Who has logged in. A connection that keeps a value of this type has been logged in.
struct User(String);

/// The Invoker: every Command passes through it before it runs.
struct Guard;

impl Invoker<Notebook> for Guard {
    async fn invoke(&self, invocation: impl Invocation<Notebook>) -> Result<Ended, Failed> {
        // An Invoker for one Protocol can look at the Command itself: `protocol!` makes this enum of references.
        let is_log_in = matches!(invocation.command(), NotebookCommand::LogIn(_));
        if !is_log_in && invocation.connection().get::<User>().is_none() {
            // It has not called `run`, so the Command does not run.
            return Err(Refused { reason: Reason::NotLoggedIn, message: "log in first".into() }.into());
        }
        invocation.run().await
    }
}

/// For the Commands behind the guard. The connection's values are gone when the connection is, and a Command may still
/// run then. So there may be no `User` even here.
fn user(connection: &Connection) -> Result<Arc<User>, Failed> {
    connection.get().ok_or_else(|| Failed::new("the connection has ended"))
}

impl Answer<Service> for LogIn {
    async fn answer(self, service: &Service, context: &Context<'_>) -> Result<Welcome, Failed> {
        if !service.password_is_right(&self.name, &self.password) {
            let message = "the name or the password is wrong".into();
            return Err(Refused { reason: Reason::WrongPassword, message }.into());
        }
        context.connection().insert(User(self.name.clone()));
        Ok(Welcome { name: self.name })
    }
}

impl Answer<Service> for AddNote {
    async fn answer(self, service: &Service, context: &Context<'_>) -> Result<Notes, Failed> {
        let user = user(context.connection())?;
        Ok(Notes(service.with_notes(&user, |notes| {
            notes.push(self.0);
            notes.clone()
        })))
    }
}

impl Answer<Service> for ListNotes {
    async fn answer(self, service: &Service, context: &Context<'_>) -> Result<Notes, Failed> {
        let user = user(context.connection())?;
        Ok(Notes(service.with_notes(&user, |notes| notes.clone())))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Notebook, Json, Service, impl Invoker<Notebook>>, Error> {
    Server::builder(Notebook, Json, Service::default()).invoker(Guard).bind(address).await
}

// The client.

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Notebook, Json)).await?;

    let refused = refusal(sender.send(ListNotes {}).await)?;
    assert_eq!(refused.reason, Reason::NotLoggedIn);
    println!("before: {refused}");

    let wrong = LogIn { name: "alice".into(), password: "looking glass".into() };
    let refused = refusal(sender.send(wrong).await)?;
    assert_eq!(refused.reason, Reason::WrongPassword);
    println!("wrong password: {refused}");

    // The connection is the same as before: a refused Command does not end it.
    let right = LogIn { name: "alice".into(), password: "wonderland".into() };
    let Welcome { name } = sender.send(right).await?;
    println!("logged in as {name}");

    let Notes(before) = sender.send(ListNotes {}).await?;
    if before.is_empty() {
        sender.send(AddNote("water the plants".into())).await?;
    }
    let Notes(notes) = sender.send(ListNotes {}).await?;
    println!("{name} has {} note: {}", notes.len(), notes.join(", "));

    // A second connection knows nothing of the first one.
    let other = Sender::connect(&address, Notebook, Json).await?;
    let refused = refusal(other.send(ListNotes {}).await)?;
    assert_eq!(refused.reason, Reason::NotLoggedIn);
    println!("another connection: {refused}");
    Ok(())
}

/// What the server refused the call with. It is an error if the server did not refuse it.
fn refusal<T>(called: Result<T, CallError<Refused>>) -> Result<Refused, BoxError> {
    match called {
        Ok(_) => Err("the server should have refused this".into()),
        Err(CallError::Failed(refused)) => Ok(refused),
        Err(CallError::Other(error)) => Err(error.into()), // the connection was lost, for example
    }
}
