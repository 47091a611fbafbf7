"""First bytes and Remaining Lengths, against tables 2-1 and 2-2 of the standards."""

import pytest

from mqttproto.codec.faults import Fault
from mqttproto.codec.headers import SENDERS, VERSIONS, first_byte_faults, lengths
from mqttproto.constants import MAX_REMAINING_LENGTH, PacketType, Sender

NONE = Fault.NONE
EITHER, CLIENT, SERVER = 0, 1, 2

by_number = pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])


def fault(version: int, sender: int, kind: int, flags: int) -> Fault:
    return Fault(first_byte_faults(version, sender)[kind << 4 | flags])


def legal_flags(version: int, kind: int) -> set[int]:
    """The flags with which a packet of this type is legal from some end."""
    return {flags for flags in range(16) if fault(version, EITHER, kind, flags) == NONE}


def test_scanners_number_versions_and_senders() -> None:
    assert VERSIONS == (0, 3, 4, 5)
    assert SENDERS == (None, Sender.CLIENT, Sender.SERVER)
    assert (SENDERS[EITHER], SENDERS[CLIENT], SENDERS[SERVER]) == SENDERS


def test_every_first_byte_has_an_entry() -> None:
    for version in VERSIONS:
        for sender in range(len(SENDERS)):
            assert len(first_byte_faults(version, sender)) == 256


# --- flags -----------------------------------------------------------------------------------

RESERVED_FLAGS = [
    # packet, its flags, the fault of others, the statements of 3.1.1 and 5.0
    ("CONNECT", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("CONNACK", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("PUBACK", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("PUBREC", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("PUBREL", 2, Fault.FLAGS_PUBREL, "MQTT-3.6.1-1", "MQTT-3.6.1-1"),
    ("PUBCOMP", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("SUBSCRIBE", 2, Fault.FLAGS_SUBSCRIBE, "MQTT-3.8.1-1", "MQTT-3.8.1-1"),
    ("SUBACK", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("UNSUBSCRIBE", 2, Fault.FLAGS_UNSUBSCRIBE, "MQTT-3.10.1-1", "MQTT-3.10.1-1"),
    ("UNSUBACK", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("PINGREQ", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("PINGRESP", 0, Fault.FLAGS, "MQTT-2.2.2-1", "MQTT-2.1.3-1"),
    ("DISCONNECT", 0, Fault.FLAGS_DISCONNECT, "MQTT-3.14.1-1", "MQTT-3.14.1-1"),
    ("AUTH", 0, Fault.FLAGS_AUTH, None, "MQTT-3.15.1-1"),
]


@pytest.mark.spec("3.1.1", "MQTT-2.2.2-1", role="both")
@pytest.mark.parametrize(
    ("version", "kind", "flags", "wrong"),
    [
        pytest.param(
            version,
            PacketType[name],
            flags,
            wrong,
            id=f"{label}-{name}",
            marks=pytest.mark.spec(label, statement, role="both"),
        )
        for name, flags, wrong, *statements in RESERVED_FLAGS
        for version, label, statement in zip((4, 5), ("3.1.1", "5.0"), statements, strict=True)
        if statement is not None
    ],
)
def test_reserved_flags(version: int, kind: PacketType, flags: int, wrong: Fault) -> None:
    for value in range(16):
        assert fault(version, EITHER, kind, value) == (NONE if value == flags else wrong)


@by_number
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-4", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.1-4", role="both")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-2", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.1-2", role="both")
def test_flags_of_publish(version: int) -> None:
    qos_3 = {0b0110, 0b0111, 0b1110, 0b1111}
    dup_at_0 = {0b1000, 0b1001}
    for flags in range(16):
        wrong = Fault.QOS if flags in qos_3 else Fault.DUP_AT_QOS_0 if flags in dup_at_0 else NONE
        assert fault(version, EITHER, PacketType.PUBLISH, flags) == wrong


def test_31_has_a_dup_flag_where_later_versions_have_none() -> None:
    with_dup = {PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE}
    for kind in PacketType:
        if kind in with_dup:
            assert legal_flags(3, kind) == {0b0010, 0b1010}
            assert legal_flags(4, kind) == {0b0010}
        else:
            assert legal_flags(3, kind) == legal_flags(4, kind)


# --- packet types ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sender", [EITHER, CLIENT, SERVER])
@pytest.mark.spec("3.1.1", "section 2.2.1", role="both")
@pytest.mark.spec("5.0", "section 2.1.2", role="both")
def test_packet_type_0_is_reserved(version: int, sender: int) -> None:
    for flags in range(16):
        assert fault(version, sender, 0, flags) == Fault.PACKET_TYPE


@pytest.mark.parametrize("sender", [EITHER, CLIENT, SERVER])
@pytest.mark.spec("3.1.1", "section 2.2.1", role="both")
def test_packet_type_15_is_of_5_only(sender: int) -> None:
    for flags in range(16):
        assert fault(3, sender, PacketType.AUTH, flags) == Fault.PACKET_TYPE
        assert fault(4, sender, PacketType.AUTH, flags) == Fault.PACKET_TYPE
    assert fault(5, sender, PacketType.AUTH, 0) == NONE


# Table 2-1 (2.1 in 3.1.1): the direction of flow.
ONLY_CLIENT = {"CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"}
ONLY_SERVER = {"CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"}


@pytest.mark.parametrize("kind", PacketType)
@pytest.mark.parametrize(
    ("version", "only_client"),
    [
        pytest.param(3, ONLY_CLIENT | {"DISCONNECT"}, id="3.1"),
        pytest.param(
            4,
            ONLY_CLIENT | {"DISCONNECT"},
            id="3.1.1",
            marks=pytest.mark.spec("3.1.1", "section 2.2.1", role="both"),
        ),
        pytest.param(
            5, ONLY_CLIENT, id="5.0", marks=pytest.mark.spec("5.0", "section 2.1.2", role="both")
        ),
    ],
)
def test_each_end_sends_its_own_packets(
    version: int, only_client: set[str], kind: PacketType
) -> None:
    if kind is PacketType.AUTH and version != 5:
        return  # it has no direction there
    for flags in legal_flags(version, kind):
        from_client = Fault.SENDER if kind.name in ONLY_SERVER else NONE
        from_server = Fault.SENDER if kind.name in only_client else NONE
        assert fault(version, CLIENT, kind, flags) == from_client
        assert fault(version, SERVER, kind, flags) == from_server


@pytest.mark.parametrize("kind", sorted(set(PacketType) - {PacketType.CONNECT}))
@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="server")
def test_only_connect_may_come_first(kind: PacketType) -> None:
    for flags in range(16):
        assert fault(0, CLIENT, kind, flags) == Fault.FIRST_NOT_CONNECT
        assert fault(0, EITHER, kind, flags) == Fault.FIRST_NOT_CONNECT


@pytest.mark.spec("3.1.1", "MQTT-2.2.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-2.1.3-1", role="server")
def test_a_connect_of_unknown_version_has_no_flags_in_any() -> None:
    for sender in (EITHER, CLIENT):
        assert fault(0, sender, PacketType.CONNECT, 0) == NONE
        assert {fault(0, sender, PacketType.CONNECT, flags) for flags in range(1, 16)} == {
            Fault.FLAGS
        }
    assert fault(0, SERVER, PacketType.CONNECT, 0) == Fault.SENDER


# --- Remaining Lengths -----------------------------------------------------------------------

ANY = (0, MAX_REMAINING_LENGTH)


@pytest.mark.parametrize("version", [3, 4], ids=["3.1", "3.1.1"])
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
def test_lengths_before_5(version: int) -> None:
    expected = dict.fromkeys(range(16), ANY)
    for name in ("CONNACK", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "UNSUBACK"):
        expected[PacketType[name]] = (2, 2)
    for name in ("PINGREQ", "PINGRESP", "DISCONNECT"):
        expected[PacketType[name]] = (0, 0)
    assert dict(enumerate(zip(*lengths(version), strict=True))) == expected


@pytest.mark.spec("5.0", "section 2.1.4", role="both")
@pytest.mark.spec("5.0", "section 3.12.1", role="server")
@pytest.mark.spec("5.0", "section 3.13.1", role="client")
def test_lengths_in_5() -> None:
    expected = dict.fromkeys(range(16), ANY)
    for name in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP"):
        expected[PacketType[name]] = (2, MAX_REMAINING_LENGTH)
    for name in ("CONNACK", "UNSUBACK"):
        expected[PacketType[name]] = (3, MAX_REMAINING_LENGTH)
    for name in ("PINGREQ", "PINGRESP"):
        expected[PacketType[name]] = (0, 0)
    assert dict(enumerate(zip(*lengths(5), strict=True))) == expected


def test_lengths_are_not_judged_before_the_version_is_known() -> None:
    assert list(zip(*lengths(0), strict=True)) == [ANY] * 16
