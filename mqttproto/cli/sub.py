"""``mqttproto sub``: subscribe, and print the messages."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from mqttproto.asyncio import Client
from mqttproto.cli.arguments import Verbatim, number_in, seconds, unusable
from mqttproto.cli.client import client_of, run_client
from mqttproto.cli.connection_options import (
    ConnectionSettings,
    add_connection_options,
    connection_settings,
)
from mqttproto.cli.console import TIMED_OUT, Failure, complain
from mqttproto.cli.message_format import (
    FORMATS,
    FormatError,
    NotJSONError,
    Render,
    plain,
    template,
)
from mqttproto.cli.output import Output
from mqttproto.codec.block import EMPTY
from mqttproto.constants import RetainHandling
from mqttproto.errors import MQTTError
from mqttproto.protocol.events import MessageReceived
from mqttproto.topics import filter_problem, matches

__all__ = ["SUMMARY", "add_options"]

SUMMARY: Final = "subscribe, and print the messages that come"
"""What the list of commands says about this one."""

_MANY: Final = 1_000_000_000

_RETAIN_HANDLING: Final = {
    "always": RetainHandling.SEND,
    "new": RetainHandling.SEND_IF_NEW,
    "never": RetainHandling.DO_NOT_SEND,
    "0": RetainHandling.SEND,
    "1": RetainHandling.SEND_IF_NEW,
    "2": RetainHandling.DO_NOT_SEND,
}

_USAGE: Final = """\
mqttproto sub [-h HOST] -t FILTER [-t FILTER ...] [option ...]
"""

_DESCRIPTION: Final = """\
Subscribe to topics, and print the messages that come, until Ctrl-C. The options
are those of mosquitto_sub. If the connection is lost, it is made again.
"""

_EPILOG: Final = f"""\
formats (-F):{FORMATS}
output:
  Payloads are printed as they are, each with a line end behind it (-N: without).
  On a terminal, control characters in them are shown as \\x1b and so on. An empty
  payload is nothing at all, with -v (null). A message of QoS 1 or 2 is
  acknowledged once it is written.

examples:
  mqttproto sub -t 'plant/+/temp' -v
      the temperatures on this machine's server, each behind its topic
  mqttproto sub -h test.example -u me -t 'plant/#' -F '%I %t %q %p'
      with the time; the password is in the environment, in MQTTPROTO_PASSWORD
  mqttproto sub -t plant/7/temp -C 1 -W 10 > temp.txt
      one message, or after 10 seconds none
  mqttproto sub -i logger -c -q 1 -t 'plant/#' -F %j >> log.jsonl
      as JSON; the server keeps what comes while this command does not run

exit status:
  0    -C messages were printed, or -E
  2    a wrong option, no connection, a refusal
  27   -W seconds have passed
  130  Ctrl-C
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Make ``parser`` that of this command."""
    parser.usage = _USAGE
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_subscription_options(parser)
    _add_output_options(parser)
    add_connection_options(parser, "SUBSCRIBE", "UNSUBSCRIBE")
    parser.set_defaults(run=_run)


def _add_subscription_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to subscribe to")
    group.add_argument(
        "-t",
        "--topic",
        dest="topics",
        action="append",
        default=[],
        metavar="FILTER",
        help="a topic, in which + stands for any one level, and # at its end for all below;"
        " several: -t a -t b",
    )
    group.add_argument(
        "-q",
        "--qos",
        type=number_in(0, 2),
        default=0,
        metavar="QOS",
        help="the most to get them at: 0, 1 or 2 (0)",
    )
    group.add_argument(
        "-U",
        "--unsubscribe",
        dest="unsubscribed",
        action="append",
        default=[],
        metavar="FILTER",
        help="end a subscription of an earlier time, with -c; several: -U a -U b",
    )
    group.add_argument(
        "--retain-as-published",
        action="store_true",
        help="leave the retain flag as the publisher has set it (MQTT 5.0)",
    )
    group.add_argument(
        "--retain-handling",
        choices=list(_RETAIN_HANDLING),
        default="always",
        metavar="WHEN",
        help="whether to get retained messages: always, only if the subscription is new, or never"
        " (MQTT 5.0; always)",
    )
    group.add_argument(
        "-E",
        dest="leave",
        action="store_true",
        help="only subscribe, and end: with -c, for the next time",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to print")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="the topic, a space, and the payload"
    )
    group.add_argument(
        "-F", "--format", action=Verbatim, metavar="FORMAT", help="in this format, see below"
    )
    group.add_argument(
        "-N", dest="no_line_end", action="store_true", help="no line end behind each message"
    )
    group.add_argument("-R", dest="no_retained", action="store_true", help="no retained messages")
    group.add_argument(
        "--retained-only",
        action="store_true",
        help="only retained messages, and end at the first other one",
    )
    group.add_argument(
        "--remove-retained",
        action="store_true",
        help="have the server forget each retained message that comes",
    )
    group.add_argument(
        "-T",
        "--filter-out",
        dest="unwanted",
        action="append",
        default=[],
        metavar="FILTER",
        help="no messages whose topic matches; several: -T a -T b",
    )
    group.add_argument(
        "-C",
        "--count",
        type=number_in(1, _MANY),
        metavar="COUNT",
        help="end after so many messages",
    )
    group.add_argument(
        "-W",
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="end after this time, counted from the connection, with exit status 27",
    )


def _run(options: argparse.Namespace) -> None:
    """Subscribe and print.

    :raises Failure: if something is wrong with the options, or the server.
    """
    settings = connection_settings(options)
    topics = [*options.topics, *([] if settings.topic is None else [settings.topic])]
    if not topics and not options.unsubscribed:
        raise unusable("name a topic to subscribe to: -t FILTER (see mqttproto sub --help)")
    version = settings.arguments["mqtt_version"]
    for option, filters in (
        ("-t", topics),
        ("-U", options.unsubscribed),
        ("-T", options.unwanted),
    ):
        for each in filters:
            problem = filter_problem(each, 5 if version == "auto" else version)
            if problem is not None:
                raise unusable(f"{option} {each}: it {problem.rule}")
    run_client(_subscribe(options, settings, topics, _render(options)), settings)


def _render(options: argparse.Namespace) -> Render:
    """How a message is printed."""
    end = b"" if options.no_line_end else b"\n"
    harmless = sys.stdout is not None and sys.stdout.isatty()
    if options.format is None:
        return plain(verbose=options.verbose, end=end, harmless=harmless)
    try:
        return template(options.format, end=end, harmless=harmless)
    except FormatError as error:
        raise unusable(f"-F {options.format}: {error}") from None


async def _subscribe(
    options: argparse.Namespace, settings: ConnectionSettings, topics: list[str], render: Render
) -> None:
    """Connect, subscribe, print, disconnect."""
    async with Output() as output, client_of(settings, manual_acknowledgement=True) as client:
        try:
            async with asyncio.timeout(options.timeout):
                messages = client.messages()  # from now on none is missed
                await _ask(options, settings, client, topics)
                if not options.leave:
                    await _print(options, client, messages, render, output)
        except (MQTTError, TimeoutError) as error:
            await output.flush()
            if isinstance(error, MQTTError):
                raise
            raise Failure(TIMED_OUT, f"-W {options.timeout:g}: time is up") from None
        await output.flush()


async def _ask(
    options: argparse.Namespace, settings: ConnectionSettings, client: Client, topics: list[str]
) -> None:
    """Subscribe and unsubscribe."""
    if topics:
        handling = _RETAIN_HANDLING[options.retain_handling]
        properties = settings.properties.get("SUBSCRIBE", EMPTY)
        await client.subscribe(
            topics,
            options.qos,
            retain_as_published=options.retain_as_published,
            retain_handling=handling,
            properties=properties,
        )
    if options.unsubscribed:
        properties = settings.properties.get("UNSUBSCRIBE", EMPTY)
        await client.unsubscribe(options.unsubscribed, properties)


async def _print(
    options: argparse.Namespace,
    client: Client,
    messages: AsyncIterator[MessageReceived],
    render: Render,
    output: Output,
) -> None:
    """Print messages until there are enough."""
    printed = 0
    async for message in messages:
        acknowledge = partial(client.acknowledge, message) if message.qos else None
        if any(matches(each, message.topic) for each in options.unwanted):
            output.put(b"", acknowledge)
            continue
        if message.retain and options.remove_retained:
            await client.publish(message.topic, b"", 1, retain=True)
        if options.retained_only and not message.retain:
            output.put(b"", acknowledge)
            return
        if message.retain and options.no_retained:
            output.put(b"", acknowledge)
            continue
        output.put(_rendered(message, render), acknowledge)
        printed += 1
        if printed == options.count:
            return
        await output.room()


def _rendered(message: MessageReceived, render: Render) -> bytes:
    try:
        return render(message.message, time.time_ns())
    except NotJSONError as error:
        complain(str(error))
        return b""
