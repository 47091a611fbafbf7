"""CONNECT, CONNACK, PINGREQ, PINGRESP, DISCONNECT and AUTH: sections 3.1, 3.2, 3.12 to 3.15."""

from typing import Any, Final

import pytest

from mqttproto import (
    Auth,
    ConnAck,
    Connect,
    ConnectReturnCode,
    Disconnect,
    InvalidTopicError,
    InvalidValueError,
    Packet,
    PingReq,
    PingResp,
    Properties,
    ProtocolViolationError,
    QoS,
    ReasonCode,
    Statement,
    Will,
)
from mqttproto.codec import encode
from mqttproto.codec.faults import Fault
from wire_examples import (
    Broken,
    Refused,
    check_broken,
    check_broken_at_once,
    check_legal,
    check_refused,
    decode,
    each_broken,
    each_legal,
    each_refused,
    legal,
    malformed,
    refused,
    violation,
)

BEFORE_5: Final = "3.1 3.1.1"
EVERY: Final = "3.1 3.1.1 5.0"
TRUNCATED: Final = Fault.TRUNCATED
TRAILING: Final = Fault.TRAILING_BYTES
UNKNOWN: Final = Fault.PROPERTY_UNKNOWN
MISPLACED: Final = Fault.PROPERTY_MISPLACED
REPEATED: Final = Fault.PROPERTY_REPEATED
NOT_0_OR_1: Final = Fault.PROPERTY_NOT_0_OR_1
TOO_OLD: Final = Fault.NOT_IN_THIS_VERSION

# Protocol name and level, as a CONNECT has them behind its fixed header: 9, 7 and 7 bytes.
V31: Final = "0006 4d5149736470 03"
V311: Final = "0004 4d515454 04"
V5: Final = "0004 4d515454 05"


def connect(body: str) -> str:
    """A CONNECT with this body, which must be shorter than 128 bytes; all in hexadecimal."""
    return f"10 {len(bytes.fromhex(body)):02x} {body}"


# --- CONNECT ----------------------------------------------------------------------------------

FULL: Final = Connect(
    "c", True, 10, Will("w", b"bye", QoS.AT_LEAST_ONCE, retain=True), "u", b"p\xff"
)


# fmt: off
connect_before_5 = each_legal(
    legal("3.1", "10 13 0006 4d5149736470 03 02 003c 0005 6761756765", Connect("gauge")),
    legal("3.1", "10 1e 0006 4d5149736470 03 ee 000a 0001 63 0001 77 0003 627965 0001 75 0002 70ff",
          FULL),
    legal("3.1",
          "10 25 0006 4d5149736470 03 00 00000017 6161616161616161616161616161616161616161616161",
          Connect("a" * 23, clean_start=False, keep_alive=0)),
    legal("3.1.1", "10 0c 0004 4d515454 04 02 003c 0000", Connect()),
    legal("3.1.1", "10 1c 0004 4d515454 04 ee 000a 0001 63 0001 77 0003 627965 0001 75 0002 70ff",
          FULL),
    legal("3.1.1", "10 0d 0004 4d515454 04 00 ffff 0001 63",
          Connect("c", clean_start=False, keep_alive=65_535)),
    legal("3.1.1", "10 12 0004 4d515454 04 16 003c 0001 63 0001 77 0000",
          Connect("c", will=Will("w", qos=2))),
    legal("3.1.1", "10 10 0004 4d515454 04 82 003c 0001 63 0001 75", Connect("c", user_name="u")),
    legal("3.1.1", "10 11 0004 4d515454 04 c2 003c 0001 63 0000 0000",
          Connect("c", user_name="", password=b"")),
    legal("3.1.1", "10 16 0004 4d515454 04 82 003c 0004 efbbbf63 0004 f09d849e",
          Connect("\ufeffc", user_name="\U0001d11e")),
)
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-9", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-19", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-21", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.1.3-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.1.3-3", role="both")
@connect_before_5
def test_connect_before_5(version: str, text: str, packet: Connect) -> None:
    check_legal(version, text, packet)


# fmt: off
connect_in_5 = each_legal(
    legal("5.0", "10 0d 0004 4d515454 05 02 003c 00 0000", Connect()),
    # the variable header of the example in section 3.1.2.12
    legal("5.0",
          "10 1f 0004 4d515454 05 ce 000a 05 11 0000000a0001 63 00 0001 77 0000 0001 75 0001 70",
          Connect("c", True, 10, Will("w", qos=1), "u", b"p",
                  Properties(session_expiry_interval=10))),
    legal("5.0",
          "10 1e 0004 4d515454 05 ee 000a 00 0001 63 00 0001 77 0003 627965 0001 75 0002 70ff",
          FULL),
    # no user name, but a password
    legal("5.0", "10 11 0004 4d515454 05 42 003c 00 0001 63 0001 70", Connect("c", password=b"p")),
    # no client identifier, but a session to resume: the server's affair
    legal("5.0", "10 0d 0004 4d515454 05 00 003c 00 0000", Connect("", clean_start=False)),
    legal("5.0", "10 36 0004 4d515454 05 02 003c 28"
          "11 00000078 15 0005 534352414d 16 0002 00ff 17 00 19 01 21 0014 22 000a"
          "26 0001 6b 0001 76 27 00001000 0001 63",
          Connect("c", properties=Properties(
              session_expiry_interval=120, authentication_method="SCRAM",
              authentication_data=b"\x00\xff", request_problem_information=False,
              request_response_information=True, receive_maximum=20, topic_alias_maximum=10,
              user_properties=[("k", "v")], maximum_packet_size=4096))),
    legal("5.0", "10 35 0004 4d515454 05 06 003c 00 0001 63 1f"
          "01 01 02 0000003c 03 0001 74 08 0001 72 09 0001 01 18 00000005 26 0001 6b 0001 76"
          "0001 77 0002 6f6b",
          Connect("c", will=Will("w", b"ok", properties=Properties(
              payload_format_indicator=1, message_expiry_interval=60, content_type="t",
              response_topic="r", correlation_data=b"\x01", will_delay_interval=5,
              user_properties=[("k", "v")])))),
)
# fmt: on


@pytest.mark.spec("5.0", "MQTT-3.1.2-9", role="both")
@pytest.mark.spec("5.0", "MQTT-3.1.2-17", role="both")
@pytest.mark.spec("5.0", "MQTT-3.1.2-19", role="both")
@pytest.mark.spec("5.0", "MQTT-3.1.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.1.3-3", role="both")
@connect_in_5
def test_connect_in_5(version: str, text: str, packet: Connect) -> None:
    check_legal(version, text, packet)


def test_what_a_connect_decodes_to() -> None:
    packet = decode("5.0", connect(f"{V5} ee 000a 00 0001 63 00 0001 77 0001 78 0001 75 0001 70"))
    assert isinstance(packet, Connect)
    assert packet.clean_start is True
    assert packet.user_name == "u"
    assert packet.password == b"p"
    assert packet.will is not None
    assert packet.will.qos is QoS.AT_LEAST_ONCE
    assert packet.will.retain is True
    packet = decode("3.1.1", connect(f"{V311} 00 000a 0001 63"))
    assert isinstance(packet, Connect)
    assert packet.clean_start is False
    assert (packet.will, packet.user_name, packet.password) == (None, None, None)


@pytest.mark.parametrize(
    ("flags", "rest", "packet"),
    [
        ("82", "", Connect("c")),
        ("c2", "", Connect("c")),
        ("c2", "0001 75", Connect("c", user_name="u")),
        ("c2", "0001 75 0001 70", Connect("c", user_name="u", password=b"p")),
        ("86", "0001 77 0000", Connect("c", will=Will("w"))),
    ],
)
def test_a_client_of_3_1_may_leave_out_what_its_flags_announce(
    flags: str, rest: str, packet: Connect
) -> None:
    """Section 3.1 of MQTT 3.1: the Remaining Length counts, not the User Name flag."""
    assert decode("3.1", connect(f"{V31} {flags} 003c 0001 63 {rest}")) == packet


def test_an_empty_client_identifier_without_clean_session_is_readable() -> None:
    """The server has to answer it with return code 2: it must not be a fault."""
    packet = decode("3.1.1", connect(f"{V311} 00 003c 0000"))
    assert packet == Connect("", clean_start=False)


def test_a_long_client_identifier_of_3_1_is_readable() -> None:
    """As above: the server's answer is return code 2."""
    text = f"{V31} 02 003c 0018 {'61' * 24}"
    assert decode("3.1", connect(text)) == Connect("a" * 24)
    assert decode("3.1", connect(f"{V31} 02 003c 0000")) == Connect("")


# fmt: off
broken_variable_header_of_connect = each_broken(
    # the protocol name
    violation("3.1", "MQTT-3.1.2-1", Fault.PROTOCOL_NAME, 2,
              connect("0006 4d5149736471 03 02 003c 0001 63"), role="server", code=0x84),
    violation("3.1.1", "MQTT-3.1.2-1", Fault.PROTOCOL_NAME, 2,
              connect("0004 6d717474 04 02 003c 0001 63"), role="server", code=0x84),
    violation("5.0", "MQTT-3.1.2-1", Fault.PROTOCOL_NAME, 2,
              connect("0005 4d51545421 05 02 003c 00 0001 63"), role="server", code=0x84),
    violation("5.0", "MQTT-3.1.2-1", Fault.PROTOCOL_NAME, 2, connect("0000 05"), code=0x84),
    # the protocol level: of another version than is spoken here, or of none
    violation("3.1", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 10,
              connect("0006 4d5149736470 04 02 003c 0001 63"), role="server", code=0x84),
    violation("3.1.1", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 8, connect(f"{V5} 02 003c 00 0001 63"),
              role="server", code=0x84),
    violation("3.1.1", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 8,
              connect("0004 4d515454 03 02 003c 0001 63"), role="server", code=0x84),
    violation("3.1.1", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 10, connect(f"{V31} 02 003c 0001 63"),
              role="server", code=0x84),
    violation("5.0", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 8,
              connect("0004 4d515454 06 02 003c 00 0001 63"), role="server", code=0x84),
    # a bridge's level has the highest bit
    violation("3.1.1", "MQTT-3.1.2-2", Fault.PROTOCOL_LEVEL, 8,
              connect("0004 4d515454 84 02 003c 0001 63"), role="server", code=0x84),
    # the Connect Flags
    malformed("3.1", "MQTT-3.1.2-3", Fault.CONNECT_FLAG, 11, connect(f"{V31} 03 003c 0001 63"),
              role="server"),
    malformed("3.1.1", "MQTT-3.1.2-3", Fault.CONNECT_FLAG, 9, connect(f"{V311} 03 003c 0001 63"),
              role="server"),
    malformed("5.0", "MQTT-3.1.2-3", Fault.CONNECT_FLAG, 9, connect(f"{V5} 03 003c 00 0001 63"),
              role="server"),
    malformed("3.1.1", "MQTT-3.1.2-13", Fault.WILL_QOS_ALONE, 9, connect(f"{V311} 0a 003c 0001 63"),
              shows=("MQTT-3.1.2-11",)),
    malformed("5.0", "MQTT-3.1.2-11", Fault.WILL_QOS_ALONE, 9, connect(f"{V5} 1a 003c 00 0001 63")),
    malformed("3.1.1", "MQTT-3.1.2-15", Fault.WILL_RETAIN_ALONE, 9,
              connect(f"{V311} 22 003c 0001 63"), shows=("MQTT-3.1.2-11",)),
    malformed("5.0", "MQTT-3.1.2-13", Fault.WILL_RETAIN_ALONE, 9,
              connect(f"{V5} 22 003c 00 0001 63")),
    malformed("3.1.1", "MQTT-3.1.2-14", Fault.WILL_QOS, 9,
              connect(f"{V311} 1e 003c 0001 63 0001 77 0000")),
    malformed("5.0", "MQTT-3.1.2-12", Fault.WILL_QOS, 9,
              connect(f"{V5} 1e 003c 00 0001 63 00 0001 77 0000")),
    malformed("3.1", "MQTT-3.1.2-22", Fault.PASSWORD_ALONE, 11, connect(f"{V31} 42 003c 0001 63")),
    malformed("3.1.1", "MQTT-3.1.2-22", Fault.PASSWORD_ALONE, 9,
              connect(f"{V311} 42 003c 0001 63 0001 70")),
)
# fmt: on


@broken_variable_header_of_connect
def test_broken_variable_header_of_connect(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_payload_of_connect_before_5 = each_broken(
    malformed("3.1", "section 2.2.3", TRUNCATED, 2, "10 00"),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 2, "10 00"),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 2, connect("0004 4d5154")),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 8, connect("0004 4d515454")),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 9, connect(V311)),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 10, connect(f"{V311} 02")),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 10, connect(f"{V311} 02 00")),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 12, connect(f"{V311} 02 003c"),
              shows=("MQTT-3.1.3-3",)),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 12, connect(f"{V311} 02 003c 0002 63")),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 15, connect(f"{V311} 06 003c 0001 63"),
              shows=("MQTT-3.1.2-9",)),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 18, connect(f"{V311} 06 003c 0001 63 0001 77"),
              shows=("MQTT-3.1.2-9",)),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 15, connect(f"{V311} 82 003c 0001 63"),
              shows=("MQTT-3.1.2-19",)),
    malformed("3.1.1", "section 2.2.3", TRUNCATED, 18, connect(f"{V311} c2 003c 0001 63 0001 75"),
              shows=("MQTT-3.1.2-21",)),
    # what 3.1 may leave out it must not cut off
    malformed("3.1", "section 2.2.3", TRUNCATED, 17, connect(f"{V31} 82 003c 0001 63 00")),
    malformed("3.1", "section 2.2.3", TRUNCATED, 17, connect(f"{V31} 82 003c 0001 63 0002 75")),
    malformed("3.1.1", "section 2.2.3", TRAILING, 15, connect(f"{V311} 02 003c 0001 63 0001 75"),
              shows=("MQTT-3.1.2-18", "MQTT-3.1.2-20", "MQTT-3.1.2-11")),
    malformed("3.1.1", "section 2.2.3", TRAILING, 18,
              connect(f"{V311} 82 003c 0001 63 0001 75 0001 70"), shows=("MQTT-3.1.2-20",)),
    malformed("3.1", "section 2.2.3", TRAILING, 17, connect(f"{V31} 02 003c 0001 63 00")),
    # strings
    malformed("3.1.1", "MQTT-1.5.3-1", Fault.UTF8, 15, connect(f"{V311} 02 003c 0002 63ff"),
              shows=("MQTT-3.1.3-4",)),
    malformed("3.1.1", "MQTT-1.5.3-1", Fault.UTF8, 17,
              connect(f"{V311} 06 003c 0001 63 0001 80 0000"), shows=("MQTT-3.1.3-10",)),
    malformed("3.1.1", "MQTT-1.5.3-1", Fault.UTF8, 17,
              connect(f"{V311} 82 003c 0001 63 0003 eda080"), shows=("MQTT-3.1.3-11",)),
    malformed("3.1.1", "MQTT-1.5.3-2", Fault.NULL_CHARACTER, 18,
              connect(f"{V311} 82 003c 0001 63 0002 7500")),
    # the Will Topic is a topic name
    malformed("3.1.1", "MQTT-4.7.1-1", Fault.NAME_WILDCARD, 19,
              connect(f"{V311} 06 003c 0001 63 0003 772f23 0000")),
    malformed("3.1.1", "MQTT-4.7.3-1", Fault.NAME_EMPTY, 15,
              connect(f"{V311} 06 003c 0001 63 0000 0000")),
)
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-3.1.4-1", role="server")
@broken_payload_of_connect_before_5
def test_broken_payload_of_connect_before_5(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
broken_payload_of_connect_in_5 = each_broken(
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, "10 00"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 2, connect("0004 4d5154")),
    malformed("5.0", "section 2.1.4", TRUNCATED, 9, connect(V5)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 10, connect(f"{V5} 02 00")),
    malformed("5.0", "section 2.1.4", TRUNCATED, 12, connect(f"{V5} 02 003c"),
              shows=("MQTT-2.2.2-1",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 13, connect(f"{V5} 02 003c 00"),
              shows=("MQTT-3.1.3-3",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 16, connect(f"{V5} 06 003c 00 0001 63"),
              shows=("MQTT-3.1.2-9", "MQTT-2.2.2-1")),
    malformed("5.0", "section 2.1.4", TRUNCATED, 17, connect(f"{V5} 06 003c 00 0001 63 00"),
              shows=("MQTT-3.1.2-9",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 20, connect(f"{V5} 06 003c 00 0001 63 00 0001 77"),
              shows=("MQTT-3.1.2-9",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 16, connect(f"{V5} 82 003c 00 0001 63"),
              shows=("MQTT-3.1.2-17",)),
    malformed("5.0", "section 2.1.4", TRUNCATED, 16, connect(f"{V5} 42 003c 00 0001 63"),
              shows=("MQTT-3.1.2-19",)),
    malformed("5.0", "section 2.1.4", TRAILING, 16, connect(f"{V5} 02 003c 00 0001 63 0001 75"),
              shows=("MQTT-3.1.2-16", "MQTT-3.1.2-18")),
    # strings
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 15, connect(f"{V5} 02 003c 00 0001 ff"),
              shows=("MQTT-3.1.3-4",)),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 19,
              connect(f"{V5} 06 003c 00 0001 63 00 0001 80 0000"), shows=("MQTT-3.1.3-11",)),
    malformed("5.0", "MQTT-1.5.4-1", Fault.UTF8, 18, connect(f"{V5} 82 003c 00 0001 63 0002 c328"),
              shows=("MQTT-3.1.3-12",)),
    malformed("5.0", "MQTT-1.5.4-2", Fault.NULL_CHARACTER, 15, connect(f"{V5} 02 003c 00 0001 00")),
    malformed("5.0", "MQTT-4.7.0-1", Fault.NAME_WILDCARD, 19,
              connect(f"{V5} 06 003c 00 0001 63 00 0001 2b 0000")),
    malformed("5.0", "MQTT-4.7.3-1", Fault.NAME_EMPTY, 17,
              connect(f"{V5} 06 003c 00 0001 63 00 0000 0000")),
    # properties
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 12,
              connect(f"{V5} 02 003c 04 0001 63")),
    malformed("5.0", "MQTT-1.5.5-1", Fault.LENGTH_NOT_MINIMAL, 12,
              connect(f"{V5} 02 003c 8000 0001 63")),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 13, connect(f"{V5} 02 003c 02 0400 0001 63")),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 13, connect(f"{V5} 02 003c 03 23 0001 0001 63")),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 13,
              connect(f"{V5} 02 003c 05 18 00000001 0001 63")),
    violation("5.0", "section 2.2.2.2", REPEATED, 18,
              connect(f"{V5} 02 003c 0a 11 00000001 11 00000001 0001 63")),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 14, connect(f"{V5} 02 003c 02 1702 0001 63")),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 14, connect(f"{V5} 02 003c 02 19ff 0001 63")),
    violation("5.0", "section 3.1.2.11.3", Fault.RECEIVE_MAXIMUM_ZERO, 14,
              connect(f"{V5} 02 003c 03 21 0000 0001 63")),
    violation("5.0", "section 3.1.2.11.4", Fault.MAXIMUM_PACKET_SIZE_ZERO, 14,
              connect(f"{V5} 02 003c 05 27 00000000 0001 63")),
    violation("5.0", "section 3.1.2.11.10", Fault.AUTHENTICATION_DATA_ALONE, 12,
              connect(f"{V5} 02 003c 04 16 0001 00 0001 63")),
    # Will Properties
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 16,
              connect(f"{V5} 06 003c 00 0001 63 10 0001 77 0000")),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 17,
              connect(f"{V5} 06 003c 00 0001 63 03 23 0001 0001 77 0000")),
    violation("5.0", "section 2.2.2.2", REPEATED, 22,
              connect(f"{V5} 06 003c 00 0001 63 0a 18 00000001 18 00000001 0001 77 0000")),
    malformed("5.0", "MQTT-3.3.2-14", Fault.RESPONSE_TOPIC_WILDCARD, 20,
              connect(f"{V5} 06 003c 00 0001 63 04 08 0001 23 0001 77 0000")),
)
# fmt: on


@pytest.mark.spec("5.0", "MQTT-3.1.4-1", role="server")
@broken_payload_of_connect_in_5
def test_broken_payload_of_connect_in_5(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_connect = each_refused(
    # the client identifier
    refused("3.1.1", "MQTT-3.1.3-7", "Connect.client_id", Fault.CLIENT_ID_EMPTY,
            Connect("", clean_start=False), role="client"),
    refused("3.1.1", "MQTT-1.5.3-2", "Connect.client_id", Fault.NULL_CHARACTER, Connect("\0")),
    refused("5.0", "MQTT-1.5.4-2", "Connect.client_id", Fault.NULL_CHARACTER, Connect("\0")),
    refused(BEFORE_5, "MQTT-1.5.3-1", "Connect.client_id", Fault.UTF8, Connect("\ud800")),
    refused("5.0", "MQTT-1.5.4-1", "Connect.client_id", Fault.UTF8, Connect("\ud800")),
    refused("3.1.1", "section 1.5.3", "Connect.client_id", Fault.STRING_TOO_LONG,
            Connect("a" * 65_536)),
    refused("5.0", "section 1.5.4", "Connect.client_id", Fault.STRING_TOO_LONG,
            Connect("a" * 65_536)),
    # user name and password
    refused(BEFORE_5, "MQTT-3.1.2-22", "Connect.password", Fault.PASSWORD_ALONE,
            Connect("c", password=b"p"), role="client"),
    refused("5.0", "MQTT-1.5.4-2", "Connect.user_name", Fault.NULL_CHARACTER,
            Connect(user_name="\0")),
    refused(BEFORE_5, "section 1.5.3", "Connect.user_name", Fault.STRING_TOO_LONG,
            Connect("c", user_name="a" * 65_536)),
    refused("5.0", "section 1.5.6", "Connect.password", Fault.BINARY_TOO_LONG,
            Connect(password=bytes(65_536))),
    refused(BEFORE_5, "section 3.1.3", "Connect.password", Fault.BINARY_TOO_LONG,
            Connect("c", user_name="u", password=bytes(65_536))),
    # the will
    refused("5.0", "section 1.5.6", "Will.payload", Fault.BINARY_TOO_LONG,
            Connect(will=Will("w", bytes(65_536)))),
    refused(BEFORE_5, "section 3.1.3", "Will.payload", Fault.BINARY_TOO_LONG,
            Connect("c", will=Will("w", bytes(65_536)))),
    # properties
    refused(BEFORE_5, "section 2.2.1", "Connect.properties", TOO_OLD,
            Connect("c", properties=Properties(receive_maximum=1))),
    refused(BEFORE_5, "section 2.2.1", "Will.properties", TOO_OLD,
            Connect("c", will=Will("w", properties=Properties(will_delay_interval=0)))),
    refused("5.0", "section 2.2.2.2", "Connect.properties.will_delay_interval", MISPLACED,
            Connect(properties=Properties(will_delay_interval=0))),
    refused("5.0", "section 2.2.2.2", "Will.properties.topic_alias", MISPLACED,
            Connect(will=Will("w", properties=Properties(topic_alias=1)))),
    refused("5.0", "section 3.1.2.11.10", "Connect.properties.authentication_data",
            Fault.AUTHENTICATION_DATA_ALONE,
            Connect(properties=Properties(authentication_data=b""))),
)
# fmt: on


@refused_connect
def test_refused_connect(row: Refused) -> None:
    check_refused(row)


@pytest.mark.parametrize("client_id", ["", "a" * 24])
def test_a_client_identifier_of_3_1_has_1_to_23_characters(client_id: str) -> None:
    statement = Statement("3.1", "section 3.1")
    fault = Fault.CLIENT_ID_LENGTH
    check_refused(Refused("3.1", Connect(client_id), "Connect.client_id", fault, statement))


@pytest.mark.parametrize("keep_alive", [-1, 65_536])
def test_keep_alive_has_two_bytes(keep_alive: int) -> None:
    with pytest.raises(InvalidValueError) as caught:
        encode(Connect("c", keep_alive=keep_alive))
    assert caught.value.field == "Connect.keep_alive"


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.7.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="client")
@pytest.mark.parametrize(
    ("topic", "id311", "id5"),
    [("w/#", "MQTT-4.7.1-1", "MQTT-4.7.0-1"), ("", "MQTT-4.7.3-1", "MQTT-4.7.3-1")],
)
def test_a_will_topic_is_a_topic_name(topic: str, id311: str, id5: str) -> None:
    for version, statement in ((4, Statement("3.1.1", id311)), (5, Statement("5.0", id5))):
        with pytest.raises(InvalidTopicError) as caught:
            encode(Connect("c", will=Will(topic)), version)
        assert caught.value.field == "Will.topic"
        assert caught.value.statement == statement


def test_a_will_holds_any_buffer_of_bytes() -> None:
    buffer = bytearray(b"ab")
    will = Will("w", buffer)
    buffer[0] = 0
    assert will.payload == b"ab"
    assert Will("w", memoryview(b"a-b")[::2]).payload == b"ab"


def test_a_password_is_any_buffer_of_bytes() -> None:
    assert Connect(password=bytearray(b"p")).password == b"p"
    assert Connect(password=memoryview(b"p")).password == b"p"


def test_the_qos_of_a_will_becomes_a_member() -> None:
    assert Will("w", qos=2).qos is QoS.EXACTLY_ONCE
    with pytest.raises(InvalidValueError) as caught:
        Will("w", qos=3)
    assert caught.value.field == "Will.qos"
    assert caught.value.statement == Statement("5.0", "MQTT-3.1.2-12")


@pytest.mark.parametrize("qos", [-1, 3, 70_000])
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-14", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-12", role="client")
def test_the_qos_of_a_will_is_checked_as_it_is_encoded(qos: Any) -> None:
    will = Will("w")
    will.qos = qos
    for version, id in ((4, "MQTT-3.1.2-14"), (5, "MQTT-3.1.2-12")):
        with pytest.raises(InvalidValueError) as caught:
            encode(Connect("c", will=will), version)
        assert caught.value.field == "Will.qos"
        assert caught.value.statement is not None
        assert caught.value.statement.id == id


# --- CONNACK ----------------------------------------------------------------------------------


# fmt: off
connack = each_legal(
    legal(BEFORE_5, "20 02 00 00", ConnAck(reason_code=ConnectReturnCode.ACCEPTED)),
    legal(BEFORE_5, "20 02 00 05", ConnAck(reason_code=ConnectReturnCode.NOT_AUTHORIZED)),
    legal("3.1.1", "20 02 01 00",
          ConnAck(session_present=True, reason_code=ConnectReturnCode.ACCEPTED)),
    legal("5.0", "20 03 00 00 00", ConnAck()),
    legal("5.0", "20 03 01 00 00", ConnAck(session_present=True)),
    legal("5.0", "20 03 00 87 00", ConnAck(reason_code=ReasonCode.NOT_AUTHORIZED)),
    legal("5.0", "20 42 00 00 3f"
          "11 00000e10 12 0002 6131 13 001e 15 0001 4d 16 0001 01 1a 0002 722f 1c 0001 73"
          "1f 0002 6f6b 21 000a 22 0005 24 01 25 00 26 0001 6b 0001 76 27 00000400"
          "28 00 29 00 2a 00",
          ConnAck(properties=Properties(
              session_expiry_interval=3600, assigned_client_identifier="a1", server_keep_alive=30,
              authentication_method="M", authentication_data=b"\x01", response_information="r/",
              server_reference="s", reason_string="ok", receive_maximum=10, topic_alias_maximum=5,
              maximum_qos=1, retain_available=False, user_properties=[("k", "v")],
              maximum_packet_size=1024, wildcard_subscription_available=False,
              subscription_identifier_available=False, shared_subscription_available=False))),
)
# fmt: on


@connack
def test_connack(version: str, text: str, packet: ConnAck) -> None:
    check_legal(version, text, packet)


def test_authentication_data_alone_is_readable() -> None:
    """Only for CONNECT and AUTH does the specification say that it needs a method."""
    packet = ConnAck(properties=Properties(authentication_data=b""))
    check_legal("5.0", "20 06 00 00 03 16 0000", packet)


def test_what_a_connack_decodes_to() -> None:
    packet = decode("3.1.1", "20 02 01 00", "server")
    assert isinstance(packet, ConnAck)
    assert packet.session_present is True
    assert packet.reason_code is ConnectReturnCode.ACCEPTED
    packet = decode("5.0", "20 05 00 00 02 24 00", "server")
    assert isinstance(packet, ConnAck)
    assert packet.session_present is False
    assert type(packet.reason_code) is ReasonCode
    assert packet.properties.maximum_qos is QoS.AT_MOST_ONCE


@pytest.mark.parametrize("text", ["20 02 01 00", "20 02 ff 00", "20 02 80 00"])
def test_3_1_does_not_use_the_first_byte_of_connack(text: str) -> None:
    assert decode("3.1", text) == ConnAck(reason_code=ConnectReturnCode.ACCEPTED)


CONNACK_CODES: Final = bytes.fromhex(
    "00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f"
)


@pytest.mark.spec("5.0", "MQTT-3.2.2-8", role="server")
@pytest.mark.parametrize(
    ("version", "behind", "codes", "statement"),
    [
        ("3.1", "", b"\0\1\2\3\4\5", Statement("3.1.1", "section 3.2.2.3")),
        ("3.1.1", "", b"\0\1\2\3\4\5", Statement("3.1.1", "section 3.2.2.3")),
        ("5.0", "00", CONNACK_CODES, Statement("5.0", "MQTT-3.2.2-8")),
    ],
)
def test_reason_codes_of_connack(
    version: str, behind: str, codes: bytes, statement: Statement
) -> None:
    kind = ReasonCode if version == "5.0" else ConnectReturnCode
    fault = Fault.CONNACK_REASON
    for code in range(256):
        text = f"20 {2 + len(bytes.fromhex(behind)):02x} 00 {code:02x} {behind}"
        if code in codes:
            check_legal(version, text, ConnAck(reason_code=kind(code)))
        else:
            check_broken(
                Broken(version, None, text, 3, fault, ProtocolViolationError, 0x82, statement)
            )


# fmt: off
broken_connack = each_broken(
    malformed("3.1.1", "section 3.2.2.1", Fault.CONNACK_FLAGS, 2, "20 02 02 00"),
    malformed("3.1.1", "section 3.2.2.1", Fault.CONNACK_FLAGS, 2, "20 02 81 00"),
    malformed("5.0", "MQTT-3.2.2-1", Fault.CONNACK_FLAGS, 2, "20 03 02 00 00"),
    malformed("5.0", "MQTT-3.2.2-1", Fault.CONNACK_FLAGS, 2, "20 03 80 00 00"),
    violation("3.1.1", "MQTT-3.2.2-4", Fault.SESSION_PRESENT, 2, "20 02 01 05"),
    violation("5.0", "MQTT-3.2.2-6", Fault.SESSION_PRESENT, 2, "20 03 01 87 00"),
    malformed("5.0", "section 2.1.4", TRAILING, 5, "20 04 00 00 00 00"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 4, "20 03 00 00 01"),
    malformed("5.0", "section 2.2.2.2", UNKNOWN, 5, "20 05 00 00 02 30 00"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 5, "20 05 00 00 02 17 00"),
    violation("5.0", "section 2.2.2.2", REPEATED, 7, "20 07 00 00 04 25 01 25 01"),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 6, "20 05 00 00 02 24 02"),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 6, "20 05 00 00 02 25 02"),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 6, "20 05 00 00 02 28 02"),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 6, "20 05 00 00 02 29 02"),
    violation("5.0", "section 2.2.2.2", NOT_0_OR_1, 6, "20 05 00 00 02 2a 02"),
    violation("5.0", "section 3.2.2.3.3", Fault.RECEIVE_MAXIMUM_ZERO, 6, "20 06 00 00 03 21 0000",
              sender="server"),
    violation("5.0", "section 3.2.2.3.6", Fault.MAXIMUM_PACKET_SIZE_ZERO, 6,
              "20 08 00 00 05 27 00000000", sender="server"),
)
# fmt: on


@broken_connack
def test_broken_connack(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_connack = each_refused(
    *(
        refused(
            "5.0",
            "MQTT-3.2.2-8",
            "ConnAck.reason_code",
            Fault.CONNACK_REASON,
            ConnAck(reason_code=code),
            role="server",
        )
        for code in (
            ConnectReturnCode.NOT_AUTHORIZED,
            ReasonCode.GRANTED_QOS_1,
            ReasonCode.PACKET_IDENTIFIER_IN_USE,
        )
    ),
    refused(BEFORE_5, "section 3.2.2.3", "ConnAck.reason_code", Fault.CONNACK_REASON,
            ConnAck(reason_code=ReasonCode.NOT_AUTHORIZED)),
    refused(BEFORE_5, "MQTT-3.2.2-4", "ConnAck.session_present", Fault.SESSION_PRESENT,
            ConnAck(True, ConnectReturnCode.IDENTIFIER_REJECTED), role="server"),
    refused("5.0", "MQTT-3.2.2-6", "ConnAck.session_present", Fault.SESSION_PRESENT,
            ConnAck(True, ReasonCode.SERVER_BUSY), role="server"),
    refused("3.1", "section 2.2.1", "ConnAck.session_present", TOO_OLD, ConnAck(True)),
    refused(BEFORE_5, "section 2.2.1", "ConnAck.properties", TOO_OLD,
            ConnAck(properties=Properties(maximum_qos=1))),
    refused("5.0", "section 2.2.2.2", "ConnAck.properties.topic_alias", MISPLACED,
            ConnAck(properties=Properties(maximum_qos=1, topic_alias=1))),
)
# fmt: on


@refused_connack
def test_refused_connack(row: Refused) -> None:
    check_refused(row)


# --- PINGREQ and PINGRESP ---------------------------------------------------------------------


# fmt: off
pings = each_legal(
    legal(EVERY, "c0 00", PingReq()),
    legal(EVERY, "d0 00", PingResp()),
)
# fmt: on


@pings
def test_pings(version: str, text: str, packet: Packet) -> None:
    check_legal(version, text, packet)


# --- DISCONNECT -------------------------------------------------------------------------------


# fmt: off
disconnect = each_legal(
    legal(EVERY, "e0 00", Disconnect()),
    legal("5.0", "e0 01 04", Disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE)),
    legal("5.0", "e0 01 8e", Disconnect(ReasonCode.SESSION_TAKEN_OVER)),
    legal("5.0", "e0 07 00 05 11 0000003c",
          Disconnect(properties=Properties(session_expiry_interval=60))),
    legal("5.0", "e0 14 9d 12 1c 0003 622e63 1f 0002 6f6b 26 0001 6b 0001 76",
          Disconnect(ReasonCode.SERVER_MOVED, Properties(
              server_reference="b.c", reason_string="ok", user_properties=[("k", "v")]))),
)
# fmt: on


@disconnect
def test_disconnect(version: str, text: str, packet: Disconnect) -> None:
    check_legal(version, text, packet)


@pytest.mark.parametrize(
    ("text", "packet", "shortest"),
    [
        ("e0 01 00", Disconnect(), "e0 00"),
        ("e0 02 00 00", Disconnect(), "e0 00"),
        ("e0 02 04 00", Disconnect(4), "e0 01 04"),
    ],
)
def test_the_encoder_leaves_out_what_it_can(text: str, packet: Disconnect, shortest: str) -> None:
    assert decode("5.0", text) == packet
    check_legal("5.0", shortest, packet)


CLIENTS_CODES: Final = bytes.fromhex("00 04 80 81 82 83 90 93 94 95 96 97 98 99")
# 8c stands in section 2.4 only
SERVERS_CODES: Final = bytes.fromhex(
    "00 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2"
)


@pytest.mark.spec("5.0", "MQTT-3.14.2-1", role="both")
@pytest.mark.parametrize(
    ("sender", "codes"),
    [("client", CLIENTS_CODES), ("server", SERVERS_CODES), (None, CLIENTS_CODES + SERVERS_CODES)],
)
def test_reason_codes_of_disconnect(sender: str | None, codes: bytes) -> None:
    statement = Statement("5.0", "MQTT-3.14.2-1")
    fault = Fault.DISCONNECT_REASON
    for code in range(256):
        text = f"e0 01 {code:02x}"
        if code in codes:
            packet = decode("5.0", text, sender)
            assert packet == Disconnect(code)
            assert isinstance(packet, Disconnect)
            assert type(packet.reason_code) is ReasonCode
        else:
            check_broken(
                Broken("5.0", sender, text, 2, fault, ProtocolViolationError, 0x82, statement)
            )


# fmt: off
broken_disconnect = each_broken(
    violation("5.0", "MQTT-3.14.2-2", Fault.SESSION_EXPIRY_FROM_SERVER, 4,
              "e0 07 00 05 11 00000000", sender="server", role="client"),
    violation("5.0", "section 3.14.2.2.5", Fault.SERVER_REFERENCE_FROM_CLIENT, 4,
              "e0 05 00 03 1c 0000", sender="client", role="server"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 3, "e0 02 00 01"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 3, "e0 02 00 80"),
    malformed("5.0", "section 2.1.4", TRAILING, 4, "e0 03 00 00 00"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 4, "e0 05 00 03 21 0001"),
    violation("5.0", "section 2.2.2.2", REPEATED, 7, "e0 08 00 06 1f 0000 1f 0000"),
)
# fmt: on


@broken_disconnect
def test_broken_disconnect(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_disconnect = each_refused(
    refused(BEFORE_5, "section 2.2.1", "Disconnect.reason_code", TOO_OLD, Disconnect(4)),
    refused(BEFORE_5, "section 2.2.1", "Disconnect.properties", TOO_OLD,
            Disconnect(properties=Properties(reason_string=""))),
    *(
        refused("5.0", "MQTT-3.14.2-1", "Disconnect.reason_code", Fault.DISCONNECT_REASON,
                Disconnect(code))
        for code in sorted(set(ReasonCode).difference(CLIENTS_CODES + SERVERS_CODES))
    ),
    refused("5.0", "section 2.2.2.2", "Disconnect.properties.receive_maximum", MISPLACED,
            Disconnect(properties=Properties(receive_maximum=1))),
)
# fmt: on


@refused_disconnect
def test_refused_disconnect(row: Refused) -> None:
    check_refused(row)


# --- AUTH -------------------------------------------------------------------------------------


# fmt: off
auth = each_legal(
    legal("5.0", "f0 00", Auth()),
    legal("5.0", "f0 07 18 05 15 0002 4d31",
          Auth(ReasonCode.CONTINUE_AUTHENTICATION, Properties(authentication_method="M1"))),
    legal("5.0", "f0 0b 00 09 15 0001 4d 16 0002 00ff",
          Auth(properties=Properties(authentication_method="M", authentication_data=b"\x00\xff"))),
    legal("5.0", "f0 12 19 10 15 0001 4d 1f 0002 6f6b 26 0001 6b 0001 76",
          Auth(ReasonCode.RE_AUTHENTICATE, Properties(
              authentication_method="M", reason_string="ok", user_properties=[("k", "v")]))),
)
# fmt: on


@auth
def test_auth(version: str, text: str, packet: Auth) -> None:
    check_legal(version, text, packet)


def test_an_auth_without_properties_is_encoded_without_a_body() -> None:
    assert decode("5.0", "f0 02 00 00") == Auth()


@pytest.mark.spec("5.0", "MQTT-3.15.2-1", role="both")
@pytest.mark.parametrize(
    ("sender", "codes"), [("client", b"\x18\x19"), ("server", b"\0\x18"), (None, b"\0\x18\x19")]
)
def test_reason_codes_of_auth(sender: str | None, codes: bytes) -> None:
    statement = Statement("5.0", "MQTT-3.15.2-1")
    for code in range(256):
        text = f"f0 06 {code:02x} 04 15 0001 4d"
        fault = Fault.AUTH_REASON
        if code in codes:
            packet = decode("5.0", text, sender)
            assert packet == Auth(code, Properties(authentication_method="M"))
        else:
            check_broken(
                Broken("5.0", sender, text, 2, fault, ProtocolViolationError, 0x82, statement)
            )


METHOD_MISSING: Final = Fault.AUTHENTICATION_METHOD_MISSING


# fmt: off
broken_first_byte_of_auth = each_broken(
    malformed("3.1", "section 2.2.1", Fault.PACKET_TYPE, 0, "f0"),
    malformed("3.1.1", "section 2.2.1", Fault.PACKET_TYPE, 0, "f0"),
    malformed("5.0", "MQTT-3.15.1-1", Fault.FLAGS_AUTH, 0, "f1"),
    malformed("5.0", "MQTT-3.15.1-1", Fault.FLAGS_AUTH, 0, "f8"),
)
# fmt: on


@broken_first_byte_of_auth
def test_broken_first_byte_of_auth(broken: Broken) -> None:
    check_broken_at_once(broken)


# fmt: off
broken_auth = each_broken(
    # a length of 0 means reason code 0, which is a server's
    violation("5.0", "MQTT-3.15.2-1", Fault.AUTH_REASON, 2, "f0 00", sender="client"),
    violation("5.0", "section 3.15.2.2.2", METHOD_MISSING, 2, "f0 02 18 00"),
    violation("5.0", "section 3.15.2.2.2", METHOD_MISSING, 2, "f0 02 19 00"),
    violation("5.0", "section 3.15.2.2.2", METHOD_MISSING, 2, "f0 05 00 03 1f 0000"),
    violation("5.0", "section 3.15.2.2.2", METHOD_MISSING, 2, "f0 05 00 03 16 0000"),
    # reason code and Property Length are left out together, or not at all
    malformed("5.0", "section 2.1.4", TRUNCATED, 3, "f0 01 18"),
    malformed("5.0", "section 2.1.4", TRUNCATED, 3, "f0 01 00"),
    malformed("5.0", "section 2.2.2.1", Fault.PROPERTY_LENGTH, 3, "f0 02 18 01"),
    malformed("5.0", "section 2.1.4", TRAILING, 8, "f0 07 18 04 15 0001 4d 00"),
    malformed("5.0", "section 2.2.2.2", MISPLACED, 4, "f0 07 18 05 11 00000001"),
    violation("5.0", "section 2.2.2.2", REPEATED, 7, "f0 08 18 06 15 0000 15 0000"),
)
# fmt: on


@broken_auth
def test_broken_auth(broken: Broken) -> None:
    check_broken(broken)


# fmt: off
refused_auth = each_refused(
    refused(BEFORE_5, "section 2.2.1", "Auth", TOO_OLD, Auth()),
    refused("5.0", "section 3.15.2.2.2", "Auth.properties.authentication_method", METHOD_MISSING,
            Auth(0x18)),
    refused("5.0", "section 3.15.2.2.2", "Auth.properties.authentication_method", METHOD_MISSING,
            Auth(properties=Properties(reason_string=""))),
    refused("5.0", "MQTT-3.15.2-1", "Auth.reason_code", Fault.AUTH_REASON,
            Auth(0x87, Properties(authentication_method="M"))),
    refused("5.0", "section 2.2.2.2", "Auth.properties.topic_alias", MISPLACED,
            Auth(0x18, Properties(authentication_method="M", topic_alias=1))),
)
# fmt: on


@refused_auth
def test_refused_auth(row: Refused) -> None:
    check_refused(row)


@pytest.mark.parametrize("kind", [Disconnect, Auth])
def test_a_reason_code_becomes_a_member(kind: type[Disconnect] | type[Auth]) -> None:
    assert kind().reason_code is ReasonCode.SUCCESS
    assert kind(0x81).reason_code is ReasonCode.MALFORMED_PACKET
    with pytest.raises(InvalidValueError) as caught:
        kind(5)
    assert caught.value.statement == Statement("5.0", "section 2.4")


def test_a_reason_code_in_the_place_of_session_present_is_refused() -> None:
    untyped: Any = ReasonCode.NOT_AUTHORIZED
    with pytest.raises(TypeError):
        encode(ConnAck(untyped))


def test_the_code_of_connack_may_be_given_as_a_number() -> None:
    assert ConnAck(False, 0).reason_code is ReasonCode.SUCCESS
    assert ConnAck(False, 5).reason_code is ConnectReturnCode.NOT_AUTHORIZED
    assert ConnAck(False, 0x87).reason_code is ReasonCode.NOT_AUTHORIZED
    for wrong in (6, 0x7F, 0xFF, 999_999, -1):
        with pytest.raises(InvalidValueError, match=r"^ConnAck\.reason_code: "):
            ConnAck(False, wrong)
