"""What runs beside an application: one connection after the other, and the store."""

import logging
from functools import partial
from inspect import isawaitable
from typing import Any, Final

from mqttproto.engine.adapter import Adapter
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import SessionStore
from mqttproto.engine.steps import Ask, Dial, Load, Pause
from mqttproto.errors import TransportError

__all__ = ["keep", "run"]

_log: Final = logging.getLogger("mqttproto")

_RETRY: Final = 1.0
"""Seconds before a commit that has failed is tried again."""


async def run(engine: ClientEngine, adapter: Adapter) -> None:
    """Do what the engine asks for, until the client has ended."""
    while (step := engine.next_step(adapter.now())) is not None:
        match step:
            case Pause():
                await adapter.wait(engine.changed(), step.until)
            case Ask():
                await _ask(engine, adapter, step)
            case Load():
                await _load(engine, adapter, step)
            case _:
                await _connect(engine, adapter, step)


async def _ask(engine: ClientEngine, adapter: Adapter, step: Ask) -> None:
    try:
        credentials = step.credentials()
        if isawaitable(credentials):
            credentials = await credentials
        user_name, password = credentials
    except Exception as error:
        engine.dial_failed(error, adapter.now())
    else:
        engine.credentials((user_name, password))


async def _load(engine: ClientEngine, adapter: Adapter, step: Load) -> None:
    now, wall = adapter.now(), adapter.wall()

    def load() -> dict[str, Any] | None:
        data = step.store.load(now, wall)
        # Here, because to wait for it may be cancelled.
        engine.store_open = True
        return data

    try:
        engine.loaded(await adapter.in_thread(load), adapter.now())
    except Exception as error:
        # To connect without it would lose what it holds.
        engine.fail(error)


async def _connect(engine: ClientEngine, adapter: Adapter, step: Dial) -> None:
    try:
        await adapter.dial(step.place, step.timeout)
    except TransportError as error:
        engine.dial_failed(error, adapter.now())
        return
    engine.dialed(adapter.now())
    await adapter.carry()


async def keep(engine: ClientEngine, adapter: Adapter, store: SessionStore) -> None:
    """Store what changes in the session, until the client has ended and all is stored."""
    while True:
        arrival = engine.changes()
        batch = engine.take_changes()
        if not batch:
            if engine.closed:
                return
            await adapter.wait(arrival)
            continue
        stored = False
        while not stored:
            now, wall = adapter.now(), adapter.wall()
            try:
                await adapter.in_thread(partial(store.commit, batch, now, wall))
                stored = True
            except Exception as error:
                if engine.closed:
                    engine.store_error = error
                    return
                _log.warning("the session cannot be stored, and is tried again: %s", error)
                await adapter.wait(engine.stopped, adapter.now() + _RETRY)
        engine.committed(batch.last, adapter.now())
