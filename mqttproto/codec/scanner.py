"""Chooses the scanner, and says what it returns.

``MQTTPROTO_SCANNER`` in the environment decides at import: ``auto`` (the default) takes the C
scanner if it was built, ``c`` fails without it, ``python`` does not look for it.
"""

import os
from array import array
from collections.abc import Callable
from typing import Any, Final, final

from mqttproto.codec.pyscan import COLUMNS
from mqttproto.codec.pyscan import scan as _python_scan

__all__ = ["CHUNK", "COLUMNS", "MOST_OF_ONE", "TABLES", "FrameTable", "backend", "scan_one"]

CHUNK: Final[int] = 1 << 30
"""The most bytes that one scan takes, with those beyond: four times the largest packet."""

_choice: Final[str] = os.environ.get("MQTTPROTO_SCANNER") or "auto"
if _choice not in ("auto", "c", "python"):
    raise ImportError(f"MQTTPROTO_SCANNER must be auto, c or python, not {_choice!r}")

_ffi: Any = None
_lib: Any = None
if _choice != "python":
    try:
        from mqttproto.codec import _scan

        _ffi = _scan.ffi
        _lib = _scan.lib
    except ImportError as error:
        if _choice == "c":
            raise ImportError(
                "MQTTPROTO_SCANNER is c, but the C scanner was not built: install mqttproto with"
                " a C compiler at hand and without MQTTPROTO_PURE"
            ) from error

backend: Final[str] = "python" if _lib is None else "c"
"""The scanner in use: ``"c"`` or ``"python"``."""

MOST_OF_ONE: Final[int] = 0xFFF if backend == "c" else -1
"""The most bytes that :data:`scan_one` takes; -1 if it must not be called."""


scan_one: Final[Callable[[bytes, int, int, int], int]] = (
    (lambda *_: 0) if _lib is None else _lib.mqtt_scan_one
)
"""Find the frame in a chunk that is just one packet: PUBLISH, its answers, PINGREQ or PINGRESP.

To fill a table and to read it costs more than all else that one small packet does. Here the cells
of its row come as one number: called with the chunk, its size, the version and the sender, it
returns cell 5 in the lowest twelve bits, then 4 and 2 in twelve each, 1 in eight and 3 in sixteen.
It returns 0 if the chunk is anything else, or has a fault: the table tells then what it is.
Arguments are not checked.
"""


@final
class FrameTable:
    """The memory of scans: it belongs to who drives decoders, not to each connection.

    It holds nothing between two scans. It must not be used by two threads at a time.

    :param capacity: how many frames one scan finds at most, 1 to 1,000,000.
    :raises ValueError: if it is out of its range.
    """

    __slots__ = ("_cells", "_pointer", "_scan", "capacity")

    def __init__(self, capacity: int = 256) -> None:
        if not 1 <= capacity <= 1_000_000:
            raise ValueError(f"capacity must be 1 to 1,000,000, not {capacity}")
        self.capacity: Final[int] = capacity
        # An array gives out its numbers twice as fast as cffi does.
        self._cells: array[int] = array("i")
        self._pointer: Any = None
        self._scan: Any = None
        if _lib is not None:
            self._cells.frombytes(bytes(4 * COLUMNS * (capacity + 1)))
            self._pointer = _ffi.from_buffer("uint32_t[]", self._cells)
            self._scan = _lib.mqtt_scan

    def scan(
        self, data: bytes, start: int, beyond: int, version: int, sender: int, limit: int
    ) -> list[int]:
        """Find the frames of ``data[start:]``.

        :param data: at most :data:`CHUNK` bytes of one direction of a connection.
        :param start: where a packet begins.
        :param beyond: how many bytes more of the stream are there, behind ``data`` and out of
            reach; only the payload of a PUBLISH may lie in them.
        :param version: 3, 4 or 5; 0 if it is not known, so that a CONNECT must come.
        :param sender: 0 for either end, 1 for the client, 2 for the server.
        :param limit: the most bytes that a packet may have, with its fixed header.
        :raises ValueError: if an argument is out of its range.
        :returns: the cells of a table with seven columns: a row for each complete frame, then one
            of status. Positions are counted from the start of the frame.

            ====== ================ =============================== ===================
            column PUBLISH          PUBACK, PUBREC, PUBREL, PUBCOMP other packets
            ====== ================ =============================== ===================
            0      first byte       first byte                      first byte
            1      start of topic   reason code                     end of fixed header
            2      end of topic     0                               0
            3      packet id or 0   packet id                       0
            4      start of block   start of property block         0
            5      start of payload end of property block           0
            6      length           length                          length
            ====== ================ =============================== ===================

            The first two kinds are checked whole, but for what needs the state of a connection.
            Of the others nothing but the fixed header is. A CONNECT ends the scan, because what
            follows may depend on it.

            The row of status: the fault or 0, its position in ``data``, then, if what follows is
            the start of a packet, how many bytes from there on must be at hand for the next
            scan to find more; in the last column the position in ``data`` behind the last frame.
        """
        if not (version == 0 or 3 <= version <= 5) or not 0 <= sender <= 2:
            raise ValueError(f"there is no version {version}, or no sender {sender}")
        if not 0 <= limit <= 0xFFFF_FFFF:
            raise ValueError(f"limit must be 0 to 4,294,967,295, not {limit}")
        if not 0 <= start <= len(data) <= CHUNK - beyond or beyond < 0:
            raise ValueError(f"start {start}, {len(data)} bytes or {beyond} beyond are too many")
        return self.scan_trusted(data, start, beyond, version, sender, limit)

    def scan_trusted(
        self, data: bytes, start: int, beyond: int, version: int, sender: int, limit: int
    ) -> list[int]:
        """Do what :meth:`scan` does, for arguments that are known to be in range."""
        if self._scan is None:
            return _python_scan(data, start, beyond, version, sender, limit, self.capacity)
        rows = self._scan(
            data,
            start,
            len(data),
            beyond,
            version,
            sender,
            limit,
            self._pointer,
            self.capacity,
        )
        return self._cells[: (rows + 1) * COLUMNS].tolist()


TABLES: Final[list[FrameTable]] = []
"""The tables that no decoder is using now: at most as many as have ever been in use at once.

To take the last one or to append one is a single step of a list, whatever other threads do.
"""
