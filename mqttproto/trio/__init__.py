"""MQTT for trio."""

from mqttproto.engine.client import Client
from mqttproto.trio.client import connect

__all__ = ["Client", "connect"]
