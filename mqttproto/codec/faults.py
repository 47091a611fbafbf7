"""Everything that can be wrong with a packet: ONE table.

Decoders name a row by its number (the C scanner knows no more than that), encoders refuse by the
same rows, and :func:`packet_error` and :func:`refusal` turn a row into the exception that a user
sees. So a rule is worded once, and cites one statement per version.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from mqttproto.constants import ConnectReturnCode, PacketType, ProtocolVersion, ReasonCode, Sender
from mqttproto.errors import (
    InvalidTopicError,
    InvalidValueError,
    MalformedPacketError,
    PacketError,
    ProtocolViolationError,
    Statement,
)

__all__ = ["FAULTS", "Fault", "FaultRow", "packet_error", "refusal", "statement"]


class Fault(IntEnum):
    """The faults by number; 0 means that there is none. Numbers may change between releases."""

    NONE = 0
    # fixed header
    PACKET_TYPE = 1
    FLAGS = 2
    FLAGS_PUBREL = 3
    FLAGS_SUBSCRIBE = 4
    FLAGS_UNSUBSCRIBE = 5
    FLAGS_DISCONNECT = 6
    FLAGS_AUTH = 7
    QOS = 8
    DUP_AT_QOS_0 = 9
    SENDER = 10
    FIRST_NOT_CONNECT = 11
    LENGTH_OVER_FOUR_BYTES = 12
    LENGTH_NOT_MINIMAL = 13
    LENGTH_WRONG = 14
    PACKET_TOO_LARGE = 15
    # fields
    TRUNCATED = 16
    TRAILING_BYTES = 17
    UTF8 = 18
    NULL_CHARACTER = 19
    PACKET_ID = 20
    # properties
    PROPERTY_LENGTH = 21
    PROPERTY_UNKNOWN = 22
    PROPERTY_MISPLACED = 23
    PROPERTY_REPEATED = 24
    PROPERTY_NOT_0_OR_1 = 25
    SUBSCRIPTION_IDENTIFIER_ZERO = 26
    SUBSCRIPTION_IDENTIFIER_FROM_CLIENT = 27
    SESSION_EXPIRY_FROM_SERVER = 28
    SERVER_REFERENCE_FROM_CLIENT = 29
    RECEIVE_MAXIMUM_ZERO = 30
    MAXIMUM_PACKET_SIZE_ZERO = 31
    TOPIC_ALIAS_ZERO = 32
    RESPONSE_TOPIC_WILDCARD = 33
    AUTHENTICATION_DATA_ALONE = 34
    AUTHENTICATION_METHOD_MISSING = 35
    # topic names and filters
    TOPIC_WILDCARD = 36
    TOPIC_MISSING = 37
    NAME_WILDCARD = 38
    NAME_EMPTY = 39
    FILTER_HASH = 40
    FILTER_PLUS = 41
    SHARE_NAME_EMPTY = 42
    SHARE_NAME = 43
    NO_LOCAL_SHARED = 44
    # CONNECT and CONNACK
    PROTOCOL_NAME = 45
    PROTOCOL_LEVEL = 46
    CONNECT_FLAG = 47
    WILL_QOS = 48
    WILL_QOS_ALONE = 49
    WILL_RETAIN_ALONE = 50
    PASSWORD_ALONE = 51
    CONNACK_FLAGS = 52
    SESSION_PRESENT = 53
    # payloads of the subscribe family
    SUBSCRIBE_EMPTY = 54
    UNSUBSCRIBE_EMPTY = 55
    SUBACK_EMPTY = 56
    UNSUBACK_EMPTY = 57
    SUBSCRIPTION_OPTIONS = 58
    SUBSCRIPTION_QOS = 59
    RETAIN_HANDLING = 60
    # reason codes, one row for each statement
    CONNACK_REASON = 61
    PUBACK_REASON = 62
    PUBREC_REASON = 63
    PUBREL_REASON = 64
    PUBCOMP_REASON = 65
    SUBACK_REASON = 66
    UNSUBACK_REASON = 67
    DISCONNECT_REASON = 68
    AUTH_REASON = 69
    # refused by encoders only: no bytes can say these, or a server has an answer for them
    STRING_TOO_LONG = 70
    BINARY_TOO_LONG = 71
    NOT_IN_THIS_VERSION = 72
    CLIENT_ID_EMPTY = 73
    CLIENT_ID_LENGTH = 74
    PACKET_ID_AT_QOS_0 = 75
    REMAINING_LENGTH = 76
    OUT_OF_RANGE = 77
    # what only the state of a connection can tell
    SECOND_CONNECT = 78
    NOT_BEFORE_CONNACK = 79
    ONLY_AUTH_BEFORE_CONNACK = 80
    SECOND_CONNACK = 81
    SESSION_PRESENT_CLEAN = 82
    SESSION_PRESENT_UNKNOWN = 83
    ASSIGNED_CLIENT_ID_MISSING = 84
    RECEIVE_MAXIMUM_EXCEEDED = 85
    TOPIC_ALIAS_OVER_MAXIMUM = 86
    TOPIC_ALIAS_NOT_SET = 87
    WRONG_ACKNOWLEDGEMENT = 88
    RELEASED_TOO_SOON = 89
    PACKET_ID_IN_USE = 90
    ANSWER_TO_NOTHING = 91
    SUBACK_COUNT = 92
    UNSUBACK_COUNT = 93
    AUTH_WITHOUT_METHOD = 94
    AUTH_OTHER_METHOD = 95
    AUTH_OUT_OF_TURN = 96
    QOS_NOT_SUPPORTED = 97
    WILL_QOS_NOT_SUPPORTED = 98
    RETAIN_NOT_SUPPORTED = 99
    WILL_RETAIN_NOT_SUPPORTED = 100
    WILDCARDS_NOT_SUPPORTED = 101
    SHARING_NOT_SUPPORTED = 102
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 103
    SESSION_EXPIRY_RAISED = 104
    PROBLEM_INFORMATION = 105
    KEEP_ALIVE = 106
    PING_UNANSWERED = 107
    CONNECT_TIMEOUT = 108
    CONNACK_TIMEOUT = 109
    EARLY_DATA = 110


class FaultRow(NamedTuple):
    """A fault: what kind, what to answer, which rule.

    :ivar error: the exception class that a decoder holds.
    :ivar reason_code: for DISCONNECT, or for CONNACK while connecting, in 5.0.
    :ivar return_code: for CONNACK while connecting in 3.1 and 3.1.1; None closes without one.
    :ivar rule: what must be, in words, and what to do where that is not plain.
    :ivar id311: the statement of 3.1.1 (and 3.1); empty where the fault cannot occur.
    :ivar id5: the statement of 5.0; empty where the fault cannot occur.
    :ivar id5_server: the statement of 5.0 if it is another one when the server is the sender.
    """

    error: type[PacketError]
    reason_code: ReasonCode
    return_code: ConnectReturnCode | None
    rule: str
    id311: str
    id5: str
    id5_server: str


def _malformed(rule: str, id311: str, id5: str, id5_server: str = "") -> FaultRow:
    return FaultRow(
        MalformedPacketError, ReasonCode.MALFORMED_PACKET, None, rule, id311, id5, id5_server
    )


def _violation(
    rule: str,
    id311: str,
    id5: str,
    id5_server: str = "",
    reason_code: ReasonCode = ReasonCode.PROTOCOL_ERROR,
    return_code: ConnectReturnCode | None = None,
) -> FaultRow:
    return FaultRow(ProtocolViolationError, reason_code, return_code, rule, id311, id5, id5_server)


# fmt: off
FAULTS: Final[dict[Fault, FaultRow]] = {
    Fault.PACKET_TYPE: _malformed(
        "this packet type is reserved in this version", "section 2.2.1", "section 2.1.2"),
    Fault.FLAGS: _malformed(
        "the flags of this packet's fixed header must be 0", "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    Fault.FLAGS_PUBREL: _malformed(
        "the flags of PUBREL must be 0010", "MQTT-3.6.1-1", "MQTT-3.6.1-1"),
    Fault.FLAGS_SUBSCRIBE: _malformed(
        "the flags of SUBSCRIBE must be 0010", "MQTT-3.8.1-1", "MQTT-3.8.1-1"),
    Fault.FLAGS_UNSUBSCRIBE: _malformed(
        "the flags of UNSUBSCRIBE must be 0010", "MQTT-3.10.1-1", "MQTT-3.10.1-1"),
    Fault.FLAGS_DISCONNECT: _malformed(
        "the flags of DISCONNECT must be 0", "MQTT-3.14.1-1", "MQTT-3.14.1-1"),
    Fault.FLAGS_AUTH: _malformed(
        "the flags of AUTH must be 0", "", "MQTT-3.15.1-1"),
    Fault.QOS: _malformed(
        "the QoS of a PUBLISH must be 0, 1 or 2", "MQTT-3.3.1-4", "MQTT-3.3.1-4"),
    Fault.DUP_AT_QOS_0: _malformed(
        "DUP must be 0 at QoS 0", "MQTT-3.3.1-2", "MQTT-3.3.1-2"),
    Fault.SENDER: _violation(
        "this end of a connection must not send this packet", "section 2.2.1", "section 2.1.2"),
    Fault.FIRST_NOT_CONNECT: _violation(
        "the first packet from a client must be CONNECT", "MQTT-3.1.0-1", "MQTT-3.1.0-1"),
    Fault.LENGTH_OVER_FOUR_BYTES: _malformed(
        "a variable byte integer has at most four bytes", "section 2.2.3", "section 1.5.5"),
    Fault.LENGTH_NOT_MINIMAL: _malformed(
        "a variable byte integer must have as few bytes as its value allows",
        "", "MQTT-1.5.5-1"),
    Fault.LENGTH_WRONG: _malformed(
        "this packet cannot have this Remaining Length", "section 2.2.3", "section 2.1.4"),
    Fault.PACKET_TOO_LARGE: _violation(
        "the packet is larger than the Maximum Packet Size of its receiver",
        "section 2.2.3", "MQTT-3.2.2-15", "MQTT-3.1.2-24", ReasonCode.PACKET_TOO_LARGE),
    Fault.TRUNCATED: _malformed(
        "the packet ends before this field does", "section 2.2.3", "section 2.1.4"),
    Fault.TRAILING_BYTES: _malformed(
        "the packet goes on behind its last field", "section 2.2.3", "section 2.1.4"),
    Fault.UTF8: _malformed(
        "a string must be well-formed UTF-8 without surrogates", "MQTT-1.5.3-1", "MQTT-1.5.4-1"),
    Fault.NULL_CHARACTER: _malformed(
        "a string must not contain U+0000", "MQTT-1.5.3-2", "MQTT-1.5.4-2"),
    Fault.PACKET_ID: _violation(
        "a packet identifier must be 1 to 65,535", "MQTT-2.3.1-1", "MQTT-2.2.1-3",
        "MQTT-2.2.1-4"),
    Fault.PROPERTY_LENGTH: _malformed(
        "the Property Length goes beyond the packet", "", "section 2.2.2.1"),
    Fault.PROPERTY_UNKNOWN: _malformed(
        "there is no property with this identifier", "", "section 2.2.2.2"),
    Fault.PROPERTY_MISPLACED: _malformed(
        "this packet must not have this property", "", "section 2.2.2.2"),
    Fault.PROPERTY_REPEATED: _violation(
        "this property must not stand twice in this packet", "", "section 2.2.2.2"),
    Fault.PROPERTY_NOT_0_OR_1: _violation(
        "the value of this property must be 0 or 1", "", "section 2.2.2.2"),
    Fault.SUBSCRIPTION_IDENTIFIER_ZERO: _violation(
        "a Subscription Identifier must be 1 to 268,435,455", "", "section 3.8.2.1.2",
        "section 3.3.2.3.8"),
    Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT: _violation(
        "a client's PUBLISH must not have a Subscription Identifier", "", "MQTT-3.3.4-6"),
    Fault.SESSION_EXPIRY_FROM_SERVER: _violation(
        "a server's DISCONNECT must not have a Session Expiry Interval", "", "MQTT-3.14.2-2"),
    Fault.SERVER_REFERENCE_FROM_CLIENT: _violation(
        "a client's DISCONNECT must not have a Server Reference", "", "section 3.14.2.2.5"),
    Fault.RECEIVE_MAXIMUM_ZERO: _violation(
        "Receive Maximum must be 1 to 65,535", "", "section 3.1.2.11.3", "section 3.2.2.3.3"),
    Fault.MAXIMUM_PACKET_SIZE_ZERO: _violation(
        "Maximum Packet Size must be at least 1", "", "section 3.1.2.11.4", "section 3.2.2.3.6"),
    Fault.TOPIC_ALIAS_ZERO: _violation(
        "a Topic Alias must be 1 to 65,535", "", "MQTT-3.3.2-8", "",
        ReasonCode.TOPIC_ALIAS_INVALID),
    Fault.RESPONSE_TOPIC_WILDCARD: _malformed(
        "a Response Topic must not contain + or #", "", "MQTT-3.3.2-14"),
    Fault.AUTHENTICATION_DATA_ALONE: _violation(
        "the Authentication Data of a CONNECT needs an Authentication Method",
        "", "section 3.1.2.11.10"),
    Fault.AUTHENTICATION_METHOD_MISSING: _violation(
        "an AUTH with a reason code or properties needs an Authentication Method",
        "", "section 3.15.2.2.2"),
    Fault.TOPIC_WILDCARD: _malformed(
        "the Topic Name of a PUBLISH must not contain + or #", "MQTT-3.3.2-2", "MQTT-3.3.2-2"),
    Fault.TOPIC_MISSING: _violation(
        "the Topic Name of a PUBLISH must not be empty (in 5.0: unless it has a Topic Alias)",
        "MQTT-4.7.3-1", "section 3.3.2.1"),
    Fault.NAME_WILDCARD: _malformed(
        "a topic name must not contain + or #", "MQTT-4.7.1-1", "MQTT-4.7.0-1"),
    Fault.NAME_EMPTY: _malformed(
        "a topic name or filter must have at least one character", "MQTT-4.7.3-1", "MQTT-4.7.3-1"),
    Fault.FILTER_HASH: _malformed(
        "# must be the last level of a topic filter, alone in it", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
    Fault.FILTER_PLUS: _malformed(
        "+ must be alone in its level of a topic filter", "MQTT-4.7.1-3", "MQTT-4.7.1-2"),
    Fault.SHARE_NAME_EMPTY: _malformed(
        "a ShareName must have at least one character", "", "MQTT-4.8.2-1"),
    Fault.SHARE_NAME: _malformed(
        "a ShareName must not contain + or #, and a / and a topic filter must follow it",
        "", "MQTT-4.8.2-2"),
    Fault.NO_LOCAL_SHARED: _violation(
        "a shared subscription must not ask for No Local", "", "MQTT-3.8.3-4"),
    Fault.PROTOCOL_NAME: _violation(
        "the protocol name must be MQTT (MQIsdp in 3.1)", "MQTT-3.1.2-1", "MQTT-3.1.2-1", "",
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    Fault.PROTOCOL_LEVEL: _violation(
        "the protocol version must be 3 with the name MQIsdp, or 4 or 5 with the name MQTT, and"
        " the one that was expected", "MQTT-3.1.2-2", "MQTT-3.1.2-2", "",
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION),
    Fault.CONNECT_FLAG: _malformed(
        "bit 0 of the Connect Flags must be 0", "MQTT-3.1.2-3", "MQTT-3.1.2-3"),
    Fault.WILL_QOS: _malformed(
        "the Will QoS must be 0, 1 or 2", "MQTT-3.1.2-14", "MQTT-3.1.2-12"),
    Fault.WILL_QOS_ALONE: _malformed(
        "without a will the Will QoS must be 0", "MQTT-3.1.2-13", "MQTT-3.1.2-11"),
    Fault.WILL_RETAIN_ALONE: _malformed(
        "without a will the Will Retain must be 0", "MQTT-3.1.2-15", "MQTT-3.1.2-13"),
    Fault.PASSWORD_ALONE: _malformed(
        "a password needs a user name before 5.0", "MQTT-3.1.2-22", ""),
    Fault.CONNACK_FLAGS: _malformed(
        "the Connect Acknowledge Flags must be 0 but for Session Present",
        "section 3.2.2.1", "MQTT-3.2.2-1"),
    Fault.SESSION_PRESENT: _violation(
        "Session Present must be 0 when the connection is refused", "MQTT-3.2.2-4",
        "MQTT-3.2.2-6"),
    Fault.SUBSCRIBE_EMPTY: _violation(
        "a SUBSCRIBE must have at least one topic filter", "MQTT-3.8.3-3", "MQTT-3.8.3-2"),
    Fault.UNSUBSCRIBE_EMPTY: _violation(
        "an UNSUBSCRIBE must have at least one topic filter", "MQTT-3.10.3-2", "MQTT-3.10.3-2"),
    Fault.SUBACK_EMPTY: _violation(
        "a SUBACK must have a reason code for each topic filter", "MQTT-3.8.4-5",
        "MQTT-3.8.4-6"),
    Fault.UNSUBACK_EMPTY: _violation(
        "an UNSUBACK must have a reason code for each topic filter", "", "MQTT-3.11.3-2"),
    Fault.SUBSCRIPTION_OPTIONS: _malformed(
        "the reserved bits of the subscription options must be 0, and before 5.0 the QoS 0, 1 or 2",
        "MQTT-3.8.3-4",
        "MQTT-3.8.3-5"),
    Fault.SUBSCRIPTION_QOS: _violation(
        "the QoS of a subscription must be 0, 1 or 2", "MQTT-3.8.3-4", "section 3.8.3.1"),
    Fault.RETAIN_HANDLING: _violation(
        "Retain Handling must be 0, 1 or 2", "", "section 3.8.3.1"),
    Fault.CONNACK_REASON: _violation(
        "CONNACK must not have this code: 5.0 has a ReasonCode here, older versions a"
        " ConnectReturnCode", "section 3.2.2.3", "MQTT-3.2.2-8"),
    Fault.PUBACK_REASON: _violation(
        "PUBACK must not have this reason code", "", "MQTT-3.4.2-1"),
    Fault.PUBREC_REASON: _violation(
        "PUBREC must not have this reason code", "", "MQTT-3.5.2-1"),
    Fault.PUBREL_REASON: _violation(
        "PUBREL must not have this reason code", "", "MQTT-3.6.2-1"),
    Fault.PUBCOMP_REASON: _violation(
        "PUBCOMP must not have this reason code", "", "MQTT-3.7.2-1"),
    Fault.SUBACK_REASON: _violation(
        "SUBACK must not have this code", "MQTT-3.9.3-2", "MQTT-3.9.3-2"),
    Fault.UNSUBACK_REASON: _violation(
        "UNSUBACK must not have this reason code", "", "MQTT-3.11.3-2"),
    Fault.DISCONNECT_REASON: _violation(
        "this end must not send a DISCONNECT with this reason code", "", "MQTT-3.14.2-1"),
    Fault.AUTH_REASON: _violation(
        "this end must not send an AUTH with this reason code", "", "MQTT-3.15.2-1"),
    Fault.STRING_TOO_LONG: _malformed(
        "a string must not exceed 65,535 bytes of UTF-8", "section 1.5.3", "section 1.5.4"),
    Fault.BINARY_TOO_LONG: _malformed(
        "binary data must not exceed 65,535 bytes", "section 3.1.3", "section 1.5.6"),
    Fault.NOT_IN_THIS_VERSION: _violation(
        "this does not exist in this version of MQTT: leave it out",
        "section 2.2.1", "section 2.1.2"),
    Fault.CLIENT_ID_EMPTY: _violation(
        "an empty client identifier needs Clean Session 1 in 3.1.1", "MQTT-3.1.3-7", "", "",
        return_code=ConnectReturnCode.IDENTIFIER_REJECTED),
    Fault.CLIENT_ID_LENGTH: _violation(
        "a client identifier of 3.1 has 1 to 23 characters", "section 3.1", "", "",
        return_code=ConnectReturnCode.IDENTIFIER_REJECTED),
    Fault.PACKET_ID_AT_QOS_0: _violation(
        "a PUBLISH at QoS 0 must not have a packet identifier", "MQTT-2.3.1-5", "MQTT-2.2.1-2"),
    Fault.REMAINING_LENGTH: _violation(
        "the Remaining Length must not exceed 268,435,455 bytes", "section 2.2.3",
        "section 1.5.5"),
    Fault.OUT_OF_RANGE: _violation(
        "the number does not fit into its field", "section 1.5", "section 1.5"),
    Fault.SECOND_CONNECT: _violation(
        "a client must send CONNECT only once", "MQTT-3.1.0-2", "MQTT-3.1.0-2"),
    Fault.NOT_BEFORE_CONNACK: _violation(
        "a server must send CONNACK first (in 5.0: or AUTH)", "MQTT-3.2.0-1", "MQTT-3.2.0-1"),
    Fault.ONLY_AUTH_BEFORE_CONNACK: _violation(
        "a client that named an Authentication Method must send nothing but AUTH and DISCONNECT"
        " before it has the CONNACK", "", "MQTT-3.1.2-30"),
    Fault.SECOND_CONNACK: _violation(
        "a server must send CONNACK only once", "section 3.2", "MQTT-3.2.0-2"),
    Fault.SESSION_PRESENT_CLEAN: _violation(
        "Session Present must be 0 where the client asked for a new session", "MQTT-3.2.2-1",
        "MQTT-3.2.2-2"),
    Fault.SESSION_PRESENT_UNKNOWN: _violation(
        "the server resumes a session that this client does not have", "MQTT-3.2.2-2",
        "MQTT-3.2.2-4"),
    Fault.ASSIGNED_CLIENT_ID_MISSING: _violation(
        "a server must name the client identifier that it has assigned", "", "MQTT-3.2.2-16"),
    Fault.RECEIVE_MAXIMUM_EXCEEDED: _violation(
        "more QoS 1 and 2 messages are unacknowledged than the Receive Maximum of their receiver",
        "", "MQTT-3.3.4-7", "MQTT-3.3.4-9", ReasonCode.RECEIVE_MAXIMUM_EXCEEDED),
    Fault.TOPIC_ALIAS_OVER_MAXIMUM: _violation(
        "a Topic Alias must not exceed the Topic Alias Maximum of its receiver", "",
        "MQTT-3.3.2-9", "MQTT-3.3.2-11", ReasonCode.TOPIC_ALIAS_INVALID),
    Fault.TOPIC_ALIAS_NOT_SET: _violation(
        "a Topic Alias must come with its Topic Name once, on this connection, before it can"
        " stand for it", "", "section 3.3.2.3.4"),
    Fault.WRONG_ACKNOWLEDGEMENT: _violation(
        "this is not what acknowledges the packet with this identifier", "MQTT-2.3.1-6",
        "MQTT-2.2.1-5"),
    Fault.RELEASED_TOO_SOON: _violation(
        "a PUBREL must not be sent before there was a PUBREC", "MQTT-4.3.3-1", "MQTT-4.3.3-4"),
    Fault.PACKET_ID_IN_USE: _violation(
        "a packet identifier must not be used again before it is free", "MQTT-2.3.1-2",
        "MQTT-2.2.1-3", "MQTT-2.2.1-4"),
    Fault.ANSWER_TO_NOTHING: _violation(
        "this answers no request: nothing was asked with this packet identifier", "MQTT-2.3.1-7",
        "MQTT-2.2.1-6"),
    Fault.SUBACK_COUNT: _violation(
        "a SUBACK must have as many reason codes as its SUBSCRIBE has topic filters",
        "MQTT-3.8.4-5", "MQTT-3.8.4-6"),
    Fault.UNSUBACK_COUNT: _violation(
        "an UNSUBACK must have as many reason codes as its UNSUBSCRIBE has topic filters", "",
        "MQTT-3.11.3-2"),
    Fault.AUTH_WITHOUT_METHOD: _violation(
        "AUTH, and an Authentication Method in CONNACK, must not be sent where CONNECT named none",
        "", "MQTT-4.12.0-7", "MQTT-4.12.0-6"),
    Fault.AUTH_OTHER_METHOD: _violation(
        "the Authentication Method must be the one that CONNECT named", "", "MQTT-4.12.0-5"),
    Fault.AUTH_OUT_OF_TURN: _violation(
        "it is not this end's turn to send this AUTH", "", "section 4.12"),
    Fault.QOS_NOT_SUPPORTED: _violation(
        "the QoS must not exceed the Maximum QoS of the server", "", "MQTT-3.2.2-11", "",
        ReasonCode.QOS_NOT_SUPPORTED),
    Fault.WILL_QOS_NOT_SUPPORTED: _violation(
        "the Will QoS must not exceed the Maximum QoS of the server", "", "MQTT-3.2.2-12", "",
        ReasonCode.QOS_NOT_SUPPORTED),
    Fault.RETAIN_NOT_SUPPORTED: _violation(
        "the server does not support retained messages: RETAIN must be 0", "", "MQTT-3.2.2-14",
        "", ReasonCode.RETAIN_NOT_SUPPORTED),
    Fault.WILL_RETAIN_NOT_SUPPORTED: _violation(
        "the server does not support retained messages: Will Retain must be 0", "",
        "MQTT-3.2.2-13", "", ReasonCode.RETAIN_NOT_SUPPORTED),
    Fault.WILDCARDS_NOT_SUPPORTED: _violation(
        "the server does not support wildcards in topic filters", "", "section 3.2.2.3.11", "",
        ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
    Fault.SHARING_NOT_SUPPORTED: _violation(
        "the server does not support shared subscriptions", "", "section 3.2.2.3.13", "",
        ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
    Fault.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: _violation(
        "the server does not support Subscription Identifiers", "", "section 3.2.2.3.12", "",
        ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED),
    Fault.SESSION_EXPIRY_RAISED: _violation(
        "a DISCONNECT must not give a Session Expiry Interval where CONNECT had 0 or none", "",
        "section 3.14.2.2.2"),
    Fault.PROBLEM_INFORMATION: _violation(
        "only PUBLISH, CONNACK and DISCONNECT may have a Reason String or User Properties where"
        " CONNECT asked for no problem information", "", "MQTT-3.1.2-29"),
    Fault.KEEP_ALIVE: _violation(
        "a client must send a packet within one and a half times its Keep Alive",
        "MQTT-3.1.2-24", "MQTT-3.1.2-22", "", ReasonCode.KEEP_ALIVE_TIMEOUT),
    Fault.PING_UNANSWERED: _violation(
        "a server must answer PINGREQ with PINGRESP", "MQTT-3.12.4-1", "MQTT-3.12.4-1", "",
        ReasonCode.KEEP_ALIVE_TIMEOUT),
    Fault.CONNECT_TIMEOUT: _violation(
        "a client must send CONNECT soon after it has opened a connection", "section 3.1.4",
        "section 3.1.4", "", ReasonCode.MAXIMUM_CONNECT_TIME),
    Fault.CONNACK_TIMEOUT: _violation(
        "a server must answer CONNECT with CONNACK", "MQTT-3.1.4-4", "MQTT-3.1.4-5", "",
        ReasonCode.MAXIMUM_CONNECT_TIME),
    Fault.EARLY_DATA: _violation(
        "too many bytes were sent before the CONNACK: wait for it", "section 3.1.4",
        "section 3.1.4", "", ReasonCode.QUOTA_EXCEEDED),
}
# fmt: on
"""Every fault but :attr:`Fault.NONE`, with all that there is to say about it."""


_OF_TOPICS: Final[frozenset[Fault]] = frozenset(
    {Fault.TOPIC_WILDCARD, Fault.TOPIC_MISSING, Fault.RESPONSE_TOPIC_WILDCARD, Fault.NAME_EMPTY}
)
"""What encoders refuse with an :class:`~mqttproto.errors.InvalidTopicError`."""


_ONLY_FROM_SERVER: Final[frozenset[int]] = frozenset(
    {PacketType.CONNACK, PacketType.SUBACK, PacketType.UNSUBACK}
)

_IDS_OF_ANSWERS: Final[dict[int, tuple[str, str]]] = {
    PacketType.PUBACK: ("MQTT-2.3.1-6", "MQTT-2.2.1-5"),
    PacketType.PUBREC: ("MQTT-2.3.1-6", "MQTT-2.2.1-5"),
    PacketType.PUBREL: ("MQTT-2.3.1-6", "MQTT-2.2.1-5"),
    PacketType.PUBCOMP: ("MQTT-2.3.1-6", "MQTT-2.2.1-5"),
    PacketType.SUBACK: ("MQTT-2.3.1-7", "MQTT-2.2.1-6"),
    PacketType.UNSUBACK: ("MQTT-2.3.1-7", "MQTT-2.2.1-6"),
}
"""The statements of 3.1.1 and 5.0 about the packet identifier of what answers another packet."""


def statement(fault: int, version: int, sender: Sender | None = None, packet: int = 0) -> Statement:
    """The statement that ``fault`` breaks in ``version``.

    :param version: 3, 4 or 5. 0 (not yet known) cites 5.0. 3 cites 3.1.1, but for the one rule
        that only 3.1 has.
    :param packet: the type of the packet that it is in, 0 if it is not known.
    """
    if fault == Fault.CLIENT_ID_LENGTH:
        return Statement("3.1", "section 3.1")
    row = FAULTS[Fault(fault)]
    ids = {"3.1.1": row.id311, "5.0": row.id5}
    if row.id5_server and (sender is Sender.SERVER or packet in _ONLY_FROM_SERVER):
        ids["5.0"] = row.id5_server
    if fault == Fault.PACKET_ID and packet in _IDS_OF_ANSWERS:
        ids["3.1.1"], ids["5.0"] = _IDS_OF_ANSWERS[packet]
    label = "3.1.1" if version in (3, 4) else "5.0"
    if not ids[label]:
        label = "5.0" if label == "3.1.1" else "3.1.1"
    return Statement(label, ids[label])


def packet_error(
    fault: int, offset: int, version: int, sender: Sender | None = None, packet: int = 0
) -> PacketError:
    """The error that a decoder holds for ``fault`` at byte ``offset`` of its stream."""
    row = FAULTS[Fault(fault)]
    return row.error(
        row.rule,
        reason_code=row.reason_code,
        offset=offset,
        statement=statement(fault, version, sender, packet),
        fault=int(fault),
    )


def refusal(
    field: str,
    fault: Fault,
    version: int = ProtocolVersion.MQTT5,
    detail: str = "",
    error: type[InvalidValueError] = InvalidValueError,
) -> InvalidValueError:
    """The error that an encoder raises when ``field`` would make it send ``fault``."""
    rule = FAULTS[fault].rule
    packet = PacketType.__members__.get(field.partition(".")[0].upper(), 0)
    if fault in _OF_TOPICS:
        error = InvalidTopicError
    return error(
        field, f"{rule}; got {detail}" if detail else rule, statement(fault, version, None, packet)
    )
