"""zmqtt: a client whose codec reads and writes all packets.

It is driven through its packet buffer and its ``encode``.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from contestants.base import Contestant, Fields, Packet, Stream
from samples import Ack, Connect, Publish, Subscribe, label

__all__ = ["Zmqtt"]


class Zmqtt(Contestant):
    name = "zmqtt"

    def __init__(self) -> None:
        self._buffer = import_module("zmqtt._internal.packets.reader").PacketBuffer
        self._encode = import_module("zmqtt._internal.packets.codec").encode
        self._packets = import_module("zmqtt._internal.packets")
        self._qos = import_module("zmqtt._internal.types.qos").QoS
        self._acks = {
            "PUBACK": self._packets.PubAck,
            "PUBREC": self._packets.PubRec,
            "PUBREL": self._packets.PubRel,
            "PUBCOMP": self._packets.PubComp,
        }
        self.readers = {
            Publish: self._read_publish,
            Ack: self._read_ack,
            Subscribe: self._read_subscribe,
            Connect: self._read_connect,
        }
        self.builders = {
            Publish: self._build_publish,
            Ack: lambda sample, _: self._acks[sample.name](packet_id=sample.packet_id),
            Subscribe: self._build_subscribe,
            Connect: self._build_connect,
        }

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        buffer_of, name = self._buffer, label(version)

        def run() -> list[Packet]:
            packets: list[Packet] = []
            for chunks in streams:
                buffer = buffer_of(name)
                for chunk in chunks:
                    buffer.feed(chunk)
                    packets.extend(buffer)
            return packets

        return run

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        encode, name = self._encode, label(version)
        return lambda: [encode(packet, version=name) for packet in packets]

    @staticmethod
    def _read_publish(packet: Packet) -> Fields:
        properties = packet.properties
        return (
            packet.topic,
            packet.payload,
            packet.qos,
            packet.retain,
            packet.dup,
            packet.packet_id,
            properties.content_type if properties else None,
            properties.user_properties if properties else (),
        )

    @staticmethod
    def _read_ack(packet: Packet) -> Fields:
        return packet.packet_type.name, packet.packet_id, packet.reason_code

    @staticmethod
    def _read_subscribe(packet: Packet) -> Fields:
        return packet.packet_id, tuple(
            (each.topic_filter, each.qos) for each in packet.subscriptions
        )

    @staticmethod
    def _read_connect(packet: Packet) -> Fields:
        properties = packet.properties
        return (
            packet.client_id,
            packet.keepalive,
            packet.username,
            packet.password,
            properties.session_expiry_interval if properties else None,
            properties.receive_maximum if properties else None,
        )

    def _build_publish(self, sample: Publish, version: int) -> Packet:
        properties = None
        if sample.content_type is not None:
            properties = self._packets.PublishProperties(
                content_type=sample.content_type, user_properties=sample.user_properties
            )
        return self._packets.Publish(
            topic=sample.topic,
            payload=sample.payload,
            qos=self._qos(sample.qos),
            retain=sample.retain,
            dup=sample.dup,
            packet_id=sample.packet_id,
            properties=properties,
        )

    def _build_subscribe(self, sample: Subscribe, version: int) -> Packet:
        return self._packets.Subscribe(
            packet_id=sample.packet_id,
            subscriptions=tuple(
                self._packets.SubscriptionRequest(topic_filter=topic_filter, qos=self._qos(qos))
                for topic_filter, qos in sample.filters
            ),
        )

    def _build_connect(self, sample: Connect, version: int) -> Packet:
        properties = None
        if sample.session_expiry_interval is not None:
            properties = self._packets.ConnectProperties(
                session_expiry_interval=sample.session_expiry_interval,
                receive_maximum=sample.receive_maximum,
            )
        return self._packets.Connect(
            client_id=sample.client_id,
            clean_session=True,
            keepalive=sample.keep_alive,
            username=sample.user_name,
            password=sample.password,
            properties=properties,
        )
