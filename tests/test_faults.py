"""The table of faults, against one typed from the standards, and the errors made from it."""

import pickle
import re
from pathlib import Path

import pytest

from mqttproto.codec.faults import FAULTS, Fault, packet_error, refusal, statement
from mqttproto.constants import ConnectReturnCode, PacketType, ProtocolVersion, ReasonCode, Sender
from mqttproto.errors import (
    InvalidTopicError,
    InvalidValueError,
    MalformedPacketError,
    PacketTooLargeError,
    ProtocolViolationError,
    Statement,
)

# The fault; what 5.0 calls it, M for a Malformed Packet and P for a Protocol Error; the reason code
# for it; where 3.1.1, and where 5.0 says so, of a client and, if that differs, of a server. Ids
# stand without their MQTT-, sections with a §, and - where that version has no such rule.
RULES = """
    PACKET_TYPE                         M 81 §2.2.1    §2.1.2
    FLAGS                               M 81 2.2.2-1   2.1.3-1
    FLAGS_PUBREL                        M 81 3.6.1-1   3.6.1-1
    FLAGS_SUBSCRIBE                     M 81 3.8.1-1   3.8.1-1
    FLAGS_UNSUBSCRIBE                   M 81 3.10.1-1  3.10.1-1
    FLAGS_DISCONNECT                    M 81 3.14.1-1  3.14.1-1
    FLAGS_AUTH                          M 81 -         3.15.1-1
    QOS                                 M 81 3.3.1-4   3.3.1-4
    DUP_AT_QOS_0                        M 81 3.3.1-2   3.3.1-2
    SENDER                              P 82 §2.2.1    §2.1.2
    FIRST_NOT_CONNECT                   P 82 3.1.0-1   3.1.0-1
    LENGTH_OVER_FOUR_BYTES              M 81 §2.2.3    §1.5.5
    LENGTH_NOT_MINIMAL                  M 81 -         1.5.5-1
    LENGTH_WRONG                        M 81 §2.2.3    §2.1.4
    PACKET_TOO_LARGE                    P 95 §2.2.3    3.2.2-15     3.1.2-24
    TRUNCATED                           M 81 §2.2.3    §2.1.4
    TRAILING_BYTES                      M 81 §2.2.3    §2.1.4
    UTF8                                M 81 1.5.3-1   1.5.4-1
    NULL_CHARACTER                      M 81 1.5.3-2   1.5.4-2
    PACKET_ID                           P 82 2.3.1-1   2.2.1-3      2.2.1-4
    PROPERTY_LENGTH                     M 81 -         §2.2.2.1
    PROPERTY_UNKNOWN                    M 81 -         §2.2.2.2
    PROPERTY_MISPLACED                  M 81 -         §2.2.2.2
    PROPERTY_REPEATED                   P 82 -         §2.2.2.2
    PROPERTY_NOT_0_OR_1                 P 82 -         §2.2.2.2
    SUBSCRIPTION_IDENTIFIER_ZERO        P 82 -         §3.8.2.1.2  §3.3.2.3.8
    SUBSCRIPTION_IDENTIFIER_FROM_CLIENT P 82 -         3.3.4-6
    SESSION_EXPIRY_FROM_SERVER          P 82 -         3.14.2-2
    SERVER_REFERENCE_FROM_CLIENT        P 82 -         §3.14.2.2.5
    RECEIVE_MAXIMUM_ZERO                P 82 -         §3.1.2.11.3  §3.2.2.3.3
    MAXIMUM_PACKET_SIZE_ZERO            P 82 -         §3.1.2.11.4  §3.2.2.3.6
    TOPIC_ALIAS_ZERO                    P 94 -         3.3.2-8
    RESPONSE_TOPIC_WILDCARD             M 81 -         3.3.2-14
    AUTHENTICATION_DATA_ALONE           P 82 -         §3.1.2.11.10
    AUTHENTICATION_METHOD_MISSING       P 82 -         §3.15.2.2.2
    TOPIC_WILDCARD                      M 81 3.3.2-2   3.3.2-2
    TOPIC_MISSING                       P 82 4.7.3-1   §3.3.2.1
    NAME_WILDCARD                       M 81 4.7.1-1   4.7.0-1
    NAME_EMPTY                          M 81 4.7.3-1   4.7.3-1
    FILTER_HASH                         M 81 4.7.1-2   4.7.1-1
    FILTER_PLUS                         M 81 4.7.1-3   4.7.1-2
    SHARE_NAME_EMPTY                    M 81 -         4.8.2-1
    SHARE_NAME                          M 81 -         4.8.2-2
    NO_LOCAL_SHARED                     P 82 -         3.8.3-4
    PROTOCOL_NAME                       P 84 3.1.2-1   3.1.2-1
    PROTOCOL_LEVEL                      P 84 3.1.2-2   3.1.2-2
    CONNECT_FLAG                        M 81 3.1.2-3   3.1.2-3
    WILL_QOS                            M 81 3.1.2-14  3.1.2-12
    WILL_QOS_ALONE                      M 81 3.1.2-13  3.1.2-11
    WILL_RETAIN_ALONE                   M 81 3.1.2-15  3.1.2-13
    PASSWORD_ALONE                      M 81 3.1.2-22  -
    CONNACK_FLAGS                       M 81 §3.2.2.1  3.2.2-1
    SESSION_PRESENT                     P 82 3.2.2-4   3.2.2-6
    SUBSCRIBE_EMPTY                     P 82 3.8.3-3   3.8.3-2
    UNSUBSCRIBE_EMPTY                   P 82 3.10.3-2  3.10.3-2
    SUBACK_EMPTY                        P 82 3.8.4-5   3.8.4-6
    UNSUBACK_EMPTY                      P 82 -         3.11.3-2
    SUBSCRIPTION_OPTIONS                M 81 3.8.3-4   3.8.3-5
    SUBSCRIPTION_QOS                    P 82 3.8.3-4   §3.8.3.1
    RETAIN_HANDLING                     P 82 -         §3.8.3.1
    CONNACK_REASON                      P 82 §3.2.2.3  3.2.2-8
    PUBACK_REASON                       P 82 -         3.4.2-1
    PUBREC_REASON                       P 82 -         3.5.2-1
    PUBREL_REASON                       P 82 -         3.6.2-1
    PUBCOMP_REASON                      P 82 -         3.7.2-1
    SUBACK_REASON                       P 82 3.9.3-2   3.9.3-2
    UNSUBACK_REASON                     P 82 -         3.11.3-2
    DISCONNECT_REASON                   P 82 -         3.14.2-1
    AUTH_REASON                         P 82 -         3.15.2-1
    STRING_TOO_LONG                     M 81 §1.5.3    §1.5.4
    BINARY_TOO_LONG                     M 81 §3.1.3    §1.5.6
    NOT_IN_THIS_VERSION                 P 82 §2.2.1    §2.1.2
    CLIENT_ID_EMPTY                     P 82 3.1.3-7   -
    CLIENT_ID_LENGTH                    P 82 §3.1      -
    PACKET_ID_AT_QOS_0                  P 82 2.3.1-5   2.2.1-2
    REMAINING_LENGTH                    P 82 §2.2.3    §1.5.5
    OUT_OF_RANGE                        P 82 §1.5      §1.5
    SECOND_CONNECT                      P 82 3.1.0-2   3.1.0-2
    NOT_BEFORE_CONNACK                  P 82 3.2.0-1   3.2.0-1
    ONLY_AUTH_BEFORE_CONNACK            P 82 -         3.1.2-30
    SECOND_CONNACK                      P 82 §3.2      3.2.0-2
    SESSION_PRESENT_CLEAN               P 82 3.2.2-1   3.2.2-2
    SESSION_PRESENT_UNKNOWN             P 82 3.2.2-2   3.2.2-4
    ASSIGNED_CLIENT_ID_MISSING          P 82 -         3.2.2-16
    RECEIVE_MAXIMUM_EXCEEDED            P 93 -         3.3.4-7      3.3.4-9
    TOPIC_ALIAS_OVER_MAXIMUM            P 94 -         3.3.2-9      3.3.2-11
    TOPIC_ALIAS_NOT_SET                 P 82 -         §3.3.2.3.4
    WRONG_ACKNOWLEDGEMENT               P 82 2.3.1-6   2.2.1-5
    RELEASED_TOO_SOON                   P 82 4.3.3-1   4.3.3-4
    PACKET_ID_IN_USE                    P 82 2.3.1-2   2.2.1-3      2.2.1-4
    ANSWER_TO_NOTHING                   P 82 2.3.1-7   2.2.1-6
    SUBACK_COUNT                        P 82 3.8.4-5   3.8.4-6
    UNSUBACK_COUNT                      P 82 -         3.11.3-2
    AUTH_WITHOUT_METHOD                 P 82 -         4.12.0-7     4.12.0-6
    AUTH_OTHER_METHOD                   P 82 -         4.12.0-5
    AUTH_OUT_OF_TURN                    P 82 -         §4.12
    QOS_NOT_SUPPORTED                   P 9B -         3.2.2-11
    WILL_QOS_NOT_SUPPORTED              P 9B -         3.2.2-12
    RETAIN_NOT_SUPPORTED                P 9A -         3.2.2-14
    WILL_RETAIN_NOT_SUPPORTED           P 9A -         3.2.2-13
    WILDCARDS_NOT_SUPPORTED             P A2 -         §3.2.2.3.11
    SHARING_NOT_SUPPORTED               P 9E -         §3.2.2.3.13
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED P A1 -      §3.2.2.3.12
    SESSION_EXPIRY_RAISED               P 82 -         §3.14.2.2.2
    PROBLEM_INFORMATION                 P 82 -         3.1.2-29
    KEEP_ALIVE                          P 8D 3.1.2-24  3.1.2-22
    PING_UNANSWERED                     P 8D 3.12.4-1  3.12.4-1
    CONNECT_TIMEOUT                     P A0 §3.1.4    §3.1.4
    CONNACK_TIMEOUT                     P A0 3.1.4-4   3.1.4-5
    EARLY_DATA                          P 97 §3.1.4    §3.1.4
"""

CLASSES = {"M": MalformedPacketError, "P": ProtocolViolationError}


def cited(version: str, id: str) -> Statement | None:
    if id == "-":
        return None
    return Statement(version, f"section {id[1:]}" if id.startswith("§") else f"MQTT-{id}")


ROWS = [line.split() for line in RULES.strip().splitlines()]
every_rule = pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])


def test_the_table_is_complete() -> None:
    assert [row[0] for row in ROWS] == sorted(
        (fault.name for fault in FAULTS), key=lambda name: Fault[name]
    )
    assert set(FAULTS) == set(Fault) - {Fault.NONE}


def test_the_numbers_are_those_of_a_c_enumeration() -> None:
    assert [int(fault) for fault in Fault] == list(range(len(Fault)))
    assert max(Fault) < 256, "the tables of first bytes hold a fault in a byte"


@every_rule
def test_kind_and_reason_code(row: list[str]) -> None:
    name, kind, code, *_ = row
    error = packet_error(Fault[name], 12, 5)
    assert type(error) is CLASSES[kind]
    assert error.reason_code is ReasonCode(int(code, 16))
    assert error.offset == 12
    assert error.fault == Fault[name]
    assert error.rule == FAULTS[Fault[name]].rule


@every_rule
def test_citations(row: list[str]) -> None:
    name, _, _, id311, id5, *server = row
    fault = Fault[name]
    only_31 = fault is Fault.CLIENT_ID_LENGTH
    old, new = cited("3.1" if only_31 else "3.1.1", id311), cited("5.0", id5)
    by_server = cited("5.0", server[0]) if server else new
    for version, expected in ((3, old or new), (4, old or new), (5, new or old), (0, new or old)):
        assert statement(fault, version) == expected
        assert statement(fault, version, Sender.CLIENT) == expected
        assert packet_error(fault, 0, version, Sender.CLIENT).statement == expected
    for version, expected in ((4, old or by_server), (5, by_server or old)):
        assert statement(fault, version, Sender.SERVER) == expected
        assert packet_error(fault, 0, version, Sender.SERVER).statement == expected


def test_every_id_is_that_of_a_statement() -> None:
    table = Path(__file__).parent.parent / "docs" / "statements.tsv"
    lines = table.read_text(encoding="utf-8").splitlines()[1:]
    numbered = {Statement(*line.split("\t")[:2]) for line in lines}
    for row in ROWS:
        for version, ids in (("3.1.1", row[3:4]), ("5.0", row[4:])):
            for id in ids:
                found = cited(version, id)
                assert found is None or found in numbered or found.id.startswith("section"), row


def test_a_rule_is_worded_once_and_says_what_must_be() -> None:
    rules = [row.rule for row in FAULTS.values()]
    assert len(set(rules)) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"[^\n]*[^\s.]", rule), rule


@pytest.mark.spec("3.1.1", "MQTT-3.1.2-2", role="server")
def test_the_return_codes_before_5() -> None:
    codes = {fault: row.return_code for fault, row in FAULTS.items() if row.return_code is not None}
    assert codes == {
        Fault.PROTOCOL_LEVEL: ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION,
        Fault.CLIENT_ID_EMPTY: ConnectReturnCode.IDENTIFIER_REJECTED,
        Fault.CLIENT_ID_LENGTH: ConnectReturnCode.IDENTIFIER_REJECTED,
    }


def test_a_fault_may_come_as_its_number() -> None:
    assert packet_error(18, 0, 5).fault == Fault.UTF8
    with pytest.raises(ValueError, match="111"):
        packet_error(111, 0, 5)


def test_an_error_in_words() -> None:
    error = packet_error(Fault.PACKET_TOO_LARGE, 1000, 5, Sender.SERVER)
    assert str(error) == (
        "the packet is larger than the Maximum Packet Size of its receiver"
        " (at byte 1000; MQTT 5.0 [MQTT-3.1.2-24]; reason code 0x95)"
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_refusal_in_words() -> None:
    error = refusal("Publish.packet_id", Fault.PACKET_ID, 4, "65536")
    assert type(error) is InvalidValueError
    assert error.field == "Publish.packet_id"
    assert error.statement == Statement("3.1.1", "MQTT-2.3.1-1")
    assert str(error) == (
        "Publish.packet_id: a packet identifier must be 1 to 65,535; got 65536"
        " (MQTT 3.1.1 [MQTT-2.3.1-1])"
    )


def test_a_refusal_without_a_detail_is_about_5_by_default() -> None:
    error = refusal("Publish.dup", Fault.DUP_AT_QOS_0)
    assert error.rule == "DUP must be 0 at QoS 0"
    assert error.statement == Statement("5.0", "MQTT-3.3.1-2")
    assert refusal("x", Fault.UTF8, ProtocolVersion.MQTT31).statement == Statement(
        "3.1.1", "MQTT-1.5.3-1"
    )


@pytest.mark.parametrize("error", [InvalidTopicError, PacketTooLargeError])
def test_a_refusal_may_be_of_a_narrower_class(error: type[InvalidValueError]) -> None:
    assert type(refusal("Connect.properties", Fault.REMAINING_LENGTH, error=error)) is error


@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="both")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-7", role="server")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="both")
@pytest.mark.spec("5.0", "MQTT-2.2.1-6", role="server")
@pytest.mark.parametrize(
    ("packet", "id311", "id5"),
    [
        (PacketType.PUBLISH, "MQTT-2.3.1-1", "MQTT-2.2.1-3"),
        (PacketType.SUBSCRIBE, "MQTT-2.3.1-1", "MQTT-2.2.1-3"),
        (PacketType.PUBACK, "MQTT-2.3.1-6", "MQTT-2.2.1-5"),
        (PacketType.PUBCOMP, "MQTT-2.3.1-6", "MQTT-2.2.1-5"),
        (PacketType.SUBACK, "MQTT-2.3.1-7", "MQTT-2.2.1-6"),
        (PacketType.UNSUBACK, "MQTT-2.3.1-7", "MQTT-2.2.1-6"),
    ],
)
def test_an_answer_has_its_own_rule_for_its_packet_identifier(
    packet: PacketType, id311: str, id5: str
) -> None:
    assert statement(Fault.PACKET_ID, 4, None, packet) == Statement("3.1.1", id311)
    assert statement(Fault.PACKET_ID, 5, None, packet) == Statement("5.0", id5)


def test_a_packet_that_only_a_server_sends_tells_the_sender() -> None:
    fault = Fault.RECEIVE_MAXIMUM_ZERO
    assert statement(fault, 5, None, PacketType.CONNECT).id == "section 3.1.2.11.3"
    assert statement(fault, 5, None, PacketType.CONNACK).id == "section 3.2.2.3.3"
