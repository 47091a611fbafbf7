"""A message as a line of JSON."""

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import Properties, Publish
from mqttproto.cli.message_json import json_payload, message_json, timestamp

MOMENT = 1_588_803_120_123_456_789
"""2020-05-06, 22:12 UTC."""


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_plain_message() -> None:
    assert message_json(Publish("greeting", b"hello"), MOMENT) == (
        '{"tst":"2020-05-06T23:12:00.123456+0100","topic":"greeting","qos":0,"retain":0,'
        '"payloadlen":5,"payload":"hello"}'
    )


def test_a_message_with_everything() -> None:
    properties = Properties(
        payload_format_indicator=1,
        message_expiry_interval=60,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\xffc",
        subscription_identifiers=[7],
        user_properties=[("a", "1"), ("a", "2")],
    )
    shown = message_json(Publish("t", b"p", 2, True, packet_id=9, properties=properties), MOMENT)
    assert shown == (
        '{"tst":"2020-05-06T23:12:00.123456+0100","topic":"t","qos":2,"retain":1,'
        '"payloadlen":1,"mid":9,"properties":{"payload-format-indicator":1,'
        '"message-expiry-interval":60,"content-type":"text/plain","response-topic":"r",'
        '"correlation-data":"\ufffdc","subscription-identifier":7,'
        '"user-properties":{"a":"1","a":"2"}},"payload":"p"}'
    )


def test_several_subscription_identifiers_are_an_array() -> None:
    message = Publish("t", b"p", properties=Properties(subscription_identifiers=[7, 8]))
    assert json.loads(message_json(message, MOMENT))["properties"] == {
        "subscription-identifier": [7, 8]
    }


def test_an_empty_payload_is_null() -> None:
    assert message_json(Publish("t"), MOMENT).endswith(',"payloadlen":0,"payload":null}')


def test_bytes_that_are_no_text_are_whole_beside_it() -> None:
    shown = json.loads(message_json(Publish("t", b"\xff\0z"), MOMENT))
    assert shown["payload"] == "\ufffd\0z"
    assert shown["payload-base64"] == "/wB6"


def test_a_payload_may_be_given_as_json() -> None:
    assert message_json(Publish("t", b"..."), MOMENT, '{"a":1}').endswith(',"payload":{"a":1}}')


def test_a_time_has_microseconds_and_the_zone() -> None:
    assert timestamp(0) == "1970-01-01T01:00:00.000000+0100"
    assert timestamp(1_000_999) == "1970-01-01T01:00:00.001000+0100"


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", "null"),
        (b"1", "1"),
        (b' { "a b" : [ 1.50,\n\t1e400 , "\\" x" ] } ', '{"a b":[1.50,1e400,"\\" x"]}'),
        (b"12345678901234567890", "12345678901234567890"),
        (b"9" * 10_000, "9" * 10_000),
        ('"21 \u00b0C \u2028\x7f"'.encode(), '"21 \u00b0C \\u2028\\u007f"'),
        ('"\U000e0001"'.encode(), '"\\udb40\\udc01"'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
    ],
)
def test_json_is_kept_as_it_is_on_one_line(payload: bytes, shown: str) -> None:
    assert json_payload(payload) == shown


@pytest.mark.parametrize(
    "payload",
    [b"x", b"{", b"NaN", b"[Infinity]", b'"\x01"', b"\xff", b"\xef\xbb\xbf1", b" ", b"[" * 100_000],
)
def test_what_is_no_json_is_none(payload: bytes) -> None:
    assert json_payload(payload) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(json_values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_json_means_the_same_on_one_line(
    value: object, indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return
    shown = json_payload(data)
    assert shown is not None
    assert shown.isprintable()
    assert json.loads(shown) == json.loads(text)


@given(topic=st.text(), payload=st.binary() | st.text().map(str.encode))
def test_every_message_is_a_line_of_json(topic: str, payload: bytes) -> None:
    shown = message_json(Publish(topic, payload), MOMENT)
    assert shown.isprintable()
    read = json.loads(shown)
    assert read["topic"] == topic
    assert read["payload"] == (payload.decode(errors="replace") if payload else None)
