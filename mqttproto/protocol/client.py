"""The client's end of a connection."""

from collections.abc import Iterable
from typing import Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect, PingReq, PingResp
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.faults import FAULTS, Fault, refusal, statement
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish
from mqttproto.codec.reasons import as_reason_code, reason_allowed
from mqttproto.codec.scanner import FrameTable
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import (
    MAX_PACKET_SIZE,
    PacketType,
    ProtocolVersion,
    ReasonCode,
    Sender,
)
from mqttproto.errors import (
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    PacketError,
    PacketTooLargeError,
    Statement,
)
from mqttproto.protocol.authentication import AuthenticationState
from mqttproto.protocol.connection import Connection
from mqttproto.protocol.delivery import Delivery, Request
from mqttproto.protocol.events import (
    Connected,
    ConnectionRefused,
    Disconnected,
    Event,
    Initiator,
    PingAnswered,
    Subscribed,
    Unsubscribed,
)
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.limits import limits_of_connack, session_expiry, subscription_fault
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.session import Session
from mqttproto.protocol.transitions import ConnectionState, Reaction, Trigger

__all__ = ["ClientConnection"]

_NEVER: Final = float("inf")
_LARGEST_ANSWER: Final = 5
"""The bytes of an acknowledgement with a reason code: a server that takes none so large cannot be
talked to.
"""
_EXPLAINED: Final[frozenset[int]] = frozenset(
    {
        PacketType.PUBACK,
        PacketType.PUBREC,
        PacketType.PUBREL,
        PacketType.PUBCOMP,
        PacketType.SUBACK,
        PacketType.UNSUBACK,
        PacketType.AUTH,
    }
)
"""What must have no Reason String and no User Properties where none are wanted."""


@final
class ClientConnection(Connection):
    """One network connection of a client.

    :param session: the session to work on; a new one, which ends with the connection, if None.
        Give each connection to the same server the same session, and messages in flight survive
        the cut between them.
    :param version: the protocol version to speak, 3, 4 or 5.
    :param manual_acknowledgement: whether the application acknowledges messages of QoS 1 and 2
        with :meth:`acknowledge`. If not, they are as they are returned.
    :param max_packet_size: the most bytes of a packet that is taken, 1 to 268,435,460. In 5.0
        CONNECT tells the server, if this or its property is set; before, a larger packet fails
        the connection.
    :param max_in_flight: how many messages of QoS 1 and 2 to send before one is acknowledged, 1 to
        65,535; the server may allow fewer (5.0 section 4.9).
    :param max_topic_aliases: how many Topic Aliases to use, 0 (none) to 65,535; the server may
        allow fewer (5.0: MQTT-3.2.2-17).
    :param connect_timeout: seconds from CONNECT to CONNACK.
    :param ping_timeout: seconds from PINGREQ to PINGRESP.
    :param max_uncommitted: how many changes may wait to be stored, 1 and up; beyond, publishing is
        refused.
    :param max_held: how many bytes may wait for changes to be stored, 1 and up; beyond, reading is
        to pause.
    :param leniency: what to let pass.
    :param table: the frame table to scan with, to be shared by the connections of one loop; by
        default one is borrowed for the time of each call.
    :raises ValueError: if an argument is out of its range.
    """

    __slots__ = (
        "_connect",
        "_connect_timeout",
        "_keep_alive",
        "_max_packet_size",
        "_ping_due",
        "_ping_sent",
        "_ping_timeout",
    )

    def __init__(
        self,
        session: Session | None = None,
        *,
        version: ProtocolVersion | int = ProtocolVersion.MQTT5,
        manual_acknowledgement: bool = False,
        max_packet_size: int = MAX_PACKET_SIZE,
        max_in_flight: int = MOST_PACKET_IDS,
        max_topic_aliases: int = 0,
        connect_timeout: float = 30.0,
        ping_timeout: float = 30.0,
        max_uncommitted: int = 10_000,
        max_held: int = 1 << 20,
        leniency: Leniency = Leniency.NONE,
        table: FrameTable | None = None,
    ) -> None:
        if connect_timeout <= 0 or ping_timeout <= 0:
            raise ValueError("connect_timeout and ping_timeout must be more than 0 seconds")
        spoken = int(ProtocolVersion(version))
        super().__init__(
            Sender.CLIENT,
            spoken,
            Session() if session is None else session,
            Decoder(spoken, max_packet_size, sender=Sender.SERVER, table=table),
            leniency,
            manual_acknowledgement,
            max_in_flight,
            max_topic_aliases,
            max_uncommitted,
            max_held,
        )
        self._max_packet_size: int = max_packet_size
        # The CONNECT, with its password and its will, is kept until it is answered.
        self._connect: Connect | None = None
        self._connect_timeout: float = connect_timeout
        self._keep_alive: float = _NEVER
        self._ping_timeout: float = ping_timeout
        # When a PINGREQ was sent that is not answered, and until when it is to be; -1: there is
        # none.
        self._ping_sent: float = -1.0
        self._ping_due: float = _NEVER

    # Connecting.

    def connect(self, connect: Connect, *, now: float) -> None:
        """Send CONNECT.

        Its properties say what this end takes: Receive Maximum, Maximum Packet Size, Topic Alias
        Maximum. An Authentication Method begins enhanced authentication (5.0 section 4.12).

        :param connect: the packet; its client identifier must be that of the session, unless one
            of the two is empty. In 5.0 a session that has expired begins anew whatever it says.
        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if CONNECT was sent already (MQTT-3.1.0-2).
        :raises InvalidValueError: if the specification forbids to send this.
        """
        if not isinstance(connect, Connect):
            raise TypeError(f"connect: a Connect is needed, not {type(connect).__name__}")
        self._now = now
        if self._state != ConnectionState.NEW:
            raise LocalProtocolError(
                "CONNECT is sent once on a connection: make a new one",
                Statement("5.0", "MQTT-3.1.0-2"),
            )
        session = self._session
        if session.client_id and connect.client_id and session.client_id != connect.client_id:
            raise InvalidValueError(
                "Connect.client_id",
                f"the session is that of {session.client_id!r}, not of {connect.client_id!r}",
                Statement("5.0", "MQTT-3.1.3-2"),
            )
        expired = session.expired(now)
        anew = expired and self._version == 5
        connect = self._with_own_size(_fitted(connect, session.client_id, anew))
        data = connect.encode(self._version)
        properties = connect.properties
        if properties.maximum_packet_size is not None:
            most = min(self._max_packet_size, properties.maximum_packet_size)
            self._decoder.max_packet_size = most
        self._attach(session)
        session.client_id = connect.client_id
        if expired:
            self._tell_lost(session.expire())
        self._connect = connect
        self._explain = properties.request_problem_information is not False
        self._may_expire_later = session_expiry(connect, self._version) > 0
        if properties.authentication_method is not None:
            self._method = properties.authentication_method
            self._authentication = AuthenticationState.SERVERS_TURN
        self._connect_deadline = now + self._connect_timeout
        self._last_received = now
        self._move(Trigger.CONNECT)
        self._write(data)

    def _with_own_size(self, connect: Connect) -> Connect:
        """CONNECT, with the Maximum Packet Size of this connection if it has a smaller one."""
        own = self._max_packet_size
        if self._version != 5 or own == MAX_PACKET_SIZE:
            return connect
        asked = connect.properties.maximum_packet_size
        if asked is not None and asked <= own:
            return connect
        values = [getattr(connect, name) for name in connect.FIELDS]
        values[-1] = connect.properties.replace(maximum_packet_size=own)
        return Connect(*values)

    def _receive(self, reaction: Reaction, packet: Packet) -> None:
        if reaction == Reaction.CONNACK:
            assert isinstance(packet, ConnAck)
            self._receive_connack(packet)
        elif reaction == Reaction.SUBACK:
            assert isinstance(packet, SubAck)
            self._receive_suback(packet)
        elif reaction == Reaction.UNSUBACK:
            assert isinstance(packet, UnsubAck)
            self._receive_unsuback(packet)
        else:
            assert reaction == Reaction.PINGRESP
            assert isinstance(packet, PingResp)
            self._receive_pingresp()

    def _receive_connack(self, connack: ConnAck) -> None:
        connect = self._connect
        assert connect is not None
        properties = connack.properties
        self._connect = None
        self._connect_deadline = _NEVER
        if connack.reason_code:
            self._end(Trigger.REFUSED)
            self._events.append(ConnectionRefused(connack.reason_code, properties))
            return
        session = self._session
        # It holds for a farewell, too.
        self._peer_max = min(properties.maximum_packet_size or MAX_PACKET_SIZE, MAX_PACKET_SIZE)
        fault = self._connack_fault(connack, connect)
        if fault != Fault.NONE:
            self._fail_here(fault, PacketType.CONNACK)
            return
        if self._authentication != AuthenticationState.NONE:
            self._authentication = AuthenticationState.AUTHENTICATED
        if properties.assigned_client_identifier and not session.client_id:
            session.client_id = properties.assigned_client_identifier
        limits = limits_of_connack(connect, connack, self._version)
        own = connect.properties
        self._negotiated(
            limits,
            own.receive_maximum or MOST_PACKET_IDS,
            own.topic_alias_maximum or 0,
        )
        if limits.keep_alive:
            self._keep_alive = float(limits.keep_alive)
        # 3.1 does not tell whether there was a session: what this end has, it sends again.
        resumed = connack.session_present or (
            self._version == 3 and session.established and not connect.clean_start
        )
        self._move(Trigger.ACCEPTED)
        self._events.append(
            Connected(connack.session_present, session.client_id, limits, properties)
        )
        self._go_live(resumed, limits.session_expiry_interval)
        self._start_sending(resumed)

    def _connack_fault(self, connack: ConnAck, connect: Connect) -> Fault:
        """What is wrong with a CONNACK that accepts the connection."""
        properties = connack.properties
        if connack.session_present and connect.clean_start:
            return Fault.SESSION_PRESENT_CLEAN
        if (
            connack.session_present
            and self._version == 5
            and not self._session.established
            and Leniency.UNKNOWN_SESSION_PRESENT not in self._leniency
        ):
            return Fault.SESSION_PRESENT_UNKNOWN
        if (
            self._version == 5
            and not connect.client_id
            and not properties.assigned_client_identifier
            and Leniency.ASSIGNED_CLIENT_ID_MISSING not in self._leniency
        ):
            return Fault.ASSIGNED_CLIENT_ID_MISSING
        if properties.authentication_method != self._method:
            if self._method is None:
                return Fault.AUTH_WITHOUT_METHOD
            return Fault.AUTH_OTHER_METHOD
        if self._authentication == AuthenticationState.CLIENTS_TURN:
            return Fault.AUTH_OUT_OF_TURN
        if (properties.maximum_packet_size or MAX_PACKET_SIZE) < _LARGEST_ANSWER:
            return Fault.PACKET_TOO_LARGE
        return Fault.NONE

    def reauthenticate(
        self, data: bytes | None = None, properties: Properties = EMPTY, *, now: float
    ) -> None:
        """Begin re-authentication: send AUTH with reason code 0x19 (5.0: MQTT-4.12.1-1).

        Everything else goes on meanwhile. The server answers with AUTH: see
        :class:`~mqttproto.protocol.events.AuthenticationReceived`.

        :param data: the Authentication Data, up to 65,535 bytes.
        :param properties: Reason String and User Properties; the method is put in.
        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if CONNECT named no method, or CONNACK has not come, or a
            re-authentication is under way.
        """
        self._now = now
        self._send_auth(ReasonCode.RE_AUTHENTICATE, data, properties)

    # Subscribing.

    def subscribe(
        self,
        subscriptions: Subscription | Iterable[Subscription],
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> int:
        """Send SUBSCRIBE.

        :param subscriptions: one or more; at most what fits into a packet that the server takes.
        :param properties: Subscription Identifier and User Properties.
        :param now: seconds of a monotonic clock.
        :returns: the packet identifier; :class:`~mqttproto.protocol.events.Subscribed` names it.
        :raises LocalProtocolError: if there is no connection.
        :raises LimitError: if the server does not support what is asked for.
        :raises PacketIdsExhaustedError: if all packet identifiers are in use.
        :raises InvalidValueError: if the specification forbids to send this.
        """
        self._check_connected(now)
        wanted = (subscriptions,) if isinstance(subscriptions, Subscription) else subscriptions
        packet_id = self._session.outbound.next()
        packet = Subscribe(packet_id, wanted, properties)
        data = encode(packet, self._version)
        asked = tuple(packet.subscriptions)
        limits = self._limits
        assert limits is not None
        fault = subscription_fault(limits, packet)
        if fault != Fault.NONE:
            raise _limit_error(fault)
        data = self._checked_size(data)
        self._session.outbound.take(Request(packet_id, PacketType.SUBACK, asked))
        self._write(data)
        return packet_id

    def unsubscribe(
        self, topic_filters: str | Iterable[str], properties: Properties = EMPTY, *, now: float
    ) -> int:
        """Send UNSUBSCRIBE.

        :param topic_filters: one or more, each exactly as it was subscribed to.
        :param properties: User Properties.
        :param now: seconds of a monotonic clock.
        :returns: the packet identifier; :class:`~mqttproto.protocol.events.Unsubscribed` names it.
        :raises LocalProtocolError: if there is no connection.
        :raises PacketIdsExhaustedError: if all packet identifiers are in use.
        :raises InvalidValueError: if the specification forbids to send this.
        """
        self._check_connected(now)
        wanted = (topic_filters,) if isinstance(topic_filters, str) else tuple(topic_filters)
        packet_id = self._session.outbound.next()
        packet = Unsubscribe(packet_id, wanted, properties)
        data = self._checked_size(packet.encode(self._version))
        request = Request(packet_id, PacketType.UNSUBACK, topic_filters=wanted)
        self._session.outbound.take(request)
        self._write(data)
        return packet_id

    def _check_connected(self, now: float) -> None:
        self._now = now
        if self._state != ConnectionState.CONNECTED:
            raise LocalProtocolError("there is no connection: wait for the event Connected")

    def _request(self, packet_id: int, kind: PacketType) -> Request | None:
        exchange = self._session.outbound.get(packet_id)
        if isinstance(exchange, Request) and exchange.kind == kind:
            return exchange
        self._fail_here(Fault.ANSWER_TO_NOTHING, kind)
        return None

    def _receive_suback(self, packet: SubAck) -> None:
        request = self._request(packet.packet_id, PacketType.SUBACK)
        if request is None:
            return
        if len(packet.reason_codes) != len(request.subscriptions):
            self._fail_here(Fault.SUBACK_COUNT)
            return
        self._session.outbound.free(packet.packet_id)
        self._freed = True
        self._events.append(
            Subscribed(
                packet.packet_id, request.subscriptions, packet.reason_codes, packet.properties
            )
        )

    def _receive_unsuback(self, packet: UnsubAck) -> None:
        request = self._request(packet.packet_id, PacketType.UNSUBACK)
        if request is None:
            return
        if self._version == 5 and len(packet.reason_codes) != len(request.topic_filters):
            self._fail_here(Fault.UNSUBACK_COUNT)
            return
        self._session.outbound.free(packet.packet_id)
        self._freed = True
        self._events.append(
            Unsubscribed(
                packet.packet_id, request.topic_filters, packet.reason_codes, packet.properties
            )
        )

    # Signs of life.

    def ping(self, *, now: float) -> None:
        """Send PINGREQ now. Those that keep the connection alive are sent by
        :meth:`handle_timeout`.

        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if there is no connection.
        """
        self._check_connected(now)
        self._ping()

    def _ping(self) -> None:
        # An answer to the first one answers for all.
        if self._ping_sent < 0:
            self._ping_sent = self._now
            self._ping_due = self._now + self._ping_timeout
        self._output.write_now(PingReq().encode(self._version))
        self._last_sent = self._now

    def _receive_pingresp(self) -> None:
        if self._ping_sent >= 0:
            self._events.append(PingAnswered(self._now - self._ping_sent))
            self._ping_sent = -1.0

    def _keep_alive_deadline(self) -> float:
        if self._state != ConnectionState.CONNECTED:
            return _NEVER
        if self._ping_sent >= 0:
            return min(self._ping_due, self._last_sent + self._keep_alive)
        # To hear nothing for so long is as good a reason to ask as to have said nothing.
        return min(self._last_sent, self._last_received) + self._keep_alive

    def _keep_alive_due(self) -> None:
        if self._ping_sent >= 0 and self._now >= self._ping_due:
            if self.wants_read:
                self._fail_at(Fault.PING_UNANSWERED, self._decoder.offset)
                return
            # What the server answers meanwhile is not read: that is no fault of its own.
            self._ping_due = self._now + self._ping_timeout
        self._ping()

    def _connect_fault(self) -> Fault:
        return Fault.CONNACK_TIMEOUT

    # The end.

    def disconnect(
        self,
        reason_code: ReasonCode | int = ReasonCode.NORMAL_DISCONNECTION,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> list[Event]:
        """Send DISCONNECT, behind everything that is to be sent, and end the connection.

        Before CONNECT nothing is sent. Messages in flight in a session that ends with the
        connection are lost.

        :param reason_code: of 5.0. Only 0x00 removes the will (5.0: MQTT-3.14.4-3); 0x04 has it
            published.
        :param properties: Session Expiry Interval, Reason String and User Properties; of 5.0.
        :param now: seconds of a monotonic clock.
        :returns: the events up to the last one; none if the connection was over.
        :raises LocalProtocolError: if a Session Expiry Interval is given where CONNECT had none
            or 0 (5.0 section 3.14.2.2.2).
        :raises InvalidValueError: if a client must not send this.
        :raises PacketTooLargeError: if the server takes no packet so large (5.0: MQTT-3.2.2-15).
        """
        self._now = now
        code = as_reason_code("Disconnect.reason_code", reason_code)
        if self._state == ConnectionState.CLOSED:
            return self.take_events()
        expiry = properties.session_expiry_interval
        if expiry and not self._may_expire_later:
            raise LocalProtocolError(
                "CONNECT had no Session Expiry Interval: DISCONNECT must not give one",
                Statement("5.0", "section 3.14.2.2.2"),
            )
        if not reason_allowed(PacketType.DISCONNECT, code, Sender.CLIENT):
            raise InvalidValueError(
                "Disconnect.reason_code",
                f"a client must not send {code:#04x}",
                Statement("5.0", "MQTT-3.14.2-1"),
            )
        if properties.server_reference is not None:
            raise refusal("Disconnect.properties", Fault.SERVER_REFERENCE_FROM_CLIENT)
        data = self._explained(Disconnect(code, properties))
        if self._state != ConnectionState.NEW:
            self._write(data)
        self._end(Trigger.DISCONNECT, expiry)
        self._events.append(Disconnected(Initiator.LOCAL, code, properties))
        return self.take_events()

    def _end(self, trigger: Trigger, expiry_interval: int | None = None) -> None:
        if self._connect is not None:
            # There was no CONNACK. The server may have made a session, and its word was lost.
            self._session.established = True
        super()._end(trigger, expiry_interval)

    def detach(self, now: float) -> None:
        """Let go of the session, as if the network had failed."""
        self._now = now
        self._lost()

    def _receive_disconnect(self, packet: Disconnect) -> None:
        self._end(Trigger.DISCONNECT)
        self._events.append(Disconnected(Initiator.PEER, packet.reason_code, packet.properties))

    def _farewell(self, error: PacketError) -> None:
        # Before 5.0 a DISCONNECT would delete the will; without a CONNECT it would be the first.
        if self._version != 5 or self._state == ConnectionState.NEW:
            return
        code = error.reason_code
        if not reason_allowed(PacketType.DISCONNECT, code, Sender.CLIENT):
            code = ReasonCode.UNSPECIFIED_ERROR
        explanation = Properties(reason_string=error.rule)
        try:
            data = self._explained(Disconnect(code, explanation))
        except PacketTooLargeError:
            # The server sets the limit: that must not raise.
            return
        self._write(data)

    def _explains(self, packet: Packet) -> bool:
        if packet.packet_type not in _EXPLAINED:
            return False
        properties: Properties = getattr(packet, "properties")  # noqa: B009 - not of every packet
        return properties.reason_string is not None or bool(properties.user_properties)

    def _oversized(self, message: Publish) -> Delivery:
        raise self._too_large(self._size_of(message))

    def _has_will(self) -> bool:
        return False


def _limit_error(fault: Fault) -> LimitError:
    return LimitError(FAULTS[fault].rule, statement(fault, 5))


def _fitted(connect: Connect, client_id: str, anew: bool) -> Connect:
    """CONNECT with the session's client identifier if it has none, and with Clean Start if the
    session is over here: the server may think otherwise (5.0: MQTT-3.2.2-4).
    """
    if connect.client_id:
        client_id = connect.client_id
    if client_id == connect.client_id and (connect.clean_start or not anew):
        return connect
    _, clean_start, *values = [getattr(connect, name) for name in connect.FIELDS]
    return Connect(client_id, clean_start or anew, *values)
