"""The parser of the command line."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from mqttproto.cli.console import UNUSABLE, Failure

__all__ = ["Parser", "Verbatim", "number_in", "seconds", "unusable"]

_SEPARATOR: Final = "\0"
"""Stands before each word of a verbatim option; no argument of a process has it."""

_HOST: Final = "argument -h/--host: "

_LONGEST: Final = 1e9
"""More seconds than these no clock here waits."""


def unusable(problem: str) -> Failure:
    """What ends a command whose options are wrong."""
    return Failure(UNUSABLE, problem)


def number_in(low: int, high: int) -> Callable[[str], int]:
    """The type of an option that is a number from ``low`` to ``high``."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return value

    return number


def seconds(text: str) -> float:
    """The type of an option that is a time: more than 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


class Verbatim(argparse.Action):
    """An option that takes what follows it, whatever it looks like: ``-m --help`` is a message.

    :param words: of the arguments behind the option, how many belong to it; by default one.
    :param convert: makes the value of these; by default it is the one. A ValueError of it is a
        complaint.
    :param several: whether the option may stand more than once, and its values are a list.
    """

    def __init__(
        self,
        *args: Any,
        words: Callable[[Sequence[str]], int] = lambda _following: 1,
        convert: Callable[[list[str]], Any] = lambda words: words[0],
        several: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.words: Final = words
        self._convert: Final = convert
        self._several: Final = several

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Keep the value."""
        try:
            value = self._convert(values.removeprefix(_SEPARATOR).split(_SEPARATOR))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        if self._several:
            value = [*(getattr(namespace, self.dest) or ()), value]
        setattr(namespace, self.dest, value)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line, and that knows :class:`Verbatim` options."""

    def error(self, message: str) -> NoReturn:
        """Complain.

        :raises Failure: with the complaint.
        """
        if message.startswith(_HOST) and "-h" in self._option_string_actions:
            message = "-h names the host to connect to, as in -h localhost; the help is --help"
        raise Failure(UNUSABLE, f"{message} (see {self.prog} --help)")

    # The base class has two overloads, which nobody calls apart.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse what there is; this is what a command's parser is called by, too."""
        joined = None if args is None else list(self._joined(args))
        return super().parse_known_args(joined, namespace)

    def _joined(self, arguments: Sequence[str]) -> Iterator[str]:
        """The arguments, each verbatim option in one piece with its own."""
        at = 0
        while at < len(arguments):
            option = arguments[at]
            at += 1
            if option == "--":
                yield from arguments[at - 1 :]
                return
            action = self._option_string_actions.get(option)
            following = arguments[at:]
            if isinstance(action, Verbatim) and following:
                words = following[: action.words(following)]
                at += len(words)
                option += "=" + "".join(_SEPARATOR + word for word in words)
            yield option
