"""Clients and the servers of others: mosquitto, amqtt, aedes and RabbitMQ."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from clients_stage import QUICK, STAGES, Stage, name_of, run_on
from mosquitto_broker import mosquitto
from mqttproto import Properties, ProtocolVersion, Will
from mqttproto.engine.client import Client, Messages
from mqttproto.engine.events import Online
from recording_stage import free_port, listened_on

PATIENCE = 120.0

AMQTT = """\
import asyncio, sys
from amqtt.broker import Broker

async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""

AEDES = """\
const aedes = require('aedes')
const port = Number(process.argv[2])
const listen = (broker) =>
  require('net').createServer(broker.handle).listen(port, '127.0.0.1')
if (aedes.Aedes && aedes.Aedes.createBroker) aedes.Aedes.createBroker().then(listen)
else listen(aedes())
"""
"""Of both its ways, from 1.0 on and before."""


@contextmanager
def served(command: list[str], folder: Path, port: int, **environment: str) -> Iterator[int]:
    """Run a server until the block ends."""
    log = folder / f"log-{port}"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        give_up = time.monotonic() + PATIENCE
        while not listened_on(port):
            started = process.poll() is None and time.monotonic() < give_up
            assert started, log.read_text()[-2_000:]
            time.sleep(0.02)
        yield port
    finally:
        # Some are several processes.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def amqtt(folder: Path) -> Iterator[int]:
    # It may have an environment of its own.
    python = os.environ.get("MQTTPROTO_AMQTT", sys.executable)
    if python == sys.executable and not find_spec("amqtt"):
        pytest.skip("amqtt is not installed")
    port = free_port()
    with served([python, "-c", AMQTT, str(port)], folder, port):
        yield port


@contextmanager
def aedes(folder: Path) -> Iterator[int]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("aedes needs node and npm")
    # Whoever has it already says where.
    modules = os.environ.get("MQTTPROTO_AEDES", str(folder / "node_modules"))
    if not Path(modules).exists():
        if "MQTTPROTO_AEDES" in os.environ:
            pytest.skip(f"aedes is not in {modules}")
        command = [npm, "install", "--no-audit", "--no-fund", "aedes@0.51"]
        result = subprocess.run(command, cwd=folder, capture_output=True, timeout=300)
        if result.returncode:
            pytest.skip(f"aedes cannot be installed: {result.stderr.decode()[-500:]}")
    port = free_port()
    (folder / "server.js").write_text(AEDES)
    with served([node, "server.js", str(port)], folder, port, NODE_PATH=modules):
        yield port


@contextmanager
def rabbitmq(folder: Path) -> Iterator[int]:
    # What stands in /usr/sbin becomes another user.
    server = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin")
    names = shutil.which("epmd")
    if server is None or names is None:
        pytest.skip("rabbitmq-server is not installed")
    port, names_port = free_port(), free_port()
    (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
    (folder / "rabbit.conf").write_text(
        f"mqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
        f"listeners.tcp.1 = 127.0.0.1:{free_port()}\n"
    )
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names_port),
        "RABBITMQ_NODENAME": f"rabbit{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbit.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    # Its name server would outlive it if it had to start it itself.
    with (
        served([names, "-port", str(names_port), "-address", "127.0.0.1"], folder, names_port),
        served([server], folder, port, **environment),
    ):
        yield port


@dataclass(frozen=True)
class Peer:
    """A server of others.

    :ivar serve: runs it until the block ends, with its files in a folder; gives its port.
    :ivar versions: what it speaks.
    :ivar most_qos: the highest QoS that it knows; RabbitMQ answers QoS 2 with PUBACK.
    :ivar raises: whether it delivers at the QoS of the subscription where that of the message is
        lower, which it must not (3.1.1: MQTT-3.8.4-6).
    :ivar silent: whether it does not answer a version that it does not know.
    """

    serve: Callable[[Path], AbstractContextManager[int]]
    versions: tuple[int, ...]
    most_qos: int = 2
    raises: bool = False
    silent: bool = False


PEERS = {
    "mosquitto": Peer(mosquitto, (3, 4, 5)),
    "amqtt": Peer(amqtt, (4,), raises=True, silent=True),
    "aedes": Peer(aedes, (3, 4)),
    "rabbitmq": Peer(rabbitmq, (3, 4), most_qos=1),
}


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """RabbitMQ and npm are too large to be installed by CI: what needs them is tested where they
    are.
    """
    return [pytest.mark.peer] if name in ("mosquitto", "amqtt") else []


every_peer = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks_of(name)) for name in PEERS]
)
ways = [
    pytest.param(
        name,
        version,
        stage,
        id=f"{name}-{version}-{name_of(stage)}",
        marks=marks_of(name),
    )
    for name, peer in PEERS.items()
    for version in peer.versions
    for stage in STAGES
]
each_way = pytest.mark.parametrize(("name", "version", "stage_type"), ways)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """The port of each peer by its name; it runs from the first time on that it is asked for."""
    running: dict[str, int] = {}
    with ExitStack() as stack:

        def port_of(name: str) -> int:
            if name not in running:
                folder = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context(PEERS[name].serve(folder))
            return running[name]

        yield port_of


@each_way
def test_a_client_and_a_peer_understand_each_other(
    ports: Callable[[str], int], name: str, version: int, stage_type: type[Stage]
) -> None:
    port = ports(name)
    peer = PEERS[name]
    topic = f"talk/{version}/{stage_type.__name__}"
    payloads = [b"", b"x", bytes(1_000), bytes(range(256)) * 100]

    async def talk(stage: Stage) -> None:
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, mqtt_version=version) as client:
            assert await client.subscribe(f"{topic}/+", qos=2) == [peer.most_qos]
            levels = range(peer.most_qos + 1)
            for qos in levels:
                for payload in payloads:
                    await client.publish(f"{topic}/{qos}", payload, qos=qos)
            messages = await stage.take(client.messages(), len(levels) * len(payloads))
            heard = [(each.topic[-1], int(each.qos), each.payload) for each in messages]
            assert sorted(heard) == sorted(
                (str(qos), 2 if peer.raises else qos, payload)
                for qos in levels
                for payload in payloads
            )
            stream = [(f"{topic}/many", b"%d" % number) for number in range(200)]
            assert await client.publish_many(stream, qos=1, window=20) == 200
            heard_many = [each.payload for each in await stage.take(client.messages(), 200)]
            assert heard_many == [payload for _, payload in stream]
            await client.unsubscribe(f"{topic}/+")
            await client.publish(f"{topic}/kept", b"kept", qos=1, retain=True)
            async with client.subscription(f"{topic}/kept", qos=1) as some:
                [message] = await stage.take(some, 1)
                assert (message.payload, message.retain) == (b"kept", True)
            await client.publish(f"{topic}/kept", b"", qos=1, retain=True)
            await client.ping()
            if version == 5:
                async with client.subscription(f"{topic}/service", qos=1) as requests:
                    await stage.together(lambda: respond(client, requests), lambda: ask(client))
        await stage.no_sockets_to(port)

    async def respond(client: Client, requests: Messages) -> None:
        request = await anext(requests)
        where = request.properties.response_topic
        assert where is not None
        data = Properties(correlation_data=request.properties.correlation_data)
        await client.publish(where, request.payload, qos=1, properties=data)

    async def ask(client: Client) -> None:
        assert (await client.request(f"{topic}/service", b"?")).payload == b"?"

    run_on(stage_type, talk)


@each_way
def test_a_connection_to_a_peer_is_made_again(
    ports: Callable[[str], int], name: str, version: int, stage_type: type[Stage]
) -> None:
    port = ports(name)
    topic = f"again/{version}/{stage_type.__name__}"
    options: dict[str, Any] = {"mqtt_version": version, "clean_start": False, **QUICK}
    will = Will(f"{topic}/will", b"gone", 1)

    async def cut(stage: Stage) -> None:
        proxy = stage.proxy(port)
        url = f"mqtt://127.0.0.1:{proxy.port}"
        async with (
            stage.connect(f"mqtt://127.0.0.1:{port}", mqtt_version=version) as watch,
            stage.connect(
                url, client_id=f"{stage_type.__name__}{version}", will=will, **options
            ) as client,
        ):
            await watch.subscribe(f"{topic}/#", qos=1)
            await client.subscribe(f"{topic}/own", qos=2)
            for number in range(3):
                stage.loop.call(proxy.cut)
                await client.publish(f"{topic}/own", b"%d" % number, qos=PEERS[name].most_qos)
            heard: list[bytes] = []
            while b"2" not in heard:
                heard.append((await anext(client.messages())).payload)
            assert set(heard) <= {b"0", b"1", b"2"}
            wills = 0
            while not wills:
                wills += (await anext(watch.messages())).topic == will.topic
        assert proxy.connections > 1

    run_on(stage_type, cut)


@pytest.mark.parametrize("stage_type", STAGES, ids=name_of)
@every_peer
def test_the_version_of_a_peer_is_found(
    ports: Callable[[str], int], name: str, stage_type: type[Stage]
) -> None:
    port = ports(name)

    async def find(stage: Stage) -> None:
        options = {"connect_timeout": 3.0} if PEERS[name].silent else {}
        url = f"mqtt://127.0.0.1:{port}"
        async with stage.connect(url, mqtt_version="auto", **options) as client:
            online = await anext(client.events())
            while not isinstance(online, Online):
                online = await anext(client.events())
            assert online.version is ProtocolVersion(5 if 5 in PEERS[name].versions else 4)
            await client.ping()
        stage.faults.clear()

    run_on(stage_type, find)
