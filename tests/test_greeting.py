"""What a server's answer to CONNECT must be like."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.faults import Fault
from mqttproto.constants import ReasonCode
from mqttproto.errors import LocalProtocolError
from mqttproto.protocol import Leniency, Session
from mqttproto.protocol.greeting import (
    RETURN_CODES,
    check_acceptance,
    check_session,
    client_id_fault,
)

LONG = Leniency.CLIENT_ID_LENGTH_31


@pytest.mark.parametrize(
    ("version", "connect", "fault"),
    [
        (5, Connect("", False), Fault.NONE),
        (4, Connect("", False), Fault.CLIENT_ID_EMPTY),
        (4, Connect("", True), Fault.NONE),
        (4, Connect("c" * 24), Fault.NONE),
        (3, Connect("c" * 23), Fault.NONE),
        (3, Connect("c" * 24), Fault.CLIENT_ID_LENGTH),
        (3, Connect("", True), Fault.CLIENT_ID_LENGTH),
    ],
)
def test_client_identifiers(version: int, connect: Connect, fault: Fault) -> None:
    assert client_id_fault(connect, version, Leniency.NONE) == fault
    lenient = client_id_fault(connect, version, LONG)
    assert lenient == (Fault.NONE if fault == Fault.CLIENT_ID_LENGTH else fault)


def test_only_failures_have_a_return_code() -> None:
    assert all(code.is_failure for code in RETURN_CODES)
    assert ReasonCode.UNSPECIFIED_ERROR not in RETURN_CODES


@pytest.mark.parametrize(
    ("client_id", "assigned"), [("", None), ("c", "d")], ids=["none at all", "two"]
)
def test_a_client_has_one_identifier(client_id: str, assigned: str | None) -> None:
    with pytest.raises(LocalProtocolError):
        check_acceptance(Connect(client_id), 5, Properties(assigned_client_identifier=assigned))
    check_acceptance(Connect(client_id), 4, EMPTY)


def test_a_session_is_that_of_its_client() -> None:
    session = Session("c")
    check_session(Connect("c"), 5, session, False, EMPTY, 0.0)
    check_session(Connect("d"), 5, Session(), False, EMPTY, 0.0)
    check_session(Connect(""), 4, session, False, EMPTY, 0.0)
    with pytest.raises(LocalProtocolError, match="that of 'c', not of 'd'"):
        check_session(Connect("d"), 5, session, False, EMPTY, 0.0)


@pytest.mark.parametrize("now", [69.9, 70.0])
def test_a_session_is_resumed_until_it_expires(now: float) -> None:
    session = Session("c")
    session.start(60)
    session.suspend(10.0, 60)
    if now < 70.0:
        check_session(Connect("c", False), 5, session, True, EMPTY, now)
        return
    with pytest.raises(LocalProtocolError, match="expired"):
        check_session(Connect("c", False), 5, session, True, EMPTY, now)
