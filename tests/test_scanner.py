"""The choice of a scanner, and the frame table's contract by example, for both of them."""

import importlib.util
import os
import subprocess
import sys
from typing import Protocol

import pytest

from mqttproto.codec import pyscan, scanner
from mqttproto.codec.faults import Fault
from mqttproto.codec.scanner import CHUNK, COLUMNS, MOST_OF_ONE, FrameTable, scan_one
from mqttproto.constants import MAX_PACKET_SIZE

EITHER, CLIENT, SERVER = 0, 1, 2

C_WAS_BUILT = importlib.util.find_spec("mqttproto.codec._scan") is not None

# What a process says that hides the C scanner as if it had not been built.
HIDDEN = "import sys; sys.modules['mqttproto.codec._scan'] = None; "
BACKEND = "from mqttproto.codec.scanner import backend; print(backend)"


# --- the choice ------------------------------------------------------------------------------


def run(code: str, choice: str | None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own with this MQTTPROTO_SCANNER."""
    environment = {name: os.environ[name] for name in os.environ if name != "MQTTPROTO_SCANNER"}
    if choice is not None:
        environment["MQTTPROTO_SCANNER"] = choice
    command = [sys.executable, "-P", "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def backend(code: str, choice: str | None) -> str:
    """The scanner that such a process uses."""
    result = run(code, choice)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_this_process_says_which_scanner_it_uses() -> None:
    asked = os.environ.get("MQTTPROTO_SCANNER", "auto")
    automatic = "c" if C_WAS_BUILT else "python"
    assert scanner.backend == (automatic if asked == "auto" else asked)


@pytest.mark.parametrize("choice", [None, "", "auto"])
def test_auto_takes_the_c_scanner_if_it_was_built(choice: str | None) -> None:
    assert backend(BACKEND, choice) == ("c" if C_WAS_BUILT else "python")


@pytest.mark.parametrize("choice", [None, "auto"])
def test_auto_does_without_the_c_scanner(choice: str | None) -> None:
    assert backend(HIDDEN + BACKEND, choice) == "python"


@pytest.mark.skipif(not C_WAS_BUILT, reason="the C scanner was not built")
def test_c_takes_the_c_scanner() -> None:
    assert backend(BACKEND, "c") == "c"


@pytest.mark.parametrize("code", [HIDDEN + BACKEND, HIDDEN + "import mqttproto"])
def test_c_fails_loudly_without_the_c_scanner(code: str) -> None:
    result = run(code, "c")
    assert result.returncode != 0
    assert result.stdout == ""
    assert "ImportError: MQTTPROTO_SCANNER is c, but the C scanner was not built" in result.stderr
    assert "MQTTPROTO_PURE" in result.stderr


def test_python_does_not_look_for_the_c_scanner() -> None:
    look = "; import sys; assert 'mqttproto.codec._scan' not in sys.modules"
    assert backend(BACKEND + look, "python") == "python"


@pytest.mark.parametrize("choice", ["C", "rust", "python "])
def test_there_is_no_other_scanner(choice: str) -> None:
    result = run(BACKEND, choice)
    assert result.returncode != 0
    assert result.stdout == ""
    error = f"ImportError: MQTTPROTO_SCANNER must be auto, c or python, not {choice!r}"
    assert error in result.stderr


# Both scanners read frames of each kind, in a process that was told which.
SCAN = """
from mqttproto.codec.scanner import FrameTable, backend
data = bytes.fromhex("3206 0001 61 0007 00 6204 0007 92 00")
print(backend, FrameTable().scan(data, 0, 0, 5, 0, len(data)))
"""


@pytest.mark.parametrize(
    "choice",
    [
        "python",
        pytest.param(
            "c", marks=pytest.mark.skipif(not C_WAS_BUILT, reason="the C scanner was not built")
        ),
    ],
)
def test_the_scanner_that_was_chosen_scans(choice: str) -> None:
    cells = [0x32, 4, 5, 7, 8, 8, 8, 0x62, 0x92, 0, 7, 6, 6, 6, 0, 0, 0, 0, 0, 0, 14]
    assert backend(SCAN, choice) == f"{choice} {cells}"


# --- the frame table -------------------------------------------------------------------------


class Scan(Protocol):
    """A scanner, with all but the bytes left out."""

    def __call__(
        self,
        data: str | bytes,
        *,
        start: int = 0,
        beyond: int = 0,
        version: int = 5,
        sender: int = EITHER,
        limit: int = MAX_PACKET_SIZE,
        capacity: int = 8,
    ) -> list[list[int]]:
        """Return the rows of the table that scanning ``data`` gives, hexadecimal if it is text."""


def rows(cells: list[int]) -> list[list[int]]:
    assert len(cells) % COLUMNS == 0
    return [cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)]


@pytest.fixture(params=["reference", "chosen"])
def scan(request: pytest.FixtureRequest) -> Scan:
    """The scanner in Python, and the one that this process uses."""

    def with_either(
        data: str | bytes,
        *,
        start: int = 0,
        beyond: int = 0,
        version: int = 5,
        sender: int = EITHER,
        limit: int = MAX_PACKET_SIZE,
        capacity: int = 8,
    ) -> list[list[int]]:
        octets = bytes.fromhex(data) if isinstance(data, str) else data
        arguments = (octets, start, beyond, version, sender, limit)
        if request.param == "reference":
            return rows(pyscan.scan(*arguments, capacity))
        return rows(FrameTable(capacity).scan(*arguments))

    return with_either


def end(at: int) -> list[int]:
    """The row of status of bytes that were all scanned."""
    return [0, 0, 0, 0, 0, 0, at]


def wait(needed: int, at: int = 0) -> list[int]:
    """The row of status where ``needed`` bytes from ``at`` on must be there to go on."""
    return [0, 0, needed, 0, 0, 0, at]


def broken(fault: Fault, position: int, at: int = 0) -> list[int]:
    """The row of status of a fault in a packet that begins at ``at``."""
    return [fault, position, 0, 0, 0, 0, at]


def test_a_row_has_seven_columns() -> None:
    assert COLUMNS == 7
    assert CHUNK >= MAX_PACKET_SIZE - 5


@pytest.mark.parametrize("capacity", [0, -1, 1_000_001])
def test_a_table_has_room_for_some_frames(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"not {capacity}$"):
        FrameTable(capacity)


@pytest.mark.parametrize(
    ("start", "beyond", "version", "sender"),
    [
        (-1, 0, 5, EITHER),
        (3, 0, 5, EITHER),
        (0, -1, 5, EITHER),
        (0, CHUNK - 1, 5, EITHER),
        (0, 0, -1, EITHER),
        (0, 0, 1, EITHER),
        (0, 0, 2, EITHER),
        (0, 0, 6, EITHER),
        (0, 0, 5, -1),
        (0, 0, 5, 3),
    ],
)
def test_an_argument_out_of_its_range(start: int, beyond: int, version: int, sender: int) -> None:
    with pytest.raises(ValueError, match=r"too many|no version"):
        FrameTable().scan(b"\xc0\0", start, beyond, version, sender, 99)


@pytest.mark.parametrize("limit", [-1, 1 << 32])
def test_a_limit_out_of_its_range(limit: int) -> None:
    with pytest.raises(ValueError, match=f"not {limit}$"):
        FrameTable().scan(b"\xc0\0", 0, 0, 5, EITHER, limit)


def test_arguments_at_the_ends_of_their_ranges() -> None:
    table = FrameTable()
    assert rows(table.scan(b"\xc0\0", 0, 0, 5, EITHER, (1 << 32) - 1))[-1] == end(2)
    assert rows(table.scan(b"\xc0\0", 2, CHUNK - 2, 5, SERVER, 99)) == [end(2)]
    assert rows(table.scan(b"\xc0\0", 0, CHUNK - 2, 3, CLIENT, 99))[-1] == end(2)


def test_a_table_says_its_capacity() -> None:
    assert FrameTable().capacity == 256
    assert FrameTable(1).capacity == 1


def test_a_table_holds_nothing_between_two_scans() -> None:
    table = FrameTable(2)
    full = table.scan(b"\xc0\0\xd0\0", 0, 0, 5, EITHER, 99)
    assert rows(full)[-1] == end(4)
    assert rows(table.scan(b"", 0, 0, 5, EITHER, 99)) == [end(0)]
    assert rows(table.scan(b"\x30", 0, 0, 4, CLIENT, 99)) == [wait(2)]
    assert table.scan(b"\xc0\0\xd0\0", 0, 0, 5, EITHER, 99) == full


def test_nothing_in_nothing(scan: Scan) -> None:
    assert scan("") == [end(0)]
    assert scan("c000", start=2) == [end(2)]


# --- frames that are whole -------------------------------------------------------------------


@pytest.mark.spec("3.1.1", "section 3.3", role="both")
@pytest.mark.spec("5.0", "section 3.3", role="both")
def test_publish(scan: Scan) -> None:
    # first byte, topic from and to, packet id, property block from, payload from, length
    assert scan("30 05 0001 61 6869", version=4) == [[0x30, 4, 5, 0, 5, 5, 7], end(7)]
    assert scan("30 06 0001 61 00 6869") == [[0x30, 4, 5, 0, 6, 6, 8], end(8)]
    assert scan("3d 06 0002 6162 0102", version=3) == [[0x3D, 4, 6, 0x102, 8, 8, 8], end(8)]
    assert scan("34 0b 0001 61 ffff 03 230001 6869") == [
        [0x34, 4, 5, 0xFFFF, 8, 11, 13],
        end(13),
    ]


@pytest.mark.spec("5.0", "section 3.3.2.1", role="both")
def test_publish_by_topic_alias(scan: Scan) -> None:
    assert scan("30 06 0000 03 230001") == [[0x30, 4, 4, 0, 5, 8, 8], end(8)]
    assert scan("30 03 0000 00") == [broken(Fault.TOPIC_MISSING, 2)]
    assert scan("30 02 0000", version=4) == [broken(Fault.TOPIC_MISSING, 2)]


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_positions_count_from_the_start_of_a_frame(scan: Scan) -> None:
    payload = b"x" * 200
    frame = b"\x30\xcd\x01" + b"\0\2ab" + b"\0" + payload
    row = [0x30, 5, 7, 0, 8, 8, 208]
    assert scan(b"\xc0\0" + frame + frame) == [[0xC0, 2, 0, 0, 0, 0, 2], row, row, end(418)]
    assert scan(b"?" + frame, start=1) == [row, end(209)]


@pytest.mark.parametrize("first", ["40", "50", "62", "70"])
@pytest.mark.spec("3.1.1", "section 2.3.1", role="both")
@pytest.mark.spec("5.0", "section 3.4.2.1", role="both")
@pytest.mark.spec("5.0", "section 3.5.2.1", role="both")
@pytest.mark.spec("5.0", "section 3.6.2.1", role="both")
@pytest.mark.spec("5.0", "section 3.7.2.1", role="both")
def test_acknowledgements(scan: Scan, first: str) -> None:
    # first byte, reason code, 0, packet id, property block from and to, length
    kind = int(first, 16)
    code = 0x92 if first in ("62", "70") else 0x80
    for version in (3, 4, 5):
        expected = [[kind, 0, 0, 0x102, 4, 4, 4], end(4)]
        assert scan(f"{first} 02 0102", version=version) == expected
    assert scan(f"{first} 03 0102 {code:02x}") == [[kind, code, 0, 0x102, 5, 5, 5], end(5)]
    assert scan(f"{first} 04 0102 00 00") == [[kind, 0, 0, 0x102, 6, 6, 6], end(6)]
    assert scan(f"{first} 09 0102 {code:02x} 05 2600000000") == [
        [kind, code, 0, 0x102, 6, 11, 11],
        end(11),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "20 03 ffffff",
        "82 01 ff",
        "90 01 ff",
        "a2 01 ff",
        "b0 03 ffffff",
        "c0 00",
        "d0 00",
        "e0 00",
        "e0 01 ff",
        "f0 00",
        "f0 01 ff",
    ],
)
def test_of_other_packets_the_fixed_header_is_all_that_is_read(scan: Scan, text: str) -> None:
    data = bytes.fromhex(text)
    assert scan(data) == [[data[0], 2, 0, 0, 0, 0, len(data)], end(len(data))]
    long = data[:1] + b"\xc8\x01" + bytes(200)
    if data[0] not in (0xC0, 0xD0):
        assert scan(long) == [[data[0], 3, 0, 0, 0, 0, 203], end(203)]


def test_a_connect_ends_the_scan(scan: Scan) -> None:
    for version in (0, 3, 4, 5):
        for behind in ("", "c000", "0000", "10 02 ffff"):
            row = [0x10, 2, 0, 0, 0, 0, 4]
            assert scan("10 02 ffff" + behind, version=version) == [row, end(4)]
    assert scan("c000 10 02 ffff c000")[1:] == [[0x10, 2, 0, 0, 0, 0, 4], end(6)]


def test_a_full_table_ends_the_scan(scan: Scan) -> None:
    ping = [0xC0, 2, 0, 0, 0, 0, 2]
    assert scan("c000" * 3, capacity=2) == [ping, ping, end(4)]
    assert scan("c000 c000 00", capacity=2) == [ping, ping, end(4)]
    assert scan("c000 c000 30", capacity=2) == [ping, ping, end(4)]
    assert scan("c000 c000", capacity=2) == [ping, ping, end(4)]
    assert scan("c000" * 3, start=4, capacity=1) == [ping, end(6)]


# --- frames that are not yet whole -----------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_fixed_header_that_is_cut(scan: Scan, version: int) -> None:
    assert scan("30", version=version) == [wait(2)]
    assert scan("30 80", version=version) == [wait(3)]
    assert scan("30 80 80", version=version) == [wait(4)]
    assert scan("30 80 80 80", version=version) == [wait(5)]
    assert scan("c000 30 80", version=version)[-1] == wait(3, 2)


def test_a_frame_that_is_cut_tells_its_length(scan: Scan) -> None:
    assert scan("30 06") == [wait(8)]
    assert scan("82 80 80 01 00") == [wait(4 + 16_384)]
    assert scan("40 02 00") == [wait(4)]
    assert scan("c000 30 06 0001 61 00 68")[-1] == wait(8, 2)
    assert scan("c000 30 06 0001 61 00 68", start=2) == [wait(8, 2)]


def test_the_payload_of_a_publish_may_lie_beyond(scan: Scan) -> None:
    # The whole is 2 + 6 bytes.
    row = [0x30, 4, 5, 0, 6, 6, 8]
    for there in ("30 06 0001 61 00 68", "30 06 0001 61 00"):
        missing = 8 - len(bytes.fromhex(there))
        assert scan(there, beyond=missing) == [row, end(8)]
        assert scan(there, beyond=missing + 9) == [row, end(8)]
        assert scan(there, beyond=missing - 1) == [wait(8)]


@pytest.mark.parametrize(
    "there",
    [
        "30 0e",
        "30 0e 00",
        "30 0e 0001",
        "30 0e 0001 61",
        "32 0e 0001 61 00",
        "30 0e 0001 61 80",
        "30 0e 0001 61 03",
        "30 0e 0001 61 03 23",
        "30 0e 0001 61 03 2300",
    ],
)
def test_all_but_the_payload_must_be_at_hand(scan: Scan, there: str) -> None:
    assert scan(there, beyond=99) == [wait(16)]


@pytest.mark.parametrize("there", ["40 05 0001 00 01", "82 05", "20 05 00 00", "e0 05 00"])
def test_no_other_packet_may_lie_beyond(scan: Scan, there: str) -> None:
    assert scan(there, beyond=99) == [wait(7)]


def test_a_fault_before_the_payload_is_found_without_it(scan: Scan) -> None:
    assert scan("30 0e 0001 23", beyond=99) == [broken(Fault.TOPIC_WILDCARD, 4)]
    assert scan("32 0e 0001 61 0000", beyond=99) == [broken(Fault.PACKET_ID, 5)]
    assert scan("30 0e 0001 61 7f", beyond=99) == [broken(Fault.PROPERTY_LENGTH, 5)]
    assert scan("30 0e 0001 61 03 230000", beyond=99) == [broken(Fault.TOPIC_ALIAS_ZERO, 7)]


# --- faults ----------------------------------------------------------------------------------


@pytest.mark.spec("3.1.1", "MQTT-2.2.2-1", role="both")
@pytest.mark.spec("5.0", "MQTT-2.1.3-1", role="both")
def test_a_fault_in_the_first_byte_needs_no_second(scan: Scan) -> None:
    assert scan("00") == [broken(Fault.PACKET_TYPE, 0)]
    assert scan("f0", version=4) == [broken(Fault.PACKET_TYPE, 0)]
    assert scan("36") == [broken(Fault.QOS, 0)]
    assert scan("38", version=4) == [broken(Fault.DUP_AT_QOS_0, 0)]
    assert scan("41") == [broken(Fault.FLAGS, 0)]
    assert scan("6a", version=4) == [broken(Fault.FLAGS_PUBREL, 0)]
    assert scan("6a", version=3) == [wait(2)]
    assert scan("c000 80")[-1] == broken(Fault.FLAGS_SUBSCRIBE, 2, 2)


@pytest.mark.spec("3.1.1", "section 2.2.1", role="both")
@pytest.mark.spec("5.0", "section 2.1.2", role="both")
def test_the_wrong_end(scan: Scan) -> None:
    for version in (3, 4, 5):
        for first, wrong, right in (("c0", SERVER, CLIENT), ("d0", CLIENT, SERVER)):
            assert scan(first, version=version, sender=wrong) == [broken(Fault.SENDER, 0)]
            assert scan(first, version=version, sender=right) == [wait(2)]
    assert scan("e0", version=4, sender=SERVER) == [broken(Fault.SENDER, 0)]
    assert scan("e0", version=5, sender=SERVER) == [wait(2)]


@pytest.mark.spec("5.0", "MQTT-3.3.4-6", role="server")
def test_a_property_from_the_wrong_end(scan: Scan) -> None:
    frame = "30 06 0001 61 02 0b01"
    wrong = broken(Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 6)
    assert scan(frame, sender=CLIENT) == [wrong]
    assert scan(frame, sender=SERVER) == scan(frame) == [[0x30, 4, 5, 0, 6, 8, 8], end(8)]


@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="server")
def test_before_the_version_is_known_a_connect_must_come(scan: Scan) -> None:
    for first in ("20", "30", "c0", "f0", "ff"):
        assert scan(first, version=0) == [broken(Fault.FIRST_NOT_CONNECT, 0)]
    assert scan("10", version=0) == [wait(2)]
    assert scan("11", version=0) == [broken(Fault.FLAGS, 0)]


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.5-1", role="both")
def test_only_5_asks_for_a_minimal_remaining_length(scan: Scan) -> None:
    for text in ("c0 80 00", "c0 80 80 00", "c0 80 80 80 00"):
        size = len(bytes.fromhex(text))
        assert scan(text) == [broken(Fault.LENGTH_NOT_MINIMAL, 1)]
        for version in (3, 4):
            assert scan(text, version=version) == [[0xC0, size, 0, 0, 0, 0, size], end(size)]
    # A CONNECT is judged when its version is known.
    assert scan("10 82 00 ffff", version=0) == [[0x10, 3, 0, 0, 0, 0, 5], end(5)]
    assert scan("10 82 00 ffff", version=5) == [broken(Fault.LENGTH_NOT_MINIMAL, 1)]


@pytest.mark.parametrize("version", [0, 3, 4, 5])
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
def test_a_remaining_length_has_at_most_four_bytes(scan: Scan, version: int) -> None:
    for text in ("10 80 80 80 80", "10 ff ff ff ff", "10 ff ff ff ff 00"):
        assert scan(text, version=version) == [broken(Fault.LENGTH_OVER_FOUR_BYTES, 1)]
    assert scan("10 ff ff ff 7f", version=version) == [wait(MAX_PACKET_SIZE)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="server")
def test_the_limit_holds_before_anything_is_buffered(scan: Scan) -> None:
    # Its own two bytes are part of a packet's size.
    assert scan("30 06", limit=8) == [wait(8)]
    assert scan("30 06", limit=7) == [broken(Fault.PACKET_TOO_LARGE, 0)]
    assert scan("c000 30 ff ff ff 7f", limit=2)[-1] == broken(Fault.PACKET_TOO_LARGE, 2, 2)
    assert scan("c000", limit=2) == [[0xC0, 2, 0, 0, 0, 0, 2], end(2)]
    assert scan("c000", limit=1) == [broken(Fault.PACKET_TOO_LARGE, 0)]


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_a_remaining_length_that_the_packet_cannot_have(scan: Scan) -> None:
    for text in ("40 00", "40 01", "70 01", "20 02", "b0 02", "c0 01", "d0 7f"):
        assert scan(text) == [broken(Fault.LENGTH_WRONG, 1)]
    for text in ("40 01", "40 03", "20 03", "b0 03", "c0 01", "e0 01"):
        assert scan(text, version=4) == [broken(Fault.LENGTH_WRONG, 1)]


# One fault of each kind in a PUBLISH of 5.0 behind a PINGREQ, and where in it.
FAULTY_PUBLISH = [
    ("30 00", Fault.TRUNCATED, 2),
    ("30 01 00", Fault.TRUNCATED, 2),
    ("30 03 0002 61", Fault.TRUNCATED, 2),
    ("30 03 0001 61", Fault.TRUNCATED, 5),
    ("32 04 0001 61 00", Fault.TRUNCATED, 5),
    ("32 05 0001 61 0007", Fault.TRUNCATED, 7),
    ("30 04 0001 61 80", Fault.TRUNCATED, 5),
    ("30 05 0002 61ff 00", Fault.UTF8, 5),
    ("30 06 0003 eda080 00", Fault.UTF8, 4),
    ("30 05 0002 6100 00", Fault.NULL_CHARACTER, 5),
    ("30 05 0002 612b 00", Fault.TOPIC_WILDCARD, 5),
    ("30 0d 000a 61616161616161616123 00", Fault.TOPIC_WILDCARD, 13),
    ("30 0d 000a 616161616161616161ff 00", Fault.UTF8, 13),
    ("30 0d 000a 61616161616161616100 00", Fault.NULL_CHARACTER, 13),
    ("32 06 0001 61 0000 00", Fault.PACKET_ID, 5),
    ("30 04 0001 61 01", Fault.PROPERTY_LENGTH, 5),
    ("30 06 0001 61 8000 00", Fault.LENGTH_NOT_MINIMAL, 5),
    ("30 08 0001 61 80808080 01", Fault.LENGTH_OVER_FOUR_BYTES, 5),
    ("30 05 0001 61 01 00", Fault.PROPERTY_UNKNOWN, 6),
    ("30 05 0001 61 01 ff", Fault.PROPERTY_UNKNOWN, 6),
    ("30 06 0001 61 02 2401", Fault.PROPERTY_MISPLACED, 6),
    ("30 0a 0001 61 06 230001 230001", Fault.PROPERTY_REPEATED, 9),
    ("30 06 0001 61 02 0102", Fault.PROPERTY_NOT_0_OR_1, 7),
    ("30 06 0001 61 02 2300", Fault.TRUNCATED, 7),
    ("30 06 0001 61 02 0b00", Fault.SUBSCRIPTION_IDENTIFIER_ZERO, 7),
    ("30 08 0001 61 04 0800012b", Fault.RESPONSE_TOPIC_WILDCARD, 9),
    ("30 07 0001 61 03 080000", Fault.NAME_EMPTY, 7),
    ("30 07 0001 61 03 090001", Fault.TRUNCATED, 7),
    ("30 0a 0001 61 06 26000161 0001", Fault.TRUNCATED, 10),
    ("30 05 0000 02 0101", Fault.TOPIC_MISSING, 2),
]


@pytest.mark.parametrize(
    ("text", "fault", "position"), FAULTY_PUBLISH, ids=[row[0] for row in FAULTY_PUBLISH]
)
@pytest.mark.spec("5.0", "section 3.3", role="both")
def test_faults_of_publish(scan: Scan, text: str, fault: Fault, position: int) -> None:
    # What follows the packet is of no account: neither does a field go on there, nor is it wrong.
    for behind in ("", "c000", "00"):
        assert scan(f"c000 {text} {behind}")[-1] == broken(fault, 2 + position, 2)


FAULTY_ACKNOWLEDGEMENTS = [
    ("40 02 0000", Fault.PACKET_ID, 2),
    ("40 03 0001 01", Fault.PUBACK_REASON, 4),
    ("50 03 0001 92", Fault.PUBREC_REASON, 4),
    ("62 03 0001 10", Fault.PUBREL_REASON, 4),
    ("70 03 0001 80", Fault.PUBCOMP_REASON, 4),
    ("40 04 0001 00 01", Fault.PROPERTY_LENGTH, 5),
    ("40 04 0001 00 80", Fault.TRUNCATED, 5),
    ("40 05 0001 00 8000", Fault.LENGTH_NOT_MINIMAL, 5),
    ("40 06 0001 00 02 0101", Fault.PROPERTY_MISPLACED, 6),
    ("40 06 0001 00 02 1f00", Fault.TRUNCATED, 7),
    ("40 05 0001 00 00 00", Fault.TRAILING_BYTES, 6),
    ("40 0b 0001 00 05 2600000000 0000", Fault.TRAILING_BYTES, 11),
]


@pytest.mark.parametrize(
    ("text", "fault", "position"),
    FAULTY_ACKNOWLEDGEMENTS,
    ids=[row[0] for row in FAULTY_ACKNOWLEDGEMENTS],
)
@pytest.mark.spec("5.0", "section 3.4", role="both")
@pytest.mark.spec("5.0", "section 3.5", role="both")
@pytest.mark.spec("5.0", "section 3.6", role="both")
@pytest.mark.spec("5.0", "section 3.7", role="both")
def test_faults_of_acknowledgements(scan: Scan, text: str, fault: Fault, position: int) -> None:
    data = bytes.fromhex(text)
    for behind in (b"", b"\xc0\0"):
        assert scan(data + behind) == [broken(fault, position)]
    # Until it is whole there is nothing to find in it.
    for size in range(2, len(data)):
        assert scan(data[:size]) == [wait(len(data))]


def test_a_payload_may_be_anything(scan: Scan) -> None:
    assert scan("30 08 0001 61 00 0023ffed") == [[0x30, 4, 5, 0, 6, 6, 10], end(10)]


def test_the_frames_before_a_fault_are_there(scan: Scan) -> None:
    ping = [0xC0, 2, 0, 0, 0, 0, 2]
    row = [0x30, 4, 5, 0, 6, 6, 6]
    assert scan("c000 30 04 0001 61 00 0000") == [ping, row, broken(Fault.PACKET_TYPE, 8, 8)]


# --- a chunk that is one frame ---------------------------------------------------------------

with_c = pytest.mark.skipif(scanner.backend != "c", reason="this process has no short way")


def one(text: str, version: int = 5, sender: int = EITHER) -> tuple[int, ...] | None:
    """Cells 1 to 5 of the frame that this is, if it is one."""
    data = bytes.fromhex(text)
    found = scan_one(data, len(data), version, sender)
    low, high = 0xFFF, 0xFF
    cells = found >> 36 & high, found >> 24 & low, found >> 44, found >> 12 & low, found & low
    return cells if found else None


@with_c
def test_one_frame_in_a_number() -> None:
    assert one("30 06 0001 61 00 6869") == (4, 5, 0, 6, 6)
    assert one("34 0b 0001 61 ffff 03 230001 6869") == (4, 5, 0xFFFF, 8, 11)
    assert one("30 8d808000 0001 61 30313233343536373839", 4) == (7, 8, 0, 8, 8)
    assert one("40 02 0102") == (0, 0, 0x102, 4, 4)
    assert one("50 09 0102 80 05 2600000000") == (0x80, 0, 0x102, 6, 11)
    assert one("62 03 0102 92") == (0x92, 0, 0x102, 5, 5)
    assert one("70 02 ffff", 3) == (0, 0, 0xFFFF, 4, 4)
    assert one("c000") == one("d000") == (2, 0, 0, 0, 0)


@with_c
@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "c0",
        "30 06 0001 61 00 68",
        "30 06 0001 61 00 6869 c0",
        "c000 c000",
        "30 04 0001 2b 00",
        "40 02 0000",
        "36 03 0001 61",
        "c0 01 00",
        "d1 00",
        "00 00",
        "ff 00",
        "20 03 00 00 00",
        "e0 00",
        "f0 00",
        "82 07 0005 00 0001 61 01",
        "10 0e 0004 4d515454 05 02 003c 00 0001 63",
    ],
)
def test_what_is_not_one_frame_of_the_frequent_kinds(text: str) -> None:
    for version in (0, 5):
        assert one(text, version) is None


@with_c
def test_what_the_sender_must_not_send_is_no_frame() -> None:
    assert one("c000", sender=CLIENT)
    assert one("c000", sender=SERVER) is None
    assert one("d000", sender=CLIENT) is None
    assert one("40 03 0001 10", sender=SERVER)
    assert one("40 03 0001 10", sender=CLIENT) is None


@with_c
def test_the_most_bytes_of_one_frame() -> None:
    assert MOST_OF_ONE == 4095
    for size, found in ((MOST_OF_ONE, (5, 6, 0, 7, 7)), (MOST_OF_ONE + 1, None)):
        remaining = size - 3
        data = bytes((0x30, remaining & 0x7F | 0x80, remaining >> 7)) + b"\0\1a\0"
        assert one((data + bytes(size - len(data))).hex()) == found


@pytest.mark.skipif(scanner.backend != "python", reason="this process has a short way")
def test_in_python_there_is_no_short_way() -> None:
    assert MOST_OF_ONE < 0
    assert scan_one(b"\xc0\0", 2, 4, EITHER) == 0
