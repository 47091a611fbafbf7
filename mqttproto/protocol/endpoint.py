"""What every connection has, whatever it carries: a state, an output, events, and an end."""

import logging
from itertools import count
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.faults import Fault, packet_error
from mqttproto.codec.packet import Packet
from mqttproto.codec.wire import BYTES
from mqttproto.constants import MAX_PACKET_SIZE, PacketType, ProtocolVersion, ReasonCode, Sender
from mqttproto.errors import PacketError, PacketTooLargeError, Statement
from mqttproto.protocol.delivery import Delivery
from mqttproto.protocol.events import (
    ConnectionFailed,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    PublishDropped,
)
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.output import Output
from mqttproto.protocol.session import Session, SessionHolder
from mqttproto.protocol.transitions import LIFE, ConnectionState, Trigger

__all__ = ["CLOSED", "CONNECTED", "CONNECTING", "NEW", "Endpoint", "short_answer"]

_log: Final = logging.getLogger("mqttproto")

_numbers: Final = count(1)
"""Every connection has a number of its own, so that what belongs to one is never taken for
another's. Drawing from it is atomic."""

_HEADS: Final[list[list[bytes]]] = [
    [bytes((first, 2, high)) for high in range(256)] for first in (0x40, 0x50, 0x62, 0x70)
]
"""What an acknowledgement begins with, by its kind and the upper half of its identifier."""

# The states as literals, which compiled code compares without a look-up.
NEW: Final = 0
CONNECTING: Final = 1
CONNECTED: Final = 2
CLOSED: Final = 3

_MAY_EXPLAIN: Final[frozenset[int]] = frozenset({PacketType.CONNACK, PacketType.DISCONNECT})
"""The packets, beside PUBLISH, that may have a Reason String and User Properties even where no
problem information is wanted (5.0: MQTT-3.1.2-29)."""


class Endpoint(SessionHolder):
    """One end of a network connection, as far as it knows neither messages nor roles."""

    __slots__ = (
        "_connect_deadline",
        "_decoder",
        "_events",
        "_explain",
        "_last_received",
        "_last_sent",
        "_leniency",
        "_limits",
        "_live",
        "_may_expire_later",
        "_now",
        "_output",
        "_peer_max",
        "_role",
        "_session",
        "_state",
        "_version",
        "number",
    )

    def __init__(
        self, role: Sender, version: int, session: Session, decoder: Decoder, leniency: Leniency
    ) -> None:
        if not isinstance(leniency, Leniency):
            raise TypeError(f"leniency: a Leniency is needed, not {type(leniency).__name__}")
        self.number: Final[int] = next(_numbers)
        self._role: Sender = role
        self._version: int = version
        self._state: int = NEW
        self._decoder: Decoder = decoder
        self._output: Output = Output()
        self._events: list[Event] = []
        self._now: float = 0.0
        self._session: Session = session
        # Whether CONNACK has let this connection work on its session.
        self._live: bool = False
        self._leniency: Leniency = leniency
        # What the peer takes, once it is known; what hot paths ask stands apart.
        self._limits: NegotiatedLimits | None = None
        self._peer_max: int = MAX_PACKET_SIZE
        # Whether Reason Strings and User Properties are wanted by the client.
        self._explain: bool = True
        # Whether DISCONNECT may give the session a longer life (5.0 section 3.14.2.2.2).
        self._may_expire_later: bool = False
        self._connect_deadline: float = float("inf")
        self._last_received: float = 0.0
        self._last_sent: float = 0.0

    @property
    def version(self) -> ProtocolVersion | None:
        """The protocol version; None on a server that has not seen CONNECT."""
        return ProtocolVersion(self._version) if self._version else None

    @property
    def state(self) -> ConnectionState:
        """Where in its life the connection is."""
        return ConnectionState(self._state)

    @property
    def session(self) -> Session:
        """The session that it works on."""
        return self._session

    @property
    def limits(self) -> NegotiatedLimits | None:
        """What may be sent; None before CONNACK."""
        return self._limits

    def close_expected(self) -> bool:
        """Whether the network connection is to be closed once what was put out is sent.

        It turns true when the connection is over and :meth:`data_to_send` has given out all.
        """
        return self._state == CLOSED and not self._output

    def data_to_send(self) -> bytes:
        """The bytes to send now, each once, in order; empty if there are none.

        What depends on changes that are not committed is held back, with all that is behind it.
        """
        journal = self._session.journal
        if journal is not None:
            # Another connection may have taken and committed what this one waits for.
            self._output.release(journal.committed)
        return self._output.take()

    def take_events(self) -> list[Event]:
        """The events that calls which do not return any have left."""
        events = self._events
        if not events:
            # Not the own list: it would tell later events to whoever has kept it.
            return []
        self._events = []
        return events

    # What the roles fill in.

    def _farewell(self, error: PacketError) -> None:
        """Tell the peer what was wrong, where the version allows it."""
        raise NotImplementedError

    def _has_will(self) -> bool:
        """Whether the end of the connection publishes a will."""
        raise NotImplementedError

    # Output.

    def _write(self, data: bytes) -> None:
        output = self._output
        output.write(data)
        if not output.held_bytes:
            self._last_sent = self._now

    def _write_after(self, data: bytes, number: int) -> None:
        """Write what depends on the change with this number; 0: on none."""
        output = self._output
        if number:
            output.write_after(data, number)
        else:
            output.write(data)
        if not output.held_bytes:
            self._last_sent = self._now

    def _explained(self, packet: Packet) -> bytes:
        """Encode a packet, without its Reason String and User Properties where they are not
        wanted, or make it too large (5.0: MQTT-3.1.2-29, MQTT-3.4.2-2 and its like).

        :raises PacketTooLargeError: if it is too large even so.
        """
        data = packet.encode(self._version)
        wanted = self._explain or packet.packet_type in _MAY_EXPLAIN
        if (wanted or self._role is Sender.CLIENT) and len(data) <= self._peer_max:
            return data
        data = _plainer(packet).encode(self._version)
        if len(data) > self._peer_max:
            raise self._too_large(len(data))
        return data

    def _checked_size(self, data: bytes) -> bytes:
        if len(data) > self._peer_max:
            raise self._too_large(len(data))
        return data

    def _too_large(self, size: int) -> PacketTooLargeError:
        id = "MQTT-3.1.2-24" if self._role is Sender.SERVER else "MQTT-3.2.2-15"
        return PacketTooLargeError(
            "packet",
            f"{size} bytes are more than the peer takes, which is {self._peer_max}",
            Statement("5.0", id),
        )

    # The end.

    def _move(self, trigger: Trigger) -> None:
        state = ConnectionState(self._state)
        following = LIFE[state, trigger]
        self._state = int(following)
        _log.debug(
            "connection %d (%s): %s, %s -> %s",
            self.number,
            self._role.value,
            trigger.name,
            state.name,
            following.name,
        )

    def _fail_here(self, fault: Fault, packet: int = 0) -> None:
        """Fail because of the packet at hand; :meth:`_locate_failure` says later where it is."""
        self._fail_at(fault, 0, packet)

    def _fail_at(self, fault: Fault, offset: int, packet: int = 0) -> None:
        self._fail(packet_error(fault, offset, self._version, self._peer, packet))

    def _fail(self, error: PacketError) -> None:
        _log.info("connection %d (%s) failed: %s", self.number, self._role.value, error)
        self._farewell(error)
        self._end(Trigger.FAULT)
        self._events.append(ConnectionFailed(error, self._has_will()))

    def _locate_failure(self, index: int) -> None:
        """Give a failure the offset of the packet that caused it, now that it is needed."""
        events = self._events
        last = events[-1] if events else None
        if isinstance(last, ConnectionFailed):
            error = last.error
            offset = self._decoder.offsets[index]
            located = type(error)(
                error.rule,
                reason_code=error.reason_code,
                offset=offset,
                statement=error.statement,
                fault=error.fault,
            )
            events[-1] = ConnectionFailed(located, last.publish_will)

    @property
    def _peer(self) -> Sender:
        return Sender.SERVER if self._role is Sender.CLIENT else Sender.CLIENT

    def _lost(self) -> None:
        self._end(Trigger.LOST)
        code = ReasonCode.UNSPECIFIED_ERROR
        self._events.append(Disconnected(Initiator.NETWORK, code, EMPTY, self._has_will()))

    def _end(self, trigger: Trigger, expiry_interval: int | None = None) -> None:
        """Close, and leave the session to the next connection.

        :param expiry_interval: what DISCONNECT has made of it.
        """
        self._move(trigger)
        session = self._session
        if session.connection is self:
            session.connection = None
        if not self._live:
            return
        self._live = False
        interval = session.expiry_interval if expiry_interval is None else expiry_interval
        self._tell_lost(session.suspend(self._now, interval, self._role is Sender.CLIENT))

    def _tell_lost(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._events.append(PublishDropped(delivery, DropReason.SESSION_ENDED))

    def _attach(self, session: Session) -> None:
        """Take a session over, from the connection that has it."""
        self._session = session
        holder = session.connection
        if holder is not None and holder is not self:
            holder.detach(self._now)
        session.connection = self


def short_answer(kind: int, packet_id: int) -> bytes:
    """An acknowledgement without reason code: its first byte, the length 2, the identifier."""
    return _HEADS[kind >> 12 & 3][packet_id >> 8] + BYTES[packet_id & 0xFF]


def _plainer(packet: Packet) -> Packet:
    """A copy without Reason String and User Properties."""
    values = [getattr(packet, name) for name in packet.FIELDS]
    return type(packet)(
        *(
            each.without_problem_information() if isinstance(each, Properties) else each
            for each in values
        )
    )
