"""What CONNECT and CONNACK agree on, against rows typed from their sections in the standards."""

import copy
import pickle
from typing import Any

import pytest

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import ConnAck, Connect, Will
from mqttproto.codec.faults import Fault
from mqttproto.codec.subscribe import Subscribe, Subscription
from mqttproto.constants import MAX_PACKET_SIZE, ProtocolVersion, QoS
from mqttproto.protocol.limits import (
    NEVER,
    NegotiatedLimits,
    limits_of_connack,
    limits_of_connect,
    session_expiry,
    subscription_fault,
    will_fault,
)

every_version = pytest.mark.parametrize("version", [3, 4, 5])

# The property; where it stands (who says what the other may do, or the server alone); the
# attribute; its default; another value.
LIMITS = """
    receive_maximum                    peer    receive_maximum                    65535      7
    maximum_packet_size                peer    maximum_packet_size                268435460  100
    topic_alias_maximum                peer    topic_alias_maximum                0          9
    maximum_qos                        server  maximum_qos                        2          1
    retain_available                   server  retain_available                   True       False
    wildcard_subscription_available    server  wildcard_subscription_available    True       False
    subscription_identifier_available  server  subscription_identifier_available  True       False
    shared_subscription_available      server  shared_subscription_available      True       False
    server_keep_alive                  server  keep_alive                         60         5
    session_expiry_interval            server  session_expiry_interval            0          30
"""
ROWS = [line.split() for line in LIMITS.strip().splitlines()]
every_limit = pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])


def typed(text: str) -> Any:
    return {"True": True, "False": False}[text] if text[0] in "TF" else int(text)


def with_property(name: str, text: str) -> Properties:
    value = typed(text)
    return Properties().replace(**{name: QoS(value) if name == "maximum_qos" else value})


# --- the limits as an object -----------------------------------------------------------------


def test_the_rows_are_all_limits() -> None:
    assert [row[2] for row in ROWS] == list(NegotiatedLimits.FIELDS)


def test_the_defaults_let_everything_pass() -> None:
    limits = NegotiatedLimits()
    for _, _, attribute, default, _ in ROWS:
        expected = 0 if attribute == "keep_alive" else typed(default)
        assert getattr(limits, attribute) == expected
    assert limits.maximum_packet_size == MAX_PACKET_SIZE
    assert limits.maximum_qos is QoS.EXACTLY_ONCE


@every_limit
def test_limits_are_equal_if_all_of_them_are(row: list[str]) -> None:
    _, _, attribute, _, other = row
    one = NegotiatedLimits(keep_alive=60)
    two = NegotiatedLimits(keep_alive=60)
    assert one == two
    value = QoS(int(other)) if attribute == "maximum_qos" else typed(other)
    setattr(two, attribute, value)
    assert one != two
    assert f"{attribute}={value!r}" in repr(two)


def test_limits_can_be_copied() -> None:
    limits = NegotiatedLimits(1, 2, 3, QoS.AT_LEAST_ONCE, False, False, False, False, 8, 9)
    for other in (copy.copy(limits), copy.deepcopy(limits), pickle.loads(pickle.dumps(limits))):
        assert other == limits
        assert other is not limits


# --- what a client may do --------------------------------------------------------------------


@every_version
def test_a_connack_that_says_nothing_means_the_defaults(version: int) -> None:
    limits = limits_of_connack(Connect("c", keep_alive=60), ConnAck(), version)
    for _, _, attribute, default, _ in ROWS:
        assert getattr(limits, attribute) == typed(default)


@every_limit
def test_what_connack_says_holds_for_the_client(row: list[str]) -> None:
    name, _, attribute, _, other = row
    connack = ConnAck(properties=with_property(name, other))
    limits = limits_of_connack(Connect("c", keep_alive=60), connack, 5)
    expected = NegotiatedLimits(keep_alive=60)
    setattr(expected, attribute, QoS(1) if attribute == "maximum_qos" else typed(other))
    assert limits == expected


def test_what_the_client_takes_is_not_its_own_limit() -> None:
    own = Properties(receive_maximum=1, maximum_packet_size=2, topic_alias_maximum=3)
    assert limits_of_connack(Connect("c", properties=own), ConnAck(), 5) == NegotiatedLimits(
        keep_alive=60
    )


def test_a_packet_is_never_larger_than_mqtt_allows() -> None:
    huge = Properties(maximum_packet_size=0xFFFF_FFFF)
    limits = limits_of_connack(Connect("c"), ConnAck(properties=huge), 5)
    assert limits.maximum_packet_size == MAX_PACKET_SIZE


@pytest.mark.parametrize(
    # Maximum QoS 2 cannot be said: it is absent.
    ("name", "default"),
    [(row[0], row[3]) for row in ROWS if row[0] != "maximum_qos"],
)
def test_what_connack_says_in_so_many_words_may_be_the_default(name: str, default: str) -> None:
    connack = ConnAck(properties=with_property(name, default))
    limits = limits_of_connack(Connect("c", keep_alive=60), connack, 5)
    assert limits == NegotiatedLimits(keep_alive=60)


def test_the_word_of_the_server_is_the_last() -> None:
    asked = Connect("c", keep_alive=60, properties=Properties(session_expiry_interval=100))
    granted = Properties(server_keep_alive=0, session_expiry_interval=0)
    limits = limits_of_connack(asked, ConnAck(properties=granted), 5)
    assert (limits.keep_alive, limits.session_expiry_interval) == (0, 0)
    limits = limits_of_connack(asked, ConnAck(), 5)
    assert (limits.keep_alive, limits.session_expiry_interval) == (60, 100)


# --- what a server may do --------------------------------------------------------------------


@every_limit
def test_what_either_says_holds_for_the_server(row: list[str]) -> None:
    name, says, attribute, _, other = row
    properties = with_property(name, other)
    if says == "peer":
        connect, answer = Connect("c", properties=properties), Properties()
    else:
        connect, answer = Connect("c"), properties
    limits = limits_of_connect(connect, answer, 5)
    expected = NegotiatedLimits(keep_alive=60)
    setattr(expected, attribute, QoS(1) if attribute == "maximum_qos" else typed(other))
    assert limits == expected


def test_what_the_server_takes_is_not_its_own_limit() -> None:
    own = Properties(receive_maximum=1, maximum_packet_size=2, topic_alias_maximum=3)
    assert limits_of_connect(Connect("c"), own, 5) == NegotiatedLimits(keep_alive=60)


# --- the end of the session ------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(("clean", "expected"), [(True, 0), (False, NEVER)])
def test_before_5_a_session_ends_with_its_connection_or_never(
    version: int, clean: bool, expected: int
) -> None:
    connect = Connect("c", clean_start=clean)
    assert session_expiry(connect, version) == expected
    assert limits_of_connack(connect, ConnAck(), version).session_expiry_interval == expected
    assert limits_of_connect(connect, Properties(), version).session_expiry_interval == expected


@pytest.mark.parametrize("clean", [True, False])
def test_in_5_a_session_ends_when_connect_says(clean: bool) -> None:
    assert session_expiry(Connect("c", clean_start=clean), 5) == 0
    for interval in (0, 1, NEVER):
        properties = Properties(session_expiry_interval=interval)
        connect = Connect("c", clean_start=clean, properties=properties)
        assert session_expiry(connect, ProtocolVersion.MQTT5) == interval


# --- subscriptions and wills -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("unavailable", "filters", "identifier", "fault"),
    [
        ("wildcard", ["a/b", "a/+"], 0, Fault.WILDCARDS_NOT_SUPPORTED),
        ("wildcard", ["#"], 0, Fault.WILDCARDS_NOT_SUPPORTED),
        ("wildcard", ["$share/g/#"], 0, Fault.WILDCARDS_NOT_SUPPORTED),
        ("wildcard", ["a/b", "$share/g/a"], 1, Fault.NONE),
        ("shared", ["a", "$share/g/a"], 0, Fault.SHARING_NOT_SUPPORTED),
        ("shared", ["$shared/+", "$share", "share/g/a", "#"], 1, Fault.NONE),
        ("identifier", ["a"], 1, Fault.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED),
        ("identifier", ["$share/g/#"], 0, Fault.NONE),
        ("nothing", ["$share/g/#", "+"], 268_435_455, Fault.NONE),
    ],
)
def test_what_a_subscribe_must_not_ask_for(
    unavailable: str, filters: list[str], identifier: int, fault: Fault
) -> None:
    limits = NegotiatedLimits(
        wildcard_subscription_available=unavailable != "wildcard",
        shared_subscription_available=unavailable != "shared",
        subscription_identifier_available=unavailable != "identifier",
    )
    given = Properties(subscription_identifiers=(identifier,)) if identifier else Properties()
    packet = Subscribe(1, [Subscription(each) for each in filters], given)
    assert subscription_fault(limits, packet) == fault


@pytest.mark.parametrize("qos", QoS)
@pytest.mark.parametrize("most", [QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE, None])
def test_the_qos_of_a_will_must_be_supported(qos: QoS, most: QoS | None) -> None:
    answer = Properties() if most is None else Properties(maximum_qos=most)
    expected = Fault.NONE if most is None or qos <= most else Fault.WILL_QOS_NOT_SUPPORTED
    assert will_fault(Connect("c", will=Will("w", qos=qos)), answer) == expected


@pytest.mark.parametrize("retain", [True, False])
@pytest.mark.parametrize("available", [True, False, None])
def test_a_will_to_be_retained_must_be_supported(retain: bool, available: bool | None) -> None:
    answer = Properties() if available is None else Properties(retain_available=available)
    bad = retain and available is False
    expected = Fault.WILL_RETAIN_NOT_SUPPORTED if bad else Fault.NONE
    assert will_fault(Connect("c", will=Will("w", retain=retain)), answer) == expected


def test_nothing_is_wrong_with_no_will() -> None:
    answer = Properties(maximum_qos=QoS.AT_MOST_ONCE, retain_available=False)
    assert will_fault(Connect("c"), answer) == Fault.NONE
