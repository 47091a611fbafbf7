"""How a received message is printed."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import Properties, Publish
from mqttproto.cli.message_format import FORMATS, FormatError, NotJSONError, plain, template

MOMENT = 1_588_803_120_000_456_789
"""2020-05-06, 22:12 UTC."""

MESSAGE = Publish("plant/7", b"hello", 1, True, packet_id=42)
FULL = Publish(
    "t",
    b"p",
    properties=Properties(
        payload_format_indicator=1,
        message_expiry_interval=100,
        content_type="text/plain",
        response_topic="r/t",
        correlation_data=b"\xff\x1b",
        subscription_identifiers=[7, 8],
        topic_alias=3,
        user_properties=[("a", "b"), ("c", "d")],
    ),
)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def printed(text: str, message: Publish = MESSAGE, *, harmless: bool = False) -> bytes:
    return template(text, end=b"", harmless=harmless)(message, MOMENT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("as it is", b"as it is"),
        ("%t|%p|%q|%r|%d", b"plant/7|hello|1|1|0"),
        ("%l %m", b"5 42"),
        ("%x %X", b"68656c6c6f 68656C6C6F"),
        ("%% %5% @@", b"% % @"),
        (r"\\ \0 \a \e \n \r \t \v", b"\\ \0 \a \x1b \n \r \t \v"),
        ("%I", b"2020-05-06T23:12:00+0100"),
        ("%U", b"1588803120.000456789"),
        ("@Y-@m-@d @H:@M:@S.@N @z @%", b"2020-05-06 23:12:00.000456789 +0100 %"),
        ("\u00e9\udcff%t", b"\xc3\xa9\xffplant/7"),
    ],
)
def test_sequences(text: str, expected: bytes) -> None:
    assert printed(text) == expected


def test_properties() -> None:
    assert (
        printed("%A|%C|%D|%E|%F|%P|%R|%S", FULL) == b"3|text/plain|\xff\x1b|100|1|a:b c:d|r/t|7,8"
    )
    assert printed("[%A|%C|%D|%E|%F|%P|%R|%S|%m]", Publish("t")) == b"[||||||||0]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[%10t]", b"[   plant/7]"),
        ("[%-10t]", b"[plant/7   ]"),
        ("[%010t]", b"[   plant/7]"),
        ("[%3.3t|%.2t|%-6.3t|%.0t|%.t]", b"[pla|pl|pla   ||]"),
        ("[%5l|%05l|%-5l|%-05l|%.1l]", b"[    5|00005|5    |5    |5]"),
        ("[%8p|%-8p|%.2p]", b"[   hello|hello   |hello]"),
        ("[%12x|%012X|%-12x]", b"[  68656c6c6f|0068656C6C6F|68656c6c6f  ]"),
        ("[%5q|%5r|%05q]", b"[1|1|1]"),
        ("[%05m|%30I|%.10I]", b"[00042|      2020-05-06T23:12:00+0100|2020-05-06]"),
    ],
)
def test_widths(text: str, expected: bytes) -> None:
    assert printed(text) == expected


def test_widths_of_properties() -> None:
    assert printed("[%12C|%-12C|%.3C|%5E|%05E|%2F|%.2R|%04A|%9D]", FULL) == (
        b"[  text/plain|text/plain  |tex|  100|00100| 1|r/|0003|\xff\x1b]"
    )
    assert printed("[%4A|%04A]", Publish("t")) == b"[    |0000]"


def test_widths_of_text_count_characters() -> None:
    assert printed("[%4t|%.1t]", Publish("\u00e9\u6e29")) == "[  \u00e9\u6e29|\u00e9]".encode()


def test_json() -> None:
    shown = json.loads(printed("%j"))
    assert (shown["topic"], shown["payload"], shown["mid"]) == ("plant/7", "hello", 42)
    shown = json.loads(printed("%J", Publish("t", b'{"a": [1, 2]}')))
    assert shown["payload"] == {"a": [1, 2]}


def test_a_payload_that_is_to_be_json_but_is_not() -> None:
    with pytest.raises(NotJSONError, match="the payload of a message to plant/7 is not JSON"):
        printed("%J")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("%z", "there is no %z; for a % write %%"),
        ("%5z", "there is no %z; for a % write %%"),
        ("a%", "% is not complete; for % write it twice"),
        ("%5", "%5 is not complete; for % write it twice"),
        ("%5.", "%5. is not complete; for % write it twice"),
        ("%99999t", "%99999t is not complete; for % write it twice"),
        (r"\q", r"there is no \q; for a backslash write \\"),
        ("a\\", "\\ is not complete; for \\ write it twice"),
        ("@", "@ is not complete; for @ write it twice"),
        ("@\0", "there is no @\0; for an @ write @@"),
    ],
)
def test_what_is_no_sequence_is_said(text: str, problem: str) -> None:
    with pytest.raises(FormatError) as error:
        printed(text)
    assert str(error.value) == problem


def test_the_end_stands_behind_each() -> None:
    render = template("%q", end=b"\r\n", harmless=False)
    assert render(MESSAGE, MOMENT) == b"1\r\n"


def test_plain_is_the_payload() -> None:
    render = plain(verbose=False, end=b"\n", harmless=False)
    assert render(Publish("t", b"\xff\x1b\0"), MOMENT) == b"\xff\x1b\0\n"
    assert render(Publish("t"), MOMENT) == b""


def test_verbose_has_the_topic_before_it() -> None:
    render = plain(verbose=True, end=b"\n", harmless=False)
    assert render(MESSAGE, MOMENT) == b"plant/7 hello\n"
    assert render(Publish("t"), MOMENT) == b"t (null)\n"


def test_a_terminal_gets_nothing_that_could_drive_it() -> None:
    message = Publish("t\x1b", "a\n\tb\x1b[2J\u202e\0".encode() + b"\xff\x9b")
    assert printed(r"%t \e[1m%p", message, harmless=True) == (
        b"t\\x1b \x1b[1ma\n\tb\\x1b[2J\\u202e\\x00\\xff\\x9b"
    )
    assert printed("%D", FULL, harmless=True) == b"\\xff\\x1b"
    assert plain(verbose=True, end=b"\n", harmless=True)(message, MOMENT).startswith(b"t\\x1b a\n")


def test_a_terminal_gets_text_as_it_is() -> None:
    text = "21 \u00b0C \u6e29\u5ea6 \\"
    assert printed("%p", Publish("t", text.encode()), harmless=True) == text.encode()


@given(st.text(st.sampled_from("%@\\-0.5tpxXjJlqrmdIUACDEFPRSN nabe")), st.binary(), st.booleans())
def test_any_text_is_a_format_or_says_why_not(text: str, payload: bytes, harmless: bool) -> None:
    with suppress(FormatError, NotJSONError):
        printed(text, Publish("t", payload), harmless=harmless)


def test_the_help_names_every_field() -> None:
    for letter in "ACDEFIJPRSUXdjlmpqrtx":
        assert f"%{letter} " in FORMATS
