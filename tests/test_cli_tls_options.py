"""The options of TLS."""

from pathlib import Path

import pytest

from mqttproto.cli.arguments import Parser
from mqttproto.cli.console import Failure
from mqttproto.cli.tls_options import add_tls_options, in_options, meaning_tls, tls_options
from mqttproto.tls import TLSOptions


def parsed(*arguments: str) -> TLSOptions:
    parser = Parser(prog="mqttproto test", allow_abbrev=False)
    add_tls_options(parser)
    return tls_options(parser.parse_args(arguments))


def meaning(*arguments: str) -> str | None:
    parser = Parser(prog="mqttproto test", allow_abbrev=False)
    add_tls_options(parser)
    return meaning_tls(parser.parse_args(arguments))


def test_without_them_there_is_the_default() -> None:
    assert parsed() == TLSOptions()
    assert meaning() is None


def test_each_has_its_place(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("sesame\n")
    assert parsed(
        *("--cafile", "ca", "--capath", "cas", "--cert", "cert", "--key", "key"),
        *("--key-password-file", str(password), "--tls-alpn", "mqtt", "--insecure"),
    ) == TLSOptions(
        ca_file="ca",
        ca_path="cas",
        cert_file="cert",
        key_file="key",
        key_password=b"sesame",
        alpn=("mqtt",),
        insecure=True,
    )


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--cafile", "x"], "--cafile"),
        (["--capath", "x"], "--capath"),
        (["--cert", "x"], "--cert"),
        (["--key", "x"], "--key"),
        (["--key-password-file", "x"], "--key-password-file"),
        (["--insecure"], "--insecure"),
        (["--tls-alpn", "x"], "--tls-alpn"),
        (["--tls-use-os-certs"], "--tls-use-os-certs"),
        (["--insecure", "--cert", "x"], "--cert"),
    ],
)
def test_each_means_tls(arguments: list[str], option: str) -> None:
    assert meaning(*arguments) == option


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--key", "x"], "--cert must be given with --key and --key-password-file"),
        (["--tls-alpn", ""], "--tls-alpn must have names of 1 to 255 characters of ASCII"),
        (["--key-password-file", "missing"], "missing: No such file or directory"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: list[str], problem: str) -> None:
    with pytest.raises(Failure) as failed:
        parsed(*arguments)
    assert (failed.value.status, failed.value.lines) == (2, (problem,))


def test_the_library_speaks_of_options() -> None:
    assert in_options("give it as ca_file; TLSOptions.key_file: must be") == (
        "give it as --cafile; --key must be"
    )
    assert in_options("my_ca_file and insecurely") == "my_ca_file and insecurely"
