"""Messages on their way out, seen by those who wait for them."""

from typing import Any, Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.publish import Publish
from mqttproto.constants import ReasonCode
from mqttproto.engine.completion import Completion, Waiter, Waiters
from mqttproto.errors import PublishRefusedError
from mqttproto.protocol.events import PublishCompleted

__all__ = ["Outgoing", "PublishHandle", "PublishStream"]

_FAILURE: Final = 0x80


@mypyc_attr(acyclic=True)
class Outgoing(Completion):
    """Whoever waits for the fate of messages."""

    __slots__ = ()

    def completed(self, event: PublishCompleted) -> None:
        """A message is done with: the server has it, or has refused it."""
        raise NotImplementedError

    def failed(self, error: BaseException) -> None:
        """A message will not be sent, or it will never be known whether it arrived."""
        raise NotImplementedError


def _refusal(event: PublishCompleted) -> PublishRefusedError | None:
    if event.reason_code < _FAILURE:
        return None
    return PublishRefusedError(event.reason_code, event.properties.reason_string)


@mypyc_attr(acyclic=True)
@final
class PublishHandle(Outgoing):
    """One message on its way out.

    :ivar done: whether its fate is known.
    :ivar error: why it was not published; None if it was, or is still under way.
    :ivar reason_code: what the server has answered, below 0x80; None before. 0 in 3.1.1, and at
        QoS 0, which nobody answers.
    :ivar properties: those of the answer; empty before 5.0.
    """

    __slots__ = ("_waiter", "properties", "reason_code")

    def __init__(self, waiter: Waiter) -> None:
        super().__init__()
        self._waiter: Waiter = waiter
        self.reason_code: ReasonCode | None = None
        self.properties: Properties = EMPTY

    def __repr__(self) -> str:
        state = "under way" if not self.done else repr(self.error or self.reason_code)
        return f"<PublishHandle: {state}>"

    def completed(self, event: PublishCompleted) -> None:
        """Take the answer of the server."""
        self.reason_code = event.reason_code
        self.properties = event.properties
        self.finish(_refusal(event))

    def failed(self, error: BaseException) -> None:
        """Take note that it will not be known, or not be."""
        self.finish(error)

    def sent(self) -> None:
        """Take note that it was handed to the network, at QoS 0."""
        self.reason_code = ReasonCode.SUCCESS
        self.finish()

    def wait(self) -> Any:
        """Wait until it is done: ``await handle.wait()``.

        :returns: the reason code.
        :raises PublishRefusedError: if the server has refused it.
        :raises MQTTError: if it could not be sent; see :attr:`error`.
        """
        return _outcome(self, self._waiter)


async def _outcome(handle: PublishHandle, waiter: Waiter) -> ReasonCode:
    if not handle.done:
        await waiter(handle)
    handle.check()
    assert handle.reason_code is not None
    return handle.reason_code


@final
class PublishStream(Outgoing):
    """Many messages on their way out, of which so many at a time.

    :ivar count: how many were given to it.
    :ivar window: how many may be under way, 1 and up.
    """

    __slots__ = ("_room", "count", "failure", "held", "pending", "window")

    def __init__(self, window: int) -> None:
        super().__init__()
        if window < 1:
            raise ValueError("window must be 1 or more")
        self.window: Final[int] = window
        self.count: int = 0
        self.pending: int = 0
        self.failure: BaseException | None = None
        """The first thing that went wrong."""
        self.held: Publish | None = None
        """The message that has found no room."""
        self._room: Waiters = Waiters()

    @property
    def full(self) -> bool:
        """Whether the next message has to wait."""
        return self.pending >= self.window

    def room(self) -> Completion:
        """What is done when there is room for several, or when all are done with."""
        return self._room.next()

    def _one_less(self) -> None:
        self.pending -= 1
        # Not for each: whoever is woken has something to do then.
        if self.pending <= self.window // 2:
            self._room.wake()

    def completed(self, event: PublishCompleted) -> None:
        """Take the answer of the server to one of them."""
        if self.failure is None:
            self.failure = _refusal(event)
        self._one_less()

    def failed(self, error: BaseException) -> None:
        """Take note that one of them will not be known, or not be."""
        if self.failure is None:
            self.failure = error
        self._one_less()
