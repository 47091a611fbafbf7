"""The reason codes of each packet and sender, against the tables of the packets' sections."""

import pytest

from mqttproto.codec.reasons import (
    REASON_CODES,
    as_reason_code,
    reason_allowed,
    reason_member,
)
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import InvalidValueError, Statement

# A row per packet and sender, in the words of tables 3-1, 3-4 to 3-11 of 5.0.
TABLE = {
    ("CONNACK", "server"): (
        "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F",
        "MQTT-3.2.2-8",
    ),
    ("PUBACK", "client"): ("00 80 83 87 90 91 97 99", "MQTT-3.4.2-1"),
    ("PUBACK", "server"): ("00 10 80 83 87 90 91 97 99", "MQTT-3.4.2-1"),
    ("PUBREC", "client"): ("00 80 83 87 90 91 97 99", "MQTT-3.5.2-1"),
    ("PUBREC", "server"): ("00 10 80 83 87 90 91 97 99", "MQTT-3.5.2-1"),
    ("PUBREL", "both"): ("00 92", "MQTT-3.6.2-1"),
    ("PUBCOMP", "both"): ("00 92", "MQTT-3.7.2-1"),
    ("SUBACK", "server"): ("00 01 02 80 83 87 8F 91 97 9E A1 A2", "MQTT-3.9.3-2"),
    ("UNSUBACK", "server"): ("00 11 80 83 87 8F 91", "MQTT-3.11.3-2"),
    ("DISCONNECT", "client"): (
        "00 04 80 81 82 83 90 93 94 95 96 97 98 99",
        "MQTT-3.14.2-1",
    ),
    # 8C is in table 2-6 only, which gives it to DISCONNECT.
    ("DISCONNECT", "server"): (
        "00 80 81 82 83 87 89 8B 8C 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2",
        "MQTT-3.14.2-1",
    ),
    ("AUTH", "client"): ("18 19", "MQTT-3.15.2-1"),
    ("AUTH", "server"): ("00 18", "MQTT-3.15.2-1"),
}


def expected() -> dict[tuple[PacketType, Sender], set[int]]:
    codes = {}
    for (packet, sender), (numbers, _) in TABLE.items():
        for end in Sender if sender == "both" else (Sender(sender),):
            codes[PacketType[packet], end] = {int(number, 16) for number in numbers.split()}
    return codes


every_row = pytest.mark.parametrize(
    ("packet", "sender"),
    [
        pytest.param(
            PacketType[packet],
            Sender(end),
            id=f"{packet}-{end}",
            marks=pytest.mark.spec("5.0", TABLE[packet, sender][1], role=end),
        )
        for packet, sender in TABLE
        for end in (("client", "server") if sender == "both" else (sender,))
    ],
)


def test_no_other_packet_has_a_reason_code() -> None:
    assert set(REASON_CODES) == set(expected())


@every_row
def test_the_codes_of_a_packet(packet: PacketType, sender: Sender) -> None:
    codes = expected()[packet, sender]
    assert REASON_CODES[packet, sender] == codes
    assert all(isinstance(code, ReasonCode) for code in REASON_CODES[packet, sender])
    assert {code for code in range(256) if reason_allowed(packet, code, sender)} == codes


@pytest.mark.parametrize("packet", sorted({packet for packet, _ in expected()}))
def test_without_a_sender_either_will_do(packet: PacketType) -> None:
    either = {code for (owner, _), codes in expected().items() if owner is packet for code in codes}
    assert {code for code in range(256) if reason_allowed(packet, code)} == either
    assert {code for code in range(256) if reason_allowed(int(packet), code)} == either


@pytest.mark.parametrize("packet", ["CONNACK", "SUBACK", "UNSUBACK"])
def test_a_client_may_send_no_code_in_a_server_s_packet(packet: str) -> None:
    assert not any(reason_allowed(PacketType[packet], code, Sender.CLIENT) for code in range(256))


def test_every_reason_code_belongs_to_a_packet() -> None:
    assert {code for codes in expected().values() for code in codes} == set(ReasonCode)


@pytest.mark.parametrize("code", ReasonCode)
def test_a_code_is_looked_up_by_its_number(code: ReasonCode) -> None:
    assert reason_member(int(code)) is code
    for value in (int(code), code):
        assert as_reason_code("PubAck.reason_code", value) is code


@pytest.mark.spec("5.0", "section 2.4", role="both")
def test_there_is_no_other_code() -> None:
    for number in [*(set(range(-1, 257)) - {int(code) for code in ReasonCode}), 1 << 70]:
        with pytest.raises(InvalidValueError) as caught:
            as_reason_code("PubAck.reason_code", number)
        assert caught.value.field == "PubAck.reason_code"
        assert caught.value.rule == f"there is no reason code {number:#04x}"
        assert caught.value.statement == Statement("5.0", "section 2.4")


@pytest.mark.parametrize("value", ["0", None, 0.0, b"\0"])
def test_a_code_is_a_number(value: object) -> None:
    with pytest.raises(TypeError) as caught:
        as_reason_code("SubAck.reason_codes", value)
    got = type(value).__name__
    assert str(caught.value) == f"SubAck.reason_codes: a ReasonCode is needed, not {got}"
