"""The packets of a connection of ours, as lines on standard error."""

from typing import Final

from mqttproto.cli.console import complain
from mqttproto.cli.conversation import Conversation
from mqttproto.constants import Sender

__all__ = ["Wiretap"]

_ARROWS: Final = {Sender.CLIENT: "->", Sender.SERVER: "<-"}


class Wiretap:
    """Prints what both ends of one connection send, without payloads and passwords.

    :param websocket: whether MQTT is in WebSocket frames.
    """

    def __init__(self, *, websocket: bool) -> None:
        self._conversation: Final = Conversation(discreet=True)
        self._frames: Final = {sender: _Frames(sender) for sender in Sender} if websocket else {}

    def said(self, sender: Sender, data: bytes) -> None:
        """Print what ``data`` is."""
        if self._frames:
            data = self._frames[sender].payloads(data)
        for remark in self._conversation.feed(sender, data):
            complain(f"{_ARROWS[sender] if remark.is_packet else '!!'} {remark.text}")


_DATA: Final = (0x0, 0x2)
"""The opcodes of frames of binary messages (RFC 6455 section 5.2)."""


class _Frames:
    """One direction of a WebSocket; whether it is as it should be, others see to."""

    def __init__(self, sender: Sender) -> None:
        from wsproto.frame_protocol import FrameProtocol

        self._head: bytes | None = b""  # of HTTP, as long as it has not ended
        self._protocol: Final = FrameProtocol(client=sender is Sender.SERVER, extensions=[])

    def payloads(self, data: bytes) -> bytes:
        """What the frames in ``data`` carry."""
        from wsproto.frame_protocol import ParseFailed

        if self._head is not None:
            self._head += data
            _, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return b""
            self._head = None
        self._protocol.receive_bytes(data)
        payloads = b""
        try:
            for frame in self._protocol.received_frames():
                if isinstance(frame.payload, (bytes, bytearray)) and frame.opcode in _DATA:
                    payloads += frame.payload
        except ParseFailed:
            pass
        return payloads
