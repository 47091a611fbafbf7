"""Deviations from the specification that a user may need, each by name."""

from enum import Flag, auto

__all__ = ["Leniency"]


class Leniency(Flag):
    """What a connection lets pass that the specification forbids; nothing unless it is named."""

    NONE = 0
    UNKNOWN_SESSION_PRESENT = auto()
    """A client takes Session Present 1 though it has no session (5.0: MQTT-3.2.2-4): what was in
    flight before is unknown to it, as where a program starts anew and the server has kept its
    subscriptions.
    """
    ASSIGNED_CLIENT_ID_MISSING = auto()
    """A client takes a CONNACK without the identifier that the server must have assigned
    (5.0: MQTT-3.2.2-16).
    """
    RECEIVE_MAXIMUM_EXCEEDED = auto()
    """More unacknowledged messages than the own Receive Maximum are taken (5.0: MQTT-3.3.4-7,
    MQTT-3.3.4-9).
    """
    CLIENT_ID_LENGTH_31 = auto()
    """A server takes client identifiers of 3.1 with more than 23 characters, or none
    (3.1 section 3.1).
    """
