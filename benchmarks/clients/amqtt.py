"""amqtt's client, which speaks 3.1.1 only: publishing waits until its answer is there.

It takes as many tasks to have messages in flight, and at QoS 0 that is faster, too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amqtt.client import MQTTClient

from clients.base import ANSWER, REQUEST, TOPIC
from clients.on_asyncio import AsyncioClient, in_parallel

__all__ = ["Amqtt"]


class Amqtt(AsyncioClient):
    name = "amqtt"
    versions = (4,)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        self._client = client = MQTTClient("amqtt", {"auto_reconnect": False, "plugins": {}})
        await client.connect(f"mqtt://{self.job.host}:{self.job.port}/")
        if wanted := self.subscriptions():
            await client.subscribe(wanted)
        yield
        await client.disconnect()

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._client.publish, self.payload, self.job.qos
        await in_parallel(lambda: publish(TOPIC, payload, qos), count)
        if not qos:
            await publish(TOPIC, payload, 1)

    async def receive(self, start: str, count: int) -> int:
        deliver = self._client.deliver_message
        size = 0
        await self._client.publish(start, b"", 0)
        for _ in range(count):
            message = await deliver()
            size += len(message.data)
        return size

    async def answer(self, start: str) -> bytes:
        publish, deliver = self._client.publish, self._client.deliver_message
        await publish(start, b"", 0)
        while True:
            message = await deliver()
            if message.topic != REQUEST:
                return bytes(message.data)
            await publish(ANSWER, message.data, 0)
