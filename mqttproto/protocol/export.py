"""Sessions as plain data: numbers, strings, bytes, lists and dictionaries, with a version."""

from types import NoneType
from typing import Any, Final

from mqttproto.codec.block import EMPTY, Properties, received
from mqttproto.codec.faults import FAULTS, Fault
from mqttproto.codec.properties import check_block
from mqttproto.codec.publish import Publish
from mqttproto.codec.wire import FaultFound
from mqttproto.constants import PacketType
from mqttproto.protocol.changes import (
    Change,
    MessageCompleted,
    MessageDropped,
    MessageQueued,
    MessageReleased,
    MessageSent,
    ReceiptAccepted,
    ReceiptForgotten,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SessionSuspended,
)
from mqttproto.protocol.delivery import NO_EXPIRY, Delivery, check_message
from mqttproto.protocol.handshakes import OutboundState

__all__ = ["FORMAT", "apply", "check_form", "flight_data", "message_data", "message_of"]

FORMAT: Final[int] = 1
"""The version of the form; a later one reads the earlier ones."""

_Data = dict[str, Any]
_Form = dict[str, tuple[type, ...]]

_SESSION: Final[_Form] = {
    "client_id": (str,),
    "expiry_interval": (int,),
    "suspended_at": (float, int, NoneType),
    "next_number": (int,),
    "in_flight": (list,),
    "queue": (list,),
    "received": (list,),
}
_MESSAGE: Final[_Form] = {
    "number": (int,),
    "topic": (str,),
    "payload": (bytes,),
    "qos": (int,),
    "retain": (bool,),
    "properties": (bytes,),
    "expires_at": (float, int, NoneType),
}
_FLIGHT: Final[_Form] = {"packet_id": (int,), "released": (bool,), "abandoned": (bool,)}


def check_form(data: _Data) -> None:
    """Check that the parts of an export are there, and what they are; not those of its messages.

    :raises ValueError: if not.
    """
    if data.get("format") != FORMAT:
        raise ValueError(f"this is no export of a session in format {FORMAT}")
    _check(data, _SESSION)


def _check(data: _Data, form: _Form) -> None:
    for key, types in form.items():
        if not isinstance(data.get(key), types):
            raise ValueError(f"this is no export of a session: {key} is {data.get(key)!r}")


def message_data(delivery: Delivery) -> _Data:
    """A message that waits, as plain data."""
    return _message(delivery.number, delivery.message, delivery.expires_at)


def flight_data(delivery: Delivery) -> _Data:
    """A message in flight, as plain data."""
    released = delivery.state == OutboundState.AWAITS_PUBCOMP
    return message_data(delivery) | _flight(delivery.packet_id, released, delivery.abandoned)


def _message(number: int, message: Publish, expires_at: float) -> _Data:
    return {
        "number": number,
        "topic": message.topic,
        "payload": message.payload,
        "qos": int(message.qos),
        "retain": message.retain,
        "properties": message.properties.block(),
        "expires_at": None if expires_at == NO_EXPIRY else expires_at,
    }


def _flight(packet_id: int, released: bool = False, abandoned: bool = False) -> _Data:
    return {"packet_id": packet_id, "released": released, "abandoned": abandoned}


def message_of(data: _Data, shift: float) -> Delivery:
    """The message that :func:`message_data` or :func:`flight_data` told of.

    :param shift: seconds to add to the times in it.
    :raises ValueError: if the data has another form, or says what cannot be.
    """
    _check(data, _MESSAGE)
    block: bytes = data["properties"]
    message = Publish(
        data["topic"], b"", data["qos"], data["retain"], False, None, _properties_of(block)
    )
    if not message.qos:
        raise ValueError("QoS 0 cannot be in the export of a session")
    check_message(message)
    message.payload = data["payload"]
    delivery = Delivery(message, data["number"])
    if data["expires_at"] is not None:
        delivery.expires_at = data["expires_at"] + shift
    if "packet_id" in data:
        _check(data, _FLIGHT)
        packet_id: int = data["packet_id"]
        delivery.packet_id = packet_id
        delivery.state = _state(message.qos, data["released"])
        delivery.abandoned = data["abandoned"]
        if delivery.abandoned and not data["released"]:
            raise ValueError("a message that is abandoned must be released")
    return delivery


def _properties_of(block: bytes) -> Properties:
    if not block:
        return EMPTY
    try:
        check_block(block, 0, len(block), int(PacketType.PUBLISH), 0)
    except FaultFound as found:
        rule = FAULTS[Fault(found.fault)].rule
        raise ValueError(f"the properties of a message are wrong: {rule}") from None
    return received(block, int(PacketType.PUBLISH))


def _state(qos: int, released: bool) -> int:
    if qos == 2:
        return int(OutboundState.AWAITS_PUBCOMP if released else OutboundState.AWAITS_PUBREC)
    if released:
        raise ValueError("a message of QoS 1 cannot be released")
    return int(OutboundState.AWAITS_PUBACK)


def apply(data: _Data | None, change: Change) -> _Data | None:
    """The export after a change, from the one before it, which is left as it was.

    :param data: the export of that session; None if there is none.
    :returns: None if the session is gone.
    :raises ValueError: if this change cannot follow on that export.
    """
    if isinstance(change, SessionStarted):
        return _started(change)
    if data is None:
        raise ValueError(f"there is no session {change.client_id!r} to which {change!r} happened")
    if isinstance(change, SessionEnded):
        return None
    if isinstance(change, SessionResumed):
        return data | {"expiry_interval": change.expiry_interval, "suspended_at": None}
    if isinstance(change, SessionSuspended):
        return data | {"expiry_interval": change.expiry_interval, "suspended_at": change.at}
    if isinstance(change, MessageQueued):
        queued = _message(change.number, change.message, change.expires_at)
        return data | {"queue": [*data["queue"], queued]} | _next(data, change.number)
    if isinstance(change, MessageDropped):
        _, rest = _split(data["queue"], "number", change.number)
        return data | {"queue": rest}
    if isinstance(change, MessageSent):
        return _sent(data, change)
    if isinstance(change, MessageReleased):
        one, rest = _split(data["in_flight"], "packet_id", change.packet_id)
        released = one | _flight(change.packet_id, True, change.abandoned)
        return data | {"in_flight": [*rest, released]}
    if isinstance(change, MessageCompleted):
        _, rest = _split(data["in_flight"], "packet_id", change.packet_id)
        return data | {"in_flight": rest}
    if isinstance(change, ReceiptAccepted):
        # In no order that means anything, so in one that any two ends agree on.
        return data | {"received": sorted([*data["received"], change.packet_id])}
    if isinstance(change, ReceiptForgotten):
        return data | {"received": _without(data["received"], change.packet_id)}
    raise TypeError(f"{change!r} is no change of a session")


def _started(change: SessionStarted) -> _Data:
    return {
        "format": FORMAT,
        "client_id": change.client_id,
        "expiry_interval": change.expiry_interval,
        "suspended_at": None,
        "next_number": change.next_number,
        "in_flight": [],
        "queue": [],
        "received": [],
    }


def _next(data: _Data, number: int) -> _Data:
    return {"next_number": max(data["next_number"], number + 1)}


def _sent(data: _Data, change: MessageSent) -> _Data:
    if change.message is None:
        message, rest = _split(data["queue"], "number", change.number)
        data = data | {"queue": rest}
    else:
        message = _message(change.number, change.message, change.expires_at)
    sent = message | _flight(change.packet_id)
    return data | {"in_flight": [*data["in_flight"], sent]} | _next(data, change.number)


def _without(packet_ids: list[int], packet_id: int) -> list[int]:
    if packet_id not in packet_ids:
        raise ValueError(f"there is no receipt with packet identifier {packet_id}")
    return [each for each in packet_ids if each != packet_id]


def _split(rows: list[_Data], key: str, value: int) -> tuple[_Data, list[_Data]]:
    """The row with this value, and the others."""
    for index, row in enumerate(rows):
        if row[key] == value:
            return row, rows[:index] + rows[index + 1 :]
    raise ValueError(f"there is no message with {key} {value}")
