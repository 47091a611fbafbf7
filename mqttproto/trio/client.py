"""The client for trio."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Final

import trio

from mqttproto.engine.client import Client
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import Options, with_options
from mqttproto.engine.running import keep, run
from mqttproto.engine.targets import places_of
from mqttproto.trio.adapter import TrioAdapter

__all__ = ["connect"]

_LINGER: Final = 2.0
"""Seconds that the end of a client may take beyond its own deadline: for DISCONNECT to leave."""


@with_options(Options)
@asynccontextmanager
async def connect(
    target: str | Sequence[str] | trio.abc.Stream, options: Options
) -> AsyncIterator[Client]:
    """Connect to an MQTT server, for the time of a context.

    ::

        async with connect("mqtts://host", client_id="stove-7") as client:
            await client.publish("plant/7/temp", b"21.5", qos=1)

    Leaving the context waits until what was published is acknowledged, at most ``drain_timeout``
    seconds, and then says DISCONNECT; leaving it by an exception says DISCONNECT at once.

    :param target: a URL, ``mqtt://``, ``mqtts://``, ``ws://``, ``wss://`` or ``mqtt+unix://``;
        several, to be tried in turn; or a ``trio.abc.Stream``, which is not connected again.
    :param options: see :class:`mqttproto.engine.options.Options`.
    :raises TransportError: if no server can be reached.
    :raises ConnectRefusedError: if the server refuses the connection.
    :raises PacketError: if it breaks the protocol.
    :raises InvalidValueError: if an option cannot be as it is.
    :raises Exception: what a store has raised, at the beginning or at the end.
    """
    stream: trio.abc.Stream | None
    places, stream = places_of(target)
    adapter = TrioAdapter(options, stream)
    engine = ClientEngine(places, options, adapter.wait, SystemRandom().random)
    adapter.engine = engine
    scope = trio.CancelScope(shield=True)
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        # A cancelled caller still says DISCONNECT.
        nursery.start_soon(_run, engine, adapter, scope)
        patience = 0.0
        try:
            await adapter.wait(engine.started)
            engine.started.check()
            yield Client(engine, adapter)
            patience = options.drain_timeout
        except BaseException as error:
            # It is raised outside of the nursery, which would wrap it in a group.
            failure = error
        until = adapter.now() + patience
        engine.close(adapter.now(), patience)
        try:
            await adapter.wait(engine.stopped, until)
        except trio.Cancelled as error:
            failure = failure or error
        engine.close_now(adapter.now())
        scope.deadline = max(until, adapter.now() + _LINGER) if adapter.carrying else adapter.now()
    if failure is not None:
        raise failure
    if engine.store_error is not None:
        raise engine.store_error


async def _run(engine: ClientEngine, adapter: TrioAdapter, scope: trio.CancelScope) -> None:
    """Run the client, and let its callers know if that fails."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.shield = True
            if engine.store is not None:
                # What has changed by the end is stored all the same.
                nursery.start_soon(keep, engine, adapter, engine.store)
            with scope:
                try:
                    await run(engine, adapter)
                except Exception as error:
                    engine.fail(error)
    finally:
        engine.release()
        await adapter.give_up()
