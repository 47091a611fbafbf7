"""MQTT for asyncio."""

from mqttproto.asyncio.client import connect
from mqttproto.engine.client import Client

__all__ = ["Client", "connect"]
