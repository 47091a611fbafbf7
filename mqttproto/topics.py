"""Topic names and topic filters (section 4.7) and shared subscriptions (5.0 section 4.8.2).

A *topic name* is what a message is published to. A *topic filter* is what a client subscribes to,
and may hold wildcards. Both are levels separated by ``/``, and a level may be empty. Nothing here
normalises: two strings that differ in one character are two topics (MQTT-4.7.3-4 in 3.1.1 and 5.0).

:func:`name_problem` and :func:`filter_problem` say what is wrong with a string, as a member of
:class:`TopicRule`; :func:`validate_topic_name` and :func:`validate_topic_filter` raise it as an
error.
"""

from enum import Enum
from typing import Final, NamedTuple

from mqttproto.constants import ProtocolVersion
from mqttproto.errors import InvalidTopicError, Statement

__all__ = [
    "MAX_TOPIC_BYTES",
    "SharedFilter",
    "TopicRule",
    "filter_problem",
    "is_plain_filter",
    "matches",
    "name_problem",
    "parse_shared",
    "validate_topic_filter",
    "validate_topic_name",
]

MAX_TOPIC_BYTES: Final[int] = 65_535
"""The longest topic name or filter, in bytes of UTF-8 (MQTT-4.7.3-3 in 3.1.1 and 5.0)."""

_SHARE: Final[str] = "$share/"
"""How the filter of a shared subscription starts (MQTT 5.0 [MQTT-4.8.2-1])."""

_NAME_START: Final[int] = 7
"""Where the ShareName begins: the length of ``$share/``."""


class TopicRule(Enum):
    """The ways in which a topic name or a topic filter can be wrong.

    Of several faults in one string, the one whose member stands first is reported. The value of a
    member is its row: the rule in words and what to do about it, the id of its statement in 3.1.1
    (None where only 5.0 has the rule), and the id in 5.0.
    """

    _value_: tuple[str, str | None, str]

    EMPTY = (
        "must have at least one character: give it a level, as in 'a'",
        "MQTT-4.7.3-1",
        "MQTT-4.7.3-1",
    )
    NOT_UTF8 = (
        "must be encodable as UTF-8: remove the lone surrogates",
        "MQTT-1.5.3-1",
        "MQTT-1.5.4-1",
    )
    TOO_LONG = (
        "must take at most 65,535 bytes in UTF-8: shorten it",
        "MQTT-4.7.3-3",
        "MQTT-4.7.3-3",
    )
    NULL_CHARACTER = (
        "must not contain the null character U+0000: remove it",
        "MQTT-4.7.3-2",
        "MQTT-4.7.3-2",
    )
    WILDCARD_IN_NAME = (
        "must not contain '+' or '#': only topic filters have wildcards, spell each level out",
        "MQTT-4.7.1-1",
        "MQTT-4.7.0-1",
    )
    SHARE_NAME_EMPTY = (
        "must have a ShareName after '$share/': write '$share/name/filter'",
        None,
        "MQTT-4.8.2-1",
    )
    SHARE_NAME_WILDCARD = (
        "must not have '+' or '#' in its ShareName: wildcards belong in the filter behind it",
        None,
        "MQTT-4.8.2-2",
    )
    SHARE_FILTER_MISSING = (
        "must have '/' and a topic filter after its ShareName: write '$share/name/filter'",
        None,
        "MQTT-4.8.2-2",
    )
    HASH_NOT_ALONE = (
        "must have '#' alone in its level: write 'a/#' to match 'a' and all below it",
        "MQTT-4.7.1-2",
        "MQTT-4.7.1-1",
    )
    HASH_NOT_LAST = (
        "must end with its '#': drop what follows it, or use '+' to match one level",
        "MQTT-4.7.1-2",
        "MQTT-4.7.1-1",
    )
    PLUS_NOT_ALONE = (
        "must have '+' alone in its level: write 'a/+/c' to match any one level in the middle",
        "MQTT-4.7.1-3",
        "MQTT-4.7.1-2",
    )

    @property
    def rule(self) -> str:
        """The rule and what to do about it, to be read behind what the value is called."""
        return self._value_[0]

    def statement(self, version: int) -> Statement | None:
        """Where the standard of that version says so.

        :param version: 3.1 numbers no statements and gets those of 3.1.1.
        :returns: None for the rules of ``$share/`` before 5.0, which has no such rules.
        """
        if version == 5:
            return Statement("5.0", self._value_[2])
        before = self._value_[1]
        return None if before is None else Statement("3.1.1", before)


class SharedFilter(NamedTuple):
    """The two parts of the filter of a shared subscription, ``$share/{ShareName}/{filter}``.

    Subscriptions that are equal in both parts are one group (5.0 section 4.8.2).
    """

    share_name: str
    """At least one character, without ``/``, ``+`` and ``#`` (MQTT 5.0 [MQTT-4.8.2-1, -2])."""
    topic_filter: str
    """An ordinary topic filter, even where it starts with ``$share/`` itself."""


_Fault = tuple[TopicRule, int | None]
"""A broken rule, and the index of the offending character where one is to blame."""


def name_problem(topic: str) -> TopicRule | None:
    """Return what keeps ``topic`` from being a topic name, or None if it is one.

    The rules are the same in all versions.

    :raises TypeError: ``topic`` is not a str.
    """
    fault = _name_fault(topic, "topic")
    return None if fault is None else fault[0]


def filter_problem(topic_filter: str, version: int = ProtocolVersion.MQTT5) -> TopicRule | None:
    """Return what keeps ``topic_filter`` from being a topic filter, or None if it is one.

    :param version: before 5.0 there are no shared subscriptions: ``$share/...`` is like any other.
    :raises TypeError: ``topic_filter`` is not a str.
    """
    fault = _filter_fault(topic_filter, version, "topic_filter")
    return None if fault is None else fault[0]


def validate_topic_name(
    topic: str, *, version: int = ProtocolVersion.MQTT5, field: str = "topic"
) -> None:
    """Check a topic name: of a message, of a will, or a Response Topic.

    The empty topic of a PUBLISH that has a Topic Alias (5.0 section 3.3.2.3.4) is not a topic name:
    the caller leaves it out.

    :param version: whose statement the error cites; the rules are the same in all versions.
    :param field: what the error calls the value.
    :raises InvalidTopicError: it breaks a rule (3.1.1 and 5.0 section 4.7).
    :raises TypeError: it is not a str.
    """
    fault = _name_fault(topic, field)
    if fault is not None:
        raise _error(fault, version, field)


def validate_topic_filter(
    topic_filter: str,
    *,
    version: int = ProtocolVersion.MQTT5,
    field: str = "topic_filter",
) -> None:
    """Check a topic filter, in 5.0 that of a shared subscription too.

    :param version: before 5.0 there are no shared subscriptions: ``$share/...`` is like any other.
    :param field: what the error calls the value.
    :raises InvalidTopicError: it breaks a rule (3.1.1 and 5.0 section 4.7, 5.0 section 4.8.2).
    :raises TypeError: it is not a str.
    """
    fault = _filter_fault(topic_filter, version, field)
    if fault is not None:
        raise _error(fault, version, field)


def parse_shared(topic_filter: str) -> SharedFilter | None:
    """Take the filter of a shared subscription of 5.0 apart.

    :returns: None for what does not start with ``$share/`` and so is no shared subscription;
        it is not checked further.
    :raises InvalidTopicError: it starts so, but is no valid filter (5.0 sections 4.7 and 4.8.2).
    :raises TypeError: it is not a str.
    """
    if not isinstance(topic_filter, str):
        raise _not_str(topic_filter, "topic_filter")
    if not topic_filter.startswith(_SHARE):
        return None
    validate_topic_filter(topic_filter)
    return _split_shared(topic_filter)


def matches(topic_filter: str, topic: str, version: int = ProtocolVersion.MQTT5) -> bool:
    """Tell whether a subscription to ``topic_filter`` gets the messages of ``topic``.

    ``+`` stands for one level, even an empty one. ``#`` stands for any number of further levels,
    even none: ``a/#`` matches ``a`` (3.1.1 and 5.0 section 4.7.1). A filter that starts with a
    wildcard matches no topic that starts with ``$`` (MQTT-4.7.2-1 in 3.1.1 and 5.0). All else is
    compared character by character (MQTT-4.7.3-4 in 3.1.1 and 5.0). The filter of a shared
    subscription matches what the filter behind its ShareName matches.

    Both strings are taken as valid: for others the answer means nothing, but nothing breaks. The
    work is linear in the length of the topic and the ShareName, whatever the rest of the filter.

    :param version: before 5.0 there are no shared subscriptions: ``$share/...`` is like any other.
    :raises TypeError: one of the two is not a str.
    """
    if not isinstance(topic_filter, str):
        raise _not_str(topic_filter, "topic_filter")
    if not isinstance(topic, str):
        raise _not_str(topic, "topic")
    at = 0  # where the filter's level begins
    if topic_filter.startswith(_SHARE) and version == 5:
        at = topic_filter.find("/", _NAME_START) + 1
    if topic.startswith("$") and topic_filter.startswith(("+", "#"), at):
        return False
    filter_length = len(topic_filter)
    topic_length = len(topic)
    start = 0  # where the topic's level begins
    while True:
        first = topic_filter[at] if at < filter_length else ""
        if first == "#":
            return True
        end = topic.find("/", start)
        if end < 0:
            end = topic_length
        # The filter is never searched for its next separator, which may be 65,535 characters away:
        # the topic's level says where it must be.
        if first == "+":
            at += 1
        elif topic_filter.startswith(topic[start:end], at):
            at += end - start
        else:
            return False
        if end == topic_length:
            return at == filter_length or (at + 2 == filter_length and topic_filter.endswith("/#"))
        if at == filter_length or topic_filter[at] != "/":
            return False
        at += 1
        start = end + 1


def _name_fault(topic: str, field: str) -> _Fault | None:
    """Find the first broken rule of a topic name."""
    if not isinstance(topic, str):
        raise _not_str(topic, field)
    if not 0 < len(topic) <= MAX_TOPIC_BYTES or not topic.isascii() or "\0" in topic:
        fault = _text_fault(topic)
        if fault is not None:
            return fault
    if "+" in topic or "#" in topic:
        return TopicRule.WILDCARD_IN_NAME, _first_wildcard(topic)
    return None


def is_plain_filter(topic_filter: str) -> bool:
    """Whether a quick look is enough to see that this is a topic filter, in any version.

    False says nothing: it needs a closer look, as all that is not ASCII or begins with ``$`` does.
    """
    if not 0 < len(topic_filter) <= MAX_TOPIC_BYTES or topic_filter[0] == "$":
        return False
    if not topic_filter.isascii() or "\0" in topic_filter:
        return False
    if "+" in topic_filter and topic_filter.count("+") != topic_filter.split("/").count("+"):
        return False
    return "#" not in topic_filter or (
        topic_filter.find("#") + 1 == len(topic_filter) and topic_filter[-2:] in ("/#", "#")
    )


def _filter_fault(topic_filter: str, version: int, field: str) -> _Fault | None:
    """Find the first broken rule of a topic filter."""
    if not isinstance(topic_filter, str):
        raise _not_str(topic_filter, field)
    if is_plain_filter(topic_filter):
        return None
    fault = _text_fault(topic_filter)
    if fault is None and version == 5 and topic_filter.startswith(_SHARE):
        fault = _share_fault(topic_filter)
    return _wildcard_fault(topic_filter) if fault is None else fault


def _text_fault(text: str) -> _Fault | None:
    """Find the first broken rule of those that names and filters have in common."""
    if not text:
        return TopicRule.EMPTY, None
    size = len(text)
    if not text.isascii():
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            return TopicRule.NOT_UTF8, error.start
    if size > MAX_TOPIC_BYTES:
        return TopicRule.TOO_LONG, None
    if "\0" in text:
        return TopicRule.NULL_CHARACTER, text.find("\0")
    return None


def _share_fault(topic_filter: str) -> _Fault | None:
    """Find the first broken rule of a ShareName and of what must follow it."""
    shared = _split_shared(topic_filter)
    if not shared.share_name:
        return TopicRule.SHARE_NAME_EMPTY, None
    if "+" in shared.share_name or "#" in shared.share_name:
        return TopicRule.SHARE_NAME_WILDCARD, _first_wildcard(topic_filter)
    if not shared.topic_filter:
        return TopicRule.SHARE_FILTER_MISSING, None
    return None


def _wildcard_fault(topic_filter: str) -> _Fault | None:
    """Find the first broken rule about where wildcards may stand."""
    if "#" in topic_filter:
        index = _not_alone("#", topic_filter)
        if index >= 0:
            return TopicRule.HASH_NOT_ALONE, index
        index = topic_filter.find("#")
        if index + 1 != len(topic_filter):
            return TopicRule.HASH_NOT_LAST, index
    if "+" in topic_filter:
        index = _not_alone("+", topic_filter)
        if index >= 0:
            return TopicRule.PLUS_NOT_ALONE, index
    return None


def _not_alone(wildcard: str, topic_filter: str) -> int:
    """Find the first such wildcard that is not a whole level; -1 if there is none."""
    # With separators around it, an index of the filter is that of the character before.
    levels = f"/{topic_filter}/"
    level = f"/{wildcard}/"
    index = topic_filter.find(wildcard)
    while index >= 0 and levels.startswith(level, index):
        index = topic_filter.find(wildcard, index + 1)
    return index


def _first_wildcard(text: str) -> int:
    """Find the first ``+`` or ``#`` in a text that has one: its index."""
    return min(len(text.partition("+")[0]), len(text.partition("#")[0]))


def _split_shared(topic_filter: str) -> SharedFilter:
    """Split what starts with ``$share/`` at the end of the ShareName; either part may be empty."""
    share_name, _, rest = topic_filter[_NAME_START:].partition("/")
    return SharedFilter(share_name, rest)


def _error(fault: _Fault, version: int, field: str) -> InvalidTopicError:
    """Say in an error what is wrong, and where."""
    rule, index = fault
    where = "" if index is None else f"; see character {index}"
    return InvalidTopicError(field, rule.rule + where, rule.statement(version))


def _not_str(value: object, field: str) -> TypeError:
    """Say which argument is not a str; compiled code says it before it gets here."""
    return TypeError(f"{field}: a str is expected, not {type(value).__name__}")
