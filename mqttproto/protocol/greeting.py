"""What a server's answer to CONNECT must be like: rules that no connection is needed for."""

from typing import Final

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.faults import Fault
from mqttproto.constants import ConnectReturnCode, ReasonCode
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.session import Session

__all__ = ["RETURN_CODES", "check_acceptance", "check_session", "client_id_fault"]

RETURN_CODES: Final[dict[ReasonCode, ConnectReturnCode]] = {
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION,
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: ConnectReturnCode.IDENTIFIER_REJECTED,
    ReasonCode.SERVER_UNAVAILABLE: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_BUSY: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_SHUTTING_DOWN: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.USE_ANOTHER_SERVER: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_MOVED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.QUOTA_EXCEEDED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.CONNECTION_RATE_EXCEEDED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD,
    ReasonCode.NOT_AUTHORIZED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BANNED: ConnectReturnCode.NOT_AUTHORIZED,
}
"""What older versions call a reason code of 5.0. For the others they have no word, and the
connection is closed without one (3.1.1: MQTT-3.2.2-6)."""


def client_id_fault(connect: Connect, version: int, leniency: Leniency) -> Fault:
    """What is wrong with a client identifier before 5.0."""
    if version == 5:
        return Fault.NONE
    if not connect.client_id and not connect.clean_start:
        return Fault.CLIENT_ID_EMPTY
    too_long = not 1 <= len(connect.client_id) <= 23
    if version == 3 and too_long and Leniency.CLIENT_ID_LENGTH_31 not in leniency:
        return Fault.CLIENT_ID_LENGTH
    return Fault.NONE


def check_acceptance(connect: Connect, version: int, properties: Properties) -> None:
    """Check what the owner of a server's connection wants CONNACK to say.

    :raises LocalProtocolError: if it must not.
    """
    assigned = properties.assigned_client_identifier
    if version == 5 and not connect.client_id and not assigned:
        raise LocalProtocolError(
            "the client has no identifier: assign one that no other session has",
            Statement("5.0", "MQTT-3.2.2-16"),
        )
    if assigned and connect.client_id:
        raise LocalProtocolError(
            "the client has an identifier of its own: assign none",
            Statement("5.0", "section 3.2.2.3.7"),
        )
    named = connect.properties.authentication_method
    if properties.authentication_method not in (None, named):
        raise LocalProtocolError(
            "the Authentication Method is the one that CONNECT named",
            Statement("5.0", "MQTT-4.12.0-5" if named else "MQTT-4.12.0-6"),
        )


def check_session(
    connect: Connect,
    version: int,
    session: Session | None,
    session_present: bool,
    properties: Properties,
    now: float,
) -> None:
    """Check the session that the owner of a server's connection wants it to work on.

    :raises LocalProtocolError: if it is not the client's, or cannot be resumed.
    """
    if session_present:
        if connect.clean_start:
            raise LocalProtocolError(
                "the client asked for a new session: there is none to resume",
                Statement("5.0", "MQTT-3.2.2-2")
                if version == 5
                else Statement("3.1.1", "MQTT-3.2.2-1"),
            )
        if session is None or not session.established:
            raise LocalProtocolError(
                "there is no session to resume: give the one that the client has",
                Statement("5.0", "MQTT-3.2.2-3"),
            )
        if session.connection is not None and session.expiry_interval == 0:
            raise LocalProtocolError("the session ends with the connection that has it")
        if session.expired(now):
            raise LocalProtocolError(
                "the session has expired: give a new one", Statement("5.0", "MQTT-4.1.0-2")
            )
    client_id = properties.assigned_client_identifier or connect.client_id
    # Before 5.0 an identifier that the server assigns is not told (3.1.1: MQTT-3.1.3-6).
    if session is not None and client_id and session.client_id not in ("", client_id):
        raise LocalProtocolError(
            f"the session is that of {session.client_id!r}, not of {client_id!r}",
            Statement("5.0", "MQTT-3.1.3-2"),
        )
