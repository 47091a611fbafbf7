"""amqtt: a client and broker for 3.1.1, whose codec reads from a stream reader.

Decoding is what its reader loop does for each packet: the fixed header, the class, the packet, on
amqtt's adapter of an asyncio stream reader. The coroutine is resumed by hand whenever a chunk has
come, which is faster than an event loop would do it.

Encoding is the ``to_bytes`` of its packets.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any

from contestants.base import Contestant, Fields, Packet, Stream
from samples import Ack, Connect, Publish, Subscribe

__all__ = ["Amqtt"]


class Amqtt(Contestant):
    name = "amqtt"
    versions = frozenset((4,))

    def __init__(self) -> None:
        self._adapter = import_module("amqtt.adapters").StreamReaderAdapter
        self._mqtt = import_module("amqtt.mqtt")
        self._connect = import_module("amqtt.mqtt.connect")
        self._acks = {
            "PUBACK": self._mqtt.PubackPacket,
            "PUBREC": self._mqtt.PubrecPacket,
            "PUBREL": self._mqtt.PubrelPacket,
            "PUBCOMP": self._mqtt.PubcompPacket,
        }
        self._ack_names = {kind: name for name, kind in self._acks.items()}
        self._loop = asyncio.new_event_loop()  # stream readers want one; nothing runs on it
        self._loop.close()
        self.readers = {
            Publish: self._read_publish,
            # There are no reason codes in 3.1.1: 0 is what there is to find.
            Ack: lambda packet: (self._ack_names[type(packet)], packet.packet_id, 0),
            Subscribe: lambda packet: (packet.variable_header.packet_id, packet.payload.topics),
            Connect: self._read_connect,
        }
        self.builders = {
            Publish: self._build_publish,
            Ack: lambda sample, _: self._acks[sample.name].build(sample.packet_id),
            Subscribe: lambda sample, _: self._mqtt.SubscribePacket.build(
                list(sample.filters), sample.packet_id
            ),
            Connect: self._build_connect,
        }

    async def _read(self, reader: asyncio.StreamReader, packets: list[Packet]) -> None:
        """Read packets until the end of the stream."""
        adapter, packet_class = self._adapter(reader), self._mqtt.packet_class
        read_header = self._mqtt.MQTTFixedHeader.from_stream
        while header := await read_header(adapter):
            packets.append(await packet_class(header).from_stream(adapter, fixed_header=header))

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        def run() -> list[Packet]:
            packets: list[Packet] = []
            for chunks in streams:
                reader = asyncio.StreamReader(loop=self._loop)
                reading = self._read(reader, packets)
                for chunk in chunks:
                    reader.feed_data(chunk)
                    _resume(reading)
                reader.feed_eof()
                _resume(reading)
            return packets

        return run

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        return lambda: [packet.to_bytes() for packet in packets]

    @staticmethod
    def _read_publish(packet: Packet) -> Fields:
        return (
            packet.topic_name,
            packet.data,
            packet.qos,
            packet.retain_flag,
            packet.dup_flag,
            packet.packet_id,
            None,
            (),
        )

    @staticmethod
    def _read_connect(packet: Packet) -> Fields:
        return (
            packet.client_id,
            packet.keep_alive,
            packet.username,
            packet.password.encode(),  # amqtt takes it for text
            None,
            None,
        )

    def _build_publish(self, sample: Publish, version: int) -> Packet:
        return self._mqtt.PublishPacket.build(
            sample.topic, sample.payload, sample.packet_id, sample.dup, sample.qos, sample.retain
        )

    def _build_connect(self, sample: Connect, version: int) -> Packet:
        header = self._connect.ConnectVariableHeader(keep_alive=sample.keep_alive)
        header.clean_session_flag = header.username_flag = header.password_flag = True
        payload = self._connect.ConnectPayload(
            client_id=sample.client_id,
            username=sample.user_name,
            password=sample.password.decode(),
        )
        return self._mqtt.ConnectPacket(variable_header=header, payload=payload)


def _resume(reading: Coroutine[Any, Any, None]) -> None:
    """Go on until more bytes are needed, or the end was read."""
    with contextlib.suppress(StopIteration):
        reading.send(None)
