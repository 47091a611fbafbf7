"""SUBSCRIBE and UNSUBSCRIBE: the events, the answers, and who may ask for what."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.publish import Publish, PubRec
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, Journal, Session
from mqttproto.protocol.events import ConnectionFailed, SubscribeReceived, UnsubscribeReceived
from server_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting


def subscribed(stage: Stage, packet: Subscribe) -> Subscribe:
    """Let SUBSCRIBE come, and return the packet to answer."""
    (event,) = stage.receive(packet)
    assert isinstance(event, SubscribeReceived)
    assert event.packet == packet
    return event.packet


def unsubscribed(stage: Stage, packet: Unsubscribe) -> Unsubscribe:
    """Let UNSUBSCRIBE come, and return the packet to answer."""
    (event,) = stage.receive(packet)
    assert isinstance(event, UnsubscribeReceived)
    assert event.packet == packet
    return event.packet


@pytest.mark.spec("5.0", "MQTT-2.2.1-6", role="server")
@pytest.mark.spec("5.0", "MQTT-3.8.4-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.8.4-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-7", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.8.4-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.8.4-5", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_suback_has_the_identifier_and_a_code_for_each_filter(version: int) -> None:
    stage = connected(version)
    wanted = [Subscription("a", 0), Subscription("b/#", 1), Subscription("+/c", 2)]
    packet = subscribed(stage, Subscribe(513, wanted))
    assert stage.sent() == []
    stage.server.answer_subscribe(packet, [2, QoS.AT_LEAST_ONCE, ReasonCode.SUCCESS], now=0.0)
    assert stage.sent() == [SubAck(513, [QoS(2), QoS(1), QoS(0)])]


@pytest.mark.spec("5.0", "MQTT-2.2.1-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-7", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_unsuback_has_the_identifier_and_in_5_a_code_for_each_filter(version: int) -> None:
    stage = connected(version)
    packet = unsubscribed(stage, Unsubscribe(513, ["a", "b/#"]))
    codes = [ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED]
    stage.server.answer_unsubscribe(packet, codes, EXPLAINED, now=0.0)
    assert stage.sent() == [UnsubAck(513, codes, EXPLAINED) if version == 5 else UnsubAck(513)]


@pytest.mark.spec("5.0", "MQTT-3.8.4-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.8.4-5", role="server")
@pytest.mark.parametrize("codes", [[], [0], [0, 0, 0]])
@pytest.mark.parametrize("version", VERSIONS)
def test_codes_too_few_or_too_many_are_refused(version: int, codes: list[int]) -> None:
    stage = connected(version)
    packet = subscribed(stage, Subscribe(1, [Subscription("a"), Subscription("b")]))
    with pytest.raises(InvalidValueError, match="2 are needed") as refused:
        stage.server.answer_subscribe(packet, codes, now=0.0)
    assert refused.value.field == "reason_codes"
    rule = ("5.0", "MQTT-3.8.4-6") if version == 5 else ("3.1.1", "MQTT-3.8.4-5")
    assert refused.value.statement == Statement(*rule)
    other = unsubscribed(stage, Unsubscribe(2, ["a", "b"]))
    with pytest.raises(InvalidValueError, match="2 are needed") as refused:
        stage.server.answer_unsubscribe(other, codes, now=0.0)
    assert refused.value.field == "reason_codes"
    assert refused.value.statement == Statement("5.0", "MQTT-3.11.3-2")
    assert stage.sent() == []
    stage.server.answer_subscribe(packet, [0, 0], now=0.0)
    stage.server.answer_unsubscribe(other, [0, 0], now=0.0)
    assert len(stage.sent()) == 2


@pytest.mark.spec("5.0", "MQTT-3.8.4-6", role="server")
def test_each_failure_of_5_is_told() -> None:
    stage = connected()
    codes = [0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]
    packet = subscribed(stage, Subscribe(1, [Subscription("a")] * len(codes)))
    stage.server.answer_subscribe(packet, codes, EXPLAINED, now=0.0)
    assert stage.sent() == [SubAck(1, [ReasonCode(code) for code in codes], EXPLAINED)]


@pytest.mark.spec("3.1.1", "MQTT-3.8.4-5", role="server")
def test_each_failure_is_0x80_in_3_1_1() -> None:
    stage = connected(4)
    codes = [1, ReasonCode.NOT_AUTHORIZED, 0x80, ReasonCode.QUOTA_EXCEEDED]
    packet = subscribed(stage, Subscribe(1, [Subscription("a")] * len(codes)))
    stage.server.answer_subscribe(packet, codes, EXPLAINED, now=0.0)
    assert stage.sent() == [SubAck(1, [QoS(1), *[ReasonCode.UNSPECIFIED_ERROR] * 3])]


@pytest.mark.parametrize("code", [0x04, 0x10, 0x81, 0xFE])
def test_codes_that_are_not_of_these_packets_change_nothing(code: int) -> None:
    stage = connected()
    packet = subscribed(stage, Subscribe(1, [Subscription("a")]))
    with pytest.raises(InvalidValueError):
        stage.server.answer_subscribe(packet, [code], now=0.0)
    with pytest.raises(InvalidValueError):
        stage.server.answer_subscribe(packet, [0], Properties(topic_alias=1), now=0.0)
    other = unsubscribed(stage, Unsubscribe(2, ["a"]))
    with pytest.raises(InvalidValueError):
        stage.server.answer_unsubscribe(other, [code], now=0.0)
    assert stage.sent() == []
    stage.server.answer_subscribe(packet, [0], now=0.0)
    assert len(stage.sent()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_each_is_answered_once(version: int) -> None:
    stage = connected(version)
    packet = subscribed(stage, Subscribe(1, [Subscription("a")]))
    other = unsubscribed(stage, Unsubscribe(2, ["a"]))
    stage.server.answer_subscribe(packet, [0], now=0.0)
    stage.server.answer_unsubscribe(other, [0], now=0.0)
    for identifiers_in_use_again in (False, True):
        if identifiers_in_use_again:
            stage.receive(Subscribe(1, [Subscription("b")]), Unsubscribe(2, ["b"]))
        with pytest.raises(LocalProtocolError, match="already"):
            stage.server.answer_subscribe(packet, [0], now=0.0)
        with pytest.raises(LocalProtocolError, match="already"):
            stage.server.answer_unsubscribe(other, [0], now=0.0)
    assert len(stage.sent()) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_is_answered_on_a_connection_that_is_over(version: int) -> None:
    stage = connected(version)
    packet = subscribed(stage, Subscribe(1, [Subscription("a")]))
    other = unsubscribed(stage, Unsubscribe(2, ["a"]))
    stage.server.connection_lost(0.0)
    with pytest.raises(LocalProtocolError, match="over"):
        stage.server.answer_subscribe(packet, [0], now=0.0)
    with pytest.raises(LocalProtocolError, match="over"):
        stage.server.answer_unsubscribe(other, [0], now=0.0)
    fresh = connected(version)
    with pytest.raises(LocalProtocolError, match="of another connection"):
        fresh.server.answer_subscribe(packet, [0], now=0.0)
    assert fresh.sent() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_may_be_given_in_any_order_and_behind_messages(version: int) -> None:
    stage = connected(version)
    first = subscribed(stage, Subscribe(1, [Subscription("a")]))
    second = unsubscribed(stage, Unsubscribe(2, ["b"]))
    third = subscribed(stage, Subscribe(3, [Subscription("c")]))
    stage.server.answer_subscribe(third, [0], now=0.0)
    stage.server.publish("a", b"", 0, now=0.0)
    stage.server.answer_unsubscribe(second, [0], now=0.0)
    stage.server.answer_subscribe(first, [0], now=0.0)
    kinds = [type(each) for each in stage.sent()]
    assert kinds == [SubAck, Publish, UnsubAck, SubAck]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_waits_for_the_changes_of_its_owner(version: int) -> None:
    stage = connected(version, lasting(version), Session("c", journal=Journal()))
    first = subscribed(stage, Subscribe(1, [Subscription("a")]))
    second = unsubscribed(stage, Unsubscribe(2, ["b"]))
    # A QoS 1 message that goes out is a change, as a broker's own would be.
    stage.server.publish("z", b"", 1, now=0.0)
    batch = stage.server.take_changes()
    stage.server.answer_subscribe(first, [0], now=0.0, after=batch.last)
    stage.server.answer_unsubscribe(second, [0], now=0.0, after=batch.last)
    assert stage.sent() == [Publish("z", b"", 1, packet_id=1)]
    stage.server.committed(batch.last)
    assert [type(each) for each in stage.sent()] == [SubAck, UnsubAck]
    # With nothing before it that waits, UNSUBACK waits by itself.
    last = unsubscribed(stage, Unsubscribe(3, ["b"]))
    stage.server.publish("z", b"", 1, now=0.0)
    batch = stage.server.take_changes()
    stage.server.answer_unsubscribe(last, [0], now=0.0, after=batch.last)
    assert stage.sent() == [Publish("z", b"", 1, packet_id=2)]
    stage.server.committed(batch.last)
    assert [type(each) for each in stage.sent()] == [UnsubAck]


@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-2", role="server")
@pytest.mark.parametrize("again", ["SUBSCRIBE", "UNSUBSCRIBE"])
@pytest.mark.parametrize("held", ["SUBSCRIBE", "UNSUBSCRIBE"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_identifier_that_is_in_use_ends_the_connection(
    version: int, held: str, again: str
) -> None:
    stage = connected(version)
    packets = {
        "SUBSCRIBE": Subscribe(5, [Subscription("a")]),
        "UNSUBSCRIBE": Unsubscribe(5, ["a"]),
    }
    stage.receive(packets[held])
    failed = failure(stage.receive(packets[again]))
    assert failed.statement.id == ("MQTT-2.2.1-3" if version == 5 else "MQTT-2.3.1-2")
    assert stage.state() is ConnectionState.CLOSED


@pytest.mark.parametrize("version", VERSIONS)
def test_the_identifier_of_a_message_is_refused_in_5_and_the_connection_goes_on(
    version: int,
) -> None:
    stage = connected(version)
    stage.receive(Publish("a", b"", 2, packet_id=5))
    subscribe = Subscribe(5, [Subscription("a"), Subscription("b")])
    unsubscribe = Unsubscribe(5, ["a"])
    if version == 5:
        assert stage.receive(subscribe, unsubscribe) == []
        assert stage.sent() == [SubAck(5, [0x91, 0x91]), UnsubAck(5, [0x91])]
    else:
        assert stage.receive(subscribe) == [SubscribeReceived(subscribe)]
    assert stage.state() is ConnectionState.CONNECTED


def test_a_refusal_because_of_the_identifier_fits_into_what_the_client_takes() -> None:
    stage = connected(5, Connect("c", properties=Properties(maximum_packet_size=20)))
    stage.receive(Publish("a", b"", 2, packet_id=5))
    failed = failure(stage.receive(Subscribe(5, [Subscription("a")] * 20)))
    assert failed.reason_code == 0x95


@pytest.mark.parametrize("version", VERSIONS)
def test_an_identifier_is_free_once_it_was_answered(version: int) -> None:
    stage = connected(version)
    for _ in range(3):
        packet = subscribed(stage, Subscribe(5, [Subscription("a")]))
        stage.server.answer_subscribe(packet, [0], now=0.0)
        other = unsubscribed(stage, Unsubscribe(5, ["a"]))
        stage.server.answer_unsubscribe(other, [0], now=0.0)
    assert len(stage.sent()) == 6


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_end_with_their_connection(version: int) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    subscribed(old, Subscribe(5, [Subscription("a")]))
    old.server.connection_lost(0.0)
    new = connected(version, lasting(version), session, resume=True)
    packet = subscribed(new, Subscribe(5, [Subscription("a")]))
    new.server.answer_subscribe(packet, [0], now=0.0)
    assert new.sent() == [SubAck(5, [QoS(0)])]


# What the server has announced.


@pytest.mark.parametrize(
    ("announced", "packet", "code"),
    [
        (
            Properties(wildcard_subscription_available=False),
            Subscribe(1, [Subscription("a"), Subscription("a/#")]),
            ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        ),
        (
            Properties(wildcard_subscription_available=False),
            Subscribe(1, [Subscription("+/a")]),
            ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        ),
        (
            Properties(shared_subscription_available=False),
            Subscribe(1, [Subscription("$share/g/a")]),
            ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        ),
        (
            Properties(subscription_identifier_available=False),
            Subscribe(1, [Subscription("a")], Properties(subscription_identifiers=(1,))),
            ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
        ),
    ],
)
def test_what_is_not_available_ends_the_connection(
    announced: Properties, packet: Subscribe, code: ReasonCode
) -> None:
    stage = connected(5, announce=announced)
    failed = failure(stage.receive(packet))
    assert failed.reason_code is code
    # Where it is available the same packet is welcome.
    subscribed(connected(5), packet)
    # Everything else stays available.
    subscribed(connected(5, announce=announced), Subscribe(1, [Subscription("a", 2)]))


@pytest.mark.spec("5.0", "MQTT-3.2.2-10", role="server")
@pytest.mark.parametrize("most", [0, 1])
def test_subscriptions_at_any_qos_are_taken_though_not_all_are_served(most: int) -> None:
    stage = connected(5, announce=Properties(maximum_qos=most))
    wanted = [Subscription("a", qos) for qos in (0, 1, 2)]
    packet = subscribed(stage, Subscribe(1, wanted))
    stage.server.answer_subscribe(packet, [0, most, most], now=0.0)
    assert stage.sent() == [SubAck(1, [QoS(0), QoS(most), QoS(most)])]
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-3.8.3-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.8.3-3", role="server")
@pytest.mark.spec("5.0", "MQTT-3.10.3-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.10.3-2", role="server")
@pytest.mark.parametrize("first", [0x82, 0xA2])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_for_nothing_ends_the_connection(version: int, first: int) -> None:
    stage = connected(version)
    rest = b"\x00\x01\x00" if version == 5 else b"\x00\x01"
    (event,) = stage.receive(bytes([first, len(rest)]) + rest)
    assert isinstance(event, ConnectionFailed)
    assert event.statement.id in ("MQTT-3.8.3-2", "MQTT-3.8.3-3", "MQTT-3.10.3-2")


# Answers that the client does not take.


@pytest.mark.spec("5.0", "MQTT-3.9.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.9.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.11.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.11.2-2", role="server")
@pytest.mark.parametrize("explained", [EXPLAINED, EXPLAINED.replace(reason_string=None)])
@pytest.mark.parametrize(("size", "whole"), [(18, False), (40, True)])
def test_explanations_are_left_out_where_they_make_the_answer_too_large(
    size: int, whole: bool, explained: Properties
) -> None:
    stage = connected(5, lasting(5, Properties(maximum_packet_size=size)))
    packet = subscribed(stage, Subscribe(1, [Subscription("a")]))
    stage.server.answer_subscribe(packet, [0], explained, now=0.0)
    other = unsubscribed(stage, Unsubscribe(2, ["a"]))
    stage.server.answer_unsubscribe(other, [0], explained, now=0.0)
    left = explained if whole else EMPTY
    assert stage.sent() == [
        SubAck(1, [QoS(0)], left),
        UnsubAck(2, [ReasonCode.SUCCESS], left),
    ]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.parametrize("unsubscribe", [False, True])
def test_an_answer_that_is_too_large_however_plain_ends_the_connection(unsubscribe: bool) -> None:
    stage = connected(5, lasting(5, Properties(maximum_packet_size=10)))
    if unsubscribe:
        other = unsubscribed(stage, Unsubscribe(1, ["a"] * 6))
        stage.server.answer_unsubscribe(other, [0] * 6, now=5.0)
    else:
        packet = subscribed(stage, Subscribe(1, [Subscription("a")] * 6))
        stage.server.answer_subscribe(packet, [0] * 6, now=5.0)
    assert stage.server.session.suspended_at == 5.0
    failed = failure(stage.server.take_events())
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    assert failed.statement.id == "MQTT-3.1.2-24"
    assert len(stage.server.data_to_send()) <= 10
    assert stage.closed()


def test_a_pubrec_for_a_request_of_the_client_is_another_matter() -> None:
    stage = connected()
    subscribed(stage, Subscribe(5, [Subscription("a")]))
    stage.receive(PubRec(5))
    assert stage.state() is ConnectionState.CONNECTED
