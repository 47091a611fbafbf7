"""What holds for the codec as a whole, whatever the packets, the bytes and their cutting."""

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn, SearchStrategy

from mqttproto.codec import Decoder, FrameTable, Packet, encode, encoded_size
from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.faults import Fault, statement
from mqttproto.codec.publish import PubAck, Publish
from mqttproto.constants import MAX_PACKET_SIZE, PacketType, ProtocolVersion, Sender
from mqttproto.errors import PacketError
from mqttproto.testing import strategies as mqtt

MQTT5 = ProtocolVersion.MQTT5
CLIENT = Sender.CLIENT
SERVER = Sender.SERVER

BLOCK = 1 << 16
"""From this size on a decoder keeps chunks as they come, and joins a payload out of them."""

every_version = pytest.mark.parametrize(
    "version", list(ProtocolVersion), ids=lambda version: version.label
)

# For what is parametrised many times over.
few = settings(max_examples=max(5, settings().max_examples // 10))


class Outcome(NamedTuple):
    """All that a decoder says about a stream."""

    packets: list[Packet]
    offsets: list[int]
    error: tuple[object, ...] | None
    version: ProtocolVersion | None
    offset: int
    buffered: int


def described(error: PacketError | None) -> tuple[object, ...] | None:
    """What makes two errors alike."""
    return None if error is None else (type(error), *error.args)


def outcome(decoder: Decoder, chunks: Iterable[bytes | bytearray | memoryview]) -> Outcome:
    """Feed the chunks, and see what comes of it."""
    packets: list[Packet] = []
    offsets: list[int] = []
    for chunk in chunks:
        found = decoder.feed(chunk)
        assert len(decoder.offsets) == len(found)
        packets += found
        offsets += decoder.offsets
    error = described(decoder.error)
    return Outcome(packets, offsets, error, decoder.version, decoder.offset, decoder.buffered)


def lengths(offsets: list[int], end: int) -> list[int]:
    """The lengths of packets that begin at these offsets, the last of which ends at ``end``."""
    return [behind - offset for offset, behind in pairwise([*offsets, end])]


def decoder_of(stream: mqtt.Stream) -> Decoder:
    return Decoder(stream.version, sender=stream.sender)


def decoder_of_malformed(broken: mqtt.Malformed) -> Decoder:
    return Decoder(broken.version, broken.max_packet_size, sender=broken.sender)


@st.composite
def near_misses(draw: DrawFn) -> bytes:
    """Bytes that are nearly MQTT, in whatever version."""
    stream = draw(mqtt.wire_bytes(connected=draw(st.booleans())))
    return draw(mqtt.mutations(stream.data))


def any_bytes() -> SearchStrategy[bytes]:
    """Bytes from good to bad."""
    return st.one_of(
        near_misses(), mqtt.malformed().map(lambda broken: broken.data), st.binary(max_size=100)
    )


class Receiver(NamedTuple):
    """The arguments of a decoder."""

    version: ProtocolVersion | None
    sender: Sender | None
    limit: int

    def decoder(self) -> Decoder:
        return Decoder(self.version, self.limit, sender=self.sender)


def receivers() -> SearchStrategy[Receiver]:
    """Decoders of all kinds."""
    limits = st.one_of(st.just(MAX_PACKET_SIZE), st.integers(1, 300))
    return st.one_of(
        st.builds(Receiver, mqtt.versions(), st.none() | mqtt.senders(), limits),
        st.builds(Receiver, st.none(), st.sampled_from([None, CLIENT]), limits),
    )


# --- round trips -----------------------------------------------------------------------------


@every_version
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same(data: DataObject, version: ProtocolVersion) -> None:
    sender = data.draw(mqtt.senders())
    packet = data.draw(mqtt.packets(version, sender))
    encoded = encode(packet, version)
    decoder = Decoder(version, sender=sender)
    assert decoder.feed(encoded) == [packet]
    assert decoder.error is None
    assert decoder.offset == len(encoded)


@every_version
@given(data=st.data())
def test_the_size_is_known_without_encoding(data: DataObject, version: ProtocolVersion) -> None:
    packet = data.draw(mqtt.packets(version))
    assert encoded_size(packet, version) == len(encode(packet, version))


@every_version
@given(data=st.data())
def test_the_encoder_takes_the_shortest_form(data: DataObject, version: ProtocolVersion) -> None:
    packet = data.draw(mqtt.packets(version))
    form = data.draw(mqtt.wire_forms(packet, version))
    shortest = encode(packet, version)
    assert len(shortest) <= len(form)
    (decoded,) = Decoder(version).feed(form)
    assert encode(decoded, version) == shortest


@given(stream=mqtt.wire_bytes())
def test_a_stream_decodes_to_its_packets(stream: mqtt.Stream) -> None:
    decoder = decoder_of(stream)
    assert decoder.feed(stream.data) == stream.packets
    assert decoder.offsets == stream.offsets
    assert decoder.error is None
    assert decoder.buffered == 0


@given(data=any_bytes(), receiver=receivers())
def test_what_is_decoded_can_be_encoded(data: bytes, receiver: Receiver) -> None:
    decoder = receiver.decoder()
    packets = decoder.feed(data)
    version = decoder.version
    sizes = lengths(decoder.offsets, decoder.offset)
    for packet, size in zip(packets, sizes, strict=True):
        assert version is not None
        if isinstance(packet, Connect) and version is not MQTT5:
            continue  # it may have a client identifier that is the server's to refuse
        encoded = encode(packet, version)
        assert len(encoded) <= size
        assert Decoder(version).feed(encoded) == [packet]


# --- streams ---------------------------------------------------------------------------------


@given(data=st.data(), stream=mqtt.wire_bytes())
def test_a_legal_stream_may_be_cut_anywhere(data: DataObject, stream: mqtt.Stream) -> None:
    chunks = data.draw(mqtt.cuttings(stream.data))
    assert outcome(decoder_of(stream), chunks) == Outcome(
        stream.packets, stream.offsets, None, stream.version, len(stream.data), 0
    )


@given(data=st.data(), stream=any_bytes(), receiver=receivers())
def test_any_bytes_may_be_cut_anywhere(data: DataObject, stream: bytes, receiver: Receiver) -> None:
    """Neither packets nor error depend on the cutting, and nothing is raised."""
    whole = outcome(receiver.decoder(), [stream])
    # Behind a fault nothing is looked at, so that what is held of it depends on the cutting.
    if whole.error is None:
        assert whole.offset + whole.buffered == len(stream)
    cut = outcome(receiver.decoder(), data.draw(mqtt.cuttings(stream)))
    assert cut._replace(buffered=0) == whole._replace(buffered=0)


@st.composite
def streams_with_connect(draw: DrawFn) -> bytes:
    """A client's stream, broken or not, with a CONNECT somewhere, or with several."""
    streams = draw(st.lists(mqtt.wire_bytes(5, "client"), min_size=1, max_size=2))
    parts = [stream.data for stream in streams]
    parts.insert(draw(st.sampled_from([0, len(parts)])), draw(any_bytes()))
    return b"".join(parts)


@given(data=st.data(), stream=streams_with_connect() | any_bytes(), receiver=receivers())
def test_a_pause_makes_no_difference(data: DataObject, stream: bytes, receiver: Receiver) -> None:
    """Wherever it ends: but for what is found during it, which is nothing."""
    version, sender, limit = receiver
    decoder = Decoder(version, limit, sender=sender, pause_after_connect=True)
    packets: list[Packet] = []
    offsets: list[int] = []
    waits = data.draw(st.integers(0, 4))
    fed = 0
    pauses = 0
    for chunk in [*data.draw(mqtt.cuttings(stream)), None]:
        if decoder.paused:
            assert (packets[-1].packet_type, decoder.error) == (PacketType.CONNECT, None)
            assert decoder.offset + decoder.buffered == fed
            if not waits or chunk is None:
                packets += decoder.resume()
                offsets += decoder.offsets
                pauses += 1
            waits -= 1
        if chunk is not None:
            silent = decoder.paused
            found = decoder.feed(chunk)
            assert len(decoder.offsets) == len(found)
            assert not (silent and found)
            packets += found
            offsets += decoder.offsets
            fed += len(chunk)
    whole = outcome(receiver.decoder(), [stream])
    assert packets == whole.packets
    assert offsets == whole.offsets
    assert described(decoder.error) == whole.error
    assert (decoder.version, decoder.offset) == (whole.version, whole.offset)
    if whole.error is None:
        assert decoder.buffered == whole.buffered
    assert pauses == any(isinstance(packet, Connect) for packet in packets)


@given(data=any_bytes(), receiver=receivers(), capacity=st.integers(1, 3))
def test_the_size_of_the_frame_table_makes_no_difference(
    data: bytes, receiver: Receiver, capacity: int
) -> None:
    version, sender, limit = receiver
    small = Decoder(version, limit, sender=sender, table=FrameTable(capacity))
    assert outcome(small, [data]) == outcome(receiver.decoder(), [data])


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
@given(data=any_bytes(), receiver=receivers())
def test_any_buffer_of_bytes_is_taken(
    data: bytes, receiver: Receiver, kind: Callable[[bytes], bytearray | memoryview]
) -> None:
    assert outcome(receiver.decoder(), [kind(data)]) == outcome(receiver.decoder(), [data])


@given(data=any_bytes(), receiver=receivers())
def test_what_was_fed_may_be_changed_afterwards(data: bytes, receiver: Receiver) -> None:
    middle = len(data) // 2
    chunks = [bytearray(data[:middle]), bytearray(data[middle:])]
    decoder = receiver.decoder()
    packets: list[Packet] = []
    for chunk in chunks:
        packets += decoder.feed(chunk)
        chunk[:] = bytes(len(chunk))
    assert packets == outcome(receiver.decoder(), [data]).packets


@given(stream=mqtt.wire_bytes(sender="client"))
def test_a_server_takes_the_version_from_connect(stream: mqtt.Stream) -> None:
    decoder = Decoder(None, sender="client")
    assert decoder.version is None
    assert decoder.feed(stream.data) == stream.packets
    assert decoder.version is stream.version


@given(broken=mqtt.malformed(sender="client"))
def test_a_server_finds_the_same_whether_or_not_it_knew_the_version(
    broken: mqtt.Malformed,
) -> None:
    decoder = Decoder(None, broken.max_packet_size)
    unknown = outcome(decoder, [broken.data])
    assume(unknown.version is not None)
    assert unknown == outcome(
        Decoder(unknown.version, broken.max_packet_size, sender="client"), [broken.data]
    )


@given(stream=mqtt.wire_bytes(), limit=st.integers(1, 300))
def test_the_first_packet_above_the_limit_is_refused(stream: mqtt.Stream, limit: int) -> None:
    decoder = Decoder(stream.version, limit, sender=stream.sender)
    found = outcome(decoder, [stream.data])
    sizes = lengths(stream.offsets, len(stream.data))
    good = next((index for index, size in enumerate(sizes) if size > limit), len(sizes))
    assert found.packets == stream.packets[:good]
    if good == len(sizes):
        assert decoder.error is None
    else:
        assert decoder.error is not None
        assert decoder.error.fault == Fault.PACKET_TOO_LARGE
        assert decoder.error.offset == stream.offsets[good]


# --- malformed streams -----------------------------------------------------------------------


def every_rule() -> Iterator[Any]:
    """Each fault of each version, marked with the statements that it violates."""
    for fault in Fault:
        for version in ProtocolVersion:
            cited: dict[tuple[str, str], set[Sender]] = {}
            for sender in Sender:
                try:
                    mqtt.malformed(version, sender, [fault])
                except ValueError:
                    continue
                told = 0 if fault is Fault.FIRST_NOT_CONNECT else version
                rule = statement(fault, told, sender)
                cited.setdefault((rule.version, rule.id), set()).add(sender)
            if cited:
                marks = [pytest.mark.spec(*rule, role=role(ends)) for rule, ends in cited.items()]
                yield pytest.param(fault, version, marks=marks, id=f"{fault.name}-{version.label}")


def role(senders: set[Sender]) -> str:
    """The role of who receives from these."""
    if len(senders) == 2:
        return "both"
    return "server" if senders == {CLIENT} else "client"


@pytest.mark.parametrize(("fault", "version"), list(every_rule()))
@given(data=st.data())
@few
def test_a_malformed_stream_is_refused(
    data: DataObject, fault: Fault, version: ProtocolVersion
) -> None:
    """With the right error at the right byte, behind the packets before it, at any cutting."""
    broken = data.draw(mqtt.malformed(version, faults=[fault]))
    decoder = decoder_of_malformed(broken)
    found = outcome(decoder, data.draw(mqtt.cuttings(broken.data)))
    assert found.error == described(broken.error)
    assert found.packets == broken.packets
    assert found.offsets == broken.offsets
    assert decoder.feed(encode(PubAck(1), version)) == []
    assert decoder.offsets == []
    assert described(decoder.error) == found.error


# The faults of the first byte; with how many bytes of a Remaining Length the others are known.
FIRST_BYTE = """
    PACKET_TYPE FLAGS FLAGS_PUBREL FLAGS_SUBSCRIBE FLAGS_UNSUBSCRIBE FLAGS_DISCONNECT FLAGS_AUTH QOS
    DUP_AT_QOS_0 SENDER FIRST_NOT_CONNECT
"""


@pytest.mark.parametrize("name", FIRST_BYTE.split())
@given(data=st.data())
@few
def test_a_fault_of_the_first_byte_is_known_with_it(data: DataObject, name: str) -> None:
    broken = data.draw(mqtt.malformed(faults=[Fault[name]]))
    before, rest = broken.data[: broken.error.offset], broken.data[broken.error.offset :]
    decoder = decoder_of_malformed(broken)
    decoder.feed(before)
    assert decoder.error is None
    decoder.feed(rest[:1])
    assert described(decoder.error) == described(broken.error)


@given(broken=mqtt.malformed(faults=[Fault.PACKET_TOO_LARGE]))
def test_a_packet_that_is_too_large_is_known_with_its_length(broken: mqtt.Malformed) -> None:
    header = broken.data[broken.error.offset :]
    size = next(index for index, byte in enumerate(header) if index and byte < 0x80) + 1
    decoder = decoder_of_malformed(broken)
    decoder.feed(broken.data[: broken.error.offset])
    for byte in header[: size - 1]:
        decoder.feed(bytes((byte,)))
        assert decoder.error is None
    decoder.feed(header[size - 1 : size])
    assert described(decoder.error) == described(broken.error)


@given(stream=mqtt.wire_bytes())
def test_incomplete_is_not_broken(stream: mqtt.Stream) -> None:
    decoder = decoder_of(stream)
    found = outcome(decoder, (stream.data[at : at + 1] for at in range(len(stream.data) - 1)))
    assert found.error is None
    assert found.packets == stream.packets[:-1]
    assert found.offset + found.buffered == len(stream.data) - 1


# --- large packets ---------------------------------------------------------------------------


class Large(NamedTuple):
    """A stream of three packets, of which the second is large; where it begins, and the stream cut
    into chunks.
    """

    version: ProtocolVersion
    packets: list[Packet]
    offset: int
    chunks: list[bytes]


@st.composite
def large_streams(draw: st.DrawFn) -> Large:
    """Some with more than a chunk before the payload."""
    version = draw(mqtt.versions())
    length = st.one_of(st.integers(1, 20), st.integers(BLOCK // 2, BLOCK - 1))
    properties = Properties()
    if version is MQTT5:
        properties = Properties(content_type="c" * draw(length), response_topic="r" * draw(length))
    pattern = bytes(range(251))  # 251 is prime, so that a piece that is out of place shows
    payload = (pattern * 1600)[: draw(st.integers(BLOCK // 2, 6 * BLOCK))]
    packets: list[Packet] = [
        PubAck(1),
        Publish("t" * draw(length), payload, 1, packet_id=2, properties=properties),
        PubAck(3),
    ]
    data = b"".join(encode(packet, version) for packet in packets)
    sizes = st.lists(st.one_of(st.integers(1, 20), st.integers(BLOCK, 2 * BLOCK)), max_size=8)
    chunks = []
    for size in draw(sizes):
        chunks.append(data[:size])
        data = data[size:]
    return Large(version, packets, 4, [*chunks, data])


@given(large=large_streams())
def test_a_large_packet_may_come_in_large_chunks(large: Large) -> None:
    found = outcome(Decoder(large.version, sender="client"), large.chunks)
    assert found.packets == large.packets
    size = encoded_size(large.packets[1], large.version)
    assert found.offsets == [0, large.offset, large.offset + size]
    assert found.error is None
    assert found.buffered == 0


@given(data=st.data(), large=large_streams())
def test_a_large_packet_with_a_wrong_byte_may_be_cut_too(data: DataObject, large: Large) -> None:
    stream = bytearray(b"".join(large.chunks))
    places = st.one_of(
        st.integers(large.offset, large.offset + 40), st.integers(0, len(stream) - 1)
    )
    stream[data.draw(places)] ^= data.draw(st.integers(1, 255))
    ends = [*accumulate(map(len, large.chunks))]
    chunks = [stream[start:end] for start, end in pairwise([0, *ends])]
    whole = outcome(Decoder(large.version, sender="client"), [stream])
    cut = outcome(Decoder(large.version, sender="client"), chunks)
    assert cut._replace(buffered=0) == whole._replace(buffered=0)


# --- packets and properties as values --------------------------------------------------------


def any_properties() -> SearchStrategy[Properties]:
    """Properties of all kinds of packets, given or received."""
    return st.sampled_from(PacketType).flatmap(mqtt.properties)


@given(packet=mqtt.packets())
def test_packets_can_be_copied_and_pickled(packet: Packet) -> None:
    assert pickle.loads(pickle.dumps(packet)) == packet
    assert copy.copy(packet) == packet
    assert copy.deepcopy(packet) == packet


@given(properties=any_properties())
def test_properties_can_be_copied_and_pickled(properties: Properties) -> None:
    for other in (
        pickle.loads(pickle.dumps(properties)),
        copy.copy(properties),
        copy.deepcopy(properties),
        properties.replace(),
        Properties(**dict(properties)),
    ):
        assert other == properties
        assert hash(other) == hash(properties)
        assert sorted(dict(other)) == sorted(dict(properties))


@given(one=any_properties(), other=any_properties())
def test_properties_are_equal_if_all_values_are(one: Properties, other: Properties) -> None:
    assert (one == other) is (dict(one) == dict(other))
    assert bool(one) is (dict(one) != {})


@given(properties=any_properties(), changes=any_properties())
def test_properties_with_changes(properties: Properties, changes: Properties) -> None:
    before = dict(properties)
    changed = properties.replace(**dict(changes))
    assert dict(changed) == before | dict(changes)
    assert dict(changed.replace(**dict.fromkeys(dict(changed)))) == {}
    assert dict(properties) == before
