"""Packets as JSON objects."""

import base64
import json
from typing import Any

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
    Publish,
    RetainHandling,
    Sender,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
)
from mqttproto.cli.records import packet_record
from mqttproto.testing import strategies as mqtt

MQTT31, MQTT311, MQTT5 = ProtocolVersion

SUCCESS = {"code": 0, "name": "SUCCESS"}


def fields(packet: Packet, version: ProtocolVersion = MQTT5) -> dict[str, Any]:
    """What a record says behind offset, size and name."""
    line = packet_record(packet, 3, 7, version)
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    record: dict[str, Any] = json.loads(line)
    assert list(record)[:3] == ["offset", "size", "packet"]
    assert record.pop("offset") == 3
    assert record.pop("size") == 7
    assert record.pop("packet") == type(packet).__name__.upper()
    return record


@pytest.mark.parametrize(
    ("packet", "version", "record"),
    [
        (
            Connect("c"),
            MQTT31,
            {
                "version": "3.1",
                "client_id": "c",
                "clean_start": True,
                "keep_alive": 60,
                "will": None,
                "user_name": None,
                "password": None,
                "properties": {},
            },
        ),
        (
            Connect(
                "c",
                False,
                0,
                Will("t", b"\xff", 1, True, Properties(will_delay_interval=5)),
                "me",
                b"s3cret",
                Properties(receive_maximum=9, request_problem_information=False),
            ),
            MQTT5,
            {
                "version": "5.0",
                "client_id": "c",
                "clean_start": False,
                "keep_alive": 0,
                "will": {
                    "topic": "t",
                    "payload": {"length": 1, "base64": "/w=="},
                    "qos": 1,
                    "retain": True,
                    "properties": {"will_delay_interval": 5},
                },
                "user_name": "me",
                "password": {"length": 6, "text": "s3cret"},
                "properties": {"receive_maximum": 9, "request_problem_information": False},
            },
        ),
        (
            ConnAck(False, ConnectReturnCode.SERVER_UNAVAILABLE),
            MQTT311,
            {
                "session_present": False,
                "reason_code": {"code": 3, "name": "SERVER_UNAVAILABLE"},
                "properties": {},
            },
        ),
        (
            Publish(
                "a",
                b"x" * 1000,
                2,
                packet_id=9,
                properties=Properties(
                    correlation_data=b"\0\xff",
                    subscription_identifiers=[1],
                    user_properties=[("k", "v"), ("k", "w")],
                ),
            ),
            MQTT5,
            {
                "topic": "a",
                "payload": {"length": 1000, "text": "x" * 1000},
                "qos": 2,
                "retain": False,
                "dup": False,
                "packet_id": 9,
                "properties": {
                    "correlation_data": {"length": 2, "base64": "AP8="},
                    "subscription_identifiers": [1],
                    "user_properties": [["k", "v"], ["k", "w"]],
                },
            },
        ),
        (PubAck(1), MQTT311, {"packet_id": 1, "reason_code": SUCCESS, "properties": {}}),
        (
            Subscribe(5, [Subscription("a", 1, True, True, RetainHandling.DO_NOT_SEND)]),
            MQTT5,
            {
                "packet_id": 5,
                "subscriptions": [
                    {
                        "topic_filter": "a",
                        "qos": 1,
                        "no_local": True,
                        "retain_as_published": True,
                        "retain_handling": 2,
                    }
                ],
                "properties": {},
            },
        ),
        (
            SubAck(6, [0, 0x80]),
            MQTT311,
            {
                "packet_id": 6,
                "reason_codes": [
                    {"code": 0, "name": "GRANTED_QOS_0"},
                    {"code": 128, "name": "FAILURE"},
                ],
                "properties": {},
            },
        ),
        (
            Unsubscribe(7, ["a", "b/#"]),
            MQTT311,
            {"packet_id": 7, "topic_filters": ["a", "b/#"], "properties": {}},
        ),
        (UnsubAck(8), MQTT311, {"packet_id": 8, "reason_codes": [], "properties": {}}),
        (PingReq(), MQTT311, {}),
        (PingResp(), MQTT311, {}),
        (
            Disconnect(4),
            MQTT5,
            {
                "reason_code": {"code": 4, "name": "DISCONNECT_WITH_WILL_MESSAGE"},
                "properties": {},
            },
        ),
        (
            Auth(0x18, Properties(authentication_method="m")),
            MQTT5,
            {
                "reason_code": {"code": 24, "name": "CONTINUE_AUTHENTICATION"},
                "properties": {"authentication_method": "m"},
            },
        ),
    ],
)
def test_a_record_has_every_field(
    packet: Packet, version: ProtocolVersion, record: dict[str, Any]
) -> None:
    assert fields(packet, version) == record


@given(topic=st.text(), payload=st.binary() | st.text().map(str.encode))
def test_nothing_is_lost_and_nothing_drives_a_terminal(topic: str, payload: bytes) -> None:
    record = fields(Publish(f"{topic}\x7f\x9b", payload))
    assert record["topic"] == f"{topic}\x7f\x9b"
    data = record["payload"]
    whole = data["text"].encode() if "text" in data else base64.b64decode(data["base64"])
    assert whole == payload
    assert data["length"] == len(payload)


@given(data=st.data(), version=mqtt.versions(), sender=mqtt.senders())
def test_every_packet_has_a_record_with_all_its_attributes(
    data: st.DataObject, version: ProtocolVersion, sender: Sender
) -> None:
    packet = data.draw(mqtt.packets(version, sender))
    record = fields(packet, version)
    assert record.pop("version", version.label) == version.label
    assert list(record) == list(packet.FIELDS)
    properties = getattr(packet, "properties", Properties())
    assert list(record.get("properties", [])) == [name for name, _ in properties]
