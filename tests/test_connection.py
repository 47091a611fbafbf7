"""What both roles share with whoever drives them: bytes in, time, changes, and when to read."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from both_ends import CLIENT, ROLES, SERVER, VERSIONS, Stage, cut, end_of, joined, publish
from client_stage import failure, lasting, messages
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, PingReq, PingResp
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.constants import ReasonCode, Sender
from mqttproto.errors import LocalProtocolError, QueueFullError, Statement
from mqttproto.protocol import (
    Batch,
    ClientConnection,
    ConnectionState,
    Journal,
    ServerConnection,
    Session,
)
from mqttproto.protocol.changes import MessageSent, SessionStarted
from mqttproto.protocol.events import (
    AuthenticationReceived,
    CapacityAvailable,
    ConnectReceived,
    Disconnected,
    Event,
    MessageReceived,
    PublishCompleted,
)

every_role = pytest.mark.parametrize("role", ROLES)
every_version = pytest.mark.parametrize("version", VERSIONS)

INCOMING: tuple[Packet, ...] = (
    Publish("a", b"x" * 200),
    Publish("a", b"", 1, packet_id=1),
    Publish("a", b"", 2, packet_id=2),
    PubRel(9),
    PubAck(1),
    PubRec(2),
    PubComp(2),
    Publish("b"),
)


def logged(role: Sender, version: int = 5, **options: Any) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    return joined(role, version, Session("c", journal=Journal()), **options)


def busy(role: Sender, version: int) -> Stage:
    """A connection for which the answers in INCOMING are meant."""
    stage = joined(role, version)
    publish(stage, "one", 1)
    publish(stage, "two", 2)
    stage.sent()
    return stage


def plain(events: list[Event]) -> list[str]:
    """Events as text; a receipt is no part of that."""
    return [repr(each) for each in events]


# Bytes.


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@every_role
def test_bytes_may_come_in_any_form(
    role: Sender, kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    stage = joined(role)
    data = kind(stage.encoded(Publish("a", b"x")))
    assert end_of(stage).receive_data(data, 0.0) == [MessageReceived(Publish("a", b"x"))]


@every_role
def test_a_buffer_may_be_used_again_after_the_call(role: Sender) -> None:
    stage = joined(role)
    packets = stage.encoded(Publish("a", b"xyz", properties=Properties(content_type="t")))
    buffer = bytearray(packets)
    (event,) = messages(end_of(stage).receive_data(memoryview(buffer), 0.0))
    buffer[:] = b"\xff" * len(buffer)
    assert event == MessageReceived(Publish("a", b"xyz", properties=Properties(content_type="t")))


@every_version
@every_role
@given(cuts=st.lists(st.integers(0, 300), max_size=12))
def test_where_bytes_are_cut_makes_no_difference(
    role: Sender, version: int, cuts: list[int]
) -> None:
    whole, pieces = busy(role, version), busy(role, version)
    data = whole.encoded(*INCOMING)
    expected = plain(whole.receive(data))
    events: list[Event] = []
    places = [0, *sorted(min(each, len(data)) for each in cuts), len(data)]
    for begin, until in pairwise(places):
        events += pieces.receive(data[begin:until])
    assert plain(events) == expected
    assert len(expected) == 7
    assert pieces.sent() == whole.sent()


@every_version
@every_role
def test_no_bytes_are_no_news(role: Sender, version: int) -> None:
    stage = joined(role, version)
    assert stage.receive(b"") == []
    assert end_of(stage).state is ConnectionState.CONNECTED


@every_version
@every_role
def test_half_a_packet_is_no_fault(role: Sender, version: int) -> None:
    stage = joined(role, version)
    data = stage.encoded(Publish("a", b"x" * 99))
    assert stage.receive(data[:-1]) == []
    assert end_of(stage).state is ConnectionState.CONNECTED
    assert len(messages(stage.receive(data[-1:]))) == 1


@every_version
@every_role
def test_everything_up_to_a_fault_is_told_and_nothing_behind(role: Sender, version: int) -> None:
    stage = busy(role, version)
    *events, failed = stage.receive(*INCOMING, b"\xff\xff", Publish("late"))
    assert len(events) == 7
    assert failed == failure([failed])
    assert [each.topic for each in messages(events)] == ["a", "a", "a", "b"]


@every_version
@every_role
def test_answers_to_what_came_before_a_fault_are_sent(role: Sender, version: int) -> None:
    stage = joined(role, version, Session("c"))
    stage.receive(PubRel(7), b"\xff")
    assert isinstance(stage.sent()[0], PubComp)


# When to read.


def test_a_new_connection_reads() -> None:
    assert ClientConnection().wants_read
    assert ServerConnection(now=0.0).wants_read


def test_a_server_does_not_read_until_it_has_answered_connect() -> None:
    server = ServerConnection(now=0.0)
    data = Connect("c", keep_alive=0).encode(5) + Publish("early").encode(5)
    (event,) = server.receive_data(data, 0.0)
    assert isinstance(event, ConnectReceived)
    assert not server.wants_read
    events = server.accept(None, now=0.0)
    assert [each.topic for each in messages(events)] == ["early"]
    assert server.wants_read


@every_role
def test_reading_pauses_while_too_much_waits_to_be_stored(role: Sender) -> None:
    # A PUBLISH of 108 bytes, and DISCONNECT or anything else behind it.
    stage = logged(role, max_held=110)
    publish(stage, "a", 2, b"x" * 100)
    assert end_of(stage).wants_read
    end_of(stage).publish("b", now=0.0)
    assert not end_of(stage).wants_read
    # What comes all the same is taken.
    stage.message(Publish("c"))
    stage.store()
    assert end_of(stage).wants_read
    assert [type(each) for each in stage.sent()] == [Publish, Publish]


@every_role
def test_what_is_not_held_does_not_stop_the_reader(role: Sender) -> None:
    stage = joined(role, max_held=1)
    end_of(stage).publish("a", b"x" * 100, now=0.0)
    assert end_of(stage).wants_read


@pytest.mark.parametrize("most", [0, -1])
@every_role
def test_max_held_has_a_least_value(role: Sender, most: int) -> None:
    with pytest.raises(ValueError, match="max_held"):
        joined(role, max_held=most)


# Changes.


@every_version
@every_role
def test_without_a_journal_there_are_no_changes(role: Sender, version: int) -> None:
    stage = joined(role, version)
    publish(stage, "a", 2)
    batch = end_of(stage).take_changes()
    assert (len(batch), batch.first, batch.last) == (0, 1, 0)
    assert not batch
    end_of(stage).committed(batch.last)
    assert len(stage.sent()) == 1


@every_version
@every_role
def test_changes_are_given_out_once_and_numbered(role: Sender, version: int) -> None:
    stage = logged(role, version)
    publish(stage, "a", 1)
    first = end_of(stage).take_changes()
    publish(stage, "b", 2)
    second = end_of(stage).take_changes()
    assert [type(each) for each in (*first, *second)] == [MessageSent, MessageSent]
    # The first of all is that the session has begun.
    assert (first.first, first.last, second.first, second.last) == (2, 2, 3, 3)
    assert not end_of(stage).take_changes()


@every_role
def test_what_was_not_taken_cannot_be_committed(role: Sender) -> None:
    stage = logged(role)
    publish(stage, "a", 2)
    with pytest.raises(ValueError, match="not taken"):
        end_of(stage).committed(2)
    assert stage.sent() == []
    assert end_of(stage).take_changes().last == 2
    for number in (3, -1):
        with pytest.raises(ValueError, match="not taken"):
            end_of(stage).committed(number)
    assert stage.sent() == []
    end_of(stage).committed(2)
    assert len(stage.sent()) == 1
    # Twice, or an older one, is no news.
    end_of(stage).committed(2)
    end_of(stage).committed(1)
    assert stage.sent() == []


@every_role
def test_changes_gather_while_a_commit_is_under_way(role: Sender) -> None:
    stage = logged(role)
    end = end_of(stage)
    publish(stage, "a", 2)
    first = end.take_changes()
    publish(stage, "b", 2)
    end.committed(first.last)
    assert [each.topic for each in stage.sent() if isinstance(each, Publish)] == ["a"]
    second = end.take_changes()
    assert (second.first, second.last) == (3, 3)
    end.committed(second.last)
    assert [each.topic for each in stage.sent() if isinstance(each, Publish)] == ["b"]


@every_role
def test_one_journal_may_be_that_of_many_sessions(role: Sender) -> None:
    journal = Journal()
    stages = [joined(role, 5, Session("c", journal=journal)) for _ in range(2)]
    publish(stages[0], "a", 2)
    publish(stages[1], "b", 2)
    batch = end_of(stages[1]).take_changes()
    assert len(batch) == 2
    assert not end_of(stages[0]).take_changes()
    assert [stage.sent() for stage in stages] == [[], []]
    # One of them is told: the journal knows it, for all.
    end_of(stages[1]).committed(batch.last)
    assert [len(stage.sent()) for stage in stages] == [1, 1]


@every_role
def test_a_batch_shows_and_counts_its_changes(role: Sender) -> None:
    session = Session("c", journal=Journal())
    journal = session.journal
    assert journal is not None
    stage = joined(role, 5, session)
    assert journal.uncommitted == 0
    publish(stage, "a", 1)
    assert journal.uncommitted == 1
    batch = end_of(stage).take_changes()
    assert isinstance(batch, Batch)
    assert list(batch) == batch.changes
    assert session.last_change == batch.last


@every_role
def test_a_refusal_for_want_of_room_is_made_good_by_a_commit(role: Sender) -> None:
    stage = logged(role, max_uncommitted=1)
    publish(stage, "a", 1)
    with pytest.raises(QueueFullError):
        publish(stage, "b", 1)
    assert end_of(stage).take_events() == []
    stage.store()
    assert end_of(stage).take_events() == [CapacityAvailable()]
    stage.store()
    assert end_of(stage).take_events() == []


@every_role
def test_behind_its_end_a_connection_tells_nothing_of_capacity(role: Sender) -> None:
    stage = logged(role, max_uncommitted=1)
    publish(stage, "a", 1)
    with pytest.raises(QueueFullError):
        publish(stage, "b", 1)
    (over,) = end_of(stage).connection_lost(0.0)
    assert isinstance(over, Disconnected)
    stage.store()
    assert end_of(stage).take_events() == []


@every_role
def test_a_commit_goes_on_behind_the_end(role: Sender) -> None:
    stage = logged(role)
    publish(stage, "a", 2)
    end_of(stage).receive_eof(0.0)
    assert end_of(stage).data_to_send() == b""
    assert not end_of(stage).close_expected()
    stage.store()
    assert [type(each) for each in stage.sent()] == [Publish]
    assert end_of(stage).close_expected()


@every_version
def test_pingreq_overtakes_what_is_held(version: int) -> None:
    stage = logged(CLIENT, version)
    publish(stage, "a", 2)
    client = end_of(stage)
    assert isinstance(client, ClientConnection)
    client.ping(now=0.0)
    assert stage.sent() == [PingReq()]
    stage.store()
    assert [type(each) for each in stage.sent()] == [Publish]


@every_version
def test_pingresp_overtakes_what_is_held(version: int) -> None:
    stage = logged(SERVER, version)
    publish(stage, "a", 2)
    stage.receive(PingReq())
    assert stage.sent() == [PingResp()]
    stage.store()
    assert [type(each) for each in stage.sent()] == [Publish]


@every_version
def test_connack_waits_until_its_session_is_stored(version: int) -> None:
    server = ServerConnection(now=0.0)
    server.receive_data(lasting(version).encode(version), 0.0)
    server.accept(Session("c", journal=Journal()), now=0.0)
    assert server.data_to_send() == b""
    batch = server.take_changes()
    assert [type(each) for each in batch] == [SessionStarted]
    server.committed(batch.last)
    assert server.data_to_send() == ConnAck().encode(version)


def test_connack_does_not_wait_for_what_other_sessions_have_noted() -> None:
    journal = Journal()
    publish(joined(SERVER, 5, Session("c", journal=journal)), "t", 1)
    server = ServerConnection(now=0.0)
    server.receive_data(Connect("b").encode(), 0.0)
    # It ends with its connection, and is not stored.
    server.accept(Session("b", journal=journal), now=0.0)
    assert server.data_to_send() == ConnAck().encode()


@every_version
def test_connect_waits_for_nothing(version: int) -> None:
    session = Session("c", journal=Journal())
    client = ClientConnection(session, version=version)
    client.connect(lasting(version), now=0.0)
    assert client.data_to_send() == lasting(version).encode(version)
    assert not client.take_changes()
    client.receive_data(ConnAck().encode(version), 0.0)
    assert [type(each) for each in client.take_changes()] == [SessionStarted]


# Time.


@every_version
@every_role
def test_without_a_keep_alive_nothing_is_due(role: Sender, version: int) -> None:
    stage = joined(role, version)
    assert end_of(stage).next_deadline() is None
    assert end_of(stage).handle_timeout(1e9) == []
    assert end_of(stage).state is ConnectionState.CONNECTED
    assert stage.sent() == []


@pytest.mark.parametrize("connecting", [False, True])
def test_connack_has_a_deadline(connecting: bool) -> None:
    client = ClientConnection(connect_timeout=7.0)
    assert client.next_deadline() is None
    if connecting:
        client.connect(Connect("c"), now=5.0)
        assert client.next_deadline() == 12.0
        assert client.handle_timeout(11.9) == []
        failed = failure(client.handle_timeout(12.0))
        assert failed.offset == 0
        assert client.next_deadline() is None
    else:
        assert client.handle_timeout(1e9) == []


def test_connect_has_a_deadline() -> None:
    server = ServerConnection(now=5.0, connect_timeout=7.0)
    assert server.next_deadline() == 12.0
    assert server.handle_timeout(11.9) == []
    # Half a packet is none.
    assert server.receive_data(b"\x10\x0d\x00", 11.9) == []
    failed = failure(server.handle_timeout(12.0))
    assert failed.offset == 0
    assert server.next_deadline() is None


@every_version
@every_role
def test_too_early_a_timeout_does_nothing_and_a_deadline_moves_with_signs_of_life(
    role: Sender, version: int
) -> None:
    session = Session("c")
    connect = lasting(version, keep_alive=10)
    data = (ConnAck() if role is CLIENT else connect).encode(version)
    end: ClientConnection | ServerConnection
    if role is CLIENT:
        end = ClientConnection(session, version=version)
        end.connect(connect, now=0.0)
        end.receive_data(data, 0.0)
        grace = 10.0
    else:
        end = ServerConnection(now=0.0)
        end.receive_data(data, 0.0)
        end.accept(session, now=0.0)
        grace = 15.0
    end.data_to_send()
    assert end.next_deadline() == grace
    assert end.handle_timeout(grace - 0.1) == []
    assert end.data_to_send() == b""
    end.receive_data(Publish("a").encode(version), 4.0)
    # A client must be heard, too; a server need only hear.
    assert end.next_deadline() == (10.0 if role is CLIENT else 19.0)
    end.publish("a", now=6.0)
    assert end.next_deadline() == (14.0 if role is CLIENT else 19.0)


# Authentication, as far as it is the same.


@pytest.mark.parametrize("version", [3, 4, 5])
@every_role
def test_without_a_method_there_is_no_authentication(role: Sender, version: int) -> None:
    stage = joined(role, version)
    with pytest.raises(LocalProtocolError, match="no authentication") as refused:
        end_of(stage).authenticate(b"x", now=0.0)
    id = "MQTT-4.12.0-7" if role is CLIENT else "MQTT-4.12.0-6"
    assert refused.value.statement == Statement("5.0", id)
    assert stage.sent() == []


@every_role
def test_auth_without_a_method_ends_the_connection(role: Sender) -> None:
    stage = joined(role)
    auth = Auth(ReasonCode.CONTINUE_AUTHENTICATION, Properties(authentication_method="m"))
    failed = failure(stage.receive(auth))
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR


@every_role
def test_two_ends_take_turns_whatever_else_is_said(role: Sender) -> None:
    client, server = ClientConnection(), ServerConnection(now=0.0)
    client.connect(Connect("c", properties=Properties(authentication_method="m")), now=0.0)
    server.receive_data(client.data_to_send(), 0.0)
    server.authenticate(b"1", now=0.0)
    with pytest.raises(LocalProtocolError, match="out of turn"):
        server.authenticate(b"1", now=0.0)
    (asked,) = client.receive_data(server.data_to_send(), 0.0)
    assert isinstance(asked, AuthenticationReceived)
    assert asked.data == b"1"
    client.authenticate(b"2", now=0.0)
    with pytest.raises(LocalProtocolError, match="out of turn") as refused:
        client.authenticate(b"2", now=0.0)
    assert refused.value.statement == Statement("5.0", "section 4.12")
    (told,) = server.receive_data(client.data_to_send(), 0.0)
    assert isinstance(told, AuthenticationReceived)
    assert told.data == b"2"
    server.accept(None, now=0.0)
    client.receive_data(server.data_to_send(), 0.0)
    # Both go on publishing while the client proves itself again.
    client.reauthenticate(b"3", now=0.0)
    publisher, other = (client, server) if role is CLIENT else (server, client)
    publisher.publish("a", now=0.0)
    events = other.receive_data(publisher.data_to_send(), 0.0)
    assert len(messages(events)) == 1


# The network is gone.


@every_version
@every_role
def test_a_connection_that_is_lost_leaves_its_session_to_the_next(
    role: Sender, version: int
) -> None:
    session = Session("c")
    stage = joined(role, version, session)
    delivery = publish(stage, "a", 1)
    stage.now = 3.0
    cut(stage)
    assert session.suspended_at == 3.0
    stage = joined(role, version, session, resume=True, now=4.0)
    assert session.connection is end_of(stage)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
    assert stage.receive(PubAck(1)) == [PublishCompleted(delivery, ReasonCode.SUCCESS, EMPTY)]
