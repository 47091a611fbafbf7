"""Byte streams: one direction of a connection, and the ways in which it can arrive."""

from itertools import accumulate, pairwise
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.connect import ConnAck, Disconnect
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, PubRec, PubRel
from mqttproto.codec.wire import varint
from mqttproto.constants import PacketType, ProtocolVersion, Sender
from mqttproto.testing.strategies.packets import connacks, connects, packets_of_type, types_from
from mqttproto.testing.strategies.values import any_sender, any_version, reused

__all__ = [
    "OPENING",
    "Stream",
    "beginnings",
    "cuttings",
    "joined",
    "mutations",
    "padded",
    "wire_bytes",
    "wire_forms",
]

OPENING = {Sender.CLIENT: PacketType.CONNECT, Sender.SERVER: PacketType.CONNACK}
"""The packet that comes first, and only first."""

_MOST_BETWEEN = 4
_LONGEST_VARINT = 4
_DUP = 0b1000
_TELLING = [b"\0", b"\x7f", b"\x80", b"\xff", b"+", b"#"]
"""Bytes at the limits of fields, and those that topics must not have."""

_WITH_DUP_IN_31 = (PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE)


class Stream(NamedTuple):
    """The bytes that one end sends, and what they decode to.

    :ivar version: the version that all of it is in.
    :ivar sender: the end that sends it.
    :ivar data: the bytes.
    :ivar packets: the packets that they are.
    :ivar offsets: where in ``data`` each of these begins.
    """

    version: ProtocolVersion
    sender: Sender
    data: bytes
    packets: list[Packet]
    offsets: list[int]


@reused
def wire_bytes(
    version: ProtocolVersion | int | None = None,
    sender: Sender | str | None = None,
    *,
    connected: bool = False,
) -> SearchStrategy[Stream]:
    """Streams of up to six packets, each in one of the forms of :func:`wire_forms`.

    A client's starts with its only CONNECT, a server's with its only CONNACK, behind which nothing
    follows if it refuses the connection. Nothing follows behind a DISCONNECT.

    :param version: 3, 4 or 5; None draws it.
    :param sender: None draws it.
    :param connected: take up the stream behind CONNECT or CONNACK; it may be empty then.
    """
    ends = st.tuples(any_version(version), any_sender(sender))
    return ends.flatmap(lambda drawn: _streams(*drawn, connected))


@reused
@st.composite
def _streams(draw: DrawFn, version: ProtocolVersion, sender: Sender, connected: bool) -> Stream:
    packets = [] if connected else [draw(_openings(version, sender))]
    if not any(isinstance(packet, ConnAck) and packet.reason_code for packet in packets):
        packets += draw(_following(version, sender))
        if PacketType.DISCONNECT in types_from(version, sender) and draw(st.booleans()):
            packets.append(draw(packets_of_type(PacketType.DISCONNECT, version, sender)))
    encoded = [draw(wire_forms(packet, version)) for packet in packets]
    return joined(version, sender, packets, encoded)


def joined(
    version: ProtocolVersion, sender: Sender, packets: list[Packet], encoded: list[bytes]
) -> Stream:
    """The stream of these packets in these encodings."""
    offsets = list(accumulate(map(len, encoded), initial=0))[:-1]
    return Stream(version, sender, b"".join(encoded), packets, offsets)


@reused
def beginnings(version: ProtocolVersion, sender: Sender) -> SearchStrategy[Stream]:
    """Streams with CONNECT or a successful CONNACK that do not end: more may follow."""

    def stream(opening: Packet, following: list[Packet]) -> Stream:
        packets = [opening, *following]
        return joined(version, sender, packets, [encode(packet, version) for packet in packets])

    openings = _openings(version, sender, accepted=True)
    return st.builds(stream, openings, _following(version, sender, most=2))


@reused
def _openings(
    version: ProtocolVersion, sender: Sender, *, accepted: bool | None = None
) -> SearchStrategy[Packet]:
    if sender is Sender.CLIENT:
        return connects(version)
    return connacks(version, accepted=accepted)


@reused
def _following(
    version: ProtocolVersion, sender: Sender, most: int = _MOST_BETWEEN
) -> SearchStrategy[list[Packet]]:
    """What may stand between the first packet and a DISCONNECT."""
    types = [
        packet
        for packet in types_from(version, sender)
        if packet not in (OPENING[sender], PacketType.DISCONNECT)
    ]
    one = st.sampled_from(types).flatmap(lambda each: packets_of_type(each, version, sender))
    return st.lists(one, max_size=most)


def wire_forms(packet: Packet, version: ProtocolVersion | int = 5) -> SearchStrategy[bytes]:
    """The encodings of one packet: what :func:`~mqttproto.codec.encode` gives, and longer ones.

    In 5.0 a reason code of 0x00 and an empty Property Length may stand where they could be left
    out. Before that a Remaining Length may have more bytes than it needs; in 3.1 PUBREL,
    SUBSCRIBE and UNSUBSCRIBE have a DUP flag, and the first byte of CONNACK's body means nothing.

    :param packet: one that can be encoded in ``version``.
    :param version: 3, 4 or 5.
    """
    shortest = encode(packet, version)
    first = shortest[0]
    if version == ProtocolVersion.MQTT5:
        forms = [shortest, *_long_forms(packet, first)]
        return st.sampled_from(forms)
    length = 1
    while shortest[length] >= 0x80:
        length += 1
    body = shortest[length + 1 :]
    firsts, bodies = [first], [body]
    if version == ProtocolVersion.MQTT31:
        if packet.packet_type in _WITH_DUP_IN_31:
            firsts.append(first | _DUP)
        elif packet.packet_type == PacketType.CONNACK:
            bodies.append(b"\xff" + body[1:])
    lengths = [shortest[1 : length + 1], *padded(len(body))]
    parts = st.tuples(
        st.sampled_from(firsts).map(lambda byte: bytes((byte,))),
        st.sampled_from(lengths),
        st.sampled_from(bodies),
    )
    return parts.map(b"".join)


def _long_forms(packet: Packet, first: int) -> list[bytes]:
    """The encodings in 5.0 that spell out what could be left out."""
    if not isinstance(packet, PubAck | PubRec | PubRel | PubComp | Disconnect):
        return []
    if packet.properties:
        return []
    body = bytes((packet.reason_code, 0))
    if not isinstance(packet, Disconnect):
        body = packet.packet_id.to_bytes(2, "big") + body
    return [bytes((first, len(part))) + part for part in (body[:-1], body)]


def padded(value: int) -> list[bytes]:
    """The forms of a Variable Byte Integer that are longer than need be, up to four bytes."""
    shortest = varint(value)
    opened = shortest[:-1] + bytes((shortest[-1] | 0x80,))
    spare = _LONGEST_VARINT - len(shortest)
    return [opened + b"\x80" * extra + b"\0" for extra in range(spare)]


def cuttings(data: bytes) -> SearchStrategy[list[bytes]]:
    """Ways to cut ``data`` into chunks: not at all, into single bytes, anywhere.

    Some chunks are empty. Joined they are ``data``.
    """
    size = len(data)
    even = st.integers(1, max(size, 1)).map(
        lambda step: [data[start : start + step] for start in range(0, size, step)]
    )
    places = st.lists(st.integers(0, size), max_size=8).map(sorted)
    anywhere = places.map(
        lambda cuts: [data[start:end] for start, end in pairwise([0, *cuts, size])]
    )
    return st.one_of(st.just([data]), even, anywhere)


@st.composite
def mutations(draw: DrawFn, data: bytes) -> bytes:
    """``data`` with one to four short pieces replaced, inserted or left out.

    What comes out may be legal; :func:`~mqttproto.testing.strategies.malformed` draws what is not.
    """
    mutated = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(mutated)))
        end = draw(st.integers(start, min(start + 4, len(mutated))))
        mutated[start:end] = draw(st.one_of(st.binary(max_size=4), st.sampled_from(_TELLING)))
    return bytes(mutated)
