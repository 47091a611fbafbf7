"""awscrt: its network is C's, in threads of its own; publishing returns a future, and messages come
by callback in those threads.

A future waits for each message in flight. At QoS 0 all are handed over at once, which is faster
than any bound. Its client of 5.0 is another one, and takes no part.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

from awscrt.mqtt import Client as Network
from awscrt.mqtt import Connection, QoS

from clients.base import ANSWER, IN_FLIGHT, REQUEST, TOPIC, Job
from clients.in_thread import BlockingClient

__all__ = ["Awscrt"]


class Awscrt(BlockingClient):
    name = "awscrt"
    versions = (4,)

    def lacks(self) -> str | None:
        job = self.job
        if (job.kind, job.qos) == ("publish", 2):
            return "does not publish at QoS 2"
        return super().lacks()

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._over = threading.Event()
        self._left = self._size = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        self._connection = connection = Connection(
            Network(),
            self.job.host,
            self.job.port,
            "awscrt",
            keep_alive_secs=60,
            disable_metrics=True,
        )
        connection.on_message(self._answer if self.job.kind == "answer" else self._count)
        connection.connect().result()
        for topic_filter, qos in self.subscriptions():
            subscribed, _ = connection.subscribe(topic_filter, QoS(qos))
            subscribed.result()
        yield
        connection.disconnect().result()

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._connection.publish, self.payload, QoS(self.job.qos)
        futures: deque[Future[Any]] = deque()
        if qos:
            for _ in range(count):
                if len(futures) == IN_FLIGHT:
                    futures.popleft().result()
                futures.append(publish(TOPIC, payload, qos)[0])
        else:
            for _ in range(count):
                publish(TOPIC, payload, qos)
            futures.append(publish(TOPIC, payload, QoS.AT_LEAST_ONCE)[0])
        for future in futures:
            future.result()

    async def receive(self, start: str, count: int) -> int:
        self._left, self._size = count, 0
        self._finish(start)
        return self._size

    async def answer(self, start: str) -> bytes:
        self._finish(start)
        return self._result

    def _finish(self, start: str) -> None:
        self._over.clear()
        self._connection.publish(start, b"", QoS.AT_MOST_ONCE)
        self._over.wait()

    def _count(self, topic: str, payload: bytes, **rest: Any) -> None:
        self._size += len(payload)
        self._left -= 1
        if not self._left:
            self._over.set()

    def _answer(self, topic: str, payload: bytes, **rest: Any) -> None:
        if topic == REQUEST:
            self._connection.publish(ANSWER, payload, QoS.AT_MOST_ONCE)
        else:
            self._result = payload
            self._over.set()
