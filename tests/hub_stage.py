"""A server in a thread, and a client that hears everything and may publish: for command lines."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from mqttproto import Properties, Publish
from mqttproto.asyncio import Client, connect
from mqttproto.cli.hub import HubServer, serve_hub
from mqttproto.testing.live import LoopThread

_PATIENCE = 60.0


class HubStage:
    """The server and the client.

    :ivar port: where the server listens, on 127.0.0.1.
    """

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._server: HubServer = loop.enter(serve_hub())
        self.port = self._server.port
        self._heard: queue.Queue[Publish] = queue.Queue()
        self._client: Client = loop.enter(_listening(self.port, self._heard))

    def heard(self) -> Publish:
        """The next message that was published."""
        return self._heard.get(timeout=_PATIENCE)

    def heard_nothing_more(self) -> bool:
        """Whether there is no other message."""
        self.publish("the/end")
        return self.heard().topic == "the/end"

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        """Publish a message."""
        call = partial(self._client.publish_nowait, properties=properties or Properties())
        self._loop.call(call, topic, payload, qos, retain)

    def wait_for_connections(self, count: int) -> None:
        """Wait until so many clients are connected beside the one here."""
        self._loop.enter(_until(lambda: self._server.connections == count + 1))


@contextmanager
def hub_stage() -> Iterator[HubStage]:
    """Both, while the block lasts."""
    with LoopThread() as loop:
        yield HubStage(loop)


@asynccontextmanager
async def _listening(port: int, heard: queue.Queue[Publish]) -> AsyncIterator[Client]:
    async def listen() -> None:
        async for message in client.messages():
            heard.put(message.message)

    async with connect(f"mqtt://127.0.0.1:{port}") as client:
        await client.subscribe("#", qos=2, retain_as_published=True)
        listener = asyncio.create_task(listen())
        yield client
        listener.cancel()


@asynccontextmanager
async def _until(condition: Callable[[], bool]) -> AsyncIterator[None]:
    async with asyncio.timeout(_PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
    yield
