"""The laws of delivery through networks that fail at random, on real sockets.

Each schedule is drawn from its number, so that one that breaks a law can be played again:
``MQTTPROTO_SCHEDULE=7 pytest tests/test_clients_faults.py``.
"""

import gc
import os
from collections import Counter
from random import Random
from typing import Any, Final

import pytest
from hypothesis import settings

from clients_stage import QUICK, STAGES, Stage, name_of, run_on
from mqttproto.engine.client import Client
from mqttproto.engine.machine import ClientEngine
from mqttproto.testing.live import Schedule

MESSAGES: Final = 24
"""How many are sent at each QoS."""

AT_A_TIME: Final = 10
"""How many schedules are played beside each other: most of the time they wait."""

# All of them, but for whoever is in the middle of something.
COUNT: Final = 200 if settings.default.max_examples != 100 else 60  # type: ignore[union-attr]
VERSIONS: Final = (3, 4, 5)

shares = [
    pytest.param(stage, version, id=f"{name_of(stage)}-{version}")
    for stage in STAGES
    for version in VERSIONS
]


def numbers_of(share: int) -> list[int]:
    """The schedules of one of the tests."""
    only = os.environ.get("MQTTPROTO_SCHEDULE")
    if only is not None:
        return [int(only)]
    return list(range(COUNT))[share :: len(shares)]


class Play:
    """One schedule: a client that sends and one that hears, both behind a proxy that fails."""

    def __init__(self, stage: Stage, version: int, number: int) -> None:
        random = Random(number)
        self.stage = stage
        self.name = f"schedule {number}"
        self.topic = f"play/{number}"
        self.heard: list[bytes] = []
        self.left = False
        schedule = Schedule.drawn(
            random,
            connections=random.randrange(2, 9),
            mean_bytes=random.choice([100, 500, 2_000]),
            longest=0.05,
        )
        proxy = stage.proxy(schedule=schedule)
        self.url = f"mqtt://127.0.0.1:{proxy.port}"
        self.options: dict[str, Any] = {
            "mqtt_version": version,
            "clean_start": False,
            "retry_first": True,
            "drain_timeout": 60,
            "max_in_flight": random.choice([1, 5, 1_000]),
            # What the network swallows must not be waited for until the keep alive is over.
            "connect_timeout": 2,
            **QUICK,
        }
        if version == 5:
            self.options["session_expiry_interval"] = 3_600
            self.options["receive_maximum"] = random.choice([1, 5, 1_000])

    async def run(self) -> None:
        """Play, and see that the laws held."""
        await self.stage.together(self.send, self.hear)
        expected = [b"%d/%d" % (qos, n) for n in range(MESSAGES) for qos in (0, 1, 2)]
        counts = Counter(self.heard)
        assert set(counts) <= set(expected), self.name
        for qos in (0, 1, 2):
            own = [each for each in expected if each.startswith(b"%d" % qos)]
            of_qos = [each for each in self.heard if each in own]
            if qos == 0:
                assert all(counts[each] <= 1 for each in own), self.name
            elif qos == 1:
                assert list(dict.fromkeys(of_qos)) == own, self.name
            else:
                assert of_qos == own, self.name

    async def send(self) -> None:
        """Send all, each QoS in turn, and then the last one."""
        async with self.stage.connect(
            self.url, client_id=f"{self.name}, sender", **self.options
        ) as client:
            await self.stage.until(lambda: self.left)
            handles = []
            for number in range(MESSAGES):
                for qos in (0, 1, 2):
                    payload = b"%d/%d" % (qos, number)
                    handles.append(client.publish_nowait(self.topic, payload, qos))
                await self.stage.sleep(0)
            for handle in handles:
                await handle.wait()
            await client.publish(self.topic, b"end", qos=2)
            holds_nothing(client)

    async def hear(self) -> None:
        """Hear all."""
        async with (
            self.stage.connect(
                self.url, client_id=f"{self.name}, hearer", **self.options
            ) as client,
            client.subscription(self.topic, qos=2) as messages,
        ):
            self.left = True
            async for message in messages:
                if message.payload == b"end":
                    break
                self.heard.append(message.payload)


def holds_nothing(client: Client) -> None:
    """See that nothing is kept of what is done with."""
    engine = client._engine
    assert not engine._handles
    assert not engine._unnumbered
    assert not engine._shared
    assert not len(engine.session.outbound)
    assert not len(engine.session.queue)


def engines() -> int:
    """How many clients are in memory."""
    gc.collect()
    return sum(type(each) is ClientEngine for each in gc.get_objects())


@pytest.mark.parametrize(("stage_type", "version"), shares)
def test_the_laws_hold_through_a_network_that_fails(stage_type: type[Stage], version: int) -> None:
    share = [each.values for each in shares].index((stage_type, version))
    numbers = numbers_of(share)

    async def play(stage: Stage) -> None:
        for at in range(0, len(numbers), AT_A_TIME):
            plays = [Play(stage, version, each) for each in numbers[at : at + AT_A_TIME]]
            await stage.together(*(each.run for each in plays))
        # The network may cut a client short in the middle of a packet, and the other end says so.
        stage.faults.clear()

    before = engines()
    run_on(stage_type, play)
    assert engines() <= before
