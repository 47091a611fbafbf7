"""Receiving messages: quota, aliases, the inbound handshakes, and the order of the answers."""

from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.reasons import as_reason_code, reason_allowed
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol.aliases import InboundAliases
from mqttproto.protocol.endpoint import CLOSED, Endpoint, short_answer
from mqttproto.protocol.events import AcknowledgementIgnored, MessageReceived
from mqttproto.protocol.handshakes import INBOUND_STEPS, INBOUND_WIDTH
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.receipts import Receipt, Receipts
from mqttproto.protocol.session import Session

__all__ = ["Receiving"]

# Steps and inputs as literals, which compiled code compares without a look-up.
_DELIVER: Final = 0
_ANSWER_AGAIN: Final = 2
_FORGET: Final = 4
_FORGET_UNKNOWN: Final = 5
_VIOLATION: Final = 6
_TAKE_UP: Final = 8
_INPUT_PUBLISH: Final = 0
_INPUT_PUBREL: Final = 3
# A name of its own, because compiled code looks up by its name what comes from elsewhere.
_STEPS: Final[list[int]] = INBOUND_STEPS

_TOPIC_ALIAS: Final = 0x23
_FAILURE: Final = 0x80
_NOT_FOUND: Final = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
_SUCCESS: Final = ReasonCode.SUCCESS


class Receiving(Endpoint):
    """The half of a connection that receives messages."""

    __slots__ = (
        "_counted",
        "_inbound_aliases",
        "_manual",
        "_qos_1",
        "_qos_2",
        "_receive_maximum",
        "_receiving",
        "_restricted",
        "_unanswered",
    )

    def __init__(
        self,
        role: Sender,
        version: int,
        session: Session,
        decoder: Decoder,
        leniency: Leniency,
        manual: bool,
    ) -> None:
        super().__init__(role, version, session, decoder, leniency)
        self._manual: bool = manual
        # Whether this end has announced that it does not take every message.
        self._restricted: bool = False
        # What this end takes, and how much of it is unacknowledged.
        self._receive_maximum: int = MOST_PACKET_IDS
        self._receiving: int = 0
        self._counted: set[int] | None = None
        self._inbound_aliases: InboundAliases = InboundAliases()
        self._qos_1: Receipts = Receipts()
        self._qos_2: Receipts = Receipts()
        # What stands in the order of QoS 2, by packet identifier: no more than once.
        self._unanswered: dict[int, Receipt] = {}

    @property
    def receiving(self) -> int:
        """How many received messages of QoS 1 and 2 are not acknowledged to their end."""
        return self._receiving

    # What the roles fill in.

    def _check_message(self, message: Publish) -> Fault:
        """What is wrong with a received message, by what this end has announced."""
        raise NotImplementedError

    def _explains(self, packet: Packet) -> bool:
        """Whether a packet has what this client asked the server to leave out."""
        return False

    # Receiving.

    def _receive_publish(self, message: Publish) -> None:
        properties = message.properties
        if (
            properties is not EMPTY
            and properties.may_hold(_TOPIC_ALIAS)
            and not self._resolve_alias(message)
        ):
            return
        if self._restricted:
            fault = self._check_message(message)
            if fault != Fault.NONE:
                self._fail_here(fault)
                return
        qos: int = message.qos
        if qos == 0:
            self._events.append(MessageReceived(message))
        elif qos == 1:
            self._receive_qos_1(message)
        else:
            self._receive_qos_2(message)

    def _resolve_alias(self, message: Publish) -> bool:
        """Put the topic in the place of its alias, and strip that (5.0: MQTT-3.3.2-7)."""
        alias = message.properties.topic_alias
        if alias is None:
            return True
        fault = self._inbound_aliases.fault(alias, message.topic)
        if fault != Fault.NONE:
            self._fail_here(fault)
            return False
        if not message.topic:
            message.topic = self._inbound_aliases.topic(alias)
        message.properties = message.properties.without_topic_alias()
        return True

    def _quota_exceeded(self) -> bool:
        """Whether the peer sends more than it may (5.0: MQTT-3.3.4-7, MQTT-3.3.4-9)."""
        if self._receiving < self._receive_maximum or self._version != 5:
            return False
        if Leniency.RECEIVE_MAXIMUM_EXCEEDED in self._leniency:
            return False
        self._fail_here(Fault.RECEIVE_MAXIMUM_EXCEEDED)
        return True

    def _receive_qos_1(self, message: Publish) -> None:
        if self._receiving >= self._receive_maximum and self._quota_exceeded():
            return
        packet_id = message.packet_id
        assert packet_id is not None
        session = self._session
        if session.received and self._version == 5 and packet_id in session.received:
            # To the peer this is another message with an identifier that this end has in use.
            self._answer_in_use(packet_id)
            return
        if self._manual:
            receipt = Receipt(packet_id, 1, self.number)
            self._qos_1.add(receipt)
            self._receiving += 1
            self._events.append(MessageReceived(message, receipt))
            return
        self._events.append(MessageReceived(message))
        self._write_after(short_answer(0x4002, packet_id), session.last_change)

    def _answer_in_use(self, packet_id: int) -> None:
        receipt = Receipt(packet_id, 1, self.number)
        receipt.answer = PubAck(packet_id, ReasonCode.PACKET_IDENTIFIER_IN_USE).encode(5)
        self._qos_1.add(receipt)
        self._receiving += 1
        self._flush(self._qos_1)

    def _receive_qos_2(self, message: Publish) -> None:
        packet_id = message.packet_id
        assert packet_id is not None
        if packet_id in self._unanswered:
            # The answer that is due answers this one, too.
            return
        session = self._session
        counted = self._counted
        if counted is None:
            counted = self._counted = set()
        if packet_id not in counted:
            if self._receiving >= self._receive_maximum and self._quota_exceeded():
                return
            counted.add(packet_id)
            self._receiving += 1
        state = session.received.get(packet_id, 0)
        step = _STEPS[state * INBOUND_WIDTH + _INPUT_PUBLISH]
        if step == _DELIVER:
            if self._manual:
                receipt = Receipt(packet_id, 2, self.number)
                session.expect_decision(receipt)
                self._let_wait(receipt)
                self._events.append(MessageReceived(message, receipt))
            elif len(self._qos_2):
                # A message of an earlier connection still waits for its owner, and goes first.
                self._events.append(MessageReceived(message))
                self._answer_in_turn(packet_id, session.accept(packet_id), False)
            else:
                change = session.accept(packet_id)
                self._events.append(MessageReceived(message))
                self._write_after(short_answer(0x5002, packet_id), change)
        elif step == _TAKE_UP:
            receipt = session.undecided[packet_id]
            receipt.connection = self.number
            session.expect_decision(receipt)
            self._let_wait(receipt)
        else:
            assert step == _ANSWER_AGAIN
            self._answer_in_turn(packet_id, session.last_change, True)

    def _let_wait(self, receipt: Receipt) -> None:
        self._qos_2.add(receipt)
        self._unanswered[receipt.packet_id] = receipt

    def _answer_in_turn(self, packet_id: int, change: int, repeated: bool) -> None:
        """Send PUBREC once those of the messages before are sent (5.0: MQTT-4.6.0-3)."""
        receipt = Receipt(packet_id, 2, self.number)
        receipt.answer = short_answer(0x5002, packet_id)
        receipt.after = change
        receipt.repeated = repeated
        self._let_wait(receipt)
        self._flush(self._qos_2)

    def _receive_pubrel(self, packet: PubRel) -> None:
        if not self._explain and self._explains(packet):
            self._fail_here(Fault.PROBLEM_INFORMATION)
            return
        packet_id = packet.packet_id
        session = self._session
        pending = self._unanswered.get(packet_id)
        if pending is not None:
            if not pending.repeated:
                self._fail_here(Fault.RELEASED_TOO_SOON)
                return
            # It has had a PUBREC: another one would come behind the PUBCOMP.
            pending.void = True
            del self._unanswered[packet_id]
        state = session.received.get(packet_id, 0)
        step = _STEPS[state * INBOUND_WIDTH + _INPUT_PUBREL]
        if step == _FORGET:
            change = session.forget(packet_id)
            self._write_after(short_answer(0x7002, packet_id), change)
            self._uncount(packet_id)
            return
        # What is undecided on this connection is pending, and has failed.
        assert step != _VIOLATION
        if step == _FORGET_UNKNOWN:
            self._events.append(AcknowledgementIgnored(packet))
        else:
            session.give_up(packet_id)
        code = _NOT_FOUND if self._version == 5 else _SUCCESS
        self._write_after(PubComp(packet_id, code).encode(self._version), session.last_change)

    def _uncount(self, packet_id: int) -> None:
        """A QoS 2 exchange has ended: the peer may send one more (5.0 section 4.9)."""
        counted = self._counted
        if counted is not None:
            before = len(counted)
            counted.discard(packet_id)
            self._receiving -= before - len(counted)

    # Acknowledging.

    def acknowledge(
        self,
        message: MessageReceived,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
        *,
        now: float,
        after: int = 0,
    ) -> None:
        """Acknowledge or refuse a received message, where acknowledgement is manual.

        Answers leave in the order in which the messages came, whatever the order of these calls
        (5.0: MQTT-4.6.0-2, MQTT-4.6.0-3). A message of an earlier connection is left alone if it
        is of QoS 1: it will come again. At QoS 2 it is done on the session's present connection.
        An acceptance holds, and answers the PUBLISH when it comes again; a refusal answers it only
        if it has: else it comes as a new message. QoS 0 has no acknowledgement, and nothing
        happens.

        :param message: the event.
        :param reason_code: below 0x80 accepts, from 0x80 on refuses; must be one of PUBACK or
            PUBREC that this end may send (5.0 sections 3.4.2.1 and 3.5.2.1). Before 5.0 there
            are none: a message can be accepted only, and is (3.1.1: MQTT-3.3.5-2).
        :param properties: Reason String and User Properties; left out before 5.0, and where the
            peer does not take them.
        :param now: seconds of a monotonic clock.
        :param after: the number of a change that the answer must wait for, beside its own.
        :raises LocalProtocolError: if it was acknowledged already, or is not this end's to do.
        :raises InvalidValueError: if reason code or properties cannot stand here.
        """
        self._now = now
        receipt = message.receipt
        if receipt is None:
            if message.message.qos == 0:
                return
            raise LocalProtocolError(
                "this connection acknowledges by itself: ask for manual acknowledgement"
            )
        if receipt.decided:
            raise LocalProtocolError("this message was acknowledged already")
        code = (
            reason_code
            if isinstance(reason_code, ReasonCode)
            else as_reason_code("reason_code", reason_code)
        )
        here = receipt.connection == self.number and self._state != CLOSED
        qos_1 = receipt.qos == 1
        if not here:
            if qos_1:
                return
            holder = self._session.connection
            if holder is not None and holder is not self:
                raise LocalProtocolError("the session has another connection: ask that one")
        session = self._session
        if not qos_1 and session.undecided.get(receipt.packet_id) is not receipt:
            # Its session is over, or is not the one of this connection.
            return
        # Before the handshake: what cannot be encoded must not change anything.
        answer = self._encoded_answer(receipt, code, properties)
        refused = self._version == 5 and code >= _FAILURE
        receipt.decided = True
        if not qos_1:
            self._decide(receipt.packet_id, refused)
        receipt.after = max(session.last_change, after)
        receipt.answer = answer
        receipt.frees = refused
        if here:
            self._flush(self._qos_1 if qos_1 else self._qos_2)

    def _decide(self, packet_id: int, refused: bool) -> None:
        """Take down what the owner of a QoS 2 message has decided."""
        session = self._session
        del session.undecided[packet_id]
        if refused:
            session.refuse(packet_id)
        else:
            session.accept(packet_id)

    def _encoded_answer(self, receipt: Receipt, code: ReasonCode, properties: Properties) -> bytes:
        packet_id = receipt.packet_id
        qos_1 = receipt.qos == 1
        if self._version != 5 or (code == 0 and properties is EMPTY):
            return short_answer(0x4002 if qos_1 else 0x5002, packet_id)
        kind = PacketType.PUBACK if qos_1 else PacketType.PUBREC
        if not reason_allowed(kind, code, self._role):
            raise InvalidValueError(
                "reason_code",
                f"{kind.name} of a {self._role.value} must not have {code:#04x}",
                Statement("5.0", "MQTT-3.4.2-1" if qos_1 else "MQTT-3.5.2-1"),
            )
        if qos_1:
            return self._explained(PubAck(packet_id, code, properties))
        return self._explained(PubRec(packet_id, code, properties))

    def _flush(self, receipts: Receipts) -> None:
        """Send the answers that are due: the oldest first, none before its turn."""
        receipt = receipts.pop_answered()
        while receipt is not None:
            if not receipt.void:
                self._write_after(receipt.answer, receipt.after)
                if receipt.qos == 2:
                    del self._unanswered[receipt.packet_id]
                    if receipt.frees:
                        self._uncount(receipt.packet_id)
                else:
                    # At QoS 1 every answer ends the exchange.
                    self._receiving -= 1
            receipt = receipts.pop_answered()
