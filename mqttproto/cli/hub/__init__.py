"""A small MQTT server, for demonstrations and tests."""

from mqttproto.cli.hub.hub import Hub
from mqttproto.cli.hub.serving import HubServer, serve_hub

__all__ = ["Hub", "HubServer", "serve_hub"]
