"""The client's end: what it asks of its caller, of the CONNACK, and of the answers that follow."""

import pytest

from client_stage import VERSIONS, Stage, connected
from mqttproto import (
    ClientConnection,
    ConnAck,
    Connect,
    Disconnect,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    Properties,
    PubAck,
    SubAck,
    Subscription,
    UnsubAck,
)
from mqttproto.protocol import ConnectionState, Leniency, NegotiatedLimits, Session
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    Disconnected,
    Event,
    Initiator,
    Subscribed,
    Unsubscribed,
)


def failure(events: list[Event]) -> ConnectionFailed:
    """The failure that is the only event."""
    (event,) = events
    assert isinstance(event, ConnectionFailed)
    return event


def offered(connect: Connect, session: Session | None = None, **options: object) -> Stage:
    """A client that has sent CONNECT."""
    stage = Stage(5, session, **options)
    stage.connect(connect)
    return stage


@pytest.mark.parametrize(
    "options",
    [
        {"connect_timeout": 0},
        {"ping_timeout": -1.0},
        {"max_packet_size": 0},
        {"max_packet_size": 268_435_461},
        {"max_in_flight": 0},
        {"max_in_flight": 65_536},
        {"max_topic_aliases": -1},
        {"max_topic_aliases": 65_536},
        {"max_uncommitted": 0},
        {"max_held": 0},
        {"version": 6},
    ],
    ids=str,
)
def test_what_is_out_of_its_range_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be|not a valid"):
        ClientConnection(**options)  # type: ignore[arg-type]


def test_timeouts_may_be_short() -> None:
    client = ClientConnection(connect_timeout=0.5, ping_timeout=0.5)
    client.connect(Connect("c", keep_alive=0), now=1.0)
    assert client.next_deadline() == 1.5
    client.receive_data(ConnAck().encode(), 1.0)
    client.ping(now=2.0)
    assert client.next_deadline() == 2.5


# CONNECT.


@pytest.mark.spec("5.0", "MQTT-3.1.3-2", role="client")
def test_a_session_belongs_to_one_client_identifier() -> None:
    stage = Stage(5, Session("a"))
    with pytest.raises(InvalidValueError) as refused:
        stage.client.connect(Connect("b"), now=0.0)
    assert refused.value.field == "Connect.client_id"
    assert stage.client.state is ConnectionState.NEW
    assert stage.sent() == []


def test_an_empty_identifier_stands_for_that_of_the_session() -> None:
    assert Stage(5, Session("a")).connect(Connect()).client_id == "a"


def test_connect_is_sent_once() -> None:
    stage = connected()
    with pytest.raises(LocalProtocolError):
        stage.client.connect(Connect("c"), now=0.0)


@pytest.mark.parametrize(
    ("asked", "told"), [(None, 500), (400, 400), (600, 500)], ids=["none", "less", "more"]
)
def test_the_server_is_told_what_this_end_takes(asked: int | None, told: int) -> None:
    stage = Stage(5, max_packet_size=500)
    connect = Connect("c", properties=Properties(maximum_packet_size=asked))
    assert stage.connect(connect).properties.maximum_packet_size == told
    stage.receive(ConnAck())
    size = told - 3
    large = bytes((0x30, size & 0x7F | 0x80, size >> 7)) + b"\0\1a\0" + bytes(size - 4)
    assert len(large) == told
    assert len(stage.receive(large)) == 1
    size += 1
    failed = failure(stage.receive(bytes((0x30, size & 0x7F | 0x80, size >> 7))))
    assert failed.statement.id == "MQTT-3.1.2-24"


# CONNACK.


def test_the_identifier_that_the_server_assigns_is_that_of_the_session() -> None:
    stage = offered(Connect())
    (event,) = stage.receive(ConnAck(properties=Properties(assigned_client_identifier="x")))
    assert isinstance(event, Connected)
    assert event.client_id == "x"
    assert stage.client.session.client_id == "x"


def test_the_server_must_assign_an_identifier_if_there_is_none() -> None:
    failed = failure(offered(Connect()).receive(ConnAck()))
    assert failed.statement.id == "MQTT-3.2.2-16"
    lenient = offered(Connect(), leniency=Leniency.ASSIGNED_CLIENT_ID_MISSING)
    assert isinstance(lenient.receive(ConnAck())[0], Connected)


@pytest.mark.parametrize("version", [4, 5])
def test_no_session_is_present_where_a_new_one_was_asked_for(version: int) -> None:
    stage = Stage(version, Session("c", established=True))
    stage.connect(Connect("c", clean_start=True))
    failed = failure(stage.receive(ConnAck(True)))
    assert failed.statement.id == ("MQTT-3.2.2-2" if version == 5 else "MQTT-3.2.2-1")


@pytest.mark.parametrize("named", [None, "other"])
def test_the_method_of_connack_is_that_of_connect(named: str | None) -> None:
    stage = offered(Connect("c", properties=Properties(authentication_method="m")))
    answer = ConnAck(properties=Properties(authentication_method=named))
    assert failure(stage.receive(answer)).statement.id == "MQTT-4.12.0-5"
    stage = offered(Connect("c"))
    answer = ConnAck(properties=Properties(authentication_method="m"))
    assert failure(stage.receive(answer)).statement.id == "MQTT-4.12.0-6"


def test_limits_that_are_absent_are_the_defaults() -> None:
    announced = Properties(receive_maximum=1, maximum_qos=0, topic_alias_maximum=3)
    first = offered(Connect("c", keep_alive=9), Session("c"))
    first.receive(ConnAck(properties=announced))
    first.client.connection_lost(0.0)
    second = offered(Connect("c", keep_alive=9), first.client.session)
    (event,) = second.receive(ConnAck())
    assert isinstance(event, Connected)
    assert event.limits == NegotiatedLimits(keep_alive=9)
    assert second.client.limits == event.limits


@pytest.mark.spec("5.0", "MQTT-3.1.4-5", role="client")
def test_connack_must_come_in_time() -> None:
    stage = offered(Connect("c"), connect_timeout=7.0)
    assert stage.client.next_deadline() == 7.0
    assert stage.client.handle_timeout(6.9) == []
    failed = failure(stage.client.handle_timeout(7.0))
    assert failed.statement.id == "MQTT-3.1.4-5"
    assert [type(each) for each in stage.sent()] == [Disconnect]


# Subscribing.


@pytest.mark.parametrize(
    ("announced", "subscription", "properties", "rule"),
    [
        ({"wildcard_subscription_available": False}, "a/#", {}, "section 3.2.2.3.11"),
        ({"wildcard_subscription_available": False}, "+/a", {}, "section 3.2.2.3.11"),
        ({"shared_subscription_available": False}, "$share/g/a", {}, "section 3.2.2.3.13"),
        (
            {"subscription_identifier_available": False},
            "a",
            {"subscription_identifiers": [1]},
            "section 3.2.2.3.12",
        ),
    ],
)
def test_what_the_server_does_not_support_is_not_asked_for(
    announced: dict[str, bool], subscription: str, properties: dict[str, list[int]], rule: str
) -> None:
    stage = connected(announce=Properties(**announced))  # type: ignore[arg-type]
    with pytest.raises(LimitError) as refused:
        stage.client.subscribe(
            Subscription(subscription),
            Properties(**properties),  # type: ignore[arg-type]
            now=0.0,
        )
    assert refused.value.statement is not None
    assert refused.value.statement.id == rule
    assert stage.sent() == []
    assert stage.client.subscribe(Subscription("a"), now=0.0) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_subscribe_and_unsubscribe_are_told_with_what_was_asked(version: int) -> None:
    stage = connected(version)
    asked = (Subscription("a", 1), Subscription("b/#", 2))
    assert stage.client.subscribe(asked, now=0.0) == 1
    assert stage.client.unsubscribe(["a", "b/#"], now=0.0) == 2
    codes = [0x11, 0] if version == 5 else []
    granted, gone = stage.receive(UnsubAck(2, codes), SubAck(1, [1, 2]))[::-1]
    assert isinstance(granted, Subscribed)
    assert (granted.subscriptions, granted.reason_codes) == (asked, [1, 2])
    assert isinstance(gone, Unsubscribed)
    assert (gone.topic_filters, gone.reason_codes) == (("a", "b/#"), codes)


@pytest.mark.spec("5.0", "MQTT-2.2.1-6", role="client")
@pytest.mark.parametrize(
    "answer", [SubAck(2, [0]), UnsubAck(1, [0]), SubAck(1, [0, 0]), PubAck(1)], ids=repr
)
def test_an_answer_that_does_not_fit_ends_the_connection(
    answer: SubAck | UnsubAck | PubAck,
) -> None:
    stage = connected()
    stage.client.subscribe(Subscription("a"), now=0.0)
    assert failure(stage.receive(answer)).reason_code == 0x82


def test_an_unsuback_has_a_code_for_each_topic_filter() -> None:
    stage = connected()
    stage.client.unsubscribe(["a", "b"], now=0.0)
    failed = failure(stage.receive(UnsubAck(1, [0])))
    assert failed.statement.id == "MQTT-3.11.3-2"


# The end.


@pytest.mark.spec("5.0", "MQTT-3.14.2-1", role="client")
def test_what_a_client_must_not_say_at_the_end_is_refused() -> None:
    stage = connected()
    with pytest.raises(InvalidValueError) as refused:
        stage.client.disconnect(0x8E, now=0.0)
    assert refused.value.statement is not None
    assert refused.value.statement.id == "MQTT-3.14.2-1"
    with pytest.raises(LocalProtocolError):
        stage.client.disconnect(properties=Properties(session_expiry_interval=1), now=0.0)
    assert stage.client.state is ConnectionState.CONNECTED
    assert stage.sent() == []


def test_the_end_may_give_a_session_another_life() -> None:
    lasting = Properties(session_expiry_interval=10)
    stage = connected(connect=Connect("c", False, 0, properties=lasting))
    longer = Properties(session_expiry_interval=99)
    (event,) = stage.client.disconnect(properties=longer, now=5.0)
    assert isinstance(event, Disconnected)
    assert event.by is Initiator.LOCAL
    assert stage.sent() == [Disconnect(properties=longer)]
    assert stage.client.session.expires_at == 104.0
    assert stage.client.disconnect(now=6.0) == []


def test_a_new_connection_takes_the_session_over() -> None:
    first = connected(session=Session("c"))
    second = Stage(5, first.client.session)
    second.connect(Connect("c"))
    (event,) = first.client.take_events()
    assert isinstance(event, Disconnected)
    assert event.by is Initiator.NETWORK
    assert first.client.state is ConnectionState.CLOSED
    assert first.sent() == []


def test_a_connack_that_comes_twice_is_told_as_such() -> None:
    failed = failure(connected().receive(ConnAck()))
    assert failed.statement.id == "MQTT-3.2.0-2"
