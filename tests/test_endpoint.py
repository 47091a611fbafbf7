"""One end of a connection, as far as it knows neither messages nor roles: state, output, end."""

import pytest

import client_stage
import server_stage
from both_ends import CLIENT, EXPLAINED, ROLES, VERSIONS, Stage, cut, end_of, joined, publish
from client_stage import failure, lasting, messages
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect
from mqttproto.codec.publish import PubAck, Publish, PubRec
from mqttproto.constants import ProtocolVersion, ReasonCode, Sender
from mqttproto.errors import PacketTooLargeError, Statement
from mqttproto.protocol import (
    ClientConnection,
    ConnectionState,
    Journal,
    ServerConnection,
    Session,
)
from mqttproto.protocol.changes import SessionSuspended
from mqttproto.protocol.events import (
    ConnectionFailed,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    MessageReceived,
    PublishDropped,
)

every_role = pytest.mark.parametrize("role", ROLES)
every_version = pytest.mark.parametrize("version", VERSIONS)

ENDS = ("own", "peer", "fault", "eof", "lost")


def leave(stage: Stage) -> list[Event]:
    """Disconnect, with the reason that one would give."""
    if isinstance(stage, client_stage.Stage):
        return stage.client.disconnect(now=stage.now)
    return stage.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=stage.now)


def end(stage: Stage, how: str) -> list[Event]:
    """Let a connection end."""
    if how == "own":
        return leave(stage)
    if how == "peer":
        # Before 5.0 a server cannot say so, and ends the connection all the same.
        return stage.receive(b"\xe0\x00")
    if how == "fault":
        return stage.receive(b"\xff")
    if how == "eof":
        return end_of(stage).receive_eof(stage.now)
    return end_of(stage).connection_lost(stage.now)


# What can be asked.


def test_every_connection_has_a_number_of_its_own() -> None:
    ends = [ClientConnection(), ServerConnection(now=0.0), ClientConnection()]
    numbers = [each.number for each in ends]
    assert numbers == sorted(set(numbers))


@every_version
@every_role
def test_a_connection_tells_its_version_state_session_and_limits(
    role: Sender, version: int
) -> None:
    session = Session("c")
    end = end_of(joined(role, version, session))
    assert end.version is ProtocolVersion(version)
    assert end.state is ConnectionState.CONNECTED
    assert end.session is session
    assert session.connection is end
    assert end.limits is not None
    assert end.limits.receive_maximum == 65_535
    assert end.limits.maximum_packet_size == 268_435_460


def test_before_connack_there_are_no_limits() -> None:
    client, server = ClientConnection(version=4), ServerConnection(now=0.0)
    ends: list[ClientConnection | ServerConnection] = [client, server]
    assert [each.version for each in ends] == [ProtocolVersion.MQTT311, None]
    assert [each.state for each in ends] == [ConnectionState.NEW] * 2
    assert [each.limits for each in ends] == [None, None]
    client.connect(Connect("c"), now=0.0)
    server.receive_data(client.data_to_send(), 0.0)
    assert [each.version for each in ends] == [ProtocolVersion.MQTT311] * 2
    assert [each.state for each in ends] == [ConnectionState.CONNECTING] * 2
    assert [each.limits for each in ends] == [None, None]
    assert [each.close_expected() for each in ends] == [False, False]


@every_role
def test_the_limits_are_those_of_this_connection(role: Sender) -> None:
    session = Session("c")
    small = Properties(receive_maximum=3, maximum_packet_size=99, topic_alias_maximum=7)
    stage = joined(role, 5, session, peer=small)
    limits = end_of(stage).limits
    assert limits is not None
    sizes = (limits.receive_maximum, limits.maximum_packet_size, limits.topic_alias_maximum)
    assert sizes == (3, 99, 7)
    cut(stage)
    # What is absent is the default, whatever held before.
    limits = end_of(joined(role, 5, session, resume=True)).limits
    assert limits is not None
    sizes = (limits.receive_maximum, limits.maximum_packet_size, limits.topic_alias_maximum)
    assert sizes == (65_535, 268_435_460, 0)


# Output and events.


@every_version
@every_role
def test_bytes_are_given_out_once_and_in_order(role: Sender, version: int) -> None:
    stage = joined(role, version)
    for topic in "abc":
        end_of(stage).publish(topic, now=0.0)
    data = end_of(stage).data_to_send()
    assert [each.topic for each in stage.decoder.feed(data) if isinstance(each, Publish)] == [
        *"abc"
    ]
    assert end_of(stage).data_to_send() == b""


@every_role
def test_a_list_of_events_that_was_taken_does_not_grow(role: Sender) -> None:
    stage = joined(role)
    first = stage.receive()
    second = end_of(stage).take_events()
    taken = stage.receive(Publish("a"))
    stage.receive(Publish("b"))
    assert (first, second) == ([], [])
    assert [each.topic for each in messages(taken)] == ["a"]


# The end.


@pytest.mark.parametrize("how", ENDS)
@every_version
@every_role
def test_behind_its_end_a_connection_does_nothing(role: Sender, version: int, how: str) -> None:
    stage = joined(role, version)
    end(stage, how)
    connection = end_of(stage)
    assert connection.state is ConnectionState.CLOSED
    assert not connection.wants_read
    assert connection.next_deadline() is None
    connection.data_to_send()
    assert connection.close_expected()
    assert connection.session.connection is None
    # Whatever comes now is not looked at.
    assert stage.receive(Publish("a", b"", 1, packet_id=1)) == []
    assert connection.receive_data(b"\xff" * 9, 1.0) == []
    assert connection.handle_timeout(1e9) == []
    assert connection.receive_eof(1.0) == []
    assert connection.connection_lost(1.0) == []
    assert leave(stage) == []
    assert connection.data_to_send() == b""


@every_version
@every_role
def test_what_is_left_to_send_is_sent_before_the_close(role: Sender, version: int) -> None:
    stage = joined(role, version)
    end_of(stage).publish("a", now=0.0)
    leave(stage)
    assert not end_of(stage).close_expected()
    # Before 5.0 a server has no word for its end.
    assert len(stage.sent()) == 1 + (version == 5 or role is CLIENT)
    assert end_of(stage).close_expected()


@every_role
def test_what_is_held_keeps_the_close_waiting(role: Sender) -> None:
    stage = joined(role, 5, Session("c", journal=Journal()))
    publish(stage, "a", 2)
    leave(stage)
    assert stage.sent() == []
    assert not end_of(stage).close_expected()
    stage.store()
    assert not end_of(stage).close_expected()
    assert [type(each) for each in stage.sent()] == [Publish, Disconnect]
    assert end_of(stage).close_expected()


@every_version
@every_role
def test_who_says_no_more_may_still_be_told_something(role: Sender, version: int) -> None:
    stage = joined(role, version)
    end_of(stage).publish("a", now=0.0)
    (over,) = end_of(stage).receive_eof(1.0)
    assert over == Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    assert not end_of(stage).close_expected()
    assert [type(each) for each in stage.sent()] == [Publish]
    assert end_of(stage).close_expected()


@every_version
@every_role
def test_nothing_is_sent_to_who_is_gone(role: Sender, version: int) -> None:
    stage = joined(role, version, Session("c", journal=Journal()))
    publish(stage, "a", 2)
    end_of(stage).publish("a", now=0.0)
    (over,) = end_of(stage).connection_lost(1.0)
    assert over == Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    assert end_of(stage).close_expected()
    stage.store()
    assert stage.sent() == []


@every_role
def test_eof_and_then_a_loss_is_one_end(role: Sender) -> None:
    stage = joined(role)
    end_of(stage).publish("a", now=0.0)
    assert len(end_of(stage).receive_eof(1.0)) == 1
    assert end_of(stage).connection_lost(2.0) == []
    assert stage.sent() == []
    assert end_of(stage).session.suspended_at == 1.0


@pytest.mark.parametrize("how", ENDS)
@every_role
def test_what_is_lost_is_told_before_the_end(role: Sender, how: str) -> None:
    stage = joined(role, lasting=False)
    delivery = publish(stage, "a", 2)
    dropped, last = end(stage, how)
    assert dropped == PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert isinstance(last, ConnectionFailed if how == "fault" else Disconnected)


# Faults.


@pytest.mark.parametrize("before", [0, 1, 5])
@every_version
@every_role
def test_a_fault_is_where_its_packet_begins_in_all_that_came(
    role: Sender, version: int, before: int
) -> None:
    stage = joined(role, version)
    first = ConnAck() if role is CLIENT else client_stage.lasting(version)
    came = len(stage.encoded(first, *[Publish("a")] * before, Publish("c")))
    stage.receive(*[Publish("a")] * before)
    publish(stage, "b", 1)
    # In one piece with what is right, and in the middle of it.
    *events, failed = stage.receive(Publish("c"), PubRec(1), Publish("d"))
    assert [each.topic for each in messages(events)] == ["c"]
    assert failure([failed]).offset == came
    assert end_of(stage).take_events() == []


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="both")
@every_role
def test_in_5_the_peer_is_told_and_the_connection_closed(role: Sender) -> None:
    stage = joined(role)
    publish(stage, "a", 1)
    stage.sent()
    failed = failure(stage.receive(PubRec(1)))
    assert failed.statement == Statement("5.0", "MQTT-2.2.1-5")
    (last,) = stage.sent()
    assert isinstance(last, Disconnect)
    assert last.reason_code is failed.reason_code is ReasonCode.PROTOCOL_ERROR
    assert last.properties.reason_string
    assert end_of(stage).close_expected()


@pytest.mark.spec("3.1.1", "MQTT-4.8.0-1", role="both")
@pytest.mark.parametrize("version", [3, 4])
@every_role
def test_before_5_nobody_is_told_and_the_connection_closed(role: Sender, version: int) -> None:
    stage = joined(role, version)
    publish(stage, "a", 1)
    stage.sent()
    failure(stage.receive(PubRec(1)))
    assert end_of(stage).data_to_send() == b""
    assert end_of(stage).close_expected()


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="both")
@pytest.mark.spec("5.0", "MQTT-3.14.2-4", role="both")
@every_role
def test_disconnect_leaves_its_explanation_out_where_it_does_not_fit(role: Sender) -> None:
    for size, left in ((28, EMPTY), (60, EXPLAINED)):
        stage = joined(role, peer=Properties(maximum_packet_size=size))
        end_of(stage).disconnect(ReasonCode.UNSPECIFIED_ERROR, EXPLAINED, now=0.0)
        assert stage.sent() == [Disconnect(ReasonCode.UNSPECIFIED_ERROR, left)]


def test_what_is_too_large_even_without_an_explanation_is_refused() -> None:
    stage = joined(CLIENT, peer=Properties(maximum_packet_size=5))
    properties = EXPLAINED.replace(session_expiry_interval=9)
    with pytest.raises(PacketTooLargeError, match="9 bytes are more") as refused:
        end_of(stage).disconnect(0, properties, now=0.0)
    assert refused.value.field == "packet"
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-15")
    assert end_of(stage).state is ConnectionState.CONNECTED
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="client")
@pytest.mark.parametrize("size", [5, 9, 400])
def test_a_farewell_fits_what_the_peer_takes(size: int) -> None:
    stage = joined(CLIENT, peer=Properties(maximum_packet_size=size))
    failure(stage.receive(b"\xff"))
    data = end_of(stage).data_to_send()
    assert data[:1] == b"\xe0"
    assert 3 <= len(data) <= size
    assert end_of(stage).close_expected()


# Taking over.


@every_version
@every_role
def test_a_session_has_one_connection_and_the_last_is_it(role: Sender, version: int) -> None:
    session = Session("c")
    old = joined(role, version, session)
    publish(old, "a", 1)
    old.sent()
    new = joined(role, version, session, resume=True)
    assert session.connection is end_of(new)
    assert end_of(old).state is ConnectionState.CLOSED
    events = end_of(old).take_events()
    assert isinstance(events[-1], Disconnected)
    # A late end of the old one touches nothing.
    assert end_of(old).connection_lost(9.0) == []
    assert session.connection is end_of(new)
    assert session.suspended_at is None
    assert new.sent() == [Publish("a", b"", 1, False, True, 1)]
    assert new.receive(PubAck(1))
    assert isinstance(new.message(Publish("x")), MessageReceived)


def test_a_connection_that_was_not_accepted_leaves_the_session_as_it_was() -> None:
    session = Session("c", journal=Journal())
    stage = joined(CLIENT, 5, session)
    stage.now = 3.0
    cut(stage)
    stage = client_stage.Stage(5, session)
    end_of(stage).take_changes()
    stage.now = 7.0
    stage.connect(lasting(5))
    cut(stage)
    assert not end_of(stage).take_changes()
    assert session.suspended_at == 3.0
    assert session.expires_at == 103.0


@every_role
def test_what_is_taken_over_was_suspended_at_that_time(role: Sender) -> None:
    session = Session("c", journal=Journal())
    joined(role, 5, session)
    if role is CLIENT:
        client = client_stage.Stage(5, session)
        client.now = 7.0
        client.connect(lasting(5))
        changes = list(client.client.take_changes())
    else:
        server = server_stage.Stage()
        server.now = 7.0
        server.connect(lasting(5))
        server.accept(session, resume=True)
        changes = list(server.server.take_changes())
    assert changes[0] == SessionSuspended("c", 7.0, 100)
