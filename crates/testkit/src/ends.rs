//! Both ends of a connection in one process: client and server, or one of them and a scripted byte peer.

use cmd_stream::format::Format;
use cmd_stream::proto::varint;
use cmd_stream::protocol::ClientProtocol;
use cmd_stream::server::{Handle, ServerProtocol};
use cmd_stream::transport::{Connect, Peer, memory};
use cmd_stream::{Client, Invoker, client, server};
use tokio::io::{DuplexStream, duplex};

use crate::peer::{BytePeer, GREETING};
use crate::wait::within;

/// Starts a server on loopback, which runs until the runtime ends.
///
/// # Panics
///
/// If it cannot listen. Every function here panics on such failures.
pub async fn serve<P, F, R, I>(server: server::Builder<P, F, R, I>) -> Handle
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    let server = server.bind("127.0.0.1:0").await.expect("loopback has a free port");
    let handle = server.handle();
    tokio::spawn(server.serve());
    handle
}

/// Starts a server in memory. Also returns its connector.
pub fn serve_in_memory<P, F, R, I>(server: server::Builder<P, F, R, I>) -> (memory::Connector, Handle)
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    let (connector, listener) = memory::pair();
    let server = server.listen(listener).expect("memory has an address");
    let handle = server.handle();
    tokio::spawn(server.serve());
    (connector, handle)
}

/// Connects a client and a server in memory.
pub async fn both<P, F, R, I>(
    server: server::Builder<P, F, R, I>,
    client: client::Builder<P, F>,
) -> (Client<P, F>, Handle)
where
    P: ServerProtocol<F, R> + ClientProtocol<F>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    let (connector, handle) = serve_in_memory(server);
    let client = within(client.connect_by(connector)).await.expect("the server greets");
    (client, handle)
}

/// Starts a server in memory and connects a byte peer as its client, past the greeting.
pub async fn server_and_bytes<P, F, R, I>(
    server: server::Builder<P, F, R, I>,
) -> (Handle, BytePeer<DuplexStream>)
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    let (connector, handle) = serve_in_memory(server);
    let (io, _) = within(connector.connect()).await.expect("the server accepts");
    let mut peer = BytePeer::over(io);
    peer.expect(GREETING).await;
    (handle, peer)
}

/// Connects a client to a byte peer as its server, past the greeting. Each direction buffers `buffer` bytes.
pub async fn client_and_bytes<P, F>(
    client: client::Builder<P, F>,
    buffer: usize,
) -> (Client<P, F>, BytePeer<DuplexStream>)
where
    P: ClientProtocol<F>,
    F: Format,
{
    let (ours, theirs) = duplex(buffer.max(GREETING.len()));
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let client = within(client.over(ours, Peer::other("bytes"))).await.expect("it was greeted");
    (client, peer)
}

/// Returns a frame with a JSON body. Both directions have the same frames.
pub fn json_frame(seq: u64, tag: u64, body: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    varint::encode(seq, &mut frame);
    varint::encode(tag, &mut frame);
    varint::encode(body.len() as u64, &mut frame);
    frame.extend_from_slice(body.as_bytes());
    frame
}
