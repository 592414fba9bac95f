//! The server's side of TLS: its settings, and a listener that puts TLS over another one.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::reason::{Side, explain_handshake};
use super::reload::{Reloadable, Settings};
use super::source::{Authorities, Identity, Source, unusable_by};
use super::stream::{Stream, Watched};
use super::{hang_up, peer_with, provider};
use crate::error::Error;
use crate::sync::Arc;
use crate::transport::{Accept, Establish, Peer, Progress};

/// The TLS settings of a server: its certificates, and those it asks its clients for. Clones share what is reloaded.
///
/// ```no_run
/// # fn main() -> Result<(), cmd_stream::Error> {
/// use cmd_stream::transport::tls::{Authorities, Identity, ServerTls};
/// use std::time::Duration;
///
/// let tls = ServerTls::builder(Identity::files("server.pem", "server.key"))
///     .require_client_certificates(Authorities::file("clients-ca.pem"))
///     .build()?;
/// tls.watch(Duration::from_secs(60));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    config: Reloadable<ServerSettings>,
}

impl ServerTls {
    /// Starts with the certificate that the server shows to clients that ask for no name, or for one that it has no
    /// certificate for.
    pub fn builder(identity: Identity) -> ServerTlsBuilder {
        ServerTlsBuilder {
            settings: ServerSettings { identities: vec![identity], clients: Clients::Anonymous },
        }
    }

    /// Reads all files again. New connections use what is in them now. Connections that exist are not touched.
    ///
    /// It blocks the thread while it reads the files, and while another reload of the same settings runs. It does nothing
    /// if this was made from a [`ServerConfig`].
    ///
    /// # Errors
    ///
    /// As [`ServerTlsBuilder::build`]. Then what was used before is still used.
    pub fn reload(&self) -> Result<(), Error> {
        self.config.reload()
    }

    /// Polls the files every `every`, and [reloads](Self::reload) them if their contents have changed.
    ///
    /// `every` is at least 1 ms; a shorter time counts as 1 ms. With [`Duration::MAX`] it never does. A task polls until all clones of this have been dropped. If
    /// the new files cannot be used, it logs that once, at `warn`, and what was used before is still used. Calling it again
    /// replaces the earlier watch.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn watch(&self, every: Duration) {
        self.config.watch(every);
    }
}

impl From<Arc<ServerConfig>> for ServerTls {
    /// Uses a configuration of rustls as it is. To change it, the application replaces what is in it, such as its
    /// certificate resolver.
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config: Reloadable::fixed(config) }
    }
}

impl From<ServerConfig> for ServerTls {
    fn from(config: ServerConfig) -> Self {
        Arc::new(config).into()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// The settings of a [`ServerTls`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerTlsBuilder {
    settings: ServerSettings,
}

impl ServerTlsBuilder {
    /// Adds a certificate for other names. A client gets the first certificate that is for the name it asks for, and of a
    /// type that it can verify.
    pub fn also(mut self, identity: Identity) -> Self {
        self.settings.identities.push(identity);
        self
    }

    /// Asks clients for a certificate of one of these authorities. A client without one is served, and has no
    /// [`Peer::certificate`]; one with any other certificate is not. The default is not to ask.
    pub fn accept_client_certificates(self, authorities: Authorities) -> Self {
        self.clients(Clients::Optional(authorities))
    }

    /// As [`accept_client_certificates`](Self::accept_client_certificates), but serves no client without one.
    pub fn require_client_certificates(self, authorities: Authorities) -> Self {
        self.clients(Clients::Required(authorities))
    }

    fn clients(mut self, clients: Clients) -> Self {
        self.settings.clients = clients;
        self
    }

    /// Reads the files and checks everything. It blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`](crate::ErrorKind::Tls), if a file cannot be read, is not PEM, lacks what is needed, or has a key
    /// that is not that of the certificate. The message names the file.
    pub fn build(self) -> Result<ServerTls, Error> {
        Ok(ServerTls { config: Reloadable::load(self.settings)? })
    }
}

#[derive(Clone, Debug)]
struct ServerSettings {
    /// The first one is the default.
    identities: Vec<Identity>,
    clients: Clients,
}

/// What is asked of clients.
#[derive(Clone, Debug)]
enum Clients {
    Anonymous,
    Optional(Authorities),
    Required(Authorities),
}

impl Settings for ServerSettings {
    type Config = ServerConfig;

    fn sources(&self) -> Vec<&Source> {
        let identities = self.identities.iter().flat_map(Identity::sources);
        match &self.clients {
            Clients::Anonymous => identities.collect(),
            Clients::Optional(authorities) | Clients::Required(authorities) => {
                identities.chain(authorities.sources()).collect()
            }
        }
    }

    fn load(&self) -> Result<Arc<ServerConfig>, Error> {
        let provider = provider();
        let identities = self.identities.iter().map(|identity| identity.load(&provider).map(Arc::new));
        let by_name = ByName(identities.collect::<Result<_, _>>()?);
        let verifier = match &self.clients {
            Clients::Anonymous => Ok(WebPkiClientVerifier::no_client_auth()),
            Clients::Optional(authorities) | Clients::Required(authorities) => {
                let roots = Arc::new(authorities.load()?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                match &self.clients {
                    Clients::Optional(_) => verifier.allow_unauthenticated().build(),
                    _ => verifier.build(),
                }
            }
        };
        let verifier =
            verifier.map_err(|error| unusable_by("the authorities of the clients cannot be used", error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable_by("the cryptography of this process cannot be used", error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(by_name));
        // A session that is resumed is not verified again: it would outlive a certificate, and a reload.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// Chooses a certificate by the name that the client asks for, and by the signatures that it can verify.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable =
            |identity: &&Arc<CertifiedKey>| identity.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named =
            name.and_then(|name| self.0.iter().filter(usable).find(|identity| is_for(identity, &name)));
        // The client says that it cannot use the default one; so it does if there is none that it can use.
        named.or_else(|| self.0.iter().find(usable)).or_else(|| self.0.first()).cloned()
    }
}

fn is_for(identity: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = identity.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}

/// Puts TLS over the connections of another listener.
///
/// [`Builder::bind_tls`](crate::server::Builder::bind_tls) makes one over TCP.
///
/// ```no_run
/// # fn f(tls: cmd_stream::transport::tls::ServerTls) {
/// use cmd_stream::transport::{memory, tls};
///
/// let (connector, listener) = memory::pair();
/// let listener = tls::Listener::new(listener, tls);
/// # let _ = (connector, listener);
/// # }
/// ```
#[derive(Debug)]
pub struct Listener<L> {
    inner: L,
    tls: ServerTls,
}

impl<L: Accept> Listener<L> {
    /// Puts TLS over a listener.
    pub fn new(inner: L, tls: impl Into<ServerTls>) -> Self {
        Self { inner, tls: tls.into() }
    }
}

impl<L: Accept> Accept for Listener<L> {
    type Incoming = Incoming<L::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let below = self.inner.accept().await?;
        let progress =
            Progress::new("it may be a client without TLS, which waits for the server to speak first");
        Ok(Incoming { below, config: self.tls.config.config(), progress })
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.inner.local_addr()
    }
}

/// A connection on which the TLS handshake has not been made yet.
#[derive(Debug)]
pub struct Incoming<V> {
    below: V,
    config: Arc<ServerConfig>,
    progress: Progress,
}

impl<V: Establish> Establish for Incoming<V> {
    type Io = Stream<V::Io>;

    fn peer(&self) -> &Peer {
        self.below.peer()
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn has_left(&self) -> bool {
        self.below.has_left()
    }

    async fn establish(self) -> io::Result<(Self::Io, Peer)> {
        let (io, peer) = self.below.establish().await?;
        let io = Watched::new(io, self.progress);
        match TlsAcceptor::from(self.config).accept(io).into_fallible().await {
            Ok(io) => {
                let peer = peer_with(peer, io.get_ref().1.peer_certificates());
                Ok((Stream::new(io, Side::Server), peer))
            }
            Err((error, io)) => {
                hang_up(io, &error);
                Err(explain_handshake(Side::Server, error))
            }
        }
    }
}
