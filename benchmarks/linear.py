"""Decoding costs linear time, however the stream is cut: the measured ratios.

At each cut, one stream of N MiB of small packets is set against N streams of 1 MiB, one after the
other, and one packet of N MiB against N packets of 1 MiB. A decoder that does more per byte as its
stream or its packet grows shows here as a ratio above 1; the limit is 1.2. Both sides keep their
packets until the clock stops, so that both pay for the memory.

N is 64. A cut of 1 byte takes minutes then: ``--mib`` makes N smaller, for that cut only.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

from mqttproto import Packet, Publish
from mqttproto.codec import Decoder, encode, encoded_size
from timing import chunked, interleave, keep_memory, pipe_table

Block: TypeAlias = tuple[bytes, ...]
"""A MiB, cut; made once and fed many times, so that making it is not timed."""

MEBIBYTE: Final = 1024 * 1024
SIZE: Final = 64
CUTS: Final = (1, 100, 64 * 1024)
SMALL: Final = 64
"""The bytes of a small packet: a MiB holds a whole number of them."""
LIMIT: Final = 1.2


def publish(size: int) -> bytes:
    """Return a PUBLISH of ``size`` bytes."""
    topic = "plant/7/temperature"
    probe = size - 32
    overhead = encoded_size(Publish(topic, bytes(probe))) - probe
    wire = encode(Publish(topic, bytes(size - overhead)))
    assert len(wire) == size
    return wire


def decode(streams: Iterable[Iterable[Block]], count: int) -> list[Packet]:
    """Decode streams, each with a decoder of its own, into one list of ``count`` packets."""
    packets: list[Packet] = []
    for blocks in streams:
        feed = Decoder().feed
        for block in blocks:
            for chunk in block:
                packets += feed(chunk)
    assert len(packets) == count
    return packets


def ratio(
    large: Callable[[], object], small: Callable[[], object], rounds: int
) -> tuple[int, int, float]:
    """Return the best times of both sides in ns, and what the first is of the second."""
    timings = interleave({"large": lambda: large, "small": lambda: small}, rounds)
    first, second = timings["large"].best, timings["small"].best
    return first, second, first / second


def measure(cut: int, size: int, rounds: int) -> list[tuple[str, int, int, float]]:
    """Measure both comparisons at one cut.

    :param cut: the bytes of a chunk; at the end of each MiB there is a shorter one, if need be.
    :param size: N.
    """
    smalls = chunked(publish(SMALL) * (MEBIBYTE // SMALL), cut)
    count = size * MEBIBYTE // SMALL
    medium = chunked(publish(MEBIBYTE), cut)
    start = chunked(publish(size * MEBIBYTE)[:MEBIBYTE], cut)
    zeros = chunked(bytes(MEBIBYTE), cut)  # of which all payloads are made
    return [
        (
            f"{size} MiB of small packets",
            *ratio(
                partial(decode, [[smalls] * size], count),
                partial(decode, [[smalls]] * size, count),
                rounds,
            ),
        ),
        (
            f"one packet of {size} MiB",
            *ratio(
                partial(decode, [[start, *[zeros] * (size - 1)]], 1),
                partial(decode, [[medium] * size], size),
                rounds,
            ),
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mib", type=int, default=SIZE, help="N for the cut of 1 byte")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--check", action="store_true", help=f"exit 1 above {LIMIT}")
    arguments = parser.parse_args()
    keep_memory()
    rows = []
    worst = 0.0
    for cut in CUTS:
        size = arguments.mib if cut == 1 else SIZE
        for title, large, small, times in measure(cut, size, arguments.rounds):
            worst = max(worst, times)
            milliseconds = f"{large / 1e6:,.0f}", f"{small / 1e6:,.0f}"
            rows.append((f"{title}, cut of {cut:,}", *milliseconds, f"{times:.2f}"))
    print(pipe_table(("decode", "ms", "ms in MiBs", "ratio"), rows))
    return 1 if arguments.check and worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
