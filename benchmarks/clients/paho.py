"""paho-mqtt: publishing does not wait, messages and acknowledgements come by callback.

It is driven without its thread, by what it offers to a loop of the application's own: that is about
twice as fast, because every call of ``publish`` writes at once and no lock changes hands.
"""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from paho.mqtt.client import Client as Connection
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from clients.base import ANSWER, IN_FLIGHT, REQUEST, TOPIC
from clients.in_thread import BlockingClient

__all__ = ["Paho"]


class Paho(BlockingClient):
    name = "paho-mqtt"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        self._client = client = Connection(
            CallbackAPIVersion.VERSION2, "paho", protocol=MQTTProtocolVersion(self.job.version)
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        self._left = self._size = 0
        self._pending = 1
        client.on_connect = client.on_subscribe = self._done
        if self.job.kind == "receive":
            client.on_message = self._count
        elif self.job.kind == "answer":
            client.on_message = self._answer
        client.connect(self.job.host, self.job.port)
        self._turn_while(1)
        for topic_filter, qos in self.subscriptions():
            self._pending = 1
            client.subscribe(topic_filter, qos)
            self._turn_while(1)
        yield
        client.disconnect()

    async def publish(self, count: int) -> None:
        publish, payload, qos = self._client.publish, self.payload, self.job.qos
        if qos:
            self._client.on_publish = self._done
            self._pending = 0
            for _ in range(count):
                publish(TOPIC, payload, qos)
                self._pending += 1
                if self._pending >= IN_FLIGHT:
                    self._turn_while(IN_FLIGHT)
            self._turn_while(1)
        else:
            for _ in range(count):
                publish(TOPIC, payload)
            last = publish(TOPIC, payload, 1)
            while not last.is_published():
                self._turn()

    async def receive(self, start: str, count: int) -> int:
        self._left, self._size = count, 0
        self._client.publish(start)
        while self._left:
            self._turn()
        return self._size

    async def answer(self, start: str) -> bytes:
        self._result = b""
        self._client.publish(start)
        while not self._result:
            self._turn()
        return self._result

    def _turn_while(self, pending: int) -> None:
        while self._pending >= pending:
            self._turn()

    def _turn(self) -> None:
        client = self._client
        sock = client.socket()
        if sock is None:
            raise ConnectionError("disconnected")
        wanted = [sock] if client.want_write() else []
        readable, writable, _ = select.select([sock], wanted, [], 1.0)
        if readable:
            client.loop_read()
        if writable:
            client.loop_write()
        client.loop_misc()

    def _done(self, *_: Any) -> None:
        self._pending -= 1

    def _count(self, client: Any, userdata: Any, message: Any) -> None:
        self._size += len(message.payload)
        self._left -= 1

    def _answer(self, client: Any, userdata: Any, message: Any) -> None:
        if message.topic == REQUEST:
            client.publish(ANSWER, message.payload)
        else:
            self._result = message.payload
