//! The defaults of the limits, and their getters.

use std::time::Duration;

use cmd_stream::server::{Limits, Rate};
use cmd_stream::transport::TcpKeepalive;
use cmd_stream::{ServerInfo, client};

#[test]
fn defaults_are_those_of_the_documentation() {
    let server = format!("{:?}", Limits::default());
    let client = format!("{:?}", client::Limits::default());
    let expected = "Limits { frame: 4194304, in_flight: 65536, in_flight_bytes: 67108864, output: 1048576, \
                    output_stall: 30s, memory: 1073741824, commands: 1048576, connections: 10000, waiting: 128, waiting_time: 5s, make_room: Some(1s), handshake: 10s, \
                    frame_time: 30s, idle: None, first_frame: None, \
                    tcp_keepalive: TcpKeepalive { idle: 60s, interval: 15s, probes: 4 }, half_closed: 5s, paused: 300s, drain: 30s, connection_rate: None, address_rate: None, \
                    command_rate: None, shed_after: None }";
    assert_eq!(server, expected);
    let expected = "Limits { frame: 4194304, in_flight: 32768, in_flight_bytes: 33554432, output: 1048576, \
                    output_stall: 30s, stream_bytes: 8388608, stream_replies: None, stream_overflow: Fail, connect: 5s, handshake: 10s, \
                    connection_wait: 5s, frame_time: 30s, drain: 30s }";
    assert_eq!(client, expected);
    assert_eq!((Limits::SERVER_INFO, ServerInfo::MAX_LEN), (1024, 1024));
}

#[test]
fn getters_give_what_was_set() {
    let time = Duration::from_secs;
    let server = Limits::default()
        .frame(101)
        .in_flight(102)
        .in_flight_bytes(103)
        .output(104)
        .output_stall(time(105))
        .memory(1 << 21)
        .commands(122)
        .connections(106)
        .waiting(107, time(108))
        .handshake(time(109))
        .frame_time(time(110))
        .idle(time(111))
        .drain(time(112))
        .first_frame(time(119))
        .make_room(time(120))
        .tcp_keepalive(TcpKeepalive::OFF)
        .connection_rate(Rate::per_second(113))
        .address_rate(Rate::per_second(114))
        .command_rate(Rate::per_second(115))
        .shed_after(time(116))
        .half_closed(time(117))
        .paused(time(118));
    let sizes =
        (server.get_frame(), server.get_in_flight(), server.get_in_flight_bytes(), server.get_output());
    assert_eq!(sizes, (101, 102, 103, 104));
    assert_eq!((server.get_memory(), server.get_commands()), (1 << 21, 122));
    assert_eq!((server.get_connections(), server.get_waiting()), (106, 107));
    assert_eq!((server.get_output_stall(), server.get_waiting_time()), (time(105), time(108)));
    assert_eq!((server.get_handshake(), server.get_frame_time()), (time(109), time(110)));
    assert_eq!((server.get_idle(), server.get_drain()), (Some(time(111)), time(112)));
    assert_eq!((server.get_first_frame(), server.get_make_room()), (Some(time(119)), Some(time(120))));
    assert_eq!(server.get_tcp_keepalive(), TcpKeepalive::OFF);
    assert_eq!(server.clone().make_room(None).get_make_room(), None);
    let rates = [server.get_connection_rate(), server.get_address_rate(), server.get_command_rate()];
    assert_eq!(rates, [113, 114, 115].map(|events| Some(Rate::per_second(events))));
    assert_eq!(server.get_shed_after(), Some(time(116)));
    assert_eq!((server.get_half_closed(), server.get_paused()), (time(117), time(118)));
    assert_eq!(server.shed_after(Duration::ZERO).get_shed_after(), Some(Duration::from_millis(1)));

    let client = client::Limits::default()
        .frame(201)
        .output(202)
        .output_stall(time(203))
        .stream_bytes(211, client::Overflow::Fail)
        .stream_replies(204, client::Overflow::Pause)
        .connect(time(205))
        .handshake(time(206))
        .frame_time(time(207))
        .in_flight(208)
        .in_flight_bytes(209)
        .connection_wait(time(210));
    assert_eq!((client.get_frame(), client.get_output()), (201, 202));
    assert_eq!((client.get_stream_bytes(), client.get_stream_replies()), (211, Some(204)));
    assert_eq!(client.get_stream_overflow(), client::Overflow::Pause);
    assert_eq!((client.get_output_stall(), client.get_connect()), (time(203), time(205)));
    assert_eq!((client.get_handshake(), client.get_frame_time()), (time(206), time(207)));
    assert_eq!((client.get_in_flight(), client.get_in_flight_bytes()), (208, 209));
    assert_eq!(client.get_connection_wait(), time(210));
}

#[test]
fn server_info_has_1_to_1024_bytes() {
    for (len, is_one) in [(0, false), (1, true), (1024, true), (1025, false)] {
        assert_eq!(ServerInfo::new(vec![b'i'; len]).is_ok(), is_one, "{len} bytes");
    }
}
