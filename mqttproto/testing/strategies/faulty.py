"""Streams that are legal up to one packet, which breaks one rule."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.faults import Fault, packet_error
from mqttproto.codec.packet import Packet
from mqttproto.constants import PacketType, ProtocolVersion, Sender
from mqttproto.errors import PacketError
from mqttproto.testing.strategies.breaks import Case
from mqttproto.testing.strategies.packets import types_from
from mqttproto.testing.strategies.streams import OPENING, Stream, beginnings
from mqttproto.testing.strategies.templates import field_names, templates
from mqttproto.testing.strategies.ways import WAYS, Way

__all__ = ["Malformed", "malformed"]

_BEFORE_VERSION = ("", "protocol_name", "protocol_level")
"""What a server that takes any version reads of a CONNECT before it knows which one this is."""


class Malformed(NamedTuple):
    """Bytes that must be refused, and what must be said about them.

    ``Decoder(version, max_packet_size, sender=sender).feed(data)`` returns ``packets`` and holds
    an error like ``error``, however ``data`` is cut.

    :ivar version: the version of the connection; None where the server cannot know it because
        the client's CONNECT does not tell, and then statements of 5.0 are cited.
    :ivar sender: the end that sends the bytes.
    :ivar max_packet_size: the Maximum Packet Size of the receiver: 268,435,460, which is no limit
        at all, for all but packets that are too large.
    :ivar data: the bytes; anything may follow behind the fault.
    :ivar packets: the packets before the fault.
    :ivar offsets: where in ``data`` each of these begins.
    :ivar error: an instance of the class of error, with ``reason_code``, ``statement`` (version
        and id), ``offset`` (where in ``data`` the fault lies), ``rule`` (the same in words) and
        ``fault`` (its row in :data:`mqttproto.codec.faults.FAULTS`).
    """

    version: ProtocolVersion | None
    sender: Sender
    max_packet_size: int
    data: bytes
    packets: list[Packet]
    offsets: list[int]
    error: PacketError


def malformed(
    version: ProtocolVersion | int | None = None,
    sender: Sender | str | None = None,
    faults: Collection[Fault] | None = None,
) -> SearchStrategy[Malformed]:
    """Streams that break one rule, each rule as often as any other.

    They cover every fault that bytes can have, in each version and from each sender that can make
    it; those that lie in the state of a connection are not among them.

    :param version: 3, 4 or 5; None draws it.
    :param sender: None draws it.
    :param faults: only these; None takes all.
    :raises ValueError: if none of ``faults`` can occur in ``version`` from ``sender``.
    """
    choices = {
        (fault, each_version, end): [*_choices(fault, each_version, end)]
        for fault in (WAYS if faults is None else sorted(faults))
        for each_version in ([*ProtocolVersion] if version is None else [ProtocolVersion(version)])
        for end in ([*Sender] if sender is None else [Sender(sender)])
    }
    possible = [key for key, ways in choices.items() if ways]
    if not possible:
        where = "any" if version is None else ProtocolVersion(version).label
        end = "either" if sender is None else Sender(sender).value
        raise ValueError(f"there are no bytes with such a fault: version {where}, sender {end}")
    return st.sampled_from(possible).flatmap(
        lambda key: st.sampled_from(choices[key]).flatmap(lambda choice: _malformed(choice, *key))
    )


def _choices(
    fault: Fault, version: ProtocolVersion, sender: Sender
) -> Iterator[tuple[Way, PacketType]]:
    """The ways to make ``fault``, each with a packet that ``sender`` would do it with."""
    legal = types_from(version, sender)
    if fault is Fault.SENDER:
        legal = [packet for packet in types_from(version, _other(sender)) if packet not in legal]
    for way in WAYS.get(fault, ()):
        for packet in way.packets:
            if (
                packet in legal
                and version in way.versions
                and sender in way.senders
                and (not way.field or way.field in field_names(packet, version))
            ):
                yield way, packet


def _other(sender: Sender) -> Sender:
    return Sender.SERVER if sender is Sender.CLIENT else Sender.CLIENT


@st.composite
def _malformed(
    draw: DrawFn,
    choice: tuple[Way, PacketType],
    fault: Fault,
    version: ProtocolVersion,
    sender: Sender,
) -> Malformed:
    way, packet = choice
    owner = _other(sender) if fault is Fault.SENDER else sender
    template = draw(
        templates(packet, version, owner).filter(
            lambda drawn: not way.field or way.field in drawn.fields
        )
    )
    broken = way.make(Case(draw, packet, version, sender, way.field, template))
    told: ProtocolVersion | None = version
    start = Stream(version, sender, b"", [], [])
    if fault is Fault.FIRST_NOT_CONNECT:
        told = None
    elif packet != OPENING[sender]:
        start = draw(beginnings(version, sender))
    elif packet is PacketType.CONNECT and way.field in _BEFORE_VERSION:
        told = draw(st.sampled_from([version, None]))
    return Malformed(
        told,
        sender,
        broken.max_packet_size,
        start.data + broken.data + draw(st.binary(max_size=8)),
        start.packets,
        start.offsets,
        packet_error(fault, len(start.data) + broken.position, told or 0, sender, packet),
    )
