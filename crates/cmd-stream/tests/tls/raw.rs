//! Configurations of rustls itself, and TLS 1.2.

use std::sync::Arc;

use cmd_stream::transport::tls::rustls::client::ResolvesClientCert;
use cmd_stream::transport::tls::rustls::crypto::aws_lc_rs::default_provider;
use cmd_stream::transport::tls::rustls::pki_types::pem::PemObject;
use cmd_stream::transport::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use cmd_stream::transport::tls::rustls::sign::CertifiedKey;
use cmd_stream::transport::tls::rustls::version::{TLS12, TLS13};
use cmd_stream::transport::tls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use cmd_stream::transport::tls::{ClientTls, ServerTls};
use testkit::certs::Authority;
use testkit::wait::within;

use crate::lab::{echo, text};
use crate::{NAMES, authorities, client, connect, server, world};

fn server_config(authority: &Authority, version: &'static SupportedProtocolVersion) -> ServerConfig {
    let issued = authority.server(NAMES);
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(issued.der)], key)
        .unwrap()
}

fn client_config(authority: &Authority, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn either_version_is_spoken_with_either_side_of_ours() {
    let authority = Authority::new("ca");
    for version in [&TLS12, &TLS13] {
        let raw_server = ServerTls::from(server_config(&authority, version));
        let raw_client = ClientTls::from(client_config(&authority, version));
        let (ours, theirs) = (server(&authority).build().unwrap(), client(&authority).build().unwrap());
        for (server, client) in [(raw_server, theirs), (ours, raw_client)] {
            server.reload().unwrap(); // nothing to do for a raw one
            client.reload().unwrap();
            let world = world(server).await;
            let client = connect(&world, client).await.unwrap();
            assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
        }
    }
}

#[tokio::test]
async fn without_a_version_in_common_both_say_so() {
    let authority = Authority::new("ca");
    let world = world(server_config(&authority, &TLS13)).await;
    let error = connect(&world, client_config(&authority, &TLS12)).await.unwrap_err();
    assert!(format!("{error:#}").contains("no TLS version or algorithm in common"), "{error:#}");
}

#[tokio::test]
async fn a_missing_certificate_is_named_in_tls_1_2_too() {
    let authority = Authority::new("ca");
    let tls = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let world = world(tls).await;
    let error = connect(&world, client_config(&authority, &TLS12)).await.unwrap_err();
    let says = "the server requires a client certificate, and none is set (`ClientTlsBuilder::identity`)";
    assert!(format!("{error:#}").contains(says), "{error:#}");
}

/// A client certificate that is not for this server.
#[derive(Debug)]
struct NotForYou;

impl ResolvesClientCert for NotForYou {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_certificate_that_is_set_and_not_sent_is_not_called_missing() {
    let authority = Authority::new("ca");
    let tls = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let world = world(tls).await;
    for version in [&TLS12, &TLS13] {
        let mut config = client_config(&authority, version);
        config.client_auth_cert_resolver = Arc::new(NotForYou);
        let error = connect(&world, config).await.unwrap_err();
        let says = "the server requires a client certificate, and the one that is set was not sent: ";
        assert!(format!("{error:#}").contains(says), "{error:#}");
    }
}
