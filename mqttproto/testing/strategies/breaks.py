"""What can be done to a legal packet so that it breaks a rule.

Each function here either is a break, which makes a packet of a case, or returns one. Nothing else
is wrong with the packet, and the position of the fault is where it can first be known.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.properties import PROPERTIES, WILL, PropertyRow, WireType
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.codec.wire import varint
from mqttproto.constants import MAX_REMAINING_LENGTH, PacketType, ProtocolVersion, Sender
from mqttproto.testing.strategies.properties import legal_rows, single_properties
from mqttproto.testing.strategies.streams import padded
from mqttproto.testing.strategies.templates import (
    PASSWORD_FLAG,
    USER_NAME_FLAG,
    WILL_FLAG,
    Broken,
    Template,
    sized,
)
from mqttproto.testing.strategies.topics import shared_filters, topic_names
from mqttproto.testing.strategies.values import reused, strings

__all__ = [
    "ILL_FORMED",
    "NULL",
    "WILDCARD",
    "Break",
    "Case",
    "authentication_data_alone",
    "authentication_method_missing",
    "block_beyond_packet",
    "block_length_endless",
    "block_length_padded",
    "block_length_unfinished",
    "code",
    "connect_flags",
    "cut",
    "filters",
    "flags",
    "length_endless",
    "length_other_than",
    "length_padded",
    "no_local_shared",
    "nothing_in",
    "one_of",
    "password_alone",
    "property_cut",
    "property_misplaced",
    "property_not_0_or_1",
    "property_present",
    "property_repeated",
    "property_string",
    "property_unknown",
    "property_value",
    "protocol_level",
    "protocol_name",
    "publish_flags",
    "reserved_options",
    "reserved_type",
    "response_topic_wildcard",
    "session_present",
    "string",
    "too_large",
    "topic_missing",
    "trailing_bytes",
    "unchanged",
    "will_flags_alone",
    "zeros",
]

MQTT31 = ProtocolVersion.MQTT31
MQTT5 = ProtocolVersion.MQTT5

ILL_FORMED = st.sampled_from(
    [
        b"\x80",  # a continuation of nothing
        b"\xc0\x80",  # two bytes for U+0000, as Java has it
        b"\xe0\x80\xaf",  # three bytes for a slash
        b"\xe2\x82",  # two bytes of three
        b"\xed\xa0\x80",  # a surrogate
        b"\xf4\x90\x80\x80",  # above U+10FFFF
        b"\xff",
    ]
)
"""What is no UTF-8, whatever valid text follows."""

NULL = st.just(b"\0")
"""U+0000."""

WILDCARD = st.sampled_from([b"+", b"#", b"+/", b"#/"])
"""What no topic name may have."""

_ROWS = {row.name: row for row in PROPERTIES}
_METHOD = _ROWS["authentication_method"]
_DATA = _ROWS["authentication_data"]


class Case(NamedTuple):
    """What a break works on.

    :ivar draw: draws from strategies.
    :ivar packet: the type of the packet.
    :ivar version: the version of the connection.
    :ivar sender: the end that sends the packet.
    :ivar field: the field to be broken, if it is one; the template has it.
    :ivar template: a legal packet.
    """

    draw: DrawFn
    packet: PacketType
    version: ProtocolVersion
    sender: Sender
    field: str
    template: Template

    def broken(self, before: bytes, rest: bytes) -> Broken:
        """The packet with ``before`` and ``rest`` in the field, and the fault where they meet."""
        return self.template.broken(self.field, before, rest)

    @property
    def block(self) -> int:
        """Whose properties the field has: a packet type, or 0 for the Will Properties."""
        return WILL if self.field == "will_properties" else self.packet

    @property
    def rows(self) -> list[PropertyRow]:
        """The properties that may stand in the field."""
        return legal_rows(self.block, self.sender)


Break = Callable[[Case], Broken]


def _one_byte(numbers: Collection[int]) -> SearchStrategy[bytes]:
    """One byte that is one of these numbers."""
    return st.sampled_from(sorted(numbers)).map(lambda number: bytes((number,)))


def _all_but(numbers: Collection[int]) -> list[int]:
    return [number for number in range(0x100) if number not in numbers]


# The fixed header. Where its first byte is enough, the rest of the packet is there all the same.


def _starting(first: int, template: Template) -> Broken:
    body = template.body
    return Broken(bytes((first,)) + varint(len(body)) + body, 0)


def unchanged(case: Case) -> Broken:
    """The packet is legal, but not here."""
    return _starting(case.template.first, case.template)


def reserved_type(case: Case) -> Broken:
    """A packet type that the version does not have."""
    firsts = [*range(0x10)]
    if case.version != MQTT5:
        firsts += range(0xF0, 0x100)
    return _starting(case.draw(st.sampled_from(firsts)), case.template)


def flags(case: Case) -> Broken:
    """Wrong flags in a packet that has no choice of them."""
    legal = {case.template.first}
    if case.version == MQTT31 and case.template.first & 0b1111:
        legal.add(case.template.first | 0b1000)  # 3.1 has DUP where others reserve the bit
    kind = case.template.first & 0b1111_0000
    wrong = [first for first in range(kind, kind + 0x10) if first not in legal]
    return _starting(case.draw(st.sampled_from(wrong)), case.template)


def publish_flags(*numbers: int) -> Break:
    """A PUBLISH with one of these four bits of flags."""

    def make(case: Case) -> Broken:
        first = PacketType.PUBLISH << 4 | case.draw(st.sampled_from(numbers))
        return _starting(first, case.template.without("packet_id"))

    return make


def length_endless(case: Case) -> Broken:
    """A Remaining Length whose fourth byte is not its last."""
    return Broken(bytes((case.template.first,)) + case.draw(_endless()), 1)


@reused
def _endless() -> SearchStrategy[bytes]:
    return st.lists(st.integers(0x80, 0xFF), min_size=4, max_size=4).map(bytes)


def length_padded(case: Case) -> Broken:
    """A Remaining Length with more bytes than it needs."""
    body = case.template.body
    length = case.draw(st.sampled_from(padded(len(body))))
    return Broken(bytes((case.template.first,)) + length + body, 1)


def length_other_than(*legal: int) -> Break:
    """A Remaining Length of up to five that is none of these."""
    wrong = [size for size in range(6) if size not in legal]

    def make(case: Case) -> Broken:
        size = case.draw(st.sampled_from(wrong))
        body = case.draw(st.binary(min_size=size, max_size=size))
        return Broken(bytes((case.template.first, size)) + body, 1)

    return make


def too_large(case: Case) -> Broken:
    """The start of a packet that is too large for its receiver."""
    # The limit is far above the packets before; Remaining Lengths near it have three bytes.
    limit = case.draw(st.integers(100_000, 1_000_000))
    just_too_large = limit + 1 - (1 + 3)
    sizes = st.one_of(st.just(just_too_large), st.integers(limit, MAX_REMAINING_LENGTH))
    return Broken(bytes((case.template.first,)) + varint(case.draw(sizes)), 0, limit)


# Fields.


def zeros(case: Case) -> Broken:
    """Two bytes of zero: an empty string, or no packet identifier."""
    return case.broken(b"", b"\0\0")


def one_of(*numbers: int) -> Break:
    """A field of one byte is one of these."""
    return lambda case: case.broken(b"", case.draw(_one_byte(numbers)))


def cut(least: int = 0, most: int = 65_535) -> Break:
    """The packet ends within the field, behind ``least`` to ``most`` of its bytes."""

    def make(case: Case) -> Broken:
        value = case.template.fields[case.field]
        size = case.draw(st.integers(least, min(most, len(value) - 1)))
        return case.template.up_to(case.field).broken(case.field, b"", value[:size])

    return make


def nothing_in(*names: str) -> Break:
    """The packet ends where these fields should begin."""
    return lambda case: case.template.without(*names).followed_by(b"")


def trailing_bytes(case: Case) -> Broken:
    """The packet goes on behind its last field."""
    return case.template.followed_by(case.draw(st.binary(min_size=1, max_size=8)))


def string(wrong: SearchStrategy[bytes]) -> Break:
    """The field is a string that is legal up to something wrong."""
    return lambda case: case.broken(*case.draw(_wrong_strings(wrong)))


@reused
@st.composite
def _wrong_strings(draw: DrawFn, wrong: SearchStrategy[bytes]) -> tuple[bytes, bytes]:
    """A string with its length, up to something wrong and from there on."""
    before = draw(strings(exclude="+#")).encode()
    rest = draw(wrong) + draw(strings(exclude="+#")).encode()
    return (len(before) + len(rest)).to_bytes(2, "big") + before, rest


def filters(*wrong: str, deeper: bool = False) -> Break:
    """The field is one of these topic filters; with ``deeper`` behind other levels, or not."""

    def make(case: Case) -> Broken:
        text = case.draw(st.sampled_from(wrong))
        if deeper and case.draw(st.booleans()):
            text = f"{case.draw(topic_names())}/{text}"
        return case.broken(b"", sized(text.encode()))

    return make


def no_local_shared(case: Case) -> Broken:
    """A SUBSCRIBE that asks for No Local on a shared subscription."""
    shared = case.template.having(topic_filter=sized(case.draw(shared_filters()).encode()))
    options = case.draw(_one_byte((0b0000_0100, 0b0000_0101, 0b0010_1110)))
    return shared.broken("options", b"", options)


def reserved_options(case: Case) -> Broken:
    """Subscription options with reserved bits; before 5.0 a QoS of 3 is no better."""
    least = 0b0100_0000 if case.version == MQTT5 else 0b0000_0011
    return case.broken(b"", case.draw(_one_byte(range(least, 0x100))))


def topic_missing(case: Case) -> Broken:
    """A PUBLISH with neither a Topic Name nor a Topic Alias."""
    template = case.template
    if case.version == MQTT5:
        template = template.having(properties=b"\0")
    return template.broken("topic", b"", sized(b""))


def protocol_name(case: Case) -> Broken:
    """A CONNECT with a name of another protocol."""
    names = st.one_of(st.sampled_from(["", "MQTt", "MQTT5", "MQIsdP"]), strings())
    name = case.draw(names.filter(lambda text: text not in ("MQTT", "MQIsdp")))
    return case.broken(b"", sized(name.encode()))


def protocol_level(case: Case) -> Broken:
    """A CONNECT with a level that does not go with its protocol name."""
    legal = (3,) if case.version == MQTT31 else (4, 5)
    return case.broken(b"", case.draw(_one_byte(_all_but(legal))))


def connect_flags(put: int) -> Break:
    """A CONNECT with these flags in addition to its own."""
    return lambda case: _with_flags(case.template, put)


def _with_flags(template: Template, put: int, clear: int = 0) -> Broken:
    legal = template.fields["flags"][0]
    return template.broken("flags", b"", bytes((legal & ~clear | put,)))


def will_flags_alone(*put: int) -> Break:
    """A CONNECT without a will, but with one of these flags for it."""

    def make(case: Case) -> Broken:
        template = case.template.without("will_properties", "will_topic", "will_payload")
        return _with_flags(template, case.draw(st.sampled_from(put)), WILL_FLAG | 0b0011_1000)

    return make


def password_alone(case: Case) -> Broken:
    """A CONNECT with a password, but without a user name."""
    return _with_flags(case.template.without("user_name"), PASSWORD_FLAG, USER_NAME_FLAG)


def session_present(case: Case) -> Broken:
    """A CONNACK that refuses the connection, and says that there is a session."""
    of_5 = REASON_CODES[PacketType.CONNACK, Sender.SERVER] - {0}
    codes = _one_byte(of_5 if case.version == MQTT5 else range(1, 6))
    return case.template.having(code=case.draw(codes)).broken("flags", b"", b"\1")


def code(case: Case) -> Broken:
    """A code that this end must not put into this packet."""
    legal: Collection[int]
    if case.version == MQTT5:
        legal = REASON_CODES[case.packet, case.sender]
    elif case.packet is PacketType.CONNACK:
        legal = range(6)
    else:
        legal = (0, 1, 2) if case.version == MQTT31 else (0, 1, 2, 0x80)
    return case.broken(b"", case.draw(_one_byte(_all_but(legal))))


def authentication_method_missing(case: Case) -> Broken:
    """An AUTH with a body, but without an Authentication Method."""
    block = case.draw(st.one_of(_user_properties(), _property(_DATA)))
    template = case.template.having(properties=varint(len(block)) + block)
    return template.broken("code", b"", b"\x18")


# Property blocks.


@reused
def _property(row: PropertyRow) -> SearchStrategy[bytes]:
    """This property once, as it stands on the wire."""
    return single_properties(row).map(lambda single: single.block())


@reused
def _user_properties() -> SearchStrategy[bytes]:
    return st.lists(_property(_ROWS["user_properties"]), max_size=2).map(b"".join)


def _in_block(case: Case, before: bytes, rest: bytes, *, last: bool = False) -> Broken:
    """A block with ``before`` and ``rest`` among legal properties, and the fault between them.

    There is an Authentication Method where there may be one: AUTH needs it, and Authentication
    Data may.

    :param last: nothing follows in the block.
    """
    legal = case.draw(_user_properties())
    if _METHOD in case.rows and (before + rest)[0] != _METHOD.id:
        legal += case.draw(_property(_METHOD))
    before = legal + before
    if not last:
        rest += case.draw(_user_properties())
    return case.broken(varint(len(before) + len(rest)) + before, rest)


def property_unknown(case: Case) -> Broken:
    """An identifier that no property has."""
    known = [row.id for row in PROPERTIES]
    return _in_block(case, b"", case.draw(_one_byte(_all_but(known))))


def property_misplaced(case: Case) -> Broken:
    """A property that this packet does not have, from whomever."""
    rows = [row for row in PROPERTIES if not row.packets >> case.block & 1]
    return _in_block(case, b"", case.draw(st.sampled_from(rows).flatmap(_property)))


def property_repeated(case: Case) -> Broken:
    """A property twice that may stand in this packet only once."""
    rows = [row for row in case.rows if not row.repeatable >> case.block & 1]
    row = case.draw(st.sampled_from(rows))
    return _in_block(case, case.draw(_property(row)), case.draw(_property(row)))


def property_present(name: str) -> Break:
    """A property that only the other end may put into this packet."""
    return lambda case: _in_block(case, b"", case.draw(_property(_ROWS[name])))


def property_value(name: str, value: bytes) -> Break:
    """A property with this value, which it must not have."""
    return lambda case: _in_block(case, bytes((_ROWS[name].id,)), value)


def property_not_0_or_1(case: Case) -> Broken:
    """A property that must be 0 or 1, but is not."""
    row = case.draw(st.sampled_from([row for row in case.rows if row.wire == WireType.BYTE]))
    return _in_block(case, bytes((row.id,)), case.draw(_one_byte(range(2, 0x100))))


def property_string(wrong: SearchStrategy[bytes]) -> Break:
    """A property with a string that is legal up to something wrong."""
    wires = (WireType.UTF8, WireType.TOPIC_NAME, WireType.PAIR)

    def make(case: Case) -> Broken:
        row = case.draw(st.sampled_from([row for row in case.rows if row.wire in wires]))
        before, rest = case.draw(_wrong_strings(wrong))
        if row.wire == WireType.PAIR:
            other = sized(case.draw(strings()).encode())
            if case.draw(st.booleans()):
                rest += other
            else:
                before = other + before
        return _in_block(case, bytes((row.id,)) + before, rest)

    return make


def response_topic_wildcard(case: Case) -> Broken:
    """A Response Topic with a wildcard."""
    before, rest = case.draw(_wrong_strings(WILDCARD))
    return _in_block(case, bytes((_ROWS["response_topic"].id,)) + before, rest)


def property_cut(case: Case) -> Broken:
    """The block ends within the value of a property."""
    row = case.draw(st.sampled_from(case.rows))
    value = case.draw(_property(row))
    before, value = value[:1], value[1:]
    if row.wire == WireType.PAIR:
        middle = 2 + int.from_bytes(value[:2], "big")
        if case.draw(st.booleans()):
            before, value = before + value[:middle], value[middle:]
        else:
            value = value[:middle]
    size = case.draw(st.integers(0, len(value) - 1))
    return _in_block(case, before, value[:size], last=True)


def block_beyond_packet(case: Case) -> Broken:
    """A Property Length that goes beyond the packet."""
    names = [*case.template.fields]
    behind = names[names.index(case.field) + 1 :]
    left = sum(len(case.template.fields[name]) for name in behind)
    return case.broken(b"", varint(case.draw(st.integers(left + 1, MAX_REMAINING_LENGTH))))


def block_length_endless(case: Case) -> Broken:
    """A Property Length whose fourth byte is not its last."""
    return case.broken(b"", case.draw(_endless()))


def block_length_unfinished(case: Case) -> Broken:
    """The packet ends within a Property Length."""
    length = case.draw(st.lists(st.integers(0x80, 0xFF), min_size=1, max_size=3))
    return case.template.up_to(case.field).broken(case.field, b"", bytes(length))


def block_length_padded(case: Case) -> Broken:
    """A Property Length with more bytes than it needs."""
    block = case.draw(_user_properties())
    if _METHOD in case.rows:
        block += case.draw(_property(_METHOD))
    return case.broken(b"", case.draw(st.sampled_from(padded(len(block)))) + block)


def authentication_data_alone(case: Case) -> Broken:
    """A CONNECT with Authentication Data, but without an Authentication Method."""
    block = case.draw(_user_properties()) + case.draw(_property(_DATA))
    return case.broken(b"", varint(len(block)) + block)
