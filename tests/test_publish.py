"""PUBLISH, PUBACK, PUBREC, PUBREL and PUBCOMP: sections 3.3 to 3.7, and the PUBLISH of 3.1."""

from typing import Any, Final

import pytest

from mqttproto import (
    InvalidValueError,
    PacketTooLargeError,
    Properties,
    ProtocolViolationError,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    QoS,
    ReasonCode,
    Statement,
)
from mqttproto.codec import encode, encoded_size
from mqttproto.codec.faults import Fault
from mqttproto.codec.publish import plain_head
from mqttproto.codec.wire import sized
from mqttproto.constants import MAX_REMAINING_LENGTH
from wire_examples import (
    VERSIONS,
    Broken,
    Refused,
    before_5,
    check_broken,
    check_broken_at_once,
    check_legal,
    check_refused,
    decode,
    each_broken,
    each_legal,
    each_refused,
    every_version,
    legal,
    malformed,
    refused,
    violation,
)

Acknowledgement = PubAck | PubRec | PubRel | PubComp
AcknowledgementType = type[PubAck] | type[PubRec] | type[PubRel] | type[PubComp]

BEFORE_5: Final = "3.1 3.1.1"
EVERY: Final = "3.1 3.1.1 5.0"
TRUNCATED: Final = Fault.TRUNCATED
TRAILING: Final = Fault.TRAILING_BYTES
UNKNOWN: Final = Fault.PROPERTY_UNKNOWN
MISPLACED: Final = Fault.PROPERTY_MISPLACED
REPEATED: Final = Fault.PROPERTY_REPEATED

# --- PUBLISH ----------------------------------------------------------------------------------


# fmt: off
publish_before_5 = each_legal(
    legal(BEFORE_5, "30 03 0001 61", Publish("a")),
    legal(BEFORE_5, "31 05 0001 61 68 69", Publish("a", b"hi", retain=True)),
    legal(BEFORE_5, "31 03 0001 61", Publish("a", b"", retain=True)),
    legal(BEFORE_5, "32 07 0003 612f62 000a", Publish("a/b", qos=1, packet_id=10)),
    legal(BEFORE_5, "3a 05 0001 61 ffff",
          Publish("a", qos=QoS.AT_LEAST_ONCE, dup=True, packet_id=65_535)),
    legal(BEFORE_5, "34 09 0001 61 0001 00ff8023",
          Publish("a", b"\x00\xff\x80#", qos=2, packet_id=1)),
    legal(BEFORE_5, "3d 05 0001 61 0100",
          Publish("a", qos=2, retain=True, dup=True, packet_id=256)),
)
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-2.3.1-5", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.3.2-1", role="both")
@publish_before_5
def test_publish_before_5(version: str, text: str, packet: Publish) -> None:
    check_legal(version, text, packet)


# fmt: off
publish_in_5 = each_legal(
    legal("5.0", "30 04 0001 61 00", Publish("a")),
    legal("5.0", "31 06 0001 61 00 68 69", Publish("a", b"hi", retain=True)),
    legal("5.0", "32 0b 0001 61 000a 00 68656c6c6f", Publish("a", b"hello", qos=1, packet_id=10)),
    legal("5.0", "3d 06 0001 61 ffff 00",
          Publish("a", qos=2, retain=True, dup=True, packet_id=65_535)),
    legal("5.0", "34 0a 0001 61 0001 02 0100 7b7d",
          Publish("a", b"{}", 2, packet_id=1, properties=Properties(payload_format_indicator=0))),
)
# fmt: on


@pytest.mark.spec("5.0", "MQTT-2.2.1-2", role="both")
@pytest.mark.spec("5.0", "MQTT-2.2.2-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-1", role="both")
@publish_in_5
def test_publish_in_5(version: str, text: str, packet: Publish) -> None:
    check_legal(version, text, packet)


# fmt: off
properties_of_publish = each_legal(
    legal("5.0", "30 06 0001 61 02 0101",
          Publish("a", properties=Properties(payload_format_indicator=1))),
    legal("5.0", "30 09 0001 61 05 02 00000e10",
          Publish("a", properties=Properties(message_expiry_interval=3600))),
    legal("5.0", "30 11 0001 61 0d 03 000a 746578742f706c61696e",
          Publish("a", properties=Properties(content_type="text/plain"))),
    legal("5.0", "30 0a 0001 61 06 08 0003 722f31",
          Publish("a", properties=Properties(response_topic="r/1"))),
    legal("5.0", "30 09 0001 61 05 09 0002 00ff",
          Publish("a", properties=Properties(correlation_data=b"\x00\xff"))),
    legal("5.0", "30 09 0001 61 05 0b01 0b8001",
          Publish("a", properties=Properties(subscription_identifiers=(1, 128)))),
    legal("5.0", "30 07 0001 61 03 23 0005", Publish("a", properties=Properties(topic_alias=5))),
    legal("5.0", "30 12 0001 61 0e 26 0001 6b 0001 32 26 0001 6b 0001 31",
          Publish("a", properties=Properties(user_properties=[("k", "2"), ("k", "1")]))),
    # all of them, in the order of their identifiers
    legal("5.0", "30 24 0001 61 20"
          "0101 02 00000001 03 0000 08 0001 72 09 0000 0b01 0bffffff7f 23 ffff 26 0000 0000",
          Publish("a", properties=Properties(
              payload_format_indicator=1, message_expiry_interval=1, content_type="",
              response_topic="r", correlation_data=b"", subscription_identifiers=(1, 268_435_455),
              topic_alias=65_535, user_properties=[("", "")]))),
    # a Property Length of two bytes
    legal("5.0", "30 8801 0001 61 8301 26 0001 6b 007d" + "78" * 125,
          Publish("a", properties=Properties(user_properties=[("k", "x" * 125)]))),
)
# fmt: on


@properties_of_publish
def test_properties_of_publish(version: str, text: str, packet: Publish) -> None:
    check_legal(version, text, packet)


# fmt: off
topics_beyond_ascii_before_5 = each_legal(
    legal(BEFORE_5, "30 04 0002 c3a9", Publish("\u00e9")),
    legal(BEFORE_5, "30 06 0004 e282ac 2f", Publish("\u20ac/")),
    legal(BEFORE_5, "30 07 0005 2f f09d849e", Publish("/\U0001d11e")),
    legal(BEFORE_5, "30 06 0004 f48fbfbf", Publish("\U0010ffff")),
    legal(BEFORE_5, "30 06 0004 efbbbf 61", Publish("\ufeffa")),
    # what is no character, and controls, are legal: only U+0000 and surrogates are not
    legal(BEFORE_5, "30 08 0006 efbfbf 01 c280", Publish("\uffff\x01\x80")),
    legal(BEFORE_5, "30 08 0006 ed9fbf ee8080", Publish("\ud7ff\ue000")),
)
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-1.5.3-3", role="both")
@topics_beyond_ascii_before_5
def test_topics_beyond_ascii_before_5(version: str, text: str, packet: Publish) -> None:
    check_legal(version, text, packet)


# fmt: off
strings_beyond_ascii_in_5 = each_legal(
    legal("5.0", "30 05 0002 c3a9 00", Publish("\u00e9")),
    legal("5.0", "30 08 0005 2f f09d849e 00", Publish("/\U0001d11e")),
    legal("5.0", "30 07 0004 efbbbf 61 00", Publish("\ufeffa")),
    legal("5.0", "30 09 0006 efbfbf 01 c280 00", Publish("\uffff\x01\x80")),
    legal("5.0", "30 0b 0001 61 07 03 0004 efbbbf 61",
          Publish("a", properties=Properties(content_type="\ufeffa"))),
)
# fmt: on


@pytest.mark.spec("5.0", "MQTT-1.5.4-3", role="both")
@strings_beyond_ascii_in_5
def test_strings_beyond_ascii_in_5(version: str, text: str, packet: Publish) -> None:
    check_legal(version, text, packet)


@pytest.mark.parametrize(
    ("length", "size"),
    [
        ("7f", 127),
        ("80 01", 128),
        ("ff 7f", 16_383),
        ("80 80 01", 16_384),
        ("ff ff 7f", 2_097_151),
        ("80 80 80 01", 2_097_152),
    ],
)
@before_5
def test_remaining_lengths(version: str, length: str, size: int) -> None:
    payload = bytes(index % 251 for index in range(size - 3))
    check_legal(version, f"30 {length} 0001 61 {payload.hex()}", Publish("a", payload))


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-3", role="both")
@before_5
def test_the_longest_topic(version: str) -> None:
    check_legal(version, "30 818004 ffff" + "61" * 65_535, Publish("a" * 65_535))


@pytest.mark.spec("5.0", "MQTT-4.7.3-3", role="both")
def test_the_longest_topic_in_5() -> None:
    check_legal("5.0", "30 828004 ffff" + "61" * 65_535 + "00", Publish("a" * 65_535))


def test_an_empty_topic_with_an_alias() -> None:
    packet = Publish("", b"x", properties=Properties(topic_alias=258))
    check_legal("5.0", "30 07 0000 03 23 0102 78", packet)


def test_properties_in_another_order_than_ours() -> None:
    text = "30 0e 0001 61 0a 23 0001 02 00000009 0101"
    packet = decode("5.0", text)
    assert packet == Publish(
        "a",
        properties=Properties(payload_format_indicator=1, message_expiry_interval=9, topic_alias=1),
    )
    assert encode(packet) == bytes.fromhex(text)  # what came in goes out as it came


def test_what_a_publish_decodes_to() -> None:
    packet = decode("5.0", "3d 09 0001 61 0007 02 0101 78")
    assert isinstance(packet, Publish)
    assert (packet.topic, packet.payload, packet.packet_id) == ("a", b"x", 7)
    assert packet.qos is QoS.EXACTLY_ONCE
    assert packet.retain is True
    assert packet.dup is True
    assert packet.properties.payload_format_indicator == 1
    packet = decode("5.0", "30 04 0001 61 00")
    assert isinstance(packet, Publish)
    assert (packet.payload, packet.packet_id) == (b"", None)
    assert packet.qos is QoS.AT_MOST_ONCE
    assert packet.retain is False
    assert packet.dup is False
    assert not packet.properties


# fmt: off
broken_flags_of_publish = each_broken(
    malformed(EVERY, "MQTT-3.3.1-4", Fault.QOS, 0, "36"),
    malformed(EVERY, "MQTT-3.3.1-4", Fault.QOS, 0, "3f"),
    malformed(EVERY, "MQTT-3.3.1-2", Fault.DUP_AT_QOS_0, 0, "38"),
    malformed(EVERY, "MQTT-3.3.1-2", Fault.DUP_AT_QOS_0, 0, "39"),
)
# fmt: on


@broken_flags_of_publish
def test_broken_flags_of_publish(broken: Broken) -> None:
    check_broken_at_once(broken)


# fmt: off
broken_publish_before_5 = each_broken(
    violation(BEFORE_5, "MQTT-2.3.1-1", Fault.PACKET_ID, 5, "32 05 0001 61 0000"),
    violation(BEFORE_5, "MQTT-2.3.1-1", Fault.PACKET_ID, 5, "3c 06 0001 61 0000 78"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 4, "30 03 0001 2b"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 6, "30 05 0003 612f23"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 6, "30 06 0004 c3a9 23 2b"),
    violation(BEFORE_5, "MQTT-4.7.3-1", Fault.TOPIC_MISSING, 2, "30 02 0000"),
    violation(BEFORE_5, "MQTT-4.7.3-1", Fault.TOPIC_MISSING, 2, "32 06 0000 0001 6869"),
    malformed(BEFORE_5, "MQTT-1.5.3-2", Fault.NULL_CHARACTER, 5, "30 05 0003 610062"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "30 00"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "30 01 00"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 2, "30 03 0002 61"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 5, "32 03 0001 61"),
    malformed(BEFORE_5, "section 2.2.3", TRUNCATED, 5, "34 04 0001 61 01"),
)
# fmt: on


@broken_publish_before_5
def test_broken_publish_before_5(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_publish_in_5 = each_broken(
    violation("5.0", "MQTT-2.2.1-3", Fault.PACKET_ID, 5, "32 06 0001 61 0000 00"),
    violation("5.0", "MQTT-2.2.1-3", Fault.PACKET_ID, 5, "34 06 0001 61 0000 00", sender="client"),
    violation("5.0", "MQTT-2.2.1-4", Fault.PACKET_ID, 5, "34 06 0001 61 0000 00", sender="server"),
    malformed("5.0", "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 4, "30 04 0001 2b 00"),
    malformed("5.0", "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 6, "30 06 0003 612f23 00"),
    violation("5.0", "section 3.3.2.1", Fault.TOPIC_MISSING, 2, "30 03 0000 00"),
    violation("5.0", "section 3.3.2.1", Fault.TOPIC_MISSING, 2, "32 07 0000 0001 02 0101"),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 5, "30 06 0003 610062 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, "30 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, "30 01 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, "30 03 0002 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 5, "32 04 0001 61 01"),
    # no Property Length, half a Property Length
    malformed("5.0", "section 2.1.4", TRUNCATED, 5, "30 03 0001 61", shows=("MQTT-2.2.2-1",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 5, "30 04 0001 61 80"),
    # of two faults the first in the packet counts
    malformed("5.0", "MQTT-3.3.2-2", Fault.TOPIC_WILDCARD, 4, "32 06 0001 2b 0000 00"),
    violation("5.0", "MQTT-2.2.1-3", Fault.PACKET_ID, 5, "32 07 0001 61 0000 0101"),
)
# fmt: on


@broken_publish_in_5
def test_broken_publish_in_5(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_property_length = each_broken(
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 5, "30 05 0001 61 02 01"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 7, "32 06 0001 61 0001 01"),
    malformed("5.0", "MQTT-1.5.5-1", Fault.LENGTH_NOT_MINIMAL, 5, "30 05 0001 61 8000"),
    malformed("5.0", "section 1.5.5", Fault.LENGTH_OVER_FOUR_BYTES, 5, "30 08 0001 61 8080808001"),
)
# fmt: on


@broken_property_length
def test_broken_property_length(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
properties_that_must_not_be_there = each_broken(
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 6, "30 05 0001 61 01 00"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 6, "30 06 0001 61 02 2b00"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 6, "30 06 0001 61 02 8100"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 8, "30 08 0001 61 04 0101 ff01"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 6, "30 09 0001 61 05 11 00000001"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 9, "30 0a 0001 61 06 23 0001 1f 0000"),
    violation("5.0", "section 2.2.2.2", REPEATED, 8, "30 08 0001 61 04 0101 0101"),
    violation("5.0", "section 2.2.2.2", REPEATED, 11, "30 0e 0001 61 0a 02 00000001 02 00000001"),
    violation("5.0", "section 2.2.2.2", REPEATED, 9, "30 0a 0001 61 06 03 0000 03 0000"),
    violation("5.0", "section 2.2.2.2", REPEATED, 10, "30 0c 0001 61 08 08 0001 72 08 0001 72"),
    violation("5.0", "section 2.2.2.2", REPEATED, 9, "30 0a 0001 61 06 09 0000 09 0000"),
    violation("5.0", "section 2.2.2.2", REPEATED, 9, "30 0a 0001 61 06 23 0001 23 0001"),
    # not only one behind the other
    violation("5.0", "section 2.2.2.2", REPEATED, 11, "30 0b 0001 61 07 0101 23 0001 0101"),
)
# fmt: on


@properties_that_must_not_be_there
def test_properties_that_must_not_be_there(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_values_of_properties = each_broken(
    violation("5.0", "section 2.2.2.2", Fault.PROPERTY_NOT_0_OR_1, 7, "30 06 0001 61 02 0102"),
    violation("5.0", "MQTT-3.3.2-8", Fault.TOPIC_ALIAS_ZERO, 7, "30 07 0001 61 03 23 0000",
              code=0x94),
    violation("5.0", "section 3.8.2.1.2", Fault.SUBSCRIPTION_IDENTIFIER_ZERO, 7,
              "30 06 0001 61 02 0b00"),
    violation("5.0", "section 3.3.2.3.8", Fault.SUBSCRIPTION_IDENTIFIER_ZERO, 7,
              "30 06 0001 61 02 0b00", sender="server"),
    malformed("5.0", "MQTT-1.5.5-1", Fault.LENGTH_NOT_MINIMAL, 7, "30 07 0001 61 03 0b8100"),
    malformed("5.0", "section 1.5.5", Fault.LENGTH_OVER_FOUR_BYTES, 7,
              "30 0a 0001 61 06 0b8080808001"),
    malformed("5.0", "MQTT-3.3.2-14", Fault.RESPONSE_TOPIC_WILDCARD, 10,
              "30 09 0001 61 05 08 0002 722b"),
    malformed("5.0", "MQTT-3.3.2-14", Fault.RESPONSE_TOPIC_WILDCARD, 9,
              "30 09 0001 61 05 08 0002 2372"),
    malformed("5.0", "MQTT-4.7.3-1", Fault.NAME_EMPTY, 7, "30 07 0001 61 03 08 0000"),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 9, "30 09 0001 61 05 08 0002 c328",
              shows=("MQTT-3.3.2-13",)),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 10, "30 09 0001 61 05 03 0002 74ff",
              shows=("MQTT-3.3.2-19",)),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 9, "30 08 0001 61 04 03 0001 00"),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 12, "30 0b 0001 61 07 26 0001 6b 0001 80",
              shows=("MQTT-1.5.7-1",)),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 9, "30 0b 0001 61 07 26 0001 00 0001 76",
              shows=("MQTT-1.5.7-1",)),
)
# fmt: on


@broken_values_of_properties
def test_broken_values_of_properties(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
values_cut_off_by_the_end_of_their_block = each_broken(
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 07 0001 61 01 01 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 0a 0001 61 04 02 000000 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 02 23 00 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 02 0b 80 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 03 03 0001 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 02 03 00 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 03 08 0001 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 02 08 00 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 03 09 0001 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 02 09 00 0000"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 7, "30 08 0001 61 03 26 0001 61"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 10, "30 0a 0001 61 05 26 0001 6b 00 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 10, "30 0b 0001 61 06 26 0001 6b 0001 76"),
)
# fmt: on


@values_cut_off_by_the_end_of_their_block
def test_values_cut_off_by_the_end_of_their_block(broken: Broken) -> None:
    """The packet goes on behind the block: its bytes are not the value's."""
    check_broken(broken)


ILL_FORMED: Final = [
    ("80", 0),  # a continuation byte alone
    ("bf", 0),
    ("61 c3", 1),  # cut off by the end of the string
    ("61 e282", 1),
    ("f09d84", 0),
    ("c328", 0),  # cut off by another character
    ("e28261", 0),
    ("f09d8461", 0),
    ("c080", 0),  # longer than need be
    ("c1bf", 0),
    ("e09fbf", 0),
    ("f08fbfbf", 0),
    ("eda080", 0),  # surrogates
    ("edbfbf", 0),
    ("61 eda0bd edb280", 1),
    ("f4908080", 0),  # above U+10FFFF
    ("f5808080", 0),
    ("ff", 0),
    ("fe", 0),
    ("61616161 61616161 61616161 61616161 e9", 16),  # far from the start
    ("c3a9 c3a9 c3a9 c3a9 c3 61", 8),
    ("80 00 2b", 0),  # of several faults the first counts
    ("e282 2b", 0),
]


def publish_to(topic: str, behind: str = "") -> str:
    """A PUBLISH at QoS 0: ``topic`` in hexadecimal, and what stands behind it."""
    size = len(bytes.fromhex(topic))
    return f"30 {2 + size + len(bytes.fromhex(behind)):02x} {size:04x} {topic} {behind}"


ill_formed_utf_8 = each_broken(
    *(
        malformed(BEFORE_5, "MQTT-1.5.3-1", Fault.UTF8, 4 + at, publish_to(text))
        for text, at in ILL_FORMED
    ),
    *(
        malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 4 + at, publish_to(text, "00"))
        for text, at in ILL_FORMED
    ),
)


@ill_formed_utf_8
def test_ill_formed_utf_8(broken: Broken) -> None:
    check_broken(broken)


WILDCARD: Final = Fault.TOPIC_WILDCARD

# fmt: off
first_faults = each_broken(
    malformed(BEFORE_5, "MQTT-1.5.3-2", Fault.NULL_CHARACTER, 4, "30 04 0002 0080"),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 4, "30 05 0002 0080 00"),
    malformed(BEFORE_5, "MQTT-1.5.3-2", Fault.NULL_CHARACTER, 5, "30 05 0003 61002b"),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 5, "30 06 0003 61002b 00"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", WILDCARD, 4, "30 04 0002 2b00"),
    malformed("5.0", "MQTT-3.3.2-2", WILDCARD, 4, "30 05 0002 2b00 00"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", WILDCARD, 6, "30 07 0005 c3a9 232b80"),
    malformed("5.0", "MQTT-3.3.2-2", WILDCARD, 6, "30 08 0005 c3a9 232b80 00"),
    malformed(BEFORE_5, "MQTT-3.3.2-2", WILDCARD, 12, "30 0c 000a 6161616161616161 2b23"),
    malformed("5.0", "MQTT-3.3.2-2", WILDCARD, 12, "30 0d 000a 6161616161616161 2b23 00"),
)
# fmt: on


@first_faults
def test_the_first_of_several_faults_in_a_topic(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
a_client_sends_no_subscription_identifier = each_broken(
    violation("5.0", "MQTT-3.3.4-6", Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 6,
              "30 06 0001 61 02 0b01", sender="client"),
    # whatever its value
    violation("5.0", "MQTT-3.3.4-6", Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 8,
              "30 08 0001 61 04 0101 0b00", sender="client"),
)
# fmt: on


@a_client_sends_no_subscription_identifier
def test_a_client_sends_no_subscription_identifier(broken: Broken) -> None:
    check_broken(broken)


@pytest.mark.parametrize("sender", [None, "server"])
def test_a_server_sends_any_number_of_subscription_identifiers(sender: str | None) -> None:
    packet = decode("5.0", "30 08 0001 61 04 0b01 0b01", sender)
    assert packet == Publish("a", properties=Properties(subscription_identifiers=(1, 1)))


MISSING: Final = Fault.TOPIC_MISSING
NO_ID: Final = Fault.PACKET_ID_AT_QOS_0
TOO_OLD: Final = Fault.NOT_IN_THIS_VERSION

# fmt: off
refused_publish = each_refused(
    refused(BEFORE_5, "MQTT-4.7.3-1", "Publish.topic", MISSING, Publish("")),
    refused(BEFORE_5, "MQTT-4.7.3-1", "Publish.topic", MISSING,
            Publish("", properties=Properties(topic_alias=1))),
    refused("5.0", "section 3.3.2.1", "Publish.topic", MISSING, Publish("")),
    refused("5.0", "section 3.3.2.1", "Publish.topic", MISSING,
            Publish("", properties=Properties(payload_format_indicator=1))),
    refused(BEFORE_5, "MQTT-1.5.3-2", "Publish.topic", Fault.NULL_CHARACTER, Publish("a\0b")),
    refused("5.0", "MQTT-1.5.4-2", "Publish.topic", Fault.NULL_CHARACTER, Publish("a\0b")),
    refused(BEFORE_5, "MQTT-1.5.3-1", "Publish.topic", Fault.UTF8, Publish("a\ud800")),
    refused("5.0", "MQTT-1.5.4-1", "Publish.topic", Fault.UTF8, Publish("\udfff")),
    refused(BEFORE_5, "section 1.5.3", "Publish.topic", Fault.STRING_TOO_LONG,
            Publish("a" * 65_536)),
    refused("5.0", "section 1.5.4", "Publish.topic", Fault.STRING_TOO_LONG,
            Publish("é" * 32_768)),
    refused(EVERY, "MQTT-3.3.2-2", "Publish.topic", WILDCARD, Publish("+")),
    refused(EVERY, "MQTT-3.3.2-2", "Publish.topic", WILDCARD, Publish("a/#")),
    refused(EVERY, "MQTT-3.3.1-2", "Publish.dup", Fault.DUP_AT_QOS_0, Publish("a", dup=True)),
    refused(BEFORE_5, "MQTT-2.3.1-5", "Publish.packet_id", NO_ID, Publish("a", packet_id=1)),
    refused("5.0", "MQTT-2.2.1-2", "Publish.packet_id", NO_ID, Publish("a", packet_id=1)),
    *(
        refused(versions, id, "Publish.packet_id", Fault.PACKET_ID,
                Publish("a", qos=qos, packet_id=packet_id))
        for versions, id in ((BEFORE_5, "MQTT-2.3.1-1"), ("5.0", "MQTT-2.2.1-3"))
        for qos, packet_id in ((1, None), (2, None), (1, 0), (2, -1), (2, 65_536))
    ),
    refused(BEFORE_5, "section 2.2.1", "Publish.properties", TOO_OLD,
            Publish("a", properties=Properties(topic_alias=1))),
    refused("5.0", "section 2.2.2.2", "Publish.properties.session_expiry_interval", MISPLACED,
            Publish("a", properties=Properties(topic_alias=1, session_expiry_interval=1))),
)
# fmt: on


@refused_publish
def test_refused_publish(row: Refused) -> None:
    check_refused(row)


# fmt: off
a_payload_that_no_packet_can_hold = each_refused(
    # All zeros: a system gives no memory for what is never touched.
    refused(BEFORE_5, "section 2.2.3", "Publish.payload", Fault.REMAINING_LENGTH,
            Publish("a", bytes(MAX_REMAINING_LENGTH - 3 + 1))),
    refused("5.0", "section 1.5.5", "Publish.payload", Fault.REMAINING_LENGTH,
            Publish("a", bytes(MAX_REMAINING_LENGTH - 4 + 1))),
)
# fmt: on


@a_payload_that_no_packet_can_hold
def test_a_payload_that_no_packet_can_hold(row: Refused) -> None:
    check_refused(row, PacketTooLargeError)


@every_version
def test_empty_properties_are_none(version: str) -> None:
    packet = Publish("a", properties=Properties())
    assert encode(packet, VERSIONS[version]) == encode(Publish("a"), VERSIONS[version])
    assert encoded_size(packet, VERSIONS[version]) == encoded_size(Publish("a"), VERSIONS[version])


@pytest.mark.parametrize(
    "payload", [b"ab", bytearray(b"ab"), memoryview(b"ab"), memoryview(b"a-b-")[::2]]
)
def test_a_payload_is_any_buffer_of_bytes(payload: bytes | bytearray | memoryview) -> None:
    packet = Publish("t", payload)
    assert type(packet.payload) is bytes
    assert packet.payload == b"ab"


def test_a_payload_is_copied() -> None:
    buffer = bytearray(b"ab")
    packet = Publish("t", buffer)
    buffer[0] = 0
    assert packet.payload == b"ab"


@pytest.mark.parametrize("payload", ["text", None, 5, [1]])
def test_a_payload_is_nothing_else(payload: Any) -> None:
    with pytest.raises(TypeError):
        Publish("t", payload)


@pytest.mark.parametrize("topic", [None, b"t", 5])
def test_a_topic_is_a_str(topic: Any) -> None:
    with pytest.raises(TypeError):
        encode(Publish(topic))


@pytest.mark.spec("5.0", "MQTT-3.3.1-4", role="both")
@pytest.mark.parametrize("qos", [-1, 3, 4])
def test_there_is_no_such_qos(qos: int) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Publish("t", qos=qos)
    assert caught.value.field == "Publish.qos"
    assert caught.value.statement == Statement("5.0", "MQTT-3.3.1-4")


@pytest.mark.spec("3.1.1", "MQTT-3.3.1-4", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.1-4", role="both")
@pytest.mark.parametrize("qos", [-1, 3, 70_000])
def test_the_qos_is_checked_as_it_is_encoded(qos: Any) -> None:
    packet = Publish("t", packet_id=1)
    packet.qos = qos
    for version in VERSIONS:
        statement = Statement("5.0" if version == "5.0" else "3.1.1", "MQTT-3.3.1-4")
        check_refused(Refused(version, packet, "Publish.qos", Fault.QOS, statement))


@pytest.mark.parametrize("qos", [None, "1", 1.0])
def test_a_qos_is_a_number(qos: Any) -> None:
    with pytest.raises(TypeError):
        Publish("t", qos=qos)


def test_a_qos_becomes_a_member() -> None:
    assert Publish("t", qos=1).qos is QoS.AT_LEAST_ONCE
    assert Publish("t").qos is QoS.AT_MOST_ONCE


# --- PUBACK, PUBREC, PUBREL, PUBCOMP ----------------------------------------------------------


# fmt: off
acknowledgements = each_legal(
    legal(EVERY, "40 02 0001", PubAck(1)),
    legal(EVERY, "50 02 ffff", PubRec(65_535)),
    legal(EVERY, "62 02 1234", PubRel(0x1234)),
    legal(EVERY, "70 02 0100", PubComp(256)),
    legal("5.0", "40 03 0001 10", PubAck(1, ReasonCode.NO_MATCHING_SUBSCRIBERS)),
    legal("5.0", "50 03 ffff 97", PubRec(65_535, ReasonCode.QUOTA_EXCEEDED)),
    legal("5.0", "62 03 1234 92", PubRel(0x1234, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)),
    legal("5.0", "70 03 0100 92", PubComp(256, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)),
    legal("5.0", "40 0a 0001 87 06 1f 0003 6e6f21",
          PubAck(1, ReasonCode.NOT_AUTHORIZED, Properties(reason_string="no!"))),
    legal("5.0", "50 09 0001 00 05 1f 0002 6f6b",
          PubRec(1, properties=Properties(reason_string="ok"))),
    legal("5.0", "62 0b 0001 00 07 26 0001 6b 0001 76",
          PubRel(1, properties=Properties(user_properties=[("k", "v")]))),
    legal("5.0", "70 14 0001 92 10 1f 0002 6f6b 26 0001 6b 0000 26 0000 0000",
          PubComp(1, 0x92, Properties(reason_string="ok", user_properties=[("k", ""), ("", "")]))),
    # a Property Length of two bytes
    legal("5.0", "40 8601 0001 00 8101 1f 007e" + "78" * 126,
          PubAck(1, properties=Properties(reason_string="x" * 126))),
)
# fmt: on


@acknowledgements
def test_acknowledgements(version: str, text: str, packet: Acknowledgement) -> None:
    check_legal(version, text, packet)


@pytest.mark.parametrize(
    ("text", "packet", "shortest"),
    [
        ("40 03 0001 00", PubAck(1), "40 02 0001"),
        ("50 04 0001 00 00", PubRec(1), "50 02 0001"),
        ("62 03 0001 00", PubRel(1), "62 02 0001"),
        ("70 04 0001 92 00", PubComp(1, 0x92), "70 03 0001 92"),
    ],
)
def test_the_encoder_leaves_out_what_it_can(
    text: str, packet: Acknowledgement, shortest: str
) -> None:
    assert decode("5.0", text) == packet
    check_legal("5.0", shortest, packet)


def test_an_acknowledgement_with_empty_properties() -> None:
    for kind, text in ((PubAck, "40 02 0001"), (PubRec, "50 02 0001"), (PubRel, "62 02 0001")):
        check_legal("5.0", text, kind(1, properties=Properties()))
    check_legal("5.0", "70 03 0001 92", PubComp(1, 0x92, Properties()))


PUBLISHED: Final = bytes.fromhex("00 10 80 83 87 90 91 97 99")
RELEASED: Final = bytes.fromhex("00 92")

# The class, its first byte, its reason codes, and the statement that says so.
Kind = tuple[AcknowledgementType, str, bytes, str, Fault]
KINDS: Final[list[Kind]] = [
    (PubAck, "40", PUBLISHED, "MQTT-3.4.2-1", Fault.PUBACK_REASON),
    (PubRec, "50", PUBLISHED, "MQTT-3.5.2-1", Fault.PUBREC_REASON),
    (PubRel, "62", RELEASED, "MQTT-3.6.2-1", Fault.PUBREL_REASON),
    (PubComp, "70", RELEASED, "MQTT-3.7.2-1", Fault.PUBCOMP_REASON),
]

every_kind = pytest.mark.parametrize(
    ("kind", "first", "codes", "id", "fault"),
    [
        pytest.param(*row, id=row[0].__name__, marks=pytest.mark.spec("5.0", row[3], role="both"))
        for row in KINDS
    ],
)


@every_kind
@pytest.mark.parametrize("sender", [None, "client", "server"])
def test_reason_codes(
    kind: AcknowledgementType, first: str, codes: bytes, id: str, fault: Fault, sender: str | None
) -> None:
    statement = Statement("5.0", id)
    for code in range(256):
        text = f"{first} 03 0102 {code:02x}"
        # That there are no subscribers is only for a server to say.
        if code in codes and not (code == 0x10 and sender == "client"):
            packet = decode("5.0", text, sender)
            assert packet == kind(0x0102, code)
            assert isinstance(packet, kind)
            assert type(packet.reason_code) is ReasonCode
        else:
            check_broken(
                Broken("5.0", sender, text, 4, fault, ProtocolViolationError, 0x82, statement)
            )


@every_kind
def test_refused_reason_codes(
    kind: AcknowledgementType, first: str, codes: bytes, id: str, fault: Fault
) -> None:
    for code in set(ReasonCode).difference(codes):
        field = f"{kind.__name__}.reason_code"
        check_refused(Refused("5.0", kind(1, code), field, fault, Statement("5.0", id)))
    assert len(encode(kind(1, codes[-1]))) == len(bytes.fromhex(f"{first} 03 0001 00"))


# fmt: off
broken_flags_of_acknowledgements = each_broken(
    *(
        rows
        for first in ("41", "48", "52", "58", "74", "78")
        for rows in (
            malformed(BEFORE_5, "MQTT-2.2.2-1", Fault.FLAGS, 0, first, shows=("MQTT-2.2.2-2",)),
            malformed("5.0", "MQTT-2.1.3-1", Fault.FLAGS, 0, first),
        )
    ),
    malformed(EVERY, "MQTT-3.6.1-1", Fault.FLAGS_PUBREL, 0, "60"),
    malformed(EVERY, "MQTT-3.6.1-1", Fault.FLAGS_PUBREL, 0, "63"),
    malformed(EVERY, "MQTT-3.6.1-1", Fault.FLAGS_PUBREL, 0, "66"),
    malformed("3.1.1 5.0", "MQTT-3.6.1-1", Fault.FLAGS_PUBREL, 0, "6a"),
)
# fmt: on


@broken_flags_of_acknowledgements
def test_broken_flags_of_acknowledgements(broken: Broken) -> None:
    check_broken_at_once(broken)


def test_a_pubrel_of_3_1_may_be_a_duplicate() -> None:
    """3.1 has a DUP flag there: nothing depends on it."""
    assert decode("3.1", "6a 02 0007") == PubRel(7)


FIRST_BYTES: Final = ("40", "50", "62", "70")

broken_lengths_of_acknowledgements = each_broken(
    *(
        malformed(BEFORE_5, "section 2.2.3", Fault.LENGTH_WRONG, 1, f"{first} {length}")
        for first in FIRST_BYTES
        for length in ("00", "01", "03", "8201")
    ),
    *(
        malformed("5.0", "section 2.1.4", Fault.LENGTH_WRONG, 1, f"{first} {length}")
        for first in FIRST_BYTES
        for length in ("00", "01")
    ),
)


@broken_lengths_of_acknowledgements
def test_broken_lengths_of_acknowledgements(broken: Broken) -> None:
    check_broken_at_once(broken)


# fmt: off
broken_acknowledgements = each_broken(*(
    rows
    for first in FIRST_BYTES
    for rows in (
        violation(BEFORE_5, "MQTT-2.3.1-6", Fault.PACKET_ID, 2, f"{first} 02 0000"),
        violation("5.0", "MQTT-2.2.1-5", Fault.PACKET_ID, 2, f"{first} 02 0000"),
        violation("5.0", "MQTT-2.2.1-5", Fault.PACKET_ID, 2, f"{first} 03 0000 ff"),
        malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 5, f"{first} 04 0001 00 01"),
        malformed("5.0", "section 2.1.4", TRUNCATED, 5, f"{first} 04 0001 00 80"),
        malformed("5.0", "MQTT-1.5.5-1", Fault.LENGTH_NOT_MINIMAL, 5, f"{first} 05 0001 00 8000"),
        malformed("5.0", "section 2.1.4", TRAILING, 6, f"{first} 05 0001 00 00 00"),
        malformed("5.0", "section 2.1.4", TRAILING, 9, f"{first} 08 0001 00 03 1f 0000 26"),
        malformed("5.0", "section 2.2.2.2", UNKNOWN, 6, f"{first} 05 0001 00 01 7f"),
        malformed("5.0", "section 2.2.2.2", MISPLACED, 6, f"{first} 07 0001 00 03 23 0001"),
        violation("5.0", "section 2.2.2.2", REPEATED, 9, f"{first} 0a 0001 00 06 1f0000 1f0000"),
        malformed("5.0", "section 2.1.4", TRUNCATED, 7, f"{first} 07 0001 00 03 1f 0001"),
        malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 9, f"{first} 08 0001 00 04 1f 0001 ff"),
    )
))
# fmt: on


@broken_acknowledgements
def test_broken_acknowledgements(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_acknowledgements = each_refused(*(
    rows
    for kind in (PubAck, PubRec, PubRel, PubComp)
    for rows in (
        *(
            refused(versions, id, f"{kind.__name__}.packet_id", Fault.PACKET_ID, kind(packet_id))
            for versions, id in ((BEFORE_5, "MQTT-2.3.1-6"), ("5.0", "MQTT-2.2.1-5"))
            for packet_id in (0, -1, 65_536)
        ),
        refused(BEFORE_5, "section 2.2.1", f"{kind.__name__}.reason_code", TOO_OLD,
                kind(1, 0x92)),
        refused(BEFORE_5, "section 2.2.1", f"{kind.__name__}.properties", TOO_OLD,
                kind(1, properties=Properties(reason_string=""))),
        refused("5.0", "section 2.2.2.2", f"{kind.__name__}.properties.topic_alias", MISPLACED,
                kind(1, properties=Properties(topic_alias=1, reason_string=""))),
    )
))
# fmt: on


@refused_acknowledgements
def test_refused_acknowledgements(row: Refused) -> None:
    check_refused(row)


@pytest.mark.parametrize("kind", [PubAck, PubRec, PubRel, PubComp])
def test_a_reason_code_becomes_a_member(kind: AcknowledgementType) -> None:
    assert kind(1).reason_code is ReasonCode.SUCCESS
    assert kind(1, 0x92).reason_code is ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    with pytest.raises(InvalidValueError) as caught:
        kind(1, 5)
    assert caught.value.statement == Statement("5.0", "section 2.4")


def test_more_topics_than_are_kept_are_encoded_all_the_same() -> None:
    for number in [*range(1_500), 0, 1, 1_499]:
        topic = f"plant/{number}"
        assert Publish(topic, b"x").encode(4)[2:] == sized(topic.encode()) + b"x"
        head = plain_head(topic, 1, 5)
        assert b"".join(head) + b"x" == Publish(topic, b"x").encode(5)


@every_version
@pytest.mark.parametrize("topic", ["a", "é", "t" * 125, "t" * 126, "t" * 127, "t" * 300])
@pytest.mark.parametrize("size", [0, 1, 2, 100, 128, 20_000])
def test_the_head_of_a_plain_message_is_that_of_its_packet(
    topic: str, size: int, version: str
) -> None:
    level = int(VERSIONS[version])
    for _ in range(2):  # what is kept of the first is used for the second
        head = plain_head(topic, size, level)
        assert b"".join(head) + bytes(size) == Publish(topic, bytes(size)).encode(level)


@every_version
@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0", "\ud800", "t" * 65_536])
def test_there_is_no_head_for_a_topic_that_cannot_be_sent(topic: str, version: str) -> None:
    level = int(VERSIONS[version])
    with pytest.raises(InvalidValueError):
        plain_head(topic, 0, level)
    with pytest.raises(InvalidValueError):
        Publish(topic).encode(level)


def test_what_is_no_topic_has_no_head() -> None:
    with pytest.raises(TypeError, match="str"):
        plain_head(7, 0, 5)  # type: ignore[arg-type]
