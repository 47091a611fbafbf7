"""zmqtt: publishing waits until its answer is there, messages come from subscriptions.

It takes as many tasks to have messages in flight, and at QoS 0 that is faster, too.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from zmqtt import QoS, create_client

from clients.base import ANSWER, REQUEST, TOPIC
from clients.on_asyncio import AsyncioClient, in_parallel

__all__ = ["Zmqtt"]


class Zmqtt(AsyncioClient):
    name = "zmqtt"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        host, port = self.job.host, self.job.port
        async with AsyncExitStack() as stack:
            version: Any = "5.0" if self.job.version == 5 else "3.1.1"
            self._client = create_client(host, port, client_id="zmqtt", version=version)
            await stack.enter_async_context(self._client)
            wanted = self.subscriptions()
            if wanted:
                filters = [topic_filter for topic_filter, _ in wanted]
                subscription = self._client.subscribe(*filters, qos=QoS(wanted[0][1]))
                self._messages = await stack.enter_async_context(subscription)
            yield

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._client.publish, self.payload, QoS(self.job.qos)
        await in_parallel(lambda: publish(TOPIC, payload, qos=qos), count)
        if not qos:
            await publish(TOPIC, payload, qos=QoS.AT_LEAST_ONCE)

    async def receive(self, start: str, count: int) -> int:
        size = 0
        await self._client.publish(start, b"")
        async for message in self._messages:
            size += len(message.payload)
            count -= 1
            if not count:
                break
        return size

    async def answer(self, start: str) -> bytes:
        publish = self._client.publish
        await publish(start, b"")
        async for message in self._messages:
            payload: bytes = message.payload
            if message.topic != REQUEST:
                return payload
            await publish(ANSWER, payload)
        return b""
