"""Enhanced authentication and re-authentication, which only 5.0 has, at the server's end."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect, PingReq, PingResp, Will
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Subscription
from mqttproto.constants import ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, ServerConnection
from mqttproto.protocol.events import (
    AuthenticationReceived,
    Disconnected,
    Initiator,
    MessageReceived,
)
from server_stage import EXPLAINED, METHOD, VERSIONS, Stage, connected, failure

CONTINUE = ReasonCode.CONTINUE_AUTHENTICATION
AGAIN = ReasonCode.RE_AUTHENTICATE


def auth(data: bytes, code: ReasonCode = CONTINUE) -> Auth:
    return Auth(code, METHOD.replace(authentication_data=data))


def begun(properties: Properties = METHOD, server: ServerConnection | None = None) -> Stage:
    """A CONNECT that names a method has come."""
    stage = Stage(5, server)
    stage.connect(Connect("c", keep_alive=0, properties=properties))
    return stage


def authenticated(properties: Properties = METHOD) -> Stage:
    """A connection that was accepted with a method."""
    return connected(5, Connect("c", keep_alive=0, properties=properties))


# Before CONNACK.


@pytest.mark.spec("5.0", "MQTT-4.12.0-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.0-1", role="server")
def test_authentication_goes_on_with_auth_until_connack() -> None:
    stage = begun()
    for step in (b"1", b"2"):
        stage.server.authenticate(step, now=0.0)
        assert stage.sent() == [auth(step)]
        (event,) = stage.receive(auth(step + b"!"))
        assert isinstance(event, AuthenticationReceived)
        assert event.reason_code is CONTINUE
        assert event.data == step + b"!"
        assert event.properties.authentication_method == "m"
    final = Properties(authentication_data=b"3")
    stage.accept(announce=final)
    assert stage.sent() == [ConnAck(properties=final.replace(authentication_method="m"))]
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
def test_a_method_may_need_no_more_steps() -> None:
    stage = begun(METHOD.replace(authentication_data=b"all"))
    stage.accept()
    assert stage.sent() == [ConnAck(properties=METHOD)]


@pytest.mark.spec("5.0", "MQTT-4.12.0-2", role="server")
def test_auth_may_have_no_data_and_explain_itself() -> None:
    stage = begun()
    stage.server.authenticate(properties=EXPLAINED, now=0.0)
    assert stage.sent() == [Auth(CONTINUE, EXPLAINED.replace(authentication_method="m"))]


@pytest.mark.spec("5.0", "MQTT-4.12.0-6", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_there_is_no_auth_for_a_client_that_named_no_method(version: int) -> None:
    stage = Stage(version)
    for step in ("new", "connecting", "connected"):
        with pytest.raises(LocalProtocolError) as refused:
            stage.server.authenticate(b"", now=0.0)
        assert refused.value.statement == Statement("5.0", "MQTT-4.12.0-6")
        with pytest.raises(LocalProtocolError):
            stage.server.finish_reauthentication(now=0.0)
        if step == "new":
            stage.connect(Connect("c"))
        elif step == "connecting":
            stage.accept()
            (connack,) = stage.sent()
            assert isinstance(connack, ConnAck)
            assert connack.properties == EMPTY
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
@pytest.mark.spec("5.0", "MQTT-4.12.0-6", role="server")
@pytest.mark.parametrize(("named", "id"), [(METHOD, "MQTT-4.12.0-5"), (EMPTY, "MQTT-4.12.0-6")])
def test_connack_cannot_name_another_method(named: Properties, id: str) -> None:
    stage = begun(named)
    with pytest.raises(LocalProtocolError) as refused:
        stage.accept(announce=Properties(authentication_method="n"))
    assert refused.value.statement == Statement("5.0", id)
    assert stage.sent() == []
    stage.accept(announce=named)
    assert stage.sent() == [ConnAck(properties=named)]


@pytest.mark.spec("5.0", "section 4.12", role="server")
def test_nobody_speaks_out_of_turn() -> None:
    stage = begun()
    with pytest.raises(LocalProtocolError, match="SERVERS_TURN"):
        stage.server.finish_reauthentication(now=0.0)
    stage.server.authenticate(b"1", now=0.0)
    with pytest.raises(LocalProtocolError, match="CLIENTS_TURN"):
        stage.server.authenticate(b"2", now=0.0)
    with pytest.raises(LocalProtocolError, match="client's turn") as refused:
        stage.accept()
    assert refused.value.statement == Statement("5.0", "section 4.12")
    assert stage.sent() == [auth(b"1")]
    stage.receive(auth(b"1!"))
    stage.accept()
    assert stage.sent() == [ConnAck(properties=METHOD)]


@pytest.mark.spec("5.0", "MQTT-4.12.0-7", role="server")
@pytest.mark.parametrize("early", [False, True])
def test_a_client_that_named_no_method_must_not_send_auth(early: bool) -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    if early:
        stage.receive(auth(b""))
        events = stage.accept()
    else:
        stage.accept()
        events = stage.receive(auth(b""))
    assert failure(events).statement == Statement("5.0", "MQTT-4.12.0-7")
    _, disconnect = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
@pytest.mark.parametrize("accepted", [False, True])
def test_a_client_must_not_change_its_method(accepted: bool) -> None:
    stage = authenticated() if accepted else begun()
    if not accepted:
        stage.server.authenticate(now=0.0)
        stage.sent()
    other = Auth(AGAIN if accepted else CONTINUE, Properties(authentication_method="n"))
    failed = failure(stage.receive(other))
    assert failed.statement == Statement("5.0", "MQTT-4.12.0-5")
    (last,) = stage.sent()
    assert isinstance(last, Disconnect if accepted else ConnAck)
    assert stage.closed()


@pytest.mark.spec("5.0", "section 4.12", role="server")
@pytest.mark.parametrize("code", [CONTINUE, AGAIN])
def test_a_client_must_not_send_auth_out_of_turn(code: ReasonCode) -> None:
    stage = begun()
    assert failure(stage.receive(auth(b"", code))).statement == Statement("5.0", "section 4.12")
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.reason_code is ReasonCode.PROTOCOL_ERROR
    assert stage.closed()
    stage = begun()
    stage.server.authenticate(now=0.0)
    assert failure(stage.receive(auth(b"", AGAIN))).reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.4-6", role="server")
@pytest.mark.parametrize("together", [False, True])
def test_nothing_but_auth_and_disconnect_may_come_before_connack(together: bool) -> None:
    connect = Connect("c", will=Will("w"), properties=METHOD)
    for packet in (Publish("a"), Subscribe(1, [Subscription("a")]), PingReq()):
        stage = Stage()
        if together:
            _, *events = stage.receive(connect, packet)
        else:
            stage.connect(connect)
            events = stage.receive(packet)
        failed = failure(events)
        assert failed.statement == Statement("5.0", "MQTT-3.1.2-30")
        assert failed.offset == len(stage.encoded(connect))
        assert not failed.publish_will
        (connack,) = stage.sent()
        assert isinstance(connack, ConnAck)
        assert connack.reason_code is ReasonCode.PROTOCOL_ERROR
        assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.1.0-2", role="server")
def test_a_second_connect_during_authentication_ends_the_connection() -> None:
    stage = begun()
    assert failure(stage.receive(Connect("c"))).statement == Statement("5.0", "MQTT-3.1.0-2")
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert connack.reason_code is ReasonCode.PROTOCOL_ERROR


def test_a_client_may_give_up_before_connack() -> None:
    stage = begun(METHOD.replace(session_expiry_interval=7))
    left = Properties(session_expiry_interval=9)
    assert stage.receive(Disconnect(properties=left)) == [
        Disconnected(Initiator.PEER, ReasonCode.NORMAL_DISCONNECTION, left)
    ]
    assert stage.sent() == []
    assert stage.closed()


def test_a_client_that_gives_up_must_not_raise_its_expiry_from_0() -> None:
    stage = begun()
    left = Properties(session_expiry_interval=9)
    failed = failure(stage.receive(Disconnect(properties=left)))
    assert failed.statement == Statement("5.0", "section 3.14.2.2.2")


@pytest.mark.spec("5.0", "MQTT-4.12.0-1", role="server")
@pytest.mark.parametrize("code", [ReasonCode.BAD_AUTHENTICATION_METHOD, ReasonCode.NOT_AUTHORIZED])
def test_a_method_that_is_not_known_is_refused(code: ReasonCode) -> None:
    stage = begun()
    stage.server.refuse(code, now=0.0)
    assert stage.sent() == [ConnAck(False, code)]
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-4.12.0-4", role="server")
@pytest.mark.parametrize("clients_turn", [False, True])
def test_authentication_may_be_rejected_at_any_step(clients_turn: bool) -> None:
    stage = begun()
    stage.server.authenticate(b"1", now=0.0)
    if not clients_turn:
        stage.receive(auth(b"wrong"))
    stage.sent()
    stage.server.refuse(ReasonCode.NOT_AUTHORIZED, now=0.0)
    assert stage.sent() == [ConnAck(False, ReasonCode.NOT_AUTHORIZED)]
    assert stage.closed()
    assert stage.receive(auth(b"right")) == []
    with pytest.raises(LocalProtocolError):
        stage.accept()
    with pytest.raises(LocalProtocolError):
        stage.server.authenticate(now=0.0)


def test_each_step_of_the_client_has_a_deadline_and_those_of_the_server_none() -> None:
    stage = begun(server=ServerConnection(now=0.0, connect_timeout=3.0))
    assert stage.server.next_deadline() is None
    stage.server.authenticate(now=50.0)
    assert stage.server.next_deadline() == 53.0
    stage.now = 52.0
    stage.receive(auth(b""))
    assert stage.server.next_deadline() is None
    assert stage.server.handle_timeout(60.0) == []
    stage.server.authenticate(now=70.0)
    stage.sent()
    failed = failure(stage.server.handle_timeout(73.0))
    assert failed.statement == Statement("5.0", "section 3.1.4")
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    # CONNACK has no word for it.
    assert connack.reason_code is ReasonCode.UNSPECIFIED_ERROR
    assert stage.closed()


# Anew.


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
def test_a_client_may_authenticate_anew() -> None:
    stage = authenticated()
    for _ in range(2):
        (event,) = stage.receive(auth(b"1", AGAIN))
        assert isinstance(event, AuthenticationReceived)
        assert event.reason_code is AGAIN
        stage.server.authenticate(b"2", now=0.0)
        assert stage.server.next_deadline() is None
        (event,) = stage.receive(auth(b"3"))
        assert isinstance(event, AuthenticationReceived)
        stage.server.finish_reauthentication(b"4", EXPLAINED, now=0.0)
        done = EXPLAINED.replace(authentication_method="m", authentication_data=b"4")
        assert stage.sent() == [auth(b"2"), Auth(ReasonCode.SUCCESS, done)]


def test_anew_may_be_done_at_once() -> None:
    stage = authenticated()
    stage.receive(auth(b"1", AGAIN))
    stage.server.finish_reauthentication(now=0.0)
    assert stage.sent() == [Auth(ReasonCode.SUCCESS, METHOD)]


@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="server")
def test_only_the_client_begins_anew() -> None:
    stage = authenticated()
    with pytest.raises(LocalProtocolError, match="AUTHENTICATED"):
        stage.server.authenticate(b"", now=0.0)
    with pytest.raises(LocalProtocolError, match="AUTHENTICATED"):
        stage.server.finish_reauthentication(now=0.0)
    assert stage.sent() == []
    assert failure(stage.receive(auth(b""))).statement == Statement("5.0", "section 4.12")


@pytest.mark.spec("5.0", "section 4.12.1", role="server")
def test_traffic_goes_on_meanwhile() -> None:
    stage = authenticated()
    stage.receive(auth(b"1", AGAIN))
    stage.server.publish("a", now=0.0)
    assert stage.receive(PingReq(), Publish("b")) == [MessageReceived(Publish("b"))]
    stage.server.authenticate(b"2", now=0.0)
    assert stage.receive(Publish("c")) == [MessageReceived(Publish("c"))]
    with pytest.raises(LocalProtocolError, match="CLIENTS_TURN_AGAIN"):
        stage.server.finish_reauthentication(now=0.0)
    assert stage.sent() == [Publish("a"), PingResp(), auth(b"2")]
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-4.12.1-2", role="server")
@pytest.mark.parametrize("clients_turn", [False, True])
def test_what_fails_anew_is_told_by_disconnect_and_closes(clients_turn: bool) -> None:
    stage = authenticated()
    stage.receive(auth(b"1", AGAIN))
    if clients_turn:
        stage.server.authenticate(b"2", now=0.0)
        stage.sent()
    events = stage.server.disconnect(ReasonCode.NOT_AUTHORIZED, now=0.0)
    assert events == [Disconnected(Initiator.LOCAL, ReasonCode.NOT_AUTHORIZED)]
    assert stage.sent() == [Disconnect(ReasonCode.NOT_AUTHORIZED)]
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-4.12.1-2", role="server")
def test_a_client_that_begins_anew_twice_is_disconnected() -> None:
    stage = authenticated()
    stage.receive(auth(b"1", AGAIN))
    failed = failure(stage.receive(auth(b"1", AGAIN)))
    assert failed.statement == Statement("5.0", "section 4.12")
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.PROTOCOL_ERROR
    assert stage.closed()


# Size and explanations.


@pytest.mark.spec("5.0", "MQTT-3.15.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.15.2-3", role="server")
@pytest.mark.parametrize("explained", [EXPLAINED, EXPLAINED.replace(reason_string=None)])
def test_auth_leaves_explanations_out_where_they_make_it_too_large(explained: Properties) -> None:
    stage = begun(METHOD.replace(maximum_packet_size=16))
    stage.server.authenticate(b"1", explained, now=0.0)
    assert stage.sent() == [auth(b"1")]


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="server")
def test_auth_leaves_explanations_out_where_they_are_not_wanted() -> None:
    stage = begun(METHOD.replace(request_problem_information=False))
    stage.server.authenticate(b"1", EXPLAINED, now=0.0)
    assert stage.sent() == [auth(b"1")]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.parametrize("accepted", [False, True])
def test_an_auth_that_is_too_large_however_plain_ends_the_connection(accepted: bool) -> None:
    limited = METHOD.replace(maximum_packet_size=16)
    stage = authenticated(limited) if accepted else begun(limited)
    if accepted:
        stage.receive(auth(b"", AGAIN))
    stage.server.authenticate(b"0123456789", now=0.0)
    failed = failure(stage.server.take_events())
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-24")
    (last,) = stage.sent()
    assert isinstance(last, Disconnect if accepted else ConnAck)
    assert last.reason_code is ReasonCode.PACKET_TOO_LARGE
    assert stage.server.next_deadline() is None
    assert stage.closed()


def test_auth_cannot_have_other_properties() -> None:
    stage = begun()
    with pytest.raises(InvalidValueError):
        stage.server.authenticate(b"", Properties(topic_alias=1), now=0.0)
    assert stage.sent() == []
    stage.server.authenticate(b"", now=0.0)
    assert stage.sent() == [auth(b"")]
