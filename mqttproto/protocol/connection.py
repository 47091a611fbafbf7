"""A connection, as far as both roles share it: what comes in, deadlines, and authentication.

The hot paths are those of PUBLISH and its acknowledgements. They ask the state once per packet;
everything else goes through the table of :mod:`mqttproto.protocol.transitions`.
"""

from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, Disconnect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.constants import ReasonCode, Sender
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol.authentication import (
    AUTHENTICATION,
    AuthenticationState,
    AuthenticationStep,
)
from mqttproto.protocol.endpoint import CLOSED, CONNECTED, CONNECTING
from mqttproto.protocol.events import AuthenticationReceived, Event
from mqttproto.protocol.journal import Batch
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.sending import PUBACK, PUBCOMP, PUBREC, PUBREC_REFUSED, Sending
from mqttproto.protocol.session import Session
from mqttproto.protocol.transitions import RECEPTION, ConnectionState, Reaction

__all__ = ["Connection"]

_FAILURE: Final = 0x80
_NEVER: Final = float("inf")


class Connection(Sending):
    """One network connection, seen from one end: the base of both roles.

    Whoever drives it gives it the bytes that come in and the time, and sends what it puts out.
    Every call that takes ``now`` (seconds of a monotonic clock) may return or leave events.

    :ivar number: a number that no other connection of this process has.
    """

    __slots__ = ("_authentication", "_max_held", "_method")

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
        max_held: int,
    ) -> None:
        super().__init__(
            role,
            version,
            session,
            decoder,
            leniency,
            manual,
            max_in_flight,
            max_topic_aliases,
            max_uncommitted,
        )
        if max_held < 1:
            raise ValueError("max_held must be 1 or more")
        self._max_held: int = max_held
        self._method: str | None = None
        self._authentication: AuthenticationState = AuthenticationState.NONE

    # What adapters need.

    @property
    def wants_read(self) -> bool:
        """Whether more bytes are welcome. If not, do not read from the network until they are:
        a CONNECT waits to be answered, what was read waits to be committed, more messages wait
        for their owner's word than there are packet identifiers, or all is over.
        """
        if self._state == CLOSED or self._decoder.paused:
            return False
        if len(self._qos_1) + len(self._qos_2) > MOST_PACKET_IDS:
            return False
        return self._output.held_bytes <= self._max_held

    def take_changes(self) -> Batch:
        """The changes of the session's journal since the last call; empty without a journal.

        With a journal that is shared these are the changes of all its sessions.
        """
        journal = self._session.journal
        return Batch(1, []) if journal is None else journal.take()

    def committed(self, number: int) -> None:
        """All changes up to this number are stored: what depends on them may be sent.

        :param number: the ``last`` of a batch that :meth:`take_changes` returned.
        :raises ValueError: if the change with this number was not taken yet.
        """
        journal = self._session.journal
        if journal is not None:
            journal.commit(number)
        self._output.release(number)
        # Behind its end a connection tells nothing more.
        if self._starved and self._state != CLOSED:
            self._tell_capacity()

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> list[Event]:
        """Take bytes from the network; never raises for what they are.

        :param data: the next bytes of the stream, any number of them.
        :param now: seconds of a monotonic clock.
        :returns: what they mean, in order. A fault is the last event; what follows is ignored.
        """
        self._now = now
        if self._state != CLOSED:
            decoder = self._decoder
            if decoder.paused and self._too_early(len(data)):
                return self.take_events()
            self._process(decoder.feed(data))
            if decoder.paused and self._method is not None:
                # What follows can only be AUTH or DISCONNECT, which may be read (5.0:
                # MQTT-3.1.2-30).
                self._process(decoder.resume())
        return self.take_events()

    def receive_eof(self, now: float) -> list[Event]:
        """The peer will send no more. What is left to send may still reach it.

        :param now: seconds of a monotonic clock.
        """
        self._now = now
        if self._state != CLOSED:
            self._lost()
        return self.take_events()

    def connection_lost(self, now: float) -> list[Event]:
        """The network connection is gone, in both directions.

        :param now: seconds of a monotonic clock.
        """
        self._now = now
        if self._state != CLOSED:
            self._lost()
        self._output.discard()
        return self.take_events()

    def next_deadline(self) -> float | None:
        """When :meth:`handle_timeout` is due, in seconds of ``now``; None if nothing is.

        Ask again after every other call.
        """
        if self._state == CLOSED:
            return None
        deadline = min(self._connect_deadline, self._keep_alive_deadline())
        return None if deadline == _NEVER else deadline

    def handle_timeout(self, now: float) -> list[Event]:
        """Do what is due by ``now``; too early, it does nothing.

        :param now: seconds of a monotonic clock.
        """
        self._now = now
        if self._state != CLOSED:
            if now >= self._connect_deadline:
                self._fail_at(self._connect_fault(), self._decoder.offset)
            elif now >= self._keep_alive_deadline():
                self._keep_alive_due()
        return self.take_events()

    # What the roles fill in.

    def _keep_alive_deadline(self) -> float:
        raise NotImplementedError

    def _keep_alive_due(self) -> None:
        raise NotImplementedError

    def _connect_fault(self) -> Fault:
        raise NotImplementedError

    def _too_early(self, size: int) -> bool:
        """Whether bytes that came behind a CONNECT are too many; then it has failed. Only a server
        is asked: no other decoder pauses.
        """
        raise NotImplementedError

    def _receive(self, reaction: Reaction, packet: Packet) -> None:
        """Take a packet that only this role receives."""
        raise NotImplementedError

    def _receive_disconnect(self, packet: Disconnect) -> None:
        raise NotImplementedError

    # Receiving.

    def _process(self, packets: list[Packet]) -> None:
        """Take packets, in order, and then the fault that may follow them."""
        if packets:
            self._last_received = self._now
            for index, packet in enumerate(packets):
                if self._state != CONNECTED:
                    self._react(packet)
                elif isinstance(packet, Publish):
                    self._receive_publish(packet)
                elif isinstance(packet, PubAck):
                    self._receive_answer(packet, PUBACK, packet.packet_id, packet.reason_code)
                elif isinstance(packet, PubRec):
                    code: int = packet.reason_code
                    answer = PUBREC if code < _FAILURE else PUBREC_REFUSED
                    self._receive_answer(packet, answer, packet.packet_id, packet.reason_code)
                elif isinstance(packet, PubRel):
                    self._receive_pubrel(packet)
                elif isinstance(packet, PubComp):
                    self._receive_answer(packet, PUBCOMP, packet.packet_id, packet.reason_code)
                else:
                    self._react(packet)
                if self._state == CLOSED:
                    self._locate_failure(index)
                    return
            if self._freed:
                self._freed = False
                self._pump()
        error = self._decoder.error
        if error is not None:
            self._fail(error)

    def _react(self, packet: Packet) -> None:
        """Do what the table of transitions says."""
        row = RECEPTION[self._role][ConnectionState(self._state)][packet.packet_type]
        reaction = row.reaction
        if reaction == Reaction.FAIL:
            self._fail_here(row.fault, packet.packet_type)
        elif not self._explain and self._explains(packet):
            self._fail_here(Fault.PROBLEM_INFORMATION)
        elif reaction == Reaction.AUTH and isinstance(packet, Auth):
            self._receive_auth(packet)
        elif reaction == Reaction.DISCONNECT and isinstance(packet, Disconnect):
            self._receive_disconnect(packet)
        else:
            self._receive(reaction, packet)

    # Authentication.

    def _receive_auth(self, packet: Auth) -> None:
        if self._method is None:
            self._fail_here(Fault.AUTH_WITHOUT_METHOD)
            return
        properties = packet.properties
        # Success needs no body (5.0 section 3.15.2.1); there is but one method that it can mean.
        if properties and properties.authentication_method != self._method:
            self._fail_here(Fault.AUTH_OTHER_METHOD)
            return
        step = _authentication_step(self._peer, packet.reason_code)
        following = AUTHENTICATION.get((self._authentication, step))
        if following is None:
            self._fail_here(Fault.AUTH_OUT_OF_TURN)
            return
        self._authentication = following
        self._events.append(AuthenticationReceived(packet.reason_code, properties))

    def authenticate(
        self,
        data: bytes | None = None,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> None:
        """Take the next step of enhanced authentication: send AUTH with reason code 0x18.

        :param data: the Authentication Data, up to 65,535 bytes.
        :param properties: Reason String and User Properties; the method is put in.
        :param now: seconds of a monotonic clock.
        :raises LocalProtocolError: if it is not this end's turn (5.0 section 4.12).
        """
        self._now = now
        self._send_auth(ReasonCode.CONTINUE_AUTHENTICATION, data, properties)

    def _send_auth(self, code: ReasonCode, data: bytes | None, properties: Properties) -> None:
        method = self._method
        if self._state not in (CONNECTING, CONNECTED) or method is None:
            client = self._role is Sender.CLIENT
            raise LocalProtocolError(
                "there is no authentication: CONNECT must have named a method, and must be sent",
                Statement("5.0", "MQTT-4.12.0-7" if client else "MQTT-4.12.0-6"),
            )
        step = _authentication_step(self._role, code)
        following = AUTHENTICATION.get((self._authentication, step))
        if following is None:
            raise LocalProtocolError(
                f"AUTH with {code.name} is out of turn: the state is {self._authentication.name}",
                Statement("5.0", "section 4.12"),
            )
        properties = properties.replace(authentication_method=method, authentication_data=data)
        self._write(self._explained(Auth(code, properties)))
        self._authentication = following


def _authentication_step(sender: Sender, code: ReasonCode) -> AuthenticationStep:
    if sender is Sender.CLIENT:
        if code == ReasonCode.RE_AUTHENTICATE:
            return AuthenticationStep.CLIENT_STARTS_AGAIN
        return AuthenticationStep.CLIENT_CONTINUES
    if code == ReasonCode.SUCCESS:
        return AuthenticationStep.SERVER_SUCCEEDS
    return AuthenticationStep.SERVER_CONTINUES
