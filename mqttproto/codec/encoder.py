"""From packets to bytes."""

from mqttproto.codec.packet import Packet, check_types
from mqttproto.constants import ProtocolVersion
from mqttproto.errors import InvalidValueError

__all__ = ["encode", "encoded_size"]


def _no_such_version(version: int) -> ValueError:
    return ValueError(f"version must be 3 (MQTT 3.1), 4 (3.1.1) or 5 (5.0), not {version}")


def encode(packet: Packet, version: int = ProtocolVersion.MQTT5) -> bytes:
    """The bytes of ``packet`` in ``version``, in the shortest legal form.

    :param version: a :class:`~mqttproto.constants.ProtocolVersion`, or 3, 4 or 5.
    :raises InvalidValueError: if the specification forbids to send this; the error names field,
        rule and statement, and not a byte was produced.
    :raises ValueError: if there is no such version.
    :raises TypeError: if an attribute is of the wrong type.
    """
    if not 3 <= version <= 5:
        raise _no_such_version(version)
    try:
        return packet.encode(version)
    except InvalidValueError:
        raise
    except (AttributeError, OverflowError, TypeError, ValueError):
        if not isinstance(packet, Packet):
            raise TypeError(f"a packet is needed, not {type(packet).__name__}") from None
        check_types(packet)
        raise


def encoded_size(packet: Packet, version: int = ProtocolVersion.MQTT5) -> int:
    """``len(encode(packet, version))`` in bytes, without encoding it.

    :param packet: one that can be encoded; for another the answer means nothing.
    :param version: as for :func:`encode`.
    :raises ValueError: if there is no such version.
    """
    if not 3 <= version <= 5:
        raise _no_such_version(version)
    return packet.encoded_size(version)
