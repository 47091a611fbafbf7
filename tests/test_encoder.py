"""``encode`` and ``encoded_size``: what they have in common for all packets."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from mqttproto import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    InvalidValueError,
    Packet,
    PingReq,
    PingResp,
    Properties,
    ProtocolVersion,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Sender,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from mqttproto.codec import Decoder, encode, encoded_size
from mqttproto.codec.faults import FAULTS, Fault, statement
from mqttproto.testing import strategies as mqtt

# One of each kind, and its bytes in 3.1, 3.1.1 and 5.0; AUTH is new in 5.0, and an UNSUBACK has a
# payload only there.
# fmt: off
EXAMPLES: Final[list[tuple[Packet, str | None, str | None, str]]] = [
    (Connect("c"),
     "10 0f 0006 4d5149736470 03 02 003c 0001 63",
     "10 0d 0004 4d515454 04 02 003c 0001 63",
     "10 0e 0004 4d515454 05 02 003c 00 0001 63"),
    (ConnAck(), "20 02 00 00", "20 02 00 00", "20 03 00 00 00"),
    (Publish("a", b"hi"), "30 05 0001 61 6869", "30 05 0001 61 6869", "30 06 0001 61 00 6869"),
    (PubAck(1), "40 02 0001", "40 02 0001", "40 02 0001"),
    (PubRec(2), "50 02 0002", "50 02 0002", "50 02 0002"),
    (PubRel(3), "62 02 0003", "62 02 0003", "62 02 0003"),
    (PubComp(4), "70 02 0004", "70 02 0004", "70 02 0004"),
    (Subscribe(5, [Subscription("a", 1)]),
     "82 06 0005 0001 61 01", "82 06 0005 0001 61 01", "82 07 0005 00 0001 61 01"),
    (SubAck(5, [1]), "90 03 0005 01", "90 03 0005 01", "90 04 0005 00 01"),
    (Unsubscribe(6, ["a"]), "a2 05 0006 0001 61", "a2 05 0006 0001 61", "a2 06 0006 00 0001 61"),
    (UnsubAck(6), "b0 02 0006", "b0 02 0006", ""),
    (UnsubAck(6, [0]), None, None, "b0 04 0006 00 00"),
    (PingReq(), "c0 00", "c0 00", "c0 00"),
    (PingResp(), "d0 00", "d0 00", "d0 00"),
    (Disconnect(), "e0 00", "e0 00", "e0 00"),
    (Auth(), None, None, "f0 00"),
]
# fmt: on

every_packet = pytest.mark.parametrize(
    ("packet", "version", "text"),
    [
        pytest.param(packet, version, text, id=f"{type(packet).__name__}-{version.label}")
        for packet, *texts in EXAMPLES
        for version, text in zip(ProtocolVersion, texts, strict=True)
    ],
)


@every_packet
def test_every_packet(packet: Packet, version: ProtocolVersion, text: str | None) -> None:
    if not text:
        with pytest.raises(InvalidValueError):
            encode(packet, version)
        return
    data = bytes.fromhex(text)
    for number in (version, int(version)):
        encoded = encode(packet, number)
        assert type(encoded) is bytes
        assert encoded == data
        assert encoded_size(packet, number) == len(data)
    assert packet.encode(version) == data
    assert packet.encoded_size(version) == len(data)


@every_packet
def test_5_0_is_the_default(packet: Packet, version: ProtocolVersion, text: str | None) -> None:
    if version == 5 and text:
        assert encode(packet) == bytes.fromhex(text)
        assert encoded_size(packet) == len(bytes.fromhex(text))
        assert packet.encode() == bytes.fromhex(text)
        assert packet.encoded_size() == len(bytes.fromhex(text))


@pytest.mark.parametrize("version", [-1, 0, 2, 6, 0x84])
def test_there_is_no_such_version(version: int) -> None:
    with pytest.raises(ValueError, match=f"not {version}"):
        encode(PingReq(), version)
    with pytest.raises(ValueError, match=f"not {version}"):
        encoded_size(PingReq(), version)


@pytest.mark.parametrize("version", [None, "5"])
def test_a_version_is_a_number(version: Any) -> None:
    with pytest.raises(TypeError):
        encode(PingReq(), version)


NO_PACKETS: Final[list[object]] = [
    None,
    "text",
    b"\xc0\0",
    5,
    Will("w"),
    Subscription("a"),
    Publish,
]


@pytest.mark.parametrize("packet", NO_PACKETS, ids=lambda packet: type(packet).__name__)
def test_what_is_no_packet(packet: Any) -> None:
    with pytest.raises(TypeError):
        encode(packet)


def test_a_refused_packet_can_be_mended() -> None:
    packet = Publish("a", qos=1)
    with pytest.raises(InvalidValueError):
        encode(packet)
    packet.packet_id = 7
    assert encode(packet) == bytes.fromhex("32 06 0001 61 0007 00")


# --- senders ----------------------------------------------------------------------------------

KEPT: Final = Properties(subscription_identifiers=[1])
LONG: Final = Properties(session_expiry_interval=10)
MOVED: Final = Properties(server_reference="b")

# What one end only may send: who must not, in which versions, the field and the fault.
# fmt: off
OF_ONE_END: Final[list[tuple[Packet, str, str, str, Fault]]] = [
    (Connect("c"), "server", "345", "Connect", Fault.SENDER),
    (Subscribe(5, [Subscription("a", 1)]), "server", "345", "Subscribe", Fault.SENDER),
    (Unsubscribe(6, ["a"]), "server", "345", "Unsubscribe", Fault.SENDER),
    (PingReq(), "server", "345", "PingReq", Fault.SENDER),
    (Disconnect(), "server", "34", "Disconnect", Fault.SENDER),
    (ConnAck(), "client", "345", "ConnAck", Fault.SENDER),
    (SubAck(5, [1]), "client", "345", "SubAck", Fault.SENDER),
    (UnsubAck(5), "client", "34", "UnsubAck", Fault.SENDER),
    (UnsubAck(5, [0]), "client", "5", "UnsubAck", Fault.SENDER),
    (PingResp(), "client", "345", "PingResp", Fault.SENDER),
    (PubAck(1, 0x10), "client", "5", "PubAck.reason_code", Fault.PUBACK_REASON),
    (PubRec(1, 0x10), "client", "5", "PubRec.reason_code", Fault.PUBREC_REASON),
    (Disconnect(0x04), "server", "5", "Disconnect.reason_code", Fault.DISCONNECT_REASON),
    (Disconnect(0x8B), "client", "5", "Disconnect.reason_code", Fault.DISCONNECT_REASON),
    (Auth(), "client", "5", "Auth.reason_code", Fault.AUTH_REASON),
    (Auth(0x19, Properties(authentication_method="m")), "server", "5", "Auth.reason_code",
     Fault.AUTH_REASON),
    (Publish("a", properties=KEPT), "client", "5",
     "Publish.properties.subscription_identifiers", Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT),
    (Disconnect(properties=LONG), "server", "5",
     "Disconnect.properties.session_expiry_interval", Fault.SESSION_EXPIRY_FROM_SERVER),
    (Disconnect(properties=MOVED), "client", "5",
     "Disconnect.properties.server_reference", Fault.SERVER_REFERENCE_FROM_CLIENT),
]
# fmt: on


@pytest.mark.parametrize(
    ("packet", "wrong", "versions", "field", "fault"),
    [pytest.param(*row, id=f"{row[3]}-{row[1]}") for row in OF_ONE_END],
)
def test_what_the_other_end_sends(
    packet: Packet, wrong: str, versions: str, field: str, fault: Fault
) -> None:
    right = "client" if wrong == "server" else "server"
    for version in map(int, versions):
        data = encode(packet, version)
        assert encode(packet, version, right) == data
        assert encode(packet, version, Sender(right)) == data
        for sender in (wrong, Sender(wrong)):
            with pytest.raises(InvalidValueError) as caught:
                encode(packet, version, sender)
            assert caught.value.field == field
            assert caught.value.rule.startswith(FAULTS[fault].rule)
            assert caught.value.statement == statement(fault, version)


@every_packet
def test_a_packet_that_no_sender_could_send(
    packet: Packet, version: ProtocolVersion, text: str | None
) -> None:
    for sender in ("client", "server"):
        if not text:
            with pytest.raises(InvalidValueError):
                encode(packet, version, sender)


def test_what_only_looks_like_a_property_of_the_other_end() -> None:
    packet = Publish("a", properties=Properties(content_type="\x0b"))
    (received,) = Decoder(5).feed(encode(packet))
    assert encode(received, 5, "client") == encode(packet)


def test_there_is_no_such_sender() -> None:
    with pytest.raises(ValueError, match="broker"):
        encode(PingReq(), 5, "broker")


@pytest.mark.parametrize("version", list(ProtocolVersion))
@given(data=st.data())
def test_the_decoder_and_the_encoder_agree_about_senders(
    data: DataObject, version: ProtocolVersion
) -> None:
    sender = data.draw(mqtt.senders())
    packet = data.draw(mqtt.packets(version))
    encoded = encode(packet, version)
    decoder = Decoder(version, sender=sender)
    found = decoder.feed(encoded)
    if decoder.error is None:
        assert encode(packet, version, sender) == encoded
        assert encode(found[0], version, sender) == encoded
    else:
        with pytest.raises(InvalidValueError) as caught:
            encode(packet, version, sender)
        assert caught.value.rule.startswith(decoder.error.rule)
        assert caught.value.statement == decoder.error.statement


# --- wrong types ------------------------------------------------------------------------------
#
# Compiled code refuses most of them when the attribute is set, in words of its own. Interpreted
# code does so when the packet is encoded, and names the attribute.


def named(name: str, speed: str) -> str | None:
    """What the text of the error must have in it."""
    return None if speed.startswith("compiled") else name


AUTH_5: Final = Properties(authentication_method="m")

MAKERS: Final[list[Callable[[], Packet]]] = [
    lambda: Connect("c", will=Will("w"), user_name="u", password=b"p"),
    lambda: ConnAck(),
    lambda: Publish("a", b"p", 1, packet_id=1),
    lambda: PubAck(1),
    lambda: PubRec(1),
    lambda: PubRel(1),
    lambda: PubComp(1),
    lambda: Subscribe(1, [Subscription("a")]),
    lambda: SubAck(1, [0]),
    lambda: Unsubscribe(1, ["a"]),
    lambda: UnsubAck(1, [0]),
    lambda: Disconnect(),
    lambda: Auth(0x18, AUTH_5),
]

WRONG: Final[dict[str, list[object]]] = {
    "client_id": [None, b"c", 5],
    "keep_alive": [None, "60", 1.5],
    "will": ["w", b"w", 5],
    "user_name": [b"u", 5],
    "password": ["p", 5, [1]],
    "reason_code": ["0", 1.5],
    "topic": [None, b"t", 5],
    "payload": [None, "p", 5, [1]],
    "qos": [None, "1"],
    "packet_id": ["1", b"1", 1.5, [1]],
    "subscriptions": [5, ["a"], [None]],
    "reason_codes": [5, ["0"], [None]],
    "topic_filters": [5, [b"a"], [None]],
    "properties": ["p", {"topic_alias": 1}, 5],
}


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        pytest.param(make, name, value, id=f"{type(make()).__name__}-{name}-{value!r}")
        for make in MAKERS
        for name in make().FIELDS
        for value in WRONG.get(name, [])
    ],
)
def test_an_attribute_of_the_wrong_type(
    make: Callable[[], Packet], name: str, value: object, speed: str
) -> None:
    def set_and_encode() -> None:
        packet = make()
        setattr(packet, name, value)
        encode(packet)

    with pytest.raises(TypeError, match=named(name, speed)):
        set_and_encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic", None),
        ("topic", b"w"),
        ("payload", None),
        ("payload", "p"),
        ("qos", "1"),
        ("properties", None),
    ],
)
def test_an_attribute_of_a_will_of_the_wrong_type(name: str, value: object, speed: str) -> None:
    def set_and_encode() -> None:
        will = Will("w")
        setattr(will, name, value)
        encode(Connect("c", will=will))

    with pytest.raises(TypeError, match=named(name, speed)):
        set_and_encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("topic_filter", None), ("topic_filter", b"a"), ("qos", "1"), ("retain_handling", "1")],
)
def test_an_attribute_of_a_subscription_of_the_wrong_type(
    name: str, value: object, speed: str
) -> None:
    def set_and_encode() -> None:
        subscription = Subscription("a")
        setattr(subscription, name, value)
        encode(Subscribe(1, [subscription]))

    with pytest.raises(TypeError, match=named(name, speed)):
        set_and_encode()
