"""Every fault that bytes can have, and the ways to make it: ONE table."""

from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from mqttproto.codec.faults import Fault
from mqttproto.constants import PacketType, ProtocolVersion, Sender
from mqttproto.testing.strategies import breaks
from mqttproto.testing.strategies.breaks import Break

__all__ = ["WAYS", "Way"]


class Way(NamedTuple):
    """A way to break a rule.

    :ivar packets: the types of packets that it works with.
    :ivar field: a field that they must have, mostly the one to be broken; "" for none. In versions
        that do not have the field there is no such way.
    :ivar make: breaks a packet.
    :ivar versions: the versions in which that breaks the rule.
    :ivar senders: the ends from which it does.
    """

    packets: tuple[PacketType, ...]
    field: str
    make: Break
    versions: tuple[ProtocolVersion, ...] = tuple(ProtocolVersion)
    senders: tuple[Sender, ...] = tuple(Sender)


BEFORE_5 = (ProtocolVersion.MQTT31, ProtocolVersion.MQTT311)
ONLY_5 = (ProtocolVersion.MQTT5,)
SINCE_311 = (ProtocolVersion.MQTT311, ProtocolVersion.MQTT5)

CLIENT = (Sender.CLIENT,)
SERVER = (Sender.SERVER,)

CONNECT = (PacketType.CONNECT,)
CONNACK = (PacketType.CONNACK,)
PUBLISH = (PacketType.PUBLISH,)
PUBACK = (PacketType.PUBACK,)
PUBREC = (PacketType.PUBREC,)
PUBREL = (PacketType.PUBREL,)
PUBCOMP = (PacketType.PUBCOMP,)
SUBSCRIBE = (PacketType.SUBSCRIBE,)
SUBACK = (PacketType.SUBACK,)
UNSUBSCRIBE = (PacketType.UNSUBSCRIBE,)
UNSUBACK = (PacketType.UNSUBACK,)
PINGS = (PacketType.PINGREQ, PacketType.PINGRESP)
DISCONNECT = (PacketType.DISCONNECT,)
AUTH = (PacketType.AUTH,)
ACKS = PUBACK + PUBREC + PUBREL + PUBCOMP
WITH_FILTERS = SUBSCRIBE + UNSUBSCRIBE
ALL = tuple(PacketType)
ALL_BUT_CONNECT = tuple(packet for packet in ALL if packet not in CONNECT)


def _blocks(make: Break) -> tuple[Way, ...]:
    """The ways to break any property block alike."""
    return Way(ALL, "properties", make), Way(CONNECT, "will_properties", make)


def _strings(wrong: SearchStrategy[bytes]) -> tuple[Way, ...]:
    """The ways to have something wrong in any string."""
    return (
        Way(CONNECT, "protocol_name", breaks.string(wrong)),
        Way(CONNECT, "client_id", breaks.string(wrong)),
        Way(CONNECT, "will_topic", breaks.string(wrong)),
        Way(CONNECT, "user_name", breaks.string(wrong)),
        Way(PUBLISH, "topic", breaks.string(wrong)),
        Way(WITH_FILTERS, "topic_filter", breaks.string(wrong)),
        *_blocks(breaks.property_string(wrong)),
    )


def _subscription_identifier(value: bytes) -> tuple[Way, ...]:
    """The ways to send this Subscription Identifier where there may be one."""
    make = breaks.property_value("subscription_identifiers", value)
    return (
        Way(SUBSCRIBE, "properties", make),
        Way(PUBLISH, "properties", make, senders=SERVER),
    )


# fmt: off
WAYS: dict[Fault, tuple[Way, ...]] = {
    # fixed header
    Fault.PACKET_TYPE: (
        Way(PUBLISH + ACKS + WITH_FILTERS + SUBACK + UNSUBACK, "", breaks.reserved_type),),
    Fault.FLAGS: (
        Way(CONNECT + CONNACK + PUBACK + PUBREC + PUBCOMP + SUBACK + UNSUBACK + PINGS, "",
            breaks.flags),),
    Fault.FLAGS_PUBREL: (Way(PUBREL, "", breaks.flags),),
    Fault.FLAGS_SUBSCRIBE: (Way(SUBSCRIBE, "", breaks.flags),),
    Fault.FLAGS_UNSUBSCRIBE: (Way(UNSUBSCRIBE, "", breaks.flags),),
    Fault.FLAGS_DISCONNECT: (Way(DISCONNECT, "", breaks.flags),),
    Fault.FLAGS_AUTH: (Way(AUTH, "", breaks.flags),),
    Fault.QOS: (Way(PUBLISH, "", breaks.publish_flags(0b0110, 0b0111, 0b1110, 0b1111)),),
    Fault.DUP_AT_QOS_0: (Way(PUBLISH, "", breaks.publish_flags(0b1000, 0b1001)),),
    Fault.SENDER: (Way(ALL, "", breaks.unchanged),),
    Fault.FIRST_NOT_CONNECT: (Way(ALL_BUT_CONNECT, "", breaks.unchanged, senders=CLIENT),),
    Fault.LENGTH_OVER_FOUR_BYTES: (
        Way(ALL, "", breaks.length_endless),
        *_blocks(breaks.block_length_endless),
        *_subscription_identifier(b"\x80\x80\x80\x80\1")),
    Fault.LENGTH_NOT_MINIMAL: (
        Way(ALL, "", breaks.length_padded, ONLY_5),
        *_blocks(breaks.block_length_padded),
        *_subscription_identifier(b"\x81\0")),
    Fault.LENGTH_WRONG: (
        Way(PINGS, "", breaks.length_other_than(0)),
        Way(DISCONNECT, "", breaks.length_other_than(0), BEFORE_5),
        Way(CONNACK + ACKS + UNSUBACK, "", breaks.length_other_than(2), BEFORE_5),
        Way(CONNACK + UNSUBACK, "", breaks.length_other_than(3, 4, 5), ONLY_5),
        Way(ACKS, "", breaks.length_other_than(2, 3, 4, 5), ONLY_5)),
    Fault.PACKET_TOO_LARGE: (Way(ALL, "", breaks.too_large),),
    # fields
    Fault.TRUNCATED: (
        Way(CONNECT, "protocol_name", breaks.cut()),
        Way(CONNECT, "protocol_level", breaks.cut()),
        Way(CONNECT, "flags", breaks.cut()),
        Way(CONNECT, "keep_alive", breaks.cut()),
        Way(CONNECT, "client_id", breaks.cut()),
        Way(CONNECT, "will_topic", breaks.cut()),
        Way(CONNECT, "will_payload", breaks.cut()),
        # In 3.1 these two may be announced and then left out.
        Way(CONNECT, "user_name", breaks.cut(), SINCE_311),
        Way(CONNECT, "user_name", breaks.cut(least=1)),
        Way(CONNECT, "password", breaks.cut(), SINCE_311),
        Way(CONNECT, "password", breaks.cut(least=1)),
        Way(PUBLISH, "topic", breaks.cut()),
        Way(PUBLISH + WITH_FILTERS + SUBACK, "packet_id", breaks.cut()),
        # Where nothing is left of a list it is empty, which is another fault.
        Way(WITH_FILTERS, "topic_filter", breaks.cut(least=1)),
        Way(SUBSCRIBE, "options", breaks.cut()),
        Way(CONNECT + PUBLISH + WITH_FILTERS + SUBACK + AUTH, "properties", breaks.cut(most=0)),
        Way(CONNECT, "will_properties", breaks.cut(most=0)),
        *_blocks(breaks.block_length_unfinished),
        *_blocks(breaks.property_cut)),
    Fault.TRAILING_BYTES: (
        Way(CONNECT, "client_id", breaks.trailing_bytes),
        Way(CONNACK + ACKS + DISCONNECT + AUTH, "properties", breaks.trailing_bytes)),
    Fault.UTF8: _strings(breaks.ILL_FORMED),
    Fault.NULL_CHARACTER: _strings(breaks.NULL),
    Fault.PACKET_ID: (
        Way(PUBLISH + ACKS + WITH_FILTERS + SUBACK + UNSUBACK, "packet_id", breaks.zeros),),
    # properties
    Fault.PROPERTY_LENGTH: _blocks(breaks.block_beyond_packet),
    Fault.PROPERTY_UNKNOWN: _blocks(breaks.property_unknown),
    Fault.PROPERTY_MISPLACED: _blocks(breaks.property_misplaced),
    Fault.PROPERTY_REPEATED: (
        Way(CONNECT + CONNACK + PUBLISH + ACKS + SUBSCRIBE + SUBACK + UNSUBACK + DISCONNECT + AUTH,
            "properties", breaks.property_repeated),
        Way(CONNECT, "will_properties", breaks.property_repeated)),
    Fault.PROPERTY_NOT_0_OR_1: (
        Way(CONNECT + CONNACK + PUBLISH, "properties", breaks.property_not_0_or_1),
        Way(CONNECT, "will_properties", breaks.property_not_0_or_1)),
    Fault.SUBSCRIPTION_IDENTIFIER_ZERO: _subscription_identifier(b"\0"),
    Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT: (
        Way(PUBLISH, "properties", breaks.property_present("subscription_identifiers"),
            senders=CLIENT),),
    Fault.SESSION_EXPIRY_FROM_SERVER: (
        Way(DISCONNECT, "properties", breaks.property_present("session_expiry_interval"),
            senders=SERVER),),
    Fault.SERVER_REFERENCE_FROM_CLIENT: (
        Way(DISCONNECT, "properties", breaks.property_present("server_reference"),
            senders=CLIENT),),
    Fault.RECEIVE_MAXIMUM_ZERO: (
        Way(CONNECT + CONNACK, "properties", breaks.property_value("receive_maximum", b"\0\0")),),
    Fault.MAXIMUM_PACKET_SIZE_ZERO: (
        Way(CONNECT + CONNACK, "properties",
            breaks.property_value("maximum_packet_size", b"\0\0\0\0")),),
    Fault.TOPIC_ALIAS_ZERO: (
        Way(PUBLISH, "properties", breaks.property_value("topic_alias", b"\0\0")),),
    Fault.RESPONSE_TOPIC_WILDCARD: (
        Way(PUBLISH, "properties", breaks.response_topic_wildcard),
        Way(CONNECT, "will_properties", breaks.response_topic_wildcard)),
    Fault.AUTHENTICATION_DATA_ALONE: (
        Way(CONNECT, "properties", breaks.authentication_data_alone),),
    Fault.AUTHENTICATION_METHOD_MISSING: (
        Way(AUTH, "properties", breaks.authentication_method_missing),),
    # topic names and filters
    Fault.TOPIC_WILDCARD: (Way(PUBLISH, "topic", breaks.string(breaks.WILDCARD)),),
    Fault.TOPIC_MISSING: (Way(PUBLISH, "topic", breaks.topic_missing),),
    Fault.NAME_WILDCARD: (Way(CONNECT, "will_topic", breaks.string(breaks.WILDCARD)),),
    Fault.NAME_EMPTY: (
        Way(CONNECT, "will_topic", breaks.zeros),
        Way(WITH_FILTERS, "topic_filter", breaks.zeros),
        Way(PUBLISH, "properties", breaks.property_value("response_topic", b"\0\0")),
        Way(CONNECT, "will_properties", breaks.property_value("response_topic", b"\0\0"))),
    Fault.FILTER_HASH: (
        Way(WITH_FILTERS, "topic_filter",
            breaks.filters("#a", "a#", "#/a", "#/#", "a/#/b", deeper=True)),),
    Fault.FILTER_PLUS: (
        Way(WITH_FILTERS, "topic_filter",
            breaks.filters("+a", "a+", "++", "a+/b", "+/+b/#", deeper=True)),),
    Fault.SHARE_NAME_EMPTY: (
        Way(WITH_FILTERS, "topic_filter",
            breaks.filters("$share/", "$share//", "$share//a"), ONLY_5),),
    Fault.SHARE_NAME: (
        Way(WITH_FILTERS, "topic_filter",
            breaks.filters("$share/g", "$share/g/", "$share/g+/a", "$share/#/a", "$share/+"),
            ONLY_5),),
    Fault.NO_LOCAL_SHARED: (Way(SUBSCRIBE, "options", breaks.no_local_shared, ONLY_5),),
    # CONNECT and CONNACK
    Fault.PROTOCOL_NAME: (Way(CONNECT, "protocol_name", breaks.protocol_name),),
    Fault.PROTOCOL_LEVEL: (Way(CONNECT, "protocol_level", breaks.protocol_level),),
    Fault.CONNECT_FLAG: (Way(CONNECT, "flags", breaks.connect_flags(0b0000_0001)),),
    Fault.WILL_QOS: (Way(CONNECT, "will_topic", breaks.connect_flags(0b0001_1000)),),
    Fault.WILL_QOS_ALONE: (
        Way(CONNECT, "flags", breaks.will_flags_alone(0b0000_1000, 0b0001_0000, 0b0001_1000)),),
    Fault.WILL_RETAIN_ALONE: (Way(CONNECT, "flags", breaks.will_flags_alone(0b0010_0000)),),
    Fault.PASSWORD_ALONE: (Way(CONNECT, "password", breaks.password_alone, BEFORE_5),),
    # 3.1 does not use the first byte of a CONNACK's body.
    Fault.CONNACK_FLAGS: (Way(CONNACK, "flags", breaks.one_of(*range(2, 0x100)), SINCE_311),),
    Fault.SESSION_PRESENT: (Way(CONNACK, "flags", breaks.session_present, SINCE_311),),
    # payloads of the subscribe family
    Fault.SUBSCRIBE_EMPTY: (Way(SUBSCRIBE, "", breaks.nothing_in("topic_filter", "options")),),
    Fault.UNSUBSCRIBE_EMPTY: (Way(UNSUBSCRIBE, "", breaks.nothing_in("topic_filter")),),
    Fault.SUBACK_EMPTY: (Way(SUBACK, "code", breaks.nothing_in("code")),),
    Fault.UNSUBACK_EMPTY: (Way(UNSUBACK, "code", breaks.nothing_in("code")),),
    Fault.SUBSCRIPTION_OPTIONS: (Way(SUBSCRIBE, "options", breaks.reserved_options),),
    Fault.SUBSCRIPTION_QOS: (
        Way(SUBSCRIBE, "options", breaks.one_of(0b0000_0011, 0b0000_1011, 0b0010_0011), ONLY_5),),
    Fault.RETAIN_HANDLING: (
        Way(SUBSCRIBE, "options", breaks.one_of(0b0011_0000, 0b0011_1001), ONLY_5),),
    # reason codes
    Fault.CONNACK_REASON: (Way(CONNACK, "code", breaks.code),),
    Fault.PUBACK_REASON: (Way(PUBACK, "code", breaks.code),),
    Fault.PUBREC_REASON: (Way(PUBREC, "code", breaks.code),),
    Fault.PUBREL_REASON: (Way(PUBREL, "code", breaks.code),),
    Fault.PUBCOMP_REASON: (Way(PUBCOMP, "code", breaks.code),),
    Fault.SUBACK_REASON: (Way(SUBACK, "code", breaks.code),),
    Fault.UNSUBACK_REASON: (Way(UNSUBACK, "code", breaks.code),),
    Fault.DISCONNECT_REASON: (Way(DISCONNECT, "code", breaks.code),),
    Fault.AUTH_REASON: (
        Way(AUTH, "code", breaks.code),
        # No code means success, which only a server may declare.
        Way(AUTH, "code", breaks.nothing_in("code", "properties"), senders=CLIENT)),
}
# fmt: on
