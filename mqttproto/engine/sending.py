"""Messages that go out, and those who wait for them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.publish import Publish
from mqttproto.constants import ProtocolVersion, QoS
from mqttproto.engine.completion import Completion, Waiter, Waiters
from mqttproto.engine.options import Options
from mqttproto.engine.publishing import Outgoing, PublishHandle, PublishStream
from mqttproto.engine.receiving import Receiving
from mqttproto.errors import (
    DeliveryUncertainError,
    MessageDroppedError,
    MQTTError,
    QueueFullError,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.delivery import Delivery, deadline_of
from mqttproto.protocol.events import (
    DropReason,
    Event,
    PublishDropped,
)
from mqttproto.protocol.message_queue import Qos0
from mqttproto.protocol.transitions import ConnectionState
from mqttproto.transport.url import Address

__all__ = ["Sending"]

_MOST_UNSENT: Final = 1 << 17
"""How many bytes to put out before whoever publishes waits for the network to take them."""
_CLOSED: Final = ConnectionState.CLOSED
_OVERHEAD: Final = 8
"""The bytes of a PUBLISH beside topic and payload: an estimate."""


class Sending(Receiving):
    """A client that publishes."""

    def __init__(
        self,
        places: Sequence[Address | None],
        options: Options,
        waiter: Waiter,
        random: Callable[[], float],
    ) -> None:
        super().__init__(places, options, waiter, random)
        self._handles: dict[int, Outgoing] = {}
        self._unnumbered: dict[int, tuple[Delivery, Outgoing]] = {}
        self._unsent_bytes: int = 0
        self._blocked: bool = False
        self._room: Final[Waiters] = Waiters()
        self._capacity: Final[Waiters] = Waiters()

    def _take(self, events: list[Event], now: float) -> None:
        """See to what has happened on a connection."""
        raise NotImplementedError

    @property
    def congested(self) -> bool:
        """Whether whoever publishes is to wait for :meth:`room`."""
        return (self._blocked or self._unsent_bytes >= _MOST_UNSENT) and not self._closed

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
        # What a connection tells at its end comes before the news of it.
        if connection is not None and self._attached and connection.state is not _CLOSED:
            told = self._put_out(connection, message, outgoing, now)
            # At QoS 0 it comes here only to wait for CONNACK.
            assert told
            return
        if message.properties is not EMPTY:
            self._check_properties(message.properties)
        delivery = Delivery(message, expires_at=deadline_of(message, now))
        given_up = self._session.enqueue(delivery, now)
        self._store_soon()
        if outgoing is not None:
            self._remember(delivery, outgoing)
        for each in given_up:
            queued = message.qos or self._session.queue.limits.qos_0 is not Qos0.DROP
            reason = DropReason.QUEUE_FULL if queued else DropReason.NOT_CONNECTED
            if each.expires_at <= now:
                reason = DropReason.EXPIRED
            self._dropped(PublishDropped(each, reason), now)

    def _put_out(
        self,
        connection: ClientConnection,
        message: Publish,
        outgoing: Outgoing | None,
        now: float,
    ) -> bool:
        """Give a message to a connection; whether there will be news of it."""
        delivery = connection.send(message, now=now)
        self._unsent_bytes += len(message.topic) + len(message.payload) + _OVERHEAD
        self.wake_writer()
        if delivery is not None and outgoing is not None:
            self._follow(delivery, outgoing, now)
        return delivery is not None

    def _check_properties(self, properties: Properties) -> None:
        """Refuse what a connection would refuse, if there were one."""
        version = self._life.version
        if version != ProtocolVersion.MQTT5 and properties:
            raise refusal("Publish.properties", Fault.NOT_IN_THIS_VERSION, version)
        if properties.subscription_identifiers:
            fault = Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT
            raise refusal("Publish.properties", fault, version)

    def _send_anew(self, message: Publish, outgoing: Outgoing | None, now: float) -> None:
        """Send a message whose session is another one now."""
        if isinstance(outgoing, PublishStream):
            outgoing.pending -= 1
        try:
            self._send(message, outgoing, now)
        except MQTTError as error:
            if isinstance(outgoing, PublishStream):
                outgoing.pending += 1
            if outgoing is not None:
                outgoing.failed(error)

    def _follow(self, delivery: Delivery, outgoing: Outgoing, now: float) -> None:
        """Tell somebody when the fate of a message is known."""
        self._remember(delivery, outgoing)
        if not delivery.packet_id:
            # It waits, and perhaps another one has given way to it.
            assert self._connection is not None
            self._take(self._connection.take_events(), now)

    def _remember(self, delivery: Delivery, outgoing: Outgoing) -> None:
        if delivery.number:
            self._handles[delivery.number] = outgoing
        else:
            self._unnumbered[id(delivery)] = (delivery, outgoing)
        if isinstance(outgoing, PublishStream):
            outgoing.pending += 1

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
        if event.reason is not DropReason.SESSION_ENDED:
            if outgoing is not None:
                outgoing.failed(MessageDroppedError(event.reason.value, message.topic))
        elif message.qos == 1 and not self._leaving and not self._closed:
            # To send it again is what QoS 1 allows.
            self._send_anew(message, outgoing, now)
        elif outgoing is not None:
            outgoing.failed(DeliveryUncertainError(message.topic))

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
            connection = self._connection
            message = stream.held
            if message is None:
                message = next(messages, None)
                if message is None:
                    return None
            else:
                stream.held = None
            try:
                if connection is not None and self._online:
                    self._put_out(connection, message, stream, now)
                else:
                    self._send(message, stream, now)
            except QueueFullError:
                stream.held = message
                return self._capacity.next()
            stream.count += 1
        return None
