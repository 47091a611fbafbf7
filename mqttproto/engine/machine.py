"""A client, whatever it waits with: one session, and one connection after the other.

An adapter asks for the next step and takes it, carries bytes, and tells the time. All that a client
decides is decided here.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ProtocolVersion, QoS, ReasonCode
from mqttproto.engine.completion import Completion, Waiter, Waiters
from mqttproto.engine.events import (
    ClientEvent,
    MessageDropped,
    Offline,
    Online,
    Reconnecting,
    SessionLost,
    SubscriptionLost,
)
from mqttproto.engine.greeting import Greeting
from mqttproto.engine.inbox import Inbox, InboxLimits
from mqttproto.engine.life import Life
from mqttproto.engine.options import Credentials, Options, SessionStore
from mqttproto.engine.publishing import Outgoing, PublishHandle, PublishStream
from mqttproto.engine.requests import Replies, Reply, SubscribeRequest, UnsubscribeRequest
from mqttproto.engine.steps import Ask, Dial, Load, Pause, Step
from mqttproto.engine.subscriptions import Subscriptions
from mqttproto.engine.verdicts import Verdict, verdict_of_end, verdict_of_refusal
from mqttproto.errors import (
    ClientClosedError,
    ConnectRefusedError,
    DeliveryUncertainError,
    InvalidValueError,
    LimitError,
    MessageDroppedError,
    MQTTError,
    QueueFullError,
    Statement,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.delivery import Delivery, deadline_of
from mqttproto.protocol.events import (
    AuthenticationReceived,
    CapacityAvailable,
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    MessageReceived,
    PingAnswered,
    PublishCompleted,
    PublishDropped,
    Subscribed,
    Unsubscribed,
)
from mqttproto.protocol.journal import Batch, Journal
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.message_queue import Qos0
from mqttproto.protocol.session import Session
from mqttproto.transport.url import Address, parse_server_reference

__all__ = ["ClientEngine"]

_FAILURE: Final = 0x80
_MOST_UNSENT: Final = 1 << 17
"""How many bytes to put out before whoever publishes waits for the network to take them."""
_MOST_EVENTS: Final = 1_000
"""How many client events wait for somebody to look at them."""
_OVERHEAD: Final = 8
"""The bytes of a PUBLISH beside topic and payload: an estimate."""


def _nothing() -> None:
    """Wake nobody: there is no adapter yet."""


@final
class ClientEngine:
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
        self._options: Final[Options] = options
        self._waiter: Final[Waiter] = waiter
        self._life: Final[Life] = Life(places, options, random)
        token = f"{int(random() * 2**40):010x}"
        self._greeting: Final[Greeting] = Greeting(options, token)
        self._replies: Final[Replies] = Replies(token + f"{int(random() * 2**40):010x}")
        self._manual: Final[bool] = options.manual_acknowledgement
        self.store: Final[SessionStore | None] = (
            None if isinstance(options.session, Session) else options.session
        )
        self._session: Session = self._first_session()
        self._loaded: bool = self.store is None
        self._connection: ClientConnection | None = None
        # Whether a connection works on the session; whether it was accepted.
        self._attached: bool = False
        self._online: bool = False
        self._closing: bool = False
        self._closed: bool = False
        self._deadline: float | None = None
        self._pause_until: float = 0.0
        self._why_lost: BaseException | None = None
        self._credentials: Credentials | None = None
        self._response_information: str | None = None
        self.wake_writer: Callable[[], None] = _nothing
        """Called when there is something to send, or a deadline has moved."""
        self.error: BaseException | None = None
        """Why the client has ended; None while it has not, and after an orderly end."""
        self.started: Final[Completion] = Completion()
        """Done when the first connection is accepted, or cannot be made."""
        self.stopped: Final[Completion] = Completion()
        """Done when there will be no more connections."""
        self.general: Final[Inbox] = Inbox(options.inbox_limits)
        self._inboxes: list[Inbox] = [self.general]
        self._shared: dict[int, int] = {}
        self._handles: dict[int, Outgoing] = {}
        self._unnumbered: dict[int, tuple[Delivery, Outgoing]] = {}
        self._subscriptions: Final[Subscriptions] = Subscriptions()
        self._unsent: deque[SubscribeRequest | UnsubscribeRequest] = deque()
        self._asked: dict[int, SubscribeRequest | UnsubscribeRequest] = {}
        self._pings: list[Completion] = []
        self.round_trip: float = 0.0
        """The seconds from the last PINGREQ to its PINGRESP."""
        self._unsent_bytes: int = 0
        self._blocked: bool = False
        self._room: Final[Waiters] = Waiters()
        self._capacity: Final[Waiters] = Waiters()
        self._changed: Final[Waiters] = Waiters()
        self._changes: Final[Waiters] = Waiters()
        self._events: Final[deque[ClientEvent]] = deque(maxlen=_MOST_EVENTS)
        self._event_waiters: Final[Waiters] = Waiters()
        self._check_options(places[0])

    def _first_session(self) -> Session:
        options = self._options
        if isinstance(options.session, Session):
            return options.session
        journal = None if self.store is None else Journal()
        return Session(options.client_id, queue_limits=options.queue_limits, journal=journal)

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

    # What may be asked.

    @property
    def session(self) -> Session:
        """The session that it works on."""
        return self._session

    @property
    def client_id(self) -> str:
        """The client identifier; empty while the server has still to choose one."""
        return self._session.client_id or self._options.client_id

    @property
    def online(self) -> bool:
        """Whether a server has accepted the present connection."""
        return self._online

    @property
    def closed(self) -> bool:
        """Whether the client has ended."""
        return self._closed

    @property
    def version(self) -> ProtocolVersion:
        """The protocol version spoken, or to be spoken."""
        return self._life.version

    @property
    def limits(self) -> NegotiatedLimits | None:
        """What may be sent; None while there is no connection."""
        connection = self._connection
        return connection.limits if connection is not None and self._online else None

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
            return Pause(self._pause_until)
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
        waiting = self._session.queue.clear()
        session = Session.restore(
            data, now=now, queue_limits=self._options.queue_limits, journal=self._session.journal
        )
        wanted = self._options.client_id
        if wanted and session.client_id and session.client_id != wanted:
            raise InvalidValueError(
                "session", f"what is stored is the session of {session.client_id!r}, not {wanted!r}"
            )
        self._session = session
        for delivery in waiting:
            self._send(delivery.message, self._outgoing(delivery), now)

    def credentials(self, credentials: Credentials) -> None:
        """Take the user name and the password for the next connection."""
        self._credentials = credentials

    def dialed(self, now: float) -> None:
        """There is a network connection: CONNECT goes out on it."""
        life = self._life
        options = self._options
        credentials = self._credentials or (options.user_name, options.password)
        self._credentials = None
        connection = self._new_connection()
        packet = self._greeting.connect(
            life.version, life.place, self.client_id, credentials, not life.was_up
        )
        connection.connect(packet, now=now)
        self._connection = connection
        self._attached = True
        self._take(connection.take_events(), now)
        self.wake_writer()

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
        if self._deadline is None or self._closed:
            return deadline
        return self._deadline if deadline is None else min(deadline, self._deadline)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        connection = self._connection
        if connection is not None:
            self._take(connection.handle_timeout(now), now)
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
        if self.store is not None:
            self._changes.wake()
        return connection.data_to_send()

    @property
    def wants_read(self) -> bool:
        """Whether more bytes are welcome."""
        connection = self._connection
        return connection is None or not self._attached or connection.wants_read

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
            early = not self._online
            verdict = Verdict.OTHER_VERSION if early and self._life.may_fall_back else Verdict.RETRY
            self._ended(verdict, event.error, now)
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
        self._online = True
        self._response_information = event.properties.response_information
        authenticator = self._options.authenticator
        if authenticator is not None:
            self._check_server(event.properties.authentication_data, now)
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
        if again and len(self._subscriptions):
            self._subscribe_again(now)
        elif again:
            self._tell(SessionLost(()))
        unsent, self._unsent = self._unsent, deque()
        for request in unsent:
            if not request.done:
                self._ask(request, now)
        self.started.finish()
        self._capacity.wake()

    def _subscribe_again(self, now: float) -> None:
        asked = {name for each in self._unsent for name in each.topic_filters}
        lost: list[Subscription] = []
        for subscriptions, properties in self._subscriptions.again():
            wanted = [each for each in subscriptions if each.topic_filter not in asked]
            lost += wanted
            if wanted:
                self._ask(SubscribeRequest(wanted, properties, again=True), now)
        self._tell(SessionLost(tuple(lost)))

    def _disconnected(self, event: Disconnected, now: float) -> None:
        if event.by is Initiator.LOCAL:
            self._ended(Verdict.STOP, None, now)
        elif event.by is Initiator.PEER:
            code = event.reason_code
            said = event.properties.reason_string
            words = f"the server ended the connection: {code.name}" + (f" ({said})" if said else "")
            error = TransportError(words, self._where())
            self._ended(verdict_of_end(code), error, now, code, event.properties)
        else:
            early = not self._online
            verdict = Verdict.OTHER_VERSION if early and self._life.may_fall_back else Verdict.RETRY
            when = "before it answered CONNECT" if early else "without a word"
            why = self._why_lost
            words = f"the network connection ended {when}" + (f": {why}" if why else "")
            self._ended(verdict, TransportError(words, self._where()), now)

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
        self._why_lost = None
        self._unsent.extendleft(reversed([each for each in self._asked.values() if not each.done]))
        self._asked.clear()
        self._fail_pings()
        self._tell(Offline(error))
        references: list[Address] = []
        place = self._life.place
        if properties.server_reference and place is not None:
            try:
                references = parse_server_reference(properties.server_reference, place)
            except InvalidValueError:
                # Servers may put there what is no address.
                references = []
        moved = code == ReasonCode.SERVER_MOVED
        if self._closed:
            return
        if error is None or not self._life.down(verdict, references, moved=moved):
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
        handles = [*self._handles.values(), *(each for _, each in self._unnumbered.values())]
        for delivery in [*self._session.deliveries, *self._session.queue]:
            outgoing = self._outgoing(delivery)
            if outgoing is not None:
                outgoing.failed(self._closed_error())
        for outgoing in handles:
            outgoing.finish(self._closed_error())
        self._handles.clear()
        self._unnumbered.clear()
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

    def _fail_pings(self) -> None:
        pings, self._pings = self._pings, []
        for ping in pings:
            ping.finish(TransportError("the connection ended before the server answered"))

    def _closed_error(self) -> ClientClosedError:
        error = ClientClosedError("it was closed" if self.error is None else str(self.error))
        error.__cause__ = self.error
        return error

    def _check_open(self) -> None:
        if self._closed or self._closing:
            raise self._closed_error()

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
        self._close(error)
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

    def _connected_now(self) -> ClientConnection:
        if self._connection is None or not self._online:
            raise TransportError("there is no connection now: wait for the event Online")
        return self._connection

    # Messages in.

    def _deliver(self, message: MessageReceived, now: float) -> None:
        if self._replies.topic and self._replies.claim(message):
            self._settle(message, now)
            return
        routed = self._subscriptions.route(message.message) if self._subscriptions.routes else None
        if not routed:
            dropped = self.general.put(message)
        else:
            if len(routed) > 1 and message.message.qos and not self._manual:
                self._shared[id(message)] = len(routed)
            dropped = None
            for inbox in routed:
                given_up = inbox.put(message)
                if given_up is not None:
                    dropped = given_up if dropped is None else dropped + given_up
        if dropped is not None:
            for each in dropped:
                self._tell(MessageDropped(each.message))
                self._release(each, now)

    def take(self, inbox: Inbox, now: float) -> MessageReceived | None:
        """Take the next message out of an inbox; None if there is none."""
        message = inbox.take()
        if message is not None and message.receipt is not None and not self._manual:
            self._release(message, now)
        return message

    def _release(self, message: MessageReceived, now: float) -> None:
        """One inbox less has a message; the last one's acknowledges it."""
        if message.receipt is None:
            return
        if self._shared:
            holders = self._shared.get(id(message), 1) - 1
            if holders:
                self._shared[id(message)] = holders
                return
            self._shared.pop(id(message), None)
        self._settle(message, now)

    def _settle(self, message: MessageReceived, now: float) -> None:
        receipt = message.receipt
        if receipt is not None and not receipt.decided:
            connection = self._connection
            assert connection is not None
            connection.acknowledge(message, now=now)
            self.wake_writer()

    def acknowledge(
        self,
        message: MessageReceived,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> None:
        """Acknowledge or refuse a message; see
        :meth:`mqttproto.protocol.Connection.acknowledge`.
        """
        connection = self._connection
        assert connection is not None, "a message comes by a connection"
        connection.acknowledge(message, reason_code, properties, now=now)
        self.wake_writer()

    # Messages out.

    @property
    def congested(self) -> bool:
        """Whether whoever publishes is to wait for :meth:`room`."""
        return self._blocked or self._unsent_bytes >= _MOST_UNSENT

    def room(self) -> Completion:
        """What is done when the network has taken what was put out."""
        return self._room.next()

    def capacity(self) -> Completion:
        """What is done when the queue may have room again."""
        return self._capacity.next()

    def publish(
        self,
        topic: str,
        payload: bytes | bytearray | memoryview | str,
        qos: QoS | int,
        retain: bool,
        properties: Properties,
        now: float,
    ) -> PublishHandle | None:
        """Publish a message; None if it is of QoS 0 and on its way.

        :raises ClientClosedError: if the client has ended.
        :raises QueueFullError: if there is no room.
        """
        if self._closed or self._closing:
            raise self._closed_error()
        if isinstance(payload, str):
            payload = payload.encode()
        connection = self._connection
        if connection is not None and self._online:
            delivery = connection.publish(topic, payload, qos, retain, properties, now=now)
            self._unsent_bytes += len(topic) + len(payload) + _OVERHEAD
            self.wake_writer()
            if delivery is None:
                return None
            handle = PublishHandle(self._waiter)
            self._follow(delivery, handle, now)
            return handle
        handle = PublishHandle(self._waiter)
        message = Publish(topic, payload, qos, retain, False, None, properties)
        self._send(message, handle, now)
        return handle

    def _send(self, message: Publish, outgoing: Outgoing | None, now: float) -> None:
        """Send a message, or let it wait for a connection."""
        connection = self._connection
        if connection is not None and self._attached:
            delivery = connection.send(message, now=now)
            self._unsent_bytes += len(message.topic) + len(message.payload) + _OVERHEAD
            self.wake_writer()
            if delivery is not None and outgoing is not None:
                self._follow(delivery, outgoing, now)
            elif isinstance(outgoing, PublishHandle):
                outgoing.sent()
            return
        if self._life.version != ProtocolVersion.MQTT5 and message.properties:
            raise InvalidValueError("properties", "MQTT before 5.0 has none: leave them out")
        delivery = Delivery(message, expires_at=deadline_of(message, now))
        given_up = self._session.enqueue(delivery, now)
        if outgoing is not None:
            self._remember(delivery, outgoing)
            if isinstance(outgoing, PublishStream):
                outgoing.pending += 1
        for each in given_up:
            queued = message.qos or self._session.queue.limits.qos_0 is not Qos0.DROP
            reason = DropReason.QUEUE_FULL if queued else DropReason.NOT_CONNECTED
            if each.expires_at <= now:
                reason = DropReason.EXPIRED
            self._dropped(PublishDropped(each, reason), now)

    def _follow(self, delivery: Delivery, outgoing: Outgoing, now: float) -> None:
        """Tell somebody when the fate of a message is known."""
        number = delivery.number
        if number:
            self._handles[number] = outgoing
        else:
            self._unnumbered[id(delivery)] = (delivery, outgoing)
        if isinstance(outgoing, PublishStream):
            outgoing.pending += 1
        if not delivery.packet_id:
            # It waits, and perhaps another one has given way to it.
            assert self._connection is not None
            self._take(self._connection.take_events(), now)

    def _remember(self, delivery: Delivery, outgoing: Outgoing) -> None:
        if delivery.number:
            self._handles[delivery.number] = outgoing
        else:
            self._unnumbered[id(delivery)] = (delivery, outgoing)

    def _outgoing(self, delivery: Delivery) -> Outgoing | None:
        """Whoever waits for the fate of a message, which is known now."""
        number = delivery.number
        if number:
            return self._handles.pop(number, None)
        _, outgoing = self._unnumbered.pop(id(delivery), (None, None))
        return outgoing

    def _dropped(self, event: PublishDropped, now: float) -> None:
        delivery = event.delivery
        outgoing = self._outgoing(delivery)
        message = delivery.message
        lost = event.reason is DropReason.SESSION_ENDED
        if lost and message.qos == 1 and not self._closed and not self._closing:
            # To send it again is what QoS 1 allows.
            if isinstance(outgoing, PublishStream):
                outgoing.pending -= 1
            try:
                self._send(message, outgoing, now)
                return
            except MQTTError as error:
                if isinstance(outgoing, PublishStream):
                    outgoing.pending += 1
                if outgoing is not None:
                    outgoing.failed(error)
                return
        if outgoing is not None:
            if lost:
                outgoing.failed(DeliveryUncertainError(message.topic))
            else:
                dropped = MessageDroppedError(event.reason.value, message.topic)
                outgoing.failed(dropped)

    def stream(self, window: int) -> PublishStream:
        """What many messages are published with."""
        self._check_open()
        return PublishStream(window)

    def publish_some(
        self, messages: Iterator[Publish], stream: PublishStream, now: float
    ) -> Completion | None:
        """Publish messages, as many as may be under way.

        :returns: what to wait for before the next call; None: all are published, or one has failed.
        """
        while stream.failure is None:
            if self._closed or self._closing:
                raise self._closed_error()
            if stream.full:
                return stream.room()
            if self._blocked or self._unsent_bytes >= _MOST_UNSENT:
                return self._room.next()
            message = stream.held
            if message is None:
                message = next(messages, None)
                if message is None:
                    return None
            else:
                stream.held = None
            try:
                self._send_one(message, stream, now)
            except QueueFullError:
                stream.held = message
                return self._capacity.next()
            stream.count += 1
        return None

    def _send_one(self, message: Publish, stream: PublishStream, now: float) -> None:
        connection = self._connection
        if connection is None or not self._online:
            self._send(message, stream, now)
            return
        delivery = connection.send(message, now=now)
        self._unsent_bytes += len(message.topic) + len(message.payload) + _OVERHEAD
        self.wake_writer()
        if delivery is not None:
            self._follow(delivery, stream, now)

    # Subscribing.

    def subscribe(
        self,
        subscriptions: list[Subscription],
        properties: Properties,
        inbox: Inbox | None,
        now: float,
    ) -> SubscribeRequest:
        """Subscribe, now or when there is a connection.

        :raises InvalidValueError: if the specification forbids to send this.
        :raises LimitError: if the server has said that it does not support it.
        """
        self._check_open()
        Subscribe(1, subscriptions, properties).encode(self.version)
        request = SubscribeRequest(subscriptions, properties, inbox)
        self._begin(request, now)
        return request

    def unsubscribe(
        self, topic_filters: list[str], properties: Properties, now: float
    ) -> UnsubscribeRequest:
        """Unsubscribe, now or when there is a connection.

        :raises InvalidValueError: if the specification forbids to send this.
        """
        self._check_open()
        Unsubscribe(1, topic_filters, properties).encode(self.version)
        request = UnsubscribeRequest(topic_filters, properties)
        self._begin(request, now)
        return request

    def _begin(self, request: SubscribeRequest | UnsubscribeRequest, now: float) -> None:
        if not self._online:
            self._unsent.append(request)
            return
        self._ask(request, now)
        if request.done:
            request.check()

    def _ask(self, request: SubscribeRequest | UnsubscribeRequest, now: float) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE."""
        connection = self._connection
        assert connection is not None
        try:
            if isinstance(request, SubscribeRequest):
                properties = self._identified(request)
                packet_id = connection.subscribe(request.subscriptions, properties, now=now)
                # Messages may come before SUBACK.
                self._subscriptions.put(
                    request.subscriptions, properties, request.inbox, request.again
                )
            else:
                packet_id = connection.unsubscribe(
                    request.topic_filters, request.properties, now=now
                )
        except MQTTError as error:
            request.finish(error)
            return
        self._asked[packet_id] = request
        self.wake_writer()

    def _identified(self, request: SubscribeRequest) -> Properties:
        """The properties of a SUBSCRIBE, with an identifier if it is needed to tell its messages
        from others, and the server knows what that is.
        """
        properties = request.properties
        limits = self.limits
        assert limits is not None
        if self.version != ProtocolVersion.MQTT5 or not limits.subscription_identifier_available:
            return properties.replace(subscription_identifiers=()) if request.again else properties
        if request.inbox is None or properties.subscription_identifiers:
            return properties
        identifier = self._subscriptions.identifier_of(request.topic_filters)
        return properties.replace(subscription_identifiers=(identifier,))

    def _subscribed(self, event: Subscribed) -> None:
        request = self._asked.pop(event.packet_id, None)
        if not isinstance(request, SubscribeRequest):
            return
        request.reason_codes = event.reason_codes
        failed = False
        for subscription, code in zip(event.subscriptions, event.reason_codes, strict=True):
            if code < _FAILURE:
                continue
            failed = True
            if request.again:
                self._tell(SubscriptionLost(subscription, code))
                refusal = SubscribeRefusedError([code], [subscription.topic_filter])
                for inbox in self._subscriptions.inboxes_of(subscription.topic_filter):
                    inbox.close(refusal)
            self._subscriptions.remove(subscription.topic_filter)
        error = SubscribeRefusedError(event.reason_codes, request.topic_filters) if failed else None
        request.finish(error)

    def _unsubscribed(self, event: Unsubscribed) -> None:
        request = self._asked.pop(event.packet_id, None)
        if not isinstance(request, UnsubscribeRequest):
            return
        request.reason_codes = event.reason_codes
        for topic_filter in request.topic_filters:
            self._subscriptions.remove(topic_filter)
        request.finish()

    def open_inbox(self, limits: InboxLimits | None) -> Inbox:
        """An inbox for the messages of some subscriptions."""
        self._check_open()
        inbox = Inbox(limits or self._options.inbox_limits)
        self._inboxes.append(inbox)
        return inbox

    def close_inbox(
        self, inbox: Inbox, topic_filters: list[str], now: float
    ) -> UnsubscribeRequest | None:
        """Nobody reads an inbox any more: unsubscribe from what nobody else wants.

        What is left in it counts as received.
        """
        if inbox in self._inboxes:
            self._inboxes.remove(inbox)
        inbox.close()
        for message in inbox.clear():
            self._release(message, now)
        unwanted = self._subscriptions.leave(topic_filters, inbox)
        if not unwanted or self._closed or self._closing:
            return None
        return self.unsubscribe(unwanted, EMPTY, now)

    # Requests and responses.

    def open_replies(self, now: float) -> SubscribeRequest | None:
        """Subscribe to the Response Topic; None if that is done.

        :raises LimitError: if the version is not 5.0.
        """
        self._check_open()
        if self.version != ProtocolVersion.MQTT5:
            raise LimitError(
                "requests need MQTT 5.0: it has Response Topic and Correlation Data",
                Statement("5.0", "section 4.10"),
            )
        if self._replies.topic:
            return None
        topic = self._replies.open(self._response_information)
        return self.subscribe([Subscription(topic, QoS.AT_LEAST_ONCE)], EMPTY, None, now)

    def expect_reply(self, properties: Properties) -> tuple[Reply, Properties]:
        """A new request: what to wait for, and the properties to publish it with."""
        self._check_open()
        reply = self._replies.expect()
        return reply, properties.replace(
            response_topic=self._replies.topic, correlation_data=reply.correlation_data
        )

    def give_up_reply(self, reply: Reply) -> None:
        """Nobody waits for a response any more."""
        self._replies.give_up(reply)

    # Signs of life.

    def ping(self, now: float) -> Completion:
        """Send PINGREQ; done when it is answered: see :attr:`round_trip`.

        :raises TransportError: if there is no connection.
        """
        self._check_open()
        self._connected_now().ping(now=now)
        ping = Completion()
        self._pings.append(ping)
        self.wake_writer()
        return ping

    # Client events.

    def _tell(self, event: ClientEvent) -> None:
        self._events.append(event)
        self._event_waiters.wake()

    def next_event(self) -> ClientEvent | None:
        """The oldest event that nobody has seen; None if there is none."""
        return self._events.popleft() if self._events else None

    def event_arrival(self) -> Completion:
        """What is done when there is an event, or when the client has ended."""
        return self._event_waiters.next()

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
        return not len(session.outbound) and not len(session.queue) and not self._unsent

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
        self._deadline = None
        connection = self._connection
        if connection is not None and self._attached:
            if self.version == ProtocolVersion.MQTT5 and self._online:
                farewell = self._greeting.farewell
                if properties.session_expiry_interval is None and farewell:
                    properties = properties.replace(session_expiry_interval=0)
            events = connection.disconnect(reason_code, properties, now=now)
            self._closing = True
            self._take(events, now)
        self._close(None)
