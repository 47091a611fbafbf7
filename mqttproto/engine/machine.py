"""A client, whatever it waits with: one session, and one connection after the other.

An adapter asks for the next step and takes it, carries bytes, and tells the time. All that a client
decides is decided here.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.constants import ProtocolVersion, ReasonCode
from mqttproto.engine.asking import Asking
from mqttproto.engine.completion import Completion, Waiter, Waiters
from mqttproto.engine.events import (
    Offline,
    Online,
    Reconnecting,
)
from mqttproto.engine.greeting import Greeting
from mqttproto.engine.options import Options
from mqttproto.engine.steps import Ask, Dial, Load, Pause, Step
from mqttproto.engine.verdicts import Verdict, verdict_of_end, verdict_of_refusal
from mqttproto.errors import (
    ConnectRefusedError,
    InvalidValueError,
    MQTTError,
    TransportError,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.events import (
    AuthenticationReceived,
    CapacityAvailable,
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    Disconnected,
    Event,
    Initiator,
    MessageReceived,
    PingAnswered,
    PublishCompleted,
    PublishDropped,
    Subscribed,
    Unsubscribed,
)
from mqttproto.protocol.journal import Batch
from mqttproto.protocol.session import Session
from mqttproto.transport.url import Address, parse_server_reference

__all__ = ["ClientEngine"]


@final
class ClientEngine(Asking):
    """A client without its network.

    :param places: where servers are; ``[None]`` for a byte stream that is open already.
    :param options: how to connect.
    :param waiter: how whoever drives this waits for a completion.
    :param random: returns a number from 0 up to, but not including, 1.
    :raises InvalidValueError: if the options cannot be sent to any server.
    """

    def __init__(
        self,
        places: Sequence[Address | None],
        options: Options,
        waiter: Waiter,
        random: Callable[[], float],
    ) -> None:
        super().__init__(places, options, waiter, random)
        self._greeting: Final[Greeting] = Greeting(options, f"{int(random() * 2**40):010x}")
        self._loaded: bool = self.store is None
        self._deadline: float | None = None
        self._pause_until: float = 0.0
        self._up_at: float = 0.0
        self._why_lost: BaseException | None = None
        self._why_left: BaseException | None = None
        self._credentials: Any = None
        self.started: Final[Completion] = Completion()
        """Done when the first connection is accepted, or cannot be made."""
        self.stopped: Final[Completion] = Completion()
        """Done when there will be no more connections."""
        self._changed: Final[Waiters] = Waiters()
        self._check_options(places[0])

    def _check_options(self, place: Address | None) -> None:
        """Find out now what no server could be told."""
        options = self._options
        packet = self._greeting.connect(
            self._life.version,
            place,
            self._session.client_id or options.client_id,
            (options.user_name, options.password),
            True,
        )
        packet.encode(self._life.version)
        self._new_connection()

    # For the adapter: from one connection to the next.

    def next_step(self, now: float) -> Step | None:
        """What to do next, while there is no network connection; None: nothing, ever again."""
        if self._closed:
            return None
        if self._closing and self._idle(now):
            self._close(None)
            return None
        if not self._loaded and self.store is not None:
            return Load(self.store)
        if now < self._pause_until:
            deadline = self._deadline
            until = self._pause_until
            return Pause(until if deadline is None else min(until, deadline))
        credentials = self._options.credentials
        if credentials is not None and self._credentials is None:
            return Ask(credentials)
        return Dial(self._life.place, self._options.connect_timeout)

    def changed(self) -> Completion:
        """What is done when :meth:`next_step` may say something else."""
        return self._changed.next()

    def loaded(self, data: dict[str, Any] | None, now: float) -> None:
        """Take what the store had.

        :raises ValueError: if it is no session, or that of another client.
        """
        self._loaded = True
        if data is None:
            return
        session = Session.restore(
            data, now=now, queue_limits=self._options.queue_limits, journal=self._session.journal
        )
        wanted = self._options.client_id
        if wanted and session.client_id and session.client_id != wanted:
            raise InvalidValueError(
                "session", f"what is stored is the session of {session.client_id!r}, not {wanted!r}"
            )
        # What was published meanwhile goes behind what was stored.
        waiting = [(each, self._outgoing(each)) for each in self._session.queue.clear()]
        self._session = session
        for delivery, outgoing in waiting:
            self._send_anew(delivery.message, outgoing, now)

    def credentials(self, credentials: Any) -> None:
        """Take the user name and the password for the next connection.

        They are checked when they are sent: what a callable returns may be anything.
        """
        self._credentials = credentials

    def dialed(self, now: float) -> None:
        """There is a network connection: CONNECT goes out on it."""
        if self._closed:
            return
        try:
            self._greet(now)
        except Exception as error:
            # What an authenticator or a callable has said cannot be sent.
            self._close(error)
        self.wake_writer()

    def _greet(self, now: float) -> None:
        life = self._life
        options = self._options
        credentials = self._credentials or (options.user_name, options.password)
        self._credentials = None
        authenticator = options.authenticator
        data = None if authenticator is None else authenticator.begin()
        connection = self._new_connection()
        packet = self._greeting.connect(
            life.version,
            life.place,
            self.client_id,
            credentials,
            not life.was_up,
            data,
            self._session.established,
        )
        connection.connect(packet, now=now)
        self._connection = connection
        self._attached = True
        self._take(connection.take_events(), now)

    def _new_connection(self) -> ClientConnection:
        options = self._options
        return ClientConnection(
            self._session,
            version=self._life.version,
            manual_acknowledgement=True,
            max_packet_size=options.max_packet_size,
            max_in_flight=options.max_in_flight,
            max_topic_aliases=options.max_topic_aliases,
            connect_timeout=options.connect_timeout,
            ping_timeout=options.ping_timeout,
            leniency=options.leniency,
        )

    def dial_failed(self, error: BaseException, now: float) -> None:
        """There is no network connection, or no credentials for one."""
        self._credentials = None
        self._ended(Verdict.RETRY, error, now)

    def fail(self, error: BaseException) -> None:
        """Something went wrong that no other connection will mend."""
        self._close(error)

    # For the adapter: on a connection.

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Take bytes from the network."""
        connection = self._connection
        if connection is not None:
            self._take(connection.receive_data(data, now), now)

    def receive_eof(self, now: float) -> None:
        """The server will send no more."""
        connection = self._connection
        if connection is not None:
            self._take(connection.receive_eof(now), now)

    def connection_lost(self, now: float, error: BaseException | None = None) -> None:
        """The network connection is gone.

        :param error: why, if the network has said so.
        """
        connection = self._connection
        if connection is not None:
            self._why_lost = error
            self._take(connection.connection_lost(now), now)
        self._blocked = False
        self._unsent_bytes = 0
        self._room.wake()

    def next_deadline(self) -> float | None:
        """When :meth:`handle_timeout` is due; None if nothing is."""
        connection = self._connection
        deadline = None if connection is None else connection.next_deadline()
        for other in (self._read_at, None if self._closed else self._deadline):
            if other is not None:
                deadline = other if deadline is None else min(deadline, other)
        return deadline

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        connection = self._connection
        if connection is not None:
            self._take(connection.handle_timeout(now), now)
        if self._read_at is not None and now >= self._read_at:
            self._read_at = None
        if self._deadline is not None and now >= self._deadline:
            self._leave(now)

    def data_to_send(self) -> bytes:
        """The bytes to send now; whoever waits to publish may go on."""
        connection = self._connection
        if connection is None:
            return b""
        self._unsent_bytes = 0
        if not self._blocked:
            self._room.wake()
        self._store_soon()
        return connection.data_to_send()

    @property
    def wants_read(self) -> bool:
        """Whether more bytes are welcome."""
        connection = self._connection
        if connection is None or not self._attached:
            return True
        return self._read_at is None and connection.wants_read

    def close_expected(self) -> bool:
        """Whether to close the network connection."""
        connection = self._connection
        return connection is None or connection.close_expected()

    def block(self) -> None:
        """The network takes no more for now."""
        self._blocked = True

    def unblock(self) -> None:
        """The network takes more again."""
        self._blocked = False
        self._room.wake()

    def take_changes(self) -> Batch:
        """What is to be stored; empty without a store."""
        journal = self._session.journal
        return Batch(1, []) if journal is None or self.store is None else journal.take()

    def changes(self) -> Completion:
        """What is done when there is something to be stored, or when the client has ended."""
        return self._changes.next()

    def committed(self, number: int, now: float) -> None:
        """All changes up to this one are stored."""
        connection = self._connection
        if connection is not None:
            connection.committed(number)
            self._take(connection.take_events(), now)
        elif self._session.journal is not None:
            self._session.journal.commit(number)
        self.wake_writer()

    # What happens on a connection.

    def _take(self, events: list[Event], now: float) -> None:
        for event in events:
            if isinstance(event, MessageReceived):
                self._deliver(event, now)
            elif isinstance(event, PublishCompleted):
                outgoing = self._outgoing(event.delivery)
                if outgoing is not None:
                    outgoing.completed(event)
            else:
                self._react(event, now)
                if self._closed:
                    break
        if self._closing and not self._closed:
            self._leave_when_drained(now)

    def _react(self, event: Event, now: float) -> None:
        if isinstance(event, PublishDropped):
            self._dropped(event, now)
        elif isinstance(event, Subscribed):
            self._subscribed(event)
        elif isinstance(event, Unsubscribed):
            self._unsubscribed(event)
        elif isinstance(event, Connected):
            self._connected(event, now)
        elif isinstance(event, ConnectionRefused):
            refused = ConnectRefusedError(event.reason_code, event.properties)
            verdict = verdict_of_refusal(event.reason_code)
            self._ended(verdict, refused, now, event.reason_code, event.properties)
        elif isinstance(event, ConnectionFailed):
            error: MQTTError = event.error
            if event.error.reason_code == ReasonCode.MAXIMUM_CONNECT_TIME:
                words = "the server has not answered CONNECT in time: is MQTT spoken there?"
                error = TransportError(words, self._where())
            self._ended(self._verdict_of_loss(), error, now)
        elif isinstance(event, Disconnected):
            self._disconnected(event, now)
        elif isinstance(event, AuthenticationReceived):
            self._authenticate(event, now)
        elif isinstance(event, PingAnswered):
            self.round_trip = event.round_trip
            pings, self._pings = self._pings, []
            for ping in pings:
                ping.finish()
        elif isinstance(event, CapacityAvailable):
            self._capacity.wake()

    def _connected(self, event: Connected, now: float) -> None:
        life = self._life
        again = life.was_up and not event.session_present
        life.up()
        self._up_at = now
        self._online = True
        self._response_information = event.properties.response_information
        if event.session_present:
            self._resumed()
        elif life.version != ProtocolVersion.MQTT31:
            self._subscriptions.begin_anew()
        authenticator = self._options.authenticator
        if authenticator is not None:
            self._check_server(event.properties.authentication_data, now)
            if self._closed:
                return
        self._tell(
            Online(
                life.place,
                life.version,
                event.session_present,
                event.client_id,
                event.limits,
                event.properties,
            )
        )
        if again:
            self._subscribe_again(now)
        unsent, self._unsent = self._unsent, deque()
        for request in unsent:
            if not request.done:
                self._ask(request, now)
        self.started.finish()
        self._capacity.wake()

    def _disconnected(self, event: Disconnected, now: float) -> None:
        if event.by is Initiator.LOCAL:
            self._ended(Verdict.STOP, self._why_left, now)
        elif event.by is Initiator.PEER:
            code = event.reason_code
            said = event.properties.reason_string
            words = f"the server ended the connection: {code.name}" + (f" ({said})" if said else "")
            error = TransportError(words, self._where())
            self._ended(verdict_of_end(code), error, now, code, event.properties)
        else:
            when = "without a word" if self._online else "before it answered CONNECT"
            why = self._why_lost
            words = f"the network connection ended {when}"
            if isinstance(why, TransportError):
                words = why.reason
            elif why is not None:
                words += f": {getattr(why, 'strerror', None) or why}"
            self._ended(self._verdict_of_loss(), TransportError(words, self._where()), now)

    def _verdict_of_loss(self) -> Verdict:
        """What it means that a connection has ended, and nobody has given a reason code."""
        if not self._online and self._life.may_fall_back:
            return Verdict.OTHER_VERSION
        return Verdict.RETRY

    def _where(self) -> str:
        place = self._life.place
        return "" if place is None else str(place)

    def _ended(
        self,
        verdict: Verdict,
        error: BaseException | None,
        now: float,
        code: int = 0,
        properties: Properties = EMPTY,
    ) -> None:
        """A connection has ended, or was not made."""
        self._attached = self._online = False
        self._read_at = None
        self._why_lost = None
        self._ask_later()
        self._fail_pings()
        self._store_soon()
        self._tell(Offline(error))
        references: list[Address] = []
        place = self._life.place
        if properties.server_reference and place is not None:
            references = parse_server_reference(properties.server_reference, place)
        moved = code == ReasonCode.SERVER_MOVED
        if self._closed:
            return
        brief = now - self._up_at < self._life.settling
        if error is None or not self._life.down(verdict, references, moved=moved, brief=brief):
            self._close(error)
            return
        self._pause_until = now + self._life.delay
        self._tell(Reconnecting(self._life.delay, self._life.schedule.failures))
        self._changed.wake()

    def _close(self, error: BaseException | None) -> None:
        """There will be no more connections."""
        if self._closed:
            return
        self._closed = True
        self.error = error
        self.started.finish(error or self._closed_error())
        waiting = [*self._handles.values(), *[each for _, each in self._unnumbered.values()]]
        self._handles.clear()
        self._unnumbered.clear()
        for outgoing in waiting:
            outgoing.failed(self._closed_error())
        for request in [*self._unsent, *self._asked.values()]:
            request.finish(self._closed_error())
        self._replies.fail(self._closed_error())
        for inbox in self._inboxes:
            inbox.close(None if error is None else self._closed_error())
        self._fail_pings()
        self._room.wake()
        self._capacity.wake()
        self._event_waiters.wake()
        self._changed.wake()
        self._changes.wake()
        self.stopped.finish()
        self.wake_writer()

    # Authentication.

    def _authenticate(self, event: AuthenticationReceived, now: float) -> None:
        connection, authenticator = self._connection, self._options.authenticator
        assert connection is not None
        assert authenticator is not None
        if event.reason_code != ReasonCode.CONTINUE_AUTHENTICATION:
            self._check_server(event.data, now)
            return
        try:
            connection.authenticate(authenticator.respond(event.data), now=now)
        except Exception as error:
            self._give_up(error, now)
        self.wake_writer()

    def _check_server(self, data: bytes | None, now: float) -> None:
        assert self._options.authenticator is not None
        try:
            self._options.authenticator.succeed(data)
        except Exception as error:
            self._give_up(error, now)

    def _give_up(self, error: Exception, now: float) -> None:
        """Leave a server that has not shown who it is, or that asks what nobody can answer."""
        connection = self._connection
        assert connection is not None
        self._closing = self._leaving = True
        self._why_left = error
        code = ReasonCode.NORMAL_DISCONNECTION if self.version != 5 else ReasonCode.PROTOCOL_ERROR
        self._take(connection.disconnect(code, now=now), now)

    def reauthenticate(self, now: float) -> None:
        """Begin re-authentication (5.0 section 4.12.1).

        :raises LocalProtocolError: if there is no connection, or no authenticator.
        """
        self._check_open()
        connection, authenticator = self._connected_now(), self._options.authenticator
        data = None if authenticator is None else authenticator.begin()
        connection.reauthenticate(data, now=now)
        self.wake_writer()

    # The end.

    def close(self, now: float, patience: float) -> None:
        """End when all is acknowledged, or ``patience`` seconds from now."""
        if self._closed or self._closing:
            return
        self._closing = True
        self._deadline = now + patience
        if patience > 0:
            self._leave_when_drained(now)
        else:
            self._leave(now)
        self._changed.wake()
        self.wake_writer()

    def close_now(self, now: float) -> None:
        """End at once: whoever waits has no more patience."""
        if not self._closed:
            self._leave(now)

    def _drained(self) -> bool:
        session = self._session
        return not (
            len(session.outbound)
            or len(session.queue)
            or any(not each.done for each in self._unsent)
        )

    def _idle(self, now: float) -> bool:
        """Whether there is nothing to wait for, while there is no connection."""
        return self._drained() or (self._deadline is not None and now >= self._deadline)

    def _leave_when_drained(self, now: float) -> None:
        if self._drained():
            self._leave(now)

    def _leave(self, now: float) -> None:
        """Say DISCONNECT, and end."""
        self.disconnect(ReasonCode.NORMAL_DISCONNECTION, EMPTY, now)

    def disconnect(self, reason_code: ReasonCode | int, properties: Properties, now: float) -> None:
        """Send DISCONNECT now, and end.

        :raises InvalidValueError: if a client must not send this.
        :raises LocalProtocolError: if a Session Expiry Interval is given where CONNECT had none.
        """
        connection = self._connection
        if connection is not None and self._attached:
            if self.version == ProtocolVersion.MQTT5:
                farewell = self._greeting.farewell
                if properties.session_expiry_interval is None and farewell:
                    properties = properties.replace(session_expiry_interval=0)
            events = connection.disconnect(reason_code, properties, now=now)
            self._closing = self._leaving = True
            self._take(events, now)
        self._deadline = None
        self._close(None)
