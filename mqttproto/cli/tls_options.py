"""The options of TLS."""

import argparse
import re
from typing import Final

from mqttproto.cli.arguments import unusable
from mqttproto.cli.password import password_from
from mqttproto.errors import InvalidValueError
from mqttproto.tls import TLSOptions

__all__ = ["add_tls_options", "in_options", "meaning_tls", "tls_options"]

_NAMES: Final = (
    "cafile",
    "capath",
    "cert",
    "key",
    "key-password-file",
    "insecure",
    "tls-alpn",
    "tls-use-os-certs",
)

_OPTIONS: Final = {
    "ca_file": "--cafile",
    "ca_path": "--capath",
    "cert_file": "--cert",
    "key_file": "--key",
    "key_password": "--key-password-file",
    "alpn": "--tls-alpn",
    "insecure": "--insecure",
}
"""What the library's options are called here."""

_OPTION: Final = re.compile(rf"(?:TLSOptions\.)?\b(?P<name>{'|'.join(_OPTIONS)})\b:?")


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group(
        "TLS", "Each of these means TLS; without a CA, the system's are trusted."
    )
    group.add_argument("--cafile", metavar="FILE", help="certificates of the CAs to trust (PEM)")
    group.add_argument(
        "--capath", metavar="FOLDER", help="a folder of them, made by openssl rehash"
    )
    group.add_argument("--cert", metavar="FILE", help="the certificate of this client (PEM)")
    group.add_argument("--key", metavar="FILE", help="its key (PEM), if that is another file")
    group.add_argument(
        "--key-password-file", metavar="FILE", help="a file with the password of the key"
    )
    group.add_argument(
        "--insecure",
        action="store_true",
        help="do not check who the server is: for tests only, as anybody may listen then",
    )
    group.add_argument(
        "--tls-alpn", metavar="PROTOCOL", help="ask for this protocol, on a port that has several"
    )
    group.add_argument(
        "--tls-use-os-certs", action="store_true", help="just TLS, with the system's CAs"
    )


def meaning_tls(options: argparse.Namespace) -> str | None:
    """The first of the options that is given; None if none is."""
    given = (f"--{name}" for name in _NAMES if vars(options)[name.replace("-", "_")])
    return next(given, None)


def tls_options(options: argparse.Namespace) -> TLSOptions:
    """What they say.

    :raises Failure: if they do not go together, or name a file that cannot be read.
    """
    try:
        return TLSOptions(
            ca_file=options.cafile,
            ca_path=options.capath,
            cert_file=options.cert,
            key_file=options.key,
            key_password=password_from(None, options.key_password_file, wanted=False),
            alpn=() if options.tls_alpn is None else (options.tls_alpn,),
            insecure=options.insecure,
        )
    except InvalidValueError as error:
        raise unusable(in_options(str(error))) from None


def in_options(text: str) -> str:
    """What the library says of its options, in the words of the command line."""
    return _OPTION.sub(lambda found: _OPTIONS[found["name"]], text)
