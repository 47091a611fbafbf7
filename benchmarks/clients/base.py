"""What a client has to do to be compared, and how long it takes over it."""

import abc
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any, ClassVar, Final, TypeVar

__all__ = [
    "ANSWER",
    "IN_FLIGHT",
    "LOADS",
    "REQUEST",
    "RESULT",
    "START",
    "TOPIC",
    "Client",
    "Job",
    "Outcome",
    "measure",
]

T = TypeVar("T")

# These stand in responder.c as well.
TOPIC: Final = "sensors/42/temperature"
START: Final = "start"
REQUEST: Final = "request"
ANSWER: Final = "answer"
RESULT: Final = "result"

IN_FLIGHT: Final = 64
"""How many messages at QoS 1 and 2 a client may have in flight, and the server requests."""

LOADS: Final = (500, 5_000)
"""Requests per second: what everybody answers with ease, and what most can."""

_FIRST: Final = 64
"""The messages of the first, shortest trial."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of a client.

    :ivar kind: ``"publish"``, ``"receive"`` or ``"answer"``.
    :ivar size: of the payload of each message, in bytes.
    :ivar version: of MQTT: 4 is 3.1.1, 5 is 5.0.
    :ivar seconds: how long it is meant to take.
    :ivar uvloop: whether to run on uvloop instead of asyncio's own loop.
    """

    kind: str
    qos: int
    size: int
    version: int
    seconds: float
    host: str
    port: int
    uvloop: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    :ivar release: the version of the library.
    :ivar rate: messages per second, or answers, at most.
    :ivar published: how many messages the client has published in all at QoS 0, 1 and 2.
    :ivar times: the nanoseconds that an answer took, in the median and at the 99th percentile: at
        half of that rate, and at each of :data:`LOADS`; None where that is too near to what the
        client can do at all. Empty if no answer was asked for.
    :ivar note: what there is to say of the library here, as its speed.
    """

    release: str
    rate: float
    published: tuple[int, int, int]
    times: tuple[float | None, ...] = ()
    note: str = ""


class Client(abc.ABC):
    """A library; importing its module raises ImportError if it is absent.

    Every method is asynchronous, but what it waits for is the library's own affair.

    :cvar name: the name of the distribution.
    :cvar versions: of MQTT that it speaks.
    """

    name: ClassVar[str]
    versions: ClassVar[tuple[int, ...]] = (4, 5)
    note: ClassVar[str] = ""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.payload = b"x" * job.size

    @property
    def release(self) -> str:
        """The version of the installed distribution."""
        return metadata.version(self.name)

    @abc.abstractmethod
    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function to its end, on the loop that this client needs."""

    @abc.abstractmethod
    def connected(self) -> AbstractAsyncContextManager[object]:
        """Connect, and subscribe to what the job needs; disconnect at the end."""

    @abc.abstractmethod
    async def publish(self, count: int) -> None:
        """Publish so many messages, and return when all have arrived.

        At QoS 0 one more at QoS 1 follows: its acknowledgement tells. At QoS 1 and 2 all are
        acknowledged, and never more than :data:`IN_FLIGHT` are under way.
        """

    @abc.abstractmethod
    async def receive(self, start: str, count: int) -> int:
        """Publish to the topic ``start``, at QoS 0 and with nothing in it; return when so many
        messages have come, with the length of all their payloads.
        """

    @abc.abstractmethod
    async def answer(self, start: str) -> bytes:
        """Publish to the topic ``start``; send the payload of every request to :data:`ANSWER`, at
        QoS 0, until the result is there, and return that.
        """

    def lacks(self) -> str | None:
        """Why this client cannot do the job; None if it can."""
        if self.job.version not in self.versions:
            return "does not speak this version"
        return None

    def subscriptions(self) -> list[tuple[str, int]]:
        """The filters that the job needs, each with its QoS."""
        if self.job.kind == "receive":
            return [(TOPIC, self.job.qos)]
        if self.job.kind == "answer":
            return [(REQUEST, 0), (RESULT, 0)]
        return []


async def _trials(
    work: Callable[[int], Awaitable[None]], seconds: float
) -> tuple[list[int], float]:
    """Do more and more of it, at last what takes so many seconds.

    The collector runs as always, but has nothing old to look through.

    :return: the counts of all trials, and the seconds that the last one took.
    """
    counts = [_FIRST]
    while True:
        gc.collect()
        start = time.perf_counter()
        await work(counts[-1])
        elapsed = time.perf_counter() - start
        if elapsed >= seconds / 2 and len(counts) > 1:
            return counts, elapsed
        # A short trial says little; the next but one is the last.
        factor = min(seconds / elapsed, 16) if elapsed > seconds / 32 else 8
        counts.append(round(counts[-1] * factor))


async def measure(client: Client) -> Outcome:
    """Let a client do its job once."""
    job = client.job
    published = [0, 0, 0]
    times: list[float | None] = []
    async with client.connected():
        if job.kind == "answer":
            rate = await _most_answers(client)
            for at in (max(1.0, rate / 2), *LOADS):
                if at <= 0.8 * rate:
                    _, median, late, _ = await _answer(client, round(at * job.seconds), 0xFFFF, at)
                    times += [median, late]
                else:
                    times += [None, None]
        else:
            work = client.publish if job.kind == "publish" else partial(_receive, client)
            counts, elapsed = await _trials(work, job.seconds)
            rate = counts[-1] / elapsed
            if job.kind == "publish":
                published[job.qos] += sum(counts)
                published[1] += 0 if job.qos else len(counts)
    at_0, at_1, at_2 = published
    return Outcome(client.release, rate, (at_0, at_1, at_2), tuple(times), client.note)


async def _receive(client: Client, count: int) -> None:
    job = client.job
    size = await client.receive(f"{START}/flood/{job.qos}/{count}/{job.size}", count)
    if size != count * job.size:
        raise AssertionError(f"{size} bytes came, not {count * job.size}")


async def _answer(client: Client, count: int, limit: int, rate: float) -> list[float]:
    """Let so many requests be answered.

    :return: how many were in a second, and the median of the nanoseconds it took, the 99th
        percentile, and the most.
    """
    start = f"{START}/echo/{max(1, count)}/{client.job.size}/{limit}/{round(rate)}"
    return [float(number) for number in (await client.answer(start)).split()]


async def _most_answers(client: Client) -> float:
    """How many answers a client can give in a second."""
    rate = 0.0

    async def work(count: int) -> None:
        nonlocal rate
        rate, *_ = await _answer(client, count, IN_FLIGHT, 0)

    await _trials(work, client.job.seconds)
    return rate
