"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Final

from mqttproto.asyncio.adapter import AsyncioAdapter, Stream
from mqttproto.engine.client import Client
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import Options, with_options
from mqttproto.engine.running import keep, run
from mqttproto.engine.targets import places_of

__all__ = ["connect"]

_LINGER: Final = 2.0
"""Seconds that the end of a client may take beyond its own deadline: for DISCONNECT to leave."""


@with_options(Options)
@asynccontextmanager
async def connect(target: str | Sequence[str] | Stream, options: Options) -> AsyncIterator[Client]:
    """Connect to an MQTT server, for the time of a context.

    ::

        async with connect("mqtts://host", client_id="stove-7") as client:
            await client.publish("plant/7/temp", b"21.5", qos=1)

    Leaving the context waits until what was published is acknowledged, at most ``drain_timeout``
    seconds, and then says DISCONNECT; leaving it by an exception says DISCONNECT at once.

    :param target: a URL, ``mqtt://``, ``mqtts://``, ``ws://``, ``wss://`` or ``mqtt+unix://``;
        several, to be tried in turn; or a byte stream that is open already: a connected socket, or
        a pair of StreamReader and StreamWriter. Such a stream is not connected again.
    :param options: see :class:`mqttproto.engine.options.Options`.
    :raises TransportError: if no server can be reached.
    :raises ConnectRefusedError: if the server refuses the connection.
    :raises PacketError: if it breaks the protocol.
    :raises InvalidValueError: if an option cannot be as it is.
    """
    stream: Stream | None
    places, stream = places_of(target)
    adapter = AsyncioAdapter(options, stream)
    engine = ClientEngine(places, options, adapter.wait, SystemRandom().random)
    adapter.engine = engine
    tasks = [asyncio.create_task(_guard(engine, adapter), name="mqttproto client")]
    if engine.store is not None:
        tasks.append(asyncio.create_task(keep(engine, adapter, engine.store)))
    patience = 0.0
    try:
        await adapter.wait(engine.started)
        engine.started.check()
        yield Client(engine, adapter)
        patience = options.drain_timeout
    finally:
        engine.close(adapter.now(), patience)
        try:
            await asyncio.wait(tasks, timeout=patience + _LINGER)
        finally:
            adapter.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _guard(engine: ClientEngine, adapter: AsyncioAdapter) -> None:
    """Run the client, and let its callers know if that fails."""
    try:
        await run(engine, adapter)
    except Exception as error:
        engine.fail(error)
