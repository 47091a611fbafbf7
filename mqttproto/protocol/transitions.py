"""What a connection does in which state: tables for both roles.

:data:`RECEPTION` says what each packet from the peer means in each state, :data:`LIFE` how the
states follow one another. The diagrams of the documentation are drawn from them.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from mqttproto.codec.faults import Fault
from mqttproto.constants import PacketType, Sender

__all__ = [
    "LIFE",
    "RECEPTION",
    "ConnectionState",
    "Reaction",
    "Reception",
    "Trigger",
]


class ConnectionState(IntEnum):
    """The states of a connection."""

    NEW = 0
    """No CONNECT has been sent or received."""
    CONNECTING = 1
    """CONNECT has been sent or received, CONNACK not yet."""
    CONNECTED = 2
    """CONNACK has accepted the connection."""
    CLOSED = 3
    """It is over: nothing more is received, and no more than DISCONNECT is left to be sent."""


class Trigger(IntEnum):
    """What changes the state of a connection."""

    CONNECT = 0
    """CONNECT: sent by the client, received by the server."""
    ACCEPTED = 1
    """CONNACK with success."""
    REFUSED = 2
    """CONNACK with a failure."""
    DISCONNECT = 3
    """DISCONNECT, by either end."""
    FAULT = 4
    """The peer broke a rule, or a deadline passed."""
    LOST = 5
    """The network connection is gone."""


_S = ConnectionState
_T = Trigger

# fmt: off
LIFE: Final[dict[tuple[ConnectionState, Trigger], ConnectionState]] = {
    (_S.NEW,        _T.CONNECT):    _S.CONNECTING,
    (_S.NEW,        _T.DISCONNECT): _S.CLOSED,
    (_S.NEW,        _T.FAULT):      _S.CLOSED,
    (_S.NEW,        _T.LOST):       _S.CLOSED,

    (_S.CONNECTING, _T.ACCEPTED):   _S.CONNECTED,
    (_S.CONNECTING, _T.REFUSED):    _S.CLOSED,
    (_S.CONNECTING, _T.DISCONNECT): _S.CLOSED,
    (_S.CONNECTING, _T.FAULT):      _S.CLOSED,
    (_S.CONNECTING, _T.LOST):       _S.CLOSED,

    (_S.CONNECTED,  _T.DISCONNECT): _S.CLOSED,
    (_S.CONNECTED,  _T.FAULT):      _S.CLOSED,
    (_S.CONNECTED,  _T.LOST):       _S.CLOSED,
}
# fmt: on
"""The state that follows, for both roles; what has no row cannot happen."""


class Reaction(IntEnum):
    """What to do with a packet."""

    FAIL = 0
    """The connection fails with the fault of the row."""
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    ACKNOWLEDGEMENT = 4
    """PUBACK, PUBREC or PUBCOMP: an answer to what this end has sent."""
    PUBREL = 5
    SUBSCRIBE = 6
    SUBACK = 7
    UNSUBSCRIBE = 8
    UNSUBACK = 9
    PINGREQ = 10
    PINGRESP = 11
    DISCONNECT = 12
    AUTH = 13
    IGNORE = 14
    """The connection is over (5.0: MQTT-3.14.4-1)."""


class Reception(NamedTuple):
    """What a packet means in a state.

    :ivar reaction: what to do.
    :ivar fault: what is wrong with it, where the reaction is to fail.
    """

    reaction: Reaction
    fault: Fault = Fault.NONE


_P = PacketType
_R = Reaction
_EITHER: Final[dict[PacketType, Reception]] = {
    _P.PUBLISH: Reception(_R.PUBLISH),
    _P.PUBACK: Reception(_R.ACKNOWLEDGEMENT),
    _P.PUBREC: Reception(_R.ACKNOWLEDGEMENT),
    _P.PUBREL: Reception(_R.PUBREL),
    _P.PUBCOMP: Reception(_R.ACKNOWLEDGEMENT),
    _P.DISCONNECT: Reception(_R.DISCONNECT),
    _P.AUTH: Reception(_R.AUTH),
}
_FROM_SERVER: Final = (_P.CONNACK, _P.SUBACK, _P.UNSUBACK, _P.PINGRESP)
_FROM_CLIENT: Final = (_P.CONNECT, _P.SUBSCRIBE, _P.UNSUBSCRIBE, _P.PINGREQ)
_WRONG_END: Final = Reception(_R.FAIL, Fault.SENDER)


def _every(fault: Fault, **but: Reception) -> dict[PacketType, Reception]:
    """A row for each packet: ``fault``, but for those that are named."""
    return {each: but.get(each.name, Reception(_R.FAIL, fault)) for each in PacketType}


def _client() -> dict[ConnectionState, dict[PacketType, Reception]]:
    wrong = dict.fromkeys(_FROM_CLIENT, _WRONG_END)
    too_soon = _every(Fault.NOT_BEFORE_CONNACK) | wrong
    connecting = _every(
        Fault.NOT_BEFORE_CONNACK, CONNACK=Reception(_R.CONNACK), AUTH=Reception(_R.AUTH)
    )
    connected = {
        **_EITHER,
        _P.CONNACK: Reception(_R.FAIL, Fault.SECOND_CONNACK),
        _P.SUBACK: Reception(_R.SUBACK),
        _P.UNSUBACK: Reception(_R.UNSUBACK),
        _P.PINGRESP: Reception(_R.PINGRESP),
    }
    return {
        _S.NEW: too_soon,
        _S.CONNECTING: connecting | wrong,
        _S.CONNECTED: connected | wrong,
        _S.CLOSED: dict.fromkeys(PacketType, Reception(_R.IGNORE)),
    }


def _server() -> dict[ConnectionState, dict[PacketType, Reception]]:
    wrong = dict.fromkeys(_FROM_SERVER, _WRONG_END)
    second = Reception(_R.FAIL, Fault.SECOND_CONNECT)
    connecting = _every(
        Fault.ONLY_AUTH_BEFORE_CONNACK,
        CONNECT=second,
        AUTH=Reception(_R.AUTH),
        DISCONNECT=Reception(_R.DISCONNECT),
    )
    connected = {
        **_EITHER,
        _P.CONNECT: second,
        _P.SUBSCRIBE: Reception(_R.SUBSCRIBE),
        _P.UNSUBSCRIBE: Reception(_R.UNSUBSCRIBE),
        _P.PINGREQ: Reception(_R.PINGREQ),
    }
    return {
        # Here the scanner knows no version: to it everything but CONNECT is the same fault.
        _S.NEW: _every(Fault.FIRST_NOT_CONNECT, CONNECT=Reception(_R.CONNECT)),
        _S.CONNECTING: connecting | wrong,
        _S.CONNECTED: connected | wrong,
        _S.CLOSED: dict.fromkeys(PacketType, Reception(_R.IGNORE)),
    }


RECEPTION: Final[dict[Sender, dict[ConnectionState, dict[PacketType, Reception]]]] = {
    Sender.CLIENT: _client(),
    Sender.SERVER: _server(),
}
"""What each packet means, by the role of the end that receives it, its state and the type.

A server in CONNECTING reads no further unless CONNECT named an Authentication Method: what a
client sends in advance stays raw until the owner has accepted.
"""
