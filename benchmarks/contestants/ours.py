"""mqttproto itself: ``Decoder.feed`` and ``encode``, at the speed that this interpreter has."""

from collections.abc import Callable, Sequence
from typing import Any

import mqttproto
from contestants.base import Contestant, Fields, Packet, Stream
from mqttproto.codec import Decoder, FrameTable, decoder, encode, scanner
from samples import Ack, Connect, Publish, Subscribe

__all__ = ["Ours", "speed"]

_SPEEDS = {
    (True, "c"): "compiled",
    (True, "python"): "compiled, Python scanner",
    (False, "c"): "c",
    (False, "python"): "pure",
}


def speed() -> str:
    """Return the speed that runs here; what is compiled is told from its file."""
    return _SPEEDS[str(decoder.__file__).endswith((".so", ".pyd")), scanner.backend]


class Ours(Contestant):
    name = "mqttproto"

    def __init__(self) -> None:
        self._acks = {
            "PUBACK": mqttproto.PubAck,
            "PUBREC": mqttproto.PubRec,
            "PUBREL": mqttproto.PubRel,
            "PUBCOMP": mqttproto.PubComp,
        }
        self.readers = {
            Publish: _read_publish,
            Ack: lambda packet: (packet.packet_type.name, packet.packet_id, packet.reason_code),
            Subscribe: _read_subscribe,
            Connect: _read_connect,
        }
        self.builders = {
            Publish: _build_publish,
            Ack: lambda sample, _: self._acks[sample.name](sample.packet_id),
            Subscribe: _build_subscribe,
            Connect: _build_connect,
        }

    @property
    def release(self) -> str:
        return mqttproto.__version__  # of what was imported, be it installed or not

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        # As in a loop that serves many connections, the decoders share one frame table. Where
        # there are many, this is a server: it takes the version from CONNECT.
        table = FrameTable()
        known = version if len(streams) == 1 else None

        def run() -> list[Packet]:
            packets: list[Packet] = []
            for chunks in streams:
                feed = Decoder(known, table=table).feed
                for chunk in chunks:
                    packets += feed(chunk)
            return packets

        return run

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        return lambda: [encode(packet, version) for packet in packets]


def _read_publish(packet: mqttproto.Publish) -> Fields:
    properties = packet.properties
    return (
        packet.topic,
        packet.payload,
        packet.qos,
        packet.retain,
        packet.dup,
        packet.packet_id,
        properties.content_type,
        properties.user_properties,
    )


def _read_subscribe(packet: mqttproto.Subscribe) -> Fields:
    return packet.packet_id, [(each.topic_filter, each.qos) for each in packet.subscriptions]


def _read_connect(packet: mqttproto.Connect) -> Fields:
    return (
        packet.client_id,
        packet.keep_alive,
        packet.user_name,
        packet.password,
        packet.properties.session_expiry_interval,
        packet.properties.receive_maximum,
    )


def _build_publish(sample: Publish, version: int) -> mqttproto.Publish:
    publish = mqttproto.Publish(
        sample.topic,
        sample.payload,
        qos=sample.qos,
        retain=sample.retain,
        dup=sample.dup,
        packet_id=sample.packet_id,
    )
    if sample.content_type is not None:
        publish.properties = mqttproto.Properties(
            content_type=sample.content_type, user_properties=sample.user_properties
        )
    return publish


def _build_subscribe(sample: Subscribe, version: int) -> mqttproto.Subscribe:
    return mqttproto.Subscribe(
        sample.packet_id,
        [mqttproto.Subscription(topic_filter, qos) for topic_filter, qos in sample.filters],
    )


def _build_connect(sample: Connect, version: int) -> mqttproto.Connect:
    connect = mqttproto.Connect(
        sample.client_id,
        keep_alive=sample.keep_alive,
        user_name=sample.user_name,
        password=sample.password,
    )
    if sample.session_expiry_interval is not None:
        connect.properties = mqttproto.Properties(
            session_expiry_interval=sample.session_expiry_interval,
            receive_maximum=sample.receive_maximum,
        )
    return connect
