"""mqttproto, the same on asyncio and on trio: ``publish`` from as many tasks as there may be
messages in flight, or ``publish_many``; messages by iterator.
"""

import abc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import repeat
from typing import Any

import mqttproto
from clients.base import ANSWER, IN_FLIGHT, REQUEST, TOPIC, Client
from contestants.ours import speed

__all__ = ["Many", "Ours"]


class Ours(Client):
    """``publish``."""

    name = "mqttproto"
    note = speed()

    @property
    def release(self) -> str:
        return mqttproto.__version__  # of what was imported, be it installed or not

    @abc.abstractmethod
    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        """``connect`` of the package for this loop."""

    @abc.abstractmethod
    async def in_parallel(self, publish: Callable[[], Awaitable[object]], count: int) -> None:
        """Call ``publish`` so many times, from :data:`IN_FLIGHT` tasks."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with self.connect(
            f"mqtt://{self.job.host}:{self.job.port}",
            client_id="mqttproto",
            mqtt_version=self.job.version,
            max_in_flight=IN_FLIGHT,
            reconnect=False,
        ) as client:
            self._client = client
            for topic_filter, qos in self.subscriptions():
                await client.subscribe(topic_filter, qos)
            self._messages = client.messages()
            yield

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._client.publish, self.payload, self.job.qos
        if qos:
            await self.in_parallel(lambda: publish(TOPIC, payload, qos), count)
        else:
            for _ in range(count):
                await publish(TOPIC, payload)
            await publish(TOPIC, payload, 1)

    async def receive(self, start: str, count: int) -> int:
        size = 0
        await self._client.publish(start)
        async for message in self._messages:
            size += len(message.payload)
            count -= 1
            if not count:
                break
        return size

    async def answer(self, start: str) -> bytes:
        publish = self._client.publish
        await publish(start)
        async for message in self._messages:
            payload: bytes = message.payload
            if message.topic != REQUEST:
                return payload
            await publish(ANSWER, payload)
        return b""


class Many(Ours):
    """``publish_many``."""

    async def publish(self, count: int) -> None:
        client, message, qos = self._client, (TOPIC, self.payload), self.job.qos
        await client.publish_many(repeat(message, count), qos=qos)
        if not qos:
            await client.publish(*message, 1)
