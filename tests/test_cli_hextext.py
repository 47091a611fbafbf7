"""Hex text and bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.cli.hextext import HexText


def decoded(*parts: bytes) -> tuple[bytes, str | None]:
    """The bytes of a text that comes in parts, and the error."""
    text = HexText()
    found = b"".join([text.feed(part) for part in parts])
    text.finish()
    return found, text.error


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""),
        (b" \r\n\t\v\f", b""),
        (b"10ffAB", b"\x10\xff\xab"),
        (b"10 ff\nab\r\n", b"\x10\xff\xab"),
        (b"10:ff:ab", b"\x10\xff\xab"),
        (b"0x10 0XFF", b"\x10\xff"),
        (b"0x10ffab", b"\x10\xff\xab"),
        (b"0x000x00"[:4], b"\0"),
        (b"0x00:0x0a", b"\0\n"),
        (b"00 01 0a", b"\0\1\n"),
    ],
)
def test_digits_are_bytes(text: bytes, data: bytes) -> None:
    assert decoded(text) == (data, None)
    assert decoded(*[bytes((character,)) for character in text]) == (data, None)


@pytest.mark.parametrize(
    ("text", "data", "error"),
    [
        (b"10 zz", b"\x10", "line 1, column 4: 'z' is not hex"),
        (b"10\n20\n  , 30", b"\x10\x20", "line 3, column 3: ',' is not hex"),
        (b"\xef\xbb\xbf10", b"", "line 1, column 1: '\\xef' is not hex"),
        (b"1\x1b", b"", "line 1, column 2: '\\x1b' is not hex"),
        (b"10 1 0", b"\x10", "line 1, column 5: a second hex digit is missing"),
        (b"10 1\n0", b"\x10", "line 1, column 5: a second hex digit is missing"),
        (b"10 1", b"\x10", "line 1, column 5: a second hex digit is missing"),
        (b"0x1 ", b"", "line 1, column 4: a second hex digit is missing"),
        (b"10 0x 20", b"\x10", "line 1, column 6: hex digits are missing behind 0x"),
        (b"0x", b"", "line 1, column 3: hex digits are missing behind 0x"),
        (b"x10", b"", "line 1, column 1: 'x' is not hex"),
        (b"1x10", b"", "line 1, column 2: 'x' is not hex"),
        (b"000x10", b"\0", "line 1, column 4: 'x' is not hex"),
        (b"0x0x10", b"", "line 1, column 4: 'x' is not hex"),
        (b"0x10 20", b"\x10\x20", None),
    ],
)
def test_an_error_names_line_and_column(text: bytes, data: bytes, error: str | None) -> None:
    assert decoded(text) == (data, error)
    assert decoded(*[bytes((character,)) for character in text]) == (data, error)


def test_behind_an_error_input_is_ignored() -> None:
    text = HexText()
    assert text.feed(b"10 ! 20\n30") == b"\x10"
    assert text.feed(b"40 ?") == b""
    text.finish()
    assert text.error == "line 1, column 4: '!' is not hex"


def test_bytes_come_as_soon_as_they_are_complete() -> None:
    text = HexText()
    assert [text.feed(part) for part in (b"1", b"0f", b"f0")] == [b"", b"\x10", b"\xff"]


@given(
    words=st.lists(
        st.tuples(
            st.sampled_from(["", "0x", "0X"]),
            st.binary(min_size=1, max_size=8),
            st.booleans(),
            st.text(" \t\r\n:", min_size=1, max_size=3),
        )
    ),
    data=st.data(),
)
def test_any_layout_and_any_cuts_give_the_bytes(
    words: list[tuple[str, bytes, bool, str]], data: st.DataObject
) -> None:
    text = "".join(
        prefix + (word.hex().upper() if upper else word.hex()) + gap
        for prefix, word, upper, gap in words
    ).encode()
    cut = data.draw(st.integers(0, len(text)))
    assert decoded(text[:cut], text[cut:]) == (b"".join(word for _, word, _, _ in words), None)


@given(text=st.binary() | st.text("01aF xX:\n,").map(str.encode), data=st.data())
def test_any_cut_gives_the_same_bytes_and_error(text: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    assert decoded(text[:cut], text[cut:]) == decoded(text)
