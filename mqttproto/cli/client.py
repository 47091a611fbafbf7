"""A client for the time of a command."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from mqttproto.asyncio import Client, connect
from mqttproto.cli.connection_options import ConnectionSettings
from mqttproto.cli.console import BAD_INPUT, UNUSABLE, Failure, complain
from mqttproto.cli.interruptible import run_interruptible
from mqttproto.cli.notices import Notices
from mqttproto.cli.tapped_connections import tapped_connections
from mqttproto.cli.tls_options import in_options
from mqttproto.cli.wiretap import Wiretap
from mqttproto.errors import MQTTError, PacketError, PacketTooLargeError
from mqttproto.transport.url import parse_url

__all__ = ["client_of", "run_client"]


@asynccontextmanager
async def client_of(settings: ConnectionSettings, **more: Any) -> AsyncIterator[Client]:
    """Connect as the settings say, and tell on standard error what becomes of the connection.

    :param more: other arguments of ``connect()``.
    :raises Failure: for every error of the client, also in the body.
    """
    try:
        async with AsyncExitStack() as stack:
            if settings.debug:
                stack.enter_context(_wiretap(settings.url))
            client = await stack.enter_async_context(
                connect(settings.url, **settings.arguments, **more)
            )
            reporter = None if settings.quiet else asyncio.create_task(_report(client))
            try:
                yield client
                properties = settings.properties.get("DISCONNECT")
                if properties:
                    await client.disconnect(properties=properties)
            finally:
                if reporter is not None:
                    reporter.cancel()
    except PacketTooLargeError as error:
        raise Failure(BAD_INPUT, str(error)) from None
    except PacketError as error:
        address = parse_url(settings.url)
        raise Failure(
            UNUSABLE, f"{address}: what answers there breaks the rules of MQTT: {error}"
        ) from None
    except MQTTError as error:
        raise Failure(UNUSABLE, in_options(str(error))) from None


def _wiretap(url: str) -> AbstractContextManager[None]:
    websocket = parse_url(url).websocket
    loop = asyncio.get_running_loop()
    return tapped_connections(loop, lambda: Wiretap(websocket=websocket).said)


async def _report(client: Client) -> None:
    notices = Notices()
    try:
        async for event in client.events():
            notice = notices.notice(event)
            if notice is not None:
                complain(notice)
    finally:
        if notices.dropped:
            complain(f"messages of QoS 0 lost: {notices.dropped}")


def run_client(main: Coroutine[Any, Any, None], settings: ConnectionSettings) -> None:
    """Run a command that connects, until it ends or is interrupted.

    :raises Failure: what ended it; without words if none are wanted.
    """
    try:
        run_interruptible(main)
    except Failure as failure:
        if settings.quiet:
            raise Failure(failure.status) from None
        raise
