"""A network that is simulated, with a virtual clock: to test both ends of MQTT, and what lies
between them.

Connections are sans-IO, so nothing here waits: an hour of latencies, timeouts and cuts passes in
milliseconds, and a run that is told the same things does the same things. Where chance is wanted,
hand it in: latencies and sizes of chunks may be functions.

- :class:`Network` has the clock, and does what is due.
- :class:`Link` is one network connection: it can be cut, at any byte.
- :class:`End` is one of its two ends, and has an :class:`Endpoint`: a
  ``ClientConnection``, a ``ServerConnection``,
  or whatever behaves like one.
- :class:`Path` is one of its two directions: latency, chunks, what is under way.
- :class:`Store` is the disk of one side: what it remembers when it crashes.
"""

from mqttproto.testing.network.endpoint import Committing, Endpoint
from mqttproto.testing.network.link import End, Link
from mqttproto.testing.network.path import Path
from mqttproto.testing.network.simulation import Network, RestlessError
from mqttproto.testing.network.store import Store

__all__ = ["Committing", "End", "Endpoint", "Link", "Network", "Path", "RestlessError", "Store"]
