"""From bytes to packets: buffering, limits and dispatch."""

from itertools import accumulate
from typing import Final, final

from mqttproto.codec.block import EMPTY, received
from mqttproto.codec.connect import (
    PingReq,
    PingResp,
    read_auth,
    read_connack,
    read_connect,
    read_disconnect,
    read_protocol,
)
from mqttproto.codec.faults import Fault, packet_error
from mqttproto.codec.headers import SENDERS
from mqttproto.codec.packet import Packet, packet_size
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.reasons import reason_member
from mqttproto.codec.scanner import COLUMNS, MOST_OF_ONE, TABLES, FrameTable, scan_one
from mqttproto.codec.subscribe import (
    read_suback,
    read_subscribe,
    read_unsuback,
    read_unsubscribe,
)
from mqttproto.codec.wire import FaultFound, Reader, as_bytes
from mqttproto.constants import MAX_PACKET_SIZE, ProtocolVersion, QoS, ReasonCode, Sender
from mqttproto.errors import PacketError

__all__ = ["Decoder"]

# Packet types as literals, which compiled code compares without a look-up.
_CONNECT: Final = 1
_CONNACK: Final = 2
_PUBLISH: Final = 3
_SUBSCRIBE: Final = 8
_SUBACK: Final = 9
_UNSUBSCRIBE: Final = 10
_UNSUBACK: Final = 11
_PINGREQ: Final = 12
_PINGRESP: Final = 13
_DISCONNECT: Final = 14

_SUCCESS: Final[ReasonCode] = ReasonCode.SUCCESS
_FLAGS: Final[list[tuple[QoS, bool, bool]]] = [
    (QoS(min(flags >> 1 & 3, 2)), flags & 1 != 0, flags & 8 != 0) for flags in range(16)
]
"""QoS, RETAIN and DUP by the flags of a PUBLISH; QoS 3 never gets here."""

_MOST: Final[int] = 1 << 24
"""The most bytes taken at once, so that with a held packet a scan does not get too many."""

_BLOCK: Final[int] = 1 << 16
"""Chunks smaller than this are gathered into blocks; larger ones are kept as they came."""

# What most decoders have for lengths and blocks at most times; never changed in place.
_NO_PACKET: Final[list[int]] = []
_ONE_PACKET: Final[list[int]] = [0]  # the length of the last packet is never asked for
_NO_BLOCKS: Final[list[bytes]] = []


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_PACKET_SIZE:
        raise ValueError(f"max_packet_size must be 1 to {MAX_PACKET_SIZE}, not {limit}")
    return limit


@final
class Decoder:
    """The packets of one direction of one connection.

    Feed it the bytes in order, cut anywhere. It never raises for what they are: at a fault it
    returns the packets before it and holds the error, and from then on ignores its input.

    :param version: 3, 4 or 5; None if it is not known, as on a server: then the first packet must
        be a CONNECT, which tells it.
    :param max_packet_size: the most bytes that a packet may have, with its fixed header, 1 to
        268,435,460. A larger one is a fault as soon as its Remaining Length is there.
    :param sender: the end that sends these bytes, :class:`~mqttproto.constants.Sender` or
        ``"client"`` or ``"server"``: what it must not send is a fault. None takes both ends', but
        is the client if ``version`` is None.
    :param table: the frame table to scan with. By default it is lent to the decoder for the time
        of each call.
    :param pause_after_connect: pause behind the first CONNECT: what follows it is kept as it came,
        unjudged, until :meth:`resume`. For a server, which must first decide about the client.
    :raises ValueError: if an argument is out of its range.
    """

    __slots__ = (
        "_base",
        "_blocks",
        "_error",
        "_held",
        "_lengths",
        "_level",
        "_limit",
        "_needed",
        "_next",
        "_paused",
        "_pauses",
        "_sender",
        "_single",
        "_small",
        "_table",
        "_version",
    )

    def __init__(
        self,
        version: ProtocolVersion | int | None = ProtocolVersion.MQTT5,
        max_packet_size: int = MAX_PACKET_SIZE,
        *,
        sender: Sender | str | None = None,
        table: FrameTable | None = None,
        pause_after_connect: bool = False,
    ) -> None:
        end = None if sender is None else Sender(sender)
        if version is None:
            if end is Sender.SERVER:
                raise ValueError("a server's bytes do not tell their version: name it")
            end = Sender.CLIENT
        self._version: int = 0 if version is None else ProtocolVersion(version)
        self._sender: int = SENDERS.index(end)
        self._table: FrameTable | None = table
        self._limit: int = _checked_limit(max_packet_size)
        self._error: PacketError | None = None
        self._level: int = 0
        # Whether a CONNECT will pause it, and whether one has.
        self._pauses: bool = pause_after_connect
        self._paused: bool = False
        # What follows the last packet: blocks, then what is too small to be one; `_held` bytes in
        # all. Nothing new can be found in it before there are `_needed`.
        self._blocks: list[bytes] = _NO_BLOCKS
        self._small: bytearray | None = None
        self._held: int = 0
        self._needed: int = 0
        # Where in the stream the next packet begins, where the first one that the last call
        # returned began, and the lengths of all those.
        self._next: int = 0
        self._base: int = 0
        self._lengths: list[int] = _NO_PACKET
        # The most bytes of a chunk that may be just one packet: see `feed`.
        self._single: int = -1
        self._set_single()

    @property
    def version(self) -> ProtocolVersion | None:
        """The version, None while it is not known."""
        return ProtocolVersion(self._version) if self._version else None

    @property
    def refused_level(self) -> int:
        """The protocol level of a CONNECT that was not welcome, 0 to 255; 0 if there was none.

        What it says tells which form of CONNACK its sender may understand (section 3.1.2.2).
        """
        return self._level

    @property
    def sender(self) -> Sender | None:
        """The end that sends these bytes, None for either."""
        return SENDERS[self._sender]

    @property
    def max_packet_size(self) -> int:
        """The most bytes that a packet may have; a change counts from the next feed on.

        :raises ValueError: if it is set to less than 1, or to more than 268,435,460.
        """
        return self._limit

    @max_packet_size.setter
    def max_packet_size(self, limit: int) -> None:
        self._limit = _checked_limit(limit)
        self._set_single()

    @property
    def error(self) -> PacketError | None:
        """The fault that ended the stream, None while there is none."""
        return self._error

    @property
    def buffered(self) -> int:
        """How many bytes of an incomplete packet are held; 0 between two packets. While the decoder
        is paused: all that came behind the CONNECT.
        """
        return self._held

    @property
    def paused(self) -> bool:
        """Whether it waits for :meth:`resume`."""
        return self._paused

    @property
    def offset(self) -> int:
        """Where the next packet begins, in bytes from the start of the stream."""
        return self._next

    @property
    def offsets(self) -> list[int]:
        """Where each packet of the last :meth:`feed` or :meth:`resume` began, in bytes from the
        start of the stream.
        """
        return list(accumulate(self._lengths[:-1], initial=self._base)) if self._lengths else []

    def forget_offsets(self) -> None:
        """Free what is kept for :attr:`offsets`, 8 bytes for each packet of the last call.

        The next call frees it too, but where there are many connections most are idle.
        """
        self._lengths = _NO_PACKET

    def __repr__(self) -> str:
        version = self.version
        name = "None" if version is None else str(int(version))
        state = f"offset={self._next}, buffered={self._held}, error={self._error!r}"
        return f"Decoder(version={name}, {state})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Decoder cannot be copied or pickled: it is the state of one stream")

    def feed(self, data: bytes | bytearray | memoryview) -> list[Packet]:
        """Take bytes and return the packets that they complete, in order.

        :param data: the next bytes of the stream, any number of them.
        """
        chunk = data if isinstance(data, bytes) else as_bytes("data", data)
        size = len(chunk)
        packets: list[Packet] = []
        self._base = self._next
        if not self._held and 1 < size <= self._single:
            remaining = chunk[1]
            if remaining == size - 2 or remaining >= 0x80:
                found = scan_one(chunk, size, self._version, self._sender)
                if found:
                    self._next += size
                    self._lengths = _ONE_PACKET
                    self._build_one(chunk, found, packets)
                    return packets
        self._lengths = _NO_PACKET
        if size > _MOST:
            for start in range(0, size, _MOST):
                self._take(chunk[start : start + _MOST], packets)
        else:
            self._take(chunk, packets)
        return packets

    def resume(self) -> list[Packet]:
        """Go on behind the CONNECT, and return the packets of what came meanwhile.

        From here on the decoder is like any other, and a second CONNECT a packet like any other.
        Where it is not paused nothing happens.
        """
        packets: list[Packet] = []
        self._base = self._next
        self._lengths = _NO_PACKET
        if self._paused:
            self._paused = False
            self._set_single()
            for block in self._release():
                self._take(block, packets)
        return packets

    def _set_single(self) -> None:
        """Say which chunks may be just one packet, and be decoded the short way."""
        usable = self._version and not self._paused and self._error is None
        self._single = min(self._limit, MOST_OF_ONE) if usable else -1

    def _take(self, chunk: bytes, packets: list[Packet]) -> None:
        """Take a part of what was fed, whatever the state."""
        if self._error is not None:
            return
        if self._paused or self._held + len(chunk) < self._needed:
            self._hold(chunk)
        else:
            self._decode(chunk, packets)

    def _hold(self, chunk: bytes) -> None:
        size = len(chunk)
        if not self._held:
            self._held = size
            self._blocks = [chunk]
            return
        self._held += size
        small = self._small
        if size < _BLOCK:
            if small is None:
                self._small = bytearray(chunk)
                return
            small += chunk
            if len(small) < _BLOCK:
                return
            chunk = b""
        if small is not None:
            self._blocks.append(bytes(small))
            self._small = None
        if chunk:
            self._blocks.append(chunk)

    def _release(self) -> list[bytes]:
        blocks = self._blocks
        if self._small is not None:
            blocks.append(bytes(self._small))
            self._small = None
        self._blocks = _NO_BLOCKS
        self._held = self._needed = 0
        return blocks

    def _join(self, chunk: bytes, table: FrameTable, packets: list[Packet]) -> bytes:
        """Release what is held, with ``chunk`` in one, but for a large PUBLISH that is taken out.

        :param chunk: what completes the packet that is held.
        """
        total = self._needed
        blocks = self._release()
        blocks.append(chunk)
        if total >= _BLOCK and blocks[0][0] >> 4 == _PUBLISH:
            blocks = self._join_payload(blocks, total, table, packets)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _join_payload(
        self, blocks: list[bytes], total: int, table: FrameTable, packets: list[Packet]
    ) -> list[bytes]:
        """Take a PUBLISH of ``total`` bytes out of blocks, copying its payload once.

        Joining the whole packet first would copy a large payload twice. Here all but the payload
        must lie in the first blocks. The bytes that a packet lacks came last, so what follows it
        is in the last block.

        :returns: the blocks that are left to be scanned; all of them if it did not work out.
        """
        head = blocks[0]
        rest = blocks[1:]
        while len(head) < _BLOCK and len(rest) > 1:
            head += rest.pop(0)
        size = len(head)
        held = size + sum([len(block) for block in rest])
        cells = table.scan_trusted(head, 0, held - size, self._version, self._sender, self._limit)
        if len(cells) != 2 * COLUMNS:
            return blocks
        self._build(head, 0, cells, COLUMNS, packets)
        publish = packets[-1]
        assert isinstance(publish, Publish)
        last = rest[-1]
        cut = len(last) - (held - total)
        publish.payload = b"".join((publish.payload, *rest[:-1], last[:cut]))
        self._lengths = [*self._lengths, total]
        self._next += total
        return [last[cut:]]

    def _decode(self, data: bytes, packets: list[Packet]) -> None:
        """Take the packets of what is held and of ``data`` behind it, and hold the rest."""
        own = self._table
        try:
            table = TABLES.pop() if own is None else own
        except IndexError:
            table = FrameTable()
        try:
            if self._held:
                data = self._join(data, table, packets)
            self._scan(data, table, packets)
        finally:
            if own is None:
                TABLES.append(table)

    def _scan(self, data: bytes, table: FrameTable, packets: list[Packet]) -> None:
        """Take the packets of ``data``, which begins where a packet does, and hold the rest."""
        size = len(data)
        start = 0
        origin = self._next
        while start < size:
            cells = table.scan_trusted(data, start, 0, self._version, self._sender, self._limit)
            status = len(cells) - COLUMNS
            fault = cells[status]
            position = cells[status + 1]
            if status:
                begin = start
                start = cells[status + COLUMNS - 1]
                lengths = cells[COLUMNS - 1 : status : COLUMNS]
                before = len(packets)
                try:
                    self._build(data, begin, cells, status, packets)
                except FaultFound as found:
                    fault = found.fault
                    position = found.position
                    del lengths[len(packets) - before :]
                    start = begin + sum(lengths)
                self._next = origin + start
                if self._lengths:
                    self._lengths += lengths
                else:
                    self._lengths = lengths
            if fault:
                kind = data[start] >> 4
                self._error = packet_error(
                    fault, origin + position, self._version, SENDERS[self._sender], kind
                )
                if fault == Fault.PROTOCOL_LEVEL:
                    self._level = data[position]
                self._set_single()
                return
            if self._pauses and status and cells[status - COLUMNS] >> 4 == _CONNECT:
                self._pauses = False
                self._paused = True
                self._set_single()
                if start < size:
                    self._hold(data[start:])
                return
            needed = cells[status + 2]
            if needed:
                self._needed = needed
                self._hold(data[start:])
                return

    def _build(
        self, data: bytes, start: int, cells: list[int], status: int, packets: list[Packet]
    ) -> None:
        """Make the packets of the frames in ``cells[:status]``; the first begins at ``start``.

        This is the hot loop. What stands in the columns is said at
        :meth:`~mqttproto.codec.scanner.FrameTable.scan`.
        """
        empty = EMPTY
        for index in range(0, status, COLUMNS):
            first = cells[index]
            end = start + cells[index + 6]
            if 0x30 <= first < 0x40:
                packet_id = cells[index + 3]
                block = cells[index + 4]
                payload = cells[index + 5]
                qos, retain, dup = _FLAGS[first - 0x30]
                packets.append(
                    Publish(
                        data[start + cells[index + 1] : start + cells[index + 2]].decode(),
                        data[start + payload : end],
                        qos,
                        retain,
                        dup,
                        packet_id if packet_id else None,
                        empty
                        if block == payload
                        else received(data[start + block : start + payload], _PUBLISH),
                    )
                )
            elif 0x40 <= first < 0x80:
                packet_id = cells[index + 3]
                number = cells[index + 1]
                block = cells[index + 4]
                code = reason_member(number) if number else _SUCCESS
                properties = empty
                if start + block < end:
                    properties = received(data[start + block : end], first >> 4)
                if first < 0x50:
                    packets.append(PubAck(packet_id, code, properties))
                elif first < 0x60:
                    packets.append(PubRec(packet_id, code, properties))
                elif first < 0x70:
                    packets.append(PubRel(packet_id, code, properties))
                else:
                    packets.append(PubComp(packet_id, code, properties))
            else:
                reader = Reader(data, start + cells[index + 1], end)
                packets.append(self._rare(first >> 4, start, reader))
            start = end

    def _build_one(self, data: bytes, found: int, packets: list[Packet]) -> None:
        """Make the packet that all of ``data`` is, from what ``scan_one`` found."""
        first = data[0]
        start = found >> 36 & 0xFF
        end = found >> 24 & 0xFFF
        packet_id = found >> 44
        block = found >> 12 & 0xFFF
        payload = found & 0xFFF
        if 0x30 <= first < 0x40:
            qos, retain, dup = _FLAGS[first - 0x30]
            packets.append(
                Publish(
                    data[start:end].decode(),
                    data[payload:],
                    qos,
                    retain,
                    dup,
                    packet_id if packet_id else None,
                    EMPTY if block == payload else received(data[block:payload], _PUBLISH),
                )
            )
        else:
            cells = [first, start, end, packet_id, block, payload, len(data)]
            self._build(data, 0, cells, COLUMNS, packets)

    def _rare(self, kind: int, start: int, reader: Reader) -> Packet:
        """Decode a packet of which the scanner has checked the fixed header only."""
        version = self._version
        sender = self._sender
        if kind == _CONNECT:
            return self._connect(start, reader)
        if kind == _CONNACK:
            return read_connack(reader, version, sender)
        if kind == _SUBSCRIBE:
            return read_subscribe(reader, version, sender)
        if kind == _SUBACK:
            return read_suback(reader, version, sender)
        if kind == _UNSUBSCRIBE:
            return read_unsubscribe(reader, version, sender)
        if kind == _UNSUBACK:
            return read_unsuback(reader, version, sender)
        if kind == _PINGREQ:
            return PingReq()
        if kind == _PINGRESP:
            return PingResp()
        if kind == _DISCONNECT:
            return read_disconnect(reader, sender)
        return read_auth(reader, sender)

    def _connect(self, start: int, reader: Reader) -> Packet:
        """Decode a CONNECT; where the version was not known, from here on it is."""
        length_at = start + 1
        width = reader.position - length_at
        version = read_protocol(reader, self._version)
        self._version = version
        self._set_single()
        if version == 5 and packet_size(reader.end - length_at - width) != reader.end - start:
            raise FaultFound(Fault.LENGTH_NOT_MINIMAL, length_at)
        return read_connect(reader, version)
