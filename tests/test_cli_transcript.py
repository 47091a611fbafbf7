"""Connections as a sequence of lines."""

import pytest

from mqttproto import ConnAck, Connect, PingReq
from mqttproto.cli.color import Palette
from mqttproto.cli.transcript import Transcript
from mqttproto.codec import encode
from mqttproto.constants import Sender

CLIENT, SERVER = Sender
CONNECT, CONNACK, PINGREQ = (encode(packet) for packet in (Connect("c"), ConnAck(), PingReq()))


@pytest.fixture
def transcript() -> Transcript:
    return Transcript(Palette("never"))


def test_a_connection_from_its_beginning_to_its_end(transcript: Transcript) -> None:
    lines = [
        transcript.begins(0.0, "here leads to there"),
        transcript.connected(0.5, 1, "127.0.0.1:50000"),
        transcript.said(0.5014, 1, CLIENT, CONNECT),
        transcript.said(0.75, 1, SERVER, CONNACK),
        transcript.said(61.0, 1, CLIENT, PINGREQ + PINGREQ),
        transcript.ended(62.0, 1, CLIENT),
        transcript.ended(62.0, 1, SERVER),
        transcript.closed(62.5, 1),
        transcript.summary(12345.678),
    ]
    assert "".join(lines) == (
        "     0.000       -- here leads to there\n"
        "     0.500  #1   -- 127.0.0.1:50000 has connected\n"
        '     0.501  #1   -> CONNECT     version=5.0 client_id="c" clean_start keep_alive=60\n'
        "     0.750  #1   <- CONNACK     reason_code=SUCCESS(0x00)\n"
        "    61.000  #1   -> PINGREQ\n"
        "    61.000  #1   -> PINGREQ\n"
        "    62.500  #1   -- the client has closed it: -> 3 packets in 20 bytes,"
        " <- 1 packet in 5 bytes\n"
        " 12345.678       -- 1 connection: -> 3 packets in 20 bytes, <- 1 packet in 5 bytes,"
        " no faults\n"
    )


def test_connections_are_told_apart(transcript: Transcript) -> None:
    for number in (1, 2):
        assert f"#{number} " in transcript.connected(0, number, "")
    transcript.said(0, 1, CLIENT, CONNECT)
    assert "#2   -> CONNECT" in transcript.said(0, 2, CLIENT, CONNECT)
    assert "#1   <- CONNACK" in transcript.said(0, 1, SERVER, CONNACK)
    transcript.closed(0, 1)
    transcript.closed(0, 2)
    summary = transcript.summary(0)
    assert "2 connections: -> 2 packets in 32 bytes, <- 1 packet in 5 bytes" in summary


def test_a_client_that_is_nowhere_is_a_client(transcript: Transcript) -> None:
    assert transcript.connected(0, 1, "").endswith(" -- a client has connected\n")


def test_faults_are_marked_and_counted(transcript: Transcript) -> None:
    transcript.connected(0, 1, "")
    told = transcript.said(0, 1, CLIENT, b"\xc1")
    assert told.startswith("     0.000  #1   !! client: fault at byte 0, in the packet at byte 0: ")
    assert "no faults" not in transcript.summary(0)
    assert transcript.summary(0).endswith(", 1 fault\n")
    transcript.said(0, 1, SERVER, b"?")
    assert transcript.summary(0).endswith(", 2 faults\n")


def test_an_end_inside_of_a_packet_is_marked(transcript: Transcript) -> None:
    transcript.connected(0, 1, "")
    transcript.said(0, 1, CLIENT, CONNECT + b"\x30")
    told = transcript.ended(0, 1, CLIENT)
    assert told.endswith("!! client: it ends inside of the packet at byte 16, after 1 byte\n")


def test_why_a_connection_ended(transcript: Transcript) -> None:
    for number in (1, 2, 3):
        transcript.connected(0, number, "")
    transcript.ended(0, 1, SERVER, "Connection reset by peer")
    transcript.ended(0, 1, CLIENT)
    assert "-- server: Connection reset by peer: -> " in transcript.closed(0, 1)
    transcript.ended(0, 2, SERVER)
    assert "-- the server has closed it: -> " in transcript.closed(0, 2)
    assert "-- it was cut: -> 0 packets in 0 bytes, " in transcript.closed(0, 3)


def test_a_server_out_of_reach_is_marked(transcript: Transcript) -> None:
    transcript.connected(0, 1, "")
    assert transcript.unreachable(1.0, 1, "nobody\nthere") == (
        "     1.000  #1   !! nobody\\nthere\n"
    )
    assert "1 connection: " in transcript.summary(0)


def test_directions_and_faults_have_colors() -> None:
    transcript = Transcript(Palette("always"))
    transcript.connected(0, 1, "")
    dim = "\x1b[2m     0.000  #1  \x1b[0m "
    assert transcript.said(0, 1, CLIENT, CONNECT).startswith(f"{dim}\x1b[36m-> CONNECT ")
    assert transcript.said(0, 1, SERVER, CONNACK).startswith(f"{dim}\x1b[32m<- CONNACK ")
    assert transcript.said(0, 1, SERVER, b"\0\0").startswith(f"{dim}\x1b[31m!! server: fault ")
