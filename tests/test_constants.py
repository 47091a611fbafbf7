"""The enumerations, against tables typed from the standards."""

import copy
import pickle
from enum import Enum

import pytest

from mqttproto import constants
from mqttproto.constants import (
    MAX_PACKET_SIZE,
    MAX_REMAINING_LENGTH,
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    QoS,
    ReasonCode,
    RetainHandling,
    Sender,
)

# 5.0 table 2-6. A code with several names has them all here; the first is its own.
REASON_CODES = """
    00 Success; Normal disconnection; Granted QoS 0
    01 Granted QoS 1
    02 Granted QoS 2
    04 Disconnect with Will Message
    10 No matching subscribers
    11 No subscription existed
    18 Continue authentication
    19 Re-authenticate
    80 Unspecified error
    81 Malformed Packet
    82 Protocol Error
    83 Implementation specific error
    84 Unsupported Protocol Version
    85 Client Identifier not valid
    86 Bad User Name or Password
    87 Not authorized
    88 Server unavailable
    89 Server busy
    8A Banned
    8B Server shutting down
    8C Bad authentication method
    8D Keep Alive timeout
    8E Session taken over
    8F Topic Filter invalid
    90 Topic Name invalid
    91 Packet Identifier in use
    92 Packet Identifier not found
    93 Receive Maximum exceeded
    94 Topic Alias invalid
    95 Packet too large
    96 Message rate too high
    97 Quota exceeded
    98 Administrative action
    99 Payload format invalid
    9A Retain not supported
    9B QoS not supported
    9C Use another server
    9D Server moved
    9E Shared Subscriptions not supported
    9F Connection rate exceeded
    A0 Maximum connect time
    A1 Subscription Identifiers not supported
    A2 Wildcard Subscriptions not supported
"""

ENUMERATIONS: list[type[Enum]] = [
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    QoS,
    ReasonCode,
    RetainHandling,
    Sender,
]


def numbers(enumeration: type[Enum]) -> dict[str, object]:
    """The number of each name, aliases included."""
    return {name: member.value for name, member in enumeration.__members__.items()}


@pytest.mark.spec("5.0", "section 2.4", role="both")
def test_reason_codes() -> None:
    expected = {}
    for line in REASON_CODES.strip().splitlines():
        code, names = line.split(maxsplit=1)
        for name in names.split(";"):
            expected[name.strip().replace(" ", "_").replace("-", "_").upper()] = int(code, 16)
    assert numbers(ReasonCode) == expected


@pytest.mark.spec("5.0", "section 2.4", role="both")
def test_a_code_with_several_names_is_one_member() -> None:
    names = [name for name, member in ReasonCode.__members__.items() if member is ReasonCode(0)]
    assert names == ["SUCCESS", "NORMAL_DISCONNECTION", "GRANTED_QOS_0"]


@pytest.mark.spec("5.0", "section 2.4", role="both")
def test_reason_codes_from_0x80_are_failures() -> None:
    good = {0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19}
    assert {int(code) for code in ReasonCode if not code.is_failure} == good
    assert ReasonCode.UNSPECIFIED_ERROR.is_failure


@pytest.mark.spec("3.1.1", "section 2.2.1", role="both")
@pytest.mark.spec("5.0", "section 2.1.2", role="both")
def test_packet_types() -> None:
    names = (
        "CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE"
        " UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH"
    )
    expected = {name: number for number, name in enumerate(names.split(), start=1)}
    assert numbers(PacketType) == expected


@pytest.mark.spec("3.1.1", "section 3.2.2.3", role="both")
def test_connect_return_codes() -> None:
    assert numbers(ConnectReturnCode) == {
        "ACCEPTED": 0,
        "UNACCEPTABLE_PROTOCOL_VERSION": 1,
        "IDENTIFIER_REJECTED": 2,
        "SERVER_UNAVAILABLE": 3,
        "BAD_USER_NAME_OR_PASSWORD": 4,
        "NOT_AUTHORIZED": 5,
    }


@pytest.mark.spec("3.1.1", "section 3.1.2.2", role="both")
@pytest.mark.spec("5.0", "section 3.1.2.2", role="both")
def test_protocol_versions() -> None:
    assert numbers(ProtocolVersion) == {"MQTT31": 3, "MQTT311": 4, "MQTT5": 5}
    assert [version.label for version in ProtocolVersion] == ["3.1", "3.1.1", "5.0"]


@pytest.mark.spec("3.1.1", "section 3.3.1.2", role="both")
@pytest.mark.spec("5.0", "section 3.3.1.2", role="both")
def test_qos() -> None:
    assert numbers(QoS) == {"AT_MOST_ONCE": 0, "AT_LEAST_ONCE": 1, "EXACTLY_ONCE": 2}


@pytest.mark.spec("5.0", "section 3.8.3.1", role="both")
def test_retain_handling() -> None:
    assert numbers(RetainHandling) == {"SEND": 0, "SEND_IF_NEW": 1, "DO_NOT_SEND": 2}


def test_senders() -> None:
    assert numbers(Sender) == {"CLIENT": "client", "SERVER": "server"}


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
def test_sizes() -> None:
    assert MAX_REMAINING_LENGTH == 0x7F + (0x7F << 7) + (0x7F << 14) + (0x7F << 21)
    assert MAX_PACKET_SIZE == 1 + 4 + MAX_REMAINING_LENGTH


def test_a_member_prints_as_the_standards_do() -> None:
    assert format(ReasonCode.MALFORMED_PACKET, "#04x") == "0x81"


@pytest.mark.parametrize("enumeration", ENUMERATIONS)
def test_members_stay_themselves(enumeration: type[Enum]) -> None:
    for member in enumeration:
        assert copy.copy(member) is member
        assert copy.deepcopy(member) is member
        assert pickle.loads(pickle.dumps(member)) is member


def test_everything_is_exported() -> None:
    sizes = ["MAX_PACKET_SIZE", "MAX_REMAINING_LENGTH"]
    assert set(constants.__all__) == {*sizes, *(each.__name__ for each in ENUMERATIONS)}
