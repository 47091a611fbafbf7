"""The handshakes of QoS 1 and 2: the tables, against rows typed from section 4.3."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.protocol.handshakes import (
    INBOUND,
    INBOUND_STEPS,
    INBOUND_WIDTH,
    OUTBOUND,
    OUTBOUND_STEPS,
    OUTBOUND_WIDTH,
    Answer,
    InboundInput,
    InboundState,
    InboundStep,
    OutboundState,
    OutboundStep,
)

# What the sender of a message does, by what it waits for (down) and what comes (across). An arrow
# leads to what it waits for then; without one it waits for the same as before.
SENDER = """
    waits for   PUBACK       PUBREC            PUBREC-ERROR   PUBCOMP
    -           tell         PUBREL-0x92       tell           tell
    PUBACK      done->-      close             close          close
    PUBREC      close        PUBREL->PUBCOMP   done->-        close
    PUBCOMP     close        PUBREL-again      close          done->-
    SUBACK      close        close             close          close
"""
WAITS_FOR = {
    "-": OutboundState.UNKNOWN,
    "PUBACK": OutboundState.AWAITS_PUBACK,
    "PUBREC": OutboundState.AWAITS_PUBREC,
    "PUBCOMP": OutboundState.AWAITS_PUBCOMP,
    "SUBACK": OutboundState.AWAITS_ANSWER,
}
COMES = {
    "PUBACK": Answer.PUBACK,
    "PUBREC": Answer.PUBREC,
    "PUBREC-ERROR": Answer.PUBREC_REFUSED,
    "PUBCOMP": Answer.PUBCOMP,
}
SENDER_DOES = {
    "tell": OutboundStep.IGNORE,
    "done": OutboundStep.COMPLETE,
    "PUBREL": OutboundStep.RELEASE,
    "PUBREL-again": OutboundStep.RELEASE_AGAIN,
    "PUBREL-0x92": OutboundStep.RELEASE_UNKNOWN,
    "close": OutboundStep.VIOLATION,
}

# What the receiver of a QoS 2 message does, by what it holds of the packet identifier.
RECEIVER = """
    holds       PUBLISH              ok               error             PUBREL
    nothing     deliver->message     -                -                 PUBCOMP-0x92
    message     wait                 PUBREC->id       PUBREC->nothing   close
    id          PUBREC-again         -                -                 PUBCOMP->nothing
    carried     take-up->message     -->id            -->nothing        give-up->nothing
"""
HOLDS = {
    "nothing": InboundState.UNKNOWN,
    "message": InboundState.UNDECIDED,
    "id": InboundState.ACCEPTED,
    "carried": InboundState.CARRIED_OVER,
}
HAPPENS = {
    "PUBLISH": InboundInput.PUBLISH,
    "ok": InboundInput.ACCEPT,
    "error": InboundInput.REFUSE,
    "PUBREL": InboundInput.PUBREL,
}
RECEIVER_DOES = {
    "deliver": InboundStep.DELIVER,
    "wait": InboundStep.WAIT,
    "PUBREC-again": InboundStep.ANSWER_AGAIN,
    "PUBREC": InboundStep.ANSWER,
    "PUBCOMP": InboundStep.FORGET,
    "PUBCOMP-0x92": InboundStep.FORGET_UNKNOWN,
    "close": InboundStep.VIOLATION,
    "-": InboundStep.NOTHING,
    "take-up": InboundStep.TAKE_UP,
    "give-up": InboundStep.GIVE_UP,
}


def cells(table: str) -> list[tuple[str, str, str, str]]:
    """Of each cell of a typed table: its row, its column, what is done, and where that leads."""
    head, *rows = (line.split() for line in table.strip().replace("waits for", "waits").split("\n"))
    found = []
    for row, *entries in rows:
        for column, entry in zip(head[1:], entries, strict=True):
            step, _, state = entry.partition("->")
            found.append((row, column, step, state or row))
    return found


@pytest.mark.parametrize(("row", "column", "step", "state"), cells(SENDER))
def test_what_an_answer_means_to_the_sender(row: str, column: str, step: str, state: str) -> None:
    expected = (SENDER_DOES[step], WAITS_FOR[state])
    assert OUTBOUND[WAITS_FOR[row], COMES[column]] == expected


@pytest.mark.parametrize(("row", "column", "step", "state"), cells(RECEIVER))
def test_what_happens_to_a_message_received(row: str, column: str, step: str, state: str) -> None:
    expected = (RECEIVER_DOES[step], HOLDS[state])
    assert INBOUND[HOLDS[row], HAPPENS[column]] == expected


def test_every_state_has_a_row_for_every_input() -> None:
    assert list(OUTBOUND) == list(product(OutboundState, Answer))
    assert list(INBOUND) == list(product(InboundState, InboundInput))


def test_every_step_is_taken_somewhere() -> None:
    assert {row.step for row in OUTBOUND.values()} == set(OutboundStep)
    assert {row.step for row in INBOUND.values()} == set(InboundStep)


@pytest.mark.parametrize("state", OutboundState)
@pytest.mark.parametrize("answer", Answer)
def test_the_plain_list_says_what_the_outbound_table_says(
    state: OutboundState, answer: Answer
) -> None:
    assert OUTBOUND_STEPS[state * OUTBOUND_WIDTH + answer] == OUTBOUND[state, answer].step


@pytest.mark.parametrize("state", InboundState)
@pytest.mark.parametrize("happening", InboundInput)
def test_the_plain_list_says_what_the_inbound_table_says(
    state: InboundState, happening: InboundInput
) -> None:
    assert INBOUND_STEPS[state * INBOUND_WIDTH + happening] == INBOUND[state, happening].step


def test_the_plain_lists_hold_nothing_else() -> None:
    assert len(OUTBOUND_STEPS) == len(OUTBOUND) == len(OutboundState) * OUTBOUND_WIDTH
    assert len(INBOUND_STEPS) == len(INBOUND) == len(InboundState) * INBOUND_WIDTH
    assert {type(step) for step in OUTBOUND_STEPS + INBOUND_STEPS} == {int}


def test_the_numbers_that_the_hot_paths_spell_out() -> None:
    names = "UNKNOWN AWAITS_PUBACK AWAITS_PUBREC AWAITS_PUBCOMP AWAITS_ANSWER"
    assert [state.name for state in OutboundState] == names.split()
    names = "IGNORE COMPLETE RELEASE RELEASE_AGAIN RELEASE_UNKNOWN VIOLATION"
    assert [step.name for step in OutboundStep] == names.split()
    names = (
        "DELIVER WAIT ANSWER_AGAIN ANSWER FORGET FORGET_UNKNOWN VIOLATION NOTHING TAKE_UP GIVE_UP"
    )
    assert [step.name for step in InboundStep] == names.split()
    for numbers in (Answer, OutboundState, OutboundStep, InboundInput, InboundState, InboundStep):
        assert [int(member) for member in numbers] == list(range(len(numbers)))


# --- what follows from the tables ------------------------------------------------------------


@given(answers=st.lists(st.sampled_from(Answer)))
def test_a_message_completes_at_most_once(answers: list[Answer]) -> None:
    for start in (OutboundState.AWAITS_PUBACK, OutboundState.AWAITS_PUBREC):
        state, steps = start, []
        for answer in answers:
            step, state = OUTBOUND[state, answer]
            steps.append(step)
            if step is OutboundStep.VIOLATION:
                break
        assert steps.count(OutboundStep.COMPLETE) <= 1
        assert steps.count(OutboundStep.RELEASE) <= (start is OutboundState.AWAITS_PUBREC)


def test_nothing_leads_from_pubrel_back_to_publish() -> None:
    reached = {row.state for (state, _), row in OUTBOUND.items() if state == 3}
    assert reached == {OutboundState.AWAITS_PUBCOMP, OutboundState.UNKNOWN}


def test_a_violation_changes_no_state() -> None:
    for (state, _), row in OUTBOUND.items():
        assert row.step is not OutboundStep.VIOLATION or row.state is state
    for (held, _), what in INBOUND.items():
        assert what.step is not InboundStep.VIOLATION or what.state is held


@given(happenings=st.lists(st.sampled_from(InboundInput)))
def test_between_two_deliveries_of_an_identifier_the_exchange_has_ended(
    happenings: list[InboundInput],
) -> None:
    state, delivered = InboundState.UNKNOWN, False
    for happening in happenings:
        step, following = INBOUND[state, happening]
        if step is InboundStep.VIOLATION:
            break
        if step is InboundStep.DELIVER:
            assert not delivered
            delivered = True
        # It is forgotten, or refused.
        if step is InboundStep.FORGET or (step, following) == (InboundStep.ANSWER, 0):
            delivered = False
        state = following
