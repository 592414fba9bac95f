//! What a TLS error means to the operator of this side. rustls says what happened; this says who has to change what.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError as Bad, Error as Tls};

use crate::error::{Error, ErrorKind, Origin};
use crate::proto::foreign::Foreign;

/// Which side of the connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Whether this client has a certificate for servers that ask for one.
    Client {
        has_identity: bool,
    },
    Server,
}

/// The peer's first bytes are not TLS.
#[derive(Debug)]
pub(super) struct NotTls {
    pub(super) first: Vec<u8>,
    /// The protocol that they are of, if that is known.
    pub(super) foreign: Option<Foreign>,
}

impl fmt::Display for NotTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its first bytes are {}", self.first.escape_ascii())
    }
}

impl StdError for NotTls {}

/// Puts an [`Error`] of kind [`Tls`](ErrorKind::Tls) around what TLS says. Errors of the stream below are left as they are.
pub(super) fn explain(side: Side, error: io::Error) -> io::Error {
    let (kind, text) = match error.get_ref() {
        Some(inside) => match (inside.downcast_ref::<NotTls>(), inside.downcast_ref::<Tls>()) {
            (Some(not_tls), _) => (ErrorKind::Tls, spoken(side, not_tls.foreign)),
            (None, Some(tls)) => (ErrorKind::Tls, describe(side, tls)),
            // rustls and tokio-rustls say it in a text, whenever the stream ends without a close_notify.
            _ if error.kind() == io::ErrorKind::UnexpectedEof => (
                ErrorKind::UnexpectedEof,
                format!("the {} ended the connection without a TLS close_notify", peer(side)),
            ),
            _ => return error,
        },
        None => return error,
    };
    io::Error::new(error.kind(), Error::with_source(kind, Origin::Remote, text, error))
}

/// As [`explain`], for an error of the handshake.
pub(super) fn explain_handshake(side: Side, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::UnexpectedEof {
        return explain(side, error);
    }
    let text = format!("the {} closed the connection during the TLS handshake", peer(side));
    io::Error::new(error.kind(), Error::new(ErrorKind::Closed, Origin::Remote, text))
}

/// Whether TLS itself has failed, so that the peer should read why.
pub(super) fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inside| inside.is::<Tls>())
}

fn peer(side: Side) -> &'static str {
    match side {
        Side::Client { .. } => "server",
        Side::Server => "client",
    }
}

/// Says what a peer speaks that does not speak TLS.
fn spoken(side: Side, foreign: Option<Foreign>) -> String {
    match (side, foreign) {
        (Side::Client { .. }, Some(foreign)) => format!("the server speaks {foreign} without TLS"),
        (Side::Client { .. }, None) => {
            "the server speaks plain cmd-stream, or another protocol without TLS".into()
        }
        (Side::Server, Some(foreign)) => format!("the client speaks {foreign}, and does not speak TLS"),
        (Side::Server, None) => "the client does not speak TLS".into(),
    }
}

/// Says what an error means, and which setting of this side it is about, without the details that the error itself tells.
fn describe(side: Side, error: &Tls) -> String {
    let peer = peer(side);
    // A client compares the certificate with its own settings. A server has no expected name, and its authorities are
    // those of one of two settings.
    let (authorities, name) = match side {
        Side::Client { .. } => (" (`ClientTlsBuilder::authorities`)", " (`ClientTls::server_name`)"),
        Side::Server => ("", ""),
    };
    match error {
        Tls::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => format!("the {peer}'s certificate has expired"),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                format!("the {peer}'s certificate is not valid yet")
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("the {peer}'s certificate is for another name{name}")
            }
            Bad::UnknownIssuer => format!("the {peer}'s certificate is of an unknown authority{authorities}"),
            // Another authority with the same name, as after an authority was made anew.
            Bad::BadSignature => {
                format!(
                    "the {peer}'s certificate is not signed by the known authority that it names{authorities}"
                )
            }
            Bad::Revoked => format!("the {peer}'s certificate is revoked"),
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
                format!("the {peer}'s certificate is not for a {peer}")
            }
            _ => format!("the {peer}'s certificate is invalid"),
        },
        Tls::NoCertificatesPresented => format!("the {peer} sent no certificate, and one is required"),
        Tls::AlertReceived(alert) => alerted(side, *alert),
        Tls::PeerIncompatible(_) => {
            format!("the {peer} and this side have no TLS version or algorithm in common")
        }
        _ => format!("TLS with the {peer} failed"),
    }
}

/// Says why the peer has refused this side.
fn alerted(side: Side, alert: Alert) -> String {
    let (peer, own) = match side {
        Side::Client { .. } => ("server", "this client's certificate"),
        Side::Server => ("client", "this server's certificate"),
    };
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => requires_a_certificate(side).to_owned(),
        Alert::UnknownCA => format!("the {peer} refuses {own}: it is of an authority unknown there"),
        Alert::DecryptError => {
            format!("the {peer} refuses {own}: it is not signed by the authority of that name known there")
        }
        Alert::CertificateExpired => format!("the {peer} refuses {own}: it has expired, or is not valid yet"),
        Alert::CertificateRevoked => format!("the {peer} refuses {own}: it is revoked"),
        // rustls sends this for a wrong name; Go's clients send it for whatever is wrong with a certificate.
        Alert::BadCertificate if side == Side::Server => {
            format!("the {peer} refuses {own}: perhaps it is not for the name that the client asked for")
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied => format!("the {peer} refuses {own}"),
        Alert::UnrecognisedName => format!("the {peer} has no certificate for this name"),
        Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            format!("the {peer} and this side have no TLS version or algorithm in common")
        }
        _ => format!("the {peer} ended TLS"),
    }
}

/// Says why a server has got no certificate from this client. Only servers complain about that.
fn requires_a_certificate(side: Side) -> &'static str {
    match side {
        Side::Client { has_identity: false } => {
            "the server requires a client certificate, and none is set (`ClientTlsBuilder::identity`)"
        }
        Side::Client { has_identity: true } => {
            "the server requires a client certificate, and the one that is set was not sent: perhaps the server does not \
             accept its type of key"
        }
        Side::Server => "the client ended TLS",
    }
}
