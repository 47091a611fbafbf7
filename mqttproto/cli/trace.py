"""``mqttproto trace``: a proxy that shows what clients and a server say to each other."""

import argparse
import asyncio
import ssl
import time
from contextlib import suppress
from typing import Final

from mqttproto.cli.arguments import unusable
from mqttproto.cli.color import CHOICES, Palette
from mqttproto.cli.interruptible import run_interruptible
from mqttproto.cli.output import Output
from mqttproto.cli.proxy import Proxy
from mqttproto.cli.recorder import Recorder
from mqttproto.cli.tls_options import add_tls_options, in_options, meaning_tls, tls_options
from mqttproto.cli.transcript import Transcript
from mqttproto.constants import Sender
from mqttproto.errors import InvalidValueError
from mqttproto.tls import build_context
from mqttproto.transport.url import Address, parse_url

__all__ = ["SUMMARY", "add_options"]

SUMMARY: Final = "stand between clients and a server, and print every packet"
"""What the list of commands says about this one."""

_PATIENCE: Final = 2.0
"""Seconds that the reader of the output has at the end, to take what is left."""

_DESCRIPTION: Final = """\
Stand between MQTT clients and a server, and print every packet of both
directions.

Start it, let the clients connect to where it listens instead of to the server,
and read. All bytes are passed on unchanged, also those that are no MQTT.
"""

_EPILOG: Final = """\
examples:
  mqttproto trace --listen mqtt://localhost:1884 --to mqtt://localhost
  mqttproto pub -p 1884 -t plant/7/temp -m 21.5

  mqttproto trace --listen mqtt://localhost:1884 --to mqtts://test.example \\
      --save talk
  mqttproto decode talk-1.client.bin

output:
  A line for each packet: seconds since the start, the number of the connection,
  -> from the client or <- from the server, the packet with its fields as
  'mqttproto decode' prints them. With -- connections begin and end; !! says
  that something is wrong: which rule is broken, at which byte, and where the
  standard says so. Payloads are cut short, passwords are not shown.

exit status:
  130 after Ctrl-C, which is how it ends; 2 if it cannot begin
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Make ``parser`` that of this command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--listen",
        required=True,
        metavar="URL",
        help="where clients are to connect: mqtt://host:port or mqtt+unix:///path",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="where the server is: mqtt://host:port, mqtts://host:port or mqtt+unix:///path",
    )
    parser.add_argument(
        "--save",
        metavar="PREFIX",
        help="keep what was sent, passwords and all, in PREFIX-1.client.bin, PREFIX-1.server.bin"
        " and so on, for 'mqttproto decode'",
    )
    parser.add_argument(
        "--color",
        choices=CHOICES,
        default="auto",
        help="colours: auto is on a terminal, unless NO_COLOR is set (auto)",
    )
    add_tls_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    listen = _address("--listen", options.listen, ("mqtt", "mqtt+unix"))
    to = _address("--to", options.to, ("mqtt", "mqtts", "mqtt+unix"))
    tls = meaning_tls(options)
    if tls is not None and not to.tls:
        raise unusable(f"{tls} is for a server with TLS: write mqtts://, or leave it out")
    recorder = None if options.save is None else Recorder(options.save)
    context = None
    if to.tls:
        try:
            context = build_context(tls_options(options))
        except InvalidValueError as error:
            raise unusable(in_options(str(error))) from None
    run_interruptible(_trace(listen, to, context, Palette(options.color), recorder))


def _address(option: str, url: str, schemes: tuple[str, ...]) -> Address:
    try:
        address = parse_url(url)
    except InvalidValueError as error:
        raise unusable(f"{option}: the URL {error.rule}") from None
    if address.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise unusable(f"{option} takes {known}, not {address.scheme}://")
    if address.user_name is not None or address.password is not None:
        raise unusable(f"{option}: clients say who they are, so leave out user name and password")
    return address


async def _trace(
    listen: Address,
    to: Address,
    tls: ssl.SSLContext | None,
    palette: Palette,
    recorder: Recorder | None,
) -> None:
    async with Output() as output:
        watch = _Watch(Transcript(palette), output, recorder)
        try:
            await Proxy(to, tls, watch).serve(listen, lambda: watch.begins(listen, to))
        except OSError as error:
            reason = error.strerror or str(error)
            raise unusable(f"cannot listen on {listen}: {reason}") from None
        except asyncio.CancelledError:
            watch.summary()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await output.flush()
            raise


class _Watch:
    """Prints what goes on, and keeps it if that is wanted."""

    def __init__(self, transcript: Transcript, output: Output, recorder: Recorder | None) -> None:
        self._transcript: Final = transcript
        self._output: Final = output
        self._recorder: Final = recorder
        self._start: Final = time.monotonic()

    def begins(self, listen: Address, to: Address) -> None:
        self._put(self._transcript.begins(self._now(), f"{listen} leads to {to}; Ctrl-C ends it"))

    def summary(self) -> None:
        self._put(self._transcript.summary(self._now()))

    def connected(self, number: int, peer: str) -> None:
        self._put(self._transcript.connected(self._now(), number, peer))
        if self._recorder is not None:
            self._recorder.open(number)

    def unreachable(self, number: int, problem: str) -> None:
        self._put(self._transcript.unreachable(self._now(), number, in_options(problem)))
        if self._recorder is not None:
            self._recorder.close(number)

    async def said(self, number: int, sender: Sender, data: bytes) -> None:
        self._put(self._transcript.said(self._now(), number, sender, data))
        if self._recorder is not None:
            self._recorder.write(number, sender, data)
        await self._output.room()

    def ended(self, number: int, sender: Sender, problem: str) -> None:
        self._put(self._transcript.ended(self._now(), number, sender, problem))

    def closed(self, number: int) -> None:
        self._put(self._transcript.closed(self._now(), number))
        if self._recorder is not None:
            self._recorder.close(number)

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _put(self, lines: str) -> None:
        if lines:
            self._output.put_text(lines)
