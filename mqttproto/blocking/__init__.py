"""MQTT for scripts, which wait for one thing at a time."""

from mqttproto.blocking.client import Client, Events, Messages, PublishHandle, connect

__all__ = ["Client", "Events", "Messages", "PublishHandle", "connect"]
