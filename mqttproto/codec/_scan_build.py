"""Build the C scanner with cffi; its tables are generated from the Python ones.

``python -m mqttproto.codec._scan_build DIRECTORY`` writes them to ``_scan_tables.h`` there, for
whoever compiles ``_scan.c`` without Python.
"""

import os
import sys
from pathlib import Path
from typing import Final

from cffi import FFI

_HERE: Final = Path(__file__).resolve().parent

# A build runs this file by its path, with nothing installed: the tables are in the source tree,
# and importing them must not ask for the very module that is being built.
if __package__ in (None, ""):
    sys.path.insert(0, str(_HERE.parents[1]))
    os.environ["MQTTPROTO_SCANNER"] = "python"

from mqttproto.codec.faults import Fault
from mqttproto.codec.headers import SENDERS, VERSIONS, first_byte_faults, lengths
from mqttproto.codec.properties import BY_ID, PROPERTIES, WireType
from mqttproto.codec.pyscan import REASON_FAULTS
from mqttproto.codec.reasons import reason_allowed
from mqttproto.constants import PacketType, Sender

# cffi releases the GIL around each call. A scan takes microseconds: with another thread busy,
# getting the GIL back costs a thousand times more.
_KEEP_THE_GIL: Final = """
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
"""

_DECLARATION: Final = """
uint32_t mqtt_scan(const uint8_t *data, uint32_t start, uint32_t size, uint32_t beyond,
                   uint32_t version, uint32_t sender, uint32_t limit, uint32_t *table,
                   uint32_t capacity);
uint64_t mqtt_scan_one(const uint8_t *data, uint32_t size, uint32_t version, uint32_t sender);
"""


def _initializer(value: object) -> str:
    """``value``, an integer or nested sequences of them, as a C initializer."""
    if isinstance(value, int):
        return f"{int(value)}u"
    assert isinstance(value, tuple | bytes)
    return "{" + ", ".join(_initializer(item) for item in value) + "}"


def _property_row(number: int) -> tuple[object, ...]:
    row = BY_ID[number]
    if row is None:
        return (0, 0, 0, (0, 0), 0, 0, 0, 0)
    senders = (row.not_from_client, row.not_from_server)
    numbers = (row.low, row.high, int(row.range_fault))
    return (row.packets, row.repeatable, row.wire, senders, int(row.sender_fault), *numbers)


def _reason_bits(packet: PacketType, sender: Sender | None) -> bytes:
    return bytes(
        sum(reason_allowed(packet, index * 8 + bit, sender) << bit for bit in range(8))
        for index in range(32)
    )


def tables() -> str:
    """The C source of everything that ``_scan.c`` shares with the Python tables."""
    ids = max(row.id for row in PROPERTIES) + 1
    names = {row.name: row.id for row in PROPERTIES}
    wires = {name: value for name, value in vars(WireType).items() if name.isupper()}
    acks = (PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP)
    senders = range(len(SENDERS))
    reasons = tuple(tuple(_reason_bits(ack, sender) for ack in acks) for sender in SENDERS)
    first = tuple(tuple(first_byte_faults(v, sender) for sender in senders) for v in VERSIONS)
    bounds = [lengths(version) for version in VERSIONS]
    by_version = f"[{len(VERSIONS)}]"
    return "\n".join(
        [
            "#define MQTT_TABLES",
            "#include <stdint.h>",
            "enum {",
            *(f"    F_{fault.name} = {fault.value}," for fault in Fault),
            *(f"    W_{name} = {value}," for name, value in wires.items()),
            f"    P_TOPIC_ALIAS = {names['topic_alias']},",
            f"    PROPERTY_IDS = {ids}",
            "};",
            "typedef struct {",
            "    uint32_t packets, repeatable, wire, not_from[2], sender_fault, low, high,",
            "        range_fault;",
            "} property_row;",
            "static const property_row PROPERTY[PROPERTY_IDS] = ",
            _initializer(tuple(_property_row(number) for number in range(ids))) + ";",
            "typedef char seen_has_a_bit_for_each_property[PROPERTY_IDS <= 64 ? 1 : -1];",
            "static const uint32_t REASON_FAULT[4] = ",
            _initializer(tuple(int(REASON_FAULTS[packet]) for packet in acks)) + ";",
            f"static const uint8_t REASON[{len(SENDERS)}][4][32] = ",
            _initializer(reasons) + ";",
            f"static const uint8_t FIRST_BYTE{by_version}[{len(SENDERS)}][256] = ",
            _initializer(first) + ";",
            f"static const uint32_t LEAST{by_version}[16] = ",
            _initializer(tuple(least for least, _ in bounds)) + ";",
            f"static const uint32_t MOST{by_version}[16] = ",
            _initializer(tuple(most for _, most in bounds)) + ";",
            "",
        ]
    )


def _source() -> str:
    return _KEEP_THE_GIL + tables() + (_HERE / "_scan.c").read_text()


ffibuilder = FFI()
ffibuilder.cdef(_DECLARATION)
ffibuilder.set_source(
    "mqttproto.codec._scan",
    _source(),
    include_dirs=[str(_HERE)],
    extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-Wall", "-Wextra"],
)


if __name__ == "__main__":
    (Path(sys.argv[1]) / "_scan_tables.h").write_text(tables())
