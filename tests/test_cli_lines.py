"""Packets as lines of text."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import (
    Auth,
    ConnAck,
    Connect,
    ConnectReturnCode,
    Disconnect,
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
    ReasonCode,
    RetainHandling,
    Sender,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from mqttproto.cli.lines import packet_line, packet_text
from mqttproto.cli.text import amount
from mqttproto.testing import strategies as mqtt

MQTT31, MQTT311, MQTT5 = ProtocolVersion


def fields(packet: Packet, version: ProtocolVersion = MQTT5) -> str:
    """What a line says behind offset and name."""
    line = packet_line(packet, 0, version)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    return line[22:-1]


@pytest.mark.parametrize(
    ("offset", "line"),
    [
        (0, "       0  PINGREQ\n"),
        (12_345_678, "12345678  PINGREQ\n"),
        (123_456_789, "123456789  PINGREQ\n"),
    ],
)
def test_a_line_begins_with_offset_and_name(offset: int, line: str) -> None:
    assert packet_line(PingReq(), offset, MQTT5) == line


@pytest.mark.parametrize(
    ("packet", "version", "shown"),
    [
        (Connect("c1"), MQTT31, 'version=3.1 client_id="c1" clean_start keep_alive=60'),
        (
            Connect("", False, 0, user_name="me", password=b"s3cret"),
            MQTT311,
            'version=3.1.1 client_id="" keep_alive=0 user_name="me" password=(6 bytes)',
        ),
        (
            Connect(
                "c",
                will=Will("gone", b"\xff", 1, True, Properties(will_delay_interval=5)),
                properties=Properties(session_expiry_interval=60),
            ),
            MQTT5,
            'version=5.0 client_id="c" clean_start keep_alive=60 session_expiry_interval=60'
            ' will=[topic="gone" qos=1 retain will_delay_interval=5 payload=0xff (1 byte)]',
        ),
        (
            Connect("c", will=Will("t", b"w")),
            MQTT311,
            'version=3.1.1 client_id="c" clean_start keep_alive=60'
            ' will=[topic="t" qos=0 payload="w" (1 byte)]',
        ),
        (
            ConnAck(True, ConnectReturnCode.ACCEPTED),
            MQTT311,
            "session_present reason_code=ACCEPTED(0x00)",
        ),
        (
            ConnAck(False, ReasonCode.BANNED, Properties(retain_available=False)),
            MQTT5,
            "reason_code=BANNED(0x8a) retain_available=false",
        ),
        (Publish("a/b", b"21.5"), MQTT311, 'topic="a/b" qos=0 payload="21.5" (4 bytes)'),
        (
            Publish("a", b"", 2, True, True, 9, Properties(topic_alias=3, content_type="x")),
            MQTT5,
            'topic="a" qos=2 retain dup packet_id=9 topic_alias=3 content_type="x"'
            ' payload="" (0 bytes)',
        ),
        (PubAck(1), MQTT311, "packet_id=1"),
        (PubAck(1, 0x10), MQTT5, "packet_id=1 reason_code=NO_MATCHING_SUBSCRIBERS(0x10)"),
        (PubRec(2), MQTT5, "packet_id=2 reason_code=SUCCESS(0x00)"),
        (
            PubRel(3, 0x92, Properties(reason_string="who?")),
            MQTT5,
            'packet_id=3 reason_code=PACKET_IDENTIFIER_NOT_FOUND(0x92) reason_string="who?"',
        ),
        (PubComp(65_535), MQTT31, "packet_id=65535"),
        (
            Subscribe(4, [Subscription("a/+", 1), Subscription("#")]),
            MQTT311,
            'packet_id=4 subscriptions=["a/+" qos=1, "#" qos=0]',
        ),
        (
            Subscribe(
                5,
                [Subscription("a", 2, True, True, RetainHandling.SEND_IF_NEW)],
                Properties(subscription_identifiers=[7]),
            ),
            MQTT5,
            'packet_id=5 subscriptions=["a" qos=2 no_local retain_as_published'
            " retain_handling=SEND_IF_NEW] subscription_identifiers=[7]",
        ),
        (
            SubAck(6, [0, 2, 0x80]),
            MQTT311,
            "packet_id=6 reason_codes=[GRANTED_QOS_0(0x00), GRANTED_QOS_2(0x02), FAILURE(0x80)]",
        ),
        (
            Unsubscribe(7, ["a", "$share/g/b"]),
            MQTT5,
            'packet_id=7 topic_filters=["a", "$share/g/b"]',
        ),
        (UnsubAck(8), MQTT311, "packet_id=8"),
        (UnsubAck(8, [0]), MQTT5, "packet_id=8 reason_codes=[SUCCESS(0x00)]"),
        (PingReq(), MQTT311, ""),
        (PingResp(), MQTT311, ""),
        (Disconnect(), MQTT311, ""),
        (Disconnect(), MQTT5, "reason_code=NORMAL_DISCONNECTION(0x00)"),
        (
            Disconnect(0x9D, Properties(server_reference="there")),
            MQTT5,
            'reason_code=SERVER_MOVED(0x9d) server_reference="there"',
        ),
        (
            Auth(0x18, Properties(authentication_method="m", authentication_data=b"\0\1")),
            MQTT5,
            'reason_code=CONTINUE_AUTHENTICATION(0x18) authentication_method="m"'
            " authentication_data=0x0001 (2 bytes)",
        ),
    ],
)
def test_the_fields_that_a_person_looks_for(
    packet: Packet, version: ProtocolVersion, shown: str
) -> None:
    assert fields(packet, version) == shown


def test_properties_of_every_kind_of_value() -> None:
    properties = Properties(
        payload_format_indicator=1,
        response_topic="r",
        correlation_data=bytes(40),
        subscription_identifiers=[1, 2],
        user_properties=[("k", "v"), ("k", '"')],
    )
    assert fields(Publish("a", properties=properties)) == (
        'topic="a" qos=0 payload_format_indicator=1 response_topic="r"'
        f" correlation_data=0x{'00' * 32}... (40 bytes) subscription_identifiers=[1, 2]"
        r' user_properties=["k"="v", "k"="\""] payload="" (0 bytes)'
    )
    available = Properties(retain_available=True, maximum_qos=1)
    assert fields(ConnAck(properties=available)).endswith(" retain_available=true maximum_qos=1")


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"x" * 64, f'"{"x" * 64}" (64 bytes)'),
        (b"x" * 65, f'"{"x" * 64}"... (65 bytes)'),
        ("é".encode() * 65, f'"{"é" * 64}"... (130 bytes)'),
        (bytes(32), f"0x{'00' * 32} (32 bytes)"),
        (bytes(33), f"0x{'00' * 32}... (33 bytes)"),
        (b"a\r\n\tb", r'"a\r\n\tb" (5 bytes)'),
        (b"\xff\xfe", "0xfffe (2 bytes)"),
        (b"\x1b[2J", "0x1b5b324a (4 bytes)"),
        # What makes it no text may stand far behind what is shown.
        (b"x" * 100 + b"\0", f"0x{'78' * 32}... (101 bytes)"),
    ],
)
def test_a_payload_is_text_or_hex_and_short(payload: bytes, shown: str) -> None:
    assert fields(Publish("a", payload)) == f'topic="a" qos=0 payload={shown}'


def test_a_discreet_line_has_lengths_in_place_of_data() -> None:
    will = Will("gone", b"bye", properties=Properties(correlation_data=b"12345"))
    secret = Properties(authentication_method="m", authentication_data=b"1234")
    connect = Connect("c", user_name="me", password=b"s3cret", will=will, properties=secret)
    assert packet_text(connect, MQTT5, discreet=True) == (
        'CONNECT     version=5.0 client_id="c" clean_start keep_alive=60 user_name="me"'
        ' password=(6 bytes) authentication_method="m" authentication_data=(4 bytes)'
        ' will=[topic="gone" qos=0 correlation_data=(5 bytes) payload=(3 bytes)]'
    )
    assert packet_text(Publish("a", b"x"), MQTT311, discreet=True) == (
        'PUBLISH     topic="a" qos=0 payload=(1 byte)'
    )


@given(topic=st.text(), payload=st.binary() | st.text().map(str.encode))
def test_nothing_in_a_packet_drives_a_terminal_or_breaks_a_line(topic: str, payload: bytes) -> None:
    shown = fields(Publish(topic, payload))
    assert ast.literal_eval(shown.partition(" qos=")[0].removeprefix("topic=")) == topic
    assert shown.endswith(f" ({amount(len(payload))})")


@given(data=st.data(), version=mqtt.versions(), sender=mqtt.senders())
def test_every_packet_has_a_line(
    data: st.DataObject, version: ProtocolVersion, sender: Sender
) -> None:
    packet = data.draw(mqtt.packets(version, sender))
    for name, _ in getattr(packet, "properties", Properties()):
        assert f"{name}=" in fields(packet, version)
    assert fields(packet, version).isprintable()
