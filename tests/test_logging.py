"""What connections log: little, and nothing that is a secret."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from life_stages import CLIENT, SERVER, VERSIONS, bring, ends_of, states_of
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Auth, Connect, Disconnect, Will
from mqttproto.codec.encoder import encode
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ReasonCode, Sender
from mqttproto.errors import InvalidTopicError
from mqttproto.protocol import ClientConnection, Journal, ServerConnection, Session
from mqttproto.protocol.events import (
    AuthenticationReceived,
    ConnectReceived,
    Event,
    MessageReceived,
    SubscribeReceived,
)

NAME: Final = "mqttproto"

# Each secret is a word that nothing else contains.
USER_NAME: Final = "xuserx"
PASSWORD: Final = b"xpasswordx"
WILL: Final = b"xwillx"
PAYLOAD: Final = b"xpayloadx"
DATA: Final = b"xdatax"
PROPERTY: Final = "xpropertyx"
SECRETS: Final = (
    USER_NAME,
    PASSWORD.decode(),
    WILL.decode(),
    PAYLOAD.decode(),
    DATA.decode(),
    PROPERTY,
)


class Records(logging.Handler):
    """Everything that is logged, whatever its level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def text(self) -> str:
        """All that a formatter could show, the arguments as they are among it."""
        return "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in self.records)


@pytest.fixture(name="logged")
def logged_fixture() -> Iterator[Records]:
    """What the library logs at any level during a test."""
    logger = logging.getLogger(NAME)
    records = Records()
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.setLevel(level)
    logger.removeHandler(records)


def answer(server: ServerConnection, events: list[Event]) -> None:
    """Do what the owner of a server does."""
    for event in events:
        if isinstance(event, ConnectReceived):
            if event.connect.properties.authentication_method is not None:
                server.authenticate(DATA, now=0.0)
            else:
                answer(server, server.accept(now=0.0))
        elif isinstance(event, AuthenticationReceived):
            if event.reason_code == ReasonCode.RE_AUTHENTICATE:
                server.finish_reauthentication(DATA, now=0.0)
            else:
                server.accept(properties=Properties(authentication_data=DATA), now=0.0)
        elif isinstance(event, MessageReceived):
            server.acknowledge(event, now=0.0)
        elif isinstance(event, SubscribeReceived):
            server.answer_subscribe(event.packet, [2], now=0.0)


def talk(client: ClientConnection, server: ServerConnection) -> None:
    """Carry bytes to and fro until nobody has any more."""
    for _ in range(20):
        answer(server, server.receive_data(client.data_to_send(), 0.0))
        for event in client.receive_data(server.data_to_send(), 0.0):
            if (
                isinstance(event, AuthenticationReceived)
                and event.reason_code == ReasonCode.CONTINUE_AUTHENTICATION
            ):
                client.authenticate(DATA, now=0.0)
        for connection in (client, server):
            batch = connection.take_changes()
            if batch:
                connection.committed(batch.last)


def busy_session(
    version: int, method: str | None = None
) -> tuple[ClientConnection, ServerConnection]:
    """A session of both ends in which every secret has its part."""
    explained = message = Properties()
    if version == 5:
        message = Properties(
            user_properties=[(PROPERTY, PROPERTY)],
            correlation_data=PROPERTY.encode(),
            response_topic=PROPERTY,
        )
        explained = Properties(user_properties=[(PROPERTY, PROPERTY)], session_expiry_interval=100)
        if method is not None:
            explained = explained.replace(authentication_method=method, authentication_data=DATA)
    client = ClientConnection(Session("c", journal=Journal()), version=version)
    server = ServerConnection(now=0.0)
    connect = Connect(
        "c",
        False,
        10,
        Will("will", WILL, 1, properties=message),
        USER_NAME,
        PASSWORD,
        explained,
    )
    client.connect(connect, now=0.0)
    talk(client, server)
    client.subscribe(Subscription("#", 2), now=0.0)
    for qos in (0, 1, 2):
        client.publish("up", PAYLOAD, qos, properties=message, now=0.0)
        server.publish("down", PAYLOAD, qos, properties=message, now=0.0)
    talk(client, server)
    client.handle_timeout(10.0)
    if version == 5 and method is not None:
        client.reauthenticate(DATA, now=0.0)
    talk(client, server)
    assert client.in_flight == server.in_flight == 0
    return client, server


def failing(version: int) -> list[Callable[[ClientConnection, ServerConnection], object]]:
    """Ways to end a session, each with a secret in the packet that ends it."""
    secret = encode(Publish("a", PAYLOAD, 1, packet_id=1), version)
    again = encode(Connect("c", user_name=USER_NAME, password=PASSWORD), version)
    return [
        lambda _, server: server.receive_data(again, 1.0),
        lambda _, server: server.receive_data(b"\x36" + secret[1:], 1.0),
        lambda client, _: client.receive_data(b"\x36" + secret[1:], 1.0),
        lambda client, _: client.receive_data(encode(Auth()), 1.0),
        lambda client, _: client.receive_data(b"\xd0\x09" + PAYLOAD, 1.0),
        lambda client, _: client.connection_lost(1.0),
        lambda client, _: [client.handle_timeout(each) for each in (1e5, 1e6)],
        lambda _, server: server.handle_timeout(1e6),
        lambda _, server: server.disconnect(ReasonCode.SERVER_BUSY, now=1.0),
        lambda client, _: client.disconnect(now=1.0),
        lambda _, server: server.receive_data(encode(Disconnect(), version), 1.0),
    ]


# Silence.


def test_the_logger_is_left_as_it_is() -> None:
    logger = logging.getLogger(NAME)
    assert logger.level == logging.NOTSET
    assert logger.propagate
    assert not logger.disabled
    assert all(isinstance(handler, logging.NullHandler) for handler in logger.handlers)


SILENT: Final = """
from mqttproto import Connect, ServerConnection
from mqttproto.codec import encode
server = ServerConnection(now=0.0)
server.receive_data(encode(Connect("c")), 0.0)
server.accept(now=0.0)
(failed,) = server.receive_data(encode(Connect("c")), 0.0)
assert failed.reason_code == 0x82
"""


def test_a_program_that_does_not_ask_sees_nothing() -> None:
    # Where logging is not set up, what is a warning or worse would be printed.
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", SILENT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_as_bad_as_a_warning(version: int, logged: Records) -> None:
    # What a peer does is no reason to wake anybody.
    for end in failing(version):
        end(*busy_session(version))
    assert logged.records
    assert {record.levelno for record in logged.records} <= {logging.DEBUG, logging.INFO}
    assert {record.name for record in logged.records} == {NAME}


def test_messages_are_not_logged_at_all(logged: Records) -> None:
    client, server = busy_session(5)
    before = len(logged.records)
    for _ in range(100):
        for qos in (0, 1, 2):
            client.publish("up", PAYLOAD, qos, now=0.0)
            server.publish("down", PAYLOAD, qos, now=0.0)
        talk(client, server)
    assert len(logged.records) == before


# Secrets.


@pytest.mark.parametrize("method", [None, "m"])
@pytest.mark.parametrize("version", VERSIONS)
def test_no_secret_of_a_busy_session_is_logged(
    version: int, method: str | None, logged: Records
) -> None:
    client, server = busy_session(version, method)
    for connection in (client, server):
        assert f"connection {connection.number} " in logged.text()
    assert [secret for secret in SECRETS if secret in logged.text()] == []


@pytest.mark.parametrize("number", range(len(failing(5))))
@pytest.mark.parametrize("version", VERSIONS)
def test_no_secret_is_logged_when_a_session_fails(
    version: int, number: int, logged: Records
) -> None:
    client, server = busy_session(version)
    before = len(logged.records)
    failing(version)[number](client, server)
    assert len(logged.records) > before
    assert [secret for secret in SECRETS if secret in logged.text()] == []
    assert all(record.exc_info is None for record in logged.records)


def test_a_connect_that_is_refused_leaves_no_secret_in_the_log(logged: Records) -> None:
    connect = Connect("c", user_name=USER_NAME, password=PASSWORD, will=Will("w", WILL))
    data = encode(connect)
    server = ServerConnection(now=0.0)
    server.receive_data(data, 0.0)
    server.refuse(ReasonCode.BAD_USER_NAME_OR_PASSWORD, now=0.0)
    # The same, with a Connect Flag that must be 0.
    flags = data.index(b"MQTT") + 5
    broken = data[:flags] + bytes((data[flags] | 1,)) + data[flags + 1 :]
    ServerConnection(now=0.0).receive_data(broken, 0.0)
    assert "REFUSED" in logged.text()
    assert "MQTT-3.1.2-3" in logged.text()
    assert [secret for secret in SECRETS if secret in logged.text()] == []


# What is said.


@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_a_failure_says_which_connection_which_rule_and_where(
    role: Sender, logged: Records
) -> None:
    life = bring(role, 5, "idle")
    logged.records.clear()
    begin = life.received
    life.feed(b"\x36\x05\0\1a\0\1")
    (failed,) = [record for record in logged.records if record.levelno == logging.INFO]
    said = failed.getMessage()
    assert f"connection {life.connection.number} ({role.value}) failed" in said
    assert "the QoS of a PUBLISH must be 0, 1 or 2" in said
    assert f"at byte {begin}" in said
    assert "MQTT 5.0 [MQTT-3.3.1-4]" in said
    assert "0x81" in said


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_the_life_of_a_connection_can_be_followed(
    role: Sender, version: int, logged: Records
) -> None:
    for end in ends_of(role, version):
        logged.records.clear()
        number = bring(role, version, end).connection.number
        said = [record.getMessage() for record in logged.records if record.levelno == logging.DEBUG]
        assert all(each.startswith(f"connection {number} ({role.value}): ") for each in said)
        assert "NEW -> CONNECTING" in said[0]
        assert "-> CLOSED" in said[-1]
        assert len(said) == (2 if end == "refused" else 3)


def test_a_deadline_that_passes_is_a_failure_too(logged: Records) -> None:
    server = ServerConnection(now=0.0, connect_timeout=5)
    server.handle_timeout(5.0)
    (failed,) = [record for record in logged.records if record.levelno == logging.INFO]
    assert "a client must send CONNECT soon" in failed.getMessage()


@pytest.mark.parametrize("state", states_of(5))
def test_a_call_that_is_refused_logs_nothing(state: str, logged: Records) -> None:
    life = bring(CLIENT, 5, state)
    logged.records.clear()
    with pytest.raises(InvalidTopicError):
        life.client.publish("a/#", PAYLOAD, 1, now=0.0)
    assert logged.records == []
