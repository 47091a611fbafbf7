"""Sending messages: the window, the queue, aliases, the outbound handshakes, and replay."""

from collections import deque
from math import ceil
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import (
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    encode_publish,
    plain_head,
)
from mqttproto.constants import QoS, ReasonCode, Sender
from mqttproto.errors import LimitError, LocalProtocolError, QueueFullError, Statement
from mqttproto.protocol.aliases import InboundAliases, OutboundAliases
from mqttproto.protocol.delivery import NO_EXPIRY, Delivery, deadline_of, message_size
from mqttproto.protocol.endpoint import CLOSED, CONNECTED, short_answer
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    CapacityAvailable,
    DropReason,
    PublishCompleted,
    PublishDropped,
)
from mqttproto.protocol.handshakes import OUTBOUND_STEPS, OUTBOUND_WIDTH, OutboundState
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.message_queue import Qos0
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.receiving import Receiving
from mqttproto.protocol.session import Session

__all__ = ["PUBACK", "PUBCOMP", "PUBREC", "PUBREC_REFUSED", "Sending"]

# Answers, steps and states as literals, which compiled code compares without a look-up.
PUBACK: Final = 0
PUBREC: Final = 1
PUBREC_REFUSED: Final = 2
PUBCOMP: Final = 3

_COMPLETE: Final = 1
_RELEASE: Final = 2
_RELEASE_AGAIN: Final = 3
_RELEASE_UNKNOWN: Final = 4
_VIOLATION: Final = 5

# Names of their own, because compiled code looks up by its name what comes from elsewhere.
_AT_MOST_ONCE: Final[QoS] = QoS.AT_MOST_ONCE
_STEPS: Final[list[int]] = OUTBOUND_STEPS

_AWAITS_PUBACK: Final = 1
_AWAITS_PUBREC: Final = 2

_SUBSCRIPTION_IDENTIFIER: Final = 0x0B
_TOPIC_ALIAS: Final = 0x23
_NOT_FOUND: Final = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
_SUCCESS: Final = ReasonCode.SUCCESS
_SHORTEST_WORTH_AN_ALIAS: Final = 4
"""An alias takes three bytes: a topic of as many, or fewer, is sent as it is."""


class Sending(Receiving):
    """The half of a connection that sends messages.

    It stands on the other half, because answers to what was received free what is to be sent.
    """

    __slots__ = (
        "_aliases",
        "_freed",
        "_in_flight",
        "_max_in_flight",
        "_max_topic_aliases",
        "_max_uncommitted",
        "_maximum_qos",
        "_replay",
        "_retain_available",
        "_starved",
        "_window",
    )

    def __init__(
        self,
        role: Sender,
        version: int,
        session: Session,
        decoder: Decoder,
        leniency: Leniency,
        manual: bool,
        max_in_flight: int,
        max_topic_aliases: int,
        max_uncommitted: int,
    ) -> None:
        super().__init__(role, version, session, decoder, leniency, manual)
        if not 1 <= max_in_flight <= MOST_PACKET_IDS:
            raise ValueError(f"max_in_flight must be 1 to {MOST_PACKET_IDS}")
        if not 0 <= max_topic_aliases <= 65_535:
            raise ValueError("max_topic_aliases must be 0 to 65,535")
        if max_uncommitted < 1:
            raise ValueError("max_uncommitted must be 1 or more")
        self._max_in_flight: int = max_in_flight
        self._max_topic_aliases: int = max_topic_aliases
        self._max_uncommitted: int = max_uncommitted
        self._maximum_qos: int = 2
        self._retain_available: bool = True
        # How many messages may be in flight on this connection, and how many are.
        self._window: int = 0
        self._in_flight: int = 0
        # Those of an earlier connection that are still to be sent again.
        self._replay: deque[Delivery] | None = None
        self._freed: bool = False
        # What the smallest message counts for that found no room, until there is some; else 0.
        self._starved: int = 0
        self._aliases: OutboundAliases | None = None

    @property
    def in_flight(self) -> int:
        """How many messages of QoS 1 and 2 were sent on this connection, and are not
        acknowledged to their end; with those released on an earlier one (5.0 section 4.9).
        """
        return self._in_flight

    def _oversized(self, message: Publish) -> Delivery:
        """A message that the peer does not take is to be sent."""
        raise NotImplementedError

    # Answers.

    def _receive_answer(
        self, packet: Packet, answer: int, packet_id: int, code: ReasonCode
    ) -> None:
        """Take a PUBACK, PUBREC or PUBCOMP."""
        if not self._explain and self._explains(packet):
            self._fail_here(Fault.PROBLEM_INFORMATION)
            return
        session = self._session
        exchange = session.outbound.get(packet_id)
        state = 0 if exchange is None else exchange.state
        step = _STEPS[state * OUTBOUND_WIDTH + answer]
        if step == _COMPLETE:
            assert isinstance(exchange, Delivery)
            self._complete(exchange, answer, packet, code)
        elif step == _RELEASE:
            assert isinstance(exchange, Delivery)
            exchange.reason_code = code
            change = session.release(exchange)
            if exchange.waiting:
                exchange.waiting = False
                self._in_flight += 1
            self._write_after(short_answer(0x6202, packet_id), change)
        elif step == _RELEASE_AGAIN:
            self._write_after(short_answer(0x6202, packet_id), session.last_change)
        elif step == _VIOLATION:
            self._fail_here(Fault.WRONG_ACKNOWLEDGEMENT, packet.packet_type)
        else:
            if step == _RELEASE_UNKNOWN:
                unknown = _NOT_FOUND if self._version == 5 else _SUCCESS
                self._write(PubRel(packet_id, unknown).encode(self._version))
            self._events.append(AcknowledgementIgnored(packet))

    def _complete(self, delivery: Delivery, answer: int, packet: Packet, code: ReasonCode) -> None:
        self._session.complete(delivery)
        if delivery.waiting:
            delivery.waiting = False
        else:
            self._in_flight -= 1
        self._freed = True
        if delivery.abandoned:
            return
        # At PUBCOMP nothing can fail any more: the receiver has taken the message with its PUBREC.
        if answer == PUBCOMP:
            code = delivery.reason_code
        assert isinstance(packet, (PubAck, PubRec, PubComp))
        self._events.append(PublishCompleted(delivery, code, packet.properties))

    # Publishing.

    def publish(
        self,
        topic: str,
        payload: bytes | bytearray | memoryview = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
        *,
        now: float,
        after: int = 0,
    ) -> Delivery | None:
        """Publish a message: at once if it may be sent, else from the queue of the session.

        :param topic: the Topic Name, 1 to 65,535 bytes of UTF-8, without wildcards.
        :param payload: the Application Message, any bytes.
        :param qos: 0, 1 or 2.
        :param retain: whether the server is to keep it.
        :param properties: of 5.0; a Topic Alias is the connection's to set. Before 5.0 a client
            must give none; a server leaves those of a publisher out.
        :param now: seconds of a monotonic clock.
        :param after: the number of a change that its transmission must wait for; the owner's
            business where it forwards a QoS 2 message, for instance.
        :returns: the handle that events about it name. None: it is of QoS 0 and in the output, and
            no event will follow.
        :raises LocalProtocolError: if the connection is over, or QoS 0 finds none.
        :raises LimitError: if the peer does not support its QoS, or RETAIN.
        :raises QueueFullError: if it would have to wait, and there is no room.
        :raises PacketTooLargeError: if the peer does not take a packet so large (client).
        :raises InvalidValueError: if the specification forbids to send it at all.
        """
        if (
            qos is _AT_MOST_ONCE
            and properties is EMPTY
            and self._state == CONNECTED
            and self._aliases is None
            and not retain
            and not after
            and isinstance(payload, bytes)
        ):
            # Most messages are so: no object is made of them.
            size = len(payload)
            header, name = plain_head(topic, size, self._version)
            if len(header) + len(name) + size <= self._peer_max and self._output.write_pieces(
                header, name, payload
            ):
                self._now = self._last_sent = now
                return None
        message = Publish(topic, payload, qos, retain, False, None, properties)
        return self.send(message, now=now, after=after)

    def send(self, message: Publish, *, now: float, after: int = 0) -> Delivery | None:
        """Publish a message that exists already; see :meth:`publish`.

        :param message: it is kept while it is in flight, and must not be changed; it may be sent
            on many connections. Its ``dup`` and ``packet_id`` are of no account.
        """
        self._now = now
        if self._state != CONNECTED:
            return self._enqueue(message, after)
        qos: int = message.qos
        if qos > self._maximum_qos or (message.retain and not self._retain_available):
            raise self._not_supported(message)
        if message.properties is not EMPTY:
            self._check_properties(message)
        session = self._session
        if qos == 0:
            data = self._encode_message(message, None, False, NO_EXPIRY)
            if data is None:
                return self._oversized(message)
            if after:
                self._write_after(data, after)
            else:
                self._write(data)
            return None
        outbound = session.outbound
        if not self._may_send():
            return self._enqueue(message, after)
        if session.logged:
            self._check_backlog(message)
        packet_id = outbound.next()
        data = self._encode_message(message, packet_id, False, NO_EXPIRY)
        if data is None:
            return self._oversized(message)
        delivery = Delivery(message, session.number())
        if message.properties is not EMPTY:
            delivery.expires_at = deadline_of(message, now)
        self._transmit(delivery, packet_id, data, False, after)
        return delivery

    def _may_send(self) -> bool:
        """Whether a message of QoS 1 or 2 need not wait, once there is a connection."""
        session = self._session
        return (
            self._in_flight < self._window
            and self._replay is None
            and not session.queue.waiting
            and len(session.outbound) < MOST_PACKET_IDS
        )

    def _transmit(
        self, delivery: Delivery, packet_id: int, data: bytes, queued: bool, after: int
    ) -> None:
        """Put a message in flight and its bytes into the output."""
        qos: int = delivery.message.qos
        state = _AWAITS_PUBACK if qos == 1 else _AWAITS_PUBREC
        change = self._session.send(delivery, packet_id, state, queued)
        self._in_flight += 1
        # A QoS 1 message that is sent and then forgotten is sent again, or was its publisher's to
        # send again. An identifier of QoS 2 must not be forgotten once the peer has seen it.
        if state == _AWAITS_PUBACK or after > change:
            change = after
        if change:
            self._write_after(data, change)
        else:
            self._write(data)

    def _encode_message(
        self, message: Publish, packet_id: int | None, dup: bool, expires_at: float
    ) -> bytes | None:
        """The PUBLISH to send, with what is left of its lifetime (5.0: MQTT-3.3.2-6), and with a
        Topic Alias if there is use for one; None if the peer does not take so large a packet.

        :param expires_at: when it expires, if it has waited; infinite if its interval still holds.
        """
        properties = message.properties
        if properties is not EMPTY:
            if self._version != 5:
                # A message from a session, or from a publisher, that speaks 5.0.
                properties = EMPTY
            elif expires_at != NO_EXPIRY:
                left = max(0, ceil(expires_at - self._now - 1e-6))
                properties = properties.with_message_expiry(left)
        aliases = self._aliases
        if aliases is None or len(message.topic) < _SHORTEST_WORTH_AN_ALIAS:
            data = encode_publish(message, message.topic, dup, packet_id, properties, self._version)
            return data if len(data) <= self._peer_max else None
        alias = aliases.find(message.topic)
        topic = "" if alias else message.topic
        properties = properties.replace(topic_alias=alias or aliases.candidate())
        data = encode_publish(message, topic, dup, packet_id, properties, self._version)
        if len(data) > self._peer_max:
            # It may fit without the alias, which is three bytes more where it is set.
            properties = properties.without_topic_alias()
            data = encode_publish(message, message.topic, dup, packet_id, properties, self._version)
            return data if len(data) <= self._peer_max else None
        if not alias:
            aliases.set(topic)
        return data

    def _check_properties(self, message: Publish) -> None:
        """Refuse properties that a message to be published must not have."""
        properties = message.properties
        if properties.may_hold(_TOPIC_ALIAS) and properties.topic_alias is not None:
            raise LocalProtocolError(
                "a Topic Alias is the connection's to set: leave it out, and allow aliases with"
                " max_topic_aliases"
            )
        if self._role is not Sender.CLIENT:
            return
        if self._version != 5 and properties:
            raise refusal("Publish.properties", Fault.NOT_IN_THIS_VERSION, self._version)
        if properties.may_hold(_SUBSCRIPTION_IDENTIFIER) and properties.subscription_identifiers:
            fault = Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT
            raise refusal("Publish.properties", fault, self._version)

    def _size_of(self, message: Publish) -> int:
        """The size of the PUBLISH, in bytes; raises what is wrong with the message."""
        packet_id = 1 if message.qos else None
        properties = message.properties if self._version == 5 else EMPTY
        return len(
            encode_publish(message, message.topic, False, packet_id, properties, self._version)
        )

    def _not_supported(self, message: Publish) -> LimitError:
        if message.qos > self._maximum_qos:
            rule = f"the server takes no QoS above {self._maximum_qos}: publish at that"
            return LimitError(rule, Statement("5.0", "MQTT-3.2.2-11"))
        rule = "the server keeps no messages: publish without retain"
        return LimitError(rule, Statement("5.0", "MQTT-3.2.2-14"))

    def _enqueue(self, message: Publish, after: int) -> Delivery:
        """Let a message wait for a connection, or for the messages before it."""
        session = self._session
        if self._state == CLOSED:
            raise LocalProtocolError("the connection is over: publish on the next one")
        if self._role is Sender.SERVER and self._state != CONNECTED:
            # Until then nobody knows which session it is for.
            raise LocalProtocolError("there is no client yet: publish when it is accepted")
        if message.properties is not EMPTY:
            self._check_properties(message)
        if self._size_of(message) > self._peer_max:
            return self._oversized(message)
        qos: int = message.qos
        delivery = Delivery(message, expires_at=deadline_of(message, self._now), after=after)
        if qos and session.logged:
            self._check_backlog(message)
        try:
            given_up = session.let_wait(delivery, self._now)
        except QueueFullError:
            self._starve(message)
            raise
        for dropped in given_up:
            reason = self._why_given_up(dropped)
            if reason is DropReason.QUEUE_FULL:
                self._starve(dropped.message)
            self._events.append(PublishDropped(dropped, reason))
        return delivery

    def _why_given_up(self, delivery: Delivery) -> DropReason:
        """Why a message does not wait, or not any more."""
        if not delivery.message.qos and self._session.queue.limits.qos_0 is Qos0.DROP:
            return DropReason.NOT_CONNECTED
        if delivery.expires_at <= self._now:
            return DropReason.EXPIRED
        return DropReason.QUEUE_FULL

    def _check_backlog(self, message: Publish) -> None:
        try:
            self._session.check_backlog(self._max_uncommitted)
        except QueueFullError:
            self._starve(message)
            raise

    def _starve(self, message: Publish) -> None:
        """A message has found no room."""
        size = message_size(message)
        self._starved = min(size, self._starved or size)

    def _tell_capacity(self) -> None:
        """Tell that a message would be taken now which was not."""
        if self._has_room(self._starved):
            self._starved = 0
            self._events.append(CapacityAvailable())

    def _has_room(self, size: int) -> bool:
        session = self._session
        journal = session.journal
        if journal is not None and session.logged and journal.uncommitted >= self._max_uncommitted:
            return False
        return session.queue.has_room(size) or (self._state == CONNECTED and self._may_send())

    def _pump(self) -> None:
        """Send what waits, as far as the peer takes it (5.0 section 4.9)."""
        session = self._session
        while self._in_flight < self._window:
            replay = self._replay
            if replay is not None:
                delivery: Delivery = replay.popleft()
                if not replay:
                    self._replay = None
                # What was answered meanwhile does not wait any more.
                if delivery.waiting:
                    self._send_again(delivery)
            elif len(session.outbound) < MOST_PACKET_IDS and session.queue.waiting:
                self._send_queued(session.queue.pop())
            else:
                break
        if self._starved:
            self._tell_capacity()

    def _send_queued(self, delivery: Delivery) -> None:
        """Send a message that has left the queue, or drop it."""
        reason = self._why_not(delivery)
        data = None
        session = self._session
        packet_id = session.outbound.next()
        if reason is None:
            data = self._encode_message(delivery.message, packet_id, False, delivery.expires_at)
            if data is None:
                reason = DropReason.TOO_LARGE
        if data is None or reason is not None:
            assert reason is not None
            session.note_dropped(delivery)
            self._events.append(PublishDropped(delivery, reason))
            return
        self._transmit(delivery, packet_id, data, True, delivery.after)

    def _why_not(self, delivery: Delivery) -> DropReason | None:
        """Why a message must not be sent now, if there is a reason."""
        if delivery.expires_at <= self._now and not delivery.state:
            return DropReason.EXPIRED
        if delivery.message.qos > self._maximum_qos:
            return DropReason.QOS_NOT_SUPPORTED
        if delivery.message.retain and not self._retain_available:
            return DropReason.RETAIN_NOT_SUPPORTED
        return None

    def _send_queued_qos_0(self) -> None:
        """Send the QoS 0 messages that have waited for a connection."""
        delivery = self._session.queue.pop_qos_0()
        while delivery is not None:
            reason = self._why_not(delivery)
            if reason is None:
                data = self._encode_message(delivery.message, None, False, delivery.expires_at)
                if data is None:
                    reason = DropReason.TOO_LARGE
                else:
                    self._write_after(data, delivery.after)
            if reason is None:
                self._events.append(PublishCompleted(delivery))
            else:
                self._events.append(PublishDropped(delivery, reason))
            delivery = self._session.queue.pop_qos_0()

    # Resuming.

    def _begin_replay(self) -> None:
        """Send again what was in flight (5.0: MQTT-4.4.0-1): every PUBREL now, because nothing
        holds them back, and the PUBLISHes in their order as far as the peer takes them.
        """
        waiting: deque[Delivery] = deque()
        for delivery in self._session.deliveries:
            if delivery.state == OutboundState.AWAITS_PUBCOMP:
                self._in_flight += 1
                self._write_after(
                    short_answer(0x6202, delivery.packet_id), self._session.last_change
                )
            else:
                delivery.waiting = True
                waiting.append(delivery)
        self._replay = waiting or None

    def _send_again(self, delivery: Delivery) -> None:
        """Send a PUBLISH once more, with DUP set (MQTT-3.3.1-1)."""
        delivery.waiting = False
        reason = self._why_not(delivery)
        data = None
        if reason is None:
            data = self._encode_message(
                delivery.message, delivery.packet_id, True, delivery.expires_at
            )
        if data is None:
            self._abandon(delivery, DropReason.TOO_LARGE if reason is None else reason)
            return
        self._in_flight += 1
        if delivery.state == _AWAITS_PUBREC:
            self._write_after(data, self._session.last_change)
        else:
            self._write(data)

    def _abandon(self, delivery: Delivery, reason: DropReason) -> None:
        """Give up a message in flight that this peer does not take any more."""
        self._events.append(PublishDropped(delivery, reason))
        if delivery.state == _AWAITS_PUBACK:
            self._session.complete(delivery)
            return
        # The peer may have recorded the identifier: used again for another message it would make
        # that one a duplicate. PUBREL ends the exchange on both sides, whatever the peer knows.
        delivery.abandoned = True
        change = self._session.release(delivery)
        self._in_flight += 1
        self._write_after(short_answer(0x6202, delivery.packet_id), change)

    def _negotiated(self, limits: NegotiatedLimits, receive_maximum: int, aliases: int) -> None:
        """Put the limits into force.

        :param receive_maximum: this end's own.
        :param aliases: this end's own Topic Alias Maximum.
        """
        self._limits = limits
        self._peer_max = limits.maximum_packet_size
        self._window = min(limits.receive_maximum, self._max_in_flight)
        if self._role is Sender.CLIENT:
            self._maximum_qos = limits.maximum_qos
            self._retain_available = limits.retain_available
        self._receive_maximum = receive_maximum
        self._inbound_aliases = InboundAliases(aliases)
        most = min(limits.topic_alias_maximum, self._max_topic_aliases)
        if most:
            self._aliases = OutboundAliases(most)

    def _go_live(self, resumed: bool, expiry_interval: int) -> None:
        """CONNACK has let this connection work on its session."""
        session = self._session
        self._live = True
        if resumed:
            session.resume(expiry_interval)
        else:
            # What a server has put into a new session is meant for it.
            keep_queue = self._role is Sender.CLIENT or not session.established
            self._tell_lost(session.start(expiry_interval, keep_queue))

    def _start_sending(self, resumed: bool) -> None:
        if resumed:
            self._begin_replay()
        self._send_queued_qos_0()
        self._pump()
