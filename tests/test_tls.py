"""TLS: contexts made from options, and what is said when a connection fails.

The handshakes are real, between two ends in memory.
"""

import errno
import pickle
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from certificates import KEY_PASSWORD, Certificates, Identity, make_certificates
from mqttproto.errors import InvalidValueError, TransportError
from mqttproto.tls import TLSOptions, build_context, client_context, explain
from mqttproto.transport.url import parse_url

PLACE = parse_url("mqtts://user:s3cret@localhost")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


# --- contexts --------------------------------------------------------------------------------


def test_by_default_everything_is_checked() -> None:
    for context in (build_context(), build_context(TLSOptions())):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.protocol is ssl.PROTOCOL_TLS_CLIENT


def test_nothing_is_checked_where_that_is_asked_for() -> None:
    context = build_context(TLSOptions(insecure=True))
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_NONE


def test_the_authorities_given_are_trusted_alone(made: Certificates) -> None:
    context = build_context(TLSOptions(ca_file=made.ca))
    assert len(context.get_ca_certs()) == 1
    assert (
        len(build_context(TLSOptions(ca_file=str(made.ca), ca_path=made.ca.parent)).get_ca_certs())
        == 1
    )


def test_a_client_is_given_a_context_or_options() -> None:
    own = ssl.create_default_context()
    assert client_context(own) is own
    assert client_context(None).check_hostname
    assert not client_context(TLSOptions(insecure=True)).check_hostname
    with pytest.raises(TypeError, match="an SSLContext or TLSOptions is needed, not bool"):
        client_context(True)


def test_options_keep_their_password() -> None:
    options = TLSOptions(cert_file="a.pem", key_password="s3cret")
    assert "s3cret" not in repr(options)
    assert options == pickle.loads(pickle.dumps(options))
    assert options != TLSOptions(cert_file="a.pem")


def wrong(make: Callable[[], object]) -> InvalidValueError:
    with pytest.raises(InvalidValueError) as raised:
        make()
    assert "s3cret" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    "make",
    [
        lambda: TLSOptions(key_file="a.key"),
        lambda: TLSOptions(key_password="s3cret"),
    ],
)
def test_a_key_needs_a_certificate(make: Callable[[], object]) -> None:
    assert str(wrong(make)).startswith("TLSOptions.cert_file: must be given with key_file")


@pytest.mark.parametrize("alpn", [("",), ("mqtt", "é"), ("a" * 256,)])
def test_names_of_protocols_are_short(alpn: tuple[str, ...]) -> None:
    assert wrong(lambda: TLSOptions(alpn=alpn)).field == "TLSOptions.alpn"


def test_names_of_protocols_are_a_tuple() -> None:
    with pytest.raises(TypeError, match=r"TLSOptions\.alpn must be a tuple, not str"):
        TLSOptions(alpn="mqtt")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_that_is_missing_is_named(made: Certificates, name: str) -> None:
    files = {"cert_file": made.client.cert, name: Path("no", "such")}
    error = wrong(lambda: build_context(TLSOptions(**files)))  # type: ignore[arg-type]
    assert error.field == f"TLSOptions.{name}"
    assert f"{str(Path('no', 'such'))!r} is none: No such file or directory" in error.rule
    assert isinstance(error.__cause__, FileNotFoundError)


def test_a_folder_that_is_missing_is_named(made: Certificates) -> None:
    error = wrong(lambda: build_context(TLSOptions(ca_path=made.ca)))
    assert str(error) == f"TLSOptions.ca_path: must be a folder, and {str(made.ca)!r} is none"


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("ca_file", "", "certificates"),
        ("ca_file", "a\n", "certificates"),
        ("ca_file", "-----BEGIN CERTIFICATE-----\na\n-----END CERTIFICATE-----\n", "certificates"),
        ("cert_file", "a\n", "a certificate"),
        ("key_file", "a\n", "a private key"),
        (
            "key_file",
            "-----BEGIN PRIVATE KEY-----\na\n-----END PRIVATE KEY-----\n",
            "a certificate and its private key",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_named(
    made: Certificates, tmp_path: Path, name: str, text: str, what: str
) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    files = {"cert_file": made.client.cert, "key_file": made.client.key, name: file}
    error = wrong(lambda: build_context(TLSOptions(**files)))  # type: ignore[arg-type]
    assert error.field == f"TLSOptions.{name}"
    assert error.rule == f"must be a file with {what} in PEM, and {str(file)!r} is none"


def test_a_certificate_without_its_key(made: Certificates) -> None:
    error = wrong(lambda: build_context(TLSOptions(cert_file=made.client.cert)))
    assert str(error).startswith("TLSOptions.cert_file: must be a file with a private key in PEM")


def test_the_key_of_another_certificate(made: Certificates) -> None:
    options = TLSOptions(cert_file=made.client.cert, key_file=made.server.key)
    error = wrong(lambda: build_context(options))
    assert error.field == "TLSOptions.key_file"
    assert error.rule.startswith("must hold the key of the certificate in ")


@pytest.mark.parametrize("password", [KEY_PASSWORD, KEY_PASSWORD.decode()])
def test_an_encrypted_key_is_opened(made: Certificates, password: str | bytes) -> None:
    build_context(
        TLSOptions(cert_file=made.client.cert, key_file=made.encrypted_key, key_password=password)
    )


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        (None, "must be given: the key in "),
        ("s3cret", "must be that of the key in "),
        ("s3cret" * 1000, "must be that of the key in "),
    ],
)
def test_an_encrypted_key_that_is_not_opened(
    made: Certificates, password: str | None, rule: str
) -> None:
    options = TLSOptions(
        cert_file=made.client.cert, key_file=made.encrypted_key, key_password=password
    )
    error = wrong(lambda: build_context(options))
    assert error.field == "TLSOptions.key_password"
    assert error.rule.startswith(rule + repr(str(made.encrypted_key)))


def test_certificate_and_key_may_be_in_one_file(made: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(made.client.cert.read_bytes() + made.client.key.read_bytes())
    client = build_context(TLSOptions(ca_file=made.ca, cert_file=both))
    assert handshake(client, made.server.server_context(made.ca)) == (None, None)


# --- handshakes ------------------------------------------------------------------------------


def handshake(
    client_context: ssl.SSLContext, server_context: ssl.SSLContext, host: str = "localhost"
) -> tuple[ssl.SSLError | None, str | None]:
    """Let two ends shake hands in memory.

    :returns: what was raised at the client, and the protocol that was negotiated by ALPN.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for end in (client, server):
            try:
                end.do_handshake()
                end.read(1)  # a server of TLS 1.3 refuses only after the client is through
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                if end is client:
                    return error, None
    return None, client.selected_alpn_protocol()


def refused(error: Exception | None) -> str:
    """What is said about it."""
    assert error is not None
    explained = explain(error, PLACE)
    assert explained.address == "mqtts://localhost:8883"
    assert str(explained) == f"mqtts://localhost:8883: {explained.reason}"
    assert explained.reason.isprintable()
    return explained.reason


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_server_that_is_trusted(made: Certificates, host: str) -> None:
    client = build_context(TLSOptions(ca_file=made.ca))
    assert handshake(client, made.server.server_context(), host) == (None, None)


@pytest.mark.parametrize(
    ("server", "host", "words"),
    [
        (lambda made: made.expired, "localhost", "the server's certificate has expired"),
        (lambda made: made.early, "localhost", "the server's certificate is not valid yet"),
        (lambda made: made.other_host, "localhost", "is for another host name"),
        (lambda made: made.other_host, "127.0.0.1", "is for another host name"),
        (lambda made: made.unknown, "localhost", "is of an authority that is not known here"),
    ],
    ids=["expired", "early", "other host", "other address", "unknown"],
)
def test_a_server_that_is_not_trusted(
    made: Certificates, server: Callable[[Certificates], Identity], host: str, words: str
) -> None:
    server_context = server(made).server_context()
    error, _ = handshake(build_context(TLSOptions(ca_file=made.ca)), server_context, host)
    assert words in refused(error)
    assert handshake(build_context(TLSOptions(insecure=True)), server_context) == (None, None)


def test_the_authorities_of_the_system_do_not_know_ours(made: Certificates) -> None:
    error, _ = handshake(build_context(), made.server.server_context())
    assert "give that authority's certificate as ca_file" in refused(error)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_shows_who_it_is(made: Certificates, version: ssl.TLSVersion) -> None:
    server = made.server.server_context(made.ca)
    server.maximum_version = version

    def tried(identity: Identity | None) -> ssl.SSLError | None:
        files = {} if identity is None else {"cert_file": identity.cert, "key_file": identity.key}
        context = build_context(TLSOptions(ca_file=made.ca, **files))  # type: ignore[arg-type]
        return handshake(context, server)[0]

    assert tried(made.client) is None
    assert "client certificate" in refused(tried(None))
    assert "does not know the authority that signed it" in refused(tried(made.unknown_client))
    assert "does not take the client certificate" in refused(tried(made.expired))


def test_a_missing_client_certificate_is_asked_for(made: Certificates) -> None:
    error, _ = handshake(
        build_context(TLSOptions(ca_file=made.ca)), made.server.server_context(made.ca)
    )
    assert refused(error) == "the server wants a client certificate: give cert_file and key_file"


def test_protocols_are_negotiated(made: Certificates) -> None:
    server = made.server.server_context()
    server.set_alpn_protocols(["mqtt"])
    offering = build_context(TLSOptions(ca_file=made.ca, alpn=("other", "mqtt")))
    assert handshake(offering, server) == (None, "mqtt")
    assert handshake(build_context(TLSOptions(ca_file=made.ca)), server) == (None, None)


@pytest.mark.parametrize(
    "answer", [b"\x20\x02\0\0" * 4, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-any\r\n"]
)
def test_a_server_that_speaks_no_tls(answer: bytes) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = build_context().wrap_bio(back, there, server_hostname="localhost")
    back.write(answer)
    with pytest.raises(ssl.SSLError) as raised:
        client.do_handshake()
    assert "does not speak TLS" in refused(raised.value)


def test_a_server_that_ends_the_handshake() -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = build_context().wrap_bio(back, there, server_hostname="localhost")
    back.write_eof()
    with pytest.raises(ssl.SSLError) as raised:
        client.do_handshake()
    assert "ended the connection in the handshake of TLS" in refused(raised.value)


# Fatal alerts (RFC 8446 section 6), as a server sends them.
@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (40, "it may want a client certificate"),
        (42, "give another one, if it wants one at all"),
        (43, "give one of another kind"),
        (44, "it has been revoked"),
        (45, "it has expired"),
        (46, "give another one"),
        (48, "it does not know the authority that signed it"),
        (49, "it is not allowed to connect"),
        (70, "the server speaks no TLS 1.2 or later"),
        (112, "the server does not know this host name"),
        (120, "the server speaks none of the protocols in alpn"),
        (80, "TLS failed: "),
    ],
)
def test_alerts_are_put_in_plain_words(alert: int, words: str) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = build_context().wrap_bio(back, there, server_hostname="localhost")
    back.write(bytes([0x15, 3, 3, 0, 2, 2, alert]))
    with pytest.raises(ssl.SSLError) as raised:
        client.do_handshake()
    assert words in refused(raised.value)


def test_a_server_of_old(made: Certificates) -> None:
    client = build_context(TLSOptions(ca_file=made.ca))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server = made.server.server_context()
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    error, _ = handshake(client, server)
    assert "speaks no TLS 1.2 or later" in refused(error)


# --- networks --------------------------------------------------------------------------------


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def of_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] failed")
    error.verify_code = code
    error.verify_message = "of its own kind"
    return error


REFUSED = OSError(errno.ECONNREFUSED, "refused")
NO_ROUTE = OSError(errno.EHOSTUNREACH, "no route")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (REFUSED, "nobody listens there"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "the host name cannot be resolved"),
        (TimeoutError(), "there was no answer in time"),
        (OSError(errno.ETIMEDOUT, "late"), "there was no answer in time"),
        (trio.TooSlowError(), "there was no answer in time"),
        (FileNotFoundError(errno.ENOENT, "none"), "there is no such socket"),
        (PermissionError(errno.EACCES, "no"), "this user may not connect there"),
        (NO_ROUTE, "there is no way to that address"),
        (OSError(errno.ENETUNREACH, "no route"), "there is no way to that address"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "the connection was broken off"),
        (ConnectionAbortedError(), "the connection was broken off"),
        (BrokenPipeError(), "the connection was broken off"),
        (trio.BrokenResourceError(), "the connection was broken off"),
        (
            caused(trio.BrokenResourceError(), ssl.SSLError(1, "[X] wrong version number")),
            "speak TLS",
        ),
        (of_certificate(18), "an authority that is not known here"),
        (of_certificate(23), "has been revoked"),
        (of_certificate(64), "for another host name"),
        (of_certificate(99), "the server's certificate cannot be trusted: of its own kind"),
        (caused(trio.BrokenResourceError(), of_certificate(10)), "certificate has expired"),
        (caused(OSError("all attempts failed"), REFUSED), "nobody listens there"),
        (
            caused(OSError("all attempts failed"), ExceptionGroup("all", [NO_ROUTE, REFUSED])),
            "nobody listens there",
        ),
        (ExceptionGroup("all", [NO_ROUTE, NO_ROUTE]), "there is no way to that address"),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] Connect call failed "
                f"('::1', 1, 0, 0), [Errno {errno.ECONNREFUSED}] Connect call failed"
            ),
            "nobody listens there",
        ),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ENETUNREACH}] a, [Errno {errno.ECONNREFUSED}]"
            ),
            "nobody listens there",
        ),
        (OSError("something else"), "the connection failed: something else"),
        (EOFError(), "the connection failed: EOFError"),
    ],
)
def test_what_a_network_raises_is_put_in_plain_words(error: Exception, words: str) -> None:
    assert words in refused(error)


def test_an_error_may_be_its_own_cause() -> None:
    error = OSError("round")
    assert refused(caused(error, caused(EOFError(), error))) == "the connection failed: round"


def test_what_is_explained_already_stays() -> None:
    error = TransportError("the server refused the WebSocket", "ws://a:80/mqtt")
    assert explain(error, PLACE) is error


def test_an_address_may_be_any_text() -> None:
    assert explain(REFUSED, "the tunnel").address == "the tunnel"
