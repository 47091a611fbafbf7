"""A session that a new connection of the same client takes from an old one."""

import pytest

from client_stage import VERSIONS, Stage, connected, lasting, messages
from mqttproto.codec.connect import ConnAck
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import Subscription
from mqttproto.errors import LocalProtocolError
from mqttproto.protocol import ConnectionState, Journal, Session
from mqttproto.protocol.events import ConnectionRefused, Disconnected, DropReason, PublishDropped


@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_old_connection_is_over_and_touches_the_session_no_more(version: int) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    delivery = old.publish("a")
    old.client.subscribe(Subscription("b"), now=0.0)
    old.sent()
    new = Stage(version, session)
    new.connect(lasting(version))
    assert session.connection is new.client
    (event,) = old.client.take_events()
    assert isinstance(event, Disconnected)
    assert old.state() is ConnectionState.CLOSED
    assert old.sent() == []
    assert old.closed()
    new.accept(resume=True)
    assert old.receive(PubAck(delivery.packet_id), Publish("b", b"", 2, packet_id=9)) == []
    assert old.client.disconnect(now=0.0) == []
    old.cut()
    with pytest.raises(LocalProtocolError):
        old.publish("b")
    assert session.connection is new.client
    assert new.sent() == [Publish("a", b"", 1, dup=True, packet_id=1)]
    assert len(messages(new.receive(Publish("b", b"", 2, packet_id=9), PubRel(9)))) == 1
    assert new.sent() == [PubRec(9), PubComp(9)]


def test_a_session_that_ends_with_its_connection_ends_with_the_old_one() -> None:
    session = Session("c")
    old = connected(session=session)
    delivery = old.publish("a")
    new = Stage(5, session)
    new.connect(lasting(5))
    dropped, over = old.client.take_events()
    assert dropped == PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert isinstance(over, Disconnected)
    assert new.client.take_events() == []
    new.accept()
    assert new.sent() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_old_connection_is_over_even_if_the_new_one_is_refused(version: int) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    old.publish("a")
    new = Stage(version, session)
    new.connect(lasting(version))
    (event,) = new.receive(ConnAck(False, 0x87 if version == 5 else 5))
    assert isinstance(event, ConnectionRefused)
    assert old.state() is ConnectionState.CLOSED
    assert session.connection is None
    third = connected(version, lasting(version), session, resume=True)
    assert third.sent() == [Publish("a", b"", 1, dup=True, packet_id=1)]


def test_a_connection_that_has_not_begun_takes_nothing() -> None:
    session = Session("c")
    old = connected(connect=lasting(5), session=session)
    unused = Stage(5, session)
    assert session.connection is old.client
    unused.cut()
    assert session.connection is old.client
    assert old.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-4.3.3-8", role="client")
def test_a_qos_2_message_of_the_old_connection_is_acknowledged_on_the_new_one() -> None:
    session = Session("c")
    old = connected(connect=lasting(5), session=session, manual_acknowledgement=True)
    message = old.message(Publish("a", b"", 2, packet_id=9))
    new = connected(connect=lasting(5), session=session, resume=True, manual_acknowledgement=True)
    with pytest.raises(LocalProtocolError, match="another connection"):
        old.acknowledge(message)
    assert new.receive(Publish("a", b"", 2, dup=True, packet_id=9)) == []
    assert new.sent() == []
    new.acknowledge(message)
    assert new.sent() == [PubRec(9)]


def test_each_connection_waits_for_the_commits_that_it_is_told_of() -> None:
    session = Session("c", journal=Journal())
    old = connected(connect=lasting(5), session=session)
    old.publish("a", 2)
    assert old.sent() == []
    batch = old.client.take_changes()
    new = Stage(5, session)
    new.connect(lasting(5))
    new.accept(resume=True)
    assert new.sent() == []
    old.client.committed(batch.last)
    assert old.sent() == [Publish("a", b"", 2, packet_id=1)]
    assert new.sent() == []
    new.store()
    assert new.sent() == [Publish("a", b"", 2, dup=True, packet_id=1)]
