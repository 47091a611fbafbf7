"""What codes are called."""

import pytest

from mqttproto.cli.names import reason_name
from mqttproto.constants import ConnectReturnCode, PacketType, ReasonCode


@pytest.mark.parametrize(
    ("code", "packet", "version", "name"),
    [
        (ReasonCode.SUCCESS, PacketType.PUBACK, 5, "SUCCESS"),
        (ReasonCode.SUCCESS, PacketType.CONNACK, 5, "SUCCESS"),
        (ReasonCode.SUCCESS, PacketType.DISCONNECT, 5, "NORMAL_DISCONNECTION"),
        (ReasonCode.SUCCESS, PacketType.SUBACK, 5, "GRANTED_QOS_0"),
        (ReasonCode.SUCCESS, PacketType.SUBACK, 4, "GRANTED_QOS_0"),
        (ReasonCode.SUCCESS, PacketType.UNSUBACK, 5, "SUCCESS"),
        (ReasonCode.GRANTED_QOS_2, PacketType.SUBACK, 3, "GRANTED_QOS_2"),
        (ReasonCode.UNSPECIFIED_ERROR, PacketType.SUBACK, 5, "UNSPECIFIED_ERROR"),
        (ReasonCode.UNSPECIFIED_ERROR, PacketType.SUBACK, 4, "FAILURE"),
        (ReasonCode.SESSION_TAKEN_OVER, PacketType.DISCONNECT, 5, "SESSION_TAKEN_OVER"),
        (ConnectReturnCode.ACCEPTED, PacketType.CONNACK, 4, "ACCEPTED"),
        (ConnectReturnCode.NOT_AUTHORIZED, PacketType.CONNACK, 3, "NOT_AUTHORIZED"),
    ],
)
def test_a_code_has_the_name_of_its_packet_and_version(
    code: ReasonCode | ConnectReturnCode, packet: PacketType, version: int, name: str
) -> None:
    assert reason_name(code, packet, version) == name
