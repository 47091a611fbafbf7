"""The order of acknowledgements (5.0: MQTT-4.6.0-2, MQTT-4.6.0-3)."""

from collections import deque
from typing import final

from mqttproto.codec.hints import mypyc_attr

__all__ = ["Receipt", "Receipts"]


@mypyc_attr(acyclic=True)
@final
class Receipt:
    """The place of a received message in the order of acknowledgements.

    :ivar packet_id: that of the PUBLISH, 1 to 65,535.
    :ivar qos: 1 or 2.
    :ivar connection: the number of the connection that owes the answer.
    :ivar answer: the encoded PUBACK or PUBREC, empty until the owner has decided.
    :ivar after: the number of the change that the answer waits for.
    :ivar frees: whether the answer ends an exchange of QoS 2, so that the sender may send one more.
    :ivar decided: whether the owner has acknowledged or refused the message.
    :ivar repeated: whether the answer was sent before, and this is one for a repetition.
    :ivar void: whether the answer is not wanted any more.
    """

    __slots__ = (
        "after",
        "answer",
        "connection",
        "decided",
        "frees",
        "packet_id",
        "qos",
        "repeated",
        "void",
    )

    def __init__(self, packet_id: int, qos: int, connection: int) -> None:
        self.packet_id: int = packet_id
        self.qos: int = qos
        self.connection: int = connection
        self.answer: bytes = b""
        self.after: int = 0
        self.frees: bool = False
        self.decided: bool = False
        self.repeated: bool = False
        self.void: bool = False


@final
class Receipts:
    """The messages of one QoS on one connection whose answer has not been sent, oldest first."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: deque[Receipt] | None = None

    def __len__(self) -> int:
        return 0 if self._order is None else len(self._order)

    def add(self, receipt: Receipt) -> None:
        """A message has come."""
        if self._order is None:
            self._order = deque()
        self._order.append(receipt)

    def pop_answered(self) -> Receipt | None:
        """Take out the oldest, if its answer is there."""
        order = self._order
        if not order:
            return None
        receipt: Receipt = order[0]
        if not receipt.answer:
            return None
        order.popleft()
        return receipt
