//! The client's side of TLS: its settings, and a connector that puts TLS over another one.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::reason::{Side, explain_handshake};
use super::reload::{Reloadable, Settings};
use super::source::{Authorities, Identity, Source, unusable, unusable_by};
use super::stream::{Stream, Watched};
use super::{hang_up, peer_with, provider};
use crate::error::Error;
use crate::sync::Arc;
use crate::transport::{Connect, Establish, Peer, Progress};

/// The TLS settings of a client: which authorities it trusts, and its own certificate. Clones share what is reloaded.
///
/// ```no_run
/// # fn main() -> Result<(), cmd_stream::Error> {
/// use cmd_stream::transport::tls::{Authorities, ClientTls, Identity};
///
/// let public = ClientTls::builder().build()?; // accepts the authorities that the operating system trusts
/// let private = ClientTls::builder()
///     .authorities(Authorities::file("ca.pem"))
///     .identity(Identity::files("client.pem", "client.key"))
///     .build()?;
/// # let _ = (public, private);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    config: Reloadable<ClientSettings>,
    server_name: Option<String>,
}

impl ClientTls {
    /// Starts with the defaults: the server's certificate must be of an authority that the operating system trusts, and the
    /// client has no certificate.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder { settings: ClientSettings { authorities: None, identity: None } }
    }

    /// Sets the name, or the IP address, that the server's certificate must be for. The client also asks the server for
    /// it. The default is the host of the address it connects to.
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> Self {
        Self { server_name: Some(name.into()), ..self }
    }

    /// Reads all files again, and the platform's roots. New connections use what is there now. Connections that exist are
    /// not touched.
    ///
    /// It blocks the thread while it reads, and while another reload of the same settings runs. It does nothing if this
    /// was made from a [`ClientConfig`].
    ///
    /// # Errors
    ///
    /// As [`ClientTlsBuilder::build`]. Then what was used before is still used.
    pub fn reload(&self) -> Result<(), Error> {
        self.config.reload()
    }

    /// Polls the files every `every`, and [reloads](Self::reload) them if their contents have changed.
    ///
    /// `every` is at least 1 ms; a shorter time counts as 1 ms. With [`Duration::MAX`] it never does. A task polls until all clones of this have been dropped. If
    /// the new files cannot be used, it logs that once, at `warn`, and what was used before is still used. Calling it again
    /// replaces the earlier watch. The platform's roots are not polled.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn watch(&self, every: Duration) {
        self.config.watch(every);
    }

    /// Determines the name that the server's certificate must be for.
    fn name_of(&self, address: &str) -> io::Result<ServerName<'static>> {
        let name = match &self.server_name {
            Some(name) => Ok(name.as_str()),
            None => host_of(address).ok_or_else(|| {
                unusable("the address has no host to verify the server by: set `ClientTls::server_name`")
            }),
        };
        let name = name.and_then(|name| {
            ServerName::try_from(name.to_owned())
                .map_err(|error| unusable_by(format!("{name:?} is not the name of a server"), error))
        });
        name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}

impl From<Arc<ClientConfig>> for ClientTls {
    /// Uses a configuration of rustls as it is. To change it, the application replaces what is in it, such as its
    /// certificate resolver.
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { config: Reloadable::fixed(config), server_name: None }
    }
}

impl From<ClientConfig> for ClientTls {
    fn from(config: ClientConfig) -> Self {
        Arc::new(config).into()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// The settings of a [`ClientTls`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientTlsBuilder {
    settings: ClientSettings,
}

impl ClientTlsBuilder {
    /// Accepts only servers with a certificate of one of these authorities. The default is those that the operating system
    /// trusts.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.settings.authorities = Some(authorities);
        self
    }

    /// Sets the certificate for servers that ask for one. The default is none.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.settings.identity = Some(identity);
        self
    }

    /// Reads the files, or the platform's roots, and checks everything. It blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`](crate::ErrorKind::Tls), if a file cannot be read, is not PEM, lacks what is needed, or has a key
    /// that is not that of the certificate (the message names the file); or if the platform has no roots.
    pub fn build(self) -> Result<ClientTls, Error> {
        Ok(ClientTls { config: Reloadable::load(self.settings)?, server_name: None })
    }
}

#[derive(Clone, Debug)]
struct ClientSettings {
    /// None: those of the platform.
    authorities: Option<Authorities>,
    identity: Option<Identity>,
}

impl Settings for ClientSettings {
    type Config = ClientConfig;

    fn sources(&self) -> Vec<&Source> {
        let authorities = self.authorities.iter().flat_map(Authorities::sources);
        authorities.chain(self.identity.iter().flat_map(Identity::sources)).collect()
    }

    fn load(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = provider();
        let identity = self.identity.as_ref().map(|identity| identity.load(&provider)).transpose()?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable_by("the cryptography of this process cannot be used", error))?;
        let config = match &self.authorities {
            Some(authorities) => config.with_root_certificates(authorities.load()?),
            None => {
                let verifier = Verifier::new(provider)
                    .map_err(|error| unusable_by("the roots of the platform cannot be used", error))?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match identity {
            Some(identity) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
            None => config.with_no_client_auth(),
        };
        // A session that is resumed is not verified again: it would outlive a certificate, and a reload.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Puts TLS over the connections of another connector.
///
/// [`Builder::connect_tls`](crate::client::Builder::connect_tls) does so over TCP.
///
/// ```no_run
/// # async fn f(connector: cmd_stream::transport::memory::Connector, tls: cmd_stream::transport::tls::ClientTls) {
/// use cmd_stream::transport::tls;
///
/// // Memory has no host, so the name has to be set.
/// let connector = tls::Connector::new(connector, tls.server_name("localhost"));
/// # let _ = connector;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector<T> {
    inner: T,
    tls: ClientTls,
}

impl<T: Connect> Connector<T> {
    /// Puts TLS over a connector.
    ///
    /// Unless [`ClientTls::server_name`] is set, the server is verified by the host in [`Connect::address`].
    pub fn new(inner: T, tls: impl Into<ClientTls>) -> Self {
        Self { inner, tls: tls.into() }
    }
}

impl<T: Connect> Connect for Connector<T> {
    type Outgoing = Outgoing<T::Outgoing>;

    async fn connect(&self) -> io::Result<Self::Outgoing> {
        let name = self.tls.name_of(&self.inner.address())?;
        let below = self.inner.connect().await?;
        let progress = Progress::new("it may be no server, or one that takes no further connection");
        Ok(Outgoing { below, config: self.tls.config.config(), name, progress })
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn failed(&self) {
        self.inner.failed();
    }
}

/// A connection on which the TLS handshake has not been made yet.
#[derive(Debug)]
pub struct Outgoing<V> {
    below: V,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    progress: Progress,
}

impl<V: Establish> Establish for Outgoing<V> {
    type Io = Stream<V::Io>;

    fn peer(&self) -> &Peer {
        self.below.peer()
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    async fn establish(self) -> io::Result<(Self::Io, Peer)> {
        let (io, peer) = self.below.establish().await?;
        let io = Watched::new(io, self.progress);
        let side = Side::Client { has_identity: self.config.client_auth_cert_resolver.has_certs() };
        match TlsConnector::from(self.config).connect(self.name, io).into_fallible().await {
            Ok(io) => {
                let peer = peer_with(peer, io.get_ref().1.peer_certificates());
                Ok((Stream::new(io, side), peer))
            }
            Err((error, io)) => {
                hang_up(io, &error);
                Err(explain_handshake(side, error))
            }
        }
    }
}

/// Returns the host of an address with a port.
fn host_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    Some(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_found() {
        for (address, host) in [
            ("shop.example:9000", Some("shop.example")),
            ("127.0.0.1:9000", Some("127.0.0.1")),
            ("[::1]:9000", Some("::1")),
            ("memory", None),
            ("/run/shop.sock", None),
            ("a:b", None),
        ] {
            assert_eq!(host_of(address), host);
        }
    }
}
