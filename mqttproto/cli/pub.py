"""``mqttproto pub``: publish messages."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Final

from mqttproto.cli.arguments import Verbatim, number_in, seconds, unusable
from mqttproto.cli.client import client_of, run_client
from mqttproto.cli.connection_options import (
    ConnectionSettings,
    add_connection_options,
    connection_settings,
)
from mqttproto.cli.console import BAD_INPUT, Failure
from mqttproto.cli.line_splitter import LineSplitter, LongLineError
from mqttproto.cli.progress import MessageProgress
from mqttproto.cli.source import reading
from mqttproto.cli.threads import in_thread
from mqttproto.codec.block import EMPTY
from mqttproto.codec.publish import Publish
from mqttproto.constants import MAX_REMAINING_LENGTH
from mqttproto.topics import name_problem

__all__ = ["SUMMARY", "add_options"]

SUMMARY: Final = "publish messages"
"""What the list of commands says about this one."""

_MANY: Final = 1_000_000_000

_TOO_LONG: Final = "it is longer than a message of MQTT can be"

_USAGE: Final = """\
mqttproto pub [-h HOST] -t TOPIC (-m TEXT | -f FILE | -s | -l | -n) [option ...]
"""

_DESCRIPTION: Final = """\
Publish messages to a topic. The options are those of mosquitto_pub.
"""

_EPILOG: Final = """\
examples:
  mqttproto pub -t plant/7/temp -m 21.5
      publish 21.5 on this machine's server
  mqttproto pub -h test.example -t plant/7/temp -m 21.5 -q 1 -r
      on another one; wait until it has it (QoS 1), and let it keep it
  mqttproto pub -L mqtts://me@test.example/plant/7/log -l < log.txt
      over TLS, with a user name, each line of a file as a message; the
      password is in the environment, in MQTTPROTO_PASSWORD
  mqttproto pub -t plant/7/temp -n -r
      have the server forget the message that it keeps

exit status:
  0    the server has every message; at QoS 0: all were sent
  1    the input cannot be sent: it is too long for a message
  2    a wrong option, a file that cannot be read, no connection, a refusal
  130  Ctrl-C
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Make ``parser`` that of this command."""
    parser.usage = _USAGE
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    group = parser.add_argument_group("what to publish, and where to")
    group.add_argument("-t", "--topic", metavar="TOPIC", help="the topic")
    what = group.add_mutually_exclusive_group(required=True)
    what.add_argument("-m", "--message", action=Verbatim, metavar="TEXT", help="this text")
    what.add_argument("-f", "--file", metavar="FILE", help="a file, as one message")
    what.add_argument(
        "-s",
        "--stdin-file",
        dest="stdin",
        action="store_true",
        help="all of standard input, as one",
    )
    what.add_argument(
        "-l",
        "--stdin-line",
        dest="lines",
        action="store_true",
        help="each line of standard input, without its end, as it comes",
    )
    what.add_argument(
        "-n", "--null-message", dest="empty", action="store_true", help="an empty message"
    )
    group.add_argument(
        "-q",
        "--qos",
        type=number_in(0, 2),
        default=0,
        metavar="QOS",
        help="0: at most once; 1: at least once; 2: exactly once (0)",
    )
    group.add_argument(
        "-r", "--retain", action="store_true", help="let the server keep it for later subscribers"
    )
    group.add_argument(
        "--repeat", type=number_in(1, _MANY), metavar="COUNT", help="publish it so often (1)"
    )
    group.add_argument(
        "--repeat-delay",
        type=seconds,
        metavar="SECONDS",
        help="how long to wait between, each time from when the server has it (0)",
    )
    group.add_argument(
        "-M",
        "--max-inflight",
        type=number_in(1, 65_535),
        metavar="COUNT",
        help="how many messages of QoS 1 and 2 may be under way at once",
    )
    add_connection_options(parser, "PUBLISH")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    """Publish.

    :raises Failure: if something is wrong with the options, the input, or the server.
    """
    settings = connection_settings(options)
    topic = settings.topic if options.topic is None else options.topic
    if topic is None:
        raise unusable("name a topic to publish to: -t TOPIC (see mqttproto pub --help)")
    problem = name_problem(topic)
    if problem is not None:
        raise unusable(f"-t {problem.rule}")
    if options.lines and (options.repeat or options.repeat_delay):
        raise unusable("-l sends each line once: leave out --repeat")
    run_client(_publish(options, settings, topic), settings)


async def _publish(options: argparse.Namespace, settings: ConnectionSettings, topic: str) -> None:
    """Connect, publish, disconnect."""
    properties = settings.properties.get("PUBLISH", EMPTY)
    more = {}
    if options.max_inflight is not None:
        more["max_in_flight"] = options.max_inflight
    if properties.topic_alias is not None:
        # Which one it is, is the connection's affair.
        more["max_topic_aliases"] = properties.topic_alias
        properties = properties.replace(topic_alias=None)

    def message(payload: bytes) -> Publish:
        return Publish(topic, payload, options.qos, options.retain, properties=properties)

    # What there is to send is known before a server is troubled, but for lines, which may be late.
    payload = None if options.lines else await _payload(options)
    async with client_of(settings, **more) as client:
        if payload is None:
            progress = MessageProgress()
            with reading("-", progress.over) as chunks:
                await client.publish_many(_lines(chunks, progress, message))
        elif options.repeat_delay is None:
            count = options.repeat or 1
            await client.publish_many(message(payload) for _ in range(count))
        else:
            for number in range(options.repeat or 1):
                if number:
                    await asyncio.sleep(options.repeat_delay)
                await client.publish_many([message(payload)])


async def _payload(options: argparse.Namespace) -> bytes:
    """The one message of the options that say so."""
    if options.empty:
        return b""
    if options.message is not None:
        return os.fsencode(options.message)
    parts = []
    size = 0
    with reading("-" if options.stdin else options.file) as chunks:
        while chunk := await in_thread(partial(next, chunks, b"")):
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_REMAINING_LENGTH:
                raise Failure(BAD_INPUT, f"{_TOO_LONG}: publish it in parts, or with -l")
    return b"".join(parts)


async def _lines(
    chunks: Iterator[bytes], progress: MessageProgress, message: Callable[[bytes], Publish]
) -> AsyncIterator[Publish]:
    """The lines of standard input as messages, each as soon as it is there."""
    splitter = LineSplitter(MAX_REMAINING_LENGTH)
    try:
        while chunk := await in_thread(partial(next, chunks, b"")):
            for line in splitter.feed(chunk):
                yield message(line)
                progress.sent()
    except LongLineError as error:
        raise Failure(BAD_INPUT, f"line {error.number}: {_TOO_LONG}") from None
    for line in splitter.finish():
        yield message(line)
