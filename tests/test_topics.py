"""Topic names, topic filters and shared subscriptions."""

import copy
import pickle
from typing import Any, Final, Protocol

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mqttproto.constants import ProtocolVersion
from mqttproto.errors import InvalidTopicError, Statement
from mqttproto.topics import (
    MAX_TOPIC_BYTES,
    SharedFilter,
    TopicRule,
    filter_problem,
    matches,
    name_problem,
    parse_shared,
    validate_topic_filter,
    validate_topic_name,
)

MQTT31: Final = ProtocolVersion.MQTT31
MQTT311: Final = ProtocolVersion.MQTT311
MQTT5: Final = ProtocolVersion.MQTT5

every_version = pytest.mark.parametrize("version", list(ProtocolVersion), ids=lambda v: v.label)


class Validate(Protocol):
    """Either of the two functions that raise."""

    def __call__(
        self, text: str, /, *, version: ProtocolVersion = ..., field: str = ...
    ) -> None: ...


both_kinds = pytest.mark.parametrize("validate", [validate_topic_name, validate_topic_filter])


def refusal(
    validate: Validate, text: str, version: ProtocolVersion = MQTT5
) -> tuple[str, int | None, Statement | None]:
    """Return the rule in words, the index and the statement of the error that must come."""
    with pytest.raises(InvalidTopicError) as caught:
        validate(text, version=version, field="Some.field")
    assert caught.value.field == "Some.field"
    words, _, index = caught.value.rule.partition("; see character ")
    return words, int(index) if index else None, caught.value.statement


def expected(
    rule: TopicRule, index: int | None, id_311: str, id_5: str, version: ProtocolVersion
) -> tuple[str, int | None, Statement | None]:
    """Return what :func:`refusal` returns for a rule that all versions have."""
    statement = Statement("5.0", id_5) if version == MQTT5 else Statement("3.1.1", id_311)
    return rule.rule, index, statement


def expected_5(rule: TopicRule, index: int | None, id_5: str) -> tuple[str, int | None, Statement]:
    """Return what :func:`refusal` returns for a rule of 5.0."""
    return rule.rule, index, Statement("5.0", id_5)


# --- what every string has to keep -----------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "/",
        "//",
        " ",
        "/garden",
        "garden/",
        "a//b",
        "plant/7/temp",
        "Zähler/µ/温度/🌡",
        "\ufeffa",
        "\ufffe",
        "\x01",
        "$SYS/uptime",
        "$",
        "$share",
        "$shared/g/a",
        "$SHARE/g/a",
    ],
)
@every_version
@both_kinds
def test_names_without_wildcards_are_names_and_filters(
    validate: Validate, version: ProtocolVersion, text: str
) -> None:
    validate(text, version=version)
    assert name_problem(text) is None
    assert filter_problem(text, version) is None


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="both")
@every_version
@both_kinds
def test_one_character_at_least(validate: Validate, version: ProtocolVersion) -> None:
    assert refusal(validate, "", version) == expected(
        TopicRule.EMPTY, None, "MQTT-4.7.3-1", "MQTT-4.7.3-1", version
    )


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-2", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.3-2", role="both")
@pytest.mark.parametrize(("text", "index"), [("\0", 0), ("a/b\0/c\0", 3), ("ä\0", 1)])
@every_version
@both_kinds
def test_no_null_character(
    validate: Validate, version: ProtocolVersion, text: str, index: int
) -> None:
    assert refusal(validate, text, version) == expected(
        TopicRule.NULL_CHARACTER, index, "MQTT-4.7.3-2", "MQTT-4.7.3-2", version
    )


@pytest.mark.spec("3.1.1", "MQTT-1.5.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
@pytest.mark.parametrize(("text", "index"), [("\ud800", 0), ("a/\udfff/\ud800", 2)])
@every_version
@both_kinds
def test_no_surrogates(validate: Validate, version: ProtocolVersion, text: str, index: int) -> None:
    assert refusal(validate, text, version) == expected(
        TopicRule.NOT_UTF8, index, "MQTT-1.5.3-1", "MQTT-1.5.4-1", version
    )


@pytest.mark.parametrize(("character", "size"), [("a", 1), ("/", 1), ("é", 2), ("€", 3), ("😀", 4)])
@every_version
@both_kinds
def test_the_longest_that_fits(
    validate: Validate, version: ProtocolVersion, character: str, size: int
) -> None:
    count, rest = divmod(65_535, size)
    longest = character * count + "a" * rest
    assert len(longest.encode()) == MAX_TOPIC_BYTES
    validate(longest, version=version)


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-3", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.3-3", role="both")
@pytest.mark.parametrize(("character", "size"), [("a", 1), ("/", 1), ("é", 2), ("€", 3), ("😀", 4)])
@every_version
@both_kinds
def test_length_is_counted_in_bytes(
    validate: Validate, version: ProtocolVersion, character: str, size: int
) -> None:
    count, rest = divmod(65_536, size)
    assert refusal(validate, character * count + "a" * rest, version) == expected(
        TopicRule.TOO_LONG, None, "MQTT-4.7.3-3", "MQTT-4.7.3-3", version
    )


# --- names -----------------------------------------------------------------------------------


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.3.2-2", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.0-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-2", role="both")
@pytest.mark.parametrize(
    ("topic", "index"),
    [("#", 0), ("+", 0), ("a/#", 2), ("a/+/b", 2), ("a+", 1), ("ä#+", 1), ("ä+#", 1)],
)
@every_version
def test_no_wildcards_in_names(version: ProtocolVersion, topic: str, index: int) -> None:
    assert refusal(validate_topic_name, topic, version) == expected(
        TopicRule.WILDCARD_IN_NAME, index, "MQTT-4.7.1-1", "MQTT-4.7.0-1", version
    )


@pytest.mark.parametrize("topic", ["$share/", "$share//a", "$share/g", "$share/g/a"])
def test_share_means_nothing_in_names(topic: str) -> None:
    assert name_problem(topic) is None


# --- filters ---------------------------------------------------------------------------------


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-1", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.0-1", role="both")
@pytest.mark.parametrize(
    "topic_filter",
    ["#", "+", "/#", "a/#", "a//#", "+/+", "/+", "+/", "+//+", "a/+/b", "+/a/#", "$SYS/#", "ä/+/#"],
)
@every_version
def test_wildcards_in_filters(version: ProtocolVersion, topic_filter: str) -> None:
    validate_topic_filter(topic_filter, version=version)
    assert filter_problem(topic_filter, version) is None


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-2", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.1-1", role="both")
@pytest.mark.parametrize(
    ("topic_filter", "rule", "index"),
    [
        ("#/", TopicRule.HASH_NOT_LAST, 0),
        ("#/a", TopicRule.HASH_NOT_LAST, 0),
        ("a/#/b", TopicRule.HASH_NOT_LAST, 2),
        ("a/#/#", TopicRule.HASH_NOT_LAST, 2),
        ("a#", TopicRule.HASH_NOT_ALONE, 1),
        ("#a", TopicRule.HASH_NOT_ALONE, 0),
        ("##", TopicRule.HASH_NOT_ALONE, 0),
        ("a/b#", TopicRule.HASH_NOT_ALONE, 3),
        ("a/#b/c", TopicRule.HASH_NOT_ALONE, 2),
        ("#/a#", TopicRule.HASH_NOT_ALONE, 3),
        ("+#", TopicRule.HASH_NOT_ALONE, 1),
    ],
)
@every_version
def test_hash_is_the_last_level(
    version: ProtocolVersion, topic_filter: str, rule: TopicRule, index: int
) -> None:
    assert refusal(validate_topic_filter, topic_filter, version) == expected(
        rule, index, "MQTT-4.7.1-2", "MQTT-4.7.1-1", version
    )


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-3", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.1-2", role="both")
@pytest.mark.parametrize(
    ("topic_filter", "index"),
    [("a+", 1), ("+a", 0), ("++", 0), ("a/b+/c", 3), ("+/+/c+", 5), ("+/+c/#", 2)],
)
@every_version
def test_plus_is_a_whole_level(version: ProtocolVersion, topic_filter: str, index: int) -> None:
    assert refusal(validate_topic_filter, topic_filter, version) == expected(
        TopicRule.PLUS_NOT_ALONE, index, "MQTT-4.7.1-3", "MQTT-4.7.1-2", version
    )


# --- shared subscriptions --------------------------------------------------------------------


@pytest.mark.spec("5.0", "MQTT-4.8.2-1", role="both")
@pytest.mark.parametrize(
    ("topic_filter", "shared"),
    [
        ("$share/g/a", SharedFilter("g", "a")),
        ("$share/g/a/b", SharedFilter("g", "a/b")),
        ("$share/g/#", SharedFilter("g", "#")),
        ("$share/g/+/b", SharedFilter("g", "+/b")),
        ("$share/g//", SharedFilter("g", "/")),
        ("$share/g/$SYS/#", SharedFilter("g", "$SYS/#")),
        ("$share/ /a", SharedFilter(" ", "a")),
        ("$share/größe/ä", SharedFilter("größe", "ä")),
        ("$share/g/$share/h/a", SharedFilter("g", "$share/h/a")),
        ("$share/g/$share/", SharedFilter("g", "$share/")),
    ],
)
def test_shared_filters(topic_filter: str, shared: SharedFilter) -> None:
    validate_topic_filter(topic_filter)
    assert parse_shared(topic_filter) == shared


@pytest.mark.parametrize(
    "topic_filter",
    ["a", "$share", "$share+", "$shared/g/a", "$SHARE/g/a", "share/g/a", "/$share/g/a"],
)
def test_filters_that_are_not_shared(topic_filter: str) -> None:
    assert parse_shared(topic_filter) is None


@pytest.mark.spec("5.0", "MQTT-4.8.2-1", role="both")
@pytest.mark.parametrize("topic_filter", ["$share/", "$share//", "$share//a", "$share//+/#"])
def test_share_name_has_one_character_at_least(topic_filter: str) -> None:
    fault = expected_5(TopicRule.SHARE_NAME_EMPTY, None, "MQTT-4.8.2-1")
    assert refusal(validate_topic_filter, topic_filter) == fault


@pytest.mark.spec("5.0", "MQTT-4.8.2-2", role="both")
@pytest.mark.parametrize(
    ("topic_filter", "index"),
    [("$share/#", 7), ("$share/+/a", 7), ("$share/g+/a/#", 8), ("$share/g#+/a", 8)],
)
def test_no_wildcards_in_share_name(topic_filter: str, index: int) -> None:
    fault = expected_5(TopicRule.SHARE_NAME_WILDCARD, index, "MQTT-4.8.2-2")
    assert refusal(validate_topic_filter, topic_filter) == fault


@pytest.mark.spec("5.0", "MQTT-4.8.2-2", role="both")
@pytest.mark.parametrize("topic_filter", ["$share/g", "$share/g/", "$share/größe"])
def test_share_name_is_followed_by_a_filter(topic_filter: str) -> None:
    fault = expected_5(TopicRule.SHARE_FILTER_MISSING, None, "MQTT-4.8.2-2")
    assert refusal(validate_topic_filter, topic_filter) == fault


@pytest.mark.parametrize(
    ("topic_filter", "rule", "index", "id_5"),
    [
        ("$share/g/a#", TopicRule.HASH_NOT_ALONE, 10, "MQTT-4.7.1-1"),
        ("$share/g/#/a", TopicRule.HASH_NOT_LAST, 9, "MQTT-4.7.1-1"),
        ("$share/g/+a", TopicRule.PLUS_NOT_ALONE, 9, "MQTT-4.7.1-2"),
        ("$share/g\0/a", TopicRule.NULL_CHARACTER, 8, "MQTT-4.7.3-2"),
        ("$share/" + "g" * 65_535 + "/a", TopicRule.TOO_LONG, None, "MQTT-4.7.3-3"),
    ],
    ids=["a#", "#/a", "+a", "null", "long"],
)
def test_shared_filters_keep_the_rules_of_filters(
    topic_filter: str, rule: TopicRule, index: int | None, id_5: str
) -> None:
    assert refusal(validate_topic_filter, topic_filter) == expected_5(rule, index, id_5)


@pytest.mark.parametrize(
    "topic_filter", ["$share//a", "$share/g", "$share/+/a", "$share/g/a#", "$share/g/\0"]
)
def test_parsing_raises_what_validating_does(topic_filter: str) -> None:
    with pytest.raises(InvalidTopicError) as parsing:
        parse_shared(topic_filter)
    with pytest.raises(InvalidTopicError) as validating:
        validate_topic_filter(topic_filter)
    assert parsing.value.args == validating.value.args
    assert parsing.value.field == "topic_filter"


@pytest.mark.parametrize("topic_filter", ["$share/", "$share//a", "$share/g", "$share/+/#"])
@pytest.mark.parametrize("version", [MQTT31, MQTT311])
def test_share_is_a_level_like_any_other_before_5(
    version: ProtocolVersion, topic_filter: str
) -> None:
    validate_topic_filter(topic_filter, version=version)
    assert filter_problem(topic_filter, version) is None


def test_shared_filter_is_a_value() -> None:
    shared = SharedFilter("g", "a/#")
    assert (shared.share_name, shared.topic_filter) == ("g", "a/#")
    assert shared == SharedFilter("g", "a/#")
    assert hash(shared) == hash(SharedFilter("g", "a/#"))
    assert shared != SharedFilter("h", "a/#")
    assert shared != SharedFilter("g", "a")
    assert repr(shared) == "SharedFilter(share_name='g', topic_filter='a/#')"
    assert copy.deepcopy(shared) == shared
    assert pickle.loads(pickle.dumps(shared)) == shared


# --- the errors ------------------------------------------------------------------------------


def test_rules_of_share_are_of_5_only() -> None:
    before_5 = {rule for rule in TopicRule if rule.statement(MQTT311) is not None}
    assert set(TopicRule) - before_5 == {
        TopicRule.SHARE_NAME_EMPTY,
        TopicRule.SHARE_NAME_WILDCARD,
        TopicRule.SHARE_FILTER_MISSING,
    }


@pytest.mark.parametrize("rule", TopicRule)
def test_rules_cite_their_version(rule: TopicRule) -> None:
    assert rule.statement(MQTT31) == rule.statement(MQTT311)
    for version, label in ((MQTT311, "3.1.1"), (MQTT5, "5.0")):
        statement = rule.statement(version)
        assert statement is None or statement.version == label


@pytest.mark.parametrize("rule", TopicRule)
def test_rules_survive_a_copy(rule: TopicRule) -> None:
    assert copy.deepcopy(rule) is rule
    assert pickle.loads(pickle.dumps(rule)) is rule


def test_error_message() -> None:
    with pytest.raises(InvalidTopicError) as caught:
        validate_topic_filter("a/#/b", field="Subscription.topic_filter")
    assert str(caught.value) == (
        "Subscription.topic_filter: must end with its '#': drop what follows it, or use '+' to "
        "match one level; see character 2 (MQTT 5.0 [MQTT-4.7.1-1])"
    )


def test_default_fields() -> None:
    with pytest.raises(InvalidTopicError, match=r"^topic: "):
        validate_topic_name("")
    with pytest.raises(InvalidTopicError, match=r"^topic_filter: "):
        validate_topic_filter("")


@pytest.mark.parametrize("value", [None, 7, b"a/b", ["a"]], ids=repr)
def test_other_types_are_type_errors(value: Any) -> None:
    complaint = rf"\bstr\b.*\b{type(value).__name__.removesuffix('Type')}"
    with pytest.raises(TypeError, match=complaint):
        name_problem(value)
    with pytest.raises(TypeError, match=complaint):
        filter_problem(value)
    with pytest.raises(TypeError, match=complaint):
        validate_topic_name(value)
    with pytest.raises(TypeError, match=complaint):
        validate_topic_filter(value)
    with pytest.raises(TypeError, match=complaint):
        parse_shared(value)
    with pytest.raises(TypeError, match=complaint):
        matches(value, "a")
    with pytest.raises(TypeError, match=complaint):
        matches("a", value)


# --- validation against a naive predicate ----------------------------------------------------


def broken_rules(text: str, *, name: bool, version: ProtocolVersion) -> set[TopicRule]:
    """Return all rules that ``text`` breaks, each found by itself and the slow way."""
    levels = text.split("/")
    broken = {
        TopicRule.EMPTY: text == "",
        TopicRule.NOT_UTF8: any("\ud800" <= character <= "\udfff" for character in text),
        TopicRule.TOO_LONG: len(text.encode(errors="surrogatepass")) > 65_535,
        TopicRule.NULL_CHARACTER: any(ord(character) == 0 for character in text),
    }
    if name:
        broken[TopicRule.WILDCARD_IN_NAME] = bool({"+", "#"} & set(text))
    else:
        broken[TopicRule.HASH_NOT_ALONE] = any(len(level) > 1 and "#" in level for level in levels)
        broken[TopicRule.HASH_NOT_LAST] = "#" in levels[:-1]
        broken[TopicRule.PLUS_NOT_ALONE] = any(len(level) > 1 and "+" in level for level in levels)
        if version == MQTT5 and levels[0] == "$share" and len(levels) > 1:
            broken[TopicRule.SHARE_NAME_EMPTY] = levels[1] == ""
            broken[TopicRule.SHARE_NAME_WILDCARD] = bool({"+", "#"} & set(levels[1]))
            broken[TopicRule.SHARE_FILTER_MISSING] = levels[2:] in ([], [""])
    return {rule for rule, is_broken in broken.items() if is_broken}


OFFENDERS: Final[dict[TopicRule, str]] = {
    TopicRule.NOT_UTF8: "\ud800\udfff",
    TopicRule.NULL_CHARACTER: "\0",
    TopicRule.WILDCARD_IN_NAME: "+#",
    TopicRule.SHARE_NAME_WILDCARD: "+#",
    TopicRule.HASH_NOT_ALONE: "#",
    TopicRule.HASH_NOT_LAST: "#",
    TopicRule.PLUS_NOT_ALONE: "+",
}

PIECES: Final = ["a", "é", "/", "/", "/", "+", "#", "$", "\0", "\ud800", "\udfff", "$share/", "/g/"]

texts = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "$share/", "$share/g", "$share/g/"]),
        st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
        | st.lists(st.sampled_from(PIECES[:7]), max_size=8).map("".join)
        | st.text(max_size=8),
    ),
)


def check_validation(
    validate: Validate,
    problem: TopicRule | None,
    text: str,
    broken: set[TopicRule],
    version: ProtocolVersion,
) -> None:
    """Assert that the first broken rule is reported, and raised with its character's place."""
    assert problem == next((rule for rule in TopicRule if rule in broken), None)
    if problem is None:
        validate(text, version=version)
        return
    words, index, statement = refusal(validate, text, version)
    assert (words, statement) == (problem.rule, problem.statement(version))
    assert (index is not None) == (problem in OFFENDERS)
    assert index is None or text[index] in OFFENDERS[problem]


@given(text=texts, version=st.sampled_from(ProtocolVersion))
def test_names_as_a_naive_predicate_says(text: str, version: ProtocolVersion) -> None:
    broken = broken_rules(text, name=True, version=version)
    check_validation(validate_topic_name, name_problem(text), text, broken, version)


@given(text=texts, version=st.sampled_from(ProtocolVersion))
@example(text="a#/#/+b", version=MQTT5)
@example(text="$share/+", version=MQTT5)
@example(text="$share/+", version=MQTT311)
def test_filters_as_a_naive_predicate_says(text: str, version: ProtocolVersion) -> None:
    broken = broken_rules(text, name=False, version=version)
    check_validation(validate_topic_filter, filter_problem(text, version), text, broken, version)


# --- matching --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic_filter", "topic", "answer"),
    [
        # '#': the parent and everything below it (section 4.7.1.2)
        ("house/attic/lamp1/#", "house/attic/lamp1", True),
        ("house/attic/lamp1/#", "house/attic/lamp1/", True),
        ("house/attic/lamp1/#", "house/attic/lamp1/state", True),
        ("house/attic/lamp1/#", "house/attic/lamp1/state/now", True),
        ("house/attic/lamp1/#", "house/attic/lamp10", False),
        ("house/attic/lamp1/#", "house/attic/lamp10/a", False),
        ("house/attic/lamp1/#", "house/attic", False),
        ("#", "a", True),
        ("#", "/", True),
        ("#", "a/b/c", True),
        ("/#", "/", True),
        ("/#", "/a", True),
        ("/#", "a", False),
        ("a/#", "ab", False),
        ("a//#", "a/", True),
        ("a//#", "a", False),
        # '+': exactly one level, which may be empty (section 4.7.1.3)
        ("house/attic/+", "house/attic/lamp1", True),
        ("house/attic/+", "house/attic/lamp1/state", False),
        ("house/+", "house", False),
        ("house/+", "house/", True),
        ("+", "a", True),
        ("+", "a/", False),
        ("+", "/a", False),
        ("+/+", "/garden", True),
        ("/+", "/garden", True),
        ("+", "/garden", False),
        ("+/b", "/b", True),
        ("a/+/c", "a//c", True),
        ("a/+/c", "a/b/b/c", False),
        ("a/+/c", "a/b/d", False),
        ("+/#", "a", True),
        ("+/#", "a/b/c", True),
        ("+/a/#", "b/a", True),
        ("a/+/#", "a", False),
        # everything else
        ("a", "a", True),
        ("a", "b", False),
        ("a", "ab", False),
        ("ab", "a", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("ab/c", "a/c", False),
        ("a/c", "ab/c", False),
        ("a/", "a", False),
        ("a", "a/", False),
        ("a/", "a/", True),
        ("/a", "a", False),
        ("//", "//", True),
        ("//", "/", False),
    ],
)
@every_version
def test_matching(version: ProtocolVersion, topic_filter: str, topic: str, answer: bool) -> None:
    assert matches(topic_filter, topic, version) is answer


@pytest.mark.spec("3.1.1", "MQTT-4.7.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.7.2-1", role="server")
@pytest.mark.parametrize(
    ("topic_filter", "topic", "answer"),
    [
        ("#", "$SYS", False),
        ("#", "$", False),
        ("+", "$", False),
        ("+/#", "$SYS/a", False),
        ("+/broker/load", "$SYS/broker/load", False),
        ("$SYS/#", "$SYS", True),
        ("$SYS/#", "$SYS/broker/load", True),
        ("$SYS/broker/+", "$SYS/broker/load", True),
        ("$SYS/broker/+", "$SYS/broker/$load", True),
        ("$SYS", "$SYS", True),
        ("a/#", "a/$SYS", True),
        ("a/+", "a/$SYS", True),
        ("/+", "/$SYS", True),
        ("+/+", "/$SYS", True),
    ],
)
@every_version
def test_leading_wildcards_do_not_match_dollar(
    version: ProtocolVersion, topic_filter: str, topic: str, answer: bool
) -> None:
    assert matches(topic_filter, topic, version) is answer


@pytest.mark.spec("5.0", "MQTT-4.7.2-1", role="server")
@pytest.mark.parametrize(
    ("topic_filter", "topic", "answer"),
    [
        ("$share/g/a/b", "a/b", True),
        ("$share/g/a/b", "a/c", False),
        ("$share/g/a/b", "g/a/b", False),
        ("$share/g/a/b", "$share/g/a/b", False),
        ("$share/g/#", "a/b", True),
        ("$share/g/#", "$SYS/a", False),
        ("$share/g/+/a", "$SYS/a", False),
        ("$share/g/+/a", "/a", True),
        ("$share/g/$SYS/#", "$SYS/a", True),
        ("$share/g/a/#", "a", True),
        ("$share/g//", "/", True),
        ("$share/g/$share/h/a", "$share/h/a", True),
        ("$share/g/$share/h/a", "a", False),
        ("$share", "$share", True),
    ],
)
def test_shared_filters_match_by_what_is_behind_the_share_name(
    topic_filter: str, topic: str, answer: bool
) -> None:
    assert matches(topic_filter, topic) is answer


@pytest.mark.parametrize("version", [MQTT31, MQTT311])
def test_share_is_matched_as_a_level_before_5(version: ProtocolVersion) -> None:
    assert matches("$share/g/a", "$share/g/a", version)
    assert matches("$share/g", "$share/g", version)
    assert matches("$share/+/#", "$share/g/a", version)
    assert not matches("$share/g/a", "a", version)


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-4", role="server")
@pytest.mark.spec("5.0", "MQTT-4.7.3-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-1.5.3-3", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-3", role="both")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LAMP", "Lamp"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u212b", "\u00c5"),
        ("stra\u00dfe", "strasse"),
        ("\ufeffa", "a"),
        ("a\u200b", "a"),
        (" a", "a"),
        ("a ", "a"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("%61", "a"),
        ("a\\b", "a/b"),
        ("*", "a"),
    ],
)
def test_nothing_is_normalised(one: str, other: str) -> None:
    assert matches(one, one)
    assert matches(other, other)
    assert not matches(one, other)
    assert not matches(other, one)


MOST: Final[int] = 65_535


@pytest.mark.parametrize(
    ("topic_filter", "topic", "answer"),
    [
        ("#", "/" * MOST, True),
        ("/#", "/" * MOST, True),
        ("+", "/" * MOST, False),
        ("/" * MOST, "/" * MOST, True),
        ("/" * MOST, "/" * (MOST - 1), False),
        ("/" * (MOST - 1), "/" * MOST, False),
        ("/" * (MOST - 1) + "#", "/" * MOST, True),
        ("/" * (MOST - 1) + "a", "/" * MOST, False),
        ("+/" * 32_767 + "+", "/" * 32_767, True),
        ("+/" * 32_767 + "+", "/" * MOST, False),
        ("+/" * 32_767 + "+", "a", False),
        ("+/" * 32_767 + "#", "/" * MOST, True),
        ("+/" * 32_767 + "#", "/" * 32_766, True),
        ("+/" * 32_767 + "#", "/" * 32_765, False),
        ("a/" * 32_767 + "a", "a/" * 32_767 + "a", True),
        ("a/" * 32_767 + "a", "a/" * 32_767 + "b", False),
        ("a" * MOST, "a" * MOST, True),
        ("a" * MOST, "a" * (MOST - 1), False),
        ("$share/g/" + "+/" * 32_762 + "#", "/" * MOST, True),
    ],
    ids=range(19),
)
def test_matching_at_full_length(topic_filter: str, topic: str, answer: bool) -> None:
    validate_topic_filter(topic_filter)
    validate_topic_name(topic)
    assert matches(topic_filter, topic) is answer


def test_a_fault_at_the_far_end_of_a_full_length_filter() -> None:
    assert filter_problem("+/" * 32_766 + "+a") == TopicRule.PLUS_NOT_ALONE
    assert filter_problem("+/" * 32_766 + "a#") == TopicRule.HASH_NOT_ALONE


def naive_matches(topic_filter: str, topic: str, version: ProtocolVersion) -> bool:
    """Match as section 4.7 tells it, level by level."""
    filter_levels = topic_filter.split("/")
    topic_levels = topic.split("/")
    if version == MQTT5 and len(filter_levels) > 2 and filter_levels[0] == "$share":
        filter_levels = filter_levels[2:]
    if filter_levels[0] in ("+", "#") and topic_levels[0][:1] == "$":
        return False
    return naive_match_levels(filter_levels, topic_levels)


def naive_match_levels(filter_levels: list[str], topic_levels: list[str]) -> bool:
    if filter_levels == ["#"]:
        return True
    if not filter_levels or not topic_levels:
        return not filter_levels and not topic_levels
    if filter_levels[0] not in ("+", topic_levels[0]):
        return False
    return naive_match_levels(filter_levels[1:], topic_levels[1:])


level_names = st.sampled_from(["", "a", "b", "ab", "é", "$", "$a", "$share"])
names = st.lists(level_names, min_size=1, max_size=6).map("/".join).filter(bool)
filters = st.builds(
    lambda share, levels, hashes: "/".join(share + levels + hashes),
    st.sampled_from([[], [], ["$share", "g"], ["$share", "$share"]]),
    st.lists(level_names | st.just("+"), max_size=6),
    st.sampled_from([[], ["#"]]),
)


@st.composite
def related(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a topic and a filter made from it: with wildcards, now and then cut or extended."""
    topic = draw(names)
    levels = [draw(st.sampled_from([level, level, "+"])) for level in topic.split("/")]
    kept = levels[: draw(st.integers(0, len(levels)))]
    filter_levels = draw(
        st.sampled_from([levels, [*levels, "#"], [*kept, "#"], kept, [*levels, ""]])
    )
    share = draw(st.sampled_from(["", "$share/g/"]))
    return share + "/".join(filter_levels), topic


@given(
    pair=st.tuples(filters, names) | related(),
    version=st.sampled_from(ProtocolVersion),
)
def test_matching_as_a_naive_matcher_says(pair: tuple[str, str], version: ProtocolVersion) -> None:
    topic_filter, topic = pair
    assume(not broken_rules(topic_filter, name=False, version=version))
    assert matches(topic_filter, topic, version) is naive_matches(topic_filter, topic, version)


@given(
    share_name=st.text(st.characters(codec="utf-8", exclude_characters="/+#\0"), min_size=1),
    topic_filter=filters.filter(bool),
)
def test_parsing_undoes_joining(share_name: str, topic_filter: str) -> None:
    assert parse_shared(f"$share/{share_name}/{topic_filter}") == (share_name, topic_filter)


@given(topic=names, data=st.data())
def test_any_level_but_a_dollar_may_become_a_plus(topic: str, data: st.DataObject) -> None:
    levels = topic.split("/")
    index = data.draw(st.integers(0, len(levels) - 1))
    levels[index] = "+"
    assert matches("/".join(levels), topic, MQTT311) is not (index == 0 and topic[0] == "$")


@given(topic=names, data=st.data())
def test_any_tail_may_become_a_hash(topic: str, data: st.DataObject) -> None:
    levels = topic.split("/")
    index = data.draw(st.integers(0, len(levels)))
    topic_filter = "/".join([*levels[:index], "#"])
    assert matches(topic_filter, topic, MQTT311) is not (index == 0 and topic[0] == "$")


@given(topic_filter=st.text(max_size=12) | texts, topic=st.text(max_size=12) | texts)
def test_matching_invalid_strings_breaks_nothing(topic_filter: str, topic: str) -> None:
    assert matches(topic_filter, topic) in (True, False)
