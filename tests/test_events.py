"""What a connection can tell: every event is a plain object, documented, and exported."""

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

import docstrings
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.faults import Fault, packet_error
from mqttproto.codec.packet import Record
from mqttproto.codec.publish import PubAck, Publish, PubRel
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ConnectReturnCode, ProtocolVersion, QoS, ReasonCode
from mqttproto.errors import Statement
from mqttproto.protocol import events
from mqttproto.protocol.delivery import Delivery
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    AuthenticationReceived,
    CapacityAvailable,
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    ConnectReceived,
    Disconnected,
    DropReason,
    Event,
    Initiator,
    MessageReceived,
    PingAnswered,
    PublishCompleted,
    PublishDropped,
    Subscribed,
    SubscribeReceived,
    Unsubscribed,
    UnsubscribeReceived,
)
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.receipts import Receipt

REASON = Properties(reason_string="r")
MESSAGE = Publish("t", b"x", 1, packet_id=3)
ERROR = packet_error(Fault.RECEIVE_MAXIMUM_EXCEEDED, 12, 5)

# Of each class the values of its fields, twice: all of them differ.
VALUES: dict[type[Event], tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    Connected: (
        (True, "c", NegotiatedLimits(), REASON),
        (False, "d", NegotiatedLimits(keep_alive=1), Properties()),
    ),
    ConnectionRefused: (
        (ReasonCode.BANNED, REASON),
        (ConnectReturnCode.SERVER_UNAVAILABLE, Properties()),
    ),
    ConnectReceived: (
        (Connect("c"), ProtocolVersion.MQTT5, 60),
        (Connect("d"), ProtocolVersion.MQTT31, 0),
    ),
    MessageReceived: ((MESSAGE,), (Publish("t"),)),
    PublishCompleted: (
        (Delivery(MESSAGE, 1, 2), ReasonCode.NO_MATCHING_SUBSCRIBERS, REASON),
        (Delivery(MESSAGE, 2, 3), ReasonCode.SUCCESS, Properties()),
    ),
    PublishDropped: (
        (Delivery(MESSAGE, 1), DropReason.EXPIRED),
        (Delivery(MESSAGE, 2), DropReason.QUEUE_FULL),
    ),
    CapacityAvailable: ((), ()),
    Subscribed: (
        (4, (Subscription("a", 1),), [ReasonCode.GRANTED_QOS_1], REASON),
        (5, (Subscription("b", 1),), [ReasonCode.NOT_AUTHORIZED], Properties()),
    ),
    Unsubscribed: (
        (4, ("a",), [ReasonCode.SUCCESS], REASON),
        (5, ("b",), [], Properties()),
    ),
    SubscribeReceived: (
        (Subscribe(1, [Subscription("a")]),),
        (Subscribe(2, [Subscription("a")]),),
    ),
    UnsubscribeReceived: ((Unsubscribe(1, ["a"]),), (Unsubscribe(2, ["a"]),)),
    AuthenticationReceived: (
        (ReasonCode.CONTINUE_AUTHENTICATION, REASON),
        (ReasonCode.RE_AUTHENTICATE, Properties()),
    ),
    PingAnswered: ((0.5,), (0.25,)),
    AcknowledgementIgnored: ((PubAck(1),), (PubRel(1),)),
    Disconnected: (
        (Initiator.PEER, ReasonCode.SERVER_BUSY, REASON, True),
        (Initiator.LOCAL, ReasonCode.NORMAL_DISCONNECTION, Properties(), False),
    ),
    ConnectionFailed: ((ERROR, True), (packet_error(Fault.UTF8, 1, 5), False)),
}

every_event = pytest.mark.parametrize("event", list(VALUES), ids=lambda event: event.__name__)


def make(event: type[Event], which: int = 0) -> Event:
    build: Callable[..., Event] = event
    return build(*VALUES[event][which])


def fields(event: Event) -> list[object]:
    return [getattr(event, name) for name in event.FIELDS]


# --- all of them -----------------------------------------------------------------------------


def test_every_event_is_exported() -> None:
    classes = {
        name
        for name, value in vars(events).items()
        if isinstance(value, type) and issubclass(value, Event)
    }
    assert classes == {event.__name__ for event in VALUES} | {"Event"}
    assert set(events.__all__) == classes | {"DropReason", "Initiator"}
    assert events.__all__ == sorted(events.__all__)


@every_event
def test_an_event_holds_what_it_was_given(event: type[Event]) -> None:
    one = make(event)
    assert isinstance(one, Event)
    assert isinstance(one, Record)
    for held, given in zip(fields(one), VALUES[event][0], strict=True):
        assert held is given or held == given


@every_event
def test_what_an_event_holds_is_of_the_types_that_it_names(event: type[Event]) -> None:
    for which in (0, 1):
        one = make(event, which)
        for name, types in one.FIELDS.items():
            assert isinstance(getattr(one, name), types), name


@every_event
def test_events_are_equal_if_all_that_they_say_is(event: type[Event]) -> None:
    assert make(event) == make(event)
    for name, value in zip(event.FIELDS, VALUES[event][1], strict=True):
        other = make(event)
        setattr(other, name, value)
        assert other != make(event), name


def test_events_of_different_classes_are_different() -> None:
    for one in VALUES:
        for other in VALUES:
            assert (make(one) == make(other)) == (one is other)
    assert make(CapacityAvailable) != "CapacityAvailable()"


@every_event
def test_an_event_cannot_be_hashed(event: type[Event]) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(make(event))


@every_event
def test_an_event_shows_what_it_says(event: type[Event]) -> None:
    one = make(event)
    shown = ", ".join(f"{name}={getattr(one, name)!r}" for name in event.FIELDS)
    assert repr(one) == f"{event.__name__}({shown})"


def test_a_password_is_not_shown() -> None:
    connect = Connect("c", user_name="u", password=b"secret")
    assert "secret" not in repr(ConnectReceived(connect, ProtocolVersion.MQTT5, 0))


@every_event
def test_an_event_can_be_copied(event: type[Event]) -> None:
    one = make(event)
    protocols = range(2, pickle.HIGHEST_PROTOCOL + 1)
    pickled = [pickle.loads(pickle.dumps(one, protocol)) for protocol in protocols]
    for other in [copy.copy(one), copy.deepcopy(one), *pickled]:
        assert type(other) is event
        assert other is not one
        # Errors are exceptions: equal if they are one and the same.
        assert repr(other) == repr(one)
        if event is not ConnectionFailed:
            assert other == one


@every_event
def test_each_attribute_is_documented(event: type[Event]) -> None:
    text = docstrings.of_classes("protocol.events")[event.__name__]
    documented = re.findall(r":ivar (\w+):", text)
    # What acknowledge() needs is not part of the value.
    more = ["receipt"] if event is MessageReceived else []
    assert documented == [*event.FIELDS, *more]
    assert text[0].isupper()


@pytest.mark.parametrize("enumeration", [DropReason, Initiator])
def test_each_reason_is_documented(enumeration: type[DropReason | Initiator]) -> None:
    documented = docstrings.of_members("protocol.events", enumeration.__name__)
    assert list(documented) == [member.name for member in enumeration]
    for member in enumeration:
        assert str(member.value).lower() == member.name.lower().replace("_", " ")
        assert pickle.loads(pickle.dumps(member)) is member


# --- what they say beside that ---------------------------------------------------------------


def test_what_need_not_be_said() -> None:
    delivery = Delivery(MESSAGE, 1)
    for short, full in (
        (
            Connected(True, "c", NegotiatedLimits()),
            Connected(True, "c", NegotiatedLimits(), Properties()),
        ),
        (
            ConnectionRefused(ReasonCode.BANNED),
            ConnectionRefused(ReasonCode.BANNED, Properties()),
        ),
        (
            PublishCompleted(delivery),
            PublishCompleted(delivery, ReasonCode.SUCCESS, Properties()),
        ),
        (Subscribed(1, (), []), Subscribed(1, (), [], Properties())),
        (Unsubscribed(1, (), []), Unsubscribed(1, (), [], Properties())),
        (
            Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR),
            Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR, Properties(), False),
        ),
        (ConnectionFailed(ERROR), ConnectionFailed(ERROR, False)),
        (MessageReceived(MESSAGE), MessageReceived(MESSAGE, None)),
    ):
        assert short == full


def test_a_message_can_be_read_through_its_event() -> None:
    message = Publish("t/1", b"x", 2, True, True, 3, Properties(content_type="t"))
    event = MessageReceived(message)
    assert event.topic == "t/1"
    assert event.payload == b"x"
    assert event.qos is QoS.EXACTLY_ONCE
    assert event.retain
    assert event.dup
    assert event.properties == Properties(content_type="t")
    assert event.receipt is None


def test_what_acknowledge_needs_is_no_part_of_the_value() -> None:
    receipt = Receipt(3, 1, 1)
    event = MessageReceived(MESSAGE, receipt)
    assert event.receipt is receipt
    assert event == MessageReceived(MESSAGE)
    assert "receipt" not in repr(event)
    assert copy.copy(event).receipt is None


@pytest.mark.parametrize("data", [b"", b"data", None])
def test_the_authentication_data_can_be_read_through_its_event(data: bytes | None) -> None:
    properties = Properties(authentication_method="m", authentication_data=data)
    event = AuthenticationReceived(ReasonCode.CONTINUE_AUTHENTICATION, properties)
    assert event.data == data


def test_a_failure_says_reason_code_offset_and_statement() -> None:
    event = ConnectionFailed(ERROR)
    assert event.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    assert event.offset == 12
    assert event.statement == Statement("5.0", "MQTT-3.3.4-7")
    other = pickle.loads(pickle.dumps(event))
    assert (other.reason_code, other.offset, other.statement) == (
        event.reason_code,
        event.offset,
        event.statement,
    )
