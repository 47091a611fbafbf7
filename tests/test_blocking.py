"""The client for scripts: everything without await, and no thread left behind."""

import asyncio
import inspect
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

import mqttproto.asyncio
from mosquitto_broker import mosquitto
from mqttproto import (
    ClientClosedError,
    ConnAck,
    ConnectRefusedError,
    InvalidTopicError,
    InvalidValueError,
    LocalProtocolError,
    Properties,
    ProtocolVersion,
    Publish,
    QueueFullError,
    ReasonCode,
    TransportError,
)
from mqttproto.blocking import Client, connect
from mqttproto.blocking.client import _Arrivals
from mqttproto.blocking.thread import ClientThread
from mqttproto.cli.hub import HubServer, serve_hub
from mqttproto.codec import encode
from mqttproto.engine import client as engine
from mqttproto.engine.events import Offline, Online
from mqttproto.engine.inbox import InboxLimits
from mqttproto.engine.options import Options
from mqttproto.protocol import QueueLimits
from mqttproto.testing.live import FaultProxy, LoopThread

PATIENCE = 30.0

VERSIONS = list(ProtocolVersion)


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as thread:
        yield thread


@pytest.fixture
def hub(loop: LoopThread) -> HubServer:
    return loop.enter(serve_hub())


@pytest.fixture
def url(hub: HubServer) -> str:
    return f"mqtt://127.0.0.1:{hub.port}"


def threads_of_clients() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "mqttproto client"]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert threads_of_clients() == []


def until(condition: Any) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


# In each version.


@pytest.fixture
def mosquitto_url(tmp_path: Path) -> Iterator[str]:
    with mosquitto(tmp_path) as port:
        yield f"mqtt://127.0.0.1:{port}"


def converse(url: str, version: ProtocolVersion) -> None:
    """Do everything once."""
    with connect(url, client_id="stove-7", mqtt_version=version) as client:
        assert (client.client_id, client.connected, client.version) == ("stove-7", True, version)
        assert client.limits is not None
        assert repr(client) == "<Client 'stove-7': online>"
        assert client.subscribe("plant/#", qos=2) == [ReasonCode.GRANTED_QOS_2]
        for qos in (0, 1, 2):
            assert client.publish("plant/7/temp", str(qos), qos) == ReasonCode.SUCCESS
        handle = client.publish_nowait("plant/7/temp", b"3", 2)
        assert handle.wait() == handle.wait(PATIENCE) == ReasonCode.SUCCESS
        assert (handle.done, handle.error, handle.reason_code) == (True, None, ReasonCode.SUCCESS)
        assert handle.properties == Properties()
        assert repr(handle) == "<PublishHandle: <ReasonCode.SUCCESS: 0>>"
        many: list[Publish | tuple[str, bytes]] = [
            ("plant/7/temp", b"4"),
            Publish("plant/7/temp", b"5", 2),
        ]
        assert client.publish_many(many, qos=1) == 2
        messages = client.messages()
        came = [(each.payload, each.message.qos) for each in itertools.islice(messages, 6)]
        assert came == [
            (b"0", 0),
            (b"1", 1),
            (b"2", 2),
            (b"3", 2),
            (b"4", 1),
            (b"5", 2),
        ]
        assert client.unsubscribe("plant/#") == ([ReasonCode.SUCCESS] if version == 5 else [])
        with client.subscription(["+/8/#"], 1) as eights:
            client.publish("plant/8/temp", b"21.5", 1)
            assert next(eights).payload == b"21.5"
        assert list(eights) == []
        assert client.ping() > 0
        client.disconnect()
        assert not client.connected
        assert list(messages) == []
        events = list(client.events())
        assert isinstance(events[0], Online)
        assert events[-1] == Offline(None)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conversation_with_the_hub(url: str, version: ProtocolVersion) -> None:
    converse(url, version)


@pytest.mark.peer
@pytest.mark.parametrize("version", VERSIONS)
def test_a_conversation_with_mosquitto(mosquitto_url: str, version: ProtocolVersion) -> None:
    converse(mosquitto_url, version)


def test_a_request_and_its_response(url: str) -> None:
    with connect(url) as asks, connect(url) as answers:
        answers.subscribe("sums")

        def answer() -> None:
            question = next(answers.messages())
            topic = question.properties.response_topic
            assert topic is not None
            data = question.properties.correlation_data
            answers.publish(topic, b"4", properties=Properties(correlation_data=data))

        with ThreadPoolExecutor() as pool:
            answering = pool.submit(answer)
            assert asks.request("sums", b"2 + 2").payload == b"4"
            answering.result()
        with pytest.raises(TimeoutError, match="nobody"):
            asks.request("nobody", timeout=0.01)


def test_messages_are_acknowledged_by_hand(url: str) -> None:
    with connect(url, client_id="a", manual_acknowledgement=True) as client:
        client.subscribe("a", qos=1)
        client.publish("a", b"x", 1)
        message = next(client.messages())
        assert message.receipt is not None
        assert not message.receipt.decided
        client.acknowledge(message)
        with pytest.raises(LocalProtocolError):
            client.acknowledge(message)


def test_reauthentication_needs_an_authenticator(url: str) -> None:
    with connect(url) as client, pytest.raises(LocalProtocolError):
        client.reauthenticate()


def test_credentials_are_asked_for_in_the_thread_of_the_client(
    loop: LoopThread, hub: HubServer
) -> None:
    threads: list[str] = []
    clients: list[Client] = []
    errors: list[BaseException] = []

    async def credentials() -> tuple[str, str]:
        threads.append(threading.current_thread().name)
        for client in clients:
            try:
                client.publish("a")
            except LocalProtocolError as error:
                errors.append(error)
        return "stove-7", "pencil"

    proxy = loop.enter(FaultProxy("127.0.0.1", hub.port))
    url = f"mqtt://127.0.0.1:{proxy.port}"
    with connect(url, credentials=credentials, reconnect_min=0.001) as client:
        clients.append(client)
        loop.call(proxy.cut)
        until(lambda: errors and client.connected)
    assert set(threads) == {"mqttproto client"}
    assert "in its own thread" in str(errors[0])


def test_a_connected_socket_is_taken(hub: HubServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", hub.port)) as sock,
        connect(sock) as client,
    ):
        assert client.publish("a", b"x", 1) == ReasonCode.NO_MATCHING_SUBSCRIBERS


def test_its_names_are_those_of_the_other_clients() -> None:
    names = {name for name in vars(engine.Client) if not name.startswith("_")}
    assert names - {name for name in vars(Client) if not name.startswith("_")} == {"session"}
    options = inspect.signature(connect).parameters
    assert list(options)[1:] == list(inspect.signature(mqttproto.asyncio.connect).parameters)[1:]
    for name in names - {"session", "messages", "events", "client_id", "connected"}:
        if name in ("version", "limits"):
            continue
        here = list(inspect.signature(getattr(Client, name)).parameters)
        there = list(inspect.signature(getattr(engine.Client, name)).parameters)
        assert [each for each in here if each in there] == there


# What comes.


def test_messages_may_end_after_a_while(url: str) -> None:
    with connect(url) as client:
        client.subscribe("a")
        messages = client.messages(timeout=0.01)
        assert list(messages) == []
        client.publish("a", b"x")
        client.ping()
        assert messages
        assert len(messages) == 1
        # What is there comes, even if nothing is waited for.
        assert [each.payload for each in client.messages(timeout=0)] == [b"x"]
        assert len(messages) == 0
        assert [type(each) for each in client.events(timeout=0)] == [Online]
        with client.subscription("b", timeout=0.01) as others:
            assert list(others) == []


def test_an_inbox_has_its_limits(url: str) -> None:
    with connect(url) as client, client.subscription("a", limits=InboxLimits(1)) as messages:
        for _ in range(3):
            client.publish("a", b"x")
        client.ping()
        assert len(messages) == 1
        assert messages.dropped == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_a_message_is_not_lost_where_its_taker_is_interrupted(error: type[BaseException]) -> None:
    class Interrupted:
        def do(self, coroutine: Coroutine[Any, Any, None]) -> None:
            asyncio.run(coroutine)
            raise error

    async def arrivals() -> AsyncIterator[str]:
        yield "a"

    taking: _Arrivals[str] = _Arrivals(cast(ClientThread, Interrupted()), arrivals(), None)
    with suppress(KeyboardInterrupt):
        assert next(taking) == "a"
        return
    assert next(taking) == "a"


def test_several_threads_share_messages(url: str) -> None:
    with connect(url) as client:
        client.subscribe("a", qos=1)
        messages = client.messages(timeout=1.0)
        with ThreadPoolExecutor(4) as pool:
            takers = [pool.submit(lambda: [each.payload for each in messages]) for _ in range(4)]
            sent = [b"%d" % number for number in range(200)]
            client.publish_many([("a", each) for each in sent], qos=1)
            came = [payload for taker in takers for payload in taker.result()]
        assert sorted(came) == sorted(sent)


def test_several_threads_publish(url: str) -> None:
    with connect(url) as client, connect(url) as other:
        other.subscribe("a", qos=2)
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda n: client.publish("a", b"%d" % n, n % 3), range(100)))
        assert codes == [ReasonCode.SUCCESS] * 100
        came = {int(each.payload) for each in itertools.islice(other.messages(), 100)}
        assert came == set(range(100))


# What goes out.


def test_a_handle_may_be_waited_for_in_vain(loop: LoopThread, hub: HubServer) -> None:
    proxy = loop.enter(FaultProxy("127.0.0.1", hub.port))
    with connect(f"mqtt://127.0.0.1:{proxy.port}", reconnect_min=0.001) as client:
        loop.call(setattr, proxy, "refusing", True)
        loop.call(proxy.cut)
        until(lambda: not client.connected)
        handle = client.publish_nowait("a", b"x", 1)
        for timeout in (0.0, 0.01):
            with pytest.raises(TimeoutError):
                handle.wait(timeout)
        assert not handle.done
        assert handle.reason_code is None
        assert client.limits is None
        with pytest.raises(TransportError):
            client.ping()
        loop.call(setattr, proxy, "refusing", False)
        assert handle.wait(PATIENCE) == ReasonCode.NO_MATCHING_SUBSCRIBERS


def test_where_there_is_no_room_it_says_so(loop: LoopThread, hub: HubServer) -> None:
    proxy = loop.enter(FaultProxy("127.0.0.1", hub.port))
    with connect(
        f"mqtt://127.0.0.1:{proxy.port}", queue_limits=QueueLimits(1), drain_timeout=0
    ) as client:
        loop.call(setattr, proxy, "refusing", True)
        loop.call(proxy.cut)
        until(lambda: not client.connected)
        client.publish_nowait("a", b"x", 1)
        with pytest.raises(QueueFullError):
            client.publish_nowait("a", b"x", 1)


def test_a_long_stream_is_published_in_order(url: str) -> None:
    with connect(url) as client, connect(url) as other:
        other.subscribe("a", qos=1)
        assert (
            client.publish_many((("a", b"%d" % n) for n in range(1_000)), qos=1, window=7) == 1_000
        )
        came = [int(each.payload) for each in itertools.islice(other.messages(), 1_000)]
        assert came == list(range(1_000))


def test_a_stream_that_breaks_off_is_published_up_to_there(url: str) -> None:
    def messages() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        yield "a", b"2"
        raise ArithmeticError("three is too many")

    with connect(url) as client:
        client.subscribe("a", qos=1)
        with pytest.raises(ArithmeticError, match="too many"):
            client.publish_many(messages(), qos=1)
        assert [each.payload for each in client.messages(timeout=0.05)] == [b"1", b"2"]


def test_a_stream_with_a_message_that_cannot_be_is_drawn_no_further(url: str) -> None:
    drawn: list[int] = []

    def messages() -> Iterator[tuple[str, bytes]]:
        for number in itertools.count():
            drawn.append(number)
            yield ("+" if number == 3 else "a"), b"x"

    with connect(url) as client, pytest.raises(InvalidTopicError):
        client.publish_many(messages())
    assert len(drawn) < 1_000


def test_an_interrupted_stream_goes_no_further(url: str) -> None:
    def messages() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise KeyboardInterrupt

    with connect(url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.publish_many(messages())
        assert client.publish("a", b"2", 1) == ReasonCode.NO_MATCHING_SUBSCRIBERS


# The beginning and the end.


def test_what_was_published_is_acknowledged_in_the_end(url: str) -> None:
    with connect(url) as client:
        handles = [client.publish_nowait("a", b"x", 2) for _ in range(100)]
    assert all(each.wait(0) == ReasonCode.NO_MATCHING_SUBSCRIBERS for each in handles)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TransportError, match="nobody listens"), connect("mqtt://127.0.0.1:1"):
        pass


def test_a_refusal_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        server.settimeout(PATIENCE)

        def refuse() -> None:
            sock, _ = server.accept()
            with sock:
                sock.recv(1_000)
                sock.sendall(encode(ConnAck(reason_code=ReasonCode.BANNED), version=5))
                sock.recv(1_000)

        refusing = pool.submit(refuse)
        with (
            pytest.raises(ConnectRefusedError, match="banned"),
            connect(f"mqtt://127.0.0.1:{server.getsockname()[1]}"),
        ):
            pass
        refusing.result()


@pytest.mark.parametrize(
    ("target", "options"),
    [("broker", {}), ([], {}), ("mqtt://a", {"keep_alive": -1}), ("mqtt://a", {"mqtt_version": 6})],
)
def test_what_cannot_be_is_an_error(target: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError), connect(target, **options):
        pass


def test_an_exception_in_the_block_comes_out(url: str, hub: HubServer) -> None:
    with pytest.raises(ArithmeticError), connect(url, drain_timeout=PATIENCE):
        raise ArithmeticError
    until(lambda: not hub.connections)


def test_an_exception_in_a_subscription_comes_out(url: str) -> None:
    with connect(url) as client:
        with pytest.raises(ArithmeticError), client.subscription("a") as messages:
            raise ArithmeticError
        assert list(messages) == []
        client.publish("a", b"x", 1)


def test_a_refused_subscription_is_an_error(url: str) -> None:
    with (
        connect(url) as client,
        pytest.raises(InvalidTopicError),
        client.subscription("#/a"),
    ):
        pass


def test_a_client_that_has_ended_says_so(url: str) -> None:
    with connect(url) as client:
        messages, events = client.messages(), client.events()
        handle = client.publish_nowait("a", b"x", 1)
    for call in (client.ping, lambda: client.publish("a"), lambda: next(messages)):
        with pytest.raises(ClientClosedError):
            call()
    with pytest.raises(ClientClosedError):
        list(events)
    assert handle.wait() == ReasonCode.NO_MATCHING_SUBSCRIBERS
    assert not client.connected


def test_a_subscription_that_outlives_its_client_is_let_go_of(url: str) -> None:
    with connect(url) as client:
        manager = client.subscription("a")
        manager.__enter__()
    manager.__exit__(None, None, None)


def test_whoever_waits_in_another_thread_hears_of_the_end(url: str) -> None:
    with ThreadPoolExecutor() as pool:
        with connect(url) as client:
            taking = pool.submit(lambda: list(client.messages()))
            stream = pool.submit(client.publish_many, endless(), qos=1)
            time.sleep(0.05)
        assert taking.result(PATIENCE) == []
        with pytest.raises(ClientClosedError):
            stream.result(PATIENCE)


def endless() -> Iterator[tuple[str, bytes]]:
    while True:
        yield "b", b"x"


def test_what_a_store_raises_in_the_end_comes_out(url: str) -> None:
    class Store:
        full = False

        def load(self, now: float, wall: float) -> dict[str, Any] | None:
            assert now < wall
            return None

        def commit(self, *_: object) -> None:
            if self.full:
                raise OSError("the disk is full")

        def close(self) -> None:
            self.closed = True

    store = Store()
    with pytest.raises(OSError, match="full"), connect(url, client_id="a", session=store):
        store.full = True
    assert store.closed


def test_a_thread_that_nobody_wants_any_more_does_not_connect(url: str) -> None:
    thread = ClientThread(url, Options())
    with thread._gate:
        starting = threading.Thread(target=thread._thread.start)
        starting.start()
        starting.join()
        thread._given_up = True
    thread.end(False)


# Ctrl-C.

SCRIPT = """\
import sys, threading
from mqttproto.blocking import connect

url, what = sys.argv[1:]
try:
    with connect(url, client_id="script", retry_first=True) as client:
        client.subscribe("a", qos=1)
        print("ready", flush=True)
        if what == "messages":
            for message in client.messages():
                pass
        elif what == "subscription":
            with client.subscription("b") as messages:
                next(messages)
        elif what == "request":
            client.request("nobody")
        elif what == "stream":
            client.publish_many(iter(lambda: ("c", b"x"), None), qos=1)
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""


def run_and_interrupt(url: str, what: str, ready: Any) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT, url, what],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        ready(process)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    return process.returncode, output


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
@pytest.mark.parametrize("what", ["messages", "subscription", "request", "stream"])
def test_ctrl_c_ends_it_with_disconnect(url: str, hub: HubServer, what: str) -> None:
    def ready(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)

    with connect(url) as watcher:
        assert run_and_interrupt(url, what, ready) == (0, "interrupted 1\n")
        until(lambda: hub.connections == 1)
        assert watcher.connected


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_ctrl_c_while_it_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)

        def ready(_: subprocess.Popen[str]) -> None:
            sock, _ = silent.accept()
            accepted.append(sock)
            sock.recv(1_000)
            time.sleep(0.1)

        accepted: list[socket.socket] = []
        silent_url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        assert run_and_interrupt(silent_url, "messages", ready) == (0, "interrupted 1\n")
        for sock in accepted:
            sock.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_ctrl_c_while_it_waits_in_the_end(hub: HubServer, loop: LoopThread) -> None:
    proxy = loop.enter(FaultProxy("127.0.0.1", hub.port))
    url = f"mqtt://127.0.0.1:{proxy.port}"
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), connect(url, drain_timeout=PATIENCE) as client:  # noqa: PT012
        loop.call(setattr, proxy, "refusing", True)
        loop.call(proxy.cut)
        until(lambda: not client.connected)
        client.publish_nowait("a", b"x", 1)
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    assert time.monotonic() - began < PATIENCE / 2
