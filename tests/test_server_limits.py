"""What the two ends allow each other: quotas, sizes, aliases, capabilities, at the server's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect, Disconnect, PingReq, PingResp
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import Statement
from mqttproto.protocol import Delivery, Leniency, Qos0, QueueLimits, ServerConnection, Session
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    Disconnected,
    DropReason,
    MessageReceived,
    PublishCompleted,
    PublishDropped,
    SubscribeReceived,
    UnsubscribeReceived,
)
from server_stage import EXPLAINED, METHOD, VERSIONS, Stage, connected, failure, lasting, messages


def limited(
    properties: Properties, server: ServerConnection | None = None, announce: Properties = EMPTY
) -> Stage:
    """A client that sets limits."""
    return connected(5, lasting(5, properties), server=server, announce=announce)


def window(size: int) -> Properties:
    return Properties(receive_maximum=size)


def publish(stage: Stage, topic: str, qos: int, payload: bytes = b"") -> Delivery:
    delivery = stage.server.publish(topic, payload, qos, now=stage.now)
    assert delivery is not None
    return delivery


def topics(stage: Stage) -> list[str]:
    """The topics of what was sent."""
    return [each.topic for each in stage.sent() if isinstance(each, Publish)]


# The client's Receive Maximum.


@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="server")
@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="server")
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("qos", [1, 2])
def test_no_more_is_unacknowledged_than_the_client_allows(size: int, qos: int) -> None:
    stage = limited(window(size))
    assert stage.server.limits is not None
    assert stage.server.limits.receive_maximum == size
    for number in range(size + 2):
        publish(stage, str(number), qos)
    assert topics(stage) == [str(number) for number in range(size)]
    assert stage.server.in_flight == size
    assert len(stage.server.session.queue) == 2
    stage.receive(PubAck(1) if qos == 1 else PubRec(1, ReasonCode.UNSPECIFIED_ERROR))
    assert topics(stage) == [str(size)]


@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="server")
def test_a_good_pubrec_does_not_free_the_quota_and_pubcomp_does() -> None:
    stage = limited(window(1))
    publish(stage, "a", 2)
    publish(stage, "b", 1)
    stage.sent()
    stage.receive(PubRec(1))
    assert stage.sent() == [PubRel(1)]
    stage.receive(PubRec(1))
    assert stage.sent() == [PubRel(1)]
    stage.receive(PubComp(1))
    assert stage.sent() == [Publish("b", b"", 1, packet_id=2)]
    # An answer to nothing frees nothing.
    publish(stage, "c", 1)
    stage.receive(PubAck(9), PubComp(1))
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.3.4-10", role="server")
@pytest.mark.spec("5.0", "MQTT-4.9.0-3", role="server")
def test_a_quota_of_0_delays_nothing_but_messages_of_qos_1_and_2() -> None:
    stage = limited(window(1))
    publish(stage, "a", 2)
    publish(stage, "b", 1)
    stage.sent()
    first, second, subscribe, unsubscribe = stage.receive(
        Publish("x", b"", 1, packet_id=1),
        Publish("y", b"", 2, packet_id=2),
        Subscribe(3, [Subscription("a")]),
        Unsubscribe(4, ["a"]),
        PingReq(),
    )
    assert isinstance(first, MessageReceived)
    assert isinstance(second, MessageReceived)
    assert isinstance(subscribe, SubscribeReceived)
    assert isinstance(unsubscribe, UnsubscribeReceived)
    stage.acknowledge(first)
    stage.acknowledge(second)
    stage.server.answer_subscribe(subscribe.packet, [0], now=0.0)
    stage.server.answer_unsubscribe(unsubscribe.packet, [0], now=0.0)
    stage.server.publish("z", now=0.0)
    stage.receive(PubRel(2), PubRec(1))
    assert stage.sent() == [
        PingResp(),
        PubAck(1),
        PubRec(2),
        SubAck(3, [QoS(0)]),
        UnsubAck(4, [ReasonCode.SUCCESS]),
        Publish("z"),
        PubComp(2),
        PubRel(1),
    ]


@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_may_send_less_than_it_is_allowed(version: int) -> None:
    stage = connected(version, server=ServerConnection(now=0.0, max_in_flight=2))
    for topic in "abc":
        publish(stage, topic, 1)
    assert topics(stage) == ["a", "b"]


@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="server")
def test_a_window_that_has_shrunk_holds_for_what_is_sent_again() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    for topic in "abcd":
        publish(stage, topic, 1)
    publish(stage, "e", 2)
    stage.receive(PubRec(5))
    stage.server.connection_lost(0.0)
    stage = connected(5, lasting(5, window(2)), session, resume=True)
    # The release goes on at once, and counts: its message is not acknowledged to its end.
    assert stage.sent() == [PubRel(5), Publish("a", b"", 1, False, True, 1)]
    stage.receive(PubAck(1))
    assert stage.sent() == [Publish("b", b"", 1, False, True, 2)]
    stage.receive(PubComp(5))
    assert stage.sent() == [Publish("c", b"", 1, False, True, 3)]
    assert stage.server.in_flight == 2


@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="server")
@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="server")
@given(
    size=st.integers(1, 3),
    steps=st.lists(
        st.one_of(st.sampled_from(["publish 1", "publish 2", "reconnect"]), st.integers(0, 9)),
        max_size=30,
    ),
)
def test_the_quota_is_kept_whatever_happens(size: int, steps: list[str | int]) -> None:
    session = Session("c")
    stage = connected(5, lasting(5, window(size)), session)
    # What the client has not acknowledged to its end, by what it would say next.
    held: dict[int, PubAck | PubRec | PubComp] = {}
    for step in steps:
        if step == "reconnect":
            stage.server.connection_lost(0.0)
            stage = connected(5, lasting(5, window(size)), session, resume=True)
            held = {}
        elif isinstance(step, str):
            publish(stage, "a", int(step[-1]))
        elif held:
            stage.receive(held.pop(list(held)[step % len(held)]))
        for packet in stage.sent():
            if isinstance(packet, Publish):
                assert packet.packet_id is not None
                assert packet.packet_id not in held
                answer = PubAck if packet.qos == 1 else PubRec
                held[packet.packet_id] = answer(packet.packet_id)
            elif isinstance(packet, PubRel):
                held[packet.packet_id] = PubComp(packet.packet_id)
        unsent = len(session.queue) + session.in_flight - len(held)
        assert len(held) == stage.server.in_flight <= size
        assert unsent == 0 or len(held) == size


# The server's Receive Maximum.


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="server")
@pytest.mark.parametrize("qos", [1, 2])
def test_a_client_that_sends_more_than_it_may_is_disconnected(qos: int) -> None:
    stage = connected(5, announce=window(2))
    for packet_id in (1, 2):
        stage.message(Publish("a", b"", qos, packet_id=packet_id))
    stage.receive(Publish("a"), PingReq())
    failed = failure(stage.receive(Publish("a", b"", 3 - qos, packet_id=3)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    assert failed.statement == Statement("5.0", "MQTT-3.3.4-7")
    last = stage.sent()[-1]
    assert isinstance(last, Disconnect)
    assert last.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="server")
def test_the_quota_of_the_client_frees_at_puback_pubcomp_and_a_refusing_pubrec() -> None:
    stage = connected(5, announce=window(1))
    stage.acknowledge(stage.message(Publish("a", b"", 1, packet_id=1)))
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=2)), ReasonCode.NOT_AUTHORIZED)
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=3)))
    # It may come again: it is counted already.
    assert stage.receive(Publish("a", b"", 2, packet_id=3, dup=True)) == []
    stage.receive(PubRel(3))
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=4)))
    assert stage.server.receiving == 1
    failed = failure(stage.receive(Publish("a", b"", 1, packet_id=5)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


def test_an_acknowledgement_that_waits_for_its_turn_frees_nothing() -> None:
    stage = connected(5, announce=window(2))
    first, second = messages(
        stage.receive(Publish("a", b"", 1, packet_id=1), Publish("a", b"", 1, packet_id=2))
    )
    stage.acknowledge(second)
    assert stage.server.receiving == 2
    stage.acknowledge(first)
    assert stage.server.receiving == 0


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_is_no_receive_maximum(version: int) -> None:
    stage = connected(version, announce=window(1))
    packets = [Publish("a", b"", 1 + number % 2, packet_id=number) for number in range(1, 9)]
    assert len(messages(stage.receive(*packets))) == 8


def test_the_receive_maximum_may_be_waived() -> None:
    server = ServerConnection(now=0.0, leniency=Leniency.RECEIVE_MAXIMUM_EXCEEDED)
    stage = connected(5, announce=window(1), server=server)
    packets = [Publish("a", b"", 1 + number % 2, packet_id=number) for number in range(1, 9)]
    assert len(messages(stage.receive(*packets))) == 8


# Packet sizes.


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.2-25", role="server")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_that_is_too_large_counts_as_sent(qos: int) -> None:
    stage = limited(Properties(maximum_packet_size=20))
    fits = b"x" * (20 - (6 if qos == 0 else 8))
    stage.server.publish("a", fits, qos, now=0.0)
    assert len(stage.server.data_to_send()) == 20
    delivery = stage.server.publish("a", fits + b"x", qos, now=0.0)
    assert delivery is not None
    assert stage.server.take_events() == [PublishDropped(delivery, DropReason.TOO_LARGE)]
    assert stage.sent() == []
    assert stage.server.in_flight == stage.server.session.in_flight == (qos > 0)
    stage.server.publish("b", b"", qos, now=0.0)
    assert [each.packet_id for each in stage.sent() if isinstance(each, Publish)] == [
        2 if qos else None
    ]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_that_is_too_large_has_its_deadline_all_the_same(qos: int) -> None:
    stage = limited(Properties(maximum_packet_size=20))
    properties = Properties(message_expiry_interval=5)
    delivery = stage.server.publish("a", b"x" * 20, qos, properties=properties, now=2.0)
    assert delivery is not None
    assert delivery.expires_at == 7.0


@pytest.mark.spec("5.0", "MQTT-3.1.2-25", role="server")
@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_that_is_too_large_does_not_wait_in_the_queue(qos: int) -> None:
    stage = limited(Properties(maximum_packet_size=20, receive_maximum=1))
    publish(stage, "a", qos)
    delivery = stage.server.publish("a", b"x" * 20, qos, now=0.0)
    assert delivery is not None
    assert stage.server.take_events() == [PublishDropped(delivery, DropReason.TOO_LARGE)]
    assert len(stage.server.session.queue) == 0


@pytest.mark.spec("5.0", "MQTT-3.1.2-25", role="server")
def test_what_waits_or_is_in_flight_and_has_become_too_large_does_not_stop_the_rest() -> None:
    session = Session("c")
    stage = connected(5, lasting(5, window(3)), session)
    big = [publish(stage, "a", qos, b"x" * 50) for qos in (1, 2, 2, 1)]
    last = publish(stage, "b", 1)
    stage.receive(PubRec(3))
    stage.server.connection_lost(0.0)
    small = Properties(maximum_packet_size=30, receive_maximum=3)
    stage = connected(5, lasting(5, small), session, resume=True)
    dropped = [PublishDropped(big[each], DropReason.TOO_LARGE) for each in (0, 1, 3)]
    assert stage.events == dropped
    # The client may have recorded the second: its identifier is freed by a release.
    assert stage.sent() == [PubRel(3), PubRel(2), Publish("b", b"", 1, packet_id=4)]
    (done, *rest) = stage.receive(PubComp(3), PubComp(2), PubAck(4))
    assert isinstance(done, PublishCompleted)
    assert rest == [PublishCompleted(last)]
    assert session.in_flight == stage.server.in_flight == 0


def test_what_was_given_up_is_not_told_twice() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    publish(stage, "a", 2, b"x" * 50)
    stage.server.connection_lost(0.0)
    stage = connected(5, lasting(5, Properties(maximum_packet_size=30)), session, resume=True)
    assert [type(each) for each in stage.events] == [PublishDropped]
    over = Disconnect(properties=Properties(session_expiry_interval=0))
    assert [type(each) for each in stage.receive(over)] == [Disconnected]


@pytest.mark.spec("5.0", "MQTT-3.1.2-25", role="server")
def test_what_waited_at_qos_0_and_is_too_large_is_dropped() -> None:
    session = Session("c", queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    connected(5, lasting(5), session).server.connection_lost(0.0)
    delivery = Delivery(Publish("a", b"x" * 50))
    session.enqueue(delivery)
    small = Properties(maximum_packet_size=30)
    stage = connected(5, lasting(5, small), session, resume=True)
    assert stage.events == [PublishDropped(delivery, DropReason.TOO_LARGE)]
    assert stage.sent() == []


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_a_message_of_any_size_is_sent(version: int) -> None:
    stage = connected(version)
    stage.server.publish("a", b"x" * 100_000, now=0.0)
    assert stage.sent() == [Publish("a", b"x" * 100_000)]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="server")
def test_the_maximum_packet_size_that_was_announced_is_held_to() -> None:
    stage = connected(5, announce=Properties(maximum_packet_size=10))
    assert messages(stage.receive(Publish("a", b"1234")))
    failed = failure(stage.receive(Publish("a", b"1234567")))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-15")
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE


def test_a_larger_announcement_does_not_raise_the_own_limit() -> None:
    server = ServerConnection(now=0.0, max_packet_size=40)
    stage = connected(5, announce=Properties(maximum_packet_size=100), server=server)
    assert messages(stage.receive(Publish("a", b"x" * 30)))
    assert failure(stage.receive(Publish("a", b"x" * 40))).reason_code == 0x95


@pytest.mark.spec("5.0", "MQTT-3.4.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.4.2-3", role="server")
@pytest.mark.spec("5.0", "MQTT-3.5.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.5.2-3", role="server")
@pytest.mark.parametrize("explained", [EXPLAINED, EXPLAINED.replace(reason_string=None)])
@pytest.mark.parametrize("code", [ReasonCode.SUCCESS, ReasonCode.NOT_AUTHORIZED])
@pytest.mark.parametrize(("size", "whole"), [(5, False), (17, False), (50, True)])
def test_puback_and_pubrec_leave_explanations_out_where_they_make_them_too_large(
    size: int, whole: bool, code: ReasonCode, explained: Properties
) -> None:
    stage = limited(Properties(maximum_packet_size=size))
    left = explained if whole else EMPTY
    for qos in (1, 2):
        event = stage.message(Publish("a", b"", qos, packet_id=qos))
        stage.server.acknowledge(event, code, explained, now=0.0)
    assert stage.sent() == [PubAck(1, code, left), PubRec(2, code, left)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.spec("5.0", "MQTT-3.6.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.6.2-3", role="server")
@pytest.mark.spec("5.0", "MQTT-3.7.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.7.2-3", role="server")
def test_what_the_server_says_by_itself_fits_the_smallest_client() -> None:
    # No client that takes the shortest CONNACK takes less than five bytes.
    stage = limited(Properties(maximum_packet_size=5))
    stage.receive(PubRec(7), PubRel(7), PingReq())
    stage.acknowledge(stage.message(Publish("a", b"", 2, packet_id=8)))
    stage.receive(Publish("a", b"", 1, packet_id=8), PubRel(8))
    unknown = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    assert stage.sent() == [
        PubRel(7, unknown),
        PubComp(7, unknown),
        PingResp(),
        PubRec(8),
        PubAck(8, ReasonCode.PACKET_IDENTIFIER_IN_USE),
        PubComp(8),
    ]


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="server")
def test_without_problem_information_only_publish_connack_and_disconnect_explain() -> None:
    stage = Stage()
    quiet = METHOD.replace(request_problem_information=False)
    stage.connect(Connect("c", properties=quiet))
    stage.accept(announce=EXPLAINED)
    first, second = messages(
        stage.receive(Publish("a", b"", 1, packet_id=1), Publish("a", b"", 2, packet_id=2))
    )
    stage.server.acknowledge(first, 0x87, EXPLAINED, now=0.0)
    stage.server.acknowledge(second, 0x87, EXPLAINED, now=0.0)
    subscribe, unsubscribe = stage.receive(Subscribe(3, [Subscription("a")]), Unsubscribe(4, ["a"]))
    assert isinstance(subscribe, SubscribeReceived)
    assert isinstance(unsubscribe, UnsubscribeReceived)
    stage.server.answer_subscribe(subscribe.packet, [0x87], EXPLAINED, now=0.0)
    stage.server.answer_unsubscribe(unsubscribe.packet, [0x87], EXPLAINED, now=0.0)
    users = EXPLAINED.replace(reason_string=None)
    stage.server.publish("a", properties=users, now=0.0)
    stage.receive(PubRel(9), PubRec(9))
    stage.server.disconnect(0x8B, EXPLAINED, now=0.0)
    connack, *others = stage.sent()
    assert getattr(connack, "properties", None) == EXPLAINED.replace(authentication_method="m")
    assert others == [
        PubAck(1, ReasonCode.NOT_AUTHORIZED),
        PubRec(2, ReasonCode.NOT_AUTHORIZED),
        SubAck(3, [ReasonCode.NOT_AUTHORIZED]),
        UnsubAck(4, [ReasonCode.NOT_AUTHORIZED]),
        Publish("a", properties=users),
        PubComp(9, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND),
        PubRel(9, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND),
        Disconnect(ReasonCode.SERVER_SHUTTING_DOWN, EXPLAINED),
    ]


@pytest.mark.parametrize("wanted", [None, True])
def test_with_problem_information_all_may_explain(wanted: bool | None) -> None:
    asked = EMPTY if wanted is None else Properties(request_problem_information=wanted)
    stage = connected(5, Connect("c", properties=asked))
    event = stage.message(Publish("a", b"", 1, packet_id=1))
    stage.server.acknowledge(event, 0x87, EXPLAINED, now=0.0)
    assert stage.sent() == [PubAck(1, ReasonCode.NOT_AUTHORIZED, EXPLAINED)]


def test_a_client_may_explain_itself_whatever_it_wants_to_be_told() -> None:
    stage = connected(5, Connect("c", properties=Properties(request_problem_information=False)))
    packet = PubAck(1, ReasonCode.NOT_AUTHORIZED, EXPLAINED)
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    release = PubRel(1, ReasonCode.SUCCESS, EXPLAINED)
    assert stage.receive(release) == [AcknowledgementIgnored(release)]


# Topic aliases that the server uses.


def aliasing(theirs: int | None, ours: int) -> Stage:
    asked = EMPTY if theirs is None else Properties(topic_alias_maximum=theirs)
    return limited(asked, ServerConnection(now=0.0, max_topic_aliases=ours))


def aliases(stage: Stage) -> list[tuple[str, int | None]]:
    """Topic and alias of each message that was sent."""
    return [
        (each.topic, each.properties.topic_alias)
        for each in stage.sent()
        if isinstance(each, Publish)
    ]


@pytest.mark.spec("5.0", "MQTT-3.1.2-26", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-11", role="server")
@pytest.mark.parametrize(("theirs", "ours", "most"), [(2, 9, 2), (9, 2, 2), (1, 1, 1)])
def test_no_alias_is_above_what_both_allow(theirs: int, ours: int, most: int) -> None:
    stage = aliasing(theirs, ours)
    for number in range(8):
        stage.server.publish(f"topic/{number % 4}", b"", number % 3, now=0.0)
    used = [alias for _, alias in aliases(stage)]
    assert set(used) == set(range(1, most + 1))


@pytest.mark.spec("5.0", "MQTT-3.1.2-27", role="server")
@pytest.mark.parametrize("theirs", [None, 0])
def test_a_client_that_allows_no_alias_gets_none(theirs: int | None) -> None:
    stage = aliasing(theirs, 9)
    for _ in range(3):
        stage.server.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", None)] * 3


def test_the_server_uses_no_alias_unless_it_is_asked_to() -> None:
    stage = limited(Properties(topic_alias_maximum=9))
    for _ in range(2):
        stage.server.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", None)] * 2


def test_the_topics_that_were_used_last_have_an_alias() -> None:
    stage = aliasing(2, 2)
    for topic in ("one/1", "two/2", "one/1", "three", "two/2", "abc", "three"):
        stage.server.publish(topic, now=0.0)
    assert aliases(stage) == [
        ("one/1", 1),
        ("two/2", 2),
        ("", 1),
        ("three", 2),
        ("two/2", 1),
        ("abc", None),
        ("", 2),
    ]


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="server")
@pytest.mark.parametrize("theirs", [None, 5])
def test_aliases_end_with_their_connection(theirs: int | None) -> None:
    session = Session("c")
    old = Properties(topic_alias_maximum=5)
    server = ServerConnection(now=0.0, max_topic_aliases=5)
    stage = connected(5, lasting(5, old), session, server=server)
    stage.server.publish("topic", b"", 1, now=0.0)
    stage.server.publish("topic", b"", 1, now=0.0)
    assert aliases(stage) == [("topic", 1), ("", 1)]
    stage.server.connection_lost(0.0)
    new = EMPTY if theirs is None else Properties(topic_alias_maximum=theirs)
    server = ServerConnection(now=0.0, max_topic_aliases=5)
    stage = connected(5, lasting(5, new), session, resume=True, server=server)
    expected = [("topic", 1), ("", 1)] if theirs else [("topic", None)] * 2
    assert aliases(stage) == expected


def test_a_message_that_was_dropped_sets_no_alias() -> None:
    stage = limited(
        Properties(topic_alias_maximum=5, maximum_packet_size=20),
        ServerConnection(now=0.0, max_topic_aliases=5),
    )
    stage.server.publish("topic", b"x" * 20, now=0.0)
    assert aliases(stage) == []
    stage.server.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", 1)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
def test_an_alias_is_left_out_where_it_makes_the_message_too_large() -> None:
    stage = limited(
        Properties(topic_alias_maximum=5, maximum_packet_size=20),
        ServerConnection(now=0.0, max_topic_aliases=5),
    )
    for _ in range(2):
        stage.server.publish("topic", b"x" * 10, now=0.0)
    assert aliases(stage) == [("topic", None)] * 2
    stage.server.publish("topic", now=0.0)
    # With its alias it is smaller than it could be with its topic.
    stage.server.publish("topic", b"x" * 12, now=0.0)
    assert aliases(stage) == [("topic", 1), ("", 1)]


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_no_aliases(version: int) -> None:
    stage = connected(version, server=ServerConnection(now=0.0, max_topic_aliases=9))
    for _ in range(2):
        stage.server.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", None)] * 2


# Topic aliases that the client uses.


def aliased(topic: str, alias: int, qos: int = 0, packet_id: int | None = None) -> Publish:
    return Publish(topic, b"", qos, packet_id=packet_id, properties=Properties(topic_alias=alias))


@pytest.mark.spec("5.0", "MQTT-3.3.2-12", role="server")
@pytest.mark.parametrize("maximum", [1, 2, 65_535])
def test_every_alias_up_to_the_own_maximum_is_taken(maximum: int) -> None:
    stage = connected(5, announce=Properties(topic_alias_maximum=maximum))
    for alias in sorted({1, (maximum + 1) // 2, maximum}):
        events = messages(stage.receive(aliased(f"t{alias}", alias), aliased("", alias)))
        assert [each.topic for each in events] == [f"t{alias}"] * 2
        # It is gone: what is forwarded or stored must not have it.
        assert [each.properties for each in events] == [EMPTY] * 2


def test_an_alias_may_be_given_another_topic() -> None:
    stage = connected(5, announce=Properties(topic_alias_maximum=1))
    packets = [aliased("a", 1), aliased("", 1), aliased("b", 1), aliased("", 1)]
    events = messages(stage.receive(*packets))
    assert [each.topic for each in events] == ["a", "a", "b", "b"]


@pytest.mark.spec("5.0", "MQTT-3.3.2-9", role="server")
@pytest.mark.parametrize("maximum", [None, 0, 2])
def test_an_alias_above_the_maximum_ends_the_connection(maximum: int | None) -> None:
    announced = EMPTY if maximum is None else Properties(topic_alias_maximum=maximum)
    stage = connected(5, announce=announced)
    failed = failure(stage.receive(aliased("a", (maximum or 0) + 1)))
    assert failed.statement == Statement("5.0", "MQTT-3.3.2-9")
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.TOPIC_ALIAS_INVALID


def test_an_alias_that_stands_for_nothing_ends_the_connection() -> None:
    stage = connected(5, announce=Properties(topic_alias_maximum=2))
    stage.receive(aliased("a", 1))
    failed = failure(stage.receive(aliased("", 2)))
    assert failed.statement == Statement("5.0", "section 3.3.2.3.4")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="server")
def test_the_clients_aliases_end_with_their_connection_too() -> None:
    session = Session("c")
    announced = Properties(topic_alias_maximum=2)
    old = connected(5, lasting(5), session, announce=announced)
    old.receive(aliased("a", 1))
    new = connected(5, lasting(5), session, resume=True, announce=announced)
    assert failure(new.receive(aliased("", 1))).statement.id == "section 3.3.2.3.4"


def test_an_alias_counts_even_if_its_message_is_denied_or_known() -> None:
    stage = connected(5, announce=Properties(topic_alias_maximum=3))
    stage.acknowledge(stage.message(aliased("denied", 1, 1, 1)), ReasonCode.NOT_AUTHORIZED)
    stage.acknowledge(stage.message(aliased("known", 2, 2, 2)))
    assert stage.receive(aliased("again", 3, 2, 2)) == []
    events = messages(stage.receive(aliased("", 1), aliased("", 2), aliased("", 3)))
    assert [each.topic for each in events] == ["denied", "known", "again"]


# Capabilities.


@pytest.mark.spec("5.0", "MQTT-3.2.2-9", role="server")
@pytest.mark.parametrize("most", [0, 1])
def test_a_maximum_qos_is_announced_and_held_to(most: int) -> None:
    stage = Stage()
    stage.connect(Connect("c"))
    stage.accept(announce=Properties(maximum_qos=most))
    (connack,) = stage.sent()
    assert getattr(connack, "properties", None) == Properties(maximum_qos=most)
    for qos in range(most + 1):
        assert messages(stage.receive(Publish("a", b"", qos, packet_id=qos or None)))
    failed = failure(stage.receive(Publish("a", b"", most + 1, packet_id=9)))
    assert failed.reason_code is ReasonCode.QOS_NOT_SUPPORTED
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-11")


@pytest.mark.spec("5.0", "MQTT-3.2.2-14", role="server")
def test_where_nothing_is_retained_a_message_to_retain_ends_the_connection() -> None:
    stage = connected(5, announce=Properties(retain_available=False))
    assert messages(stage.receive(Publish("a", b"", 2, packet_id=1)))
    failed = failure(stage.receive(Publish("a", b"", 0, True)))
    assert failed.reason_code is ReasonCode.RETAIN_NOT_SUPPORTED
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-14")


def test_by_default_everything_is_taken() -> None:
    stage = connected(5)
    assert messages(stage.receive(Publish("a", b"", 2, True, packet_id=1)))
    wanted = [Subscription("$share/g/a/#", 2), Subscription("+", 1)]
    identified = Properties(subscription_identifiers=(1,))
    (event,) = stage.receive(Subscribe(2, wanted, identified))
    assert isinstance(event, SubscribeReceived)
