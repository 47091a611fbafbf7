"""Real sockets for tests, and a network between them that fails when it is told to.

- :class:`FaultProxy` stands in front of a server and passes bytes on, until it does not.
- :class:`Schedule` says what it does to which connection: plain data, drawn at random or written
  down. It has a :class:`Fate` for each connection, with a :class:`Way` for each direction.
- :class:`LoopThread` runs such things beside code that does not use asyncio.
"""

from mqttproto.testing.live.loop_thread import LoopThread
from mqttproto.testing.live.proxy import FaultProxy
from mqttproto.testing.live.schedule import Fate, Schedule, Way

__all__ = ["Fate", "FaultProxy", "LoopThread", "Schedule", "Way"]
