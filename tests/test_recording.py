"""The recording proxy, the second decoder, and that the recordings are what their index says."""

import random
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import independent
from recorded_sessions import SESSIONS, Session
from recording import TIMEOUT, RecordedConnection, RecordingProxy
from recording_stage import program
from recordings import FOLDER, Recording, recordings

Handler = Callable[[socket.socket], None]


@contextmanager
def served(handle: Handler, connections: int = 1) -> Iterator[RecordingProxy]:
    """A started proxy, before a server that handles so many connections, one after the other."""

    def serve() -> None:
        for _ in range(connections):
            connection, _ = listener.accept()
            connection.settimeout(TIMEOUT)
            with connection:
                handle(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with RecordingProxy(listener.getsockname()) as proxy:
            yield proxy
        thread.join(TIMEOUT)


def connected(proxy: RecordingProxy) -> socket.socket:
    """A client of the proxy."""
    return socket.create_connection(proxy.address, TIMEOUT)


def everything(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    return b"".join(iter(lambda: connection.recv(0x10000), b""))


def echo_upside_down(connection: socket.socket) -> None:
    """Send back every byte as it comes, with all bits turned: so both directions differ."""
    while chunk := connection.recv(1000):
        connection.sendall(turned(chunk))


def turned(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


def ended(proxy: RecordingProxy) -> RecordedConnection:
    """The only connection, when it has ended."""
    assert proxy.becomes(lambda: [one.ended for one in proxy.connections] == [True])
    return proxy.connections[0]


def test_both_directions_are_recorded_exactly() -> None:
    sent = random.Random(5).randbytes(300_000)
    with (
        served(echo_upside_down) as proxy,
        connected(proxy) as client,
    ):
        received = bytearray()
        for start in range(0, len(sent), 4096):
            client.sendall(sent[start : start + 4096])
            while len(received) < start:
                received += client.recv(0x10000)
        client.shutdown(socket.SHUT_WR)
        received += everything(client)
        connection = ended(proxy)
    assert received == turned(sent)
    assert connection.client_bytes == sent
    assert connection.server_bytes == turned(sent)


def test_what_a_server_says_first_and_last_is_recorded() -> None:
    def greet_and_close(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        assert everything(connection) == b"question"
        connection.sendall(b"answer")

    with (
        served(greet_and_close) as proxy,
        connected(proxy) as client,
    ):
        assert client.recv(5) == b"hello"
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b"answer"
        connection = ended(proxy)
    assert connection.client_bytes == b"question"
    assert connection.server_bytes == b"helloanswer"


def test_connections_are_kept_apart_in_the_order_in_which_they_came() -> None:
    with served(echo_upside_down, connections=3) as proxy:
        for word in (b"one", b"two", b"three"):
            with connected(proxy) as client:
                client.sendall(word)
                assert client.recv(len(word), socket.MSG_WAITALL) == turned(word)
        assert proxy.becomes(lambda: [one.ended for one in proxy.connections] == [True] * 3)
    words = [(one.client_bytes, one.server_bytes) for one in proxy.connections]
    assert words == [(word, turned(word)) for word in (b"one", b"two", b"three")]


def test_what_a_sender_sent_is_recorded_though_nobody_took_it() -> None:
    def send_after_the_end(connection: socket.socket) -> None:
        assert everything(connection) == b"bye"
        for _ in range(100):
            connection.sendall(b"x" * 1000)

    with served(send_after_the_end) as proxy:
        with connected(proxy) as client:
            client.sendall(b"bye")
            assert proxy.becomes(
                lambda: [one.client_bytes for one in proxy.connections] == [b"bye"]
            )
            reset = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection = ended(proxy)
    assert connection.client_bytes == b"bye"
    assert connection.server_bytes == b"x" * 100_000


def test_stop_cuts_what_is_open_and_keeps_what_was_recorded() -> None:
    with served(echo_upside_down) as proxy:
        client = connected(proxy)
        client.sendall(b"a")
        assert client.recv(1) == turned(b"a")
    with client:
        assert everything(client) == b""
    (connection,) = proxy.connections
    assert connection.ended
    assert (connection.client_bytes, connection.server_bytes) == (b"a", turned(b"a"))


def test_a_connection_that_the_server_does_not_take_is_closed_and_not_recorded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()
    with RecordingProxy(nobody) as proxy, connected(proxy) as client:
        assert everything(client) == b""
    assert proxy.connections == []


def test_becomes_says_whether_it_came_to_that() -> None:
    with served(echo_upside_down) as proxy:
        assert not proxy.becomes(lambda: bool(proxy.connections), timeout=0.01)
        with connected(proxy):
            assert proxy.becomes(lambda: bool(proxy.connections))


EXAMPLES: list[tuple[str, str, independent.PacketDict]] = [
    (
        "3.1",
        "10 11 0006 4d5149736470 03 02 003c 0003 616263",
        {
            "name": "CONNECT",
            "protocol_name": "MQIsdp",
            "protocol_level": 3,
            "clean_start": True,
            "keep_alive": 60,
            "client_id": "abc",
            "will": None,
            "user_name": None,
            "password": None,
        },
    ),
    (
        "5.0",
        "10 27 0004 4d515454 05 ec 000a 05 11 00000e10 0000"
        " 05 18 00000001 0001 77 0002 6869 0001 75 0003 00ff70",
        {
            "name": "CONNECT",
            "protocol_name": "MQTT",
            "protocol_level": 5,
            "clean_start": False,
            "keep_alive": 10,
            "properties": [["session_expiry_interval", 3600]],
            "client_id": "",
            "will": {
                "qos": 1,
                "retain": True,
                "properties": [["will_delay_interval", 1]],
                "topic": "w",
                "payload_length": 2,
                "payload_crc32": zlib.crc32(b"hi"),
            },
            "user_name": "u",
            "password": "00ff70",
        },
    ),
    ("3.1.1", "20 02 01 00", {"name": "CONNACK", "session_present": True, "reason_code": 0}),
    (
        "3.1.1",
        "3d 08 0003 612f62 1234 68",
        {
            "name": "PUBLISH",
            "flags": 13,
            "dup": True,
            "qos": 2,
            "retain": True,
            "topic": "a/b",
            "packet_id": 0x1234,
            "payload_length": 1,
            "payload_crc32": zlib.crc32(b"h"),
        },
    ),
    (
        "5.0",
        "30 10 0001 61 0c 26 0001 6b 0000 0b ffff7f 01 01",
        {
            "name": "PUBLISH",
            "dup": False,
            "qos": 0,
            "retain": False,
            "topic": "a",
            "packet_id": None,
            "properties": [
                ["user_property", ["k", ""]],
                ["subscription_identifier", 2_097_151],
                ["payload_format_indicator", 1],
            ],
            "payload_length": 0,
            "payload_crc32": 0,
        },
    ),
    ("5.0", "40 02 0001", {"name": "PUBACK", "packet_id": 1, "reason_code": 0, "properties": []}),
    ("5.0", "50 03 0001 10", {"name": "PUBREC", "packet_id": 1, "reason_code": 16}),
    ("3.1.1", "62 02 0007", {"name": "PUBREL", "flags": 2, "packet_id": 7}),
    (
        "5.0",
        "82 0b 000a 02 0b 01 0003 612f23 2e",
        {
            "name": "SUBSCRIBE",
            "packet_id": 10,
            "properties": [["subscription_identifier", 1]],
            "filters": [["a/#", 0x2E]],
        },
    ),
    ("3.1.1", "90 04 0001 02 80", {"name": "SUBACK", "packet_id": 1, "reason_codes": [2, 128]}),
    ("3.1.1", "a2 08 0001 0001 61 0001 62", {"name": "UNSUBSCRIBE", "filters": ["a", "b"]}),
    ("3.1.1", "b0 02 0001", {"name": "UNSUBACK", "packet_id": 1}),
    ("5.0", "b0 05 0001 00 00 11", {"name": "UNSUBACK", "packet_id": 1, "reason_codes": [0, 17]}),
    ("3.1.1", "c0 00", {"name": "PINGREQ"}),
    (
        "5.0",
        "e0 08 8e 06 1f 0003 627965",
        {"name": "DISCONNECT", "reason_code": 0x8E, "properties": [["reason_string", "bye"]]},
    ),
    ("5.0", "e0 00", {"name": "DISCONNECT", "reason_code": 0, "properties": []}),
    (
        "5.0",
        "f0 06 18 04 15 0001 78",
        {"name": "AUTH", "reason_code": 0x18, "properties": [["authentication_method", "x"]]},
    ),
]


@pytest.mark.parametrize(("version", "stream", "expected"), EXAMPLES)
def test_the_second_decoder_reads_what_a_person_reads(
    version: str, stream: str, expected: independent.PacketDict
) -> None:
    data = bytes.fromhex(stream)
    (packet,) = independent.decode(data, version)
    assert packet | expected == packet
    assert (packet["offset"], packet["length"], packet["flags"]) == (0, len(data), data[0] & 0x0F)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param("c0", id="no length"),
        pytest.param("30 05 0001 61", id="cut off"),
        pytest.param("00 00", id="type 0"),
        pytest.param("30 ffffffff01", id="length of five bytes"),
        pytest.param("c0 01 00", id="too long"),
        pytest.param("10 03 0004 4d", id="too short"),
        pytest.param("30 06 0001 61 02 77 00", id="unknown property"),
        pytest.param("30 04 0001 ff 00", id="not UTF-8"),
    ],
)
def test_the_second_decoder_refuses_what_it_cannot_read(stream: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        independent.decode(bytes.fromhex(stream), "5.0")


every_recording = pytest.mark.parametrize(
    "recording", [pytest.param(one, id=one.file) for one in recordings()]
)


@every_recording
def test_the_index_tells_what_the_second_decoder_reads(recording: Recording) -> None:
    assert independent.decode(recording.data, recording.version) == recording.packets


def test_the_index_names_every_file_once() -> None:
    names = [recording.file for recording in recordings()]
    assert sorted(names) == sorted(path.name for path in FOLDER.glob("*.bin"))


@pytest.mark.parametrize(
    ("version", "unseen"),
    [
        ("3.1", {"PINGREQ", "PINGRESP", "AUTH"}),
        ("3.1.1", {"AUTH"}),
        ("5.0", {"AUTH"}),  # mosquitto has no method of authentication
    ],
)
def test_the_recordings_hold_every_packet_but(version: str, unseen: set[str]) -> None:
    ours = [one for one in recordings() if one.version == version]
    seen = {packet["name"] for one in ours for packet in one.packets}
    assert {name for name, _ in independent.TYPES.values()} - seen == unseen


@pytest.mark.peer
@pytest.mark.parametrize("session", SESSIONS[:2], ids=lambda session: session.play.__name__)
def test_a_session_can_be_recorded_again(session: Session) -> None:
    try:
        program("mosquitto")
        program("mosquitto_pub")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    stored = {one.file: [packet["name"] for packet in one.packets] for one in recordings()}
    for take in session.record():
        for sender in ("client", "server"):
            assert take.names(sender) == stored[f"{take.name}.{sender}.bin"]
