"""The specification's names for the codes in packets."""

from typing import Final

from mqttproto.constants import ConnectReturnCode, PacketType, ReasonCode

__all__ = ["reason_name"]

# The number 0x00 has three names, of which the enumeration can call a member by one only.
_ZERO: Final[dict[PacketType, str]] = {
    PacketType.DISCONNECT: "NORMAL_DISCONNECTION",
    PacketType.SUBACK: "GRANTED_QOS_0",
}


def reason_name(code: ReasonCode | ConnectReturnCode, packet: PacketType, version: int) -> str:
    """What ``code`` is called in ``packet`` (5.0 section 2.4, 3.1.1 sections 3.2.2.3 and 3.9.3)."""
    if code == 0 and packet in _ZERO:
        return _ZERO[packet]
    if code == ReasonCode.UNSPECIFIED_ERROR and version != 5:
        return "FAILURE"
    return code.name
