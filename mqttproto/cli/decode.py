"""``mqttproto decode``: one direction of a connection, packet by packet."""

import argparse
from collections.abc import Iterator
from typing import Final

from mqttproto.cli.console import BAD_INPUT, UNUSABLE, Failure, write
from mqttproto.cli.hextext import HexText
from mqttproto.cli.lines import fault_text, packet_line
from mqttproto.cli.records import packet_record
from mqttproto.cli.source import reading, source_name
from mqttproto.cli.text import amount
from mqttproto.codec import Decoder
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import Packet
from mqttproto.constants import PacketType, ProtocolVersion, Sender

__all__ = ["SUMMARY", "add_options"]

SUMMARY: Final = "print the MQTT packets in a file or a stream"
"""What the list of commands says about this one."""

_VERSIONS: Final[dict[str, ProtocolVersion]] = {
    "3.1": ProtocolVersion.MQTT31,
    "3.1.1": ProtocolVersion.MQTT311,
    "5": ProtocolVersion.MQTT5,
    "5.0": ProtocolVersion.MQTT5,
}

_NAME_IT: Final = "name the version with --mqtt-version 3.1, 3.1.1 or 5"

_FIXED_HEADER: Final = 5
"""The most bytes of a fixed header."""

_OPENING: Final = 64
"""How much of the input tells whether it looks like hex text."""

_FEW: Final = 4
"""Fewer bytes than this look like anything."""

_HEX_TEXT: Final = frozenset(b"0123456789abcdefABCDEFxX: \t\r\n")

_DESCRIPTION: Final = """\
Print the MQTT packets of one direction of a connection, as they arrive.

The input is what one end, the client or the server, has sent: the bytes of the
TCP stream (of the WebSocket frames' payloads) and nothing else.
"""

_EPILOG: Final = """\
output:
  A line for each packet: where it begins (in bytes from the start of the
  stream), its name, and its fields as name=value; flags that are set stand as
  their name alone. Then come the properties of MQTT 5.0. Payloads are text in
  quotes if they are printable UTF-8, else hex, and cut short (...), with their
  whole length. A password is shown as its length only. Unprintable characters
  are escaped as in Python.

output with --json:
  A line for each packet with an object in ASCII. All packets of a type have
  the same keys:
    offset      where it begins, in bytes from the start of the stream
    size        its length in bytes
    packet      its name: CONNECT, CONNACK, PUBLISH, ...
    version     in CONNECT: 3.1, 3.1.1 or 5.0
    ...         its fields: topic, payload, qos, retain, dup, packet_id, ...,
                null if absent; 'properties' is an object of those that are there
  Payloads, passwords and other binary data are whole: {"length": 2, "text":
  "on"} if they are UTF-8, else {"length": 2, "base64": "/wA="}. Reason codes
  are {"code": 0, "name": "SUCCESS"}, user_properties a list of [name, value].

exit status:
  0  all of the input was packets
  1  it was not, or ended inside of one: what was wrong is on standard error
  2  a wrong option, or a file that cannot be read
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Make ``parser`` that of this command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--mqtt-version",
        type=_version,
        metavar="3.1|3.1.1|5",
        help="the version of MQTT; by default CONNECT tells it, which must come first then",
    )
    parser.add_argument(
        "--from",
        dest="sender",
        choices=[sender.value for sender in Sender],
        help="the end that sent the input: what it must not send is a fault (default: the client"
        " without --mqtt-version, else either)",
    )
    parser.add_argument(
        "--hex",
        action="store_true",
        help="the input is hex text; white space and colons may stand between bytes, 0x before"
        " them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="what to read; - or nothing is standard input, a stream",
    )
    parser.set_defaults(run=_run)


def _version(text: str) -> ProtocolVersion:
    if text not in _VERSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not 3.1, 3.1.1 or 5")
    return _VERSIONS[text]


def _run(options: argparse.Namespace) -> None:
    """Decode the input.

    :raises Failure: if something is wrong with it, or with the options.
    """
    decoder = _decoder(options.mqtt_version, options.sender)
    name = source_name(options.file)
    opening = b""  # of the input
    head = b""  # of the packet that the input so far ends in, as much as a fixed header needs
    with reading(options.file) as chunks:
        for data in _from_hex(chunks, name) if options.hex else chunks:
            packets = decoder.feed(data)
            _print(packets, decoder, as_json=options.json)
            opening = opening or data[:_OPENING]
            if decoder.error is not None:
                report = f"{name}: {fault_text(decoder.error, decoder.offset)}"
                advice = _advice(decoder, opening, from_hex=options.hex)
                raise Failure(BAD_INPUT, report, *advice)
            begins = len(data) - decoder.buffered
            head = (data[begins:] if begins >= 0 else head + data)[:_FIXED_HEADER]
    if decoder.buffered:
        report = _cut_short(name, decoder, head)
        raise Failure(BAD_INPUT, report, *_advice(decoder, opening, from_hex=options.hex))


def _decoder(version: ProtocolVersion | None, sender: str | None) -> Decoder:
    if version is not None:
        return Decoder(version, sender=sender)
    if sender == Sender.SERVER.value:
        raise Failure(
            UNUSABLE,
            f"decode --from server: a server's bytes do not tell the version of MQTT: {_NAME_IT}",
        )
    return Decoder(None, sender=Sender.CLIENT)  # no other end sends a CONNECT


def _from_hex(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The bytes that chunks of hex text stand for; all those before an error come before it."""
    text = HexText()
    for chunk in chunks:
        yield text.feed(chunk)
        if text.error is not None:
            break
    text.finish()
    if text.error is not None:
        raise Failure(BAD_INPUT, f"{name}: {text.error}")


def _print(packets: list[Packet], decoder: Decoder, *, as_json: bool) -> None:
    """Print what the decoder has just returned."""
    version = decoder.version
    if version is None or not packets:  # without a version there are no packets
        return
    offsets = decoder.offsets
    if as_json:
        ends = [*offsets[1:], decoder.offset]
        lines = [
            packet_record(packet, offset, end - offset, version)
            for packet, offset, end in zip(packets, offsets, ends, strict=True)
        ]
    else:
        lines = [
            packet_line(packet, offset, version)
            for packet, offset in zip(packets, offsets, strict=True)
        ]
    write("".join(lines))


def _cut_short(name: str, decoder: Decoder, head: bytes) -> str:
    """An end inside of a packet in words: of which, and how much of it is there."""
    size = _announced(head)
    return (
        f"{name}: the input ends inside of the {PacketType(head[0] >> 4).name} at byte"
        f" {decoder.offset}, after {amount(decoder.buffered)}{f' of {size}' if size else ''}"
    )


def _advice(decoder: Decoder, opening: bytes, *, from_hex: bool) -> list[str]:
    """What a person can do if the fault may be the command line's."""
    error = decoder.error
    advice = []
    if error is not None and error.fault == Fault.FIRST_NOT_CONNECT:
        advice.append(
            "only a CONNECT tells the version of MQTT, and this input does not begin with one:"
            f" {_NAME_IT}"
        )
    if error is not None and error.fault == Fault.PROTOCOL_LEVEL and decoder.offset == 0:
        advice.append("a CONNECT tells its version: leave out --mqtt-version")
    if error is not None and error.fault == Fault.PROTOCOL_LEVEL and decoder.offset > 0:
        advice.append("this is another connection: decode each of them by itself")
    if error is not None and error.fault == Fault.SENDER:
        advice.append("the input must be one direction of one connection; --from names its sender")
    wrong_at = decoder.offset if error is None else error.offset
    if wrong_at < _FIXED_HEADER:
        if from_hex and error is not None:
            advice.append("--hex reads bytes only: leave out the offsets and the text of a dump")
        if not from_hex and len(opening) >= _FEW and _HEX_TEXT.issuperset(opening):
            advice.append("the input looks like hex text, which --hex reads")
    return advice


def _announced(head: bytes) -> int:
    """How many bytes a packet has by its fixed header; 0 if too little of it is there."""
    remaining = 0
    for index, byte in enumerate(head[1:]):
        remaining |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return 2 + index + remaining
    return 0
