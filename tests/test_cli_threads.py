"""Calls that may block, beside an event loop."""

import asyncio
import threading

import pytest

from mqttproto.cli.threads import in_thread


def test_it_returns_what_the_call_returns() -> None:
    async def main() -> None:
        assert await in_thread(lambda: 7) == 7
        assert await in_thread(threading.current_thread) is not threading.current_thread()

    asyncio.run(main())


def test_it_raises_what_the_call_raises() -> None:
    def fail() -> None:
        raise ZeroDivisionError("why")

    with pytest.raises(ZeroDivisionError, match="why"):
        asyncio.run(in_thread(fail))


def test_the_loop_goes_on_meanwhile() -> None:
    async def main() -> None:
        free = threading.Event()
        call = asyncio.create_task(in_thread(free.wait))
        await asyncio.sleep(0)
        assert not call.done()
        free.set()
        assert await call

    asyncio.run(main())


def test_nobody_waits_for_a_call_that_nobody_waits_for() -> None:
    free, done = threading.Event(), threading.Event()

    def call() -> None:
        free.wait(60)
        done.set()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(call), 0.01)

    asyncio.run(main())  # the thread is still at it, and the loop is closed when it ends
    free.set()
    assert done.wait(60)


def test_a_result_that_comes_too_late_is_dropped() -> None:
    free = threading.Event()

    async def main() -> None:
        call = asyncio.create_task(in_thread(lambda: free.wait(60)))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        free.set()
        await asyncio.sleep(0.05)  # in which the result arrives, and raises nothing

    asyncio.run(main())
