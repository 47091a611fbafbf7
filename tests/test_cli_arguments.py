"""The parser of the command line."""

import argparse

import pytest

from mqttproto.cli.arguments import Parser, Verbatim, number_in, seconds, unusable
from mqttproto.cli.console import Failure


def parser() -> Parser:
    made = Parser(prog="mqttproto test", add_help=False, allow_abbrev=False)
    made.add_argument("-h", "--host")
    made.add_argument("-v", action="store_true")
    made.add_argument("-m", "--message", action=Verbatim)
    made.add_argument(
        "-D",
        action=Verbatim,
        words=lambda following: 1 + (following[0] == "two"),
        convert="+".join,
        several=True,
    )
    return made


def parsed(*arguments: str) -> dict[str, object]:
    return vars(parser().parse_args(arguments))


def complaint(*arguments: str) -> str:
    with pytest.raises(Failure) as failed:
        parsed(*arguments)
    assert failed.value.status == 2
    [line] = failed.value.lines
    return line


NOTHING = {"host": None, "v": False, "message": None, "D": None}


@pytest.mark.parametrize("text", ["", "-5", "-v", "-m", "--", "--host=x", "- x", "a=b", "-x y"])
@pytest.mark.parametrize("option", ["-m", "--message"])
def test_a_verbatim_option_takes_what_follows(option: str, text: str) -> None:
    assert parsed(option, text, "-v") == NOTHING | {"message": text, "v": True}


@pytest.mark.parametrize("arguments", [["-mtext"], ["--message=text"]])
def test_a_verbatim_option_may_be_one_with_its_value(arguments: list[str]) -> None:
    assert parsed(*arguments) == NOTHING | {"message": "text"}


def test_a_verbatim_option_may_take_several_words_and_stand_several_times() -> None:
    assert parsed("-D", "one", "-D", "two", "-D", "-v") == NOTHING | {
        "D": ["one", "two+-D"],
        "v": True,
    }


def test_behind_two_dashes_there_are_no_options() -> None:
    assert complaint("-v", "--", "-m", "x").startswith("unrecognized arguments: ")


@pytest.mark.parametrize("arguments", [["-m"], ["-v", "--message"], ["-D"]])
def test_a_verbatim_option_needs_something(arguments: list[str]) -> None:
    assert complaint(*arguments).endswith("expected one argument (see mqttproto test --help)")


@pytest.mark.parametrize("arguments", [["-h"], ["-h", "-v"], ["-v", "--host"]])
def test_a_host_alone_is_not_the_help(arguments: list[str]) -> None:
    assert complaint(*arguments) == (
        "-h names the host to connect to, as in -h localhost; the help is --help"
        " (see mqttproto test --help)"
    )


def test_the_arguments_of_the_process_are_taken_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["mqttproto", "-v"])
    assert parser().parse_args() == argparse.Namespace(**NOTHING | {"v": True})


def test_numbers_have_a_range() -> None:
    number = number_in(0, 2)
    assert [number("0"), number("2")] == [0, 2]
    for text in ("-1", "3", "", "x", "1.0"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a number from 0 to 2"):
            number(text)


def test_seconds_are_more_than_none() -> None:
    assert [seconds("0.5"), seconds("10")] == [0.5, 10.0]
    for text in ("0", "-1", "nan", "inf", "", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a number of seconds"):
            seconds(text)


def test_wrong_options_have_a_status() -> None:
    assert (unusable("why").status, unusable("why").lines) == (2, ("why",))
