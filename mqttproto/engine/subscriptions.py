"""What is subscribed to, and where its messages go."""

from collections.abc import Iterable, Iterator
from typing import Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.engine.inbox import Inbox
from mqttproto.topics import matches, parse_shared

__all__ = ["Entry", "Subscriptions"]

_SUBSCRIPTION_IDENTIFIER: Final = 0x0B
_MOST_ROUTES: Final = 10_000
"""How many topics to remember the way of: a flood of topics must not fill the memory."""

_MOST_LEFT: Final = 1_000
"""How many subscriptions to remember that were left."""

_MOST_PER_PACKET: Final = 100
"""How many filters to put into one SUBSCRIBE: servers have limits that they do not tell."""


@final
class Entry:
    """A Topic Filter that is subscribed to.

    :ivar subscription: how.
    :ivar properties: those of its SUBSCRIBE.
    :ivar inboxes: where its messages go, beside the general inbox.
    :ivar plain: whether it was subscribed to without an inbox of its own.
    :ivar turn: the number of its last SUBSCRIBE.
    """

    __slots__ = ("_pattern", "inboxes", "plain", "properties", "subscription", "turn")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription: Subscription = subscription
        self.properties: Properties = EMPTY
        self.inboxes: list[Inbox] = []
        self.plain: bool = False
        self.turn: int = 0
        shared = parse_shared(subscription.topic_filter)
        self._pattern: str = subscription.topic_filter if shared is None else shared.topic_filter

    def matches(self, topic: str) -> bool:
        """Whether a message of this topic is one of its."""
        return matches(self._pattern, topic)


@final
class Subscriptions:
    """The subscriptions of a session, as far as this client has made them."""

    __slots__ = (
        "_complete",
        "_entries",
        "_identified",
        "_last_identifier",
        "_left",
        "_routes",
        "_routing",
        "_turn",
    )

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._identified: dict[int, list[Entry]] = {}
        self._last_identifier: int = 0
        self._routing: bool = False
        self._routes: dict[tuple[str, tuple[int, ...]], list[Inbox] | None] = {}
        self._turn: int = 0
        # Those that were left, whose last messages may still be on their way; and whether there are
        # no others than were made here, as of an earlier run of the program.
        self._left: dict[str, Entry] = {}
        self._complete: bool = False

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, topic_filter: str) -> bool:
        return topic_filter in self._entries

    def begin_anew(self) -> None:
        """The server has a new session: it holds no other subscriptions than are made now."""
        self._complete = True
        self._left.clear()
        self._routes.clear()

    @property
    def turn(self) -> int:
        """The number of the last SUBSCRIBE."""
        return self._turn

    @property
    def routes(self) -> bool:
        """Whether any messages go to other inboxes than the general one."""
        return self._routing

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def identifier_of(self, topic_filters: list[str]) -> int:
        """The Subscription Identifier for a SUBSCRIBE: the one that exactly these filters have, or
        one that none has, 1 to 268,435,455.
        """
        for identifier, entries in self._identified.items():
            if [each.subscription.topic_filter for each in entries] == topic_filters:
                return identifier
        self._last_identifier += 1
        return self._last_identifier

    def inboxes_of(self, topic_filter: str) -> list[Inbox]:
        """Where the messages of a subscription go, beside the general inbox."""
        entry = self._entries.get(topic_filter)
        return [] if entry is None else list(entry.inboxes)

    def put(
        self,
        subscriptions: Iterable[Subscription],
        properties: Properties,
        inbox: Inbox | None,
        again: bool = False,
    ) -> None:
        """Take note of a SUBSCRIBE, which replaces what was subscribed to with the same filters.

        :param inbox: where its messages go; None: only to the general inbox.
        :param again: whether it only repeats what there was.
        """
        self._turn += 1
        entries = []
        for subscription in subscriptions:
            entry = self._entries.get(subscription.topic_filter)
            if entry is None:
                entry = Entry(subscription)
                self._entries[subscription.topic_filter] = entry
            entry.subscription = subscription
            entry.properties = properties
            entry.turn = self._turn
            self._left.pop(subscription.topic_filter, None)
            if again:
                pass
            elif inbox is None:
                entry.plain = True
            elif inbox not in entry.inboxes:
                entry.inboxes.append(inbox)
                self._routing = True
            entries.append(entry)
        for identifier in properties.subscription_identifiers:
            known = self._identified.setdefault(identifier, [])
            known += [each for each in entries if each not in known]
            self._last_identifier = max(self._last_identifier, identifier)
        self._routes.clear()

    def remove(self, topic_filter: str, turn: int | None = None) -> None:
        """Take note of an UNSUBSCRIBE, or that a server has refused it.

        :param turn: what :attr:`turn` was when UNSUBSCRIBE was sent: a later SUBSCRIBE stays.
        """
        entry = self._entries.get(topic_filter)
        if entry is not None and (turn is None or entry.turn <= turn):
            del self._entries[topic_filter]
            self._forget(entry)
            if not entry.inboxes and not entry.plain:
                if len(self._left) >= _MOST_LEFT:
                    del self._left[next(iter(self._left))]
                self._left[topic_filter] = entry

    def refuse(self, topic_filter: str, inbox: Inbox | None) -> None:
        """Take note that a server has refused a SUBSCRIBE: what it granted before stays."""
        entry = self._entries.get(topic_filter)
        if entry is None:
            return
        if inbox is None:
            entry.plain = False
        if not [each for each in entry.inboxes if each is not inbox] and not entry.plain:
            self.remove(topic_filter)
        elif inbox is not None:
            self.leave([topic_filter], inbox)

    def leave(self, topic_filters: Iterable[str], inbox: Inbox) -> list[str]:
        """Take an inbox away.

        :returns: the filters that nobody wants any more; they are still to be removed.
        """
        unwanted = []
        for topic_filter in topic_filters:
            entry = self._entries.get(topic_filter)
            if entry is None:
                continue
            if inbox in entry.inboxes:
                entry.inboxes.remove(inbox)
            if not entry.inboxes and not entry.plain:
                unwanted.append(topic_filter)
        self._routes.clear()
        return unwanted

    def _forget(self, entry: Entry) -> None:
        for identifier, entries in list(self._identified.items()):
            if entry in entries:
                entries.remove(entry)
                if not entries:
                    del self._identified[identifier]
        self._routes.clear()

    def route(self, message: Publish) -> list[Inbox] | None:
        """The inboxes of the subscriptions that a message came for, each once. None: it is for the
        general inbox; an empty list: it is for nobody any more. UNSUBSCRIBE may be under way, and
        even behind UNSUBACK there may be messages that the server had for it (MQTT-3.10.4-3).

        Where the server says which subscriptions those are (5.0 section 3.3.2.3.8) it is taken at
        its word; else the filters decide.
        """
        properties = message.properties
        identifiers: tuple[int, ...] = ()
        if properties is not EMPTY and properties.may_hold(_SUBSCRIPTION_IDENTIFIER):
            identifiers = properties.subscription_identifiers
        key = (message.topic, identifiers)
        if key in self._routes:
            return self._routes[key]
        found = self._search(message.topic, identifiers)
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[key] = found
        return found

    def _search(self, topic: str, identifiers: tuple[int, ...]) -> list[Inbox] | None:
        entries: list[Entry] = []
        for identifier in identifiers:
            entries += self._identified.get(identifier, [])
        inboxes: list[Inbox] = []
        matching = [each for each in entries if each.matches(topic)]
        if not matching:
            # No identifier, or one that an earlier run of the program has given.
            matching = [each for each in self._entries.values() if each.matches(topic)]
        for entry in matching:
            inboxes += [each for each in entry.inboxes if each not in inboxes]
        plain = [each for each in matching if each.plain]
        late = not plain if matching else self._is_late(topic, identifiers)
        return inboxes if inboxes or late else None

    def _is_late(self, topic: str, identifiers: tuple[int, ...]) -> bool:
        """Whether a message came for a subscription that was left."""
        for entry in self._left.values():
            known = [
                each for each in entry.properties.subscription_identifiers if each in identifiers
            ]
            if entry.matches(topic) and (known or self._complete):
                return True
        return False

    def again(self) -> list[tuple[list[Subscription], Properties]]:
        """The SUBSCRIBEs that make all subscriptions anew: what was put together stays together."""
        groups: list[tuple[list[Subscription], Properties]] = []
        for entry in self._entries.values():
            for subscriptions, properties in groups:
                if properties == entry.properties and len(subscriptions) < _MOST_PER_PACKET:
                    subscriptions.append(entry.subscription)
                    break
            else:
                groups.append(([entry.subscription], entry.properties))
        return groups
