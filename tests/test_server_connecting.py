"""How a server answers CONNECT: accept, refuse, resume, take over."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect, PingReq, PingResp, Will
from mqttproto.codec.encoder import encode
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Subscription
from mqttproto.constants import ConnectReturnCode, ProtocolVersion, QoS, ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import (
    ConnectionState,
    Leniency,
    NegotiatedLimits,
    ServerConnection,
    Session,
)
from mqttproto.protocol.events import (
    ConnectReceived,
    Disconnected,
    Initiator,
    MessageReceived,
)
from mqttproto.protocol.limits import NEVER
from server_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting, messages


def raw(name: bytes, level: int, rest: str = "02003c0000") -> bytes:
    """A CONNECT with any protocol name and level."""
    body = len(name).to_bytes(2, "big") + name + bytes([level]) + bytes.fromhex(rest)
    return bytes([0x10, len(body)]) + body


def with_client_id(client_id: str) -> bytes:
    """A CONNECT of 3.1 that the encoder would not make."""
    short = bytearray(encode(Connect("x", True, 60), 3)[:-3])
    text = client_id.encode()
    short += len(text).to_bytes(2, "big") + text
    short[1] = len(short) - 2
    return bytes(short)


# What the owner is asked.


@pytest.mark.parametrize("version", VERSIONS)
def test_the_owner_gets_the_connect(version: int) -> None:
    will = Will("w", b"x", 1, True)
    connect = Connect("c", False, 7, will, "user", b"password")
    event = Stage(version).connect(connect)
    assert event.connect == connect
    assert event.version is ProtocolVersion(version)


@pytest.mark.parametrize(
    ("version", "clean_start", "interval", "expected"),
    [
        (3, True, None, 0),
        (3, False, None, NEVER),
        (4, True, None, 0),
        (4, False, None, NEVER),
        (5, True, None, 0),
        (5, False, None, 0),
        (5, True, 30, 30),
        (5, False, NEVER, NEVER),
    ],
)
def test_each_version_says_how_long_the_session_lasts(
    version: int, clean_start: bool, interval: int | None, expected: int
) -> None:
    properties = EMPTY if interval is None else Properties(session_expiry_interval=interval)
    stage = Stage(version)
    event = stage.connect(Connect("c", clean_start, 0, properties=properties))
    assert event.session_expiry_interval == expected
    stage.accept()
    assert stage.server.session.expiry_interval == expected


# Accepting.


@pytest.mark.spec("5.0", "MQTT-3.1.4-5", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.2-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.4-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.2-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_accepting_sends_connack_with_success_and_nothing_before(version: int) -> None:
    stage = Stage(version)
    stage.connect(Connect("c", True))
    stage.receive(PingReq(), Subscribe(1, [Subscription("a")]))
    assert stage.sent() == []
    stage.accept()
    code = ReasonCode.SUCCESS if version == 5 else ConnectReturnCode.ACCEPTED
    assert stage.sent() == [ConnAck(False, code), PingResp()]


@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_nothing_can_be_published_before_the_client_is_accepted(version: int, qos: int) -> None:
    stage = Stage(version)
    with pytest.raises(LocalProtocolError, match="no client yet"):
        stage.server.publish("a", b"", qos, now=0.0)
    stage.connect(Connect("c"))
    with pytest.raises(LocalProtocolError, match="no client yet"):
        stage.server.publish("a", b"", qos, now=0.0)
    assert stage.accept() == []
    assert stage.server.session.in_flight == len(stage.server.session.queue) == 0
    assert len(stage.sent()) == 1


@pytest.mark.spec("5.0", "MQTT-3.2.0-2", role="server")
def test_there_is_one_connack_and_no_more() -> None:
    stage = Stage()
    with pytest.raises(LocalProtocolError) as too_soon:
        stage.accept()
    assert too_soon.value.statement == Statement("5.0", "MQTT-3.2.0-2")
    with pytest.raises(LocalProtocolError):
        stage.server.refuse(ReasonCode.BANNED, now=0.0)
    stage.connect(Connect("c"))
    stage.accept()
    assert len(stage.sent()) == 1
    with pytest.raises(LocalProtocolError):
        stage.accept()
    with pytest.raises(LocalProtocolError):
        stage.server.refuse(ReasonCode.BANNED, now=0.0)
    stage.server.receive_eof(0.0)
    with pytest.raises(LocalProtocolError):
        stage.accept()
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.2.0-2", role="server")
def test_a_client_that_is_gone_cannot_be_accepted() -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    (event,) = stage.server.connection_lost(0.0)
    assert event == Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    with pytest.raises(LocalProtocolError, match="no CONNECT to answer"):
        stage.accept()
    assert stage.sent() == []


def test_what_a_client_has_said_before_its_half_close_counts() -> None:
    stage = Stage()
    stage.connect(Connect("c", will=Will("w")))
    assert stage.receive(Publish("a", b"x"), Publish("b", b"y", 1, packet_id=1)) == []
    assert stage.server.receive_eof(0.0) == []
    assert stage.state() is ConnectionState.CONNECTING
    assert not stage.server.wants_read
    assert not stage.server.close_expected()
    a, b, end = stage.accept()
    assert [each.topic for each in messages([a, b])] == ["a", "b"]
    assert isinstance(end, Disconnected)
    assert end.by is Initiator.NETWORK
    assert end.publish_will
    assert [type(each) for each in stage.sent()] == [ConnAck]
    assert stage.server.close_expected()


def test_a_client_that_says_good_bye_before_it_was_let_in_has_done_so() -> None:
    stage = Stage()
    stage.connect(Connect("c", will=Will("w")))
    stage.receive(Disconnect())
    stage.server.receive_eof(0.0)
    (end,) = stage.accept()
    assert isinstance(end, Disconnected)
    assert end.by is Initiator.PEER
    assert not end.publish_will


def test_a_client_that_has_closed_its_half_can_be_refused() -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    stage.server.receive_eof(0.0)
    stage.server.refuse(ReasonCode.BANNED, now=0.0)
    assert stage.sent() == [ConnAck(False, ReasonCode.BANNED)]
    assert stage.server.close_expected()


def test_a_client_that_has_closed_its_half_cannot_go_on_to_authenticate() -> None:
    stage = Stage()
    stage.connect(Connect("c", properties=Properties(authentication_method="m")))
    stage.server.authenticate(b"1", now=0.0)
    (event,) = stage.server.receive_eof(0.0)
    assert isinstance(event, Disconnected)
    assert stage.state() is ConnectionState.CLOSED


def test_connack_has_the_properties_of_the_owner() -> None:
    announced = Properties(
        receive_maximum=3,
        maximum_packet_size=200,
        topic_alias_maximum=4,
        maximum_qos=1,
        retain_available=False,
        wildcard_subscription_available=False,
        subscription_identifier_available=False,
        shared_subscription_available=False,
        server_keep_alive=5,
        session_expiry_interval=6,
        user_properties=[("a", "b")],
        server_reference="elsewhere",
    )
    wanted = Properties(
        receive_maximum=7, maximum_packet_size=300, topic_alias_maximum=8, session_expiry_interval=9
    )
    stage = Stage()
    stage.connect(Connect("c", properties=wanted))
    stage.accept(announce=announced)
    assert stage.sent() == [ConnAck(properties=announced)]
    assert stage.server.limits == NegotiatedLimits(
        receive_maximum=7,
        maximum_packet_size=300,
        topic_alias_maximum=8,
        maximum_qos=QoS.AT_LEAST_ONCE,
        retain_available=False,
        wildcard_subscription_available=False,
        subscription_identifier_available=False,
        shared_subscription_available=False,
        keep_alive=5,
        session_expiry_interval=6,
    )


def test_limits_that_connect_leaves_out_are_not_those_of_the_last_connection() -> None:
    session = Session("c")
    narrow = Properties(receive_maximum=7, maximum_packet_size=300, topic_alias_maximum=8)
    connected(5, lasting(5, narrow), session)
    stage = connected(5, lasting(5), session, resume=True)
    assert stage.server.limits == NegotiatedLimits(session_expiry_interval=100)


@pytest.mark.parametrize("version", [3, 4])
def test_properties_are_ignored_before_5(version: int) -> None:
    stage = Stage(version)
    stage.connect(Connect("c", True, 10))
    announced = Properties(server_keep_alive=1, assigned_client_identifier="d", maximum_qos=0)
    stage.accept(announce=announced)
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.ACCEPTED)]
    assert stage.server.session.client_id == "c"
    assert stage.server.next_deadline() == 15.0
    assert messages(stage.receive(Publish("a", b"", 2, packet_id=1)))


@pytest.mark.spec("5.0", "MQTT-3.1.2-28", role="server")
@pytest.mark.parametrize(("wanted", "given"), [(None, None), (False, None), (True, "r/1")])
def test_response_information_is_for_those_who_ask(wanted: bool | None, given: str | None) -> None:
    stage = Stage()
    asked = EMPTY if wanted is None else Properties(request_response_information=wanted)
    stage.connect(Connect("c", properties=asked))
    stage.accept(announce=Properties(response_information="r/1"))
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.properties.response_information == given


@pytest.mark.parametrize(
    "properties", [Properties(topic_alias=1), Properties(will_delay_interval=1)]
)
def test_properties_that_are_not_of_connack_change_nothing(properties: Properties) -> None:
    stage = Stage()
    stage.connect(Connect("", properties=Properties(session_expiry_interval=9)))
    session = Session()
    wrong = properties.replace(assigned_client_identifier="one")
    with pytest.raises(InvalidValueError):
        stage.accept(session, announce=wrong)
    assert stage.state() is ConnectionState.CONNECTING
    assert session.client_id == ""
    assert session.connection is None
    assert stage.sent() == []
    stage.accept(session, announce=Properties(assigned_client_identifier="two"))
    assert session.client_id == "two"


@pytest.mark.spec("5.0", "MQTT-3.2.2-19", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.2-20", role="server")
@pytest.mark.parametrize("code", [ReasonCode.SUCCESS, ReasonCode.BANNED])
def test_connack_leaves_explanations_out_where_they_make_it_too_large(code: ReasonCode) -> None:
    stage = Stage()
    stage.connect(Connect("c", properties=Properties(maximum_packet_size=20)))
    if code:
        stage.server.refuse(code, EXPLAINED, now=0.0)
    else:
        stage.accept(announce=EXPLAINED.replace(receive_maximum=9))
    left = EMPTY if code else Properties(receive_maximum=9)
    assert stage.sent() == [ConnAck(False, code, left)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
def test_a_client_that_takes_no_connack_has_failed() -> None:
    stage = Stage()
    stage.connect(Connect("c", properties=Properties(maximum_packet_size=7)))
    session = Session("c")
    offer = len(stage.encoded(Connect("c", properties=Properties(maximum_packet_size=7))))
    failed = failure(stage.accept(session, announce=Properties(receive_maximum=9)))
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-24")
    assert failed.error.offset == offer
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack == ConnAck(False, ReasonCode.PACKET_TOO_LARGE)
    assert session.connection is None
    assert not session.established
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
@pytest.mark.parametrize("how", ["accept", "refuse", "disconnect"])
def test_a_client_that_takes_next_to_nothing_gets_nothing_and_is_gone(how: str) -> None:
    stage = Stage()
    stage.connect(Connect("c", properties=Properties(maximum_packet_size=1)))
    if how == "accept":
        failure(stage.accept())
    elif how == "refuse":
        stage.server.refuse(ReasonCode.BANNED, now=0.0)
    else:
        stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=0.0)
    assert stage.sent() == []
    assert stage.closed()


# Client identifiers.


@pytest.mark.spec("5.0", "MQTT-3.2.2-16", role="server")
def test_a_client_without_an_identifier_must_be_assigned_one() -> None:
    stage = Stage()
    assert stage.connect(Connect("")).connect.client_id == ""
    with pytest.raises(LocalProtocolError) as refused:
        stage.accept()
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-16")
    assert stage.sent() == []
    assigned = Properties(assigned_client_identifier="made-up")
    stage.accept(announce=assigned)
    assert stage.sent() == [ConnAck(properties=assigned)]
    assert stage.server.session.client_id == "made-up"


@pytest.mark.spec("3.1.1", "MQTT-3.1.3-6", role="server")
def test_before_5_an_assigned_identifier_is_that_of_the_session() -> None:
    stage = Stage(4)
    stage.connect(Connect("", True))
    session = Session("made-up")
    stage.accept(session)
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.ACCEPTED)]
    assert stage.server.session is session
    assert session.client_id == "made-up"


@pytest.mark.spec("3.1.1", "MQTT-3.1.3-8", role="server")
def test_an_empty_identifier_needs_a_clean_session_before_5() -> None:
    stage = Stage(4)
    failed = failure(stage.receive(raw(b"MQTT", 4, "00003c0000")))
    assert failed.statement == Statement("3.1.1", "MQTT-3.1.3-7")
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.IDENTIFIER_REJECTED)]
    assert stage.closed()


@pytest.mark.parametrize("client_id", ["", "x" * 24])
def test_an_identifier_of_3_1_has_1_to_23_characters(client_id: str) -> None:
    stage = Stage(3)
    failed = failure(stage.receive(with_client_id(client_id)))
    assert failed.statement == Statement("3.1", "section 3.1")
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.IDENTIFIER_REJECTED)]
    assert stage.closed()


@pytest.mark.parametrize("client_id", ["x", "x" * 23, "\u00e4" * 23])
def test_an_identifier_of_3_1_that_is_not_too_long_is_taken(client_id: str) -> None:
    (event,) = Stage(3).receive(with_client_id(client_id))
    assert isinstance(event, ConnectReceived)
    assert event.connect.client_id == client_id


@pytest.mark.parametrize("client_id", ["", "x" * 24])
def test_other_identifiers_of_3_1_are_taken_by_leniency(client_id: str) -> None:
    server = ServerConnection(now=0.0, leniency=Leniency.CLIENT_ID_LENGTH_31)
    (event,) = Stage(3, server).receive(with_client_id(client_id))
    assert isinstance(event, ConnectReceived)
    assert event.connect.client_id == client_id


@pytest.mark.parametrize("version", [4, 5])
def test_a_long_identifier_is_taken_since_3_1_1(version: int) -> None:
    assert Stage(version).connect(Connect("x" * 65_535)).connect.client_id == "x" * 65_535


@pytest.mark.spec("5.0", "MQTT-3.1.3-8", role="server")
def test_an_identifier_may_be_refused() -> None:
    stage = Stage()
    stage.connect(Connect("!"))
    stage.server.refuse(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, now=0.0)
    assert stage.sent() == [ConnAck(False, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID)]
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.3-9", role="server")
@pytest.mark.parametrize("version", [3, 4])
def test_an_identifier_may_be_refused_before_5(version: int) -> None:
    stage = Stage(version)
    stage.connect(Connect("!"))
    stage.server.refuse(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, now=0.0)
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.IDENTIFIER_REJECTED)]
    assert stage.closed()


# Protocol name and version.


@pytest.mark.spec("5.0", "MQTT-3.1.2-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-1", role="server")
@pytest.mark.parametrize("name", [b"mqtt", b"MQTT5", b"HTTP", b""])
@pytest.mark.parametrize("level", [3, 4, 5])
def test_another_protocol_is_not_handled(name: bytes, level: int) -> None:
    stage = Stage()
    failed = failure(stage.receive(raw(name, level)))
    assert failed.statement.id == "MQTT-3.1.2-1"
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-2", role="server")
@pytest.mark.parametrize("data", [raw(b"MQTT", 3), raw(b"MQIsdp", 4), raw(b"MQTT", 0)])
def test_an_older_version_than_is_spoken_is_told_0x01(data: bytes) -> None:
    stage = Stage(4)
    failed = failure(stage.receive(data))
    assert failed.reason_code is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION)]
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.1.2-2", role="server")
def test_a_version_to_come_is_told_0x84_where_5_is_spoken() -> None:
    stage = Stage(5)
    failure(stage.receive(raw(b"MQTT", 6)))
    assert stage.sent() == [ConnAck(False, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION)]
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-2", role="server")
def test_a_version_to_come_is_told_0x01_where_5_is_not_spoken() -> None:
    stage = Stage(4, ServerConnection(now=0.0, versions=(3, 4)))
    failure(stage.receive(raw(b"MQTT", 6)))
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION)]
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.2-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_may_be_left_out(version: int) -> None:
    others = [each for each in VERSIONS if each != version]
    stage = Stage(4, ServerConnection(now=0.0, versions=others))
    failed = failure(stage.receive(encode(Connect("c"), version)))
    assert failed.statement.id == "MQTT-3.1.2-2"
    assert stage.sent() == [ConnAck(False, ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION)]
    assert stage.closed()
    for each in others:
        Stage(each, ServerConnection(now=0.0, versions=others)).connect(Connect("c"))


# CONNECTs that are none.


@pytest.mark.spec("3.1.1", "MQTT-3.1.4-1", role="server")
@pytest.mark.parametrize("version", [3, 4])
def test_a_connect_that_breaks_the_format_is_not_answered_before_5(version: int) -> None:
    stage = Stage(version)
    data = bytearray(encode(Connect("c"), version))
    data[9 if version == 4 else 11] |= 1
    failed = failure(stage.receive(bytes(data)))
    assert failed.statement == Statement("3.1.1", "MQTT-3.1.2-3")
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.1.4-1", role="server")
def test_a_connect_that_breaks_the_format_is_told_why_in_5() -> None:
    stage = Stage()
    data = bytearray(encode(Connect("c")))
    data[9] |= 1
    failed = failure(stage.receive(bytes(data)))
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-3")
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.reason_code is ReasonCode.MALFORMED_PACKET
    assert connack.properties.reason_string == failed.error.rule
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.1.0-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-2", role="server")
@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_connect_ends_the_connection(version: int, pipelined: bool) -> None:
    stage = Stage(version)
    stage.connect(Connect("c"))
    if pipelined:
        stage.receive(Connect("c"), PingReq())
        events = stage.accept()
    else:
        stage.accept()
        events = stage.receive(Connect("c"), PingReq())
    failed = failure(events)
    assert failed.statement == Statement("5.0" if version == 5 else "3.1.1", "MQTT-3.1.0-2")
    assert failed.offset == len(stage.encoded(Connect("c")))
    connack, *rest = stage.sent()
    assert isinstance(connack, ConnAck)
    if version == 5:
        (disconnect,) = rest
        assert isinstance(disconnect, Disconnect)
        assert disconnect.reason_code is ReasonCode.PROTOCOL_ERROR
    else:
        assert rest == []
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
def test_a_second_connect_of_another_version_is_told_by_a_code_that_disconnect_has() -> None:
    stage = connected()
    failed = failure(stage.receive(raw(b"MQTT", 6)))
    assert failed.reason_code is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.UNSPECIFIED_ERROR
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-22", role="server")
def test_a_password_without_a_user_name_is_taken_in_5_only() -> None:
    (event,) = Stage(5).receive(raw(b"MQTT", 5, "42003c00 0000 000170"))
    assert isinstance(event, ConnectReceived)
    assert event.connect.password == b"p"
    assert event.connect.user_name is None
    for name, version in ((b"MQIsdp", 3), (b"MQTT", 4)):
        stage = Stage(version)
        failed = failure(stage.receive(raw(name, version, "42003c 000163 000170")))
        assert failed.statement == Statement("3.1.1", "MQTT-3.1.2-22")
        assert stage.sent() == []
        assert stage.closed()


# Refusing.


@pytest.mark.spec("5.0", "MQTT-3.2.2-7", role="server")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="server")
@pytest.mark.parametrize("code", [0x80, 0x81, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x97, 0x9F])
def test_a_refusal_is_told_and_closes(code: int) -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    properties = Properties(reason_string="no")
    stage.server.refuse(code, properties, now=0.0)
    assert stage.state() is ConnectionState.CLOSED
    assert not stage.server.close_expected()
    assert stage.sent() == [ConnAck(False, ReasonCode(code), properties)]
    assert stage.closed()
    assert stage.server.take_events() == []


@pytest.mark.spec("5.0", "MQTT-3.2.2-7", role="server")
@pytest.mark.parametrize("code", [ReasonCode.USE_ANOTHER_SERVER, ReasonCode.SERVER_MOVED])
def test_a_refusal_may_name_another_server(code: ReasonCode) -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    elsewhere = Properties(server_reference="b.example")
    stage.server.refuse(code, elsewhere, now=0.0)
    assert stage.sent() == [ConnAck(False, code, elsewhere)]
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.2.2-5", role="server")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode.SERVER_UNAVAILABLE, 3),
        (ReasonCode.SERVER_BUSY, 3),
        (ReasonCode.USE_ANOTHER_SERVER, 3),
        (ReasonCode.SERVER_MOVED, 3),
        (ReasonCode.QUOTA_EXCEEDED, 3),
        (ReasonCode.CONNECTION_RATE_EXCEEDED, 3),
        (ReasonCode.BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode.NOT_AUTHORIZED, 5),
        (ReasonCode.BANNED, 5),
    ],
)
@pytest.mark.parametrize("version", [3, 4])
def test_a_refusal_is_translated_for_older_versions(
    version: int, code: ReasonCode, told: int
) -> None:
    stage = Stage(version)
    stage.connect(Connect("c"))
    stage.server.refuse(code, Properties(reason_string="no"), now=0.0)
    assert stage.sent() == [ConnAck(False, ConnectReturnCode(told))]
    assert stage.closed()


@pytest.mark.spec("3.1.1", "MQTT-3.2.2-6", role="server")
@pytest.mark.parametrize(
    "code",
    [ReasonCode.UNSPECIFIED_ERROR, ReasonCode.PACKET_TOO_LARGE, ReasonCode.TOPIC_NAME_INVALID],
)
@pytest.mark.parametrize("version", [3, 4])
def test_a_refusal_that_older_versions_have_no_word_for_only_closes(
    version: int, code: ReasonCode
) -> None:
    stage = Stage(version)
    stage.connect(Connect("c"))
    stage.server.refuse(code, now=0.0)
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.parametrize("code", [0x00, 0x10, 0x8D, 0x8E, 0x92, 0xA0])
@pytest.mark.parametrize("version", VERSIONS)
def test_only_a_failure_of_connack_refuses(version: int, code: int) -> None:
    stage = Stage(version)
    stage.connect(Connect("c"))
    with pytest.raises(InvalidValueError) as refused:
        stage.server.refuse(code, now=0.0)
    assert refused.value.field == "ConnAck.reason_code"
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-8")
    assert stage.state() is ConnectionState.CONNECTING
    assert stage.sent() == []


def test_a_reason_code_must_exist() -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    with pytest.raises(InvalidValueError) as refused:
        stage.server.refuse(0xFE, now=0.0)
    assert refused.value.field == "ConnAck.reason_code"
    with pytest.raises(InvalidValueError):
        stage.server.refuse(ReasonCode.BANNED, Properties(topic_alias=1), now=0.0)
    assert stage.state() is ConnectionState.CONNECTING


# Early data.


@pytest.mark.spec("5.0", "MQTT-3.1.4-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.4-5", role="server")
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_behind_a_refused_connect_is_not_processed(version: int, together: bool) -> None:
    stage = Stage(version)
    behind = (Publish("a", b"x", 1, packet_id=1), PingReq(), b"\xff\xff")
    if together:
        assert len(stage.receive(Connect("c"), *behind)) == 1
    else:
        stage.connect(Connect("c"))
        assert stage.receive(*behind) == []
    stage.server.refuse(ReasonCode.BAD_USER_NAME_OR_PASSWORD, now=0.0)
    assert stage.server.take_events() == []
    assert stage.receive(PingReq()) == []
    assert len(stage.sent()) == 1
    assert stage.closed()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_behind_an_accepted_connect_is_told_by_accept(
    version: int, together: bool
) -> None:
    stage = Stage(version)
    behind = (Publish("a", b"x"), PingReq(), Publish("b", b"y"))
    if together:
        assert len(stage.receive(Connect("c"), *behind)) == 1
    else:
        stage.connect(Connect("c"))
        assert stage.receive(*behind) == []
    assert [each.topic for each in messages(stage.accept())] == ["a", "b"]
    assert [type(each) for each in stage.sent()] == [ConnAck, PingResp]


def test_a_fault_behind_connect_is_found_once_it_is_accepted() -> None:
    stage = Stage()
    stage.receive(Connect("c"), Publish("a"), b"\x36\x00", Publish("b"))
    first, last = stage.accept()
    assert first == MessageReceived(Publish("a"))
    assert failure([last]).offset == len(stage.encoded(Connect("c"), Publish("a")))
    assert not stage.closed()
    assert [type(each) for each in stage.sent()] == [ConnAck, Disconnect]
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_early_data_is_bounded(version: int) -> None:
    stage = Stage(version, ServerConnection(now=0.0, max_early_data=6))
    # What comes in one call with the CONNECT is there already, and not counted.
    (event,) = stage.receive(Connect("c", will=Will("w")), Publish("a", b"123456789"))
    assert isinstance(event, ConnectReceived)
    assert stage.receive(b"") == []
    assert stage.receive(PingReq(), PingReq(), PingReq()) == []
    connect = len(stage.encoded(Connect("c", will=Will("w"))))
    failed = failure(stage.receive(b"\xc0"))
    assert failed.reason_code is ReasonCode.QUOTA_EXCEEDED
    assert failed.error.offset == connect
    assert not failed.publish_will
    if version == 5:
        (connack,) = stage.sent()
        assert isinstance(connack, ConnAck)
        assert connack.reason_code is ReasonCode.QUOTA_EXCEEDED
    assert stage.sent() == []
    assert stage.closed()


def test_no_early_data_at_all_may_be_taken() -> None:
    server = ServerConnection(now=0.0, max_early_data=0)
    stage = connected(server=server)
    assert messages(stage.receive(Publish("a")))
    stage = Stage(5, ServerConnection(now=0.0, max_early_data=0))
    stage.connect(Connect("c"))
    assert failure(stage.receive(b"\xc0")).reason_code is ReasonCode.QUOTA_EXCEEDED


# Wills.


@pytest.mark.spec("5.0", "MQTT-3.2.2-12", role="server")
def test_a_will_of_a_qos_that_is_not_supported_refuses_the_connection() -> None:
    stage = Stage()
    stage.connect(Connect("c", will=Will("w", qos=2)))
    session = Session("c")
    failed = failure(stage.accept(session, announce=Properties(maximum_qos=1)))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-12")
    assert failed.error.offset == 0
    assert not failed.publish_will
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.reason_code is ReasonCode.QOS_NOT_SUPPORTED
    assert not session.established
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.2.2-13", role="server")
def test_a_will_to_retain_refuses_the_connection_where_nothing_is_retained() -> None:
    stage = Stage()
    stage.connect(Connect("c", will=Will("w", retain=True)))
    failed = failure(stage.accept(announce=Properties(retain_available=False)))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-13")
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.reason_code is ReasonCode.RETAIN_NOT_SUPPORTED
    assert stage.closed()


@pytest.mark.parametrize(
    ("will", "announced"),
    [
        (Will("w", qos=1), Properties(maximum_qos=1)),
        (Will("w"), Properties(retain_available=False, maximum_qos=0)),
        (Will("w", retain=True, qos=2), Properties(retain_available=True)),
        (None, Properties(retain_available=False, maximum_qos=0)),
    ],
)
def test_a_will_that_is_supported_is_taken(will: Will | None, announced: Properties) -> None:
    stage = connected(5, Connect("c", will=will), announce=announced)
    (event,) = stage.server.receive_eof(0.0)
    assert isinstance(event, Disconnected)
    assert event.publish_will is (will is not None)
