"""From packets to bytes."""

from typing import Final

from mqttproto.codec.block import EMPTY
from mqttproto.codec.connect import Auth, Disconnect
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.headers import SENDERS, VERSIONS, first_byte_faults
from mqttproto.codec.packet import Packet, wrong_type
from mqttproto.codec.properties import PROPERTIES, PropertyRow
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.pyscan import REASON_FAULTS
from mqttproto.codec.reasons import reason_allowed
from mqttproto.constants import PacketType, ProtocolVersion, Sender
from mqttproto.errors import InvalidValueError

__all__ = ["encode", "encoded_size"]

_CLIENT: Final[Sender] = Sender.CLIENT

_FIRST_BYTES: Final[list[list[bytes]]] = [
    [first_byte_faults(version, sender) for sender in range(len(SENDERS))] for version in VERSIONS
]
"""The faults of first bytes by version and sender, both as scanners number them."""

_WITH_RULES: Final = (PacketType.PUBLISH, PacketType.DISCONNECT)
_OF_OTHERS: Final[list[dict[int, list[PropertyRow]]]] = [
    {kind: [row for row in PROPERTIES if row.not_from_client >> kind & 1] for kind in _WITH_RULES},
    {kind: [row for row in PROPERTIES if row.not_from_server >> kind & 1] for kind in _WITH_RULES},
]
"""The properties of these packets that are the other end's: for a client, for a server."""

_REASON_FAULTS: Final[dict[int, Fault]] = {
    **{packet: Fault(fault) for packet, fault in REASON_FAULTS.items()},
    PacketType.DISCONNECT: Fault.DISCONNECT_REASON,
    PacketType.AUTH: Fault.AUTH_REASON,
}
"""By the packets that both ends send: that of a reason code which one of them must not use."""


def _no_such_version(version: int) -> ValueError:
    return ValueError(f"version must be 3 (MQTT 3.1), 4 (3.1.1) or 5 (5.0), not {version}")


def encode(
    packet: Packet,
    version: int = ProtocolVersion.MQTT5,
    sender: Sender | str | None = None,
) -> bytes:
    """The bytes of ``packet`` in ``version``, in the shortest legal form.

    :param version: a :class:`~mqttproto.constants.ProtocolVersion`, or 3, 4 or 5.
    :param sender: the end that sends it, :class:`~mqttproto.constants.Sender` or ``"client"`` or
        ``"server"``: what this end must not send is refused too. None takes both ends'.
    :raises InvalidValueError: if the specification forbids to send this; the error names field,
        rule and statement, and not a byte was produced.
    :raises ValueError: if there is no such version or sender.
    :raises TypeError: if an attribute is of the wrong type.
    """
    if not 3 <= version <= 5:
        raise _no_such_version(version)
    try:
        data = packet.encode(version)
    except InvalidValueError:
        raise
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise wrong_type("packet", packet, (Packet,)) or error from None
    if sender is not None:
        end = sender if isinstance(sender, Sender) else Sender(sender)
        _check_sender(packet, data[0], version, end)
    return data


def _check_sender(packet: Packet, first: int, version: int, sender: Sender) -> None:
    """Check what the sender matters for, in a packet that either end might send.

    :param first: the first byte of its encoding.
    :raises InvalidValueError: if the other end only may send this.
    """
    index = 1 if sender is _CLIENT else 2
    # The first byte is legal: if there is a fault in it, it is its sender.
    if _FIRST_BYTES[version - 2][index][first]:
        raise refusal(type(packet).__name__, Fault.SENDER, version)
    if version != ProtocolVersion.MQTT5:
        return
    kind: int = packet.packet_type
    if isinstance(packet, (PubAck, PubRec, PubRel, PubComp, Disconnect, Auth)):
        code: int = packet.reason_code
        if not reason_allowed(kind, code, sender):
            field = f"{type(packet).__name__}.reason_code"
            raise refusal(field, _REASON_FAULTS[kind], version, f"{code:#04x}")
    if isinstance(packet, (Publish, Disconnect)) and packet.properties is not EMPTY:
        for row in _OF_OTHERS[index - 1][kind]:
            if packet.properties.may_hold(row.id) and row.name in packet.properties:
                field = f"{type(packet).__name__}.properties.{row.name}"
                raise refusal(field, row.sender_fault, version)


def encoded_size(packet: Packet, version: int = ProtocolVersion.MQTT5) -> int:
    """``len(encode(packet, version))`` in bytes, without encoding it.

    :param packet: one that can be encoded; for another the answer means nothing.
    :param version: as for :func:`encode`.
    :raises ValueError: if there is no such version.
    """
    if not 3 <= version <= 5:
        raise _no_such_version(version)
    return packet.encoded_size(version)
