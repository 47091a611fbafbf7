"""SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK: sections 3.8 to 3.11."""

from typing import Any, Final

import pytest

from mqttproto import (
    InvalidTopicError,
    InvalidValueError,
    Properties,
    ProtocolViolationError,
    QoS,
    ReasonCode,
    RetainHandling,
    Statement,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
)
from mqttproto.codec import encode
from mqttproto.codec.faults import Fault
from wire_examples import (
    VERSIONS,
    Broken,
    Refused,
    check_broken,
    check_broken_at_once,
    check_legal,
    check_refused,
    decode,
    each_broken,
    each_legal,
    each_refused,
    legal,
    malformed,
    refused,
    violation,
)

BEFORE_5: Final = "3.1 3.1.1"
EVERY: Final = "3.1 3.1.1 5.0"
TRUNCATED: Final = Fault.TRUNCATED
UNKNOWN: Final = Fault.PROPERTY_UNKNOWN
MISPLACED: Final = Fault.PROPERTY_MISPLACED
REPEATED: Final = Fault.PROPERTY_REPEATED
OPTIONS: Final = Fault.SUBSCRIPTION_OPTIONS
TOO_OLD: Final = Fault.NOT_IN_THIS_VERSION

TWO: Final = [Subscription("a/b", 1), Subscription("c/d", QoS.EXACTLY_ONCE)]
SHARED: Final = "24 73 68 61 72 65 2f"  # $share/

# --- SUBSCRIBE --------------------------------------------------------------------------------


# fmt: off
subscribe = each_legal(
    # the example of section 3.8.3
    legal(BEFORE_5, "82 0e 000a 0003 612f62 01 0003 632f64 02", Subscribe(10, TWO)),
    legal(BEFORE_5, "82 06 ffff 0001 23 00", Subscribe(65_535, [Subscription("#")])),
    legal(BEFORE_5, "82 0a 0001 0005 2b2f2b2f23 02", Subscribe(1, [Subscription("+/+/#", 2)])),
    legal(BEFORE_5, "82 0d 0001 0008 efbbbf f09d849e 2f 00",
          Subscribe(1, [Subscription("\ufeff\U0001d11e/")])),
    # before 5.0 there are no shared subscriptions: this is a filter like any other
    legal(BEFORE_5, f"82 0d 0001 0008 {SHARED} 2f 01", Subscribe(1, [Subscription("$share//", 1)])),
    legal("5.0", "82 0f 000a 00 0003 612f62 01 0003 632f64 02", Subscribe(10, TWO)),
    legal("5.0", "82 07 0001 00 0001 61 04", Subscribe(1, [Subscription("a", no_local=True)])),
    legal("5.0", "82 07 0001 00 0001 61 09",
          Subscribe(1, [Subscription("a", 1, retain_as_published=True)])),
    legal("5.0", "82 07 0001 00 0001 61 10",
          Subscribe(1, [Subscription("a", retain_handling=RetainHandling.SEND_IF_NEW)])),
    legal("5.0", "82 07 0001 00 0001 61 2e",
          Subscribe(1, [Subscription("a", 2, True, True, RetainHandling.DO_NOT_SEND)])),
    legal("5.0", "82 0a 0001 03 0b8001 0001 61 00",
          Subscribe(1, [Subscription("a")], Properties(subscription_identifiers=[128]))),
    legal("5.0", "82 10 0001 09 0b05 26 0001 6b 0001 76 0001 61 00",
          Subscribe(1, [Subscription("a")], Properties(
              subscription_identifiers=[5], user_properties=[("k", "v")]))),
    legal("5.0", f"82 10 0001 00 000a {SHARED} 672f61 01",
          Subscribe(1, [Subscription("$share/g/a", 1)])),
    legal("5.0", f"82 10 0001 00 000a {SHARED} 672f23 28",
          Subscribe(1, [Subscription("$share/g/#", 0, False, True, 2)])),
)
# fmt: on


@subscribe
def test_subscribe(version: str, text: str, packet: Subscribe) -> None:
    check_legal(version, text, packet)


def test_what_a_subscribe_decodes_to() -> None:
    packet = decode("5.0", "82 0b 0001 00 0001 61 2e 0001 62 01", "client")
    assert isinstance(packet, Subscribe)
    first, second = packet.subscriptions
    assert first.qos is QoS.EXACTLY_ONCE
    assert first.no_local is True
    assert first.retain_as_published is True
    assert first.retain_handling is RetainHandling.DO_NOT_SEND
    assert second.qos is QoS.AT_LEAST_ONCE
    assert second.no_local is False
    assert second.retain_as_published is False
    assert second.retain_handling is RetainHandling.SEND


def test_the_packets_of_3_1_may_be_duplicates() -> None:
    """3.1 has a DUP flag there: nothing depends on it."""
    assert decode("3.1", "8a 06 0001 0001 61 00") == Subscribe(1, [Subscription("a")])
    assert decode("3.1", "aa 05 0001 0001 61") == Unsubscribe(1, ["a"])


# fmt: off
broken_fixed_headers = each_broken(
    malformed(EVERY, "MQTT-3.8.1-1", Fault.FLAGS_SUBSCRIBE, 0, "80", role="server"),
    malformed(EVERY, "MQTT-3.8.1-1", Fault.FLAGS_SUBSCRIBE, 0, "83", role="server"),
    malformed("3.1.1 5.0", "MQTT-3.8.1-1", Fault.FLAGS_SUBSCRIBE, 0, "8a", role="server"),
    malformed(EVERY, "MQTT-3.10.1-1", Fault.FLAGS_UNSUBSCRIBE, 0, "a0", role="server"),
    malformed(EVERY, "MQTT-3.10.1-1", Fault.FLAGS_UNSUBSCRIBE, 0, "a6", role="server"),
    malformed("3.1.1 5.0", "MQTT-3.10.1-1", Fault.FLAGS_UNSUBSCRIBE, 0, "aa", role="server"),
    malformed(BEFORE_5, "MQTT-2.2.2-1", Fault.FLAGS, 0, "92", shows=("MQTT-2.2.2-2",)),
    malformed("5.0", "MQTT-2.1.3-1", Fault.FLAGS, 0, "92"),
    malformed(BEFORE_5, "MQTT-2.2.2-1", Fault.FLAGS, 0, "b8", shows=("MQTT-2.2.2-2",)),
    malformed("5.0", "MQTT-2.1.3-1", Fault.FLAGS, 0, "b8"),
    # the length of an UNSUBACK is known, or at least how short it cannot be
    malformed(BEFORE_5, "section 2.2.3", Fault.LENGTH_WRONG, 1, "b0 03"),
    malformed(BEFORE_5, "section 2.2.3", Fault.LENGTH_WRONG, 1, "b0 01"),
    malformed("5.0", "section 2.1.4", Fault.LENGTH_WRONG, 1, "b0 02"),
)
# fmt: on


@broken_fixed_headers
def test_broken_fixed_headers(broken: Broken) -> None:
    check_broken_at_once(broken)


# fmt: off
broken_subscribe_before_5 = each_broken(
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "82 00"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "82 01 00"),
    violation(BEFORE_5, "MQTT-2.3.1-1", Fault.PACKET_ID, 2, "82 06 0000 0001 61 00"),
    violation(BEFORE_5, "MQTT-3.8.3-3", Fault.SUBSCRIBE_EMPTY, 4, "82 02 0001"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 4, "82 03 0001 00"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 4, "82 05 0001 0002 61"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 7, "82 05 0001 0001 61"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 8, "82 08 0001 0001 61 00 0001"),
    malformed(BEFORE_5, "MQTT-3.8.3-4", OPTIONS, 7, "82 06 0001 0001 61 04", role="server"),
    malformed(BEFORE_5, "MQTT-3.8.3-4", OPTIONS, 7, "82 06 0001 0001 61 80", role="server"),
    malformed(BEFORE_5, "MQTT-3.8.3-4", OPTIONS, 7, "82 06 0001 0001 61 03", role="server"),
    malformed(BEFORE_5, "MQTT-3.8.3-4", OPTIONS, 11, "82 0a 0001 0001 61 00 0001 62 10",
              role="server"),
    malformed(BEFORE_5, "MQTT-4.7.3-1", Fault.NAME_EMPTY, 4, "82 05 0001 0000 00"),
    malformed(BEFORE_5, "MQTT-4.7.1-2", Fault.FILTER_HASH, 4, "82 07 0001 0002 6123 00"),
    malformed(BEFORE_5, "MQTT-4.7.1-2", Fault.FILTER_HASH, 4, "82 08 0001 0003 232f61 00"),
    malformed(BEFORE_5, "MQTT-4.7.1-3", Fault.FILTER_PLUS, 4, "82 07 0001 0002 2b61 00"),
    malformed(BEFORE_5, "MQTT-4.7.1-3", Fault.FILTER_PLUS, 8, "82 0b 0001 0001 61 00 0002 612b 00"),
    malformed(BEFORE_5, "MQTT-1.5.3-1", Fault.UTF8, 7, "82 07 0001 0002 61ff 00",
              shows=("MQTT-3.8.3-1",)),
    malformed(BEFORE_5, "MQTT-1.5.3-2", Fault.NULL_CHARACTER, 6, "82 07 0001 0002 0061 00"),
)
# fmt: on


@broken_subscribe_before_5
def test_broken_subscribe_before_5(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_subscribe_in_5 = each_broken(
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, "82 01 00"),
    violation("5.0", "MQTT-2.2.1-3", Fault.PACKET_ID, 2, "82 07 0000 00 0001 61 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 4, "82 02 0001", shows=("MQTT-2.2.2-1",)),
    violation("5.0", "MQTT-3.8.3-2", Fault.SUBSCRIBE_EMPTY, 5, "82 03 0001 00"),
    violation("5.0", "MQTT-3.8.3-2", Fault.SUBSCRIBE_EMPTY, 7, "82 05 0001 02 0b01"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 5, "82 06 0001 00 0002 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 8, "82 06 0001 00 0001 61"),
    malformed("5.0", "MQTT-3.8.3-5", OPTIONS, 8, "82 07 0001 00 0001 61 40", role="server"),
    malformed("5.0", "MQTT-3.8.3-5", OPTIONS, 8, "82 07 0001 00 0001 61 80", role="server"),
    violation("5.0", "section 3.8.3.1", Fault.SUBSCRIPTION_QOS, 8, "82 07 0001 00 0001 61 03"),
    violation("5.0", "section 3.8.3.1", Fault.RETAIN_HANDLING, 8, "82 07 0001 00 0001 61 30"),
    violation("5.0", "section 3.8.3.1", Fault.RETAIN_HANDLING, 8, "82 07 0001 00 0001 61 31"),
    violation("5.0", "MQTT-3.8.3-4", Fault.NO_LOCAL_SHARED, 17,
              f"82 10 0001 00 000a {SHARED} 672f61 04"),
    malformed("5.0", "MQTT-4.7.3-1", Fault.NAME_EMPTY, 5, "82 06 0001 00 0000 00"),
    malformed("5.0", "MQTT-4.7.1-1", Fault.FILTER_HASH, 5, "82 08 0001 00 0002 6123 00"),
    malformed("5.0", "MQTT-4.7.1-1", Fault.FILTER_HASH, 5, "82 09 0001 00 0003 232f61 00"),
    malformed("5.0", "MQTT-4.7.1-2", Fault.FILTER_PLUS, 5, "82 08 0001 00 0002 2b61 00"),
    malformed("5.0", "MQTT-4.8.2-1", Fault.SHARE_NAME_EMPTY, 5,
              f"82 0f 0001 00 0009 {SHARED} 2f61 00"),
    malformed("5.0", "MQTT-4.8.2-1", Fault.SHARE_NAME_EMPTY, 5, f"82 0d 0001 00 0007 {SHARED} 00"),
    malformed("5.0", "MQTT-4.8.2-2", Fault.SHARE_NAME, 5, f"82 0e 0001 00 0008 {SHARED} 67 00"),
    malformed("5.0", "MQTT-4.8.2-2", Fault.SHARE_NAME, 5, f"82 0f 0001 00 0009 {SHARED} 672f 00"),
    malformed("5.0", "MQTT-4.8.2-2", Fault.SHARE_NAME, 5, f"82 10 0001 00 000a {SHARED} 2b2f61 00"),
    malformed("5.0", "MQTT-4.8.2-2", Fault.SHARE_NAME, 5, f"82 10 0001 00 000a {SHARED} 232f61 00"),
    malformed("5.0", "MQTT-4.7.1-1", Fault.FILTER_HASH, 5,
              f"82 11 0001 00 000b {SHARED} 672f6123 00"),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 7, "82 08 0001 00 0002 c080 00",
              shows=("MQTT-3.8.3-1",)),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 7, "82 07 0001 00 0001 00 00"),
    # properties
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 4, "82 05 0001 03 0b01"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 5, "82 09 0001 02 0a01 0001 61 00"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 5, "82 09 0001 02 0101 0001 61 00"),
    violation("5.0", "section 2.2.2.2", REPEATED, 7, "82 0b 0001 04 0b01 0b02 0001 61 00"),
    violation("5.0", "section 3.8.2.1.2", Fault.SUBSCRIPTION_IDENTIFIER_ZERO, 6,
              "82 09 0001 02 0b00 0001 61 00"),
    malformed("5.0", "MQTT-1.5.5-1", Fault.LENGTH_NOT_MINIMAL, 6,
              "82 0a 0001 03 0b8100 0001 61 00"),
    malformed("5.0", "section 1.5.5", Fault.LENGTH_OVER_FOUR_BYTES, 6,
              "82 0d 0001 06 0b8080808001 0001 61 00"),
)
# fmt: on


@broken_subscribe_in_5
def test_broken_subscribe_in_5(broken: Broken) -> None:
    check_broken(broken)


A: Final = Subscription("a")

# fmt: off
refused_subscribe = each_refused(
    refused(BEFORE_5, "MQTT-3.8.3-3", "Subscribe.subscriptions", Fault.SUBSCRIBE_EMPTY,
            Subscribe(1, []), role="client"),
    refused("5.0", "MQTT-3.8.3-2", "Subscribe.subscriptions", Fault.SUBSCRIBE_EMPTY,
            Subscribe(1, []), role="client"),
    *(
        refused(versions, id, "Subscribe.packet_id", Fault.PACKET_ID, Subscribe(packet_id, [A]),
                role="client")
        for versions, id in ((BEFORE_5, "MQTT-2.3.1-1"), ("5.0", "MQTT-2.2.1-3"))
        for packet_id in (0, -1, 65_536)
    ),
    refused(BEFORE_5, "section 2.2.1", "Subscription.no_local", TOO_OLD,
            Subscribe(1, [A, Subscription("a", 2, no_local=True)])),
    refused(BEFORE_5, "section 2.2.1", "Subscription.no_local", TOO_OLD,
            Subscribe(1, [Subscription("$share/g/a", no_local=True)])),
    refused(BEFORE_5, "section 2.2.1", "Subscription.retain_as_published", TOO_OLD,
            Subscribe(1, [Subscription("a", retain_as_published=True)])),
    refused(BEFORE_5, "section 2.2.1", "Subscription.retain_handling", TOO_OLD,
            Subscribe(1, [Subscription("a", retain_handling=1)])),
    refused(BEFORE_5, "section 2.2.1", "Subscribe.properties", TOO_OLD,
            Subscribe(1, [A], Properties(subscription_identifiers=[1]))),
    refused("5.0", "MQTT-3.8.3-4", "Subscription.no_local", Fault.NO_LOCAL_SHARED,
            Subscribe(1, [Subscription("$share/g/a", no_local=True)]), role="client"),
    refused("5.0", "section 2.2.2.2", "Subscribe.properties.topic_alias", MISPLACED,
            Subscribe(1, [A], Properties(topic_alias=1))),
    refused("5.0", "section 2.2.2.2", "Subscribe.properties.subscription_identifiers", REPEATED,
            Subscribe(1, [A], Properties(subscription_identifiers=[1, 2]))),
)
# fmt: on


@refused_subscribe
def test_refused_subscribe(row: Refused) -> None:
    check_refused(row)


# fmt: off
FILTERS: Final = [
    # filter, its statements in 3.1.1 (None: there it is legal) and in 5.0
    ("", "MQTT-4.7.3-1", "MQTT-4.7.3-1"),
    ("a\0", "MQTT-4.7.3-2", "MQTT-4.7.3-2"),
    ("a\ud800", "MQTT-1.5.3-1", "MQTT-1.5.4-1"),
    ("a" * 65_536, "MQTT-4.7.3-3", "MQTT-4.7.3-3"),
    ("a#", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
    ("#/a", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
    ("a+/b", "MQTT-4.7.1-3", "MQTT-4.7.1-2"),
    ("$share//a", None, "MQTT-4.8.2-1"),
    ("$share/g", None, "MQTT-4.8.2-2"),
    ("$share/g/", None, "MQTT-4.8.2-2"),
    ("$share/a+/b", "MQTT-4.7.1-3", "MQTT-4.8.2-2"),
]
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.1-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.1-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.8.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.8.2-2", role="client")
@pytest.mark.parametrize(("topic_filter", "id311", "id5"), FILTERS)
def test_what_is_no_filter_is_not_sent(topic_filter: str, id311: str | None, id5: str) -> None:
    for packet, field in (
        (Subscribe(1, [A, Subscription(topic_filter)]), "Subscription.topic_filter"),
        (Unsubscribe(1, ["a", topic_filter]), "Unsubscribe.topic_filters"),
    ):
        for version, number, id in (("3.1.1", 3, id311), ("3.1.1", 4, id311), ("5.0", 5, id5)):
            if id is None:
                assert encode(packet, number)
                continue
            with pytest.raises(InvalidTopicError) as caught:
                encode(packet, number)
            assert caught.value.field == field
            assert caught.value.statement == Statement(version, id)


def test_the_longest_filter() -> None:
    size = 2 + 1 + 2 + 65_535 + 1  # 0x10005
    packet = Subscribe(1, [Subscription("a" * 65_535)])
    assert size == 0x10005
    check_legal("5.0", "82 858004 0001 00 ffff" + "61" * 65_535 + "00", packet)


def test_options_become_members() -> None:
    for number in (0, 1, 2):
        subscription = Subscription("a", number, retain_handling=number)
        assert subscription.qos is QoS(number)
        assert subscription.retain_handling is RetainHandling(number)


@pytest.mark.spec("5.0", "section 3.8.3.1", role="client")
@pytest.mark.parametrize("value", [-1, 3])
def test_there_are_no_such_options(value: int) -> None:
    statement = Statement("5.0", "section 3.8.3.1")
    with pytest.raises(InvalidValueError) as caught:
        Subscription("a", qos=value)
    assert caught.value.field == "Subscription.qos"
    assert caught.value.statement == statement
    with pytest.raises(InvalidValueError) as caught:
        Subscription("a", retain_handling=value)
    assert caught.value.field == "Subscription.retain_handling"
    assert caught.value.statement == statement


@pytest.mark.parametrize("value", [None, "1", 1.0])
def test_options_are_numbers(value: Any) -> None:
    with pytest.raises(TypeError):
        Subscription("a", qos=value)
    with pytest.raises(TypeError):
        Subscription("a", retain_handling=value)


@pytest.mark.spec("3.1.1", "MQTT-3.8.3-4", role="client")
@pytest.mark.spec("5.0", "section 3.8.3.1", role="client")
@pytest.mark.parametrize("value", [-1, 3, 4, 70_000])
def test_options_are_checked_as_they_are_encoded(value: Any) -> None:
    subscription = Subscription("a")
    subscription.qos = value
    packet = Subscribe(1, [subscription])
    fault = Fault.SUBSCRIPTION_QOS
    for version, statement in (
        ("3.1", Statement("3.1.1", "MQTT-3.8.3-4")),
        ("3.1.1", Statement("3.1.1", "MQTT-3.8.3-4")),
        ("5.0", Statement("5.0", "section 3.8.3.1")),
    ):
        check_refused(Refused(version, packet, "Subscription.qos", fault, statement))
    subscription = Subscription("a")
    subscription.retain_handling = value
    packet = Subscribe(1, [subscription])
    fault = Fault.RETAIN_HANDLING
    statement = Statement("5.0", "section 3.8.3.1")
    check_refused(Refused("5.0", packet, "Subscription.retain_handling", fault, statement))
    for version in ("3.1", "3.1.1"):
        with pytest.raises(InvalidValueError) as caught:
            encode(packet, VERSIONS[version])
        assert caught.value.field == "Subscription.retain_handling"


# --- SUBACK -----------------------------------------------------------------------------------


# fmt: off
suback = each_legal(
    legal(BEFORE_5, "90 05 000a 00 01 02", SubAck(10, [0, 1, 2])),
    legal("3.1.1", "90 04 000a 02 80", SubAck(10, [2, 0x80])),
    legal("5.0", "90 06 0001 00 00 01 87", SubAck(1, [0, 1, ReasonCode.NOT_AUTHORIZED])),
    legal("5.0", "90 10 0001 0c 1f 0002 6f6b 26 0001 6b 0001 76 80",
          SubAck(1, [0x80], Properties(reason_string="ok", user_properties=[("k", "v")]))),
)
# fmt: on


@suback
def test_suback(version: str, text: str, packet: SubAck) -> None:
    check_legal(version, text, packet)


SUBACK_CODES: Final = bytes.fromhex("00 01 02 80 83 87 8f 91 97 9e a1 a2")
UNSUBACK_CODES: Final = bytes.fromhex("00 11 80 83 87 8f 91")


@pytest.mark.spec("5.0", "MQTT-3.9.3-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.11.3-2", role="server")
@pytest.mark.parametrize(
    ("kind", "text", "codes"),
    [
        (SubAck, "90 0f 0001 00" + SUBACK_CODES.hex(), SUBACK_CODES),
        (UnsubAck, "b0 0a 0001 00" + UNSUBACK_CODES.hex(), UNSUBACK_CODES),
    ],
)
def test_legal_reason_codes(kind: type[SubAck | UnsubAck], text: str, codes: bytes) -> None:
    check_legal("5.0", text, kind(1, codes))
    packet = decode("5.0", text, "server")
    assert isinstance(packet, SubAck | UnsubAck)
    assert all(type(code) is ReasonCode for code in packet.reason_codes)


@pytest.mark.spec("3.1.1", "MQTT-3.9.3-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.9.3-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.11.3-2", role="server")
@pytest.mark.parametrize(
    ("version", "head", "codes", "id", "fault"),
    [
        ("3.1", "90 04 0001", b"\0\1\2", "MQTT-3.9.3-2", Fault.SUBACK_REASON),
        ("3.1.1", "90 04 0001", b"\0\1\2\x80", "MQTT-3.9.3-2", Fault.SUBACK_REASON),
        ("5.0", "90 05 0001 00", SUBACK_CODES, "MQTT-3.9.3-2", Fault.SUBACK_REASON),
        ("5.0", "b0 05 0001 00", UNSUBACK_CODES, "MQTT-3.11.3-2", Fault.UNSUBACK_REASON),
    ],
)
def test_other_reason_codes(version: str, head: str, codes: bytes, id: str, fault: Fault) -> None:
    statement = Statement("5.0" if version == "5.0" else "3.1.1", id)
    at = len(bytes.fromhex(head)) + 1  # the second code
    for code in set(range(256)).difference(codes):
        text = f"{head} 00 {code:02x}"
        check_broken(
            Broken(version, None, text, at, fault, ProtocolViolationError, 0x82, statement)
        )


# fmt: off
broken_suback = each_broken(
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "90 00"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "90 01 01"),
    violation(BEFORE_5, "MQTT-3.8.4-5", Fault.SUBACK_EMPTY, 4, "90 02 0001"),
    violation(BEFORE_5, "MQTT-2.3.1-7", Fault.PACKET_ID, 2, "90 03 0000 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 4, "90 02 0001"),
    violation("5.0", "MQTT-2.2.1-6", Fault.PACKET_ID, 2, "90 04 0000 00 00"),
    violation("5.0", "MQTT-3.8.4-6", Fault.SUBACK_EMPTY, 5, "90 03 0001 00"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 4, "90 04 0001 02 00"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 5, "90 06 0001 02 0b01 00"),
    violation("5.0", "section 2.2.2.2", REPEATED, 8, "90 0a 0001 06 1f0000 1f0000 00"),
)
# fmt: on


@broken_suback
def test_broken_suback(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_suback = each_refused(
    refused(BEFORE_5, "MQTT-3.8.4-5", "SubAck.reason_codes", Fault.SUBACK_EMPTY, SubAck(1),
            role="server"),
    refused("5.0", "MQTT-3.8.4-6", "SubAck.reason_codes", Fault.SUBACK_EMPTY, SubAck(1),
            role="server"),
    refused("3.1", "MQTT-3.9.3-2", "SubAck.reason_codes", Fault.SUBACK_REASON,
            SubAck(1, [0, 0x80]), role="server"),
    refused("3.1.1", "MQTT-3.9.3-2", "SubAck.reason_codes", Fault.SUBACK_REASON,
            SubAck(1, [0x80, 0x87]), role="server"),
    refused("5.0", "MQTT-3.9.3-2", "SubAck.reason_codes", Fault.SUBACK_REASON,
            SubAck(1, [0, 0x11]), role="server"),
    refused(BEFORE_5, "MQTT-2.3.1-7", "SubAck.packet_id", Fault.PACKET_ID, SubAck(0, [0])),
    refused("5.0", "MQTT-2.2.1-6", "SubAck.packet_id", Fault.PACKET_ID, SubAck(65_536, [0])),
    refused(BEFORE_5, "section 2.2.1", "SubAck.properties", TOO_OLD,
            SubAck(1, [0], Properties(reason_string=""))),
    refused("5.0", "section 2.2.2.2", "SubAck.properties.topic_alias", MISPLACED,
            SubAck(1, [0], Properties(topic_alias=1))),
)
# fmt: on


@refused_suback
def test_refused_suback(row: Refused) -> None:
    check_refused(row)


@pytest.mark.parametrize("kind", [SubAck, UnsubAck])
def test_reason_codes_become_members(kind: type[SubAck] | type[UnsubAck]) -> None:
    assert kind(1, [0, 0x80]).reason_codes == [ReasonCode.SUCCESS, ReasonCode.UNSPECIFIED_ERROR]
    assert type(kind(1, [0]).reason_codes[0]) is ReasonCode
    with pytest.raises(InvalidValueError):
        kind(1, [0, 5])


# --- UNSUBSCRIBE ------------------------------------------------------------------------------


# fmt: off
unsubscribe = each_legal(
    # the example of section 3.10.3
    legal(BEFORE_5, "a2 0c 000a 0003 612f62 0003 632f64", Unsubscribe(10, ["a/b", "c/d"])),
    legal(BEFORE_5, f"a2 0c 0001 0008 {SHARED} 2f", Unsubscribe(1, ["$share//"])),
    legal("5.0", "a2 0d 000a 00 0003 612f62 0003 632f64", Unsubscribe(10, ["a/b", "c/d"])),
    legal("5.0", "a2 0d ffff 07 26 0001 6b 0001 76 0001 23",
          Unsubscribe(65_535, ["#"], Properties(user_properties=[("k", "v")]))),
    legal("5.0", f"a2 0f 0001 00 000a {SHARED} 672f2b", Unsubscribe(1, ["$share/g/+"])),
)
# fmt: on


@unsubscribe
def test_unsubscribe(version: str, text: str, packet: Unsubscribe) -> None:
    check_legal(version, text, packet)


# fmt: off
broken_unsubscribe = each_broken(
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "a2 01 00"),
    violation(BEFORE_5, "MQTT-2.3.1-1", Fault.PACKET_ID, 2, "a2 05 0000 0001 61"),
    violation(BEFORE_5, "MQTT-3.10.3-2", Fault.UNSUBSCRIBE_EMPTY, 4, "a2 02 0001"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 7, "a2 06 0001 0001 61 00"),
    malformed(BEFORE_5, "MQTT-4.7.3-1", Fault.NAME_EMPTY, 4, "a2 04 0001 0000"),
    malformed(BEFORE_5, "MQTT-4.7.1-2", Fault.FILTER_HASH, 7, "a2 09 0001 0001 61 0002 6123"),
    malformed(BEFORE_5, "MQTT-4.7.1-3", Fault.FILTER_PLUS, 4, "a2 06 0001 0002 2b2b"),
    malformed(BEFORE_5, "MQTT-1.5.3-1", Fault.UTF8, 6, "a2 05 0001 0001 ff",
              shows=("MQTT-3.10.3-1",)),
    violation("5.0", "MQTT-2.2.1-3", Fault.PACKET_ID, 2, "a2 06 0000 00 0001 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 4, "a2 02 0001", shows=("MQTT-2.2.2-1",)),
    violation("5.0", "MQTT-3.10.3-2", Fault.UNSUBSCRIBE_EMPTY, 5, "a2 03 0001 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 5, "a2 06 0001 00 0002 61"),
    malformed("5.0", "MQTT-4.7.3-1", Fault.NAME_EMPTY, 5, "a2 05 0001 00 0000"),
    malformed("5.0", "MQTT-4.7.1-1", Fault.FILTER_HASH, 5, "a2 07 0001 00 0002 6123"),
    malformed("5.0", "MQTT-4.7.1-2", Fault.FILTER_PLUS, 5, "a2 07 0001 00 0002 2b2b"),
    malformed("5.0", "MQTT-4.8.2-1", Fault.SHARE_NAME_EMPTY, 5,
              f"a2 0e 0001 00 0009 {SHARED} 2f61"),
    malformed("5.0", "MQTT-4.8.2-2", Fault.SHARE_NAME, 5, f"a2 0d 0001 00 0008 {SHARED} 67"),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 7, "a2 06 0001 00 0001 ff",
              shows=("MQTT-3.10.3-1",)),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 5, "a2 08 0001 02 0b01 0001 61"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 4, "a2 06 0001 04 0001 61"),
)
# fmt: on


@broken_unsubscribe
def test_broken_unsubscribe(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_unsubscribe = each_refused(
    refused(EVERY, "MQTT-3.10.3-2", "Unsubscribe.topic_filters", Fault.UNSUBSCRIBE_EMPTY,
            Unsubscribe(1, []), role="client"),
    refused(BEFORE_5, "MQTT-2.3.1-1", "Unsubscribe.packet_id", Fault.PACKET_ID,
            Unsubscribe(0, ["a"]), role="client"),
    refused("5.0", "MQTT-2.2.1-3", "Unsubscribe.packet_id", Fault.PACKET_ID,
            Unsubscribe(65_536, ["a"]), role="client"),
    refused(BEFORE_5, "section 2.2.1", "Unsubscribe.properties", TOO_OLD,
            Unsubscribe(1, ["a"], Properties(user_properties=[("", "")]))),
    refused("5.0", "section 2.2.2.2", "Unsubscribe.properties.subscription_identifiers", MISPLACED,
            Unsubscribe(1, ["a"], Properties(subscription_identifiers=[1]))),
)
# fmt: on


@refused_unsubscribe
def test_refused_unsubscribe(row: Refused) -> None:
    check_refused(row)


def test_one_filter_is_no_list_of_filters() -> None:
    """A str is a sequence of str: each of its characters would be a filter."""
    with pytest.raises(TypeError):
        Unsubscribe(1, "a/b")


def test_any_iterable_of_filters() -> None:
    assert Unsubscribe(1, (name for name in "ab")).topic_filters == ["a", "b"]
    assert Subscribe(1, iter([A])).subscriptions == [A]


# --- UNSUBACK ---------------------------------------------------------------------------------


# fmt: off
unsuback = each_legal(
    legal(BEFORE_5, "b0 02 000a", UnsubAck(10)),
    legal("5.0", "b0 05 0001 00 00 11",
          UnsubAck(1, [ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED])),
    legal("5.0", "b0 09 0001 05 1f 0002 6f6b 87",
          UnsubAck(1, [0x87], Properties(reason_string="ok"))),
)
# fmt: on


@unsuback
def test_unsuback(version: str, text: str, packet: UnsubAck) -> None:
    check_legal(version, text, packet)


# fmt: off
broken_unsuback = each_broken(
    violation(BEFORE_5, "MQTT-2.3.1-7", Fault.PACKET_ID, 2, "b0 02 0000"),
    violation("5.0", "MQTT-2.2.1-6", Fault.PACKET_ID, 2, "b0 04 0000 00 00"),
    violation("5.0", "MQTT-3.11.3-2", Fault.UNSUBACK_EMPTY, 5, "b0 03 0001 00"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 4, "b0 03 0001 01"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 5, "b0 05 0001 01 00 00"),
)
# fmt: on


@broken_unsuback
def test_broken_unsuback(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_unsuback = each_refused(
    refused(BEFORE_5, "section 2.2.1", "UnsubAck.reason_codes", TOO_OLD, UnsubAck(1, [0])),
    refused(BEFORE_5, "section 2.2.1", "UnsubAck.properties", TOO_OLD,
            UnsubAck(1, properties=Properties(reason_string=""))),
    refused(BEFORE_5, "MQTT-2.3.1-7", "UnsubAck.packet_id", Fault.PACKET_ID, UnsubAck(0)),
    refused("5.0", "MQTT-2.2.1-6", "UnsubAck.packet_id", Fault.PACKET_ID, UnsubAck(0, [0])),
    refused("5.0", "MQTT-3.11.3-2", "UnsubAck.reason_codes", Fault.UNSUBACK_EMPTY, UnsubAck(1),
            role="server"),
    refused("5.0", "MQTT-3.11.3-2", "UnsubAck.reason_codes", Fault.UNSUBACK_REASON,
            UnsubAck(1, [0, 1]), role="server"),
    refused("5.0", "section 2.2.2.2", "UnsubAck.properties.topic_alias", MISPLACED,
            UnsubAck(1, [0], Properties(topic_alias=1))),
)
# fmt: on


@refused_unsuback
def test_refused_unsuback(row: Refused) -> None:
    check_refused(row)


def test_one_subscription_is_no_list() -> None:
    untyped: Any = Subscription("a")
    with pytest.raises(TypeError, match=r"^Subscribe\.subscriptions: "):
        Subscribe(1, untyped)
