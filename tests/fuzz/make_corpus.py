"""Write what the fuzzers start from: ``python make_corpus.py FOLDER [RECORDING...]``.

``FOLDER/streams`` gets the recordings and, for each version and sender, every packet with every
property that it may have. ``FOLDER/cases`` gets the same as cases, the format of which is told in
``scan_check.h``.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import mqttproto as mqtt
from mqttproto.codec import encode
from mqttproto.codec.properties import PROPERTIES

LONGEST_CASE: Final = 4096
"""What libFuzzer is told to be content with, in bytes of stream."""

VALUES: Final[dict[str, Any]] = {
    "payload_format_indicator": 1,
    "message_expiry_interval": 3600,
    "content_type": "text/plain",
    "response_topic": "réponse/à/moi",
    "correlation_data": b"\x00\xff",
    "subscription_identifiers": (1, 128, 268_435_455),
    "topic_alias": 7,
    "reason_string": "warum nicht \N{GRINNING FACE}",
    "user_properties": (("", ""), ("key", "välue"), ("key", "välue")),
    "session_expiry_interval": 0xFFFF_FFFF,
    "authentication_method": "SCRAM",
    "authentication_data": b"nonce",
    "receive_maximum": 10,
    "assigned_client_identifier": "auto-1",
    "server_reference": "other:1883",
}
"""The properties that the packets below get; the scanner looks into five kinds of packet only."""


def properties(packet: mqtt.PacketType, version: int, sender: mqtt.Sender) -> mqtt.Properties:
    """All of :data:`VALUES` that ``sender`` may put into ``packet``; none before 5.0."""
    if version < 5:
        return mqtt.Properties()
    client = sender is mqtt.Sender.CLIENT
    return mqtt.Properties(
        **{
            row.name: VALUES[row.name]
            for row in PROPERTIES
            if row.name in VALUES
            and row.packets >> packet & 1
            and not (row.not_from_client if client else row.not_from_server) >> packet & 1
            and not (packet is mqtt.PacketType.SUBSCRIBE and row.name.startswith("subscription"))
        }
    )


def packets(version: int, sender: mqtt.Sender) -> Iterator[mqtt.Packet]:
    """One of each that ``sender`` may send, and some more of those that the scanner reads."""
    kind = mqtt.PacketType
    client = sender is mqtt.Sender.CLIENT
    bad = mqtt.ReasonCode.PACKET_IDENTIFIER_NOT_FOUND

    def own(packet: mqtt.PacketType) -> mqtt.Properties:
        return properties(packet, version, sender)

    if client:
        yield mqtt.Connect("me", user_name="u", password=b"p", properties=own(kind.CONNECT))
        yield mqtt.Subscribe(1, [mqtt.Subscription("a/#", 2)], own(kind.SUBSCRIBE))
        yield mqtt.Unsubscribe(2, ["a/#"], own(kind.UNSUBSCRIBE))
        yield mqtt.PingReq()
    else:
        yield mqtt.ConnAck(properties=own(kind.CONNACK))
        yield mqtt.SubAck(1, [2], own(kind.SUBACK))
        yield mqtt.UnsubAck(2, [0] if version == 5 else [], own(kind.UNSUBACK))
        yield mqtt.PingResp()
    yield mqtt.Publish("a")
    yield mqtt.Publish("Straße/東京/\N{GRINNING FACE}", bytes(200), retain=True)
    yield mqtt.Publish("a/b/c", b"payload", 1, packet_id=1, properties=own(kind.PUBLISH))
    yield mqtt.Publish("long/" * 30, b"p" * 17000, 2, dup=True, packet_id=65_535)
    yield mqtt.PubAck(1)
    yield mqtt.PubRec(2)
    yield mqtt.PubRel(3)
    yield mqtt.PubComp(4)
    if version == 5:
        yield mqtt.Publish("", properties=mqtt.Properties(topic_alias=7))
        yield mqtt.PubAck(5, mqtt.ReasonCode.NO_MATCHING_SUBSCRIBERS)
        yield mqtt.PubRec(6, mqtt.ReasonCode.QUOTA_EXCEEDED, own(kind.PUBREC))
        yield mqtt.PubRel(7, bad, own(kind.PUBREL))
        yield mqtt.PubComp(8, bad, own(kind.PUBCOMP))
        yield mqtt.Auth(mqtt.ReasonCode.CONTINUE_AUTHENTICATION, own(kind.AUTH))
    if client or version == 5:
        yield mqtt.Disconnect(properties=own(kind.DISCONNECT))


def case(stream: bytes, version: int, sender: mqtt.Sender) -> bytes:
    """``stream`` with a tail: no limit, cut after 40 bytes, 100 bytes beyond."""
    tail = [version - 2, 1 if sender is mqtt.Sender.CLIENT else 2, 100, 0]
    words = (40, 268_435_460, 100)
    return stream + bytes(tail) + b"".join(word.to_bytes(4, "little") for word in words)


def main(folder: Path, recordings: list[Path]) -> None:
    """Write both kinds of file."""
    streams = folder / "streams"
    cases = folder / "cases"
    streams.mkdir(parents=True)
    cases.mkdir()
    for number, path in enumerate(recordings):
        shutil.copyfile(path, streams / f"{number}-{path.name}")
        start = path.read_bytes()[:LONGEST_CASE]
        for sender in mqtt.Sender:
            for version in (4, 5):
                name = f"{number}-{path.name}-{version}-{sender.value}"
                (cases / name).write_bytes(case(start, version, sender))
    for version in mqtt.ProtocolVersion:
        for sender in mqtt.Sender:
            name = f"{version.label}-{sender.value}"
            encoded = [encode(packet, version) for packet in packets(version, sender)]
            (streams / name).write_bytes(b"".join(encoded))
            for number, packet in enumerate(encoded):
                start = packet[:LONGEST_CASE]
                (cases / f"{name}-{number}").write_bytes(case(start, version, sender))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
