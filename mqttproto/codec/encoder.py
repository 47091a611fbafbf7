"""From packets to bytes."""

from mqttproto.codec.packet import Packet, wrong_type
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
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise wrong_type("packet", packet, (Packet,)) or error from None


def encoded_size(packet: Packet, version: int = ProtocolVersion.MQTT5) -> int:
    """``len(encode(packet, version))`` in bytes, without encoding it.

    :param packet: one that can be encoded; for another the answer means nothing.
    :param version: as for :func:`encode`.
    :raises ValueError: if there is no such version.
    """
    if not 3 <= version <= 5:
        raise _no_such_version(version)
    return packet.encoded_size(version)
