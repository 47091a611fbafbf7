"""The answers to SUBSCRIBE and UNSUBSCRIBE."""

from collections.abc import Iterable

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.reasons import as_reason_code
from mqttproto.codec.subscribe import SubAck, Subscribe, UnsubAck, Unsubscribe
from mqttproto.constants import ReasonCode
from mqttproto.errors import InvalidValueError, Statement

__all__ = ["in_use", "suback", "unsuback"]


def suback(
    packet: Subscribe,
    version: int,
    reason_codes: Iterable[ReasonCode | int],
    properties: Properties,
) -> SubAck:
    """The answer to SUBSCRIBE, in the words that its version has.

    :raises InvalidValueError: if the codes are too few or many.
    """
    codes = [as_reason_code("SubAck.reason_codes", code) for code in reason_codes]
    wanted = len(packet.subscriptions)
    if version == 5:
        _check_count(wanted, len(codes), Statement("5.0", "MQTT-3.8.4-6"))
        return SubAck(packet.packet_id, codes, properties)
    _check_count(wanted, len(codes), Statement("3.1.1", "MQTT-3.8.4-5"))
    least = ReasonCode.UNSPECIFIED_ERROR
    return SubAck(packet.packet_id, [min(code, least) for code in codes], EMPTY)


def unsuback(
    packet: Unsubscribe,
    version: int,
    reason_codes: Iterable[ReasonCode | int],
    properties: Properties,
) -> UnsubAck:
    """The answer to UNSUBSCRIBE, in the words that its version has.

    :raises InvalidValueError: if the codes are too few or many.
    """
    codes = [as_reason_code("UnsubAck.reason_codes", code) for code in reason_codes]
    _check_count(len(packet.topic_filters), len(codes), Statement("5.0", "MQTT-3.11.3-2"))
    return (
        UnsubAck(packet.packet_id, codes, properties)
        if version == 5
        else UnsubAck(packet.packet_id)
    )


def _check_count(wanted: int, given: int, statement: Statement) -> None:
    if given != wanted:
        raise InvalidValueError(
            "reason_codes",
            f"{wanted} are needed, one for each topic filter, not {given}",
            statement,
        )


def in_use(packet: Subscribe | Unsubscribe) -> SubAck | UnsubAck:
    """The answer to a request whose packet identifier has another use (5.0)."""
    code = ReasonCode.PACKET_IDENTIFIER_IN_USE
    if isinstance(packet, Subscribe):
        return SubAck(packet.packet_id, [code] * len(packet.subscriptions))
    return UnsubAck(packet.packet_id, [code] * len(packet.topic_filters))
