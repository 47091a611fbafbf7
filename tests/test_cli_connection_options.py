"""Where to connect, and as whom."""

import os
from pathlib import Path
from typing import Any

import pytest

from mqttproto import Properties, ProtocolVersion, Will
from mqttproto.cli.arguments import Parser
from mqttproto.cli.connection_options import (
    ConnectionSettings,
    add_connection_options,
    connection_settings,
)
from mqttproto.cli.console import Failure
from mqttproto.cli.password import VARIABLE
from mqttproto.protocol import Leniency
from mqttproto.tls import TLSOptions

NEVER = 0xFFFF_FFFF


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def settings(*arguments: str) -> ConnectionSettings:
    parser = Parser(prog="mqttproto test", add_help=False, allow_abbrev=False)
    add_connection_options(parser, "PUBLISH")
    return connection_settings(parser.parse_args(arguments))


def arguments_of(*arguments: str) -> dict[str, Any]:
    return settings(*arguments).arguments


def complaint(*arguments: str) -> str:
    with pytest.raises(Failure) as failed:
        settings(*arguments)
    assert failed.value.status == 2
    [line] = failed.value.lines
    return line


def test_by_default_it_is_this_machine_and_nobody() -> None:
    assert settings() == ConnectionSettings(
        url="mqtt://localhost",
        topic=None,
        arguments={
            "client_id": "",
            "mqtt_version": "auto",
            "clean_start": True,
            "leniency": Leniency.NONE,
            "session_expiry_interval": None,
            "keep_alive": 60,
            "user_name": None,
            "password": None,
            "will": None,
            "properties": Properties(),
            "tls": None,
        },
        properties={},
        debug=False,
        quiet=False,
    )


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (["-h", "test.example"], "mqtt://test.example"),
        (["--host", "10.0.0.1", "--port", "1884"], "mqtt://10.0.0.1:1884"),
        (["-h", "::1"], "mqtt://[::1]"),
        (["-h", "fe80::1%eth0", "-p", "1"], "mqtt://[fe80::1%eth0]:1"),
        (["-p", "8883"], "mqtts://localhost:8883"),
        (["--insecure"], "mqtts://localhost"),
        (["--tls-use-os-certs", "-p", "1883"], "mqtts://localhost:1883"),
        (["--unix", "/run/a b?/socket"], "mqtt+unix:///run/a%20b%3F/socket"),
        (["-L", "mqtt://test.example:1884"], "mqtt://test.example:1884"),
        (["--url", "wss://test.example/path"], "wss://test.example/path"),
        (["-L", "mqtt+unix:///run/socket"], "mqtt+unix:///run/socket"),
    ],
)
def test_where_the_server_is(arguments: list[str], url: str) -> None:
    found = settings(*arguments)
    assert (found.url, found.topic) == (url, None)


def test_a_unix_socket_may_be_found_from_here(tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert settings("--unix", "socket").url == f"mqtt+unix://{tmp_path}/socket"
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("url", "topic"),
    [
        ("mqtt://h/", None),
        ("mqtt://h/a/b", "a/b"),
        ("MQTTS://h/a/#", "a/#"),
        ("mqtt://h//a/", "/a/"),
        ("mqtt://h/plant%2F7?", "plant/7?"),
    ],
)
def test_a_url_may_have_a_topic(url: str, topic: str | None) -> None:
    found = settings("-L", url)
    assert found.topic == topic
    assert found.url == url[: url.index("/h") + 2]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-h", ""], "-h takes a host's name or address"),
        (["-h", "a b"], "-h takes a host's name or address"),
        (["-h", "me@host"], "-h takes a host's name or address"),
        (["-h", "host:1883"], "-h takes a host's name or address"),
        (["-h", "mqtt://host"], "-h takes a host's name or address; a URL goes with --url"),
        (["-L", "host"], "the URL must begin with a scheme: write mqtt://host, or mqtts://"),
        (["-L", "mqtt://h", "-p", "1"], "--url says where the server is: leave out -p"),
        (["-L", "mqtt://h", "-h", "h"], "--url says where the server is: leave out -h"),
        (["-L", "mqtt://h", "--unix", "s"], "--url says where the server is: leave out --unix"),
        (["--unix", "s", "-h", "h"], "--unix says where the server is: leave out -h"),
        (["--unix", "s", "--insecure"], "--unix says where the server is: leave out --insecure"),
        (["-L", "mqtt://h", "--cafile", "c"], "--cafile is for TLS: write mqtts:// or wss://"),
        (["-L", "ws://h", "--insecure"], "--insecure is for TLS: write mqtts:// or wss://"),
        (["-p", "0"], "argument -p/--port: '0' is not a number from 1 to 65535"),
    ],
)
def test_a_server_that_cannot_be_is_said(arguments: list[str], problem: str) -> None:
    assert complaint(*arguments).startswith(problem)


def test_a_wrong_url_does_not_show_its_password() -> None:
    for url in (
        "mqtt://me:sec/ret@h",
        "mqtt://me:sec:ret@h:x",
        "mqtt://me:sec ret@h",
        "x://me:sec",
    ):
        assert "sec" not in complaint("-L", url).replace("x://me:sec", "")


@pytest.mark.parametrize(
    "spelling", ["auto", "mqttv31", "mqttv311", "mqttv5", "31", "311", "5", "3.1", "3.1.1"]
)
def test_versions_have_many_names(spelling: str) -> None:
    version = arguments_of("-V", spelling)["mqtt_version"]
    expected = {"auto": "auto", "31": 3, "311": 4, "5": 5}
    assert version == expected[spelling.removeprefix("mqttv").replace(".", "")]


def test_no_other_version_is_taken() -> None:
    assert "invalid choice: '4'" in complaint("-V", "4")


def test_properties_are_of_version_5() -> None:
    found = settings(
        *("-D", "CONNECT", "user-property", "a", "b"), *("-D", "PUBLISH", "topic-alias", "1")
    )
    assert found.arguments["mqtt_version"] is ProtocolVersion.MQTT5
    assert found.arguments["properties"] == Properties(user_properties=[("a", "b")])
    assert found.properties["PUBLISH"] == Properties(topic_alias=1)
    assert complaint("-D", "PUBLISH", "topic-alias", "1", "-V", "311") == (
        "-D is of MQTT 5.0: leave out -V 311"
    )


def test_properties_of_connect_that_the_client_itself_must_know() -> None:
    found = arguments_of(
        *("-D", "CONNECT", "receive-maximum", "9"),
        *("-D", "CONNECT", "maximum-packet-size", "1000"),
        *("-D", "CONNECT", "session-expiry-interval", "60"),
        *("-D", "CONNECT", "topic-alias-maximum", "5"),
    )
    assert found["receive_maximum"] == 9
    assert found["max_packet_size"] == 1000
    assert found["session_expiry_interval"] == 60
    assert found["properties"] == Properties(topic_alias_maximum=5)


def test_client_identifiers() -> None:
    assert arguments_of("-i", "me")["client_id"] == "me"
    assert arguments_of("-I", "me-")["client_id"] == f"me-{os.getpid()}"
    assert "not allowed with argument" in complaint("-i", "a", "-I", "b")


@pytest.mark.parametrize(
    ("arguments", "clean_start", "kept_for"),
    [
        (["-i", "a"], True, None),
        (["-c", "-i", "a"], False, NEVER),
        (["-c", "-I", "a", "-x", "60"], False, 60),
        (["-x", "60"], True, 60),
        (["-x", "0"], True, 0),
        (["-x", "-1", "-i", "a"], True, NEVER),
        (["-x", "\u221e", "-i", "a"], True, NEVER),
        (["-c", "-i", "a", "-V", "311"], False, None),
    ],
)
def test_sessions(arguments: list[str], clean_start: bool, kept_for: int | None) -> None:
    found = arguments_of(*arguments)
    assert (found["clean_start"], found["session_expiry_interval"]) == (clean_start, kept_for)
    unknown = Leniency.NONE if clean_start else Leniency.UNKNOWN_SESSION_PRESENT
    assert found["leniency"] is unknown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-c"], "a session that the server keeps needs a client identifier: give one with -i"),
        (["-x", "-1"], "a session that the server keeps needs a client identifier: give one"),
        (["-x", "5", "-V", "31"], "-x is of MQTT 5.0: leave out -V 31"),
        (
            ["-x", "5", "-D", "CONNECT", "session-expiry-interval", "5"],
            "-x and -D CONNECT session-expiry-interval say the same: leave one out",
        ),
        (["-x", "-2"], "argument -x/--session-expiry-interval: '-2' is not a number from 0 to"),
        (["-k", "65536"], "argument -k/--keepalive: '65536' is not a number from 0 to 65535"),
    ],
)
def test_a_session_that_cannot_be_is_said(arguments: list[str], problem: str) -> None:
    assert complaint(*arguments).startswith(problem)


def credentials(*arguments: str) -> tuple[str | None, bytes | None]:
    found = arguments_of(*arguments)
    return found["user_name"], found["password"]


def test_user_name_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_text("filed\n")
    url = ("-L", "mqtt://me:s%2Fx@h")
    assert credentials("-u", "me", "-P", "-x") == ("me", b"-x")
    assert credentials("-u", "me", "--password-file", str(path)) == ("me", b"filed")
    assert credentials(*url) == ("me", b"s/x")
    assert credentials(*url, "-P", "x") == ("me", b"x")
    assert credentials(*url, "-u", "you") == ("you", None)
    assert credentials("-u", "me") == ("me", None)
    monkeypatch.setenv(VARIABLE, "set")
    assert credentials("-u", "me") == ("me", b"set")
    assert credentials("-L", "mqtt://me@h") == ("me", b"set")
    assert credentials("-u", "me", "-P", "x") == ("me", b"x")
    assert credentials(*url) == ("me", b"s/x")
    assert credentials() == (None, None)


def test_a_password_alone_is_of_version_5() -> None:
    assert arguments_of("-P", "x")["mqtt_version"] is ProtocolVersion.MQTT5
    assert arguments_of("-P", "x", "-u", "me")["mqtt_version"] == "auto"
    assert complaint("-P", "x", "-V", "311") == (
        "before MQTT 5.0 a password goes with a user name: give one with -u"
    )


def test_two_passwords_are_one_too_many() -> None:
    assert "not allowed with argument" in complaint("-P", "x", "--password-file", "y")


def test_wills() -> None:
    assert arguments_of("--will-topic", "w")["will"] == Will("w")
    assert arguments_of(
        *("--will-topic", "w", "--will-payload", "-gone\udcff", "--will-qos", "1"),
        *("--will-retain", "-D", "WILL", "will-delay-interval", "5"),
    )["will"] == Will("w", b"-gone\xff", 1, True, Properties(will_delay_interval=5))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--will-payload", ""], "--will-payload needs a topic for the will"),
        (["--will-qos", "0"], "--will-qos needs a topic for the will"),
        (["--will-retain"], "--will-retain needs a topic for the will"),
        (["-D", "WILL", "content-type", "x"], "-D WILL needs a topic for the will"),
        (["--will-topic", "a/#"], "--will-topic must not contain '+' or '#'"),
        (["--will-topic", ""], "--will-topic must have at least one character"),
    ],
)
def test_a_will_that_cannot_be_is_said(arguments: list[str], problem: str) -> None:
    assert complaint(*arguments).startswith(problem)


def test_tls() -> None:
    assert arguments_of("--cafile", "c", "--tls-alpn", "mqtt")["tls"] == TLSOptions(
        ca_file="c", alpn=("mqtt",)
    )
    assert arguments_of("-L", "wss://h", "--insecure")["tls"] == TLSOptions(insecure=True)
    assert arguments_of("-L", "mqtts://h")["tls"] == TLSOptions()


def test_what_is_said_on_the_way() -> None:
    found = settings("-d", "--quiet", "--nodelay")
    assert (found.debug, found.quiet) == (True, True)


@pytest.mark.parametrize("option", ["--help", "-help"])
def test_help_is_help(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings(option)
    shown = capsys.readouterr().out
    assert "where the server is:" in shown
    assert "-help" not in shown.replace("--help", "")
