"""Enhanced authentication at the client's end: whose turn it is, one method, and anew."""

import pytest

from client_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect
from mqttproto.codec.publish import PubAck, Publish
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription
from mqttproto.constants import ReasonCode
from mqttproto.errors import (
    InvalidValueError,
    LocalProtocolError,
    PacketTooLargeError,
    Statement,
)
from mqttproto.protocol import ConnectionState, Journal, Session
from mqttproto.protocol.events import (
    AuthenticationReceived,
    Connected,
    ConnectionRefused,
    Disconnected,
    Initiator,
    MessageReceived,
    PublishCompleted,
    Subscribed,
)

METHOD = Properties(authentication_method="m")
CONTINUE = ReasonCode.CONTINUE_AUTHENTICATION
AGAIN = ReasonCode.RE_AUTHENTICATE


def step(data: bytes | None = None, method: str = "m") -> Properties:
    """The properties of an AUTH."""
    return Properties(authentication_method=method, authentication_data=data)


def asking(properties: Properties = METHOD) -> Stage:
    """A client that has sent a CONNECT with a method."""
    stage = Stage()
    stage.connect(lasting(5, properties))
    return stage


def authenticated(announce: Properties = EMPTY, properties: Properties = METHOD) -> Stage:
    """A client that was accepted by its method."""
    ask = lasting(5, properties)
    return connected(connect=ask, announce=announce.replace(authentication_method="m"))


# Before CONNACK.


@pytest.mark.spec("5.0", "MQTT-4.12.0-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="client")
def test_each_auth_of_the_server_is_answered_with_auth_until_connack() -> None:
    stage = Stage()
    sent = stage.connect(lasting(5, step(b"1")))
    assert sent.properties.authentication_data == b"1"
    for data in (b"2", None):
        assert stage.receive(Auth(CONTINUE, step(data))) == [
            AuthenticationReceived(CONTINUE, step(data))
        ]
        stage.client.authenticate(data, now=0.0)
        assert stage.sent() == [Auth(CONTINUE, step(data))]
    (event,) = stage.receive(ConnAck(properties=step(b"3")))
    assert isinstance(event, Connected)
    assert event.properties.authentication_data == b"3"
    assert stage.sent() == []


def test_a_method_may_need_no_auth_at_all() -> None:
    (event,) = asking().receive(ConnAck(properties=METHOD))
    assert isinstance(event, Connected)


def test_the_data_of_an_event_is_that_of_auth() -> None:
    stage = asking()
    for data in (b"", b"\0\xff", None):
        (event,) = stage.receive(Auth(CONTINUE, step(data)))
        assert isinstance(event, AuthenticationReceived)
        assert event.data == data
        stage.client.authenticate(now=0.0)


@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="client")
def test_nothing_but_auth_and_disconnect_is_sent_before_connack() -> None:
    stage = asking()
    stage.receive(Auth(CONTINUE, METHOD))
    waiting = stage.publish("a", 1)
    for refused in (
        lambda: stage.client.subscribe(Subscription("a"), now=0.0),
        lambda: stage.client.unsubscribe("a", now=0.0),
        lambda: stage.client.ping(now=0.0),
        lambda: stage.client.publish("a", now=0.0),
        lambda: stage.client.reauthenticate(now=0.0),
    ):
        with pytest.raises(LocalProtocolError):
            refused()
    assert stage.sent() == []
    stage.client.authenticate(b"x", now=0.0)
    assert stage.sent() == [Auth(CONTINUE, step(b"x"))]
    stage.receive(ConnAck(properties=METHOD))
    assert stage.sent() == [Publish("a", b"", 1, packet_id=waiting.packet_id)]


def test_the_client_may_give_up_before_connack() -> None:
    stage = asking()
    stage.receive(Auth(CONTINUE, METHOD))
    (event,) = stage.client.disconnect(ReasonCode.UNSPECIFIED_ERROR, now=0.0)
    assert event == Disconnected(Initiator.LOCAL, ReasonCode.UNSPECIFIED_ERROR)
    assert stage.sent() == [Disconnect(ReasonCode.UNSPECIFIED_ERROR)]
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@pytest.mark.parametrize("clients_turn", [False, True])
def test_the_server_may_reject_at_any_step(clients_turn: bool) -> None:
    stage = asking()
    if clients_turn:
        stage.receive(Auth(CONTINUE, METHOD))
    refused = ConnAck(False, ReasonCode.BAD_AUTHENTICATION_METHOD, EXPLAINED)
    assert stage.receive(refused) == [
        ConnectionRefused(ReasonCode.BAD_AUTHENTICATION_METHOD, EXPLAINED)
    ]
    assert stage.sent() == []
    assert stage.closed()


@pytest.mark.spec("5.0", "section 4.12", role="client")
def test_the_client_does_not_speak_out_of_turn() -> None:
    stage = asking()
    with pytest.raises(LocalProtocolError, match="SERVERS_TURN"):
        stage.client.authenticate(now=0.0)
    stage.receive(Auth(CONTINUE, METHOD))
    stage.client.authenticate(now=0.0)
    with pytest.raises(LocalProtocolError, match="out of turn"):
        stage.client.authenticate(now=0.0)
    stage.receive(ConnAck(properties=METHOD))
    with pytest.raises(LocalProtocolError, match="AUTHENTICATED"):
        stage.client.authenticate(now=0.0)
    assert stage.sent() == [Auth(CONTINUE, METHOD)]


@pytest.mark.spec("5.0", "MQTT-4.12.0-7", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_method_the_client_sends_no_auth(version: int) -> None:
    new = Stage(version)
    connecting = Stage(version)
    connecting.connect(lasting(version))
    over = connected(version)
    over.cut()
    for stage in (new, connecting, connected(version), over):
        with pytest.raises(LocalProtocolError) as refused:
            stage.client.authenticate(b"x", now=0.0)
        assert refused.value.statement is not None
        assert refused.value.statement.id == "MQTT-4.12.0-7"
        with pytest.raises(LocalProtocolError):
            stage.client.reauthenticate(now=0.0)
        assert stage.sent() == []


def test_on_a_connection_that_is_over_nobody_authenticates() -> None:
    stage = authenticated()
    stage.cut()
    with pytest.raises(LocalProtocolError):
        stage.client.reauthenticate(now=0.0)


@pytest.mark.spec("5.0", "MQTT-4.12.0-6", role="client")
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("auth", [Auth(CONTINUE, METHOD), Auth()], ids=["continue", "success"])
def test_a_server_must_not_send_auth_to_a_client_that_named_no_method(
    auth: Auth, early: bool
) -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    if not early:
        stage.accept()
    failed = failure(stage.receive(auth))
    assert failed.statement.id == "MQTT-4.12.0-6"
    assert failed.reason_code == ReasonCode.PROTOCOL_ERROR
    (farewell,) = stage.sent()
    assert isinstance(farewell, Disconnect)
    assert farewell.reason_code == ReasonCode.PROTOCOL_ERROR
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
def test_a_server_must_not_change_the_method() -> None:
    early, again = asking(), authenticated()
    again.client.reauthenticate(now=0.0)
    for stage in (early, again):
        failed = failure(stage.receive(Auth(CONTINUE, step(b"x", "other"))))
        assert failed.statement.id == "MQTT-4.12.0-5"
        assert stage.closed() is False
        stage.sent()
        assert stage.closed()


@pytest.mark.spec("5.0", "section 4.12", role="client")
def test_a_server_must_not_send_auth_out_of_turn() -> None:
    twice, too_soon, behind = asking(), asking(), authenticated()
    twice.receive(Auth(CONTINUE, METHOD))
    for stage, auth in (
        (twice, Auth(CONTINUE, METHOD)),
        (too_soon, Auth(ReasonCode.SUCCESS, METHOD)),
        (behind, Auth(CONTINUE, METHOD)),
        (authenticated(), Auth()),
    ):
        failed = failure(stage.receive(auth))
        assert failed.statement.id == "section 4.12"
        assert failed.reason_code == ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "section 4.12", role="client")
def test_a_server_must_not_accept_while_it_waits_for_auth() -> None:
    stage = asking()
    stage.receive(Auth(CONTINUE, METHOD))
    failed = failure(stage.receive(ConnAck(properties=METHOD)))
    assert failed.statement.id == "section 4.12"
    assert stage.state() is ConnectionState.CLOSED


@pytest.mark.spec("5.0", "MQTT-3.15.2-1", role="client")
def test_a_server_must_not_begin_anew() -> None:
    stage = authenticated()
    failed = failure(stage.receive(b"\xf0\x06\x19\x04\x15\0\1m"))
    assert failed.statement.id == "MQTT-3.15.2-1"


def test_the_time_to_connack_holds_for_all_steps() -> None:
    stage = Stage(connect_timeout=10.0)
    stage.connect(lasting(5, METHOD))
    stage.now = 9.0
    stage.receive(Auth(CONTINUE, METHOD))
    stage.client.authenticate(now=9.0)
    assert stage.client.next_deadline() == 10.0
    assert failure(stage.client.handle_timeout(10.0)).reason_code == 0xA0


# Anew.


@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
def test_a_client_authenticates_anew_with_the_same_method() -> None:
    stage = authenticated()
    for _ in range(2):
        stage.client.reauthenticate(b"1", now=0.0)
        assert stage.sent() == [Auth(AGAIN, step(b"1"))]
        stage.receive(Auth(CONTINUE, step(b"2")))
        stage.client.authenticate(b"3", now=0.0)
        assert stage.sent() == [Auth(CONTINUE, step(b"3"))]
        done = Auth(ReasonCode.SUCCESS, step(b"4"))
        assert stage.receive(done) == [AuthenticationReceived(ReasonCode.SUCCESS, step(b"4"))]
        assert stage.state() is ConnectionState.CONNECTED


def test_success_may_come_at_once_and_without_a_body() -> None:
    stage = authenticated()
    stage.client.reauthenticate(now=0.0)
    assert stage.receive(b"\xf0\0") == [AuthenticationReceived(ReasonCode.SUCCESS, EMPTY)]
    stage.client.reauthenticate(now=0.0)
    assert len(stage.sent()) == 2


def test_anew_is_not_begun_twice() -> None:
    stage = authenticated()
    stage.client.reauthenticate(now=0.0)
    with pytest.raises(LocalProtocolError, match="SERVERS_TURN_AGAIN"):
        stage.client.reauthenticate(now=0.0)
    stage.receive(Auth(CONTINUE, METHOD))
    with pytest.raises(LocalProtocolError, match="CLIENTS_TURN_AGAIN"):
        stage.client.reauthenticate(now=0.0)
    assert len(stage.sent()) == 1


@pytest.mark.spec("5.0", "section 4.12.1", role="client")
def test_traffic_goes_on_meanwhile() -> None:
    stage = authenticated()
    stage.client.reauthenticate(now=0.0)
    delivery = stage.publish("a")
    stage.client.subscribe(Subscription("b"), now=0.0)
    assert [type(each) for each in stage.sent()] == [Auth, Publish, Subscribe]
    events = stage.receive(
        Publish("b", b"", 1, packet_id=9), PubAck(1), Auth(CONTINUE, METHOD), SubAck(2, [0])
    )
    assert [type(each) for each in events] == [
        MessageReceived,
        PublishCompleted,
        AuthenticationReceived,
        Subscribed,
    ]
    assert events[1] == PublishCompleted(delivery)
    assert stage.sent() == [PubAck(9)]


@pytest.mark.spec("5.0", "MQTT-4.12.1-2", role="client")
@pytest.mark.parametrize("clients_turn", [False, True])
def test_what_fails_anew_closes_the_connection(clients_turn: bool) -> None:
    theirs, ours = authenticated(), authenticated()
    for stage in (theirs, ours):
        stage.client.reauthenticate(now=0.0)
        if clients_turn:
            stage.receive(Auth(CONTINUE, METHOD))
        stage.sent()
    (event,) = theirs.receive(Disconnect(ReasonCode.NOT_AUTHORIZED))
    assert event == Disconnected(Initiator.PEER, ReasonCode.NOT_AUTHORIZED)
    ours.client.disconnect(ReasonCode.UNSPECIFIED_ERROR, now=0.0)
    assert ours.sent() == [Disconnect(ReasonCode.UNSPECIFIED_ERROR)]
    assert theirs.closed()
    assert ours.closed()


def test_a_new_connection_begins_without_a_method() -> None:
    first = authenticated()
    first.cut()
    second = connected(connect=lasting(5), session=first.client.session, resume=True)
    with pytest.raises(LocalProtocolError):
        second.client.reauthenticate(now=0.0)


# What AUTH may say.


@pytest.mark.spec("5.0", "MQTT-3.15.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.15.2-3", role="client")
@pytest.mark.parametrize("size", [None, 30])
@pytest.mark.parametrize(
    "explained",
    [Properties(reason_string="because" * 4), Properties(user_properties=[("why" * 3, "no" * 9)])],
    ids=["reason", "user"],
)
def test_auth_leaves_explanations_out_where_they_make_it_too_large(
    explained: Properties, size: int | None
) -> None:
    stage = authenticated(Properties(maximum_packet_size=size))
    stage.client.reauthenticate(b"x", explained, now=0.0)
    full = explained.replace(authentication_method="m", authentication_data=b"x")
    assert stage.sent() == [Auth(AGAIN, full if size is None else step(b"x"))]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_an_auth_that_is_too_large_however_plain_changes_nothing() -> None:
    stage = authenticated(Properties(maximum_packet_size=30))
    with pytest.raises(PacketTooLargeError):
        stage.client.reauthenticate(bytes(30), now=0.0)
    assert stage.sent() == []
    stage.client.reauthenticate(b"x", now=0.0)
    assert stage.sent() == [Auth(AGAIN, step(b"x"))]


def test_auth_cannot_have_other_properties() -> None:
    stage = authenticated()
    with pytest.raises(InvalidValueError):
        stage.client.reauthenticate(properties=Properties(topic_alias=1), now=0.0)
    stage.client.reauthenticate(now=0.0)
    assert stage.sent() == [Auth(AGAIN, METHOD)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="client")
def test_an_auth_of_the_server_explains_itself_only_where_that_is_wanted() -> None:
    explained = EXPLAINED.replace(authentication_method="m")
    (event,) = asking().receive(Auth(CONTINUE, explained))
    assert event == AuthenticationReceived(CONTINUE, explained)
    silent = asking(METHOD.replace(request_problem_information=False))
    failed = failure(silent.receive(Auth(CONTINUE, explained)))
    assert failed.statement.id == "MQTT-3.1.2-29"


def test_auth_to_the_server_may_explain_itself() -> None:
    stage = authenticated()
    stage.client.reauthenticate(b"x", EXPLAINED, now=0.0)
    stage.receive(Auth(CONTINUE, METHOD))
    stage.client.authenticate(properties=EXPLAINED, now=0.0)
    named = EXPLAINED.replace(authentication_method="m")
    assert stage.sent() == [
        Auth(AGAIN, named.replace(authentication_data=b"x")),
        Auth(CONTINUE, named),
    ]


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
def test_the_method_is_the_connections_to_name() -> None:
    stage = asking()
    stage.receive(Auth(CONTINUE, METHOD))
    stage.client.authenticate(b"x", step(b"y", "other"), now=0.0)
    assert stage.sent() == [Auth(CONTINUE, step(b"x"))]


@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="client")
@pytest.mark.parametrize("clients_turn", [False, True])
def test_a_server_sends_nothing_but_auth_and_connack_first(clients_turn: bool) -> None:
    stage = asking()
    if clients_turn:
        stage.receive(Auth(CONTINUE, METHOD))
    failed = failure(stage.receive(Publish("a")))
    assert failed.statement == Statement("5.0", "MQTT-3.2.0-1")
    assert [type(each) for each in stage.sent()] == [Disconnect]


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
@pytest.mark.parametrize("named", [None, "M", "mm"])
def test_connack_names_the_method_of_connect(named: str | None) -> None:
    failed = failure(asking().accept(announce=Properties(authentication_method=named)))
    assert failed.statement == Statement("5.0", "MQTT-4.12.0-5")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "section 4.12", role="client")
@pytest.mark.parametrize("code", [CONTINUE, ReasonCode.SUCCESS])
def test_a_server_that_waits_for_auth_anew_sends_none(code: ReasonCode) -> None:
    stage = authenticated()
    stage.client.reauthenticate(now=0.0)
    stage.receive(Auth(CONTINUE, METHOD))
    failed = failure(stage.receive(Auth(code, METHOD)))
    assert failed.statement == Statement("5.0", "section 4.12")


@pytest.mark.spec("5.0", "MQTT-3.15.2-1", role="client")
@pytest.mark.parametrize("code", [0x19, 0x01, 0x80, 0xFF])
def test_auth_has_no_code_that_is_not_the_servers(code: int) -> None:
    stage = asking()
    failed = failure(stage.receive(b"\xf0\x06" + bytes([code]) + b"\x04\x15\0\1m"))
    assert failed.statement == Statement("5.0", "MQTT-3.15.2-1")
    assert [type(each) for each in stage.sent()] == [Disconnect]


@pytest.mark.spec("5.0", "MQTT-3.15.1-1", role="client")
@pytest.mark.parametrize("flags", range(1, 16))
def test_reserved_bits_in_auth_end_the_connection(flags: int) -> None:
    stage = asking()
    failed = failure(stage.receive(bytes([0xF0 | flags])))
    assert failed.statement == Statement("5.0", "MQTT-3.15.1-1")
    (farewell,) = stage.sent()
    assert isinstance(farewell, Disconnect)
    assert farewell.reason_code is ReasonCode.MALFORMED_PACKET


def test_success_of_one_code_and_no_properties_is_success() -> None:
    stage = authenticated()
    stage.client.reauthenticate(now=0.0)
    assert stage.receive(b"\xf0\2\0\0") == [AuthenticationReceived(ReasonCode.SUCCESS, EMPTY)]


def test_what_comes_in_one_piece_with_connack_comes_in_order() -> None:
    stage = asking()
    events = stage.receive(ConnAck(properties=METHOD), Publish("a"))
    assert [type(each) for each in events] == [Connected, MessageReceived]


def test_auth_waits_behind_what_is_to_be_stored() -> None:
    session = Session("c", journal=Journal())
    stage = connected(connect=lasting(5, METHOD), session=session, announce=METHOD)
    stage.publish("a", 2)
    stage.client.reauthenticate(now=0.0)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1), Auth(AGAIN, METHOD)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="client")
@pytest.mark.parametrize(
    "explained", [Properties(reason_string="because"), Properties(user_properties=[("a", "b")])]
)
def test_an_auth_anew_explains_nothing_where_that_is_not_wanted(explained: Properties) -> None:
    stage = authenticated(properties=METHOD.replace(request_problem_information=False))
    stage.client.reauthenticate(now=0.0)
    packet = Auth(CONTINUE, explained.replace(authentication_method="m"))
    assert failure(stage.receive(packet)).statement == Statement("5.0", "MQTT-3.1.2-29")
