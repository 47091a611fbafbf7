"""The command ``mqttproto``."""

import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES

from mqttproto import __version__
from mqttproto.cli import decode, demo, pub, sub, trace
from mqttproto.cli.arguments import Parser
from mqttproto.cli.console import (
    INTERRUPTED,
    UNUSABLE,
    Failure,
    complain,
    finish_output,
    harden_streams,
)
from mqttproto.codec import decoder, scanner

__all__ = ["main"]


def _version() -> str:
    """What ``--version`` prints: the release, and how fast this installation of it is."""
    compiled = decoder.__file__.endswith(tuple(EXTENSION_SUFFIXES))
    speed = "compiled" if compiled else {"c": "c", "python": "pure"}[scanner.backend]
    return f"mqttproto {__version__} (scanner: {scanner.backend}, speed: {speed})"


def _parser() -> Parser:
    parser = Parser(
        prog="mqttproto", description="Tools for MQTT 3.1, 3.1.1 and 5.0.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    decode.add_options(commands.add_parser("decode", help=decode.SUMMARY, allow_abbrev=False))
    demo.add_options(commands.add_parser("demo", help=demo.SUMMARY, allow_abbrev=False))
    # -h is the host there.
    for command, name in ((pub, "pub"), (sub, "sub")):
        command.add_options(
            commands.add_parser(name, help=command.SUMMARY, allow_abbrev=False, add_help=False)
        )
    trace.add_options(commands.add_parser("trace", help=trace.SUMMARY, allow_abbrev=False))
    return parser


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit:  # how argparse ends after --help and --version
        return 0
    if "run" not in options:
        parser.print_help(sys.stderr)
        return UNUSABLE
    options.run(options)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0: all is well; 1: the input is not what it should be; 2: the command cannot be carried out
    (a wrong option, a missing file, no server); 27: time is up; 130 and 143: a signal ended it;
    141: nobody reads the output any more.

    :param argv: the arguments behind the command's name; by default the process's own.
    """
    harden_streams()
    try:
        status = _run(argv)
        finish_output()
    except Failure as failure:
        complain(*failure.lines)
        return failure.status
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
