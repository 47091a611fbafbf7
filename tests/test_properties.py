"""The table of properties, against table 2-4 of 5.0, and the checker that reads it."""

from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from mqttproto.codec.faults import Fault
from mqttproto.codec.properties import (
    BY_ID,
    PROPERTIES,
    WILL,
    WireType,
    bits,
    check_block,
    property_row,
)
from mqttproto.codec.wire import FaultFound
from mqttproto.constants import PacketType

EITHER, CLIENT, SERVER = 0, 1, 2

ACKNOWLEDGEMENTS = "PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK"
REQUESTS = "CONNECT PUBLISH WILL SUBSCRIBE UNSUBSCRIBE"
EVERYWHERE = f"{REQUESTS} CONNACK {ACKNOWLEDGEMENTS} DISCONNECT AUTH"

# Table 2-4: identifier, name, type, and the packets or Will Properties that may have it.
TABLE_2_4 = f"""
    01 | Payload Format Indicator          | Byte   | PUBLISH WILL
    02 | Message Expiry Interval           | Four   | PUBLISH WILL
    03 | Content Type                      | String | PUBLISH WILL
    08 | Response Topic                    | String | PUBLISH WILL
    09 | Correlation Data                  | Binary | PUBLISH WILL
    0B | Subscription Identifier           | Varint | PUBLISH SUBSCRIBE
    11 | Session Expiry Interval           | Four   | CONNECT CONNACK DISCONNECT
    12 | Assigned Client Identifier        | String | CONNACK
    13 | Server Keep Alive                 | Two    | CONNACK
    15 | Authentication Method             | String | CONNECT CONNACK AUTH
    16 | Authentication Data               | Binary | CONNECT CONNACK AUTH
    17 | Request Problem Information       | Byte   | CONNECT
    18 | Will Delay Interval               | Four   | WILL
    19 | Request Response Information      | Byte   | CONNECT
    1A | Response Information              | String | CONNACK
    1C | Server Reference                  | String | CONNACK DISCONNECT
    1F | Reason String                     | String | CONNACK {ACKNOWLEDGEMENTS} DISCONNECT AUTH
    21 | Receive Maximum                   | Two    | CONNECT CONNACK
    22 | Topic Alias Maximum               | Two    | CONNECT CONNACK
    23 | Topic Alias                       | Two    | PUBLISH
    24 | Maximum QoS                       | Byte   | CONNACK
    25 | Retain Available                  | Byte   | CONNACK
    26 | User Property                     | Pair   | {EVERYWHERE}
    27 | Maximum Packet Size               | Four   | CONNECT CONNACK
    28 | Wildcard Subscription Available   | Byte   | CONNACK
    29 | Subscription Identifier Available | Byte   | CONNACK
    2A | Shared Subscription Available     | Byte   | CONNACK
"""

# A legal value of each type.
VALUES = {
    "Byte": b"\1",
    "Two": b"\1\2",
    "Four": b"\1\2\3\4",
    "Varint": b"\x81\1",
    "String": b"\0\2ab",
    "Binary": b"\0\2\0\xff",
    "Pair": b"\0\2ab\0\1c",
}

WIRE_TYPES = {
    "Byte": WireType.BYTE,
    "Two": WireType.U16,
    "Four": WireType.U32,
    "Varint": WireType.VARINT,
    "String": WireType.UTF8,
    "Binary": WireType.BINARY,
    "Pair": WireType.PAIR,
}

# The blocks that there are: one for each packet type, and that of the will.
BLOCKS = {kind.name: int(kind) for kind in PacketType} | {"WILL": WILL}


class Entry(NamedTuple):
    """A row of table 2-4."""

    id: int
    name: str
    kind: str
    packets: list[str]

    @property
    def encoded(self) -> bytes:
        """The property with a legal value."""
        return bytes((self.id,)) + VALUES[self.kind]

    @property
    def attribute(self) -> str:
        """The name in Python; what may stand more than once is a plural."""
        plurals = {
            "Subscription Identifier": "Subscription Identifiers",
            "User Property": "User Properties",
        }
        return plurals.get(self.name, self.name).lower().replace(" ", "_")


def rows_of_table_2_4() -> list[Entry]:
    rows = [[cell.strip() for cell in line.split("|")] for line in TABLE_2_4.strip().splitlines()]
    return [Entry(int(id, 16), name, kind, packets.split()) for id, name, kind, packets in rows]


ENTRIES = rows_of_table_2_4()
BY_NAME = {entry.name: entry for entry in ENTRIES}

every_property = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.attribute)


def check(block: bytes, packet: str, sender: int = EITHER) -> int | tuple[Fault, int]:
    """What the checker finds in a block that lies among other bytes: what is there, or a fault."""
    data = b"\xff" * 5 + block + b"\x26\0\0\0\0"
    try:
        return check_block(data, 5, 5 + len(block), BLOCKS[packet], sender)
    except FaultFound as found:
        return Fault(found.fault), found.position - 5


def holds(*entries: Entry) -> int:
    """The identifiers of properties, each as a bit."""
    return sum(1 << entry.id for entry in entries)


# --- the table -------------------------------------------------------------------------------


@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_the_table_holds_the_27_properties_in_order() -> None:
    assert len(ENTRIES) == 27
    assert [(row.id, row.name) for row in PROPERTIES] == [
        (entry.id, entry.attribute) for entry in ENTRIES
    ]


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_type_and_packets(entry: Entry) -> None:
    row = property_row(entry.id)
    wire = WIRE_TYPES[entry.kind]
    assert row.wire == (WireType.TOPIC_NAME if entry.name == "Response Topic" else wire)
    assert row.packets == sum(1 << BLOCKS[packet] for packet in entry.packets)


def test_rows_are_found_by_their_identifier() -> None:
    assert [row for row in BY_ID if row is not None] == list(PROPERTIES)
    assert all(row is None or row.id == number for number, row in enumerate(BY_ID))
    assert property_row(0x26).name == "user_properties"


def test_a_set_of_packets() -> None:
    assert bits() == 0
    assert bits(WILL) == 1
    assert bits(PacketType.CONNECT, PacketType.AUTH, WILL) == 0b1000_0000_0000_0011


@every_property
def test_only_numbers_have_a_range(entry: Entry) -> None:
    row = property_row(entry.id)
    most = {"Byte": 1, "Two": 0xFFFF, "Four": 0xFFFF_FFFF, "Varint": 268_435_455}
    assert row.high == most.get(entry.kind, 0)


# --- where a property may stand --------------------------------------------------------------


@every_property
@pytest.mark.parametrize("packet", BLOCKS)
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_a_property_stands_where_the_table_says(entry: Entry, packet: str) -> None:
    if packet in entry.packets:
        assert check(entry.encoded, packet) == holds(entry)
    else:
        assert check(entry.encoded, packet) == (Fault.PROPERTY_MISPLACED, 0)


@pytest.mark.parametrize("packet", BLOCKS)
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_all_properties_of_a_packet_at_once(packet: str) -> None:
    legal = [entry for entry in ENTRIES if packet in entry.packets]
    for order in (legal, legal[::-1]):
        assert check(b"".join(entry.encoded for entry in order), packet) == holds(*legal)


@pytest.mark.spec("5.0", "MQTT-2.2.2-1", role="both")
def test_an_empty_block() -> None:
    assert check(b"", "PUBLISH") == 0


@pytest.mark.parametrize("number", sorted(set(range(256)) - {entry.id for entry in ENTRIES}))
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_other_identifiers_are_malformed(number: int) -> None:
    content_type = BY_NAME["Content Type"].encoded
    assert check(content_type + bytes((number, 0, 0)), "PUBLISH") == (
        Fault.PROPERTY_UNKNOWN,
        len(content_type),
    )


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_a_repeated_property_is_a_protocol_error(entry: Entry) -> None:
    for packet in entry.packets:
        first = entry.encoded
        again = check(first + first, packet, EITHER)
        if entry.name == "User Property" or (entry.name, packet) == (
            "Subscription Identifier",
            "PUBLISH",
        ):
            assert again == holds(entry)
        else:
            assert again == (Fault.PROPERTY_REPEATED, len(first))


@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_a_repetition_is_found_behind_other_properties() -> None:
    alias, user = BY_NAME["Topic Alias"].encoded, BY_NAME["User Property"].encoded
    assert check(alias + user + user + alias, "PUBLISH") == (
        Fault.PROPERTY_REPEATED,
        len(alias + user + user),
    )


# --- who may send it -------------------------------------------------------------------------

WRONG_SENDERS = [
    (
        "Subscription Identifier",
        "PUBLISH",
        CLIENT,
        Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT,
        "MQTT-3.3.4-6",
    ),
    (
        "Session Expiry Interval",
        "DISCONNECT",
        SERVER,
        Fault.SESSION_EXPIRY_FROM_SERVER,
        "MQTT-3.14.2-2",
    ),
    (
        "Server Reference",
        "DISCONNECT",
        CLIENT,
        Fault.SERVER_REFERENCE_FROM_CLIENT,
        "section 3.14.2.2.5",
    ),
]


@pytest.mark.parametrize(
    ("name", "packet", "sender", "fault"),
    [
        pytest.param(
            name,
            packet,
            sender,
            fault,
            id=name,
            marks=pytest.mark.spec("5.0", statement, role="both"),
        )
        for name, packet, sender, fault, statement in WRONG_SENDERS
    ],
)
def test_the_wrong_sender(name: str, packet: str, sender: int, fault: Fault) -> None:
    block = BY_NAME[name].encoded
    user = BY_NAME["User Property"].encoded
    assert check(user + block, packet, sender) == (fault, len(user))
    other = CLIENT if sender == SERVER else SERVER
    assert check(block, packet, other) == holds(BY_NAME[name])
    assert check(block, packet, EITHER) == holds(BY_NAME[name])


@every_property
def test_the_sender_makes_no_other_difference(entry: Entry) -> None:
    for packet in entry.packets:
        for sender in (CLIENT, SERVER):
            if (entry.name, packet, sender) not in {row[:3] for row in WRONG_SENDERS}:
                assert check(entry.encoded, packet, sender) == holds(entry)


# --- values ----------------------------------------------------------------------------------

# Name, packet, legal values, illegal values, and where 5.0 says so: §, or an id without its MQTT-.
RANGES = """
    Payload Format Indicator          | PUBLISH   | 00 01             | 02 FF    | §3.3.2.3.2
    Payload Format Indicator          | WILL      | 00 01             | 02 FF    | §3.1.3.2.3
    Request Problem Information       | CONNECT   | 00 01             | 02       | §3.1.2.11.7
    Request Response Information      | CONNECT   | 00 01             | 02       | §3.1.2.11.6
    Maximum QoS                       | CONNACK   | 00 01             | 02 03 FF | §3.2.2.3.4
    Retain Available                  | CONNACK   | 00 01             | 02       | §3.2.2.3.5
    Wildcard Subscription Available   | CONNACK   | 00 01             | 02       | §3.2.2.3.11
    Subscription Identifier Available | CONNACK   | 00 01             | 02       | §3.2.2.3.12
    Shared Subscription Available     | CONNACK   | 00 01             | 02       | §3.2.2.3.13
    Receive Maximum                   | CONNECT   | 0001 FFFF         | 0000     | §3.1.2.11.3
    Receive Maximum                   | CONNACK   | 0001 FFFF         | 0000     | §3.2.2.3.3
    Maximum Packet Size               | CONNECT   | 00000001 FFFFFFFF | 00000000 | §3.1.2.11.4
    Maximum Packet Size               | CONNACK   | 00000001 FFFFFFFF | 00000000 | §3.2.2.3.6
    Topic Alias                       | PUBLISH   | 0001 FFFF         | 0000     | 3.3.2-8
    Topic Alias Maximum               | CONNECT   | 0000 FFFF         | -        | §3.1.2.11.5
    Topic Alias Maximum               | CONNACK   | 0000 FFFF         | -        | §3.2.2.3.8
    Server Keep Alive                 | CONNACK   | 0000 FFFF         | -        | §3.2.2.3.14
    Message Expiry Interval           | PUBLISH   | 00000000 FFFFFFFF | -        | §3.3.2.3.3
    Session Expiry Interval           | CONNECT   | 00000000 FFFFFFFF | -        | §3.1.2.11.2
    Will Delay Interval               | WILL      | 00000000 FFFFFFFF | -        | §3.1.3.2.2
    Subscription Identifier           | SUBSCRIBE | 01 FFFFFF7F       | 00       | §3.8.2.1.2
    Subscription Identifier           | PUBLISH   | 01 FFFFFF7F       | 00       | §3.3.2.3.8
"""

RANGE_FAULTS = {
    "Receive Maximum": Fault.RECEIVE_MAXIMUM_ZERO,
    "Maximum Packet Size": Fault.MAXIMUM_PACKET_SIZE_ZERO,
    "Topic Alias": Fault.TOPIC_ALIAS_ZERO,
    "Subscription Identifier": Fault.SUBSCRIPTION_IDENTIFIER_ZERO,
}


def ranges() -> list[ParameterSet]:
    parameters = []
    for line in RANGES.strip().splitlines():
        name, packet, legal, illegal, at = (cell.strip() for cell in line.split("|"))
        statement = f"section {at[1:]}" if at.startswith("§") else f"MQTT-{at}"
        parameters.append(
            pytest.param(
                name,
                packet,
                [bytes.fromhex(value) for value in legal.split()],
                [bytes.fromhex(value) for value in illegal.split() if value != "-"],
                id=f"{name}-{packet}",
                marks=pytest.mark.spec("5.0", statement, role="both"),
            )
        )
    return parameters


@pytest.mark.parametrize(("name", "packet", "legal", "illegal"), ranges())
def test_the_range_of_a_number(
    name: str, packet: str, legal: list[bytes], illegal: list[bytes]
) -> None:
    entry = BY_NAME[name]
    key = bytes((entry.id,))
    fault = RANGE_FAULTS.get(name, Fault.PROPERTY_NOT_0_OR_1)
    for value in legal:
        assert check(key + value, packet) == holds(entry)
    for value in illegal:
        assert check(key + value, packet) == (fault, 1)


@pytest.mark.parametrize("kind", ["Byte", "Two", "Four", "Varint"])
def test_no_number_is_left_out(kind: str) -> None:
    covered = {line.split("|")[0].strip() for line in RANGES.strip().splitlines()}
    assert covered >= {entry.name for entry in ENTRIES if entry.kind == kind}


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.1", role="both")
def test_a_value_that_goes_beyond_the_block(entry: Entry) -> None:
    user = BY_NAME["User Property"].encoded
    for size in range(len(VALUES[entry.kind])):
        # The second string of a pair is a field of its own.
        field = 4 if entry.kind == "Pair" and size >= 4 else 0
        assert check(user + entry.encoded[: 1 + size], entry.packets[0]) == (
            Fault.TRUNCATED,
            len(user) + 1 + field,
        )


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("8000", Fault.LENGTH_NOT_MINIMAL),
        ("81808000", Fault.LENGTH_NOT_MINIMAL),
        ("8080808001", Fault.LENGTH_OVER_FOUR_BYTES),
    ],
)
@pytest.mark.spec("5.0", "MQTT-1.5.5-1", role="both")
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
def test_a_subscription_identifier_is_a_variable_byte_integer(value: str, fault: Fault) -> None:
    assert check(b"\x0b" + bytes.fromhex(value), "PUBLISH") == (fault, 1)


STRINGS = {
    "Content Type": "MQTT-3.3.2-19",
    "Response Topic": "MQTT-3.3.2-13",
    "Assigned Client Identifier": "section 3.2.2.3.7",
    "Authentication Method": "section 3.1.2.11.9",
    "Response Information": "section 3.2.2.3.15",
    "Server Reference": "section 3.2.2.3.16",
    "Reason String": "section 3.2.2.3.9",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.spec("5.0", statement, role="both"))
        for name, statement in STRINGS.items()
    ],
)
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-2", role="both")
def test_strings_are_utf8(name: str) -> None:
    entry = BY_NAME[name]
    key, packet = bytes((entry.id,)), entry.packets[0]
    assert check(key + b"\0\4\xf0\x9f\x98\x80", packet) == holds(entry)
    assert check(key + b"\0\3a\xff\0", packet) == (Fault.UTF8, 4)
    assert check(key + b"\0\3\xed\xa0\x80", packet) == (Fault.UTF8, 3)
    assert check(key + b"\0\3ab\0", packet) == (Fault.NULL_CHARACTER, 5)
    # Other properties may be empty, a topic name may not.
    empty = (Fault.NAME_EMPTY, 1) if name == "Response Topic" else holds(entry)
    assert check(key + b"\0\0", packet) == empty


def test_no_string_is_left_out() -> None:
    assert {entry.name for entry in ENTRIES if entry.kind == "String"} == set(STRINGS)


@pytest.mark.spec("5.0", "MQTT-3.3.2-14", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="both")
def test_the_response_topic_is_a_topic_name() -> None:
    assert check(b"\x08\0\3a/b", "PUBLISH") == 1 << 8
    for packet in ("PUBLISH", "WILL"):
        assert check(b"\x08\0\3a/+", packet) == (Fault.RESPONSE_TOPIC_WILDCARD, 5)
        assert check(b"\x08\0\3#/b", packet) == (Fault.RESPONSE_TOPIC_WILDCARD, 3)
        assert check(b"\x08\0\0", packet) == (Fault.NAME_EMPTY, 1)


@pytest.mark.spec("5.0", "section 1.5.6", role="both")
def test_binary_data_may_be_anything() -> None:
    for name, packet in (("Correlation Data", "WILL"), ("Authentication Data", "AUTH")):
        entry = BY_NAME[name]
        key = bytes((entry.id,))
        assert check(key + b"\0\0", packet) == holds(entry)
        assert check(key + b"\0\4\0\xff\xed\xa0", packet) == holds(entry)


@pytest.mark.spec("5.0", "MQTT-1.5.7-1", role="both")
def test_both_strings_of_a_pair_are_utf8() -> None:
    assert check(b"\x26\0\0\0\0", "AUTH") == 1 << 0x26
    assert check(b"\x26\0\1\xff\0\1a", "AUTH") == (Fault.UTF8, 3)
    assert check(b"\x26\0\1a\0\1\xff", "AUTH") == (Fault.UTF8, 6)
    assert check(b"\x26\0\1\0\0\1a", "AUTH") == (Fault.NULL_CHARACTER, 3)
    assert check(b"\x26\0\1a\0\1\0", "AUTH") == (Fault.NULL_CHARACTER, 6)
