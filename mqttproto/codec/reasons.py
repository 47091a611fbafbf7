"""Which reason codes each packet of 5.0 may carry, by sender: ONE table."""

from typing import Final

from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import InvalidValueError, Statement

__all__ = ["REASON_CODES", "as_reason_code", "reason_allowed", "reason_member"]

_EITHER: Final[tuple[Sender, ...]] = (Sender.CLIENT, Sender.SERVER)
_PUBLISHED: Final[tuple[int, ...]] = (0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)
_RELEASED: Final[tuple[int, ...]] = (0x00, 0x92)

# fmt: off
_ROWS: Final[tuple[tuple[PacketType, tuple[Sender, ...], tuple[int, ...]], ...]] = (
    (PacketType.CONNACK, (Sender.SERVER,), (
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
        0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F)),
    # Only a server can know that there are no subscribers (0x10).
    (PacketType.PUBACK, (Sender.CLIENT,), _PUBLISHED),
    (PacketType.PUBACK, (Sender.SERVER,), (0x10, *_PUBLISHED)),
    (PacketType.PUBREC, (Sender.CLIENT,), _PUBLISHED),
    (PacketType.PUBREC, (Sender.SERVER,), (0x10, *_PUBLISHED)),
    (PacketType.PUBREL, _EITHER, _RELEASED),
    (PacketType.PUBCOMP, _EITHER, _RELEASED),
    (PacketType.SUBACK, (Sender.SERVER,), (
        0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2)),
    (PacketType.UNSUBACK, (Sender.SERVER,), (0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91)),
    (PacketType.DISCONNECT, (Sender.CLIENT,), (
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99)),
    # 0x8C is not in the table of section 3.14.2.1, but in that of section 2.4: it is taken.
    (PacketType.DISCONNECT, (Sender.SERVER,), (
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
        0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2)),
    (PacketType.AUTH, (Sender.CLIENT,), (0x18, 0x19)),
    (PacketType.AUTH, (Sender.SERVER,), (0x00, 0x18)),
)
# fmt: on

REASON_CODES: Final[dict[tuple[PacketType, Sender], frozenset[ReasonCode]]] = {
    (packet, sender): frozenset(ReasonCode(code) for code in codes)
    for packet, senders, codes in _ROWS
    for sender in senders
}
"""The reason codes that a sender may put into a packet; no entry: it may not send the packet."""

_ALLOWED: Final[dict[Sender | None, dict[int, frozenset[int]]]] = {
    sender: {
        packet: frozenset().union(
            *(
                codes
                for (owner, end), codes in REASON_CODES.items()
                if owner is packet and sender in (None, end)
            )
        )
        for packet, _ in REASON_CODES
    }
    for sender in (None, *_EITHER)
}
"""The codes by sender (None: either end) and packet; empty where it may not send the packet."""

# To hash a member of Sender takes longer than all the rest of a look-up.
_CLIENT: Final[Sender] = Sender.CLIENT
_BY_CLIENT: Final[dict[int, frozenset[int]]] = _ALLOWED[Sender.CLIENT]
_BY_SERVER: Final[dict[int, frozenset[int]]] = _ALLOWED[Sender.SERVER]
_BY_ANY: Final[dict[int, frozenset[int]]] = _ALLOWED[None]

_TABLE: Final[Statement] = Statement("5.0", "section 2.4")

_MEMBERS: Final[list[ReasonCode | None]] = [
    ReasonCode(code) if code in set(ReasonCode) else None for code in range(256)
]


def reason_allowed(packet: int, code: int, sender: Sender | None = None) -> bool:
    """Whether ``sender`` (None: either end) may put ``code`` into ``packet``."""
    if sender is None:
        return code in _BY_ANY[packet]
    return code in (_BY_CLIENT if sender is _CLIENT else _BY_SERVER)[packet]


def reason_member(code: int) -> ReasonCode:
    """The reason code with this number, 0 to 255, which must exist."""
    member = _MEMBERS[code]
    assert member is not None
    return member


def as_reason_code(field: str, value: object) -> ReasonCode:
    """``value``, which is meant for ``field``, as a reason code.

    :raises InvalidValueError: if there is no reason code with this number.
    :raises TypeError: if it is no number.
    """
    if not isinstance(value, int):
        raise TypeError(f"{field}: a ReasonCode is needed, not {type(value).__name__}")
    if not 0 <= value <= 0xFF or _MEMBERS[value] is None:
        raise InvalidValueError(field, f"there is no reason code {value:#04x}", _TABLE)
    return ReasonCode(value)
