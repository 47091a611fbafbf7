"""Coroutines that a signal ends in good order."""

import asyncio
import os
import signal

import pytest

from mqttproto.cli.console import Failure
from mqttproto.cli.interruptible import run_interruptible

every_signal = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)


async def interrupted(number: int) -> None:
    os.kill(os.getpid(), number)
    await asyncio.sleep(60)


def test_what_ends_by_itself_just_ends() -> None:
    done: list[bool] = []

    async def main() -> None:
        await asyncio.sleep(0)
        done.append(True)

    run_interruptible(main())
    assert done == [True]


@every_signal
def test_a_signal_has_a_status(number: int, status: int) -> None:
    with pytest.raises(Failure) as failed:
        run_interruptible(interrupted(number))
    assert (failed.value.status, failed.value.lines) == (status, ())


@every_signal
def test_there_is_time_for_a_goodbye(number: int, status: int) -> None:
    said: list[str] = []

    async def main() -> None:
        try:
            await interrupted(number)
        finally:
            await asyncio.sleep(0.01)
            said.append("goodbye")

    with pytest.raises(Failure) as failed:
        run_interruptible(main())
    assert (failed.value.status, said) == (status, ["goodbye"])


def test_a_second_signal_ends_the_goodbye() -> None:
    async def main() -> None:
        try:
            await interrupted(signal.SIGINT)
        finally:
            await interrupted(signal.SIGINT)

    with pytest.raises(Failure) as failed:
        run_interruptible(main())
    assert failed.value.status == 130


def test_what_goes_on_in_spite_of_a_signal_has_its_status() -> None:
    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await interrupted(signal.SIGINT)

    with pytest.raises(Failure) as failed:
        run_interruptible(main())
    assert failed.value.status == 130


def test_a_failure_keeps_its_words_behind_a_signal() -> None:
    async def main() -> None:
        try:
            await interrupted(signal.SIGTERM)
        finally:
            raise Failure(2, "in vain")

    with pytest.raises(Failure) as failed:
        run_interruptible(main())
    assert (failed.value.status, failed.value.lines) == (143, ("in vain",))


def test_a_failure_without_a_signal_is_as_it_is() -> None:
    async def main() -> None:
        raise Failure(2, "in vain")

    with pytest.raises(Failure) as failed:
        run_interruptible(main())
    assert (failed.value.status, failed.value.lines) == (2, ("in vain",))


def test_being_cancelled_otherwise_is_no_signal() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_interruptible(main())


def test_afterwards_signals_do_what_they_did() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        await asyncio.sleep(0)

    run_interruptible(main())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
