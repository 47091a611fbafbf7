"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Final

from mqttproto.asyncio.adapter import AsyncioAdapter, Stream, wait_whatever
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
    :raises Exception: what a store has raised, at the beginning or at the end.
    """
    stream: Stream | None
    places, stream = places_of(target)
    adapter = AsyncioAdapter(options, stream)
    engine = ClientEngine(places, options, adapter.wait, SystemRandom().random)
    adapter.engine = engine
    running = asyncio.create_task(_run(engine, adapter), name="mqttproto client")
    patience = 0.0
    try:
        await adapter.wait(engine.started)
        engine.started.check()
        yield Client(engine, adapter)
        patience = options.drain_timeout
    finally:
        until = adapter.now() + patience
        engine.close(adapter.now(), patience)
        try:
            await adapter.wait(engine.stopped, until)
            engine.close_now(adapter.now())
            await adapter.wait_closed(max(_LINGER, until - adapter.now()))
        finally:
            # Cancelled, or not: nothing stays behind.
            engine.close_now(adapter.now())
            adapter.flush()
            adapter.give_up()
            running.cancel()
            await wait_whatever(running)
    if engine.store_error is not None:
        raise engine.store_error


async def _run(engine: ClientEngine, adapter: AsyncioAdapter) -> None:
    """Run the client, and let its callers know if that fails."""
    keeping = None
    if engine.store is not None:
        keeping = asyncio.create_task(keep(engine, adapter, engine.store))
    try:
        await run(engine, adapter)
    except Exception as error:
        engine.fail(error)
    finally:
        # What has changed by now is stored all the same.
        try:
            if keeping is not None:
                await wait_whatever(keeping)
        finally:
            engine.release()
