"""What all packets share: equality, copies, what they print, and the helpers of encoders."""

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from mqttproto import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    InvalidValueError,
    PacketType,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    QoS,
    ReasonCode,
    RetainHandling,
    Statement,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import (
    Packet,
    Record,
    as_qos,
    packet_id_bytes,
    packet_size,
    properties_size,
    wrong_type,
)

SOME = Properties(reason_string="why", user_properties=[("a", "b")])
OTHER = Properties(user_properties=[("a", "c")])

SUCCESS = ReasonCode.SUCCESS
FAILED = ReasonCode.UNSPECIFIED_ERROR
NOT_FOUND = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND

# Of each class: its attributes in order, each with two values.
Values = dict[str, tuple[Any, Any]]

ACKNOWLEDGEMENT: Values = {
    "packet_id": (1, 65_535),
    "reason_code": (SUCCESS, NOT_FOUND),
    "properties": (SOME, OTHER),
}
ANSWER: Values = {
    "packet_id": (1, 65_535),
    "reason_codes": ([SUCCESS, FAILED], [FAILED, SUCCESS]),
    "properties": (SOME, OTHER),
}
LAST_WORDS: Values = {"reason_code": (SUCCESS, FAILED), "properties": (SOME, OTHER)}

RECORDS: dict[type[Record], Values] = {
    Connect: {
        "client_id": ("c-7", ""),
        "clean_start": (False, True),
        "keep_alive": (0, 65_535),
        "will": (Will("gone", b"1"), None),
        "user_name": ("u", None),
        "password": (b"p", None),
        "properties": (SOME, OTHER),
    },
    ConnAck: {
        "session_present": (True, False),
        "reason_code": (SUCCESS, FAILED),
        "properties": (SOME, OTHER),
    },
    Publish: {
        "topic": ("a/b", "a/c"),
        "payload": (b"\0\xff", b""),
        "qos": (QoS.EXACTLY_ONCE, QoS.AT_LEAST_ONCE),
        "retain": (True, False),
        "dup": (True, False),
        "packet_id": (7, None),
        "properties": (SOME, OTHER),
    },
    PubAck: ACKNOWLEDGEMENT,
    PubRec: ACKNOWLEDGEMENT,
    PubRel: ACKNOWLEDGEMENT,
    PubComp: ACKNOWLEDGEMENT,
    Subscribe: {
        "packet_id": (1, 65_535),
        "subscriptions": ([Subscription("a/+"), Subscription("#", 2)], [Subscription("#", 2)]),
        "properties": (SOME, OTHER),
    },
    SubAck: ANSWER,
    Unsubscribe: {
        "packet_id": (1, 65_535),
        "topic_filters": (["a/+", "#"], ["#", "a/+"]),
        "properties": (SOME, OTHER),
    },
    UnsubAck: ANSWER,
    PingReq: {},
    PingResp: {},
    Disconnect: LAST_WORDS,
    Auth: LAST_WORDS,
    Will: {
        "topic": ("gone", "lost"),
        "payload": (b"\0\xff", b""),
        "qos": (QoS.EXACTLY_ONCE, QoS.AT_MOST_ONCE),
        "retain": (True, False),
        "properties": (SOME, OTHER),
    },
    Subscription: {
        "topic_filter": ("a/+", "a/#"),
        "qos": (QoS.EXACTLY_ONCE, QoS.AT_MOST_ONCE),
        "no_local": (True, False),
        "retain_as_published": (True, False),
        "retain_handling": (RetainHandling.DO_NOT_SEND, RetainHandling.SEND),
    },
}

every_class = pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
every_copy = pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        *(
            pytest.param(
                lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)),
                id=f"pickle {protocol}",
            )
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)


def make(cls: type[Record], *changed: str) -> Record:
    """An object with the first value of each attribute, and the second of those named."""
    build: Callable[..., Record] = cls
    return build(*(pair[name in changed] for name, pair in RECORDS[cls].items()))


# --- one class for each packet ---------------------------------------------------------------


@pytest.mark.spec("3.1.1", "section 2.2.1", role="both")
@pytest.mark.spec("5.0", "section 2.1.2", role="both")
def test_every_packet_type_has_a_class() -> None:
    packets = [cls for cls in RECORDS if issubclass(cls, Packet)]
    assert [cls.packet_type for cls in packets] == list(PacketType)
    assert [cls.__name__.upper() for cls in packets] == [kind.name for kind in PacketType]


def test_what_is_in_packets_is_no_packet() -> None:
    assert [cls for cls in RECORDS if not issubclass(cls, Packet)] == [Will, Subscription]


def test_a_packet_of_no_type_has_no_bytes() -> None:
    with pytest.raises(NotImplementedError):
        Packet().encode()
    with pytest.raises(NotImplementedError):
        Packet().encoded_size()


# --- attributes ------------------------------------------------------------------------------


@every_class
def test_the_constructor_takes_the_attributes_in_their_order(cls: type[Record]) -> None:
    assert list(cls.FIELDS) == list(RECORDS[cls])
    by_position = make(cls)
    build: Callable[..., Record] = cls
    by_name = build(**{name: pair[0] for name, pair in reversed(RECORDS[cls].items())})
    for name, (value, _) in RECORDS[cls].items():
        assert getattr(by_position, name) == getattr(by_name, name) == value
        assert type(getattr(by_position, name)) is type(value)


@every_class
def test_attributes_may_be_set(cls: type[Record]) -> None:
    for name, (_, value) in RECORDS[cls].items():
        record = make(cls)
        setattr(record, name, value)
        assert record == make(cls, name)


@every_class
def test_there_are_no_other_attributes(cls: type[Record]) -> None:
    with pytest.raises(AttributeError):
        make(cls).something = 1  # type: ignore[attr-defined]


def test_what_was_given_may_be_changed_afterwards() -> None:
    subscriptions = [Subscription("a")]
    filters = ["a"]
    codes = [SUCCESS]
    packets = [Subscribe(1, subscriptions), Unsubscribe(1, filters), SubAck(1, codes)]
    expected = copy.deepcopy(packets)
    for given in (subscriptions, filters, codes):
        given.clear()
    assert packets == expected


@pytest.mark.parametrize("buffer", [b"\0\xff", bytearray(b"\0\xff"), memoryview(b"\1\0\xff")[1:]])
def test_every_buffer_of_bytes_is_taken(buffer: bytes | bytearray | memoryview) -> None:
    for value in (
        Publish("a", buffer).payload,
        Will("a", buffer).payload,
        Connect(password=buffer).password,
    ):
        assert value == b"\0\xff"
        assert type(value) is bytes


# --- equality --------------------------------------------------------------------------------


@every_class
def test_objects_with_equal_attributes_are_equal(cls: type[Record]) -> None:
    assert make(cls) == make(cls)
    assert not make(cls) != make(cls)  # noqa: SIM202 - it is the other operator


@every_class
def test_objects_with_one_different_attribute_are_not_equal(cls: type[Record]) -> None:
    for name in RECORDS[cls]:
        assert make(cls) != make(cls, name)
        assert make(cls, name) == make(cls, name)


def test_objects_of_two_classes_are_never_equal() -> None:
    for one, other in itertools.permutations(RECORDS, 2):
        assert make(one) != make(other)
    assert PubAck(1) != PubRec(1)
    assert PingReq() != PingResp()
    assert Disconnect() != Auth()
    assert SubAck(1, [SUCCESS]) != UnsubAck(1, [SUCCESS])


@every_class
def test_nothing_else_is_equal(cls: type[Record]) -> None:
    values = tuple(pair[0] for pair in RECORDS[cls].values())
    for other in (None, values, repr(make(cls)), object()):
        assert make(cls) != other
        assert other != make(cls)


@every_class
def test_what_can_be_changed_has_no_hash(cls: type[Record]) -> None:
    with pytest.raises(TypeError, match=f"unhashable type: '{cls.__name__}'"):
        hash(make(cls))
    with pytest.raises(TypeError):
        {make(cls)}


# --- copies and text -------------------------------------------------------------------------


@every_class
@every_copy
def test_objects_can_be_copied(cls: type[Record], duplicate: Callable[[Record], Record]) -> None:
    record = make(cls)
    other = duplicate(record)
    assert other is not record
    assert type(other) is cls
    assert other == record
    for name in RECORDS[cls]:
        assert type(getattr(other, name)) is type(getattr(record, name))


def test_a_deep_copy_shares_nothing_that_can_be_changed() -> None:
    packet = Subscribe(1, [Subscription("a")])
    other = copy.deepcopy(packet)
    packet.subscriptions[0].topic_filter = "b"
    assert other == Subscribe(1, [Subscription("a")])


def test_a_copy_may_be_changed() -> None:
    packet = Publish("a", b"1", QoS.AT_LEAST_ONCE, packet_id=7)
    other = copy.copy(packet)
    other.dup = True
    assert not packet.dup
    assert other == Publish("a", b"1", QoS.AT_LEAST_ONCE, dup=True, packet_id=7)


@every_class
def test_an_object_prints_as_it_is_made(cls: type[Record]) -> None:
    texts = {name: repr(pair[0]) for name, pair in RECORDS[cls].items()}
    if cls is Connect:
        texts["password"] = "***"
    values = ", ".join(f"{name}={text}" for name, text in texts.items())
    assert repr(make(cls)) == f"{cls.__name__}({values})"


def test_a_password_is_not_printed() -> None:
    for password in (b"s3cret", b""):
        packet = Connect("c", user_name="u", password=password)
        assert "user_name='u', password=***, properties=" in repr(packet)
        assert "s3cret" not in f"{packet} {[packet]} {packet!r}"
    assert "password=None" in repr(Connect("c"))


# --- types -----------------------------------------------------------------------------------


@every_class
def test_the_right_types(cls: type[Record]) -> None:
    assert wrong_type("it", make(cls), (cls,)) is None
    assert wrong_type("it", make(cls, *RECORDS[cls]), (cls,)) is None


def set_and_check(owner: Record, name: str, value: object, whole: Record) -> None:
    """Set an attribute, which compiled code refuses if the type is wrong, and check the whole."""
    setattr(owner, name, value)
    error = wrong_type("it", whole, (Record,))
    if error is not None:
        raise error


@every_class
def test_a_wrong_type_is_named(cls: type[Record], speed: str) -> None:
    for name in RECORDS[cls]:
        record = make(cls)
        with pytest.raises(TypeError) as caught:
            set_and_check(record, name, object(), record)
        if not speed.startswith("compiled"):
            assert str(caught.value).startswith(f"{cls.__name__}.{name}: ")
            assert str(caught.value).endswith(" is needed, not object")


def test_a_wrong_type_inside_of_a_packet_is_named(speed: str) -> None:
    will = Will("gone")
    subscription = Subscription("a")
    packets = [
        (Connect(will=will), will, "topic"),
        (Subscribe(1, [Subscription("b"), subscription]), subscription, "topic_filter"),
    ]
    for packet, part, name in packets:
        assert wrong_type("it", packet, (Record,)) is None
        with pytest.raises(TypeError) as caught:
            set_and_check(part, name, b"a", packet)
        if not speed.startswith("compiled"):
            where = f"{type(part).__name__}.{name}"
            assert str(caught.value) == f"{where}: str is needed, not bytes"


@pytest.mark.parametrize(
    ("packet", "name", "items", "got"),
    [
        (Subscribe(1, [Subscription("a")]), "subscriptions", [Subscription("a"), "b"], "str"),
        (Unsubscribe(1, ["a"]), "topic_filters", ["a", b"b"], "bytes"),
        (SubAck(1, [SUCCESS]), "reason_codes", [SUCCESS, "0"], "str"),
        (UnsubAck(1, [SUCCESS]), "reason_codes", [None], "NoneType"),
    ],
)
def test_a_wrong_type_in_a_list_is_named(
    packet: Packet, name: str, items: list[object], got: str
) -> None:
    with pytest.raises(TypeError) as caught:
        set_and_check(packet, name, items, packet)
    assert str(caught.value).startswith(f"{type(packet).__name__}.{name}: ")
    assert str(caught.value).endswith(f" is needed, not {got}")


def test_all_the_types_that_will_do_are_named(speed: str) -> None:
    packet = Publish("a")
    with pytest.raises(TypeError) as caught:
        set_and_check(packet, "packet_id", "7", packet)
    if not speed.startswith("compiled"):
        assert str(caught.value) == "Publish.packet_id: int or NoneType is needed, not str"


# --- helpers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", QoS)
def test_a_qos(value: QoS) -> None:
    assert as_qos("Publish.qos", int(value), Fault.QOS) is value


@pytest.mark.parametrize("value", [-1, 3, 1 << 70])
@pytest.mark.spec("5.0", "MQTT-3.3.1-4", role="both")
@pytest.mark.spec("5.0", "MQTT-3.1.2-12", role="client")
@pytest.mark.spec("5.0", "section 3.8.3.1", role="client")
def test_there_is_no_other_qos(value: int) -> None:
    for field, fault, id in (
        ("Publish.qos", Fault.QOS, "MQTT-3.3.1-4"),
        ("Will.qos", Fault.WILL_QOS, "MQTT-3.1.2-12"),
        ("Subscription.qos", Fault.SUBSCRIPTION_QOS, "section 3.8.3.1"),
    ):
        with pytest.raises(InvalidValueError) as caught:
            as_qos(field, value, fault)
        assert caught.value.field == field
        assert caught.value.rule.endswith(f"must be 0, 1 or 2; got {value}")
        assert caught.value.statement == Statement("5.0", id)


@pytest.mark.parametrize("value", ["1", None, 1.0])
def test_a_qos_is_a_number(value: object) -> None:
    with pytest.raises(TypeError) as caught:
        as_qos("Publish.qos", value, Fault.QOS)
    assert str(caught.value) == f"Publish.qos: a QoS is needed, not {type(value).__name__}"


@pytest.mark.parametrize(
    ("packet_id", "data"), [(1, b"\0\1"), (258, b"\1\2"), (65_535, b"\xff\xff")]
)
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-1", role="both")
@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="server")
def test_a_packet_identifier(packet_id: int, data: bytes) -> None:
    for version in (3, 4, 5):
        assert packet_id_bytes("Publish", packet_id, version) == data


@pytest.mark.parametrize("packet_id", [None, 0, -1, 65_536, 1 << 70])
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-1", role="both")
@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="server")
def test_a_packet_identifier_is_1_to_65535(packet_id: int | None) -> None:
    for version, expected in ((5, ("5.0", "MQTT-2.2.1-3")), (4, ("3.1.1", "MQTT-2.3.1-1"))):
        with pytest.raises(InvalidValueError) as caught:
            packet_id_bytes("Subscribe", packet_id, version)
        assert caught.value.field == "Subscribe.packet_id"
        assert caught.value.rule == f"a packet identifier must be 1 to 65,535; got {packet_id}"
        assert caught.value.statement == Statement(*expected)


@pytest.mark.parametrize(
    ("properties", "size"),
    [
        (Properties(), 1),
        (Properties(topic_alias=1), 1 + 3),
        (Properties(content_type="x" * 124), 1 + 127),
        (Properties(content_type="x" * 125), 2 + 128),
    ],
)
@pytest.mark.spec("5.0", "section 2.2.2.1", role="both")
def test_the_size_of_properties(properties: Properties, size: int) -> None:
    assert properties_size(properties, 5) == size
    assert properties_size(properties, 4) == 0
    assert properties_size(properties, 3) == 0


@pytest.mark.parametrize(
    ("remaining", "size"),
    [
        (0, 2),
        (127, 129),
        (128, 131),
        (16_383, 16_386),
        (16_384, 16_388),
        (2_097_151, 2_097_155),
        (2_097_152, 2_097_157),
        (268_435_455, 268_435_460),
    ],
)
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_the_size_of_a_packet(remaining: int, size: int) -> None:
    assert packet_size(remaining) == size
