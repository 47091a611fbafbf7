"""paho-mqtt: a client, which decodes and encodes inside its connection.

Decoding is the client's own reading of packets from a socket, for which a chunk in memory stands
in, and its functions that make a named tuple of each packet. What its handlers do then (a message
object with a lock, the search for callbacks, acknowledging) is left out: it would double the time.
The topic stays bytes in these tuples.

Encoding is the client's own sending methods, up to where they would queue what is to be written.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from contestants.base import Contestant, Fields, Packet, Stream
from samples import Ack, Connect, Publish, Subscribe

__all__ = ["Paho"]


class _Chunk:
    """A socket with one chunk in it; where a socket would block, it says that it was closed."""

    def __init__(self, chunk: bytes) -> None:
        self.recv = io.BytesIO(chunk).read

    def close(self) -> None:
        """Do nothing: a client closes its socket when it is deleted."""


class Paho(Contestant):
    name = "paho-mqtt"

    def __init__(self) -> None:
        self._client = import_module("paho.mqtt.client")
        decode = import_module("paho.mqtt._packet")
        self._decoders = {
            0x30: decode.decode_publish,
            0x40: decode.decode_puback,
            0x50: decode.decode_pubrec,
            0x60: decode.decode_pubrel,
            0x70: decode.decode_pubcomp,
        }
        self._ack_names = {
            decode.PubackPacket: "PUBACK",
            decode.PubrecPacket: "PUBREC",
            decode.PubrelPacket: "PUBREL",
            decode.PubcompPacket: "PUBCOMP",
        }
        self._commands = {"PUBACK": 0x40, "PUBREC": 0x50, "PUBREL": 0x62, "PUBCOMP": 0x70}
        self._properties = import_module("paho.mqtt.properties").Properties
        self._types = import_module("paho.mqtt.packettypes").PacketTypes
        self._options = import_module("paho.mqtt.subscribeoptions").SubscribeOptions
        self._encoded: list[bytes | bytearray] = []
        self._senders = {4: self._sender(4), 5: self._sender(5)}
        self.readers = {
            Publish: self._read_publish,
            Ack: lambda packet: (self._ack_names[type(packet)], packet.mid, packet.reason.value),
        }
        self.builders = {
            Publish: self._build_publish,
            Ack: self._build_ack,
            Subscribe: self._build_subscribe,
            Connect: self._build_connect,
        }

    def _new_client(self, version: int, client_id: str = "") -> Any:
        return self._client.Client(
            self._client.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol={4: self._client.MQTTv311, 5: self._client.MQTTv5}[version],
        )

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        client, decoders = self._new_client(version), self._decoders
        protocol = client.protocol
        packets: list[Packet] = []

        def handle() -> int:
            packet = client._in_packet
            header = packet["command"]
            packets.append(decoders[header & 0xF0](header, packet["packet"], protocol))
            return 0

        client._packet_handle = handle

        def run() -> list[Packet]:
            packet_read = client._packet_read
            for chunks in streams:
                for chunk in chunks:
                    client._sock = _Chunk(chunk)
                    while packet_read() == 0:
                        pass
            return packets

        return run

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        self._senders[version]._last_mid = 0  # SUBSCRIBE counts from here
        self._encoded.clear()

        def run() -> list[Any]:
            for send in packets:
                send()
            return self._encoded

        return run

    def _sender(self, version: int, client_id: str = "") -> Any:
        """Return a client whose packets end in a list."""
        client, append = self._new_client(version, client_id), self._encoded.append

        def queue(
            command: int, packet: bytes | bytearray, mid: int, qos: int, info: object = None
        ) -> int:
            append(packet)
            return 0

        client._packet_queue = queue
        client._sock = _Chunk(b"")
        return client

    @staticmethod
    def _read_publish(packet: Packet) -> Fields:
        properties = packet.properties
        return (
            packet.topic.decode(),
            packet.payload,
            packet.qos,
            packet.retain,
            packet.dup,
            packet.mid or None,
            getattr(properties, "ContentType", None),
            getattr(properties, "UserProperty", ()),
        )

    def _build_publish(self, sample: Publish, version: int) -> Packet:
        properties = None
        if sample.content_type is not None:
            properties = self._properties(self._types.PUBLISH)
            properties.ContentType = sample.content_type
            properties.UserProperty = list(sample.user_properties)
        return partial(
            self._senders[version]._send_publish,
            sample.packet_id or 0,
            sample.topic.encode(),
            sample.payload,
            sample.qos,
            sample.retain,
            sample.dup,
            None,
            properties,
        )

    def _build_ack(self, sample: Ack, version: int) -> Packet:
        send = self._senders[version]._send_command_with_mid
        return partial(send, self._commands[sample.name], sample.packet_id, False)

    def _build_subscribe(self, sample: Subscribe, version: int) -> Packet:
        topics = [
            (topic_filter.encode(), self._options(qos) if version == 5 else qos)
            for topic_filter, qos in sample.filters
        ]
        return partial(self._senders[version]._send_subscribe, False, topics)

    def _build_connect(self, sample: Connect, version: int) -> Packet:
        client = self._sender(version, sample.client_id)
        client.username_pw_set(sample.user_name, sample.password)
        if sample.session_expiry_interval is not None:
            properties = self._properties(self._types.CONNECT)
            properties.SessionExpiryInterval = sample.session_expiry_interval
            properties.ReceiveMaximum = sample.receive_maximum
            client._connect_properties = properties
        return partial(client._send_connect, sample.keep_alive)
