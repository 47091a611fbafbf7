"""One strategy for each class of packet, and one for all that an end may send."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Will,
)
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import (
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    QoS,
    ReasonCode,
    RetainHandling,
    Sender,
)
from mqttproto.testing.strategies.properties import properties, will_properties
from mqttproto.testing.strategies.topics import topic_filters, topic_names
from mqttproto.testing.strategies.values import (
    any_sender,
    any_version,
    packet_ids,
    payloads,
    reused,
    strings,
)

__all__ = [
    "auths",
    "connacks",
    "connects",
    "disconnects",
    "packets",
    "packets_of_type",
    "pingreqs",
    "pingresps",
    "pubacks",
    "pubcomps",
    "publishes",
    "pubrecs",
    "pubrels",
    "reason_codes",
    "subacks",
    "subscribes",
    "subscriptions",
    "types_from",
    "unsubacks",
    "unsubscribes",
    "wills",
]

MQTT31 = ProtocolVersion.MQTT31
MQTT5 = ProtocolVersion.MQTT5

_SUBACK_CODES = {
    ProtocolVersion.MQTT31: (0, 1, 2),
    ProtocolVersion.MQTT311: (0, 1, 2, 0x80),
}


def types_from(version: ProtocolVersion, sender: Sender) -> list[PacketType]:
    """The types of the packets that ``sender`` may send in ``version``."""
    either = [*range(PacketType.PUBLISH, PacketType.SUBSCRIBE)]
    if version == MQTT5:
        either += [PacketType.DISCONNECT, PacketType.AUTH]
    elif sender is Sender.CLIENT:
        either += [PacketType.DISCONNECT]
    only = {
        Sender.CLIENT: ("CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"),
        Sender.SERVER: ("CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"),
    }
    return sorted([*map(PacketType, either), *(PacketType[name] for name in only[sender])])


@reused
def reason_codes(packet: PacketType, sender: Sender) -> SearchStrategy[ReasonCode]:
    """The reason codes of 5.0 that ``sender`` may put into ``packet``."""
    return st.sampled_from(sorted(REASON_CODES[packet, sender]))


@reused
def packets(
    version: ProtocolVersion | int | None = None, sender: Sender | str | None = None
) -> SearchStrategy[Packet]:
    """All packets that ``sender`` may send in ``version``.

    :param version: None draws one of the three, and does not say which; if that is needed, draw it
        from :func:`~mqttproto.testing.strategies.versions`.
    :param sender: None draws it.
    """
    return st.tuples(any_version(version), any_sender(sender)).flatmap(
        lambda ends: st.sampled_from(types_from(*ends)).flatmap(
            lambda packet: packets_of_type(packet, *ends)
        )
    )


@reused
def packets_of_type(
    packet: PacketType, version: ProtocolVersion, sender: Sender
) -> SearchStrategy[Packet]:
    """The packets of one type that ``sender`` may send in ``version``."""
    if packet in _BY_SENDER:
        return _BY_SENDER[packet](version, sender)
    return _BY_VERSION[packet](version)


def _properties(
    packet: PacketType, version: ProtocolVersion | int, sender: Sender | str | None = None
) -> SearchStrategy[Properties]:
    of_5 = ProtocolVersion(version) is MQTT5
    return properties(packet, sender) if of_5 else st.just(EMPTY)


@reused
@st.composite
def _messages(draw: DrawFn, block: SearchStrategy[Properties]) -> tuple[bytes, Properties]:
    """A payload and properties that do not contradict each other (5.0 section 3.3.2.3.2)."""
    chosen = draw(block)
    if chosen.payload_format_indicator == 1:
        return draw(st.text(st.characters(codec="utf-8"), max_size=12)).encode(), chosen
    return draw(payloads()), chosen


@reused
@st.composite
def wills(draw: DrawFn, version: ProtocolVersion | int = MQTT5) -> Will:
    """Will messages, from 5.0 on with Will Properties.

    :param version: 3, 4 or 5.
    """
    block = will_properties() if ProtocolVersion(version) is MQTT5 else st.just(EMPTY)
    payload, chosen = draw(_messages(block))
    return Will(
        draw(topic_names()), payload, draw(st.sampled_from(QoS)), draw(st.booleans()), chosen
    )


@reused
@st.composite
def connects(draw: DrawFn, version: ProtocolVersion | int = MQTT5) -> Connect:
    """CONNECT packets (section 3.1).

    An empty client identifier comes with Clean Start only, as 3.1.1 asks for (3.1.1:
    MQTT-3.1.3-7), and before 5.0 a password with a user name only (3.1.1: MQTT-3.1.2-22).

    :param version: 3, 4 or 5.
    """
    shortest, longest = (1, 23) if version == MQTT31 else (0, 30)
    client_id = draw(strings(shortest, longest))
    user_name = draw(st.none() | strings())
    password = None
    if user_name is not None or version == MQTT5:
        password = draw(st.none() | st.binary(max_size=12))
    return Connect(
        client_id,
        draw(st.booleans()) if client_id or version == MQTT5 else True,
        draw(st.integers(0, 65_535)),
        draw(st.none() | wills(version)),
        user_name,
        password,
        draw(_properties(PacketType.CONNECT, version)),
    )


@reused
@st.composite
def connacks(
    draw: DrawFn, version: ProtocolVersion | int = MQTT5, *, accepted: bool | None = None
) -> ConnAck:
    """CONNACK packets (section 3.2); Session Present comes with success only.

    :param version: 3, 4 or 5; 3.1 has no Session Present.
    :param accepted: True for success, False for all else, None for either alike.
    """
    codes: list[ReasonCode | ConnectReturnCode] = [*ConnectReturnCode]
    if version == MQTT5:
        codes = [*sorted(REASON_CODES[PacketType.CONNACK, Sender.SERVER])]
    success, *refusals = codes
    if accepted is None:
        accepted = draw(st.booleans())
    return ConnAck(
        accepted and version != MQTT31 and draw(st.booleans()),
        success if accepted else draw(st.sampled_from(refusals)),
        draw(_properties(PacketType.CONNACK, version)),
    )


@reused
@st.composite
def publishes(
    draw: DrawFn, version: ProtocolVersion | int = MQTT5, sender: Sender | str | None = None
) -> Publish:
    """PUBLISH packets (section 3.3).

    The Topic Name is empty only beside a Topic Alias. The payload is UTF-8 where the Payload
    Format Indicator says so.

    :param version: 3, 4 or 5.
    :param sender: a client's has no Subscription Identifiers; None draws it.
    """
    payload, chosen = draw(_messages(_properties(PacketType.PUBLISH, version, sender)))
    aliased = chosen.topic_alias is not None and draw(st.booleans())
    qos = draw(st.sampled_from(QoS))
    return Publish(
        "" if aliased else draw(topic_names()),
        payload,
        qos,
        draw(st.booleans()),
        qos > 0 and draw(st.booleans()),
        draw(packet_ids()) if qos else None,
        chosen,
    )


@reused
def pubacks(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[PubAck]:
    """PUBACK packets (section 3.4) in ``version``: 3, 4 or 5."""
    return st.builds(PubAck, *_acknowledgement(PacketType.PUBACK, version))


@reused
def pubrecs(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[PubRec]:
    """PUBREC packets (section 3.5) in ``version``: 3, 4 or 5."""
    return st.builds(PubRec, *_acknowledgement(PacketType.PUBREC, version))


@reused
def pubrels(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[PubRel]:
    """PUBREL packets (section 3.6) in ``version``: 3, 4 or 5."""
    return st.builds(PubRel, *_acknowledgement(PacketType.PUBREL, version))


@reused
def pubcomps(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[PubComp]:
    """PUBCOMP packets (section 3.7) in ``version``: 3, 4 or 5."""
    return st.builds(PubComp, *_acknowledgement(PacketType.PUBCOMP, version))


def _acknowledgement(
    packet: PacketType, version: ProtocolVersion | int
) -> tuple[SearchStrategy[int], SearchStrategy[ReasonCode], SearchStrategy[Properties]]:
    """The attributes of an acknowledgement that both ends may send."""
    codes = st.just(ReasonCode.SUCCESS)
    if version == MQTT5:
        codes = st.one_of(codes, reason_codes(packet, Sender.CLIENT))
    return packet_ids(), codes, st.one_of(st.just(EMPTY), _properties(packet, version))


@reused
@st.composite
def subscriptions(draw: DrawFn, version: ProtocolVersion | int = MQTT5) -> Subscription:
    """Subscriptions: a topic filter with its options (section 3.8.3.1).

    No Local is never asked for on a shared subscription (5.0: MQTT-3.8.3-4).

    :param version: 3, 4 or 5; before 5.0 the QoS is the only option.
    """
    topic_filter = draw(topic_filters())
    qos = draw(st.sampled_from(QoS))
    if ProtocolVersion(version) is not MQTT5:
        return Subscription(topic_filter, qos)
    return Subscription(
        topic_filter,
        qos,
        not topic_filter.startswith("$share/") and draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(RetainHandling)),
    )


@reused
def subscribes(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[Subscribe]:
    """SUBSCRIBE packets (section 3.8) with one to three subscriptions in ``version``: 3, 4 or 5."""
    several = st.lists(subscriptions(version), min_size=1, max_size=3)
    block = _properties(PacketType.SUBSCRIBE, version)
    return st.builds(Subscribe, packet_ids(), several, block)


@reused
def subacks(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[SubAck]:
    """SUBACK packets (section 3.9) with one to three codes in ``version``: 3, 4 or 5."""
    if version == MQTT5:
        codes = reason_codes(PacketType.SUBACK, Sender.SERVER)
    else:
        codes = st.sampled_from(_SUBACK_CODES[ProtocolVersion(version)]).map(ReasonCode)
    several = st.lists(codes, min_size=1, max_size=3)
    return st.builds(SubAck, packet_ids(), several, _properties(PacketType.SUBACK, version))


@reused
def unsubscribes(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[Unsubscribe]:
    """UNSUBSCRIBE packets (section 3.10) with one to three filters in ``version``: 3, 4 or 5."""
    several = st.lists(topic_filters(), min_size=1, max_size=3)
    block = _properties(PacketType.UNSUBSCRIBE, version)
    return st.builds(Unsubscribe, packet_ids(), several, block)


@reused
def unsubacks(version: ProtocolVersion | int = MQTT5) -> SearchStrategy[UnsubAck]:
    """UNSUBACK packets (section 3.11), from 5.0 on with one to three codes.

    :param version: 3, 4 or 5.
    """
    if ProtocolVersion(version) is not MQTT5:
        return st.builds(UnsubAck, packet_ids())
    several = st.lists(reason_codes(PacketType.UNSUBACK, Sender.SERVER), min_size=1, max_size=3)
    return st.builds(UnsubAck, packet_ids(), several, _properties(PacketType.UNSUBACK, version))


@reused
def pingreqs() -> SearchStrategy[PingReq]:
    """The PINGREQ packet (section 3.12), which is the same in all versions."""
    return st.builds(PingReq)


@reused
def pingresps() -> SearchStrategy[PingResp]:
    """The PINGRESP packet (section 3.13), which is the same in all versions."""
    return st.builds(PingResp)


@reused
def disconnects(
    version: ProtocolVersion | int = MQTT5, sender: Sender | str | None = None
) -> SearchStrategy[Disconnect]:
    """DISCONNECT packets (section 3.14).

    :param version: 3, 4 or 5; before 5.0 there is only one.
    :param sender: decides about the reason codes and properties of 5.0; None draws it.
    """
    if ProtocolVersion(version) is not MQTT5:
        return st.builds(Disconnect)
    return any_sender(sender).flatmap(
        lambda end: st.builds(
            Disconnect,
            st.one_of(
                st.just(ReasonCode.NORMAL_DISCONNECTION), reason_codes(PacketType.DISCONNECT, end)
            ),
            st.one_of(st.just(EMPTY), properties(PacketType.DISCONNECT, end)),
        )
    )


@reused
def auths(sender: Sender | str | None = None) -> SearchStrategy[Auth]:
    """AUTH packets (5.0 section 3.15); 5.0 only.

    They have an Authentication Method, but for the one that has no body at all: only a server may
    send that, because it means success.

    :param sender: decides about the reason codes; None draws it.
    """

    def from_end(end: Sender) -> SearchStrategy[Auth]:
        codes = reason_codes(PacketType.AUTH, end)
        full = st.builds(Auth, codes, properties(PacketType.AUTH, end))
        return st.one_of(st.builds(Auth), full) if end is Sender.SERVER else full

    return any_sender(sender).flatmap(from_end)


_BY_VERSION: dict[PacketType, Callable[[ProtocolVersion], SearchStrategy[Packet]]] = {
    PacketType.CONNECT: connects,
    PacketType.CONNACK: connacks,
    PacketType.PUBACK: pubacks,
    PacketType.PUBREC: pubrecs,
    PacketType.PUBREL: pubrels,
    PacketType.PUBCOMP: pubcomps,
    PacketType.SUBSCRIBE: subscribes,
    PacketType.SUBACK: subacks,
    PacketType.UNSUBSCRIBE: unsubscribes,
    PacketType.UNSUBACK: unsubacks,
}

_BY_SENDER: dict[PacketType, Callable[[ProtocolVersion, Sender], SearchStrategy[Packet]]] = {
    PacketType.PUBLISH: publishes,
    PacketType.PINGREQ: lambda _version, _sender: pingreqs(),
    PacketType.PINGRESP: lambda _version, _sender: pingresps(),
    PacketType.DISCONNECT: disconnects,
    PacketType.AUTH: lambda _version, sender: auths(sender),
}
