"""Deviations by name: none unless it is named, and each of them alone."""

import copy
import pickle
import re
from itertools import combinations

import pytest

from docstrings import of_members
from mqttproto.protocol import ClientConnection, ServerConnection
from mqttproto.protocol.leniency import Leniency

NAMES = """
    UNKNOWN_SESSION_PRESENT
    ASSIGNED_CLIENT_ID_MISSING
    RECEIVE_MAXIMUM_EXCEEDED
    CLIENT_ID_LENGTH_31
"""


def test_the_deviations_by_name() -> None:
    assert [member.name for member in Leniency] == NAMES.split()


def test_nothing_is_lenient_unless_it_is_named() -> None:
    assert Leniency(0) is Leniency.NONE
    assert not Leniency.NONE
    assert not any(member in Leniency.NONE for member in Leniency)


def test_each_is_a_deviation_of_its_own() -> None:
    for one, other in combinations(Leniency, 2):
        assert not one & other
        assert one in one | other
        assert other in one | other


@pytest.mark.parametrize("member", [*Leniency, Leniency.NONE, ~Leniency.NONE])
def test_a_set_of_deviations_can_be_copied(member: Leniency) -> None:
    assert copy.deepcopy(member) == member
    assert pickle.loads(pickle.dumps(member)) == member


def test_each_says_which_rule_it_relaxes() -> None:
    documented = of_members("protocol.leniency", "Leniency")
    assert list(documented) == NAMES.split()
    for text in documented.values():
        assert re.search(r"\((5\.0: MQTT-|3\.1 section )", text), text


@pytest.mark.parametrize("leniency", ["x", 1, None, True])
def test_what_is_no_leniency_is_refused_at_once(leniency: object) -> None:
    with pytest.raises(TypeError):
        ClientConnection(leniency=leniency)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ServerConnection(now=0.0, leniency=leniency)  # type: ignore[arg-type]
