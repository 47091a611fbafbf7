"""Sessions at a server: new, resumed, stored, and taken over by another connection."""

import pytest

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect, PingReq, PingResp, Will
from mqttproto.codec.publish import PubAck, Publish, PubRel
from mqttproto.constants import ReasonCode
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol import (
    ConnectionState,
    Delivery,
    Journal,
    ServerConnection,
    Session,
)
from mqttproto.protocol.changes import (
    MessageQueued,
    MessageSent,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SessionSuspended,
)
from mqttproto.protocol.delivery import NO_EXPIRY
from mqttproto.protocol.events import (
    ConnectionFailed,
    Disconnected,
    DropReason,
    Initiator,
    PublishDropped,
)
from server_stage import VERSIONS, Stage, connected, lasting, messages

# New and resumed.


@pytest.mark.spec("5.0", "MQTT-3.2.2-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.2-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_even_if_nothing_is_in_flight(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    stage.server.connection_lost(1.0)
    assert session.connection is None
    assert session.established
    stage = Stage(version)
    stage.connect(lasting(version))
    stage.accept(session, resume=True)
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    # 3.1 has no Session Present: the bit is reserved.
    assert connack.session_present is (version != 3)
    assert session.connection is stage.server


@pytest.mark.spec("5.0", "MQTT-3.2.2-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.2.2-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_asks_for_a_new_session_resumes_none(version: int) -> None:
    session = Session("c", established=True)
    stage = Stage(version)
    stage.connect(Connect("c", True))
    with pytest.raises(LocalProtocolError) as refused:
        stage.accept(session, resume=True)
    assert refused.value.statement == (
        Statement("5.0", "MQTT-3.2.2-2") if version == 5 else Statement("3.1.1", "MQTT-3.2.2-1")
    )
    assert stage.sent() == []
    stage.accept(session)
    (connack,) = stage.sent()
    assert isinstance(connack, ConnAck)
    assert not connack.session_present


@pytest.mark.spec("5.0", "MQTT-3.2.2-3", role="server")
@pytest.mark.parametrize("session", [None, Session("c")])
@pytest.mark.parametrize("version", VERSIONS)
def test_there_must_be_a_session_to_resume(version: int, session: Session | None) -> None:
    stage = Stage(version)
    stage.connect(lasting(version))
    with pytest.raises(LocalProtocolError) as refused:
        stage.accept(session, resume=True)
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-3")
    assert stage.state() is ConnectionState.CONNECTING


@pytest.mark.spec("5.0", "MQTT-3.1.3-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_its_clients(version: int) -> None:
    stage = Stage(version)
    stage.connect(lasting(version))
    session = Session("d", established=True)
    for resume in (True, False):
        with pytest.raises(LocalProtocolError) as refused:
            stage.accept(session, resume=resume)
        assert refused.value.statement == Statement("5.0", "MQTT-3.1.3-2")
    assert session.connection is None


def test_a_session_without_an_identifier_gets_the_clients() -> None:
    session = Session()
    connected(5, Connect("c"), session)
    assert session.client_id == "c"


def test_what_was_in_flight_in_a_session_that_is_not_resumed_is_told() -> None:
    session = Session("c")
    first = connected(5, lasting(5), session)
    delivery = first.server.publish("a", b"", 1, now=0.0)
    assert delivery is not None
    first.server.connection_lost(0.0)
    second = connected(5, lasting(5), session)
    assert second.events == [PublishDropped(delivery, DropReason.SESSION_ENDED)]
    assert second.sent() == []
    assert session.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_lasts_is_kept_when_its_connection_closes(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    delivery = stage.server.publish("a", b"", 1, now=0.0)
    stage.acknowledge(stage.message(Publish("b", b"", 2, packet_id=5)))
    assert stage.server.connection_lost(7.0) == [
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    ]
    assert session.deliveries == [delivery]
    assert list(session.received) == [5]
    assert session.suspended_at == 7.0
    if version == 5:
        assert session.expires_at == 107.0
        assert not session.expired(106.9)
        assert session.expired(107.0)
    else:
        assert session.expires_at is None


@pytest.mark.spec("5.0", "MQTT-4.1.0-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.1.0-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_does_not_last_ends_with_its_connection(version: int) -> None:
    stage = connected(version, Connect("c", True))
    session = stage.server.session
    delivery = stage.server.publish("a", b"", 1, now=0.0)
    assert delivery is not None
    assert stage.server.connection_lost(0.0) == [
        PublishDropped(delivery, DropReason.SESSION_ENDED),
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR),
    ]
    assert not session.established
    assert session.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-4.1.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.1.0-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_ends_while_its_connection_is_open(version: int) -> None:
    stage = connected(version, Connect("c", True, 0))
    session = stage.server.session
    stage.acknowledge(stage.message(Publish("b", b"", 2, packet_id=5)))
    stage.now = 1e9
    stage.server.handle_timeout(stage.now)
    assert not session.expired(stage.now)
    assert session.established
    # The exchange goes on where it was: nothing was forgotten.
    assert messages(stage.receive(Publish("b", b"", 2, packet_id=5, dup=True))) == []


def test_the_servers_session_expiry_interval_is_the_last_word() -> None:
    session = Session("c")
    announced = Properties(session_expiry_interval=5)
    stage = connected(5, lasting(5), session, announce=announced)
    assert session.expiry_interval == 5
    stage.server.connection_lost(10.0)
    assert session.expires_at == 15.0


def test_sessions_with_a_journal_tell_how_they_live() -> None:
    session = Session("c", journal=Journal())
    stage = Stage()
    stage.connect(lasting(5))
    stage.accept(session)
    # A client that knows of a session must find it again, even after a crash.
    assert stage.sent() == []
    batch = stage.server.take_changes()
    assert list(batch) == [SessionStarted("c", 100)]
    assert stage.sent() == []
    stage.server.committed(batch.last)
    assert stage.sent() == [ConnAck()]
    stage.server.connection_lost(3.0)
    assert list(stage.server.take_changes()) == [SessionSuspended("c", 3.0, 100)]
    stage = Stage()
    stage.connect(lasting(5))
    stage.accept(session, resume=True)
    # One that is resumed is stored already.
    assert stage.sent() == [ConnAck(True)]
    assert list(stage.server.take_changes()) == [SessionResumed("c", 100)]
    stage.receive(Disconnect(properties=Properties(session_expiry_interval=0)))
    assert list(stage.server.take_changes()) == [SessionEnded("c")]
    with pytest.raises(ValueError, match="was not taken yet"):
        stage.server.committed(99)


def test_a_session_that_will_not_last_any_more_leaves_the_journal() -> None:
    session = Session("c", journal=Journal())
    connected(5, lasting(5), session).server.connection_lost(1.0)
    waiting = Delivery(Publish("q", b"", 1))
    session.enqueue(waiting)
    stage = Stage()
    stage.connect(Connect("c", True))
    assert stage.accept(session) == [PublishDropped(waiting, DropReason.SESSION_ENDED)]
    batch = stage.server.take_changes()
    assert list(batch)[-1] == SessionEnded("c")
    # The old one must not be met again.
    assert stage.sent() == []
    stage.server.committed(batch.last)
    assert stage.sent() == [ConnAck()]
    assert not stage.server.take_changes()


def test_a_journal_begins_with_what_waits_already() -> None:
    session = Session("c", journal=Journal())
    queued = Delivery(Publish("q", b"", 1))
    session.enqueue(queued)
    stage = Stage()
    stage.connect(lasting(5))
    stage.accept(session)
    batch = stage.server.take_changes()
    assert list(batch) == [
        SessionStarted("c", 100, 2),
        MessageQueued("c", 1, queued.message, NO_EXPIRY),
        MessageSent("c", 1, 1, None, NO_EXPIRY),
    ]
    stage.server.committed(batch.last)
    assert [type(each) for each in stage.sent()] == [ConnAck, Publish]


# Takeover.


@pytest.mark.spec("5.0", "MQTT-3.1.4-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.4-2", role="server")
@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_connection_takes_the_session_over(version: int, resume: bool) -> None:
    session = Session("c")
    connect = lasting(version)
    connect.will = Will("w")
    old = connected(version, connect, session)
    old.receive(Publish("b", b"", 1, packet_id=1))
    delivery = old.server.publish("a", b"x", 1, now=0.0)
    assert delivery is not None
    old.sent()
    new = connected(version, lasting(version), session, resume=resume)
    assert session.connection is new.server
    assert old.server.take_events() == [
        Disconnected(Initiator.LOCAL, ReasonCode.SESSION_TAKEN_OVER, publish_will=True)
    ]
    assert old.sent() == ([Disconnect(ReasonCode.SESSION_TAKEN_OVER)] if version == 5 else [])
    assert old.closed()
    if resume:
        assert new.events == []
        assert new.sent() == [Publish("a", b"x", 1, False, True, 1)]
    else:
        assert new.events == [PublishDropped(delivery, DropReason.SESSION_ENDED)]
        assert new.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.1.4-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.4-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_late_end_of_the_old_connection_leaves_the_session_alone(version: int) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    new = connected(version, lasting(version), session, resume=True)
    old.server.take_events()
    before = session.export()
    assert old.receive(Publish("a", b"", 2, packet_id=1), Disconnect()) == []
    assert old.server.connection_lost(9.0) == []
    assert old.server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=9.0) == []
    with pytest.raises(LocalProtocolError):
        old.server.publish("a", b"", 1, now=9.0)
    assert session.export() == before
    assert session.connection is new.server
    assert session.suspended_at is None
    new.receive(PingReq())
    assert new.sent() == [PingResp()]


def test_events_that_the_old_connection_has_not_told_come_before_its_end() -> None:
    session = Session("c")
    old = connected(5, lasting(5, Properties(maximum_packet_size=9)), session)
    old.server.publish("a", b"123456", now=0.0)
    connected(5, lasting(5), session, resume=True)
    assert [type(each) for each in old.server.take_events()] == [PublishDropped, Disconnected]


def test_a_session_that_ends_with_its_connection_cannot_be_resumed_by_another() -> None:
    session = Session("c")
    old = connected(5, Connect("c", True), session)
    new = Stage()
    new.connect(lasting(5))
    with pytest.raises(LocalProtocolError, match="ends with the connection"):
        new.accept(session, resume=True)
    assert old.state() is ConnectionState.CONNECTED
    assert session.connection is old.server
    new.accept(session)
    assert old.state() is ConnectionState.CLOSED
    assert session.established


def test_a_client_that_is_gone_before_it_is_accepted_takes_nothing_over() -> None:
    session = Session("c")
    old = connected(5, lasting(5), session)
    new = Stage()
    new.connect(lasting(5))
    new.server.connection_lost(0.0)
    with pytest.raises(LocalProtocolError):
        new.accept(session, resume=True)
    assert session.connection is old.server
    assert messages(old.receive(Publish("a", b"", 1, packet_id=1)))


def test_released_messages_come_again_as_pubrel_and_answers_are_those_of_the_new_one() -> None:
    session = Session("c")
    old = connected(5, lasting(5), session)
    old.server.publish("a", b"", 2, now=0.0)
    old.receive(b"\x50\x02\x00\x01")
    new = connected(5, lasting(5), session, resume=True)
    assert new.sent() == [PubRel(1)]
    new.acknowledge(new.message(Publish("b", b"", 1, packet_id=1)))
    assert new.sent() == [PubAck(1)]


def test_the_keep_alive_rests_while_nothing_is_to_be_read() -> None:
    session = Session("c", journal=Journal())
    stage = connected(
        5, lasting(5, keep_alive=10), session, server=ServerConnection(now=0.0, max_held=4)
    )
    for packet_id in (1, 2):
        stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=packet_id)))
    reading = [stage.server.wants_read]
    assert stage.server.handle_timeout(15.0) == []
    assert stage.server.next_deadline() == 30.0
    stage.store()
    reading.append(stage.server.wants_read)
    assert reading == [False, True]
    assert isinstance(stage.server.handle_timeout(30.0)[0], ConnectionFailed)


@pytest.mark.spec("5.0", "MQTT-4.1.0-2", role="server")
def test_what_waits_ends_with_its_session() -> None:
    stage = connected(5, Connect("c", keep_alive=0, properties=Properties(receive_maximum=1)))
    sent, waiting = [stage.server.publish(each, b"", 1, now=0.0) for each in ("a", "b")]
    assert sent is not None
    assert waiting is not None
    assert stage.server.connection_lost(1.0)[:-1] == [
        PublishDropped(sent, DropReason.SESSION_ENDED),
        PublishDropped(waiting, DropReason.SESSION_ENDED),
    ]


@pytest.mark.spec("5.0", "MQTT-4.1.0-2", role="server")
def test_a_session_that_has_expired_is_not_resumed() -> None:
    session = Session("c")
    connected(5, lasting(5), session).server.connection_lost(1.0)
    stage = Stage()
    stage.now = 101.0
    stage.connect(lasting(5))
    with pytest.raises(LocalProtocolError) as refused:
        stage.accept(session, resume=True)
    assert refused.value.statement == Statement("5.0", "MQTT-4.1.0-2")
    stage.accept(session)
    assert stage.sent() == [ConnAck()]


def test_a_client_that_has_an_identifier_is_assigned_none() -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    with pytest.raises(LocalProtocolError, match="of its own") as refused:
        stage.accept(announce=Properties(assigned_client_identifier="d"))
    assert refused.value.statement == Statement("5.0", "section 3.2.2.3.7")
    stage.accept()
    assert stage.sent() == [ConnAck()]


def test_a_longer_life_given_at_the_end_is_noted_with_all_that_is_there() -> None:
    session = Session("c", journal=Journal())
    announce = Properties(session_expiry_interval=0)
    stage = connected(5, lasting(5), session, announce=announce)
    delivery = stage.server.publish("a", b"", 1, now=0.0)
    assert delivery is not None
    assert not stage.server.take_changes()
    stage.receive(Disconnect(properties=Properties(session_expiry_interval=50)))
    assert list(stage.server.take_changes()) == [
        SessionStarted("c", 50, 2),
        MessageSent("c", delivery.number, 1, delivery.message, NO_EXPIRY),
        SessionSuspended("c", 0.0, 50),
    ]


def test_a_restored_session_expires_from_when_its_program_runs_again() -> None:
    session = Session("c")
    connected(5, lasting(5), session)
    assert Session.restore(session.export()).expires_at is None
    assert Session.restore(session.export(), now=7.0).expires_at == 107.0
    session.resume(0)
    assert not Session.restore(session.export(), now=7.0).established
