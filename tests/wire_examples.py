"""How the tests of the codec write examples: bytes in hexadecimal, as the specification has them.

An example is typed from the specification, never made by the encoder under test. Spaces in it are
free. Versions are named as people write them: ``"3.1"``, ``"3.1.1"``, ``"5.0"``.

Three kinds, each made into rows, one for every version that it is given (separated by spaces). A
table of rows is a decorator of the test that checks them:

- :func:`each_legal` of :func:`legal`, what decodes to a packet that encodes to the same bytes, for
  :func:`check_legal`;
- :func:`each_broken` of :func:`malformed` and :func:`violation`, what is a fault, for
  :func:`check_broken`;
- :func:`each_refused` of :func:`refused`, a packet that must not be encoded, for
  :func:`check_refused`.

The latter two mark the test with the statements that they show to hold, first of all the one that
the error must cite.
"""

from typing import Final, NamedTuple

import pytest
from _pytest.mark import ParameterSet

from mqttproto import (
    InvalidValueError,
    MalformedPacketError,
    Packet,
    PacketError,
    ProtocolVersion,
    ProtocolViolationError,
    PubAck,
    Publish,
    Statement,
)
from mqttproto.codec import Decoder, encode, encoded_size
from mqttproto.codec.faults import FAULTS, Fault

VERSIONS: Final = {version.label: version for version in ProtocolVersion}

every_version = pytest.mark.parametrize("version", list(VERSIONS))
before_5 = pytest.mark.parametrize("version", ["3.1", "3.1.1"])

_BEFORE: Final = {
    "3.1": "30 03 00 01 61  40 02 00 07",
    "3.1.1": "30 03 00 01 61  40 02 00 07",
    "5.0": "30 04 00 01 61 00  40 02 00 07",
}
"""Two packets that either end may send: what stands before a fault, so that it is not at byte 0."""


def _statement(version: str, id: str) -> Statement:
    """The statement ``id``; what 3.1 has in common with 3.1.1 is cited from there."""
    return Statement("3.1.1" if version == "3.1" else version, id)


def _mark(statement: Statement, role: str) -> pytest.MarkDecorator:
    return pytest.mark.spec(statement.version, statement.id, role=role)


# --- legal bytes ------------------------------------------------------------------------------


def decode(version: str | None, text: str, sender: str | None = None) -> Packet:
    """Decode the one packet that ``text`` must be."""
    data = bytes.fromhex(text)
    decoder = Decoder(None if version is None else VERSIONS[version], sender=sender)
    packets = decoder.feed(data)
    assert decoder.error is None
    assert decoder.buffered == 0
    assert decoder.offset == len(data)
    [packet] = packets
    return packet


def legal(versions: str, text: str, packet: Packet) -> list[ParameterSet]:
    """Rows of version, hexadecimal and packet for :func:`check_legal`."""
    name = type(packet).__name__
    return [
        pytest.param(version, text, packet, id=f"{version}-{name}") for version in versions.split()
    ]


def each_legal(*tables: list[ParameterSet]) -> pytest.MarkDecorator:
    """Run a test with the ``version``, ``text`` and ``packet`` of each row."""
    rows = [row for table in tables for row in table]
    return pytest.mark.parametrize(("version", "text", "packet"), rows)


def check_legal(version: str, text: str, packet: Packet) -> None:
    """Check that ``text`` and ``packet`` are the same, in both directions."""
    data = bytes.fromhex(text)
    assert decode(version, text) == packet
    assert encode(packet, VERSIONS[version]) == data
    assert encoded_size(packet, VERSIONS[version]) == len(data)


# --- faults -----------------------------------------------------------------------------------


class Broken(NamedTuple):
    """Bytes with a fault, and the error that a decoder must hold."""

    version: str
    sender: str | None
    text: str
    at: int
    fault: Fault
    error: type[PacketError]
    reason_code: int
    statement: Statement


def _row(broken: Broken, role: str, shows: tuple[str, ...]) -> ParameterSet:
    statements = [broken.statement, *(_statement(broken.version, id) for id in shows)]
    text = broken.text if len(broken.text) < 40 else f"{broken.text[:40]}..."
    sender = "" if broken.sender is None else f"-{broken.sender}"
    return pytest.param(
        broken,
        id=f"{broken.version}{sender}-{broken.fault.name}-{text}",
        marks=[_mark(statement, role) for statement in statements],
    )


def malformed(
    versions: str,
    id: str,
    fault: Fault,
    at: int,
    text: str,
    *,
    sender: str | None = None,
    role: str = "both",
    shows: tuple[str, ...] = (),
) -> list[ParameterSet]:
    """Rows for :func:`check_broken`: a Malformed Packet.

    :param id: the statement that the error must cite.
    :param at: where the fault is, counted from the first byte of its packet.
    :param shows: the ids of further statements of the version that the example shows to hold.
    """
    rows: list[ParameterSet] = []
    for version in versions.split():
        statement = _statement(version, id)
        row = Broken(version, sender, text, at, fault, MalformedPacketError, 0x81, statement)
        rows.append(_row(row, role, shows))
    return rows


def violation(
    versions: str,
    id: str,
    fault: Fault,
    at: int,
    text: str,
    *,
    sender: str | None = None,
    role: str = "both",
    shows: tuple[str, ...] = (),
    code: int = 0x82,
) -> list[ParameterSet]:
    """Rows for :func:`check_broken`: a Protocol Error, or what has a reason code of its own.

    :param id: the statement that the error must cite.
    :param at: where the fault is, counted from the first byte of its packet.
    :param shows: the ids of further statements of the version that the example shows to hold.
    """
    rows: list[ParameterSet] = []
    for version in versions.split():
        statement = _statement(version, id)
        row = Broken(version, sender, text, at, fault, ProtocolViolationError, code, statement)
        rows.append(_row(row, role, shows))
    return rows


def each_broken(*tables: list[ParameterSet]) -> pytest.MarkDecorator:
    """Run a test with each row as ``broken``."""
    return pytest.mark.parametrize("broken", [row for table in tables for row in table])


def assert_error(error: PacketError | None, broken: Broken, start: int) -> None:
    """Check each attribute of the error of a packet that begins at byte ``start``."""
    assert type(error) is broken.error
    assert Fault(error.fault) is broken.fault
    assert error.offset == start + broken.at
    assert error.reason_code == broken.reason_code
    assert error.statement == broken.statement
    assert error.rule == FAULTS[broken.fault].rule


def check_broken(broken: Broken) -> None:
    """Check that a stream ends at the fault, whole and cut into single bytes.

    The packets before it are returned, with their offsets; what follows it is ignored.
    """
    before = bytes.fromhex(_BEFORE[broken.version])
    start = len(before)
    data = before + bytes.fromhex(broken.text)
    stream = data + b"\xff" * 9
    for pieces in ([stream], [bytes((byte,)) for byte in stream]):
        decoder = Decoder(VERSIONS[broken.version], sender=broken.sender)
        packets: list[Packet] = []
        offsets: list[int] = []
        for piece in pieces:
            packets += decoder.feed(piece)
            offsets += decoder.offsets
        error = decoder.error
        assert_error(error, broken, start)
        assert packets == [Publish("a"), PubAck(7)]
        assert offsets == [0, start - 4]
        assert decoder.offset == start
        assert decoder.buffered == 0
        assert decoder.feed(before) == []
        assert decoder.offsets == []
        assert decoder.error is error
        assert decoder.offset == start


def check_broken_at_once(broken: Broken) -> None:
    """Check that the fault is there with the last byte of ``text``, and not before."""
    check_broken(broken)
    data = bytes.fromhex(broken.text)
    decoder = Decoder(VERSIONS[broken.version], sender=broken.sender)
    for size in range(1, len(data)):
        assert decoder.feed(data[size - 1 : size]) == []
        assert decoder.error is None
        assert decoder.buffered == size
    assert decoder.feed(data[-1:]) == []
    assert_error(decoder.error, broken, 0)


# --- refusals ---------------------------------------------------------------------------------


class Refused(NamedTuple):
    """A packet that must not be encoded, and the error that says so."""

    version: str
    packet: Packet
    field: str
    fault: Fault
    statement: Statement


def refused(
    versions: str,
    id: str,
    field: str,
    fault: Fault,
    packet: Packet,
    *,
    role: str = "both",
    shows: tuple[str, ...] = (),
) -> list[ParameterSet]:
    """Rows for :func:`check_refused`.

    :param id: the statement that the error must cite.
    :param shows: the ids of further statements of the version that the example shows to hold.
    """
    rows: list[ParameterSet] = []
    for version in versions.split():
        statements = [_statement(version, each) for each in (id, *shows)]
        rows.append(
            pytest.param(
                Refused(version, packet, field, fault, statements[0]),
                id=f"{version}-{field}-{fault.name}",
                marks=[_mark(statement, role) for statement in statements],
            )
        )
    return rows


def each_refused(*tables: list[ParameterSet]) -> pytest.MarkDecorator:
    """Run a test with each row as ``row``."""
    return pytest.mark.parametrize("row", [row for table in tables for row in table])


def check_refused(row: Refused, error: type[InvalidValueError] = InvalidValueError) -> None:
    """Check that the packet is refused, and that field, rule and statement are named."""
    with pytest.raises(error) as caught:
        encode(row.packet, VERSIONS[row.version])
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == row.field
    assert caught.value.rule.startswith(FAULTS[row.fault].rule)
    assert caught.value.statement == row.statement
    for part in (row.field, caught.value.rule, str(row.statement)):
        assert part in str(caught.value)
