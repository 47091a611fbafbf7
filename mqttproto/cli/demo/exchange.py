"""One client that sends messages to itself, whatever becomes of its connection."""

from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any, Final

from mqttproto.cli.console import UNUSABLE, Failure
from mqttproto.cli.demo.libraries import Library
from mqttproto.cli.demo.table import Run
from mqttproto.cli.demo.tally import Tally
from mqttproto.constants import ProtocolVersion
from mqttproto.engine.client import Client
from mqttproto.engine.events import Online
from mqttproto.errors import MQTTError

__all__ = ["exchange", "forget"]

_END: Final = b"end"
"""The last message, behind which no other comes."""

_PATIENCE: Final = 15.0
"""Seconds without news after which nothing more is expected."""

_LASTING: Final = 600
"""Seconds that a session may wait for its client to come back."""

_IN_FLIGHT: Final = 20
"""How many messages are under way at once. Before 5.0 no server says how many it takes: mosquitto
loses those beyond 20."""

_BURST: Final = 10
_PAUSE: Final = 0.002
"""Seconds between two bursts at QoS 0, which nothing else slows down: sent all at once they would
meet a single cut."""


class _NoNewsError(Exception):
    """Nothing has come for too long."""


async def exchange(
    library: Library,
    url: str,
    client_id: str,
    run: Run,
    tally: Tally,
    count: int,
    progress: Callable[[], None],
    **options: Any,
) -> None:
    """Send so many messages to oneself, and see what comes.

    :param url: of a server, or of what stands in front of it.
    :param client_id: of a session that does not exist yet; it is left behind.
    :param tally: where all of it is counted.
    :param progress: called when something has come.
    :param options: more options of ``connect()``.
    :raises Failure: if the server does not let it go on.
    """
    topic = f"mqttproto/demo/{client_id}"
    lasting = _LASTING if run.version == ProtocolVersion.MQTT5 else None
    # Even where messages may get lost their end must not.
    qos = max(run.qos, 1)

    async def messages() -> AsyncIterator[tuple[str, bytes]]:
        while tally.sent < count:
            yield topic, b"%d" % tally.send()
            if run.qos == 0 and tally.sent % _BURST == 0:
                await library.sleep(_PAUSE)

    async def send() -> None:
        await client.publish_many(messages(), qos=run.qos)
        await client.publish(topic, _END, qos)

    async def receive() -> None:
        async for message in client.messages():
            if message.payload == _END:
                return
            tally.receive(message.payload)
            progress()

    async def follow() -> None:
        async for event in client.events():
            tally.resumed += isinstance(event, Online) and event.session_present

    async def watch() -> None:
        before = None
        while before != (news := (tally.sent, tally.received)):
            before = news
            await library.sleep(_PATIENCE)
        raise _NoNewsError

    async def converse() -> None:
        await client.subscribe(topic, qos)
        await library.together(receive, send)

    client: Client
    problem: BaseException | None = None
    began = monotonic()
    try:
        async with library.connect(
            url,
            client_id=client_id,
            mqtt_version=run.version,
            clean_start=False,
            session_expiry_interval=lasting,
            retry_first=True,
            reconnect_min=0.01,
            reconnect_max=1.0,
            drain_timeout=1.0,
            max_in_flight=_IN_FLIGHT,
            **options,
        ) as client:
            await library.together(converse, follow, watch)
            tally.seconds = monotonic() - began
    except* _NoNewsError:
        # What has not come by now is lost.
        tally.seconds = monotonic() - began
    except* MQTTError as group:
        problem = _first(group)
    if problem is not None:
        where = f"{run.client}, {run.version.label}, QoS {run.qos}"
        raise Failure(UNUSABLE, f"{where}: {problem}")


def _first(group: BaseExceptionGroup[MQTTError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def forget(
    library: Library, url: str, client_id: str, version: ProtocolVersion, **options: Any
) -> None:
    """Have the server forget a session; this is also a way to see whether it can be reached.

    :raises Failure: if it cannot be.
    """
    lasting = 0 if version == ProtocolVersion.MQTT5 else None
    try:
        async with library.connect(
            url,
            client_id=client_id,
            mqtt_version=version,
            clean_start=True,
            session_expiry_interval=lasting,
            drain_timeout=1.0,
            **options,
        ):
            pass
    except MQTTError as error:
        raise Failure(UNUSABLE, str(error)) from None
