"""The server's end of a connection."""

from collections.abc import Iterable
from typing import Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect, PingResp
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.faults import FAULTS, Fault, packet_error
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish
from mqttproto.codec.reasons import as_reason_code, reason_allowed
from mqttproto.codec.scanner import FrameTable
from mqttproto.codec.subscribe import Subscribe, Unsubscribe
from mqttproto.constants import (
    MAX_PACKET_SIZE,
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    ReasonCode,
    Sender,
)
from mqttproto.errors import (
    InvalidValueError,
    LocalProtocolError,
    PacketError,
    PacketTooLargeError,
    Statement,
)
from mqttproto.protocol.authentication import AuthenticationState
from mqttproto.protocol.connection import Connection
from mqttproto.protocol.delivery import Delivery, deadline_of
from mqttproto.protocol.endpoint import CLOSED
from mqttproto.protocol.events import (
    ConnectReceived,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    PublishDropped,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.protocol.greeting import (
    RETURN_CODES,
    check_acceptance,
    check_session,
    client_id_fault,
)
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.limits import (
    NegotiatedLimits,
    limits_of_connect,
    session_expiry,
    subscription_fault,
    will_fault,
)
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.requests import in_use, suback, unsuback
from mqttproto.protocol.session import Session
from mqttproto.protocol.transitions import ConnectionState, Reaction, Trigger

__all__ = ["ServerConnection"]

_NEVER: Final = float("inf")


@final
class ServerConnection(Connection):
    """One network connection of a server.

    Its owner decides about everything that a client asks for: it answers
    :class:`~mqttproto.protocol.events.ConnectReceived`, acknowledges every message of QoS 1 and 2
    (authorization comes first), and answers SUBSCRIBE and UNSUBSCRIBE.

    :param now: when the network connection was opened, seconds of a monotonic clock.
    :param versions: the protocol versions to accept, of 3, 4 and 5.
    :param max_packet_size: the most bytes of a packet that is taken, 1 to 268,435,460; a Maximum
        Packet Size given to :meth:`accept` may lower it.
    :param max_in_flight: how many messages of QoS 1 and 2 to send before one is acknowledged, 1 to
        65,535; the client may allow fewer (5.0 section 4.9).
    :param max_topic_aliases: how many Topic Aliases to use, 0 (none) to 65,535; the client may
        allow fewer (5.0: MQTT-3.1.2-26).
    :param connect_timeout: seconds from ``now`` to CONNECT, and for each step of the client in
        enhanced authentication.
    :param max_early_data: how many bytes behind a CONNECT that is not answered are kept, 0 and
        up. Bytes that came in one call with the CONNECT are not counted.
    :param max_uncommitted: how many changes may wait to be stored, 1 and up; beyond, publishing
        to a session that is stored is refused.
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
        "_greeting",
        "_half_closed",
        "_keep_alive",
        "_max_early_data",
        "_max_packet_size",
        "_requests",
        "_versions",
        "_will",
    )

    def __init__(
        self,
        *,
        now: float,
        versions: Iterable[ProtocolVersion | int] = tuple(ProtocolVersion),
        max_packet_size: int = MAX_PACKET_SIZE,
        max_in_flight: int = MOST_PACKET_IDS,
        max_topic_aliases: int = 0,
        connect_timeout: float = 10.0,
        max_early_data: int = 1 << 16,
        max_uncommitted: int = 10_000,
        max_held: int = 1 << 20,
        leniency: Leniency = Leniency.NONE,
        table: FrameTable | None = None,
    ) -> None:
        if connect_timeout <= 0 or max_early_data < 0:
            raise ValueError(
                "connect_timeout must be more than 0 seconds, max_early_data 0 or more"
            )
        super().__init__(
            Sender.SERVER,
            0,
            Session(),
            Decoder(None, max_packet_size, table=table, pause_after_connect=True),
            leniency,
            True,
            max_in_flight,
            max_topic_aliases,
            max_uncommitted,
            max_held,
        )
        self._max_packet_size: int = max_packet_size
        self._versions: frozenset[int] = frozenset(int(ProtocolVersion(each)) for each in versions)
        if not self._versions:
            raise ValueError("versions must name at least one")
        self._now = now
        # The CONNECT, with its password, is kept until it is answered.
        self._connect: Connect | None = None
        self._connect_timeout: float = connect_timeout
        self._connect_deadline = now + connect_timeout
        self._max_early_data: int = max_early_data
        self._keep_alive: float = _NEVER
        # The number of the change that CONNACK waits for.
        self._greeting: int = 0
        self._will: bool = False
        # Whether the client will send no more, and has still to hear whether it is accepted.
        self._half_closed: bool = False
        # SUBSCRIBE and UNSUBSCRIBE that are not answered, by packet identifier.
        self._requests: dict[int, Packet] = {}

    # Connecting.

    def _receive(self, reaction: Reaction, packet: Packet) -> None:
        if reaction == Reaction.CONNECT:
            assert isinstance(packet, Connect)
            self._receive_connect(packet)
        elif reaction == Reaction.SUBSCRIBE:
            assert isinstance(packet, Subscribe)
            self._receive_subscribe(packet)
        elif reaction == Reaction.UNSUBSCRIBE:
            assert isinstance(packet, Unsubscribe)
            if self._note_request(packet.packet_id, packet):
                self._events.append(UnsubscribeReceived(packet))
        else:
            assert reaction == Reaction.PINGREQ
            answer = PingResp().encode(self._version)
            if self._output.waits_for(self._greeting):
                # Nothing overtakes CONNACK (5.0: MQTT-3.2.0-1).
                self._write(answer)
            else:
                self._output.write_now(answer)

    def _receive_connect(self, connect: Connect) -> None:
        version = self._decoder.version
        assert version is not None
        if version not in self._versions:
            self._fail_here(Fault.PROTOCOL_LEVEL)
            return
        self._version = int(version)
        fault = client_id_fault(connect, version, self._leniency)
        if fault != Fault.NONE:
            self._fail_here(fault)
            return
        properties = connect.properties
        self._connect = connect
        self._explain = properties.request_problem_information is not False
        self._connect_deadline = _NEVER
        if properties.maximum_packet_size is not None:
            self._peer_max = min(properties.maximum_packet_size, MAX_PACKET_SIZE)
        self._may_expire_later = session_expiry(connect, version) > 0
        # What came in one call with the CONNECT is there already, and is not counted.
        self._max_early_data += self._decoder.buffered
        self._move(Trigger.CONNECT)
        self._events.append(ConnectReceived(connect, version, session_expiry(connect, version)))
        if properties.authentication_method is not None:
            self._method = properties.authentication_method
            self._authentication = AuthenticationState.SERVERS_TURN

    def _too_early(self, size: int) -> bool:
        if self._decoder.buffered + size <= self._max_early_data:
            return False
        self._fail_at(Fault.EARLY_DATA, self._decoder.offset)
        return True

    def _pending(self) -> Connect:
        """The CONNECT that is to be answered.

        :raises LocalProtocolError: if there is none.
        """
        connect = self._connect
        if connect is None or self._state != ConnectionState.CONNECTING:
            raise LocalProtocolError(
                "there is no CONNECT to answer: it has not come, or was answered, or the"
                " connection is over",
                Statement("5.0", "MQTT-3.2.0-2"),
            )
        return connect

    def accept(
        self,
        session: Session | None = None,
        *,
        session_present: bool = False,
        properties: Properties = EMPTY,
        now: float,
    ) -> list[Event]:
        """Accept the connection: send CONNACK, then what the session has to send.

        If a new session is noted in a journal, CONNACK waits until that is stored.

        :param session: the session to work on; a new one if None. If another connection has it,
            that one is disconnected (5.0: MQTT-3.1.4-3).
        :param session_present: whether the session is resumed (5.0: MQTT-3.2.2-3). If not, what
            was in flight in it is discarded (MQTT-3.1.2-4).
        :param properties: those of CONNACK, which tell the client what this end takes: Receive
            Maximum, Maximum Packet Size, Topic Alias Maximum, Maximum QoS, Retain Available and
            the others are then held to. The Authentication Method is put in. Before 5.0 there are
            none, and these are ignored.
        :param now: seconds of a monotonic clock.
        :returns: the events, with those of what the client has sent behind its CONNECT. If the
            client's will is beyond what the properties announce, the connection is refused (5.0:
            MQTT-3.2.2-12, MQTT-3.2.2-13) and has failed.
        :raises LocalProtocolError: if there is no CONNECT to answer, or it is the client's turn to
            authenticate, or a session is to be resumed that must not be (5.0: MQTT-3.2.2-2), or
            the client needs an identifier and gets none (5.0: MQTT-3.2.2-16).
        :raises InvalidValueError: if CONNACK must not have these properties.
        """
        self._now = now
        connect = self._pending()
        if self._version != 5:
            properties = EMPTY
        if self._authentication == AuthenticationState.CLIENTS_TURN:
            raise LocalProtocolError(
                "it is the client's turn to authenticate", Statement("5.0", "section 4.12")
            )
        check_acceptance(connect, self._version, properties)
        check_session(connect, self._version, session, session_present, properties, now)
        fault = will_fault(connect, properties)
        if fault != Fault.NONE:
            self._fail_at(fault, 0)
            return self.take_events()
        data = self._connack(connect, session_present and self._version != 3, properties)
        if data is None:
            self._fail_too_large()
            return self.take_events()
        limits = limits_of_connect(connect, properties, self._version)
        if session is None:
            session = Session()
        journal = session.journal
        before = 0 if journal is None else journal.last
        self._attach(session)
        assigned = properties.assigned_client_identifier
        session.client_id = assigned or connect.client_id or session.client_id
        self._connect = None
        if self._authentication != AuthenticationState.NONE:
            self._authentication = AuthenticationState.AUTHENTICATED
        self._will = connect.will is not None
        self._connect_deadline = _NEVER
        self._hold_to(limits, properties)
        self._move(Trigger.ACCEPTED)
        self._go_live(session_present, limits.session_expiry_interval)
        # A client that was told of a new session must never meet the old one again, as after a
        # crash: its identifiers would be taken for others.
        if journal is not None and not session_present and journal.last > before:
            self._greeting = journal.last
        self._write_after(data, self._greeting)
        self._start_sending(session_present)
        self._last_received = now
        self._process(self._decoder.resume())
        if self._half_closed and self._state != CLOSED:
            self._lost()
        return self.take_events()

    def receive_eof(self, now: float) -> list[Event]:
        """The client will send no more. What is left to send may still reach it.

        Where its CONNECT waits for an answer, that is no end yet: what it has sent behind it counts
        (5.0 section 3.1.4), and the event follows when it is accepted.

        :param now: seconds of a monotonic clock.
        """
        if self._connect is None or self._authentication == AuthenticationState.CLIENTS_TURN:
            return super().receive_eof(now)
        self._now = now
        self._half_closed = True
        return self.take_events()

    def _connack(
        self, connect: Connect, session_present: bool, properties: Properties
    ) -> bytes | None:
        """The CONNACK; None if the client takes none so large, however plain."""
        if self._method is not None:
            properties = properties.replace(authentication_method=self._method)
        wanted = connect.properties.request_response_information
        if not wanted and properties.response_information is not None:
            properties = properties.replace(response_information=None)
        try:
            return self._explained(ConnAck(session_present, ReasonCode.SUCCESS, properties))
        except PacketTooLargeError:
            return None

    def _hold_to(self, limits: NegotiatedLimits, announced: Properties) -> None:
        """Put into force what both ends have announced."""
        self._negotiated(
            limits,
            announced.receive_maximum or MOST_PACKET_IDS,
            announced.topic_alias_maximum or 0,
        )
        self._restricted = limits.maximum_qos < 2 or not limits.retain_available
        if announced.maximum_packet_size is not None:
            most = min(self._max_packet_size, announced.maximum_packet_size)
            self._decoder.max_packet_size = most
        if limits.keep_alive:
            self._keep_alive = 1.5 * limits.keep_alive

    def refuse(
        self,
        reason_code: ReasonCode | int,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> None:
        """Refuse the connection: send CONNACK with a failure, and end it.

        What the client has sent behind its CONNECT is not read (5.0: MQTT-3.1.4-6).

        :param reason_code: 0x80 and above, one of CONNACK (5.0 section 3.2.2.2). Before 5.0 it is
            translated; where there is no word for it nothing is sent (3.1.1: MQTT-3.2.2-6), as
            where the client takes no packet so large (5.0: MQTT-3.1.2-24).
        :param properties: Reason String, Server Reference and User Properties; of 5.0, ignored
            before.
        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if there is no CONNECT to answer.
        :raises InvalidValueError: if this is no failure, or not one of CONNACK.
        """
        self._now = now
        self._pending()
        code = as_reason_code("ConnAck.reason_code", reason_code)
        if not code.is_failure or not reason_allowed(PacketType.CONNACK, code):
            raise InvalidValueError(
                "ConnAck.reason_code",
                f"{code:#04x} does not refuse a connection",
                Statement("5.0", "MQTT-3.2.2-8"),
            )
        data = b""
        if self._version == 5:
            data = self._short_farewell(ConnAck(False, code, properties))
        elif code in RETURN_CODES:
            data = ConnAck(False, RETURN_CODES[code]).encode(self._version)
        self._connect = None
        if data:
            self._write(data)
        self._end(Trigger.REFUSED)

    # Receiving.

    def _check_message(self, message: Publish) -> Fault:
        limits = self._limits
        assert limits is not None
        if message.qos > limits.maximum_qos:
            return Fault.QOS_NOT_SUPPORTED
        if message.retain and not limits.retain_available:
            return Fault.RETAIN_NOT_SUPPORTED
        return Fault.NONE

    def _receive_subscribe(self, packet: Subscribe) -> None:
        limits = self._limits
        assert limits is not None
        fault = subscription_fault(limits, packet)
        if fault != Fault.NONE:
            self._fail_here(fault)
        elif self._note_request(packet.packet_id, packet):
            self._events.append(SubscribeReceived(packet))

    def _note_request(self, packet_id: int, packet: Subscribe | Unsubscribe) -> bool:
        """Take down a request that is to be answered; False if its identifier is in use."""
        if packet_id in self._requests:
            self._fail_here(Fault.PACKET_ID_IN_USE)
            return False
        if self._version == 5 and packet_id in self._session.received:
            # A client that has lost its memory, and not its session, may do so: it is told, as
            # for a PUBLISH, and will use another. Before 5.0 there is no word for it.
            self._write_answer(in_use(packet), 0)
            return False
        self._requests[packet_id] = packet
        return True

    def answer_subscribe(
        self,
        packet: Subscribe,
        reason_codes: Iterable[ReasonCode | int],
        properties: Properties = EMPTY,
        *,
        now: float,
        after: int = 0,
    ) -> None:
        """Send SUBACK (MQTT-3.8.4-1).

        Messages that match may be published before (section 3.8.4). If the client takes no packet
        so large, the connection fails (5.0: MQTT-3.1.2-24).

        :param packet: the SUBSCRIBE of the event.
        :param reason_codes: for each subscription, in their order: the granted QoS, or a failure;
            in 3.1.1 each failure becomes 0x80, and 3.1 has no word for one.
        :param properties: Reason String and User Properties; of 5.0, ignored before.
        :param now: seconds of a monotonic clock.
        :param after: the number of a change that the answer must wait for.
        :raises LocalProtocolError: if it was answered already, or the connection is over.
        :raises InvalidValueError: if the codes are too few or many, or none of SUBACK.
        """
        self._check_request(packet.packet_id, packet, now)
        answer = suback(packet, self._version, reason_codes, properties)
        self._answer(packet.packet_id, answer, after)

    def answer_unsubscribe(
        self,
        packet: Unsubscribe,
        reason_codes: Iterable[ReasonCode | int],
        properties: Properties = EMPTY,
        *,
        now: float,
        after: int = 0,
    ) -> None:
        """Send UNSUBACK (MQTT-3.10.4-4). If the client takes no packet so large, the connection
        fails (5.0: MQTT-3.1.2-24).

        :param packet: the UNSUBSCRIBE of the event.
        :param reason_codes: for each topic filter, in their order; before 5.0 not sent.
        :param properties: Reason String and User Properties; of 5.0, ignored before.
        :param now: seconds of a monotonic clock.
        :param after: the number of a change that the answer must wait for.
        :raises LocalProtocolError: if it was answered already, or the connection is over.
        :raises InvalidValueError: if the codes are too few or many, or none of UNSUBACK.
        """
        self._check_request(packet.packet_id, packet, now)
        answer = unsuback(packet, self._version, reason_codes, properties)
        self._answer(packet.packet_id, answer, after)

    def _check_request(self, packet_id: int, packet: Packet, now: float) -> None:
        self._now = now
        if self._state != ConnectionState.CONNECTED:
            raise LocalProtocolError("the connection is over: there is nobody to answer")
        if self._requests.get(packet_id) is not packet:
            raise LocalProtocolError("this was answered already, or is of another connection")

    def _answer(self, packet_id: int, answer: Packet, after: int) -> None:
        self._write_answer(answer, after)
        del self._requests[packet_id]

    def _write_answer(self, answer: Packet, after: int) -> None:
        try:
            data = self._explained(answer)
        except PacketTooLargeError:
            self._fail_too_large()
            return
        self._write_after(data, after)

    def finish_reauthentication(
        self, data: bytes | None = None, properties: Properties = EMPTY, *, now: float
    ) -> None:
        """Tell the client that its re-authentication is complete: send AUTH with reason code 0x00.

        If it has failed, :meth:`disconnect` instead (5.0: MQTT-4.12.1-2).

        :param data: the Authentication Data, up to 65,535 bytes.
        :param properties: Reason String and User Properties; the method is put in.
        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if no re-authentication is under way, or it is the client's
            turn.
        """
        self._now = now
        self._send_auth(ReasonCode.SUCCESS, data, properties)

    def _send_auth(self, code: ReasonCode, data: bytes | None, properties: Properties) -> None:
        try:
            super()._send_auth(code, data, properties)
        except PacketTooLargeError:
            # The client sets the limit: that must not raise.
            self._fail_too_large()
            return
        if self._state == ConnectionState.CONNECTING:
            self._connect_deadline = self._now + self._connect_timeout

    def _receive_auth(self, packet: Auth) -> None:
        super()._receive_auth(packet)
        # The client has taken its step; for the owner's there is no hurry.
        self._connect_deadline = _NEVER

    # Signs of life.

    def _keep_alive_deadline(self) -> float:
        if self._state != ConnectionState.CONNECTED:
            return _NEVER
        return self._last_received + self._keep_alive

    def _keep_alive_due(self) -> None:
        if self.wants_read:
            self._fail_at(Fault.KEEP_ALIVE, self._decoder.offset)
        else:
            # What the client sends meanwhile is not read: that is no fault of its own.
            self._last_received = self._now

    def _connect_fault(self) -> Fault:
        return Fault.CONNECT_TIMEOUT

    # The end.

    def disconnect(
        self,
        reason_code: ReasonCode | int,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> list[Event]:
        """End the connection; in 5.0, and if it was accepted, with a DISCONNECT, unless the client
        takes no packet so large.

        :param reason_code: one that a server may send (5.0 section 3.14.2.1).
        :param properties: Reason String, Server Reference and User Properties; of 5.0, ignored
            before.
        :param now: seconds of a monotonic clock.
        :returns: the events up to the last one; none if the connection was over.
        :raises InvalidValueError: if a server must not send this.
        """
        self._now = now
        code = as_reason_code("Disconnect.reason_code", reason_code)
        if self._state == ConnectionState.CLOSED:
            return self.take_events()
        if not reason_allowed(PacketType.DISCONNECT, code, Sender.SERVER):
            raise InvalidValueError(
                "Disconnect.reason_code",
                f"a server must not send {code:#04x}",
                Statement("5.0", "MQTT-3.14.2-1"),
            )
        if self._version == 5:
            if properties.session_expiry_interval is not None:
                raise InvalidValueError(
                    "Disconnect.properties",
                    FAULTS[Fault.SESSION_EXPIRY_FROM_SERVER].rule,
                    Statement("5.0", "MQTT-3.14.2-2"),
                )
            data = self._short_farewell(Disconnect(code, properties))
            if data and self._state == ConnectionState.CONNECTED:
                self._write(data)
        self._end(Trigger.DISCONNECT)
        self._events.append(Disconnected(Initiator.LOCAL, code, EMPTY, self._will))
        return self.take_events()

    def detach(self, now: float) -> None:
        """Let go of the session: the client has another connection (5.0: MQTT-3.1.4-3)."""
        events = self.disconnect(ReasonCode.SESSION_TAKEN_OVER, now=now)
        self._events += events

    def _receive_disconnect(self, packet: Disconnect) -> None:
        expiry = packet.properties.session_expiry_interval
        if expiry and not self._may_expire_later:
            self._fail_here(Fault.SESSION_EXPIRY_RAISED)
            return
        # Only a normal disconnection removes the will (5.0: MQTT-3.14.4-3).
        self._will = self._will and bool(packet.reason_code)
        self._end(Trigger.DISCONNECT, expiry)
        self._events.append(
            Disconnected(Initiator.PEER, packet.reason_code, packet.properties, self._will)
        )

    def _farewell(self, error: PacketError) -> None:
        data = b""
        if self._state == ConnectionState.CONNECTED:
            if self._version == 5:
                code = error.reason_code
                if not reason_allowed(PacketType.DISCONNECT, code, Sender.SERVER):
                    code = ReasonCode.UNSPECIFIED_ERROR
                data = self._short_farewell(Disconnect(code, Properties(reason_string=error.rule)))
        else:
            data = self._refusal(error)
        if data:
            self._write(data)

    def _refusal(self, error: PacketError) -> bytes:
        """The CONNACK for a CONNECT that cannot be accepted; empty if there is none to send."""
        fault = FAULTS[Fault(error.fault)]
        version = self._decoder.version
        if error.fault == Fault.PROTOCOL_LEVEL and self._state == ConnectionState.NEW:
            # A client of a version yet to come will understand 5.0 rather than 3.1.1, if that is
            # spoken here; older ones know only the short form (3.1.1: MQTT-3.1.2-2).
            later = version is None and self._decoder.refused_level > ProtocolVersion.MQTT5
            if later and ProtocolVersion.MQTT5 in self._versions:
                return ConnAck(False, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION).encode(5)
            return ConnAck(False, ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION).encode(4)
        if version is None:
            return b""
        if version != ProtocolVersion.MQTT5:
            if fault.return_code is None:
                return b""
            return ConnAck(False, fault.return_code).encode(int(version))
        # A CONNECT with a fault of its own was never received.
        self._version = int(version)
        code = error.reason_code
        if not reason_allowed(PacketType.CONNACK, code):
            code = ReasonCode.UNSPECIFIED_ERROR
        return self._short_farewell(ConnAck(False, code, Properties(reason_string=error.rule)))

    def _fail_too_large(self) -> None:
        """There is no going on without a packet that the client does not take."""
        offset = self._decoder.offset
        self._fail(packet_error(Fault.PACKET_TOO_LARGE, offset, self._version, Sender.SERVER))

    def _short_farewell(self, packet: Packet) -> bytes:
        try:
            return self._explained(packet)
        except PacketTooLargeError:
            return b""

    def _oversized(self, message: Publish) -> Delivery:
        """Behave as if the message had been sent (5.0: MQTT-3.1.2-25)."""
        delivery = Delivery(message, expires_at=deadline_of(message, self._now))
        self._events.append(PublishDropped(delivery, DropReason.TOO_LARGE))
        return delivery

    def _has_will(self) -> bool:
        return self._will
