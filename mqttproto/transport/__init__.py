"""What lies between the network and MQTT, without any I/O: addresses, and WebSocket.

The modules are used by their own names: :mod:`mqttproto.transport.url`,
:mod:`mqttproto.transport.websocket`.
"""

__all__: list[str] = []
