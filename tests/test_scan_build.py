"""What the C scanner is built from: its tables agree with those of Python, and with the build."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import mqttproto
from mqttproto.codec import pyscan
from mqttproto.codec.faults import Fault
from mqttproto.codec.headers import SENDERS, VERSIONS, first_byte_faults, lengths
from mqttproto.codec.properties import PROPERTIES, WireType
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.codec.scanner import COLUMNS, FrameTable, backend
from mqttproto.constants import MAX_PACKET_SIZE, MAX_REMAINING_LENGTH, PacketType, Sender

CODEC: Final = Path(mqttproto.__file__).parent / "codec"

if not (CODEC / "_scan.c").exists():
    pytest.skip("an installed wheel holds no C source", allow_module_level=True)

from mqttproto.codec import _scan_build  # noqa: E402 - needs that source

SOURCE: Final = _scan_build.tables()


def initializer(name: str) -> Any:
    """The value of a constant array of the generated source, as nested lists."""
    found = re.search(rf"^static const \w+ {name}(\[\w+\])+ =\s*(\{{.*?\}});$", SOURCE, re.M | re.S)
    assert found is not None, name
    text = found[2].translate({ord("{"): "[", ord("}"): "]", ord("u"): None})
    return json.loads(text)


def enumerators(prefix: str) -> dict[str, int]:
    """The members of the generated enumeration that begin so, without that beginning."""
    found = re.findall(rf"^    {prefix}(\w+) = (\d+),?$", SOURCE, re.M)
    return {name: int(value) for name, value in found}


# --- the generated source --------------------------------------------------------------------


def test_the_numbers_of_faults() -> None:
    assert enumerators("F_") == {fault.name: int(fault) for fault in Fault}


def test_the_numbers_of_wire_types() -> None:
    assert enumerators("W_") == {
        "BYTE": WireType.BYTE,
        "U16": WireType.U16,
        "U32": WireType.U32,
        "VARINT": WireType.VARINT,
        "UTF8": WireType.UTF8,
        "TOPIC_NAME": WireType.TOPIC_NAME,
        "BINARY": WireType.BINARY,
        "PAIR": WireType.PAIR,
    }


def test_the_table_of_properties() -> None:
    (ids,) = re.findall(r"PROPERTY_IDS = (\d+)", SOURCE)
    table = initializer("PROPERTY")
    assert len(table) == int(ids) == 0x2B
    fields = re.findall(r"uint32_t ([\w\s,\[\]]+);\s*\} property_row;", SOURCE)[0]
    assert re.split(r",\s*", fields) == [
        "packets",
        "repeatable",
        "wire",
        "not_from[2]",
        "sender_fault",
        "low",
        "high",
        "range_fault",
    ]
    expected: list[list[object]] = [[0, 0, 0, [0, 0], 0, 0, 0, 0] for _ in table]
    for row in PROPERTIES:
        senders = [row.not_from_client, row.not_from_server]
        kind = [row.packets, row.repeatable, row.wire, senders, row.sender_fault]
        expected[row.id] = [*kind, row.low, row.high, row.range_fault]
    assert table == expected
    assert enumerators("P_") == {"TOPIC_ALIAS": 0x23}


def test_the_table_of_reason_codes() -> None:
    names = ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")
    for table, sender in zip(initializer("REASON"), (None, *Sender), strict=True):
        for bits, name in zip(table, names, strict=True):
            packet = PacketType[name]
            assert len(bits) == 32
            allowed = {code for code in range(256) if bits[code // 8] >> code % 8 & 1}
            ends = Sender if sender is None else [sender]
            assert allowed == set().union(*(REASON_CODES[packet, end] for end in ends))


def test_the_tables_of_fixed_headers() -> None:
    # By version, 0 and 3 to 5, and by sender.
    assert initializer("FIRST_BYTE") == [
        [list(first_byte_faults(version, sender)) for sender in range(3)]
        for version in (0, 3, 4, 5)
    ]
    assert initializer("LEAST") == [list(lengths(version)[0]) for version in (0, 3, 4, 5)]
    assert initializer("MOST") == [list(lengths(version)[1]) for version in (0, 3, 4, 5)]


def test_some_cells_by_hand() -> None:
    first_byte = initializer("FIRST_BYTE")
    client, server = 1, 2
    assert first_byte[3][client][0x60] == Fault.FLAGS_PUBREL
    assert first_byte[3][client][0x62] == 0
    assert first_byte[1][client][0x6A] == 0
    assert first_byte[0][client][0x30] == Fault.FIRST_NOT_CONNECT
    assert first_byte[3][server][0x82] == Fault.SENDER
    assert initializer("LEAST")[3][PacketType.CONNACK] == 3
    assert initializer("MOST")[2][PacketType.CONNACK] == 2
    assert initializer("MOST")[3][PacketType.PUBLISH] == MAX_REMAINING_LENGTH
    assert initializer("PROPERTY")[0x23][5:] == [1, 65_535, Fault.TOPIC_ALIAS_ZERO]


def test_rows_are_as_wide_in_c() -> None:
    header = (CODEC / "_scan.h").read_text(encoding="utf-8")
    assert re.findall(r"#define MQTT_COLUMNS (\d+)", header) == [str(COLUMNS)]


def test_the_declaration_is_that_of_the_header() -> None:
    header = (CODEC / "_scan.h").read_text(encoding="utf-8")
    (declared,) = re.findall(r"^uint32_t mqtt_scan\(.*?\);", header, re.M | re.S)
    assert declared in (CODEC / "_scan_build.py").read_text(encoding="utf-8")
    (defined,) = re.findall(
        r"^uint32_t mqtt_scan\(.*?\)", (CODEC / "_scan.c").read_text(encoding="utf-8"), re.M | re.S
    )
    assert declared == defined + ";"


# --- what was built --------------------------------------------------------------------------
# The C scanner and the reference differ in nothing that a table decides. One that was built before
# a table changed fails here.

c_only = pytest.mark.skipif(backend == "python", reason="this process does not use the C scanner")


def compare(data: bytes, version: int, sender: int) -> None:
    arguments = (data, 0, 0, version, sender, MAX_PACKET_SIZE)
    assert FrameTable(4).scan(*arguments) == pyscan.scan(*arguments, 4), (data, version, sender)


def senders_and_versions() -> Iterator[tuple[int, int]]:
    return ((version, sender) for version in VERSIONS for sender in range(len(SENDERS)))


@c_only
def test_the_built_tables_of_fixed_headers() -> None:
    for version, sender in senders_and_versions():
        for first in range(256):
            for length in range(5):
                compare(bytes((first, length)), version, sender)


@c_only
@pytest.mark.parametrize("value", [b"", b"\0", b"\1", b"\2", b"\0\0", b"\0\1", b"\0\1a", bytes(4)])
def test_the_built_table_of_properties(value: bytes) -> None:
    for sender in range(len(SENDERS)):
        for number in range(256):
            one = bytes((number,)) + value
            for block in (one, one + one):
                body = bytes((len(block),)) + block
                for head in (b"\x30%c\0\1t", b"\x40%c\0\1\0", b"\x62%c\0\1\0"):
                    frame = head % (len(head) - 3 + len(body)) + body
                    compare(frame, 5, sender)


@c_only
@pytest.mark.parametrize("first", [0x40, 0x50, 0x62, 0x70])
def test_the_built_table_of_reason_codes(first: int) -> None:
    for sender in range(len(SENDERS)):
        for code in range(256):
            compare(bytes((first, 3, 0, 1, code)), 5, sender)


# --- the build -------------------------------------------------------------------------------


def test_the_tables_are_written_for_other_compilers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mqttproto.codec._scan_build", str(tmp_path)]
    subprocess.run(command, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["_scan_tables.h"]
    assert (tmp_path / "_scan_tables.h").read_text(encoding="utf-8") == SOURCE


def test_a_build_runs_the_file_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["_scan_build.py", str(tmp_path)])
    monkeypatch.setenv("MQTTPROTO_SCANNER", "c")
    runpy.run_path(str(CODEC / "_scan_build.py"), run_name="__main__")
    assert (tmp_path / "_scan_tables.h").read_text(encoding="utf-8") == SOURCE
    # It finds the package without an installation, and does not ask for what it builds.
    assert sys.path[0] == str(CODEC.parents[1])
    assert os.environ["MQTTPROTO_SCANNER"] == "python"


def test_cffi_is_given_the_source_with_its_tables(tmp_path: Path) -> None:
    _scan_build.ffibuilder.emit_c_code(str(tmp_path / "_scan.c"))
    emitted = (tmp_path / "_scan.c").read_text(encoding="utf-8")
    assert SOURCE in emitted
    assert (CODEC / "_scan.c").read_text(encoding="utf-8") in emitted
    # No call gives up the lock of the interpreter.
    assert emitted.rindex("#define Py_BEGIN_ALLOW_THREADS {") < emitted.index("mqtt_scan")
    assert emitted.rindex("#define Py_END_ALLOW_THREADS }") < emitted.index("mqtt_scan")
