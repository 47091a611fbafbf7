"""Connections and sessions for both ends: one connection, one session; no clock, no socket."""

from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.connection import Connection
from mqttproto.protocol.delivery import Delivery, deadline_of
from mqttproto.protocol.journal import Batch, Journal
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.message_queue import Overflow, Qos0, QueueLimits
from mqttproto.protocol.server import ServerConnection
from mqttproto.protocol.session import Session
from mqttproto.protocol.transitions import ConnectionState

__all__ = [
    "Batch",
    "ClientConnection",
    "Connection",
    "ConnectionState",
    "Delivery",
    "Journal",
    "Leniency",
    "NegotiatedLimits",
    "Overflow",
    "Qos0",
    "QueueLimits",
    "ServerConnection",
    "Session",
    "deadline_of",
]
