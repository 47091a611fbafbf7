"""The outbound packet identifiers of a session, and what each is in use for."""

from collections.abc import Iterator
from typing import Final, final

from mqttproto.errors import PacketIdsExhaustedError, Statement
from mqttproto.protocol.delivery import Exchange

__all__ = ["MOST_PACKET_IDS", "PacketIds"]

MOST_PACKET_IDS: Final = 65_535
"""The identifiers are 1 to 65,535 (5.0: MQTT-2.2.1-3, MQTT-2.2.1-4)."""

_MANY: Final = 1_024
"""With so many in use it pays to keep a map of them, a byte for each identifier."""

_EXHAUSTED: Final = "all packet identifiers are in use: wait until some are answered"
_STATEMENT: Final[Statement] = Statement("5.0", "MQTT-2.2.1-3")


@final
class PacketIds:
    """Identifiers by number, in the order in which they were taken.

    An identifier is never given out while it is in use, and a free one only when all others have
    been tried since: answers that come late meet no new exchange.
    """

    __slots__ = ("_exchanges", "_last", "_map")

    def __init__(self) -> None:
        self._exchanges: dict[int, Exchange] = {}
        self._last: int = 0
        self._map: bytearray | None = None

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        """What is under way, in the order of :meth:`take` and :meth:`renew`."""
        return iter(list(self._exchanges.values()))

    def get(self, packet_id: int) -> Exchange | None:
        """What this identifier is in use for."""
        return self._exchanges.get(packet_id)

    def next(self) -> int:
        """The identifier to use next; it stays free until it is taken.

        :raises PacketIdsExhaustedError: if all are in use.
        """
        used = self._exchanges
        packet_id = self._last + 1
        if packet_id > MOST_PACKET_IDS:
            packet_id = 1
        if packet_id not in used:
            return packet_id
        if len(used) >= MOST_PACKET_IDS:
            raise PacketIdsExhaustedError(_EXHAUSTED, _STATEMENT)
        return self._search(packet_id)

    def _search(self, packet_id: int) -> int:
        """The first free identifier from ``packet_id`` on, of which there is one."""
        taken = self._map
        if taken is None:
            while packet_id in self._exchanges:
                packet_id = packet_id % MOST_PACKET_IDS + 1
            return packet_id
        # One call, where asking for each in turn would let a peer that answers a single message
        # of 65,000 cost that many steps, again and again.
        found = taken.find(0, packet_id)
        return found if found > 0 else taken.find(0, 1)

    def take(self, exchange: Exchange) -> None:
        """Use the identifier of ``exchange``, which :meth:`next` gave, or an export held."""
        packet_id = exchange.packet_id
        self._exchanges[packet_id] = exchange
        self._last = packet_id
        taken = self._map
        if taken is not None:
            taken[packet_id] = 1
        elif len(self._exchanges) > _MANY:
            taken = bytearray(MOST_PACKET_IDS + 1)
            for each in self._exchanges:
                taken[each] = 1
            self._map = taken

    def free(self, packet_id: int) -> None:
        """Give an identifier back."""
        del self._exchanges[packet_id]
        taken = self._map
        if taken is not None:
            taken[packet_id] = 0
            if len(self._exchanges) < _MANY // 2:
                self._map = None

    def renew(self, packet_id: int) -> None:
        """Put an exchange behind all others in the order."""
        exchanges = self._exchanges
        exchange = exchanges[packet_id]
        del exchanges[packet_id]
        exchanges[packet_id] = exchange
