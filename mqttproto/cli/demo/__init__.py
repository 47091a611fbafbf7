"""``mqttproto demo``: messages through a connection that is cut again and again."""

import argparse
from typing import Final

from mqttproto.cli.arguments import number_in

__all__ = ["SUMMARY", "add_options"]

SUMMARY: Final = "see that no message gets lost when the connection does"
"""What the list of commands says about this one."""

_DESCRIPTION: Final = """\
Send messages to oneself at each QoS, in MQTT 3.1.1 and 5.0, with asyncio and
with trio, through real sockets and a proxy that cuts the connection again and
again; and count what comes.
"""

_EPILOG: Final = """\
output:
  A line for each run:
    sent        messages that were given to the client
    received    messages that came back to it, each counted once
    duplicates  how often one came that had come before
    lost        messages that never came
    resumed     how often the session was resumed
    messages/s  received messages, by the time that all of it took

exit status:
  0    QoS 1 lost no message, QoS 2 delivered each exactly once, and QoS 0
       none twice
  1    a promise was broken
  2    a wrong option, or a server that cannot be reached
  130  Ctrl-C
"""

_MOST: Final = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Make ``parser`` that of this command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--url",
        help="the server: mqtt://, mqtts://, ws:// or wss:// (default: a small one, started for"
        " this)",
    )
    parser.add_argument(
        "-n",
        "--messages",
        type=number_in(1, _MOST),
        default=1_000,
        metavar="COUNT",
        help="how many to send in each run (1000)",
    )
    parser.add_argument(
        "--seed",
        type=number_in(0, _MOST),
        metavar="NUMBER",
        help=f"what the cuts are drawn with, 0 to {_MOST:,} (default: chance)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    """Give the demonstration.

    :raises Failure: if a promise was broken, or something is wrong with the server.
    """
    # Here, and not above: the other commands do without asyncio and a server.
    from mqttproto.cli.demo.show import show

    show(options.url, options.messages, options.seed)
