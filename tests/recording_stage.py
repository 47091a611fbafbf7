"""Where the recorded sessions are played: a mosquitto, proxies before it, and clients."""

import getpass
import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Self, TypeVar

import independent
from recording import TIMEOUT, RecordedConnection, RecordingProxy

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

__all__ = ["CONFIGURATION", "Paho", "Stage", "Take", "Tool", "paho_properties", "program"]

Result = TypeVar("Result")

Door = Literal["open", "guarded"]
"""The two listeners: one lets anybody in, the other asks for a password and has lower limits."""

CONFIGURATION: Final = """\
per_listener_settings true
max_keepalive 600
user {user}

listener {open} 127.0.0.1
allow_anonymous true
{settings}

listener {guarded} 127.0.0.1
allow_anonymous false
password_file {folder}/passwords
max_qos 1
max_topic_alias 0
"""

PASSWORDS: Final = ("alice", "wonderland")

PLUGIN: Final = "mosquitto_dynamic_security.so"

# What the plugin lets anybody do, if settings load it.
ROLES: Final = {
    "defaultACLAccess": {"publishClientSend": False, "subscribe": False, "unsubscribe": False},
    "roles": [
        {
            "rolename": "some",
            "acls": [
                {"acltype": "publishClientSend", "topic": "allowed/#", "allow": True},
                {"acltype": "subscribePattern", "topic": "allowed/#", "allow": True},
                {"acltype": "unsubscribePattern", "topic": "allowed/#", "allow": True},
            ],
        }
    ],
    "groups": [{"groupname": "anybody", "roles": [{"rolename": "some"}], "clients": []}],
    "anonymousGroup": "anybody",
}

GRACE: Final = 0.05
"""How long bytes may take to be recorded, in seconds."""

VERSIONS: Final = {"3.1": ("mqttv31", 3), "3.1.1": ("mqttv311", 4), "5.0": ("mqttv5", 5)}
"""What mosquitto's tools and paho call the versions."""


@dataclass(frozen=True)
class Take:
    """One recorded connection, and what there is to say about it.

    ``peer`` names the client, ``label`` is what tells the connection from the others of that client
    and version, and ``told`` says what the client was told to do: its command line, or words.
    """

    peer: str
    version: str
    label: str
    told: str
    proxy: RecordingProxy
    connection: RecordedConnection

    @property
    def name(self) -> str:
        """The name of the recording, which the names of both files begin with."""
        return f"{self.peer}-{self.version}-{self.label}"

    def stream(self, sender: str) -> bytes:
        """What ``"client"`` or ``"server"`` has sent so far."""
        connection = self.connection
        return connection.client_bytes if sender == "client" else connection.server_bytes

    def names(self, sender: str) -> list[str]:
        """The names of the packets that a sender has sent in full so far."""
        return [frame.name for frame in independent.frames(self.stream(sender))]

    def saw(self, sender: str, name: str, count: int = 1) -> None:
        """Wait until a sender has sent so many packets of a name."""
        self._await(lambda: self.names(sender).count(name) >= count)

    def ends(self, client: str, server: str) -> None:
        """Wait for the end, and raise ValueError unless exactly these packets were sent."""
        self._await(lambda: self.connection.ended)
        for sender, expected in (("client", client), ("server", server)):
            packets = independent.decode(self.stream(sender), self.version)
            names = " ".join(str(packet["name"]) for packet in packets)
            if names != expected:
                raise ValueError(f"{self.name}: the {sender} sent {names}, not {expected}")

    def _await(self, condition: Callable[[], bool]) -> None:
        if not self.proxy.becomes(condition):
            raise TimeoutError(f"{self.name}: what was to come did not come")


class Tool:
    """A running ``mosquitto_pub``, ``mosquitto_sub`` or ``mosquitto_rr``."""

    def __init__(self, take: Take, process: subprocess.Popen[bytes]) -> None:
        self.take = take
        self.process = process

    def ends(self, client: str, server: str) -> None:
        """Wait until it has done what it was told to, as :meth:`Take.ends` does."""
        self.process.wait(TIMEOUT)
        self.take.ends(client, server)

    def kill(self) -> None:
        """End it without giving it a chance to say goodbye."""
        self.process.kill()
        self.process.wait(TIMEOUT)


class Paho:
    """A paho client without a thread: it reads and answers only while its own methods wait."""

    def __init__(self, stage: "Stage", version: str, client: "Client", door: Door) -> None:
        self.client = client
        self._stage = stage
        self._version = version
        self._door = door

    def connect(
        self,
        label: str,
        told: str,
        *,
        keep_alive: int = 60,
        properties: "Properties | None" = None,
    ) -> None:
        """Connect, and begin a take; 5.0 connects with Clean Start."""
        host, port = self._stage.doors[self._door].address
        self._begin(
            label,
            told,
            lambda: self.client.connect(host, port, keep_alive, properties=properties),
        )

    def reconnect(self, label: str, told: str) -> None:
        """Drop the connection without a goodbye, and begin another take without Clean Start."""
        self._begin(label, told, self.client.reconnect)

    def _begin(self, label: str, told: str, connect: Callable[[], object]) -> None:
        self.take, _ = self._stage.take(
            "paho", self._version, label, told, connect, door=self._door
        )

    def saw(self, sender: str, name: str, count: int = 1) -> None:
        """Do what is due until a sender has sent so many packets of a name; read the server's."""
        self._until(lambda: self.take.names(sender).count(name) >= count)
        while (
            sender == "server"
            and (connection := self.client.socket())
            and select.select([connection], [], [], GRACE)[0]
        ):
            self.client.loop(0)

    def ends(self, client: str, server: str) -> None:
        """Do what is due until the connection ends, then as :meth:`Take.ends`."""
        self._until(lambda: self.take.connection.ended)
        self.take.ends(client, server)

    def _until(self, condition: Callable[[], bool]) -> None:
        # What the client has just sent must be recorded before it reads any further: else chance
        # would say how much it reads.
        deadline = time.monotonic() + TIMEOUT
        while not self.take.proxy.becomes(condition, GRACE):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.take.name}: what was to come did not come")
            self.client.loop(GRACE)


class Stage:
    """A mosquitto in a folder of its own, with a proxy before each :data:`Door`.

    ``settings`` are lines for the configuration of the open door, where ``{plugin}`` and
    ``{folder}`` stand for the paths of the plugin and of the folder with its roles. ``takes`` has
    what was recorded, in order. Leaving the ``with`` block ends whatever was started.
    """

    def __init__(self, settings: str = "") -> None:
        self.takes: list[Take] = []
        self.doors: dict[Door, RecordingProxy] = {}
        self._settings = settings
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with self._cleanup:
            self._folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
            ports: dict[Door, int] = {"open": free_port(), "guarded": free_port()}
            self._start_server(ports)
            for door, port in ports.items():
                proxy = RecordingProxy(("127.0.0.1", port))
                self.doors[door] = self._cleanup.enter_context(proxy)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def start(
        self,
        peer: str,
        version: str,
        label: str,
        arguments: str,
        *,
        door: Door = "open",
        stdin: bytes = b"",
        client_id: str = "",
    ) -> Tool:
        """Start one of mosquitto's tools, and wait until it is connected.

        ``arguments`` are written as for a shell; the address of the server, the version and the
        client id (the label, unless told otherwise) are added.
        """
        told = [peer, "-V", VERSIONS[version][0], "-i", client_id or label, *shlex.split(arguments)]
        host, port = self.doors[door].address
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            take, process = self.take(
                peer,
                version,
                label,
                shlex.join(told),
                lambda: self._run([*told, "-h", host, "-p", str(port)], stdin=file),
                door=door,
            )
        return Tool(take, process)

    def paho(
        self,
        version: str,
        client_id: str,
        *,
        clean_session: bool = True,
        door: Door = "open",
    ) -> Paho:
        """Make a paho client, not connected yet; ``clean_session`` is for versions before 5.0."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            None if version == "5.0" else clean_session,
            protocol=MQTTProtocolVersion(VERSIONS[version][1]),
            reconnect_on_failure=False,
        )
        return Paho(self, version, client, door)

    def take(
        self,
        peer: str,
        version: str,
        label: str,
        told: str,
        connect: Callable[[], Result],
        *,
        door: Door = "open",
    ) -> tuple[Take, Result]:
        """Call what makes a client connect; return the take of its connection, and the result."""
        proxy = self.doors[door]
        number = len(proxy.connections)
        result = connect()
        if not proxy.becomes(lambda: len(proxy.connections) > number):
            raise TimeoutError(f"{peer} does not connect for {label}")
        take = Take(peer, version, label, told, proxy, proxy.connections[number])
        self.takes.append(take)
        return take, result

    def _start_server(self, ports: dict[Door, int]) -> None:
        (self._folder / "roles.json").write_text(json.dumps(ROLES))
        passwords = self._folder / "passwords"
        passwords.touch(0o600)
        subprocess.run(["mosquitto_passwd", "-b", passwords, *PASSWORDS], check=True)
        configuration = self._folder / "mosquitto.conf"
        plugin = next(Path("/usr/lib").glob(f"*/{PLUGIN}"), PLUGIN)
        settings = self._settings.format(plugin=plugin, folder=self._folder)
        configuration.write_text(
            CONFIGURATION.format(
                user=getpass.getuser(), settings=settings, folder=self._folder, **ports
            )
        )
        log = self._folder / "mosquitto.log"
        with log.open("wb") as file:
            process = self._run([program("mosquitto"), "-c", str(configuration)], stderr=file)
        deadline = time.monotonic() + TIMEOUT
        while not all(listened_on(port) for port in ports.values()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto does not start: {log.read_text()}")
            time.sleep(0.02)

    def _run(
        self,
        command: list[str],
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        # A tool reads options from a file of its user, if there is one: there is none here.
        home = {"HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=os.environ | home,
        )
        self._cleanup.callback(end, process)
        return process


def paho_properties(packet: str, **values: object) -> "Properties":
    """Make properties as paho has them: named in camel case, for a packet in upper case."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def program(name: str) -> str:
    """Return the path of a program; raise FileNotFoundError if there is none."""
    # Debian keeps servers where users' shells do not look.
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if path is None:
        raise FileNotFoundError(f"recording needs {name}, which is not installed here")
    return path


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, unless it has ended."""
    process.kill()
    process.wait()


def free_port() -> int:
    """Return a port on loopback that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def listened_on(port: int) -> bool:
    """Return whether something takes connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
