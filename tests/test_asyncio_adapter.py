"""How asyncio waits."""

import asyncio
import threading

import pytest

from mqttproto.asyncio import connect
from mqttproto.asyncio.adapter import wait_whatever
from mqttproto.protocol import Batch


def test_to_be_cancelled_while_something_ends_is_not_forgotten() -> None:
    async def main() -> None:
        ending = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(wait_whatever(ending))
        for _ in range(2):
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.sleep(0)
            assert not waiting.done()
        ending.set_result(None)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await wait_whatever(ending)

    asyncio.run(main())


class SlowStore:
    """A store that takes its time to load."""

    def __init__(self) -> None:
        self.loading, self.go_on, self.closed = threading.Event(), threading.Event(), False

    def load(self, *_: float) -> None:
        self.loading.set()
        assert self.go_on.wait(30)

    def commit(self, _: Batch, *__: float) -> None: ...

    def close(self) -> None:
        self.closed = True


def test_cancelled_again_and_again_a_client_leaves_no_task_and_no_store_behind() -> None:
    store = SlowStore()

    async def live() -> None:
        async with connect("mqtt://127.0.0.1:1", session=store):
            pytest.fail("there is no server")

    async def main() -> None:
        task = asyncio.create_task(live())
        await asyncio.to_thread(store.loading.wait, 30)
        for _ in range(4):
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done()
        store.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert store.closed

    asyncio.run(main())
