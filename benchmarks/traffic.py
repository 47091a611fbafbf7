"""What flows through a connection: messages, and what the other end says to them, in bytes.

A run is a list of turns. In each the client publishes some messages and puts out their bytes, and
then reads what the server has to say, one chunk after the other; it puts out its answers behind
each. One that only receives publishes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from samples import Ack, Publish, label

__all__ = [
    "BATCHES",
    "CONNACKS",
    "Case",
    "Message",
    "Turn",
    "answers",
    "batches",
    "cases",
    "identifiers",
    "incoming",
    "incoming_answers",
    "messages",
    "outgoing",
    "rehearse",
]

Message: TypeAlias = tuple[str, bytes]
"""Topic and payload."""

Turn: TypeAlias = tuple[Sequence[Message], Iterable[bytes]]
"""What is published, and then the chunks that are read."""

BATCHES: Final = (64, 1)
"""How many messages a read brings, or answers."""

CONNACKS: Final = {4: bytes.fromhex("20020000"), 5: bytes.fromhex("2003000000")}
"""Welcome: no session, no limits; by version."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the tables.

    :ivar batch: how many messages a turn has.
    """

    version: int
    qos: int
    batch: int

    @property
    def title(self) -> str:
        return f"QoS {self.qos}, {label(self.version)}, {self.batch} per read"


def cases() -> list[Case]:
    """All cases of one direction."""
    return [
        Case(version, qos, batch) for batch in BATCHES for version in (4, 5) for qos in (0, 1, 2)
    ]


def _message(number: int) -> Message:
    return f"plant/{number % 100}/temperature", b'{"value": %d.%02d}' % divmod(number, 100)


def messages(count: int) -> list[Message]:
    """The messages of a run."""
    return [_message(number) for number in range(count)]


def batches(count: int, size: int) -> list[list[Message]]:
    """The messages of a run, by turn."""
    every = messages(count)
    return [every[start : start + size] for start in range(0, count, size)]


def incoming(case: Case, count: int) -> list[Turn]:
    """What a server sends; at QoS 2 PUBLISHes in one chunk, and PUBRELs in the next.

    The identifiers are those of a server that takes the next one each time.
    """
    turns: list[Turn] = []
    number = 0
    for batch in batches(count, case.batch):
        published, released = [], []
        for topic, payload in batch:
            packet_id = number % 65_535 + 1 if case.qos else None
            number += 1
            publish = Publish(topic, payload, case.qos, packet_id=packet_id)
            published.append(publish.wire(case.version))
            if case.qos == 2:
                released.append(Ack("PUBREL", number).wire(case.version))
        chunks = [b"".join(published), b"".join(released)]
        turns.append(((), [chunk for chunk in chunks if chunk]))
    return turns


def incoming_answers(case: Case, count: int) -> bytes:
    """What the client has to say to that."""
    said = []
    for start in range(0, count if case.qos else 0, case.batch):
        numbers = range(start + 1, min(start + case.batch, count) + 1)
        for name in ("PUBACK",) if case.qos == 1 else ("PUBREC", "PUBCOMP"):
            said += [Ack(name, number).wire(case.version) for number in numbers]
    return b"".join(said)


def identifiers(data: bytes) -> list[int]:
    """The packet identifiers of PUBLISHes above QoS 0, one after the other in ``data``."""
    found = []
    position = 0
    while position < len(data):
        length = data[position + 1]
        assert data[position] & 0xF0 == 0x30
        assert length < 0x80
        topic = int.from_bytes(data[position + 2 : position + 4], "big")
        behind = position + 4 + topic
        found.append(int.from_bytes(data[behind : behind + 2], "big"))
        position += 2 + length
    return found


def answers(case: Case, packet_ids: Iterable[int]) -> Iterator[bytes]:
    """The chunks that a server says to PUBLISHes with these identifiers."""
    names: tuple[str, ...] = ((), ("PUBACK",), ("PUBREC", "PUBCOMP"))[case.qos]
    numbers = list(packet_ids)
    for name in names:
        yield b"".join([Ack(name, number).wire(case.version) for number in numbers])


def rehearse(case: Case, count: int, sent: list[bytes], script: list[Turn]) -> Iterator[Turn]:
    """Turns in which a server answers what a client sends, which chooses the identifiers.

    :param sent: where the client puts its bytes.
    :param script: where the turns are taken down, so that they can be played without a server.
    """

    def reads(chunks: list[bytes]) -> Iterator[bytes]:
        packet_ids = identifiers(sent[-1]) if case.qos else ()
        for chunk in answers(case, packet_ids):
            chunks.append(chunk)
            yield chunk

    for batch in batches(count, case.batch):
        chunks: list[bytes] = []
        script.append((batch, chunks))
        yield batch, reads(chunks)


def outgoing(case: Case, script: Iterable[Turn]) -> tuple[bytes, list[int]]:
    """What a client has to send in these turns, and the identifiers that it has to report."""
    said = []
    reported = []
    for batch, chunks in script:
        first = next(iter(chunks), b"")
        numbers = [int.from_bytes(first[at + 2 : at + 4], "big") for at in range(0, len(first), 4)]
        assert not case.qos or len(set(numbers)) == len(batch)
        for index, (topic, payload) in enumerate(batch):
            packet_id = numbers[index] if case.qos else None
            said.append(Publish(topic, payload, case.qos, packet_id=packet_id).wire(case.version))
        if case.qos == 2:
            said += [Ack("PUBREL", number).wire(case.version) for number in numbers]
        reported += numbers
    return b"".join(said), reported
