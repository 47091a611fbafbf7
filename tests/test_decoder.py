"""The decoder: fixed headers, versions, senders, limits, and streams cut anywhere."""

import copy
import pickle
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import pytest

from mqttproto import (
    Auth,
    ConnAck,
    Connect,
    ConnectReturnCode,
    Disconnect,
    MalformedPacketError,
    Packet,
    PingReq,
    PingResp,
    Properties,
    ProtocolVersion,
    ProtocolViolationError,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    Sender,
    Statement,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
)
from mqttproto.codec import Decoder, FrameTable
from mqttproto.codec.faults import Fault
from mqttproto.codec.scanner import MOST_OF_ONE, TABLES
from mqttproto.constants import MAX_PACKET_SIZE
from wire_examples import (
    VERSIONS,
    Broken,
    assert_error,
    check_broken,
    check_broken_at_once,
    decode,
    each_broken,
    every_version,
    malformed,
    violation,
)

BLOCK: Final = 1 << 16
"""The size of the blocks that are made of what is held."""

BEFORE_5: Final = "3.1 3.1.1"
EVERY: Final = "3.1 3.1.1 5.0"

# Every packet of a version with where it begins; AUTH exists in 5.0 only.
# fmt: off
STREAM_31: Final[list[tuple[str, Packet]]] = [
    ("10 0f 0006 4d5149736470 03 02 003c 0001 63", Connect("c")),
    ("20 02 00 00", ConnAck(reason_code=ConnectReturnCode.ACCEPTED)),
    ("30 05 0001 61 6869", Publish("a", b"hi")),
    ("32 05 0001 61 0001", Publish("a", qos=1, packet_id=1)),
    ("40 02 0001", PubAck(1)),
    ("50 02 0002", PubRec(2)),
    ("62 02 0003", PubRel(3)),
    ("70 02 0004", PubComp(4)),
    ("82 06 0005 0001 61 01", Subscribe(5, [Subscription("a", 1)])),
    ("90 03 0005 01", SubAck(5, [1])),
    ("a2 05 0006 0001 61", Unsubscribe(6, ["a"])),
    ("b0 02 0006", UnsubAck(6)),
    ("c0 00", PingReq()),
    ("d0 00", PingResp()),
    ("e0 00", Disconnect()),
]
STREAM_311: Final[list[tuple[str, Packet]]] = [
    ("10 0d 0004 4d515454 04 02 003c 0001 63", Connect("c")),
    *STREAM_31[1:],
]
STREAM_5: Final[list[tuple[str, Packet]]] = [
    ("10 0e 0004 4d515454 05 02 003c 00 0001 63", Connect("c")),
    ("20 06 00 00 03 21 0005", ConnAck(properties=Properties(receive_maximum=5))),
    ("30 06 0001 61 00 6869", Publish("a", b"hi")),
    ("34 09 0001 61 0001 03 230007", Publish("a", qos=2, packet_id=1,
                                             properties=Properties(topic_alias=7))),
    ("40 02 0001", PubAck(1)),
    ("40 03 0001 10", PubAck(1, 0x10)),
    ("50 04 0002 80 00", PubRec(2, 0x80)),
    ("62 07 0003 92 03 1f0000", PubRel(3, 0x92, Properties(reason_string=""))),
    ("70 02 0004", PubComp(4)),
    ("82 07 0005 00 0001 61 01", Subscribe(5, [Subscription("a", 1)])),
    ("90 04 0005 00 01", SubAck(5, [1])),
    ("a2 06 0006 00 0001 61", Unsubscribe(6, ["a"])),
    ("b0 04 0006 00 11", UnsubAck(6, [0x11])),
    ("c0 00", PingReq()),
    ("d0 00", PingResp()),
    ("f0 00", Auth()),
    ("e0 01 04", Disconnect(4)),
    ("e0 00", Disconnect()),
]
# fmt: on
STREAMS: Final = {"3.1": STREAM_31, "3.1.1": STREAM_311, "5.0": STREAM_5}


def stream(version: str) -> tuple[bytes, list[Packet], list[int]]:
    """Every packet of a version: the bytes, the packets, and where they begin."""
    data = b""
    offsets: list[int] = []
    for text, _ in STREAMS[version]:
        offsets.append(len(data))
        data += bytes.fromhex(text)
    return data, [packet for _, packet in STREAMS[version]], offsets


def feed_all(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[list[Packet], list[int]]:
    """Feed some pieces; all packets, and where they began."""
    packets: list[Packet] = []
    offsets: list[int] = []
    for piece in pieces:
        found = decoder.feed(piece)
        assert len(decoder.offsets) == len(found)
        packets += found
        offsets += decoder.offsets
    return packets, offsets


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Cut into pieces of ``size`` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def numbered(size: int) -> bytes:
    """A payload in which no two pieces are alike."""
    return b"".join(index.to_bytes(4, "big") for index in range(-(-size // 4)))[:size]


def varint(value: int) -> bytes:
    """A Remaining Length, or a Property Length."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def publish(version: int, topic: bytes, properties: bytes, payload: bytes) -> bytes:
    """A PUBLISH at QoS 1 with packet identifier 7."""
    body = len(topic).to_bytes(2, "big") + topic + b"\0\7"
    if version == 5:
        body += varint(len(properties)) + properties
    body += payload
    return b"\x32" + varint(len(body)) + body


# --- streams ----------------------------------------------------------------------------------


@every_version
def test_every_packet_in_one_piece(version: str) -> None:
    data, packets, offsets = stream(version)
    decoder = Decoder(VERSIONS[version])
    assert decoder.feed(data) == packets
    assert decoder.offsets == offsets
    assert decoder.offset == len(data)
    assert decoder.buffered == 0
    assert decoder.error is None


@pytest.mark.spec("3.1.1", "MQTT-6.0.0-2", role="both")
@pytest.mark.spec("5.0", "MQTT-6.0.0-2", role="both")
@every_version
def test_every_packet_in_two_pieces(version: str) -> None:
    data, packets, offsets = stream(version)
    for position in range(len(data) + 1):
        decoder = Decoder(VERSIONS[version])
        assert feed_all(decoder, (data[:position], data[position:])) == (packets, offsets)
        assert decoder.offset == len(data)
        assert decoder.buffered == 0


@every_version
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_packet_in_many_pieces(version: str, size: int) -> None:
    data, packets, offsets = stream(version)
    decoder = Decoder(VERSIONS[version])
    assert feed_all(decoder, cut(data, size)) == (packets, offsets)


@every_version
def test_incomplete_is_not_broken(version: str) -> None:
    """At each byte: nothing but the packets that are whole, and no error."""
    data, packets, offsets = stream(version)
    decoder = Decoder(VERSIONS[version])
    ends = {end: index for index, end in enumerate([*offsets[1:], len(data)])}
    begin = 0
    for at in range(1, len(data) + 1):
        found = decoder.feed(data[at - 1 : at])
        assert decoder.error is None
        if at in ends:
            assert found == [packets[ends[at]]]
            assert decoder.offsets == [begin]
            begin = at
        else:
            assert found == []
            assert decoder.offsets == []
        assert decoder.offset == begin
        assert decoder.buffered == at - begin


def test_offsets_are_those_of_the_last_feed() -> None:
    decoder = Decoder(4)
    assert decoder.offsets == []
    decoder.feed(bytes.fromhex("c000 c000 d0"))
    assert decoder.offsets == [0, 2]
    assert (decoder.offset, decoder.buffered) == (4, 1)
    decoder.feed(b"")
    assert decoder.offsets == []
    assert (decoder.offset, decoder.buffered) == (4, 1)
    decoder.feed(bytes.fromhex("00 40 02 0001 30"))
    assert decoder.offsets == [4, 6]
    assert (decoder.offset, decoder.buffered) == (10, 1)


def test_more_packets_than_a_table_has_rows() -> None:
    data = bytes.fromhex("c000 40020001 30030001 61") * 300
    for table in (None, FrameTable(1), FrameTable(2), FrameTable(7)):
        decoder = Decoder(4, table=table)
        packets = decoder.feed(data)
        assert packets == [PingReq(), PubAck(1), Publish("a")] * 300
        lengths = [after - before for before, after in pairwise([*decoder.offsets, decoder.offset])]
        assert lengths == [2, 4, 5] * 300


def test_decoders_share_a_table() -> None:
    table = FrameTable()
    decoders = [Decoder(VERSIONS[version], table=table) for version in VERSIONS]
    streams = [stream(version) for version in VERSIONS]
    packets: list[list[Packet]] = [[], [], []]
    for at in range(max(len(data) for data, _, _ in streams)):
        for decoder, (data, _, _), found in zip(decoders, streams, packets, strict=True):
            found += decoder.feed(data[at : at + 1])
    assert packets == [expected for _, expected, _ in streams]


def test_a_table_is_lent_for_one_call() -> None:
    data, packets, _ = stream("5.0")
    decoders = [Decoder(5) for _ in range(20)]
    for decoder in decoders:
        assert decoder.feed(data) == packets
        assert decoder.feed(b"\x30") == []
    # There are as many as have been in use at once, by whatever threads ran before.
    tables = list(TABLES)
    assert tables
    for decoder in decoders:
        assert decoder.feed(b"\6\0\1a\0hi\xc0\0") == [Publish("a", b"hi"), PingReq()]
    assert tables == TABLES


def test_a_table_is_made_where_all_are_in_use() -> None:
    lent = list(TABLES)
    TABLES.clear()
    try:
        decoder = Decoder(4)
        assert decoder.feed(b"\xc0\0\xd0\0") == [PingReq(), PingResp()]
        assert len(TABLES) == 1
    finally:
        TABLES.extend(lent)


def test_a_table_comes_back_from_a_call_that_fails(
    monkeypatch: pytest.MonkeyPatch, speed: str
) -> None:
    if speed.startswith("compiled"):
        pytest.skip("nothing can be patched in compiled code, and of itself it does not fail")

    def fail(*_: object) -> None:
        raise MemoryError

    decoder = Decoder(4)
    decoder.feed(b"\xc0\0\xc0\0")
    tables = list(TABLES)
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "_build", fail)
        with pytest.raises(MemoryError):
            decoder.feed(b"\xc0\0\xc0\0")
    assert tables == TABLES


def test_a_table_of_ones_own_is_not_lent_to_others() -> None:
    table = FrameTable()
    decoder = Decoder(4, table=table)
    assert decoder.feed(b"\xc0\0\xc0\0") == [PingReq(), PingReq()]
    assert table not in TABLES


def made(make: Callable[[], Decoder]) -> float:
    """The bytes that a decoder costs."""
    make()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        decoders = [make() for _ in range(500)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(decoders)


def test_an_idle_decoder_is_small() -> None:
    def used() -> Decoder:
        decoder = Decoder(None, pause_after_connect=True)
        decoder.feed(bytes.fromhex(STREAM_5[0][0]) + b"\xc0")
        decoder.resume()
        assert decoder.feed(b"\0" + b"\xc0\0" * 100) == [PingReq()] * 101
        decoder.forget_offsets()
        return decoder

    assert made(Decoder) < 250
    assert made(used) < 250


def test_offsets_can_be_forgotten() -> None:
    for data in (b"", b"\xc0\0", b"\xc0\0\xc0\0", b"\xc0\0\xc0\0\xc0"):
        decoder = Decoder(4)
        decoder.feed(data)
        decoder.forget_offsets()
        assert decoder.offsets == []
        decoder.feed(b"" if len(data) % 2 else b"\xc0")
        decoder.feed(b"\0\xd0\0")
        end = len(data) + len(data) % 2
        assert decoder.offsets == ([end - 2, end] if len(data) % 2 else [end, end + 2])
    assert Decoder(4).feed(b"\xc0\0") == [PingReq()]  # nothing was shared


# --- the fixed header -------------------------------------------------------------------------

# fmt: off
first_bytes = each_broken(
    *(malformed(BEFORE_5, "section 2.2.1", Fault.PACKET_TYPE, 0, first)
      for first in ("00", "0f", "f0", "f1")),
    *(malformed("5.0", "section 2.1.2", Fault.PACKET_TYPE, 0, first) for first in ("00", "0f")),
    *(malformed(BEFORE_5, "MQTT-2.2.2-1", Fault.FLAGS, 0, first, shows=("MQTT-2.2.2-2",))
      for first in ("11", "18", "21", "2f", "41", "54", "78", "91", "b2", "c1", "d8")),
    *(malformed("5.0", "MQTT-2.1.3-1", Fault.FLAGS, 0, first)
      for first in ("11", "18", "21", "2f", "41", "54", "78", "91", "b2", "c1", "d8")),
    *(malformed(EVERY, "MQTT-3.6.1-1", Fault.FLAGS_PUBREL, 0, first) for first in ("60", "6f")),
    *(malformed(EVERY, "MQTT-3.8.1-1", Fault.FLAGS_SUBSCRIBE, 0, first, role="server")
      for first in ("80", "86")),
    *(malformed(EVERY, "MQTT-3.10.1-1", Fault.FLAGS_UNSUBSCRIBE, 0, first, role="server")
      for first in ("a0", "a3")),
    *(malformed("3.1.1 5.0", id, fault, 0, first)  # the DUP flags of 3.1
      for id, fault, first in [("MQTT-3.6.1-1", Fault.FLAGS_PUBREL, "6a"),
                               ("MQTT-3.8.1-1", Fault.FLAGS_SUBSCRIBE, "8a"),
                               ("MQTT-3.10.1-1", Fault.FLAGS_UNSUBSCRIBE, "aa")]),
    *(malformed(BEFORE_5, "MQTT-3.14.1-1", Fault.FLAGS_DISCONNECT, 0, first, role="server")
      for first in ("e1", "e2", "e8")),
    *(malformed("5.0", "MQTT-3.14.1-1", Fault.FLAGS_DISCONNECT, 0, first)
      for first in ("e1", "e2", "e8")),
    *(malformed("5.0", "MQTT-3.15.1-1", Fault.FLAGS_AUTH, 0, first) for first in ("f1", "ff")),
    malformed(EVERY, "MQTT-3.3.1-4", Fault.QOS, 0, "36"),
    malformed(EVERY, "MQTT-3.3.1-2", Fault.DUP_AT_QOS_0, 0, "38"),
)
# fmt: on


@first_bytes
def test_a_first_byte_is_judged_alone(broken: Broken) -> None:
    check_broken_at_once(broken)


OVER: Final = Fault.LENGTH_OVER_FOUR_BYTES
WRONG: Final = Fault.LENGTH_WRONG
NOT_MINIMAL: Final = Fault.LENGTH_NOT_MINIMAL

# fmt: off
remaining_lengths = each_broken(
    malformed(BEFORE_5, "section 2.2.3", OVER, 1, "30 80808080"),
    malformed(BEFORE_5, "section 2.2.3", OVER, 1, "82 ffffffff"),
    malformed("5.0", "section 1.5.5", OVER, 1, "30 80808080"),
    malformed("5.0", "section 1.5.5", OVER, 1, "82 ffffffff"),
    malformed("5.0", "MQTT-1.5.5-1", NOT_MINIMAL, 1, "30 8000"),
    malformed("5.0", "MQTT-1.5.5-1", NOT_MINIMAL, 1, "c0 8000"),
    malformed("5.0", "MQTT-1.5.5-1", NOT_MINIMAL, 1, "30 858000"),
    malformed("5.0", "MQTT-1.5.5-1", NOT_MINIMAL, 1, "10 ffffff00"),
    *(malformed(BEFORE_5, "section 2.2.3", WRONG, 1, text)
      for text in ("20 01", "20 03", "40 01", "50 03", "62 00", "70 04", "b0 01", "b0 03",
                   "c0 01", "c0 8001", "d0 02", "e0 01", "e0 ffffff7f")),
    *(malformed("5.0", "section 2.1.4", WRONG, 1, text)
      for text in ("20 00", "20 02", "40 00", "40 01", "50 01", "62 01", "70 00", "b0 02",
                   "c0 01", "c0 8001", "d0 ffffff7f")),
)
# fmt: on


@remaining_lengths
def test_a_remaining_length_is_judged_without_the_body(broken: Broken) -> None:
    check_broken_at_once(broken)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("c0 8000", PingReq()),
        ("c0 80808000", PingReq()),
        ("40 828000 0007", PubAck(7)),
        ("30 83808000 0001 61", Publish("a")),
        ("82 8600 0005 0001 61 01", Subscribe(5, [Subscription("a", 1)])),
    ],
)
def test_a_length_may_be_longer_than_need_be_before_5(text: str, packet: Packet) -> None:
    assert decode("3.1", text) == packet
    assert decode("3.1.1", text) == packet


# --- senders ----------------------------------------------------------------------------------

# fmt: off
wrong_senders = each_broken(
    *(violation(BEFORE_5, "section 2.2.1", Fault.SENDER, 0, first, sender="server")
      for first in ("10", "82", "a2", "c0", "e0")),
    *(violation("5.0", "section 2.1.2", Fault.SENDER, 0, first, sender="server")
      for first in ("10", "82", "a2", "c0")),
    *(violation(BEFORE_5, "section 2.2.1", Fault.SENDER, 0, first, sender="client")
      for first in ("20", "90", "b0", "d0")),
    *(violation("5.0", "section 2.1.2", Fault.SENDER, 0, first, sender="client")
      for first in ("20", "90", "b0", "d0")),
    # whatever its flags
    violation(BEFORE_5, "section 2.2.1", Fault.SENDER, 0, "8f", sender="server"),
    violation("5.0", "section 2.1.2", Fault.SENDER, 0, "2f", sender="client"),
)
# fmt: on


@wrong_senders
def test_the_other_end_sends_this_packet(broken: Broken) -> None:
    check_broken_at_once(broken)


CLIENTS: Final = (Connect, Subscribe, Unsubscribe, PingReq)
SERVERS: Final = (ConnAck, SubAck, UnsubAck, PingResp)


@every_version
@pytest.mark.parametrize(("sender", "others"), [("client", SERVERS), ("server", CLIENTS)])
def test_what_an_end_may_send(version: str, sender: str, others: tuple[type[Packet], ...]) -> None:
    for text, packet in STREAMS[version]:
        if isinstance(packet, others):
            continue
        if isinstance(packet, Disconnect) and sender == "server" and version != "5.0":
            continue
        # Some reason codes are one end's only.
        if isinstance(packet, Auth) and sender == "client":
            continue
        if isinstance(packet, PubAck) and sender == "client" and packet.reason_code == 0x10:
            continue
        if isinstance(packet, Disconnect) and sender == "server" and packet.reason_code == 4:
            continue
        assert decode(version, text, sender) == packet


# The rules for properties and reason codes stand with their packets.
# fmt: off
senders_of_more = each_broken(
    violation("5.0", "MQTT-3.3.4-6", Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 6,
              "30 06 0001 61 02 0b01", sender="client"),
    violation("5.0", "MQTT-3.14.2-2", Fault.SESSION_EXPIRY_FROM_SERVER, 4,
              "e0 07 00 05 11 00000000", sender="server"),
    violation("5.0", "MQTT-3.14.2-1", Fault.DISCONNECT_REASON, 2, "e0 01 04", sender="server"),
    violation("5.0", "MQTT-3.15.2-1", Fault.AUTH_REASON, 2, "f0 00", sender="client"),
    violation("5.0", "MQTT-2.2.1-4", Fault.PACKET_ID, 5, "32 06 0001 61 0000 00",
              sender="server"),
)
# fmt: on


@senders_of_more
def test_the_sender_matters_within_a_packet_too(broken: Broken) -> None:
    check_broken(broken)


@pytest.mark.parametrize("sender", ["client", Sender.CLIENT])
def test_a_sender_by_name_or_member(sender: str | Sender) -> None:
    assert Decoder(5, sender=sender).sender is Sender.CLIENT
    assert Decoder(5).sender is None
    assert Decoder(5, sender="server").sender is Sender.SERVER


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", list(ProtocolVersion))
def test_a_version_by_number_or_member(version: ProtocolVersion) -> None:
    assert Decoder(version).version is version
    assert Decoder(int(version)).version is version


def test_5_0_is_the_default() -> None:
    assert Decoder().version is ProtocolVersion.MQTT5
    assert Decoder().max_packet_size == MAX_PACKET_SIZE == 268_435_460


@pytest.mark.parametrize("version", [0, 1, 2, 6, -1])
def test_there_is_no_such_version(version: int) -> None:
    with pytest.raises(ValueError, match=str(version)):
        Decoder(version)


@pytest.mark.parametrize("size", [1, 268_435_460])
def test_a_limit_in_range(size: int) -> None:
    assert Decoder(5, size).max_packet_size == size


@pytest.mark.parametrize("size", [0, -1, 268_435_461])
def test_a_limit_out_of_range(size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        Decoder(5, size)


def test_there_is_no_such_sender() -> None:
    with pytest.raises(ValueError, match="broker"):
        Decoder(5, sender="broker")


def test_a_servers_bytes_do_not_tell_their_version() -> None:
    with pytest.raises(ValueError, match="version"):
        Decoder(None, sender="server")


@pytest.mark.parametrize(
    "data",
    [
        bytearray.fromhex("c000 c000"),
        memoryview(bytes.fromhex("c000 c000")),
        memoryview(bytearray.fromhex("c000 c000")),
        # What a view shows are the bytes, wherever they lie in memory.
        memoryview(bytes.fromhex("c0ff00ff c0ff00ff"))[::2],
        memoryview(bytes.fromhex("00c0 00c0"))[::-1],
        memoryview(bytes.fromhex("c000 c000")).cast("H"),
        memoryview(bytes.fromhex("c000 c000")).cast("B", (2, 2)),
    ],
)
def test_any_buffer_of_bytes(data: bytearray | memoryview) -> None:
    decoder = Decoder(4)
    assert decoder.feed(data) == [PingReq(), PingReq()]
    assert decoder.offset == 4


def test_bytes_of_a_class_of_their_own() -> None:
    class Chunk(bytes):
        pass

    assert Decoder(4).feed(Chunk(bytes.fromhex("c000"))) == [PingReq()]


def test_a_buffer_may_be_used_again() -> None:
    buffer = bytearray.fromhex("30 05 0001 61 6869 32 07 0001")
    decoder = Decoder(4)
    [packet] = decoder.feed(buffer)
    buffer[:] = b"\xff" * len(buffer)
    assert packet == Publish("a", b"hi")
    buffer[:] = bytes.fromhex("61 0001 7a7a")
    assert decoder.feed(memoryview(buffer)) == [Publish("a", b"zz", 1, packet_id=1)]


@pytest.mark.parametrize("data", ["c000", None, 5, [0xC0, 0]])
def test_nothing_else_is_taken(data: Any) -> None:
    decoder = Decoder(4)
    decoder.feed(bytes.fromhex("c000 d0"))
    with pytest.raises(TypeError):
        decoder.feed(data)
    assert decoder.offsets == [0]
    assert decoder.buffered == 1
    assert decoder.feed(b"\0") == [PingResp()]


# --- after a fault ----------------------------------------------------------------------------


@pytest.mark.parametrize("cutting", [1, 2, 7, 100])
def test_a_fault_ends_the_stream(cutting: int) -> None:
    data = bytes.fromhex("c000 82 06 0005 0001 61 03 c000 c000")
    decoder = Decoder(4)
    packets, offsets = feed_all(decoder, cut(data, cutting))
    assert packets == [PingReq()]
    assert offsets == [0]
    error = decoder.error
    assert type(error) is MalformedPacketError
    assert error.offset == 9
    assert error.statement == Statement("3.1.1", "MQTT-3.8.3-4")
    for more in (b"", b"\xc0\0", bytes(100), data):
        assert decoder.feed(more) == []
        assert decoder.offsets == []
        assert decoder.offset == 2
        assert decoder.buffered == 0
        assert decoder.error is error
    with pytest.raises(TypeError):
        decoder.feed("text")  # type: ignore[arg-type]


def test_the_first_fault_counts() -> None:
    """A body is judged before the fixed header behind it, though that was scanned earlier."""
    decoder = Decoder(4)
    packets = decoder.feed(bytes.fromhex("c000 82 02 0005 c000 c1"))
    assert packets == [PingReq()]
    assert decoder.error is not None
    assert Fault(decoder.error.fault) is Fault.SUBSCRIBE_EMPTY
    assert decoder.error.offset == 6
    assert decoder.offset == 2


def test_an_error_tells_all_in_words() -> None:
    decoder = Decoder(5)
    decoder.feed(bytes.fromhex("c000 30 07 0001 61 03 230000"))
    assert decoder.error is not None
    text = str(decoder.error)
    for part in (decoder.error.rule, "byte 9", "MQTT 5.0 [MQTT-3.3.2-8]", "0x94"):
        assert part in text


def test_a_type_error_is_no_fault() -> None:
    decoder = Decoder(4)
    with pytest.raises(TypeError):
        decoder.feed("text")  # type: ignore[arg-type]
    assert decoder.error is None
    assert decoder.feed(b"\xc0\0") == [PingReq()]


# --- the version in CONNECT -------------------------------------------------------------------


@every_version
def test_a_connect_tells_the_version(version: str) -> None:
    connect, packet = STREAMS[version][0]
    rest = "30 04 0001 61 00" if version == "5.0" else "30 03 0001 61"
    data = bytes.fromhex(f"{connect} {rest} c000")
    for pieces in ([data], list(cut(data, 1)), list(cut(data, 17))):
        decoder = Decoder(None)
        assert decoder.version is None
        packets, _ = feed_all(decoder, pieces)
        assert packets == [packet, Publish("a"), PingReq()]
        assert decoder.version is VERSIONS[version]


def test_the_version_is_not_known_before_all_of_connect_is_there() -> None:
    data = bytes.fromhex(STREAM_5[0][0])
    decoder = Decoder(None)
    for at in range(len(data) - 1):
        decoder.feed(data[at : at + 1])
        assert decoder.version is None
        assert decoder.error is None
    assert decoder.feed(data[-1:]) == [Connect("c")]
    assert decoder.version is ProtocolVersion.MQTT5


def test_who_tells_the_version_is_a_client() -> None:
    assert Decoder(None).sender is Sender.CLIENT
    assert Decoder(None, sender="client").sender is Sender.CLIENT
    decoder = Decoder(None)
    assert decoder.feed(bytes.fromhex(STREAM_5[0][0] + "d0")) == [Connect("c")]
    assert decoder.error is not None
    assert Fault(decoder.error.fault) is Fault.SENDER


# What may come first, where the version is not known: the fault cites 5.0.
# fmt: off
FIRST: Final = [
    (Fault.FIRST_NOT_CONNECT, ProtocolViolationError, 0x82, 0, "MQTT-3.1.0-1", first)
    for first in ("20", "30", "40", "50", "62", "70", "82", "90", "a2", "b0", "c0", "d0", "e0",
                  "f0", "ff", "36")
] + [
    (Fault.PACKET_TYPE, MalformedPacketError, 0x81, 0, "section 2.1.2", "00"),
    (Fault.FLAGS, MalformedPacketError, 0x81, 0, "MQTT-2.1.3-1", "11"),
    (OVER, MalformedPacketError, 0x81, 1, "section 1.5.5", "10 80808080"),
    (Fault.TRUNCATED, MalformedPacketError, 0x81, 2, "section 2.1.4", "10 00"),
    (Fault.TRUNCATED, MalformedPacketError, 0x81, 2, "section 2.1.4", "10 03 0004 4d"),
    (Fault.TRUNCATED, MalformedPacketError, 0x81, 8, "section 2.1.4", "10 06 0004 4d515454"),
    (Fault.UTF8, MalformedPacketError, 0x81, 4, "MQTT-1.5.4-1", "10 04 0002 c000"),
    (Fault.PROTOCOL_NAME, ProtocolViolationError, 0x84, 2, "MQTT-3.1.2-1",
     "10 0d 0005 6d71747473 05 02 003c 0000"),
    (Fault.PROTOCOL_LEVEL, ProtocolViolationError, 0x84, 8, "MQTT-3.1.2-2",
     "10 0c 0004 4d515454 06 02 003c 0000"),
    (Fault.PROTOCOL_LEVEL, ProtocolViolationError, 0x84, 8, "MQTT-3.1.2-2",
     "10 0c 0004 4d515454 03 02 003c 0000"),
    (Fault.PROTOCOL_LEVEL, ProtocolViolationError, 0x84, 8, "MQTT-3.1.2-2",
     "10 07 0004 4d515454 00"),
    (Fault.PROTOCOL_LEVEL, ProtocolViolationError, 0x84, 10, "MQTT-3.1.2-2",
     "10 0f 0006 4d5149736470 04 02 003c 0001 63"),
]
# fmt: on


@pytest.mark.spec("3.1.1", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.2-2", role="server")
@pytest.mark.parametrize(("fault", "error", "code", "at", "id", "text"), FIRST)
def test_a_stream_that_does_not_begin_with_a_connect(
    fault: Fault, error: type[MalformedPacketError], code: int, at: int, id: str, text: str
) -> None:
    data = bytes.fromhex(text)
    broken = Broken("5.0", None, text, at, fault, error, code, Statement("5.0", id))
    decoder = Decoder(None)
    for position in range(len(data) - 1):
        assert decoder.feed(data[position : position + 1]) == []
        assert decoder.error is None
    assert decoder.feed(data[-1:]) == []
    assert_error(decoder.error, broken, 0)
    assert decoder.version is None
    assert decoder.offset == 0
    whole = Decoder(None)
    assert whole.feed(data + bytes(10)) == []
    assert_error(whole.error, broken, 0)


def test_a_decoder_tells_the_level_that_it_refused() -> None:
    for version in (None, 4):
        decoder = Decoder(version)
        assert decoder.refused_level == 0
        decoder.feed(bytes.fromhex("10 0c 0004 4d515454 06 02 003c 0000"))
        assert decoder.error is not None
        assert decoder.refused_level == 6
    decoder = Decoder(None)
    decoder.feed(bytes.fromhex("10 0d 0005 6d71747473 05 02 003c 0000"))
    assert decoder.error is not None
    assert decoder.refused_level == 0


# Once name and level were read, the fault is one of that version.
# fmt: off
TOLD: Final = [
    ("3.1", Fault.CONNECT_FLAG, 11, "MQTT-3.1.2-3",
     "10 0f 0006 4d5149736470 03 03 003c 0001 63"),
    ("3.1.1", Fault.CONNECT_FLAG, 9, "MQTT-3.1.2-3", "10 0d 0004 4d515454 04 01 003c 0001 63"),
    ("3.1.1", Fault.TRUNCATED, 12, "section 2.2.3", "10 0a 0004 4d515454 04 02 003c"),
    ("5.0", Fault.CONNECT_FLAG, 9, "MQTT-3.1.2-3",
     "10 0e 0004 4d515454 05 01 003c 00 0001 63"),
    # only now is it known that the length should have been minimal
    ("5.0", NOT_MINIMAL, 1, "MQTT-1.5.5-1", "10 8d00 0004 4d515454 05 02 003c 00 0000"),
    ("5.0", NOT_MINIMAL, 1, "MQTT-1.5.5-1", "10 8d808000 0004 4d515454 05 02 003c 00 0000"),
    # it comes first in the packet, so it is told before what follows
    ("5.0", NOT_MINIMAL, 1, "MQTT-1.5.5-1", "10 8d00 0004 4d515454 05 01 003c 00 0000"),
]
# fmt: on


@pytest.mark.parametrize(("version", "fault", "at", "id", "text"), TOLD)
def test_faults_of_a_connect_that_tells_the_version(
    version: str, fault: Fault, at: int, id: str, text: str
) -> None:
    statement = Statement("5.0" if version == "5.0" else "3.1.1", id)
    broken = Broken(version, None, text, at, fault, MalformedPacketError, 0x81, statement)
    decoder = Decoder(None)
    assert decoder.feed(bytes.fromhex(text)) == []
    assert_error(decoder.error, broken, 0)
    assert decoder.version is VERSIONS[version]
    assert decoder.offset == 0


@pytest.mark.parametrize("length", ["8c00", "8c8000", "8c808000"])
def test_before_5_the_length_of_a_connect_need_not_be_minimal(length: str) -> None:
    decoder = Decoder(None)
    text = f"10 {length} 0004 4d515454 04 02 003c 0000 c000"
    assert decoder.feed(bytes.fromhex(text)) == [Connect(), PingReq()]


def test_behind_a_connect_the_rules_are_those_of_its_version() -> None:
    for connect, text, fault in [
        (STREAM_311[0][0], "f000", Fault.PACKET_TYPE),
        (STREAM_5[0][0], "c0 8000", NOT_MINIMAL),
        (STREAM_31[0][0], "8b", Fault.FLAGS_SUBSCRIBE),
    ]:
        decoder = Decoder(None)
        start = len(bytes.fromhex(connect))
        assert decoder.feed(bytes.fromhex(connect + text)) == [Connect("c")]
        assert decoder.error is not None
        assert Fault(decoder.error.fault) is fault
        assert decoder.offset == start
        assert start <= decoder.error.offset <= start + 1


def test_a_second_connect_is_a_packet_like_any_other() -> None:
    """That a client sends but one is a matter of the connection's state."""
    data = bytes.fromhex(STREAM_5[0][0])
    decoder = Decoder(None)
    assert decoder.feed(data + b"\xc0\0" + data) == [Connect("c"), PingReq(), Connect("c")]
    assert Decoder(5).feed(b"\xc0\0" + data) == [PingReq(), Connect("c")]


# --- one packet to a chunk --------------------------------------------------------------------

# fmt: off
ONE: Final[list[tuple[str, str, Packet]]] = [
    *((version, text, packet) for version in STREAMS for text, packet in STREAMS[version]),
    ("5.0", "32 08 0001 61 0001 00 6869", Publish("a", b"hi", 1, packet_id=1)),
    ("5.0", "3d 0a 0001 61 ffff 03 23ffff 68",
     Publish("a", b"h", 2, True, True, 65_535, Properties(topic_alias=65_535))),
    ("5.0", "31 06 0000 03 230001",
     Publish("", b"", 0, True, properties=Properties(topic_alias=1))),
    ("3.1.1", "30 83808000 0001 61", Publish("a")),
    ("3.1", "6a 02 0003", PubRel(3)),
]
# fmt: on


@pytest.mark.parametrize(("version", "text", "packet"), ONE)
def test_a_chunk_that_is_one_packet(version: str, text: str, packet: Packet) -> None:
    data = bytes.fromhex(text)
    decoder = Decoder(VERSIONS[version])
    for turn in range(3):
        assert decoder.feed(data) == [packet]
        assert decoder.offsets == [turn * len(data)]
        assert decoder.offset == (turn + 1) * len(data)
        assert decoder.buffered == 0
    assert decoder.feed(data + b"\xd0") == [packet]
    assert decoder.feed(b"\0") == [PingResp()]
    assert decoder.offsets == [4 * len(data)]
    decoder.max_packet_size = len(data)
    assert decoder.feed(data) == [packet]
    decoder.max_packet_size = len(data) - 1
    assert decoder.feed(data) == []
    assert decoder.error is not None
    assert decoder.error.fault == Fault.PACKET_TOO_LARGE
    assert decoder.feed(data) == []


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 4080, 4088, 4089, 4090, 4091, 4092, 5000])
@pytest.mark.parametrize("version", [4, 5])
def test_a_chunk_that_is_one_publish_of_any_size(version: int, size: int) -> None:
    """Also of those around the size from which on a chunk is not decoded the short way."""
    payload = numbered(size)
    data = publish(version, b"", b"\x23\0\1", payload) if version == 5 else b""
    data = data or publish(version, b"t", b"", payload)
    decoder = Decoder(version)
    properties = Properties(topic_alias=1) if version == 5 else Properties()
    topic = "" if version == 5 else "t"
    packet = Publish(topic, payload, 1, packet_id=7, properties=properties)
    for _ in range(2):
        assert decoder.feed(data) == [packet]
    assert decoder.offsets == [len(data)]


def test_there_is_a_short_way_with_the_c_scanner_only(speed: str) -> None:
    assert (MOST_OF_ONE > 0) == (speed in ("c", "compiled"))


# --- the pause behind CONNECT -----------------------------------------------------------------

PAUSING: Final = bytes.fromhex(STREAM_5[0][0])
PUBLISHED: Final = bytes.fromhex("30 06 0001 61 00 6869")


def waits(decoder: Decoder) -> bool:
    """Whether it is paused. A function, so that no checker thinks that it stays so."""
    return decoder.paused


def broken(decoder: Decoder) -> bool:
    return decoder.error is not None


def test_a_decoder_pauses_behind_connect() -> None:
    decoder = Decoder(None, pause_after_connect=True)
    assert not waits(decoder)
    assert decoder.feed(PAUSING + PUBLISHED) == [Connect("c")]
    assert waits(decoder)
    assert decoder.offsets == [0]
    assert decoder.version is ProtocolVersion.MQTT5
    assert (decoder.offset, decoder.buffered) == (len(PAUSING), len(PUBLISHED))
    for more in (b"", PUBLISHED, b"\xc0"):
        assert decoder.feed(more) == []
        assert decoder.offsets == []
    assert (decoder.offset, decoder.buffered) == (len(PAUSING), 2 * len(PUBLISHED) + 1)
    assert decoder.resume() == [Publish("a", b"hi")] * 2
    assert not waits(decoder)
    assert decoder.offsets == [len(PAUSING), len(PAUSING) + len(PUBLISHED)]
    assert decoder.offset == len(PAUSING) + 2 * len(PUBLISHED)
    assert decoder.buffered == 1
    assert decoder.feed(b"\0") == [PingReq()]


def test_nothing_may_follow_a_connect() -> None:
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.feed(PAUSING) == [Connect("c")]
    assert waits(decoder)
    assert decoder.buffered == 0
    assert decoder.feed(b"") == []
    assert decoder.resume() == []
    assert decoder.offsets == []
    assert decoder.feed(PUBLISHED) == [Publish("a", b"hi")]


def test_a_decoder_does_not_pause_unless_told_to() -> None:
    decoder = Decoder(None)
    assert decoder.feed(PAUSING + PUBLISHED) == [Connect("c"), Publish("a", b"hi")]
    assert not waits(decoder)


def test_to_resume_what_is_not_paused_does_nothing() -> None:
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.resume() == []
    assert decoder.feed(PAUSING[:5]) == []
    assert decoder.resume() == []
    assert decoder.buffered == 5
    assert decoder.feed(PAUSING[5:]) == [Connect("c")]
    assert decoder.resume() == []
    assert decoder.feed(PUBLISHED + b"\xc0") == [Publish("a", b"hi")]
    assert decoder.resume() == []
    assert decoder.offsets == []
    assert decoder.buffered == 1


def test_a_fault_behind_the_connect_waits() -> None:
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.feed(PAUSING + PUBLISHED + b"\0") == [Connect("c")]
    assert decoder.feed(b"\xff" * 100_000) == []
    assert not broken(decoder)
    assert decoder.resume() == [Publish("a", b"hi")]
    assert decoder.error is not None
    assert Fault(decoder.error.fault) is Fault.PACKET_TYPE
    assert decoder.error.offset == len(PAUSING) + len(PUBLISHED)
    assert decoder.buffered == 0
    assert decoder.resume() == []
    assert decoder.feed(PUBLISHED) == []


def test_a_fault_in_the_connect_does_not_pause() -> None:
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.feed(bytes.fromhex("10 0e 0004 4d515454 05 01 003c 00 0001 63 c000")) == []
    assert decoder.error is not None
    assert not waits(decoder)
    assert decoder.resume() == []


def test_only_the_first_connect_pauses() -> None:
    decoder = Decoder(5, sender="client", pause_after_connect=True)
    assert decoder.feed(PUBLISHED + PAUSING + PAUSING) == [Publish("a", b"hi"), Connect("c")]
    assert waits(decoder)
    assert decoder.feed(PAUSING + PUBLISHED) == []
    assert decoder.resume() == [Connect("c"), Connect("c"), Publish("a", b"hi")]
    assert not waits(decoder)
    assert decoder.feed(PAUSING + PUBLISHED) == [Connect("c"), Publish("a", b"hi")]


def test_the_limit_may_be_changed_during_the_pause() -> None:
    for limit, packets in ((8, [Publish("a", b"hi")]), (7, [])):
        decoder = Decoder(None, 16, pause_after_connect=True)
        decoder.feed(PAUSING + PUBLISHED)
        decoder.max_packet_size = limit
        assert decoder.feed(PUBLISHED[:3]) == []
        assert decoder.resume() == packets
        assert (decoder.error is None) == bool(packets)
        assert decoder.feed(PUBLISHED[3:]) == packets


@pytest.mark.parametrize("size", [1, 100, 1000, BLOCK, 100_000])
def test_what_is_fed_during_the_pause(size: int) -> None:
    """It is kept in blocks, and joined as if it had come without a pause."""
    large = publish(5, b"topic", b"", numbered(300_000))
    data = PUBLISHED + large + PUBLISHED * 10_000 + large[:-1]
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.feed(PAUSING + data[:1]) == [Connect("c")]
    for piece in cut(data[1:], size):
        assert decoder.feed(piece) == []
    assert decoder.buffered == len(data)
    packets = decoder.resume()
    whole = Decoder(5)
    assert packets == whole.feed(data)
    assert decoder.offsets == [len(PAUSING) + offset for offset in whole.offsets]
    assert decoder.buffered == len(large) - 1
    assert decoder.feed(large[-1:]) == whole.feed(large[-1:])


def test_a_piece_larger_than_any_that_is_taken_whole_and_a_pause() -> None:
    large = publish(5, b"topic", b"", bytes(20 << 20))
    decoder = Decoder(None, pause_after_connect=True)
    assert decoder.feed(PAUSING + PUBLISHED + large) == [Connect("c")]
    assert decoder.buffered == len(PUBLISHED) + len(large)
    packets = decoder.resume()
    assert packets == [
        Publish("a", b"hi"),
        Publish("topic", bytes(20 << 20), 1, packet_id=7),
    ]
    assert decoder.offsets == [len(PAUSING), len(PAUSING) + len(PUBLISHED)]


# --- limits -----------------------------------------------------------------------------------


def test_the_largest_packet_that_is_taken() -> None:
    data = bytes.fromhex("30 05 0001 61 6869")
    assert Decoder(4, 7).feed(data) == [Publish("a", b"hi")]
    assert Decoder(4, 6).feed(data) == []


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="server")
@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
@pytest.mark.parametrize(
    ("version", "sender", "statement"),
    [
        (3, None, Statement("3.1.1", "section 2.2.3")),
        (4, "client", Statement("3.1.1", "section 2.2.3")),
        (4, "server", Statement("3.1.1", "section 2.2.3")),
        (5, None, Statement("5.0", "MQTT-3.2.2-15")),
        (5, "client", Statement("5.0", "MQTT-3.2.2-15")),
        (5, "server", Statement("5.0", "MQTT-3.1.2-24")),
    ],
)
def test_a_packet_over_the_limit_is_a_fault_at_once(
    version: int, sender: str | None, statement: Statement
) -> None:
    decoder = Decoder(version, 1_000_000, sender=sender)
    data = bytes.fromhex("40 02 0001 30 ffffff7f")
    for at in range(len(data) - 1):
        decoder.feed(data[at : at + 1])
        assert decoder.error is None
    assert decoder.feed(data[-1:]) == []
    error = decoder.error
    assert type(error) is ProtocolViolationError
    assert Fault(error.fault) is Fault.PACKET_TOO_LARGE
    assert error.offset == 4
    assert error.reason_code == 0x95
    assert error.statement == statement
    assert decoder.buffered == 0


def test_a_connect_over_the_limit() -> None:
    decoder = Decoder(None, 16)
    assert decoder.feed(bytes.fromhex("10 0f")) == []
    assert decoder.error is not None
    assert Fault(decoder.error.fault) is Fault.PACKET_TOO_LARGE
    assert Decoder(None, 16).feed(bytes.fromhex(STREAM_5[0][0])) == [Connect("c")]


@pytest.mark.parametrize("size", [1, 100])
def test_a_length_announced_is_not_memory_allocated(size: int) -> None:
    head = bytes.fromhex("30 ffffff7f 0001 61 00")
    tracemalloc.start()
    try:
        decoders = [Decoder(5) for _ in range(10)]
        for decoder in decoders:
            for piece in cut(head + bytes(1000), size):
                assert decoder.feed(piece) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(decoder.buffered == 1009 for decoder in decoders)
    assert peak < 1 << 20


# --- large packets ----------------------------------------------------------------------------
#
# Their bytes are gathered in blocks of 64 KiB, and all but the payload of a PUBLISH is looked for
# in the first of them.


BEHIND: Final = bytes.fromhex("c000 40 02 0001 d0")
"""Two packets and the first byte of a third."""


def check_large(version: int, data: bytes, packet: Packet, pieces: Iterable[bytes]) -> None:
    """Check what a large packet between small ones decodes to."""
    decoder = Decoder(version)
    packets, offsets = feed_all(decoder, pieces)
    assert decoder.error is None
    assert packets == [PingReq(), packet, PingReq(), PubAck(1)]
    assert offsets == [0, 2, 2 + len(data), 4 + len(data)]
    assert decoder.offset == 8 + len(data)
    assert decoder.buffered == 1
    assert decoder.feed(b"\0") == [PingResp()]


SIZES: Final = [3, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 100_000, 300_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("version", [4, 5])
def test_a_large_payload_in_pieces(version: int, size: int) -> None:
    payload = numbered(200_000)
    data = publish(version, b"topic", b"", payload)
    packet = Publish("topic", payload, 1, packet_id=7)
    check_large(version, data, packet, cut(b"\xc0\0" + data + BEHIND, size))


def test_a_large_payload_in_bytes() -> None:
    payload = numbered(70_000)
    data = publish(4, b"topic", b"", payload)
    packet = Publish("topic", payload, 1, packet_id=7)
    check_large(4, data, packet, cut(b"\xc0\0" + data + BEHIND, 1))


@pytest.mark.parametrize("head", [1, 2, 3, 4, 5, 9, 12, 13, 14, 20])
@pytest.mark.parametrize("size", [1000, 70_000, 200_000])
def test_a_header_cut_from_a_large_payload(head: int, size: int) -> None:
    """First a few bytes, then the rest in pieces of one size."""
    payload = numbered(200_000)
    data = publish(5, b"topic", bytes.fromhex("23 0001"), payload)
    packet = Publish("topic", payload, 1, packet_id=7, properties=Properties(topic_alias=1))
    stream = data + BEHIND
    pieces = [b"\xc0\0", stream[:head], *cut(stream[head:], size)]
    check_large(5, data, packet, pieces)


@pytest.mark.parametrize("head", [0, 3, 12])
@pytest.mark.parametrize("size", [1000, BLOCK, 100_000])
def test_a_large_payload_is_copied_once(size: int, head: int) -> None:
    """At most it is there twice: in the blocks that were gathered, and in the packet."""
    payload = numbered(4 << 20)
    data = publish(4, b"topic", b"", payload)
    decoder = Decoder(4)
    decoder.feed(data[:head])
    rest = data[head:]
    tracemalloc.start()
    try:
        packets, _ = feed_all(decoder, cut(rest, size))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert packets == [Publish("topic", payload, 1, packet_id=7)]
    assert peak < 2.5 * len(data)


@pytest.mark.parametrize("end", [-1, 0, 1, 2, 5])
@pytest.mark.parametrize("tail", [10, BLOCK, 100_000])
def test_the_last_piece_of_a_large_payload(end: int, tail: int) -> None:
    """It ends before, with, or behind the packet."""
    payload = numbered(300_000)
    data = publish(4, b"topic", b"", payload)
    packet = Publish("topic", payload, 1, packet_id=7)
    stream = data + BEHIND
    last = len(data) + end
    pieces = [b"\xc0\0", stream[: last - tail], stream[last - tail : last], stream[last:]]
    check_large(4, data, packet, pieces)


def test_a_second_large_packet_behind_the_first() -> None:
    payload = numbered(150_000)
    one = publish(5, b"a", b"", payload)
    packet = Publish("a", payload, 1, packet_id=7)
    for size in (1000, 70_000, 160_000, 500_000):
        decoder = Decoder(5)
        packets, offsets = feed_all(decoder, cut(one * 3, size))
        assert packets == [packet] * 3
        assert offsets == [0, len(one), 2 * len(one)]
        assert decoder.buffered == 0


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_topic_longer_than_the_first_block(size: int) -> None:
    payload = numbered(150_000)
    data = publish(4, b"t" * 65_535, b"", payload)
    packet = Publish("t" * 65_535, payload, 1, packet_id=7)
    check_large(4, data, packet, cut(b"\xc0\0" + data + BEHIND, size))


@pytest.mark.parametrize("size", SIZES[1:])
def test_properties_longer_than_the_first_block(size: int) -> None:
    payload = numbered(150_000)
    pair = b"\x26" + b"\0\1k" + (40_000).to_bytes(2, "big") + b"v" * 40_000
    data = publish(5, b"topic", pair * 2, payload)
    packet = Publish(
        "topic",
        payload,
        1,
        packet_id=7,
        properties=Properties(user_properties=[("k", "v" * 40_000)] * 2),
    )
    check_large(5, data, packet, cut(b"\xc0\0" + data + BEHIND, size))


@pytest.mark.parametrize("size", SIZES[1:])
def test_another_large_packet_in_pieces(size: int) -> None:
    subscriptions = [Subscription(f"filter/{number}", number % 3) for number in range(20_000)]
    body = b"\0\7" + b"".join(
        len(each.topic_filter).to_bytes(2, "big") + each.topic_filter.encode() + bytes((each.qos,))
        for each in subscriptions
    )
    data = b"\x82" + varint(len(body)) + body
    check_large(4, data, Subscribe(7, subscriptions), cut(b"\xc0\0" + data + BEHIND, size))


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize(
    ("topic", "properties", "fault", "at"),
    [
        (b"to+ic", b"", Fault.TOPIC_WILDCARD, 8),
        (b"topic", b"\x01\x02", Fault.PROPERTY_NOT_0_OR_1, 15),
        (b"t" * 65_534 + b"#", b"", Fault.TOPIC_WILDCARD, 6 + 65_534),
        (b"topic", b"\x26\0\1k\0\0" * 20_000 + b"\x7f", Fault.PROPERTY_UNKNOWN, 16 + 120_000),
    ],
)
def test_a_fault_in_a_large_packet(
    topic: bytes, properties: bytes, fault: Fault, at: int, size: int
) -> None:
    data = publish(5, topic, properties, numbered(300_000))
    decoder = Decoder(5)
    packets, offsets = feed_all(decoder, cut(b"\xc0\0" + data + BEHIND, size))
    assert packets == [PingReq()]
    assert offsets == [0]
    assert decoder.error is not None
    assert Fault(decoder.error.fault) is fault
    assert decoder.error.offset == 2 + at
    assert decoder.offset == 2
    assert decoder.buffered == 0


def test_a_fault_behind_a_large_packet() -> None:
    payload = numbered(300_000)
    data = publish(4, b"topic", b"", payload)
    for size in (1000, 70_000, 299_000):
        decoder = Decoder(4)
        packets, offsets = feed_all(decoder, cut(data + b"\xc0\0\xc1\0", size))
        assert packets == [Publish("topic", payload, 1, packet_id=7), PingReq()]
        assert offsets == [0, len(data)]
        assert decoder.error is not None
        assert decoder.error.offset == len(data) + 2
        assert decoder.offset == len(data) + 2


def test_a_piece_larger_than_any_that_is_taken_whole() -> None:
    """Such a piece is cut: here a packet goes on from one part to the next."""
    payload = numbered(1 << 20) * 40
    data = publish(4, b"topic", b"", payload)
    packet = Publish("topic", payload, 1, packet_id=7)
    check_large(4, data, packet, [b"\xc0\0" + data + BEHIND])
    decoder = Decoder(4)
    assert decoder.feed(b"\xc0\0\0" + data) == [PingReq()]  # a fault in the first part
    assert decoder.error is not None
    assert decoder.error.offset == decoder.offset == 2


@pytest.mark.parametrize("limit", [0, -1, MAX_PACKET_SIZE + 1])
def test_a_limit_is_checked_when_it_is_changed(limit: int) -> None:
    decoder = Decoder(5, 10)
    with pytest.raises(ValueError, match=f"not {limit}$"):
        decoder.max_packet_size = limit
    assert decoder.max_packet_size == 10
    decoder.max_packet_size = 1
    assert decoder.feed(b"\xc0\0") == []
    assert decoder.error is not None
    assert decoder.error.fault == Fault.PACKET_TOO_LARGE


def test_a_decoder_cannot_be_copied() -> None:
    decoder = Decoder()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a Decoder cannot be copied or pickled"):
            copied(decoder)


def test_a_decoder_says_where_it_is() -> None:
    decoder = Decoder(None)
    assert repr(decoder) == "Decoder(version=None, offset=0, buffered=0, error=None)"
    decoder = Decoder(4)
    decoder.feed(b"\xc0\0\xc0")
    assert repr(decoder) == "Decoder(version=4, offset=2, buffered=1, error=None)"
