"""Topic aliases, which live as long as their connection (5.0 section 3.3.2.3.4)."""

from collections import OrderedDict
from typing import Final, final

from mqttproto.codec.faults import Fault

__all__ = ["InboundAliases", "OutboundAliases"]


@final
class InboundAliases:
    """What the peer's aliases stand for.

    :param maximum: the Topic Alias Maximum that this end has announced, 0 to 65,535.
    """

    __slots__ = ("_topics", "maximum")

    def __init__(self, maximum: int = 0) -> None:
        self.maximum: Final[int] = maximum
        self._topics: dict[int, str] | None = None

    def fault(self, alias: int, topic: str) -> Fault:
        """What is wrong with a PUBLISH that has this alias; a topic of its own is noted.

        To be asked of every PUBLISH with an alias, whatever becomes of its message: the sender
        may use the alias from then on.
        """
        if alias > self.maximum:
            return Fault.TOPIC_ALIAS_OVER_MAXIMUM
        if topic:
            if self._topics is None:
                self._topics = {}
            self._topics[alias] = topic
            return Fault.NONE
        if self._topics is None or alias not in self._topics:
            return Fault.TOPIC_ALIAS_NOT_SET
        return Fault.NONE

    def topic(self, alias: int) -> str:
        """The topic that an alias without a fault stands for."""
        assert self._topics is not None
        return self._topics[alias]


@final
class OutboundAliases:
    """The aliases that this end uses: those of the topics that were used last.

    :param maximum: the highest alias to use, 1 to 65,535.
    """

    __slots__ = ("_aliases", "maximum")

    def __init__(self, maximum: int) -> None:
        self.maximum: Final[int] = maximum
        self._aliases: OrderedDict[str, int] = OrderedDict()

    def find(self, topic: str) -> int:
        """The alias that stands for ``topic``, or 0."""
        alias: int = self._aliases.get(topic, 0)
        if alias:
            self._aliases.move_to_end(topic)
        return alias

    def candidate(self) -> int:
        """The alias that a topic without one would get. Nothing has changed until :meth:`set`: a
        packet that is not sent after all sets no alias.
        """
        used = len(self._aliases)
        if used < self.maximum:
            return used + 1
        oldest: int = next(iter(self._aliases.values()))
        return oldest

    def set(self, topic: str) -> None:
        """A PUBLISH is sent that gives ``topic`` the alias of :meth:`candidate`."""
        alias = self.candidate()
        if len(self._aliases) >= self.maximum:
            self._aliases.popitem(last=False)
        self._aliases[topic] = alias
