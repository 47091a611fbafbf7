"""Lines of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.cli.line_splitter import LineSplitter, LongLineError


@given(st.lists(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\0"])).map(b"".join)))
def test_the_cuts_do_not_matter(parts: list[bytes]) -> None:
    splitter = LineSplitter(1000)
    lines = [line for part in parts for line in splitter.feed(part)] + splitter.finish()
    whole = b"".join(parts)
    assert b"".join(line + b"\n" for line in lines) == whole + b"\n" * (
        whole != b"" and not whole.endswith(b"\n")
    )
    assert all(b"\n" not in line for line in lines)


def test_a_line_is_there_as_soon_as_it_has_ended() -> None:
    splitter = LineSplitter(10)
    assert splitter.feed(b"a") == []
    assert splitter.feed(b"b\n\nc") == [b"ab", b""]
    assert splitter.feed(b"\n") == [b"c"]
    assert splitter.finish() == []


@pytest.mark.parametrize(
    ("before", "part"), [(b"", b"a\n12345\n"), (b"a\n12", b"345"), (b"a\n", b"12345")]
)
def test_a_long_line_is_an_error_as_soon_as_it_is_long(before: bytes, part: bytes) -> None:
    splitter = LineSplitter(4)
    splitter.feed(before)
    with pytest.raises(LongLineError) as error:
        splitter.feed(part)
    assert error.value.number == 2


def test_a_line_may_be_as_long_as_it_may_be() -> None:
    splitter = LineSplitter(4)
    assert splitter.feed(b"1234\n12") + splitter.feed(b"34\n") == [b"1234", b"1234"]
