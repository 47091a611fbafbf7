"""Sending messages, as far as both roles do it alike: the window, aliases, expiry, the gate."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from both_ends import CLIENT, ROLES, SERVER, VERSIONS, Stage, cut, end_of, joined, publish
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.constants import QoS, ReasonCode, Sender
from mqttproto.errors import (
    InvalidValueError,
    LocalProtocolError,
    PacketTooLargeError,
    QueueFullError,
    Statement,
)
from mqttproto.protocol import (
    ClientConnection,
    Delivery,
    Journal,
    Overflow,
    QueueLimits,
    ServerConnection,
    Session,
)
from mqttproto.protocol.changes import MessageDropped, MessageQueued, MessageSent
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    CapacityAvailable,
    DropReason,
    PublishCompleted,
    PublishDropped,
)

every_role = pytest.mark.parametrize("role", ROLES)
every_version = pytest.mark.parametrize("version", VERSIONS)


def logged(role: Sender, version: int = 5, **options: Any) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    return joined(role, version, Session("c", journal=Journal()), **options)


def sent(stage: Stage) -> list[tuple[str, int | None, int | None]]:
    """Topic, alias and Message Expiry Interval of each message that was sent."""
    return [
        (each.topic, each.properties.topic_alias, each.properties.message_expiry_interval)
        for each in stage.sent()
        if isinstance(each, Publish)
    ]


# Arguments.


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("max_in_flight", (0, 65_536), (1, 65_535)),
        ("max_topic_aliases", (-1, 65_536), (0, 65_535)),
        ("max_uncommitted", (0,), (1,)),
    ],
)
@every_role
def test_an_argument_out_of_range_is_refused(
    role: Sender, name: str, bad: tuple[int, ...], good: tuple[int, ...]
) -> None:
    for value in bad:
        option: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=name):
            joined(role, 5, **option)
    for value in good:
        option = {name: value}
        assert end_of(joined(role, 5, **option)).in_flight == 0


# What is sent.


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@every_role
def test_a_payload_may_be_any_kind_of_bytes(
    role: Sender, kind: type[bytes] | type[bytearray] | type[memoryview], qos: int
) -> None:
    stage = joined(role)
    payload = kind(b"x")
    delivery = end_of(stage).publish("a", payload, QoS(qos), True, now=0.0)
    if isinstance(payload, bytearray):
        # What is in flight is not the caller's to change.
        payload[:] = b"y"
    packet_id = 1 if qos else None
    assert stage.sent() == [Publish("a", b"x", qos, True, False, packet_id)]
    assert (delivery is None) is (qos == 0)
    if delivery is not None:
        assert delivery.message.payload == b"x"


@every_version
@every_role
def test_a_message_is_kept_and_sent_as_it_is(role: Sender, version: int) -> None:
    stage = joined(role, version)
    message = Publish("a", b"x", 1, True, True, 9)
    delivery = end_of(stage).send(message, now=0.0)
    assert delivery is not None
    assert delivery.message is message
    assert (message.dup, message.packet_id) == (True, 9)
    assert stage.sent() == [Publish("a", b"x", 1, True, False, 1)]


@every_version
@every_role
def test_messages_leave_in_the_order_of_the_calls(role: Sender, version: int) -> None:
    stage = joined(role, version)
    for number, qos in enumerate([2, 0, 1, 1, 0, 2]):
        end_of(stage).publish(f"t{number}", b"", qos, now=0.0)
    assert [topic for topic, _, _ in sent(stage)] == [f"t{number}" for number in range(6)]


@every_role
def test_the_events_of_a_call_that_returns_none_are_taken(role: Sender) -> None:
    session = Session("c", queue_limits=QueueLimits(max_messages=0, overflow=Overflow.DROP_NEWEST))
    stage = joined(role, 5, session, max_in_flight=1)
    publish(stage, "a")
    dropped = publish(stage, "b")
    end = end_of(stage)
    assert end.take_events() == [PublishDropped(dropped, DropReason.QUEUE_FULL)]
    assert end.take_events() == []


# Topic aliases.


@every_role
def test_a_short_topic_is_not_worth_an_alias(role: Sender) -> None:
    stage = joined(role, peer=Properties(topic_alias_maximum=5), max_topic_aliases=5)
    for topic in ("abc", "abc", "abcd", "abcd"):
        end_of(stage).publish(topic, now=0.0)
    assert sent(stage) == [
        ("abc", None, None),
        ("abc", None, None),
        ("abcd", 1, None),
        ("", 1, None),
    ]


@every_role
def test_the_topic_that_was_used_longest_ago_gives_its_alias_up(role: Sender) -> None:
    stage = joined(role, peer=Properties(topic_alias_maximum=2), max_topic_aliases=2)
    for topic in ("one/1", "two/2", "one/1", "three", "two/2", "three"):
        end_of(stage).publish(topic, now=0.0)
    assert [(topic, alias) for topic, alias, _ in sent(stage)] == [
        ("one/1", 1),
        ("two/2", 2),
        ("", 1),
        ("three", 2),
        ("two/2", 1),
        ("", 2),
    ]


@every_role
def test_an_alias_stands_beside_the_other_properties(role: Sender) -> None:
    stage = joined(role, peer=Properties(topic_alias_maximum=2), max_topic_aliases=2)
    more = Properties(content_type="x", user_properties=[("b", "1"), ("a", "2")])
    for _ in range(2):
        end_of(stage).publish("topic", b"p", properties=more, now=0.0)
    assert stage.sent() == [
        Publish("topic", b"p", properties=more.replace(topic_alias=1)),
        Publish("", b"p", properties=more.replace(topic_alias=1)),
    ]


@every_role
def test_a_message_that_is_sent_again_has_the_aliases_of_its_new_connection(role: Sender) -> None:
    session = Session("c")
    aliases = Properties(topic_alias_maximum=2)
    stage = joined(role, 5, session, peer=aliases, max_topic_aliases=2)
    for _ in range(2):
        publish(stage, "topic")
    assert sent(stage) == [("topic", 1, None), ("", 1, None)]
    cut(stage)
    stage = joined(role, 5, session, resume=True, peer=aliases, max_topic_aliases=2)
    assert sent(stage) == [("topic", 1, None), ("", 1, None)]
    cut(stage)
    stage = joined(role, 5, session, resume=True, max_topic_aliases=2)
    assert sent(stage) == [("topic", None, None)] * 2


@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="both")
@every_role
def test_an_alias_does_not_hide_that_a_message_is_sent_again(role: Sender) -> None:
    session = Session("c")
    aliases = Properties(topic_alias_maximum=1)
    stage = joined(role, 5, session, peer=aliases, max_topic_aliases=1)
    for _ in range(2):
        publish(stage, "topic")
    cut(stage)
    stage = joined(role, 5, session, resume=True, peer=aliases, max_topic_aliases=1)
    alias = Properties(topic_alias=1)
    assert stage.sent() == [
        Publish("topic", b"", 1, False, True, 1, alias),
        Publish("", b"", 1, False, True, 2, alias),
    ]


@given(
    topics=st.lists(st.sampled_from(["one/1", "two/2", "three", "four/4", "abc"]), max_size=20),
    most=st.integers(1, 4),
    size=st.sampled_from([14, 16, 18, 100]),
)
@every_role
def test_the_receiver_finds_every_topic_and_no_packet_is_too_large(
    role: Sender, topics: list[str], most: int, size: int
) -> None:
    peer = Properties(topic_alias_maximum=most, maximum_packet_size=size)
    stage = joined(role, peer=peer, max_topic_aliases=9)
    known: dict[int, str] = {}
    for topic in topics:
        # Without an alias, the longest is a packet of 14 bytes.
        end_of(stage).publish(topic, b"x" * (8 - len(topic)), now=0.0)
        data = end_of(stage).data_to_send()
        assert len(data) <= size
        (packet,) = stage.decoder.feed(data)
        assert isinstance(packet, Publish)
        alias = packet.properties.topic_alias
        if alias is not None:
            assert 1 <= alias <= most
            if packet.topic:
                known[alias] = packet.topic
        assert (packet.topic or known[alias or 0]) == topic


# Expiry.


def expiring(seconds: int) -> Properties:
    return Properties(message_expiry_interval=seconds)


@every_role
def test_a_message_that_is_sent_at_once_has_its_whole_interval(role: Sender) -> None:
    stage = joined(role, now=1000.0)
    delivery = publish(stage, "a", properties=expiring(5))
    assert delivery.expires_at == 1005.0
    assert publish(stage, "b").expires_at == inf
    assert sent(stage) == [("a", None, 5), ("b", None, None)]


@pytest.mark.parametrize(
    ("waited", "left"), [(0.0, 10), (0.4, 10), (1.0, 9), (1.0000001, 9), (1.5, 9), (9.9, 1)]
)
@every_role
def test_what_is_left_of_an_interval_is_rounded_up(role: Sender, waited: float, left: int) -> None:
    stage = joined(role, max_in_flight=1)
    publish(stage, "a")
    publish(stage, "b", properties=expiring(10))
    stage.now = waited
    stage.receive(PubAck(1))
    assert sent(stage) == [("a", None, None), ("b", None, left)]


@every_role
def test_an_interval_of_0_is_over_unless_it_is_sent_at_once(role: Sender) -> None:
    stage = joined(role, max_in_flight=1)
    first = publish(stage, "a", properties=expiring(0))
    second = publish(stage, "b", properties=expiring(0))
    assert sent(stage) == [("a", None, 0)]
    assert stage.receive(PubAck(1)) == [
        PublishCompleted(first),
        PublishDropped(second, DropReason.EXPIRED),
    ]


@every_role
def test_one_that_is_dropped_makes_room_for_the_next(role: Sender) -> None:
    stage = logged(role, max_in_flight=1)
    publish(stage, "a")
    gone = [publish(stage, "b", properties=expiring(1)) for _ in range(3)]
    last = publish(stage, "c")
    stage.now = 2.0
    stage.store()
    stage.receive(PubAck(1))
    assert last.packet_id == 2
    dropped = [each for each in end_of(stage).take_changes() if isinstance(each, MessageDropped)]
    assert dropped == [MessageDropped("c", each.number) for each in gone]


# Answers.


@every_version
@every_role
def test_many_answers_in_one_piece_let_as_many_messages_go(role: Sender, version: int) -> None:
    stage = joined(role, version, max_in_flight=3)
    deliveries = [publish(stage, f"t{number}") for number in range(6)]
    assert len(sent(stage)) == 3
    events = stage.receive(PubAck(1), PubAck(3), PubAck(2))
    assert events == [PublishCompleted(deliveries[each]) for each in (0, 2, 1)]
    assert [topic for topic, _, _ in sent(stage)] == ["t3", "t4", "t5"]
    assert end_of(stage).in_flight == 3


@every_version
@every_role
def test_an_answer_twice_completes_once(role: Sender, version: int) -> None:
    stage = joined(role, version)
    delivery = publish(stage, "a")
    assert stage.receive(PubAck(1), PubAck(1)) == [
        PublishCompleted(delivery),
        AcknowledgementIgnored(PubAck(1)),
    ]
    assert end_of(stage).in_flight == 0


@every_role
def test_a_release_depends_on_nothing_that_its_session_does_not_store(role: Sender) -> None:
    stage = joined(role, 5, Session("c", journal=Journal()), lasting=False)
    publish(stage, "a", 2)
    stage.receive(PubRec(1))
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1), PubRel(1)]
    assert not end_of(stage).take_changes()


# The gate.


@every_version
@every_role
def test_a_qos_2_publish_waits_and_with_it_all_that_is_behind(role: Sender, version: int) -> None:
    stage = logged(role, version)
    publish(stage, "a", 2)
    end_of(stage).publish("b", now=0.0)
    publish(stage, "c", 1)
    assert stage.sent() == []
    # A commit of something earlier lets nothing go.
    batch = end_of(stage).take_changes()
    assert [type(each) for each in batch] == [MessageSent, MessageSent]
    end_of(stage).committed(batch.first - 1)
    assert stage.sent() == []
    end_of(stage).committed(batch.first)
    assert [topic for topic, _, _ in sent(stage)] == ["a", "b", "c"]


@every_version
@every_role
def test_qos_0_and_1_wait_only_for_what_is_named(role: Sender, version: int) -> None:
    stage = logged(role, version)
    end = end_of(stage)
    end.publish("a", now=0.0)
    publish(stage, "b")
    assert [topic for topic, _, _ in sent(stage)] == ["a", "b"]
    number = end.take_changes().last + 1
    end.publish("c", now=0.0, after=number)
    end.publish("d", b"", 1, now=0.0, after=number)
    assert stage.sent() == []
    stage.store()
    assert [topic for topic, _, _ in sent(stage)] == ["c", "d"]


@every_role
def test_a_qos_2_publish_waits_for_the_later_of_its_own_change_and_the_named_one(
    role: Sender,
) -> None:
    stage = logged(role)
    end = end_of(stage)
    own = end.take_changes().last + 1
    end.publish("a", b"", 2, now=0.0, after=own + 1)
    publish(stage, "b")
    assert end.take_changes().last == own + 1
    end.committed(own)
    assert stage.sent() == []
    end.committed(own + 1)
    assert [topic for topic, _, _ in sent(stage)] == ["a", "b"]


@every_version
@every_role
def test_a_release_waits_for_its_change(role: Sender, version: int) -> None:
    stage = logged(role, version)
    publish(stage, "a", 2)
    stage.store()
    stage.sent()
    # Twice: the second depends on the same change.
    stage.receive(PubRec(1), PubRec(1))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRel(1), PubRel(1)]


@every_role
def test_a_release_for_nothing_does_not_wait_by_itself(role: Sender) -> None:
    stage = logged(role)
    stage.receive(PubRec(7))
    assert stage.sent() == [PubRel(7, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)]


@every_role
def test_what_waits_in_the_queue_remembers_what_it_waits_for(role: Sender) -> None:
    stage = logged(role, max_in_flight=1)
    publish(stage, "a")
    end = end_of(stage)
    # The message is queued, its answer comes, and it is sent: the third change from here.
    number = end.take_changes().last + 3
    delivery = end.publish("b", b"", 1, now=0.0, after=number)
    assert delivery is not None
    assert delivery.after == number
    stage.receive(PubAck(1))
    assert [topic for topic, _, _ in sent(stage)] == ["a"]
    stage.store()
    assert [topic for topic, _, _ in sent(stage)] == ["b"]


@every_role
def test_a_message_from_the_queue_is_stored_once(role: Sender) -> None:
    stage = logged(role, max_in_flight=1)
    publish(stage, "a")
    waits = publish(stage, "b")
    stage.receive(PubAck(1))
    changes = list(end_of(stage).take_changes())
    assert [each for each in changes if isinstance(each, MessageQueued)] == [
        MessageQueued("c", 2, waits.message, inf)
    ]
    assert changes[-1] == MessageSent("c", 2, 2, None, inf)


@pytest.mark.parametrize("waits", [False, True])
@every_role
def test_too_much_that_is_not_stored_refuses_more_of_it(role: Sender, waits: bool) -> None:
    stage = logged(role, max_uncommitted=2, max_in_flight=1 if waits else 65_535)
    end = end_of(stage)
    publish(stage, "a")
    publish(stage, "b")
    for qos in (1, 2):
        with pytest.raises(QueueFullError, match="2 changes wait"):
            publish(stage, "c", qos)
    # Nothing is stored of a QoS 0 message.
    end.publish("d", now=0.0)
    assert end.session.next_number == 3
    assert end.take_events() == []
    stage.store()
    assert end.take_events() == [CapacityAvailable()]
    publish(stage, "c")
    stage.store()
    assert end.take_events() == []


@every_role
def test_capacity_is_told_when_both_the_store_and_the_queue_have_room(role: Sender) -> None:
    session = Session("c", queue_limits=QueueLimits(max_messages=1), journal=Journal())
    stage = joined(role, 5, session, max_uncommitted=5, max_in_flight=1)
    publish(stage, "a")
    publish(stage, "b")
    with pytest.raises(QueueFullError):
        publish(stage, "c")
    stage.store()
    assert end_of(stage).take_events() == []
    events = stage.receive(PubAck(1))
    assert [type(each) for each in events] == [PublishCompleted, CapacityAvailable]


@every_role
def test_without_a_queue_there_is_capacity_when_a_message_may_be_sent(role: Sender) -> None:
    session = Session("c", queue_limits=QueueLimits(0))
    stage = joined(role, 5, session, max_in_flight=1)
    publish(stage, "a")
    with pytest.raises(QueueFullError, match="never fits"):
        publish(stage, "b")
    events = stage.receive(PubAck(1))
    assert [type(each) for each in events] == [PublishCompleted, CapacityAvailable]
    publish(stage, "b")
    assert len(stage.sent()) == 2


@every_role
def test_capacity_is_told_when_the_message_that_found_none_would_fit(role: Sender) -> None:
    session = Session("c", queue_limits=QueueLimits(max_bytes=200))
    stage = joined(role, 5, session, max_in_flight=1)
    for topic in ("a", "b", "c"):
        publish(stage, topic)
    with pytest.raises(QueueFullError):
        publish(stage, "d", payload=bytes(90))
    # 70 bytes of 200 are free, then 135, and it counts for 155.
    assert [type(each) for each in stage.receive(PubAck(1))] == [PublishCompleted]
    assert [type(each) for each in stage.receive(PubAck(2))] == [
        PublishCompleted,
        CapacityAvailable,
    ]
    publish(stage, "d", payload=bytes(90))


@every_role
def test_what_has_expired_does_not_keep_the_queue_full(role: Sender) -> None:
    session = Session("c", queue_limits=QueueLimits(1))
    stage = joined(role, 5, session, max_in_flight=1)
    publish(stage, "a")
    old = publish(stage, "b", properties=Properties(message_expiry_interval=5))
    stage.now = 4.0
    with pytest.raises(QueueFullError):
        publish(stage, "c")
    stage.now = 5.0
    new = publish(stage, "c")
    assert end_of(stage).take_events() == [PublishDropped(old, DropReason.EXPIRED)]
    assert list(session.queue) == [new]


@every_role
def test_changes_that_are_not_stored_put_the_news_of_capacity_off(role: Sender) -> None:
    stage = logged(role, max_uncommitted=1)
    publish(stage, "a")
    with pytest.raises(QueueFullError):
        publish(stage, "b")
    # Its answer is one more change.
    assert [type(each) for each in stage.receive(PubAck(1))] == [PublishCompleted]
    stage.store()
    assert end_of(stage).take_events() == [CapacityAvailable()]


# What is refused.


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("qos", [0, 1, 2])
@every_version
@every_role
def test_what_cannot_be_encoded_changes_nothing(
    role: Sender, version: int, qos: int, full: bool
) -> None:
    stage = joined(role, version, max_in_flight=1)
    end = end_of(stage)
    if full:
        publish(stage, "held")
        stage.sent()
    with pytest.raises(InvalidValueError):
        end.publish("a/#", b"", qos, now=0.0)
    with pytest.raises(LocalProtocolError):
        end.publish("a", b"", qos, properties=Properties(topic_alias=1), now=0.0)
    assert (end.in_flight, end.session.in_flight, len(end.session.queue)) == (full, full, 0)
    assert end.session.next_number == 1 + full
    assert stage.sent() == []


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("state", ["new", "connecting"])
def test_a_server_without_a_client_has_nobody_to_publish_to(state: str, qos: int) -> None:
    server = ServerConnection(now=0.0)
    if state == "connecting":
        server.receive_data(Connect("c").encode(5), 0.0)
    with pytest.raises(LocalProtocolError, match="no client yet"):
        server.publish("a", b"", qos, now=0.0)
    assert server.data_to_send() == b""


def test_a_client_without_a_server_lets_messages_wait() -> None:
    client = ClientConnection()
    delivery = client.publish("a", b"", 1, now=0.0)
    assert isinstance(delivery, Delivery)
    assert list(client.session.queue) == [delivery]


@pytest.mark.parametrize("qos", [0, 1, 2])
@every_version
@every_role
def test_a_connection_that_is_over_publishes_nothing(role: Sender, version: int, qos: int) -> None:
    stage = joined(role, version)
    cut(stage)
    with pytest.raises(LocalProtocolError, match="the connection is over"):
        end_of(stage).publish("a", b"", qos, now=0.0)
    assert len(end_of(stage).session.queue) == 0


@pytest.mark.parametrize("qos", [0, 1])
@every_role
def test_what_5_has_no_word_for_before_it_is_the_publishers_or_left_out(
    role: Sender, qos: int
) -> None:
    stage = joined(role, 4)
    properties = Properties(content_type="x")
    if role is CLIENT:
        with pytest.raises(InvalidValueError, match="this version") as refused:
            end_of(stage).publish("a", b"", qos, properties=properties, now=0.0)
        assert refused.value.field == "Publish.properties"
    else:
        end_of(stage).publish("a", b"", qos, properties=properties, now=0.0)
        assert stage.sent() == [Publish("a", b"", qos, packet_id=qos or None)]


@pytest.mark.spec("5.0", "MQTT-3.3.4-6", role="both")
@every_role
def test_only_a_server_names_subscriptions(role: Sender) -> None:
    stage = joined(role)
    properties = Properties(subscription_identifiers=(3, 1))
    if role is SERVER:
        end_of(stage).publish("a", properties=properties, now=0.0)
        assert stage.sent() == [Publish("a", properties=properties)]
    else:
        with pytest.raises(InvalidValueError) as refused:
            end_of(stage).publish("a", properties=properties, now=0.0)
        assert refused.value.field == "Publish.properties"
        assert refused.value.statement == Statement("5.0", "MQTT-3.3.4-6")
        assert stage.sent() == []


# Replay.


@every_version
@every_role
def test_the_replay_takes_as_much_of_the_window_as_it_needs_and_no_more(
    role: Sender, version: int
) -> None:
    session = Session("c")
    stage = joined(role, version, session)
    for number in range(4):
        publish(stage, f"t{number}", 1 + number % 2)
    stage.receive(PubRec(2))
    cut(stage)
    stage = joined(role, version, session, resume=True, max_in_flight=2)
    publish(stage, "new")
    steps: list[tuple[list[Packet], list[Packet]]] = [
        ([], [PubRel(2), Publish("t0", b"", 1, False, True, 1)]),
        ([PubAck(1)], [Publish("t2", b"", 1, False, True, 3)]),
        ([PubComp(2)], [Publish("t3", b"", 2, False, True, 4)]),
        ([PubAck(3)], [Publish("new", b"", 1, packet_id=5)]),
        ([PubRec(4)], [PubRel(4)]),
        ([PubComp(4), PubAck(5)], []),
    ]
    for answers, expected in steps:
        stage.receive(*answers)
        assert stage.sent() == expected
    assert end_of(stage).in_flight == session.in_flight == 0


@every_role
def test_what_was_given_up_is_released_when_the_peer_takes_it_no_more(role: Sender) -> None:
    session = Session("c", journal=Journal())
    stage = joined(role, 5, session)
    one, two = publish(stage, "a", 1, b"x" * 50), publish(stage, "a", 2, b"x" * 50)
    stage.store()
    cut(stage)
    small = Properties(maximum_packet_size=40)
    stage = joined(role, 5, session, resume=True, peer=small)
    assert stage.events == [PublishDropped(each, DropReason.TOO_LARGE) for each in (one, two)]
    assert stage.sent() == [PubRel(2)]
    assert session.deliveries == [two]
    # It was told once; its end is no news.
    assert stage.receive(PubComp(2)) == []
    assert end_of(stage).in_flight == session.in_flight == 0


@every_role
def test_a_message_without_properties_has_an_empty_block(role: Sender) -> None:
    stage = joined(role)
    end_of(stage).publish("a", b"x", properties=EMPTY, now=0.0)
    assert end_of(stage).data_to_send() == b"\x30\x05\x00\x01a\x00x"


# QoS 0 without flags and properties goes a way of its own.


def plainly(stage: Stage, topic: str, payload: bytes) -> Delivery | None:
    """Publish so that nothing about the message is out of the ordinary."""
    return end_of(stage).publish(topic, payload, QoS.AT_MOST_ONCE, now=stage.now)


@every_role
@every_version
def test_a_plain_message_is_sent_like_any_other(role: Sender, version: int) -> None:
    stage = joined(role, version)
    for payload in (b"", b"x", bytes(200)):
        assert plainly(stage, "a/b", payload) is None
        assert end_of(stage).data_to_send() == Publish("a/b", payload).encode(version)


@every_role
def test_a_plain_message_keeps_its_place_behind_held_bytes(role: Sender) -> None:
    stage = logged(role)
    publish(stage, "a", 2)
    assert plainly(stage, "b", b"x") is None
    assert end_of(stage).data_to_send() == b""
    end_of(stage).committed(end_of(stage).take_changes().last)
    assert end_of(stage).data_to_send() == (
        Publish("a", qos=2, packet_id=1).encode() + Publish("b", b"x").encode()
    )


@every_role
def test_a_plain_message_is_measured(role: Sender) -> None:
    stage = joined(role, peer=Properties(maximum_packet_size=50))
    room = 50 - len(Publish("a").encode())
    assert plainly(stage, "a", bytes(room)) is None
    assert len(end_of(stage).data_to_send()) == 50
    if role is CLIENT:
        with pytest.raises(PacketTooLargeError):
            plainly(stage, "a", bytes(room + 1))
    else:
        delivery = plainly(stage, "a", bytes(room + 1))
        assert delivery is not None
        assert end_of(stage).take_events() == [PublishDropped(delivery, DropReason.TOO_LARGE)]
    assert end_of(stage).data_to_send() == b""


@every_role
def test_a_plain_message_that_cannot_be_sent_changes_nothing(role: Sender) -> None:
    stage = joined(role)
    with pytest.raises(InvalidValueError):
        plainly(stage, "a/#", b"x")
    assert end_of(stage).data_to_send() == b""
