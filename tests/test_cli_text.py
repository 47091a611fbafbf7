"""Strings before people's eyes."""

import ast
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.cli.text import amount, quoted, visible

any_text = st.text(st.characters(exclude_categories=[]) | st.sampled_from('\\"\x1b\x7f\x9b\n'))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plant/7", "plant/7"),
        ("Größe 温度", "Größe 温度"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\tb\nc\rd\0", r"a\tb\nc\rd\x00"),
        ("\x7f\x9b2J", r"\x7f\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028\u00a0\ufeff", r"\u2028\xa0\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert quoted(text) == f'"{shown}"'


def test_quotes_and_backslashes_are_escaped_in_quotes() -> None:
    assert quoted(r'a "b" \c') == r'"a \"b\" \\c"'
    assert visible(r'a "b" \c') == r'a "b" \c'


@given(any_text)
def test_what_is_shown_is_printable(text: str) -> None:
    assert visible(text).isprintable()
    assert quoted(text).isprintable()


@given(any_text)
def test_quoting_loses_nothing(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text


@given(st.text(string.printable[:-5].replace("\\", "").replace('"', "")))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert quoted(text) == f'"{text}"'


def test_amounts_have_a_singular() -> None:
    assert [amount(0), amount(1), amount(2)] == ["0 bytes", "1 byte", "2 bytes"]
