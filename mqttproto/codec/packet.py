"""What all packets share."""

from typing import ClassVar, Final

from mqttproto.codec.block import Properties
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.wire import varint_size
from mqttproto.constants import PacketType, ProtocolVersion, QoS

__all__ = [
    "Packet",
    "Record",
    "as_qos",
    "packet_id_bytes",
    "packet_size",
    "properties_size",
    "wrong_type",
]


# Making a member from its number costs more than making a whole packet.
_QOS: Final[tuple[QoS, ...]] = tuple(QoS)


@mypyc_attr(acyclic=True)
class Record:
    """A plain object with named attributes.

    Its attributes may be set. Two of one class with equal attributes are equal. It can be copied
    and pickled, but not hashed or subclassed.
    """

    __slots__ = ()

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {}
    """The attributes with their types, in the order of the constructor."""

    ITEMS: ClassVar[dict[str, type]] = {}
    """The types of what stands in those attributes that are lists."""

    SECRETS: ClassVar[frozenset[str]] = frozenset()
    """The attributes that ``repr`` shows as ``***``, so that they do not get into logs."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.FIELDS)

    def __hash__(self) -> int:
        raise TypeError(f"unhashable type: {type(self).__name__!r}")

    def __repr__(self) -> str:
        values = [f"{name}={self._shown(name)}" for name in self.FIELDS]
        return f"{type(self).__name__}({', '.join(values)})"

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        return "***" if name in self.SECRETS and value is not None else repr(value)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), tuple(getattr(self, name) for name in self.FIELDS)))


def _rebuild(cls: type[Record], values: tuple[object, ...]) -> Record:
    """Make the object again from its pickled form."""
    return cls(*values)


@mypyc_attr(acyclic=True)
class Packet(Record):
    """A control packet: one class for both directions and all versions.

    What the attributes hold is checked when the packet is encoded, so that a packet may be built
    in steps.
    """

    __slots__ = ()

    packet_type: ClassVar[PacketType]
    """The type in the fixed header (5.0 section 2.1.2)."""

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        """The packet's bytes in ``version`` (3, 4 or 5); see :func:`mqttproto.codec.encode`."""
        raise NotImplementedError

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        """What ``len(packet.encode(version))`` would be, in bytes, without encoding.

        The packet must be one that can be encoded.
        """
        raise NotImplementedError


def as_qos(field: str, value: object, fault: Fault) -> QoS:
    """``value`` as a QoS.

    :raises InvalidValueError: if there is no such QoS; ``fault`` says which rule that breaks.
    """
    if not isinstance(value, int):
        raise TypeError(f"{field}: a QoS is needed, not {type(value).__name__}")
    number: int = value
    if not 0 <= number <= 2:
        raise refusal(field, fault, detail=str(value))
    return _QOS[number]


def wrong_type(field: str, value: object, types: tuple[type, ...]) -> TypeError | None:
    """Find the attribute that made an encoder fail, for the error that names it.

    Encoders do not ask for types before they have to: compiled code never gets a wrong one, and
    interpreted code fails soon enough.

    :returns: None if all is of the type that it should be.
    """
    if not isinstance(value, types):
        wanted = " or ".join(each.__name__ for each in types)
        return TypeError(f"{field}: {wanted} is needed, not {type(value).__name__}")
    if not isinstance(value, Record):
        return None
    name = type(value).__name__
    for each, its_types in value.FIELDS.items():
        held = getattr(value, each)
        error = wrong_type(f"{name}.{each}", held, its_types)
        for item in held if isinstance(held, list) else ():
            error = error or wrong_type(f"{name}.{each}", item, (value.ITEMS[each],))
        if error is not None:
            return error
    return None


def packet_id_bytes(name: str, packet_id: int | None, version: int) -> bytes:
    """The packet identifier of the packet called ``name``, two bytes.

    :raises InvalidValueError: if it is not 1 to 65,535.
    """
    if packet_id is None or not 1 <= packet_id <= 65_535:
        raise refusal(f"{name}.packet_id", Fault.PACKET_ID, version, str(packet_id))
    return packet_id.to_bytes(2, "big")


def properties_size(properties: Properties, version: int) -> int:
    """The bytes that a property block takes, with its Property Length; none before 5.0."""
    if version != 5:
        return 0
    size = len(properties.block())
    return varint_size(size) + size


def packet_size(remaining: int) -> int:
    """The bytes of a packet with this Remaining Length."""
    return 1 + varint_size(remaining) + remaining
