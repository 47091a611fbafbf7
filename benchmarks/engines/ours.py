"""mqttproto itself, at the speed that this interpreter has."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import mqttproto
from engines.base import Engine, Heard, Sink
from mqttproto import ClientConnection, Connect, QoS
from mqttproto.codec import decoder
from mqttproto.protocol import session
from mqttproto.protocol.events import Connected, Event, MessageReceived, PublishCompleted
from timing import Run
from traffic import CONNACKS, Message, Turn

__all__ = ["Ours"]


class Ours(Engine):
    name = "mqttproto"

    def __init__(self) -> None:
        # The speed that is reported is that of the codec.
        if Path(str(session.__file__)).suffix != Path(str(decoder.__file__)).suffix:
            raise ImportError("codec and connections are not of one speed")

    @property
    def release(self) -> str:
        return mqttproto.__version__  # of what was imported, be it installed or not

    def client(self, version: int) -> ClientConnection:
        client = ClientConnection(version=version)
        client.connect(Connect("client", keep_alive=60), now=0.0)
        client.data_to_send()
        (event,) = client.receive_data(CONNACKS[version], 0.0)
        assert isinstance(event, Connected)
        return client

    def player(
        self, version: int, qos: int, turns: Iterable[Turn], events: Sink, data: Sink
    ) -> Run:
        client = self.client(version)
        publish = client.publish
        receive = client.receive_data
        data_to_send = client.data_to_send
        level = QoS(qos)

        def run() -> None:
            for batch, chunks in turns:
                if batch:
                    for topic, payload in batch:
                        publish(topic, payload, level, now=0.0)
                    data(data_to_send())
                for chunk in chunks:
                    events(receive(chunk, 0.0))
                    data(data_to_send())

        return run

    def heard(self, batches: Iterable[list[Event]]) -> Heard:
        messages: list[tuple[object, ...]] = []
        completed: list[int] = []
        for batch in batches:
            for event in batch:
                if isinstance(event, PublishCompleted):
                    assert event.reason_code == 0
                    completed.append(event.delivery.packet_id)
                else:
                    assert isinstance(event, MessageReceived)
                    messages.append(
                        (event.topic, event.payload, event.qos, event.retain, event.dup)
                    )
        return messages, completed

    def publish_all(self, client: ClientConnection, messages: Sequence[Message]) -> None:
        for topic, payload in messages:
            client.publish(topic, payload, QoS.AT_LEAST_ONCE, now=0.0)
        client.data_to_send()
