"""The fixed header (section 2): which first bytes and Remaining Lengths are legal.

A first byte is judged alone, a Remaining Length with the packet type: so a fault here is found
as soon as these bytes are there, however long the packet claims to be.
"""

from functools import cache
from typing import Final

from mqttproto.codec.faults import Fault
from mqttproto.constants import MAX_REMAINING_LENGTH, PacketType, Sender

__all__ = ["SENDERS", "VERSIONS", "first_byte_faults", "lengths"]

VERSIONS: Final[tuple[int, ...]] = (0, 3, 4, 5)
"""The versions as scanners number them; 0 means: not yet known, so CONNECT must come."""

SENDERS: Final[tuple[Sender | None, ...]] = (None, Sender.CLIENT, Sender.SERVER)
"""The senders as scanners number them, by index."""

_ONLY_FROM_CLIENT: Final[frozenset[int]] = frozenset(
    {PacketType.CONNECT, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE, PacketType.PINGREQ}
)
_ONLY_FROM_SERVER: Final[frozenset[int]] = frozenset(
    {PacketType.CONNACK, PacketType.SUBACK, PacketType.UNSUBACK, PacketType.PINGRESP}
)
_FLAGS: Final[dict[int, tuple[int, Fault]]] = {
    PacketType.PUBREL: (0b0010, Fault.FLAGS_PUBREL),
    PacketType.SUBSCRIBE: (0b0010, Fault.FLAGS_SUBSCRIBE),
    PacketType.UNSUBSCRIBE: (0b0010, Fault.FLAGS_UNSUBSCRIBE),
    PacketType.DISCONNECT: (0b0000, Fault.FLAGS_DISCONNECT),
    PacketType.AUTH: (0b0000, Fault.FLAGS_AUTH),
}


def _publish_flags_fault(flags: int) -> Fault:
    if flags & 0b0110 == 0b0110:
        return Fault.QOS
    return Fault.DUP_AT_QOS_0 if flags & 0b1110 == 0b1000 else Fault.NONE


def _first_byte_fault(version: int, sender: Sender | None, first: int) -> Fault:
    kind, flags = first >> 4, first & 0b1111
    if kind == 0 or (kind == PacketType.AUTH and version in (3, 4)):
        return Fault.PACKET_TYPE
    if version == 0 and kind != PacketType.CONNECT:
        return Fault.FIRST_NOT_CONNECT
    only_client = kind in _ONLY_FROM_CLIENT or (kind == PacketType.DISCONNECT and version != 5)
    if (sender is Sender.SERVER and only_client) or (
        sender is Sender.CLIENT and kind in _ONLY_FROM_SERVER
    ):
        return Fault.SENDER
    if kind == PacketType.PUBLISH:
        return _publish_flags_fault(flags)
    wanted, fault = _FLAGS.get(kind, (0b0000, Fault.FLAGS))
    if version == 3 and wanted:
        flags &= 0b0111  # 3.1 has a DUP flag here, later versions reserve the bit
    return Fault.NONE if flags == wanted else fault


@cache
def first_byte_faults(version: int, sender: int) -> bytes:
    """The fault, or 0, of each of the 256 first bytes that a packet may have.

    :param version: one of :data:`VERSIONS`.
    :param sender: an index into :data:`SENDERS`.
    """
    return bytes(_first_byte_fault(version, SENDERS[sender], first) for first in range(256))


_EXACT: Final[dict[int, int]] = {
    PacketType.CONNACK: 2,
    PacketType.PUBACK: 2,
    PacketType.PUBREC: 2,
    PacketType.PUBREL: 2,
    PacketType.PUBCOMP: 2,
    PacketType.UNSUBACK: 2,
    PacketType.PINGREQ: 0,
    PacketType.PINGRESP: 0,
    PacketType.DISCONNECT: 0,
}
_LEAST_5: Final[dict[int, int]] = {
    PacketType.CONNACK: 3,
    PacketType.PUBACK: 2,
    PacketType.PUBREC: 2,
    PacketType.PUBREL: 2,
    PacketType.PUBCOMP: 2,
    PacketType.UNSUBACK: 3,
}


@cache
def lengths(version: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The least and the greatest Remaining Length of each packet type, by type.

    Where a body may have any of several fields the least is 0: the body's own rules say more
    than a length could.
    """
    kinds = range(16)
    most = (MAX_REMAINING_LENGTH,) * 16
    if version in (3, 4):
        return (
            tuple(_EXACT.get(kind, 0) for kind in kinds),
            tuple(_EXACT.get(kind, MAX_REMAINING_LENGTH) for kind in kinds),
        )
    if version == 0:
        return (0,) * 16, most
    pings = (PacketType.PINGREQ, PacketType.PINGRESP)
    return (
        tuple(_LEAST_5.get(kind, 0) for kind in kinds),
        tuple(0 if kind in pings else MAX_REMAINING_LENGTH for kind in kinds),
    )
