"""Topic aliases: what the peer's stand for, and which this end uses."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.codec.faults import Fault
from mqttproto.protocol.aliases import InboundAliases, OutboundAliases


def test_no_alias_is_allowed_by_default() -> None:
    aliases = InboundAliases()
    assert aliases.maximum == 0
    assert aliases.fault(1, "a") == Fault.TOPIC_ALIAS_OVER_MAXIMUM


def test_every_alias_up_to_the_maximum_is_taken_and_none_above() -> None:
    aliases = InboundAliases(3)
    for alias in (1, 2, 3):
        assert aliases.fault(alias, f"t/{alias}") == Fault.NONE
    for alias in (4, 65_535):
        assert aliases.fault(alias, "t") == Fault.TOPIC_ALIAS_OVER_MAXIMUM
        assert aliases.fault(alias, "") == Fault.TOPIC_ALIAS_OVER_MAXIMUM
    assert [aliases.topic(alias) for alias in (1, 2, 3)] == ["t/1", "t/2", "t/3"]


def test_an_alias_stands_for_nothing_before_it_is_set() -> None:
    aliases = InboundAliases(2)
    assert aliases.fault(1, "") == Fault.TOPIC_ALIAS_NOT_SET
    assert aliases.fault(1, "a") == Fault.NONE
    assert aliases.fault(1, "") == Fault.NONE
    assert aliases.topic(1) == "a"
    assert aliases.fault(2, "") == Fault.TOPIC_ALIAS_NOT_SET


def test_an_alias_can_be_set_anew() -> None:
    aliases = InboundAliases(1)
    for topic in ("a", "b", "b"):
        assert aliases.fault(1, topic) == Fault.NONE
        assert aliases.topic(1) == topic


def test_a_new_topic_gets_the_next_alias() -> None:
    aliases = OutboundAliases(3)
    for number, topic in enumerate(("a", "b", "c"), start=1):
        assert aliases.find(topic) == 0
        assert aliases.candidate() == number
        aliases.set(topic)
        assert aliases.find(topic) == number


def test_an_alias_is_not_used_up_by_a_packet_that_is_not_sent() -> None:
    aliases = OutboundAliases(1)
    assert aliases.candidate() == aliases.candidate() == 1
    assert aliases.find("a") == 0
    aliases.set("a")
    assert aliases.candidate() == 1
    assert aliases.find("a") == 1, "asking for a candidate evicts nothing"


def test_the_topic_that_was_used_longest_ago_gives_its_alias_up() -> None:
    aliases = OutboundAliases(2)
    aliases.set("a")
    aliases.set("b")
    assert aliases.find("a") == 1
    assert aliases.candidate() == 2
    aliases.set("c")
    assert [aliases.find(topic) for topic in ("a", "b", "c")] == [1, 0, 2]


@pytest.mark.parametrize("maximum", [1, 65_535])
def test_an_alias_is_never_above_the_maximum(maximum: int) -> None:
    aliases = OutboundAliases(maximum)
    assert aliases.maximum == maximum
    for number in range(maximum + 2):
        assert 1 <= aliases.candidate() <= maximum
        aliases.set(f"t/{number}")
    assert aliases.find(f"t/{maximum + 1}") in (1, 2)


@given(
    maximum=st.integers(1, 5),
    more=st.integers(0, 3),
    messages=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=60),
)
def test_the_receiver_finds_the_topic_that_the_sender_has_meant(
    maximum: int, more: int, messages: list[tuple[str, bool]]
) -> None:
    outbound, inbound = OutboundAliases(maximum), InboundAliases(maximum + more)
    # The topics that have an alias, that which was used longest ago first.
    recent: OrderedDict[str, int] = OrderedDict()
    for topic, is_sent in messages:
        alias = outbound.find(topic)
        assert alias == recent.get(topic, 0)
        on_wire = "" if alias else topic
        if alias:
            recent.move_to_end(topic)
        else:
            alias = outbound.candidate()
            if not is_sent:
                continue
            outbound.set(topic)
            if len(recent) == maximum:
                recent.popitem(last=False)
            recent[topic] = alias
        assert 1 <= alias <= maximum
        # Where one was known, a packet may have been lost in the sender; it sets nothing.
        if is_sent:
            assert inbound.fault(alias, on_wire) == Fault.NONE
            assert inbound.topic(alias) == topic
    assert len(set(recent.values())) == len(recent) <= maximum
