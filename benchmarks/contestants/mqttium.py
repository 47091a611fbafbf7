"""mqttium: a client, with an incremental decoder and typed packets.

A PUBLISH becomes a ``Message``, made of its fields by the two functions that the client itself
calls: its ``PublishPacket`` takes half as long again. Every other packet becomes its typed packet.
The check of the fixed header's flags, which the client makes before, is left out.

Encoding is the ``encode`` of the typed packets.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from contestants.base import Contestant, Fields, Packet, Stream
from samples import Ack, Connect, Publish, Subscribe

__all__ = ["Mqttium"]


class Mqttium(Contestant):
    name = "mqttium"

    def __init__(self) -> None:
        self._decoder = import_module("mqttium.codec.buffer").IncrementalDecoder
        self._packets = import_module("mqttium.packets")
        self._acks = {
            "PUBACK": self._packets.PubAckPacket,
            "PUBREC": self._packets.PubRecPacket,
            "PUBREL": self._packets.PubRelPacket,
            "PUBCOMP": self._packets.PubCompPacket,
        }
        self._ack_names = {kind: name for name, kind in self._acks.items()}
        publish = import_module("mqttium.packets._publish")
        self._decode_5 = publish.decode_publish_fields_v5
        self._decode_311_qos_0 = publish.decode_qos0_message_v311
        self._decode_311_other = publish.decode_qos12_fields_v311
        types = import_module("mqttium.types")
        self._message = types._decoded_message
        self._properties = types.Properties
        enums = import_module("mqttium.enums")
        self._qos = tuple(enums.QoS)
        self._protocols = {
            4: enums.MQTTProtocolVersion.MQTTv311,
            5: enums.MQTTProtocolVersion.MQTTv5,
        }
        self.readers = {Publish: self._read_publish, Ack: self._read_ack}
        self.builders = {
            Publish: self._build_publish,
            Ack: lambda sample, _: self._acks[sample.name](sample.packet_id),
            Subscribe: self._build_subscribe,
            Connect: self._build_connect,
        }

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        decoder_of, handlers = self._decoder, self._handlers(version)

        def run() -> list[Packet]:
            packets: list[Packet] = []
            append = packets.append
            for chunks in streams:
                decoder = decoder_of()
                feed, next_packet = decoder.feed, decoder.next_packet
                for chunk in chunks:
                    feed(chunk)
                    while (raw := next_packet()) is not None:
                        append(handlers[raw.packet_type >> 4](raw))
            return packets

        return run

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        if isinstance(packets[0], self._packets.ConnectPacket):  # knows its version
            return lambda: [packet.encode() for packet in packets]
        protocol = self._protocols[version]
        return lambda: [packet.encode(protocol) for packet in packets]

    def _handlers(self, version: int) -> dict[int, Callable[[Any], Packet]]:
        """Return what makes a packet of a raw one, by packet type."""
        message, qos = self._message, self._qos
        decode_5, decode_0, decode_other = (
            self._decode_5,
            self._decode_311_qos_0,
            self._decode_311_other,
        )

        def publish_5(raw: Any) -> Packet:
            level = qos[raw.flags >> 1 & 3]
            topic, payload, packet_id, retain, dup, properties, _ = decode_5(raw, level)
            return message(topic, payload, level, retain, dup, packet_id, properties)

        def publish_311(raw: Any) -> Packet:
            level = raw.flags >> 1 & 3
            if level == 0:
                return decode_0(raw)
            topic, payload, packet_id, retain, dup = decode_other(raw)
            return message(topic, payload, qos[level], retain, dup, packet_id, None)

        def ack(kind: Any) -> Callable[[Any], Packet]:
            decode, protocol = kind.decode, self._protocols[version]
            return lambda raw: decode(raw.remaining, protocol)

        return {
            3: publish_5 if version == 5 else publish_311,
            **{number: ack(kind) for number, kind in enumerate(self._acks.values(), 4)},
        }

    @staticmethod
    def _read_publish(message: Packet) -> Fields:
        properties = message.properties
        return (
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            message.dup,
            message.mid,
            properties.get("content_type") if properties else None,
            properties.get("user_property") if properties else (),
        )

    def _read_ack(self, packet: Packet) -> Fields:
        return self._ack_names[type(packet)], packet.mid, packet.reason_code

    def _build_publish(self, sample: Publish, version: int) -> Packet:
        properties = None
        if sample.content_type is not None:
            properties = self._properties(
                {"content_type": sample.content_type, "user_property": sample.user_properties}
            )
        return self._packets.PublishPacket(
            topic=sample.topic,
            payload=sample.payload,
            qos=self._qos[sample.qos],
            retain=sample.retain,
            dup=sample.dup,
            mid=sample.packet_id,
            properties=properties,
        )

    def _build_subscribe(self, sample: Subscribe, version: int) -> Packet:
        return self._packets.SubscribePacket(
            mid=sample.packet_id,
            subscriptions=tuple(
                self._packets.Subscription(
                    topic_filter, self._packets.SubscribeOptions(qos=self._qos[qos])
                )
                for topic_filter, qos in sample.filters
            ),
        )

    def _build_connect(self, sample: Connect, version: int) -> Packet:
        properties = None
        if sample.session_expiry_interval is not None:
            properties = self._properties(
                {
                    "session_expiry_interval": sample.session_expiry_interval,
                    "receive_maximum": sample.receive_maximum,
                }
            )
        return self._packets.ConnectPacket(
            client_id=sample.client_id,
            clean_start=True,
            keepalive=sample.keep_alive,
            username=sample.user_name,
            password=sample.password,
            protocol=self._protocols[version],
            properties=properties,
        )
