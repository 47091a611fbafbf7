"""The order of acknowledgements: that of the messages, whatever the order of the decisions."""

from hypothesis import given
from hypothesis import strategies as st

from mqttproto.protocol.receipts import Receipt, Receipts


def test_a_receipt_waits_for_its_owner() -> None:
    receipt = Receipt(7, 2, 3)
    assert (receipt.packet_id, receipt.qos, receipt.connection) == (7, 2, 3)
    assert receipt.answer == b""
    assert receipt.after == 0
    assert not receipt.frees
    assert not receipt.decided


def test_there_is_nothing_to_send_without_messages() -> None:
    receipts = Receipts()
    assert len(receipts) == 0
    assert receipts.pop_answered() is None


def test_an_answer_waits_for_those_of_the_messages_before() -> None:
    receipts = Receipts()
    one, two, three = (Receipt(packet_id, 1, 1) for packet_id in (1, 2, 3))
    for receipt in (one, two, three):
        receipts.add(receipt)
    assert len(receipts) == 3
    three.answer = two.answer = b"@"
    assert receipts.pop_answered() is None
    one.answer = b"@"
    assert [receipts.pop_answered() for _ in range(4)] == [one, two, three, None]
    assert len(receipts) == 0


def test_a_message_may_come_after_all_were_answered() -> None:
    receipts = Receipts()
    for packet_id in (1, 2):
        receipt = Receipt(packet_id, 1, 1)
        receipts.add(receipt)
        assert receipts.pop_answered() is None
        receipt.answer = b"@"
        assert receipts.pop_answered() is receipt
        assert receipts.pop_answered() is None


@given(number=st.integers(1, 12), data=st.data())
def test_answers_leave_in_the_order_of_receipt(number: int, data: st.DataObject) -> None:
    receipts = Receipts()
    expected = [Receipt(packet_id, 1, 1) for packet_id in range(1, number + 1)]
    decisions = data.draw(st.permutations(expected))
    sent: list[Receipt] = []
    coming = list(expected)
    while decisions:
        if len(coming) > 0 and data.draw(st.booleans()):
            receipts.add(coming.pop(0))
            continue
        receipt = decisions.pop()
        receipt.answer = b"@"
        while (answered := receipts.pop_answered()) is not None:
            sent.append(answered)
        # Nothing that could leave is held back: the oldest that is left has no answer.
        here = [each for each in expected if each not in coming]
        assert sent == here[: len(sent)]
        assert len(sent) == len(here) or not here[len(sent)].answer
        assert len(receipts) == len(here) - len(sent)
    for receipt in coming:
        receipts.add(receipt)
    while (answered := receipts.pop_answered()) is not None:
        sent.append(answered)
    assert sent == expected
