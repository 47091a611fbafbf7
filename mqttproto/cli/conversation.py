"""What the two ends of a connection say to each other, as a person can read it; without any I/O."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mqttproto.cli.lines import fault_text, packet_text
from mqttproto.cli.text import amount
from mqttproto.codec import Decoder
from mqttproto.constants import Sender

__all__ = ["Conversation", "Remark"]

_MOST_EARLY: Final = 1 << 16
"""How many bytes a server may send before the version is known; more are not decoded."""


class Remark(NamedTuple):
    """One thing to say.

    :ivar sender: about what this end has sent.
    :ivar text: what; one line, without its end.
    :ivar is_packet: whether it is a packet; if not, something is wrong.
    """

    sender: Sender
    text: str
    is_packet: bool


class _Voice:
    """One end.

    :ivar decoder: its packets; None while there is no telling them.
    :ivar packets: how many it has sent.
    :ivar size: how many bytes it has sent.
    :ivar heard: whether what it says is understood.
    """

    def __init__(self, decoder: Decoder | None) -> None:
        self.decoder = decoder
        self.packets = 0
        self.size = 0
        self.heard = True


class Conversation:
    """Both directions of one connection. It never raises for what the bytes are.

    :param discreet: of payloads and other binary data, give the length only.
    """

    def __init__(self, *, discreet: bool = False) -> None:
        self._discreet: Final = discreet
        self._voices: Final = {
            Sender.CLIENT: _Voice(Decoder(None, sender=Sender.CLIENT)),
            Sender.SERVER: _Voice(None),
        }
        # What the server says before CONNECT has told the version.
        self._early = bytearray()

    def packets(self, sender: Sender) -> int:
        """How many packets this end has sent."""
        return self._voices[sender].packets

    def size(self, sender: Sender) -> int:
        """How many bytes this end has sent."""
        return self._voices[sender].size

    def feed(self, sender: Sender, data: bytes) -> list[Remark]:
        """Take what one end has sent, cut anywhere, and say what there is to say about it."""
        return list(self._fed(sender, data))

    def end(self, sender: Sender) -> list[Remark]:
        """Take the end of what one end sends."""
        return list(self._ended(sender))

    def _fed(self, sender: Sender, data: bytes) -> Iterator[Remark]:
        voice = self._voices[sender]
        voice.size += len(data)
        if not voice.heard:
            return
        if voice.decoder is None:
            yield from self._keep(data)
            return
        yield from self._decoded(sender, voice.decoder, data)
        if sender is Sender.CLIENT and voice.decoder.version is not None:
            yield from self._answer(voice.decoder)

    def _ended(self, sender: Sender) -> Iterator[Remark]:
        voice = self._voices[sender]
        decoder = voice.decoder
        if voice.heard and decoder is not None and decoder.buffered:
            yield self._wrong(
                sender,
                f"it ends inside of the packet at byte {decoder.offset},"
                f" after {amount(decoder.buffered)}",
            )
        elif voice.heard and self._early and sender is Sender.SERVER:
            yield self._wrong(sender, f"{amount(len(self._early))} without a CONNECT")

    def _decoded(self, sender: Sender, decoder: Decoder, data: bytes) -> Iterator[Remark]:
        voice = self._voices[sender]
        packets = decoder.feed(data)
        version = decoder.version
        if version is not None:
            voice.packets += len(packets)
            for packet in packets:
                yield Remark(sender, packet_text(packet, version, discreet=self._discreet), True)
        if decoder.error is not None:
            text = fault_text(decoder.error, decoder.offset)
            yield self._wrong(sender, f"{text}; what follows is not decoded")

    def _keep(self, data: bytes) -> Iterator[Remark]:
        self._early += data
        if not self._voices[Sender.CLIENT].heard or len(self._early) > _MOST_EARLY:
            yield self._wrong(
                Sender.SERVER,
                f"not decoded: no CONNECT has told the version ({self._early[:8].hex(' ')})",
            )

    def _answer(self, client: Decoder) -> Iterator[Remark]:
        """Now that the version is known, listen to the server."""
        server = self._voices[Sender.SERVER]
        if server.decoder is None and server.heard:
            server.decoder = Decoder(client.version, sender=Sender.SERVER)
            yield from self._decoded(Sender.SERVER, server.decoder, bytes(self._early))
            self._early.clear()

    def _wrong(self, sender: Sender, text: str) -> Remark:
        self._voices[sender].heard = False
        return Remark(sender, text, False)
