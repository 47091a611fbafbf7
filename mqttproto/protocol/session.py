"""What outlives a connection: one class for both ends, since the handshakes are symmetric."""

from typing import Any, Final, final

from mqttproto.errors import LocalProtocolError, QueueFullError
from mqttproto.protocol.changes import (
    Change,
    MessageCompleted,
    MessageDropped,
    MessageQueued,
    MessageReleased,
    MessageSent,
    ReceiptAccepted,
    ReceiptForgotten,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SessionSuspended,
)
from mqttproto.protocol.delivery import Delivery, Request, check_message, message_size
from mqttproto.protocol.export import (
    FORMAT,
    check_form,
    flight_data,
    message_data,
    message_of,
)
from mqttproto.protocol.handshakes import InboundState, OutboundState
from mqttproto.protocol.journal import Journal
from mqttproto.protocol.limits import NEVER
from mqttproto.protocol.message_queue import MessageQueue, Qos0, QueueLimits
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS, PacketIds
from mqttproto.protocol.receipts import Receipt

__all__ = ["Session", "SessionHolder"]

# Plain integers, at every speed.
_UNKNOWN: Final[int] = int(OutboundState.UNKNOWN)
_AWAITS_PUBCOMP: Final[int] = int(OutboundState.AWAITS_PUBCOMP)
_UNDECIDED: Final[int] = int(InboundState.UNDECIDED)
_ACCEPTED: Final[int] = int(InboundState.ACCEPTED)
_CARRIED_OVER: Final[int] = int(InboundState.CARRIED_OVER)


class SessionHolder:
    """What a session is attached to: a connection, of which a session knows no more than this."""

    def detach(self, now: float) -> None:
        """Let go of the session: another connection takes it over."""
        raise NotImplementedError


@final
class Session:
    """The session state of a client or of a server (5.0 section 4.1).

    It holds the packet identifiers in use, the messages in flight in the order in which they were
    first sent, those that wait, and the identifiers of QoS 2 messages that came in. It knows
    neither versions nor limits: those belong to connections.

    A connection works on it while it is attached. In between it may be exported, given to the
    next connection, or thrown away.

    :param client_id: the client identifier (MQTT-3.1.3-2); empty if the server is to assign one.
    :param queue_limits: how many messages may wait.
    :param journal: where changes are noted, for a store; it may be shared by many sessions. A
        session that ends with its connection notes nothing.
    :param established: whether the peer may know this session already, as where an earlier run of
        a program has used it and nothing was in flight. A session becomes established by its
        first connection, and by being restored.
    """

    __slots__ = (
        "_journal",
        "_logged",
        "_next_number",
        "client_id",
        "connection",
        "established",
        "expiry_interval",
        "outbound",
        "queue",
        "received",
        "suspended_at",
        "undecided",
    )

    def __init__(
        self,
        client_id: str = "",
        *,
        queue_limits: QueueLimits | None = None,
        journal: Journal | None = None,
        established: bool = False,
    ) -> None:
        self.client_id: str = client_id
        self.queue: MessageQueue = MessageQueue(queue_limits or QueueLimits())
        self.established: bool = established
        self.expiry_interval: int = 0
        """Seconds that it outlives its connection, 0 to 4,294,967,295 (never ends)."""
        self.suspended_at: float | None = None
        """When its connection ended, in seconds of ``now``; None while it has one."""
        self.connection: SessionHolder | None = None
        """The connection that works on it, the only one."""
        self.outbound: PacketIds = PacketIds()
        self.received: dict[int, int] = {}
        self.undecided: dict[int, Receipt] = {}
        self._next_number: int = 1
        self._journal: Journal | None = journal
        # Whether the journal holds this session, so that what changes in it must be noted.
        self._logged: bool = False

    def __repr__(self) -> str:
        state = f"{self.in_flight} in flight, {len(self.queue)} queued"
        return f"<Session {self.client_id!r}: {state}, {len(self.received)} receipts>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Session cannot be copied or pickled: pickle what export() returns")

    @property
    def journal(self) -> Journal | None:
        """Where its changes are noted."""
        return self._journal

    @property
    def logged(self) -> bool:
        """Whether its changes are noted: they are while it outlives its connection."""
        return self._logged

    @property
    def deliveries(self) -> list[Delivery]:
        """The messages in flight, in the order in which they were first sent; behind one another
        those that were released, in the order of their PUBRECs.
        """
        return [each for each in self.outbound if isinstance(each, Delivery)]

    @property
    def in_flight(self) -> int:
        """How many messages are in flight."""
        return len(self.deliveries)

    @property
    def expires_at(self) -> float | None:
        """When it ends, in seconds of ``now``; None while it is connected, and if it never does."""
        if self.suspended_at is None or self.expiry_interval == NEVER:
            return None
        return self.suspended_at + self.expiry_interval

    def expired(self, now: float) -> bool:
        """Whether it has ended by now (5.0: MQTT-4.1.0-2)."""
        at = self.expires_at
        return at is not None and now >= at

    # Its life.

    def note(self, change: Change) -> int:
        """Note a change, if changes are noted; its number, or 0."""
        journal = self._journal
        if journal is None or not self._logged:
            return 0
        return journal.append(change)

    @property
    def last_change(self) -> int:
        """The number of the last change in its journal, or 0 if it notes none."""
        journal = self._journal
        return 0 if journal is None or not self._logged else journal.last

    def start(self, expiry_interval: int, keep_queue: bool = True) -> list[Delivery]:
        """Begin anew, without what was in flight (5.0: MQTT-3.1.2-4).

        :param keep_queue: whether what waits still does. To a client that is what it has yet to
            say; to a server it is part of the session state (5.0 section 4.1).
        :returns: the messages that are lost.
        """
        dropped = self._clear(keep_queue)
        self.expiry_interval = expiry_interval
        self.suspended_at = None
        self.established = True
        self._log()
        return dropped

    def _log(self) -> None:
        """Begin to note changes if there is need, with all that is there."""
        if self._journal is None or (self.expiry_interval == 0 and not self._logged):
            return
        if self.expiry_interval == 0:
            self.note(SessionEnded(self.client_id))
            self._logged = False
            return
        self._logged = True
        self.note(SessionStarted(self.client_id, self.expiry_interval, self._next_number))
        for each in self.queue:
            self.note(MessageQueued(self.client_id, each.number, each.message, each.expires_at))

    def resume(self, expiry_interval: int) -> None:
        """Go on, with another interval until it ends (5.0: MQTT-3.1.2-5)."""
        self.suspended_at = None
        self.established = True
        self.expiry_interval = expiry_interval
        if self._logged or expiry_interval == 0:
            self.note(SessionResumed(self.client_id, expiry_interval))
        else:
            self._log_all()

    def _log_all(self) -> None:
        """Begin to note changes in the middle of a session's life, if there is a journal."""
        if self._journal is None:
            return
        self._log()
        for each in self.deliveries:
            sent = (each.number, each.packet_id, each.message, each.expires_at)
            self.note(MessageSent(self.client_id, *sent))
            if each.state == _AWAITS_PUBCOMP:
                self.note(MessageReleased(self.client_id, each.packet_id, each.abandoned))
        for packet_id, state in self.received.items():
            if state == _ACCEPTED:
                self.note(ReceiptAccepted(self.client_id, packet_id))

    def suspend(self, now: float, expiry_interval: int, keep_queue: bool = True) -> list[Delivery]:
        """Take note that the connection has ended.

        :param expiry_interval: as DISCONNECT may have changed it.
        :param keep_queue: as for :meth:`start`.
        :returns: the messages that are lost, if the session ends with it (5.0: MQTT-4.1.0-2).
        """
        for exchange in self.outbound:
            if isinstance(exchange, Request):
                self.outbound.free(exchange.packet_id)
        for packet_id in self.undecided:
            self.received[packet_id] = _CARRIED_OVER
        self.expiry_interval = expiry_interval
        if expiry_interval == 0:
            return self.end(keep_queue)
        if not self._logged:
            # It was to end with its connection, and DISCONNECT has given it a longer life.
            self._log_all()
        self.suspended_at = now
        self.note(SessionSuspended(self.client_id, now, expiry_interval))
        return []

    def end(self, keep_queue: bool = True) -> list[Delivery]:
        """Forget all handshakes.

        :param keep_queue: as for :meth:`start`.
        :returns: the messages that are lost.
        """
        dropped = self._clear(keep_queue)
        self.note(SessionEnded(self.client_id))
        self._logged = False
        self.established = False
        self.suspended_at = None
        return dropped

    def expire(self) -> list[Delivery]:
        """Forget all handshakes of a session that has expired (5.0: MQTT-4.1.0-2).

        Nothing is noted: until it begins anew, a store keeps it, with what waits in it.

        :returns: the messages that were in flight.
        """
        self.established = False
        return self._clear(True)

    def _clear(self, keep_queue: bool) -> list[Delivery]:
        dropped = []
        for each in self.deliveries:
            each.state = _UNKNOWN
            # What was given up before has been told.
            if not each.abandoned:
                dropped.append(each)
        if not keep_queue:
            dropped += self.queue.clear()
        self.outbound = PacketIds()
        self.received = {}
        self.undecided = {}
        return dropped

    # Export and restore.

    def export(self) -> dict[str, Any]:
        """The session as plain data: what a crash must not lose.

        Not in it: QoS 0 messages, requests that wait for their answer, and QoS 2 messages that
        were delivered and are not acknowledged by their owner; the peer sends those again.

        :returns: a dictionary with the keys ``format`` (1), ``client_id``, ``expiry_interval``
            (seconds), ``suspended_at`` (seconds of ``now``, or None), ``next_number``,
            ``in_flight`` and ``queue`` (lists of dictionaries, in order), ``received`` (packet
            identifiers, ascending). A message is a dictionary with ``number``, ``topic``,
            ``payload``, ``qos``, ``retain``, ``properties`` (a property block as on the wire),
            ``expires_at`` (seconds of ``now``, or None), and in flight also ``packet_id``,
            ``released`` and ``abandoned``.
        """
        return {
            "format": FORMAT,
            "client_id": self.client_id,
            "expiry_interval": self.expiry_interval,
            "suspended_at": self.suspended_at,
            "next_number": self._next_number,
            "in_flight": [flight_data(each) for each in self.deliveries],
            "queue": [message_data(each) for each in self.queue],
            "received": sorted(
                [each for each, state in self.received.items() if state == _ACCEPTED]
            ),
        }

    @staticmethod
    def restore(
        data: dict[str, Any],
        *,
        shift: float = 0.0,
        now: float | None = None,
        queue_limits: QueueLimits | None = None,
        journal: Journal | None = None,
    ) -> "Session":
        """The session that was exported.

        :param data: what :meth:`export`, or :func:`~mqttproto.protocol.export.apply`, returned.
        :param shift: seconds to add to the times in it, where the clock of ``now`` is another one:
            what it shows today minus what it would have shown then, for the same moment.
        :param now: seconds of today's clock: a session that was connected when its program was
            killed has lost its connection by now, and expires from then on. Without it, it does
            not expire before it was connected again.
        :param queue_limits: how many messages may wait from now on; those in the data all may.
        :param journal: where its changes are noted, of a store that holds this data already.
        :raises ValueError: if the data has another form, or says what cannot be.
        """
        check_form(data)
        session = Session(queue_limits=queue_limits, journal=journal)
        try:
            session._restore(data, shift, now)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"this is no export of a session: {error!r}") from error
        return session

    def _restore(self, data: dict[str, Any], shift: float, now: float | None) -> None:
        self.client_id = data["client_id"]
        self.expiry_interval = data["expiry_interval"]
        if data["suspended_at"] is not None:
            self.suspended_at = data["suspended_at"] + shift
        self._next_number = data["next_number"]
        # One of 0 seconds has ended with its connection.
        self.established = self.expiry_interval != 0
        # A store that holds it must hear of its end, too.
        self._logged = self._journal is not None
        for each in data["in_flight"]:
            delivery = message_of(each, shift)
            packet_id = delivery.packet_id
            if not 1 <= packet_id <= MOST_PACKET_IDS or self.outbound.get(packet_id) is not None:
                raise ValueError(f"packet identifier {packet_id} cannot be in flight")
            self.outbound.take(delivery)
        for each in data["queue"]:
            self.queue.restore(message_of(each, shift))
        for received in data["received"]:
            packet_id = received
            if not 1 <= packet_id <= MOST_PACKET_IDS:
                raise ValueError(f"packet identifier {packet_id} cannot have been received")
            self.received[packet_id] = _ACCEPTED
        if self.established and self.suspended_at is None and now is not None:
            self.suspend(now, self.expiry_interval)

    # What it sends.

    def number(self) -> int:
        """A number for a delivery that is answered."""
        number = self._next_number
        self._next_number = number + 1
        return number

    @property
    def next_number(self) -> int:
        """The number of the next delivery."""
        return self._next_number

    def enqueue(self, delivery: Delivery, now: float | None = None) -> list[Delivery]:
        """Let a message wait for the next connection, while there is none.

        :param delivery: a new one, with its ``expires_at``: see
            :func:`mqttproto.protocol.deadline_of`. At QoS 1 and 2 it gets its number here.
        :param now: seconds of the clock of ``expires_at``; if given, and there is no room, what
            has expired makes some.
        :returns: what was dropped for it, or the message itself if it was.
        :raises LocalProtocolError: if the session has a connection, if this delivery was given
            before, or if QoS 0 is not queued: see :class:`~mqttproto.protocol.QueueLimits`.
        :raises QueueFullError: if there is no room and the caller has to give way.
        :raises InvalidValueError: if the specification forbids to send this message at all.
        """
        if self.connection is not None:
            raise LocalProtocolError("the session has a connection: publish on that")
        if delivery.number:
            raise LocalProtocolError("this delivery was queued or sent before: make a new one")
        check_message(delivery.message)
        return self.let_wait(delivery, now)

    def let_wait(self, delivery: Delivery, now: float | None = None) -> list[Delivery]:
        """What :meth:`enqueue` does, for a connection that has made sure of the rest."""
        if delivery.message.qos == 0:
            handling = self.queue.limits.qos_0
            if handling is Qos0.REFUSE:
                raise LocalProtocolError(
                    "there is no connection: a QoS 0 message cannot be sent, and is not queued"
                )
            if handling is Qos0.DROP:
                return [delivery]
        dropped: list[Delivery] = []
        size = message_size(delivery.message)
        if now is not None and not self.queue.has_room(size):
            dropped = self.drop_expired(now, size)
        given_up = self.queue.add(delivery)
        if delivery.message.qos:
            delivery.number = self.number()
        refused = False
        for each in given_up:
            if each is delivery:
                refused = True
            else:
                self.note_dropped(each)
        # Also where it is dropped at once: its number is used up.
        self._note_queued(delivery)
        if refused:
            self.note_dropped(delivery)
        return dropped + given_up

    def _note_queued(self, delivery: Delivery) -> None:
        if self._logged and delivery.number:
            number = delivery.number
            self.note(MessageQueued(self.client_id, number, delivery.message, delivery.expires_at))

    def drop_expired(self, now: float, size: int | None = None) -> list[Delivery]:
        """Take out of the queue what has expired (5.0: MQTT-3.3.2-5).

        :param size: that of a message to make room for, in bytes as they are counted: if it would
            be refused even so, nothing is taken out. None: there is no such message.
        :returns: what was taken out.
        """
        expired = self.queue.remove_expired(now, size)
        for each in expired:
            self.note_dropped(each)
        return expired

    def note_dropped(self, delivery: Delivery) -> None:
        """Take note that a message has left the queue unsent."""
        if self._logged and delivery.number:
            self.note(MessageDropped(self.client_id, delivery.number))

    def send(self, delivery: Delivery, packet_id: int, state: int, queued: bool) -> int:
        """Put a message in flight.

        :param queued: whether it comes from the queue, where it is no more.
        :returns: the number of the change, or 0.
        """
        delivery.packet_id = packet_id
        delivery.state = state
        self.outbound.take(delivery)
        if not self._logged:
            return 0
        message = None if queued else delivery.message
        number = delivery.number
        return self.note(
            MessageSent(self.client_id, number, packet_id, message, delivery.expires_at)
        )

    def release(self, delivery: Delivery) -> int:
        """Take note that PUBREC has come (5.0: MQTT-4.3.3-4), or that the message is abandoned and
        none is waited for; the number of the change, or 0.
        """
        delivery.state = _AWAITS_PUBCOMP
        packet_id = delivery.packet_id
        # PUBRELs are sent, and sent again, in the order of the PUBRECs (5.0: MQTT-4.6.0-4).
        self.outbound.renew(packet_id)
        if not self._logged:
            return 0
        return self.note(MessageReleased(self.client_id, packet_id, delivery.abandoned))

    def complete(self, delivery: Delivery) -> None:
        """Take note that a message is done with, and free its identifier."""
        packet_id = delivery.packet_id
        self.outbound.free(packet_id)
        delivery.state = _UNKNOWN
        if self._logged:
            self.note(MessageCompleted(self.client_id, packet_id))

    # What it receives at QoS 2.

    def expect_decision(self, receipt: Receipt) -> None:
        """A QoS 2 message was delivered whose owner decides later."""
        self.received[receipt.packet_id] = _UNDECIDED
        self.undecided[receipt.packet_id] = receipt

    def give_up(self, packet_id: int) -> None:
        """The sender has given up a message about which its owner has not decided."""
        del self.received[packet_id]
        del self.undecided[packet_id]

    def accept(self, packet_id: int) -> int:
        """A QoS 2 message is accepted; the number of the change, or 0."""
        self.received[packet_id] = _ACCEPTED
        return self.note(ReceiptAccepted(self.client_id, packet_id)) if self._logged else 0

    def refuse(self, packet_id: int) -> None:
        """A QoS 2 message is refused: its identifier is new again (5.0: MQTT-4.3.3-9)."""
        del self.received[packet_id]

    def forget(self, packet_id: int) -> int:
        """PUBREL has come (5.0: MQTT-4.3.3-12); the number of the change, or 0."""
        del self.received[packet_id]
        return self.note(ReceiptForgotten(self.client_id, packet_id)) if self._logged else 0

    def check_backlog(self, most: int) -> None:
        """Refuse durable work while too much is uncommitted.

        :raises QueueFullError: if ``most`` changes or more wait for their commit.
        """
        journal = self._journal
        if journal is not None and self._logged and journal.uncommitted >= most:
            raise QueueFullError(
                f"{journal.uncommitted} changes wait to be stored: commit them, then publish"
            )
