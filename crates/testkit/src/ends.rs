//! Both ends of a connection in one process: two of ours, or one of ours and a scripted byte peer.

use cmd_stream::format::Format;
use cmd_stream::proto::varint;
use cmd_stream::protocol::ClientProtocol;
use cmd_stream::server::{Handle, ServerProtocol};
use cmd_stream::transport::{Connect, Peer, memory};
use cmd_stream::{Client, Invoker, client, server};
use tokio::io::{DuplexStream, duplex};

use crate::peer::{BytePeer, GREETING};
use crate::wait::within;

/// A server on loopback; it serves until the runtime ends.
///
/// # Panics
///
/// If it cannot listen; as every function here, if what it makes cannot be made.
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

/// A server in memory, and what connects to it.
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

/// A client and a server of ours, connected in memory.
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

/// A server of ours in memory, and a byte peer as its client, which has been greeted.
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

/// A client of ours, and a byte peer as its server, which has greeted it. Each direction holds `buffer` bytes.
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

/// A frame with a JSON body, as both directions have it.
pub fn json_frame(seq: u64, tag: u64, body: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    varint::encode(seq, &mut frame);
    varint::encode(tag, &mut frame);
    varint::encode(body.len() as u64, &mut frame);
    frame.extend_from_slice(body.as_bytes());
    frame
}
