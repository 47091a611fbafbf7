"""gmqtt: publishing does not wait, messages come by callback.

It says nothing of an acknowledgement, but takes the message out of its storage, which can be given
to it: one that counts tells when there is room for the next. At QoS 0 nothing holds the application
back, so it gives way to the loop now and then.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gmqtt import Client as Connection
from gmqtt.storage import PersistentStorage

from clients.base import ANSWER, IN_FLIGHT, REQUEST, TOPIC
from clients.on_asyncio import CallbackClient

__all__ = ["Gmqtt"]

_TURN = 64
"""How many messages at QoS 0 are published in one turn of the loop."""


class _Window(PersistentStorage):  # type: ignore[misc]
    """Counts what is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._waiter: asyncio.Future[None] | None = None

    def push_message(self, mid: int, raw_package: bytes) -> None:
        if mid not in self._messages:  # at QoS 2 the PUBREL takes the place of the PUBLISH
            self.count += 1
        super().push_message(mid, raw_package)

    def remove_message_by_mid(self, mid: int) -> None:
        super().remove_message_by_mid(mid)
        self.count -= 1
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def below(self, limit: int) -> None:
        while self.count >= limit:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class Gmqtt(CallbackClient):
    name = "gmqtt"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        self._window = _Window()
        self._client = client = Connection("gmqtt", persistent_storage=self._window)
        client.on_message = self._answer if self.job.kind == "answer" else self._count
        subscribed = asyncio.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        await client.connect(self.job.host, self.job.port, version=self.job.version)
        for topic_filter, qos in self.subscriptions():
            subscribed.clear()
            client.subscribe(topic_filter, qos=qos)
            await subscribed.wait()
        yield
        await client.disconnect()

    async def publish(self, count: int) -> None:
        publish, window, payload, qos = (
            self._client.publish,
            self._window,
            self.payload,
            self.job.qos,
        )
        if qos:
            for _ in range(count):
                if window.count >= IN_FLIGHT:
                    await window.below(IN_FLIGHT)
                publish(TOPIC, payload, qos)
        else:
            for number in range(count):
                publish(TOPIC, payload)
                if not number % _TURN:
                    await asyncio.sleep(0)
            publish(TOPIC, payload, 1)
        await window.below(1)

    async def start(self, topic: str) -> None:
        self._client.publish(topic)

    def _count(self, client: Any, topic: str, payload: bytes, qos: int, properties: Any) -> None:
        self.size += len(payload)
        self.left -= 1
        if not self.left:
            self.over.set()

    def _answer(self, client: Any, topic: str, payload: bytes, qos: int, properties: Any) -> None:
        if topic == REQUEST:
            client.publish(ANSWER, payload)
        else:
            self.result = payload
            self.over.set()
