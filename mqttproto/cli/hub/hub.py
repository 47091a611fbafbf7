"""Many sessions and what goes between them, without I/O."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from random import Random, SystemRandom
from typing import Final, final

from mqttproto.codec import FrameTable
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Will
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ProtocolVersion, ReasonCode, RetainHandling
from mqttproto.protocol import (
    ConnectionState,
    Delivery,
    Overflow,
    Qos0,
    QueueLimits,
    ServerConnection,
    Session,
    deadline_of,
)
from mqttproto.protocol.delivery import NO_EXPIRY
from mqttproto.protocol.events import (
    ConnectionFailed,
    ConnectReceived,
    Disconnected,
    Event,
    MessageReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.topics import matches, parse_shared

__all__ = ["Hub"]

_MOST_BYTES: Final = 1 << 24
"""The largest packet to take."""

_MOST_IN_FLIGHT: Final = 100
"""How many messages to send to a client before it acknowledges one: what it does not take waits
in its session's queue, which has a limit, and not in the output, which has none."""

_QUEUE_LIMITS: Final = QueueLimits(100_000, 1 << 28, Overflow.DROP_NEWEST, Qos0.DROP)


@final
@dataclass(frozen=True, slots=True)
class _Entry:
    """A subscription that a session holds.

    :ivar pattern: the topic filter to match; of a shared one the part behind the ShareName.
    :ivar share_name: of a shared one; else empty.
    :ivar identifiers: its Subscription Identifier, if it has one.
    """

    subscription: Subscription
    pattern: str
    share_name: str
    identifiers: tuple[int, ...]


@final
@dataclass(eq=False, slots=True)
class _Member:
    """A client, whether it is connected or not: its session and its subscriptions by filter."""

    client_id: str
    session: Session
    entries: dict[str, _Entry] = field(default_factory=dict)

    @property
    def connection(self) -> ServerConnection | None:
        """The connection that works on its session now."""
        holder = self.session.connection
        return holder if isinstance(holder, ServerConnection) else None

    def resumable(self, now: float) -> bool:
        """Whether another connection may go on with its session."""
        session = self.session
        if self.connection is not None and session.expiry_interval == 0:
            return False  # it ends with the connection that is to be replaced
        return session.established and not session.expired(now)


@final
class Hub:
    """A server for many clients, of 3.1, 3.1.1 and 5.0, that lets everybody in.

    It keeps everything in memory. Will Delay Intervals are ignored: a will is published at once.
    For a client that does not keep up, messages of QoS 1 and 2 wait within the limits of its
    session's queue, and those of QoS 0 are dropped.

    Whoever drives it gives it the events of each connection, and then sends what the connections
    named by :meth:`take_active` have put out.

    :param properties: those of each CONNACK.
    :param random: where the identifiers of clients come from that have none.
    :ivar congested: the connections that are not sent QoS 0, because what they were sent is not
        taken; for whoever writes to their network.
    """

    def __init__(self, *, properties: Properties = EMPTY, random: Random | None = None) -> None:
        self.congested: Final[set[ServerConnection]] = set()
        self._properties: Final = properties
        self._random: Final = SystemRandom() if random is None else random
        self._table: Final = FrameTable()
        self._members: Final[dict[str, _Member]] = {}
        # Who is behind a connection that was accepted, and its will.
        self._accepted: Final[dict[ServerConnection, tuple[_Member, Will | None]]] = {}
        # By topic, with the time when each expires.
        self._retained: Final[dict[str, tuple[Publish, float]]] = {}
        # How many messages each group of a shared subscription has had.
        self._turns: Final[dict[tuple[str, str], int]] = {}
        self._events: Final[deque[tuple[ServerConnection, Event]]] = deque()
        # In the order in which they became so: a set with an order.
        self._active: dict[ServerConnection, None] = {}

    @property
    def client_ids(self) -> list[str]:
        """The client identifiers of the sessions, connected or not."""
        return list(self._members)

    def open(self, now: float) -> ServerConnection:
        """A connection for a client that has just come.

        :param now: seconds of a monotonic clock.
        """
        return ServerConnection(
            now=now,
            max_packet_size=_MOST_BYTES,
            max_in_flight=_MOST_IN_FLIGHT,
            max_topic_aliases=16,
            table=self._table,
        )

    def handle(self, connection: ServerConnection, events: Iterable[Event], now: float) -> None:
        """Do what the events of a connection ask for.

        :param events: what its methods have returned, all of it and in order.
        """
        self._note(connection, events)
        while self._events:
            one, event = self._events.popleft()
            match event:
                case ConnectReceived():
                    self._let_in(one, event, now)
                case MessageReceived():
                    matched = self._route(event.message, self._accepted[one][0].client_id, now)
                    # Only now: it is in every session that it is meant for.
                    code = ReasonCode.SUCCESS if matched else ReasonCode.NO_MATCHING_SUBSCRIBERS
                    one.acknowledge(event, code, now=now)
                case SubscribeReceived():
                    self._subscribe(one, event.packet, now)
                case UnsubscribeReceived():
                    self._unsubscribe(one, event.packet, now)
                case Disconnected() | ConnectionFailed():
                    self._end(one, event.publish_will, now)
            self._note(one)

    def take_active(self) -> list[ServerConnection]:
        """The connections that were called since the last time: each may have something to send,
        another deadline, or be over.
        """
        active = self._active
        self._active = {}
        return list(active)

    def _note(self, connection: ServerConnection, events: Iterable[Event] = ()) -> None:
        """Take along what a call to a connection has returned, and what it has left behind."""
        self._active[connection] = None
        self._events.extend((connection, event) for event in events)
        self._events.extend((connection, event) for event in connection.take_events())

    # The life of connections.

    def _let_in(self, connection: ServerConnection, event: ConnectReceived, now: float) -> None:
        connect = event.connect
        if connect.properties.authentication_method is not None:
            connection.refuse(ReasonCode.BAD_AUTHENTICATION_METHOD, now=now)
            return
        properties = self._properties
        client_id = connect.client_id
        if not client_id:
            client_id = f"hub-{self._random.getrandbits(64):016x}"
            properties = properties.replace(assigned_client_identifier=client_id)
        member = self._members.get(client_id)
        present = member is not None and not connect.clean_start and member.resumable(now)
        replaced = None if member is None else member.connection
        if member is None or not present:
            if replaced is not None:
                self._note(replaced, replaced.disconnect(ReasonCode.SESSION_TAKEN_OVER, now=now))
            member = _Member(client_id, Session(client_id, queue_limits=_QUEUE_LIMITS))
            self._members[client_id] = member
        self._accepted[connection] = (member, connect.will)
        events = connection.accept(
            member.session, session_present=present, properties=properties, now=now
        )
        if replaced is not None:
            self._note(replaced)
        self._note(connection, events)

    def _end(self, connection: ServerConnection, publish_will: bool, now: float) -> None:
        member, will = self._accepted.pop(connection, (None, None))
        if member is None:
            return
        if not member.session.established:
            self._forget(member)
        if will is not None and publish_will:
            properties = will.properties.replace(will_delay_interval=None)
            message = Publish(
                will.topic, will.payload, will.qos, will.retain, properties=properties
            )
            self._route(message, member.client_id, now)

    def _forget(self, member: _Member) -> None:
        # Another one may have its name by now.
        if self._members.get(member.client_id) is member:
            del self._members[member.client_id]

    # Subscriptions.

    def _subscribe(self, connection: ServerConnection, packet: Subscribe, now: float) -> None:
        if connection.state is not ConnectionState.CONNECTED:
            return
        member, _ = self._accepted[connection]
        with_retained: list[_Entry] = []
        for subscription in packet.subscriptions:
            topic_filter = subscription.topic_filter
            # Before 5.0 there are no shared subscriptions.
            shared = None
            if connection.version is ProtocolVersion.MQTT5:
                shared = parse_shared(topic_filter)
            entry = _Entry(
                subscription,
                topic_filter if shared is None else shared.topic_filter,
                "" if shared is None else shared.share_name,
                packet.properties.subscription_identifiers,
            )
            handling = subscription.retain_handling
            new = topic_filter not in member.entries
            if shared is None and (
                handling is RetainHandling.SEND or (handling is RetainHandling.SEND_IF_NEW and new)
            ):
                with_retained.append(entry)
            member.entries[topic_filter] = entry
        codes = [subscription.qos for subscription in packet.subscriptions]
        connection.answer_subscribe(packet, codes, now=now)
        for entry in with_retained:
            for message in self._retained_for(entry, now):
                self._deliver(member, message, [entry], now, retain=True)

    def _unsubscribe(self, connection: ServerConnection, packet: Unsubscribe, now: float) -> None:
        if connection.state is not ConnectionState.CONNECTED:
            return
        entries = self._accepted[connection][0].entries
        codes = [
            ReasonCode.NO_SUBSCRIPTION_EXISTED
            if entries.pop(topic_filter, None) is None
            else ReasonCode.SUCCESS
            for topic_filter in packet.topic_filters
        ]
        connection.answer_unsubscribe(packet, codes, now=now)

    # Messages.

    def _route(self, message: Publish, publisher: str, now: float) -> bool:
        """Give a message to all who want it; whether anybody does."""
        if message.retain:
            self._retain(message, now)
        matched = False
        groups: dict[tuple[str, str], list[tuple[_Member, _Entry]]] = {}
        for member in self._present(now):
            own: list[_Entry] = []
            for entry in member.entries.values():
                # The pattern of a shared subscription is an ordinary one, even behind $share/.
                if not matches(entry.pattern, message.topic, ProtocolVersion.MQTT311):
                    continue
                matched = True
                if entry.share_name:
                    group = (entry.share_name, entry.pattern)
                    groups.setdefault(group, []).append((member, entry))
                elif not entry.subscription.no_local or member.client_id != publisher:
                    own.append(entry)
            if own:
                self._deliver(member, message, own, now)
        for group, candidates in groups.items():
            connected = [each for each in candidates if each[0].connection is not None]
            candidates = connected or candidates
            turn = self._turns.get(group, 0)
            self._turns[group] = turn + 1
            member, entry = candidates[turn % len(candidates)]
            self._deliver(member, message, [entry], now)
        return matched

    def _present(self, now: float) -> Iterator[_Member]:
        """The members, without those whose session has expired."""
        for member in list(self._members.values()):
            if member.session.expired(now):
                self._forget(member)
            else:
                yield member

    def _deliver(
        self,
        member: _Member,
        message: Publish,
        entries: list[_Entry],
        now: float,
        *,
        retain: bool = False,
    ) -> None:
        """Give one copy of a message to a client, whatever the number of its subscriptions.

        :param retain: whether it is a retained message that the client finds at its subscribe.
        """
        qos = min(message.qos, max(entry.subscription.qos for entry in entries))
        if message.retain and any(entry.subscription.retain_as_published for entry in entries):
            retain = True
        properties = message.properties
        identifiers = [number for entry in entries for number in entry.identifiers]
        if identifiers:
            properties = properties.replace(subscription_identifiers=identifiers)
        copy = Publish(message.topic, message.payload, qos, retain, properties=properties)
        connection = member.connection
        if connection is not None:
            if qos or connection not in self.congested:
                connection.send(copy, now=now)
                self._note(connection)
        elif qos and member.session.established:
            member.session.enqueue(Delivery(copy, expires_at=deadline_of(copy, now)), now)

    def _retain(self, message: Publish, now: float) -> None:
        if message.payload:
            self._retained[message.topic] = (message, deadline_of(message, now))
        else:
            self._retained.pop(message.topic, None)

    def _retained_for(self, entry: _Entry, now: float) -> Iterator[Publish]:
        for topic, (message, expires_at) in list(self._retained.items()):
            if expires_at <= now:
                del self._retained[topic]
            elif matches(entry.pattern, topic, ProtocolVersion.MQTT311):
                if expires_at != NO_EXPIRY:
                    left = message.properties.with_message_expiry(ceil(expires_at - now))
                    message = Publish(topic, message.payload, message.qos, True, properties=left)
                yield message
