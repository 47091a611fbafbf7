"""The options that say where to connect, and as whom: the same for every command that connects."""

import argparse
import os
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from mqttproto.cli.arguments import Verbatim, number_in, unusable
from mqttproto.cli.password import VARIABLE, password_from
from mqttproto.cli.property_option import add_property_option, gathered
from mqttproto.cli.tls_options import add_tls_options, meaning_tls, tls_options
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Will
from mqttproto.constants import ProtocolVersion
from mqttproto.errors import InvalidValueError
from mqttproto.protocol.leniency import Leniency
from mqttproto.topics import name_problem
from mqttproto.transport.url import Address, parse_url

__all__ = [
    "ConnectionSettings",
    "add_connection_options",
    "connection_settings",
]

_VERSIONS: Final[dict[str, ProtocolVersion | str]] = {
    "auto": "auto",
    "mqttv31": ProtocolVersion.MQTT31,
    "mqttv311": ProtocolVersion.MQTT311,
    "mqttv5": ProtocolVersion.MQTT5,
    "31": ProtocolVersion.MQTT31,
    "311": ProtocolVersion.MQTT311,
    "5": ProtocolVersion.MQTT5,
    "3.1": ProtocolVersion.MQTT31,
    "3.1.1": ProtocolVersion.MQTT311,
    "5.0": ProtocolVersion.MQTT5,
}


_ARGUMENTS: Final = {
    "session_expiry_interval": "session_expiry_interval",
    "receive_maximum": "receive_maximum",
    "maximum_packet_size": "max_packet_size",
}
"""The properties of CONNECT that ``connect()`` has arguments for, and those arguments."""

_TLS_PORT: Final = 8883
_FOR_EVER: Final = 0xFFFF_FFFF
"""The Session Expiry Interval of a session that does not end (5.0 section 3.1.2.11.2)."""


class ConnectionSettings(NamedTuple):
    """What the options say.

    :ivar url: where the server is, with user name and password if they were given there.
    :ivar topic: what stands behind the server in the URL; None if nothing does.
    :ivar arguments: for ``connect()``, by their keywords.
    :ivar properties: what -D says, by the names of the packets; what it says of CONNECT and the
        will is in ``arguments``, too.
    :ivar debug: whether to print the packets.
    :ivar quiet: whether to print no errors.
    """

    url: str
    topic: str | None
    arguments: dict[str, Any]
    properties: dict[str, Properties]
    debug: bool
    quiet: bool


def add_connection_options(parser: argparse.ArgumentParser, *packets: str) -> None:
    """Add them, and -D.

    :param packets: what the command sends beside CONNECT and DISCONNECT, for -D.
    """
    _add_server_options(parser)
    _add_client_options(parser)
    add_tls_options(parser)
    _add_will_options(parser)
    group = parser.add_argument_group("more")
    add_property_option(group, ["CONNECT", *packets, "DISCONNECT", "WILL"])
    group.add_argument(
        "-d",
        "--debug",
        action="store_true",
        help="print the packets sent and received on standard error, without payloads and"
        " passwords",
    )
    group.add_argument(
        "--quiet", action="store_true", help="print no errors; the exit status tells"
    )
    group.add_argument(
        "--nodelay",
        action="store_true",
        help="taken for the sake of scripts: small packets never wait",
    )
    group.add_argument("--help", action="help", help="print this help")
    group.add_argument("-help", action="help", help=argparse.SUPPRESS)


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where the server is")
    group.add_argument("-h", "--host", metavar="HOST", help="its name or address (localhost)")
    group.add_argument(
        "-p",
        "--port",
        type=number_in(1, 65_535),
        metavar="PORT",
        help=f"its port (1883, and {_TLS_PORT} with TLS; {_TLS_PORT} means TLS)",
    )
    group.add_argument(
        "-L",
        "--url",
        metavar="URL",
        help="all of it at once, instead of -h and -p: mqtt://user:password@host:1883/topic, and in"
        " the same way mqtts:// (TLS); ws:// and wss:// (WebSocket) and mqtt+unix:///path (a Unix"
        " socket) without a topic",
    )
    group.add_argument("--unix", metavar="PATH", help="its Unix socket, instead of -h and -p")
    group.add_argument(
        "-V",
        "--protocol-version",
        "--mqtt-version",
        dest="version",
        choices=list(_VERSIONS),
        default="auto",
        metavar="VERSION",
        help="mqttv5, mqttv311, mqttv31, or without mqttv; auto is 5, and 311 if the server refuses"
        " that (auto)",
    )


def _add_client_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who you are")
    group.add_argument("-u", "--username", dest="user_name", metavar="NAME", help="the user name")
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "-P",
        "--pw",
        "--password",
        dest="password",
        action=Verbatim,
        metavar="PASSWORD",
        help="the password; others on this machine can see it there: --password-file is better",
    )
    either.add_argument(
        "--password-file",
        metavar="FILE",
        help=f"a file with the password; or set {VARIABLE}, which goes with -u",
    )
    either = group.add_mutually_exclusive_group()
    either.add_argument("-i", "--id", metavar="ID", help="the client identifier")
    either.add_argument(
        "-I", "--id-prefix", metavar="PREFIX", help="the same, with the process id behind it"
    )
    group.add_argument(
        "-c",
        "--disable-clean-session",
        dest="keep_session",
        action="store_true",
        help="go on with the session of this client identifier, and let the server keep it: needs"
        " -i",
    )
    group.add_argument(
        "-x",
        "--session-expiry-interval",
        type=_session_expiry,
        metavar="SECONDS",
        help="how long the server keeps the session (MQTT 5.0); -1 is for ever (with -c: -1)",
    )
    group.add_argument(
        "-k",
        "--keepalive",
        dest="keep_alive",
        type=number_in(0, 65_535),
        default=60,
        metavar="SECONDS",
        help="after how long a silence to ask whether the server is there; 0 is never (60)",
    )


def _add_will_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the will", "What the server publishes for you if the connection is lost."
    )
    group.add_argument("--will-topic", metavar="TOPIC", help="where to")
    group.add_argument(
        "--will-payload", action=Verbatim, metavar="TEXT", help="what (an empty message)"
    )
    group.add_argument(
        "--will-qos", type=number_in(0, 2), metavar="QOS", help="its QoS: 0, 1 or 2 (0)"
    )
    group.add_argument("--will-retain", action="store_true", help="let the server keep it")


def _session_expiry(text: str) -> int:
    return _FOR_EVER if text in ("-1", "∞") else number_in(0, _FOR_EVER)(text)


def connection_settings(options: argparse.Namespace) -> ConnectionSettings:
    """What the options say, checked as far as it can be without a server.

    :raises Failure: if they contradict each other, or name a file that cannot be read.
    """
    properties = gathered(options.assignments)
    url, topic = _place(options)
    address = parse_url(url)
    credentials = _credentials(options, address)
    version = _version(options, properties, credentials)
    connect = properties.get("CONNECT", EMPTY)
    kept_for = _kept_for(options, version, connect.session_expiry_interval)
    if (options.keep_session or kept_for == _FOR_EVER) and not (options.id or options.id_prefix):
        raise unusable(
            "a session that the server keeps needs a client identifier: give one with -i"
        )
    client_id = f"{options.id_prefix}{os.getpid()}" if options.id_prefix else options.id or ""
    arguments = {
        "client_id": client_id,
        "mqtt_version": version,
        "clean_start": not options.keep_session,
        # The session is that of an earlier run, of which nothing is known here.
        "leniency": Leniency.UNKNOWN_SESSION_PRESENT if options.keep_session else Leniency.NONE,
        "session_expiry_interval": kept_for,
        "keep_alive": options.keep_alive,
        **credentials,
        "will": _will(options, properties.get("WILL", EMPTY)),
        "properties": connect.replace(**dict.fromkeys(_ARGUMENTS)),
        "tls": tls_options(options) if address.tls else None,
        **_limits(connect),
    }
    return ConnectionSettings(url, topic, arguments, properties, options.debug, options.quiet)


def _limits(connect: Properties) -> dict[str, Any]:
    """The properties of CONNECT that the client itself must know."""
    values = {argument: getattr(connect, name) for name, argument in _ARGUMENTS.items()}
    del values["session_expiry_interval"]
    return {argument: value for argument, value in values.items() if value is not None}


def _version(
    options: argparse.Namespace, properties: dict[str, Properties], credentials: dict[str, Any]
) -> ProtocolVersion | str:
    """The version to connect in: 5.0 where something is asked for that others do not have."""
    version = _VERSIONS[options.version]
    lone_password = credentials["password"] is not None and credentials["user_name"] is None
    if not properties and not lone_password:
        return version
    if version in ("auto", ProtocolVersion.MQTT5):
        return ProtocolVersion.MQTT5
    if properties:
        raise unusable(f"-D is of MQTT 5.0: leave out -V {options.version}")
    raise unusable("before MQTT 5.0 a password goes with a user name: give one with -u")


def _kept_for(
    options: argparse.Namespace, version: ProtocolVersion | str, of_connect: int | None
) -> int | None:
    """The Session Expiry Interval, None if it need not be said."""
    given: int | None = options.session_expiry_interval
    if given is None:
        given = of_connect
    elif of_connect is not None:
        raise unusable("-x and -D CONNECT session-expiry-interval say the same: leave one out")
    if version in (ProtocolVersion.MQTT31, ProtocolVersion.MQTT311):
        if given is not None:
            raise unusable(f"-x is of MQTT 5.0: leave out -V {options.version}")
        return None
    return _FOR_EVER if given is None and options.keep_session else given


def _credentials(options: argparse.Namespace, address: Address) -> dict[str, Any]:
    """User name and password. Those of the options come before those of the URL."""
    user_name = address.user_name if options.user_name is None else options.user_name
    of_url = address.password if options.user_name is None else None
    wanted = user_name is not None and of_url is None
    password = password_from(options.password, options.password_file, wanted=wanted)
    if password is None:
        password = of_url
    return {"user_name": user_name, "password": password}


def _will(options: argparse.Namespace, properties: Properties) -> Will | None:
    if options.will_topic is None:
        given = [
            name
            for name, value in (
                ("--will-payload", options.will_payload is not None),
                ("--will-qos", options.will_qos is not None),
                ("--will-retain", options.will_retain),
                ("-D WILL", properties),
            )
            if value
        ]
        if given:
            raise unusable(f"{given[0]} needs a topic for the will: give one with --will-topic")
        return None
    problem = name_problem(options.will_topic)
    if problem is not None:
        raise unusable(f"--will-topic {problem.rule}")
    payload = os.fsencode(options.will_payload or "")
    return Will(options.will_topic, payload, options.will_qos or 0, options.will_retain, properties)


def _place(options: argparse.Namespace) -> tuple[str, str | None]:
    """The server's URL, and what stands behind it."""
    tls = meaning_tls(options)
    if options.url is not None:
        _check_alone("--url", {"-h": options.host, "-p": options.port, "--unix": options.unix})
        url, topic = _split_topic(options.url)
        try:
            address = parse_url(url)
        except InvalidValueError as error:
            raise unusable(f"the URL {error.rule}") from None
        if tls is not None and not address.tls:
            raise unusable(f"{tls} is for TLS: write mqtts:// or wss://, or leave it out")
        return url, topic
    if options.unix is not None:
        _check_alone("--unix", {"-h": options.host, "-p": options.port, f"{tls}": tls})
        path = Path(options.unix).absolute()
        return f"mqtt+unix://{quote(os.fsencode(path))}", None
    host = "localhost" if options.host is None else options.host
    return _server_url(host, options.port, tls=tls is not None), None


def _check_alone(option: str, others: dict[str, Any]) -> None:
    for other, value in others.items():
        if value is not None:
            raise unusable(f"{option} says where the server is: leave out {other}")


def _split_topic(url: str) -> tuple[str, str | None]:
    """A URL without the topic behind it, and that."""
    scheme, colon, rest = url.partition("://")
    if scheme.lower() not in ("mqtt", "mqtts"):
        return url, None
    place, _, topic = rest.partition("/")
    return f"{scheme}{colon}{place}", unquote(topic) or None


def _server_url(host: str, port: int | None, *, tls: bool) -> str:
    scheme = "mqtts" if tls or port == _TLS_PORT else "mqtt"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    try:
        known = parse_url(url).host == host
    except InvalidValueError:
        known = False
    if not known:
        advice = "; a URL goes with --url" if "/" in host else ""
        raise unusable(f"-h takes a host's name or address{advice}")
    return url
