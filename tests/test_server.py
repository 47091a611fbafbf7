"""The server's end of a connection as such: arguments, time, bytes, signs of life."""

import logging
from collections.abc import Callable

import pytest

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect, PingReq, PingResp, Will
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ReasonCode
from mqttproto.errors import Statement
from mqttproto.protocol import ConnectionState, Journal, Leniency, ServerConnection, Session
from mqttproto.protocol.events import (
    ConnectReceived,
    Disconnected,
    Initiator,
    MessageReceived,
    SubscribeReceived,
)
from server_stage import VERSIONS, Stage, connected, failure, lasting

OTHERS: dict[str, Packet] = {
    "PUBLISH": Publish("a"),
    "PUBACK": PubAck(1),
    "PUBREC": PubRec(1),
    "PUBREL": PubRel(1),
    "PUBCOMP": PubComp(1),
    "SUBSCRIBE": Subscribe(1, [Subscription("a")]),
    "UNSUBSCRIBE": Unsubscribe(1, ["a"]),
    "PINGREQ": PingReq(),
    "DISCONNECT": Disconnect(),
}


# Construction.


def test_a_timeout_may_be_short() -> None:
    assert ServerConnection(now=1.0, connect_timeout=0.5).next_deadline() == 1.5


@pytest.mark.parametrize(
    ("create", "what"),
    [
        (lambda: ServerConnection(now=0.0, connect_timeout=0), "connect_timeout"),
        (lambda: ServerConnection(now=0.0, max_early_data=-1), "max_early_data"),
        (lambda: ServerConnection(now=0.0, versions=()), "versions"),
        (lambda: ServerConnection(now=0.0, versions=(6,)), "6 is not"),
        (lambda: ServerConnection(now=0.0, max_packet_size=0), "max_packet_size"),
        (lambda: ServerConnection(now=0.0, max_packet_size=268_435_461), "max_packet_size"),
        (lambda: ServerConnection(now=0.0, max_in_flight=0), "max_in_flight"),
        (lambda: ServerConnection(now=0.0, max_in_flight=65_536), "max_in_flight"),
        (lambda: ServerConnection(now=0.0, max_topic_aliases=-1), "max_topic_aliases"),
        (lambda: ServerConnection(now=0.0, max_topic_aliases=65_536), "max_topic_aliases"),
        (lambda: ServerConnection(now=0.0, max_uncommitted=0), "max_uncommitted"),
        (lambda: ServerConnection(now=0.0, max_held=0), "max_held"),
    ],
)
def test_arguments_out_of_range_are_refused(
    create: Callable[[], ServerConnection], what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        create()


def test_a_new_connection_waits_for_a_client() -> None:
    server = ServerConnection(now=5.0)
    assert server.state is ConnectionState.NEW
    assert server.version is None
    assert server.limits is None
    assert server.wants_read
    assert not server.close_expected()
    assert server.data_to_send() == b""
    assert server.take_events() == []
    assert not server.take_changes()
    assert server.next_deadline() == 15.0
    assert (server.receiving, server.in_flight) == (0, 0)


def test_each_connection_has_a_number_of_its_own() -> None:
    numbers = [ServerConnection(now=0.0).number for _ in range(3)]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_version_state_and_session_can_be_asked_for(version: int) -> None:
    stage = Stage(version)
    stage.connect(Connect("c"))
    assert stage.server.version == version
    assert stage.state() is ConnectionState.CONNECTING
    assert stage.server.limits is None
    session = Session("c")
    stage.accept(session)
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.server.session is session
    assert session.connection is stage.server
    assert stage.server.limits is not None


# Bytes.


@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="server")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_first_packet_that_is_not_connect_ends_the_connection(version: int, name: str) -> None:
    stage = Stage(version)
    failed = failure(stage.receive(OTHERS[name]))
    assert failed.statement == Statement("5.0", "MQTT-3.1.0-1")
    assert failed.offset == 0
    assert not failed.publish_will
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_may_be_cut_into_single_bytes(version: int) -> None:
    stage = Stage(version)
    data = stage.encoded(Connect("c"))
    for byte in data[:-1]:
        assert stage.receive(bytes([byte])) == []
    (event,) = stage.receive(data[-1:])
    assert isinstance(event, ConnectReceived)
    stage.accept()
    stage.sent()
    events = []
    for byte in stage.encoded(Publish("a", b"x"), Subscribe(1, [Subscription("a")]), PingReq()):
        events += stage.receive(bytes([byte]))
    assert [type(each) for each in events] == [MessageReceived, SubscribeReceived]
    assert stage.sent() == [PingResp()]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_may_come_in_any_form(
    kind: type[bytes] | type[bytearray] | type[memoryview],
) -> None:
    stage = connected()
    (event,) = stage.server.receive_data(kind(stage.encoded(Publish("a", b"x"))), 0.0)
    assert event == MessageReceived(Publish("a", b"x"))


def test_events_before_a_fault_are_told_and_what_follows_is_not() -> None:
    stage = connected()
    first = stage.encoded(Publish("a"), Publish("b"))
    events = stage.receive(first, b"\x36\x00", Publish("c"))
    assert [each.topic for each in events[:-1] if isinstance(each, MessageReceived)] == ["a", "b"]
    assert len(events) == 3
    offset = len(stage.encoded(Connect("c", keep_alive=0))) + len(first)
    assert failure(events).offset == offset
    assert stage.receive(Publish("d")) == []
    assert not stage.server.wants_read


def test_a_fault_that_only_the_state_tells_has_its_offset_too() -> None:
    stage = connected()
    first = stage.encoded(Publish("a"))
    failed = failure(stage.receive(first, Connect("c"), Publish("b")))
    assert failed.offset == len(stage.encoded(Connect("c", keep_alive=0))) + len(first)


@pytest.mark.spec("5.0", "MQTT-4.13.1-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.8.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.2.2-2", role="server")
@pytest.mark.parametrize("data", ["3600", "1000", "8000", "e100", "c0ffffffff7f", "3003000000"])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_cannot_be_read_ends_the_connection(version: int, data: str) -> None:
    stage = connected(version)
    failed = failure(stage.receive(bytes.fromhex(data)))
    assert failed.reason_code >= 0x80
    if version == 5:
        (disconnect,) = stage.sent()
        assert isinstance(disconnect, Disconnect)
        assert disconnect.reason_code is failed.reason_code
        assert disconnect.properties.reason_string == failed.error.rule
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize(
    "data",
    ["20020000", "9003000100", "b0020001", "d000"],
    ids=["CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_a_server_sends_is_not_taken_from_a_client(version: int, data: str) -> None:
    stage = connected(version)
    failed = failure(stage.receive(bytes.fromhex(data)))
    assert failed.statement.id in ("section 2.1.2", "section 2.2.1")
    assert stage.server.data_to_send()[:1] == (b"\xe0" if version == 5 else b"")


# Signs of life.


@pytest.mark.spec("5.0", "MQTT-3.12.4-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.12.4-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_pingreq_is_answered(version: int) -> None:
    stage = connected(version)
    assert stage.receive(PingReq(), PingReq()) == []
    assert stage.sent() == [PingResp(), PingResp()]


@pytest.mark.parametrize("version", VERSIONS)
def test_pingresp_does_not_wait_for_changes_to_be_stored(version: int) -> None:
    stage = connected(version, lasting(version), Session("c", journal=Journal()))
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=1)))
    stage.receive(PingReq())
    assert stage.sent() == [PingResp()]
    stage.store()
    assert stage.sent() == [PubRec(1)]


@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_pingresp_waits_for_a_connack_that_waits(version: int) -> None:
    stage = Stage(version)
    stage.connect(lasting(version))
    stage.receive(PingReq())
    stage.accept(Session("c", journal=Journal()))
    stage.receive(PingReq())
    assert stage.sent() == []
    stage.store()
    assert [type(each) for each in stage.sent()] == [ConnAck, PingResp, PingResp]
    stage.receive(PingReq())
    assert stage.sent() == [PingResp()]


@pytest.mark.spec("5.0", "MQTT-3.1.2-22", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-24", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_is_cut_off_after_one_and_a_half_times_its_keep_alive(version: int) -> None:
    stage = connected(version, Connect("c", keep_alive=10, will=Will("w")), now=100.0)
    server = stage.server
    assert server.next_deadline() == 115.0
    assert server.handle_timeout(114.9) == []
    assert server.state is ConnectionState.CONNECTED
    failed = failure(server.handle_timeout(115.0))
    assert failed.reason_code is ReasonCode.KEEP_ALIVE_TIMEOUT
    assert failed.publish_will
    if version == 5:
        (disconnect,) = stage.sent()
        assert isinstance(disconnect, Disconnect)
        assert disconnect.reason_code is ReasonCode.KEEP_ALIVE_TIMEOUT
    assert stage.sent() == []
    assert stage.closed()
    assert server.next_deadline() is None
    assert server.handle_timeout(200.0) == []


@pytest.mark.spec("5.0", "MQTT-3.1.2-22", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-24", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_only_a_whole_packet_is_a_sign_of_life(version: int) -> None:
    stage = connected(version, Connect("c", keep_alive=10))
    stage.now = 9.0
    stage.receive(b"\xc0")
    assert stage.server.next_deadline() == 15.0
    stage.now = 12.0
    stage.receive(b"\x00")
    assert stage.server.next_deadline() == 27.0
    assert stage.server.handle_timeout(26.0) == []


@pytest.mark.spec("5.0", "MQTT-3.1.2-22", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-24", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_keep_alive_of_0_is_none(version: int) -> None:
    stage = connected(version, Connect("c", keep_alive=0))
    assert stage.server.next_deadline() is None
    assert stage.server.handle_timeout(1e9) == []
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-3.2.2-22", role="server")
def test_a_server_keep_alive_is_kept_and_without_one_the_clients() -> None:
    theirs = connected(5, Connect("c", keep_alive=10))
    assert theirs.server.next_deadline() == 15.0
    ours = connected(5, Connect("c", keep_alive=10), announce=Properties(server_keep_alive=4))
    assert ours.server.next_deadline() == 6.0
    none = connected(5, Connect("c", keep_alive=10), announce=Properties(server_keep_alive=0))
    assert none.server.next_deadline() is None
    assert ours.server.limits is not None
    assert ours.server.limits.keep_alive == 4


@pytest.mark.spec("5.0", "section 3.1.4", role="server")
@pytest.mark.spec("3.1.1", "section 3.1.4", role="server")
def test_a_client_that_sends_no_connect_is_cut_off() -> None:
    stage = Stage(5, ServerConnection(now=10.0, connect_timeout=3.0))
    server = stage.server
    assert server.receive_data(b"\x10", 12.0) == []
    assert server.next_deadline() == 13.0
    assert server.handle_timeout(12.9) == []
    failed = failure(server.handle_timeout(13.0))
    assert failed.statement == Statement("5.0", "section 3.1.4")
    assert stage.sent() == []
    assert stage.closed()


def test_a_server_may_take_its_time_to_accept() -> None:
    stage = Stage()
    stage.connect(Connect("c", keep_alive=10))
    assert stage.server.next_deadline() is None
    assert stage.server.handle_timeout(1000.0) == []
    stage.now = 1000.0
    stage.accept()
    assert stage.server.next_deadline() == 1015.0


# Reading and the end of it.


def test_reading_pauses_while_a_client_is_not_accepted() -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    assert not stage.server.wants_read
    stage.accept()
    assert stage.server.wants_read


def test_reading_pauses_while_too_much_waits_to_be_stored() -> None:
    server = ServerConnection(now=0.0, max_held=8)
    stage = connected(5, lasting(5), Session("c", journal=Journal()), server=server)
    stored: list[int] = []
    for packet_id in (1, 2, 3):
        stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=packet_id)))
        stored.append(server.take_changes().last)
        assert server.wants_read is (packet_id < 3)
    server.committed(stored[-1])
    assert server.wants_read
    assert stage.sent() == [PubRec(1), PubRec(2), PubRec(3)]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_that_is_gone_says_so_once(version: int, lost: bool) -> None:
    stage = connected(version, Connect("c", will=Will("w")))
    stage.receive(PingReq())
    server = stage.server
    end = server.connection_lost if lost else server.receive_eof
    gone = Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR, publish_will=True)
    assert end(1.0) == [gone]
    assert server.state is ConnectionState.CLOSED
    assert not server.wants_read
    # A peer that will send no more may still read.
    assert server.close_expected() is lost
    assert stage.sent() == ([] if lost else [PingResp()])
    assert stage.closed()
    assert end(2.0) == []
    assert server.connection_lost(3.0) == []
    assert stage.receive(PingReq()) == []


def test_a_client_that_leaves_before_it_was_accepted_has_no_will() -> None:
    stage = Stage()
    assert stage.server.receive_eof(0.0) == [
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    ]
    stage = Stage()
    stage.connect(Connect("c", will=Will("w")))
    assert stage.server.connection_lost(0.0) == [
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    ]


def test_nothing_secret_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mqttproto")
    secret = Connect("c", user_name="u", password=b"hush", will=Will("w", b"hush"))
    stage = connected(5, secret)
    stage.receive(Publish("a", b"hush"))
    stage.receive(encode(Connect("c", user_name="u", password=b"hush")))
    assert "CONNECTING -> CONNECTED" in caplog.text
    assert "MQTT-3.1.0-2" in caplog.text
    assert "hush" not in caplog.text


def test_what_a_leniency_names_is_all_that_it_lets_pass() -> None:
    server = ServerConnection(now=0.0, leniency=Leniency.CLIENT_ID_LENGTH_31)
    stage = connected(3, server=server)
    failed = failure(stage.receive(b"\xf0\x00"))
    assert failed.reason_code is ReasonCode.MALFORMED_PACKET


def test_auth_exists_in_5_only() -> None:
    for version in (3, 4):
        stage = connected(version)
        failed = failure(stage.receive(encode(Auth(ReasonCode.SUCCESS))))
        assert failed.statement == Statement("3.1.1", "section 2.2.1")
