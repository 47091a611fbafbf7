"""aiomqtt, which is paho-mqtt on asyncio: publishing waits until its answer is there.

It takes as many tasks to have messages in flight, and at QoS 0 that is faster, too. Its warning of
so many is turned off.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiomqtt import Client as Connection
from aiomqtt import ProtocolVersion

from clients.base import ANSWER, IN_FLIGHT, REQUEST, TOPIC
from clients.on_asyncio import AsyncioClient, in_parallel

__all__ = ["Aiomqtt"]


class Aiomqtt(AsyncioClient):
    name = "aiomqtt"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        self._client = Connection(
            self.job.host,
            self.job.port,
            identifier="aiomqtt",
            protocol=ProtocolVersion(self.job.version),
            max_inflight_messages=IN_FLIGHT,
        )
        self._client.pending_calls_threshold = IN_FLIGHT
        async with self._client:
            self._messages = self._client.messages
            for topic_filter, qos in self.subscriptions():
                await self._client.subscribe(topic_filter, qos)
            yield

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._client.publish, self.payload, self.job.qos
        await in_parallel(lambda: publish(TOPIC, payload, qos), count)
        if not qos:
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
            payload = bytes(message.payload)
            if str(message.topic) != REQUEST:
                return payload
            await publish(ANSWER, payload)
        return b""
