"""The answers to SUBSCRIBE and UNSUBSCRIBE."""

import pytest

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import ReasonCode
from mqttproto.errors import InvalidValueError, Statement
from mqttproto.protocol.requests import in_use, suback, unsuback

SUBSCRIBE = Subscribe(7, [Subscription("a"), Subscription("b", 1)])
UNSUBSCRIBE = Unsubscribe(8, ["a", "b"])
WHY = Properties(reason_string="so")
FULL = ReasonCode.QUOTA_EXCEEDED
IN_USE = ReasonCode.PACKET_IDENTIFIER_IN_USE


def test_5_0_tells_each_reason_and_why() -> None:
    assert suback(SUBSCRIBE, 5, [1, FULL], WHY) == SubAck(7, [1, FULL], WHY)
    assert unsuback(UNSUBSCRIBE, 5, [0, FULL], WHY) == UnsubAck(8, [0, FULL], WHY)


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_0_there_is_one_failure_and_no_property(version: int) -> None:
    assert suback(SUBSCRIBE, version, [2, FULL], WHY) == SubAck(7, [2, 0x80], EMPTY)
    assert unsuback(UNSUBSCRIBE, version, [0, FULL], WHY) == UnsubAck(8)


@pytest.mark.parametrize("given", [[], [0], [0, 0, 0]])
@pytest.mark.parametrize(("version", "id"), [(4, "MQTT-3.8.4-5"), (5, "MQTT-3.8.4-6")])
def test_each_topic_filter_has_a_reason_code(version: int, id: str, given: list[int]) -> None:
    with pytest.raises(InvalidValueError, match=f"2 are needed.*not {len(given)}") as refused:
        suback(SUBSCRIBE, version, given, EMPTY)
    assert refused.value.statement == Statement("5.0" if version == 5 else "3.1.1", id)
    with pytest.raises(InvalidValueError) as refused:
        unsuback(UNSUBSCRIBE, version, given, EMPTY)
    assert refused.value.statement == Statement("5.0", "MQTT-3.11.3-2")


def test_an_identifier_in_use_refuses_the_whole_request() -> None:
    assert in_use(SUBSCRIBE) == SubAck(7, [IN_USE] * 2)
    assert in_use(UNSUBSCRIBE) == UnsubAck(8, [IN_USE] * 2)
