"""The strategies: what they draw is legal, and what is legal can be drawn.

That malformed streams are what they say is shown in test_codec.py, with the decoder.
"""

import subprocess
import sys
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from mqttproto.codec import Decoder, Packet, encode
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Will,
)
from mqttproto.codec.faults import FAULTS, Fault
from mqttproto.codec.properties import PROPERTIES, WILL, PropertyRow
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import MAX_PACKET_SIZE, PacketType, ProtocolVersion, QoS, Sender
from mqttproto.testing import strategies as mqtt
from mqttproto.topics import matches, parse_shared, validate_topic_filter, validate_topic_name

T = TypeVar("T")

MQTT31: Final = ProtocolVersion.MQTT31
MQTT311: Final = ProtocolVersion.MQTT311
MQTT5: Final = ProtocolVersion.MQTT5
CLIENT: Final = Sender.CLIENT
SERVER: Final = Sender.SERVER

EITHER = (Sender.CLIENT, Sender.SERVER)

# Of each class of packets: its strategy, and who sends it.
CLASSES: dict[
    type[Packet], tuple[Callable[[ProtocolVersion], SearchStrategy[Any]], tuple[Sender, ...]]
] = {
    Connect: (mqtt.connects, (CLIENT,)),
    ConnAck: (mqtt.connacks, (SERVER,)),
    Publish: (mqtt.publishes, EITHER),
    PubAck: (mqtt.pubacks, EITHER),
    PubRec: (mqtt.pubrecs, EITHER),
    PubRel: (mqtt.pubrels, EITHER),
    PubComp: (mqtt.pubcomps, EITHER),
    Subscribe: (mqtt.subscribes, (CLIENT,)),
    SubAck: (mqtt.subacks, (SERVER,)),
    Unsubscribe: (mqtt.unsubscribes, (CLIENT,)),
    UnsubAck: (mqtt.unsubacks, (SERVER,)),
    PingReq: (lambda _: mqtt.pingreqs(), (CLIENT,)),
    PingResp: (lambda _: mqtt.pingresps(), (SERVER,)),
    Disconnect: (mqtt.disconnects, EITHER),
    Auth: (lambda _: mqtt.auths(), EITHER),
}

every_version = pytest.mark.parametrize(
    "version", list(ProtocolVersion), ids=lambda version: version.label
)
every_sender = pytest.mark.parametrize("sender", EITHER, ids=lambda sender: sender.value)

# The same search each time, and not for the simplest example.
SEARCH = settings(
    settings.get_profile("base"),
    max_examples=3_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)

# For what is parametrised many times over.
few = settings(max_examples=max(5, settings().max_examples // 5))


def drawn(strategy: SearchStrategy[T], condition: Callable[[T], object]) -> T:
    """Something that the strategy draws and that the condition holds for: there must be."""
    return find(strategy, lambda value: bool(condition(value)), settings=SEARCH)


def described(
    strategy: SearchStrategy[T], describe: Callable[[T], object], wanted: Collection[object]
) -> set[object]:
    """The descriptions of what the strategy draws until all that are wanted are among them."""
    seen: set[object] = set()

    def complete(value: T) -> bool:
        seen.add(describe(value))
        return seen.issuperset(wanted)

    drawn(strategy, complete)
    return seen


def may_send(packet: type[Packet], version: ProtocolVersion, sender: Sender) -> bool:
    """Whether a version has such a packet from this end."""
    if packet is Auth:
        return version is MQTT5
    if packet is Disconnect and version is not MQTT5:
        return sender is CLIENT
    return sender in CLASSES[packet][1]


# --- the extra -------------------------------------------------------------------------------


def test_without_hypothesis_the_extra_is_named() -> None:
    hidden = "import sys; sys.modules['hypothesis'] = None; import mqttproto.testing; "
    code = hidden + "from mqttproto.testing import strategies"
    result = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "ImportError: mqttproto.testing.strategies needs hypothesis:"
        " pip install 'mqttproto[testing]'"
    )


def test_every_name_is_there_and_documented() -> None:
    assert len(set(mqtt.__all__)) == len(mqtt.__all__)
    for name in mqtt.__all__:
        assert getattr(mqtt, name).__doc__, name


# --- values ----------------------------------------------------------------------------------


@given(text=mqtt.strings(2, 5, exclude="ab"))
def test_strings(text: str) -> None:
    assert 2 <= len(text) <= 5
    assert not {"a", "b", "\0"}.intersection(text)
    text.encode()


@pytest.mark.parametrize(
    "condition",
    [
        lambda text: text == "",
        lambda text: "\ufeff" in text,
        lambda text: any(character < " " for character in text),
        lambda text: any(character > "\uffff" for character in text),
    ],
    ids=["empty", "byte order mark", "control character", "four bytes"],
)
def test_strings_hold_what_is_easily_lost(condition: Callable[[str], bool]) -> None:
    drawn(mqtt.strings(), condition)


@given(payload=mqtt.payloads())
def test_payloads(payload: bytes) -> None:
    assert len(payload) <= 20_000


@pytest.mark.parametrize("size", [0, 128, 16_384])
def test_payloads_make_remaining_lengths_of_one_to_three_bytes(size: int) -> None:
    drawn(mqtt.payloads(), lambda payload: len(payload) >= size)


@given(number=mqtt.packet_ids())
def test_packet_ids(number: int) -> None:
    assert 1 <= number <= 65_535


@pytest.mark.parametrize("member", list(ProtocolVersion))
def test_versions(member: ProtocolVersion) -> None:
    drawn(mqtt.versions(), lambda version: version is member)


@pytest.mark.parametrize("member", list(Sender))
def test_senders(member: Sender) -> None:
    drawn(mqtt.senders(), lambda sender: sender is member)


# --- topics ----------------------------------------------------------------------------------


@given(topic=mqtt.topic_names())
def test_topic_names(topic: str) -> None:
    validate_topic_name(topic)


@pytest.mark.parametrize("part", ["//", "$", " ", "/"])
def test_topic_names_of_all_kinds(part: str) -> None:
    drawn(mqtt.topic_names(), lambda topic: topic.startswith(part))
    drawn(mqtt.topic_names(), lambda topic: part not in topic)


@given(topic_filter=mqtt.topic_filters(), version=mqtt.versions())
def test_topic_filters_are_legal_in_every_version(
    topic_filter: str, version: ProtocolVersion
) -> None:
    validate_topic_filter(topic_filter, version=version)


@pytest.mark.parametrize(
    "condition",
    [
        lambda text: text == "#",
        lambda text: "+" in text and text.endswith("/#"),
        lambda text: text.startswith("+/"),
        lambda text: "+" not in text and "#" not in text,
        lambda text: text.startswith("$share/"),
        lambda text: text.startswith("$SYS"),
    ],
    ids=["#", "+.../#", "+/...", "no wildcard", "$share", "$SYS"],
)
def test_topic_filters_of_all_kinds(condition: Callable[[str], bool]) -> None:
    drawn(mqtt.topic_filters(), condition)


@given(topic_filter=mqtt.shared_filters())
def test_shared_filters(topic_filter: str) -> None:
    assert parse_shared(topic_filter) is not None


@pytest.mark.parametrize("wildcard", ["", "+", "#"])
def test_filters_match_names(wildcard: str) -> None:
    pairs = st.tuples(mqtt.topic_filters(), mqtt.topic_names())
    drawn(pairs, lambda pair: wildcard in pair[0] and matches(*pair))


# --- properties ------------------------------------------------------------------------------

WITH_PROPERTIES = [
    packet for packet in PacketType if packet not in (PacketType.PINGREQ, PacketType.PINGRESP)
]


def block(packet: int, sender: Sender | None) -> SearchStrategy[Properties]:
    """The properties of a packet, or of the Will for 0."""
    return mqtt.will_properties() if packet == WILL else mqtt.properties(packet, sender)


@pytest.mark.parametrize("packet", WITH_PROPERTIES, ids=lambda packet: packet.name)
@given(data=st.data())
@few
def test_properties_may_stand_in_their_packet(data: DataObject, packet: PacketType) -> None:
    properties = data.draw(mqtt.properties(packet))
    properties.encoded("Some", packet, MQTT5)
    if packet is PacketType.AUTH:
        assert properties.authentication_method is not None


@given(properties=mqtt.will_properties())
def test_will_properties_may_stand_in_a_will(properties: Properties) -> None:
    properties.encoded("Will", WILL, MQTT5)


@pytest.mark.parametrize("row", PROPERTIES, ids=lambda row: row.name)
def test_every_property_is_drawn_wherever_it_may_stand(row: PropertyRow) -> None:
    packets = [packet for packet in [WILL, *WITH_PROPERTIES] if row.packets >> packet & 1]
    assert packets
    for packet in packets:
        drawn(block(packet, None), lambda properties: row.name in dict(properties))
        if row.repeatable >> packet & 1:
            drawn(block(packet, None), lambda properties: len(getattr(properties, row.name)) > 1)


@pytest.mark.parametrize(
    ("name", "packet", "sender"),
    [
        ("subscription_identifiers", PacketType.PUBLISH, CLIENT),
        ("session_expiry_interval", PacketType.DISCONNECT, SERVER),
        ("server_reference", PacketType.DISCONNECT, CLIENT),
    ],
)
@given(data=st.data())
def test_what_only_the_other_end_may_send_is_not_drawn(
    data: DataObject, name: str, packet: PacketType, sender: Sender
) -> None:
    assert name not in dict(data.draw(mqtt.properties(packet, sender)))


@pytest.mark.parametrize("packet", [PacketType.PINGREQ, PacketType.PINGRESP])
@given(data=st.data())
def test_packets_without_properties_have_none(data: DataObject, packet: PacketType) -> None:
    assert not data.draw(mqtt.properties(packet))


def test_properties_stand_in_any_order() -> None:
    pair = mqtt.properties(PacketType.CONNACK).filter(
        lambda properties: {"reason_string", "receive_maximum"} <= dict(properties).keys()
    )

    def first(properties: Properties) -> str:
        return next(name for name, _ in properties if name in ("reason_string", "receive_maximum"))

    drawn(pair, lambda properties: first(properties) == "reason_string")
    drawn(pair, lambda properties: first(properties) == "receive_maximum")


# --- packets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "version"),
    [
        (packet, version)
        for packet in CLASSES
        for version in ProtocolVersion
        if packet is not Auth or version is MQTT5
    ],
)
@given(data=st.data())
@few
def test_packets_of_one_class(
    data: DataObject, packet: type[Packet], version: ProtocolVersion
) -> None:
    value = data.draw(CLASSES[packet][0](version))
    assert type(value) is packet
    assert len(encode(value, version)) < 100_000


@every_version
@every_sender
def test_all_packets_of_one_end(version: ProtocolVersion, sender: Sender) -> None:
    legal = {packet for packet in CLASSES if may_send(packet, version, sender)}
    assert described(mqtt.packets(version, sender), type, legal) == legal


@every_version
@every_sender
@given(data=st.data())
def test_packets_of_one_end_are_legal(
    data: DataObject, version: ProtocolVersion, sender: Sender
) -> None:
    packet = data.draw(mqtt.packets(version, sender))
    decoder = Decoder(version, sender=sender)
    assert decoder.feed(encode(packet, version)) == [packet]
    assert decoder.error is None


def test_packets_of_whatever_version_and_end() -> None:
    assert described(mqtt.packets(), type, CLASSES) == set(CLASSES)


@every_version
@given(data=st.data())
def test_wills(data: DataObject, version: ProtocolVersion) -> None:
    will = data.draw(mqtt.wills(version))
    assert isinstance(will, Will)
    encode(Connect("a", will=will), version)


@every_version
@given(data=st.data())
def test_subscriptions(data: DataObject, version: ProtocolVersion) -> None:
    subscription = data.draw(mqtt.subscriptions(version))
    assert isinstance(subscription, Subscription)
    encode(Subscribe(1, [subscription]), version)


def test_the_rarer_forms_of_packets() -> None:
    drawn(mqtt.connects(5), lambda packet: packet.user_name is None and packet.password)
    drawn(mqtt.connects(4), lambda packet: packet.client_id == "" and packet.will)
    drawn(mqtt.connacks(4), lambda packet: packet.session_present)
    drawn(mqtt.publishes(5), lambda packet: packet.topic == "" and packet.qos is QoS.AT_MOST_ONCE)
    drawn(mqtt.publishes(3), lambda packet: packet.dup and packet.retain)
    drawn(mqtt.pubacks(5), lambda packet: packet.reason_code and not packet.properties)
    drawn(mqtt.subacks(4), lambda packet: 0x80 in packet.reason_codes)
    drawn(mqtt.disconnects(5, "client"), lambda packet: packet.reason_code == 4)
    drawn(mqtt.auths("server"), lambda packet: not packet.properties)


@given(packet=mqtt.publishes().filter(lambda packet: packet.properties.payload_format_indicator))
def test_payloads_are_what_their_properties_say(packet: Publish) -> None:
    packet.payload.decode()


@pytest.mark.parametrize("accepted", [True, False])
@given(data=st.data())
def test_connacks_that_accept_or_refuse(data: DataObject, accepted: bool) -> None:
    packet = data.draw(mqtt.connacks(data.draw(mqtt.versions()), accepted=accepted))
    assert (packet.reason_code == 0) is accepted


def test_versions_and_senders_by_their_values() -> None:
    assert type(drawn(mqtt.packets(4, "server"), lambda packet: packet)) in CLASSES
    assert drawn(mqtt.wire_bytes(3, "client"), lambda _: True).version is MQTT31
    assert drawn(mqtt.malformed(5, "server"), lambda _: True).sender is SERVER


@pytest.mark.parametrize(
    "strategy",
    [
        strategy
        for packet, (strategy, _) in CLASSES.items()
        if packet.packet_type not in (12, 13, 15)
    ]
    + [mqtt.wills, mqtt.subscriptions, mqtt.packets, mqtt.wire_bytes, mqtt.malformed],
)
def test_there_is_no_other_version(strategy: Callable[[Any], SearchStrategy[Any]]) -> None:
    with pytest.raises(ValueError, match="6 is not a valid ProtocolVersion"):
        drawn(strategy(6), lambda _: True)


# --- bytes -----------------------------------------------------------------------------------


@given(data=st.data(), version=mqtt.versions())
def test_wire_forms_are_one_packet(data: DataObject, version: ProtocolVersion) -> None:
    packet = data.draw(mqtt.packets(version))
    decoder = Decoder(version)
    assert decoder.feed(data.draw(mqtt.wire_forms(packet, version))) == [packet]
    assert decoder.buffered == 0


PADDED = ("02", "8200", "828000", "82808000")


@pytest.mark.parametrize(
    ("packet", "version", "forms"),
    [
        (PubAck(1), 5, {"40020001", "4003000100", "400400010000"}),
        (PubAck(1, 0x87), 5, {"4003000187", "400400018700"}),
        (Disconnect(), 5, {"e000", "e00100", "e0020000"}),
        (PubAck(1), 4, {f"40{length}0001" for length in PADDED}),
        (PingReq(), 5, {"c000"}),
        (ConnAck(), 3, {f"20{length}{body}" for length in PADDED for body in ("0000", "ff00")}),
        (PubRel(1), 3, {f"{first}{length}0001" for length in PADDED for first in ("62", "6a")}),
    ],
)
def test_the_forms_of_a_packet(packet: Packet, version: int, forms: set[str]) -> None:
    assert described(mqtt.wire_forms(packet, version), bytes.hex, forms) == forms


OPENING: dict[Sender, type[Packet]] = {CLIENT: Connect, SERVER: ConnAck}


@given(stream=mqtt.wire_bytes())
def test_streams_begin_and_end_as_they_should(stream: mqtt.Stream) -> None:
    kinds = [type(packet) for packet in stream.packets]
    opening = OPENING[stream.sender]
    assert kinds[0] is opening
    assert opening not in kinds[1:]
    assert Disconnect not in kinds[:-1]
    first = stream.packets[0]
    if isinstance(first, ConnAck) and first.reason_code:
        assert len(kinds) == 1


@given(stream=mqtt.wire_bytes(connected=True))
def test_streams_may_be_taken_up_behind_the_first_packet(stream: mqtt.Stream) -> None:
    assert OPENING[stream.sender] not in [type(packet) for packet in stream.packets]


@given(stream=mqtt.wire_bytes())
def test_the_offsets_of_a_stream(stream: mqtt.Stream) -> None:
    assert len(stream.offsets) == len(stream.packets)
    for packet, start, end in zip(
        stream.packets, stream.offsets, [*stream.offsets[1:], len(stream.data)], strict=True
    ):
        decoder = Decoder(stream.version, sender=stream.sender)
        assert decoder.feed(stream.data[start:end]) == [packet]


@given(data=st.data(), stream=st.binary(max_size=50))
def test_cuttings_lose_nothing(data: DataObject, stream: bytes) -> None:
    assert b"".join(data.draw(mqtt.cuttings(stream))) == stream


@pytest.mark.parametrize(
    "condition",
    [
        lambda chunks: chunks == [b"12345678"],
        lambda chunks: [len(chunk) for chunk in chunks] == [1] * 8,
        lambda chunks: b"" in chunks,
        lambda chunks: {1, 3} <= {len(chunk) for chunk in chunks},
    ],
    ids=["whole", "bytes", "an empty one", "any sizes"],
)
def test_cuttings_of_all_kinds(condition: Callable[[list[bytes]], bool]) -> None:
    drawn(mqtt.cuttings(b"12345678"), condition)


@pytest.mark.parametrize("size", [7, 8, 9])
def test_mutations(size: int) -> None:
    drawn(mqtt.mutations(b"12345678"), lambda data: data != b"12345678" and len(data) == size)


# --- malformed streams -----------------------------------------------------------------------

# Faults that the table has in a version, though there are no bytes for them: what 3.1 does not
# look at, and what is another fault before 5.0.
NOT_IN_BYTES = {
    MQTT31: {Fault.CONNACK_FLAGS, Fault.SESSION_PRESENT, Fault.SUBSCRIPTION_QOS},
    MQTT311: {Fault.SUBSCRIPTION_QOS},
    MQTT5: set[Fault](),
}

# Faults that only encoders find, from here on.
FIRST_OF_ENCODERS = Fault.STRING_TOO_LONG


def can_occur(fault: Fault, version: ProtocolVersion, sender: Sender | None = None) -> bool:
    try:
        mqtt.malformed(version, sender, [fault])
    except ValueError:
        return False
    return True


@every_version
def test_every_fault_that_bytes_can_have_is_covered(version: ProtocolVersion) -> None:
    in_table = {
        fault
        for fault, row in FAULTS.items()
        if fault < FIRST_OF_ENCODERS and (row.id5 if version is MQTT5 else row.id311)
    }
    covered = {fault for fault in Fault if can_occur(fault, version)}
    assert covered == in_table - NOT_IN_BYTES[version]


# Faults of packets that only one end sends, or that are none from the other.
ONLY_FROM_CLIENT = """
    FLAGS_SUBSCRIBE FLAGS_UNSUBSCRIBE FIRST_NOT_CONNECT SUBSCRIPTION_IDENTIFIER_FROM_CLIENT
    SERVER_REFERENCE_FROM_CLIENT NAME_WILDCARD FILTER_HASH FILTER_PLUS SHARE_NAME_EMPTY SHARE_NAME
    NO_LOCAL_SHARED AUTHENTICATION_DATA_ALONE PROTOCOL_NAME PROTOCOL_LEVEL CONNECT_FLAG WILL_QOS
    WILL_QOS_ALONE WILL_RETAIN_ALONE SUBSCRIBE_EMPTY UNSUBSCRIBE_EMPTY SUBSCRIPTION_OPTIONS
    SUBSCRIPTION_QOS RETAIN_HANDLING
"""
ONLY_FROM_SERVER = """
    SESSION_EXPIRY_FROM_SERVER CONNACK_FLAGS SESSION_PRESENT SUBACK_EMPTY UNSUBACK_EMPTY
    CONNACK_REASON SUBACK_REASON UNSUBACK_REASON
"""


@every_sender
def test_the_faults_of_each_end(sender: Sender) -> None:
    both = {fault.name for fault in Fault if can_occur(fault, MQTT5)}
    other = ONLY_FROM_SERVER if sender is CLIENT else ONLY_FROM_CLIENT
    covered = {fault.name for fault in Fault if can_occur(fault, MQTT5, sender)}
    assert covered == both - set(other.split())


def test_a_fault_that_cannot_occur_is_refused() -> None:
    with pytest.raises(ValueError, match=r"version 3\.1\.1, sender either"):
        mqtt.malformed(4, faults=[Fault.FLAGS_AUTH])
    with pytest.raises(ValueError, match="version any, sender server"):
        mqtt.malformed(sender="server", faults=[Fault.FIRST_NOT_CONNECT, Fault.OUT_OF_RANGE])


@given(broken=mqtt.malformed(faults=[Fault.UTF8, Fault.FLAGS_AUTH]))
def test_faults_can_be_chosen(broken: mqtt.Malformed) -> None:
    assert broken.error.fault in (Fault.UTF8, Fault.FLAGS_AUTH)


@given(broken=mqtt.malformed())
def test_only_packets_that_are_too_large_need_a_limit(broken: mqtt.Malformed) -> None:
    too_large = broken.error.fault == Fault.PACKET_TOO_LARGE
    assert (broken.max_packet_size < MAX_PACKET_SIZE) is too_large


@given(broken=mqtt.malformed(sender="client"))
def test_a_malformed_stream_begins_with_connect_unless_that_is_broken(
    broken: mqtt.Malformed,
) -> None:
    kinds = [type(packet) for packet in broken.packets]
    assert kinds[:1] in ([Connect], [])
    if not kinds and broken.error.fault != Fault.FIRST_NOT_CONNECT:
        assert broken.data[0] >> 4 == PacketType.CONNECT


def test_a_server_need_not_know_the_version_of_a_malformed_connect() -> None:
    level = [Fault.PROTOCOL_LEVEL]
    assert drawn(mqtt.malformed(4, faults=level), lambda broken: broken.version is None)
    assert drawn(mqtt.malformed(4, faults=level), lambda broken: broken.version is MQTT311)
