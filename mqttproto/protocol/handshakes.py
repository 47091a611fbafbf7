"""The handshakes of QoS 1 and 2, in both directions, as tables (section 4.3).

A row says what an input means in a state: what to do, and the state that follows. The tables are
all there is: sessions look their steps up here, the tests compare them with rows typed from the
standards, and the diagrams of the documentation are drawn from them.
"""

from enum import IntEnum
from typing import Final, NamedTuple

__all__ = [
    "INBOUND",
    "INBOUND_STEPS",
    "INBOUND_WIDTH",
    "OUTBOUND",
    "OUTBOUND_STEPS",
    "OUTBOUND_WIDTH",
    "Answer",
    "InboundInput",
    "InboundRow",
    "InboundState",
    "InboundStep",
    "OutboundRow",
    "OutboundState",
    "OutboundStep",
]


class OutboundState(IntEnum):
    """How far a message that this end sends has come, by packet identifier."""

    UNKNOWN = 0
    """Nothing is under way with this identifier."""
    AWAITS_PUBACK = 1
    """QoS 1: PUBLISH has been sent."""
    AWAITS_PUBREC = 2
    """QoS 2: PUBLISH has been sent."""
    AWAITS_PUBCOMP = 3
    """QoS 2: PUBREL has been sent; PUBLISH never is again (5.0: MQTT-4.3.3-6)."""
    AWAITS_ANSWER = 4
    """A SUBSCRIBE or UNSUBSCRIBE has this identifier."""


class Answer(IntEnum):
    """What a receiver says about a message, by what it means."""

    PUBACK = 0
    PUBREC = 1
    PUBREC_REFUSED = 2
    """PUBREC with a reason code of 0x80 or above."""
    PUBCOMP = 3


class OutboundStep(IntEnum):
    """What to do when an answer has come."""

    IGNORE = 0
    """Tell the application, and leave everything as it is."""
    COMPLETE = 1
    """Free the identifier and tell the application how it ended."""
    RELEASE = 2
    """Remember that PUBREC has come, and send PUBREL (5.0: MQTT-4.3.3-4)."""
    RELEASE_AGAIN = 3
    """Send PUBREL once more."""
    RELEASE_UNKNOWN = 4
    """Send PUBREL with reason code 0x92, so that the receiver forgets the identifier."""
    VIOLATION = 5
    """This answer does not belong to this message: the connection fails."""


class OutboundRow(NamedTuple):
    """What an answer means in a state.

    :ivar step: what to do.
    :ivar state: what holds afterwards.
    """

    step: OutboundStep
    state: OutboundState


_S = OutboundState
_D = OutboundStep

# fmt: off
OUTBOUND: Final[dict[tuple[OutboundState, Answer], OutboundRow]] = {
    (_S.UNKNOWN,        Answer.PUBACK):         OutboundRow(_D.IGNORE,          _S.UNKNOWN),
    (_S.UNKNOWN,        Answer.PUBREC):         OutboundRow(_D.RELEASE_UNKNOWN, _S.UNKNOWN),
    (_S.UNKNOWN,        Answer.PUBREC_REFUSED): OutboundRow(_D.IGNORE,          _S.UNKNOWN),
    (_S.UNKNOWN,        Answer.PUBCOMP):        OutboundRow(_D.IGNORE,          _S.UNKNOWN),

    (_S.AWAITS_PUBACK,  Answer.PUBACK):         OutboundRow(_D.COMPLETE,        _S.UNKNOWN),
    (_S.AWAITS_PUBACK,  Answer.PUBREC):         OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBACK),
    (_S.AWAITS_PUBACK,  Answer.PUBREC_REFUSED): OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBACK),
    (_S.AWAITS_PUBACK,  Answer.PUBCOMP):        OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBACK),

    (_S.AWAITS_PUBREC,  Answer.PUBACK):         OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBREC),
    (_S.AWAITS_PUBREC,  Answer.PUBREC):         OutboundRow(_D.RELEASE,         _S.AWAITS_PUBCOMP),
    (_S.AWAITS_PUBREC,  Answer.PUBREC_REFUSED): OutboundRow(_D.COMPLETE,        _S.UNKNOWN),
    (_S.AWAITS_PUBREC,  Answer.PUBCOMP):        OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBREC),

    (_S.AWAITS_PUBCOMP, Answer.PUBACK):         OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBCOMP),
    (_S.AWAITS_PUBCOMP, Answer.PUBREC):         OutboundRow(_D.RELEASE_AGAIN,   _S.AWAITS_PUBCOMP),
    (_S.AWAITS_PUBCOMP, Answer.PUBREC_REFUSED): OutboundRow(_D.VIOLATION,       _S.AWAITS_PUBCOMP),
    (_S.AWAITS_PUBCOMP, Answer.PUBCOMP):        OutboundRow(_D.COMPLETE,        _S.UNKNOWN),

    (_S.AWAITS_ANSWER,  Answer.PUBACK):         OutboundRow(_D.VIOLATION,       _S.AWAITS_ANSWER),
    (_S.AWAITS_ANSWER,  Answer.PUBREC):         OutboundRow(_D.VIOLATION,       _S.AWAITS_ANSWER),
    (_S.AWAITS_ANSWER,  Answer.PUBREC_REFUSED): OutboundRow(_D.VIOLATION,       _S.AWAITS_ANSWER),
    (_S.AWAITS_ANSWER,  Answer.PUBCOMP):        OutboundRow(_D.VIOLATION,       _S.AWAITS_ANSWER),
}
# fmt: on
"""What answers mean to the sender of a message.

Nobody but a new connection makes it send again: there is no row for time (5.0: MQTT-4.4.0-1).
"""


class InboundState(IntEnum):
    """How far a QoS 2 message that this end receives has come, by packet identifier."""

    UNKNOWN = 0
    """Nothing is under way with this identifier: a PUBLISH with it is a new message."""
    UNDECIDED = 1
    """The message has been delivered, and its owner has not yet said what becomes of it."""
    ACCEPTED = 2
    """PUBREC has been sent or is due: until PUBREL, every PUBLISH is the same message."""
    CARRIED_OVER = 3
    """Undecided since an earlier connection: on this one its PUBLISH has not come again."""


class InboundInput(IntEnum):
    """What happens to a QoS 2 message that this end receives."""

    PUBLISH = 0
    ACCEPT = 1
    """Its owner acknowledges it."""
    REFUSE = 2
    """Its owner refuses it, with a reason code of 0x80 or above."""
    PUBREL = 3


class InboundStep(IntEnum):
    """What to do with it."""

    DELIVER = 0
    """Give it to the application (5.0: MQTT-4.3.3-8)."""
    WAIT = 1
    """It was given already: the owner's word, once it comes, answers this one too."""
    ANSWER_AGAIN = 2
    """Send PUBREC, and deliver nothing (5.0: MQTT-4.3.3-10)."""
    ANSWER = 3
    """Send PUBREC."""
    FORGET = 4
    """Send PUBCOMP; the identifier is new again (5.0: MQTT-4.3.3-11, MQTT-4.3.3-12)."""
    FORGET_UNKNOWN = 5
    """Send PUBCOMP, in 5.0 with reason code 0x92."""
    VIOLATION = 6
    """PUBREL where no PUBREC was: the connection fails."""
    NOTHING = 7
    """The word comes too late, or twice, or before the PUBLISH that it is to answer."""
    TAKE_UP = 8
    """It was given on an earlier connection: the owner's word is due on this one."""
    GIVE_UP = 9
    """The sender has given the message up: send PUBCOMP, in 5.0 with reason code 0x92."""


class InboundRow(NamedTuple):
    """What an input means in a state.

    :ivar step: what to do.
    :ivar state: what holds afterwards.
    """

    step: InboundStep
    state: InboundState


_R = InboundState
_I = InboundInput
_T = InboundStep

# fmt: off
INBOUND: Final[dict[tuple[InboundState, InboundInput], InboundRow]] = {
    (_R.UNKNOWN,   _I.PUBLISH): InboundRow(_T.DELIVER,        _R.UNDECIDED),
    (_R.UNKNOWN,   _I.ACCEPT):  InboundRow(_T.NOTHING,        _R.UNKNOWN),
    (_R.UNKNOWN,   _I.REFUSE):  InboundRow(_T.NOTHING,        _R.UNKNOWN),
    (_R.UNKNOWN,   _I.PUBREL):  InboundRow(_T.FORGET_UNKNOWN, _R.UNKNOWN),

    (_R.UNDECIDED, _I.PUBLISH): InboundRow(_T.WAIT,           _R.UNDECIDED),
    (_R.UNDECIDED, _I.ACCEPT):  InboundRow(_T.ANSWER,         _R.ACCEPTED),
    (_R.UNDECIDED, _I.REFUSE):  InboundRow(_T.ANSWER,         _R.UNKNOWN),
    (_R.UNDECIDED, _I.PUBREL):  InboundRow(_T.VIOLATION,      _R.UNDECIDED),

    (_R.ACCEPTED,  _I.PUBLISH): InboundRow(_T.ANSWER_AGAIN,   _R.ACCEPTED),
    (_R.ACCEPTED,  _I.ACCEPT):  InboundRow(_T.NOTHING,        _R.ACCEPTED),
    (_R.ACCEPTED,  _I.REFUSE):  InboundRow(_T.NOTHING,        _R.ACCEPTED),
    (_R.ACCEPTED,  _I.PUBREL):  InboundRow(_T.FORGET,         _R.UNKNOWN),

    (_R.CARRIED_OVER, _I.PUBLISH): InboundRow(_T.TAKE_UP,     _R.UNDECIDED),
    (_R.CARRIED_OVER, _I.ACCEPT):  InboundRow(_T.NOTHING,     _R.ACCEPTED),
    (_R.CARRIED_OVER, _I.REFUSE):  InboundRow(_T.NOTHING,     _R.UNKNOWN),
    (_R.CARRIED_OVER, _I.PUBREL):  InboundRow(_T.GIVE_UP,     _R.UNKNOWN),
}
# fmt: on
"""What happens to QoS 2 messages that are received.

A refused one is unknown at once: the next PUBLISH with its identifier is a new message (5.0:
MQTT-4.3.3-9). QoS 1 needs no table: each PUBLISH is delivered, and answered once (MQTT-4.3.2-5).
"""

OUTBOUND_WIDTH: Final = 4
"""The length of a row of :data:`OUTBOUND_STEPS`."""

OUTBOUND_STEPS: Final[list[int]] = [
    int(OUTBOUND[state, answer].step) for state in OutboundState for answer in Answer
]
"""The steps of :data:`OUTBOUND` as plain integers, at ``state * OUTBOUND_WIDTH + answer``."""

INBOUND_WIDTH: Final = 4
"""The length of a row of :data:`INBOUND_STEPS`."""

INBOUND_STEPS: Final[list[int]] = [
    int(INBOUND[state, happening].step) for state in InboundState for happening in InboundInput
]
"""The steps of :data:`INBOUND` as plain integers, at ``state * INBOUND_WIDTH + input``."""
