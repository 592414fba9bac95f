//! The ceiling: the bytes of the same frames, echoed by plain sockets that decode nothing.
//!
//! With at most one command in flight per connection, it is a ping-pong of single frames. With more, it is a pump: it keeps
//! as many bytes under way as that many frames have on average, in pieces of up to 64 KiB, and does not time single
//! frames. Either way, what comes back is compared with what was sent.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use cmd_stream::proto::varint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use bench_harness::format::Format;
use bench_harness::lines::Request;
use bench_harness::load::{Measured, Phase, Tally, Window};
use bench_harness::workload;

/// The size of buffers, and so of reads and writes: the library's own.
const PIECE: usize = 64 * 1024;

pub(crate) async fn measure(request: &Request) -> Result<Measured, String> {
    let frames = Arc::new(Frames::of(request.format));
    let connections = connect(request.connections as usize).await.map_err(text)?;
    let shares = shares(request.in_flight as usize, connections.len());
    let busy = connections.into_iter().zip(shares).filter(|(_, share)| *share > 0);
    let round = request.round();
    let ping_pong = request.in_flight <= request.connections;
    let window = Window::after(&round);
    let tasks = busy.enumerate().map(|(task, (stream, share))| {
        let (frames, tally, window) = (Arc::clone(&frames), Tally::new(round.in_flight), window.clone());
        async move {
            if ping_pong {
                bounce(stream, &frames, task, window, tally).await
            } else {
                pump(stream, &frames, share, window, tally).await
            }
        }
    });
    window.join(tasks, Tally::new(round.in_flight)).await
}

/// All frames of the pool, one after another.
struct Frames {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Frames {
    /// On the wire a frame is seq, tag and, if the Format has one, the length, as varints; then the body. The tag is 0,
    /// and seq counts from 1.
    fn of(format: Format) -> Self {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for (seq, value) in (1_u64..).zip(workload::pool()) {
            let start = bytes.len();
            let body = format.encode(value);
            varint::encode(seq, &mut bytes);
            varint::encode(0_u64, &mut bytes);
            if format.has_length() {
                varint::encode(body.len() as u64, &mut bytes);
            }
            bytes.extend(body);
            ranges.push(start..bytes.len());
        }
        Self { bytes, ranges }
    }

    /// The bytes that `in_flight` frames have on average.
    fn mean_size(&self, in_flight: usize) -> usize {
        in_flight * self.bytes.len() / self.ranges.len()
    }

    /// The number of frames of mean size in these bytes.
    fn worth(&self, bytes: u64) -> u64 {
        let frames = u128::from(bytes) * self.ranges.len() as u128 / self.bytes.len() as u128;
        u64::try_from(frames).expect("a frame has more than one byte")
    }
}

/// Connections whose other ends echo what they read.
async fn connect(connections: usize) -> std::io::Result<Vec<TcpStream>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
        let (client, (server, _)) = (client?, server?);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        tokio::spawn(echo(server));
        clients.push(client);
    }
    Ok(clients)
}

/// Ends when its client does. The client may hang up while bytes are on their way to it.
async fn echo(mut stream: TcpStream) {
    let mut buf = vec![0; PIECE];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
}

/// The commands in flight on each connection: task i is on connection i modulo their number.
fn shares(in_flight: usize, connections: usize) -> impl Iterator<Item = usize> {
    (0..connections).map(move |i| in_flight / connections + usize::from(i < in_flight % connections))
}

/// One frame out, the same frame back, and the next.
async fn bounce(
    mut stream: TcpStream,
    frames: &Frames,
    task: usize,
    window: Window,
    mut tally: Tally,
) -> Result<Tally, String> {
    let mut buf = vec![0; PIECE];
    for range in workload::of_task(&frames.ranges, task) {
        let started = tally.times_next().then(Instant::now);
        let sent = &frames.bytes[range.clone()];
        stream.write_all(sent).await.map_err(text)?;
        let reply = &mut buf[..sent.len()];
        stream.read_exact(reply).await.map_err(text)?;
        compare(sent, reply)?;
        tally.verified += 1;
        match window.phase() {
            Phase::WarmUp => {}
            Phase::Counting => tally.count(started),
            Phase::Over => break,
        }
    }
    Ok(tally)
}

/// Keeps the bytes of `share` frames under way.
///
/// One task reads and writes. It never waits only for a write, because an echo that cannot write back stops reading.
async fn pump(
    mut stream: TcpStream,
    frames: &Frames,
    share: usize,
    window: Window,
    mut tally: Tally,
) -> Result<Tally, String> {
    let (mut reader, mut writer) = stream.split();
    let mut buf = vec![0; PIECE];
    let mut room = frames.mean_size(share);
    let (mut sent_at, mut back_at) = (0, 0); // places in the frames
    let (mut counted, mut compared) = (0, 0); // bytes
    loop {
        let rest = &frames.bytes[sent_at..];
        let piece = &rest[..rest.len().min(room).min(PIECE)];
        tokio::select! {
            biased;
            n = reader.read(&mut buf) => {
                let n = n.map_err(text)?;
                if n == 0 {
                    return Err("the echo hung up".to_owned());
                }
                back_at = compare_round(&frames.bytes, back_at, &buf[..n])?;
                room += n;
                compared += n as u64;
                match window.phase() {
                    Phase::WarmUp => {}
                    Phase::Counting => counted += n as u64,
                    Phase::Over => break,
                }
            }
            n = writer.write(piece), if room > 0 => {
                let n = n.map_err(text)?;
                room -= n;
                sent_at = (sent_at + n) % frames.bytes.len();
            }
        }
    }
    tally.commands = frames.worth(counted);
    tally.verified = frames.worth(compared);
    Ok(tally)
}

/// Compares what came back with `all`, starting at `at` and wrapping around. Returns the place after it.
fn compare_round(all: &[u8], mut at: usize, mut reply: &[u8]) -> Result<usize, String> {
    while !reply.is_empty() {
        let (head, tail) = reply.split_at(reply.len().min(all.len() - at));
        compare(&all[at..at + head.len()], head)?;
        at = (at + head.len()) % all.len();
        reply = tail;
    }
    Ok(at)
}

fn compare(sent: &[u8], reply: &[u8]) -> Result<(), String> {
    if sent == reply { Ok(()) } else { Err("other bytes came back than were sent".to_owned()) }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participant;

    fn run(in_flight: u32, connections: u32) -> Measured {
        let request =
            Request { format: Format::Json, in_flight, connections, duration_ms: 200, warmup_ms: 0 };
        participant::runtime().unwrap().block_on(measure(&request)).unwrap()
    }

    #[test]
    fn first_frame_is_seq_tag_length_body() {
        let frames = Frames::of(Format::Json);
        let first = &frames.bytes[frames.ranges[0].clone()];
        // 404 bytes of JSON: 0x194 as a varint.
        assert_eq!(first[..5], [1, 0, 0x94, 0x03, b'{']);
        assert_eq!(first.len(), 4 + 404);
        assert_eq!(frames.ranges.last().unwrap().end, frames.bytes.len());
        // MUS has no length: after seq and tag come the bool and the number.
        let frames = Frames::of(Format::Mus);
        assert_eq!(frames.bytes[..3], [1, 0, 1]);
        assert_eq!(frames.ranges[0], 0..2 + 1 + 10 + 2 + 322 + 8);
    }

    #[test]
    fn one_command_a_connection_is_a_ping_pong_that_is_timed() {
        let measured = run(1, 2);
        assert!(measured.tally.commands > 0);
        assert_eq!(measured.tally.latency.len(), measured.tally.commands);
    }

    #[test]
    fn more_are_a_pump_that_is_not_timed() {
        let measured = run(65, 2);
        assert!(measured.tally.commands > 0);
        assert!(measured.tally.verified >= measured.tally.commands);
        assert_eq!(measured.tally.latency.len(), 0);
    }

    #[test]
    fn commands_in_flight_are_spread_as_tasks_are() {
        assert_eq!(shares(1, 2).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(shares(1023, 4).collect::<Vec<_>>(), [256, 256, 256, 255]);
    }

    #[test]
    fn comparing_goes_round_and_sees_a_difference() {
        assert_eq!(compare_round(b"abcd", 3, b"dabcdab"), Ok(2));
        assert_eq!(compare_round(b"abcd", 0, b"abcd"), Ok(0));
        assert!(compare_round(b"abcd", 3, b"dbbc").is_err());
    }
}
