"""The session of a client in a file: what it survives, and what it refuses."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from mosquitto_broker import mosquitto
from mqttproto import (
    InvalidValueError,
    LocalProtocolError,
    Properties,
    ProtocolVersion,
    Publish,
    Session,
    TransportError,
)
from mqttproto.asyncio import connect
from mqttproto.cli.hub import serve_hub
from mqttproto.protocol import Batch, Delivery, Journal
from mqttproto.protocol.changes import Change
from mqttproto.protocol.handshakes import OutboundState
from mqttproto.storage import SessionFile
from mqttproto.testing.live import LoopThread
from mqttproto.trio import connect as trio_connect

PROPERTIES = Properties(content_type="text/plain", user_properties=[("room", "7")])


class Kept:
    """A session whose changes go to a file."""

    def __init__(self, file: SessionFile, *, now: float = 100.0, wall: float = 1e9) -> None:
        self.file = file
        self.wall = wall
        self.journal = Journal()
        data = file.load(now, wall)
        self.session = (
            Session("stove-7", journal=self.journal)
            if data is None
            else Session.restore(data, journal=self.journal)
        )

    def commit(self, now: float) -> None:
        self.file.commit(self.journal.take(), now, self.wall + now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stove.session"


def fill(path: Path) -> dict[str, Any]:
    """Write a session with something of everything; its export."""
    file = SessionFile(path)
    kept = Kept(file)
    session = kept.session
    session.start(3_600)
    kept.commit(100.0)
    message = Publish("plant/7/temp", bytes(range(256)), 2, True, properties=PROPERTIES)
    session.enqueue(Delivery(message, expires_at=160.0), 100.0)
    for packet_id in (1, 2):
        delivery = Delivery(Publish("plant/7/temp", b"21.5", 2), session.number())
        session.send(delivery, packet_id, int(OutboundState.AWAITS_PUBREC), queued=False)
    session.release(session.deliveries[0])
    session.received[9] = 1
    session.accept(9)
    session.suspend(120.0, 3_600)
    kept.commit(130.0)
    file.close()
    return session.export()


# What is in it comes back.


def test_a_file_that_does_not_exist_holds_no_session(path: Path) -> None:
    assert SessionFile(path).load(0.0, 1e9) is None
    assert not path.exists()


def test_what_was_committed_is_loaded(path: Path) -> None:
    exported = fill(path)
    assert SessionFile(str(path)).load(130.0, 1e9 + 130.0) == exported


def test_the_path_is_that_of_a_file_wherever_the_program_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(SessionFile("a")) == f"SessionFile({str(tmp_path / 'a')!r})"


@pytest.mark.parametrize(
    ("now", "wall", "shift"),
    [
        (130.0, 130.0, 0.0),
        # The machine has started anew: its monotonic clock shows 5, and 50 seconds are gone.
        (5.0, 180.0, 5.0 - 180.0),
        # Somebody has set the clock back: no time is gone.
        (5.0, 30.0, 5.0 - 130.0),
    ],
)
def test_times_are_those_of_the_present_clock(
    path: Path, now: float, wall: float, shift: float
) -> None:
    exported = fill(path)
    data = SessionFile(path).load(now, 1e9 + wall)
    assert data is not None
    assert data["suspended_at"] == pytest.approx(120.0 + shift, abs=1e-3)
    assert data["queue"][0]["expires_at"] == pytest.approx(160.0 + shift, abs=1e-3)
    assert data["in_flight"] == exported["in_flight"]


def test_a_session_goes_on_from_where_it_was_stored(path: Path) -> None:
    fill(path)
    file = SessionFile(path)
    kept = Kept(file)
    kept.session.resume(60)
    kept.session.complete(kept.session.deliveries[0])
    kept.commit(200.0)
    file.close()
    assert file.load(200.0, 1e9 + 200.0) == kept.session.export()


def test_a_session_that_has_ended_is_none(path: Path) -> None:
    fill(path)
    file = SessionFile(path)
    kept = Kept(file)
    kept.session.end()
    kept.commit(200.0)
    file.close()
    assert file.load(0.0, 1e9) is None


def test_only_its_owner_can_read_it(path: Path) -> None:
    fill(path)
    assert path.stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_what_a_link_leads_to_is_replaced(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    fill(link)
    assert link.is_symlink()
    assert json.loads(path.read_text())["kind"] == "session of an MQTT client"


# What is refused.


def changed(**values: Any) -> Any:
    return lambda text: json.dumps(json.loads(text) | values)


def session_changed(**values: Any) -> Any:
    def change(text: str) -> str:
        form = json.loads(text)
        form["session"] |= values
        return json.dumps(form)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-10],
        lambda _: "",
        lambda _: "[mqtt]\nhost = a\n",
        lambda _: "[]",
        lambda _: "{}",
        lambda _: "[" * 100_000,
        changed(kind="letter"),
        changed(now="noon"),
        changed(session=7),
        changed(session=[]),
        changed(format=None),
        session_changed(format=0),
        session_changed(queue=[{}]),
        session_changed(queue=[7]),
        session_changed(queue=None),
        session_changed(received=[0]),
        lambda text: text.replace("AAECAwQF", "AAEC*wQF"),
    ],
)
def test_a_file_that_is_damaged_or_foreign_is_refused_and_left_alone(
    path: Path, change: Any
) -> None:
    fill(path)
    content = change(path.read_text())
    path.write_text(content)
    file = SessionFile(path)
    with pytest.raises(InvalidValueError, match="choose another path, or move it away") as raised:
        file.load(0.0, 1e9)
    assert str(path) in str(raised.value)
    with pytest.raises(LocalProtocolError, match="load"):
        file.commit(Batch(1, []), 0.0, 1e9)
    assert path.read_text() == content


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidValueError, match="is damaged"):
        SessionFile(path).load(0.0, 1e9)


@pytest.mark.parametrize("change", [changed(format=2), session_changed(format=2)])
def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path, change: Any) -> None:
    fill(path)
    content = change(path.read_text())
    path.write_text(content)
    with pytest.raises(InvalidValueError, match="newer mqttproto: update this one") as raised:
        SessionFile(path).load(0.0, 1e9)
    assert str(path) in str(raised.value)
    assert path.read_text() == content


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        SessionFile(tmp_path / "nowhere" / "stove.session").load(0.0, 1e9)


def test_what_cannot_be_written_may_be_committed_again(path: Path, tmp_path: Path) -> None:
    fill(path)
    file = SessionFile(path)
    kept = Kept(file)
    kept.session.resume(60)
    batch = kept.journal.take()
    beside = tmp_path / "stove.session.new"
    beside.mkdir()
    before = path.read_bytes()
    with pytest.raises(OSError, match=r"stove\.session\.new"):
        file.commit(batch, 200.0, 1e9)
    assert path.read_bytes() == before
    beside.rmdir()
    file.commit(batch, 200.0, 1e9)
    file.close()
    data = file.load(200.0, 1e9)
    assert data is not None
    assert data["expiry_interval"] == 60


def test_a_change_that_cannot_be_leaves_the_file_as_it_was(path: Path) -> None:
    fill(path)
    before = path.read_bytes()
    file = SessionFile(path)
    file.load(0.0, 1e9)
    with pytest.raises(TypeError, match="no change of a session"):
        file.commit(Batch(1, [Change("stove-7")]), 0.0, 1e9)
    assert path.read_bytes() == before


# One at a time.


def test_two_cannot_use_one_file(path: Path) -> None:
    one, other = SessionFile(path), SessionFile(path)
    one.load(0.0, 1e9)
    for file in (one, other):
        with pytest.raises(LocalProtocolError, match="another client uses") as raised:
            file.load(0.0, 1e9)
        assert str(path) in str(raised.value)
    one.close()
    one.close()
    assert other.load(0.0, 1e9) is None


def test_a_file_that_was_refused_is_free(path: Path) -> None:
    path.write_text("")
    file = SessionFile(path)
    with pytest.raises(InvalidValueError):
        file.load(0.0, 1e9)
    path.unlink()
    assert SessionFile(path).load(0.0, 1e9) is None


def test_a_lock_that_the_system_does_not_have_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="not supported"):
        SessionFile(path).load(0.0, 1e9)


def test_windows_has_a_lock_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[int] = []

    def locking(file: int, how: int, count: int) -> None:
        assert (how, count) == (2, 1)
        if locked:
            raise PermissionError(13, "Permission denied")
        locked.append(file)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(sys, "platform", "win32")
    file = SessionFile(path)
    kept = Kept(file)
    kept.session.start(60)
    kept.commit(100.0)
    with pytest.raises(LocalProtocolError, match="another client uses"):
        SessionFile(path).load(0.0, 1e9)
    file.close()
    locked.clear()
    assert SessionFile(path).load(100.0, 1e9 + 100.0) == kept.session.export()


# With clients.


def test_a_client_goes_on_with_what_another_has_left(path: Path) -> None:
    async def main() -> None:
        async with serve_hub() as server:
            url = f"mqtt://127.0.0.1:{server.port}"
            async with connect(url, client_id="a", session=SessionFile(path)) as client:
                await client.subscribe("plant/#", qos=1)
            async with connect(url, client_id="b") as other:
                await other.publish("plant/7/temp", b"21.5", qos=1)
            async with connect(url, session=SessionFile(path)) as client:
                assert client.client_id == "a"
                message = await anext(client.messages())
                assert message.payload == b"21.5"

    asyncio.run(main())


def test_a_client_whose_file_is_in_use_does_not_connect(path: Path) -> None:
    async def main() -> None:
        async with serve_hub() as server:
            url = f"mqtt://127.0.0.1:{server.port}"
            file = SessionFile(path)
            async with connect(url, client_id="a", session=file):
                with pytest.raises(LocalProtocolError, match="another client uses"):
                    async with connect(url, client_id="a", session=file):
                        pass
                assert server.connections == 1
                with pytest.raises(LocalProtocolError, match="another client uses"):
                    SessionFile(path).load(0.0, 1e9)
            async with connect(url, client_id="a", session=file):
                pass

    asyncio.run(main())


def test_a_client_that_never_connects_leaves_the_file_free(path: Path) -> None:
    async def main() -> None:
        async with serve_hub() as server:
            url = f"mqtt://127.0.0.1:{server.port}"
        with pytest.raises(TransportError):
            async with connect(url, client_id="a", session=SessionFile(path)):
                pass
        assert SessionFile(path).load(0.0, 1e9) is None

    asyncio.run(main())


def test_the_session_of_another_client_is_refused_and_left_alone(path: Path) -> None:
    fill(path)
    before = path.read_bytes()

    async def main() -> None:
        with pytest.raises(InvalidValueError, match="'stove-7', not 'stove-8'"):
            async with connect(
                "mqtt://127.0.0.1:1", client_id="stove-8", session=SessionFile(path)
            ):
                pass

    asyncio.run(main())
    assert path.read_bytes() == before


def test_what_cannot_be_stored_in_the_end_is_raised(path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with serve_hub() as server:
            url = f"mqtt://127.0.0.1:{server.port}"
            with pytest.raises(OSError, match=r"stove\.session\.new"):
                async with connect(url, client_id="a", session=SessionFile(path)):
                    (tmp_path / "stove.session.new").mkdir()

    asyncio.run(main())


def test_with_trio_it_is_the_same(path: Path, tmp_path: Path) -> None:
    with LoopThread() as thread:
        url = f"mqtt://127.0.0.1:{thread.enter(serve_hub()).port}"

        async def publish(client_id: str) -> None:
            async with trio_connect(url, client_id=client_id, session=SessionFile(path)) as client:
                await client.publish("plant/7/temp", b"21.5", qos=2)
                with pytest.raises(LocalProtocolError, match="another client uses"):
                    SessionFile(path).load(0.0, 1e9)

        async def fail() -> None:
            async with trio_connect(url, client_id="a", session=SessionFile(path)):
                (tmp_path / "stove.session.new").mkdir()

        trio.run(publish, "a")
        with pytest.raises(InvalidValueError, match="'a', not 'b'"):
            trio.run(publish, "b")
        trio.run(publish, "")
        with pytest.raises(OSError, match=r"stove\.session\.new"):
            trio.run(fail)
        assert SessionFile(path).load(0.0, 1e9) is not None


@pytest.mark.parametrize("error", [None, OSError("the disk is gone")])
def test_a_client_that_is_cancelled_while_it_loads_lets_go(error: OSError | None) -> None:
    class Slow:
        loading, go_on, closed = threading.Event(), threading.Event(), False

        def load(self, now: float, wall: float) -> None:
            assert now < wall
            self.loading.set()
            self.go_on.wait()
            if error is not None:
                raise error

        def commit(self, *_: object) -> None:
            raise NotImplementedError

        def close(self) -> None:
            self.closed = True

    async def enter(store: Slow) -> None:
        async with connect("mqtt://127.0.0.1:1", client_id="a", session=store):
            pass

    async def main() -> None:
        store = Slow()
        task = asyncio.create_task(enter(store))
        await asyncio.to_thread(store.loading.wait)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        store.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert store.closed == (error is None)
        # Nothing runs on.
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


# The law: what was acknowledged is not lost, and QoS 2 comes once, whenever a process is killed.

CHILD = """\
import asyncio, sys
from mqttproto.asyncio import connect
from mqttproto.storage import SessionFile

url, version, path, qos, first, count = sys.argv[1:]

async def publish(client, number):
    await client.publish("numbers", str(number), int(qos))
    print(number, flush=True)

async def main():
    async with connect(
        url, client_id="publisher", mqtt_version=int(version), max_in_flight=10,
        session=SessionFile(path),
    ) as client:
        async with asyncio.TaskGroup() as group:
            for number in range(int(first), int(first) + int(count)):
                group.create_task(publish(client, number))
        if int(count):
            await asyncio.sleep(600)  # until it is killed

asyncio.run(main())
"""

RUNS = 4
MANY = 100


async def publish_and_kill(
    port: int, version: ProtocolVersion, path: Path, qos: int
) -> tuple[list[int], list[int]]:
    """Have processes publish numbers, and kill them.

    :returns: the numbers that were acknowledged, and those that have come.
    """
    url = f"mqtt://127.0.0.1:{port}"
    acknowledged: list[int] = []

    async def child(first: int, count: int, stop_after: int) -> None:
        given = (url, str(int(version)), str(path), str(qos), str(first), str(count))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", CHILD, *given, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while line := await process.stdout.readline():
            acknowledged.append(int(line))
            if acknowledged[-1] >= first + stop_after:
                process.kill()
                break
        # What it has said until it was dead counts, too.
        acknowledged.extend(int(line) for line in (await process.stdout.read()).splitlines())
        assert await process.wait() == (0 if not count else -9)

    came: list[int] = []
    async with connect(url, client_id="subscriber", mqtt_version=version) as client:
        await client.subscribe("numbers", qos=2)
        for run in range(RUNS):
            await child(run * MANY, MANY, stop_after=4 + 9 * run)
        # The last one only sends what is left.
        await child(0, 0, 0)
        await client.publish("numbers", b"end", qos=2)
        async for message in client.messages():
            if message.payload == b"end":
                break
            came.append(int(message.payload))
    return acknowledged, came


def check_law(acknowledged: list[int], came: list[int], qos: int) -> None:
    assert len(acknowledged) >= 15 * RUNS
    assert set(acknowledged) <= set(came)
    if qos == 2:
        assert len(came) == len(set(came))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    with mosquitto(tmp_path, "max_queued_messages 0", "set_tcp_nodelay true") as port:
        yield port


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", [ProtocolVersion.MQTT311, ProtocolVersion.MQTT5])
def test_a_killed_publisher_loses_nothing(path: Path, version: ProtocolVersion, qos: int) -> None:
    async def main() -> tuple[list[int], list[int]]:
        async with serve_hub() as server:
            return await publish_and_kill(server.port, version, path, qos)

    check_law(*asyncio.run(main()), qos)


@pytest.mark.peer
@pytest.mark.parametrize("qos", [1, 2])
def test_a_killed_publisher_loses_nothing_at_mosquitto(path: Path, broker: int, qos: int) -> None:
    check_law(*asyncio.run(publish_and_kill(broker, ProtocolVersion.MQTT5, path, qos)), qos)
