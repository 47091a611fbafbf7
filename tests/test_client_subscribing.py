"""SUBSCRIBE and UNSUBSCRIBE of a client: what is sent, what answers it, and what does not."""

from collections.abc import Callable

import pytest

from client_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import (
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    PacketTooLargeError,
    Statement,
)
from mqttproto.protocol import Journal, Session
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    MessageReceived,
    PublishCompleted,
    Subscribed,
    Unsubscribed,
)

Request = Callable[[Stage], int]

PINGRESP = b"\xd0\0"
"""A PINGRESP: what nobody has asked for and nobody minds."""


def subscribe(stage: Stage) -> int:
    """Subscribe to two filters."""
    return stage.client.subscribe([Subscription("a"), Subscription("b")], now=stage.now)


def unsubscribe(stage: Stage) -> int:
    """Unsubscribe from two filters."""
    return stage.client.unsubscribe(["a", "b"], now=stage.now)


def behind_connack(version: int) -> int:
    """Where in the stream the first packet behind CONNACK begins."""
    return len(ConnAck().encode(version))


requests = pytest.mark.parametrize("request_", [subscribe, unsubscribe])


# What is sent.


@pytest.mark.parametrize("version", VERSIONS)
def test_one_or_many_filters_are_sent_in_their_order(version: int) -> None:
    stage = connected(version)
    client = stage.client
    many = [Subscription("b/#", 2), Subscription("+/a", 1), Subscription("b/#", 0)]
    assert client.subscribe(many[0], now=0.0) == 1
    assert client.subscribe(many, now=0.0) == 2
    assert client.subscribe(iter(many), now=0.0) == 3
    assert client.unsubscribe("b/#", now=0.0) == 4
    assert client.unsubscribe(["b/#", "a", "b/#"], now=0.0) == 5
    assert client.unsubscribe(iter(["b/#", "a"]), now=0.0) == 6
    assert stage.sent() == [
        Subscribe(1, many[:1]),
        Subscribe(2, many),
        Subscribe(3, many),
        Unsubscribe(4, ["b/#"]),
        Unsubscribe(5, ["b/#", "a", "b/#"]),
        Unsubscribe(6, ["b/#", "a"]),
    ]


def test_options_and_properties_are_sent() -> None:
    stage = connected()
    asked = Subscription("$share/g/a", 1, False, True, 2)
    named = Properties(subscription_identifiers=[7], user_properties=[("a", "b")])
    stage.client.subscribe(asked, named, now=0.0)
    stage.client.unsubscribe("$share/g/a", named.replace(subscription_identifiers=()), now=0.0)
    assert stage.sent() == [
        Subscribe(1, [asked], named),
        Unsubscribe(2, ["$share/g/a"], Properties(user_properties=[("a", "b")])),
    ]


@pytest.mark.spec("5.0", "MQTT-3.8.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.8.3-4", role="client")
@pytest.mark.spec("5.0", "MQTT-3.10.3-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.8.3-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.10.3-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_cannot_be_asked_changes_nothing(version: int) -> None:
    stage = connected(version)
    client = stage.client
    for wrong in ([], [Subscription("")], [Subscription("a"), Subscription("a/#/b")]):
        with pytest.raises(InvalidValueError):
            client.subscribe(wrong, now=0.0)
    with pytest.raises(InvalidValueError):
        client.subscribe(Subscription("$share/g/a", no_local=True), now=0.0)
    for filters in ([], "", ["a", "+b"]):
        with pytest.raises(InvalidValueError):
            client.unsubscribe(filters, now=0.0)
    with pytest.raises(InvalidValueError):
        client.unsubscribe("a", Properties(subscription_identifiers=[7]), now=0.0)
    assert stage.sent() == []
    assert client.subscribe(Subscription("a"), now=0.0) == 1


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_neither_options_nor_properties(version: int) -> None:
    stage = connected(version)
    for wrong in (
        Subscription("a", no_local=True),
        Subscription("a", retain_as_published=True),
        Subscription("a", retain_handling=1),
    ):
        with pytest.raises(InvalidValueError):
            stage.client.subscribe(wrong, now=0.0)
    user = Properties(user_properties=[("a", "b")])
    with pytest.raises(InvalidValueError):
        stage.client.subscribe(Subscription("a"), user, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.client.unsubscribe("a", user, now=0.0)
    assert stage.sent() == []


@requests
@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_connection_nothing_is_asked(version: int, request_: Request) -> None:
    new, connecting, over = Stage(version), Stage(version), connected(version)
    connecting.connect(Connect("c"))
    over.cut()
    for stage in (new, connecting, over):
        with pytest.raises(LocalProtocolError, match="no connection"):
            request_(stage)
        assert stage.sent() == []


@requests
@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_a_request_that_is_too_large_changes_nothing(request_: Request) -> None:
    stage = connected(announce=Properties(maximum_packet_size=10))
    with pytest.raises(PacketTooLargeError):
        request_(stage)
    assert stage.sent() == []
    assert stage.client.subscribe(Subscription("a"), now=0.0) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_what_resembles_what_is_not_supported_may_be_asked_for(version: int) -> None:
    stage = connected(version)
    if version == 5:
        no = Properties(
            wildcard_subscription_available=False,
            shared_subscription_available=False,
            subscription_identifier_available=False,
        )
        stage = connected(announce=no)
    stage.client.subscribe([Subscription("$sharing/g/a"), Subscription("a/$share/b")], now=0.0)
    stage.client.unsubscribe(["a/#", "$share/g/a"], now=0.0)
    assert [type(each) for each in stage.sent()] == [Subscribe, Unsubscribe]


# What answers it.


@pytest.mark.parametrize("version", VERSIONS)
def test_codes_are_told_in_the_order_of_the_filters(version: int) -> None:
    stage = connected(version)
    asked = tuple(Subscription(each, 2) for each in ("a", "b", "c"))
    stage.client.subscribe(asked, now=0.0)
    codes = [2, 1, 0] if version == 3 else [2, 0x80, 0]
    told = EXPLAINED if version == 5 else EMPTY
    assert stage.receive(SubAck(1, codes, told)) == [
        Subscribed(1, asked, [ReasonCode(each) for each in codes], told)
    ]
    stage.client.unsubscribe(["a", "b"], now=0.0)
    gone = [ReasonCode.NOT_AUTHORIZED, ReasonCode.SUCCESS] if version == 5 else []
    assert stage.receive(UnsubAck(2, gone, told)) == [Unsubscribed(2, ("a", "b"), gone, told)]


def test_answers_may_come_in_any_order() -> None:
    stage = connected()
    ids = [stage.client.subscribe(Subscription(each), now=0.0) for each in "abc"]
    ids.append(stage.client.unsubscribe("d", now=0.0))
    assert ids == [1, 2, 3, 4]
    events = stage.receive(UnsubAck(4, [0x11]), SubAck(2, [0]), SubAck(3, [0]), SubAck(1, [0]))
    assert isinstance(events[0], Unsubscribed)
    assert events[1:] == [
        Subscribed(number, (Subscription(name),), [ReasonCode.SUCCESS])
        for number, name in ((2, "b"), (3, "c"), (1, "a"))
    ]


@requests
@pytest.mark.parametrize("version", VERSIONS)
def test_an_identifier_is_free_once_it_is_answered(version: int, request_: Request) -> None:
    stage = connected(version)
    request_(stage)
    answer = SubAck(1, [0, 0])
    if request_ is unsubscribe:
        answer = UnsubAck(1, [0, 0] if version == 5 else [])  # type: ignore[assignment]
    assert len(stage.receive(answer)) == 1
    failed = failure(stage.receive(answer))
    assert failed.statement.id == ("MQTT-2.2.1-6" if version == 5 else "MQTT-2.3.1-7")


@pytest.mark.spec("5.0", "MQTT-2.2.1-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-7", role="client")
@requests
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["nothing", "other", "message"])
def test_an_answer_to_another_request_ends_the_connection(
    version: int, request_: Request, case: str
) -> None:
    stage = connected(version)
    number = 9
    if case == "other":
        number = (unsubscribe if request_ is subscribe else subscribe)(stage)
    elif case == "message":
        number = stage.publish("a").packet_id
    stage.sent()
    codes = [0, 0] if version == 5 or request_ is subscribe else []
    wrong = SubAck(number, codes) if request_ is subscribe else UnsubAck(number, codes)
    failed = failure(stage.receive(PINGRESP, wrong))
    assert failed.statement.id == ("MQTT-2.2.1-6" if version == 5 else "MQTT-2.3.1-7")
    assert failed.offset == behind_connack(version) + len(PINGRESP)
    farewell = stage.sent()
    assert [type(each) for each in farewell] == ([Disconnect] if version == 5 else [])
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.8.4-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.8.4-5", role="client")
@pytest.mark.parametrize("codes", [[0], [0, 0, 0]])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_suback_has_a_code_for_each_filter(version: int, codes: list[int]) -> None:
    stage = connected(version)
    subscribe(stage)
    failed = failure(stage.receive(SubAck(1, codes)))
    assert failed.statement.id == ("MQTT-3.8.4-6" if version == 5 else "MQTT-3.8.4-5")


@pytest.mark.spec("5.0", "MQTT-3.11.3-2", role="client")
@pytest.mark.parametrize("codes", [[0], [0, 0, 0]])
def test_an_unsuback_has_a_code_for_each_filter(codes: list[int]) -> None:
    stage = connected()
    unsubscribe(stage)
    failed = failure(stage.receive(UnsubAck(1, codes)))
    assert failed.statement.id == "MQTT-3.11.3-2"


@requests
@pytest.mark.parametrize("wrong", [PubAck(1), PubRec(1), PubComp(1)], ids=repr)
def test_an_acknowledgement_does_not_answer_a_request(request_: Request, wrong: Packet) -> None:
    stage = connected()
    request_(stage)
    assert failure(stage.receive(wrong)).statement.id == "MQTT-2.2.1-5"


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="client")
@requests
def test_an_answer_explains_itself_only_where_that_is_wanted(request_: Request) -> None:
    silent = Connect("c", properties=Properties(request_problem_information=False))
    stage = connected(connect=silent)
    request_(stage)
    kind: type[SubAck | UnsubAck] = SubAck if request_ is subscribe else UnsubAck
    failed = failure(stage.receive(kind(1, [0, 0], EXPLAINED)))
    assert failed.statement.id == "MQTT-3.1.2-29"
    stage = connected(connect=silent)
    request_(stage)
    (event,) = stage.receive(kind(1, [0, 0]))
    assert isinstance(event, (Subscribed, Unsubscribed))


# What goes on beside it.


@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_requests_take_identifiers_that_no_message_has(version: int) -> None:
    stage = connected(version)
    first = stage.publish("a", 2)
    assert subscribe(stage) == 2
    assert stage.publish("a", 1).packet_id == 3
    assert unsubscribe(stage) == 4
    assert first.packet_id == 1
    stage.receive(PubRec(1), PubComp(1), SubAck(2, [0, 0]))
    assert stage.publish("a", 1).packet_id == 5


@requests
def test_a_request_does_not_count_as_a_message_in_flight(request_: Request) -> None:
    stage = connected(announce=Properties(receive_maximum=1))
    request_(stage)
    assert stage.client.in_flight == 0
    delivery = stage.publish("a")
    waiting = stage.publish("b")
    assert (delivery.packet_id, waiting.packet_id) == (2, 0)
    request_(stage)
    assert [type(each).__name__ for each in stage.sent()[::2]] == [
        request_.__name__.title(),
        request_.__name__.title(),
    ]
    assert stage.receive(PubAck(2)) == [PublishCompleted(delivery)]
    assert stage.sent() == [Publish("b", b"", 1, packet_id=4)]


def test_messages_come_before_suback_and_after_unsuback_as_well() -> None:
    stage = connected()
    subscribe(stage)
    before, granted = stage.receive(Publish("a"), SubAck(1, [0, 0]))
    assert isinstance(before, MessageReceived)
    assert isinstance(granted, Subscribed)
    unsubscribe(stage)
    gone, after = stage.receive(UnsubAck(2, [0, 0]), Publish("a"))
    assert isinstance(gone, Unsubscribed)
    assert isinstance(after, MessageReceived)


@requests
@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_of_an_earlier_connection_is_none_on_the_next(
    version: int, request_: Request
) -> None:
    first = connected(version, lasting(version), Session("c"))
    request_(first)
    first.cut()
    second = connected(
        version,
        lasting(version),
        first.client.session,
        resume=True,
    )
    assert second.sent() == []
    assert second.receive(PubAck(1)) == [AcknowledgementIgnored(PubAck(1))]
    codes = [0, 0] if version == 5 or request_ is subscribe else []
    late = SubAck(1, codes) if request_ is subscribe else UnsubAck(1, codes)
    assert failure(second.receive(late)).error.fault != 0


# What must not be asked.


def nothing_has_changed(stage: Stage) -> None:
    """What was refused has left no trace: the next request has the first identifier."""
    assert stage.sent() == []
    assert stage.client.take_events() == []
    assert list(stage.client.session.outbound) == []
    assert stage.client.unsubscribe("a", now=0.0) == 1


@pytest.mark.spec("5.0", "MQTT-4.7.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.1-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.1-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.1-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("topic_filter", ["", "a/#/b", "a#", "#/", "a+", "+a/b", "a\0"])
def test_a_filter_that_is_none_changes_nothing(version: int, topic_filter: str) -> None:
    stage = connected(version)
    with pytest.raises(InvalidValueError):
        stage.client.subscribe([Subscription("a"), Subscription(topic_filter)], now=0.0)
    with pytest.raises(InvalidValueError):
        stage.client.unsubscribe(["a", topic_filter], now=0.0)
    nothing_has_changed(stage)


@pytest.mark.spec("5.0", "MQTT-4.8.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.8.2-2", role="client")
@pytest.mark.parametrize("topic_filter", ["$share//a", "$share/g", "$share/+/a", "$share/g#/a"])
def test_a_shared_filter_that_is_none_changes_nothing(topic_filter: str) -> None:
    stage = connected()
    with pytest.raises(InvalidTopicError):
        stage.client.subscribe(Subscription(topic_filter), now=0.0)
    nothing_has_changed(stage)


@pytest.mark.spec("5.0", "MQTT-3.8.3-4", role="client")
def test_no_local_is_not_for_shared_subscriptions() -> None:
    stage = connected()
    with pytest.raises(InvalidValueError) as refused:
        stage.client.subscribe(Subscription("$share/g/a", no_local=True), now=0.0)
    assert refused.value.statement == Statement("5.0", "MQTT-3.8.3-4")
    nothing_has_changed(stage)


@pytest.mark.parametrize(
    "properties",
    [
        Properties(subscription_identifiers=[1, 2]),
        Properties(topic_alias=1),
        Properties(reason_string="x"),
    ],
    ids=repr,
)
def test_properties_that_cannot_stand_there_change_nothing(properties: Properties) -> None:
    stage = connected()
    with pytest.raises(InvalidValueError):
        stage.client.subscribe(Subscription("a"), properties, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.client.unsubscribe("a", properties, now=0.0)
    nothing_has_changed(stage)


def test_what_is_no_subscription_changes_nothing() -> None:
    stage = connected()
    with pytest.raises(TypeError):
        stage.client.subscribe("a/b", now=0.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        stage.client.subscribe(7, now=0.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        stage.client.unsubscribe([7], now=0.0)  # type: ignore[list-item]
    nothing_has_changed(stage)


@pytest.mark.parametrize(
    ("announced", "topic_filter", "properties", "id"),
    [
        *(
            ("wildcard_subscription_available", each, EMPTY, "section 3.2.2.3.11")
            for each in ("#", "a/#", "+", "+/a", "a/+/b", "$share/g/#", "$share/g/+/a")
        ),
        ("shared_subscription_available", "$share/g/a", EMPTY, "section 3.2.2.3.13"),
        (
            "subscription_identifier_available",
            "a",
            Properties(subscription_identifiers=[1]),
            "section 3.2.2.3.12",
        ),
    ],
)
def test_what_the_server_does_not_support_may_be_taken_back_and_not_asked_for(
    announced: str, topic_filter: str, properties: Properties, id: str
) -> None:
    stage = connected(announce=EMPTY.replace(**{announced: False}))
    asked = [Subscription("plain"), Subscription(topic_filter)]
    with pytest.raises(LimitError) as refused:
        stage.client.subscribe(asked, properties, now=0.0)
    assert refused.value.statement == Statement("5.0", id)
    nothing_has_changed(stage)
    # An earlier connection may have subscribed to it.
    assert stage.client.unsubscribe(topic_filter, now=0.0) == 2
    assert connected().client.subscribe(asked, properties, now=0.0) == 1


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_a_request_may_be_as_large_as_the_server_takes() -> None:
    asked = [Subscription("a" * 20), Subscription("b" * 20)]
    size = len(encode(Subscribe(1, asked)))
    small = connected(announce=Properties(maximum_packet_size=size - 1))
    with pytest.raises(PacketTooLargeError) as refused:
        small.client.subscribe(asked, now=0.0)
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-15")
    nothing_has_changed(small)
    stage = connected(announce=Properties(maximum_packet_size=size))
    stage.client.subscribe(asked, now=0.0)
    assert stage.sent() == [Subscribe(1, asked)]


# What an answer may say.


@pytest.mark.parametrize("code", sorted(REASON_CODES[PacketType.SUBACK, Sender.SERVER]))
def test_every_code_of_suback_is_told_in_its_place(code: ReasonCode) -> None:
    stage = connected()
    subscribe(stage)
    (event,) = stage.receive(SubAck(1, [1, code]))
    assert isinstance(event, Subscribed)
    assert event.reason_codes == [ReasonCode.GRANTED_QOS_1, code]


@pytest.mark.parametrize("code", sorted(REASON_CODES[PacketType.UNSUBACK, Sender.SERVER]))
def test_every_code_of_unsuback_is_told_in_its_place(code: ReasonCode) -> None:
    stage = connected()
    unsubscribe(stage)
    (event,) = stage.receive(UnsubAck(1, [0, code]))
    assert isinstance(event, Unsubscribed)
    assert event.reason_codes == [ReasonCode.SUCCESS, code]


@pytest.mark.spec("5.0", "MQTT-3.9.3-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.9.3-2", role="client")
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("code", [0x03, 0x11, 0x8E, 0xFF])
def test_a_code_that_is_none_of_suback_ends_the_connection(version: int, code: int) -> None:
    stage = connected(version)
    subscribe(stage)
    body = b"\0\1\0" if version == 5 else b"\0\1"
    failed = failure(stage.receive(bytes([0x90, len(body) + 2]) + body + bytes([0, code])))
    assert failed.statement == Statement("5.0" if version == 5 else "3.1.1", "MQTT-3.9.3-2")


@pytest.mark.spec("5.0", "MQTT-3.11.3-2", role="client")
@pytest.mark.parametrize("code", [0x01, 0x02, 0x8E, 0xFF])
def test_a_code_that_is_none_of_unsuback_ends_the_connection(code: int) -> None:
    stage = connected()
    unsubscribe(stage)
    failed = failure(stage.receive(b"\xb0\5\0\1\0\0" + bytes([code])))
    assert failed.statement == Statement("5.0", "MQTT-3.11.3-2")


@pytest.mark.spec("5.0", "MQTT-3.8.4-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.8.4-5", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_suback_with_no_code_ends_the_connection(version: int) -> None:
    stage = connected(version)
    subscribe(stage)
    failed = failure(stage.receive(b"\x90\3\0\1\0" if version == 5 else b"\x90\2\0\1"))
    assert failed.statement == Statement(
        *(("5.0", "MQTT-3.8.4-6") if version == 5 else ("3.1.1", "MQTT-3.8.4-5"))
    )


@pytest.mark.spec("5.0", "MQTT-3.11.3-2", role="client")
def test_an_unsuback_with_no_code_ends_the_connection() -> None:
    stage = connected()
    unsubscribe(stage)
    failed = failure(stage.receive(b"\xb0\3\0\1\0"))
    assert failed.statement == Statement("5.0", "MQTT-3.11.3-2")


@requests
@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="client")
@pytest.mark.parametrize(
    "explained", [Properties(reason_string="because"), Properties(user_properties=[("a", "b")])]
)
@pytest.mark.parametrize("wanted", [None, True, False])
def test_each_kind_of_explanation_is_taken_only_where_it_is_wanted(
    wanted: bool | None, explained: Properties, request_: Request
) -> None:
    asked = Properties(request_problem_information=wanted)
    stage = connected(connect=Connect("c", properties=asked))
    request_(stage)
    kind: type[SubAck | UnsubAck] = SubAck if request_ is subscribe else UnsubAck
    events = stage.receive(kind(1, [0, 0], explained))
    if wanted is False:
        assert failure(events).statement == Statement("5.0", "MQTT-3.1.2-29")
    else:
        (event,) = events
        assert isinstance(event, (Subscribed, Unsubscribed))
        assert event.properties == explained


@requests
def test_a_request_is_no_change_to_be_stored_and_waits_for_none(request_: Request) -> None:
    session = Session("c", journal=Journal())
    stage = connected(connect=lasting(5), session=session)
    request_(stage)
    assert len(stage.sent()) == 1
    stage.receive(SubAck(1, [0, 0]) if request_ is subscribe else UnsubAck(1, [0, 0]))
    assert stage.client.take_changes().changes == []
