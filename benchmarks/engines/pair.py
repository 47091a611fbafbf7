"""Our client joined to our server, in one process and without a network between them."""

from collections.abc import Sequence

from engines.base import Sink
from mqttproto import ClientConnection, Connect, QoS, ServerConnection
from mqttproto.protocol.events import MessageReceived
from timing import Run
from traffic import Message

__all__ = ["player"]


def _joined(version: int) -> tuple[ClientConnection, ServerConnection]:
    client, server = ClientConnection(version=version), ServerConnection(now=0.0)
    client.connect(Connect("client", keep_alive=60), now=0.0)
    server.receive_data(client.data_to_send(), 0.0)
    server.accept(now=0.0)
    client.receive_data(server.data_to_send(), 0.0)
    return client, server


def player(
    version: int,
    qos: int,
    batches: Sequence[Sequence[Message]],
    *,
    up: bool,
    client_events: Sink,
    server_events: Sink,
) -> Run:
    """Prepare one run: one end publishes, the other receives, until nobody has more to say.

    :param up: whether the client publishes. The server acknowledges what it receives one by one,
        the client by itself.
    """
    client, server = _joined(version)
    publish = client.publish if up else server.publish
    to_server, to_client = client.data_to_send, server.data_to_send
    receive_client, receive_server = client.receive_data, server.receive_data
    acknowledge = server.acknowledge
    level = QoS(qos)

    def run() -> None:
        for batch in batches:
            for topic, payload in batch:
                publish(topic, payload, level, now=0.0)
            while True:
                up_data = to_server()
                if up_data:
                    events = receive_server(up_data, 0.0)
                    if level:
                        for event in events:
                            if isinstance(event, MessageReceived):
                                acknowledge(event, now=0.0)
                    server_events(events)
                down_data = to_client()
                if down_data:
                    client_events(receive_client(down_data, 0.0))
                elif not up_data:
                    break

    return run
