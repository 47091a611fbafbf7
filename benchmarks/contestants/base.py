"""What a library has to offer to take part."""

import abc
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, ClassVar, Final, TypeAlias

from samples import Case, Publish, Sample, label

__all__ = ["LOST", "Contestant", "Fields", "Packet", "Stream"]

Packet: TypeAlias = Any
"""What a library makes of one packet. Any: each has classes of its own, most of them untyped."""

Stream: TypeAlias = tuple[bytes, ...]
"""The chunks of one connection."""

Fields: TypeAlias = tuple[object, ...]
"""The fields of a packet, in the order of the dataclass in :mod:`samples`."""


class _Lost:
    def __repr__(self) -> str:
        return "LOST"


LOST: Final = _Lost()
"""Stands for a field that a library reads over, or does not hand on."""


class Contestant(abc.ABC):
    """A library; building one raises ImportError if it is absent, AttributeError if it changed.

    :cvar name: the name of the distribution.
    :cvar versions: the protocol versions that it speaks.
    :ivar readers: by kind of packet that it decodes, what reads all fields of a decoded one.
    :ivar builders: by kind of packet that it encodes, what makes its own of (sample, version).
    """

    name: ClassVar[str]
    versions: ClassVar[frozenset[int]] = frozenset((4, 5))
    readers: Mapping[type[Sample], Callable[[Packet], Fields]]
    builders: Mapping[type[Sample], Callable[[Any, int], Packet]]

    @property
    def release(self) -> str:
        """The version of the installed distribution."""
        return metadata.version(self.name)

    @abc.abstractmethod
    def decoder(self, version: int, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        """Prepare one run that decodes all streams, each with a new decoder, into one list."""

    @abc.abstractmethod
    def encoder(self, version: int, packets: Sequence[Packet]) -> Callable[[], list[Any]]:
        """Prepare one run that encodes what the builders made; :meth:`wire` reads the result."""

    def wire(self, encoded: Any) -> bytes:
        """Return the bytes in one element of what an encoding run returned."""
        return bytes(encoded)

    def cannot_decode(self, case: Case) -> str | None:
        """Return why the case is not for this library; None if it is."""
        return self._cannot("decodes", case, self.readers)

    def cannot_encode(self, case: Case) -> str | None:
        """Return why the case is not for this library; None if it is."""
        return self._cannot("encodes", case, self.builders)

    def _cannot(self, what: str, case: Case, able: Mapping[type[Sample], object]) -> str | None:
        if case.version not in self.versions:
            return "speaks only " + " and ".join(map(label, sorted(self.versions)))
        missing = {type(sample) for sample in case.samples} - able.keys()
        if missing:
            return f"{what} no " + ", ".join(sorted(kind.__name__.upper() for kind in missing))
        return None

    def shortfall(self, case: Case) -> str | None:
        """Return what decoding leaves undone, so that its time does not count; None if nothing."""
        return None

    def decode_run(self, case: Case, streams: Sequence[Stream]) -> Callable[[], list[Packet]]:
        """Prepare one run of the case: decode, and read every field if the case says so."""
        decode = self.decoder(case.version, streams)
        if not case.reads:
            return decode
        read = self.readers[Publish]

        def decode_and_read() -> list[Packet]:
            packets = decode()
            for packet in packets:
                read(packet)
            return packets

        return decode_and_read

    def encode_run(self, case: Case) -> Callable[[], list[Any]]:
        """Prepare one run of the case, with new packets: some libraries keep what they encoded."""
        builders = self.builders
        packets = [builders[type(sample)](sample, case.version) for sample in case.samples]
        return self.encoder(case.version, packets)
