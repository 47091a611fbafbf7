"""A packet as a line of JSON, for programs."""

import base64
import json
from typing import Any

from mqttproto.cli.names import reason_name
from mqttproto.codec.block import Properties
from mqttproto.codec.packet import Packet, Record
from mqttproto.constants import (
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    ReasonCode,
)

__all__ = ["packet_record"]


def packet_record(packet: Packet, offset: int, size: int, version: ProtocolVersion) -> str:
    """The line, with its newline: a JSON object in printable ASCII.

    Every packet of a type has the same keys, whatever its version: ``offset`` and ``size`` (in
    bytes of the stream), ``packet`` (the name in upper case), in CONNECT ``version``, then the
    attributes of the packet's class.
    """
    kind = packet.packet_type
    record: dict[str, Any] = {"offset": offset, "size": size, "packet": kind.name}
    if kind is PacketType.CONNECT:
        record["version"] = version.label
    record |= _attributes(packet, kind, version)
    # JSON does not ask that DEL be escaped, but a terminal might act on it.
    return json.dumps(record).replace("\x7f", "\\u007f") + "\n"


def _attributes(record: Record, kind: PacketType, version: ProtocolVersion) -> dict[str, Any]:
    return {name: _value(getattr(record, name), kind, version) for name in record.FIELDS}


def _value(value: Any, kind: PacketType, version: ProtocolVersion) -> Any:
    """``value`` as :mod:`json` takes it."""
    match value:
        case ReasonCode() | ConnectReturnCode():
            return {"code": int(value), "name": reason_name(value, kind, version)}
        case bytes():
            return _data(value)
        case Properties():
            return {name: _value(item, kind, version) for name, item in value}
        case Record():
            return _attributes(value, kind, version)
        case list() | tuple():
            return [_value(item, kind, version) for item in value]
        case _:
            return value


def _data(data: bytes) -> dict[str, Any]:
    """All of ``data``, readable where it is text."""
    try:
        return {"length": len(data), "text": data.decode()}
    except UnicodeDecodeError:
        return {"length": len(data), "base64": base64.b64encode(data).decode()}
