"""gmqtt: a client without packets; what it decodes goes straight to callbacks.

Decoding is the framing of its protocol class and the package handler of its client, as its read
loop puts them together, without the stream reader that the loop waits for. The callbacks store what
they are given. The handler is told not to acknowledge by itself, and its bookkeeping (stored
messages, PUBREL and PUBCOMP to send) ends in the callbacks, too. The packet id of a PUBLISH is not
handed on, and of an acknowledgement nothing but the packet id is read.

Encoding is its package factories, with an id generator that returns the packet id that is wanted.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from contestants.base import LOST, Contestant, Fields, Packet, Stream
from samples import Ack, Case, Connect, Publish, Subscribe

__all__ = ["Gmqtt"]


class Gmqtt(Contestant):
    name = "gmqtt"

    def __init__(self) -> None:
        self._message = import_module("gmqtt.client").Message
        self._handler = import_module("gmqtt.mqtt.handler").MqttPackageHandler
        self._package = import_module("gmqtt.mqtt.package")
        self._protocol = import_module("gmqtt.mqtt.protocol").MQTTProtocol
        self._commands = import_module("gmqtt.mqtt.constants").MQTTCommands
        self._state = import_module("gmqtt.mqtt.utils").ConnectionState
        self._subscription = import_module("gmqtt.subscription").Subscription
        self.readers = {Publish: self._read_publish, Ack: lambda mid: (LOST, mid, LOST)}
        self.builders = {
            Publish: self._build_publish,
            Ack: self._build_ack,
            Subscribe: self._build_subscribe,
            Connect: self._build_connect,
        }

    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        packets: list[Packet] = []
        read_packet = self._reader(version, packets)

        def run() -> list[Packet]:
            for chunks in streams:
                buffer = b""
                for chunk in chunks:
                    # These two lines are those of MQTTProtocol._read_loop.
                    buffer += chunk
                    buffer = buffer[read_packet(buffer) :]
            return packets

        return run

    def _reader(self, version: int, packets: list[Packet]) -> Callable[[bytes], int]:
        """Return the framing function of a connection whose messages end in a list."""
        pubcomp = self._commands.PUBCOMP

        def on_message(topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> None:
            packets.append((topic, payload, qos, properties))

        def on_send(command: int, packet_id: int, dup: bool, reason_code: int) -> None:
            if command == pubcomp:  # the answer to PUBREL, of which nothing else is told
                packets.append(packet_id)

        def on_store(packet_id: int, package: bytes) -> None:  # PUBREC
            packets.append(packet_id)

        state = self._state(protocol_version=version)
        handler = self._handler(
            connack_event=asyncio.Event(),
            connection_lost_event=asyncio.Event(),
            connection_state=state,
            reconnect_callback=None,
            disconnect_callback=None,
            resend_qos_callback=None,
            clear_qos_callback=None,
            connect_properties={},
            subscriptions_getter=list,
            remove_message_callback=packets.append,  # PUBACK and PUBCOMP
            store_message_callback=on_store,
            send_command_with_mid_callback=on_send,
        )
        handler._optimistic_acknowledgement = False
        handler.on_message = on_message
        loop = asyncio.new_event_loop()  # the constructor wants one; nothing runs on it
        loop.close()
        protocol = self._protocol(
            connection_state=state, id_generator=handler.id_generator, loop=loop
        )
        protocol.set_connection(SimpleNamespace(put_package=handler))
        read_packet: Callable[[bytes], int] = protocol._read_packet
        return read_packet

    def shortfall(self, case: Case) -> str | None:
        if case.version == 5 and any(isinstance(sample, Ack) for sample in case.samples):
            return "reads over reason code and properties of acknowledgements"
        return None

    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        return lambda: [build() for build in packets]

    def wire(self, encoded: Any) -> bytes:
        # The factories of packets that have a packet id return it, too.
        return bytes(encoded[1] if isinstance(encoded, tuple) else encoded)

    @staticmethod
    def _read_publish(message: Packet) -> Fields:
        topic, payload, qos, properties = message
        content_types = properties.get("content_type")
        return (
            topic,
            payload,
            qos,
            properties["retain"],
            properties["dup"],
            LOST,
            content_types[0] if content_types else None,
            properties.get("user_property", ()),
        )

    @staticmethod
    def _end(version: int, packet_id: int | None = None) -> SimpleNamespace:
        """Return what the factories ask about a connection: its version and the next packet id."""
        ids = SimpleNamespace(next_id=lambda: packet_id)
        return SimpleNamespace(proto_name=b"MQTT", proto_ver=version, id_generator=ids)

    def _build_publish(self, sample: Publish, version: int) -> Packet:
        properties: dict[str, Any] = {}
        if sample.content_type is not None:
            properties["content_type"] = sample.content_type
            properties["user_property"] = sample.user_properties
        message = self._message(
            sample.topic, sample.payload, sample.qos, sample.retain, **properties
        )
        factory = self._package.PublishPacket
        return partial(factory.build_package, message, self._end(version, sample.packet_id))

    def _build_ack(self, sample: Ack, version: int) -> Packet:
        return partial(
            self._package.CommandWithMidPacket.build_package,
            self._commands[sample.name] | (2 if sample.name == "PUBREL" else 0),
            sample.packet_id,
            False,
            sample.reason_code,
            version,
        )

    def _build_subscribe(self, sample: Subscribe, version: int) -> Packet:
        return partial(
            self._package.SubscribePacket.build_package,
            [self._subscription(topic_filter, qos=qos) for topic_filter, qos in sample.filters],
            self._end(version, sample.packet_id),
        )

    def _build_connect(self, sample: Connect, version: int) -> Packet:
        properties: dict[str, Any] = {}
        if sample.session_expiry_interval is not None:
            properties["session_expiry_interval"] = sample.session_expiry_interval
            properties["receive_maximum"] = sample.receive_maximum
        return partial(
            self._package.LoginPackageFactor.build_package,
            sample.client_id,
            sample.user_name.encode(),
            sample.password,
            True,
            sample.keep_alive,
            self._end(version),
            **properties,
        )
