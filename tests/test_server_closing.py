"""The end of a server's connection: DISCONNECT by either end, faults, wills."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect, PingReq, PingResp, Will
from mqttproto.codec.encoder import encode
from mqttproto.codec.publish import Publish, PubRec
from mqttproto.codec.subscribe import Subscribe, Subscription
from mqttproto.constants import ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, Journal, ServerConnection, Session
from mqttproto.protocol.events import (
    Disconnected,
    DropReason,
    Initiator,
    PublishDropped,
    SubscribeReceived,
)
from mqttproto.protocol.limits import NEVER
from server_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting


def with_will(version: int = 5, properties: Properties = EMPTY) -> Stage:
    return connected(version, Connect("c", keep_alive=0, will=Will("w"), properties=properties))


# By the client.


@pytest.mark.spec("5.0", "MQTT-3.14.4-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.14.4-3", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_normal_disconnect_removes_the_will(version: int) -> None:
    stage = with_will(version)
    assert stage.receive(Disconnect()) == [
        Disconnected(Initiator.PEER, ReasonCode.NORMAL_DISCONNECTION, publish_will=False)
    ]
    assert stage.sent() == []
    assert stage.closed()
    assert stage.server.connection_lost(0.0) == []


@pytest.mark.spec("5.0", "MQTT-3.14.4-3", role="server")
@pytest.mark.parametrize("code", [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x97, 0x99])
def test_any_other_disconnect_publishes_it(code: int) -> None:
    stage = with_will()
    assert stage.receive(Disconnect(ReasonCode(code), EXPLAINED)) == [
        Disconnected(Initiator.PEER, ReasonCode(code), EXPLAINED, publish_will=True)
    ]
    assert stage.closed()
    without = connected()
    (event,) = without.receive(Disconnect(ReasonCode(code)))
    assert isinstance(event, Disconnected)
    assert not event.publish_will


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_taken_behind_a_disconnect(version: int) -> None:
    stage = connected(version)
    events = stage.receive(Publish("a"), Disconnect(), Publish("b"), b"\xff")
    assert len(events) == 2
    assert stage.receive(Publish("c")) == []
    assert stage.state() is ConnectionState.CLOSED


@pytest.mark.parametrize("interval", [0, 5, NEVER])
def test_disconnect_may_change_how_long_the_session_lasts(interval: int) -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    delivery = stage.server.publish("a", b"", 1, now=0.0)
    assert delivery is not None
    stage.now = 10.0
    left = Properties(session_expiry_interval=interval)
    events = stage.receive(Disconnect(properties=left))
    assert events[-1] == Disconnected(Initiator.PEER, ReasonCode.NORMAL_DISCONNECTION, left)
    assert session.expiry_interval == interval
    assert session.established is (interval > 0)
    assert session.expires_at == (15.0 if interval == 5 else None)
    dropped = [PublishDropped(delivery, DropReason.SESSION_ENDED)]
    assert events[:-1] == ([] if interval else dropped)


def test_disconnect_may_give_more_life_to_a_session_of_a_second() -> None:
    asked = Properties(session_expiry_interval=1)
    stage = connected(5, Connect("c", False, 0, properties=asked))
    left = Properties(session_expiry_interval=50)
    assert stage.receive(Disconnect(properties=left))[-1] == Disconnected(
        Initiator.PEER, ReasonCode.NORMAL_DISCONNECTION, left
    )
    assert stage.server.session.expiry_interval == 50


def test_disconnect_without_an_interval_leaves_it() -> None:
    session = Session("c")
    connected(5, lasting(5), session).receive(Disconnect())
    assert session.expiry_interval == 100


@pytest.mark.spec("5.0", "section 3.14.2.2.2", role="server")
@pytest.mark.parametrize("asked", [EMPTY, Properties(session_expiry_interval=0)])
def test_disconnect_must_not_give_a_life_to_a_session_that_had_none(asked: Properties) -> None:
    stage = with_will(5, asked)
    left = Properties(session_expiry_interval=1)
    failed = failure(stage.receive(Disconnect(properties=left)))
    assert failed.statement == Statement("5.0", "section 3.14.2.2.2")
    assert failed.publish_will
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.PROTOCOL_ERROR
    assert not stage.server.session.established


def test_an_interval_of_0_changes_nothing_where_there_was_none() -> None:
    stage = with_will()
    left = Properties(session_expiry_interval=0)
    (event,) = stage.receive(Disconnect(properties=left))
    assert event == Disconnected(Initiator.PEER, ReasonCode.NORMAL_DISCONNECTION, left)


@pytest.mark.spec("5.0", "MQTT-3.14.1-1", role="server")
@pytest.mark.parametrize("flags", range(1, 16))
def test_reserved_bits_in_disconnect_are_answered_with_0x81(flags: int) -> None:
    stage = with_will()
    failed = failure(stage.receive(bytes([0xE0 | flags, 0])))
    assert failed.statement == Statement("5.0", "MQTT-3.14.1-1")
    assert failed.publish_will
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.MALFORMED_PACKET
    assert stage.closed()


# By the server.


@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.14.4-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
@pytest.mark.parametrize(
    "code", [0x00, 0x80, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x97, 0x98, 0x9C, 0x9D, 0xA0]
)
def test_a_disconnect_is_the_last_packet_and_closes(code: int) -> None:
    stage = with_will()
    (request,) = stage.receive(Subscribe(1, [Subscription("a")]))
    message = stage.message(Publish("a", b"", 1, packet_id=1))
    assert isinstance(request, SubscribeReceived)
    events = stage.server.disconnect(code, EXPLAINED, now=0.0)
    assert events == [Disconnected(Initiator.LOCAL, ReasonCode(code), publish_will=True)]
    assert not stage.server.close_expected()
    stage.acknowledge(message)
    with pytest.raises(LocalProtocolError):
        stage.server.answer_subscribe(request.packet, [0], now=0.0)
    with pytest.raises(LocalProtocolError):
        stage.server.publish("a", now=0.0)
    with pytest.raises(LocalProtocolError):
        stage.server.authenticate(now=0.0)
    assert stage.receive(PingReq()) == []
    assert stage.sent() == [Disconnect(ReasonCode(code), EXPLAINED)]
    assert stage.closed()
    assert stage.server.disconnect(0x80, now=0.0) == []
    assert stage.server.handle_timeout(1e9) == []
    assert stage.server.receive_eof(0.0) == []
    assert stage.sent() == []


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_a_server_only_closes(version: int) -> None:
    stage = with_will(version)
    stage.receive(PingReq())
    left = Properties(session_expiry_interval=1)
    assert stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, left, now=0.0) == [
        Disconnected(Initiator.LOCAL, ReasonCode.SERVER_SHUTTING_DOWN, publish_will=True)
    ]
    assert stage.sent() == [PingResp()]
    assert stage.closed()


def test_the_session_is_suspended_when_the_server_disconnects() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=20.0)
    assert session.suspended_at == 20.0
    assert session.expires_at == 120.0


@pytest.mark.spec("5.0", "MQTT-3.14.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("connect", [False, True])
def test_no_disconnect_is_sent_before_connack(version: int, connect: bool) -> None:
    stage = Stage(version)
    if connect:
        stage.connect(Connect("c", will=Will("w")))
    assert stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=0.0) == [
        Disconnected(Initiator.LOCAL, ReasonCode.SERVER_SHUTTING_DOWN)
    ]
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize("code", [0x04, 0x10, 0x86, 0x92, 0xFE])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_code_that_a_server_must_not_send_changes_nothing(version: int, code: int) -> None:
    stage = connected(version)
    with pytest.raises(InvalidValueError) as refused:
        stage.server.disconnect(code, now=0.0)
    assert refused.value.field == "Disconnect.reason_code"
    if code != 0xFE:
        assert refused.value.statement == Statement("5.0", "MQTT-3.14.2-1")
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.14.2-2", role="server")
def test_a_server_never_sends_a_session_expiry_interval() -> None:
    stage = connected()
    left = Properties(session_expiry_interval=1)
    with pytest.raises(InvalidValueError) as refused:
        stage.server.disconnect(ReasonCode.NORMAL_DISCONNECTION, left, now=0.0)
    assert refused.value.field == "Disconnect.properties"
    assert refused.value.statement == Statement("5.0", "MQTT-3.14.2-2")
    with pytest.raises(InvalidValueError):
        stage.server.disconnect(0x80, Properties(topic_alias=1), now=0.0)
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="server")
@pytest.mark.spec("5.0", "MQTT-3.14.2-4", role="server")
@pytest.mark.parametrize("explained", [EXPLAINED, EXPLAINED.replace(reason_string=None)])
def test_disconnect_leaves_explanations_out_where_they_make_it_too_large(
    explained: Properties,
) -> None:
    stage = connected(5, lasting(5, Properties(maximum_packet_size=16)))
    moved = explained.replace(server_reference="b")
    stage.server.disconnect(ReasonCode.SERVER_MOVED, moved, now=0.0)
    assert stage.sent() == [Disconnect(ReasonCode.SERVER_MOVED, Properties(server_reference="b"))]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
def test_a_disconnect_that_is_too_large_however_plain_is_not_sent() -> None:
    stage = connected(5, lasting(5, Properties(maximum_packet_size=5)))
    elsewhere = Properties(server_reference="b")
    stage.server.disconnect(ReasonCode.SERVER_MOVED, elsewhere, now=0.0)
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="server")
def test_a_fault_is_told_without_words_where_they_make_it_too_large() -> None:
    stage = connected(5, lasting(5, Properties(maximum_packet_size=5)))
    failure(stage.receive(Connect("c")))
    assert stage.sent() == [Disconnect(ReasonCode.PROTOCOL_ERROR)]
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_disconnect_waits_behind_what_waits_to_be_stored(version: int) -> None:
    stage = connected(version, lasting(version), Session("c", journal=Journal()))
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=1)))
    stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=0.0)
    assert stage.sent() == []
    assert not stage.server.close_expected()
    stage.store()
    assert stage.sent()[0] == PubRec(1)
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.14.0-1", role="server")
def test_a_disconnect_waits_behind_a_connack_that_waits() -> None:
    stage = Stage()
    stage.connect(lasting(5))
    stage.accept(Session("c", journal=Journal()))
    stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=0.0)
    assert stage.sent() == []
    assert not stage.server.close_expected()
    stage.store()
    assert [type(each) for each in stage.sent()] == [ConnAck, Disconnect]
    assert stage.closed()


# Faults.


@pytest.mark.spec("5.0", "MQTT-4.13.1-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.8.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_violation_closes_and_publishes_the_will(version: int) -> None:
    stage = with_will(version)
    failed = failure(stage.receive(encode(Connect("c"), version)))
    assert failed.publish_will
    if version == 5:
        (disconnect,) = stage.sent()
        assert isinstance(disconnect, Disconnect)
        assert disconnect.reason_code is failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert stage.sent() == []
    assert stage.closed()
    assert stage.server.session.connection is None


def test_a_packet_that_is_too_large_is_told_before_it_has_come() -> None:
    stage = connected(5, server=ServerConnection(now=0.0, max_packet_size=100))
    failed = failure(stage.receive(b"\x30\x63"))
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.PACKET_TOO_LARGE


@pytest.mark.parametrize("version", VERSIONS)
def test_the_session_outlives_a_fault(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    stage.server.publish("a", b"", 1, now=0.0)
    failure(stage.receive(b"\xff\xff"))
    assert session.established
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
