"""A packet, and what is wrong with one, as a line of text, for people."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from mqttproto.cli.names import reason_name
from mqttproto.cli.text import amount, quoted
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect, Will
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import ConnectReturnCode, ProtocolVersion, ReasonCode, RetainHandling
from mqttproto.errors import PacketError

__all__ = ["fault_text", "packet_line", "packet_text"]

_MOST_CHARACTERS: Final = 64
"""How much of a payload is shown if it is text."""

_MOST_BYTES: Final = 32
"""How much of a payload is shown if it is not."""


def packet_line(packet: Packet, offset: int, version: ProtocolVersion) -> str:
    """The line, with its newline: offset, name, and the fields that a person looks for.

    :param offset: where the packet began, in bytes from the start of the stream.
    """
    return f"{offset:>8}  {packet_text(packet, version)}\n"


def packet_text(packet: Packet, version: ProtocolVersion, *, discreet: bool = False) -> str:
    """The same without offset and newline.

    :param discreet: of payloads and other binary data, give the length only.
    """
    fields = _fields(packet, version, _length if discreet else _data)
    return " ".join([f"{packet.packet_type.name:<11}", *fields]).rstrip()


def fault_text(error: PacketError, begin: int) -> str:
    """A fault in words: where it is, which rule, who says so, which reason code.

    :param begin: where the faulty packet began, in bytes from the start of the stream.
    """
    code = error.reason_code
    return (
        f"fault at byte {error.offset}, in the packet at byte {begin}:"
        f" {error.rule}; {error.statement}; reason code {code:#04x} {code.name}"
    )


_Show = Callable[[bytes], str]
"""How binary data is shown."""


def _fields(packet: Packet, version: ProtocolVersion, show: _Show) -> Iterator[str]:
    match packet:
        case Connect():
            yield from _connect_fields(packet, version, show)
        case ConnAck():
            if packet.session_present:
                yield "session_present"
            yield f"reason_code={_reason(packet.reason_code, packet, version)}"
            yield from _properties(packet.properties, show)
        case Publish():
            yield f"topic={quoted(packet.topic)} qos={packet.qos:d}"
            if packet.retain:
                yield "retain"
            if packet.dup:
                yield "dup"
            if packet.packet_id is not None:
                yield f"packet_id={packet.packet_id}"
            yield from _properties(packet.properties, show)
            yield f"payload={show(packet.payload)}"
        case PubAck() | PubRec() | PubRel() | PubComp():
            yield f"packet_id={packet.packet_id}"
            if version == ProtocolVersion.MQTT5:
                yield f"reason_code={_reason(packet.reason_code, packet, version)}"
            yield from _properties(packet.properties, show)
        case Subscribe():
            yield f"packet_id={packet.packet_id}"
            yield f"subscriptions={_several(map(_subscription, packet.subscriptions))}"
            yield from _properties(packet.properties, show)
        case Unsubscribe():
            yield f"packet_id={packet.packet_id}"
            yield f"topic_filters={_several(map(quoted, packet.topic_filters))}"
            yield from _properties(packet.properties, show)
        case SubAck() | UnsubAck():
            yield f"packet_id={packet.packet_id}"
            codes = [_reason(code, packet, version) for code in packet.reason_codes]
            if codes:
                yield f"reason_codes={_several(codes)}"
            yield from _properties(packet.properties, show)
        case Disconnect() | Auth():
            if version == ProtocolVersion.MQTT5:
                yield f"reason_code={_reason(packet.reason_code, packet, version)}"
            yield from _properties(packet.properties, show)


def _connect_fields(connect: Connect, version: ProtocolVersion, show: _Show) -> Iterator[str]:
    yield f"version={version.label} client_id={quoted(connect.client_id)}"
    if connect.clean_start:
        yield "clean_start"
    yield f"keep_alive={connect.keep_alive}"
    if connect.user_name is not None:
        yield f"user_name={quoted(connect.user_name)}"
    if connect.password is not None:
        # A line is pasted into a bug report sooner than JSON is.
        yield f"password={_length(connect.password)}"
    yield from _properties(connect.properties, show)
    if connect.will is not None:
        yield f"will=[{' '.join(_will_fields(connect.will, show))}]"


def _will_fields(will: Will, show: _Show) -> Iterator[str]:
    yield f"topic={quoted(will.topic)} qos={will.qos:d}"
    if will.retain:
        yield "retain"
    yield from _properties(will.properties, show)
    yield f"payload={show(will.payload)}"


def _subscription(subscription: Subscription) -> str:
    words = [quoted(subscription.topic_filter), f"qos={subscription.qos:d}"]
    if subscription.no_local:
        words.append("no_local")
    if subscription.retain_as_published:
        words.append("retain_as_published")
    if subscription.retain_handling is not RetainHandling.SEND:
        words.append(f"retain_handling={subscription.retain_handling.name}")
    return " ".join(words)


def _reason(code: ReasonCode | ConnectReturnCode, packet: Packet, version: ProtocolVersion) -> str:
    return f"{reason_name(code, packet.packet_type, version)}({code:#04x})"


def _properties(properties: Properties, show: _Show) -> Iterator[str]:
    for name, value in properties:
        yield f"{name}={_value(value, show)}"


def _value(value: Any, show: _Show) -> str:
    """The value of a property."""
    match value:
        case str():
            return quoted(value)
        case bytes():
            return show(value)
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:d}"
        case _:
            return _several(map(_item, value))


def _item(item: int | tuple[str, str]) -> str:
    """A value of a property that may stand more than once."""
    return f"{item}" if isinstance(item, int) else "=".join(map(quoted, item))


def _several(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _length(data: bytes) -> str:
    return f"({amount(len(data))})"


def _data(data: bytes) -> str:
    """The first bytes of ``data``, as text if all of it is, and their number."""
    text = _text(data)
    if text is None:
        shown = f"0x{data[:_MOST_BYTES].hex()}"
        more = len(data) > _MOST_BYTES
    else:
        shown = quoted(text[:_MOST_CHARACTERS])
        more = len(text) > _MOST_CHARACTERS
    return f"{shown}{'...' if more else ''} {_length(data)}"


def _text(data: bytes) -> str | None:
    """What ``data`` says if it is UTF-8 of printable characters, tabs and line ends."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    plain = text.replace("\n", "").replace("\r", "").replace("\t", "")
    return text if plain.isprintable() else None
