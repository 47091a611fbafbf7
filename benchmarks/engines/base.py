"""What a library has to offer to take part: a client that knows no socket."""

import abc
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Any, ClassVar, TypeAlias

from timing import Run
from traffic import Message, Turn

__all__ = ["Engine", "Heard", "Sink"]

Sink: TypeAlias = Callable[[Any], object]
"""Takes what a call returned, a list of events or bytes: a method of a list, or of a deque that
keeps nothing."""

Heard: TypeAlias = tuple[list[tuple[object, ...]], list[int]]
"""Messages as (topic, payload, QoS, retain, DUP), and the identifiers of completed publishes."""


class Engine(abc.ABC):
    """A library; building one raises ImportError if it is absent, AttributeError if it changed.

    :cvar name: the name of the distribution.
    """

    name: ClassVar[str]

    @property
    def release(self) -> str:
        """The version of the installed distribution."""
        return metadata.version(self.name)

    @abc.abstractmethod
    def client(self, version: int) -> Any:
        """A client that is connected, with all that a connection needs; a new one each time."""

    @abc.abstractmethod
    def player(
        self, version: int, qos: int, turns: Iterable[Turn], events: Sink, data: Sink
    ) -> Run:
        """Prepare one run of a new client.

        :param events: is given all events.
        :param data: is given all bytes to send, in one piece where they are sent in one.
        """

    @abc.abstractmethod
    def heard(self, batches: Iterable[Any]) -> Heard:
        """What the events say. There must be no others than those of messages."""

    @abc.abstractmethod
    def publish_all(self, client: Any, messages: Sequence[Message]) -> None:
        """Publish at QoS 1, and take the bytes; no answer comes."""
