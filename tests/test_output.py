"""The gate: nothing leaves before the change that it depends on is committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.protocol.output import Output


def test_nothing_is_to_be_sent_at_first() -> None:
    output = Output()
    assert len(output) == output.held_bytes == 0
    assert not output
    assert output.take() == b""


def test_bytes_that_depend_on_nothing_leave_at_once() -> None:
    output = Output()
    output.write(b"ab")
    output.write(b"c")
    assert len(output) == 3
    assert output
    assert output.held_bytes == 0
    assert output.take() == b"abc"
    assert not output
    assert output.take() == b""


def test_a_packet_may_come_in_pieces() -> None:
    output = Output()
    output.write(b"a")
    assert output.write_pieces(b"b", b"", b"cd")
    output.write(b"e")
    assert len(output) == 5
    assert output.take() == b"abcde"


def test_pieces_are_refused_while_bytes_are_held() -> None:
    output = Output()
    output.write_after(b"a", 1)
    assert not output.write_pieces(b"b", b"c", b"d")
    assert len(output) == 1
    output.release(1)
    assert output.write_pieces(b"b", b"c", b"d")
    assert output.take() == b"abcd"


def test_a_single_packet_is_not_copied() -> None:
    output = Output()
    data = bytes(100)
    output.write(data)
    assert output.take() is data


def test_bytes_wait_for_the_change_that_they_depend_on() -> None:
    output = Output()
    output.write_after(b"ab", 2)
    assert len(output) == output.held_bytes == 2
    assert output
    assert output.take() == b""
    output.release(1)
    assert output.take() == b""
    output.release(2)
    assert len(output) == 2
    assert output.held_bytes == 0
    assert output.take() == b"ab"
    assert not output


def test_what_comes_after_held_bytes_keeps_its_place() -> None:
    output = Output()
    output.write(b"a")
    output.write_after(b"b", 1)
    output.write(b"c")
    output.write_after(b"d", 2)
    output.write_after(b"e", 1)
    assert output.held_bytes == 4
    assert output.take() == b"a"
    output.release(1)
    assert output.held_bytes == 2
    assert output.take() == b"bc"
    output.release(2)
    assert output.take() == b"de"
    output.write(b"f")
    assert output.take() == b"f"


def test_bytes_that_depend_on_a_committed_change_do_not_wait() -> None:
    output = Output()
    output.release(5)
    output.write_after(b"a", 5)
    assert output.held_bytes == 0
    assert output.take() == b"a"
    output.write_after(b"b", 6)
    output.write_after(b"c", 5)
    assert output.take() == b""
    output.release(6)
    assert output.take() == b"bc"


def test_what_is_committed_stays_so() -> None:
    output = Output()
    output.release(5)
    output.release(3)
    output.write_after(b"a", 4)
    assert output.take() == b"a"


def test_signs_of_life_overtake_what_is_held_and_nothing_else() -> None:
    output = Output()
    output.write(b"a")
    output.write_after(b"b", 1)
    output.write_now(b"!")
    assert output.held_bytes == 1
    assert output.take() == b"a!"
    output.release(1)
    output.write_now(b"?")
    assert output.take() == b"b?"


def test_everything_can_be_dropped() -> None:
    output = Output()
    output.write(b"a")
    output.write_after(b"b", 1)
    output.discard()
    assert len(output) == output.held_bytes == 0
    assert not output
    output.release(1)
    output.write(b"c")
    assert output.take() == b"c"


WRITE, AFTER, RELEASE, TAKE = "write", "after", "release", "take"
steps = st.lists(
    st.tuples(st.sampled_from([WRITE, AFTER, RELEASE, TAKE]), st.integers(0, 12)), max_size=60
)


@pytest.mark.parametrize("size", [1, 3])
@given(steps=steps)
def test_any_interleaving_keeps_order_and_waits_for_commits(
    size: int, steps: list[tuple[str, int]]
) -> None:
    output = Output()
    written: list[int] = []  # for each packet, the change that it depends on
    sent = committed = 0

    def packet(number: int) -> bytes:
        return bytes([number % 251]) * size

    for step, number in steps:
        if step == WRITE:
            output.write(packet(len(written)))
            written.append(0)
        elif step == AFTER:
            output.write_after(packet(len(written)), number)
            written.append(number)
        elif step == RELEASE:
            output.release(number)
            committed = max(committed, number)
        else:
            # All up to the first whose change is not committed, and no more.
            free = sent
            while free < len(written) and written[free] <= committed:
                free += 1
            assert output.take() == b"".join(packet(each) for each in range(sent, free))
            sent = free
        assert len(output) == (len(written) - sent) * size
        assert bool(output) == (len(written) > sent)
        held = [each for each in range(sent, len(written)) if written[each] > committed]
        assert output.held_bytes == ((len(written) - held[0]) * size if held else 0)
    output.release(12)
    assert output.take() == b"".join(packet(each) for each in range(sent, len(written)))
    assert not output
