"""A client engine and servers on a virtual network, with a virtual clock, and no event loop.

The stage is the engine's adapter. It writes when it is woken and sets its timer when it has
written, as the adapters do: what they would not notice, it does not notice either.
"""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from mqttproto.cli.hub.hub import Hub
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import QoS
from mqttproto.engine.client import Client
from mqttproto.engine.completion import Completion
from mqttproto.engine.events import ClientEvent
from mqttproto.engine.inbox import Inbox
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import Options
from mqttproto.engine.publishing import PublishHandle
from mqttproto.engine.requests import SubscribeRequest
from mqttproto.engine.running import keep, run
from mqttproto.engine.targets import places_of
from mqttproto.errors import TransportError
from mqttproto.protocol import ServerConnection
from mqttproto.protocol.events import Event, MessageReceived
from mqttproto.transport.url import Address

URL: Final = "mqtt://one"
VERSIONS: Final = (3, 4, 5)

_MOST_TURNS: Final = 10_000
"""After so many without an end something runs in circles."""

_T = TypeVar("_T")
_E = TypeVar("_E", bound=ClientEvent)
_P = TypeVar("_P", bound=Packet)

Script = Callable[[ServerConnection, Event, float], bool]
"""What a server does with an event, at this time; False: what the hub does."""


class _Wait:
    """What a task waits for."""

    def __init__(self, completion: Completion, until: float | None) -> None:
        self.completion = completion
        self.until = until
        self.woken = completion.done
        completion.then(self.wake)

    def wake(self) -> None:
        self.woken = True

    def __await__(self) -> Generator["_Wait", None, None]:
        try:
            yield self
        finally:
            self.completion.forget(self.wake)


class Task(Generic[_T]):
    """A coroutine that is run in turns."""

    def __init__(self, coroutine: Coroutine[Any, Any, _T]) -> None:
        self._coroutine = coroutine
        self._wait: _Wait | None = None
        self.done = False
        self.error: BaseException | None = None
        self._result: list[_T] = []

    @property
    def until(self) -> float | None:
        """When it goes on in any case."""
        return None if self._wait is None or self.done else self._wait.until

    def turn(self, now: float) -> bool:
        """Go on, if there is reason to."""
        wait = self._wait
        if self.done or (
            wait is not None and not wait.woken and (wait.until is None or now < wait.until)
        ):
            return False
        self._step(lambda: self._coroutine.send(None))
        return True

    def cancel(self) -> None:
        """Cancel it where it waits."""
        if not self.done:
            self._step(lambda: self._coroutine.throw(Cancelled()))

    def _step(self, step: Callable[[], Any]) -> None:
        try:
            self._wait = step()
        except StopIteration as stop:
            self.done = True
            self._result.append(stop.value)
        except BaseException as error:
            self.done = True
            self.error = error

    @property
    def result(self) -> _T:
        """What it has returned; raises what it has raised."""
        assert self.done, "it still waits"
        if self.error is not None:
            raise self.error
        return self._result[0]


class Cancelled(BaseException):
    """What a task is cancelled with."""


class Stage:
    """One client, as many servers as it has URLs, which share a hub, and their network.

    :param urls: where the client connects to; one if there is none.
    :param options: of the client.
    """

    def __init__(self, *urls: str, stream: bool = False, **options: Any) -> None:
        self.time: float = 1_000.0
        self.random = 0.5
        """What randomness says, from 0 up to 1."""
        self.options = Options(**options)
        places, _ = places_of(object() if stream else urls or URL)
        self.engine: Final = ClientEngine(places, self.options, self.wait, lambda: self.random)
        self.client: Final = Client(self.engine, self)
        self.hub = Hub()
        self.server: ServerConnection | None = None
        """The server's end of the present connection."""
        self.script: Script | None = None
        self.down: set[str] = set()
        """The hosts that cannot be reached."""
        self.hanging: set[str] = set()
        """The hosts that do not answer."""
        self.silent = False
        """Whether the network swallows what is sent, in both directions."""
        self.dialed: list[tuple[float, str]] = []
        """When connections were tried, and to which host."""
        self.sent: list[Packet] = []
        """The packets that the client has sent, since the last look."""
        self.received: list[Publish] = []
        """The messages that servers have taken."""
        self.crash: BaseException | None = None
        self._decoder: Decoder | None = None
        self._closes: Completion = Completion()
        self._attached = False
        self._flush_due = False
        self._timer: float | None = None
        self._tasks: list[Task[Any]] = []
        self._holding = False
        self._held: list[MessageReceived] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.engine.close_now(self.time)
            self.settle()
            assert self.crash is None
            assert self.engine.stopped.done
            assert self.server is None

    # The adapter.

    def now(self) -> float:
        """What the clock shows."""
        return self.time

    def wall(self) -> float:
        """What the clock on the wall shows."""
        return self.time + 1e9

    async def wait(self, completion: Completion, until: float | None = None) -> None:
        if not completion.done:
            await _Wait(completion, until)

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        return call()

    async def dial(self, place: Address | None, timeout: float) -> None:
        host = "stream" if place is None else place.host
        self.dialed.append((self.time, host))
        if host in self.hanging:
            await _Wait(Completion(), self.time + timeout)
            raise TransportError("it does not answer", host)
        if host in self.down:
            raise TransportError("it cannot be reached", host)
        assert self.server is None
        self.server = self.hub.open(self.time)
        self._closes = Completion()

    async def carry(self) -> None:
        self._decoder = Decoder(int(self.engine.version), sender="client")
        self._attached = True
        self.engine.wake_writer = self._wake
        self._wake()
        await self.wait(self._closes)

    def _wake(self) -> None:
        self._flush_due = True

    # The network.

    def _carry(self) -> bool:
        """Carry what is there; whether there was anything."""
        server, engine = self.server, self.engine
        if server is None or not self._attached:
            return False
        busy = False
        if self._flush_due:
            self._flush_due = False
            busy = True
            self._flush(server)
        if self.server is server and not self.silent and engine.wants_read:
            data = server.data_to_send()
            if data:
                busy = True
                engine.receive_data(data, self.time)
                self._wake()
                if self._held and not self._holding:
                    # Those of an earlier connection.
                    self.release()
            elif server.close_expected():
                busy = True
                engine.receive_eof(self.time)
                self._lose(server, None)
        return busy

    def _flush(self, server: ServerConnection) -> None:
        engine = self.engine
        data = engine.data_to_send()
        if data and not self.silent:
            self.arrive(data)
        deadline = engine.next_deadline()
        if deadline is not None and (self._timer is None or deadline < self._timer):
            self._timer = deadline
        if engine.close_expected() and self.server is server:
            self._lose(server, None)

    def arrive(self, data: bytes) -> None:
        """Let bytes of the client come to the server."""
        server = self.server
        assert server is not None
        assert self._decoder is not None
        self.sent += self._decoder.feed(data)
        assert self._decoder.error is None
        self.serve(server, server.receive_data(data, self.time))

    def serve(self, server: ServerConnection, events: list[Event]) -> None:
        """Let the script, or the hub, see to what has happened at a server."""
        for event in events:
            if isinstance(event, MessageReceived):
                self.received.append(event.message)
                if self._holding:
                    self._held.append(event)
                    continue
            if self.script is None or not self.script(server, event, self.time):
                self.hub.handle(server, [event], self.time)

    def hold(self) -> None:
        """Let the servers take messages, and not answer them."""
        self._holding = True

    def release(self) -> None:
        """Let them answer what they have held back, and all that comes."""
        self._holding = False
        held, self._held = self._held, []
        if self.server is not None:
            for event in held:
                self.server.acknowledge(event, now=self.time)
        else:
            self._held = held
        self.settle()

    def cut(self, error: BaseException | None = None) -> None:
        """Cut the connection; what is under way is lost."""
        if self.server is not None:
            self._lose(self.server, error)

    def _lose(self, server: ServerConnection, error: BaseException | None) -> None:
        self.server = None
        self._attached = False
        self._timer = None
        self.hub.handle(server, server.connection_lost(self.time), self.time)
        self.engine.connection_lost(self.time, error)
        self._closes.finish()

    def lose_sessions(self) -> None:
        """Cut the connection, and let the server forget everything."""
        self.cut()
        self.hub = Hub()

    def say(self, topic: str, payload: bytes = b"", qos: int = 0, **more: Any) -> None:
        """Let the server send a message to the client, whatever it has subscribed to."""
        assert self.server is not None
        self.server.send(Publish(topic, payload, qos, **more), now=self.time)
        self.settle()

    # Time and tasks.

    def start(self) -> "Stage":
        """Let the client run until there is nothing to do now."""

        async def running() -> None:
            try:
                await run(self.engine, self)
            except Exception as error:
                self.crash = error
                self.engine.fail(error)

        if self.engine.store is not None:
            self.spawn(keep(self.engine, self, self.engine.store))
        self.spawn(running())
        return self

    def spawn(self, coroutine: Coroutine[Any, Any, _T]) -> Task[_T]:
        """Run something beside, as far as it goes now."""
        task = Task(coroutine)
        self._tasks.append(task)
        self.settle()
        return task

    def run(self, coroutine: Coroutine[Any, Any, _T], within: float = 0.0) -> _T:
        """Run something to its end."""
        task = self.spawn(coroutine)
        if not task.done and within:
            self.pass_time(within)
        return task.result

    def settle(self) -> None:
        """Do everything that can be done now."""
        for _ in range(_MOST_TURNS):
            busy = self._carry()
            for task in list(self._tasks):
                busy = task.turn(self.time) or busy
            self._tasks = [each for each in self._tasks if not each.done]
            if not busy:
                return
        raise AssertionError("it runs in circles")

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due."""
        end = self.time + seconds
        for _ in range(_MOST_TURNS):
            self.settle()
            due = [each for each in (self._timer, self._server_deadline()) if each is not None]
            due += [each.until for each in self._tasks if each.until is not None]
            soonest = min(due, default=end)
            if soonest > end:
                break
            if soonest > self.time:
                self.time = soonest
            self._tick()
            if not due:
                break
        else:
            raise AssertionError("it runs in circles")
        self.time = end
        self.settle()

    def _server_deadline(self) -> float | None:
        return None if self.server is None else self.server.next_deadline()

    def _tick(self) -> None:
        if self._timer is not None and self.time >= self._timer:
            self._timer = None
            self.engine.handle_timeout(self.time)
            self._wake()
        server = self.server
        deadline = self._server_deadline()
        if server is not None and deadline is not None and self.time >= deadline:
            self.serve(server, server.handle_timeout(self.time))

    # Short forms.

    @property
    def online(self) -> bool:
        return self.engine.online

    @property
    def connection(self) -> ServerConnection:
        """The server's end, which must be there."""
        assert self.server is not None
        return self.server

    def publish(
        self, topic: str, qos: int = 1, payload: bytes = b"", properties: Properties = EMPTY
    ) -> PublishHandle:
        """Publish what has a handle, and let it go out."""
        handle = self.begin(topic, qos, payload, properties)
        self.settle()
        return handle

    def begin(
        self, topic: str, qos: int = 1, payload: bytes = b"", properties: Properties = EMPTY
    ) -> PublishHandle:
        """Publish what has a handle; nothing has left yet."""
        handle = self.engine.publish(topic, payload, qos, False, properties, self.time)
        assert handle is not None
        return handle

    def subscribe(
        self, *topic_filters: str, qos: int = 1, inbox: Inbox | None = None
    ) -> SubscribeRequest:
        """Subscribe, and let it go out."""
        subscriptions = [Subscription(each, QoS(qos)) for each in topic_filters]
        request = self.engine.subscribe(subscriptions, EMPTY, inbox, self.time)
        self.settle()
        return request

    def take(self, inbox: Inbox | None = None) -> MessageReceived | None:
        """Take a message out of an inbox, and let the acknowledgement go out."""
        message = self.engine.take(self.engine.general if inbox is None else inbox, self.time)
        self.settle()
        return message

    def take_all(self, inbox: Inbox | None = None) -> list[str]:
        """Take everything out of an inbox: the topics."""
        taken = []
        while (message := self.take(inbox)) is not None:
            taken.append(message.topic)
        return taken

    def packets(self, kind: type[_P]) -> list[_P]:
        """The packets of a kind that the client has sent since the last look."""
        found = [each for each in self.sent if isinstance(each, kind)]
        self.sent = [each for each in self.sent if not isinstance(each, kind)]
        return found

    def events(self) -> list[ClientEvent]:
        """What has happened to the client since the last look."""
        events = []
        while (event := self.engine.next_event()) is not None:
            events.append(event)
        return events

    def event(self, kind: type[_E]) -> _E:
        """The only event of a kind since the last look."""
        (event,) = [each for each in self.events() if isinstance(each, kind)]
        return event


def staged(*urls: str, **options: Any) -> Stage:
    """A client that is connected."""
    stage = Stage(*urls, **options).start()
    assert stage.online
    return stage


def pending(completion: Completion | Task[Any]) -> bool:
    """Whether it is not done, said so that nobody takes it for settled."""
    return not completion.done
