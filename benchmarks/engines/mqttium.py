"""mqttium's engine and decoder, driven as its client drives them, without asyncio.

The client hands a QoS 0 message to ``prepare_qos0`` of the outbound half and sends what that
returns; so does this. What it does beside the engine is left out: receipts, its writer and its
queues, and the clock. At QoS 2 the engine must be told that a message was delivered before it
sends a PUBCOMP.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from engines.base import Engine, Heard, Sink
from timing import Run
from traffic import CONNACKS, Message, Turn

__all__ = ["Mqttium"]


class Mqttium(Engine):
    name = "mqttium"

    def __init__(self) -> None:
        protocol = import_module("mqttium.protocol")
        self._engine = protocol.ProtocolEngine
        self._config = protocol.EngineConfig
        self._kind = protocol.EffectKind
        self._decoder = import_module("mqttium.codec.buffer").IncrementalDecoder
        enums = import_module("mqttium.enums")
        self._qos = tuple(enums.QoS)
        self._protocols = {
            4: enums.MQTTProtocolVersion.MQTTv311,
            5: enums.MQTTProtocolVersion.MQTTv5,
        }

    def client(self, version: int) -> tuple[Any, Any]:
        engine = self._engine(
            self._config(client_id="client", protocol=self._protocols[version], keepalive=60)
        )
        decoder = self._decoder()
        engine.begin_connect()
        decoder.feed(CONNACKS[version])
        assert engine.handle_raw(decoder.next_packet()) is None
        (effect,) = engine.take_effects()
        assert effect.kind is self._kind.CONNACK
        return engine, decoder

    def player(
        self, version: int, qos: int, turns: Iterable[Turn], events: Sink, data: Sink
    ) -> Run:
        engine, decoder = self.client(version)
        prepare = engine.outbound.prepare_qos0
        publish = engine.outbound.queue_publish
        feed, next_packet = decoder.feed, decoder.next_packet
        handle, take = engine.handle_raw, engine.take_effects
        delivered = engine.inbound.mark_delivered
        send, acknowledge = self._kind.SEND, self._kind.SEND_ACK
        level = self._qos[qos]

        def run() -> None:
            for batch, chunks in turns:
                if batch and level:
                    for topic, payload in batch:
                        publish(topic, payload, qos=level)
                    data(b"".join([effect.data for effect in take()]))  # nothing else comes
                elif batch:
                    data(b"".join([prepare(topic, payload) for topic, payload in batch]))
                for chunk in chunks:
                    feed(chunk)
                    while (raw := next_packet()) is not None:
                        handle(raw)
                    effects = take()
                    out = []
                    for effect in effects:
                        kind = effect.kind
                        if kind is acknowledge or kind is send:
                            out.append(effect.data)
                        elif effect.requires_delivery_mark:
                            delivered(effect.data.mid, effect.exchange_token)
                    events(effects)
                    data(b"".join(out))

        return run

    def heard(self, batches: Iterable[list[Any]]) -> Heard:
        kinds = self._kind
        messages: list[tuple[object, ...]] = []
        completed: list[int] = []
        for batch in batches:
            for effect in batch:
                if effect.kind is kinds.PUBLISH_COMPLETE:
                    completed.append(effect.data)
                elif effect.kind is kinds.MESSAGE:
                    found = effect.data
                    messages.append(
                        (found.topic, found.payload, found.qos, found.retain, found.dup)
                    )
                else:
                    assert effect.kind in (kinds.SEND, kinds.SEND_ACK)
        return messages, completed

    def publish_all(self, client: tuple[Any, Any], messages: Sequence[Message]) -> None:
        engine, _ = client
        for topic, payload in messages:
            engine.outbound.queue_publish(topic, payload, qos=self._qos[1])
        engine.take_effects()
